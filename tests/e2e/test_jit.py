"""Code that is made while the program runs: names from jitdumps and perf maps, valid by time."""

import os
import pathlib
import subprocess

import pytest

from stax import PATIENCE, TIMEOUT, Ready, assert_share, needs_program, needs_root, share_bound

FAST = 3000
DATA = pathlib.Path(__file__).parent / "data"
# How much of a function's time may be counted as another one's where one takes the other's place.
PROMPT_S = 0.04  # told at once: what the reader needs to hear of it, on a busy machine
LATE_S = 0.14    # told later: half of an epoch, and what the next sample needs to come


@pytest.fixture
def folder(server):
    path = server.dir / "work"
    path.mkdir()
    return path


@pytest.fixture(autouse=True)
def _no_maps_left():
    before = set(pathlib.Path("/tmp").glob("perf-*.map"))
    yield
    for path in set(pathlib.Path("/tmp").glob("perf-*.map")) - before:
        path.unlink()


def record(server, folder, *command, frequency=FAST, **more):
    run = server.record(list(command), "-F", frequency, cwd=folder, **more)
    assert run.status == 0, run.result
    return run


def sources(server):
    return server.json("diagnose")["run"]["jit"]


def of_jit(top):
    """Samples in named functions of a JIT, and in memory without a file where no name is known."""
    named = sum(e["self_samples"] for e in top.entries if e["binary"] == "[jit]")
    nameless = sum(e["self_samples"] for e in top.entries if e["binary"] == "[anon]")
    return named, nameless


def assert_named(top, truth, slack_s):
    """Each function has its share of the samples in code that was made; `slack_s` is by how much its time may
    be off, all in all."""
    named, nameless = of_jit(top)
    assert named >= 0.85 * top.samples and nameless <= 0.01 * named, (named, nameless, top.samples)
    for name in truth:
        entry = top.one(name)
        assert entry["binary"] == "[jit]", entry
        share = truth.share(name)
        bound = share_bound(named, share) + slack_s * 1e9 / truth.total_ns
        got = entry["self_samples"] / named
        assert abs(got - share) <= bound, f"{name}: {got:.3f}, the truth is {share:.3f} +- {bound:.3f}"


# ---- Known programs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["dump", "map", "both"])
def test_one_function(server, target, folder, where):
    run = record(server, folder, target("jit"), where, "prompt", "once", "50")
    assert_named(server.settled_top(), run.truth, 0)
    kinds = [s["kind"] for s in sources(server) if s["codes"] > 0]
    assert sorted(kinds) == {"dump": ["jitdump"], "map": ["perf_map"], "both": ["jitdump", "perf_map"]}[where]


@pytest.mark.parametrize("where", ["dump", "map"])
def test_one_address_many_functions(server, target, folder, where):
    """Told promptly: each function has its time, however often the others take its place."""
    run = record(server, folder, target("jit"), where, "prompt", "reuse", "50")
    assert_named(server.settled_top(), run.truth, 11 * PROMPT_S)
    flame = server.flame().check()
    for name in run.truth:
        assert flame.at("main", "reuse", "work", name) > 0, name


def test_dump_that_comes_at_the_end(server, target, folder):
    """Nothing is written before the program ends: what was at an address when is found out afterwards."""
    run = record(server, folder, target("jit"), "dump", "late", "phases", "25")
    assert_named(server.settled_top(), run.truth, 2 * LATE_S)
    # Nothing of that would be so if the last function at the address had it all.
    assert run.truth.share("gamma") < 0.2


@pytest.mark.parametrize("when", ["prompt", "late"])
def test_code_that_moves(server, target, folder, when):
    run = record(server, folder, target("jit"), "dump", when, "move", "100")
    assert_named(server.settled_top(), run.truth, 4 * LATE_S if when == "late" else 4 * PROMPT_S)
    events = server.json("diagnose")["run"]["events"]
    assert events["code_loaded"] == 3 and events["code_moved"] == 2


def test_map_that_comes_at_the_end(server, target, folder):
    run = record(server, folder, target("jit"), "map", "late", "once", "50")
    assert_named(server.settled_top(), run.truth, 0)


