"""Samples by instruction: are they where the time goes, is none lost, and is what stands beside them what other
programs say?"""

import os
import re
import shutil
import subprocess

import pytest

from stax import RpcError, assert_refused, needs_program

DATA_NODE = os.path.join(os.path.dirname(__file__), "data", "hot.js")
FAST = 3000
DIVIDE = re.compile(r"(div|udiv) ")
LOAD = re.compile(r"(mov|ldr) .*\[")


@pytest.fixture
def recorded(server, target):
    run = server.record([target("annotated"), "300"], "-F", FAST)
    assert run.status == 0, run.result
    server.settle()
    return run


def annotated(server, **params):
    """The answer, with what holds for every one of them."""
    with server.rpc() as rpc:
        answer = rpc.call("Profiler.annotated", **params)
    return check(answer)


def check(answer):
    lines = answer["lines"]
    for field in ("self_samples", "self_on_cpu_ns"):
        cut = answer["cut_self_samples"] if field == "self_samples" else 0
        if field == "self_samples" or not answer["cut_self_samples"]:
            assert sum(line[field] for line in lines) + cut == answer[field], field
    for line in lines:
        assert line["self_samples"] <= line["total_samples"] <= answer["function_samples"], line
        assert line["self_on_cpu_ns"] <= line["total_on_cpu_ns"] <= answer["function_on_cpu_ns"], line
        assert line["total_off_cpu_ns"] <= answer["function_off_cpu_ns"], line
    assert len(lines) == min(answer["n_lines"] - answer["first_line"], max(len(lines), 1)) or not lines
    return answer


def address(line):
    return int(line["address"], 16)


def entry_of(server, name, *args):
    """The function in `top` of physical stacks."""
    return server.top("--no-inline", *args).one(name)


def agrees(answer, entry):
    assert answer["self_samples"] == entry["self_samples"]
    assert answer["function_samples"] == entry["total_samples"]
    # A stack's time is rounded to whole nanoseconds there, so that a tree adds up exactly: less than one for each stack.
    for ours, theirs, samples in (
        ("self_on_cpu_ns", "self_on_cpu_ns", "self_samples"),
        ("function_on_cpu_ns", "total_on_cpu_ns", "total_samples"),
    ):
        assert abs(answer[ours] - entry[theirs]) <= 1 + entry[samples], ours
    assert answer["base_address"] == entry["address"]


def one_index(lines, pattern):
    found = [i for i, line in enumerate(lines) if pattern.match(line["text"])]
    assert len(found) == 1, [line["text"] for line in lines]
    return found[0]


# ---- The hot instruction ---------------------------------------------------------------------------------


def test_a_division_is_hot(server, recorded):
    """Of the loop of divide_chain only the division takes time. A timer's interrupt is taken when the
    instruction in hand is done: at the division, or at the one behind it. These two have 80 % of the
    function's own samples or more, and at most one other instruction has more than either of them."""
    answer = annotated(server, name="divide_chain")
    lines = answer["lines"]
    at = one_index(lines, DIVIDE)
    assert answer["self_samples"] > 300
    hot = lines[at]["self_samples"] + lines[at + 1]["self_samples"]
    assert hot >= 0.8 * answer["self_samples"], [(x["text"], x["self_samples"]) for x in lines]
    assert lines[at]["source_header"]["text"].strip().startswith("x = (x / d)")


def test_a_load_that_misses_is_hot(server, recorded):
    """Likewise the load of chase, which waits for memory each time; of its loop there is one."""
    answer = annotated(server, name="chase")
    lines = answer["lines"]
    jump = max(i for i, line in enumerate(lines) if "target_address" in line)
    start = next(i for i, line in enumerate(lines) if line["address"] == lines[jump]["target_address"])
    at = start + one_index(lines[start:jump], LOAD)
    hot = lines[at]["self_samples"] + lines[at + 1]["self_samples"]
    assert hot >= 0.8 * answer["self_samples"] > 200, [(x["text"], x["self_samples"]) for x in lines]


# ---- Sums -----------------------------------------------------------------------------------------------


