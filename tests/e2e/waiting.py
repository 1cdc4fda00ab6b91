"""What the tests of waiting are written with: reasons, the rules that hold for every thread, and how far
a measured wait may be from the truth."""

import collections
import functools
import pathlib
import re
import subprocess
import sys
import tempfile

import pytest

REASONS = ("idle", "lock", "semaphore", "ipc", "io_read", "io_write", "readiness", "sleep", "connect", "other")
MS = 1_000_000

# Two clocks look at a wait from different places: the target's from outside of the system call, ours from
# inside of the scheduler. Between them lie the way into the call and back, and what the kernel does itself
# to put a thread to sleep and wake it; some microseconds on an idle machine. A wait is also woken late when
# an interrupt of a virtual machine is. So each wait may be off by this much, and all of them by 3 %, in
# both directions.
PER_WAIT_NS = 100_000
SHARE = 0.03


def total(off_cpu):
    """All waiting of a breakdown by reason."""
    assert set(off_cpu) == {f"{reason}_ns" for reason in REASONS}, off_cpu
    assert all(ns >= 0 for ns in off_cpu.values()), off_cpu
    return sum(off_cpu.values())


def part(off_cpu, reason):
    return off_cpu[f"{reason}_ns"]


def dominating(off_cpu):
    """The reason with most of the waiting; "" without any."""
    reason = max(REASONS, key=lambda r: part(off_cpu, r))
    return reason if part(off_cpu, reason) > 0 else ""


def skip_unless(server, *abilities):
    """Skips where this machine or this user cannot see what the test is about; says why."""
    capabilities = server.json("status")["capabilities"]
    for ability in abilities:
        if not capabilities[ability]["available"]:
            pytest.skip(f"{ability}: {capabilities[ability]['reason']}")


# tracefs is mounted for perf alone, in a namespace of its own; the machine is left as it was.
WITH_TRACEFS = ["unshare", "-m", "sh", "-c",
                "[ -d /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing || exit 77\n"
                'exec "$@"', "sh"]

NAP_EVERYWHERE = """
import os, time
for cpu in os.sched_getaffinity(0):
    os.sched_setaffinity(0, {cpu})
    for _ in range(100):
        time.sleep(0.003)
"""


@functools.lru_cache(maxsize=1)
def blind_cpus():
    """CPUs on which this kernel has stopped to trace what happens while they are idle. Seen on 6.18: from some
    moment on, and until it is booted anew, no tracepoint that is hit in the idle task of such a CPU reaches
    perf, neither the switch away from it nor a timer's wakeup. Every user of tracepoints is blind there."""
    with tempfile.TemporaryDirectory(prefix="stax-blind-") as folder:
        data = pathlib.Path(folder, "perf.data")
        try:
            subprocess.run([*WITH_TRACEFS, "perf", "record", "-q", "-a", "-c", "1", "-e", "sched:sched_switch", "-o",
                            data, "--", sys.executable, "-S", "-c", NAP_EVERYWHERE], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           timeout=60, check=True)
            script = subprocess.run(["perf", "script", "-i", data, "-F", "cpu,event,trace"], stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL, timeout=60, check=True, text=True, errors="replace")
        except (OSError, subprocess.SubprocessError):
            return ()
    to_idle, from_idle = collections.Counter(), collections.Counter()
    for line in script.stdout.splitlines():
        cpu = re.match(r" *\[(\d+)\]", line)
        if cpu:
            to_idle[int(cpu[1])] += "next_comm=swapper" in line
            from_idle[int(cpu[1])] += "prev_comm=swapper" in line
    return tuple(sorted(cpu for cpu, n in to_idle.items() if n >= 2 and from_idle[cpu] == 0))


def skip_if_blind():
    if blind_cpus():
        pytest.skip(f"this kernel has stopped to trace the idle task of CPU {blind_cpus()}: wakeups are missing")


