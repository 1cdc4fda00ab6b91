"""Activity over time, and single waits by order, reason and time."""

import pytest

from stax import RpcError
from waiting import MS, REASONS, intervals_of, part, skip_unless, threads_of, total


def timeline_of(rpc, **params):
    """The answer of `timeline`, with what holds for every such answer: the buckets follow each other without
    gaps and add up to the whole, and so do the threads."""
    answer = rpc.call("Profiler.timeline", **params)
    buckets = answer["buckets"]
    size = answer["bucket_size_ns"]
    assert 1 <= len(buckets) <= params.get("buckets", 60)
    assert [b["start_ns"] for b in buckets] == [buckets[0]["start_ns"] + i * size for i in range(len(buckets))]
    assert buckets[-1]["start_ns"] < answer["health"]["end_ns"] <= buckets[-1]["start_ns"] + size + 1
    # Times of a bucket are rounded down, each on its own.
    n = len(buckets)
    assert abs(sum(b["on_cpu_ns"] for b in buckets) - answer["total_on_cpu_ns"]) <= n + 1e-3 * answer["total_on_cpu_ns"]
    for reason in REASONS:
        assert abs(sum(part(b["off_cpu"], reason) for b in buckets) - part(answer["total_off_cpu"], reason)) <= n, reason
    threads = answer["threads"]
    assert len(threads) == min(params.get("threads", 20), answer["n_threads"])
    order = [sum(t["on_cpu_ns"]) for t in threads]
    assert order == sorted(order, reverse=True), "by on-CPU time, most first"
    for thread in threads:
        for column in ("on_cpu_ns", "runnable_ns", "off_cpu_ns", "reason"):
            assert len(thread[column]) == n, (column, len(thread[column]), n)
            assert min(thread[column]) >= 0
        for i in range(n):
            spent = thread["on_cpu_ns"][i] + thread["runnable_ns"][i] + thread["off_cpu_ns"][i]
            assert spent <= size * 1.001 + 1000, f"a thread has no more time than there is: {thread['name']} {i}"
            assert (thread["reason"][i] == 10) == (thread["off_cpu_ns"][i] == 0), (thread["reason"][i], i)
    if len(threads) == answer["n_threads"]:
        for i, bucket in enumerate(buckets):
            for column in ("on_cpu_ns", "runnable_ns"):
                assert abs(sum(t[column][i] for t in threads) - bucket[column]) <= len(threads) + 1, (column, i)
            assert abs(sum(t["off_cpu_ns"][i] for t in threads) - total(bucket["off_cpu"])) <= len(threads) + 1, i
    return answer


@pytest.mark.parametrize("buckets", [1, 7, 60, 400])
def test_phases_show_in_their_buckets(server, target, buckets):
    """Works for a second, naps for a second, twice; each bucket has what happened in it."""
    skip_unless(server, "off_cpu")
    run = server.record([target("phases"), 1000, 4])
    assert run.status == 0, run.result
    server.settle()
    wait = run.truth.waiting("phases")
    phases = run.truth.lines[0]["phases"]
    with server.rpc() as rpc:
        threads = threads_of(rpc).check()
        answer = timeline_of(rpc, buckets=buckets)
    assert answer["total_off_cpu"] == threads.answer["total_off_cpu"]
    thread = next(t for t in answer["threads"] if t["tid"] == wait["tid"])
    ours = threads.by_tid[wait["tid"]]
    n = len(thread["on_cpu_ns"])
    assert abs(sum(thread["off_cpu_ns"]) - total(ours["off_cpu"])) <= n
    assert abs(sum(thread["runnable_ns"]) - ours["runnable_ns"]) <= n
    assert abs(sum(thread["on_cpu_ns"]) - ours["on_cpu_ns"]) <= n + 0.001 * ours["on_cpu_ns"]
    # Where the phases are, on the run's clock: the thread's first instruction follows its birth at once.
    start, size = answer["buckets"][0]["start_ns"], answer["bucket_size_ns"]
    naps = [(ours["started_ns"] + phases[i], ours["started_ns"] + phases[i + 1]) for i in (1, 3)]
    sleep = REASONS.index("sleep")
    for i in range(n):
        low, high = start + i * size, start + (i + 1) * size
        truth_ns = sum(max(0, min(high, b) - max(low, a)) for a, b in naps)
        # A birth that is 2 ms late, at each edge of a phase.
        assert abs(thread["off_cpu_ns"][i] - truth_ns) <= 0.02 * size + 5 * MS, (i, thread["off_cpu_ns"][i], truth_ns)
        if truth_ns > 0.2 * size + 5 * MS:
            assert thread["reason"][i] == sleep


