"""Runs as files: kept, saved, opened, recorded without a server."""

import os
import shutil
import signal
import sqlite3
import subprocess

import pytest

from run_files import answers, assert_same_answers, facts, integrity
from stax import NOBODY, TIMEOUT, Ready, needs_program, needs_root

FAST = 2000
# Of the target's kinds of waiting those that every machine can do at any time.
KINDS = ("mutex", "rwlock", "cond", "sem", "semop", "pipe_read", "pipe_write", "unix_read", "poll", "select", "epoll", "signal")


def record(server, target, *more, n=20):
    """A run with samples, waits of all kinds, wakeups, and inlined functions."""
    run = server.record([target("waits"), "-n", n, "-m", 1, *KINDS], "-F", FAST, *more)
    assert run.status == 0, run.result
    server.settle()
    server.settle_file(run.id)
    return run


# ---- The history ---------------------------------------------------------------------------------------------


def test_a_run_survives_its_server(server, target):
    run = record(server, target)
    before = answers(server, run.id)
    summary = server.summary(run.id)
    path = server.runs_folder / f"{run.id}.stax"
    assert summary["file"] == str(path) and summary["in_history"] and not summary["recovered"]
    server.restart()
    assert os.listdir(path.parent) == [path.name], "nothing lies beside it"
    assert integrity(path) == "ok"
    assert server.summary(run.id) == summary
    assert_same_answers(answers(server, run.id), before)
    # And it is what questions are about.
    assert server.json("top", "-n", 5)["entries"]
    # Numbers go on.
    assert server.record([target("brief")]).id == run.id + 1


def test_the_oldest_go(other_server, target):
    server = other_server(env={"STAX_KEEP_RUNS": "3"}).start()
    for _ in range(5):
        run = server.record([target("brief")])
    server.settle_file(run.id)
    server.settle_file(server.record([target("brief")]).id)
    assert [r["id"] for r in server.json("list")["runs"]] == [4, 5, 6]
    assert sorted(os.listdir(server.runs_folder)) == ["4.stax", "5.stax", "6.stax"]


def test_the_oldest_go_by_bytes(other_server, target):
    server = other_server(env={"STAX_KEEP_BYTES": "1K"}).start()
    for _ in range(3):
        run = server.record([target("brief")])
        server.settle_file(run.id)
    server.record([target("brief")])
    # At the end of the last one, it alone was not complete.
    assert [r["id"] for r in server.json("list")["runs"]] == [run.id + 1]


def test_a_saved_file_is_never_removed(other_server, target, tmp_path):
    server = other_server(env={"STAX_KEEP_RUNS": "1"}).start()
    server.record([target("brief")])
    server.ok("save", tmp_path / "kept.stax")
    for _ in range(3):
        server.settle_file(server.record([target("brief")]).id)
    server.ok("open", tmp_path / "kept.stax")
    server.record([target("brief")])
    assert (tmp_path / "kept.stax").exists()


def test_two_servers_share_a_history(server, other_server, target):
    second = other_server(env={"XDG_STATE_HOME": server.env["XDG_STATE_HOME"]}).start()
    first_run = server.record([target("brief")])
    server.settle_file(first_run.id)
    second_run = second.record([target("brief")])
    second.settle_file(second_run.id)
    assert second_run.id == first_run.id + 1
    assert [r["id"] for r in server.json("list")["runs"]] == [1, 2]
    assert server.json("top", "--run", 2)["health"]["samples"] == second_run.summary["samples"]
    # What one is recording is nobody else's.
    with server.live([target("forever")]) as live:
        assert [r["id"] for r in second.json("list")["runs"]] == [1, 2]
        assert "no run 3" in second.stax("top", "--run", 3).err
        other = second.record([target("brief")])
        assert other.id == 4
        live.end()
    server.settle_file(3)
    assert [r["id"] for r in second.json("list")["runs"]] == [1, 2, 3, 4]


