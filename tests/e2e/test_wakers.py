"""Who wakes whom: known edges, with exact counts, and how much waiting each of them ended."""

import os
import subprocess

import pytest

from stax import RpcError, needs_root
from waiting import MS, dominating, intervals_of, skip_if_blind, skip_unless, threads_of, total

pytestmark = pytest.mark.needs(needs_root())


def wakers_of(rpc, tid, **more):
    """The answer of `wakers`, with what holds for every such answer."""
    answer = rpc.call("Profiler.wakers", tid=tid, limit=10000, **more)
    assert answer["available"] and answer["reason"] == "", answer
    assert answer["wakee_tid"] == tid
    entries = answer["entries"]
    assert len(entries) == answer["n_entries"]
    assert sum(e["count"] for e in entries) == answer["total_wakeups"]
    counts = [e["count"] for e in entries]
    assert counts == sorted(counts, reverse=True), "by count, most first"
    for entry in entries:
        assert entry["count"] > 0 and 0 <= entry["approximate_count"] <= entry["count"], entry
        assert total(entry["off_cpu"]) == entry["ended_ns"], entry
        assert entry["interrupt"] == (entry["waker_tid"] == 0) == (entry["waker_name"] == "[irq]"), entry
        assert not (entry["interrupt"] and entry["foreign"]), entry
        assert entry["waker_address"].startswith("0x"), entry
    return answer


def edges(answer, tid, function=None):
    return [e for e in answer["entries"]
            if e["waker_tid"] == tid and function in (None, e["waker_function_name"])]


def test_a_chain_of_four(server, target):
    """A wakes B, B wakes C, C wakes D, each from one function, as often as there were items."""
    skip_unless(server, "off_cpu", "wakeups")
    run = server.record([target("chain"), 100, 3])
    assert run.status == 0 and run.summary["lost_records"] == 0, run.result
    server.settle()
    truth = {name: run.truth.waiting(name) for name in "ABCD"}
    with server.rpc() as rpc:
        threads = threads_of(rpc).check()
        for waker, wakee in ("AB", "BC", "CD"):
            wait = truth[wakee]
            answer = wakers_of(rpc, wait["tid"])
            assert answer["wakee_name"] == wakee
            function = f"pass_to_{wakee.lower()}"
            edge = edges(answer, truth[waker]["tid"])
            # Every item had to be waited for: as many wakeups as items. An item that came before its
            # receiver slept wakes nobody, and the kernel then counted one wait less.
            late = max(0, wait["waits"] - wait["voluntary"])
            # A few waits and wakeups beside are of the kernel's lock for the address space, as threads begin
            # and end; and one of these may look like an item that was waited for.
            assert wait["waits"] - late - 3 <= sum(e["count"] for e in edge) <= wait["waits"] + 3, (edge, wait)
            # So few have a stack each.
            named = edges(answer, truth[waker]["tid"], function)
            assert len(named) == 1 and named[0]["count"] >= 0.95 * wait["waits"], edge
            assert named[0]["approximate_count"] == 0, edge
            assert named[0]["waker_name"] == waker and named[0]["waker_binary"] == "chain", edge
            assert function in [frame["function_name"] for frame in named[0]["stack"]]
            assert all(e["waker_pid"] == run.summary["target_pid"] and not e["foreign"] for e in edge)
            # No other thread of the chain has to do with it; what there is beside are the kernel's locks.
            for name in set("ABCD") - {waker, wakee}:
                assert sum(e["count"] for e in edges(answer, truth[name]["tid"])) <= 3, (name, answer["entries"])
            thread = threads.by_tid[wait["tid"]]
            assert sum(e["ended_ns"] for e in edge) >= 0.95 * total(thread["off_cpu"]), (edge, thread)
            ended = sum(e["ended_ns"] for e in answer["entries"])
            assert abs(ended - total(thread["off_cpu"])) <= 0.01 * total(thread["off_cpu"]) + MS
            assert dominating(named[0]["off_cpu"]) == "ipc", edge
            assert thread["wakeups"] == answer["total_wakeups"]
            check_single_waits(rpc, wait["tid"], truth[waker]["tid"], waker, function)


def check_single_waits(rpc, tid, waker_tid, waker, function):
    """Each single wait knows who ended it too."""
    entries = intervals_of(rpc, view={"tid": tid}, reason="ipc", min_ns=MS)["entries"]
    assert len(entries) >= 90
    by_it = [e for e in entries if e.get("waker_tid") == waker_tid]
    assert len(by_it) >= len(entries) - 1, [e for e in entries if e not in by_it]
    assert all(e["waker_name"] == waker for e in by_it)
    named = [e for e in by_it if e.get("waker_function_name") == function]
    assert len(named) >= 0.95 * len(by_it)


def test_a_nap_is_ended_by_an_interrupt(server, target):
    skip_unless(server, "off_cpu", "wakeups")
    skip_if_blind()
    run = server.record([target("chain"), 100, 3])
    server.settle()
    wait = run.truth.waiting("A")
    with server.rpc() as rpc:
        answer = wakers_of(rpc, wait["tid"])
        thread = threads_of(rpc).by_tid[wait["tid"]]
        sleeps = intervals_of(rpc, view={"tid": wait["tid"]}, reason="sleep")["entries"]
    interrupts = [e for e in answer["entries"] if e["interrupt"]]
    count = sum(e["count"] for e in interrupts)
    # Nine in ten: a CPU that has become blind (skip_if_blind) does not show it while it is busy.
    assert 0.9 * wait["waits"] <= count <= wait["voluntary"] + 2, answer["entries"]
    assert sum(e["ended_ns"] for e in interrupts) >= 0.97 * total(thread["off_cpu"])
    assert all(e["waker_tid"] == 0 and e["waker_name"] == "[irq]" for e in sleeps if "waker_tid" in e)
    assert sum("waker_tid" in e for e in sleeps) >= len(sleeps) - 1