def test_sums_in_any_view(server, target):
    with server.live([target("shares"), "3", "1500"], "-F", FAST) as live:
        server.ok("wait", "--for-samples", 500)
        server.settle()
        name = "share_30"
        live_answer = annotated(server, name=name)
        assert live_answer["self_samples"] > 0
        threads = [t["tid"] for t in server.threads()["threads"] if t["name"].startswith("worker")]
        assert len(threads) == 3
        annotated(server, name=name, view={"tid": threads[0]})
        live.wait()
    server.settle()
    whole = annotated(server, name=name)
    agrees(whole, entry_of(server, name))
    parts = [annotated(server, name=name, view={"tid": tid}) for tid in threads]
    for part, tid in zip(parts, threads):
        agrees(part, entry_of(server, name, "--tid", tid))
    assert sum(part["self_samples"] for part in parts) == whole["self_samples"]
    for i, line in enumerate(whole["lines"]):
        assert sum(part["lines"][i]["self_samples"] for part in parts) == line["self_samples"]
    middle = 700_000_000
    halves = [annotated(server, name=name, view={"time_range": {"start_ns": a, "end_ns": b}})
              for a, b in ((0, middle), (middle, 2**62))]
    assert sum(half["self_samples"] for half in halves) == whole["self_samples"]
    assert all(half["self_samples"] > 0 for half in halves)
    excluded = annotated(server, name=name,
                         view={"exclude_symbols": [{"function_name": "rounds", "binary": "shares"}]})
    assert excluded["self_samples"] == 0 and len(excluded["lines"]) == len(whole["lines"])


def test_the_total_of_a_call_is_its_callees(server, recorded):
    """The return address belongs to the call before it."""
    thrice = annotated(server, name="thrice")
    calls = [line for line in thrice["lines"] if line.get("target_name") == "divide_chain"]
    assert len(calls) == 2, thrice["lines"]
    flame = server.flame(view={"inline": False}, min_share=0)
    below = flame.at("thrice", "divide_chain")
    in_interrupts = thrice["function_samples"] - thrice["self_samples"] - below
    assert below <= sum(line["total_samples"] for line in calls) <= below + in_interrupts
    first, second = (line["total_samples"] for line in calls)
    share = first / (first + second)
    assert abs(share - 0.75) < 0.1, (first, second)
    base = address({"address": thrice["base_address"]})
    assert all(address(line) > base for line in calls)


def test_recursion_counts_once(server, recorded):
    nested = annotated(server, name="nested")
    calls = {line["target_name"]: line for line in nested["lines"] if "target_name" in line}
    again = calls["nested"]
    assert again["total_samples"] >= 0.98 * nested["function_samples"] > 50
    assert calls["divide_chain"]["total_samples"] >= 0.9 * nested["function_samples"]


# ---- Which function ----------------------------------------------------------------------------------------


def test_by_name_and_by_any_address(server, recorded):
    whole = annotated(server, name="divide_chain")
    part = annotated(server, name="VIDE_CHAI")
    in_the_middle = annotated(server, address=whole["lines"][3]["address"])
    for other in (part, in_the_middle):
        assert other["lines"] == whole["lines"]
    assert in_the_middle["queried_address"] == whole["lines"][3]["address"]
    assert in_the_middle["base_address"] == whole["base_address"] == entry_of(server, "divide_chain")["address"]
    result = server.ok("annotate", "divide_chain")
    assert result.err == ""
    assert "divide_chain (annotated) at " + whole["base_address"] in result.out


def test_a_function_that_was_never_sampled(server, recorded, target):
    whole = annotated(server, name="divide_chain")
    symbols = symbols_of(target("annotated"))
    bias = address({"address": whole["base_address"]}) - symbols["divide_chain"]
    never = annotated(server, address=hex(symbols["_init"] + bias))
    assert never["function_name"] == "_init" and never["self_samples"] == 0
    assert never["n_lines"] > 0 and never["lines"][0]["address"] == never["base_address"]


def test_others_that_match_are_named(server, recorded):
    result = server.ok("annotate", "e")
    assert re.match(r"stax: annotating \S+ \(.*\), which has the most samples of \d+ that match: ", result.err)
    assert result.err.count("\n") == 1
    answer = annotated(server, name="e")
    assert answer["n_matches"] > 2
    for match in answer["matches"]:
        assert "e" in match["function_name"].lower()
        assert match["self_samples"] <= answer["matches"][0]["self_samples"]
    assert server.stax("annotate", "e", "--json").err == ""