def test_a_run_of_a_server_that_goes_meanwhile(server, other_server, target):
    """What another server has removed is no longer listed."""
    second = other_server(env={"XDG_STATE_HOME": server.env["XDG_STATE_HOME"]}).start()
    server.settle_file(server.record([target("brief")]).id)
    assert len(second.json("list")["runs"]) == 1
    (server.runs_folder / "1.stax").unlink()
    assert second.json("list")["runs"] == []
    assert "no run yet" in second.stax("top").err


@pytest.mark.needs(needs_root() or needs_program("setpriv"))
def test_a_directory_that_may_not_be_written(user, public_dir):
    state = public_dir / "state"
    state.mkdir(mode=0o555)
    user.stop()
    user.env["XDG_STATE_HOME"] = str(state)
    user.start()
    run = user.record([public_dir / "shares", 1, 300], "-F", FAST)
    assert run.status == 0
    summary = user.last_summary()
    assert summary["file"] == "" and summary["samples"] > 0
    assert any("in memory only" in note and str(state) in note for note in summary["notes"]), summary
    assert user.json("top")["entries"]


def test_no_history_at_all(other_server, target):
    server = other_server("--runs-dir", "").start()
    run = server.record([target("brief")])
    assert run.summary["file"] == "" and run.summary["notes"] == []
    assert not server.runs_folder.exists()


FULL_DISK = 'mount -t tmpfs -o size=600k none "$0" && exec "$@"'


@pytest.mark.needs(needs_root() or needs_program("unshare"))
def test_the_disk_is_full(other_server, target, tmp_path):
    """Recording goes on in memory, that is said, and what is on the disk is sound."""
    full = tmp_path / "full"
    full.mkdir()
    server = other_server(wrap=["unshare", "-m", "sh", "-c", FULL_DISK, full], env={"XDG_STATE_HOME": str(full)})
    server.start()
    inside = f"/proc/{server.proc.pid}/root{full}/stax/runs/1.stax"
    with server.live([target("forever"), 2], "-F", 20000) as live:
        server.wait_for(lambda: server.last_summary()["notes"], "the note that the disk is full")
        note = server.last_summary()["notes"][0]
        assert "space" in note and "memory" in note, note
        before = server.last_summary()["samples"]
        server.wait_for(lambda: server.last_summary()["samples"] > before + 20000, "more samples")
        server.ok("stop")
    samples = server.last_summary()["samples"]
    assert server.json("top")["health"]["samples"] == samples
    assert any("space" in note for note in server.last_summary()["notes"])
    copy = tmp_path / "copy.stax"
    shutil.copy(inside, copy)
    for beside in ("-wal", "-shm"):
        if os.path.exists(inside + beside):
            shutil.copy(inside + beside, str(copy) + beside)
    assert integrity(copy) == "ok"
    healthy = other_server().start()
    healthy.ok("open", copy)
    found = healthy.json("top")["health"]["samples"]
    assert 0 < found < samples


# ---- Saving and opening --------------------------------------------------------------------------------------


def test_saved_and_opened_elsewhere(server, other_server, target, tmp_path):
    run = record(server, target)
    before = answers(server, run.id)
    path = tmp_path / "saved.stax"
    result = server.json("save", path)
    assert result == {"run": run.id, "path": str(path), "bytes": path.stat().st_size}
    assert os.listdir(tmp_path) == ["saved.stax"]
    assert integrity(path) == "ok"
    other = other_server().start()
    assert "samples" in other.ok("open", path).out
    opened = other.last_summary()
    assert opened["file"] == str(path) and not opened["in_history"]
    for key in ("label", "target_pid", "samples", "off_cpu_intervals", "threads", "duration_ns", "frequency_hz",
                "started_at_unix_ns", "stopped_at_unix_ns", "stop_reason", "host", "notes"):
        assert opened[key] == server.summary(run.id)[key], key
    assert_same_answers(answers(other, opened["id"]), before)
    assert other.json("list")["current"] == opened["id"]


HIDDEN = 'for dir in $1; do mount -t tmpfs none $dir || exit 77; done; shift; exec "$@"'


