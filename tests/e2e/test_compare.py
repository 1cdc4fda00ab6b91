"""`stax compare`: runs of one program are the same, a function that does more work is found and named,
and few samples are said to be few.

The target `fixed` does the same work every time; --slow-b makes one function do more. It is recorded
without copies of stacks (it has frame pointers), so that the sampling can be fast.

How many pairs of equal runs are compared is set by $STAX_COMPARE_PAIRS; 200 and the power are in
bench/compare.py."""

import math
import os
import shutil

import pytest

from stax import PATIENCE, RpcError, assert_refused

PAIRS = int(os.environ.get("STAX_COMPARE_PAIRS", "20"))
RECORD_TIMEOUT = 120 * PATIENCE
ALPHA = 0.05  # of pairs of equal runs, at most so many are called different


@pytest.fixture
def fast(other_server):
    """A server that copies no stacks."""
    return other_server(env={"STAX_DWARF_UNWIND": "0"}).start()


def record(server, frequency, *command):
    return server.record([*map(str, command)], "-F", frequency, timeout=RECORD_TIMEOUT).id


def compare(server, *args):
    """(exit status, answer)"""
    result = server.stax("compare", *args, "--json", timeout=RECORD_TIMEOUT)
    return result.status, result.json


def row(answer, name):
    found = [r for r in answer["rows"] if r["name"] == name]
    assert len(found) == 1, f"{len(found)} rows for {name!r} among {[r['name'] for r in answer['rows']]}"
    return found[0]


def most_of(n, p):
    """At most so many of `n` things of probability `p`: more come less than once in a million."""
    tail = 0
    for k in range(n, -1, -1):
        tail += math.comb(n, k) * p**k * (1 - p) ** (n - k)
        if tail > 1e-6:
            return k
    return 0


