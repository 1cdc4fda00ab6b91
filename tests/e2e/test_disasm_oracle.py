"""Instructions: does objdump see the same ones, in the same places, by the same names? And does an
assembler read what we write?

Functions are those of .eh_frame, which stripped binaries have as well. In each, from its first byte on,
the beginnings of instructions are compared one by one. Where the two differ, it must be in a way that is
listed here, with the reason.

A binary with much code is looked at in stretches that are drawn by chance; STAX_WHOLE=1 looks at all.
"""

import bisect
import collections
import importlib
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys

import pytest

from stax import BUILD

SWEEP = BUILD / "src" / "disasm" / "print_sweep"
SMALLEST = 16  # bytes of a function
STRETCH = 400_000  # bytes that objdump is asked for at a time
STRETCHES = 8  # of a binary
SEED = 6


# ---- Functions -------------------------------------------------------------------------------------------


class Elf:
    """The functions of a 64-bit little-endian file, by its .eh_frame_hdr (LSB 5.0, section 10.6)."""

    def __init__(self, path):
        self.path = path
        self.data = pathlib.Path(path).read_bytes()
        (at,) = struct.unpack_from("<Q", self.data, 32)
        size, n = struct.unpack_from("<HH", self.data, 54)
        headers = [struct.unpack_from("<IIQQQQ", self.data, at + i * size) for i in range(n)]
        self.loads = [(va, offset, filesz) for kind, _, offset, va, _, filesz in headers if kind == 1]
        self.frames = next(va for kind, _, _, va, *_ in headers if kind == 0x6474E550)

    def offset(self, addr):
        return next(addr - va + offset for va, offset, n in self.loads if va <= addr < va + n)

    def functions(self):
        """[(address, bytes)] by address, none twice."""
        at = self.offset(self.frames)
        assert self.data[at : at + 4] == b"\x01\x1b\x03\x3b", "a table as all linkers write it"
        (n,) = struct.unpack_from("<I", self.data, at + 8)
        found = {}
        for i in range(n):
            start, fde = struct.unpack_from("<ii", self.data, at + 12 + 8 * i)
            (size,) = struct.unpack_from("<I", self.data, self.offset(self.frames + fde) + 12)
            if size >= SMALLEST:
                found[self.frames + start] = size
        return sorted(found.items())

    def stretches(self):
        """Lists of functions that lie close together."""
        found = []
        for at, size in self.functions():
            if not found or at - found[-1][0][0] > STRETCH:
                found.append([])
            found[-1].append((at, size))
        if len(found) > STRETCHES and "STAX_WHOLE" not in os.environ:
            found = random.Random(SEED).sample(found, STRETCHES)
        return found


def mapped(name):
    """The path of a library that this process has loaded."""
    importlib.import_module("ssl")  # with libcrypto
    for line in open("/proc/self/maps"):
        found = re.search(rf"/\S*/{re.escape(name)}\S*$", line)
        if found:
            return found[0]
    pytest.skip(f"this python3 does not use {name}")


def node():
    path = shutil.which("node")
    if path is None:
        pytest.skip("node is not installed")
    needed = subprocess.run(["ldd", path], stdout=subprocess.PIPE, text=True).stdout
    shared = re.search(r"libnode\.so\.\S+ => (\S+)", needed)
    return shared[1] if shared else os.path.realpath(path)


BINARIES = {
    "libc": lambda: mapped("libc.so"),
    "libm": lambda: mapped("libm.so"),  # x87, and AVX-512
    "libcrypto": lambda: mapped("libcrypto.so"),
    "python3": lambda: os.path.realpath(sys.executable),
    "node": node,
}


def sysroot():
    """Where script/arm64-sysroot has put Debian's arm64 libraries; a test does not download them."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))) / "stax"
    found = sorted(cache.glob("arm64-*/cross.txt"), key=lambda file: file.stat().st_mtime)
    if not found:
        pytest.skip("no arm64 libraries: see script/arm64-sysroot")
    return found[-1].parent / "usr" / "lib" / "aarch64-linux-gnu"


# ---- What the two say ------------------------------------------------------------------------------------


class Machine:
    def __init__(self, name, tools=""):
        self.name = name
        self.tools = tools

    def tool(self, name):
        path = shutil.which(self.tools + name)
        if path is None:
            pytest.skip(f"{self.tools}{name} is not installed")
        return path

    def objdump(self, elf, functions, syntax):
        """{address: text} of what lies between the first and the last of these."""
        first, last = functions[0][0], functions[-1][0] + functions[-1][1]
        argv = [self.tool("objdump"), "-d", "--no-show-raw-insn", f"--start-address={first:#x}"]
        argv += [f"--stop-address={last:#x}"] + (["-M", syntax] if syntax else [])
        out = subprocess.run([*argv, elf.path], stdout=subprocess.PIPE, check=True, text=True).stdout
        return {int(at, 16): text for at, text in re.findall(r"^ *([0-9a-f]+):\t(.*)$", out, re.M)}

    def sweep(self, path, stretches, syntax):
        """[(address, text)] of stretches, each (offset in the file, bytes, address)."""
        wanted = "".join(f"{offset:x} {n:x} {at:x}\n" for offset, n, at in stretches)
        argv = [SWEEP, self.name, syntax or "intel", path]
        out = subprocess.run(argv, input=wanted, stdout=subprocess.PIPE, check=True, text=True).stdout
        return [(int(at, 16), text) for at, text in (line.split(" ", 1) for line in out.splitlines())]

    def ours(self, elf, functions, syntax):
        return dict(self.sweep(elf.path, [(elf.offset(at), n, at) for at, n in functions], syntax))


X86 = Machine("x86_64")
AARCH64 = Machine("aarch64", "aarch64-linux-gnu-")


# ---- Where they differ -----------------------------------------------------------------------------------


def is_data(text):
    """objdump's ".inst" is data (and says so), ours an instruction without a name."""
    return text.startswith((".word", ".byte", "(bad)")) or "undefined" in text


