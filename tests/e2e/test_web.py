"""How a browser comes in, and who does not: HTTP, WebSocket, names, origins, the token. The clients are raw
sockets, so that they can do what no browser would."""

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shlex
import signal
import socket
import stat
import struct
import time

import pytest

from stax import TIMEOUT, assert_refused
from web import BINARY, CLOSE, PING, PONG, TEXT, Site, frame, read_answer, request, unpack


@pytest.fixture
def site(server):
    return Site(server)


def connections(server):
    with server.rpc() as rpc:
        return rpc.call("RunControl.diagnostics")["server"]["connections"] - 1


def wait_for_connections(server, wanted):
    server.wait_for(lambda: connections(server) == wanted + 1, f"{wanted} connections")  # and that of wait_for


# ---- The page -------------------------------------------------------------------------------------------


def test_page(site):
    answer = site.get()
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert answer.body.startswith(b"<!doctype html>")
    assert site.get("/?thread=3").body == answer.body, "what is asked for in the address is the page's business"


def test_inline_scripts_and_styles_are_those_of_the_policy(site):
    answer = site.get()
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    page = answer.body.decode()
    for tag in "script", "style":
        texts = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", page, re.S)
        hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(t.encode()).digest()).decode()}'" for t in texts}
        assert set(policy[f"{tag}-src"].split()) == {"'self'"} | hashes
    assert re.search(r"<style", page), "there is one to be checked"
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"].split() == ["'self'", f"ws://{site.host}"]
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_gzip(site):
    plain = site.get()
    for accepted in "gzip", "br, gzip", "GZIP;q=0.5", "deflate,gzip ;q=1":
        packed = site.get(Accept_Encoding=accepted)
        assert packed.headers["content-encoding"] == "gzip", accepted
        assert unpack(packed.body) == plain.body
        assert len(packed.body) < len(plain.body)
    for refused in "br", "gzip;q=0", "gzip; q=0.000", "xgzip", "gzipx", "":
        answer = site.get(Accept_Encoding=refused)
        assert "content-encoding" not in answer.headers, refused
        assert answer.body == plain.body
    assert plain.headers["vary"] == "Accept-Encoding"


def test_head(site):
    page = site.get()
    head = site.get(method="HEAD")
    assert head.status == 200 and head.body == b""
    assert head.headers == page.headers


def test_favicon(site):
    icon = site.get("/favicon.ico")
    assert icon.status == 200 and icon.headers["content-type"] == "image/svg+xml"


def test_methods(site):
    for method in "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", "BREW":
        answer = site.get(method=method)
        assert answer.status == 405, method
        assert answer.headers["allow"] == "GET, HEAD"
    answer = site.send(request("/", "POST", site.host, Content_Length="100000") + b"x" * 100000)
    assert answer.status == 405, "a body does not keep the answer from arriving"


PATHS = ["/nothing", "/index.html", "/../", "/../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/etc/passwd", "//",
         "//etc/passwd", "/part", "/part/", "/part/../", "/part/../../etc/passwd", "/part/%00.js", "/part/..js",
         "/part/a/../../x.js", "/./", "/%2f", "/favicon.ico/", "/\\", "/rpc"]


@pytest.mark.parametrize("path", PATHS)
def test_there_is_no_way_to_other_files(site, path):
    answer = site.get(path)
    assert answer.status == 404, answer
    assert b"root:" not in answer.body


def test_headers_of_every_answer(site):
    answers = [site.get(), site.get("/nothing"), site.get(method="POST"), site.get(host="evil:1"), site.refused(Origin="x"),
               site.get("/favicon.ico", Accept_Encoding="gzip"), site.send(b"rubbish\r\n\r\n")]
    with site.open() as socket_:
        answers.append(socket_)
    assert [answer.status for answer in answers] == [200, 404, 405, 403, 403, 200, 400, 101]
    for answer in answers:
        headers = answer.headers
        assert headers["content-security-policy"].startswith("default-src 'none'; ")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == "no-cache"
        assert not [name for name in headers if name.startswith("access-control")]
        assert "server" not in headers


# ---- Names ----------------------------------------------------------------------------------------------


