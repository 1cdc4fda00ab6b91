"""Callers and callees of one function: against the truth of the targets, against an independent sum over the
stacks of the flamegraph, and against the stacks that perf has of the same samples."""

import collections
import re
import subprocess
import sys

import pytest

from stax import TIMEOUT, Flame, RpcError, assert_refused, assert_share, needs_program
from test_import import WORK, record, script
from waiting import OffCpuFlame, assert_blocked, part, skip_unless, total


# ---- Reading answers ------------------------------------------------------------------------------------


def ask(rpc, view=None, **params):
    return rpc.call("Profiler.neighbors", **params, **({"view": view} if view else {}))


def tree_of(answer, side):
    """One of the two trees as rows with children."""
    flame = Flame({"health": {"samples": answer["function_samples"]}, "strings": answer["strings"],
                   "nodes": answer[side]["nodes"]})
    waits = OffCpuFlame({"strings": answer["strings"], "total_off_cpu": answer["function_off_cpu"], **answer[side]})
    waits.check()
    return flame.check()


def key_of(row):
    return row["name"], row["binary_name"], row["address"], row["inlined"]


def path_of(rows, row):
    path = []
    while row is not rows[0]:
        path.append(key_of(row))
        row = rows[row["parent"]]
    return tuple(path[::-1])


def weights_of(flame):
    """By path below the root: samples and waits, of the node and all below it."""
    return {path_of(flame.rows, row): (row["samples"], row["off_cpu_ns"]) for row in flame.rows}


def find(nested, *names):
    """A node of a nested tree by its way from the root; None: not there."""
    for name in names:
        nested = next((child for child in nested["children"] if child["function_name"] == name), None)
        if nested is None:
            return None
    return nested


def samples_at(nested, *names):
    node = find(nested, *names)
    return node["samples"] if node else 0


def walk(nested):
    yield nested
    for child in nested["children"]:
        yield from walk(child)


# ---- The same from stacks -------------------------------------------------------------------------------


def stacks_of_flame(flame):
    """(path from the outermost function on, samples, waits) of what ends there."""
    return [(path_of(flame.rows, row), row["self_samples"], row["self_off_cpu_ns"]) for row in flame.rows]


class Fold:
    """What the neighbours of one function are, stack by stack."""

    def __init__(self, stacks, function):
        self.callers, self.callees, self.ways = (collections.defaultdict(lambda: [0, 0]) for _ in range(3))
        self.own, self.recursive = [0, 0], [0, 0]
        self.function = function
        for path, *numbers in stacks:
            self.add(path, numbers)

    def add(self, path, numbers):
        places = [i for i, function in enumerate(path) if function == self.function]
        if not places:
            return
        outside, inside = path[:places[0]][::-1], path[places[-1] + 1:]
        for tree, way in ((self.callers, outside), (self.callees, inside)):
            for depth in range(len(way) + 1):
                self.sum(tree[way[:depth]], numbers)
        if not inside:
            self.sum(self.own, numbers)
        if len(places) > 1:
            self.sum(self.recursive, numbers)
            self.sum(self.ways[path[places[-2] + 1]], numbers)

    @staticmethod
    def sum(to, numbers):
        for i, number in enumerate(numbers):
            to[i] += number


def assert_is(answer, fold, mode):
    """The answer, uncut, is what the fold says, in what weighs: a flamegraph does not show what has nothing of
    it, so of the other kind the fold does not know all."""
    i = 0 if mode == "on_cpu" else 1
    for side, expected in (("callers_tree", fold.callers), ("callees_tree", fold.callees)):
        got = {path: numbers[i] for path, numbers in weights_of(tree_of(answer, side)).items()}
        assert got == {path: numbers[i] for path, numbers in expected.items() if numbers[i] > 0 or path == ()}, side
    assert (answer["own_samples"], total(answer["own_off_cpu"]))[i] == fold.own[i]
    assert (answer["function_samples"], total(answer["function_off_cpu"]))[i] == fold.callers[()][i]
    assert (answer["recursive_samples"], answer["recursive_off_cpu_ns"])[i] == fold.recursive[i]
    ways = {(way["function_name"], way["binary"], way["address"], way["inlined"]):
            (way["samples"], way["off_cpu_ns"])[i] for way in answer["recursion"]}
    assert ways == {way: numbers[i] for way, numbers in fold.ways.items() if numbers[i] > 0}


