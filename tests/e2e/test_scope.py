"""Which part of a run: filters by function, by time and by thread mean the same for every question, and a
command line says what the protocol says."""

import json

import pytest

from stax import assert_refused, assert_share
from test_waits_cli import assert_same
from waiting import MS, skip_unless, total

ALL = ("shared", "left_own", "left", "middle", "right", "main")


@pytest.fixture
def tree(server, target):
    """A run of the target `tree`, whose shares by way of each function are known."""
    run = server.record([target("tree"), 1500])
    server.settle()
    return run


@pytest.fixture
def phases(server, target):
    """A run of the target `phases`: a thread works, naps, works, and naps."""
    skip_unless(server, "off_cpu")
    run = server.record([target("phases"), 400, 4])
    server.settle()
    return run


def samples(server, *options):
    return server.top(*options).samples


def waited(top):
    return total(top.answer["total_off_cpu"])


# ---- By function ----------------------------------------------------------------------------------------


def test_only_a_function_is_its_total(server, tree):
    whole = server.top().check()
    for name in ALL:
        only = server.top("--only", name).check()
        focus = server.top("--focus", name).check()
        without = server.top("--exclude", name).check()
        assert only.samples == focus.samples == whole.total_samples(name), name
        assert only.samples + without.samples == whole.samples, name
        assert not without.find(name)
        for entry in only.entries:  # each function as often as it is there together with this one
            rest = sum(e["self_samples"] for e in without.find(entry["function_name"]))
            assert entry["self_samples"] + rest == whole.self_samples(entry["function_name"])


def test_shares_of_a_part_are_the_truth(server, tree):
    truth = tree.truth
    left = server.top("--only", "left")
    assert_share(left.self_samples("shared"), left.samples, truth["left/shared"] / (
        truth["left/shared"] + truth["left/left_own"]), "shared below left")
    whole = server.top()
    middle = server.top("--only", "right", "--focus", "middle")
    assert_share(middle.samples, whole.samples, truth.share("middle/shared"), "middle")
    own = server.top("--only", "right", "--exclude", "middle")
    assert_share(own.samples, whole.samples, truth.share("right/shared"), "right without middle")


def test_filters_together(server, tree):
    whole = server.top()
    left, right = (whole.total_samples(name) for name in ("left", "right"))
    assert samples(server, "--only", "left", "--only", "right") == left + right
    assert samples(server, "--only", "left", "--focus", "right") == 0
    assert samples(server, "--only", "left", "--only", "middle", "--focus", "right") == whole.total_samples("middle")
    assert samples(server, "--only", "left", "--exclude", "left") == 0
    assert samples(server, "--exclude", "left", "--exclude", "right") == whole.samples - left - right
    binary = whole.one("left")["binary"]
    assert samples(server, "--only", f"left @ {binary}") == left
    result = server.stax("top", "--only", "left @ libc.so.6", "--json")
    assert result.status == 0 and result.json["health"]["samples"] == 0
    assert "no sample has 'left' of libc.so.6" in result.err and f"'left @ {binary}'" in result.err


def test_many_functions(server, tree):
    options = [word for i in range(255) for word in ("--exclude", f"no_such_{i}")]
    with server.rpc() as rpc:  # a command asks about each of them
        names = [{"function_name": f"no_such_{i}"} for i in range(255)]
        view = {"exclude_symbols": [*names, {"function_name": "left"}], "only_symbols": [*names, {"function_name": "main"}]}
        top = rpc.call("Profiler.top", view=view)
        assert top["health"]["samples"] == samples(server, "--exclude", "left", "--only", "main")
    assert_refused(server.stax("top", *options, *options), "--exclude", "256 times")


# ---- By time --------------------------------------------------------------------------------------------


def test_halves_add_up(server, phases):
    whole = server.top("--wall")
    threads = server.threads()
    for middle in ("0.2", "0.55", "1.4"):
        first, second = server.top("--wall", "--to", middle), server.top("--wall", "--from", middle)
        assert first.samples + second.samples == whole.samples
        assert waited(first) + waited(second) == waited(whole)
        ran = sum(part.answer["total_on_cpu_ns"] for part in (first, second))
        assert abs(ran - whole.answer["total_on_cpu_ns"]) <= 2
        third = server.top("--wall", "--from", "0.1", "--to", middle)
        assert first.samples == third.samples + samples(server, "--to", "0.1")
    parts = [server.threads("--to", "0.6"), server.threads("--from", "0.6")]
    for thread in threads["threads"]:
        same = [t for part in parts for t in part["threads"] if t["tid"] == thread["tid"]]
        assert abs(sum(t["on_cpu_ns"] for t in same) - thread["on_cpu_ns"]) <= 2
        assert sum(total(t["off_cpu"]) for t in same) == total(thread["off_cpu"])