def test_nothing_matches(server, recorded):
    assert_refused(server.stax("annotate", "no such name"), "no such name", "divide_chain")
    assert_refused(server.stax("annotate", "0x1"), "0x1")
    assert_refused(server.stax("annotate"), "TARGET")
    assert_refused(server.stax("annotate", "0x11111111111111111"), "64 bits")
    assert_refused(server.stax("annotate", "main", "--source", "--no-source"), "--no-source")
    assert_refused(server.stax("annotate", "main", "--source-path", "nothing"), "FROM=TO", "nothing")
    with server.rpc() as rpc:
        for params in ({}, {"name": "a", "address": "0x1"}, {"address": "12"}, {"address": "0x"},
                       {"address": "0xg"}, {"name": "a", "syntax": "masm"}, {"name": "a", "limit": 0}):
            with pytest.raises(RpcError) as error:
                rpc.call("Profiler.annotated", **params)
            assert error.value.kind == "invalid_params", params


# ---- Lines -------------------------------------------------------------------------------------------------


def symbols_of(path):
    out = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in out.splitlines())
    return {row[2]: int(row[0], 16) for row in rows if len(row) == 3}


def addr2line(path, addresses):
    """(file, line) by address; None where it is not known."""
    out = subprocess.run(["addr2line", "-e", path], input="\n".join(map(hex, addresses)),
                         capture_output=True, text=True, check=True).stdout.splitlines()
    places = []
    for line in out:
        file, _, number = line.partition(" (discriminator")[0].rpartition(":")
        places.append((os.path.normpath(file), int(number)) if number.isdigit() and number != "0" else None)
    return places


def llvm_symbolizer(path, addresses):
    program = shutil.which("llvm-symbolizer") or shutil.which("llvm-symbolizer-14")
    out = subprocess.run([program, "-e", path, "--no-inlines", "--functions=none", *map(hex, addresses)],
                         capture_output=True, text=True, check=True).stdout.split()
    places = []
    for line in out:
        file, number = line.rsplit(":", 2)[:2]
        places.append((os.path.normpath(file), int(number)) if number not in ("0", "?") else None)
    return places


def lines_of(answer):
    """(file, line) by instruction."""
    places = []
    place = None
    for line in answer["lines"]:
        if "source_header" in line:
            header = line["source_header"]
            place = (header["file"], header["line"]) if header["line"] else None
        places.append(place)
    return places


@pytest.mark.needs(needs_program("addr2line"))
def test_lines_are_those_of_others(server, recorded, target):
    path = target("annotated")
    symbols = symbols_of(path)
    seen = 0
    for name in ("divide_chain", "chase", "thrice", "nested", "mixed", "main"):
        answer = annotated(server, name=name)
        bias = address({"address": answer["base_address"]}) - symbols[name]
        addresses = [address(line) - bias for line in answer["lines"]]
        ours = lines_of(answer)
        assert any(ours), name
        assert ours == addr2line(path, addresses), name
        if shutil.which("llvm-symbolizer") or shutil.which("llvm-symbolizer-14"):
            assert ours == llvm_symbolizer(path, addresses), name
        seen += len(addresses)
    assert seen > 150


def test_texts_and_inlined_functions(server, recorded):
    answer = annotated(server, name="mixed")
    source = open(os.path.join(os.path.dirname(__file__), "../targets/annotated.c"), encoding="utf-8").read().split("\n")
    for line in answer["lines"]:
        header = line.get("source_header")
        if header and header["line"]:
            assert header["text"] == source[header["line"] - 1]
    chains = [[one["function_name"] for one in line["inlined"]] for line in answer["lines"] if "inlined" in line]
    assert ["scramble", "rotate"] in chains and ["scramble"] in chains and [] in chains
    text = server.ok("annotate", "mixed", "--all").out
    assert "(inlined from scramble at annotated.c:" in text and " > rotate at annotated.c:" in text
    assert "source_header" not in annotated(server, name="mixed", source=False)["lines"][0]
    bare = server.ok("annotate", "mixed", "--no-source", "--all").out
    assert "(no line is known)" not in bare and "sum -= " not in bare
    assert "\n(inlined from scramble at annotated.c:" in bare and "\n(not inlined)\n" in bare