@pytest.mark.parametrize("kind", ["mutex", "rwlock", "cond", "sem", "pipe_read", "unix_read", "semop", "signal"])
def test_the_holder_is_the_waker(server, target, kind):
    """Who lets a lock go, posts a semaphore or writes into a pipe has ended the wait."""
    skip_unless(server, "off_cpu", "wakeups")
    run = server.record([target("waits"), kind])
    server.settle()
    wait, holder = run.truth.waiting(kind), run.truth.waiting(f"{kind}-by")
    with server.rpc() as rpc:
        answer = wakers_of(rpc, wait["tid"])
        thread = threads_of(rpc).by_tid[wait["tid"]]
    by_it = edges(answer, holder["tid"])
    late = max(0, wait["waits"] - wait["voluntary"])
    count = sum(e["count"] for e in by_it)
    assert wait["waits"] - late - 1 <= count <= wait["voluntary"] + 4, answer["entries"]
    assert sum(e["ended_ns"] for e in by_it) >= 0.95 * total(thread["off_cpu"])
    assert {e["waker_name"] for e in by_it} == {f"{kind}-by"}
    # The function is one of the program or of a library, not of the kernel.
    assert not any(e["waker_binary"].startswith("[kernel") for e in by_it), by_it


def test_a_waker_of_another_program(server, target):
    """Bytes that this very process writes: the waker is named by its command, and foreign."""
    skip_unless(server, "off_cpu", "wakeups")
    n = 50
    with open("/proc/self/comm", encoding="utf-8") as comm:
        command = comm.read().strip()
    with server.live([target("reader")]) as live, server.rpc() as rpc:
        for _ in range(n):
            rpc.pause(0.003)  # until it waits again
            live.tell("x")
            assert os.read(live.proc.stdout.fileno(), 1) == b"x"
        assert live.wait().status == 0  # which closes its stdin
        server.settle()
        wait = live.truth.waiting("reader")
        answer = wakers_of(rpc, wait["tid"])
        # The end of file is one more.
        foreign = [e for e in answer["entries"] if e["foreign"]]
        assert {e["waker_pid"] for e in foreign} >= {os.getpid()}
        ours = [e for e in foreign if e["waker_tid"] == os.getpid()]
        late = max(0, n + 1 - wait["voluntary"])
        assert n - late <= sum(e["count"] for e in ours) <= n + 2, answer["entries"]
        assert {e["waker_name"] for e in ours} == {command}
        entries = intervals_of(rpc, view={"tid": wait["tid"]}, reason="ipc")["entries"]
        assert sum(e.get("waker_tid") == os.getpid() and e["waker_name"] == command for e in entries) >= n - late
        # A program that was not recorded has no row among the threads.
        assert os.getpid() not in threads_of(rpc).by_tid


def test_windows_add_up(server, target):
    skip_unless(server, "off_cpu", "wakeups")
    run = server.record([target("chain"), 100, 2])
    server.settle()
    tid = run.truth.waiting("C")["tid"]
    with server.rpc() as rpc:
        whole = wakers_of(rpc, tid)
        end = whole["health"]["end_ns"] + 1
        parts = [wakers_of(rpc, tid, view={"time_range": {"start_ns": a, "end_ns": b}})
                 for a, b in ((0, end // 3), (end // 3, end // 2), (end // 2, end))]
        assert sum(p["total_wakeups"] for p in parts) == whole["total_wakeups"]
        few = rpc.call("Profiler.wakers", tid=tid, limit=1)
        assert len(few["entries"]) == 1 and few["n_entries"] == whole["n_entries"]


def test_unknown_thread(server, target):
    server.record([target("chain"), 5])
    with server.rpc() as rpc:
        with pytest.raises(RpcError) as error:
            rpc.call("Profiler.wakers", tid=1)
        assert error.value.kind == "not_found" and "1" in error.value.message
        for wrong in ({}, {"tid": 0}, {"tid": "x"}, {"tid": 5, "limit": 0}):
            with pytest.raises(RpcError) as error:
                rpc.call("Profiler.wakers", **wrong)
            assert error.value.kind == "invalid_params", wrong


def test_other_programs_are_left_out(server, target):
    """Wakeups are seen on all CPUs; those between other programs are none of this run."""
    skip_unless(server, "off_cpu", "wakeups")
    with subprocess.Popen([target("pingpong"), "3"], stdout=subprocess.DEVNULL) as noise:
        run = server.record([target("chain"), 50, 2])
        assert noise.poll() is None
        noise.kill()
    server.settle()
    with server.rpc() as rpc:
        threads = threads_of(rpc).check()
        assert noise.pid not in threads.by_tid
        assert len(threads.all) == 5
        events = rpc.call("RunControl.diagnostics")["run"]["events"]
    # A ping-pong is tens of thousands of wakeups a second.
    assert events["wakeup"] < 5000, events
    assert run.summary["lost_records"] == 0
