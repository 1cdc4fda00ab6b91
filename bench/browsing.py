"""What the browser's page costs, and what it costs the server: bench/web.mjs drives Chromium."""

import gzip
import json
import pathlib
import subprocess
import sys
import tempfile

from common import say

ROOT = pathlib.Path(__file__).resolve().parent.parent
SAMPLES = 1_000_000


def speedscope_kb(build):
    """KB after gzip of what speedscope loads first, where the tests have installed it."""
    folder = build.parent / "build-asan/speedscope-npm/node_modules/speedscope/dist/release"
    files = [*folder.glob("speedscope*.js"), *folder.glob("speedscope*.css"), *folder.glob("reset*.css")]
    return sum(len(gzip.compress(path.read_bytes(), 9)) for path in files) / 1024 if files else None


def web_numbers(build):
    with tempfile.TemporaryDirectory() as folder:
        say("the browser's page: an invented run")
        subprocess.run([build / "bench_spool", folder, "server", str(SAMPLES)], check=True, stdout=subprocess.DEVNULL)
        say("the browser's page: some seven minutes")
        ran = subprocess.run(["node", ROOT / "bench/web.mjs", build, f"{folder}/server.stax"], stdout=subprocess.PIPE,
                             text=True, stdin=subprocess.DEVNULL)
    lines = [line for line in ran.stdout.splitlines() if line.startswith("{")]
    if ran.returncode != 0 or not lines:
        sys.exit(f"error: bench/web.mjs: status {ran.returncode}")
    return json.loads(lines[-1])


def server_numbers(build):
    """What the answers for one page cost the server, by the names that bench_live prints."""
    say("what a page costs the server: 10,000,000 samples, about a minute")
    ran = subprocess.run([build / "bench_live"], stdout=subprocess.PIPE, text=True, check=True)
    return {name: float(value) for name, value, _unit in map(str.split, ran.stdout.splitlines())}


def measure_server(build):
    got = server_numbers(build)
    run = "10,000,000 samples in 60,000 stacks, 20,000 nodes shown, 28,800 samples/s more"
    return [
        (f"{run}: the answers for one page, {mode}", f"{got[prefix + 'page_cpu']:.1f} % of a CPU", "bound: 5 %",
         f"a tick of the call tree: {got[prefix + 'tree_tick']:.1f} ms, {got[prefix + 'tree_message']:.0f} KB")
        for prefix, mode in (("", "on a CPU"), ("wall_", "on a CPU and waiting"))
    ]


def measure_browsing(build, _rounds):
    server = measure_server(build)
    got = web_numbers(build)
    peer = speedscope_kb(build)
    beside = f"; speedscope: {peer:.0f} KB" if peer else ""
    run = f"a run of {SAMPLES:,} samples"
    tenth = "50,000 nodes, a tenth of them changed 4 times a second"
    return [
        ("the page, after gzip", f"{got['firstKb']:.1f} KB", f"bound: 60 KB{beside}", ""),
        ("all parts that are loaded when needed, after gzip", f"{got['lazyKb']:.1f} KB", "bound: 120 KB", ""),
        (f"{run}: from the address to the first paint", f"{got['firstPaintMs']:.0f} ms", "bound: 200 ms",
         f"median; an empty page: {got['emptyMs']:.0f} ms"),
        (f"{run}: to the first flamegraph", f"{got['firstFlameMs']:.0f} ms", "bound: 400 ms", "median"),
        (f"{run}: from choosing a range of time to its flamegraph", f"{got['brushMedianMs']:.0f} ms", "bound: 400 ms",
         f"at most {got['brushMostMs']:.0f} ms"),
        ("50,000 nodes, all of them in one message: reading, merging, layout, drawing", f"{got['fullP95Ms']:.1f} ms",
         "bound: 15 ms", f"p95; median {got['fullMedianMs']:.1f} ms; the first of a page {got['coldMs']:.0f} ms"),
        (f"{tenth}: an update, the same", f"{got['updateMedianMs']:.1f} ms", "bound: 4 ms",
         f"p95 {got['updateP95Ms']:.1f} ms, bound: 12 ms"),
        (f"{tenth}: tasks of more than 50 ms in 60 s", f"{got['longTasks']}", "bound: 0",
         f"the longest {got['longestTaskMs']:.0f} ms" if got["longTasks"] else ""),
        (f"{tenth}: the main thread", f"{got['busyPct']:.1f} %", "bound: 5 %", "all panels"),
        (f"{tenth}: a message of the call tree", f"{got['wireKb']:.0f} KB", "bound: 100 KB at 20,000 nodes", "median"),
        (f"{tenth}: the heap of the page", f"{got['heapMb']:.1f} MB", "bound: 60 MB", ""),
        ("50,000 nodes: from a move of the mouse to the mark of its box", f"{got['hoverMedianMs']:.1f} ms", "bound: 16 ms",
         f"median; p95 {got['hoverP95Ms']:.1f} ms"),
        ("50,000 nodes: from a letter in the search to what it finds", f"{got['searchMedianMs']:.0f} ms", "bound: 30 ms",
         f"median; at most {got['searchMostMs']:.0f} ms"),
        ("ten minutes of updates: the heap of the page grows by", f"{got['heapMbPerMinute']:.2f} MB per minute",
         "bound: 0.5 MB", "after two minutes"),
        ("200,000 nodes, a zoom: from frame to frame", f"{got['zoomP95Ms']:.1f} ms", "bound: 20 ms",
         f"p95; median {got['zoomMedianMs']:.1f} ms"),
        ("one open page, of a run that is being recorded: the server", f"{got['serverPct']:.1f} % of a CPU", "bound: 5 %",
         "a small run"),
        *server,
    ]
