"""Run files that somebody has damaged, or made up: an error or a part of a run, never the end of the server. And
directories of runs in which somebody else has been at work."""

import concurrent.futures
import os
import random
import shutil
import sqlite3
import time

import pytest

from run_files import integrity
from stax import PATIENCE, SANITIZED, RpcError, needs_program, needs_root

FAST = 2000
SEED = 20_05
FILES = int(os.environ.get("STAX_HOSTILE_FILES", "300" if SANITIZED else "2000"))
PAGE = 4096
SECONDS_PER_FILE = 5 * PATIENCE
RSS_MAX = (2 << 30) if SANITIZED else (400 << 20)

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
            if len(data) >= 2 * PAGE:  # not much is left to be damaged after a cut
                data = bytearray(rng.choice(BYTES)(rng, data))
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


# ---- The directory -------------------------------------------------------------------------------------------


def settled_run(server, target):
    run = server.record([target("brief")])
    server.settle_file(run.id)
    return run


def test_a_damaged_file_in_the_history(server, target):
    """It is listed with a note, and everything goes on."""
    first = settled_run(server, target)
    second = settled_run(server, target)
    path = server.runs_folder / f"{second.id}.stax"
    whole = path.read_bytes()
    server.stop()
    for damaged in (b"", b"text", whole[:50], whole[:5000], b"\0" * len(whole)):
        path.write_bytes(damaged)
        server.start()
        runs = server.json("list")["runs"]
        assert [run["id"] for run in runs][:2] == [first.id, second.id]
        assert runs[0]["notes"] == first.summary["notes"]
        assert any(str(path) in note for note in runs[1]["notes"]), runs[1]
        refused = server.stax("top", "--run", second.id)
        assert refused.status == 1 and str(path) in refused.err, refused
        assert server.json("top", "--run", first.id)["health"]["samples"] == first.summary["samples"]
        third = settled_run(server, target)
        assert third.id > second.id
        server.stop()
    path.write_bytes(whole)
    server.start()
    assert server.json("top", "--run", second.id)["health"]["samples"] == second.summary["samples"]


def test_what_is_not_ours_in_the_history(server, target, tmp_path):
    """Neither listed, nor opened, nor removed, nor written to: and it does not make anybody wait."""
    folder = server.runs_folder
    folder.mkdir(parents=True)
    rng = random.Random(SEED)
    names = {"0.stax", "01.stax", "-1.stax", "x.stax", "1.stax~", "5.stax-wal", "99999999999999999999.stax", "\n.stax"}
    names |= {"".join(rng.choice("0123456789.staxé -") for _ in range(rng.randrange(1, 30))) for _ in range(5000)}
    names = {name for name in names
             if name not in (".", "..") and not (name.endswith(".stax") and name[:-5].isdecimal())} | {"0.stax"}
    for name in names:
        (folder / name).write_text("garbage")
    os.mkfifo(folder / "7.stax")
    (folder / "8.stax").symlink_to(tmp_path / "elsewhere")
    (folder / "9.stax").mkdir()
    (folder / "10.stax").symlink_to("/dev/zero")
    if os.geteuid() == 0:
        os.mknod(folder / "11.stax", 0o600 | 0o020000, os.makedev(1, 5))
    before = sorted(os.listdir(folder))
    assert server.json("list")["runs"] == []
    assert "no run 7" in server.stax("top", "--run", 7).err
    run = settled_run(server, target)
    assert run.id == 1 and sorted(os.listdir(folder)) == sorted([*before, "1.stax"])
    assert [r["id"] for r in server.json("list")["runs"]] == [1]
    assert not (tmp_path / "elsewhere").exists()
    # By name, as a file: refused as what they are.
    for name in ("7.stax", "9.stax", "10.stax"):
        refused = server.stax("open", folder / name)
        assert refused.status == 1 and "error: " in refused.err, refused


def test_numbers_at_the_same_moment(server, other_server, target):
    """Servers that begin to record at once do not get the same number."""
    servers = [server] + [other_server(env={"XDG_STATE_HOME": server.env["XDG_STATE_HOME"]}).start()
                          for _ in range(3)]
    for _ in range(4):
        lives = [one.live([target("forever")], ready=False) for one in servers]
        for live in lives:
            live.target_pid = live.ready.wait(live.proc)
        for live in lives:
            live.end()
            live.kill()
            live.server.live_runs.remove(live)
    for one in servers:
        one.wait_for(lambda one=one: not one.json("list")["runs"][-1]["state"] == "recording", "all are over")
    for one in servers:
        one.wait_for(lambda one=one: len(one.json("list")["runs"]) == 16, "all are listed")
        assert [run["id"] for run in one.json("list")["runs"]] == list(range(1, 17))
        assert not any(run["recovered"] for run in one.json("list")["runs"])
    assert sorted(os.listdir(server.runs_folder), key=lambda name: int(name.split(".")[0])) == \
        [f"{i}.stax" for i in range(1, 17)]


def test_the_history_goes(server, target):
    """The directory is removed while the server runs: what is in memory stays, and the next run makes it anew."""
    first = settled_run(server, target)
    shutil.rmtree(server.runs_folder.parent)
    assert server.json("top", "--run", first.id)["health"]["samples"] == first.summary["samples"]
    second = settled_run(server, target)
    assert second.id == first.id + 1
    assert integrity(server.runs_folder / f"{second.id}.stax") == "ok"
    assert os.listdir(server.runs_folder) == [f"{second.id}.stax"]


def test_the_history_goes_while_recording(server, target):
    with server.live([target("forever")], "-F", FAST) as live:
        server.ok("wait", "--for-samples", 100)
        shutil.rmtree(server.runs_folder.parent)
        server.ok("wait", "--for-samples", 500)
        live.end()
    samples = server.last_summary()["samples"]
    assert samples >= 500 and server.json("top")["health"]["samples"] == samples
    assert settled_run(server, target).status == 0


READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'


@pytest.mark.needs(needs_root() or needs_program("unshare"))
def test_a_history_that_is_read_only(server, other_server, target):
    """Runs are listed and asked about, also one that was left behind; what is recorded stays in memory."""
    first = settled_run(server, target)
    with server.live([target("forever")], "-F", FAST):
        server.ok("wait", "--for-seconds", 1.5)
        server.proc.kill()
        server.proc.wait()
    before = {name: (server.runs_folder / name).stat().st_mtime_ns for name in os.listdir(server.runs_folder)}
    reader = other_server(wrap=["unshare", "-m", "sh", "-c", READ_ONLY, server.runs_folder],
                          env={"XDG_STATE_HOME": server.env["XDG_STATE_HOME"]}).start()
    reader.wrap = []
    runs = reader.json("list")["runs"]
    assert [run["id"] for run in runs] == [1, 2] and runs[1]["recovered"]
    assert reader.json("top", "--run", 1)["health"]["samples"] == first.summary["samples"]
    assert reader.json("top", "--run", 2)["health"]["samples"] == runs[1]["samples"] > 0
    third = reader.record([target("brief")])
    assert third.summary["file"] == "" and any("in memory only" in note for note in third.summary["notes"])
    assert {name: (server.runs_folder / name).stat().st_mtime_ns for name in os.listdir(server.runs_folder)} == before
    server.start()
    assert server.json("list")["runs"][1]["recovered"]
