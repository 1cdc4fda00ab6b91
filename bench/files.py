"""What run files cost: to write one while recording, its size, to open one, to import and to export."""

import os
import pathlib
import re
import sqlite3
import statistics
import subprocess
import tempfile
import time

from common import Server, call, say
from importing import measure_import
from waiting import Recorder, redis

LARGE = 10_000_000  # samples
LIVE_HZ = 20000
LIVE_S = 10
FOR_EVER = "1000000"
REQUESTS = 2_000_000


def numbers(command):
    """What a program prints: lines `name value unit`."""
    ran = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return {name: float(value) for name, value in re.findall(r"^(\S+)\s+([\d.]+) ", ran.stdout, re.M)}


def wall_s(command, env=None):
    began = time.monotonic()
    subprocess.run(command, env=env, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def complete(server):
    """The diagnostics of the newest run, once its file stands on its own."""
    connection = server.connect()
    report = call(connection, "RunControl.diagnostics")["result"]
    while report["file"]["writing"]:
        time.sleep(0.1)
        report = call(connection, "RunControl.diagnostics")["result"]
    return report


# ---- Writing ---------------------------------------------------------------------------------------


def invented(build):
    say("keeping a run of an invented server")
    with tempfile.TemporaryDirectory() as folder:
        got = numbers([build / "bench_spool", folder])
    rows = []
    for which, what, bound in (("samples", "computes", "bound: 2 %"), ("server", "serves", "")):
        rate, all_rows, cpu, each = (got[f"spool_{which}_{name}"] for name in ("samples", "rows", "cpu", "cpu_of_a_row"))
        rows.append((f"keeping a run of an invented program that {what}: {rate:,.0f} samples/s, {all_rows:,.0f} rows/s",
                     f"{cpu:.2f} % of one CPU", bound, f"{each:.0f} ns of CPU per row"))
    return rows


def spin_cpu(build, runs):
    """CPU seconds of the server, those of its spool, and samples, for two busy threads."""
    server = Server(build, runs=runs)
    before = server.cpu_s()
    target = subprocess.Popen([build / "bench_spin", FOR_EVER], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wall_s([server.stax, "record", "--no-dwarf-unwind", "-F", str(LIVE_HZ), "--time-limit", str(LIVE_S), "-p",
            str(target.pid)], env=server.env)
    target.kill()
    target.wait()
    cpu = server.cpu_s() - before
    report = call(server.connect(), "RunControl.diagnostics")["result"]
    server.close()
    return cpu, report["file"]["cpu_ns"] / 1e9, report["run"]["events"]["sample"]


def live(build):
    say("keeping a recorded run")
    with_file, spool, samples = spin_cpu(build, None)
    without, _, others = spin_cpu(build, "")
    return [(f"CPU of stax-server while recording 2 busy threads at {LIVE_HZ} Hz for {LIVE_S} s: {samples / LIVE_S:,.0f} samples/s",
             f"{100 * with_file / LIVE_S:.2f} % of one CPU, {100 * spool / LIVE_S:.2f} % of it for the file",
             f"with `--runs-dir ''`: {100 * without / LIVE_S:.2f} %, {others / LIVE_S:,.0f} samples/s",
             f"{with_file / without:.2f} ×")]


# ---- Size ------------------------------------------------------------------------------------------

PACKED = ("samples", "intervals", "wakeups", "counters", "frames", "stacks")


def sizes(path):
    """Bytes and rows of each packed table, and bytes of all others together."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        tables = {name: db.execute(f"SELECT total(length(data)), total(n) FROM {name}").fetchone() for name in PACKED}
        pages = dict(db.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name"))
    db.close()
    return tables, pages, sum(bytes for name, bytes in pages.items() if name not in PACKED)


def recorded_redis(build):
    say("the file of redis-server")
    recorder = Recorder(build, "stax_wakeups")
    rate = redis(recorder, REQUESTS)
    report = complete(recorder.server)
    path = report["file"]["path"]
    tables, pages, other = sizes(path)
    size = os.path.getsize(path)
    recorder.close()
    what = f"file of redis-server, {rate:,.0f} requests/s"
    rows = [(f"{what}: {name}", f"{tables[name][0] / tables[name][1]:.2f} bytes per row in memory of {in_memory}, "
             f"{pages[name] / tables[name][1]:.2f} with SQLite's pages", bound, f"{tables[name][1]:,.0f} rows")
            for name, in_memory, bound in (("samples", 16, "bound: 4"), ("intervals", 24, "bound: 8"), ("wakeups", 20, ""))
            if tables[name][1] > 0]
    return [*rows, (f"{what}: names, lines and code of what was sampled", f"{other / 1e6:.2f} MB",
                    f"the whole file: {size / 1e6:.2f} MB", f"{tables['stacks'][1]:,.0f} stacks and parts of stacks")]


# ---- Opening ---------------------------------------------------------------------------------------


def first_top(build, path, rounds):
    """Seconds to the first answer, by a server that is started for it."""
    env = dict(os.environ, STAX_SERVER_SOCKET=f"{path}.no-server", DEBUGINFOD_URLS="")
    return statistics.median(wall_s([build / "stax", "top", "--run", path], env) for _ in range(rounds))


def same_data(build, folder, rounds):
    """Of a file of perf: imported and saved; and as it is, for `perf report`."""
    data, saved = f"{folder}/perf.data", f"{folder}/imported.stax"
    subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(LIVE_HZ), "--call-graph", "fp", "-o", data,
                    "--", "timeout", str(LIVE_S), build / "bench_spin", FOR_EVER], stderr=subprocess.DEVNULL,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
    server = Server(build)
    wall_s([server.stax, "import", data], env=server.env)
    samples = complete(server)["run"]["events"]["sample"]
    wall_s([server.stax, "save", saved], env=server.env)
    server.close()
    say(f"opening that of perf: {samples:,} samples")
    perf = statistics.median(wall_s(["perf", "report", "--stdio", "-g", "none", "-i", data]) for _ in range(rounds))
    return samples, first_top(build, saved, rounds), perf


def opening(build, rounds):
    with tempfile.TemporaryDirectory() as folder:
        samples, stax, perf = same_data(build, folder, rounds)
        rows = [(f"a file with {samples:,} samples of 2 threads to the first `stax top --run`, with the start of a server",
                 f"{stax * 1000:.0f} ms", f"`perf report --stdio -g none`, same samples in perf.data: {perf * 1000:.0f} ms",
                 f"{stax / perf:.3f} ×")]
        for which, n in (("samples", LARGE), ("server", LARGE // 10)):
            say(f"opening the invented {which}")
            got = numbers([build / "bench_spool", folder, which, str(n)])
            path = pathlib.Path(folder) / f"{which}.stax"
            took = first_top(build, path, rounds)
            waits = got[f"spool_{which}_intervals"] + got[f"spool_{which}_wakeups"]
            of = f"{n:,} samples" + (f", {waits:,.0f} intervals and wakeups" if waits > 0 else "")
            bound = ("bound: 1 s; `perf report` would take "
                     f"{perf * n / samples:.0f} s, in proportion to the samples above") if n == LARGE else ""
            rows.append((f"a file of {path.stat().st_size / 1e6:.0f} MB with {of} to the first `stax top --run`",
                         f"{took:.2f} s", bound, f"{took * 1e9 / (n + waits):.0f} ns per row"))
    return rows


# ---- Exporting -------------------------------------------------------------------------------------


def exporting(build):
    say("exports")
    got = numbers([build / "bench_export"])
    rows = []
    for name, time_ms in got.items():
        match = re.fullmatch(r"export_ordinary_(\w+)_time", name)
        if match:
            which = match.group(1)
            wide = got[f"export_wide_{which}_time"]
            rows.append((f"export as {which}, a million samples and 300,000 waits", f"{time_ms / 1000:.2f} s",
                         f"{got[f'export_ordinary_{which}_file']:.1f} MB; of 30,000 stacks and 64 threads: "
                         f"{wide / 1000:.2f} s, {got[f'export_wide_{which}_file']:.1f} MB",
                         f"longest slice: {got[f'export_wide_{which}_longest_slice']:.1f} ms"))
    return rows


def measure_files(build, rounds):
    rows = invented(build) + live(build) + recorded_redis(build)
    return rows + opening(build, rounds) + measure_import(build, rounds) + exporting(build)
