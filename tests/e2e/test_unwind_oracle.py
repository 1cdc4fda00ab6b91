"""Whole stacks of programs that nobody wrote for this, beside what perf makes of the same command with
`perf record --call-graph dwarf`.

Both begin with 8 KB of each stack, what perf copies by default. stax takes longer copies where it needs them, and reads
files when it meets them; so its second half is what is compared. `perf script` takes its time: so runs are about a
second long, at 199 samples a second."""

import collections
import os
import re
import shutil
import subprocess

import pytest

from stax import needs_program, share_bound
from unwinding import in_short, is_truncated, stacks_of, whole_flame

pytestmark = [pytest.mark.needs(needs_program("perf")), pytest.mark.limit(180)]

HZ = 199
COPY_BYTES = 8192  # what it does by default

PYTHON = """
def count(n, depth):
    return n if depth == 0 else count(n, depth - 1) + sum(i & depth for i in range(60))
for i in range(28000):
    count(i, 20)
"""
SQL = """
create table t(a integer, b text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 800000)
insert into t select (i * 7919) % 100003, hex(i * 31) from n;
create index on_b on t(b);
drop index on_b;
create index on_b on t(b);
select count(*), sum(length(x.b)) from t x join t y on x.a = y.a where x.b < '3';
"""
NODE = """
function count(n) { return n < 2 ? n : count(n - 1) + count(n - 2); }
const list = [];
for (let i = 0; i < 300000; i++) list.push({key: String(i * 7919 % 100003), n: i});
list.sort((a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : a.n - b.n);
count(36);
JSON.parse(JSON.stringify(list));
"""

PROGRAMS = {
    "python3": lambda d: ["-S", "-c", PYTHON],
    "sqlite3": lambda d: [":memory:", SQL],
    "xz": lambda d: ["-6", "-k", "-T1", "-c", d / "data"],
    "openssl": lambda d: ["speed", "-seconds", "3", "-bytes", "1024", "sha256"],
    "node": lambda d: ["-e", NODE],
}

# Where a stack rightly begins: a program, and a thread.
OUTERMOST = {"_start", "clone3", "__clone3", "clone", "__clone", "_dl_start_user"}
# In a stripped file they have no names. Of the program it is its entry; of the C library and the loader the few places
# that all stacks of their kind begin at.
ENTRY_BYTES = 64
N_UNNAMED = 4


def program(name):
    """Debian's own, not one of a version manager's scripts."""
    return os.path.realpath(shutil.which(name, path="/usr/bin:/bin") or shutil.which(name))


class Beginnings:
    """Tells outermost frames of whole stacks from others."""

    def __init__(self, path):
        header = subprocess.run(["readelf", "-hlW", path], stdout=subprocess.PIPE, text=True, check=True,
                                env={**os.environ, "LC_ALL": "C"}).stdout
        entry = int(re.search(r"Entry point address:\s+0x([0-9a-f]+)", header)[1], 16)
        loads = [[int(field, 16) for field in line.split()[1:6]] for line in header.splitlines()
                 if line.split()[:1] == ["LOAD"]]
        # As an address of the file, and as an offset in it.
        self.entries = [entry] + [entry - addr + off for off, addr, _, n_bytes, _ in loads
                                  if addr <= entry < addr + n_bytes]
        self.binary = os.path.basename(path)

    def __call__(self, stack):
        name, binary = stack[0]
        unnamed = re.fullmatch(r".*\+0x([0-9a-f]+)", name)
        if not unnamed:
            return name in OUTERMOST
        if binary == self.binary:
            return any(entry <= int(unnamed[1], 16) < entry + ENTRY_BYTES for entry in self.entries)
        return len(stack) > 1 and binary.startswith(("libc.so", "ld-linux"))


class Seen:
    """What a profiler saw: which stacks are whole, and for each function how many have it."""

    def __init__(self, stacks, begins_rightly):
        """`stacks`: user frames (name, binary) from the outermost on -> samples."""
        self.n = sum(stacks.values())
        self.short = {stack: n for stack, n in stacks.items() if not begins_rightly(stack)}
        self.n_whole = self.n - sum(self.short.values())
        self.totals = collections.Counter()
        for stack, n in stacks.items():
            for name in {name for name, _ in stack}:
                self.totals[name] += n
        beginnings = {stack[0] for stack in stacks if stack not in self.short and "+0x" in stack[0][0]}
        assert len(beginnings) <= N_UNNAMED, f"not only a program and its threads begin here: {beginnings}"