def test_hosts(site):
    port = site.port
    for host in f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}":
        assert site.get(host=host).status == 200, host
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "localhost", f"127.0.0.1:{port + 1}", f"127.0.0.2:{port}",
                 f"LOCALHOST:{port}", f"localhost.:{port}", f"x.localhost:{port}", f"127.0.0.1.evil.example:{port}",
                 f"127.1:{port}", f"2130706433:{port}", f"127.0.0.1:0{port}", f"127.0.0.1:{port}x", f":{port}", "",
                 f"127.0.0.1:{port}, localhost:{port}", f"user@127.0.0.1:{port}", f"[::ffff:127.0.0.1]:{port}"):
        answer = site.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert answer.status == 403, host
        assert b"ssh -L" in answer.body


def test_request_without_or_with_two_hosts(site):
    assert site.send(b"GET / HTTP/1.1\r\n\r\n").status == 403
    assert site.send(b"GET / HTTP/1.0\r\n\r\n").status == 403
    host = f"Host: {site.host}\r\n"
    assert site.send(f"GET / HTTP/1.1\r\n{host}{host}\r\n".encode()).status == 400
    assert site.send(f"GET http://{site.host}/ HTTP/1.1\r\n{host}\r\n".encode()).status == 400


def test_rubbish_instead_of_http(site):
    host = f"Host: {site.host}\r\n".encode()
    for head in (b"\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/2.0\r\n" + host + b"\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                 b"GET / HTTP/1.1\r\n" + host + b" folded\r\n\r\n", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
                 b"GET / HTTP/1.1\r\n" + host + b"X: \0\r\n\r\n", b"GET  / HTTP/1.1\r\n" + host + b"\r\n",
                 b"GET / HTTP/1.1\n" + host + b"\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\r\n\r\n", b"\xff" * 100 + b"\r\n\r\n"):
        assert site.send(head).status == 400, head
    long = site.send(b"GET / HTTP/1.1\r\nX: " + b"y" * 40000)
    assert long.status == 431
    assert site.send(b"GET / HTTP/1.1\r\n" + host + b"Cookie: " + b"y" * 30000 + b"\r\n\r\n").status == 200, "of other servers"


# ---- Who may connect --------------------------------------------------------------------------------------


def test_origins(site):
    port = site.port
    for origin in ("http://evil.example", "null", "", f"https://{site.host}", f"http://localhost:{port}", "http://127.0.0.1",
                   f"{site.origin}/", f"{site.origin}.evil.example", f"http://evil.example:{port}", f"HTTP://{site.host}",
                   f"http://127.0.0.1:{port + 1}", f"ws://{site.host}", site.host, "file://", f" {site.origin} x"):
        assert site.refused(Origin=origin).status == 403, origin
    with site.open(Origin=f"http://localhost:{port}", host=f"localhost:{port}") as of_its_other_name:
        assert of_its_other_name.call("RunControl.status")
    with site.open(Origin=None) as no_browser:
        assert no_browser.call("RunControl.status")
    assert site.refused(Origin=None, Sec_WebSocket_Protocol="stax").status == 403, "the token is for everybody"
    assert site.refused(host=f"evil.example:{port}", Origin=f"http://evil.example:{port}").status == 403


def test_tokens(site):
    token = site.token
    assert re.fullmatch("[0-9a-f]{64}", token)
    other = ("0" if token[-1] != "0" else "1")
    for offered in (None, "", "stax", "stax, token", "stax, token.", f"stax, token.{token[:-1]}", f"stax, token.{token}0",
                    f"stax, token.{token[:-1]}{other}", f"stax, token.{other}{token[1:]}", f"stax, token.{token[:32]}",
                    f"stax, token.{token.upper()}" if token.upper() != token else f"stax, token.{'A' * 64}",
                    f"stax, Token.{token}", f"stax, {token}", f"token.{token}", f"STAX, token.{token}",
                    f"stax, token.{'0' * 64}, token.{token}", f"stax, token.{token}, token.{token}", "stax, token." + "0" * 64,
                    "stax, token." + "\xff" * 64, f"stax, token.{token}{token}"):
        answer = site.refused(Sec_WebSocket_Protocol=offered)
        assert answer.status == 403, offered
        assert token.encode() not in answer.body
    for offered in f"stax, token.{token}", f"token.{token},stax", f"stax,token.{token} ,soap":
        with site.open(Sec_WebSocket_Protocol=offered) as socket_:
            assert socket_.call("RunControl.status")


