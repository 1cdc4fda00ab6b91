"""What it costs to record waiting: two threads that only switch, and redis-server under load.

Without wakeups, the server runs as nobody at perf_event_paranoid 1: intervals, reasons and stacks.
As root it records wakeups of the whole system, too. perf runs as root in both cases.
"""

import contextlib
import os
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from common import Server, call, median_ms, say

PARANOID = pathlib.Path("/proc/sys/kernel/perf_event_paranoid")
AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
# perf finds tracepoints only where tracefs is mounted: in a mount namespace of its own.
WITH_TRACEFS = ("unshare", "-m", "sh", "-c", 'mount -t tracefs none /sys/kernel/tracing; exec "$@"', "-")
SCHED = "sched:sched_switch,sched:sched_waking"
REQUESTS = 300000


@contextlib.contextmanager
def paranoid(level):
    before = PARANOID.read_text()
    PARANOID.write_text(str(level))
    try:
        yield
    finally:
        PARANOID.write_text(before)


class Recorder:
    """How a command is run under one of the recorders."""

    def __init__(self, build, who):
        self.who = who
        self.folder = tempfile.mkdtemp()
        os.chmod(self.folder, 0o777)
        self.wrap = AS_NOBODY if who == "stax" else ()
        self.server = Server(build, self.wrap) if who.startswith("stax") else None

    def command(self, command):
        """Frequencies are those that each has by itself: perf's is 4000 Hz, ours 900."""
        data = ["-q", "-o", f"{self.folder}/perf.data"]
        if self.server:
            return [*self.wrap, self.server.stax, "record", "--", *command]
        if self.who == "perf":
            return ["perf", "record", *data, "-e", "cpu-clock", "-g", "--switch-events", "--", *command]
        if self.who == "perf_sched":
            return [*WITH_TRACEFS, "perf", "record", *data, "-g", "-e", SCHED, "--", *command]
        if self.who == "perf_sched_all":
            return [*WITH_TRACEFS, "perf", "record", *data, "-a", "-g", "-e", SCHED, "--", *command]
        return command

    def env(self):
        return self.server.env if self.server else None

    def close(self):
        if self.server:
            self.server.close()
        shutil.rmtree(self.folder, ignore_errors=True)


# ---- The two loads ---------------------------------------------------------------------------------


def pingpong(build, recorder, seconds):
    ran = subprocess.run(recorder.command([str(build / "bench_pingpong"), str(seconds)]),
                         env=recorder.env(), capture_output=True, text=True,
                         stdin=subprocess.DEVNULL)
    match = re.search(r"^pingpong (\d+)$", ran.stdout, re.M)
    if not match:
        sys.exit(f"error: pingpong under {recorder.who}: {ran.stdout}{ran.stderr}")
    return int(match.group(1))


