"""Files of perf record, opened as runs: what stax says of them against what perf itself says of the same
file. Nothing is sampled twice here, so counts are equal, not only alike."""

import collections
import os
import random
import re
import shutil
import subprocess
import sys
import textwrap

import pytest

from stax import PATIENCE, TIMEOUT, RpcError, assert_refused, needs_program, needs_root
from waiting import WITH_TRACEFS, total

pytestmark = [pytest.mark.needs(needs_program("perf")), pytest.mark.limit(180)]

SQL = ("with recursive n(i) as (select 1 union all select i + 1 from n where i < 600000) "
       "select sum(length(hex(i))), count(distinct i % 1000) from n;")
WORK = textwrap.dedent("""
    import threading, time
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)
    def work():
        for _ in range(10):
            fib(18)
            time.sleep(0.002)
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    """)


def record(folder, command, *options, wrap=(), name="perf.data", rate=("-F", "2000")):
    data = folder / name
    done = subprocess.run([*wrap, "perf", "record", "-q", *rate, *options, "-o", data, "--", *command],
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=TIMEOUT, check=False)
    if done.returncode != 0 or not data.exists():
        pytest.skip(f"perf record does not work here: {done.stderr.decode().strip().splitlines()[-1:]}")
    return data


def script(data, *options):
    return subprocess.run(["perf", "script", "-i", data, "--ns", *options], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=TIMEOUT * 2, check=True, text=True,
                          errors="replace").stdout


def stacks_of(data, *options):
    """The names on each stack, innermost first, without inlined functions."""
    text = script(data, "--no-inline", "-F", "comm,tid,ip,sym", *options)
    stacks = []
    for block in re.split(r"\n\s*\n", text.strip()):
        _, *frames = block.splitlines()
        stacks.append([re.sub(r"^\s*[0-9a-f]+ ", "", frame).strip() for frame in frames])
    return [stack for stack in stacks if stack]


def imported(server, data):
    answer = server.json("import", data)
    server.settle()
    with server.rpc() as rpc:
        top = rpc.call("Profiler.top", limit=10000, view={"inline": False})
        threads = rpc.call("Profiler.threads")
    return answer["summary"], top, threads


def assert_same_functions(top, stacks, whole_stacks):
    """Every function that perf names is there with as many samples. Where symbols share an address, the two
    may choose different ones: then the other one's number is there."""
    leaves = collections.Counter(stack[0] for stack in stacks)
    totals = collections.Counter(name for stack in stacks for name in set(stack))
    n = len(stacks)
    ours = {}
    for entry in top["entries"]:
        known = ours.setdefault(entry["function_name"], [0, 0])
        known[0] += entry["self_samples"]
        known[1] += entry["total_samples"]
    numbers = {known[0] for known in ours.values()}
    assert top["health"]["samples"] == n
    named = 0
    for name, count in leaves.items():
        if name.startswith("[unknown]") or count < 0.005 * n:
            continue
        self_samples = ours.get(name, [0, 0])[0]
        assert self_samples == count or count in numbers, f"{name}: perf has {count} samples, stax {self_samples}"
        named += count
    assert named > 0.6 * n, "perf names too little to compare with"
    for name, count in totals.items():
        if name in ours and count > 0.05 * n and not name.startswith("[unknown]"):
            slack = 0.01 * n + 1 if whole_stacks else 0.06 * n
            assert abs(ours[name][1] - count) <= slack, f"{name}: below it perf has {count}, stax {ours[name][1]}"


# ---- On a CPU ----------------------------------------------------------------------------------------

PROGRAMS = {
    "python": lambda target: [sys.executable, "-S", "-c", WORK],
    "sqlite": lambda target: [shutil.which("sqlite3") or pytest.skip("no sqlite3"), ":memory:", SQL],
    "threads": lambda target: [target("threads64"), "10"],
}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("graph", ["fp", "dwarf"])
def test_same_functions_as_perf(server, target, tmp_path, program, graph):
    data = record(tmp_path, PROGRAMS[program](target), "-e", "cpu-clock", "--call-graph", graph)
    summary, top, _ = imported(server, data)
    assert "perf record" in summary["label"] and summary["state"] == "stopped" and summary["frequency_hz"] == 2000
    assert_same_functions(top, stacks_of(data), graph == "fp")
    if graph == "dwarf":
        # Threads begin and end with a stack that is not whole: so many whatever the number of samples.
        assert sum(top["health"]["truncated"].values()) <= 0.03 * top["health"]["samples"] + 5, top["health"]


