"""Functions that the compiler has inlined: do they get the time that they took, and are they where other
programs say that they are?"""

import os
import pathlib
import random
import shutil
import subprocess

import pytest

from stax import BUILD, PATIENCE, Top, assert_share

FAST = 3000
ADDRESSES = 5000


def entry(top, name, inlined):
    found = [e for e in top.find(name) if e["inlined"] == inlined]
    assert len(found) == 1, (name, inlined, [(e["function_name"], e["inlined"]) for e in top.entries])
    return found[0]


@pytest.fixture
def recorded(server, target):
    run = server.record([target("inlining"), "800"], "-F", FAST)
    assert run.status == 0, run.result
    return run


def test_inlined_functions_have_their_time(server, recorded):
    top = server.settled_top()
    truth = recorded.truth
    for name, inlined in (("hot", True), ("warm", True), ("shared", True), ("shared", False)):
        key = "shared (inlined)" if name == "shared" and inlined else name
        found = entry(top, name, inlined)
        assert_share(found["total_samples"], top.samples, truth.share(key), key)
        assert found["binary"] == "inlining" and found["is_main"] and found["language"] == "c"
        assert (found["address"] == "0x0") == inlined
    assert_share(entry(top, "both", True)["total_samples"], top.samples, truth.share("hot", "warm"), "both")
    chunk = entry(top, "spin_chunk", True)
    assert chunk["total_samples"] == chunk["self_samples"] or chunk["self_samples"] > 0.9 * top.samples
    assert chunk["total_samples"] > 0.9 * top.samples  # the rest is the loader's, and the kernel's
    flame = server.flame().check()
    assert flame.samples == top.samples
    assert_share(flame.at("rounds", "step", "both", "hot", "spin", "spin_chunk"), top.samples,
                 truth.share("hot"), "hot, by its path")
    assert_share(flame.at("step", "shared"), top.samples, truth.share("shared", "shared (inlined)"), "shared")
    both = {row["inlined"] for row in flame._at(("step", "shared"))}
    assert both == {True, False}, "the function, and its inlined copy"
    assert {row["inlined"] for row in flame._at(("step", "both", "hot"))} == {True}
    assert {row["inlined"] for row in flame._at(("rounds", "step"))} == {False}


def test_no_inline_is_the_physical_stack(server, recorded):
    top = server.settled_top()
    physical = server.settled_top("--no-inline")
    assert not any(e["inlined"] for e in physical.entries)
    assert any(e["inlined"] for e in top.entries)
    assert physical.samples == top.samples
    assert physical.answer["total_on_cpu_ns"] == top.answer["total_on_cpu_ns"]
    # What is inlined into a function, and its own, is the function's.
    step = entry(physical, "step", False)
    inlined_in_step = recorded.truth.share("hot", "warm", "shared (inlined)")
    assert_share(step["self_samples"], top.samples, inlined_in_step, "step")
    for name in ("step", "rounds", "main", "shared"):
        assert entry(physical, name, False)["total_samples"] == entry(top, name, False)["total_samples"], name
    flame = server.flame(view={"inline": False}).check()
    assert flame.samples == top.samples and not any(row["inlined"] for row in flame.rows)
    assert flame.at("step") == step["total_samples"]


def test_text_marks_them(server, recorded):
    server.settle()
    for command in (["top", "--sort", "total"], ["flame"]):
        assert "hot (inlined)" in server.ok(*command).out
        assert "(inlined)" not in server.ok(*command, "--no-inline").out
        assert '"inlined":true' in server.ok(*command, "--json").out
        assert '"inlined":true' not in server.ok(*command, "--json", "--no-inline").out


def test_views_exclude_them(server, recorded):
    top = server.settled_top()
    hot = entry(top, "hot", True)["total_samples"]
    exclude = [{"function_name": "hot"}]
    with server.rpc() as rpc:
        without = rpc.call("Profiler.top", limit=1000, view={"exclude_symbols": exclude})
        assert without["health"]["samples"] == top.samples - hot
        physical = rpc.call("Profiler.top", limit=1000, view={"exclude_symbols": exclude, "inline": False})
        assert physical["health"]["samples"] == top.samples
        again = rpc.call("Profiler.top", limit=1000, view={"exclude_symbols": exclude})
        assert Top(again).samples == top.samples - hot


