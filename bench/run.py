#!/usr/bin/python3
"""bench/run.py BUILD-FOLDER [--write] [--rounds N] [--part recording|files|code|web]

Measures what stax costs, beside perf in the same run where perf can do the same, and prints tables.
--write puts them into docs/benchmarks.md; --part measures one of them only, and leaves the other
tables as they are. script/bench builds everything and calls this.
"""

import argparse
import os
import pathlib
import platform
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from annotating import measure_code
from browsing import measure_browsing
from common import HZ, Server, call, children_cpu_s, median_ms, say
from files import measure_files
from unwinding import measure_unwinding
from waiting import measure_waiting

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs/benchmarks.md"
# Parts of the document between <!-- NAME: begin --> and <!-- NAME: end -->.
PARTS = {"recording": "measured", "files": "files", "code": "code", "web": "web"}
NOT_ALONE = ("bench_spin", "bench_pingpong", "bench_inlines", "bench_spool", "bench_export")
BUSY_PYTHON = "x = 0\nwhile True: x = hash(str(x))"


# ---- The measurements ------------------------------------------------------------------------------


def spin(command, env=None):
    """Wall and CPU seconds that the target measured of itself."""
    ran = subprocess.run(command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    match = re.search(r"^spin (\d+) (\d+)$", ran.stdout, re.M)
    if ran.returncode != 0 or not match:
        sys.exit(f"error: {command}: status {ran.returncode}\n{ran.stdout}{ran.stderr}")
    return int(match.group(1)) / 1e9, int(match.group(2)) / 1e9


def calibrate(target, seconds):
    """The amount of work that takes the target about so long."""
    wall, _ = spin([target, "200"])
    return str(max(1, int(200 * seconds / wall)))


def perf_command(folder, command, how):
    return ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(HZ), "--call-graph", how,
            "-o", f"{folder}/perf.data", "--", *command]


def stax_command(server, command, *how):
    return [server.stax, "record", "-F", str(HZ), *how, "--", *command]


def measure_slowdown(build, rounds):
    """Bare, perf and stax in turns, each round in another order, after one of each that does not
    count: the server reads the kernel's symbols only once in its life. With stacks by frame
    pointers, and with whole ones."""
    target = str(build / "bench_spin")
    command = [target, calibrate(target, 2)]
    server = Server(build)
    with tempfile.TemporaryDirectory() as folder:
        run = {"bare": lambda: spin(command),
               "perf fp": lambda: spin(perf_command(folder, command, "fp")),
               "perf dwarf": lambda: spin(perf_command(folder, command, "dwarf")),
               "stax fp": lambda: spin(stax_command(server, command, "--no-dwarf-unwind"), server.env),
               "stax dwarf": lambda: spin(stax_command(server, command), server.env)}
        times = {who: [] for who in run}
        for number in range(rounds + 1):
            say(f"slow-down: round {number} of {rounds}")
            for who in random.sample(list(run), len(run)):
                measured = run[who]()
                if number > 0:
                    times[who].append(measured)
    server.close()

    def slower(who, which):
        """Median in percent, and the standard error of the mean."""
        bare = statistics.median(t[which] for t in times["bare"])
        percents = [100 * (t[which] / bare - 1) for t in times[who]]
        return statistics.median(percents), statistics.stdev(percents) / len(percents) ** 0.5

    rows = []
    for how, stacks in (("dwarf", "whole stacks"), ("fp", "frame pointers")):
        for which, name in ((0, "wall time"), (1, "CPU time")):
            stax, stax_error = slower(f"stax {how}", which)
            perf, perf_error = slower(f"perf {how}", which)
            error = (stax_error ** 2 + perf_error ** 2) ** 0.5
            rows.append((f"slow-down of 2 busy threads at {HZ} Hz, {stacks}, {name}", f"{stax:+.2f} %",
                         f"`perf record --call-graph {how}`: {perf:+.2f} %",
                         f"{stax - perf:+.2f} ± {error:.2f} points"))
    return rows


def measure_recorder(build):
    """CPU time of the recorder itself in one longer recording, its start and its end included."""
    say("CPU time of the recorder")
    target = str(build / "bench_spin")
    command = [target, calibrate(target, 10)]
    server = Server(build)
    cpu, began = server.cpu_s(), time.monotonic()
    spin(stax_command(server, command), server.env)
    stax = 100 * (server.cpu_s() - cpu) / (time.monotonic() - began)
    server.close()
    with tempfile.TemporaryDirectory() as folder:
        cpu, began = children_cpu_s(), time.monotonic()
        _, of_target = spin(perf_command(folder, command, "dwarf"))
        perf = 100 * (children_cpu_s() - cpu - of_target) / (time.monotonic() - began)
    return [(f"CPU of stax-server while recording 2 threads at {HZ} Hz for 10 s, bound: 1 %",
             f"{stax:.2f} % of one CPU", f"`perf record --call-graph dwarf`: {perf:.2f} %", f"{stax / perf:.2f} ×")]


