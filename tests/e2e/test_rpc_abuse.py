"""Clients that misbehave. Afterwards the recording still goes on, and its numbers grow."""

import contextlib
import json
import pathlib
import resource
import socket
import time

import pytest

from stax import SANITIZED, Rpc


@pytest.fixture
def recording(server, target):
    """A run that is going on; checked at the end to go on still, without having lost anything."""
    with server.live([target("forever")], "-F", "2000"):
        server.ok("wait", "--for-samples", "50")
        yield server
        before = server.top()
        server.ok("wait", "--for-samples", before.samples + 300)
        after = server.top().check()
        assert after.samples >= before.samples + 300
        assert after.health["lost_samples"] == 0 and after.health["lost_records"] == 0
        assert len(server.json("status")["active"]) == 1


def memory_bytes(server):
    pid = server.proc.pid
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def assert_memory(server, before, at_most_mb):
    if not SANITIZED:  # whose allocator keeps what was freed for a while
        grown = (memory_bytes(server) - before) / 1e6
        assert grown < at_most_mb, f"the server's memory grew by {grown:.1f} MB"


def test_line_of_100_mb(recording):
    before = memory_bytes(recording)
    rpc = recording.rpc()
    chunk = b"x" * (1 << 20)
    rpc.send(b'{"jsonrpc":"2.0","id":1,"method":"')
    refused = False
    try:
        for _ in range(100):
            rpc.send(chunk)
    except (BrokenPipeError, ConnectionResetError):
        refused = True
    line = rpc.read_line()
    if line is not None:
        error = json.loads(line)["error"]
        assert error["data"]["kind"] == "too_large", error
        assert rpc.read_line() is None, "the connection is closed"
    assert refused or line is not None
    rpc.close()
    assert_memory(recording, before, 20)


def test_line_just_below_and_above_the_limit(recording):
    def padded(n):
        line = b'{"jsonrpc":"2.0","id":1,"method":"RunControl.status"}'
        return line + b" " * (n - len(line) - 1) + b"\n"

    with recording.rpc() as rpc:
        rpc.send(padded((1 << 20) + 1))  # the newline does not count
        assert "result" in rpc.read()
        rpc.send(padded(1000))
        assert "result" in rpc.read()
    for size in (1 << 20) + 2, 3 << 20:
        with recording.rpc() as rpc:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                rpc.send(padded(size))
            assert json.loads(rpc.read_line())["error"]["data"]["kind"] == "too_large"
            assert rpc.read_line() is None, "the connection is closed"


def test_half_a_line_and_wait(recording):
    with recording.rpc() as half, recording.rpc() as other:
        line = b'{"jsonrpc":"2.0","id":1,"method":"RunControl.status"}\n'
        half.send(line[:20])
        for _ in range(20):
            assert len(other.call("RunControl.status")["active"]) == 1
        half.send(line[20:])
        assert half.read()["id"] == 1


def test_subscriber_that_never_reads(recording):
    before = memory_bytes(recording)
    with recording.rpc() as lazy, recording.rpc() as other:
        for i in range(16):
            lazy.send_json({"jsonrpc": "2.0", "id": i, "method": "Profiler.subscribe",
                            "params": {"method": "Profiler.flamegraph", "interval_ms": 50}})
        start = other.call("Profiler.total_on_cpu_ns")["health"]["samples"]
        other.call("RunControl.wait_active", condition={"for_samples": start + 4000}, timeout_ms=30000)
        assert other.call("RunControl.status")["active"]
        assert_memory(recording, before, 20)


def test_asker_that_never_reads(recording):
    """Thousands of questions whose answers nobody takes: reading pauses, memory stays."""
    before = memory_bytes(recording)
    with recording.rpc() as lazy, recording.rpc() as other:
        line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "Profiler.flamegraph"}).encode() + b"\n"
        lazy.socket.setblocking(False)
        sent = 0
        stalled = 0
        while sent < 50000 and stalled < 20:
            try:
                sent += lazy.socket.send(line * 50) // len(line)
                stalled = 0
            except BlockingIOError:
                stalled += 1
                other.call("RunControl.status")
            except (BrokenPipeError, ConnectionResetError):
                break
        assert other.call("RunControl.status")["active"]
        assert_memory(recording, before, 100)


