"""Basic blocks: are they those that were written by hand, does their heat add up, and are switch tables those of
the compiler?"""

import os
import re
import shutil
import subprocess

import pytest

from stax import BUILD, REPO, RpcError, assert_refused, needs_program

FAST = 3000
TARGETS = os.path.join(REPO, "tests/targets")
SOURCE = os.path.join(TARGETS, "cfg_x86_64.S")
NOT_X86 = None if os.uname().machine == "x86_64" else "the functions written by hand are of x86-64"


@pytest.fixture
def recorded(server, target):
    if NOT_X86:
        pytest.skip(NOT_X86)
    run = server.record([target("cfg"), "300"], "-F", FAST)
    assert run.status == 0, run.result
    server.settle()
    return run


def cfg(server, **params):
    """The answer, with what holds for every one of them."""
    with server.rpc() as rpc:
        answer = rpc.call("Profiler.cfg", **params)
    return check(answer)


def check(answer):
    blocks, edges = answer["blocks"], answer["edges"]
    assert len(blocks) == answer["n_blocks"]
    for field, unplaced in (("self_samples", "unplaced_samples"), ("self_on_cpu_ns", "unplaced_on_cpu_ns")):
        assert sum(block[field] for block in blocks) + answer[unplaced] == answer[field], field
    for i, block in enumerate(blocks):
        assert block["id"] == i and block["n_instructions"] > 0
        assert address(block) < int(block["end_address"], 16)
        assert block["self_samples"] <= block["total_samples"] <= answer["function_samples"], block
        assert block["self_on_cpu_ns"] <= block["total_on_cpu_ns"] <= answer["function_on_cpu_ns"], block
    if not answer["versions"]:
        for before, block in zip(blocks, blocks[1:]):
            assert before["end_address"] == block["address"]
    keys = [(edge["from"], edge["to"], edge["kind"]) for edge in edges]
    assert len(set(keys)) == len(keys) and [key[:2] for key in keys] == sorted(key[:2] for key in keys)
    assert all(max(key[:2]) < len(blocks) for key in keys)
    return answer


def address(thing):
    return int(thing["address"], 16)


def symbols_of(path):
    out = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in out.splitlines())
    return {row[2]: int(row[0], 16) for row in rows if len(row) == 3}


# ---- The functions written by hand ---------------------------------------------------------------------------


def expectations():
    """Lines by function: what stands beside each in the assembler's input."""
    lines = {}
    for line in open(SOURCE, encoding="utf-8"):
        if line.startswith("//: function "):
            lines[line.split()[2]] = current = []
        elif line.startswith("//: "):
            current.append(line[4:].strip())
    return lines


def described(answer):
    lines = []
    for block in answer["blocks"]:
        edges = (f" B{edge['to']}:{edge['kind']}" for edge in answer["edges"] if edge["from"] == block["id"])
        lines.append(f"B{block['id']} {block['n_instructions']} {block['end']}" + "".join(edges))
    if answer["n_into_middle"]:
        lines.append(f"into the middle: {answer['n_into_middle']}")
    if answer["n_unknown"]:
        lines.append(f"unknown: {answer['n_unknown']}")
    return lines


def test_blocks_written_by_hand(server, recorded, target):
    symbols = symbols_of(target("cfg"))
    expected = expectations()
    assert len(expected) >= 10
    for name, lines in expected.items():
        answer = cfg(server, address=hex(symbols[name]))
        assert answer["function_name"] == name
        assert described(answer) == lines, name


def test_a_saved_run_says_the_same(server, target, public_dir):
    """Without the binary, tables of switches and all."""
    if NOT_X86:
        pytest.skip(NOT_X86)
    path = shutil.copy(target("cfg"), public_dir / "cfg")
    server.record([path, "600"], "-F", FAST)
    server.settle()
    saved = str(public_dir / "saved.stax")
    server.ok("save", saved)
    os.unlink(path)
    expected = expectations()
    seen = 0
    for entry in server.top("--no-inline", "--run", saved).entries:
        name = entry["function_name"]
        if name in expected:
            seen += 1
            answer = server.json("cfg", entry["address"], "--run", saved, "--json")
            assert answer["origin"] == "run_file"
            assert described(check(answer)) == expected[name], name
    assert seen >= 4, seen


def test_names_of_what_is_called(server, recorded, target):
    symbols = symbols_of(target("cfg"))
    tail = cfg(server, address=hex(symbols["cfg_tail_calls"]))
    assert [block["target_name"] for block in tail["blocks"]] == ["cfg_straight", "cfg_if_else"]
    never = cfg(server, address=hex(symbols["cfg_noreturn"]))
    assert [block.get("calls") for block in never["blocks"]] == [None, ["xalloc_die"], None, None, ["xalloc_die"]]


