"""What threads wait for at this moment, and who stands in their way: a real deadlock, and an owner that
sleeps."""

import pytest

from stax import Process, RpcError, attach
from waiting import MS, REASONS, skip_unless

OBJECTS = ("", "mutex", "lock", "condition", "semaphore", "thread")


def now_of(rpc, **params):
    """The answer of `now`, with what holds for every such answer."""
    answer = rpc.call("Profiler.now", **params)
    waits = answer["waits"]
    assert answer["n_waiting"] >= len(waits)
    assert len({w["tid"] for w in waits}) == len(waits), "each thread waits for one thing"
    keys = [(not w["deadlock"], -w["duration_ns"]) for w in waits]
    assert keys == sorted(keys), "deadlocked ones first, then the longest first"
    for wait in waits:
        assert wait["reason"] in REASONS and wait["object"] in OBJECTS, wait
        assert wait["since_ns"] + wait["duration_ns"] <= answer["time_ns"] + MS, wait
        if "owner" in wait:
            assert wait["owner"]["state"] in ("running", "runnable", "waiting", "ended"), wait
    in_cycles = {tid for deadlock in answer["deadlocks"] for tid in deadlock["tids"]}
    assert in_cycles >= {w["tid"] for w in waits if w["deadlock"]}
    return answer


def by_name(answer):
    return {wait["thread_name"]: wait for wait in answer["waits"]}


def check_deadlock(rpc, tids, mutexes=None):
    """Exactly the two, each of them with the mutex that it wants and the thread that has it."""
    answer = now_of(rpc)
    assert len(answer["deadlocks"]) == 1, answer
    deadlock = answer["deadlocks"][0]
    assert sorted(deadlock["tids"]) == sorted((tids["dead-a"], tids["dead-b"])), deadlock
    for tid in deadlock["tids"]:
        assert str(tid) in deadlock["text"] or {"dead-a", "dead-b"} <= set(deadlock["text"].split()), deadlock
    assert "\n" not in deadlock["text"]
    waits = by_name(answer)
    for name, owner, mutex in (("dead-a", "dead-b", "b"), ("dead-b", "dead-a", "a"), ("waiter", "holder", "c")):
        wait = waits[name]
        assert wait["tid"] == tids[name]
        assert wait["reason"] == "lock" and wait["object"] == "mutex", wait
        assert wait["deadlock"] == (name != "waiter"), wait
        assert wait["owner"]["tid"] == tids[owner] and wait["owner"]["name"] == owner, wait
        assert wait["owner"]["state"] == "waiting", wait
        assert wait["place"].startswith("futex"), wait
        if mutexes:
            assert int(wait["object_address"], 16) == int(mutexes[mutex], 16), wait
    for name in ("holder", "innocent"):
        assert waits[name]["reason"] == "sleep" and not waits[name]["deadlock"], waits[name]
        assert "owner" not in waits[name], waits[name]
    # Where the owner is: in a nap, wherever its stack is known, by the kernel's function at least.
    assert waits["waiter"]["owner"]["function_name"], waits["waiter"]
    assert answer["n_waiting"] == 6, "the five, and main"
    assert answer["n_running"] == answer["n_runnable"] == 0
    return answer, waits


def end(process, record):
    """Lets the target say what it was, and the recording end."""
    process.proc.terminate()
    assert process.proc.wait(30) == 0
    out, err = record.communicate(timeout=30)
    assert record.returncode == 0, (out, err)
    return process.truth.lines[0]


def tids_of(rpc):
    return {t["name"]: t["tid"] for t in rpc.call("Profiler.threads", limit=0)["threads"]}


def test_a_deadlock_that_is_attached_to(server, target):
    """Nobody saw these waits begin; what they wait for is read from the process."""
    skip_unless(server, "off_cpu", "wait_details")
    with Process(server, [target("deadlock")]) as process, server.rpc() as rpc:
        record = attach(server, process.pid)
        rpc.call("RunControl.wait_active", condition={"for_seconds": 0.3})  # all have been looked at by then
        server.settle()
        answer, waits = check_deadlock(rpc, tids_of(rpc))
        rpc.call("RunControl.wait_active", condition={"for_seconds": 0.2})
        server.settle()
        later, again = check_deadlock(rpc, tids_of(rpc))
        assert later["time_ns"] >= answer["time_ns"] + 150 * MS
        for name, wait in waits.items():
            grown = again[name]["duration_ns"] - wait["duration_ns"]
            assert grown >= 150 * MS, "it goes on"
        one = now_of(rpc, tid=waits["waiter"]["tid"])
        assert [w["tid"] for w in one["waits"]] == [waits["waiter"]["tid"]]
        assert len(now_of(rpc, limit=2)["waits"]) == 2
        assert all(w["stack"] == [] for w in now_of(rpc, max_frames=0)["waits"])
        truth = end(process, record)
        for name, tid in truth["tids"].items():
            assert waits[name]["tid"] == tid
        for name, mutex in (("dead-a", "b"), ("dead-b", "a"), ("waiter", "c")):
            assert int(waits[name]["object_address"], 16) == int(truth["mutexes"][mutex], 16)


def test_now_at_once(server, target):
    """Asked as soon as the recording runs: what is told by the first look agrees with itself."""
    skip_unless(server, "off_cpu", "wait_details")
    with Process(server, [target("deadlock")]) as process, server.rpc() as rpc:
        record = attach(server, process.pid)
        for _ in range(20):
            for wait in now_of(rpc)["waits"]:
                if wait["place"].startswith("hrtimer_nanosleep"):
                    assert wait["reason"] == "sleep", wait
                if wait["object"] == "mutex":
                    assert wait["reason"] == "lock", wait
            rpc.pause(0.01)
        end(process, record)