def test_a_symbol_to_wait_for_may_be_inlined(server, target):
    with server.live([target("inlining"), "60000"], "-F", FAST) as live:
        seen = server.stax("wait", "--until-symbol", "warm", "--timeout-ms", PATIENCE * 1000)
        assert seen.status == 0, seen
        live.end()


# ---- Where others say that they are -----------------------------------------------------------------------


def code_of(path):
    """Where the code is: (address, size) of .text."""
    listing = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        words = line.replace("[ ", "[").split()
        if len(words) > 5 and words[1] == ".text":
            return int(words[3], 16), int(words[5], 16)
    raise AssertionError(f"{path} has no .text")


def llvm_chains(path, addresses):
    """Per address: (linker's name, file name:line of the call), innermost first."""
    out = subprocess.run(["llvm-symbolizer", "--inlines", "--no-demangle", f"--obj={path}"], input=addresses,
                         capture_output=True, text=True, check=True).stdout
    for block in out.split("\n\n"):
        lines = block.splitlines()
        names, places = lines[0::2], [os.path.basename(place).rsplit(":", 1)[0] for place in lines[1::2]]
        if names:  # the call of a function stands where its caller is
            yield list(zip(names[:-1], places[1:]))


def own_chains(path, addresses):
    out = subprocess.run([BUILD / "src/image/print_inlines", path], input=addresses, capture_output=True,
                         text=True, check=True).stdout
    chain = []
    for line in out.splitlines():
        if line:
            name, place = line.rsplit(" ", 1)
            chain.append((name, os.path.basename(place)))
        else:
            yield chain
            chain = []


def debug_file_of_libc():
    libc = next(pathlib.Path("/usr/lib").glob("*-linux-gnu/libc.so.6"))
    notes = subprocess.run(["readelf", "-n", libc], capture_output=True, text=True, check=True).stdout
    build_id = notes.split("Build ID: ")[1].split()[0]
    return pathlib.Path(f"/usr/lib/debug/.build-id/{build_id[:2]}/{build_id[2:]}.debug")


@pytest.fixture(scope="session")
def large_program(tmp_path_factory):
    """Of C++ with templates and lambdas, as g++ and clang++ make them."""
    def make(compiler, *flags):
        out = tmp_path_factory.mktemp("cxx") / compiler
        source = pathlib.Path(__file__).parents[1] / "targets/inlining_cxx.cc"
        subprocess.run([compiler, "-std=c++17", "-O2", "-g", *flags, "-o", out, source], check=True)
        return out
    return make


@pytest.mark.parametrize("name", ["libc", "inlining", "g++", "g++ dwarf 4", "clang++"])
def test_chains_are_those_of_llvm(name, target, large_program):
    if shutil.which("llvm-symbolizer") is None:
        pytest.skip("no llvm-symbolizer here (package llvm)")
    if name == "libc":
        path = debug_file_of_libc()
        if not path.exists():
            pytest.skip("no debug file of libc here (package libc6-dbg)")
    elif name == "inlining":
        path = target("inlining")
    else:
        compiler, *dwarf = name.split(maxsplit=1)
        path = large_program(compiler, *(["-gdwarf-4"] if dwarf else []))
    start, size = code_of(path)
    draw = random.Random(size)
    addresses = "".join(f"{start + draw.randrange(size):#x}\n" for _ in range(ADDRESSES))
    theirs, ours = list(llvm_chains(path, addresses)), list(own_chains(path, addresses))
    assert len(ours) == len(theirs) == ADDRESSES
    assert sum(len(chain) for chain in theirs) > ADDRESSES / 10, "a test of nothing"
    wrong = [(a, t, o) for a, t, o in zip(addresses.split(), theirs, ours) if t != o]
    assert not wrong, f"{len(wrong)} of {ADDRESSES}: {wrong[:3]}"