# ---- Heat ----------------------------------------------------------------------------------------------------


def test_heat_is_that_of_the_lines(server, recorded):
    answer = cfg(server, name="cfg_loop")
    with server.rpc() as rpc:
        lines = rpc.call("Profiler.annotated", name="cfg_loop")["lines"]
    assert answer["self_samples"] > 300 and answer["unplaced_samples"] == 0
    for block in answer["blocks"]:
        own = lines[block["first_line"]:block["first_line"] + block["n_instructions"]]
        assert own[0]["address"] == block["address"]
        for field in ("self_samples", "self_on_cpu_ns"):
            assert block[field] == sum(line[field] for line in own), block
    entry = server.top("--no-inline").one("cfg_loop")
    assert answer["self_samples"] == entry["self_samples"]
    loop = answer["blocks"][1]["self_samples"] + answer["blocks"][2]["self_samples"]
    assert loop >= 0.95 * answer["self_samples"]


def test_heat_of_a_thread_and_of_a_time(server, recorded):
    whole = cfg(server, name="cfg_loop")
    tid = server.threads()["threads"][0]["tid"]
    assert cfg(server, name="cfg_loop", view={"tid": tid})["blocks"] == whole["blocks"]
    parts = [cfg(server, name="cfg_loop", view={"time_range": {"start_ns": a, "end_ns": b}})
             for a, b in ((0, 150_000_000), (150_000_000, 2**62))]
    for i, block in enumerate(whole["blocks"]):
        assert sum(part["blocks"][i]["self_samples"] for part in parts) == block["self_samples"]


def test_source_lines_and_totals(server, target):
    """Of a program with debug information; its calls are hot below."""
    server.record([target("annotated"), "300"], "-F", FAST)
    server.settle()
    answer = cfg(server, name="thrice")
    calling = [block for block in answer["blocks"] if "divide_chain" in block.get("calls", [])]
    assert sum(block["total_samples"] for block in calling) >= 0.9 * answer["function_samples"] > 100
    assert answer["blocks"][0]["source_header"]["file"].endswith("annotated.c")
    source = open(os.path.join(TARGETS, "annotated.c"), encoding="utf-8").read().split("\n")
    for block in answer["blocks"]:
        header = block.get("source_header")
        assert header is None or header["text"] == source[header["line"] - 1]
    assert "annotated.c:" in server.ok("cfg", "thrice").out


def test_code_that_is_not_to_be_had(server, target, public_dir):
    """No block has its samples, and none is lost."""
    path = shutil.copy(target("annotated"), public_dir / "program")
    with server.live([path, "100000"], "-F", FAST) as live:
        server.ok("wait", "--for-samples", 200)
        server.settle()
        replacement = shutil.copy(target("annotated_other"), public_dir / "other")
        os.rename(replacement, path)
        answer = cfg(server, name="divide_chain")
        assert answer["origin"] == "missing" and answer["blocks"] == []
        assert answer["unplaced_samples"] == answer["self_samples"] > 0
        assert "samples are in no block" in server.ok("cfg", "divide_chain").out
        live.kill()


# ---- The command -----------------------------------------------------------------------------------------------


def test_text(server, recorded):
    out = server.ok("cfg", "cfg_loop").out
    answer = cfg(server, name="cfg_loop")
    rows = [line for line in out.splitlines() if re.search(r" B\d+ ", line) and " 0x" in line]
    assert len(rows) == len(answer["blocks"])
    for row, block in zip(rows, answer["blocks"]):
        assert f"{block['address']}-{block['end_address']}" in row
        samples = row.split()[1].replace(",", "")
        assert samples == (str(block["self_samples"]) if block["self_samples"] else ".")
    assert "B1 o" in rows[1] and "taken → B3, else → B2" in rows[1]
    assert "taken ↑ B1, else → B3" in rows[2] and "returns" in rows[3]
    assert "#" in rows[1] + rows[2] and "\x1b" not in out


def test_text_of_every_end(server, recorded, target):
    symbols = symbols_of(target("cfg"))
    for name, words in (("cfg_switch_relative", "switch → B2, → B3, → B4, → B5"),
                        ("cfg_tail_calls", "tail call to cfg_straight, else → B1"),
                        ("cfg_noreturn", "its last call never returns; calls xalloc_die"),
                        ("cfg_indirect", "jumps, nobody knows where to"),
                        ("cfg_indirect", "note: 1 jump leads nobody knows where to"),
                        ("cfg_middle", "note: 1 jump leads into the middle of an instruction"),
                        ("cfg_data", "stops")):
        assert words in server.ok("cfg", hex(symbols[name])).out, name


TOKEN = re.compile(r'\s+|"((?:[^"\\]|\\.)*)"|([A-Za-z_][A-Za-z_0-9]*|[0-9.]+)|(->|[{}\[\]=;,])', re.S)