@pytest.mark.needs(needs_root() or needs_program("unshare"))
def test_opened_without_the_binaries(server, other_server, target, tmp_path, public_dir):
    """On a machine that has neither the program nor its debug files, a file says the same."""
    own = shutil.copy(target("inlining"), public_dir / "inlining")
    run = server.record([own, 400], "-F", FAST)
    server.settle()
    server.settle_file(run.id)
    before = answers(server, run.id)
    inlined = [e for e in server.json("top", "-n", 1000)["entries"] if e["inlined"]]
    assert inlined, "the target has inlined functions"
    path = tmp_path / "saved.stax"
    server.ok("save", path)
    hidden = f"{public_dir} /usr/lib/debug"
    os.makedirs("/usr/lib/debug", exist_ok=True)
    other = other_server(wrap=["unshare", "-m", "sh", "-c", HIDDEN, "sh", hidden])
    other.start()
    opened = other.json("open", path)["id"]
    assert_same_answers(answers(other, opened), before)


def test_saved_while_recording(server, other_server, target, tmp_path):
    path = tmp_path / "half.stax"
    with server.live([target("forever")], "-F", FAST) as live:
        server.ok("wait", "--for-samples", 500)
        server.ok("save", path)
        at_save = server.last_summary()["samples"]
        server.ok("wait", "--for-samples", at_save + 500)
        other = other_server().start()
        summary = other.json("open", path)["summary"]
        assert summary["stop_reason"] == "snapshot" and summary["state"] == "stopped"
        assert 500 <= summary["samples"] <= at_save
        top = other.top()
        assert top.samples == summary["samples"]
        server.ok("stop")
    assert server.last_summary()["samples"] >= at_save + 500, "the recording went on"
    # What is saved again takes the place of what was there.
    server.ok("save", path)
    assert other.json("open", path)["summary"]["samples"] == server.last_summary()["samples"]


def test_save_destroys_nothing(server, target, tmp_path):
    server.record([target("brief")])
    precious = tmp_path / "main.c"
    precious.write_text("precious")
    result = server.stax("save", precious)
    assert result.status == 1 and str(precious) in result.err and "error: " in result.err
    assert precious.read_text() == "precious"
    result = server.stax("save", tmp_path / "no/such/folder/run.stax")
    assert result.status == 1 and "no/such/folder" in result.err
    result = server.stax("save", tmp_path)
    assert result.status == 1 and str(tmp_path) in result.err
    assert sorted(os.listdir(tmp_path)) == ["main.c"]
    assert "needs" in server.stax("save").err


def test_which_run_is_current(server, target, tmp_path):
    first = record(server, target, n=3)
    path = tmp_path / "first.stax"
    server.ok("save", path)
    second = server.record([target("shares"), 1, 200])
    assert server.json("list")["current"] == second.id
    # Another one for a single look.
    assert server.json("top", "--run", first.id)["health"]["samples"] == first.summary["samples"]
    assert server.json("top", "--run", path)["health"]["samples"] == first.summary["samples"]
    assert server.json("top", "--run", path)["health"]["samples"] == first.summary["samples"]
    assert server.json("list")["current"] == second.id
    assert len(server.json("list")["runs"]) == 3, "the same file is one run"
    # Chosen.
    server.ok("select-run", first.id)
    assert server.json("list")["current"] == first.id
    assert server.json("top")["health"]["samples"] == first.summary["samples"]
    assert "no run 77" in server.stax("select-run", 77).err
    server.ok("open", path)
    assert server.json("list")["current"] not in (first.id, second.id)
    # A new recording is what one asks about.
    third = server.record([target("brief")])
    assert server.json("list")["current"] == third.id


@pytest.mark.parametrize("what", ["empty", "text", "sqlite", "newer", "folder", "missing", "fifo", "cut"])
def test_what_is_no_run_file_is_refused(server, target, tmp_path, what):
    path = tmp_path / "file.stax"
    expected = str(path)
    if what == "empty":
        path.touch()
    elif what == "text":
        path.write_text("a day in the life\n" * 1000)
    elif what == "sqlite":
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE meta(name, value)")
    elif what == "newer":
        server.record([target("brief")])
        server.ok("save", path)
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version=99")
        expected = "newer"
    elif what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "cut":
        server.record([target("brief")])
        server.ok("save", path)
        os.truncate(path, 100)
    for args in (["open", path], ["top", "--run", path]):
        result = server.stax(*args)
        assert result.status == 1 and result.out == "", result
        assert result.err.startswith("error: ") and result.err.count("\n") == 1, result
        assert expected in result.err, result
    server.ok("status")