def by_perf(command, folder, begins_rightly):
    data = folder / "perf.data"
    done = subprocess.run(["perf", "record", "-q", "-e", "cpu-clock:u", "-F", str(HZ), "--call-graph",
                           f"dwarf,{COPY_BYTES}", "-m", "8M", "-o", data, *command], cwd=folder,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60, check=False)
    if done.returncode != 0:
        pytest.skip(f"perf record does not work here: {done.stderr.decode().strip().splitlines()[-1:]}")
    script = subprocess.run(["perf", "script", "--no-inline", "-i", data, "-F", "ip,sym,dso"], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, timeout=150, check=True, text=True, errors="replace").stdout
    data.unlink()
    stacks = collections.Counter()
    for block in re.split(r"\n\s*\n", script.strip()):
        frames = [re.match(r"\s*([0-9a-f]+) (.*) \((.*)\)$", line) for line in block.splitlines()]
        stack = [(frame[2].replace("[unknown]", f"{frame[3]}+0x{frame[1]}"), os.path.basename(frame[3]))
                 for frame in frames if frame]
        if stack:
            stacks[tuple(reversed(stack))] += 1
    return Seen(stacks, begins_rightly)


def by_stax(server, command, begins_rightly):
    run = server.record(command, "-F", HZ, cwd=server.dir)
    assert run.status == 0, run.result.err
    server.settle()
    half_ns = run.summary["duration_ns"] // 2
    with server.rpc() as rpc:
        whole = whole_flame(rpc)
        second_half = whole_flame(rpc, view={"time_range": {"start_ns": half_ns, "end_ns": 1 << 62}})
    return tuple(Seen(user_part(stacks_of(flame)), begins_rightly) for flame in (whole, second_half))


def user_part(stacks):
    """Without the kernel, and without those that have nothing else: perf records none there."""
    found = collections.Counter()
    for stack, n in stacks.items():
        user = tuple(frame for frame in stack if not frame[1].startswith("[kernel"))
        if user:
            found[user] += n
    return found


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.needs(needs_program(name))) for name in PROGRAMS])
def test_as_many_whole_stacks_as_perf(server, name, tmp_path):
    for folder in (server.dir, tmp_path):
        (folder / "data").write_bytes(b"".join(str(i * i % 99991).encode() for i in range(500_000)))
    begins_rightly = Beginnings(program(name))
    perf = by_perf([program(name), *PROGRAMS[name](tmp_path)], tmp_path, begins_rightly)
    stax, second_half = by_stax(server, [program(name), *PROGRAMS[name](server.dir)], begins_rightly)
    assert perf.n > 60 and second_half.n > 30, (perf.n, stax.n, second_half.n)
    ours, theirs = second_half.n_whole / second_half.n, perf.n_whole / perf.n
    print(f"{name}: whole stacks: stax {100 * stax.n_whole / stax.n:.1f} % of {stax.n}, {100 * ours:.1f} % of the "
          f"second half; perf {100 * theirs:.1f} % of {perf.n}")
    # A recorder has to see that copies are too short before it takes longer ones: it looks ten times a second, and
    # what needs them may begin as late as in the second half.
    late = 4 + HZ / 10
    assert ours >= theirs - late / second_half.n, (
        f"stax {ours:.3f}, perf {theirs:.3f} of stacks are whole; not ours:\n{in_short(second_half.short)}")
    # And what is not whole says so, from the first stack on.
    quiet = {stack: n for stack, n in stax.short.items() if not is_truncated(stack)}
    assert sum(quiet.values()) <= 0.01 * stax.n, f"callers are missing, and nothing says so:\n{in_short(quiet)}"
    check_hottest(perf, stax)


def check_hottest(perf, stax):
    """The functions with the most time in and below them have about as much of it here. Those without a name have
    nothing to compare (of a stripped program's that may leave one), and a profiler that lacks the callers of some
    stacks lacks time of functions."""
    hottest = [(function, n) for function, n in perf.totals.most_common()
               if function in stax.totals and "+0x" not in function
               and function not in ("_start", "main") and not function.startswith("__libc_start")][:3]
    assert hottest, (perf.totals.most_common(20), stax.totals.most_common(20))
    for function, n in hottest:
        theirs, ours = n / perf.n, stax.totals[function] / stax.n
        bound = share_bound(perf.n, theirs) + share_bound(stax.n, ours)
        low = bound + 1 - stax.n_whole / stax.n
        high = bound + 1 - perf.n_whole / perf.n
        assert theirs - low <= ours <= theirs + high, (
            f"{function}: perf says {theirs:.3f}, stax says {ours:.3f}, allowed -{low:.3f} +{high:.3f}")
