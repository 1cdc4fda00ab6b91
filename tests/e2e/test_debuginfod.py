"""Names from debuginfod servers: a real one, and ones that are slow, dead or lie; all on the loopback.

`modules` works in functions of libraries that are stripped, so that their names are nowhere but in
the files that the servers have."""

import contextlib
import http.server
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tarfile
import threading
import time
import urllib.error
import urllib.request

import pytest

from stax import PATIENCE, REPO, SANITIZED, TIMEOUT, assert_share, needs_program

pytestmark = [pytest.mark.needs(needs_program(name)) for name in ("gcc", "objcopy", "readelf")]

N_MODULES = 30
FLAGS = ["-std=gnu17", "-O1", "-g", "-fno-omit-frame-pointer", "-fno-inline", "-fno-optimize-sibling-calls",
         "-fPIC", "-shared", "-fvisibility=hidden", "-Wl,--build-id"]


class Modules:
    """Stripped libraries in `stripped`, and what was taken from them in `debug`."""

    def __init__(self, directory, names, flags=()):
        self.flags = [*FLAGS, *flags]
        self.stripped = directory / "stripped"
        self.debug = directory / "debug"
        self.names = names
        self.build_ids = {}
        for path in (self.stripped, self.debug):
            path.mkdir(parents=True)
        for name in names:
            self._build(name)

    def _build(self, name):
        library = self.stripped / f"{name}.so"
        source = REPO / "tests/targets/hidden.c"
        subprocess.run(["gcc", *self.flags, f"-DHIDDEN={name}", "-o", library, source], check=True)
        subprocess.run(["objcopy", "--only-keep-debug", library, self.debug_file(name)], check=True)
        subprocess.run(["strip", library], check=True)
        notes = subprocess.run(["readelf", "-n", library], check=True, capture_output=True, text=True)
        self.build_ids[name] = re.search(r"Build ID: ([0-9a-f]+)", notes.stdout).group(1)

    def debug_file(self, name):
        return self.debug / f"{name}.debug"

    def files(self):
        """The debug files by build-id."""
        return {self.build_ids[name]: self.debug_file(name).read_bytes() for name in self.names}


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return Modules(tmp_path_factory.mktemp("one"), ["hidden_work"])


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return Modules(tmp_path_factory.mktemp("many"), [f"hidden_{i}" for i in range(N_MODULES)])


SOURCES = "/usr/src/stax-nowhere"  # where nothing is


@pytest.fixture(scope="module")
def sourceless(tmp_path_factory):
    """Its sources are where no file system has them."""
    assert not os.path.exists(SOURCES)
    return Modules(tmp_path_factory.mktemp("sourceless"), ["hidden_work"],
                   [f"-fdebug-prefix-map={REPO}/tests/targets={SOURCES}"])


# ---- Servers ------------------------------------------------------------------------------------------


class DebugServer:
    """Answers for build-ids in one way: `answer(handler, build_id)`. Counts who asked for what."""

    def __init__(self, answer, tls=None):
        self.asked = []
        self.over = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                build_id = self.path.split("/")[2]
                outer.asked.append(build_id)
                with contextlib.suppress(OSError):
                    answer(self, build_id)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.http.server_port}"
        if tls:
            self.http.socket = tls.wrap_socket(self.http.socket, server_side=True)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


def send(handler, body, status=200):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def files_of(modules):
    files = modules.files()

    def answer(handler, build_id):
        if build_id in files:
            send(handler, files[build_id])
        else:
            send(handler, b"not here\n", 404)

    return answer


@pytest.fixture
def silent_url():
    """Takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def real_debuginfod(directory, modules, rpc, *options):
    """Debian's own, once it has found the debug files, where the options say or else as files."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with open(directory / "debuginfod.log", "wb") as log:
        proc = subprocess.Popen(["debuginfod", "-p", str(port), "-d", ":memory:",
                                 *(options or ("-F", modules.debug))],
                                stdout=log, stderr=log, env={**os.environ, "HOME": str(directory)})
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + TIMEOUT
        while not all(_serves(url, build_id) for build_id in modules.build_ids.values()):
            assert proc.poll() is None and time.monotonic() < deadline, (directory / "debuginfod.log").read_text()
            rpc.pause(0.05)
        yield url
    finally:
        proc.send_signal(signal.SIGTERM)
        proc.wait(TIMEOUT)


