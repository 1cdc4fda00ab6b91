"""Programs whose answer is known: do `top`, `flame` and `threads` say what the program measured?"""

import os
import shutil
import signal

import pytest

from stax import PATIENCE, assert_refused, assert_share, assert_time, sysctl

N_CPUS = os.cpu_count()
# High enough for narrow bounds in a second of work.
FAST = 3000


def settled(server):
    """`top` of the newest run with all names there are, and a flamegraph that agrees with it."""
    top = server.settled_top()
    flame = server.flame().check()
    assert flame.samples == top.samples
    return top, flame


def assert_ended(run, status=0):
    assert run.status == status, run.result
    assert run.summary["state"] == "stopped"
    assert run.summary["stop_reason"] == "target_exited"
    assert run.summary["lost_samples"] == 0 and run.summary["lost_records"] == 0


# ---- Shares -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["shares", "shares_static_pie", "shares_static"])
def test_shares_of_one_thread(server, target, name):
    run = server.record([target(name)], "-F", FAST)
    assert_ended(run)
    assert run.summary["frequency_hz"] == FAST and run.summary["threads"] == 1
    top, flame = settled(server)
    for function in ("share_50", "share_30", "share_20"):
        entry = top.one(function)
        assert_share(entry["self_samples"], top.samples, run.truth.share(function), function)
        assert entry["total_samples"] == entry["self_samples"] or entry["total_samples"] <= top.samples
        assert entry["binary"] == name and entry["is_main"] and entry["language"] in ("c", "")
        assert entry["address"].startswith("0x")
        assert_share(flame.at("main", "rounds", function), top.samples, run.truth.share(function), function)
    assert_share(top.total_samples("rounds"), top.samples, 1, "rounds")
    assert [e["function_name"] for e in top.entries[:3]] == ["share_50", "share_30", "share_20"]
    assert_time(top.answer["total_on_cpu_ns"], run.truth.lines[0]["process_cpu_ns"], 1e9 / FAST, N_CPUS, name)
    assert top.health["unresolved_pct"] < 2 and not top.health["recording"]


def test_default_frequency_is_900(server, target):
    run = server.record([target("shares"), "1", "600"])
    assert run.summary["frequency_hz"] == 900
    assert_time(run.summary["samples"] * 1e9 / 900, run.truth.lines[0]["process_cpu_ns"], 1e9 / 900, N_CPUS,
                "samples at 900 Hz")


def test_highest_frequency_of_the_kernel(server, target):
    """The kernel's maximum is accepted, one more is refused with the limit in the text."""
    limit = min(sysctl("kernel.perf_event_max_sample_rate"), 100000)
    refused = server.stax("record", "-F", limit + 1, "--", target("brief"))
    assert_refused(refused, str(limit + 1), str(limit))
    run = server.record([target("brief"), "20"], "-F", limit)
    assert run.status == 0 and run.summary["samples"] > 0


def test_what_record_says_at_the_end(server, target):
    """The summary and the next commands; the target's own output is left alone."""
    run = server.record([target("shares"), "1", "300"], env={"TRUTH": "/dev/stdout"})
    assert run.result.out.startswith('{"pid"') and len(run.result.out.splitlines()) == 1
    text = run.result.err.replace(",", "")
    assert str(run.summary["samples"]) in text and "stax top" in text and "nothing lost" in text, text
    if not server.json("status")["capabilities"]["off_cpu"]["available"]:
        assert run.summary["estimated"] and server.top().health["estimated"]
        assert "estimate" in server.ok("top").out
    events = server.json("diagnose")["run"]["events"]
    assert events["sample"] == run.summary["samples"]


