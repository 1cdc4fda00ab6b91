"""The whole chain as a user without any privilege."""

import pytest

from stax import Process, assert_share, attach, sysctl
from waiting import assert_blocked, assert_on_cpu, dominating, intervals_of, off_cpu_flame, threads_of, total


def test_whole_chain(user, public_dir):
    run = user.record([public_dir / "shares", "2", "500"], "-F", "2000")
    assert run.status == 0, run.result
    top = user.settled_top()
    for function in ("share_50", "share_30", "share_20"):
        assert_share(top.self_samples(function), top.samples, run.truth.share(function), function)
    kernel = user.json("status")["capabilities"]["kernel_stacks"]
    if sysctl("kernel.perf_event_paranoid") >= 2:
        assert not kernel["available"] and "perf_event_paranoid" in kernel["reason"], kernel
        assert not any("[kernel" in e["binary"] for e in top.entries), "no kernel frames at paranoid 2"
        assert "perf_event_paranoid" in user.ok("status").out
    else:
        assert kernel["available"]


def test_many_threads_within_the_rings_a_user_may_have(user, public_dir):
    run = user.record([public_dir / "threads64", "10"], "-F", "2000")
    assert run.status == 0, run.result
    assert run.summary["threads"] == 65
    assert run.summary["lost_samples"] == 0


def test_live(user, public_dir):
    with user.live([public_dir / "forever", "2"]) as live:
        user.ok("wait", "--for-samples", "200")
        first = user.top().samples
        user.ok("wait", "--for-samples", first + 200)
        assert user.top().samples > first
        assert live.end().status == 0


def test_root_may_not_be_recorded_by_a_user(user, target):
    with_root = user.stax("record", "--pid", "1")
    assert with_root.status == 1 and with_root.err.startswith("error:"), with_root


def test_another_user_may_not_connect(user, server):
    """The socket is its owner's: a user can't talk to root's server."""
    result = user.stax("status", env={"STAX_SERVER_SOCKET": str(server.socket)})
    assert result.status == 1 and result.err.startswith("error:"), result


# ---- Waiting ----------------------------------------------------------------------------------------------

# Kinds of the target `waits` whose reason even the name of the kernel's function tells, or the system call.
TOLD_BY_PLACE = {
    "sleep": "sleep", "nap": "sleep", "mutex": "lock", "sem": "semaphore", "cond": "lock", "pipe_read": "ipc",
    "unix_read": "ipc", "poll": "readiness", "epoll": "readiness", "child": "other", "mqueue": "ipc",
    "semop": "semaphore", "accept": "connect",
}


def record_waits(user, public_dir):
    """Waits that are long enough to be looked at while they last."""
    run = user.record([public_dir / "waits", "-n", "15", "-m", "60", *TOLD_BY_PLACE])
    assert run.status == 0, run.result
    assert run.summary["lost_records"] == 0
    user.settle()
    return run


def check_capabilities(user, expected):
    capabilities = user.json("status")["capabilities"]
    for name, available in expected.items():
        assert capabilities[name]["available"] == available, (name, capabilities[name])
        if not available:
            assert capabilities[name]["reason"], name
    return capabilities


@pytest.mark.parametrize("paranoid", [2], indirect=True)
def test_waits_at_paranoid_2(paranoid, user, public_dir):
    """No kernel stack, no wakeup; but every switch, and by looking at who waits, why."""
    capabilities = check_capabilities(user, {
        "off_cpu": True, "wait_details": True, "off_cpu_stacks": False, "wakeups": False, "kernel_stacks": False})
    for name in ("off_cpu_stacks", "kernel_stacks"):
        assert "perf_event_paranoid" in capabilities[name]["reason"], capabilities[name]
    run = record_waits(user, public_dir)
    with user.rpc() as rpc:
        threads = threads_of(rpc).check()
        check_reasons(run, threads)
        # Stacks are those of other moments, and every one of them says so.
        assert threads.health["approximate_pct"] > 95, threads.health
        entries = intervals_of(rpc)["entries"]
        assert all(entry["approximate"] for entry in entries)
        assert not any("waker_tid" in entry for entry in entries)
        off_cpu_flame(rpc).check()
        tid = run.truth.waiting("mutex")["tid"]
        wakers = rpc.call("Profiler.wakers", tid=tid)
        assert not wakers["available"] and wakers["reason"] and wakers["entries"] == [], wakers


def check_reasons(run, threads):
    wrong = []
    for kind, reason in TOLD_BY_PLACE.items():
        wait = run.truth.waiting(kind)
        if "skipped" in wait:
            continue
        thread = threads.by_tid[wait["tid"]]
        assert_blocked(thread, wait)
        assert_on_cpu(thread, wait)
        if dominating(thread["off_cpu"]) != reason:
            wrong.append((kind, reason, thread["off_cpu"]))
    assert not wrong, wrong


@pytest.mark.parametrize("paranoid", [1], indirect=True)
def test_waits_at_paranoid_1(paranoid, user, public_dir):
    """Stacks are those of the waits themselves, as many as the kernel takes; what a wakeup looks like stands
    in a file that only root may read."""
    check_capabilities(user, {"off_cpu": True, "wait_details": True, "off_cpu_stacks": True, "kernel_stacks": True})
    run = record_waits(user, public_dir)
    with user.rpc() as rpc:
        threads = threads_of(rpc).check()
        check_reasons(run, threads)
        assert threads.health["approximate_pct"] < 2, threads.health
        flame = off_cpu_flame(rpc, tid=run.truth.waiting("nap")["tid"]).check()
        seen = sum(ns for node, ns in flame.waiting_in("sleep").items() if "nap_wait" in flame.path(node))
        assert seen >= 0.9 * flame.by_reason[0]["sleep"], [flame.path(node) for node in flame.waiting_in("sleep")]


@pytest.mark.parametrize("paranoid", [2, 1], indirect=True)
def test_attach_to_waiting_threads_as_a_user(paranoid, user, public_dir):
    held = {"held-mutex": "lock", "held-sem": "semaphore", "held-cond": "lock", "held-pipe": "ipc",
            "held-poll": "readiness", "held-sleep": "sleep"}
    with Process(user, [public_dir / "held"]) as process, user.rpc() as rpc:
        record = attach(user, process.pid)
        user.settle()
        rpc.call("RunControl.wait_active", condition={"for_seconds": 0.5})
        threads = threads_of(rpc)
        for name, reason in held.items():
            thread = threads.one(name)
            assert total(thread["off_cpu"]) >= 0.9 * threads.life_ns(thread)
            assert dominating(thread["off_cpu"]) == reason, thread
        process.tell("x")
        assert process.proc.wait(30) == 0
        assert record.wait(30) == 0, record.communicate()
        record.communicate()
        threads_of(rpc).check()