def test_without_names(server, target, folder):
    """A JIT that tells nothing: one nameless place per address, as ever."""
    run = record(server, folder, target("jit"), "nowhere", "prompt", "once", "30")
    top = server.settled_top()
    named, nameless = of_jit(top)
    assert named == 0 and nameless > 0.95 * top.samples
    assert run.truth["alpha"] > 0
    places = [e["function_name"] for e in top.entries if e["binary"] == "[anon]"]
    assert len(places) == len(set(places)) <= 10, places
    assert all(s["codes"] == 0 for s in sources(server))


def test_until_symbol(server, target, folder):
    """A name can be waited for, and comes while the program runs."""
    ready = Ready(server.file("ready"))
    process = subprocess.Popen([target("jit"), "dump", "prompt", "phases", "200"], cwd=folder,
                               env={**os.environ, "READY": str(ready.path)}, stdout=subprocess.DEVNULL)
    try:
        pid = ready.wait(process)
        with server.rpc() as rpc:
            rpc.call("RunControl.start_attach", pid=pid, frequency_hz=FAST)
            server.ok("wait", "--until-symbol", "alpha", "--timeout-ms", 20000)
            assert server.json("list")["runs"][0]["state"] == "recording"
            named, nameless = of_jit(server.top())
            assert named > 0 and nameless <= 0.1 * named + 20
            late = server.stax("wait", "--until-symbol", "gamma", "--timeout-ms", "200")
            assert late.status != 0, "it has not been made yet"
            rpc.call("RunControl.stop_active")
    finally:
        process.kill()
        process.wait()
        ready.close()


# ---- Hostile files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind,note,named", [
    ("header", "is not a jitdump", False),
    ("swapped", "byte order", False),
    ("machine", "processor", False),
    ("clock", "counter", False),
    ("cut", "inside of a record", True),
    ("short", "shorter than records", True),
    ("lies", "", True),
    ("backwards", "", True),
    ("huge", "inside of a record", True),
    ("endless", "", True),
])
def test_hostile_dump(server, target, folder, kind, note, named):
    """Whatever it says, the run goes on; what is wrong with it is said, and what came before it holds."""
    run = record(server, folder, target("jit"), "dump", "prompt", kind, "50")
    top = server.settled_top()
    source = next(s for s in sources(server) if s["kind"] == "jitdump")
    assert note in source["note"] and (note == "") == (source["note"] == ""), source
    in_named, in_nameless = of_jit(top)
    if named:
        assert_named(top, run.truth, 0)
    else:
        assert in_named == 0 and in_nameless > 0.95 * top.samples
    assert source["bad"] == (3 if kind == "lies" else 0)
    assert (source["backwards"] > 0) == (kind == "backwards")
    assert source["note"][:20] in server.ok("diagnose").out


def test_map_of_another_user(server, target, folder):
    """Somebody else's file under that name is not believed."""
    if needs_root():
        pytest.skip(needs_root())
    script = ('umask 022; echo "1000 ffffffffffff stranger" >/tmp/perf-$$.map; chown 12345 /tmp/perf-$$.map; '
              'exec "$@"')
    record(server, folder, "sh", "-c", script, "sh", target("jit"), "nowhere", "prompt", "once", "30")
    top = server.settled_top()
    assert not top.find("stranger") and of_jit(top)[0] == 0
    assert any("another user" in s["note"] for s in sources(server)), sources(server)


def test_map_from_before_an_exec(server, target, folder):
    """The process is the same before and after an exec, and so is its file."""
    script = 'echo "1000 ffffffffffff before" >/tmp/perf-$$.map; exec "$@"'
    record(server, folder, "sh", "-c", script, "sh", target("jit"), "nowhere", "prompt", "once", "30")
    assert server.settled_top().find("before")


# Has a /tmp of its own; the FIFO that says it is ready lies in ours.
INSIDE = 'exec 3<>"$READY" 4<"$1" && shift && mount -t tmpfs none /tmp && READY=/dev/fd/3 exec /proc/self/fd/4 "$@"'