def test_shares_of_three_threads(server, target):
    run = server.record([target("shares"), "3", "500"], "-F", FAST)
    assert_ended(run)
    top, flame = settled(server)
    for function in ("share_50", "share_30", "share_20"):
        assert_share(top.self_samples(function), top.samples, run.truth.share(function), function)
        assert_share(flame.at("thread_main", "rounds", function), top.samples, run.truth.share(function), function)
    by_tid = {t["tid"]: t for t in server.threads()["threads"]}
    assert len(by_tid) == 4 and run.summary["threads"] == 4
    for thread in run.truth.threads:
        assert by_tid[thread["tid"]]["name"] == thread["name"]
        assert by_tid[thread["tid"]]["pid"] == run.summary["target_pid"]
        assert_time(by_tid[thread["tid"]]["on_cpu_ns"], thread["cpu_ns"], 1e9 / FAST, N_CPUS, thread["name"])
        alone = server.top("--tid", thread["tid"]).check()
        assert alone.samples == by_tid[thread["tid"]]["samples"]
        assert_share(alone.self_samples("share_50"), alone.samples, 0.5, "share_50 of one thread")


def test_time_ranges_add_up(server, target):
    """Whatever a run is cut into, the parts are the whole."""
    server.record([target("shares"), "1", "500"], "-F", FAST)
    whole = server.settled_top()
    with server.rpc() as rpc:
        end = whole.health["end_ns"] + 1
        cuts = [0, end // 3, end // 2, end]
        parts = [
            rpc.call("Profiler.top", limit=1000, view={"time_range": {"start_ns": a, "end_ns": b}})
            for a, b in zip(cuts, cuts[1:])
        ]
        without = rpc.call("Profiler.top", limit=1000,
                           view={"exclude_symbols": [{"function_name": "share_50", "binary": "shares"}]})
    assert sum(part["health"]["samples"] for part in parts) == whole.samples
    assert all(part["health"]["samples"] > 0 for part in parts)
    left = sum(e["self_samples"] for e in without["entries"])
    assert left == whole.samples - whole.total_samples("share_50")
    assert "share_50" not in [e["function_name"] for e in without["entries"]]


def test_branching_tree(server, target):
    run = server.record([target("tree")], "-F", FAST)
    assert_ended(run)
    top, flame = settled(server)
    n, truth = top.samples, run.truth
    assert_share(flame.at("main", "left", "shared"), n, truth.share("left/shared"), "left/shared")
    assert_share(flame.at("main", "left", "left_own"), n, truth.share("left/left_own"), "left_own")
    assert_share(flame.at("main", "right", "shared"), n, truth.share("right/shared"), "right/shared")
    assert_share(flame.at("main", "right", "middle", "shared"), n, truth.share("middle/shared"), "middle")
    everywhere = truth.share("left/shared", "right/shared", "middle/shared")
    assert_share(top.self_samples("shared"), n, everywhere, "shared")
    assert_share(top.total_samples("left"), n, truth.share("left/shared", "left/left_own"), "left")
    assert_share(top.total_samples("right"), n, truth.share("right/shared", "middle/shared"), "right")
    by_total = server.top("--sort", "total")
    order = [e["total_samples"] for e in by_total.entries]
    assert order == sorted(order, reverse=True)
    assert by_total.names().index("main") < by_total.names().index("middle")


def test_flame_command_prints_the_tree(server, target):
    server.record([target("tree"), "300"], "-F", FAST)
    server.settle()
    text = server.ok("flame", "-d", "12", "--threshold-pct", "1").out
    indents = {}
    for line in (line for line in text.splitlines() if "%" in line.split()[0]):
        for name in ("left", "left_own", "right", "middle"):
            if name in line.split():
                indents[name] = line.index(name)
    assert indents["left"] == indents["right"] < indents["left_own"] == indents["middle"], text

    def find(node, name):
        if node.get("function_name") == name:
            return node
        return next((hit for child in node["children"] if (hit := find(child, name))), None)

    answer = server.json("flame", "-d", "12")
    root = answer.get("root", answer)
    middle = find(root, "middle")
    assert middle and [c["function_name"] for c in middle["children"]][:1] == ["shared"]
    assert find(find(root, "right"), "middle") and not find(find(root, "left"), "middle")


def test_flame_cuts_are_counted(server, target):
    server.record([target("tree"), "300"], "-F", FAST)
    server.settle()
    whole = server.flame().check()
    for params in ({"max_depth": 2}, {"min_share": 0.25}, {"max_nodes": 4}):
        cut = server.flame(**params).check()
        assert len(cut.rows) < len(whole.rows), params
        assert cut.answer["n_nodes"] == whole.answer["n_nodes"] == len(whole.rows), params
        assert sum(row["cut_children"] for row in cut.rows) > 0, params
    assert len(server.flame(max_nodes=4).rows) <= 4


# ---- Depth and recursion --------------------------------------------------------------------------------


def line_below(flame, first):
    """The functions of deep.c's line from `first` inwards, as long as it goes on."""
    names = []
    name = f"d{first:03d}"
    while first <= 199 and flame.at(*names[-1:], name) > 0:
        names.append(name)
        first += 1
        name = f"d{first:03d}"
    return names


def test_depth_that_fits(server, target):
    run = server.record([target("deep"), "100"], "-F", FAST)
    assert_ended(run)
    top, flame = settled(server)
    names = [f"d{i:03d}" for i in range(100, 200)]
    assert_share(flame.at("main", *names), top.samples, 1, "the whole line below main")
    assert top.self_samples("d199") > 0.9 * top.samples, "but for interrupts, it is the leaf"
    for name in names:
        assert_share(top.total_samples(name), top.samples, 1, name)
        assert name == "d199" or top.self_samples(name) <= 2
    assert top.health["truncated_pct"] < 2


def test_depth_of_200(server, target):
    run = server.record([target("deep"), "200"], "-F", FAST)
    assert_ended(run)
    top, flame = settled(server)
    line = [f"d{i:03d}" for i in range(200)]
    assert_share(flame.at("main", *line), top.samples, 1, "the whole line below main")
    for name in line:
        assert_share(top.total_samples(name), top.samples, 1, name)
    assert top.health["truncated_pct"] < 5


def test_depth_of_200_by_frame_pointers(server, target):
    """The kernel walks so many user frames; kernel frames of the same sample count too."""
    run = server.record([target("deep"), "200"], "-F", FAST, "--no-dwarf-unwind")
    assert_ended(run)
    top, flame = settled(server)
    seen = min(200, sysctl("kernel.perf_event_max_stack"))
    inner = [f"d{i:03d}" for i in range(200 - seen, 200)]
    for name in inner:
        assert_share(top.total_samples(name), top.samples, 1, name)
    if seen == 200:
        assert_share(flame.at("main", *inner), top.samples, 1, "the whole line below main")
        return
    assert_share(flame.at("[truncated: more frames than are kept]", *inner), top.samples, 1,
                 f"the innermost {seen} of the line")
    assert top.total_samples(f"d{200 - seen - 2:03d}") <= 0.02 * top.samples
    assert top.health["truncated_pct"] > 95, "stacks without their outer end are counted as truncated"
    assert top.health["truncated"]["too_deep"] == top.health["truncated_samples"] > 0.95 * top.samples


def test_recursion_counts_once(server, target):
    run = server.record([target("recursion")], "-F", FAST)
    assert_ended(run)
    top, flame = settled(server)
    n, truth = top.samples, run.truth
    direct = truth.share("direct")
    ping = truth.share("ping/first", "ping/inner")
    assert_share(top.self_samples("direct"), n, direct, "direct, self")
    assert_share(top.total_samples("direct"), n, direct, "direct, total")
    assert_share(top.self_samples("ping"), n, ping, "ping, self")
    assert_share(top.total_samples("ping"), n, ping, "ping, total")
    assert_share(top.total_samples("pong"), n, truth.share("ping/inner"), "pong, total")
    assert_share(top.self_samples("pong"), n, 0, "pong, self")
    assert max(e["total_samples"] for e in top.entries) <= n
    assert flame.at("main", *["direct"] * 20) > 0 and flame.at(*["direct"] * 21) == 0
    assert flame.at("main", *["ping", "pong"] * 9, "ping") > 0


# ---- Threads --------------------------------------------------------------------------------------------


def test_64_threads_each_with_its_own_function(server, target):
    run = server.record([target("threads64")], "-F", FAST)
    assert_ended(run)
    top, _ = settled(server)
    answer = server.threads()
    by_name = {t["name"]: t for t in answer["threads"]}
    assert answer["n_threads"] == 65 == run.summary["threads"]
    period = 1e9 / FAST
    with server.rpc() as rpc:
        for thread in run.truth.threads:
            function = thread["name"].replace("-", "_")
            seen = by_name[thread["name"]]
            assert seen["tid"] == thread["tid"]
            assert_time(seen["on_cpu_ns"], thread["cpu_ns"], period, 2 * N_CPUS, thread["name"])
            assert_share(top.self_samples(function), top.samples, run.truth.share(function), function)
            own = rpc.call("Profiler.top", limit=100, view={"tid": thread["tid"]})
            hot = [e["function_name"] for e in own["entries"] if e["function_name"].startswith("hot_")]
            assert hot == [function], f"{thread['name']} ran {hot}"
    times = [t["on_cpu_ns"] for t in answer["threads"]]
    assert times == sorted(times, reverse=True)
    assert len(server.json("threads", "-n", "5")["threads"]) == 5


def test_threads_that_come_and_go(server, target):
    run = server.record([target("churn")], "-F", FAST)
    assert_ended(run)
    top, _ = settled(server)
    seen = {t["tid"]: t for t in server.threads()["threads"]}
    period = 1e9 / FAST
    assert run.summary["threads"] == 501
    missing = [t["name"] for t in run.truth.threads if t["tid"] not in seen]
    assert not missing, f"{len(missing)} threads are not listed: {missing[:5]}"
    wrong = [t["name"] for t in run.truth.threads if seen[t["tid"]]["name"] != t["name"]]
    assert not wrong, f"{len(wrong)} threads have other names: {wrong[:5]}"
    # 3.5 ms of work are ten periods; the timer starts anew with each thread on each CPU.
    silent = [t["name"] for t in run.truth.threads if seen[t["tid"]]["samples"] == 0]
    assert not silent, f"{len(silent)} threads have no samples: {silent[:5]}"
    assert all("ended_ns" in seen[t["tid"]] for t in run.truth.threads)
    cpu_ns = sum(t["cpu_ns"] for t in run.truth.threads)
    assert_time(sum(seen[t["tid"]]["on_cpu_ns"] for t in run.truth.threads), cpu_ns, period, 500 * N_CPUS, "churn")
    assert_share(top.total_samples("short_life"), top.samples, run.truth.total_ns / cpu_ns, "short_life")


# ---- Address spaces that change ---------------------------------------------------------------------------


def test_exec_in_the_middle(server, target):
    run = server.record([target("exec_before"), "400"], "-F", FAST)
    assert_ended(run)
    assert run.truth.lines[0]["address"] == run.truth.lines[1]["address"]
    top, _ = settled(server)
    for function, binary in (("phase_before", "exec_before"), ("phase_after", "exec_after")):
        assert_share(top.self_samples(function), top.samples, run.truth.share(function), function)
        assert {e["binary"] for e in top.find(function)} == {binary}
    assert [t["name"] for t in server.threads()["threads"]] == ["exec_after"]


def test_two_libraries_at_one_address(server, target, targets):
    run = server.record([target("plugins"), targets, "100", "4"], "-F", FAST)
    assert_ended(run)
    if not run.truth.lines[0]["same_address"]:
        pytest.skip("the loader put the libraries at different addresses")
    top, _ = settled(server)
    for letter in "ab":
        function = f"plug_{letter}_work"
        entry = top.one(function)
        assert_share(entry["self_samples"], top.samples, run.truth.share(function), function)
        assert entry["binary"] == f"libplug_{letter}.so" and not entry["is_main"]


def assert_only(top, right, binary):
    """The work is called by its name or by an offset of its binary, never by another name."""
    work = [e for e in top.entries if e["function_name"] == right
            or e["function_name"].startswith(binary + "+0x")]
    assert sum(e["self_samples"] for e in work) > 0.9 * top.samples, top.names()[:10]
    return any(e["function_name"] != right for e in work)


def assert_note(server, path):
    images = server.json("diagnose")["run"]["images"]
    note = [i["note"] for i in images if i["path"].startswith(str(path)) and i["note"]]
    assert note, f"diagnose says nothing about {path}: {images}"


def test_own_binary_deleted(server, target):
    binary = shutil.copy(target("swapped"), server.dir / "vanishing")
    run = server.record([binary, "delete-self", binary], "-F", FAST)
    assert_ended(run)
    top, _ = settled(server)
    if assert_only(top, "own_work", "vanishing"):
        assert_note(server, binary)


@pytest.mark.parametrize("how", ["delete", "replace by another", "replace by rubbish"])
def test_library_taken_away(server, target, targets, how):
    library = shutil.copy(targets / "libplug_a.so", server.dir / "libplug.so")
    other = server.dir / "other.so"
    args = ["delete", library]
    if how != "delete":
        shutil.copy(targets / "libplug_b.so", other)
        args = ["replace", library, other]
    if how == "replace by rubbish":
        whole = other.read_bytes()
        other.write_bytes(whole[:64] + os.urandom(len(whole) - 64))
    run = server.record([target("swapped"), *args], "-F", FAST)
    assert_ended(run)
    top, _ = settled(server)
    assert not top.find("plug_b_work"), "a name from a file that was never mapped"
    if assert_only(top, "plug_a_work", "libplug.so"):
        assert_note(server, library)


# ---- Languages and names -----------------------------------------------------------------------------------


def test_cxx_names(server, target):
    run = server.record([target("cxx")], "-F", FAST)
    assert_ended(run)
    top, _ = settled(server)
    for function in run.truth:
        entry = top.one(function)
        assert_share(entry["self_samples"], top.samples, run.truth.share(function), function)
        assert entry["language"] == "c++"


# What a name has to have in it, by what it is in the truth.
RUST = {
    "v0": {"odd": ("generic_work", "Odd"), "even": ("generic_work", "Even"), "boxed": ("Runner", "run_boxed"),
           "closure": ("with_closure", "{closure")},
    "legacy": {"boxed": ("Odd as generics::Runner", "run_boxed"), "closure": ("with_closure", "{{closure}}")},
}


@pytest.mark.parametrize("mangling", ["v0", "legacy"])
def test_rust_names(server, target, mangling):
    run = server.record([target(f"generics_{mangling}")], "-F", FAST)
    assert_ended(run)
    top, _ = settled(server)
    for function, parts in RUST[mangling].items():
        found = [e for e in top.entries if all(part in e["function_name"] for part in parts)]
        share = run.truth.share(function)
        assert_share(sum(e["self_samples"] for e in found), top.samples, share, f"{function} in {top.names()[:8]}")
        assert all(e["language"] == "rust" for e in found)
    generic = [e for e in top.entries if "generic_work" in e["function_name"]]
    assert_share(sum(e["self_samples"] for e in generic), top.samples, run.truth.share("odd", "even"), "generic_work")
    assert not any("_RNv" in name or "_ZN" in name for name in top.names()[:8])


def test_stripped_binary(server, target):
    run = server.record([target("shares_stripped")], "-F", FAST)
    assert_ended(run)
    top, _ = settled(server)
    offsets = [e for e in top.entries if e["function_name"].startswith("shares_stripped+0x")]
    # What is missing is the kernel's: interrupts, while the program is loaded.
    assert sum(e["self_samples"] for e in offsets) > 0.9 * top.samples
    assert top.health["unresolved_pct"] > 95, "what has no name is counted"


HOSTILE = {
    "hostile_escape": "esc\x1b[31mred\x1b[0m",
    "hostile_newline": "error: one\ntwo\r three\x07",
    "hostile_json": 'q"uo\te</script>',
}


def test_hostile_names(server, target):
    """Names of the target are text for JSON and escaped for a terminal, and nothing falls over."""
    run = server.record([target("hostile")], "-F", FAST)
    assert_ended(run)
    top, _ = settled(server)
    five = [e for e in top.entries if e["binary"] == "hostile" and e["self_samples"] > 0.1 * top.samples]
    assert len(five) == 5, [e["function_name"][:60] for e in five]
    for key in run.truth:
        name = HOSTILE.get(key)
        if name and top.find(name):
            assert_share(top.self_samples(name), top.samples, run.truth.share(key), key)
    assert any(e["function_name"].startswith("xxxx") for e in five)
    for command in (["top"], ["top", "--sort", "total"], ["flame"], ["threads"], ["list"], ["status"], ["diagnose"]):
        result = server.ok(*command)
        bad = [b for b in result.out_bytes + result.err_bytes if (b < 32 and b != 10) or b == 127]
        assert not bad, f"control bytes {set(bad)} in {result!r}"
        result.out_bytes.decode()  # UTF-8
        assert not [line for line in result.out.splitlines() if line.startswith("two")], result
    assert not server.stax("top").err


def test_every_thread_name_is_escaped(server, target):
    with server.live([target("hostile"), "20000"]) as live:
        server.ok("wait", "--for-samples", "200")
        text = server.ok("threads").out
        assert "\x1b" not in text and "evil" in text
        names = [t["name"] for t in server.threads()["threads"]]
        assert names == ["\x1b[31mevil\nname"] or names[0].startswith("\\x1b[31mevil")
        live.signal_target(signal.SIGKILL)
        assert "\x1b" not in live.wait().err


# ---- Lives that end early -----------------------------------------------------------------------------------


def test_over_within_5_ms(server, target):
    """Nothing of its start is lost: a target of 4 ms has its samples, at whatever speed we are."""
    for _ in range(5):
        run = server.record([target("brief")], "-F", FAST)
        assert_ended(run)
        period = 1e9 / FAST
        expected = run.truth.total_ns / period
        top = server.settled_top()
        assert top.self_samples("brief_work") >= 0.7 * expected - 2 * N_CPUS, (top.answer, run.truth)
        assert top.answer["total_on_cpu_ns"] >= 0.5 * run.truth.total_ns


def test_nothing_at_all(server):
    """A target that does next to nothing is a run like any other."""
    run = server.record(["true"])
    assert_ended(run)
    assert run.summary["samples"] <= 20
    assert server.top().samples == run.summary["samples"]


@pytest.mark.parametrize("status", [0, 1, 7, 255])
def test_exit_status_is_passed_on(server, target, status):
    run = server.record([target("brief"), "1", status])
    assert_ended(run, status)


def test_killed_target(server, target):
    with server.live([target("forever")], "-F", FAST) as live:
        server.ok("wait", "--for-samples", "300")
        live.signal_target(signal.SIGKILL)
        result = live.wait()
    assert result.status == 128 + signal.SIGKILL, result
    summary = server.last_summary()
    assert summary["state"] == "stopped" and summary["stop_reason"] == "target_exited"
    top = server.settled_top()
    assert top.samples == summary["samples"] >= 300
    assert_share(top.total_samples("endless"), top.samples, 1, "endless")


# ---- Children -------------------------------------------------------------------------------------------------


def test_children_are_not_recorded_but_named(server, target):
    run = server.record([target("children")], "-F", FAST)
    assert_ended(run)
    top = server.settled_top()
    assert top.self_samples("parent_work") > 0 and not top.find("child_work")
    assert_time(top.answer["total_on_cpu_ns"], run.truth["parent_work"], 1e9 / FAST, 2 * N_CPUS, "parent")
    unseen = run.summary["unrecorded_children_cpu_ns"]
    assert unseen >= 0.9 * run.truth["child_work"], f"children used {run.truth['child_work']} ns, said {unseen}"
    assert "--follow" in run.result.err + run.result.out, "the summary names the flag"
    assert any("--follow" in note for note in run.summary["notes"])


def test_follow_records_children(server, target):
    run = server.record([target("children")], "-F", FAST, "--follow")
    assert_ended(run)
    top = server.settled_top()
    for function in ("parent_work", "child_work"):
        assert_share(top.self_samples(function), top.samples, run.truth.share(function), function)
    threads = server.threads()["threads"]
    assert {t["pid"] for t in threads} == {line["pid"] for line in run.truth.lines}
    assert run.summary["unrecorded_children_cpu_ns"] <= 0.05 * run.truth["child_work"]


# ---- Time limit -------------------------------------------------------------------------------------------------


def test_time_limit_ends_the_run_not_the_program(server, target):
    with server.live([target("forever")], "-l", "1") as live:
        server.ok("wait", "--timeout-ms", 20000 * PATIENCE)
        summary = server.last_summary()
        assert summary["stop_reason"] == "time_limit"
        assert 0.8e9 <= summary["duration_ns"] <= 3e9 * PATIENCE
        live.signal_target()
        assert live.wait().status == 0