def test_nothing_is_parsed_of_who_has_no_token(server, site):
    """What follows the refused request is not looked at: no run is stopped, nothing is counted."""
    head = site.upgrade_head(Sec_WebSocket_Protocol="stax")
    stop = frame(TEXT, b'{"jsonrpc":"2.0","id":1,"method":"RunControl.status"}')
    with site.connect() as where:
        where.sendall(head + stop * 10)
        answer = read_answer(where)
    assert answer.status == 403 and b"jsonrpc" not in answer.body
    assert connections(server) == 0


def test_upgrades_that_are_none(site):
    assert site.refused(path="/part/x.js").status == 404
    assert site.refused(Sec_WebSocket_Version="8").headers["sec-websocket-version"] == "13"
    for changes in ({"Sec_WebSocket_Key": None}, {"Sec_WebSocket_Key": "short"}, {"Sec_WebSocket_Key": "A" * 24},
                    {"Sec_WebSocket_Key": "*" * 22 + "=="}, {"Connection": "close"}, {"Connection": None},
                    {"Content_Length": "5"}, {"Transfer_Encoding": "chunked"}):
        assert site.refused(**changes).status == 400, changes
    post = site.upgrade_head().replace(b"GET ", b"POST ", 1)
    assert site.send(post).status == 400
    assert site.send(site.upgrade_head().replace(b"HTTP/1.1", b"HTTP/1.0", 1)).status == 400
    for other in "h2c", "tls/1.0", "nothing":
        assert site.refused(path="/", Upgrade=other).status == 200, "who offers something else gets the page"
    with site.open(path="/") as socket_:
        assert socket_.call("RunControl.status")


# ---- Speaking -------------------------------------------------------------------------------------------


def test_same_answers_over_both(server, site, target):
    server.record([target("shares")])
    server.settle()
    with server.rpc() as rpc, site.open() as web:
        for method, params in (("RunControl.list_runs", {}), ("Profiler.top", {"limit": 100}), ("Profiler.flamegraph", {}),
                               ("Profiler.threads", {}), ("Profiler.timeline", {}), ("rpc.discover", {})):
            assert rpc.call(method, **params) == web.call(method, **params), method


def test_errors_are_the_same(server, site):
    with server.rpc() as rpc, site.open() as web:
        for text in (b"{", b"[]", b'{"jsonrpc":"2.0","id":1,"method":"Nothing.at_all"}', b'{"jsonrpc":"2.0","id":1}',
                     b'{"jsonrpc":"2.0","id":7,"method":"Profiler.top","params":{"limit":-1}}'):
            rpc.send(text + b"\n")
            web.send(frame(TEXT, text))
            assert web.read() == rpc.read(), text


def test_fragments(site):
    text = json.dumps({"jsonrpc": "2.0", "id": 5, "method": "RunControl.list_runs", "params": {}}).encode()
    with site.open() as web:
        web.send(frame(TEXT, text[:10], fin=False) + frame(0, b"", fin=False) + frame(PING, b"between")
                 + frame(0, text[10:30], fin=False) + frame(0, text[30:]))
        assert web.read_frame() == (PONG, b"between")
        assert web.read()["id"] == 5
        for byte in frame(TEXT, text):
            web.send(bytes([byte]))
        assert web.read()["id"] == 5
        web.send(frame(TEXT, text) * 5)
        assert [web.read()["id"] for _ in range(5)] == [5] * 5


def test_bytes_that_come_with_the_upgrade(site):
    with site.connect() as where:
        where.sendall(site.upgrade_head() + frame(TEXT, b'{"jsonrpc":"2.0","id":1,"method":"RunControl.list_runs"}') + frame(CLOSE))
        data = b""
        while more := where.recv(1 << 16):
            data += more
    assert b'"result"' in data and data.endswith(b"\x88\x00")