def test_an_inlined_function_is_shown_where_it_is(server, recorded):
    answer = annotated(server, name="scramble")
    assert answer["function_name"] == "mixed" and not answer["inlined"]
    host = answer["inlined_host"]
    assert host["function_name"] == "scramble" and 0 < host["samples_here"] <= host["samples"]
    assert "scramble has no code of its own" in server.ok("annotate", "scramble").out


def test_sources_elsewhere(server, recorded, public_dir):
    folder = os.path.realpath(os.path.join(os.path.dirname(__file__), "../targets"))
    (public_dir / "annotated.c").write_text("\n".join(f"// elsewhere {i + 1}" for i in range(300)))
    recorded_name = annotated(server, name="chase")["lines"][0]["source_header"]["file"]
    out = server.ok("annotate", "chase", "--source-path", "/nowhere=/", "--source-path",
                    f"{os.path.dirname(recorded_name)}={public_dir}").out
    assert "// elsewhere " in out, (folder, out)


# ---- Text --------------------------------------------------------------------------------------------------


def test_text_has_all_hot_lines(server, recorded):
    answer = annotated(server, name="mixed")
    for options in ([], ["--all"]):
        out = server.ok("annotate", "mixed", *options).out
        rows = [line.split(None, 5) for line in out.splitlines() if re.match(r" +[0-9.]+ +[0-9.,]+ .* 0x", line)]
        shown = {row[4]: row for row in rows}
        assert all(len(row) == 6 for row in rows)
        for line in answer["lines"]:
            if line["total_samples"]:
                row = shown[line["address"]]
                samples = int(row[1].replace(",", "")) if row[1] != "." else 0
                assert samples == line["self_samples"] and row[5] == line["text"]
        elided = sum(int(n.replace(",", "")) for n in re.findall(r"^… ([0-9,]+) instructions? without", out, re.M))
        assert elided + len(rows) == answer["n_lines"]
        assert bool(elided) == (not options) or answer["n_lines"] == len(rows)
    assert "\x1b" not in out
    att = server.ok("annotate", "mixed", "--att").out
    if os.uname().machine == "x86_64":
        assert "%r" in att and "%r" not in out


def test_pages(server, recorded):
    whole = annotated(server, name="mixed")
    n = whole["n_lines"]
    pages = [annotated(server, name="mixed", first_line=i, limit=10) for i in range(0, n, 10)]
    rows = [line for page in pages for line in page["lines"]]
    assert [row["address"] for row in rows] == [line["address"] for line in whole["lines"]]
    for page in pages:  # each says where it begins
        assert page["n_lines"] == n and "source_header" in page["lines"][0]
    beyond = annotated(server, name="mixed", first_line=n + 5)
    assert beyond["lines"] == [] and beyond["cut_self_samples"] == whole["self_samples"]


# ---- Binaries ----------------------------------------------------------------------------------------------


def test_a_stripped_binary(server, target):
    server.record([target("shares_stripped"), "1", "400"], "-F", FAST)
    server.settle()
    hottest = server.top("--no-inline").entries[0]
    assert hottest["function_name"].startswith("shares_stripped+0x")
    answer = annotated(server, address=hottest["address"])
    agrees(answer, hottest)
    assert answer["origin"] in ("file", "run_file") and answer["lines"][0]["text"]


def test_odd_symbols(server, target):
    server.record([target("odd_symbols"), "300"], "-F", FAST)
    server.settle()
    for name in ("size_zero", "size_huge", "overlapped", "overlapping", "long_function"):
        answer = annotated(server, name=name, limit=50000)
        agrees(answer, entry_of(server, name))
        assert answer["self_samples"] > 50, name
        inside = sum(line["self_samples"] for line in answer["lines"] if line["text"])
        assert inside + answer["cut_self_samples"] == answer["self_samples"], name
    assert "4294967296" in annotated(server, name="size_huge", limit=10)["notes"][0]["text"]
    long_one = annotated(server, name="long_function", limit=50000)
    assert long_one["n_lines"] > 51200 and len(long_one["lines"]) == 50000
    tail = annotated(server, name="long_function", first_line=50000, limit=50000)
    assert len(tail["lines"]) == tail["n_lines"] - 50000
    here = sum(line["self_samples"] for line in tail["lines"])
    assert here == long_one["cut_self_samples"]
    assert "more instructions, with " in server.ok("annotate", "long_function").out