def check_all_functions(rpc, mode="on_cpu", view=None, at_most=40):
    """Every function (of the hottest) against the flamegraph, and against `top`. Returns how many."""
    more = {"view": view} if view else {}
    flame = Flame(rpc.call("Profiler.flamegraph", mode=mode, **more))
    stacks = stacks_of_flame(flame)
    top = rpc.call("Profiler.top", mode=mode, limit=at_most, sort="total", **more)
    n = 0
    for entry in top["entries"]:
        target = {"name": entry["function_name"]} if entry["inlined"] else {"address": entry["address"]}
        if target == {"address": "0x0"}:
            continue  # of the kernel, known by its name alone
        answer = ask(rpc, mode=mode, **target, **more)
        if answer["inlined"] != entry["inlined"]:
            assert answer["n_matches"] > 1  # the function itself is hotter than its inlined copy
            continue
        function = (entry["function_name"], entry["binary"], entry["address"], entry["inlined"])
        assert (answer["function_name"], answer["binary"], answer["base_address"], answer["inlined"]) == function
        assert_is(answer, Fold(stacks, function), mode)
        assert answer["own_samples"] == entry["self_samples"]
        assert answer["function_samples"] == entry["total_samples"]
        assert abs(answer["own_on_cpu_ns"] - entry["self_on_cpu_ns"]) <= 1
        assert abs(answer["function_on_cpu_ns"] - entry["total_on_cpu_ns"]) <= 1
        assert answer["own_off_cpu"] == entry["self_off_cpu"]
        assert answer["function_off_cpu"] == entry["total_off_cpu"]
        assert answer["own_off_cpu_intervals"] == entry["self_off_cpu_intervals"]
        assert answer["function_off_cpu_intervals"] == entry["total_off_cpu_intervals"]
        n += 1
    return n


# ---- The truth ------------------------------------------------------------------------------------------


@pytest.fixture
def tree(server, target):
    run = server.record([target("tree"), "800"], "-F", 3000)
    assert run.status == 0, run.result
    server.settle()
    return run


def everything(server, name, *options):
    """Uncut. Other functions that fit the name are told on stderr."""
    return server.ok("neighbors", name, "-d", 100, "--threshold-pct", 0, "--json", *options).json


def test_call_sites_are_merged(server, tree):
    truth = tree.truth
    answer = everything(server, "shared")
    n = answer["function_samples"]
    assert n == answer["callers_tree"]["samples"] == answer["callees_tree"]["samples"]
    callers = answer["callers_tree"]
    whole = truth.share("left/shared", "right/shared", "middle/shared")
    assert_share(n, answer["health"]["samples"], whole, "shared")
    for way, key in ((["left"], "left/shared"), (["right"], "right/shared"), (["middle"], "middle/shared"),
                     (["middle", "right"], "middle/shared"), (["left", "main"], "left/shared")):
        assert_share(samples_at(callers, *way), n, truth.share(key) / whole, " < ".join(["shared", *way]))
    assert sum(child["samples"] for child in callers["children"]) + callers["self_samples"] == n
    right = everything(server, "right")["callees_tree"]
    whole = truth.share("right/shared", "middle/shared")
    assert_share(samples_at(right, "shared"), right["samples"], truth.share("right/shared") / whole, "right > shared")
    assert_share(samples_at(right, "middle", "shared"), right["samples"], truth.share("middle/shared") / whole,
                 "right > middle > shared")


def test_callees_of_main_are_everything(server, tree):
    answer = everything(server, "main")
    flame = server.flame(view={"run": tree.id}).check()
    callees = answer["callees_tree"]
    assert callees["samples"] == flame.at("main") >= 0.98 * flame.samples
    for way in (["left"], ["right"], ["left", "shared"], ["right", "middle"], ["right", "middle", "shared"]):
        assert samples_at(callees, *way) == flame.at("main", *way), way
    callers = [node["function_name"] for node in walk(answer["callers_tree"])]
    assert callers[0] == "main" and "left" not in callers