def test_phases_are_where_the_truth_has_them(server, phases):
    marks = [line["phases"] for line in phases.truth.lines if "phases" in line][0]
    thread = next(t for t in server.threads()["threads"] if t["name"] == "phases")
    for i in range(4):
        begin, end = (thread["started_ns"] + mark for mark in (marks[i], marks[i + 1]))
        options = ["--tid", thread["tid"], "--from", f"{begin / 1e9:.9f}", "--to", f"{end / 1e9:.9f}"]
        ran, slept = (server.top("--wall", *options).answer[key] for key in ("total_on_cpu_ns", "total_off_cpu"))
        if i % 2:
            assert total(slept) > 0.9 * (end - begin) and ran < 0.1 * (end - begin), i
        else:
            assert total(slept) < 0.1 * (end - begin), i
            top = server.top(*options)
            assert top.total_samples("busy_phase") >= 0.9 * top.samples > 0
        waits = server.json("intervals", *options)
        assert waits["total_duration_ns"] == total(slept), "the same waits, one by one"


def test_a_function_and_a_time(server, phases):
    whole = server.top("--only", "busy_phase")
    parts = [server.top("--only", "busy_phase", *time) for time in (
        ("--to", "0.3"), ("--from", "0.3", "--to", "1"), ("--from", "1"))]
    assert sum(part.samples for part in parts) == whole.samples
    without = server.top("--wall", "--exclude", "busy_phase")
    both = server.top("--wall")
    assert waited(whole) + waited(without) == waited(both)


# ---- Every command ----------------------------------------------------------------------------------------


def commands(server, function, tid):
    """What is asked on the command line, and how the protocol has it."""
    yield ["top"], "Profiler.top", {"limit": 20}
    yield ["top", "--wall", "-n", 7], "Profiler.top", {"limit": 7, "mode": "wall"}
    yield ["threads", "-n", 0], "Profiler.threads", {}
    yield ["timeline", "-b", 9], "Profiler.timeline", {"buckets": 9}
    yield ["intervals", "-n", 9], "Profiler.intervals", {"limit": 9}
    yield ["wakers", tid], "Profiler.wakers", {"tid": tid}
    yield ["annotate", function], "Profiler.annotated", {"name": function, "limit": 50000}
    yield ["cfg", function], "Profiler.cfg", {"name": function}


def without_trees(answer):
    """An answer of `neighbors` or `flame`, whose trees are written in another way."""
    return {key: value for key, value in answer.items()
            if key not in ("callers_tree", "callees_tree", "strings", "nodes", "waits", "root") and not
            isinstance(value, list)}


def test_every_command_has_every_option(server, phases):
    tid = next(t["tid"] for t in server.threads()["threads"] if t["name"] == "phases")
    busy, main = {"function_name": "busy_phase"}, {"function_name": "phases_main"}
    binary = server.top().one("busy_phase")["binary"]
    inner = {"function_name": "busy_phase", "binary": binary}
    scopes = [
        (["--from", "0.35"], {"time_range": {"start_ns": 350 * MS, "end_ns": 2**63 - 1}}),
        (["--to", "0.75"], {"time_range": {"start_ns": 0, "end_ns": 750 * MS}}),
        (["--only", "phases_main"], {"only_symbols": [main]}),
        (["--only", "busy_phase", "--only", "phases_main"], {"only_symbols": [busy, main]}),
        (["--focus", f"busy_phase @ {binary}"], {"focus_symbol": inner}),
        (["--exclude", "phases_main"], {"exclude_symbols": [main]}),
        (["--no-inline", "--from", "0.1", "--only", "phases_main"], {
            "inline": False, "time_range": {"start_ns": 100 * MS, "end_ns": 2**63 - 1}, "only_symbols": [main]}),
        (["--tid", tid], {"tid": tid}),
    ]
    with server.rpc() as rpc:
        for options, view in scopes:
            for words, method, params in commands(server, "busy_phase", tid):
                if words[0] == "wakers" and options[0] == "--tid":
                    continue  # it has one
                assert_same(server.json(*words, *options), rpc.call(method, view=view, **params), (words, options))
            flame = rpc.call("Profiler.flamegraph", view=view, mode="wall")
            nested = server.json("flame", "--wall", *options)
            assert_same(nested["health"], flame["health"])
            assert nested["total_on_cpu_ns"] == flame["total_on_cpu_ns"]
            assert nested["total_off_cpu"] == flame["total_off_cpu"]
            if options[0] != "--exclude":
                theirs = rpc.call("Profiler.neighbors", view=view, name="busy_phase", mode="wall", max_depth=6,
                                  min_share=0.01)
                assert_same(without_trees(server.json("neighbors", "busy_phase", "--wall", *options)),
                            without_trees(theirs))


