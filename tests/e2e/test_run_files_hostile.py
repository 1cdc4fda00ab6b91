"""Run files that somebody has damaged, or made up: an error or a part of a run, never the end of the server. And
directories of runs in which somebody else has been at work."""

import concurrent.futures
import os
import random
import shutil
import sqlite3
import stat
import time

import pytest

from run_files import facts
from stax import PATIENCE, SANITIZED, TIMEOUT, RpcError, needs_program, needs_root

FAST = 2000
SEED = 20_05
FILES = int(os.environ.get("STAX_HOSTILE_FILES", "200" if SANITIZED else "2000"))
PAGE = 4096
SECONDS_PER_FILE = 5 * PATIENCE
RSS_MAX = (3 << 30) if SANITIZED else (1 << 30)

# ---- Damage --------------------------------------------------------------------------------------------------


def cut(rng, data):
    return data[: rng.randrange(len(data))]


def flip_bits(rng, data):
    for _ in range(rng.choice((1, 3, 30, 300))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def flip_behind_the_header(rng, data):
    """Where the tables' rows are."""
    for _ in range(rng.choice((1, 10, 100))):
        data[rng.randrange(min(100, len(data) - 1), len(data))] = rng.randrange(256)
    return data


def fill(rng, data):
    at = rng.randrange(len(data))
    n = min(len(data) - at, rng.choice((1, 4, 100, PAGE)))
    data[at : at + n] = rng.choice((b"\0", b"\xff", b"\x80")) * n
    return data


def swap_pages(rng, data):
    pages = [data[at : at + PAGE] for at in range(0, len(data), PAGE)]
    for _ in range(rng.choice((1, 5))):
        a, b = rng.randrange(1, len(pages)), rng.randrange(1, len(pages))
        pages[a], pages[b] = pages[b], pages[a]
    return b"".join(pages)


def repeat_page(rng, data):
    """A page stands in two places of a tree, or in its own place below itself."""
    a, b = (rng.randrange(len(data) // PAGE) * PAGE for _ in range(2))
    data[a : a + PAGE] = data[b : b + PAGE]
    return data


NUMBERS = (-(2**63), -(2**32), -1, 0, 1, 2, 255, 4095, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1)


def any_value(rng):
    kind = rng.randrange(6)
    if kind < 3:
        return rng.choice(NUMBERS) if kind else rng.randrange(-(2**40), 2**40)
    if kind == 3:
        return rng.randbytes(rng.choice((0, 1, 8, 100, 5000)))
    return rng.choice(("", "x", "stopped", "recording", "ready", "file", "kernel", "a\nb", "é" * 70000, "0"))\
        if kind == 4 else None


def change_rows(rng, path):
    """What SQLite finds nothing wrong with."""
    with sqlite3.connect(path) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for _ in range(rng.choice((1, 2, 10, 50))):
            table = rng.choice(tables)
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            (n,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()
            if n == 0:
                continue
            column = rng.choice(columns)
            (key, value), = db.execute(f"SELECT {columns[0]}, {column} FROM {table} LIMIT 1 OFFSET ?",
                                       (rng.randrange(n),))
            action = rng.randrange(8)
            if action == 0:
                db.execute(f"DELETE FROM {table} WHERE {columns[0]} IS ?", (key,))
            elif action == 1:
                new = [any_value(rng) for _ in columns]
                db.execute(f"INSERT OR IGNORE INTO {table} VALUES({','.join('?' * len(new))})", new) \
                    if not isinstance(new[0], (str, bytes, type(None))) else None
            else:
                new = any_value(rng)
                if isinstance(value, bytes) and value and action < 5:
                    new = bytes(flip_bits(rng, bytearray(value)))
                try:
                    db.execute(f"UPDATE OR IGNORE {table} SET {column} = ? WHERE {columns[0]} IS ?", (new, key))
                except sqlite3.IntegrityError:
                    pass  # not a type that a key may have
    db.close()


BYTES = (cut, flip_bits, flip_behind_the_header, fill, swap_pages, repeat_page)


def damage(rng, original, path):
    if rng.randrange(2):
        shutil.copy(original, path)
        change_rows(rng, path)
    if not path.exists() or rng.randrange(6) == 0:
        source = path if path.exists() else original
        data = bytearray(source.read_bytes())
        for _ in range(rng.choice((1, 1, 2))):
            data = bytearray(rng.choice(BYTES)(rng, data) or b"?")
        path.write_bytes(data)


# ---- Opening it ----------------------------------------------------------------------------------------------


def ask_everything(rpc, run_id):
    """Every kind of question. Each is answered, or refused in words."""
    view = {"run": run_id}
    threads = rpc.call("Profiler.threads", view=view)["threads"]
    questions = [("Profiler.top", {"limit": 100}), ("Profiler.top", {"limit": 100, "mode": "off_cpu"}),
                 ("Profiler.flamegraph", {}), ("Profiler.intervals", {"limit": 100}),
                 ("Profiler.timeline", {"buckets": 50}), ("Profiler.total_on_cpu_ns", {})]
    questions += [("Profiler.wakers", {"tid": t["tid"]}) for t in threads[:3] if t["tid"]]
    for method, params in questions:
        rpc.call(method, view=view, **params)
    rpc.call("RunControl.diagnostics", run=run_id)


def seeds(server, target, folder):
    """Files that have everything: waits of all kinds, inlined functions, a recording that was cut off."""
    paths = []
    for i, command in enumerate(([target("waits"), "-n", 3, "-m", 1], [target("inlining"), 100])):
        server.record(command, "-F", FAST)
        server.settle()
        paths.append(folder / f"seed-{i}.stax")
        server.ok("save", paths[-1])
    with server.live([target("forever"), 2], "-F", FAST):
        server.ok("wait", "--for-samples", 300)
        paths.append(folder / "seed-2.stax")
        server.ok("save", paths[-1])
        server.ok("stop")
    return paths


@pytest.mark.limit(600)
def test_damaged_files(other_server, server, target, tmp_path):
    rng = random.Random(SEED)
    originals = seeds(server, target, tmp_path)
    victim = other_server("--runs-dir", "").start()
    opened = refused = 0
    slowest = (0, None)
    with victim.rpc() as rpc:
        for i in range(FILES):
            path = tmp_path / f"{i}.stax"
            state = rng.getstate()
            damage(rng, rng.choice(originals), path)
            begin = time.monotonic()
            try:
                run = rpc.call("RunControl.open_saved", path=str(path))
                ask_everything(rpc, run["id"])
                opened += 1
            except RpcError as error:
                assert error.kind in ("not_found", "invalid_params", "permission"), (i, error)
                refused += 1
            except (AssertionError, TimeoutError) as error:
                raise AssertionError(f"file {i}, kept in {shutil.copy(path, '/tmp')}: {error}\n{victim.stderr()}") \
                    from None
            seconds = time.monotonic() - begin
            slowest = max(slowest, (seconds, i))
            assert seconds < SECONDS_PER_FILE, f"file {i} took {seconds} s ({state[1][:3]})"
            path.unlink()
            if i % 50 == 0:
                rss = rpc.call("RunControl.diagnostics")["server"]["rss_bytes"]
                assert rss < RSS_MAX, f"{rss >> 20} MiB after {i} files"
        # The list of all of them is one that a client can read.
        runs = rpc.call("RunControl.list_runs")["runs"]
        rss = rpc.call("RunControl.diagnostics", run=runs[-1]["id"])["server"]["rss_bytes"] if runs else 0
    print(f"{opened} opened, {refused} refused, slowest {slowest}, {rss >> 20} MiB, {len(runs)} listed")
    assert opened > FILES // 10 and refused > FILES // 10
    assert len(runs) <= 256
    assert victim.ok("list").out
    victim.stop()