def _serves(url, build_id):
    try:
        with urllib.request.urlopen(f"{url}/buildid/{build_id}/debuginfo", timeout=TIMEOUT) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError):
        return False


# ---- Questions ----------------------------------------------------------------------------------------


@pytest.fixture
def fetching(other_server, tmp_path):
    """A stax-server that asks these servers, with a cache of its own."""

    def start(*urls, **env):
        (tmp_path / "tmp").mkdir(exist_ok=True)
        return other_server(env={
            "DEBUGINFOD_URLS": " ".join(urls), "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "TMPDIR": str(tmp_path / "tmp"), "no_proxy": "127.0.0.1", **env}).start()

    return start


def report(rpc):
    return rpc.call("RunControl.diagnostics")["debuginfod"]


def until(rpc, what, condition):
    """Asks until the answer is as wanted; bounded."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        got = condition()
        if got:
            return got
        assert time.monotonic() < deadline, f"{what}: {report(rpc)}"
        rpc.pause(0.02)


def names(rpc):
    return {entry["function_name"] for entry in rpc.call("Profiler.top", limit=10000)["entries"]}


def cache_of(tmp_path):
    return tmp_path / "cache" / "stax" / "debuginfod"


@pytest.mark.needs(needs_program("debuginfod"))
def test_a_real_debuginfod(fetching, server, target, one, tmp_path):
    with server.rpc() as idle, real_debuginfod(tmp_path, one, idle) as url:
        first = fetching(url)
        run = first.record([target("modules"), one.stripped, "400"])
        with first.rpc() as rpc:
            until(rpc, "the name", lambda: "hidden_work" in names(rpc))
            got = report(rpc)
            assert got["servers"][0]["state"] == "up"
            assert got["fetched"] == got["servers"][0]["found"] == 1
            assert got["servers"][0]["bytes"] >= one.debug_file("hidden_work").stat().st_size
        top = first.top().check()
        # With what is inlined into it, which the debug file tells, too.
        assert_share(top.total_samples("hidden_work"), top.samples, run.truth.share("hidden_work"), "hidden_work")
        text = first.ok("diagnose").out
        assert f"{url}: up" in text and "1 file fetched" in text, text
        first.stop()
        # The next server has it from the cache, whoever else is asked for more.
        second = fetching(url)
        second.record([target("modules"), one.stripped, "200"])
        with second.rpc() as rpc:
            until(rpc, "the name", lambda: "hidden_work" in names(rpc))
            got = report(rpc)
            assert got["cached"] >= 1 and got["servers"][0]["found"] == 0, got
            assert got["servers"][0]["asked"] == 0, got
    assert (cache_of(tmp_path) / one.build_ids["hidden_work"] / "debuginfo").read_bytes() == \
        one.debug_file("hidden_work").read_bytes()


def test_names_come_late_and_nobody_waits(fetching, target, one):
    """The file is held back until the first answers have been given: without names, at once."""
    arrived, go = threading.Event(), threading.Event()
    files = files_of(one)

    def answer(handler, build_id):
        if build_id == one.build_ids["hidden_work"]:
            arrived.set()
            go.wait(TIMEOUT)
        files(handler, build_id)

    with DebugServer(answer) as debug:
        server = fetching(debug.url, STAX_DEBUGINFOD_TIMEOUT_S="60")
        with server.live([target("modules"), one.stripped, "50", "0"]) as live, server.rpc() as rpc:
            server.ok("wait", "--for-samples", "100")
            until(rpc, "the module", lambda: "hidden_work.so" in
                  {e["binary"] for e in rpc.call("Profiler.top", limit=100)["entries"]})
            assert arrived.wait(TIMEOUT)
            assert "hidden_work" not in names(rpc)
            transfer = until(rpc, "the transfer", lambda: report(rpc)["transfers"])[0]
            assert transfer["url"] == debug.url
            assert "fetching " in server.ok("diagnose").out
            server.settle()  # does not wait for it either
            go.set()
            until(rpc, "the name", lambda: "hidden_work" in names(rpc))
            live.end()
        assert "hidden_work" in server.top().names()


def test_old_runs_get_names_too(fetching, target, one):
    go = threading.Event()
    files = files_of(one)

    def answer(handler, build_id):
        go.wait(TIMEOUT)
        files(handler, build_id)

    with DebugServer(answer) as debug:
        server = fetching(debug.url, STAX_DEBUGINFOD_TIMEOUT_S="60")
        for _ in range(2):
            server.record([target("modules"), one.stripped, "200"])
        assert "hidden_work" not in server.top("--run", "1").names()
        go.set()
        with server.rpc() as rpc:
            until(rpc, "the name", lambda: "hidden_work" in server.top("--run", "1").names())
        assert "hidden_work" in server.top("--run", "2").names()


def test_a_silent_server_delays_nothing(fetching, target, many, silent_url):
    """30 files are missing, and the only server hangs: answers are as fast as ever, and it is asked once."""
    server = fetching(silent_url, STAX_DEBUGINFOD_TIMEOUT_S="3")
    with server.live([target("modules"), many.stripped, "10", "0"]) as live, server.rpc() as rpc:
        rpc.call("Profiler.top", limit=20)
        until(rpc, "the transfer", lambda: report(rpc)["transfers"])
        hung = time.monotonic()
        took = []
        while report(rpc)["transfers"]:
            start = time.monotonic()
            assert rpc.call("Profiler.top", limit=20)["entries"]
            if not SANITIZED:
                server.ok("top")
            took.append(time.monotonic() - start)
            assert time.monotonic() < hung + TIMEOUT, report(rpc)
        print(f"{len(took)} answers while it hung, the slowest took {1000 * max(took):.1f} ms")
        assert len(took) >= 5 and max(took) < 0.1 * PATIENCE, took
        until(rpc, "the others", lambda: report(rpc)["deferred"] >= N_MODULES)
        assert time.monotonic() - hung < 3 * 3, "30 times 3 s it is not"
        got = report(rpc)
        assert got["servers"][0]["state"] == "down"
        assert got["servers"][0]["asked"] == 1, "the whole time-out is paid once"
        assert got["servers"][0]["rests_ns"] > 500e9
        assert "did not answer within 3 s" in got["failures"][0]["reason"]
        assert "down, left alone for 9 min" in server.ok("diagnose").out
        live.end()


def test_the_end_does_not_wait_for_a_silent_server(fetching, target, one, silent_url):
    server = fetching(silent_url, STAX_DEBUGINFOD_TIMEOUT_S="300")
    server.record([target("modules"), one.stripped, "100"])
    with server.rpc() as rpc:
        rpc.call("Profiler.top", limit=1)
        until(rpc, "the transfer", lambda: report(rpc)["transfers"])
    start = time.monotonic()
    server.stop()
    assert time.monotonic() - start < 5 * PATIENCE


def garbage(handler, _build_id):
    send(handler, b"<html>please log in</html>")


def truncated(handler, _build_id):
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b"\x7fELF" + bytes(1000))


def redirected(handler, _build_id):
    handler.send_response(302)
    handler.send_header("Location", handler.path)
    handler.end_headers()


@pytest.mark.parametrize("answer", [garbage, truncated, redirected], ids=lambda f: f.__name__)
def test_useless_servers_are_left_alone_and_the_next_is_asked(fetching, target, many, answer):
    with DebugServer(answer) as bad, DebugServer(files_of(many)) as good:
        server = fetching(bad.url, good.url)
        server.record([target("modules"), many.stripped, "20"], timeout=TIMEOUT + 60)
        with server.rpc() as rpc:
            until(rpc, "all names", lambda: set(many.names) <= names(rpc))
            got = report(rpc)
            assert got["servers"][0]["state"] == "faulty"
            assert 3 <= got["servers"][0]["asked"] <= 4
            assert got["servers"][1]["found"] == N_MODULES
            assert got["failures"][0]["url"] == bad.url
        assert "faulty, left alone for 59 min" in server.ok("diagnose").out


def test_a_wrong_file_gives_no_names(fetching, target, many):
    """The debug file of another library: its names would be lies."""
    files = list(many.files().items())
    others = {files[i][0]: files[i - 1][1] for i in range(len(files))}
    with DebugServer(lambda handler, build_id: send(handler, others.get(build_id, b""))) as debug:
        server = fetching(debug.url)
        server.record([target("modules"), many.stripped, "20"], timeout=TIMEOUT + 60)
        with server.rpc() as rpc:
            names(rpc)
            until(rpc, "the failures", lambda: report(rpc)["servers"][0]["state"] == "faulty")
            assert not names(rpc) & set(many.names)
            assert any("another build-id" in f["reason"] for f in report(rpc)["failures"])


def test_a_refusing_server(fetching, target, one):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = fetching(f"http://127.0.0.1:{port}")
    server.record([target("modules"), one.stripped, "100"])
    with server.rpc() as rpc:
        names(rpc)
        until(rpc, "the failure", lambda: report(rpc)["servers"][0]["state"] == "down")
    assert "failed: " in server.ok("diagnose").out


@pytest.mark.needs(needs_program("openssl"))
def test_a_server_that_nobody_vouches_for(fetching, target, one, tmp_path):
    """It has the files, and a certificate of its own making."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with DebugServer(files_of(one), tls) as debug:
        server = fetching(debug.url)
        server.record([target("modules"), one.stripped, "100"])
        with server.rpc() as rpc:
            names(rpc)
            until(rpc, "the failure", lambda: report(rpc)["servers"][0]["state"] == "down")
            assert "certificate" in report(rpc)["failures"][0]["reason"]
            assert "hidden_work" not in names(rpc)
        assert not debug.asked


def test_without_a_home_files_live_as_long_as_the_server(fetching, target, one, tmp_path):
    with DebugServer(files_of(one)) as debug:
        server = fetching(debug.url, XDG_CACHE_HOME="/proc/no/such/place")
        server.record([target("modules"), one.stripped, "100"])
        with server.rpc() as rpc:
            until(rpc, "the name", lambda: "hidden_work" in names(rpc))
            got = report(rpc)
        assert "kept only until stax-server ends" in got["note"]
        assert pathlib.Path(got["cache"]).parent == tmp_path / "tmp"
        assert list((tmp_path / "tmp").iterdir())
        server.stop()
        assert not list((tmp_path / "tmp").iterdir())


def test_off(fetching, target, one, tmp_path):
    server = fetching("")
    server.record([target("modules"), one.stripped, "100"])
    with server.rpc() as rpc:
        assert report(rpc) == {"on": False, "note": "", "cache": "", "fetched": 0, "cached": 0, "missing": 0,
                               "deferred": 0, "sources": 0, "sources_missing": 0, "sources_wanted": 0,
                               "servers": [], "transfers": [], "failures": []}
    assert "debug files" not in server.ok("diagnose").out
    assert not (tmp_path / "cache").exists()


def test_what_is_no_server_is_said(fetching):
    server = fetching("ftp://here", "localhost:8002")
    assert "is not asked: it is not an http:// or https:// URL" in server.ok("diagnose").out


# ---- Sources ------------------------------------------------------------------------------------------


def annotated(rpc):
    return rpc.call("Profiler.annotated", name="hidden_work")


def texts(answer):
    """The text of the lines that instructions were made of, by file and line."""
    headers = [line["source_header"] for line in answer["lines"] if line.get("source_header")]
    return {(header["file"], header["line"]): header.get("text") for header in headers}


def truth(name):
    """What the lines of a source say."""
    return (REPO / "tests/targets" / name).read_text().split("\n")


def check_texts(answer):
    """All of them, and they are right."""
    got = texts(answer)
    if not got or None in got.values():
        return False
    for (file, line), text in got.items():
        assert pathlib.Path(file).parent == pathlib.Path(SOURCES), file
        assert text == truth(pathlib.Path(file).name)[line - 1], (file, line)
    return True


def package(directory, modules):
    """An archive with debug files and the sources that they name, as distributions have."""
    (directory / "packages").mkdir()
    with tarfile.open(directory / "packages/debug.tar", "w") as tar:
        tar.add(modules.debug, "usr/lib/debug")
        for name in ("hidden.c", "truth.h"):
            tar.add(REPO / "tests/targets" / name, f"{SOURCES[1:]}/{name}")
    return directory / "packages"


@pytest.mark.needs(needs_program("debuginfod"))
def test_sources_of_a_real_debuginfod(fetching, server, target, sourceless, tmp_path):
    packages = package(tmp_path, sourceless)
    with server.rpc() as idle, real_debuginfod(tmp_path, sourceless, idle, "-Z", ".tar", packages) as url:
        first = fetching(url)
        first.record([target("modules"), sourceless.stripped, "400"])
        with first.rpc() as rpc:
            until(rpc, "the name", lambda: "hidden_work" in names(rpc))
            until(rpc, "the text", lambda: check_texts(annotated(rpc)))
        assert "WORK(HIDDEN)" in first.ok("annotate", "hidden_work", "--all").out
        first.stop()
    # Nobody is there any more, but the cache has them.
    second = fetching(url)
    second.record([target("modules"), sourceless.stripped, "200"])
    with second.rpc() as rpc:
        until(rpc, "the name", lambda: "hidden_work" in names(rpc))
        until(rpc, "the text", lambda: check_texts(annotated(rpc)))


def test_sources_are_fetched_when_somebody_looks(fetching, target, sourceless):
    """Not ahead, each once; and nobody waits for them."""
    asked, go = [], threading.Event()
    files = files_of(sourceless)

    def answer(handler, build_id):
        rest = handler.path.split("/", 3)[3]
        if not rest.startswith("source/"):
            files(handler, build_id)
            return
        asked.append("/" + rest.removeprefix("source/"))
        go.wait(TIMEOUT)
        send(handler, "\n".join(truth(os.path.basename(rest))).encode())

    with DebugServer(answer) as debug:
        server = fetching(debug.url, STAX_DEBUGINFOD_TIMEOUT_S="60")
        server.record([target("modules"), sourceless.stripped, "400"])
        with server.rpc() as rpc:
            until(rpc, "the name", lambda: "hidden_work" in names(rpc))
            assert asked == []
            got = until(rpc, "the lines", lambda: texts(annotated(rpc)))
            assert set(got.values()) == {None}  # at once, without their text
            until(rpc, "the request", lambda: asked)
            assert set(texts(annotated(rpc)).values()) == {None}
            go.set()
            until(rpc, "the text", lambda: check_texts(annotated(rpc)))
            assert report(rpc)["sources"] == len(asked) and report(rpc)["sources_missing"] == 0
        assert sorted(asked) == sorted({file for file, _ in got}), asked


def test_a_server_without_sources_is_asked_once(fetching, target, sourceless):
    asked = []
    files = files_of(sourceless)

    def answer(handler, build_id):
        if "/source/" not in handler.path:
            files(handler, build_id)
            return
        asked.append(handler.path)
        send(handler, b"no\n", 404)

    with DebugServer(answer) as debug:
        server = fetching(debug.url)
        server.record([target("modules"), sourceless.stripped, "400"])
        with server.rpc() as rpc:
            until(rpc, "the name", lambda: "hidden_work" in names(rpc))
            got = until(rpc, "the lines", lambda: texts(annotated(rpc)))
            until(rpc, "the requests", lambda: len(asked) == len({file for file, _ in got}))
            rpc.call("Profiler.annotated", name="hidden_enter")  # looks again, at the same file
            assert set(texts(annotated(rpc)).values()) == {None}
            assert len(asked) == len(set(asked))
            until(rpc, "the count", lambda: report(rpc)["sources_missing"] >= len(asked))