def tokens(text):
    """Of DOT, as its grammar has them; a quoted string is a pair."""
    at = 0
    while at < len(text):
        match = TOKEN.match(text, at)
        assert match, text[at:at + 60]
        at = match.end()
        if match.group(1) is not None:
            yield ("text", match.group(1))
        elif match.group(2) or match.group(3):
            yield match.group(2) or match.group(3)


def read_attributes(stream, token):
    """Behind a `[`, up to the `]`."""
    found = {}
    assert token == "["
    while True:
        key, equals, value = next(stream), next(stream), next(stream)
        assert equals == "=", (key, equals)
        found[key] = value[1] if isinstance(value, tuple) else value
        token = next(stream)
        if token == "]":
            return found
        assert token == ","


def read_dot(text):
    """(nodes, edges) of what `--dot` prints."""
    stream = tokens(text)
    assert [next(stream) for _ in range(3)] == ["digraph", "cfg", "{"]
    nodes, edges = {}, []
    for token in stream:
        if token == "}":
            assert next(stream, None) is None
            return nodes, edges
        follows = next(stream)
        if follows == "=":
            assert token == "label" and isinstance(next(stream), tuple)
        elif follows == "->":
            other = next(stream)
            edges.append((token, other, read_attributes(stream, next(stream))))
        else:
            nodes[token] = read_attributes(stream, follows)
        assert next(stream) == ";"
    raise AssertionError("it has no end")


def check_dot(server, name):
    text = server.ok("cfg", name, "--dot").out
    nodes, edges = read_dot(text)
    style = nodes.pop("node")
    assert style["style"] == "filled"
    program = shutil.which("dot")
    if program:
        subprocess.run([program, "-Tplain"], input=text, text=True, check=True, capture_output=True)
    return nodes, edges


def test_dot(server, recorded):
    answer = cfg(server, name="cfg_loop")
    nodes, edges = check_dot(server, "cfg_loop")
    assert list(nodes) == [f"b{block['id']}" for block in answer["blocks"]]
    assert sorted((a, b) for a, b, _ in edges) == sorted((f"b{e['from']}", f"b{e['to']}") for e in answer["edges"])
    red = [float(node["fillcolor"].split()[1]) for node in nodes.values()]
    hottest = max(range(len(red)), key=lambda i: answer["blocks"][i]["self_samples"])
    assert red[hottest] == max(red) > 0.2 and red[3] <= 0.1
    assert answer["blocks"][1]["address"] in nodes["b1"]["label"]


def test_json(server, recorded):
    assert server.json("cfg", "cfg_loop", "--json")["blocks"] == cfg(server, name="cfg_loop")["blocks"]


def test_others_that_match_are_named(server, recorded):
    result = server.ok("cfg", "cfg_")
    assert re.match(r"stax: drawing cfg_loop \(cfg\), which has the most samples of \d+ that match: ", result.err)
    assert server.ok("cfg", "cfg_loop").err == ""


def test_nothing_matches(server, recorded):
    assert_refused(server.stax("cfg", "no such name"), "no such name", "cfg_loop")
    assert_refused(server.stax("cfg", "0x1"), "0x1")
    assert_refused(server.stax("cfg"), "TARGET")
    assert_refused(server.stax("cfg", "cfg_loop", "--dot", "--json"), "--dot")
    assert_refused(server.stax("cfg", "cfg_loop", "--tid", "0"), "--tid")
    with server.rpc() as rpc:
        for params in ({}, {"name": "a", "address": "0x1"}, {"address": "12"}, {"name": "a", "syntax": "masm"}):
            with pytest.raises(RpcError) as error:
                rpc.call("Profiler.cfg", **params)
            assert error.value.kind == "invalid_params", params


def test_hostile_names(server, target):
    server.record([target("hostile")], "-F", FAST)
    server.settle()
    seen = 0
    for entry in server.top("--no-inline").entries:
        if entry["binary"] != "hostile" or entry["address"] == "0x0":
            continue
        seen += 1
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", server.ok("cfg", entry["address"]).out), entry
        check_dot(server, entry["address"])
        assert entry["self_samples"] == cfg(server, address=entry["address"])["self_samples"]
    assert seen >= 5


# ---- Subscriptions ----------------------------------------------------------------------------------------------


