"""Programs whose waits are known: how long, how often, why, and where. The targets measure themselves by
their own clocks (tests/targets/waiting.h); what is compared here are the answers with that."""

import pytest

from stax import PATIENCE, SANITIZED, Process, attach, needs_names_of_libc
from waiting import (
    MS, REASONS, Threads, assert_blocked, assert_on_cpu, dominating, intervals_of, off_cpu_flame, part, skip_unless,
    threads_of, total)

# Kind of the target `waits` -> why it waits; and whether one wait of the program is one wait of the thread
# (an fsync or a large read may wait several times, or not at all).
KINDS = {
    "sleep": ("sleep", True), "nap": ("sleep", True),
    "mutex": ("lock", True), "rwlock": ("lock", True), "cond": ("lock", True),
    "sem": ("semaphore", True), "semop": ("semaphore", True),
    "pipe_read": ("ipc", True), "pipe_write": ("ipc", True), "unix_read": ("ipc", True), "tcp_read": ("ipc", True),
    "mqueue": ("ipc", True),
    "poll": ("readiness", True), "select": ("readiness", True), "epoll": ("readiness", True),
    "io_uring": ("readiness", True),
    "accept": ("connect", True), "connect": ("connect", True),
    "file_direct": ("io_read", False), "file_cached": ("io_read", False), "page_fault": ("io_read", False),
    "fsync": ("io_write", False),
    "child": ("other", True), "join": ("other", True), "signal": ("other", True),
}


def waits(server, target, *args):
    """Records `waits`; a run that went well."""
    run = server.record([target("waits"), *args])
    assert run.status == 0, run.result
    assert run.summary["lost_records"] == 0, run.summary
    server.settle()
    return run


def truth_of(run, kind):
    wait = run.truth.waiting(kind)
    if "skipped" in wait:
        pytest.skip(f"{kind}: {wait['skipped']}")
    assert wait["waits"] > 0
    return wait


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind(server, target, kind):
    skip_unless(server, "off_cpu", "kernel_stacks", "kernel_symbols", "wakeups")
    # In Debian's C library these two leave their public names by a jump, and wait in functions of which only the
    # debug file has names. Without it they count as locks, until somebody has looked at one that lasts.
    if kind in ("sem", "join") and needs_names_of_libc():
        pytest.skip(needs_names_of_libc())
    run = waits(server, target, kind)
    wait = truth_of(run, kind)
    reason, one_each = KINDS[kind]
    if not one_each and wait["voluntary"] < wait["waits"] // 2:
        pytest.skip(f"{kind}: this disk is too fast to wait for ({wait['voluntary']} waits of {wait['waits']} calls)")
    assert wait["reason"] == reason
    with server.rpc() as rpc:
        threads = threads_of(rpc).check()
        thread = threads.by_tid[wait["tid"]]
        assert thread["name"] == kind
        assert dominating(thread["off_cpu"]) == reason, thread
        assert part(thread["off_cpu"], reason) >= 0.9 * total(thread["off_cpu"]) or not one_each, thread
        assert_blocked(thread, wait)
        assert_on_cpu(thread, wait)
        for other in run.truth.waits:
            if other["thread"].endswith("-by"):
                assert_blocked(threads.by_tid[other["tid"]], other)
                assert dominating(threads.by_tid[other["tid"]]["off_cpu"]) == "sleep"
        check_intervals(rpc, thread, wait, reason, one_each)
        check_flame(rpc, thread, reason)
        check_top(rpc, threads, thread)


def check_intervals(rpc, thread, wait, reason, one_each):
    """The single waits are as many as the kernel counted and add up to the thread's total."""
    view = {"tid": wait["tid"]}
    whole = intervals_of(rpc, view=view, max_frames=16)
    assert whole["by_reason"] == thread["off_cpu"]
    # Its own count ends before its exit and begins after its start, where it may wait for the kernel's locks.
    assert wait["voluntary"] - 1 <= whole["total_intervals"] <= wait["voluntary"] + 8
    for entry in whole["entries"]:
        assert entry["tid"] == wait["tid"] and entry["thread_name"] == thread["name"] and not entry["open"]
        assert entry["stack"] and entry["stack"][0]["function_name"], entry
        assert thread["started_ns"] <= entry["start_ns"] <= thread["ended_ns"]
    of_reason = intervals_of(rpc, view=view, reason=reason, max_frames=4)
    assert of_reason["total_duration_ns"] == part(thread["off_cpu"], reason)
    if one_each:
        # A wait that somebody ended before it began is none: then the kernel counted fewer.
        late = max(0, wait["waits"] - wait["voluntary"])
        n = wait["waits"] - late - 1
        assert n <= of_reason["total_intervals"] <= wait["waits"] + 4
        long = intervals_of(rpc, view=view, reason=reason, min_ns=MS)
        assert long["total_intervals"] >= 0.95 * n, "each of them is longer than 1 ms"