@pytest.mark.needs(needs_root())
@pytest.mark.needs(needs_program("unshare"))
def test_map_in_namespaces(server, target):
    """Its own /tmp and its own pids: the file is found where the program sees it, under the pid it has there."""
    try:
        subprocess.run(["unshare", "-mpf", "true"], check=True, stderr=subprocess.PIPE)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"unshare does not work here: {error.stderr.decode().strip()}")
    ready = Ready(server.file("ready"))
    process = subprocess.Popen(
        ["unshare", "-mpf", "--kill-child", "sh", "-c", INSIDE, "sh", target("jit"), "map", "prompt", "once", "5000"],
        env={**os.environ, "READY": str(ready.path)}, stdout=subprocess.DEVNULL)
    try:
        assert ready.wait(process) == 1, "what it takes for its pid"
        pid = int(pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
        with server.rpc() as rpc:
            rpc.call("RunControl.start_attach", pid=pid, frequency_hz=FAST)
            rpc.call("RunControl.wait_active", condition={"for_samples": 500})
            rpc.call("RunControl.stop_active")
        top = server.settled_top()
        named, nameless = of_jit(top)
        assert named > 0.8 * top.samples and nameless == 0 and top.one("alpha")["self_samples"] == named
        assert [s["path"] for s in sources(server)] == ["/tmp/perf-1.map"]
        assert not pathlib.Path("/tmp/perf-1.map").exists(), "not ours"
    finally:
        process.kill()
        process.wait()
        ready.close()


def test_replay(other_server, target, server, folder):
    """What JITs told is in the stream: a replay has the same names."""
    recorder = other_server()
    stream = recorder.dir / "events"
    recorder.args = ["--tap", stream]
    recorder.start()
    record(recorder, folder, target("jit"), "both", "prompt", "reuse", "20")
    top = recorder.settled_top()
    player = other_server("--replay", stream).start()
    with player.rpc() as rpc:
        rpc.call("RunControl.wait_active")
    again = player.settled_top()
    jit = lambda t: sorted((e["function_name"], e["self_samples"]) for e in t.entries if e["binary"] == "[jit]")
    assert jit(again) == jit(top) and len(jit(top)) == 3


# ---- Real programs ------------------------------------------------------------------------------------


def assert_hot(top, heavy, light):
    """Two functions that split 2 : 1 are most of it; code of the JIT has names."""
    named, nameless = of_jit(top)
    assert named >= 0.95 * (named + nameless), (named, nameless)
    a = sum(e["self_samples"] for e in top.entries if heavy in e["function_name"])
    b = sum(e["self_samples"] for e in top.entries if light in e["function_name"])
    assert a + b >= 0.5 * top.samples, top.names()[:10]
    assert_share(a, a + b, 2 / 3, heavy)


@pytest.mark.needs(needs_program("node"))
@pytest.mark.parametrize("option", ["--perf-prof", "--perf-basic-prof"])
def test_node(server, folder, option):
    record(server, folder, "node", option, DATA / "hot.js", "1500", frequency=2000)
    top = server.settled_top()
    assert_hot(top, "heavy ", "light ")
    assert [name for name in top.names() if name.startswith("JS:") and "heavy" in name and "hot.js" in name]


@pytest.mark.limit(180)
@pytest.mark.needs(needs_program("javac"))
@pytest.mark.needs(needs_program("jcmd"))
def test_java(server, folder):
    """A perf map that is written when somebody asks for it, long after the code was made."""
    subprocess.run(["javac", "-d", folder, DATA / "Hot.java"], check=True, timeout=TIMEOUT * 3)
    process = subprocess.Popen(["java", "-XX:+PreserveFramePointer", "-XX:CompileCommand=dontinline,Hot.*", "-cp",
                                folder, "Hot"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        while process.stdout.readline().strip() != "ready":
            assert process.poll() is None
        with server.rpc() as rpc:
            rpc.call("RunControl.start_attach", pid=process.pid, frequency_hz=2000)
            rpc.call("RunControl.wait_active", condition={"for_samples": 1500})
            subprocess.run(["jcmd", str(process.pid), "Compiler.perfmap"], check=True, stdout=subprocess.DEVNULL,
                           timeout=TIMEOUT * 3)
            server.ok("wait", "--until-symbol", "Hot.heavy", "--timeout-ms", 20000 * PATIENCE)
            rpc.call("RunControl.stop_active")
        top = server.settled_top()
    finally:
        process.communicate("x\n", timeout=TIMEOUT * 3)
    assert_hot(top, "Hot.heavy", "Hot.light")