@pytest.mark.limit(300)
def test_the_same_program_twice(fast, target):
    """Each run is compared with the next one, and that with the one after."""
    called = []
    before = record(fast, 5000, target("fixed"), 60)
    for _ in range(PAIRS):
        after = record(fast, 5000, target("fixed"), 60)
        status, answer = compare(fast, before, after)
        changed = [r for r in answer["rows"] if r["verdict"] in ("slower", "faster")]
        assert (answer["verdict"] in ("regression", "improvement")) == bool(changed)
        assert status == (1 if answer["verdict"] == "regression" else 0)
        called += [changed] if changed else []
        before = after
    # Neighbours share a run: of every other pair, which share none, at most so many.
    assert len(called) <= 2 * most_of((PAIRS + 1) // 2, ALPHA), called


@pytest.fixture
def slow_pair(fast, target):
    """The same program in two builds, whose functions stand elsewhere; the second is 5 % slower in one
    of them. So many samples that this is to be found."""
    moved = fast.dir / "moved"
    moved.mkdir()
    shutil.copy(target("fixed_moved"), moved / "fixed")
    a = record(fast, 20000, target("fixed"), 3500)
    b = record(fast, 20000, moved / "fixed", 3500, "--slow-b", 5)
    return a, b


@pytest.mark.limit(300)
def test_a_function_that_became_slower(fast, slow_pair):
    a, b = slow_pair
    status, answer = compare(fast, a, b, "-n", 1000)
    slow = row(answer, "fixed_b")
    # A change of that size is found in 90 of 100 such pairs; one that was not may be told so, but not
    # as something else.
    names = {r["name"]: r["verdict"] for r in answer["rows"] if r["verdict"] in ("slower", "faster")}
    if slow["min_detectable_pct"] > 5:
        assert names.keys() <= {"fixed_b"}, names
    else:
        assert names == {"fixed_b": "slower"}, answer["rows"][:8]
        assert status == 1 and answer["verdict"] == "regression" and answer["fails"]
    # Of the two builds every function is matched, and the truth lies in the interval (four times as
    # wide: one in a million).
    width = slow["change_high_pct"] - slow["change_low_pct"]
    assert abs(slow["change_pct"] - 5) < 2 * width, slow
    for name in ("fixed_a", "fixed_b", "fixed_c", "fixed_memory", "fixed_kernel"):
        found = row(answer, name)
        assert found["presence"] == "both" and found["binary"] == "fixed", found
    assert abs(sum(r["a"]["share_pct"] for r in answer["rows"]) - 100) < 1e-6
    assert sum(r["b"]["count"] for r in answer["rows"]) == answer["b"]["count"]


@pytest.fixture
def slower(fast, target):
    """Half as much again in one function: (base, slower)."""
    a = record(fast, 10000, target("fixed"), 600)
    return a, record(fast, 10000, target("fixed"), 600, "--slow-b", 50)


def test_fail_above(fast, slower):
    a, b = slower
    plain = fast.stax("compare", a, b)
    assert plain.status == 1 and plain.err == ""
    assert plain.out.startswith("regression: fixed_b is slower: +"), plain
    assert fast.stax("compare", b, a).status == 0
    assert fast.stax("compare", b, a).out.startswith("improvement: fixed_b is faster: -")
    for above, status in ((20, 1), (49, 0), (1000, 0)):
        said, answer = compare(fast, a, b, "--fail-above", above)
        assert said == status, (above, answer["rows"][0])
        assert answer["fails"] == bool(status)
        assert answer["verdict"] == "regression"
        assert answer["fail_above_pct"] == above
    assert "not significantly by more than 49 %" in fast.stax("compare", a, b, "--fail-above", 49).out


def test_by_stack(fast, slower):
    _, answer = compare(fast, *slower, "--by", "stack", "-n", 1000)
    changed = [r for r in answer["rows"] if r["verdict"] == "slower"]
    assert [r["stack"][-1] for r in changed] == ["fixed_b"], changed
    assert "main" in changed[0]["stack"]


def test_by_thread(fast, target):
    a = record(fast, 5000, target("fixed"), 300, "--threads", 3)
    b = record(fast, 5000, target("fixed"), 300, "--threads", 4)
    _, answer = compare(fast, a, b, "--by", "thread")
    pool = row(answer, "pool-#")
    assert pool["presence"] == "both"
    assert pool["a"]["share_pct"] > 90 and pool["b"]["share_pct"] > 90
    _, answer = compare(fast, a, b, "--by", "thread", "--off-cpu")
    assert answer["mode"] == "off_cpu" and answer["verdict"] == "too_few_samples"
    assert "fixed" in [r["name"] for r in answer["rows"]]  # waits for the pool


def test_waits(fast, target):
    """Off the CPU, waits are compared as samples are, by the functions that wait."""
    runs = [fast.record([target("waits")]).id for _ in range(2)]
    status, answer = compare(fast, *runs, "--off-cpu")
    assert answer["mode"] == "off_cpu" and answer["a"]["ns"] > 0
    assert sum(r["a"]["count"] for r in answer["rows"]) <= answer["a"]["count"]
    assert status == (1 if answer["fails"] else 0)


def test_few_samples_are_said_to_be_few(fast, target):
    a, b = (record(fast, 900, target("fixed"), 60, "--slow-b", slow) for slow in (0, 5))
    result = fast.ok("compare", a, b)
    assert result.out.startswith("too few samples to tell; "), result
    status, answer = compare(fast, a, b)
    assert status == 0 and answer["verdict"] == "too_few_samples" and not answer["fails"]
    assert row(answer, "fixed_b")["verdict"] == "too_few_samples"
    assert row(answer, "fixed_b")["min_detectable_pct"] > 10


def test_several_runs_on_a_side(fast, target):
    runs = [record(fast, 5000, target("fixed"), 100) for _ in range(4)]
    _, answer = compare(fast, f"{runs[0]},{runs[1]}", f"{runs[2]},{runs[3]}")
    assert [r["run"] for r in answer["b"]["runs"]] == runs[2:]
    assert "run_variation_pct" in answer
    assert answer["a"]["count"] == sum(r["health"]["samples"] for r in answer["a"]["runs"])
    _, single = compare(fast, runs[0], runs[2])
    assert "run_variation_pct" not in single


def test_a_run_and_itself(fast, target):
    run = record(fast, 5000, target("fixed"), 200)
    status, answer = compare(fast, run, run)
    assert status == 0 and not [r for r in answer["rows"] if r["verdict"] in ("slower", "faster")]


def test_errors(fast, target):
    run = record(fast, 900, target("fixed"), 30)
    for args, needle in (((run, run + 7), f"no run {run + 7}"), ((run, "nothing"), "cannot open nothing"),
                         ((f"{run},", run), "no run ''"), ((f"{run},{run}", run), "twice"),
                         ((2**63, run), f"no run '{2**63}'"), ((-1, run), "unknown option")):
        result = fast.stax("compare", *args)
        assert_refused(result, needle)
    assert_refused(fast.stax("compare", run), "needs a run for each side")
    assert_refused(fast.stax("compare", run, run, run), "unexpected argument")
    assert_refused(fast.stax("compare", run, run, "--by", "line"), "--by must be")
    assert_refused(fast.stax("compare", run, run, "--fail-above", "-1"), "--fail-above")
    failed = fast.stax("compare", run, run + 7, "--json")
    assert failed.status == 1 and failed.json.keys() == {"error"}
    assert failed.json["error"]["kind"] == "unknown_run"
    assert failed.err.startswith("error: there is no run")


def test_no_server(other_server):
    nobody = other_server()
    assert_refused(nobody.stax("compare", 1, 2), "unreachable")
    failed = nobody.stax("compare", 1, 2, "--json")
    assert failed.status == 1 and failed.json["error"]["kind"] == "unreachable"


def refusal(rpc, **params):
    with pytest.raises(RpcError) as refused:
        rpc.call("Profiler.compare", **params)
    return refused.value.kind


def test_rpc_refuses_what_makes_no_sense(fast, target):
    run = record(fast, 900, target("fixed"), 30)
    with fast.rpc() as rpc:
        for params in ({"a": [], "b": [run]}, {"a": [run]}, {"a": [run], "b": ["1"]}, {"a": run, "b": [run]},
                       {"a": [run] * 65, "b": [run]}, {"a": [run], "b": [run], "fail_above_pct": -1}):
            assert refusal(rpc, **params) == "invalid_params", params
        for run_id in (0, -1, 2**32 + run):
            assert refusal(rpc, a=[run_id], b=[run]) in ("unknown_run", "invalid_params"), run_id