# ---- Without a server ----------------------------------------------------------------------------------------


def alone(server, *args, env=None, **more):
    """A command where no server runs."""
    return server.stax(*args, env={"STAX_SERVER_SOCKET": str(server.dir / "nobody.sock"), **(env or {})}, **more)


def test_recorded_without_a_server(server, target, tmp_path):
    path = tmp_path / "alone.stax"
    truth = tmp_path / "truth"
    result = alone(server, "record", "-F", FAST, "-o", path, "--", target("shares"), 1, 400, env={"TRUTH": str(truth)})
    assert result.status == 0, result
    assert str(path) in result.err and "warning" not in result.err
    assert sorted(os.listdir(tmp_path)) == ["alone.stax", "truth"]
    assert integrity(path) == "ok"
    # It can be asked, also where no server runs.
    top = alone(server, "top", "--json", "--run", path)
    assert top.status == 0 and top.json["entries"], top
    assert alone(server, "flame", "--run", path).status == 0
    assert top.json["health"]["samples"] == server.json("open", path)["summary"]["samples"]
    assert not server.runs_folder.exists(), "nothing else was written"


def test_the_status_of_the_program_passes(server, target, tmp_path):
    result = alone(server, "record", "-o", tmp_path / "a.stax", "--", "sh", "-c", "exit 7")
    assert result.status == 7, result
    result = alone(server, "record", "-o", tmp_path / "b.stax", "--", "/no/such/program")
    assert result.status == 1 and "cannot start" in result.err
    assert not (tmp_path / "b.stax").exists()
    result = alone(server, "record", "-o", tmp_path / "no/folder.stax", "--", target("brief"))
    assert result.status == 1 and "no/folder.stax" in result.err


def test_output_replaces_runs_only(server, target, tmp_path):
    path = tmp_path / "run.stax"
    for _ in range(2):
        assert alone(server, "record", "-o", path, "--", target("brief")).status == 0
    precious = tmp_path / "notes.txt"
    precious.write_text("precious")
    result = alone(server, "record", "-o", precious, "--", target("brief"))
    assert result.status == 1 and "notes.txt" in result.err and precious.read_text() == "precious"


def test_an_unreachable_server_loses_nothing(server, target):
    """The warning says so, the run goes into the history, and the next server has it."""
    result = alone(server, "record", "--", target("shares"), 1, 300)
    assert result.status == 0 and "warning: stax-server unreachable" in result.err, result
    path = server.runs_folder / "1.stax"
    assert str(path) in result.err and path.exists()
    assert [r["id"] for r in server.json("list")["runs"]] == [1]
    assert server.json("top", "--run", 1)["entries"]


