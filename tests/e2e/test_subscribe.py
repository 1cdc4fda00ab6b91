"""Subscriptions: the latest answer, again and again, until the run is over."""

import pytest

from stax import RpcError

QUESTIONS = [
    ("Profiler.top", {"limit": 5}),
    ("Profiler.flamegraph", {"max_depth": 5}),
    ("Profiler.threads", {}),
    ("Profiler.total_on_cpu_ns", {}),
]


@pytest.mark.parametrize("method, params", QUESTIONS, ids=[q[0] for q in QUESTIONS])
def test_each_question(server, target, method, params):
    with server.live([target("forever")]) as live, server.rpc() as rpc:
        subscription = rpc.subscribe(method, interval_ms=50, **params)
        messages = [rpc.notification(subscription) for _ in range(5)]
        assert [m["seq"] for m in messages] == sorted({m["seq"] for m in messages}), "seq only grows"
        assert messages[0]["seq"] == 1
        samples = [m["result"]["health"]["samples"] for m in messages]
        assert samples == sorted(samples) and samples[-1] > samples[0]
        assert not any(m["ended"] for m in messages)
        live.end()
        last = messages[-1]
        while not last["ended"]:
            last = rpc.notification(subscription)
        final = rpc.call(method, **params)
        assert last["result"]["health"]["samples"] == final["health"]["samples"], "the last answer is the final one"
        rpc.pause(0.3)
        assert not rpc.notifications, "nothing comes after the end"


def test_unsubscribe(server, target):
    with server.live([target("forever")]), server.rpc() as rpc:
        first = rpc.subscribe("Profiler.total_on_cpu_ns", interval_ms=50)
        second = rpc.subscribe("Profiler.threads", interval_ms=50)
        assert first != second
        rpc.notification(first)
        rpc.notification(second)
        rpc.call("Profiler.unsubscribe", subscription=first)
        rpc.notifications.clear()  # what was on its way before the answer
        for _ in range(5):
            rpc.notification(second)
        assert not rpc.notifications, "nothing after unsubscribe"
        with pytest.raises(RpcError):
            rpc.call("Profiler.unsubscribe", subscription=first)


def test_slow_reader_gets_the_latest(server, target):
    """Who reads late gets a newer answer, not a queue of old ones."""
    with server.live([target("forever")], "-F", "2000"), server.rpc() as rpc, server.rpc() as other:
        subscription = rpc.subscribe("Profiler.flamegraph", interval_ms=50)
        rpc.notification(subscription)
        now = other.call("Profiler.total_on_cpu_ns")["health"]["samples"]
        other.call("RunControl.wait_active", condition={"for_samples": now + 3000})
        now = other.call("Profiler.total_on_cpu_ns")["health"]["samples"]
        n = 0
        while rpc.notification(subscription)["result"]["health"]["samples"] < now:
            n += 1
        # One message was on its way, and one question may have been.
        assert n <= 2, f"{n} old answers were kept for a slow reader"


def test_interval_is_kept(server, target):
    with server.live([target("forever")]), server.rpc() as rpc:
        subscription = rpc.subscribe("Profiler.total_on_cpu_ns", interval_ms=200)
        messages = [rpc.notification(subscription) for _ in range(6)]
        ends = [m["result"]["health"]["end_ns"] for m in messages]
        assert ends[-1] - ends[0] >= 4 * 200e6 * 0.8, "not more often than asked for"


def test_too_many(server, target):
    with server.live([target("forever")]), server.rpc() as rpc:
        with pytest.raises(RpcError) as error:
            for _ in range(1000):
                rpc.subscribe("Profiler.total_on_cpu_ns", interval_ms=1000)
        assert error.value.kind == "too_large"
        assert rpc.call("RunControl.status")["active"]


def test_stopped_run(server, target):
    """A run that is over is answered until all its names are there, and then no more."""
    server.record([target("shares"), "1", "100"])
    with server.rpc() as rpc:
        subscription = rpc.subscribe("Profiler.top")
        message = rpc.notification(subscription)
        while not message["ended"]:
            message = rpc.notification(subscription)
        assert message["result"]["health"]["samples"] > 0