def check_flame(rpc, thread, reason):
    """The wait is a leaf, with that reason, and none of switching itself."""
    flame = off_cpu_flame(rpc, tid=thread["tid"]).check()
    assert flame.off_cpu_ns[0] == total(thread["off_cpu"])
    leaves = flame.waiting_in(reason)
    assert sum(leaves.values()) == part(thread["off_cpu"], reason)
    heaviest = max(leaves, key=leaves.get)
    assert flame.names[heaviest] not in ("schedule", "__schedule", "schedule_timeout", "io_schedule", ""), (
        f"the function that waits, not the scheduler: {flame.path(heaviest)}")
    assert flame.self_by_reason(heaviest).keys() == {reason}, "one function of the kernel, one reason"
    only = off_cpu_flame(rpc, reason=reason, tid=thread["tid"])
    assert only.by_reason[0] == {reason: part(thread["off_cpu"], reason)}


def check_top(rpc, threads, thread):
    """Functions' own waits are all waits, as threads' are."""
    for view, expected in (({}, threads.answer["total_off_cpu"]), ({"tid": thread["tid"]}, thread["off_cpu"])):
        top = rpc.call("Profiler.top", mode="off_cpu", limit=10000, view=view)
        assert top["total_off_cpu"] == expected
        for reason in REASONS:
            assert sum(part(e["self_off_cpu"], reason) for e in top["entries"]) == part(expected, reason), reason
        order = [total(e["self_off_cpu"]) for e in top["entries"]]
        assert order == sorted(order, reverse=True)
        for entry in top["entries"]:
            assert total(entry["self_off_cpu"]) <= total(entry["total_off_cpu"]) <= total(expected)
            assert entry["self_off_cpu_intervals"] <= entry["total_off_cpu_intervals"]
        n = intervals_of(rpc, limit=1, view=view)["total_intervals"]
        assert sum(e["self_off_cpu_intervals"] for e in top["entries"]) == n
        # On-CPU time is there as well: functions have all of it but that of threads without a sample.
        spent = sum(e["self_on_cpu_ns"] for e in rpc.call("Profiler.top", limit=10000, view=view)["entries"])
        whole = top["total_on_cpu_ns"] - top["health"]["unsampled_ns"]
        assert abs(spent - whole) <= len(top["entries"]) + 100


def test_the_stack_of_a_wait_is_its_own(server, target):
    """A wait without a library between: `nap` makes the system call itself, so its stack is whole."""
    skip_unless(server, "off_cpu", "off_cpu_stacks", "kernel_symbols")
    run = waits(server, target, "-m", 10, "nap", "pipe_read")
    wait = truth_of(run, "nap")
    with server.rpc() as rpc:
        flame = off_cpu_flame(rpc, tid=wait["tid"]).check()
        answer = intervals_of(rpc, view={"tid": wait["tid"]}, reason="sleep")
        intervals = intervals_of(rpc, view={"tid": wait["tid"]})["entries"]
    seen = sum(ns for node, ns in flame.waiting_in("sleep").items()
               if [n for n in flame.path(node) if n in ("waiter_main", "nap_wait", "nap")]
               == ["waiter_main", "nap_wait", "nap"])
    assert seen >= 0.95 * flame.by_reason[0]["sleep"], [flame.path(n) for n in flame.waiting_in("sleep")]
    exact = [entry for entry in answer["entries"] if not entry["approximate"]]
    # The kernel takes stacks at a frequency, which it first has to find; and then each that is as rare.
    assert len(exact) >= 0.4 * len(answer["entries"]), len(exact)
    last = sorted(answer["entries"], key=lambda entry: entry["start_ns"])[-20:]
    assert sum(not entry["approximate"] for entry in last) >= 8, "still so at the end"
    for entry in exact:
        names = [frame["function_name"] for frame in entry["stack"]]
        assert "nap" in names and names.index("nap") < names.index("nap_wait"), names
    share = sum(entry["duration_ns"] for entry in intervals if entry["approximate"])
    share /= sum(entry["duration_ns"] for entry in intervals)
    assert abs(answer["health"]["approximate_pct"] - 100 * share) <= 1, (answer["health"], share)


