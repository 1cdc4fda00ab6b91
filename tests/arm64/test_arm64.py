"""The whole program on AArch64: cross-built, and run in a virtual machine with a kernel of its own, once for all of these
tests (guest.sh). What is judged here is what it left: the same checks as in tests/e2e/test_unwind.py, in small.

The machine is emulated instruction by instruction, at 2 ns of its own time each: slow, but how slow the real one is at that
moment hardly changes what is measured inside. What its disk and its interrupts do is chance, as elsewhere: a test that is
tried again judges another machine.

`script/test arm64` builds what is needed and sets STAX_ARM64_BUILD, STAX_ARM64_SYSROOT and STAX_VM_ARM64."""

import collections
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from stax import Truth  # noqa: E402
from unwinding import Expected, in_short, is_truncated, share_that_fits  # noqa: E402

BUILD = pathlib.Path(os.environ.get("STAX_ARM64_BUILD", ""))
SYSROOT = pathlib.Path(os.environ.get("STAX_ARM64_SYSROOT", ""))
MACHINE = os.environ.get("STAX_VM_ARM64", "")
pytestmark = pytest.mark.skipif(not MACHINE, reason="script/test arm64 runs these")

MACHINE_LIMIT_S = 600  # for a busy machine; a quiet one needs a quarter of it
CROSS = "aarch64-linux-gnu-"
TARGETS = ["unwind", "unwind_signed", "unwind_static", "unwind_static_pie", "unwind_cxx", "libunwind_plug.so", "tree"]
# Of the guest's own system.
GUEST_LIBRARIES = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libgcc_s.so.1",
                   "libstdc++.so.6", "ld-linux-aarch64.so.1"}
UNITS = [line for line in (HERE / "units.txt").read_text().splitlines() if not line.startswith("#")]

MS = 200
# Of the samples after a program's start. Nearly 200 in all, so one or two are where it tells the truth at its end.
WHOLE = 0.98
# Of a program: the files of its libraries are found first. Some 5 %; on a machine that has other things to do, the
# emulated processors lose more of their time there.
START = 0.12

COMPLETE = [
    "plain", "tail", "mutual", "alloca", "aligned", "qsort", "bsearch", "once", "stub", "vdso", "plugin", "signal", "raise",
    "coroutine", "thread", "clone", "fault", "asm_cfi", "asm_fp", "asm_link", "made_fp",
]
TRUNCATED = ["big_100", "untouched", "signal_far", "asm_bare", "asm_decoy", "asm_leaf", "asm_zero", "made_bare"]
DEEP = ["big_12"]
ENDS = ["nap", "mutex", "pipe"]
OTHERS = [("unwind_signed", "plain"), ("unwind_signed", "qsort"), ("unwind_signed", "signal"),
          ("unwind_static", "qsort"), ("unwind_static_pie", "thread"), ("unwind_cxx", "virtual"),
          ("unwind_cxx", "cleanup")]
# Where some stacks can't be known: registers are just being exchanged for others.
UNCERTAIN = [("unwind", "longjmp"), ("unwind_cxx", "throw")]

# Name, options of `record`, command.
PLAN = [
    *((f"unwind-{kind}", "-F 1000", f"./unwind {kind} {MS}") for kind in COMPLETE + TRUNCATED),
    # Not often: the recorder is slow here, too, and is to see that copies are too short before all is over.
    *((f"unwind-{kind}", "-F 250", f"./unwind {kind} {10 * MS}") for kind in DEEP),
    *((f"{program}-{kind}", "-F 1000", f"./{program} {kind} {MS}") for program, kind in OTHERS + UNCERTAIN),
    *((f"wait-{end}", "-F 1000", f"./unwind plain {MS} {end}") for end in ENDS),
    ("without", "-F 1000 --no-dwarf-unwind", f"./unwind plain {MS}"),
    ("without-tree", "-F 1000 --no-dwarf-unwind", f"./tree {MS}"),
]


# ---- The machine -------------------------------------------------------------------------------------------


def needed_libraries(files):
    """The libraries that these files need, and that those need, but those of the guest's own system."""
    found, todo = {}, list(files)
    while todo:
        said = subprocess.run([CROSS + "readelf", "-d", todo.pop()], stdout=subprocess.PIPE, text=True, check=True).stdout
        for name in re.findall(r"\(NEEDED\).*\[(.*)\]", said):
            if name in found or name in GUEST_LIBRARIES:
                continue
            places = [SYSROOT / "usr/lib/aarch64-linux-gnu" / name, *BUILD.glob(f"src/**/{name}")]
            found[name] = next((place for place in places if place.exists()), None)
            assert found[name], f"no {name}, which is needed"
            todo.append(found[name])
    return found.values()