def test_pipe_compressed_and_unsorted(server, target, tmp_path):
    """The same program in other shapes of file."""
    command = [target("threads64"), "10"]
    packed = record(tmp_path, command, "-e", "cpu-clock", "-g", "-z", name="packed")
    piped = tmp_path / "piped"
    with open(piped, "wb") as out:
        subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", "2000", "-g", "-o", "-", "--", *command],
                       stdout=out, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=TIMEOUT, check=True)
    for data in (packed, piped):
        summary, top, _ = imported(server, data)
        assert_same_functions(top, stacks_of(data), True)
        assert top["health"].get("out_of_order", 0) == 0, top["health"]
        assert "perf record" in summary["label"]


def test_several_events(server, target, tmp_path):
    data = record(tmp_path, [target("shares"), "1", "400"], "-g", "-e", "page-faults", "-e", "cpu-clock", "-e", "task-clock")
    summary, top, _ = imported(server, data)
    assert_same_functions(top, stacks_by_event(data)["cpu-clock"], True)
    notes = " ".join(summary["notes"])
    assert "task-clock" in notes and "page-faults" in notes


def stacks_by_event(data):
    text = script(data, "--no-inline", "-F", "tid,event,ip,sym")
    found = collections.defaultdict(list)
    for block in re.split(r"\n\s*\n", text.strip()):
        head, *frames = block.splitlines()
        name = re.search(r"(page-faults|cpu-clock|task-clock)", head)
        stack = [re.sub(r"^\s*[0-9a-f]+ ", "", frame).strip() for frame in frames]
        if name and stack:
            found[name[1]].append(stack)
    return found


# ---- Waiting -----------------------------------------------------------------------------------------

class Life:
    """One thread, by its own records."""

    def __init__(self, born_ns):
        self.since_ns = born_ns  # it is off since; None: it runs, or is not known
        self.off_ns = 0
        self.waits = 0
        self.ended = False

    def out(self, time_ns, preempted):
        self.since_ns = time_ns
        self.waits += not preempted

    def comes(self, time_ns):
        if self.since_ns is not None and not self.ended:
            self.off_ns += time_ns - self.since_ns
        self.since_ns = None


def lives_of(data):
    """By tid; only of threads that were born in the file."""
    lives = {}
    for line in script(data, "--show-switch-events", "--show-task-events", "-F", "pid,tid,time,event").splitlines():
        at = re.search(r"(-?\d+)/(-?\d+) +(\d+)\.(\d{9}): +PERF_RECORD_(.*)", line)
        if not at:
            continue
        tid, time_ns, what = int(at[2]), int(at[3]) * 10**9 + int(at[4]), at[5]
        if what.startswith("FORK"):
            child = int(re.search(r"FORK\(\d+:(\d+)\)", what)[1])
            if time_ns > 0:
                lives[child] = Life(time_ns)
        elif what.startswith("EXIT"):
            gone = int(re.search(r"EXIT\(\d+:(\d+)\)", what)[1])
            if gone in lives:
                lives[gone].ended = True
        elif what.startswith("SWITCH") and tid in lives and not lives[tid].ended:
            if " OUT" in what:
                lives[tid].out(time_ns, "preempt" in what)
            else:
                lives[tid].comes(time_ns)
    return lives


def test_switch_events(server, target, tmp_path):
    data = record(tmp_path, [target("threads64"), "10"], "-e", "cpu-clock", "-g", "--switch-events")
    summary, top, threads = imported(server, data)
    assert not summary["estimated"]
    assert_same_functions(top, stacks_of(data), True)
    lives = lives_of(data)
    by_tid = {thread["tid"]: thread for thread in threads["threads"]}
    assert len(lives) >= 60
    for tid, life in lives.items():
        ours = by_tid[tid]
        off_ns = ours["runnable_ns"] + total(ours["off_cpu"])
        assert abs(off_ns - life.off_ns) <= 1000, f"{tid}: off for {off_ns} ns, by perf {life.off_ns}"