def test_all_kinds_at_once(server, target):
    """Fifty threads that wait for everything at the same time are told apart."""
    skip_unless(server, "off_cpu", "kernel_stacks", "kernel_symbols", "wakeups")
    run = waits(server, target, "-n", 150)
    with server.rpc() as rpc:
        threads = threads_of(rpc).check()
        whole = intervals_of(rpc, limit=1)["total_intervals"]
    assert whole == server.last_summary()["off_cpu_intervals"]
    wrong = []
    for wait in run.truth.waits:
        if "skipped" in wait or not wait["reason"]:
            continue
        thread = threads.by_tid[wait["tid"]]
        assert_blocked(thread, wait)
        if dominating(thread["off_cpu"]) != wait["reason"] and KINDS.get(wait["thread"], ("", True))[1]:
            wrong.append((wait["thread"], wait["reason"], thread["off_cpu"]))
    assert not wrong, wrong


@pytest.mark.parametrize("kind", ["preempt", "yield"])
def test_a_thread_that_never_waits(server, target, kind):
    """Two busy threads on one CPU: half of the time each is ready and has none. That is no wait."""
    skip_unless(server, "off_cpu")
    run = waits(server, target, kind)
    with server.rpc() as rpc:
        threads = threads_of(rpc).check()
        pair = [wait for wait in run.truth.waits if wait["thread"] == kind]
        assert len(pair) == 2
        for wait in pair:
            thread = threads.by_tid[wait["tid"]]
            # What there is: the kernel's own locks at start and end, as often as the kernel says.
            assert total(thread["off_cpu"]) <= 0.01 * wait["life_ns"] + 2 * MS, thread
            n = intervals_of(rpc, view={"tid": wait["tid"]})["total_intervals"]
            assert n <= wait["voluntary"] + 8
            assert thread["runnable_ns"] >= 0.25 * wait["life_ns"], "ready, without a CPU"
            slack = 0.03 * wait["run_delay_ns"] + (wait["voluntary"] + wait["involuntary"]) * 20_000 + MS
            if wait["run_delay_ns"]:
                assert abs(thread["runnable_ns"] - wait["run_delay_ns"]) <= slack
            assert_on_cpu(thread, wait)
        whole = rpc.call("Profiler.top", limit=10)
        assert whole["total_runnable_ns"] == sum(t["runnable_ns"] for t in threads.all)


@pytest.mark.limit(120)
@pytest.mark.parametrize("options", [(), ("--no-dwarf-unwind",)], ids=["copied", "chains"])
def test_a_thousand_sleepers(server, target, options):
    """None of them is lost, and each has slept as long as it says."""
    skip_unless(server, "off_cpu")
    run = server.record([target("sleepers"), 1000, 5, 40], *options)
    assert run.status == 0, run.result
    assert run.summary["threads"] == 1001
    if SANITIZED and options == () and run.summary["lost_records"] > 0:
        pytest.skip("a server this slow may lose some of 25,000 switches a second with copies, and said so")
    assert run.summary["lost_records"] == 0
    server.settle()
    with server.rpc() as rpc:
        threads = threads_of(rpc).check()
        assert threads.answer["n_threads"] == 1001
        assert len(run.truth.waits) == 1000
        n = asleep_ns = waiting_ns = 0
        for wait in run.truth.waits:
            thread = threads.by_tid[wait["tid"]]
            assert thread["name"] == "sleeper"
            assert_blocked(thread, wait)
            asleep_ns += part(thread["off_cpu"], "sleep")
            waiting_ns += total(thread["off_cpu"])
            n += wait["waits"]
        assert n <= intervals_of(rpc, limit=1, min_ns=30 * MS)["total_intervals"] <= n + 50
        # 25,000 switches a second are more than stacks are taken of; but never is a stack, or a look, of
        # something else.
        # With sanitizers it takes its time to change what is taken, and more stacks are borrowed.
        assert asleep_ns >= (0.85 if SANITIZED and options == () else 0.97) * waiting_ns, threads.answer["total_off_cpu"]
        longest = intervals_of(rpc, limit=100)["entries"]
        assert len(longest) == 100


# ---- Ends -------------------------------------------------------------------------------------------------


def check_ended(server, run, status):
    assert run.status == status, run.result
    assert run.summary["state"] == "stopped" and run.summary["stop_reason"] == "target_exited"
    assert run.summary["lost_records"] == 0
    server.settle()
    with server.rpc() as rpc:
        answer = intervals_of(rpc)
        assert not any(entry["open"] for entry in answer["entries"]), "nothing waits after its end"
        return threads_of(rpc).check(), answer


@pytest.mark.parametrize("how, status", [
    ("exit", 5), ("kill", 137), ("exec", 6), ("exec_thread", 6), ("leader", 5)])