PROTOCOL, NOT_TEXT, NOT_UTF8, TOO_LARGE = 1002, 1003, 1007, 1009
WRONG = {
    "without a mask": (frame(TEXT, b"{}", mask=False), PROTOCOL),
    "a reserved bit": (frame(TEXT, b"{}", reserved=4), PROTOCOL),
    "an unknown kind": (frame(3, b"{}"), PROTOCOL),
    "an unknown control frame": (frame(11, b"{}"), PROTOCOL),
    "a ping in parts": (frame(PING, b"{}", fin=False), PROTOCOL),
    "a ping that is too long": (frame(PING, b"x" * 126), PROTOCOL),
    "a second part of nothing": (frame(0, b"{}"), PROTOCOL),
    "a message within a message": (frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"), PROTOCOL),
    "a length that could be shorter": (frame(TEXT, b"{}", length=16), PROTOCOL),
    "a longer one of that sort": (frame(TEXT, b"x" * 200, length=64), PROTOCOL),
    "a length of 2^63": (struct.pack("!BBQ", 0x81, 0xFF, 1 << 63), PROTOCOL),
    "half a code": (frame(CLOSE, b"\x03"), PROTOCOL),
    "a code that is none": (frame(CLOSE, struct.pack("!H", 1005)), PROTOCOL),
    "binary": (frame(BINARY, b"{}"), NOT_TEXT),
    "not UTF-8": (frame(TEXT, b'"\xff"'), NOT_UTF8),
    "a huge frame": (struct.pack("!BBQ", 0x81, 0xFF, 1 << 40) + b"key!", TOO_LARGE),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_frames(server, site, what):
    data, code = WRONG[what]
    with site.open() as web:
        web.send(data)
        assert web.read_close() == code
        assert all(note["error"]["data"]["kind"] == "too_large" for note in web.notes)
        assert bool(web.notes) == (code == TOO_LARGE)
    wait_for_connections(server, 0)


def test_messages_just_below_and_above_the_limit(site):
    def padded(n):
        text = b'{"jsonrpc":"2.0","id":1,"method":"RunControl.list_runs"}'
        return text + b" " * (n - len(text))

    with site.open() as web:
        web.send(frame(TEXT, padded(1 << 20)))
        assert "result" in web.read()
        parts = padded(1 << 20)
        web.send(frame(TEXT, parts[:700000], fin=False) + frame(0, parts[700000:]))
        assert "result" in web.read()
    for data in (frame(TEXT, padded((1 << 20) + 1)),
                 frame(TEXT, padded(1 << 20), fin=False) + frame(0, b"x"),
                 frame(TEXT, b"x" * 60000, fin=False) + frame(0, b"x" * 60000, fin=False) * 20):
        with site.open() as web:
            with contextlib.suppress(ConnectionError):
                web.send(data)
            assert web.read_close() == TOO_LARGE
            assert web.notes[0]["error"]["data"]["kind"] == "too_large"


def test_ping_and_close(server, site):
    with site.open() as web:
        web.send(frame(PING, b"x" * 125) + frame(PONG, b"unasked") + frame(PING))
        assert web.read_frame() == (PONG, b"x" * 125)
        assert web.read_frame() == (PONG, b"")
        web.send(frame(CLOSE, struct.pack("!H", 1001) + b"leaving") + frame(PING, b"not seen"))
        assert web.read_close() == 1001
    with site.open() as web:
        web.send(frame(CLOSE))
        assert web.read_close() is None
    wait_for_connections(server, 0)


def test_subscription(server, site, target):
    with server.live([target("forever")]), site.open() as web:
        subscription = web.call("Profiler.subscribe", method="Profiler.top", interval_ms=50)["subscription"]
        seen = [web.read()["params"] for _ in range(5)]
        assert [message["seq"] for message in seen] == [1, 2, 3, 4, 5]
        assert all(message["subscription"] == subscription for message in seen)
        samples = [message["result"]["health"]["samples"] for message in seen]
        assert samples == sorted(samples) and samples[-1] > samples[0]


# ---- Abuse ----------------------------------------------------------------------------------------------


@pytest.fixture
def recording(server, target):
    with server.live([target("forever")]):
        server.ok("wait", "--for-samples", "50")
        yield server
        before = server.top().samples
        server.ok("wait", "--for-samples", before + 200)
        assert server.top().health["lost_records"] == 0


def test_subscriber_that_never_reads(recording):
    """Nothing piles up for it; who reads gets answers all the while."""
    site = Site(recording)
    with site.open() as lazy, site.open() as other:
        lazy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(16):
            lazy.request("Profiler.subscribe", method="Profiler.flamegraph", interval_ms=50)
        start = other.call("Profiler.total_on_cpu_ns")["health"]["samples"]
        other.call("RunControl.wait_active", condition={"for_samples": start + 3000}, timeout_ms=30000)
        with recording.rpc() as rpc:
            assert rpc.call("RunControl.diagnostics")["server"]["subscriptions"] == 16
        messages = 0
        while messages < 16:  # each has had its first one, and the latest value since
            messages += "params" in lazy.read()


def test_asker_that_never_reads(recording):
    """Reading from it pauses: it cannot send for ever."""
    site = Site(recording)
    question = frame(TEXT, b'{"jsonrpc":"2.0","id":1,"method":"Profiler.flamegraph"}')
    with site.open() as lazy, site.open() as other:
        lazy.socket.setblocking(False)
        stalled = sent = 0
        while stalled < 20:
            try:
                sent += lazy.socket.send(question * 100)
                stalled = 0
                assert sent < 200 << 20, "the server takes everything"
            except BlockingIOError:
                stalled += 1
                other.call("RunControl.status")


def test_gone_in_the_middle(recording):
    site = Site(recording)
    before = connections(recording)
    for i in range(50):
        web = site.open()
        for _ in range(4):
            web.request("Profiler.flamegraph")
        web.request("RunControl.wait_active")
        web.request("Profiler.subscribe", method="Profiler.top", interval_ms=50)
        if i % 3 == 0:
            web.send(frame(TEXT, b"x" * 1000)[:500])
        if i % 2:
            web.socket.recv(10)
            web.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
        web.socket.close()
    recording.wait_for(lambda: connections(recording) == before + 1, "they are gone")
    with recording.rpc() as rpc:
        assert rpc.call("RunControl.diagnostics")["server"]["subscriptions"] == 0


def test_300_connections(recording):
    """As many as there is room for are served, the rest is told so; afterwards there is room again."""
    site = Site(recording)
    status = {b"HTTP/1.1 101": [], b"HTTP/1.1 503": []}
    with recording.rpc() as rpc:  # there will be no room for one more
        for _ in range(300):
            where = site.connect()
            where.sendall(site.upgrade_head())
            status[where.recv(12)].append(where)
        inside, refused = status.values()
        assert len(inside) >= 250 and len(refused) >= 40
        assert site.get().status == 200, "the page is to be had"
        for where in (*inside, *refused):
            where.close()
        deadline = time.monotonic() + TIMEOUT
        while rpc.call("RunControl.diagnostics")["server"]["connections"] > 10:
            assert time.monotonic() < deadline, "they are gone"
            rpc.pause(0.05)
    with site.open() as web:
        assert web.call("RunControl.status")["active"]


def test_stalling_clients(server, site):
    """More of them than there is room for, each with half a request: a browser still gets its page, and
    those who stall are closed."""
    half = request("/", "GET", site.host)[:-2]
    stalling = []
    for _ in range(150):
        stalling.append(site.connect())
        stalling[-1].sendall(half)
    assert site.get().status == 200
    ended = 0
    for where in stalling[:80]:  # those made room
        ended += where.recv(1) == b""
    assert ended == 80
    for where in stalling[80:]:
        where.sendall(b"\r\n")
    answers = [read_answer(where).status for where in stalling[-60:]]
    assert answers == [200] * 60, "slow, but not too slow"
    for where in stalling:
        where.close()


def test_request_that_never_ends(site):
    with site.connect() as where:
        started = time.monotonic()
        where.sendall(b"GET / HTTP/1.1\r\n")
        assert where.recv(1) == b"", "it is closed without an answer"
        assert 8 < time.monotonic() - started < 25


def test_answer_that_is_not_read(server, site):
    """The server's memory holds the page once, not once for each who asks."""
    waiting = []
    for _ in range(60):
        where = site.connect()
        where.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        where.sendall(request("/", "GET", site.host))
        waiting.append(where)
    assert site.get().status == 200
    for where in waiting:
        where.close()


def test_server_ends_with_browsers_connected(server, site):
    with site.open() as web, site.connect() as half:
        half.sendall(b"GET / HT")
        web.request("RunControl.wait_active")
        server.stop()
        with contextlib.suppress(ConnectionError):
            while web.socket.recv(1 << 16):
                pass


# ---- The token's file -------------------------------------------------------------------------------------


def test_token_is_the_users_alone(server, site):
    found = site.token_path.lstat()
    assert stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_uid == os.geteuid() and found.st_size == 65
    first = site.token
    server.stop()
    assert not site.token_path.exists(), "it goes with its server"
    server.start()
    assert Site(server).token != first, "each server has its own"


def test_token_of_a_server_that_was_killed(server, site):
    first = site.token
    server.proc.send_signal(signal.SIGKILL)
    server.proc.wait(TIMEOUT)
    assert site.token == first
    server.start()
    fresh = Site(server)
    assert fresh.token != first
    assert fresh.refused(Sec_WebSocket_Protocol=f"stax, token.{first}").status == 403


def test_token_does_not_follow_links(other_server):
    server = other_server()
    victim = server.dir / "victim"
    victim.write_text("precious")
    for name in "s.sock.token", "s.sock.token.new":
        (server.dir / name).symlink_to(victim)
    server.start()
    assert victim.read_text() == "precious"
    assert not Site(server).token_path.is_symlink()


def test_token_that_cannot_be_written(other_server):
    """The server goes on; it only has no browser interface."""
    server = other_server()
    (server.dir / "s.sock.token.new").mkdir()
    server.start()
    status = server.json("status")
    assert status["web_url"] == "" and "s.sock.token.new" in status["web_note"]
    assert server.stderr().count("warning:") == 1
    assert_refused(server.stax("ui"), "no browser interface", "s.sock.token.new")


# ---- Where it listens ---------------------------------------------------------------------------------------


def test_port_in_use(server, other_server, site):
    second = other_server("--ws-bind", site.host).start()
    status = second.json("status")
    assert status["web_url"] == "" and site.host in status["web_note"]
    warnings = [line for line in second.stderr().splitlines() if line.startswith("warning:")]
    assert len(warnings) == 1 and "--ws-bind" in warnings[0] and site.host in warnings[0]
    assert not (second.dir / "s.sock.token").exists()
    assert_refused(second.stax("ui"), "no browser interface", site.host)
    assert "--ws-bind" in second.ok("status").out


def test_none(other_server):
    for server in other_server("--ws-bind", "none"), other_server(env={"STAX_SERVER_WS_BIND": "none"}):
        server.start()
        status = server.json("status")
        assert status["web_url"] == "" and "--ws-bind none" in status["web_note"]
        assert_refused(server.stax("ui"), "--ws-bind none")
        assert "warning" not in server.stderr()


def test_option_goes_before_environment(other_server):
    server = other_server("--ws-bind", "localhost:0", env={"STAX_SERVER_WS_BIND": "none"}).start()
    assert Site(server).get().status == 200


def test_ipv6(other_server):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    site = Site(other_server("--ws-bind", "[::1]:0").start())
    assert site.url.startswith("http://[::1]:")
    assert site.get().status == 200
    with site.open() as web:
        assert web.call("RunControl.status")


@pytest.mark.parametrize("bind", ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080", "8.8.8.8:80", "[fe80::1]:1", "128.0.0.1:0"])
def test_only_loopback(other_server, bind):
    for args, env in ((["--ws-bind", bind], {}), ([], {"STAX_SERVER_WS_BIND": bind})):
        server = other_server(*args, env=env)
        server.start(expect_ready=False)
        assert server.proc.wait(TIMEOUT) == 1
        assert "--ws-allow-remote" in server.stderr() and bind in server.stderr()
        server.proc = None


@pytest.mark.parametrize("bind", ["", ":", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:-1", "::1:8080",
                                  "localhost.evil.example:80", "example.org:80", "127.0.0.1:80:80", "[::1", "127.1:80", "a" * 5000])
def test_bind_that_is_none(other_server, bind):
    server = other_server("--ws-bind", bind)
    server.start(expect_ready=False)
    if bind == "":  # as if it were not given
        return
    assert server.proc.wait(TIMEOUT) == 1
    assert server.stderr().startswith("error: --ws-bind: ")
    server.proc = None


def test_remote_when_it_is_wanted(other_server):
    server = other_server("--ws-bind", "0.0.0.0:0", "--ws-allow-remote").start()
    site = Site(server)
    assert site.get().status == 200
    assert site.get(host=f"192.0.2.7:{site.port}").status == 200, "some address of this machine"
    assert site.get(host=f"evil.example:{site.port}").status == 403, "but no name"
    assert site.refused(Sec_WebSocket_Protocol="stax").status == 403


def test_private_servers_do_not_listen(server, target, site):
    """`stax record -o` has a server of its own, on no address at all."""
    port = site.port
    server.stop()
    record = server.live([target("forever")], "-o", server.dir / "run.stax",
                         env={"STAX_SERVER_WS_BIND": f"127.0.0.1:{port}"})
    with record, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), TIMEOUT)


# ---- The command --------------------------------------------------------------------------------------------


def test_ui_print(server, site):
    result = server.ok("ui", "--print", env={"DISPLAY": ":0"})
    assert result.out == f"{site.url}#token={site.token}\n" and result.err == ""
    assert f"browser   {site.url} (stax ui opens it)" in server.ok("status").out


def fake_browser(server, body):
    """A folder with an xdg-open that does this."""
    folder = server.dir / "bin"
    folder.mkdir()
    program = folder / "xdg-open"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.parametrize("display", ["DISPLAY", "WAYLAND_DISPLAY"])
def test_ui_opens_a_browser(server, site, display):
    fifo = server.dir / "opened"
    os.mkfifo(fifo)
    env = fake_browser(server, f'echo "$# $1" >{shlex.quote(str(fifo))}; echo noise; echo noise >&2')
    result = server.ok("ui", env={**env, "DISPLAY": "", "WAYLAND_DISPLAY": "", display: "x"})  # does not wait for it
    assert result.out == f"{site.url}#token={site.token}\n" and result.err == ""
    assert fifo.read_text() == f"1 {site.url}#token={site.token}\n"


def test_ui_without_a_desktop(server, site):
    opened = server.dir / "opened"
    env = fake_browser(server, f"touch {shlex.quote(str(opened))}")
    for args, display in ((["ui"], ""), (["ui", "--print"], ":0")):
        result = server.ok(*args, env={**env, "DISPLAY": display, "WAYLAND_DISPLAY": ""})
        assert result.out.startswith(site.url)
    assert not opened.exists()


def test_ui_without_xdg_open(server, site):
    empty = server.dir / "empty"
    empty.mkdir()
    result = server.ok("ui", env={"PATH": str(empty), "DISPLAY": ":0"})
    assert result.out.startswith(site.url)
    assert result.err.startswith("warning: ") and "xdg-open" in result.err


def test_ui_without_a_server(server):
    server.stop()
    assert_refused(server.stax("ui"), str(server.socket))
    server.proc = None


def test_ui_whose_token_cannot_be_read(server, site):
    site.token_path.unlink()
    assert_refused(server.stax("ui"), "s.sock.token")
    site.token_path.symlink_to("/etc/hostname")
    assert_refused(server.stax("ui"), "s.sock.token")
    site.token_path.unlink()
    for content in "", "x" * 64, "0" * 63 + "\n", "\0" * 65:
        site.token_path.write_text(content)
        assert_refused(server.stax("ui"), "s.sock.token")
    site.token_path.unlink()
    os.mkfifo(site.token_path)
    assert_refused(server.stax("ui"), "s.sock.token")


def test_parts_of_the_page(site):
    """Whatever parts were built are served; the tree's own build says which."""
    dist = pathlib.Path(__file__).resolve().parents[2] / "web/dist"
    page = dist / "index.html"
    if not page.is_file() or site.get().body != page.read_bytes():
        pytest.skip("stax-server was built without the page (script/build-web)")
    for part in (dist / "part").glob("*.js"):
        answer = site.get(f"/part/{part.name}", Accept_Encoding="gzip")
        assert answer.status == 200 and answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert unpack(answer.body) == part.read_bytes()
