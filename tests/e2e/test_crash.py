"""A server that is killed loses at most the last second."""

import concurrent.futures
import os
import random
import signal
import sqlite3
import sys
import time

import pytest

from run_files import integrity
from stax import Server

KILLS = int(os.environ.get("STAX_KILLS", "200"))
AT_ONCE = 8

# Works a little, waits a little, and makes threads come and go.
BUSY = """
import os, threading, time
def work():
    for _ in range(20):
        sum(range(10000))
        time.sleep(0.002)
with open(os.environ["READY"], "w") as ready:
    print(os.getpid(), file=ready)
while True:
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""


def crash(seed):
    """One server, one recording, one kill. Why it was lost, or ""."""
    rng = random.Random(seed)
    server = Server()
    counted = []  # (when, samples, waits), as the server told them
    try:
        server.start()
        with server.live([sys.executable, "-S", "-c", BUSY], "-F", 2000):
            with server.rpc() as rpc:
                end = time.monotonic() + rng.uniform(0.0, 2.5)
                while time.monotonic() < end:
                    active = rpc.call("RunControl.status")["active"]
                    if active:
                        counted.append((time.monotonic(), active[0]["samples"], active[0]["off_cpu_intervals"]))
                    rpc.pause(rng.uniform(0.0, 0.05))
            server.proc.send_signal(signal.SIGKILL)
            killed = time.monotonic()
            server.proc.wait()
        path = server.runs_folder / "1.stax"
        server.start()
        return judge(server, path, killed, counted)
    finally:
        server.close()


def judge(server, path, killed, counted):
    summary = server.last_summary()
    old_enough = [count for count in counted if count[0] <= killed - 1] or [(0, 0, 0)]
    _, samples, waits = old_enough[-1]
    if summary is None:
        return "" if not counted else f"no run after {len(counted)} answers"
    if not summary["recovered"] or summary["state"] != "stopped":
        return f"not recovered: {summary}"
    if summary["samples"] < samples or summary["off_cpu_intervals"] < waits:
        return f"{samples} samples and {waits} waits a second before, now {summary}"
    top = server.json("top", "-n", 10000)
    threads = server.json("threads", "-n", 0)["threads"]
    if top["health"]["samples"] != summary["samples"]:
        return f"{summary} but top has {top['health']}"
    if sum(thread["samples"] for thread in threads) != summary["samples"]:
        return f"{summary} but threads have {threads}"
    if integrity(path) != "ok":
        return integrity(path)
    return ""


@pytest.mark.limit(600)
def test_killed_at_any_moment():
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        lost = [(seed, why) for seed, why in zip(range(KILLS), pool.map(crash, range(KILLS))) if why]
    assert not lost, lost


def test_the_recovered_run_says_so(server):
    with server.live([sys.executable, "-S", "-c", BUSY], "-F", 2000):
        server.ok("wait", "--for-seconds", 1.5)
        server.proc.send_signal(signal.SIGKILL)
        server.proc.wait()
    server.start()
    listed = server.ok("list").out
    assert "recovered" in listed, listed
    summary = server.last_summary()
    assert any(note.startswith("recovered: ") for note in summary["notes"])
    # Once it is settled, nothing lies beside it; and it stays what it is.
    assert os.listdir(server.runs_folder) == ["1.stax"]
    top = server.json("top")
    assert any("python" in entry["binary"] for entry in top["entries"]), top["entries"]
    server.restart()
    assert server.last_summary() == summary
    with sqlite3.connect(f"file:{server.runs_folder}/1.stax?mode=ro", uri=True) as db:
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
