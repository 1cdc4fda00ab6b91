"""What importing a perf.data file costs, against `perf script` that reads the same file.

The file is of a busy program, with a copy of each stack (perf record --call-graph dwarf). `stax import`
ends when the run can be asked; `perf script` when it has printed all stacks, to /dev/null. Both by the
clock on the wall, alternately.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

from common import Server, say

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


def timed_s(command, **more):
    started = time.monotonic()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, **more)
    return time.monotonic() - started


def import_cost(build, megabytes, rounds):
    stax, perf, bare = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        data = make_file(folder, megabytes)
        size = os.path.getsize(data) / 1e6
        for _ in range(rounds):
            server = Server(build)
            stax.append(timed_s([server.stax, "import", data], env=server.env))
            server.close()
            perf.append(timed_s(["perf", "script", "-i", data]))
            bare.append(timed_s(["perf", "script", "--no-inline", "-i", data]))
    ours, theirs, plain = map(statistics.median, (stax, perf, bare))
    say(f"import of {size:.0f} MB (dwarf): stax {ours:.2f} s, perf script {theirs:.1f} s ({theirs / ours:.0f} times), "
        f"perf script --no-inline {plain:.1f} s ({plain / ours:.0f} times)")
    return {"size_mb": size, "stax_s": ours, "perf_s": theirs, "perf_no_inline_s": plain}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--megabytes", type=float, default=500)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    import_cost(arguments.build, arguments.megabytes, arguments.rounds)