@pytest.mark.needs(needs_root())
@pytest.mark.needs(needs_program("unshare"))
def test_tracepoints_of_the_whole_machine(server, target, tmp_path):
    """sched_switch and sched_waking alone, of all CPUs: waits with their stacks, and who ended them."""
    data = record(tmp_path, [target("threads64"), "10"], "-a", "-e", "cpu-clock/freq=2000/", "-e", "sched:sched_switch",
                  "-e", "sched:sched_waking", "-g", wrap=WITH_TRACEFS, rate=("-m", "1024"))
    summary, top, threads = imported(server, data)
    assert not summary["estimated"] and summary["off_cpu_intervals"] > 100
    expected, gaps = off_by_tracepoints(data)
    # Others may run the same program: of ours all threads were born and have ended in the file.
    ours = [thread for thread in threads["threads"] if thread["name"].startswith(("hot-", "cold-", "threads64"))
            and thread.get("started_ns", 0) > 0 and "ended_ns" in thread]
    whole = [thread for thread in ours if thread["tid"] in expected and thread["tid"] not in gaps]
    if len(whole) < 0.3 * len(ours):
        pytest.skip(f"perf missed switches of {len(ours) - len(whole)} of {len(ours)} threads: no oracle today")
    for thread in whole:
        off_ns = thread["runnable_ns"] + total(thread["off_cpu"])
        assert abs(off_ns - expected[thread["tid"]]) <= 20_000, (thread, expected[thread["tid"]])
    assert len(ours) >= 60
    woken = collections.Counter(int(pid) for pid in re.findall(
        r"sched:sched_waking: +comm=.* pid=(\d+) prio=", script(data, "-F", "event,trace")))
    assert sum(thread["wakeups"] for thread in threads["threads"]) > 0
    for thread in ours:
        assert thread["wakeups"] == woken[thread["tid"]], (thread, woken[thread["tid"]])
    assert "swapper" not in {thread["name"] for thread in threads["threads"]}


def off_by_tracepoints(data):
    """How long each thread was off its CPU (one that was there before was so since the start), and of
    which threads records are missing: virtual machines do not report all switches from and to idling."""
    expected, since, first_ns, gone, on, gaps = collections.Counter(), {}, 0, set(), set(), set()
    switch = re.compile(r"prev_pid=(\d+) .*prev_state=(\S+) ==> .*next_pid=(\d+)")
    for line in script(data, "--show-task-events", "-F", "comm,pid,tid,time,event,trace").splitlines():
        at = re.search(r" (\d+)\.(\d{9}): +(.*)", line)
        time_ns = int(at[1]) * 10**9 + int(at[2]) if at else 0
        if time_ns == 0:
            continue
        first_ns = first_ns or time_ns
        born, ended = re.search(r"FORK\(\d+:(\d+)\)", at[3]), re.search(r"EXIT\(\d+:(\d+)\)", at[3])
        switched = switch.search(at[3])
        if born:
            since[int(born[1])] = time_ns
        elif ended:
            gone.add(int(ended[1]))
        elif switched:
            leaves, comes = int(switched[1]), int(switched[3])
            if comes not in gone:
                expected[comes] += time_ns - since.get(comes, first_ns)
                gaps |= {comes} & on
            gaps |= {leaves} - on
            on = (on - {leaves}) | {comes}
            since[leaves] = time_ns
    return expected, gaps


# ---- What is no good file ------------------------------------------------------------------------------