def allow_interrupts():
    """As a shell in a terminal has it; a job in the background inherits that they are ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_interrupted_without_a_server(server, target, tmp_path):
    path = tmp_path / "cut.stax"
    env = {**server.env, "STAX_SERVER_SOCKET": str(server.dir / "nobody.sock"), "TRUTH": str(tmp_path / "t")}
    ready = Ready(tmp_path / "ready")
    with subprocess.Popen([server.stax_binary, "record", "-o", path, "--", target("forever")],
                          env={**env, "READY": str(ready.path)}, stderr=subprocess.PIPE, text=True,
                          start_new_session=True, preexec_fn=allow_interrupts) as proc:
        pid = ready.wait(proc)
        os.killpg(proc.pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)  # it does not end at once, and is waited for
        _, err = proc.communicate(timeout=TIMEOUT)
    ready.close()
    assert str(path) in err, err
    assert facts(path)["state"] == "stopped" and integrity(path) == "ok"
    assert server.json("top", "--run", path)["health"]["samples"] >= 0


def test_killed_without_a_server(server, target, tmp_path):
    """Its own server sees that it has gone, ends the run, and completes the file."""
    path = tmp_path / "killed.stax"
    env = {**server.env, "STAX_SERVER_SOCKET": str(server.dir / "nobody.sock")}
    ready = Ready(tmp_path / "ready")
    proc = subprocess.Popen([server.stax_binary, "record", "-o", path, "--", target("forever")],
                            env={**env, "READY": str(ready.path)}, stderr=subprocess.DEVNULL)
    pid = ready.wait(proc)
    ready.close()
    proc.kill()
    proc.wait()
    refused = server.stax("open", path)
    assert refused.status == 0 or "written at this moment" in refused.err, refused
    server.wait_for(lambda: not os.path.exists(str(path) + "-wal"), "the file is complete")
    server.ok("open", path)
    assert facts(path)["state"] == "stopped"
    os.kill(pid, signal.SIGKILL)


@pytest.mark.needs(needs_root() or needs_program("setpriv"))
def test_without_a_server_and_without_privileges(user, public_dir):
    path = user.dir / "mine.stax"
    result = user.stax("record", "-F", FAST, "-o", path, "--", public_dir / "shares", 1, 300,
                       env={"STAX_SERVER_SOCKET": str(user.dir / "nobody.sock")})
    assert result.status == 0, result
    assert path.stat().st_uid == NOBODY and path.stat().st_mode & 0o077 == 0
    assert user.json("top", "--run", path)["entries"]


# ---- Saved again ---------------------------------------------------------------------------------------------

NAMES = ("names_state", "image_names", "segments", "symbols", "inlined_functions", "inlined", "source_files", "lines",
         "code")


def tables(path, names):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        return {name: sorted(db.execute(f"SELECT * FROM {name}"), key=repr) for name in names}


@pytest.mark.parametrize("over_itself", [False, True])
def test_saved_again(server, other_server, target, tmp_path, over_itself):
    """A run that came out of a file goes into another one whole: lines and code, too."""
    run = server.record([target("inlining"), 300], "-F", FAST)
    server.settle()
    server.settle_file(run.id)
    first = tmp_path / "first.stax"
    server.ok("save", first)
    original = tables(first, NAMES)
    assert all(original.values()), "the target has lines, code and inlined functions"
    before = answers(server, run.id)
    other = other_server().start()
    opened = other.json("open", first)
    second = first if over_itself else tmp_path / "second.stax"
    if not over_itself:
        first.unlink()  # it is held open
    other.ok("save", second)
    assert tables(second, NAMES) == original
    assert integrity(second) == "ok"
    again = other.json("open", second)
    summary = {**opened["summary"], "id": again["id"], "file": str(second)}
    assert again["summary"] == summary
    assert_same_answers(answers(other, again["id"]), before)


def test_a_damaged_run_saved_again_says_so(server, target, tmp_path):
    record(server, target)
    path = tmp_path / "damaged.stax"
    server.ok("save", path)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE samples SET data = x'00'")
    assert any("missing" in note for note in server.json("open", path)["summary"]["notes"])
    again = tmp_path / "again.stax"
    server.ok("save", again)
    assert any("missing" in note for note in server.json("open", again)["summary"]["notes"])
    assert integrity(again) == "ok"


# ---- Another boot --------------------------------------------------------------------------------------------


@pytest.mark.needs(needs_root())
@pytest.mark.parametrize("same_boot", [True, False])
def test_no_names_of_this_kernel_for_another_boot(server, target, tmp_path, same_boot):
    """A run without names of its own, as a crash leaves it, gets them from this machine, but not the kernel's:
    its addresses are others with every boot."""
    with server.live([target("waits"), "-n", 1000], "-F", FAST):
        server.ok("wait", "--for-seconds", 1.5)
        server.proc.kill()
        server.proc.wait()
    path = server.runs_folder / "1.stax"
    boot = facts(path)["boot_id"]
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        assert boot == file.read().strip()
    if not same_boot:
        with sqlite3.connect(path) as db:
            db.execute("UPDATE meta SET value = ? WHERE name = 'boot_id'", (boot[::-1],))
    server.start()
    server.settle()
    with server.rpc() as rpc:
        entries = rpc.call("Profiler.top", limit=10000, mode="off_cpu", sort="total")["entries"]
    kernel = [e["function_name"] for e in entries if "kernel" in e["binary"]]
    user = [e["function_name"] for e in entries if e["binary"].endswith("waits")]
    assert kernel and user, entries
    assert any("0x" not in name for name in user)
    assert any("0x" not in name for name in kernel) == same_boot, kernel


# ---- Files that make room ------------------------------------------------------------------------------------


def test_a_recording_that_does_not_begin_replaces_nothing(server, target, tmp_path):
    path = tmp_path / "run.stax"
    assert alone(server, "record", "-o", path, "--", target("brief")).status == 0
    assert os.listdir(tmp_path) == ["run.stax"]
    before = path.read_bytes()
    for _ in range(2):
        assert alone(server, "record", "-o", path, "--", "/no/such/program").status != 0
        server.wait_for(lambda: os.listdir(tmp_path) == ["run.stax"], "the file is back")
        assert path.read_bytes() == before
    assert alone(server, "record", "-o", path, "--", target("brief")).status == 0
    assert os.listdir(tmp_path) == ["run.stax"] and path.read_bytes() != before


def test_a_number_that_is_taken(server, other_server, target, tmp_path):
    """A file that was opened has a number, and another server's run the same: both are listed, and asked about."""
    second = other_server(env={"XDG_STATE_HOME": server.env["XDG_STATE_HOME"]}).start()
    mine = tmp_path / "mine.stax"
    assert alone(server, "record", "-o", mine, "--", target("brief")).status == 0
    assert server.json("open", mine)["id"] == 1
    theirs = second.record([target("shares"), 1, 100])
    second.settle_file(theirs.id)
    runs = server.json("list")["runs"]
    assert theirs.id == 1 and [run["id"] for run in runs] == [1, 2]
    assert runs[0]["file"] == str(mine) and runs[1]["file"] == str(server.runs_folder / "1.stax")
    assert server.json("top", "--run", 2)["health"]["samples"] == theirs.summary["samples"]
    assert server.json("top", "--run", 1)["health"]["samples"] == runs[0]["samples"] != runs[1]["samples"]