def test_disconnect_in_the_middle_of_an_answer(recording):
    for i in range(50):
        rpc = recording.rpc()
        for _ in range(5):
            rpc.request("Profiler.flamegraph")
            rpc.request("Profiler.top", limit=10000)
        if i % 2:
            rpc.socket.recv(10)
        rpc.close()
    with recording.rpc() as rpc:
        assert rpc.call("RunControl.status")["active"]


def test_disconnect_while_waiting_and_subscribed(recording):
    def counts(rpc):
        report = rpc.call("RunControl.diagnostics")["server"]
        return report["waiters"], report["subscriptions"], report["connections"]

    with recording.rpc() as rpc:
        before = counts(rpc)  # `stax record` is a client and waits, too
    for _ in range(50):
        rpc = recording.rpc()
        rpc.request("RunControl.wait_active")
        rpc.request("RunControl.wait_active", condition={"for_seconds": 0.05})
        rpc.request("Profiler.subscribe", method="Profiler.top", interval_ms=50)
        rpc.close()
    with recording.rpc() as rpc:
        for _ in range(100):
            if counts(rpc) == before:
                break
            rpc.pause(0.05)
        assert counts(rpc) == before


def test_half_closed(recording):
    """A client that says all it has to say and closes its writing end still gets its answer."""
    with recording.rpc() as rpc:
        rpc.request("RunControl.status")
        rpc.socket.shutdown(socket.SHUT_WR)
        line = rpc.read_line()
        assert line is not None and json.loads(line)["result"]["active"]


def test_200_clients_at_once(recording):
    clients = [recording.rpc() for _ in range(200)]
    try:
        ids = [(rpc, rpc.request("Profiler.top"), rpc.request("RunControl.status")) for rpc in clients]
        for rpc, top, status in ids:
            got = {message["id"]: message for message in (rpc.read(), rpc.read())}
            assert got[top]["result"]["health"]["samples"] > 0
            assert got[status]["result"]["active"]
    finally:
        for rpc in clients:
            rpc.close()


def test_more_clients_than_there_is_room_for(recording):
    """Beyond the limit a client is turned away; those inside, and those after, are served."""
    inside = recording.rpc()
    more = []
    try:
        for _ in range(600):
            more.append(Rpc(recording.socket, 5))
        assert inside.call("RunControl.status")["active"]
        turned_away = 0
        for rpc in more[-20:]:
            try:
                rpc.request("RunControl.status")
                message = rpc.read_line(5)
            except (BrokenPipeError, ConnectionResetError):
                message = None
            except TimeoutError:
                message = b"{}"
            turned_away += message is None or b'"result"' not in message
        assert turned_away > 0, "600 connections were all served: is there no limit?"
    finally:
        for rpc in more:
            rpc.close()
    for _ in range(1000):  # until the server has seen all of them leave
        if inside.call("RunControl.diagnostics")["server"]["connections"] < 10:
            break
    with recording.rpc() as rpc:
        assert rpc.call("RunControl.status")["active"]
    inside.close()


def test_rubbish_of_all_kinds(recording):
    pieces = [b"\0" * 1000, b"\n" * 5000, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(range(256)) * 10 + b"\n",
              b'{"jsonrpc":"2.0","id":1,"method":"Profiler.top","params":{"limit":1e999}}\n',
              b'{"jsonrpc":"2.0","id":1,"method":"Profiler.top","params":{"view":{"tid":-0}}}\n',
              b'{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"id":2,"method":"RunControl.status"}\n',
              b'"' * 70000 + b"\n"]
    for piece in pieces:
        with recording.rpc() as rpc:
            try:
                rpc.send(piece)
                rpc.socket.shutdown(socket.SHUT_WR)
                deadline = time.monotonic() + 20
                while rpc.read_line() is not None:
                    assert time.monotonic() < deadline
            except (BrokenPipeError, ConnectionResetError):
                pass
    with recording.rpc() as rpc:
        assert rpc.call("RunControl.status")["active"]