def test_exports_are_of_the_same_part(server, tree, phases):
    for options in (["--only", "busy_phase"], ["--exclude", "busy_phase"], ["--from", "0.3", "--to", "0.9"],
                    ["--focus", "phases_main", "--to", "1"]):
        top = server.top(*options)
        path = server.file("folded")
        said = server.json("export", "--format", "folded", *options, path)
        lines = path.read_text().splitlines()
        assert said["samples"] == top.samples == sum(int(line.rpartition(" ")[2]) for line in lines)
        for line in lines:
            names = line.rpartition(" ")[0].split(";")
            assert ("busy_phase" in names) or options[:2] != ["--only", "busy_phase"]
            assert ("busy_phase" not in names) or options[0] != "--exclude"


def test_waits_count_by_their_stack(server, phases):
    tid = next(t["tid"] for t in server.threads()["threads"] if t["name"] == "phases")
    whole = server.json("intervals", "-n", 100)
    for entry in server.top("--off-cpu", "--sort", "total", n=12).entries:
        name = entry["function_name"]
        only, without = (server.json("intervals", "-n", 100, option, name) for option in ("--only", "--exclude"))
        assert only["total_duration_ns"] == total(entry["total_off_cpu"]), name
        assert only["total_duration_ns"] + without["total_duration_ns"] == whole["total_duration_ns"]
        lanes = server.json("timeline", "--only", name)
        assert sum(total(bucket["off_cpu"]) for bucket in lanes["buckets"]) == only["total_duration_ns"]
        woken = [server.json("wakers", tid, option, name)["total_wakeups"] for option in ("--only", "--exclude")]
        assert sum(woken) == server.json("wakers", tid)["total_wakeups"]


# ---- Saved runs, and runs that go on ------------------------------------------------------------------------


def test_saved_runs_have_the_same_parts(server, phases):
    path = server.file("saved").with_suffix(".stax")
    server.ok("save", path)
    for options in (["--only", "busy_phase"], ["--exclude", "busy_phase", "--from", "0.2"],
                    ["--focus", "phases_main", "--to", "0.7"]):
        here, there = (server.top("--wall", *options, *run) for run in ([], ["--run", path]))
        assert here.samples == there.samples and here.answer["total_off_cpu"] == there.answer["total_off_cpu"]
        ours, theirs = ({(e["function_name"], e["total_samples"], total(e["total_off_cpu"])) for e in top.entries}
                        for top in (here, there))
        assert ours == theirs


def test_parts_of_a_live_run(server, target):
    with server.live([target("forever")]) as live, server.rpc() as rpc:
        server.ok("wait", "--for-samples", 100)
        server.settle()
        name = server.top().entries[0]["function_name"]
        only = rpc.subscribe("Profiler.top", view={"only_symbols": [{"function_name": name}]})
        without = rpc.subscribe("Profiler.top", view={"exclude_symbols": [{"function_name": name}]})
        for _ in range(4):
            parts = [rpc.notification(s)["result"]["health"]["samples"] for s in (only, without)]
            assert parts[0] > 0
        live.end()
        whole = server.top()
        assert samples(server, "--only", name) == whole.total_samples(name)
        assert samples(server, "--only", name) + samples(server, "--exclude", name) == whole.samples


# ---- Both kinds of time -----------------------------------------------------------------------------------


def test_wall_is_both(server, phases):
    on_cpu, off_cpu, wall = (server.top(*mode).answer for mode in ([], ["--off-cpu"], ["--wall"]))
    assert wall["total_on_cpu_ns"] == on_cpu["total_on_cpu_ns"]
    assert wall["total_off_cpu"] == off_cpu["total_off_cpu"]
    names = [{(e["function_name"], e["binary"], e["address"]) for e in answer["entries"]}
             for answer in (on_cpu, off_cpu, wall)]
    assert names[2] == names[0] | names[1]
    weights = [e["self_on_cpu_ns"] + total(e["self_off_cpu"]) for e in wall["entries"]]
    assert weights == sorted(weights, reverse=True)


