"""Whole stacks of programs that nobody wrote for this, beside what perf makes of the same command with
`perf record --call-graph dwarf`.

perf copies 64 KB of the stack for each sample here, as much as stax ever does. `perf script` takes its time over that:
so runs are about a second long, at 199 samples a second."""

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
COPY_BYTES = 65528  # the most that the kernel copies

PYTHON = """
def count(n, depth):
    return n if depth == 0 else count(n, depth - 1) + sum(i & depth for i in range(60))
for i in range(9000):
    count(i, 20)
"""
SQL = """
create table t(a integer, b text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 150000)
insert into t select (i * 7919) % 100003, hex(i * 31) from n;
create index on_b on t(b);
select count(*), sum(length(x.b)) from t x join t y on x.a = y.a where x.b < '3';
"""
NODE = """
function count(n) { return n < 2 ? n : count(n - 1) + count(n - 2); }
const list = [];
for (let i = 0; i < 200000; i++) list.push({key: String(i * 7919 % 100003), n: i});
list.sort((a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : a.n - b.n);
count(33);
JSON.parse(JSON.stringify(list));
"""

PROGRAMS = {
    "python3": lambda d: ["-S", "-c", PYTHON],
    "sqlite3": lambda d: [":memory:", SQL],
    "xz": lambda d: ["-6", "-k", "-T1", "-c", d / "data"],
    "openssl": lambda d: ["speed", "-seconds", "1", "-bytes", "1024", "sha256"],
    "node": lambda d: ["-e", NODE],
}

# Where a stack rightly begins: a program, and a thread. (`clone3` and the start of a thread by its library have no
# names in a stripped libc.)
OUTERMOST = {"_start", "clone3", "__clone3", "clone", "__clone", "start_thread", "_dl_start_user"}


def program(name):
    """Debian's own, not one of a version manager's scripts."""
    return shutil.which(name, path="/usr/bin:/bin") or shutil.which(name)


def begins_rightly(name, binary):
    return name in OUTERMOST or binary.startswith(("libc.so", "ld-linux"))


class Seen:
    """What a profiler saw: how many stacks are whole, and for each function how many have it."""

    def __init__(self, stacks):
        """`stacks`: user frames (name, binary) from the outermost on -> samples."""
        self.n = sum(stacks.values())
        self.whole = sum(n for stack, n in stacks.items() if stack and begins_rightly(*stack[0]))
        self.totals = collections.Counter()
        for stack, n in stacks.items():
            for name in {name for name, _ in stack}:
                self.totals[name] += n
        self.stacks = stacks


def by_perf(command, folder):
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
        frames = [re.match(r"\s*[0-9a-f]+ (.*) \((.*)\)$", line) for line in block.splitlines()]
        stack = [(frame[1].split("+")[0], os.path.basename(frame[2])) for frame in frames if frame]
        stacks[tuple(reversed(stack))] += 1
    return Seen(stacks)


def by_stax(server, command):
    run = server.record(command, "-F", HZ, cwd=server.dir)
    assert run.status == 0, run.result.err
    server.settle()
    with server.rpc() as rpc:
        flame = whole_flame(rpc)
    stacks = collections.Counter()
    for stack, n in stacks_of(flame).items():
        user = tuple(frame for frame in stack if not frame[1].startswith("[kernel"))
        if user:  # perf records none outside of the program
            stacks[user] += n
    truncated = sum(n for stack, n in stacks.items() if is_truncated(stack))
    return Seen(stacks), truncated, flame.answer["health"]


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.needs(needs_program(name))) for name in PROGRAMS])
def test_as_many_whole_stacks_as_perf(server, name, tmp_path):
    for folder in (server.dir, tmp_path):
        (folder / "data").write_bytes(b"".join(str(i * i % 99991).encode() for i in range(180_000)))
    perf = by_perf([program(name), *PROGRAMS[name](tmp_path)], tmp_path)
    stax, truncated, health = by_stax(server, [program(name), *PROGRAMS[name](server.dir)])
    assert perf.n > 60 and stax.n > 60, (perf.n, stax.n)
    short = {stack: n for stack, n in stax.stacks.items() if not begins_rightly(*stack[0])}
    ours, theirs = stax.whole / stax.n, perf.whole / perf.n
    print(f"{name}: whole stacks: stax {100 * ours:.1f} % of {stax.n}, perf {100 * theirs:.1f} % of {perf.n}; "
          f"{health['truncated']}")
    # The programs do not run twice in the same way: half a percent, or one sample.
    assert ours >= theirs - max(0.005, 1 / stax.n), (
        f"stax {ours:.3f}, perf {theirs:.3f} of stacks are whole; not ours:\n{in_short(short)}")
    # And what is not whole says so.
    quiet = {stack: n for stack, n in short.items() if not is_truncated(stack)}
    assert sum(quiet.values()) <= 0.01 * stax.n, f"callers are missing, and nothing says so:\n{in_short(quiet)}"
    assert truncated <= stax.n - stax.whole
    check_hottest(perf, stax)


def check_hottest(perf, stax):
    """The three functions with the most time in and below them have about as much of it here. (Those of all
    stacks would tell nothing; those without a name have nothing to compare.)"""
    hottest = [(function, n) for function, n in perf.totals.most_common()
               if n <= 0.95 * perf.n and function in stax.totals and not function.startswith("[")][:3]
    assert len(hottest) == 3, (perf.totals.most_common(20), stax.totals.most_common(20))
    for function, n in hottest:
        theirs, ours = n / perf.n, stax.totals[function] / stax.n
        bound = share_bound(perf.n, theirs) + share_bound(stax.n, ours)
        assert abs(ours - theirs) <= bound, f"{function}: perf says {theirs:.3f}, stax says {ours:.3f} +- {bound:.3f}"
