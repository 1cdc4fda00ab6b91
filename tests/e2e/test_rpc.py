"""The protocol: what it says about itself holds, and what is wrong gets a clear error."""

import json
import re

import pytest

from stax import RpcError

try:
    import jsonschema
except ImportError:
    jsonschema = None

METHODS = {
    "RunControl.status", "RunControl.list_runs", "RunControl.diagnostics", "RunControl.start_attach",
    "RunControl.wait_active", "RunControl.stop_active", "Profiler.top", "Profiler.flamegraph",
    "Profiler.threads", "Profiler.intervals", "Profiler.wakers", "Profiler.timeline", "Profiler.now",
    "Profiler.total_on_cpu_ns", "Profiler.subscribe", "Profiler.unsubscribe", "rpc.discover",
}


class Protocol:
    """The OpenRPC document as a judge of answers."""

    def __init__(self, document):
        self.document = document
        self.methods = {m["name"]: m for m in document["methods"]}
        self.resolver = jsonschema.RefResolver("", document)

    def check(self, schema, value):
        validator = jsonschema.Draft7Validator(schema, resolver=self.resolver)
        errors = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in validator.iter_errors(value)]
        assert not errors, errors[:5]

    def result(self, method, value):
        self.check(self.methods[method]["result"]["schema"], value)


@pytest.fixture
def protocol(server):
    if jsonschema is None:
        pytest.skip("python3-jsonschema is not installed")
    with server.rpc() as rpc:
        return Protocol(rpc.call("rpc.discover"))


def test_discover_names_every_method(server):
    with server.rpc() as rpc:
        document = rpc.call("rpc.discover")
    assert document["openrpc"].startswith("1.") and document["info"]["title"] and document["info"]["version"]
    assert METHODS <= {m["name"] for m in document["methods"]}
    refs = set(re.findall(r'"\$ref": ?"([^"]*)"', json.dumps(document)))
    for ref in refs:
        at = document
        for part in ref.removeprefix("#/").split("/"):
            at = at[part]
        assert isinstance(at, dict), ref
    for method in document["methods"]:
        assert method["result"]["schema"] and isinstance(method["params"], list), method["name"]


def answers(rpc, view=None):
    """One answer of every method that only asks."""
    more = {"view": view} if view else {}
    yield "RunControl.status", rpc.call("RunControl.status")
    yield "RunControl.list_runs", rpc.call("RunControl.list_runs")
    yield "RunControl.diagnostics", rpc.call("RunControl.diagnostics")
    yield "Profiler.top", rpc.call("Profiler.top", limit=100, sort="total", **more)
    yield "Profiler.flamegraph", rpc.call("Profiler.flamegraph", **more)
    yield "Profiler.flamegraph", rpc.call("Profiler.flamegraph", max_depth=3, min_share=0.01, max_nodes=10, **more)
    yield "Profiler.threads", rpc.call("Profiler.threads", limit=0, **more)
    for mode in ({"mode": "off_cpu"}, {"mode": "off_cpu", "reason": "sleep"}):
        yield "Profiler.top", rpc.call("Profiler.top", **mode, **more)
        yield "Profiler.flamegraph", rpc.call("Profiler.flamegraph", **mode, **more)
    for order in ("longest", "newest", "oldest"):
        yield "Profiler.intervals", rpc.call("Profiler.intervals", order=order, limit=50, max_frames=5, **more)
    yield "Profiler.timeline", rpc.call("Profiler.timeline", buckets=9, threads=3, **more)
    tid = rpc.call("Profiler.threads", limit=1, **more)["threads"][0]["tid"]
    yield "Profiler.wakers", rpc.call("Profiler.wakers", tid=tid, **more)
    yield "Profiler.total_on_cpu_ns", rpc.call("Profiler.total_on_cpu_ns", **more)
    yield "rpc.discover", rpc.call("rpc.discover")