def test_a_timeline_of_one_thread_and_of_a_window(server, target):
    skip_unless(server, "off_cpu")
    run = server.record([target("waits"), "-n", 30, "sem", "nap", "poll"])
    server.settle()
    tid = run.truth.waiting("sem")["tid"]
    with server.rpc() as rpc:
        whole = timeline_of(rpc, buckets=50)
        alone = timeline_of(rpc, buckets=50, view={"tid": tid})
        assert alone["n_threads"] == 1 and [t["tid"] for t in alone["threads"]] == [tid]
        in_whole = next(t for t in whole["threads"] if t["tid"] == tid)
        assert abs(sum(alone["threads"][0]["off_cpu_ns"]) - sum(in_whole["off_cpu_ns"])) <= 100
        assert timeline_of(rpc, buckets=10, threads=0)["threads"] == []
        assert len(timeline_of(rpc, buckets=10, threads=2)["threads"]) == 2
        end = whole["health"]["end_ns"]
        window = {"start_ns": end // 3, "end_ns": end * 2 // 3}
        middle = timeline_of(rpc, buckets=20, view={"time_range": window})
        assert middle["health"]["start_ns"] >= window["start_ns"] and middle["health"]["end_ns"] <= window["end_ns"]
        same = threads_of(rpc, time_range=window)
        for reason in REASONS:
            ours, theirs = part(middle["total_off_cpu"], reason), part(same.answer["total_off_cpu"], reason)
            assert abs(ours - theirs) <= 100, (reason, ours, theirs)
        assert whole["recording_duration_ns"] >= end - MS
        for wrong in ({"buckets": 0}, {"buckets": 1 << 20}, {"threads": -1}, {"view": {"tid": 1}}):
            with pytest.raises(RpcError) as error:
                rpc.call("Profiler.timeline", **wrong)
            assert error.value.kind in ("invalid_params", "not_found") and "\n" not in error.value.message, wrong


def test_a_timeline_that_grows(server, target):
    """While the run goes on, what is over does not change, and what is new is added."""
    skip_unless(server, "off_cpu")
    with server.live([target("pingpong"), "30"], ready=False) as live, server.rpc() as rpc:
        server.ok("wait", "--for-seconds", "0.5", "--timeout-ms", "20000")
        last = 0
        for _ in range(6):
            answer = timeline_of(rpc, buckets=30)
            spent = answer["total_on_cpu_ns"] + total(answer["total_off_cpu"])
            assert spent > last, "it grows"
            last = spent
            rpc.call("RunControl.wait_active", condition={"for_seconds": 0.1})
        rpc.call("RunControl.stop_active")
        live.target_pid = answer["threads"][0]["pid"]
        live.kill()


# ---- intervals ------------------------------------------------------------------------------------------


def test_orders_and_windows_of_intervals(server, target):
    """`--longest N` and `--since SECONDS` are orders and windows of one question."""
    skip_unless(server, "off_cpu")
    server.record([target("waits"), "-n", 30, "sem", "nap", "poll"])
    server.settle()
    with server.rpc() as rpc:
        everything = intervals_of(rpc, order="oldest")
        n = everything["total_intervals"]
        assert n >= 100
        newest = intervals_of(rpc, order="newest")

        def keys(answer):
            return sorted((e["start_ns"], e["tid"], e["duration_ns"]) for e in answer["entries"])

        longest = intervals_of(rpc, order="longest")
        assert keys(everything) == keys(newest) == keys(longest)
        top = intervals_of(rpc, limit=5)
        assert [e["duration_ns"] for e in top["entries"]] == [e["duration_ns"] for e in longest["entries"][:5]]
        assert top["total_intervals"] == n
        end = everything["health"]["end_ns"]
        since = {"start_ns": end // 2, "end_ns": end + 1}
        late = intervals_of(rpc, order="oldest", view={"time_range": since})
        expected = [e for e in everything["entries"] if e["start_ns"] + e["duration_ns"] > since["start_ns"]]
        assert abs(late["total_intervals"] - len(expected)) <= 2
        assert all(e["start_ns"] + e["duration_ns"] >= since["start_ns"] for e in late["entries"])
        before = intervals_of(rpc, view={"time_range": {"start_ns": 0, "end_ns": end // 2}})
        assert abs(before["total_duration_ns"] + late["total_duration_ns"] - everything["total_duration_ns"]) <= 2
        by_reason = [intervals_of(rpc, limit=1, reason=reason) for reason in REASONS]
        assert sum(a["total_intervals"] for a in by_reason) == n
        assert sum(a["total_duration_ns"] for a in by_reason) == everything["total_duration_ns"]
        long = intervals_of(rpc, min_ns=2 * MS)
        assert long["total_intervals"] == sum(e["duration_ns"] >= 2 * MS for e in everything["entries"])
        assert all(e["stack"] == [] and e["frames_cut"] >= 1
                   for e in intervals_of(rpc, limit=3, max_frames=0)["entries"])


@pytest.mark.parametrize("params, word", [
    ({"reason": "boredom"}, "reason"), ({"order": "random"}, "order"), ({"limit": 0}, "limit"),
    ({"limit": 1 << 30}, "limit"), ({"min_ns": -1}, "min_ns"), ({"view": {"tid": 1}}, "1"),
    ({"view": {"run": 77}}, "77")])
def test_errors_of_intervals_are_one_line(server, target, params, word):
    server.record([target("brief")])
    with server.rpc() as rpc:
        with pytest.raises(RpcError) as error:
            rpc.call("Profiler.intervals", **params)
        assert error.value.kind in ("invalid_params", "not_found", "unknown_run")
        assert word in error.value.message and "\n" not in error.value.message, error.value.message


@pytest.mark.parametrize("method", ["Profiler.top", "Profiler.flamegraph"])
def test_errors_of_modes(server, target, method):
    server.record([target("brief")])
    with server.rpc() as rpc:
        for params in ({"mode": "sideways"}, {"mode": "off_cpu", "reason": "boredom"}):
            with pytest.raises(RpcError) as error:
                rpc.call(method, **params)
            assert error.value.kind == "invalid_params" and "\n" not in error.value.message
