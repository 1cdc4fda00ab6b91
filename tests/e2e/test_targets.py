"""The targets against their own truth: what stax is measured by must be right itself. No stax here."""

import os
import subprocess
import time

import pytest

from stax import TIMEOUT, Ready, Truth


def run(path, *args, status=0, **more):
    """Runs a target and returns its truth."""
    truth = path.with_suffix(".truth")
    command = more.pop("command")
    env = {**os.environ, "TRUTH": str(truth), "STAX_DISK": str(path.parent)}
    done = subprocess.run([command, *map(str, args)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=60, check=False, **more)
    assert done.returncode == status, done
    return Truth(truth)


@pytest.fixture
def ran(target, tmp_path):
    return lambda name, *args, **more: run(tmp_path / name, *args, command=target(name), **more)


def test_shares(ran):
    for name in ("shares", "shares_static_pie", "shares_static", "shares_stripped"):
        truth = ran(name, 1, 100)
        for function, share in (("share_50", 0.5), ("share_30", 0.3), ("share_20", 0.2)):
            assert abs(truth.share(function) - share) < 0.04, (name, truth)


def test_shares_of_three_threads(ran):
    truth = ran("shares", 3, 60)
    assert {t["name"] for t in truth.threads} == {"worker-0", "worker-1", "worker-2"}
    assert all(t["cpu_ns"] > 60e6 for t in truth.threads)


def test_tree(ran):
    truth = ran("tree", 100)
    assert abs(truth.share("left/shared", "right/shared", "middle/shared") - 0.9) < 0.04


def test_deep_and_recursion(ran):
    assert ran("deep", 200, 10)["d199"] >= 10e6
    truth = ran("recursion", 150)
    assert abs(truth.share("direct") - 0.5) < 0.2
    assert truth["ping/inner"] > 5 * truth["ping/first"]


def test_many_threads(ran):
    truth = ran("threads64", 1)
    assert len(truth) == 64 and len(truth.threads) == 64
    truth = ran("churn", 50, 1000)
    assert len(truth.threads) == 50


def test_exec_lands_at_the_same_address(ran):
    truth = ran("exec_before", 20)
    before, after = truth.lines
    assert before["pid"] == after["pid"] and before["address"] == after["address"]
    assert set(truth) == {"phase_before", "phase_after"}


def test_libraries_land_at_the_same_address(ran, targets):
    truth = ran("plugins", targets, 10)
    assert truth.lines[0]["same_address"] is True
    assert set(truth) == {"plug_a_work", "plug_b_work"}


def test_cxx_and_rust(ran):
    assert len(ran("cxx", 50)) == 6
    truth = ran("generics_v0")
    assert all(abs(truth.share(part) - 0.25) < 0.04 for part in ("odd", "even", "boxed", "closure"))


def test_children_and_status(ran):
    truth = ran("children", 10)
    assert len({line["pid"] for line in truth.lines}) == 3
    assert ran("brief", 1, 42, status=42)["brief_work"] >= 1e6
    assert set(ran("waiter", 10, status=7, input=b"w")) == {"early_work", "late_work"}


def test_chains(ran):
    """What stacks are compared with; that it is so was seen with gdb and `perf record --call-graph dwarf`."""
    stack = ran("unwind", "plain", 30).lines[0]["stack"]
    chain = stack["chain"].split(";")
    assert chain[:3] == ["_start", "main", "plain_1"] and chain[-2:] == ["plain_10", "spin_end"], chain
    assert stack["end"] == "complete" and stack["waits"] == 0
    assert ran("unwind", "clone", 30).lines[0]["stack"]["tid"] != stack["tid"]
    for program in ("unwind", "unwind_static", "unwind_static_pie"):
        line = ran(program, "qsort", 30).lines[-1]
        assert line["process_cpu_ns"] >= 30e6 and line["stack"]["chain"].endswith("sorts;compares;spin_end")
    assert "thrower(long)*9" in ran("unwind_cxx", "throw", 30).lines[0]["stack"]["chain"]
    for end in ("nap", "mutex", "sem", "join", "pipe"):
        line = ran("unwind", "plain", 30, end).lines[-1]
        assert line["stack"]["waits"] == 10 and line["stack"]["chain"].endswith(f"plain_10;{end}_end")
    assert ran("unwind", "nothing", status=98) == {}


# ---- Targets with known waits -----------------------------------------------------------------------------


def check_own_clocks(wait):
    """What a thread measured itself and what the kernel counted for it agree."""
    assert wait["life_ns"] >= wait["blocked_ns"], wait
    # Its life is what it waited, what it worked, and what it was ready for outside of its waits.
    rest_ns = wait["life_ns"] - wait["blocked_ns"] - wait["cpu_ns"]
    assert -0.01 * wait["life_ns"] <= rest_ns <= wait["run_delay_ns"] + 0.05 * wait["life_ns"] + 20e6, wait


def test_every_kind_of_wait(ran):
    truth = ran("waits", "-n", 20)
    names = {wait["thread"] for wait in truth.waits}
    assert {"sleep", "nap", "mutex", "sem", "pipe_write", "connect", "fsync", "page_fault", "preempt"} <= names
    for wait in truth.waits:
        if "skipped" in wait:
            assert wait["skipped"], wait
        elif wait["reason"] == "":
            assert wait["waits"] == 0 and wait["involuntary"] > 0, wait
        else:
            assert wait["waits"] == 20, wait
            if wait["reason"] not in ("io_read", "io_write"):
                check_own_clocks(wait)
        if wait["thread"] in ("sleep", "nap", "mutex", "sem", "poll", "pipe_read", "join"):
            # Each of them lasts 3 ms, and the kernel counted as many.
            assert wait["blocked_ns"] >= 20 * 2e6, wait
            assert 18 <= wait["voluntary"] <= 30, wait


def test_an_unknown_kind_is_refused(ran):
    assert ran("waits", "boredom", status=98) == {}


def test_chain_and_sleepers(ran):
    truth = ran("chain", 30, 2)
    assert [truth.waiting(name)["waits"] for name in "ABCD"] == [30] * 4
    assert all(truth.waiting(name)["voluntary"] >= 27 for name in "ABCD")
    truth = ran("sleepers", 200, 2, 10)
    assert len(truth.waits) == 200 and all(wait["blocked_ns"] >= 20e6 for wait in truth.waits)


def test_phases_and_pingpong(ran):
    truth = ran("phases", 50, 4)
    phases = truth.lines[0]["phases"]
    assert len(phases) == 5 and all(50e6 <= b - a < 150e6 for a, b in zip(phases, phases[1:]))
    assert 95e6 <= truth.waiting("phases")["blocked_ns"]
    for pin in ((), ("pin",)):
        line = ran("pingpong", "0.1", *pin).lines[-1]
        assert line["round_trips"] > 100 and line["round_trips_per_s"] > 1000


@pytest.mark.parametrize("how, status, lines", [
    ("exit", 5, 1), ("kill", -9, 1), ("exec", 6, 2), ("exec_thread", 6, 2), ("leader", 5, 1)])
def test_ends_while_threads_wait(ran, how, status, lines):
    truth = ran("blocked_exit", how, 30, status=status)
    assert len(truth.lines) == lines
    blocked = truth.lines[0]["blocked"]
    assert len(blocked) == 4
    assert all(truth.lines[0]["end_ns"] - b["since_ns"] >= 30e6 for b in blocked.values())
    assert len({line["pid"] for line in truth.lines}) == 1


def test_held_and_reader(ran):
    truth = ran("held", input=b"x")
    assert len(truth.waits) == 6 and all(wait["waits"] == 1 for wait in truth.waits)
    assert ran("reader", input=b"abc").waiting("reader")["waits"] == 4


def state_of(pid, tid):
    with open(f"/proc/{pid}/task/{tid}/stat", encoding="utf-8") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0]


def test_deadlock_waits_for_ever(target, tmp_path):
    """It does not end by itself, and all of its threads sleep when it says that it is ready."""
    ready = Ready(tmp_path / "ready")
    with subprocess.Popen([target("deadlock")],
                          env={**os.environ, "READY": str(ready.path), "TRUTH": str(tmp_path / "truth")}) as proc:
        try:
            pid = ready.wait(proc)
            tids = os.listdir(f"/proc/{pid}/task")
            assert len(tids) == 6
            deadline = time.monotonic() + TIMEOUT  # it says so just before the last of them goes to sleep
            while {state_of(pid, tid) for tid in tids} != {"S"}:
                assert time.monotonic() < deadline, [(tid, state_of(pid, tid)) for tid in tids]
            proc.terminate()
            assert proc.wait(30) == 0
        finally:
            proc.kill()
            ready.close()
    assert set(Truth(tmp_path / "truth").lines[0]["tids"]) == {"dead-a", "dead-b", "holder", "waiter", "innocent"}