def fill(share):
    """The folder that the machine gets: programs, libraries, what to do."""
    made = subprocess.run(
        ["make", "-s", "-j2", "-C", HERE.parent / "targets", f"OUT={BUILD / 'targets'}", f"CC={CROSS}gcc", f"CXX={CROSS}g++",
         f"OBJCOPY={CROSS}objcopy", *(BUILD / "targets" / name for name in TARGETS)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert made.returncode == 0, f"the targets do not build:\n{made.stdout}"
    folders = {
        "bin": [BUILD / "src/cli/stax", BUILD / "src/server/stax-server"],
        "unit": [BUILD / name for name in UNITS],
        "targets": [BUILD / "targets" / name for name in TARGETS],
    }
    folders["lib"] = needed_libraries(folders["bin"] + folders["unit"])
    for name, files in folders.items():
        (share / name).mkdir()
        for file in files:
            shutil.copy(file, share / name)
    (share / "out").mkdir()
    (share / "plan").write_text("".join(f"{name}|{options}|{command}\n" for name, options, command in PLAN))
    shutil.copy(HERE / "guest.sh", share)


def run_machine(share):
    """What a machine left in its folder `out`. A CPU model with everything that there is, signed addresses and scalable
    vectors included."""
    fill(share)
    console = share / "console"
    ran = subprocess.run([MACHINE, "--cpu", "max", "--timeout", str(MACHINE_LIMIT_S), "--console", console, "--share", share,
                          "--", "bash /share/guest.sh"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    tail = "\n".join(console.read_text(errors="replace").splitlines()[-20:]) if console.exists() else ""
    why = f"longer than {MACHINE_LIMIT_S} s" if ran.returncode == 124 else f"status {ran.returncode}"
    assert ran.returncode == 0, f"the machine: {why}\n{ran.stdout}\n--- its console\n{tail}"
    return share / "out"


@pytest.fixture(scope="session")
def machine_of(tmp_path_factory):
    """What the machine of an attempt left; as a rule there is one. One that did not run is not started by every test."""
    @functools.cache
    def run(_attempt):
        try:
            return run_machine(tmp_path_factory.mktemp("arm64")), ""
        except AssertionError as error:
            return None, str(error)
    return run


@pytest.fixture
def out(machine_of, request):
    left, why_not = machine_of(request.node.attempt)
    if left is None:
        pytest.fail(why_not, pytrace=False)
    return left


class Recording:
    """One line of the plan, and what came of it."""

    def __init__(self, out, name):
        command = next(command for known, _, command in PLAN if known == name)
        said = (out / f"{name}.record.err").read_text() + (out / f"{name}.record").read_text()
        assert (out / f"{name}.record.status").read_text() == "0\n", said
        self.truth = Truth(out / f"{name}.truth")
        assert self.truth.lines, f"no truth: {said}"
        self.answer = self._json(out / f"{name}.flame")
        self.waits = self._json(out / f"{name}.waits")
        if "stack" in self.truth.lines[0]:
            self.expected = Expected(command.split()[0], self.truth)
        self.health = self.answer["health"]
        self.all = collections.Counter()
        todo = [(self.answer, ())]
        while todo:
            node, path = todo.pop()
            assert node["cut_samples"] == 0, f"{node['function_name']} is cut"
            self.all[path] += node["self_samples"]
            todo += [(child, path + ((child["function_name"], child["binary"]),)) for child in node["children"]]
        self.all = +self.all
        assert sum(self.all.values()) == self.health["samples"] > 0

    @staticmethod
    def _json(path):
        status = pathlib.Path(f"{path}.status").read_text()
        assert status == "0\n", pathlib.Path(f"{path}.err").read_text()
        return json.loads(path.read_text())

    def stacks(self):
        """Those after the program's start, which are all but a few."""
        started = {stack: n for stack, n in self.all.items() if not is_start(stack)}
        n_start = self.health["samples"] - sum(started.values())
        assert n_start <= START * self.health["samples"] + 2, f"{n_start} of {self.health['samples']} before it began"
        return collections.Counter(started)

    def check_counts(self):
        """`health` counts exactly those stacks that say of themselves that they lack callers."""
        marked = sum(n for stack, n in self.all.items() if is_truncated(stack))
        assert self.health["truncated_samples"] == marked == sum(self.health["truncated"].values()), self.health
        assert self.health["lost_samples"] == self.health["lost_records"] == 0

    def check(self):
        """Its stacks are what the target says."""
        self.check_counts()
        stacks = self.stacks()
        assert sum(stacks.values()) > 0.4 * MS
        share, wrong = share_that_fits(self.expected, stacks)
        assert share >= WHOLE, f"{100 * share:.1f} % of {sum(stacks.values())} are right, not:\n{in_short(wrong)}"
        return stacks


def is_start(stack):
    """Of the kernel or the loader before `main`; or code is still being made, which takes an emulated machine a while."""
    binaries = {binary for _, binary in stack}
    names = [name for name, _ in stack]
    if "made" in names and any("mprotect" in name for name in names):
        return True
    own = ("main", "_start") if "ld-linux-aarch64.so.1" not in binaries else ("main",)
    return not any(name in own for name, _ in stack) and (
        "ld-linux-aarch64.so.1" in binaries or all(binary.startswith("[") for binary in binaries))


def pairs(stacks):
    """How often one function has called another."""
    found = collections.Counter()
    for stack, n in stacks.items():
        for (caller, _), (callee, _) in zip(stack, stack[1:]):
            found[caller, callee] += n
    return found


# ---- The program itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS)
def test_unit(out, unit):
    said = (out / unit).read_text(errors="replace") + (out / f"{unit}.err").read_text(errors="replace")
    assert (out / f"{unit}.status").read_text() == "0\n", said[-4000:]


def test_the_server_ends_well(out):
    assert (out / "server.status").read_text() == "0\n", (out / "server.err").read_text()
    assert "error" not in (out / "server.err").read_text()


# ---- Stacks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", COMPLETE + TRUNCATED)
def test_each_kind(out, kind):
    recording = Recording(out, f"unwind-{kind}")
    stacks = recording.check()
    of_reason = sum(recording.health["truncated"][reason] for reason in recording.expected.reasons)
    assert not recording.expected.reasons or of_reason >= WHOLE * sum(stacks.values()), recording.health


@pytest.mark.parametrize("program, kind", OTHERS)
def test_other_programs(out, program, kind):
    Recording(out, f"{program}-{kind}").check()


@pytest.mark.parametrize("program, kind", UNCERTAIN)
def test_nothing_is_wrong_silently(out, program, kind):
    recording = Recording(out, f"{program}-{kind}")
    recording.check_counts()
    stacks = recording.stacks()
    marked = sum(n for stack, n in stacks.items() if is_truncated(stack))
    assert marked <= 0.25 * sum(stacks.values()), in_short(stacks)
    whole = {stack: n for stack, n in stacks.items() if not is_truncated(stack)}
    share, wrong = share_that_fits(recording.expected, whole)
    assert share >= WHOLE, in_short(wrong)


@pytest.mark.parametrize("kind", DEEP)
def test_longer_copies_of_deep_stacks(out, kind):
    """The first copies are too short, and say so; longer ones are taken then."""
    recording = Recording(out, f"unwind-{kind}")
    recording.check_counts()
    stacks = recording.stacks()
    share, wrong = share_that_fits(recording.expected, stacks)
    assert share >= 0.2, in_short(wrong)
    short = recording.health["truncated"]["copy_too_short"]
    assert 0 < short < recording.health["samples"], recording.health
    silent = {stack: n for stack, n in wrong.items() if not is_truncated(stack)}
    assert sum(silent.values()) <= (1 - WHOLE) * sum(stacks.values()), in_short(silent)


def test_stubs_have_callers(out):
    """Linkers write no rules for them on AArch64: they return by x30."""
    stacks = Recording(out, "unwind-stub").stacks()
    assert pairs(stacks)["crosses", "isalpha@plt"] >= 0.02 * sum(stacks.values()), in_short(stacks)


def test_the_vdso_has_callers(out):
    """The kernel writes no rules for it."""
    found = pairs(Recording(out, "unwind-vdso").stacks())
    assert found["clock_gettime", "__kernel_clock_gettime"] > 20, found
    assert found["reads_clock", "__kernel_clock_gettime"] <= 1, found


def test_where_handlers_return_to_has_a_name(out):
    found = pairs(Recording(out, "unwind-signal").stacks())
    assert found["interrupted", "__kernel_rt_sigreturn"] == found["__kernel_rt_sigreturn", "handles"] > 0.4 * MS, found


def test_addresses_were_signed(out):
    """Or else the tests with signed return addresses would show nothing."""
    assert re.search(r"^Features\b.*\bpaca\b", (out / "cpuinfo").read_text(), re.M)
    assert bytes.fromhex("3f2303d5") in (BUILD / "targets/unwind_signed").read_bytes(), "no paciasp in it"


# ---- Waits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ENDS)
def test_each_wait(out, end):
    recording = Recording(out, f"wait-{end}")
    expected = recording.expected
    entries = [entry for entry in recording.waits["entries"] if entry["stack"]]
    stacks = collections.Counter(
        tuple((frame["function_name"], frame["binary"]) for frame in reversed(entry["stack"])) for entry in entries)
    stacks = collections.Counter({stack: n for stack, n in stacks.items() if not is_start(stack)})
    assert sum(stacks.values()) >= 0.8 * expected.waits > 40, (stacks, expected.waits)
    _, wrong = share_that_fits(expected, stacks)
    assert sum(wrong.values()) <= 3, f"{sum(wrong.values())} of {sum(stacks.values())}:\n{in_short(wrong)}"


# ---- Turned off --------------------------------------------------------------------------------------------


def test_frame_pointers_only(out):
    recording = Recording(out, "without")
    stacks = recording.stacks()
    share, _ = share_that_fits(recording.expected, stacks)
    assert share <= 0.01, f"whole without unwinding? {in_short(stacks)}"
    assert recording.health["truncated_samples"] == 0, "frame pointers can't tell what is missing"
    innermost = sum(n for stack, n in stacks.items() if "spin_end" in recording.expected.own(stack))
    assert innermost >= WHOLE * sum(stacks.values()), in_short(stacks)


def test_frame_pointers_of_a_program_that_keeps_them(out):
    stacks = Recording(out, "without-tree").stacks()
    wrong = {stack: n for stack, n in stacks.items() if ("main", "tree") not in stack}
    assert sum(wrong.values()) <= (1 - WHOLE) * sum(stacks.values()), in_short(wrong)