def word_is(mask, value):
    return lambda word: word & mask == value


# Instructions that have no name here. capstone 4.0.2 knows AArch64 as it was in version 8.0, and
# aarch64_words.c adds what compilers use of later ones. libc chooses these when it runs, by the machine.
UNNAMED = {
    "scalable vectors (SVE), in the fastest of libc's memcpy": word_is(0x1E000000, 0x04000000),
    "memory tagging (8.5): loads and stores of tags": word_is(0xFF200000, 0xD9200000),
    "memory tagging (8.5): irg, gmi": word_is(0xFFE0F800, 0x9AC01000),
    "copies and fills by one instruction (8.8)": word_is(0x3B200C00, 0x19000400),
}


class Comparison:
    """Of one binary: how many instructions and functions are alike, and in what ways others differ."""

    def __init__(self, machine, elf):
        self.machine = machine
        self.elf = elf
        self.functions = self.alike = self.instructions = 0
        self.reasons = collections.Counter()
        self.unexplained = []
        self.names = collections.Counter()  # (objdump's, ours)

    def run(self, syntax):
        for functions in self.elf.stretches():
            theirs = self.machine.objdump(self.elf, functions, syntax)
            ours = self.machine.ours(self.elf, functions, syntax)
            at = [sorted(theirs), sorted(ours)]
            for start, size in functions:
                own = [a[bisect.bisect_left(a, start) : bisect.bisect_left(a, start + size)] for a in at]
                self.compare(start, size, theirs, ours, *own)
        return self

    def compare(self, start, size, theirs, ours, their_at, our_at):
        self.functions += 1
        self.instructions += len(our_at)
        if their_at[:1] != [start]:
            # Constants between functions are instructions to it, which may reach into the next one.
            self.reasons["objdump does not begin where the function does"] += 1
            self.alike += our_at[-1:] == their_at[-1:]  # both find into step again
            return
        wrong = [] if their_at == our_at else sorted(set(their_at) ^ set(our_at))
        for at in our_at:
            text = theirs.get(at)
            if text is None or text.split(None, 1)[0] == ours[at].split(None, 1)[0]:
                continue
            if is_data(text) != is_data(ours[at]) or ours[at].startswith(".inst"):
                wrong.append(at)
            elif name_of(text) != name_of(ours[at]):
                self.names[name_of(text), name_of(ours[at])] += 1
        for at in wrong:
            offset = self.elf.offset(at)
            reason = self.explain(theirs.get(at), ours.get(at), self.elf.data, offset)
            if reason:
                self.reasons[reason] += 1
            else:
                code = self.elf.data[offset : offset + 16].hex()
                self.unexplained.append((hex(at), theirs.get(at), ours.get(at), code))
        self.alike += not wrong

    def explain(self, theirs, ours, data, offset):
        if ours is None:
            return None
        if self.machine is AARCH64 and ours.startswith(".inst") and theirs and not is_data(theirs):
            (word,) = struct.unpack_from("<I", data, offset)
            return next((reason for reason, fits in UNNAMED.items() if fits(word)), None)
        if self.machine is X86 and theirs is None and ours.startswith("fn") and data[offset - 1] == 0x9B:
            return "an fwait and what stands behind it: one instruction to objdump, two to a processor"
        return None

    def assert_alike(self, share):
        print(f"{self.elf.path}: {self.alike} of {self.functions} functions, {self.instructions} instructions;"
              f" {dict(self.reasons)}; names: {self.names.most_common(8)}")
        assert not self.unexplained, (len(self.unexplained), self.unexplained[:20])
        assert self.alike >= share * self.functions
        strange = {pair: n for pair, n in self.names.items() if not is_alias(*pair)}
        assert not strange
        assert sum(self.names.values()) < 0.02 * self.instructions


