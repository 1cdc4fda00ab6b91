"""What importing a perf.data file costs, against `perf script` that reads the same file.

The file is of a busy program, with a copy of each stack (perf record --call-graph dwarf). `stax import`
ends when the run can be asked; `perf script` when it has printed all stacks, to /dev/null, as it is by
itself and without inlined functions. By the clock on the wall and by the CPU time of all processes,
alternately. Both find the file in memory.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

from common import Server, adopt_orphans, call, say, spent_s

WORK = "def f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)\nwhile True: f(24)\n"
PERF_HZ = 4000
RECORD_S = 120


def make_file(folder, megabytes):
    """A file of about that size, or what comes together in the time that it may take."""
    data = pathlib.Path(folder) / "perf.data"
    subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(PERF_HZ), "-m", "2048", "--call-graph",
                    "dwarf", f"--max-size={megabytes:.0f}M", "-o", data, "--", "timeout", str(RECORD_S), "sh", "-c",
                    'python3 -S -c "$0" & exec python3 -S -c "$0"', WORK],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return data


def stax_import(build, data):
    """Wall and CPU seconds until the run can be asked; and of the thread that reads the file."""
    server = Server(build)
    began = time.monotonic()
    client = spent_s([server.stax, "import", data], env=server.env)
    wall, cpu = time.monotonic() - began, server.cpu_s() + client
    report = call(server.connect(), "RunControl.diagnostics")["result"]["run"]
    server.close()
    return wall, cpu, report["capture"]["cpu_ns"] / 1e9


def perf_script(data, *more):
    began = time.monotonic()
    cpu = spent_s(["perf", "script", *more, "-i", data])
    return time.monotonic() - began, cpu


def measure_import(build, rounds, megabytes=500):
    adopt_orphans()
    with tempfile.TemporaryDirectory() as folder:
        say(f"import: {megabytes} MB of perf.data")
        data = make_file(folder, megabytes)
        size = os.path.getsize(data) / 1e6
        measured = {"stax": [], "perf": [], "bare": []}
        for number in range(rounds + 1):
            for who, values in (("stax", stax_import(build, data)), ("perf", perf_script(data)),
                                ("bare", perf_script(data, "--no-inline"))):
                if number > 0:
                    measured[who].append(values)
    stax, perf, bare = ([statistics.median(column) for column in zip(*measured[who])] for who in measured)
    what = f"import of a perf.data file of {size:.0f} MB with copies of stacks"
    return [(f"{what}, by the clock, bound: a tenth", f"{stax[0]:.2f} s", f"`perf script`: {perf[0]:.2f} s",
             f"{stax[0] / perf[0]:.3f} ×"),
            (f"{what}, by the clock", f"{stax[0]:.2f} s", f"`perf script --no-inline`: {bare[0]:.2f} s",
             f"{stax[0] / bare[0]:.3f} ×"),
            (f"{what}, CPU of all processes and threads", f"{stax[1]:.2f} s ({stax[2]:.2f} s of it reads the file)",
             f"`perf script`: {perf[1]:.2f} s", f"{stax[1] / perf[1]:.3f} ×")]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    for row in measure_import(arguments.build.resolve(), arguments.rounds, arguments.megabytes):
        print(" | ".join(row))
