"""Programs that nobody wrote for this test."""

import json
import shutil
import socket
import subprocess

import pytest

from stax import TIMEOUT, attach, needs_program
from waiting import MS, REASONS, dominating, intervals_of, off_cpu_flame, part, skip_unless, threads_of, total

SQL = """
create table t(a integer, b text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 400000)
insert into t select (i * 7919) % 100003, hex(i * 31) from n;
create index on_b on t(b);
select count(*), sum(length(x.b)) from t x join t y on x.a = y.a where x.b < '3';
"""
PYTHON = """
import hashlib, json
n = 0
for i in range(120000):
    n += len(json.dumps({"a": i, "b": [i, str(i)]}))
assert hashlib.pbkdf2_hmac("sha256", b"x", b"y", 600000)
"""

PROGRAMS = [
    ("sqlite3", lambda d: [":memory:", SQL], 0),
    ("xz", lambda d: ["-9", "-k", "-T1", "-c", d / "data"], 0),
    ("python3", lambda d: ["-c", PYTHON + "raise SystemExit(9)"], 9),
]


def program(name):
    """Debian's own, not one of a version manager's scripts."""
    return shutil.which(name, path="/usr/bin:/bin") or shutil.which(name)


@pytest.mark.parametrize("name, args, status", [
    pytest.param(*row, marks=pytest.mark.needs(needs_program(row[0])), id=row[0]) for row in PROGRAMS])
def test_real_program(server, name, args, status):
    data = server.dir / "data"
    data.write_bytes(b"".join(str(i * i % 99991).encode() for i in range(400000)))
    run = server.record([program(name), *args(server.dir)], "-F", "2000")
    assert run.status == status, run.result.err
    top = server.settled_top()
    flame = server.flame().check()
    assert top.samples == run.summary["samples"] == flame.samples > 200
    assert top.health["lost_samples"] == 0
    assert max(e["total_samples"] for e in top.entries) <= top.samples
    binaries = {e["binary"] for e in top.entries}
    assert any(name.rstrip("3") in b or "sqlite" in b or "lzma" in b or "python" in b or "crypto" in b
               for b in binaries), binaries
    # Where an image has symbols, nearly all that fell into it has a name. (A stripped Debian binary has
    # only its dynamic symbols, which do not cover its static functions.)
    for image in server.json("diagnose")["run"]["images"]:
        assert image["unresolved_samples"] <= image["leaf_samples"]
    for entry in top.entries:
        assert entry["function_name"] and not entry["function_name"].startswith("0x"), entry
    share = 100 * sum(e["self_on_cpu_ns"] for e in top.entries) / top.answer["total_on_cpu_ns"]
    assert 99.9 <= share <= 100.1


@pytest.mark.needs(needs_program("python3"))
def test_native_symbols_of_python(server):
    """Debian's python3 keeps its dynamic symbols: the interpreter's loop has its name. (Its static
    functions have none, and stay offsets.)"""
    if not program("python3").startswith("/usr/bin"):
        pytest.skip("python3 is not Debian's")
    server.record([program("python3"), "-S", "-c", "x = 0\nfor i in range(15000000): x += i & 3"], "-F", "2000")
    top = server.settled_top()
    named = sum(e["self_samples"] for e in top.entries if e["function_name"].startswith(("_Py", "Py", "_start")))
    assert named > 0.25 * top.samples, top.names()[:10]
    assert any("_PyEval" in name for name in top.names())