def test_a_file_that_was_changed(server, target, public_dir):
    """The code that ran is gone from its path: another build stands there. Its samples are kept."""
    path = shutil.copy(target("annotated"), public_dir / "program")
    with server.live([path, "100000"], "-F", FAST) as live:
        server.ok("wait", "--for-samples", 200)
        server.settle()
        replacement = shutil.copy(target("annotated_other"), public_dir / "other")
        os.rename(replacement, path)
        answer = annotated(server, name="divide_chain")
        assert answer["self_samples"] > 0
        assert answer["origin"] == "missing"
        assert [note["about"] for note in answer["notes"]] == ["code"], answer["notes"]
        assert all(line["self_samples"] > 0 and not line["text"] for line in answer["lines"])
        out = server.ok("annotate", "divide_chain").out
        assert "program is another file by now" in out and "(its code is not to be had)" in out
        live.kill()


def test_hostile_names(server, target):
    server.record([target("hostile")], "-F", FAST)
    server.settle()
    for entry in server.top("--no-inline").entries:
        if entry["binary"] != "hostile" or entry["address"] == "0x0":
            continue
        result = server.ok("annotate", entry["address"])
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", result.out), entry
        assert entry["self_samples"] == annotated(server, address=entry["address"])["self_samples"]


# ---- JIT, users, subscriptions -----------------------------------------------------------------------------


@pytest.mark.limit(120)
@pytest.mark.needs(needs_program("node"))
def test_a_function_of_v8(server, public_dir):
    server.record(["node", "--perf-prof", DATA_NODE, "1500"], "-F", FAST, cwd=public_dir)
    server.settle()
    entries = [e for e in server.top("--no-inline").entries if e["binary"] == "[jit]"]
    assert entries[0]["self_samples"] > 300, entries[:3]
    for entry in entries[:3]:
        answer = annotated(server, address=entry["address"])
        if answer["function_name"] != entry["function_name"]:
            continue  # another one had that address before
        agrees(answer, entry)
        assert answer["origin"] in ("jit", "run_file")
        assert len(answer["versions"]) >= 1
        assert sum(v["self_samples"] for v in answer["versions"]) <= answer["self_samples"]
        in_code = sum(line["self_samples"] for line in answer["lines"] if line["text"])
        assert in_code >= 0.95 * answer["self_samples"], (in_code, answer["self_samples"])


def test_without_privileges(user):
    user.record([user.stax_binary.parent / "shares", "1", "400"], "-F", FAST)
    user.settle()
    answer = annotated(user, name="share_50")
    agrees(answer, entry_of(user, "share_50"))
    assert answer["lines"][0]["text"]
    kernel = [e for e in user.top("--no-inline").entries if e["binary"] == "[kernel]"]
    assert not kernel or user.stax("annotate", kernel[0]["function_name"]).status == 0


def test_subscribers_get_numbers(server, target):
    """Lines come once; then only numbers, and applied to the lines they make the answer that a new question
    has."""
    with server.live([target("annotated"), "100000"], "-F", FAST) as live, server.rpc() as rpc:
        server.ok("wait", "--for-samples", 100)
        server.settle()
        subscription = rpc.subscribe("Profiler.annotated", name="divide_chain")
        lines = None
        with_changes = 0
        while with_changes < 4:
            result = rpc.notification(subscription)["result"]
            if "lines" in result:  # the first message; or more is known of the code
                lines = check(result)["lines"]
                continue
            table = result["changed"]
            with_changes += bool(table["row"])
            for i, row in enumerate(table["row"]):
                lines[row].update({key: column[i] for key, column in table.items() if key != "row"})
            check({**result, "lines": lines})
        live.end()
        last = {"ended": False}
        while not last["ended"]:
            last = rpc.notification(subscription)
            if "lines" in last["result"]:
                lines = last["result"]["lines"]
            for i, row in enumerate(last["result"].get("changed", {"row": []})["row"]):
                lines[row].update({key: column[i] for key, column in last["result"]["changed"].items()
                                   if key != "row"})
        final = annotated(server, name="divide_chain")
        numbers = [{key: line[key] for key in line if "samples" in key or key.endswith("_ns")} for line in lines]
        for line, ours in zip(final["lines"], numbers):
            assert ours == {key: line[key] for key in ours}
        assert len(lines) == len(final["lines"])