def test_an_end_while_threads_wait(server, target, how, status):
    """Whatever ends a process or its threads, their waits count up to that moment, and not beyond."""
    skip_unless(server, "off_cpu")
    run = server.record([target("blocked_exit"), how, 150])
    threads, _ = check_ended(server, run, status)
    line = run.truth.lines[0]
    for name, blocked in line["blocked"].items():
        thread = threads.by_tid[blocked["tid"]]
        assert thread["name"] == name, thread
        waited_ns = line["end_ns"] - blocked["since_ns"]
        measured_ns = total(thread["off_cpu"])
        # Between its writing of the truth and the end of its threads the process has work to do: a
        # millisecond, and more for an exec.
        assert 0.97 * waited_ns - MS <= measured_ns <= waited_ns * 1.03 + 15 * MS * PATIENCE, (name, waited_ns, thread)
        assert "ended_ns" in thread, f"{name} is over"
        assert thread["ended_ns"] <= threads.health["end_ns"]
    if how.startswith("exec"):
        after = run.truth.lines[1]
        main = threads.by_tid[after["pid"]]
        assert main["name"] == "blocked_exit", main
        napped_ns = after["end_ns"] - after["began_ns"]
        assert part(main["off_cpu"], "sleep") >= 0.97 * napped_ns, "the new program's waits count on"
        # All other threads ended with the old program: the new one napped for 150 ms more.
        for thread in threads.all:
            if thread["tid"] != after["pid"]:
                assert thread["ended_ns"] <= threads.health["end_ns"] - 0.9 * napped_ns, thread


def test_a_run_that_is_stopped_while_threads_wait(server, target):
    """Waits that are open at the end of the run end with it."""
    skip_unless(server, "off_cpu")
    with Process(server, [target("held")]) as process:
        record = attach(server, process.pid)
        server.ok("wait", "--for-seconds", "0.3")
        server.ok("stop")
        assert record.wait(30) == 0, record.communicate()
        record.communicate()
        with server.rpc() as rpc:
            first = threads_of(rpc).check()
            rpc.pause(0.2)
            second = threads_of(rpc).check()
        for thread in first.all:
            assert total(thread["off_cpu"]) == total(second.by_tid[thread["tid"]]["off_cpu"]), "closed for good"
            life = first.life_ns(thread)
            assert total(thread["off_cpu"]) >= 0.95 * life, thread


# ---- Attach -----------------------------------------------------------------------------------------------

HELD = {"held-mutex": "lock", "held-sem": "semaphore", "held-cond": "lock", "held-pipe": "ipc",
        "held-poll": "readiness", "held-sleep": "sleep"}


def test_attach_to_threads_that_wait_already(server, target):
    """A wait that began before the recording counts from its beginning on; one that is not over counts up
    to now, and when it ends it has its whole length."""
    skip_unless(server, "off_cpu")
    with Process(server, [target("held")]) as process, server.rpc() as rpc:
        record = attach(server, process.pid)
        server.settle()
        rpc.call("RunControl.wait_active", condition={"for_seconds": 0.3})
        first = threads_of(rpc)
        rpc.call("RunControl.wait_active", condition={"for_seconds": 0.3})
        second = threads_of(rpc)
        elapsed_ns = second.health["end_ns"] - first.health["end_ns"]
        # Time goes on in the answers too when nothing happens, in steps of up to two tenths of a second.
        assert elapsed_ns >= 80 * MS
        for name in HELD:
            before, after = first.one(name), second.one(name)
            assert total(before["off_cpu"]) >= 150 * MS, before
            assert abs(total(before["off_cpu"]) - first.life_ns(before)) <= 0.05 * first.life_ns(before) + MS
            grown = total(after["off_cpu"]) - total(before["off_cpu"])
            assert abs(grown - elapsed_ns) <= 0.03 * elapsed_ns + 2 * MS, "an open wait counts up to now"
            assert "ended_ns" not in after
        check_held(rpc, second)
        process.tell("x")
        assert process.proc.wait(30) == 0
        assert record.wait(30) == 0, record.communicate()
        record.communicate()
        truth = process.truth
        last = threads_of(rpc).check()
        for name in HELD:
            thread = last.by_tid[truth.waiting(name)["tid"]]
            waited_ns = total(thread["off_cpu"])
            assert waited_ns >= total(second.one(name)["off_cpu"]), "it only grows"
            assert waited_ns <= truth.waiting(name)["blocked_ns"] * 1.01 + MS, "and not beyond what there was"
            assert "ended_ns" in thread
        assert not any(e["open"] for e in intervals_of(rpc)["entries"])


