"""What it costs to look at code: a function with its source, warm; the first look into a large binary with
debug information; and what a subscriber costs."""

import json
import os
import pathlib
import socket
import statistics
import subprocess
import tempfile
import time

from common import HZ, Server, call, median_ms, say
from large import make_large

STATEMENTS = 500  # some four instructions each
LARGE_UNITS = 48  # 100 MB
TICK_MS = 50
TICKS_S = 6

LONG = """#include <stdio.h>
#include <stdlib.h>
#include <time.h>
__attribute__((noinline)) unsigned long long_function(unsigned long x, unsigned long y)
{
BODY    return x ^ y;
}
int main(int argc, char **argv)
{
    long wanted = (argc > 1 ? atol(argv[1]) : 1000) * (CLOCKS_PER_SEC / 1000);
    unsigned long sum = 1;
    while (clock() < wanted) {
        for (int i = 0; i < 2000; i++) sum += long_function(sum, (unsigned long)i);
    }
    printf("%lu\\n", sum);
}
"""


def make_long(folder):
    """A program that spends its time in one function of about 2,000 instructions, a source line each four."""
    body = "".join(f"    x += (y >> {i % 23 + 1}) ^ {i * 7919 + 1};\n    y = y * {2 * i + 3} + (x >> {i % 29 + 3});\n"
                   for i in range(STATEMENTS // 2))
    source = folder / "long.c"
    source.write_text(LONG.replace("BODY", body))
    subprocess.run(["gcc", "-O2", "-g", "-o", folder / "long", source], check=True)
    return folder / "long"


def record(server, program, ms):
    subprocess.run([server.stax, "record", "-F", str(HZ), "--", program, str(ms)], env=server.env, check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wall_s(command, env=None):
    began = time.monotonic()
    subprocess.run(command, env=env, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def perf_data(folder, program, ms):
    data = folder / "perf.data"
    wall_s(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(HZ), "-o", data, "--", program, str(ms)])
    return data


# ---- One function, again and again ----------------------------------------------------------------------


def measure_warm(build, folder, rounds):
    say("annotate of a long function, warm")
    program = make_long(folder)
    server = Server(build)
    record(server, program, 1500)
    connection = server.connect()
    first = call(connection, "Profiler.annotated", name="long_function")["result"]
    calls, commands = [], []
    for _ in range(max(20, rounds)):
        began = time.monotonic()
        call(connection, "Profiler.annotated", name="long_function")
        calls.append(time.monotonic() - began)
        commands.append(wall_s([server.stax, "annotate", "long_function"], server.env))
    server.close()
    data = perf_data(folder, program, 1500)
    perf = [wall_s(["perf", "annotate", "--stdio", "-q", "-i", data, "-s", "long_function"]) for _ in range(3)]
    what = f"annotate a function of {first['n_lines']:,} instructions with its source, warm"
    bound = f"bound: 20 ms; `perf annotate --stdio`: {median_ms(perf):.0f} ms"
    return [(f"{what}, the call, JSON read by python3", f"{median_ms(calls):.1f} ms", bound,
             f"{median_ms(calls) / median_ms(perf):.3f} ×"),
            (f"{what}, `stax annotate` start to end", f"{median_ms(commands):.1f} ms", bound,
             f"{median_ms(commands) / median_ms(perf):.3f} ×")]


# ---- The first look -------------------------------------------------------------------------------------


def hottest(server):
    top = call(server.connect(), "Profiler.top", limit=50, view={"inline": False})["result"]
    return next(entry for entry in top["entries"] if entry["is_main"])


def first_look_s(build, program):
    """On a server that has read nothing of the binary but its symbols."""
    server = Server(build)
    record(server, program, 1000)
    function = hottest(server)
    took = wall_s([server.stax, "annotate", function["address"]], server.env)
    again = wall_s([server.stax, "annotate", function["address"]], server.env)
    server.close()
    return took, again, function["function_name"]


def measure_first_look(build, rounds):
    say("the first look into a large binary")
    program = make_large(build / "large-code", LARGE_UNITS)
    size = os.path.getsize(program) / 1e6
    looks = [first_look_s(build, program) for _ in range(max(3, rounds // 3))]
    with tempfile.TemporaryDirectory() as folder:
        data = perf_data(pathlib.Path(folder), program, 1000)
        # Its own name of the hottest function: the first of its list.
        listing = subprocess.run(["perf", "report", "--stdio", "-q", "--no-inline", "-i", data, "-F", "sym", "--no-demangle"],
                                 capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True).stdout
        symbol = next(line.split()[-1] for line in listing.splitlines() if "_ZN" in line)
        perf = [wall_s(["perf", "annotate", "--stdio", "-q", "-i", data, "-s", symbol, "--no-demangle"]) for _ in range(3)]
    first = median_ms([look[0] for look in looks])
    again = median_ms([look[1] for look in looks])
    return [(f"first annotate of a function in a C++ program of {size:.0f} MB with debug information", f"{first:.0f} ms",
             f"bound: 1,000 ms; `perf annotate --stdio`: {median_ms(perf):,.0f} ms", f"{first / median_ms(perf):.3f} ×"),
            ("the same again", f"{again:.1f} ms", "", "")]


# ---- A subscriber ---------------------------------------------------------------------------------------


def exact_cpu_s(server):
    """CPU time of all threads, to the nanosecond: /proc/PID/stat counts in hundredths of a second."""
    tasks = pathlib.Path(f"/proc/{server.process.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def ticks(server, method, seconds):
    """Messages of a subscription for so long: their sizes, and CPU seconds of the server from the first one on."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(server.path)
    stream = connection.makefile("rwb")
    request = {"jsonrpc": "2.0", "id": 1, "method": "Profiler.subscribe",
               "params": {"method": method, "params": {"name": "long_function"}, "interval_ms": TICK_MS}}
    stream.write(json.dumps(request).encode() + b"\n")
    stream.flush()
    until, sizes, began = 0, [], 0
    while not sizes or time.monotonic() < until:
        line = stream.readline()
        if b'"subscription"' in line and b'"seq"' in line:
            if not sizes:
                until, began = time.monotonic() + seconds, exact_cpu_s(server)
            sizes.append(len(line))
    used = exact_cpu_s(server) - began
    connection.close()
    return sizes, used


def measure_ticks(build, folder):
    """CPU time of the server with a subscriber, less that without one, per message."""
    say("what a subscriber of code costs")
    rows = []
    server = Server(build)
    recorder = subprocess.Popen([server.stax, "record", "-F", str(HZ), "--", folder / "long", "60000"], env=server.env,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    connection = server.connect()
    call(connection, "RunControl.wait_active", condition={"for_samples": 500}, start_ms=5000)
    for method in ("Profiler.annotated", "Profiler.cfg"):
        call(connection, method, name="long_function")
        cpu = exact_cpu_s(server)
        time.sleep(TICKS_S)
        idle = exact_cpu_s(server) - cpu
        sizes, busy = ticks(server, method, TICKS_S)
        each = 1000 * (busy - idle) / (len(sizes) - 1)
        rows.append((f"a subscriber of `{method}` of that function, {1000 // TICK_MS} messages/s: CPU of the server per message",
                     f"{max(0, each):.2f} ms", "bound: 2 ms",
                     f"{len(sizes)} messages: the first {sizes[0]:,} bytes, then {statistics.median(sizes[1:]):,.0f}"))
    call(connection, "RunControl.stop_active")
    recorder.terminate()
    recorder.wait()
    server.close()
    return rows


def measure_code(build, rounds):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        rows = measure_warm(build, folder, rounds)
        rows += measure_ticks(build, folder)
    return rows + measure_first_look(build, rounds)