def redis(recorder, requests=REQUESTS):
    """Requests per second of 50 clients."""
    socket = f"{recorder.folder}/redis.sock"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(socket)
    command = ["redis-server", "--port", "0", "--unixsocket", socket, "--unixsocketperm", "777",
               "--save", "", "--appendonly", "no", "--dir", recorder.folder]
    process = subprocess.Popen(recorder.command(command), env=recorder.env(),
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while subprocess.run(["redis-cli", "-s", socket, "ping"], capture_output=True).stdout != b"PONG\n":
        if time.monotonic() > deadline or process.poll() is not None:
            sys.exit(f"error: redis-server did not start under {recorder.who}")
    ran = subprocess.run(["redis-benchmark", "-s", socket, "-t", "get", "-n", str(requests),
                          "--csv"], capture_output=True, text=True)
    subprocess.run(["redis-cli", "-s", socket, "shutdown", "nosave"], capture_output=True)
    process.wait()
    match = re.search(r'^"GET","([\d.]+)"', ran.stdout, re.M)
    if not match:
        sys.exit(f"error: redis-benchmark under {recorder.who}: {ran.stdout}{ran.stderr}")
    return float(match.group(1))


# ---- Throughput ------------------------------------------------------------------------------------

WHO = ("bare", "perf", "perf_sched", "perf_sched_all", "stax", "stax_wakeups")


def throughput(build, rounds, name, load, unit):
    """Every recorder in turns, each round in another order, after one of each that does not count."""
    recorders = {who: Recorder(build, who) for who in WHO}
    measured = {who: [] for who in WHO}
    for number in range(rounds + 1):
        say(f"{name}: round {number} of {rounds}")
        for who in random.sample(WHO, len(WHO)):
            value = load(recorders[who])
            if number > 0:
                measured[who].append(value)
    exact = exactness(recorders)
    for recorder in recorders.values():
        recorder.close()
    of = {who: statistics.median(measured[who]) for who in WHO}

    def row(who, what, peer, command, bound):
        """The ratio of the medians, and the standard error of the ratio of the means."""
        spread = [statistics.stdev(measured[w]) / statistics.mean(measured[w]) for w in (who, peer)]
        error = of[who] / of[peer] * (sum(s * s for s in spread) / rounds) ** 0.5
        return (f"{name}, {what}", f"{of[who]:,.0f} {unit}/s (bare: {of['bare']:,.0f})",
                f"`{command}`: {of[peer]:,.0f}", f"{of[who] / of[peer]:.2f} ± {error:.2f} × ({bound})")

    return [row("stax", "waits with reasons and stacks", "perf", "perf record -g --switch-events",
                "wanted: 1.0"),
            row("stax_wakeups", "and wakeups", "perf", "perf record -g --switch-events", "wanted: 0.8"),
            row("stax_wakeups", "and wakeups", "perf_sched", f"perf record -g -e {SCHED}", "wanted: 1.2"),
            row("stax_wakeups", "and wakeups", "perf_sched_all", f"perf record -a -g -e {SCHED}",
                "the same view: who wakes it, too"),
            *[(f"{name}, {text}", value, "", bound) for text, value, bound in exact]]


def exactness(recorders):
    """What the last recording of each says about itself."""
    rows = []
    for who, text in (("stax", ""), ("stax_wakeups", " (with wakeups)")):
        connection = recorders[who].server.connect()
        health = call(connection, "Profiler.threads")["result"]["health"]
        report = call(connection, "RunControl.diagnostics")["result"]["run"]
        waits = call(connection, "Profiler.intervals", limit=1)["result"]
        rows.append((f"blocked time with an exact stack{text}",
                     f"{100 - health['approximate_pct']:.1f} %", ""))
        lost = health["lost_records"] + health["lost_samples"]
        rows.append((f"records lost{text}",
                     f"{lost:,} of {sum(report['events'].values()):,}, "
                     f"{waits['total_intervals']:,} waits", ""))
    return rows


# ---- While it switches -----------------------------------------------------------------------------


def measure_storm(build):
    """How the server answers while 200,000 switches a second come in, and what they occupy."""
    say("answers in a storm")
    recorder = Recorder(build, "stax")
    result = {}
    thread = threading.Thread(target=lambda: result.update(trips=pingpong(build, recorder, 6)))
    thread.start()
    connection = recorder.server.connect()
    while not call(connection, "RunControl.status")["result"]["active"]:
        pass
    took, waits = [], []
    while thread.is_alive():
        began = time.monotonic()
        answer = call(connection, "Profiler.threads")
        took.append(time.monotonic() - began)
        waits.append(answer)
        thread.join(0.1)
    report = call(connection, "RunControl.diagnostics")["result"]
    run = report["run"]
    # A stay off the CPU is a row, whether the thread waited or was preempted.
    n = run["events"]["switch_out"]
    of_rows = run["memory"]["rows_bytes"] - 16 * run["events"].get("sample", 0)
    cpu = run["capture"]["cpu_ns"] / 1e9 / 6
    recorder.close()
    return [("`Profiler.threads` while two threads switch "
             f"{2 * result['trips']:,} times a second", f"{median_ms(took):.1f} ms",
             "bound: 50 ms", f"worst: {max(took) * 1000:.1f} ms of {len(took)}"),
            ("memory of that run", f"{of_rows / n:.2f} bytes/interval", "bound: 24", f"{n:,} intervals"),
            ("CPU of the capture thread meanwhile", f"{100 * cpu:.1f} %", "", "")]


def measure_waiting(build, rounds):
    if os.geteuid() != 0:
        return [("recording of waits", "not measured: needs root", "", "")]
    with paranoid(1):
        rows = throughput(build, rounds, "ping-pong of two threads on one CPU",
                          lambda recorder: pingpong(build, recorder, 1.5), "round trips")
        rows += throughput(build, 2 * rounds, "redis-server, 50 clients", redis, "requests")
        rows += measure_storm(build)
    return rows