def test_wall_for_people(server, phases):
    text = server.ok("top", "--wall").out
    row = next(line.split() for line in text.splitlines() if "busy_phase" in line)
    entry = server.top("--wall").one("busy_phase")
    shown = [float(word.replace(",", "")) for word in row[:6]]
    assert shown[0] == pytest.approx((entry["self_on_cpu_ns"] + total(entry["self_off_cpu"])) / 1e6, abs=0.06)
    assert shown[0] == pytest.approx(shown[4] + shown[5], abs=0.2)
    assert "on-CPU ms" in text and "waiting ms" in text and "waits:" in text
    flame = server.ok("flame", "--wall").out
    line = next(line.split() for line in flame.splitlines() if "phases_main" in line)
    share, wall, ran, slept = (float(word.rstrip("%").replace(",", "")) for word in line[:4])
    assert wall == pytest.approx(ran + slept, abs=0.2) and 0 < share <= 100 and ran > 0 and slept > 100
    assert "sleep" in flame and "100.0%" in flame
    around = server.ok("neighbors", "phases_main", "--wall").out
    assert "ms on CPU (" in around and "ms waiting (" in around and "busy_phase" in around
    assert_refused(server.stax("top", "--wall", "--off-cpu"), "--wall", "--off-cpu")
    some = server.json("top", "--wall", "--reason", "sleep")
    with server.rpc() as rpc:
        assert_same(some, rpc.call("Profiler.top", mode="wall", reason="sleep"))


# ---- What is wrong ------------------------------------------------------------------------------------------


def test_names_that_nothing_has(server, tree):
    result = server.stax("top", "--exclude", "shar", "--only", "main")
    assert result.status == 0 and "shared" in result.out
    assert "no sample has 'shar' on its stack" in result.err and "'shared @ " in result.err
    assert len(result.err.splitlines()) == 1, result
    result = server.stax("threads", "--focus", "left@tree", "--json")
    assert result.status == 0 and "a binary is written behind ' @ '" in result.err
    assert server.ok("top", "--only", "main", "--exclude", "left").err == ""


@pytest.mark.parametrize("command", ["top", "flame", "threads", "timeline", "intervals", "annotate shared", "cfg shared",
                                     "neighbors shared", "wakers 1", "export -f folded out"])
def test_refused(server, tree, command):
    words = command.split()
    assert_refused(server.stax(*words, "--from", "2", "--to", "1"), "--from 2", "--to 1")
    assert_refused(server.stax(*words, "--from", "-1"), "--from")
    assert_refused(server.stax(*words, "--only", "a @ b @ c"), " @@ ")
    assert_refused(server.stax(*words, "--focus", ""), "--focus")
    help_text = server.ok(words[0], "--help").out
    for option in ("--from", "--to", "--only", "--focus", "--exclude", "--no-inline", "--run"):
        assert f"{option} " in help_text
    assert ("--tid " in help_text) == (words[0] != "wakers")


# ---- Pauses -------------------------------------------------------------------------------------------------


def test_a_pause_takes_in_no_samples(server, target):
    assert_refused(server.stax("pause"), "no active run")
    assert_refused(server.stax("resume"), "no active run")
    with server.live([target("shares"), 1, 1000000]) as live, server.rpc() as rpc:
        server.ok("wait", "--for-samples", 200)
        assert rpc.call("Profiler.is_paused") == {"paused": False, "paused_samples": 0}
        assert "paused" in server.ok("pause").out
        assert "paused" in server.ok("status").out
        assert server.json("pause")["paused"] is True  # once more changes nothing
        server.wait_for(lambda: rpc.call("Profiler.is_paused")["paused_samples"] >= 200, "samples come and are dropped")
        during = rpc.call("RunControl.status")["active"][0]
        assert during["paused"] is True
        assert any("were not taken in from" in note and " s on: " in note for note in during["notes"])
        kept = samples(server)
        server.wait_for(lambda: rpc.call("Profiler.is_paused")["paused_samples"] >= 400, "more of them")
        assert samples(server) == kept
        assert "taken in" in server.ok("resume").out
        server.ok("wait", "--for-samples", kept + 200)
        summary = server.json("stop")["summary"]
        live.kill()
    assert summary["paused"] is False and summary["paused_samples"] >= 400
    note = next(note for note in summary["notes"] if "were not taken in from" in note)
    assert f"{summary['paused_samples']} of them" in note
    words = note.split()
    begin, end = (float(words[words.index(word) + 1]) for word in ("from", "to"))
    assert 0 < begin < end
    assert samples(server, "--from", begin + 0.06, "--to", end - 0.06) == 0
    assert samples(server, "--to", begin) > 0 < samples(server, "--from", end)
    # Nothing of the thread's time is missing.
    thread = server.threads()["threads"][0]
    assert thread["on_cpu_ns"] > 0.5 * summary["duration_ns"]
    top = server.top().check()
    assert_share(top.self_samples("share_50"), top.samples, 0.5, "share_50")
    server.restart()
    saved = server.summary(summary["id"])
    assert saved["paused_samples"] == summary["paused_samples"] and note in saved["notes"]
    path = server.file("again").with_suffix(".stax")
    server.ok("save", "--run", summary["id"], path)
    again = json.loads(server.ok("open", path, "--json").out)["summary"]
    assert again["paused_samples"] == summary["paused_samples"] and note in again["notes"]