def test_recursion(server, target):
    run = server.record([target("recursion"), "800"], "-F", 3000)
    server.settle()
    truth = run.truth
    answer = everything(server, "ping")
    n = answer["function_samples"]
    assert_share(n, answer["health"]["samples"], truth.share("ping/first", "ping/inner"), "ping")
    assert samples_at(answer["callers_tree"], "main") == n, "callers are those of the outermost call"
    assert not {"ping", "pong"} & {node["function_name"] for node in walk(answer["callers_tree"]["children"][0])}
    assert not any(node["function_name"] == "ping" for child in answer["callees_tree"]["children"]
                   for node in walk(child)), "below the innermost call there is no other"
    assert answer["callees_tree"]["self_samples"] == answer["own_samples"] >= 0.9 * n
    inner = truth["ping/inner"] / (truth["ping/first"] + truth["ping/inner"])
    assert_share(answer["recursive_samples"], n, inner, "ping in ping")
    assert answer["recursion"][0]["function_name"] == "pong"
    assert sum(way["samples"] for way in answer["recursion"]) == answer["recursive_samples"]
    direct = everything(server, "direct")
    assert samples_at(direct["callers_tree"], "main") == direct["function_samples"]
    assert [way["function_name"] for way in direct["recursion"]] == ["direct"]
    text = server.ok("neighbors", "ping").out
    assert re.search(r"recursion: \d+\.\d% of it, by way of pong \d+\.\d%$", text, re.M), text
    with server.rpc() as rpc:
        assert check_all_functions(rpc) > 5


def test_inlined_functions(server, target):
    run = server.record([target("inlining"), "800"], "-F", 3000)
    server.settle()
    answer = everything(server, "hot")
    assert answer["inlined"] and answer["base_address"] == "0x0"
    assert_share(answer["function_samples"], answer["health"]["samples"], run.truth.share("hot"), "hot")
    assert samples_at(answer["callers_tree"], "both", "step", "rounds", "main") == answer["function_samples"]
    assert find(answer["callers_tree"], "both")["inlined"] and not find(answer["callers_tree"], "both", "step")["inlined"]
    step = everything(server, "step")
    assert samples_at(step["callees_tree"], "both", "hot") == answer["function_samples"]
    physical = everything(server, "step", "--no-inline")
    assert find(physical["callees_tree"], "both") is None
    assert physical["own_samples"] > step["own_samples"]
    assert physical["function_samples"] == step["function_samples"]
    assert "hot (inlined" in server.ok("neighbors", "hot").out
    refused = server.stax("neighbors", "warm", "--no-inline")
    assert_refused(refused, "warm", "main")
    with server.rpc() as rpc:
        assert check_all_functions(rpc) > 8
        assert check_all_functions(rpc, view={"inline": False}) > 5


def test_cxx(server, target):
    server.record([target("cxx"), "500"])
    server.settle()
    with server.rpc() as rpc:
        assert check_all_functions(rpc) > 8
        by_part = ask(rpc, name="SQUARE::run")
        assert by_part["function_name"] == "work::Square::run(unsigned long)"