def test_refusals(server, tmp_path):
    def file(name, content):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    assert_refused(server.stax("import", tmp_path / "none"), "none", "No such file")
    assert_refused(server.stax("import", tmp_path), "directory")
    assert_refused(server.stax("import", "/dev/null"), "save what perf record writes")
    assert_refused(server.stax("import", file("text", b"hello\n")), "text", "perf record")
    assert_refused(server.stax("import", file("run", b"SQLite format 3\0" + bytes(100))), "stax open")
    assert_refused(server.stax("import", file("swapped", b"2ELIFREP" + bytes(100))), "byte order")
    assert_refused(server.stax("import", file("short", b"PERFILE2" + bytes(8))), "damaged")
    assert_refused(server.stax("import"), "file")
    assert server.json("list")["runs"] == []


def test_another_machine_and_traces(server, target, tmp_path):
    whole = record(tmp_path, [target("shares"), "1", "50"], "-e", "cpu-clock", "-g").read_bytes()
    machine = os.uname().machine.encode() + b"\0"
    other = tmp_path / "other"
    other.write_bytes(whole.replace(machine, b"riscv\0".ljust(len(machine), b"\0")))
    assert_refused(server.stax("import", other), "riscv")
    release = os.uname().release.encode() + b"\0"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(whole.replace(release, b"1.2.3\0".ljust(len(release), b"\0")))
    summary, top, _ = imported(server, elsewhere)
    assert any("1.2.3" in note for note in summary["notes"])
    kernel = [entry for entry in top["entries"] if entry["binary"] == "[kernel]"]
    assert all(entry["function_name"].startswith("[kernel]+0x") for entry in kernel)


def test_cut_off_and_still_being_written(server, target, tmp_path):
    data = record(tmp_path, [target("shares"), "1", "200"], "-e", "cpu-clock", "-g")
    whole = data.read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(whole[: len(whole) // 2])
    summary, _, _ = imported(server, cut)
    assert 0 < summary["samples"] and any("cut off" in note for note in summary["notes"])
    # perf says how long the data is when it ends, in the sixth word.
    unfinished = tmp_path / "unfinished"
    size = int.from_bytes(whole[48:56], "little")
    offset = int.from_bytes(whole[40:48], "little")
    unfinished.write_bytes(whole[:48] + bytes(8) + whole[56 : offset + size])
    again, _, _ = imported(server, unfinished)
    assert again["samples"] == len(stacks_of(data))


def test_import_while_recording(server, target, tmp_path):
    data = record(tmp_path, [target("shares"), "1", "100"], "-e", "cpu-clock", "-g")
    with server.live([target("forever")]) as live:
        first = server.json("import", data)
        assert [run["state"] for run in server.json("list")["runs"]] == ["recording", "stopped"]
        assert first["id"] == 2
        live.end()
    again = server.json("import", data)
    same = ("samples", "threads", "duration_ns", "started_at_unix_ns", "label")
    assert [first["summary"][key] for key in same] == [again["summary"][key] for key in same]


@pytest.mark.limit(300)
def test_mutated_files(server, target, tmp_path):
    """1,000 of them, of four shapes, by a fixed seed: an error or a run, and the server lives."""
    dice = random.Random(20240)
    command = [target("shares"), "1", "20"]
    shapes = [record(tmp_path, command, "-e", "cpu-clock", *options, name=f"shape{i}").read_bytes()
              for i, options in enumerate((["-g"], ["-g", "--switch-events", "-z"], ["--call-graph", "dwarf"], ["-a"]))]
    path = tmp_path / "mutated"
    runs = errors = 0
    with server.rpc(timeout=60 * PATIENCE) as rpc:
        for i in range(1000):
            mutated = bytearray(dice.choice(shapes)[: 1 << 18])
            for _ in range(dice.choice((1, 4, 32))):
                at = dice.randrange(min(len(mutated), dice.choice((104, 4096, 1 << 18))))
                mutated[at] = dice.choice((0, 1, 0x7F, 0xFF, dice.randrange(256)))
            if dice.random() < 0.3:
                del mutated[dice.randrange(len(mutated)) :]
            path.write_bytes(mutated)
            try:
                rpc.call("RunControl.import", path=str(path))
                runs += 1
            except RpcError as error:
                assert str(path) in str(error), error
                errors += 1
    assert runs + errors == 1000 and runs > 100 and errors > 100
    assert server.alive()