def check_held(rpc, threads):
    """Open waits are listed, and their reasons are known although nobody saw them begin."""
    for name, reason in HELD.items():
        thread = threads.one(name)
        entries = intervals_of(rpc, view={"tid": thread["tid"]})["entries"]
        assert len(entries) == 1 and entries[0]["open"], entries
        assert entries[0]["reason"] == reason, (name, entries)
        assert dominating(thread["off_cpu"]) == reason, (name, thread)


# ---- Where things are left out ------------------------------------------------------------------------------


def test_time_ranges_clip_waits(server, target):
    """A run that is cut into parts: what a wait has in each of them adds up to it."""
    skip_unless(server, "off_cpu")
    run = server.record([target("phases"), 200, 4])
    server.settle()
    tid = run.truth.waiting("phases")["tid"]
    with server.rpc() as rpc:
        whole = threads_of(rpc).check()
        end = whole.health["end_ns"]
        cuts = [0, end // 7, end // 3, end // 2, end * 9 // 10, end + 1]
        sums = {"off": 0, "runnable": 0, "on": 0}
        for a, b in zip(cuts, cuts[1:]):
            threads = threads_of(rpc, time_range={"start_ns": a, "end_ns": b}, tid=tid)
            for thread in threads.all:
                assert total(thread["off_cpu"]) <= b - a
                assert thread["on_cpu_ns"] + thread["runnable_ns"] + total(thread["off_cpu"]) <= (b - a) * 1.001
                sums["off"] += total(thread["off_cpu"])
                sums["runnable"] += thread["runnable_ns"]
                sums["on"] += thread["on_cpu_ns"]
        thread = whole.by_tid[tid]
        n_cuts = len(cuts)
        assert abs(sums["off"] - total(thread["off_cpu"])) <= n_cuts
        assert abs(sums["runnable"] - thread["runnable_ns"]) <= n_cuts
        assert abs(sums["on"] - thread["on_cpu_ns"]) <= 0.001 * thread["on_cpu_ns"] + n_cuts


def test_on_cpu_time_is_exact(server, target):
    """Where switches are seen, on-CPU time is no estimate: threads that work agree with their clocks."""
    skip_unless(server, "off_cpu")
    run = server.record([target("shares"), 3, 200], "-F", "200")
    server.settle()
    with server.rpc() as rpc:
        threads = threads_of(rpc).check()
        top = rpc.call("Profiler.top", limit=10000)
    assert not run.summary["estimated"] and not top["health"]["estimated"]
    for thread in run.truth.threads:
        ours = threads.by_tid[thread["tid"]]["on_cpu_ns"]
        assert abs(ours - thread["cpu_ns"]) <= 0.03 * thread["cpu_ns"] + MS, (thread, ours)
    assert top["total_on_cpu_ns"] == sum(t["on_cpu_ns"] for t in threads.all)
    spent = sum(e["self_on_cpu_ns"] for e in top["entries"]) + top["health"]["unsampled_ns"]
    assert abs(spent - top["total_on_cpu_ns"]) <= len(top["entries"]) + len(threads.all)


def test_a_storm_of_switches(server, target):
    """Nothing is lost at a hundred thousand waits a second, or it is said; and the rule of times holds."""
    skip_unless(server, "off_cpu")
    run = server.record([target("pingpong"), "0.5", "pin"])
    assert run.status == 0, run.result
    server.settle()
    with server.rpc() as rpc:
        threads = Threads(rpc.call("Profiler.threads"))
        if run.summary["lost_records"] == 0:
            threads.check()
            for name in ("ping", "pong"):
                wait = run.truth.waiting(name)
                n = intervals_of(rpc, limit=1, view={"tid": wait["tid"]})["total_intervals"]
                assert abs(n - wait["voluntary"]) <= 0.001 * wait["voluntary"] + 8, (n, wait)
        else:
            assert SANITIZED, "a release build keeps up with a ping-pong"
            assert threads.health["lost_records"] > 0


def test_summary_and_status_say_it(server, target):
    """The run's summary counts waits; `status` says which of the abilities there are, and why not."""
    run = waits(server, target, "-n", 10, "nap")
    capabilities = server.json("status")["capabilities"]
    for name in ("off_cpu", "off_cpu_stacks", "wait_details", "wakeups"):
        assert capabilities[name]["available"] or capabilities[name]["reason"], (name, capabilities[name])
    if capabilities["off_cpu"]["available"]:
        assert run.summary["off_cpu_intervals"] >= 10
        assert not run.summary["estimated"]
    else:
        assert run.summary["off_cpu_intervals"] == 0 and run.summary["estimated"]
