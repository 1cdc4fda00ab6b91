"""The life of the server."""

import os
import signal
import socket
import stat
import subprocess

from stax import TIMEOUT, wait_pid_gone


def test_socket_is_the_users_alone(server):
    assert stat.S_IMODE(os.stat(server.socket).st_mode) == 0o600
    assert server.json("status")["server_pid"] == server.proc.pid


def test_starts_and_stops(other_server):
    for number in (signal.SIGTERM, signal.SIGINT):
        server = other_server().start()
        server.ok("status")
        server.stop(number)
        assert not server.socket.exists(), "the socket goes with the server"


def test_second_server_is_refused(server, other_server):
    second = subprocess.run([server.binary, "--socket", server.socket], env=server.env, timeout=TIMEOUT,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                            check=False)
    assert second.returncode == 1, second
    assert str(server.socket) in second.stderr and "error" in second.stderr, second
    server.ok("status")
    assert server.json("status")["server_pid"] == server.proc.pid


def test_stale_socket_is_replaced(other_server):
    server = other_server()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(server.socket))
    server.start()
    server.ok("status")


def test_socket_of_a_killed_server_is_replaced(other_server):
    server = other_server().start()
    server.proc.kill()
    server.proc.wait()
    assert server.socket.exists()
    server.start()
    server.ok("status")


def test_a_file_in_the_way_is_left_alone(other_server):
    server = other_server()
    server.socket.write_text("precious")
    server.start(expect_ready=False)
    assert server.proc.wait(TIMEOUT) == 1
    assert "error" in server.stderr() and str(server.socket) in server.stderr()
    assert server.socket.read_text() == "precious"
    server.proc = None


def test_bad_options(server):
    for args in (["--bogus"], ["--ready-fd", "x"], ["--socket"], ["extra"],
                 ["--socket", "/no/such/folder/s"]):
        done = subprocess.run([server.binary, "--socket", server.dir / "other", *args], env=server.env,
                              timeout=TIMEOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 1, (args, done)
        assert "error" in done.stderr and "Sanitizer" not in done.stderr, (args, done)
    for flag in ("--help", "-h", "--version", "-V"):
        done = subprocess.run([server.binary, flag], timeout=TIMEOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=False)
        assert done.returncode == 0 and done.stdout, (flag, done)


def test_sigterm_with_an_active_run(other_server, target):
    """An active run is stopped, its summary logged; the program itself goes on."""
    server = other_server().start()
    with server.live([target("forever")]) as live:
        server.ok("wait", "--for-samples", "100")
        samples = server.top().samples
        server.stop()
        log = server.stderr()
        server.proc = None
        numbers = [int(word) for word in "".join(c if c.isdigit() else " " for c in log).split()]
        assert any(n >= samples for n in numbers), f"no summary in the log:\n{log}"
        os.kill(live.target_pid, 0)
        live.signal_target()
        result = live.wait()
    assert live.truth["endless"] > 0, "the program came to its own end"
    assert result.status in (0, 1)


def test_sigterm_at_the_moment_when_a_run_ends(other_server):
    """The end of a run and the end of the server, at the same time and often."""
    for _ in range(20):
        server = other_server().start()
        server.stax("record", "--", "true")
        server.stop()


def test_server_killed_under_a_recording(other_server, target):
    """The CLI says what happened, and the program goes on."""
    server = other_server().start()
    with server.live([target("forever")]) as live:
        server.ok("wait", "--for-samples", "20")
        server.proc.kill()
        server.proc.wait()
        server.proc = None
        os.kill(live.target_pid, 0)
        live.signal_target()
        live.wait()
        assert live.truth["endless"] > 0


def test_kill_9_of_record_does_not_end_the_run(server, target):
    with server.live([target("forever")]) as live:
        server.ok("wait", "--for-samples", "50")
        live.proc.kill()
        live.proc.wait()
        before = server.top().samples
        server.ok("wait", "--for-samples", before + 300)
        active = server.json("status")["active"]
        assert len(active) == 1 and active[0]["target_pid"] == live.target_pid
        os.kill(live.target_pid, signal.SIGTERM)
        server.stax("wait", "--timeout-ms", "20000")
        wait_pid_gone(live.target_pid)
        live.target_pid = None
    assert server.last_summary()["stop_reason"] == "target_exited"
    assert server.last_summary()["samples"] >= before + 300


def test_stopped_runs_stay(server, target):
    """History in memory: every run can be asked for by its id."""
    for name in ("brief", "shares", "tree"):
        server.record([target(name), *(["1", "200"] if name == "shares" else [])], "-F", "2000")
    runs = server.json("list")["runs"]
    assert [run["id"] for run in runs] == [1, 2, 3]
    assert all(name in run["label"] for name, run in zip(("brief", "shares", "tree"), runs))
    for run, function in zip(runs, ("brief_work", "share_50", "shared")):
        server.stax("top", "--run", run["id"])
    server.settle()
    with server.rpc() as rpc:
        for run, function in zip(runs, ("brief_work", "share_50", "shared")):
            for _ in range(100):
                top = server.top("--run", run["id"])
                if top.find(function):
                    break
                rpc.pause(0.05)
            assert top.find(function) and top.samples == run["samples"]


def test_no_descriptors_leak(server, target):
    def count():
        return len(os.listdir(f"/proc/{server.proc.pid}/fd"))

    def record():
        run = server.record([target("threads64"), "1"])
        server.settle()
        server.settle_file(run.id)

    record()
    before = count()
    for _ in range(5):
        record()
    # A stopped run may keep its process's root open until its files are read, and no more.
    assert count() <= before + 5, os.listdir(f"/proc/{server.proc.pid}/fd")