def first_named_answer(server, run):
    """Seconds from the start of `stax record` to a `top` of that run with a function's name."""
    connection = server.connect()
    began = time.monotonic()
    recorder = subprocess.Popen(
        [server.stax, "record", "--time-limit", "10", "--", "/usr/bin/python3", "-c", BUSY_PYTHON],
        env=server.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True)
    took = None
    while took is None and time.monotonic() < began + 8:
        answer = call(connection, "Profiler.top", view={"run": run}, limit=5)
        for entry in answer.get("result", {}).get("entries", []):
            if "+0x" not in entry["function_name"]:
                took = time.monotonic() - began
    call(connection, "RunControl.stop_active")
    os.killpg(recorder.pid, signal.SIGKILL)  # with the program that it started
    recorder.wait()
    return took


def measure_first_answer(build, rounds):
    say("first answer with names")
    server = Server(build)
    times = [first_named_answer(server, run + 1) for run in range(rounds)]
    server.close()
    if None in times:
        return [("first `top` with names, python3", "none within 8 s", "bound: 300 ms", "")]
    return [("first `top` with names after the start of `stax record`, python3",
             f"{median_ms(times):.0f} ms", "bound: 300 ms", f"worst: {max(times) * 1000:.0f} ms")]


def run_s(command, env):
    began = time.monotonic()
    subprocess.run(command, env=env, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def measure_command(build, rounds):
    say("start to end of one command")
    server = Server(build)
    stax, perf = [], []
    for _ in range(rounds):
        stax.append(run_s([server.stax, "status"], server.env))
        perf.append(run_s(["perf", "--version"], server.env))
    server.close()
    return [("`stax status`, start to end", f"{median_ms(stax):.1f} ms",
             f"`perf --version`: {median_ms(perf):.1f} ms",
             f"{median_ms(stax) / median_ms(perf):.2f} ×")]


def measure_programs(build):
    """The benchmarks of single parts print lines `name value unit`, or tables of their own."""
    rows, verbatim = [], ""
    for program in sorted(build.glob("bench_*")):
        if program.name in NOT_ALONE or not os.access(program, os.X_OK) or program.is_dir():
            continue
        say(program.name)
        ran = subprocess.run([program], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if ran.returncode != 0:
            sys.exit(f"error: {program.name}: status {ran.returncode}\n{ran.stderr}")
        found = re.findall(r"^(\S+?):?[ \t]+([-+.\de]+)[ \t]+([^\d\s].*)$", ran.stdout, re.M)
        if len(found) == len(ran.stdout.splitlines()):
            rows += [(f"{program.name}: {name}", f"{float(value):,.6g} {unit}", "", "")
                     for name, value, unit in found]
        else:
            verbatim += f"{program.name}\n{ran.stdout}"
    return rows, verbatim


# ---- The table -------------------------------------------------------------------------------------


def machine():
    cpu = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    memory = re.search(r"^MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text(), re.M)
    virtual = " (virtual machine)" if "hypervisor" in pathlib.Path("/proc/cpuinfo").read_text() else ""
    kernel = ".".join(platform.release().split(".")[:2])
    perf = subprocess.run(["perf", "--version"], capture_output=True, text=True).stdout.split()[-1]
    return (f"{cpu.group(1) if cpu else platform.machine()}{virtual}, {os.cpu_count()} CPUs, "
            f"{int(memory.group(1)) // 2**20} GiB, Linux {kernel}, perf {perf}, "
            f"load {os.getloadavg()[0]:.1f} at the end")


def table(rows):
    lines = ["| what | stax | compared with | ratio |", "|---|---|---|---|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def write_document(marker, text):
    begin, end = f"<!-- {marker}: begin -->", f"<!-- {marker}: end -->"
    old = DOCUMENT.read_text()
    before, rest = old.split(begin)
    after = rest.split(end)[1]
    DOCUMENT.write_text(f"{before}{begin}\n{text}\n{end}{after}")
    say(f"written to {DOCUMENT.relative_to(ROOT)}")


def measure_recording(build, rounds):
    rows = measure_slowdown(build, rounds)
    rows += measure_recorder(build)
    rows += measure_unwinding(build, max(3, rounds // 3))
    rows += measure_first_answer(build, rounds)
    rows += measure_command(build, 50)
    rows += measure_waiting(build, max(3, rounds // 3))
    of_parts, verbatim = measure_programs(build)
    return rows + of_parts, verbatim


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--part", choices=PARTS, action="append")
    options = parser.parse_args()
    build = options.build.resolve()
    for part in options.part or PARTS:
        if part == "files":
            rows, verbatim = measure_files(build, max(3, options.rounds // 3)), ""
        elif part == "code":
            rows, verbatim = measure_code(build, options.rounds), ""
        elif part == "web":
            rows, verbatim = measure_browsing(build, options.rounds), ""
        else:
            rows, verbatim = measure_recording(build, options.rounds)
        text = f"{time.strftime('%Y-%m-%d')}, {machine()}.\n\n{table(rows)}"
        if verbatim:
            text += f"\n\n```\n{verbatim}```"
        print(text)
        if options.write:
            write_document(PARTS[part], text)


if __name__ == "__main__":
    main()