def test_pipeline_keeps_its_streams(server):
    """The program keeps its standard streams and its working directory."""
    import subprocess
    done = subprocess.run([server.stax_binary, "record", "--", "sh", "-c", "cat; pwd; echo err >&2; exit 4"],
                          input=b"through\n", env=server.env, cwd=server.dir, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 4
    assert done.stdout.decode().splitlines()[:2] == ["through", str(server.dir)], done
    assert b"err\n" in done.stderr


# ---- Real programs that wait --------------------------------------------------------------------------------

PYTHON_WAITS = """
import json, os, queue, threading, time

tids = {}
lock, items, lock_held = threading.Lock(), queue.Queue(), threading.Event()

def of(name, work):
    def main():
        tids[name] = threading.get_native_id()
        work()
    return threading.Thread(target=main)

def sleeper():
    for _ in range(20):
        time.sleep(0.01)

def holder():
    with lock:
        lock_held.set()
        time.sleep(0.3)

def locker():
    lock_held.wait()
    with lock:
        pass

def getter():
    for _ in range(20):
        items.get()

def putter():
    for i in range(20):
        time.sleep(0.01)
        items.put(i)

threads = [of(f.__name__, f) for f in (sleeper, holder, locker, getter, putter)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with open(os.environ["TRUTH"], "w") as out:
    json.dump({"functions": {}, "threads": [], "tids": tids}, out)
"""


def check_waits(server):
    """What holds for whatever program: time adds up per thread, and the views of it agree."""
    assert server.last_summary()["lost_records"] == 0
    server.settle()
    with server.rpc() as rpc:
        threads = threads_of(rpc).check()
        off_cpu_flame(rpc).check()
        whole = intervals_of(rpc, limit=1)
        for reason in REASONS:
            assert part(whole["by_reason"], reason) == part(threads.answer["total_off_cpu"], reason), reason
        top = rpc.call("Profiler.top", mode="off_cpu", limit=10000)
        assert sum(total(e["self_off_cpu"]) for e in top["entries"]) == total(threads.answer["total_off_cpu"])
        unexplained = rpc.call("RunControl.diagnostics")["run"]["unexplained_waits"]
    return threads, unexplained


@pytest.mark.needs(needs_program("python3"))
def test_python_threads_that_wait(server):
    """time.sleep, a threading.Lock that is held for 0.3 s, and a queue between two threads."""
    skip_unless(server, "off_cpu", "kernel_symbols", "kernel_stacks")
    run = server.record([program("python3"), "-S", "-c", PYTHON_WAITS])
    assert run.status == 0, run.result.err
    threads, _ = check_waits(server)
    tids = run.truth.lines[0]["tids"]
    by_name = {name: threads.by_tid[tid] for name, tid in tids.items()}
    for name in ("sleeper", "holder", "putter"):
        assert dominating(by_name[name]["off_cpu"]) == "sleep", (name, by_name[name])
        assert part(by_name[name]["off_cpu"], "sleep") >= 190 * MS
    # CPython makes its locks of semaphores, where there are any.
    for name, at_least_ms in (("locker", 250), ("getter", 150)):
        off_cpu = by_name[name]["off_cpu"]
        assert dominating(off_cpu) in ("lock", "semaphore"), (name, by_name[name])
        assert part(off_cpu, "lock") + part(off_cpu, "semaphore") >= at_least_ms * MS, by_name[name]
    if server.json("status")["capabilities"]["wakeups"]["available"]:
        with server.rpc() as rpc:
            wakers = rpc.call("Profiler.wakers", tid=tids["locker"])
            by_holder = sum(e["ended_ns"] for e in wakers["entries"] if e["waker_tid"] == tids["holder"])
            assert by_holder >= 200 * MS, wakers["entries"]


@pytest.mark.needs(needs_program("sqlite3"))
def test_sqlite_that_syncs(server):
    """Each transaction of its own, and each of them waits for the disk."""
    skip_unless(server, "off_cpu", "kernel_symbols", "kernel_stacks")
    sql = "pragma journal_mode=delete; pragma synchronous=full; create table t(a);" + "".join(
        f"insert into t values({i});" for i in range(60))
    filesystem = subprocess.run(["stat", "-f", "-c", "%T", server.dir], stdout=subprocess.PIPE, text=True,
                                check=True).stdout.strip()
    if filesystem in ("tmpfs", "ramfs"):
        pytest.skip(f"{server.dir} is on {filesystem}: nothing waits for a disk there")
    run = server.record([program("sqlite3"), server.dir / "data.db", sql])
    assert run.status == 0, run.result.err
    threads, unexplained = check_waits(server)
    main = threads.by_tid[run.summary["target_pid"]]
    if total(main["off_cpu"]) < 2 * MS:
        pytest.skip(f"this disk is too fast to wait for: {main['off_cpu']}")
    assert dominating(main["off_cpu"]) == "io_write", (main, unexplained)
    assert part(main["off_cpu"], "other") <= 0.2 * total(main["off_cpu"]), unexplained


def redis_answers(path):
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        client.sendall(b"PING\r\n")
        return client.recv(64).startswith(b"+PONG")


@pytest.mark.limit(120)
@pytest.mark.needs(needs_program("redis-server"))
@pytest.mark.needs(needs_program("redis-benchmark"))
def test_redis_under_load(server):
    """A server that waits for its clients in epoll, and workers of it that have nothing to do."""
    skip_unless(server, "off_cpu", "kernel_symbols", "kernel_stacks")
    path = server.dir / "redis.sock"
    with subprocess.Popen(
            [program("redis-server"), "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no",
             "--dir", server.dir], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as redis:
        try:
            with server.rpc() as rpc:
                while not path.exists() or not redis_answers(path):
                    assert redis.poll() is None, "redis-server did not start"
                    rpc.pause(0.05)
            record = attach(server, redis.pid)
            done = subprocess.run(
                [program("redis-benchmark"), "-s", path, "-t", "set,get", "-n", "20000", "-c", "10", "-q"],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT, check=False)
            assert done.returncode == 0, done
            server.ok("stop")
            record.communicate(timeout=TIMEOUT)
            threads, unexplained = check_waits(server)
            main = threads.by_tid[redis.pid]
            assert main["samples"] > 0 and main["on_cpu_ns"] > 0
            assert dominating(main["off_cpu"]) == "readiness", (main, unexplained)
            workers = [t for t in threads.all if t["name"].startswith("bio_")]
            assert workers, [t["name"] for t in threads.all]
            for worker in workers:
                assert dominating(worker["off_cpu"]) in ("idle", "lock"), worker
                assert total(worker["off_cpu"]) >= 0.95 * threads.life_ns(worker)
            check_its_clients(server, redis.pid)
        finally:
            redis.kill()


def check_its_clients(server, pid):
    """Who wakes it is another program, and named."""
    if not server.json("status")["capabilities"]["wakeups"]["available"]:
        return
    with server.rpc() as rpc:
        wakers = rpc.call("Profiler.wakers", tid=pid, limit=1000)
    foreign = sum(e["count"] for e in wakers["entries"] if e["foreign"] and e["waker_name"] == "redis-benchmark")
    assert foreign >= 0.5 * wakers["total_wakeups"] > 0, json.dumps(wakers["entries"])[:2000]