# ---- Names -----------------------------------------------------------------------------------------------

# objdump writes them also where they change nothing, which compilers use to fill space.
PREFIXES = {"addr32", "bnd", "cs", "data16", "ds", "es", "fs", "gs", "lock", "notrack", "rep", "repe", "repne",
            "repnz", "repz", "rex", "rex.W", "rex.X", "rex.B", "rex.R", "rex.WRX", "rex.WB", "ss"}

# Two names of one thing: objdump's, ours, and why both are right.
ALIASES = [
    ("xchg", "nop", "66 90 is xchg of ax with itself, which does nothing"),
    (r"(v?)pclmul[lh]q[lh]qdq", r"\1pclmulqdq", "which halves are multiplied is in an operand of ours"),
    (r"(v?p?)cmp[a-z_]*?(u?[bwdq]|[ps][sdh])", r"\1cmp\2", "so is the condition of a comparison"),
    (r"(push|pop)f", r"\1fq", "64 bits go without saying"),
    (r"(movs|cmps|stos|lods|scas|ins|outs)", r"\1[bwdlq]", "the size is in its operands, which we leave out"),
    (r"(sysret|iret)q?", r"\1[dq]?", "likewise"),
    (r"f\w+", "fwait", "of fwait and fnstcw objdump makes fstcw"),
    (r"(j\w+),p[nt]", r"\1", "a hint that processors forgot"),
    ("b.cs", "b.hs", "carry set: unsigned, higher or same"),
    ("b.cc", "b.lo", "carry clear: unsigned, lower"),
    (r"([su])xtl(2?)", r"\1shll\2", "an extension is a shift by 0"),
    ("dc|ic|at|tlbi", "sys", "operations of later versions, by their numbers"),
]


def name_of(text):
    words = text.split()
    return next((word for word in words if word not in PREFIXES), words[0])


def is_alias(theirs, ours):
    for pattern, ours_pattern, _ in ALIASES:
        match = re.fullmatch(pattern, theirs)
        if match and re.fullmatch(match.expand(ours_pattern) if "\\" in ours_pattern else ours_pattern, ours):
            return True
    return False


# ---- The tests -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BINARIES)
def test_objdump_agrees(name):
    elf = Elf(BINARIES[name]())
    assert len(elf.functions()) > (500 if name == "libm" else 2000)
    Comparison(X86, elf).run("intel").assert_alike(0.98 if name == "libm" else 0.9995)


def test_objdump_agrees_in_the_other_syntax():
    Comparison(X86, Elf(BINARIES["libc"]())).run("att").assert_alike(0.9995)


@pytest.mark.parametrize("name, share", [("libc.so.6", 0.99), ("libcrypto.so.3", 0.9995)])
def test_objdump_agrees_on_aarch64(name, share):
    Comparison(AARCH64, Elf(sysroot() / name)).run(None).assert_alike(share)


# What cannot be assembled alone: data, and whatever has the address of something as an operand.
ADDRESSED = {
    "intel": r"^\.|^(\w+ )?(j\w+|call|loop\w*|xbegin) 0x|\[0x",
    "att": r"^\.|^(\w+ )?(j\w+|call|loop\w*|xbegin) 0x|(^|[ ,*])0x[0-9a-f]+(,|$)",
    None: r"^\.|[ ,]0x[0-9a-f]+$",
}
DIRECTIVES = {"intel": ".intel_syntax noprefix", "att": ".att_syntax", None: ".arch armv8.5-a+memtag+crypto"}


@pytest.mark.parametrize("syntax", ["intel", "att", None])
def test_an_assembler_reads_it(syntax, tmp_path):
    """What it makes of our text is written in the same way by us."""
    machine = X86 if syntax else AARCH64
    elf = Elf(BINARIES["libcrypto"]() if syntax else sysroot() / "libcrypto.so.3")
    functions = [(elf.offset(at), n, at) for at, n in elf.functions()]
    addressed = re.compile(ADDRESSED[syntax])
    texts = sorted({text for _, text in machine.sweep(elf.path, functions, syntax) if not addressed.search(text)})
    assert len(texts) > 20_000
    source, object_file, code = (tmp_path / f"all.{end}" for end in ("s", "o", "bin"))
    source.write_text("\n".join([DIRECTIVES[syntax], *texts, ""]))
    said = subprocess.run([machine.tool("as"), "-o", object_file, source], stderr=subprocess.PIPE, text=True)
    assert said.returncode == 0, said.stderr[:2000]
    assert not said.stderr, said.stderr[:2000]
    subprocess.run([machine.tool("objcopy"), "-O", "binary", "-j", ".text", object_file, code], check=True)
    again = [text for _, text in machine.sweep(code, [(0, code.stat().st_size, 0)], syntax)]
    assert len(again) == len(texts)
    different = [(before, after) for before, after in zip(texts, again) if before != after]
    assert not different, (len(different), different[:20])