class Threads:
    """The answer of `threads`: by tid and by name, with the rule that every thread's time adds up."""

    def __init__(self, answer):
        self.answer = answer
        self.all = answer["threads"]
        self.health = answer["health"]
        self.by_tid = {thread["tid"]: thread for thread in self.all}

    def named(self, name):
        return [thread for thread in self.all if thread["name"] == name]

    def one(self, name):
        found = self.named(name)
        assert len(found) == 1, f"{len(found)} threads {name!r} among {[t['name'] for t in self.all]}"
        return found[0]

    def life_ns(self, thread):
        return thread.get("ended_ns", self.health["end_ns"]) - thread["started_ns"]

    def check(self):
        """On a CPU, ready and waiting are all that a thread can do: together they are its life. The 1 %
        (and 0.2 ms) are for its first and last instants, which no record of a switch stands for."""
        assert self.health["unpaired_switches"] == 0, self.health
        assert not self.health["estimated"], self.health
        for thread in self.all:
            blocked_ns = total(thread["off_cpu"])
            assert thread["on_cpu_ns"] >= 0 and thread["runnable_ns"] >= 0, thread
            assert thread["started_ns"] >= 0 and self.life_ns(thread) >= 0, thread
            spent_ns = thread["on_cpu_ns"] + thread["runnable_ns"] + blocked_ns
            life_ns = self.life_ns(thread)
            assert abs(spent_ns - life_ns) <= 0.01 * life_ns + 0.2 * MS, (
                f"{thread['name']}: on {thread['on_cpu_ns'] / MS:.3f} + ready {thread['runnable_ns'] / MS:.3f} + "
                f"waiting {blocked_ns / MS:.3f} = {spent_ns / MS:.3f} ms, its life is {life_ns / MS:.3f}")
        for reason in REASONS:
            assert sum(part(t["off_cpu"], reason) for t in self.all) == part(self.answer["total_off_cpu"], reason)
        return self


def threads_of(rpc, **view):
    params = {"view": view} if view else {}
    return Threads(rpc.call("Profiler.threads", limit=0, **params))


def assert_blocked(thread, wait):
    """A thread's blocked time agrees with its own clocks. `blocked_ns` of the truth (waiting.h) is the time
    in which the thread was not on a CPU during its waits. Some of that it was ready already and had none:
    the kernel's `run_delay_ns` counts that from the moment it is put in line, and `runnable_ns` of ours from
    the wakeup, which on a busy virtual machine can be earlier. So what is called waiting may be shorter
    than the truth by the larger of the two, and is longer by none of them. What a thread waits for beside (the
    kernel's lock for the address space, while others begin and end) has another reason, or is some more of
    `lock`."""
    blocked_ns = total(thread["off_cpu"])
    for_it_ns = part(thread["off_cpu"], wait["reason"])
    slack_ns = SHARE * wait["blocked_ns"] + wait["waits"] * PER_WAIT_NS
    ready_ns = max(wait["run_delay_ns"], thread["runnable_ns"])
    low = wait["blocked_ns"] - ready_ns - slack_ns
    high = wait["blocked_ns"] + slack_ns + (20 * MS if wait["reason"] == "lock" else 0)
    assert low <= blocked_ns and for_it_ns <= high, (
        f"{wait['thread']}: {blocked_ns / MS:.2f} ms of waiting, {for_it_ns / MS:.2f} of it for {wait['reason']}; "
        f"the truth is {low / MS:.2f} to {high / MS:.2f}")


def assert_on_cpu(thread, wait):
    """Exact on-CPU time agrees with the thread's CPU clock. What a thread does before its first and after
    its last reading of that clock is the millisecond; the cost of a switch itself, which clock and records
    split differently between the two threads, is up to 10 us on a busy machine."""
    switches = wait["voluntary"] + wait["involuntary"]
    bound = 0.03 * wait["cpu_ns"] + MS + switches * 10_000
    assert abs(thread["on_cpu_ns"] - wait["cpu_ns"]) <= bound, (
        f"{wait['thread']}: {thread['on_cpu_ns'] / MS:.3f} ms on a CPU, its clock says {wait['cpu_ns'] / MS:.3f}")