def test_a_deadlock_that_was_recorded_from_its_start(server, target):
    """The waits have their own stacks then, as many as the kernel took: the functions of the program that wait."""
    skip_unless(server, "off_cpu", "wait_details", "off_cpu_stacks", "kernel_symbols")
    with server.live([target("deadlock")]) as live, server.rpc() as rpc:
        server.settle()
        _, waits = check_deadlock(rpc, tids_of(rpc))
        exact = {name: [frame["function_name"] for frame in wait["stack"]]
                 for name, wait in waits.items() if not wait["approximate"]}
        assert exact, waits
        for name, names in exact.items():
            if name in ("holder", "innocent"):
                assert names.index("nap") < names.index("holds_and_naps") < names.index("role_main"), names
            elif name in ("dead-a", "dead-b", "waiter"):
                # libc may be without frame pointers and swallow one caller, but not all of them.
                assert "role_main" in names or "wants" in names, names
        assert waits["waiter"]["owner"]["function_name"] in ("hrtimer_nanosleep", "do_nanosleep", "nap"), (
            waits["waiter"]["owner"])
        assert live.end().status == 0


def test_now_is_empty_of_deadlocks_without_one(server, target):
    skip_unless(server, "off_cpu")
    with server.live([target("held")]) as live, server.rpc() as rpc:
        server.settle()
        answer = now_of(rpc)
        assert answer["deadlocks"] == [] and not any(w["deadlock"] for w in answer["waits"])
        waits = by_name(answer)
        expected = {"held-mutex": ("lock", "mutex"), "held-sem": ("semaphore", "semaphore"),
                    "held-cond": ("lock", "condition"), "held-pipe": ("ipc", ""), "held-poll": ("readiness", ""),
                    "held-sleep": ("sleep", "")}
        for name, (reason, object_kind) in expected.items():
            assert waits[name]["reason"] == reason, waits[name]
            if server.json("status")["capabilities"]["wait_details"]["available"]:
                assert waits[name]["object"] == object_kind, waits[name]
        mutex = waits["held-mutex"]
        if mutex["object"] == "mutex":
            assert mutex["owner"]["tid"] == live.target_pid and mutex["owner"]["state"] == "waiting", mutex
        live.tell("x")
        assert live.wait().status == 0


def test_now_of_threads_that_run(server, target):
    """Threads on a CPU, or ready for one, are counted and wait for nothing."""
    skip_unless(server, "off_cpu")
    with server.live([target("forever"), "3"]) as live, server.rpc() as rpc:
        server.ok("wait", "--for-samples", "100")
        # Whoever records takes a CPU itself for a moment, so what it sees last is often that somebody had to
        # leave one; but not always.
        running = 0
        for _ in range(300):
            answer = now_of(rpc)
            assert answer["n_running"] + answer["n_runnable"] + answer["n_waiting"] == 3, answer
            assert answer["n_waiting"] <= 1 and answer["deadlocks"] == [], answer
            running += answer["n_running"]
            if running > 0:
                break
            rpc.pause(0.02)
        assert running > 0
        assert live.end().status == 0


def test_now_needs_an_active_run(server, target):
    for _ in range(2):
        with server.rpc() as rpc:
            with pytest.raises(RpcError) as error:
                rpc.call("Profiler.now")
            assert error.value.kind == "no_active_run" and "\n" not in error.value.message
        server.record([target("brief")])


def test_now_of_an_unknown_thread(server, target):
    with server.live([target("forever")]) as live, server.rpc() as rpc:
        with pytest.raises(RpcError) as error:
            rpc.call("Profiler.now", tid=1)
        assert error.value.kind == "not_found"
        for wrong in ({"limit": 0}, {"tid": "x"}, {"max_frames": -1}):
            with pytest.raises(RpcError) as error:
                rpc.call("Profiler.now", **wrong)
            assert error.value.kind == "invalid_params"
        live.end()


def test_now_while_threads_come_and_go(server, target):
    """A thread may end between any two looks at it."""
    with server.live([target("churn"), "400", "1000"], ready=False) as live, server.rpc() as rpc:
        while live.proc.poll() is None:
            try:
                now_of(rpc)
            except RpcError as error:
                assert error.kind == "no_active_run", error
            rpc.pause(0.005)
        live.wait()
    assert server.alive()


# ---- Without privileges ---------------------------------------------------------------------------------


@pytest.mark.parametrize("paranoid", [2, 1], indirect=True)
def test_a_deadlock_of_a_user(paranoid, user, public_dir):
    """The owner of a process may look at it whatever the kernel's setting for perf is."""
    assert user.json("status")["capabilities"]["wait_details"]["available"]
    with Process(user, [public_dir / "deadlock"]) as process, user.rpc() as rpc:
        record = attach(user, process.pid)
        rpc.call("RunControl.wait_active", condition={"for_seconds": 0.3})
        user.settle()
        check_deadlock(rpc, tids_of(rpc))
        end(process, record)


def test_what_may_not_be_looked_at_is_said(user, public_dir):
    """A process that makes itself undumpable while it is recorded: that its threads wait is known, what for
    is not, and the answer says so."""
    with user.live([public_dir / "deadlock", "undumpable"]) as live, user.rpc() as rpc:
        user.settle()
        answer = now_of(rpc)
        assert answer["n_waiting"] == 6 and len(answer["waits"]) == 6, answer
        assert answer["deadlocks"] == [] and answer["notes"], answer
        assert all(note and "\n" not in note for note in answer["notes"]), answer["notes"]
        assert not any("owner" in wait or wait["deadlock"] for wait in answer["waits"])
        assert live.end().status == 0