def test_the_right_one_goes(other_server, target, tmp_path):
    """Of two runs with the same number, the history is trimmed of the one that is in it."""
    server = other_server(env={"STAX_KEEP_RUNS": "1"}).start()
    second = other_server(env={"XDG_STATE_HOME": server.env["XDG_STATE_HOME"]}).start()
    mine = tmp_path / "mine.stax"
    assert alone(server, "record", "-o", mine, "--", target("brief")).status == 0
    server.ok("open", mine)
    second.settle_file(second.record([target("brief")]).id)
    server.settle_file(server.record([target("brief")]).id)
    assert [run["file"] for run in server.json("list")["runs"]] == [str(mine), str(server.runs_folder / "3.stax")]
    assert mine.exists() and os.listdir(server.runs_folder) == ["3.stax"]
    assert server.json("top", "--run", 1)["health"]["samples"] >= 0


def test_the_list_for_people(server, target, tmp_path):
    """The current run has a star, and a file of somebody's own is named."""
    mine = tmp_path / "mine.stax"
    assert alone(server, "record", "-o", mine, "--", target("brief")).status == 0
    server.record([target("brief")])
    server.ok("open", mine)
    rows = {line.split()[0]: line for line in server.ok("list").out.splitlines()[1:]}
    assert list(rows) == ["1", "*2"]
    assert str(mine) in rows["*2"] and ".stax" not in rows["1"] and "target exited" in rows["1"]
    server.ok("select-run", 1)
    rows = {line.split()[0]: line for line in server.ok("list").out.splitlines()[1:]}
    assert list(rows) == ["*1", "2"]
    with server.live([target("forever")]):
        assert "recording" in server.ok("list").out