def test_every_answer_is_as_described(server, protocol, target):
    for name in ("RunControl.status", "RunControl.list_runs", "RunControl.diagnostics"):
        with server.rpc() as rpc:
            protocol.result(name, rpc.call(name))
    with server.live([target("forever"), "2"]) as live, server.rpc() as rpc:
        waited = rpc.call("RunControl.wait_active", condition={"for_samples": 100})
        protocol.result("RunControl.wait_active", waited)
        protocol.result("RunControl.wait_active",
                        rpc.call("RunControl.wait_active", condition={"for_samples": 10**9}, timeout_ms=10))
        for method, answer in answers(rpc):
            protocol.result(method, answer)
        for method, answer in answers(rpc, {"run": waited["summary"]["id"], "tid": live.target_pid}):
            protocol.result(method, answer)
        subscribed = rpc.call("Profiler.subscribe", method="Profiler.top", params={"limit": 5}, interval_ms=50)
        protocol.result("Profiler.subscribe", subscribed)
        protocol.result("Profiler.top", rpc.notification(subscribed["subscription"])["result"])
        protocol.result("Profiler.unsubscribe", rpc.call("Profiler.unsubscribe", **subscribed))
        protocol.result("RunControl.stop_active", rpc.call("RunControl.stop_active"))
        for method, answer in answers(rpc):
            protocol.result(method, answer)
    with server.live([target("waiter")]) as live, server.rpc() as rpc:
        rpc.call("RunControl.stop_active")
        protocol.result("RunControl.start_attach", rpc.call("RunControl.start_attach", pid=live.target_pid))


def test_answers_about_waits_are_as_described(server, protocol, target):
    """The same with a target that waits, so that lists of waits, wakers and stacks have something in them."""
    with server.live([target("deadlock")]) as live, server.rpc() as rpc:
        protocol.result("Profiler.now", rpc.call("Profiler.now"))
        protocol.result("Profiler.now", rpc.call("Profiler.now", limit=1, max_frames=1))
        for method, answer in answers(rpc):
            protocol.result(method, answer)
        for method in ("intervals", "timeline"):
            subscribed = rpc.call("Profiler.subscribe", method=f"Profiler.{method}", params={}, interval_ms=50)
            protocol.result(f"Profiler.{method}", rpc.notification(subscribed["subscription"])["result"])
        live.end()
    server.record([target("waits"), "-n", "10", "mutex", "sem", "poll", "nap", "preempt"])
    with server.rpc() as rpc:
        for method, answer in answers(rpc):
            protocol.result(method, answer)


def test_promised_fields(server, target):
    """The names that clients may rely on (spec.md)."""
    server.record([target("shares"), "2", "100"])
    status = server.json("status")
    assert {"server_started_at_unix_ns", "active", "backend", "capabilities"} <= status.keys()
    assert {"kernel_stacks", "off_cpu", "off_cpu_stacks", "wakeups", "pmu"} <= status["capabilities"].keys()
    for capability in status["capabilities"].values():
        assert isinstance(capability["available"], bool)
        assert capability["available"] or capability["reason"], capability
    run = server.json("list")["runs"][0]
    assert set("id state stop_reason label target_pid started_at_unix_ns stopped_at_unix_ns samples "
               "off_cpu_intervals frequency_hz".split()) <= run.keys()
    assert run["started_at_unix_ns"] < run["stopped_at_unix_ns"] and run["stop_reason"] == "target_exited"
    top = server.json("top")
    assert {"total_on_cpu_ns", "total_off_cpu", "health", "entries"} <= top.keys()
    assert set("function_name binary address language is_main self_on_cpu_ns total_on_cpu_ns self_samples "
               "total_samples self_off_cpu total_off_cpu self_off_cpu_intervals "
               "total_off_cpu_intervals".split()) <= top["entries"][0].keys()
    reasons = set("idle_ns lock_ns semaphore_ns ipc_ns io_read_ns io_write_ns readiness_ns sleep_ns connect_ns "
                  "other_ns".split())
    assert reasons == top["total_off_cpu"].keys()
    thread = server.json("threads")["threads"][0]
    assert set("tid pid name on_cpu_ns off_cpu runnable_ns samples wakeups".split()) <= thread.keys()
    with server.rpc() as rpc:
        flame = rpc.call("Profiler.flamegraph")
    assert {"strings", "nodes"} <= flame.keys()
    assert set("parent function binary address on_cpu_ns samples off_cpu_ns".split()) <= flame["nodes"].keys()