def test_views(server, target):
    server.record([target("threads64"), "20"])
    server.settle()
    with server.rpc() as rpc:
        thread = rpc.call("Profiler.threads")["threads"][3]
        end_ns = rpc.call("Profiler.total_on_cpu_ns")["health"]["end_ns"]
        hot = rpc.call("Profiler.top", limit=1)["entries"][0]
        assert check_all_functions(rpc, view={"tid": thread["tid"]}) > 3
        assert check_all_functions(rpc, view={"time_range": {"start_ns": end_ns // 4, "end_ns": end_ns // 2}}) > 3
        exclude = [{"function_name": hot["function_name"], "binary": hot["binary"]}]
        check_all_functions(rpc, view={"exclude_symbols": exclude})
        nothing = ask(rpc, address=hot["address"], view={"exclude_symbols": exclude})
        assert nothing["function_samples"] == 0 and len(nothing["callers_tree"]["nodes"]["parent"]) == 1
        other = next(t for t in rpc.call("Profiler.threads")["threads"] if t["tid"] != thread["tid"])
        by_tid = everything(server, "main", "--tid", other["tid"])
        assert by_tid["health"]["samples"] == other["samples"]


# ---- Waiting --------------------------------------------------------------------------------------------


def test_who_leads_to_the_waits(server, target):
    skip_unless(server, "off_cpu", "off_cpu_stacks")
    run = server.record([target("waits"), "-n", "40", "nap", "mutex", "pipe_read"])
    server.settle()
    with server.rpc() as rpc:
        assert check_all_functions(rpc, mode="off_cpu") > 10
        thread = next(t for t in rpc.call("Profiler.threads")["threads"] if t["name"] == "nap")
        slept = ask(rpc, name="nap_wait", mode="off_cpu", reason="sleep", view={"tid": thread["tid"]})
        in_nap = part(slept["function_off_cpu"], "sleep")
        assert in_nap == total(slept["function_off_cpu"]), "waits for nothing else"
        assert 0.95 * part(thread["off_cpu"], "sleep") <= in_nap <= part(thread["off_cpu"], "sleep")
        assert_blocked({**thread, "off_cpu": slept["function_off_cpu"]}, run.truth.waiting("nap"))
        assert slept["function_off_cpu_intervals"] >= 0.95 * run.truth.waiting("nap")["waits"]
        assert total(ask(rpc, name="nap_wait", mode="off_cpu", reason="ipc")["function_off_cpu"]) == 0
        waiting = max(rpc.call("Profiler.top", mode="off_cpu", reason="sleep", limit=5)["entries"],
                      key=lambda e: total(e["self_off_cpu"]))
    answer = everything(server, waiting["function_name"], "--reason", "sleep")
    names = [node["function_name"] for node in walk(answer["callers_tree"])]
    assert "nap_wait" in names or "nap" in names, names
    text = server.ok("neighbors", waiting["function_name"], "--reason", "sleep", "--callers").out
    assert "callers" in text and "callees" not in text and "blocked ms" in text, text
    assert re.search(r"^ *100\.0% .* \[sleep\] \d+ waits$", text, re.M) and text.count("[sleep]") == 1, text
    text = server.ok("neighbors", "nap_wait", "--off-cpu").out
    assert "sleep" in text and "waits" in text, text


# ---- TARGET ---------------------------------------------------------------------------------------------


def without_question(answer):
    return {key: value for key, value in answer.items()
            if key not in ("queried_address", "matches", "n_matches", "health")}


def test_addresses_of_other_answers(server, tree):
    by_name = server.json("neighbors", "left_own")
    top = next(e for e in server.json("top", "-n", 100)["entries"] if e["function_name"] == "left_own")
    flame = next(node for node in walk(server.json("flame", "-d", 100, "--threshold-pct", 0))
                 if node["function_name"] == "left_own")
    own = next(node for node in walk(everything(server, "main")["callees_tree"]) if node["function_name"] == "left_own")
    assert top["address"] == flame["address"] == own["address"] == by_name["base_address"]
    address = int(top["address"], 16)
    for target in (top["address"], f"0X{address:X}", f"0x{address + 3:x}", f"0x{address:016x}"):
        assert without_question(server.json("neighbors", target)) == without_question(by_name), target
    row = next(line for line in server.ok("top").out.splitlines() if " left_own " in line)
    assert row.split()[-1] == top["address"], "as text, too"
    row = next(line for line in server.ok("flame", "--addresses").out.splitlines() if " left_own" in line)
    assert row.split()[2] == top["address"]
    assert top["address"] not in server.ok("flame").out


def function_line(result):
    """The function that an answer is about, as text says it; before it there may be a line on the run's health."""
    return re.search(r"^(.*)  0x[0-9a-f]+\n  total ", result.out, re.M).group(1)


def test_several_match(server, tree):
    result = server.ok("neighbors", "LEF")
    assert function_line(result) == "left (tree)", "the hottest, by its total"
    assert len(result.err.splitlines()) == 1 and "left (tree)" in result.err and "left_own (tree) 0x" in result.err
    assert server.stax("neighbors", "left_own").err == "", "only one fits"
    as_json = server.stax("neighbors", "LEF", "--json")
    assert as_json.json["n_matches"] >= 2
    assert "left_own" in [match["function_name"] for match in as_json.json["matches"]]
    assert "left_own" in as_json.err
    whole = server.ok("neighbors", "left")
    assert function_line(whole) == "left (tree)" and "left_own" in whole.err


def test_none_matches(server, target, tree):
    assert_refused(server.stax("neighbors", "no such function"), "no such function", "shared", "main")
    assert_refused(server.stax("neighbors", "0x10"), "0x10", "no function is known")
    symbols = dict(reversed(line.split()[::2]) for line in subprocess.run(
        ["nm", target("tree")], capture_output=True, text=True, check=True).stdout.splitlines() if len(line.split()) == 3)
    main = next(e for e in server.json("top", "-n", 100)["entries"] if e["function_name"] == "main")
    bias = int(main["address"], 16) - int(symbols["main"], 16)
    never = f"{int(symbols['_fini'], 16) + bias:#x}"  # three instructions, once
    assert_refused(server.stax("neighbors", never), never, "on no stack")
    with server.rpc() as rpc:
        with pytest.raises(RpcError) as error:
            ask(rpc, name="no such function")
        assert error.value.kind == "not_found"


HOSTILE = [b"0x", b"0xg", b"0x" + b"f" * 40, b"%s%n%s", b"\x1b[31m", b"a\nb", b"'; --", b"{}", b"\xff\xfe", b"x" * 5000,
           "ü".encode() * 3, b"-1", b" ", b"[", b"*"]


def test_hostile_targets(server, tree):
    for text in HOSTILE:
        check_hostile(server, text)


def check_hostile(server, text):
    result = subprocess.run([server.stax_binary, "neighbors", "--", text], env=server.env, capture_output=True,
                            stdin=subprocess.DEVNULL, timeout=TIMEOUT, check=False)
    err = result.stderr.decode("utf-8", "replace")
    if result.returncode == 0:
        assert result.stdout  # " " and "[" may be part of a name
        return
    assert result.returncode == 1 and result.stdout == b""
    assert err.startswith("error: ") and err.count("\n") == 1, err
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", err), "control characters are not passed on"
    assert len(err) < 1000
    assert server.alive()


def test_bad_parameters(server, tree):
    with server.rpc() as rpc:
        for params in ({}, {"name": "left", "address": "0x10"}, {"name": 3}, {"address": "left"}, {"address": "0x"},
                       {"address": "0x" + "1" * 17}, {"name": "left", "max_depth": 0}, {"name": "left", "min_share": 2},
                       {"name": "left", "max_nodes": 0}, {"name": "left", "mode": "both"}, {"name": "x" * 70000}):
            with pytest.raises(RpcError) as error:
                ask(rpc, **params)
            assert error.value.kind == "invalid_params", params


def test_bad_options(server, tree):
    for args, needle in ((["left", "-d", "0"], "depth"), (["left", "--threshold-pct", "101"], "threshold"),
                         (["left", "--reason", "boredom"], "boredom"), ([], "neighbors"), (["left", "right"], "right")):
        result = server.stax("neighbors", *args)
        assert result.status == 1 and needle in result.err and result.out == "", result


# ---- What is shown --------------------------------------------------------------------------------------


def test_text(server, tree):
    both = server.ok("neighbors", "right").out
    callers = server.ok("neighbors", "right", "--callers").out
    callees = server.ok("neighbors", "right", "--callees").out
    lines = both.splitlines()
    assert re.search(r"^right \(tree\)  0x[0-9a-f]+\n  total .* of everything, .* samples\n  self ", both, re.M), both
    assert "callers" in lines and "callees" in lines
    assert "callers" in callers and "callees" not in callers.splitlines() and "middle" not in callers
    assert "callees" in callees and "callers" not in callees.splitlines() and "_start" not in callees
    shares = [float(m) for m in re.findall(r"^ *(\d+\.\d)% ", both, re.M)]
    assert shares.count(100.0) >= 2 and min(shares) >= 1.0, "shares are of the function"
    cut = server.ok("neighbors", "main", "-d", 1, "--callees").out
    assert re.search(r"right  \+ \d+ callees of \d+\.\d%", cut), cut
    assert re.search(r"left out: \d+ nodes", cut), cut
    cut = server.ok("neighbors", "shared", "-d", 1, "--callers").out
    assert re.search(r"middle  \+ 1 caller of \d+\.\d%", cut), cut


def test_json_is_nested(server, tree):
    answer = everything(server, "shared")
    assert "strings" not in answer and "nodes" not in answer["callers_tree"]
    for side in ("callers_tree", "callees_tree"):
        for node in walk(answer[side]):
            assert set("function_name binary address on_cpu_ns samples self_samples off_cpu children".split()) <= node.keys()
            below = sum(child["samples"] for child in node["children"])
            assert node["samples"] == node["self_samples"] + below + node["cut_samples"]
    assert "callees_tree" not in server.json("neighbors", "shared", "--callers")
    assert "callers_tree" not in server.json("neighbors", "shared", "--callees")


def test_cut_like_a_flamegraph(server, tree):
    with server.rpc() as rpc:
        whole = weights_of(tree_of(ask(rpc, name="shared"), "callers_tree"))
        for cut in ({"max_nodes": 3}, {"max_depth": 1}, {"min_share": 0.3}, {"max_nodes": 1}):
            rows = tree_of(ask(rpc, name="shared", **cut), "callers_tree")
            shown = weights_of(rows)
            assert all(whole[path] == numbers for path, numbers in shown.items())
            assert len(shown) <= cut.get("max_nodes", len(whole))
            assert all(len(path) <= cut.get("max_depth", 99) for path in shown)
            for row in rows.rows:
                path = path_of(rows.rows, row)
                below = [p for p in whole if p[:-1] == path and p]
                assert row["cut_children"] == sum(p not in shown for p in below)
                assert row["cut_samples"] == sum(whole[p][0] for p in below if p not in shown)


# ---- Saved, live ----------------------------------------------------------------------------------------


def test_a_saved_run_says_the_same(server, tree):
    path = server.file("saved")
    live = {name: everything(server, name) for name in ("shared", "main", "left_own")}
    server.ok("save", path)
    for name, answer in live.items():
        saved = everything(server, name, "--run", path)
        assert without_question(saved) == without_question(answer)
    server.stop()
    alone = everything(server, "shared", "--run", path)  # by a server of its own
    assert without_question(alone) == without_question(live["shared"])


def test_subscription(server, target):
    with server.live([target("forever")]) as live, server.rpc() as rpc:
        assert server.stax("wait", "--until-symbol", "main").status == 0
        subscription = rpc.subscribe("Profiler.neighbors", interval_ms=50, name="main")
        messages = [rpc.notification(subscription) for _ in range(4)]
        samples = [m["result"]["function_samples"] for m in messages]
        assert samples == sorted(samples) and samples[-1] > samples[0] > 0
        for message in messages:
            tree_of(message["result"], "callers_tree")
            tree_of(message["result"], "callees_tree")
        live.end()
        last = messages[-1]
        while not last["ended"]:
            last = rpc.notification(subscription)
        assert last["result"]["function_samples"] == ask(rpc, name="main")["function_samples"]


# ---- What perf says of the same samples -----------------------------------------------------------------


def stacks_of_perf(data):
    """(names from the outermost on, 1, 0) per sample; those that perf does not name, as one name."""
    stacks = []
    for block in re.split(r"\n\s*\n", script(data, "--no-inline", "-F", "comm,tid,ip,sym").strip()):
        _, *frames = block.splitlines()
        names = [re.sub(r"^\s*[0-9a-f]+ ", "", frame).strip() for frame in frames]
        if names:
            stacks.append((tuple(names[::-1]), 1, 0))
    return stacks


# Frame pointers, so that both have the same stacks; a program where all functions have names.
PROGRAMS = {
    "tree": lambda target: [target("tree"), "400"],
    "recursion": lambda target: [target("recursion"), "400"],
    "deep": lambda target: [target("chain")],
    "python": lambda target: [sys.executable, "-S", "-c", WORK],
}


@pytest.mark.needs(needs_program("perf"))
@pytest.mark.parametrize("program", PROGRAMS)
def test_direct_callers_are_those_of_perf(server, target, tmp_path, program):
    data = record(tmp_path, PROGRAMS[program](target), "-e", "cpu-clock", "--call-graph", "fp")
    server.json("import", data)
    server.settle()
    stacks = stacks_of_perf(data)
    checked = 0
    with server.rpc() as rpc:
        top = rpc.call("Profiler.top", limit=10000, sort="total", view={"inline": False})
        assert top["health"]["samples"] == len(stacks)
        ours = collections.Counter(entry["function_name"] for entry in top["entries"])
        functions = {name for path, *_ in stacks for name in path}
        for entry in top["entries"][:60]:
            name = entry["function_name"]
            fold = Fold(stacks, name)
            # Two of one name, or one that perf calls otherwise (symbols at the same address): not comparable.
            if ours[name] > 1 or name not in functions or fold.callers[()][0] != entry["total_samples"]:
                continue
            answer = ask(rpc, address=entry["address"], view={"inline": False}) if entry["address"] != "0x0" \
                else ask(rpc, name=name, view={"inline": False})
            if answer["function_name"] != name:
                continue
            assert answer["own_samples"] == fold.own[0]
            assert answer["recursive_samples"] == fold.recursive[0]
            for side, expected in (("callers_tree", fold.callers), ("callees_tree", fold.callees)):
                flame = tree_of(answer, side)
                got = collections.Counter()
                for row in flame.root["children"]:
                    got[row["name"]] += row["samples"]
                known = {path[0]: numbers[0] for path, numbers in expected.items()
                         if len(path) == 1 and path[0] in ours and ours[path[0]] == 1}
                for other, samples in known.items():
                    assert got[other] == samples, (side, name, other)
                assert sum(got.values()) + flame.root["self_samples"] == entry["total_samples"]
                checked += len(known)
    assert checked >= 10, "perf names too little to compare with"
