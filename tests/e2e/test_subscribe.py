"""Subscriptions: the latest answer, again and again, until the run is over."""

import pytest

from stax import RpcError
from waiting import skip_unless, total

TARGET = object()  # stands for the tid of the target's main thread

QUESTIONS = [
    ("Profiler.top", {"limit": 5}),
    ("Profiler.top", {"limit": 5, "mode": "off_cpu"}),
    ("Profiler.flamegraph", {"max_depth": 5}),
    ("Profiler.flamegraph", {"mode": "off_cpu", "reason": "ipc"}),
    ("Profiler.threads", {}),
    ("Profiler.total_on_cpu_ns", {}),
    ("Profiler.timeline", {"buckets": 20}),
    ("Profiler.intervals", {"limit": 5}),
    ("Profiler.intervals", {"order": "newest", "reason": "lock"}),
    ("Profiler.wakers", {"tid": TARGET}),
]
IDS = [f"{method.removeprefix('Profiler.')}-{params.get('mode') or params.get('order') or ''}".rstrip("-")
       for method, params in QUESTIONS]


@pytest.mark.parametrize("method, params", QUESTIONS, ids=IDS)
def test_each_question(server, target, method, params):
    with server.live([target("forever")]) as live, server.rpc() as rpc:
        rpc.call("RunControl.wait_active", condition={"for_samples": 1})  # its thread is known then
        params = {key: live.target_pid if value is TARGET else value for key, value in params.items()}
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


def test_the_first_answer_comes_at_once(server, target):
    with server.live([target("forever")]), server.rpc() as rpc:
        for ack in (False, True):
            call = {"method": "Profiler.total_on_cpu_ns", "params": {}, "interval_ms": 60000, "ack": ack}
            subscription = rpc.call("Profiler.subscribe", **call)["subscription"]
            assert rpc.notification(subscription)["seq"] == 1, "not after a minute"
            rpc.call("Profiler.resubscribe", subscription=subscription, params={"view": {"tid": 1}})
            assert rpc.notification(subscription)["epoch"] == 2


def test_a_late_one_falls_into_step(server, target):
    with server.live([target("forever")]), server.rpc() as rpc:
        for _ in range(5):  # a machine that is busy may keep the second call back for too long
            first = rpc.subscribe("Profiler.total_on_cpu_ns", interval_ms=2000)
            rpc.notification(first)
            rpc.pause(0.5)  # more than they would wait for each other by themselves
            second = rpc.subscribe("Profiler.threads", interval_ms=2000)
            rpc.notification(second)
            samples = [rpc.notification(one)["result"]["health"]["samples"] for one in (first, second)]
            for one in (first, second):
                rpc.call("Profiler.unsubscribe", subscription=one)
            if samples[0] == samples[1]:
                return
    pytest.fail("they never stood on the same moment")


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


# What of each answer only grows while the threads of the target do nothing but wait and wake each other.
GROWING = {
    "Profiler.threads": lambda r: total(r["total_off_cpu"]),
    "Profiler.timeline": lambda r: total(r["total_off_cpu"]),
    "Profiler.intervals": lambda r: r["total_intervals"],
    "Profiler.wakers": lambda r: r["total_wakeups"],
    "Profiler.flamegraph": lambda r: r["nodes"]["off_cpu_ns"][0],
    "Profiler.top": lambda r: total(r["total_off_cpu"]),
}


def test_waits_arrive_until_the_run_ends(server, target):
    """All of them at once on one connection, on a run that waits: each grows, and each ends once."""
    skip_unless(server, "off_cpu")
    wakeups = server.json("status")["capabilities"]["wakeups"]["available"]
    with server.live([target("held")]) as live, server.rpc() as rpc:
        params = {method: {"mode": "off_cpu"} if method in ("Profiler.flamegraph", "Profiler.top") else {}
                  for method in GROWING}
        params["Profiler.wakers"] = {"tid": live.target_pid}
        subscriptions = {method: rpc.subscribe(method, **params[method]) for method in GROWING}
        seen = {method: [] for method in GROWING}
        for method, subscription in subscriptions.items():
            # Whoever wakes nobody has nothing new to tell: of that there is one message, and the last.
            for _ in range(1 if method == "Profiler.wakers" else 4):
                message = rpc.notification(subscription)
                assert not message["ended"] and message["result"]["health"]["recording"]
                seen[method].append(GROWING[method](message["result"]))
        for method, values in seen.items():
            assert values == sorted(values), (method, values)
            if method not in ("Profiler.intervals", "Profiler.wakers"):
                assert values[-1] > values[0], f"{method}: waits that are open count up to now"
        live.tell("x")
        for method, subscription in subscriptions.items():
            message = rpc.notification(subscription)
            while not message["ended"]:
                message = rpc.notification(subscription)
            final = rpc.call(method, **params[method])
            assert not final["health"]["recording"]
            assert GROWING[method](message["result"]) == GROWING[method](final) >= seen[method][-1], method
        assert live.wait().status == 0
        if wakeups:
            # Main was woken by the byte that this test wrote, or by the threads that it joined.
            assert GROWING["Profiler.wakers"](final if method == "Profiler.wakers" else rpc.call(
                "Profiler.wakers", **params["Profiler.wakers"])) >= 1
        rpc.pause(0.3)
        assert not rpc.notifications, "nothing comes after the end"


def test_now_cannot_be_subscribed_to(server, target):
    with server.live([target("forever")]), server.rpc() as rpc:
        with pytest.raises(RpcError) as error:
            rpc.subscribe("Profiler.now")
        assert error.value.kind == "invalid_params" and "\n" not in error.value.message