def test_promised_fields_of_waits(server, target):
    server.record([target("chain"), "20"])
    with server.rpc() as rpc:
        timeline = rpc.call("Profiler.timeline")
        assert {"bucket_size_ns", "recording_duration_ns", "total_on_cpu_ns", "buckets"} <= timeline.keys()
        assert {"start_ns", "on_cpu_ns"} <= timeline["buckets"][0].keys()
        intervals = rpc.call("Profiler.intervals")
        assert {"total_intervals", "total_duration_ns", "by_reason", "entries"} <= intervals.keys()
        if intervals["entries"]:
            assert {"tid", "start_ns", "duration_ns", "reason", "approximate"} <= intervals["entries"][0].keys()
        tid = next(t["tid"] for t in rpc.call("Profiler.threads")["threads"] if t["name"] == "B")
        wakers = rpc.call("Profiler.wakers", tid=tid)
        assert {"wakee_tid", "total_wakeups", "entries"} <= wakers.keys()
        if wakers["entries"]:
            assert {"waker_tid", "waker_address", "waker_function_name", "waker_binary", "count"} <= (
                wakers["entries"][0].keys())


def test_cli_json_is_the_rpc_answer(server, target):
    server.record([target("shares"), "1", "200"])
    server.settle()
    with server.rpc() as rpc:
        assert server.json("top", "-n", "7") == rpc.call("Profiler.top", limit=7, sort="self")
        assert server.json("threads", "-n", "0") == rpc.call("Profiler.threads", limit=0)
        assert server.json("list") == rpc.call("RunControl.list_runs")


@pytest.mark.parametrize(
    "line, code, kind",
    [
        (b"{", -32700, None),
        (b"nonsense", -32700, None),
        (b"\xff\xfe\x00", -32700, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"RunControl.status"', -32700, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"RunControl.status"} x', -32700, None),
        (b"[" * 10000, -32700, None),
        (b'{"a":' * 10000 + b"1" + b"}" * 10000, -32700, None),
        (b"[]", -32600, None),
        (b"17", -32600, None),
        (b'"text"', -32600, None),
        (b"null", -32600, None),
        (b"{}", -32600, None),
        (b'{"jsonrpc":"1.0","id":1,"method":"RunControl.status"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":1}', -32600, None),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600, None),
        (b'{"jsonrpc":"2.0","id":{},"method":"RunControl.status"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"RunControl.status","params":7}', (-32600, -32602), None),
        (b'{"jsonrpc":"2.0","id":1,"method":"RunControl.status","params":[1]}', (-32600, -32602), None),
        (b'{"jsonrpc":"2.0","id":1,"method":"RunControl.fly"}', -32601, None),
        (b'{"jsonrpc":"2.0","id":1,"method":""}', -32601, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"Profiler.top\\u0000"}', (-32601, -32700), None),
    ],
    ids=lambda value: value[:40].decode(errors="replace") if isinstance(value, bytes) else None,
)
def test_malformed_requests(server, line, code, kind):
    with server.rpc() as rpc:
        rpc.send(line + b"\n")
        reply = rpc.read()
        assert reply["jsonrpc"] == "2.0" and "result" not in reply, reply
        assert reply["error"]["code"] in (code if isinstance(code, tuple) else (code,)), reply
        assert reply["error"]["message"], reply
        assert rpc.call("RunControl.status")["active"] == [], "the connection stays usable"