def test_blocks_are_sent_once(server, target):
    """Then only numbers, and applied to the blocks they make a whole answer."""
    if NOT_X86:
        pytest.skip(NOT_X86)
    with server.live([target("cfg"), "100000"], "-F", FAST) as live, server.rpc() as rpc:
        server.ok("wait", "--for-samples", 300)
        server.settle()
        subscription = rpc.subscribe("Profiler.cfg", name="cfg_loop")
        graph = None
        with_changes = 0
        while with_changes < 4:
            result = rpc.notification(subscription)["result"]
            if "blocks" in result:  # the first message; or more is known of the code
                graph = {key: check(result)[key] for key in ("blocks", "edges")}
                continue
            assert "edges" not in result
            table = result["changed"]
            with_changes += bool(table["row"])
            for i, row in enumerate(table["row"]):
                graph["blocks"][row].update({key: column[i] for key, column in table.items() if key != "row"})
            check({**result, **graph})
        live.kill()


# ---- Switch tables, against the compiler -------------------------------------------------------------------------

COMPILERS = {
    "gcc": ("x86_64", ["gcc"], ["gcc"]),
    "gcc-cet": ("x86_64", ["gcc", "-fcf-protection"], ["gcc"]),
    "clang": ("x86_64", ["clang", "-fno-addrsig"], ["clang"]),
    "gcc-aarch64": ("aarch64", ["aarch64-linux-gnu-gcc"], ["aarch64-linux-gnu-gcc"]),
    "clang-aarch64": ("aarch64", ["clang", "--target=aarch64-linux-gnu", "-fno-addrsig"], ["aarch64-linux-gnu-gcc"]),
}
ENTRY = re.compile(r"\s+\.(byte|2byte|hword|short|long|word|quad|xword)\s+\(?\.L\w+")
LABEL = re.compile(r"(\.L\w+|[A-Za-z_]\w*):")


def tables_of_assembly(path):
    """How many entries the tables of the compiler have, sorted: one entry per line."""
    tables = []
    open_table = False
    for line in open(path, encoding="utf-8"):
        if LABEL.match(line):
            open_table = False
        elif ENTRY.match(line):
            if not open_table:
                tables.append(0)
            open_table = True
            tables[-1] += 1
        elif not line.strip().startswith((".p2align", ".align", ".cfi")):
            open_table = False
    return sorted(tables)


def loads_of(path):
    for line in subprocess.run(["readelf", "-lW", path], capture_output=True, text=True, check=True).stdout.splitlines():
        words = line.split()
        if words and words[0] == "LOAD":
            offset, addr, _, size = (int(word, 16) for word in words[1:5])
            yield f"map {addr:x} {offset:x} {size:x}"


def functions_of(path):
    found = {}
    for line in subprocess.run(["readelf", "-sW", path], capture_output=True, text=True, check=True).stdout.splitlines():
        words = line.split()
        if len(words) >= 8 and words[3] == "FUNC" and words[6] != "UND" and int(words[2], 0):
            found[int(words[1], 16)] = (int(words[2], 0), words[7])
    return [f"function {addr:x} {size:x} {name}" for addr, (size, name) in sorted(found.items())]


def tables_found(path, arch):
    """(entries of each table, sorted; functions with jumps that have none)"""
    program = os.path.join(BUILD, "src/disasm/print_blocks")
    lines = [*loads_of(path), *functions_of(path)]
    out = subprocess.run([program, arch, path], input="\n".join(lines) + "\n", capture_output=True, text=True,
                         check=True).stdout
    rows = [line.split() for line in out.splitlines() if not line.startswith("=")]
    tables = sorted(int(row[4]) for row in rows if row[2] == "table")
    return tables, [row[0] for row in rows if row[2] == "unknown"]


@pytest.mark.limit(120)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_switch_tables_are_those_of_the_compiler(tmp_path, compiler):
    """Each of them, with all of its entries, and no other; whatever the optimization."""
    arch, compile_, link = COMPILERS[compiler]
    for program in (compile_[0], link[0]):
        if needs_program(program):
            pytest.skip(needs_program(program))
    others = tmp_path / "others.c"
    others.write_text("int g; int a(int n) { return n; } int b(int n) { return n; } int c(int n) { return n; }\n"
                      "int d(int n) { return n; } int e(int n) { return n; } void stop(void) { for (;;) { } }\n")
    n_tables = 0
    for level in ("-O0", "-O1", "-O2", "-O3", "-Os"):
        for pie in (["-fPIE", "-pie"], ["-fno-pie", "-no-pie"]):
            assembly, binary = str(tmp_path / "switches.s"), str(tmp_path / "switches")
            subprocess.run([*compile_, level, pie[0], "-S", "-o", assembly, os.path.join(TARGETS, "switches.c")],
                           check=True)
            subprocess.run([*link, pie[1], "-o", binary, assembly, str(others)], check=True)
            expected = tables_of_assembly(assembly)
            found, unknown = tables_found(binary, arch)
            assert len(expected) >= 8, (level, pie)
            assert [name for name in unknown if name not in ("_start", "_dl_relocate_static_pie")] == [], (level, pie)
            assert found == expected, (level, pie)
            n_tables += len(found)
    assert n_tables > 100
