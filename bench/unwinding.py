"""What whole stacks cost: the target's slow-down, and everything from recording to a printed answer.

perf copies stacks to a file and unwinds them afterwards (`perf record --call-graph dwarf`); stax
unwinds while it records. So what is compared is the CPU time of all processes, up to the printed
answer: `stax top -n 20` with inlined functions, and `perf report --stdio` as it is by itself, which
prints the call trees of all functions, with inlined ones. (It can be told to leave out the trees, and
is ten times faster then; but it does not look up inlined functions then.)
"""

import os
import pathlib
import random
import re
import statistics
import subprocess
import tempfile
import time

from common import HZ, Server, adopt_orphans, call, children_cpu_s, say, spent_s
from large import make_large

WORK = "def f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)\nfor _ in range(4): f(24)\n"


def with_stax(build, command):
    """Of a server that is started for it, and ended. Names may come after the first answer: asked
    until nothing changes any more, so that all of the work is counted."""
    server = Server(build)
    spent = spent_s([server.stax, "record", "-F", str(HZ), "--", *command],
                    [server.stax, "top", "-n", "20"], env=server.env)
    connection = server.connect()
    answers = [None, None]
    while answers[0] is None or answers[0] != answers[1]:
        answers = [answers[1], call(connection, "Profiler.top", limit=10000)]
        time.sleep(0.2)
    spent += server.cpu_s()
    server.close()
    return spent


def with_perf(folder, command):
    data = f"{folder}/perf.data"
    return spent_s(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(HZ), "--call-graph", "dwarf", "-o",
                    data, "--", *command],
                   ["perf", "report", "--stdio", "-i", data])


def whole_cost(build, name, command, rounds, bound):
    spent = {"bare": [], "perf": [], "stax": []}
    with tempfile.TemporaryDirectory() as folder:
        run = {"bare": lambda: spent_s(command),
               "perf": lambda: with_perf(folder, command),
               "stax": lambda: with_stax(build, command)}
        for number in range(rounds):
            say(f"record to top-20 of {name}: round {number + 1} of {rounds}")
            for who in random.sample(list(run), 3):
                spent[who].append(run[who]())
    bare, perf, stax = (statistics.median(spent[who]) for who in ("bare", "perf", "stax"))
    return (f"record to a printed top-20 with whole stacks, {name}: CPU beyond the program's {bare:.1f} s, {bound}",
            f"{stax - bare:.2f} s", f"perf record + report: {perf - bare:.2f} s",
            f"{(stax - bare) / (perf - bare):.3f} ×")


def inlines(build, large):
    """The same addresses, all over the code of a large program."""
    with tempfile.NamedTemporaryFile() as dump:
        say("inlined functions")
        ran = subprocess.run([f"{build}/bench_inlines", large, "20000", dump.name], capture_output=True, text=True,
                             check=True, stdin=subprocess.DEVNULL)
        ms = {what: float(number) for what, number in re.findall(r"(open|cold|warm) ([\d.]+) ms", ran.stdout)}
        before = children_cpu_s()
        with open(dump.name) as addresses:
            subprocess.run(["llvm-symbolizer", f"--obj={large}", "--inlines"], stdin=addresses, check=True,
                           stdout=subprocess.DEVNULL)
        peer = (children_cpu_s() - before) * 1000
    ours = ms["open"] + ms["cold"]
    return [("inlined functions at 20,000 addresses of it, file opened for that", f"{ours:.0f} ms",
             f"`llvm-symbolizer --inlines`, with lines: {peer:.0f} ms", f"{ours / peer:.2f} ×"),
            ("the same addresses again", f"{ms['warm']:.1f} ms", "", "")]


def measure_unwinding(build, rounds):
    adopt_orphans()
    large = make_large(pathlib.Path(build) / "bench_large.p")
    return [whole_cost(build, "python3", ["/usr/bin/python3", "-c", WORK], rounds, "bound: perf's"),
            whole_cost(build, f"a C++ program of {os.path.getsize(large) >> 20} MB with inlines",
                       [str(large), "2000"], max(1, rounds // 3), "bound: a tenth of perf's"),
            *inlines(build, large)]