@pytest.mark.parametrize(
    "method, params, names",
    [
        ("Profiler.top", {"limit": "many"}, "limit"),
        ("Profiler.top", {"limit": 0}, "limit"),
        ("Profiler.top", {"limit": -1}, "limit"),
        ("Profiler.top", {"limit": 1.5}, "limit"),
        ("Profiler.top", {"limit": 10**15}, "limit"),
        ("Profiler.top", {"limit": None}, "limit"),
        ("Profiler.top", {"sort": "sideways"}, "sort"),
        ("Profiler.top", {"sort": []}, "sort"),
        ("Profiler.top", {"view": 7}, "view"),
        ("Profiler.top", {"view": {"tid": "x"}}, "tid"),
        ("Profiler.top", {"view": {"tid": -1}}, "tid"),
        ("Profiler.top", {"view": {"time_range": {"start_ns": 1}}}, "end_ns"),
        ("Profiler.top", {"view": {"time_range": {"start_ns": -1, "end_ns": 5}}}, "start_ns"),
        ("Profiler.top", {"view": {"exclude_symbols": [{}]}}, "function_name"),
        ("Profiler.top", {"view": {"exclude_symbols": [{"function_name": "x"}] * 1000}}, "exclude_symbols"),
        ("Profiler.top", {"bogus": 1}, "bogus"),
        ("Profiler.flamegraph", {"min_share": 2}, "min_share"),
        ("Profiler.flamegraph", {"max_depth": -1}, "max_depth"),
        ("RunControl.start_attach", {}, "pid"),
        ("RunControl.start_attach", {"pid": 0}, "pid"),
        ("RunControl.start_attach", {"pid": "1"}, "pid"),
        ("RunControl.start_attach", {"pid": 1, "frequency_hz": 0}, "frequency_hz"),
        ("RunControl.start_attach", {"pid": 1, "frequency_hz": 10**9}, "frequency_hz"),
        ("RunControl.start_attach", {"pid": 1, "label": "x" * 100000}, "label"),
        ("RunControl.wait_active", {"condition": {}}, "condition"),
        ("RunControl.wait_active", {"condition": {"for_samples": 1, "for_seconds": 1}}, "condition"),
        ("RunControl.wait_active", {"condition": {"for_seconds": -1}}, "for_seconds"),
        ("RunControl.wait_active", {"timeout_ms": -1}, "timeout_ms"),
        ("Profiler.subscribe", {}, "method"),
        ("Profiler.subscribe", {"method": "RunControl.stop_active"}, "method"),
        ("Profiler.subscribe", {"method": "Profiler.top", "params": {"limit": "x"}}, "limit"),
        ("Profiler.unsubscribe", {}, "subscription"),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_wrong_params(server, method, params, names):
    with server.rpc() as rpc:
        with pytest.raises(RpcError) as error:
            rpc.call(method, **params)
        assert error.value.kind == "invalid_params" and error.value.code == -32602, error.value
        assert names in error.value.message, error.value
        assert rpc.call("RunControl.status")["active"] == []


def test_kinds_of_our_own_errors(server, target):
    with server.rpc() as rpc:
        def kind(method, **params):
            with pytest.raises(RpcError) as error:
                rpc.call(method, **params)
            assert -32099 <= error.value.code <= -32000, error.value
            return error.value.kind

        assert kind("RunControl.stop_active") == "no_active_run"
        assert kind("Profiler.top") in ("unknown_run", "no_active_run")
        assert kind("Profiler.top", view={"run": 99}) == "unknown_run"
        assert rpc.call("RunControl.wait_active")["outcome"] == "no_active_run"
        assert rpc.call("RunControl.wait_active", start_ms=50)["outcome"] == "no_active_run"
        assert rpc.call("RunControl.wait_active", start_ms=5000, timeout_ms=50)["outcome"] == "timed_out"
        assert kind("RunControl.start_attach", pid=4194303) == "not_found"
        assert kind("Profiler.unsubscribe", subscription=12345) == "not_found"
        with server.live([target("forever")]) as live:
            rpc.call("RunControl.wait_active", condition={"for_samples": 10})
            assert kind("RunControl.start_attach", pid=live.target_pid) == "already_active"
            assert kind("Profiler.top", view={"tid": 4194000}) == "not_found"


def test_ids_come_back_as_they_were(server):
    with server.rpc() as rpc:
        for request_id in (0, -7, 2**53, "text", "q\"uo\\te\u00e9", ""):
            rpc.send_json({"jsonrpc": "2.0", "id": request_id, "method": "RunControl.status"})
            assert rpc.read()["id"] == request_id


def test_notifications_get_no_answer(server):
    with server.rpc() as rpc:
        rpc.send_json({"jsonrpc": "2.0", "method": "RunControl.status"})
        rpc.send_json({"jsonrpc": "2.0", "method": "No.such"})
        assert rpc.call("RunControl.list_runs") == {"runs": [], "current": 0}


def test_many_requests_in_one_write(server):
    with server.rpc() as rpc:
        lines = [json.dumps({"jsonrpc": "2.0", "id": i, "method": "RunControl.status"}) for i in range(500)]
        rpc.send(("\n".join(lines) + "\n").encode())
        assert sorted(rpc.read()["id"] for _ in lines) == list(range(500))


def test_request_byte_by_byte(server):
    with server.rpc() as rpc:
        for byte in b'{"jsonrpc":"2.0","id":"slow","method":"RunControl.status"}\n':
            rpc.send(bytes([byte]))
        assert rpc.read()["id"] == "slow"