class OffCpuFlame:
    """The answer of `flamegraph` with its waits by reason."""

    def __init__(self, answer):
        self.answer = answer
        nodes = answer["nodes"]
        self.parent = nodes["parent"]
        self.n = len(self.parent)
        for key, column in nodes.items():
            assert len(column) == self.n, f"column {key} has {len(column)} of {self.n} rows"
        self.names = [answer["strings"][i] for i in nodes["function"]]
        self.off_cpu_ns = nodes["off_cpu_ns"]
        self.self_ns = nodes["self_off_cpu_ns"]
        self.intervals = nodes["off_cpu_intervals"]
        self.cut_ns = nodes["cut_off_cpu_ns"]
        self.by_reason = [{} for _ in range(self.n)]
        waits = answer["waits"]
        assert waits["node"] == sorted(waits["node"]), "nodes rise"
        for node, reason, ns in zip(waits["node"], waits["reason"], waits["ns"], strict=True):
            assert ns > 0 and REASONS[reason] not in self.by_reason[node]
            self.by_reason[node][REASONS[reason]] = ns

    def check(self):
        """A node's waits are its own, its callees' and those that were cut; and they have their reasons."""
        below = [0] * self.n
        for node in range(1, self.n):
            assert self.parent[node] < node
            below[self.parent[node]] += self.off_cpu_ns[node]
        for node in range(self.n):
            assert self.off_cpu_ns[node] == self.self_ns[node] + below[node] + self.cut_ns[node], self.names[node]
            assert sum(self.by_reason[node].values()) == self.off_cpu_ns[node], self.names[node]
        for reason in REASONS:
            assert self.by_reason[0].get(reason, 0) == part(self.answer["total_off_cpu"], reason), reason
        return self

    def path(self, node):
        names = []
        while node != 0:
            names.append(self.names[node])
            node = self.parent[node]
        return names[::-1]

    def self_by_reason(self, node):
        """Of the node itself, by reason (where nothing was cut)."""
        own = dict(self.by_reason[node])
        for child in range(1, self.n):
            if self.parent[child] == node:
                for reason, ns in self.by_reason[child].items():
                    own[reason] -= ns
        return {reason: ns for reason, ns in own.items() if ns > 0}

    def waiting_in(self, reason):
        """Functions that wait for this reason (as leaves), with how long."""
        return {node: own[reason] for node in range(1, self.n)
                if self.self_ns[node] > 0 and reason in (own := self.self_by_reason(node))}


def off_cpu_flame(rpc, reason=None, **view):
    params = {"view": view} if view else {}
    if reason:
        params["reason"] = reason
    return OffCpuFlame(rpc.call("Profiler.flamegraph", mode="off_cpu", **params))


def intervals_of(rpc, limit=10000, **params):
    """The answer of `intervals`, with what holds for every such answer."""
    answer = rpc.call("Profiler.intervals", limit=limit, **params)
    entries = answer["entries"]
    assert len(entries) == min(limit, answer["total_intervals"])
    assert total(answer["by_reason"]) == answer["total_duration_ns"]
    for entry in entries:
        assert entry["reason"] in REASONS and entry["duration_ns"] >= 0 and entry["runnable_ns"] >= 0, entry
        assert entry["start_ns"] >= 0 and entry["frames_cut"] >= 0, entry
        assert params.get("reason") in (None, entry["reason"])
        assert entry["duration_ns"] >= params.get("min_ns", 0)
        if "waker_function_name" in entry:
            assert "waker_tid" in entry, entry
    order = params.get("order", "longest")
    if order == "longest":
        keys = [-entry["duration_ns"] for entry in entries]
    else:
        keys = [entry["start_ns"] * (1 if order == "oldest" else -1) for entry in entries]
    assert keys == sorted(keys), f"{order} first"
    return answer
