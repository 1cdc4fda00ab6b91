"""Bad input, and what it gets: status 1 and one line `error: …` that names the thing."""

import os
import pathlib
import re
import subprocess

import pytest

from stax import assert_refused


REFUSED = [
    (["record"], ["--pid"]),
    (["record", "--pid", "1", "--", "true"], ["--pid"]),
    (["record", "--bogus", "--", "true"], ["--bogus"]),
    (["record", "-F", "0", "--", "true"], ["0"]),
    (["record", "-F", "-5", "--", "true"], ["-5"]),
    (["record", "-F", "10000000", "--", "true"], [re.compile(r"10000000.*\d{4,}|\d{4,}.*10000000")]),
    (["record", "-F", "abc", "--", "true"], ["abc"]),
    (["record", "-F", "", "--", "true"], [re.compile("-F|--frequency")]),
    (["record", "-F", "99x", "--", "true"], ["99x"]),
    (["record", "-F", "99999999999999999999", "--", "true"], ["99999999999999999999"]),
    (["record", "-F"], [re.compile("-F|--frequency")]),
    (["record", "-l", "-1", "--", "true"], ["-1"]),
    (["record", "-l", "abc", "--", "true"], ["abc"]),
    (["record", "--pid", "abc"], ["abc"]),
    (["record", "--pid", "0"], ["0"]),
    (["record", "--pid", "-3"], ["-3"]),
    (["record", "--pid", "4194305"], ["4194305"]),
    (["frobnicate"], ["frobnicate"]),
    (["--frobnicate"], ["--frobnicate"]),
    (["top", "-n", "abc"], ["abc"]),
    (["top", "-n", "-1"], ["-1"]),
    (["top", "--sort", "sideways"], ["sideways"]),
    (["top", "extra"], ["extra"]),
    (["top", "--tid", "x"], ["x"]),
    (["flame", "-d", "x"], ["x"]),
    (["flame", "--threshold-pct", "101"], ["101"]),
    (["flame", "--threshold-pct", "nan"], ["nan"]),
    (["threads", "-n", "-1"], ["-1"]),
    (["wait", "--for-samples", "10", "--for-seconds", "1"], [re.compile("--for-samples|--for-seconds")]),
    (["wait", "--for-samples", "10", "--until-symbol", "x"], [re.compile("--for-samples|--until-symbol")]),
    (["wait", "--for-samples", "0x"], ["0x"]),
    (["wait", "--for-seconds", "inf"], ["inf"]),
    (["wait", "--timeout-ms", "-1"], ["-1"]),
    (["wait"], []),
    (["stop"], []),
    (["top"], []),
    (["flame"], []),
    (["threads"], []),
    (["top", "--run", "99"], ["99"]),
    (["status", "--run", "1"], ["--run"]),
]


@pytest.mark.parametrize("args, needles", REFUSED, ids=[" ".join(row[0]) or "nothing" for row in REFUSED])
def test_refused_without_a_run(server, args, needles):
    assert_refused(server.stax(*args), *needles)
    assert server.json("status")["active"] == []
    assert server.json("list")["runs"] == []


@pytest.mark.parametrize("args", [
    ["--help"], ["-h"], ["--version"], ["-V"],
    *[[c, flag] for c in ("record", "status", "list", "wait", "stop", "top", "flame", "threads", "diagnose")
      for flag in ("--help", "-h", "-V", "--version")],
], ids=" ".join)
def test_help_and_version(server, args):
    result = server.ok(*args)
    assert result.out.strip() and result.err == "", result
    if args[0] in ("record", "top") and args[1] in ("--help", "-h"):
        assert f"stax {args[0]}" in result.out


@pytest.mark.parametrize("program", ["/no/such/program", "no-such-program-anywhere", "/", "/etc/passwd"])
def test_program_that_cannot_be_started(server, program):
    """Seen only at its exec, when the recording is armed: so the announcement may come first."""
    result = server.stax("record", "--", program)
    result.err = "".join(line for line in result.err.splitlines(True) if not line.startswith("recording run"))
    assert_refused(result, "cannot start", program)
    assert server.json("status")["active"] == []
    assert server.stax("record", "--", "true").status == 0


def test_no_command_says_how(server):
    result = server.stax()
    assert "usage" in result.out + result.err and "record" in result.out + result.err


def test_flags_after_the_dashes_are_the_targets(server):
    run = server.record(["sh", "-c", 'echo "$1"; exit 3', "--", "--pid"])
    assert run.status == 3 and "--pid" in run.result.out


def test_a_target_flag_without_dashes_is_refused(server):
    assert_refused(server.stax("record", "ls", "--color"), re.compile("--color|ls|--"))


def test_kernel_thread(server):
    try:
        is_kernel = pathlib.Path("/proc/2/comm").read_text().strip() == "kthreadd"
    except OSError:
        is_kernel = False
    if not is_kernel:
        pytest.skip("no kernel threads in this pid namespace")
    assert_refused(server.stax("record", "--pid", "2"), "2", "kernel")


def test_process_that_has_just_gone(server):
    process = subprocess.Popen(["true"])
    process.wait()
    assert_refused(server.stax("record", "--pid", process.pid), str(process.pid))


def test_zombie(server):
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    result = server.stax("record", "--pid", process.pid)
    process.wait()
    if result.status != 0:
        assert_refused(result, str(process.pid))
    assert server.json("status")["active"] == []


def test_thread_instead_of_a_process(server, target):
    """The id of a thread that is not a process: refused, or its process is recorded; no half run."""
    with server.live([target("forever"), "2"]) as live:
        server.ok("wait", "--for-samples", "20")
        tid = max(int(t) for t in os.listdir(f"/proc/{live.target_pid}/task"))
        server.ok("stop")
        with server.rpc() as rpc:
            proc = subprocess.Popen([server.stax_binary, "record", "-l", "1", "--pid", str(tid)],
                                    env=server.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            out, err = proc.communicate(timeout=60)
            if proc.returncode != 0:
                assert err.decode().startswith("error:") and str(tid) in err.decode(), err
            assert rpc.call("RunControl.status")["active"] == []


def test_process_of_somebody_else(user):
    other = subprocess.Popen(["sleep", "60"])
    try:
        assert_refused(user.stax("record", "--pid", other.pid), str(other.pid))
    finally:
        other.kill()
        other.wait()
    assert user.json("status")["active"] == []


def test_no_server(other_server):
    server = other_server()
    for command in ("status", "list", "wait", "stop", "top", "flame", "threads", "diagnose"):
        assert_refused(server.stax(command), str(server.socket), "stax-server")
        assert_refused(server.stax(command, "--json"), str(server.socket))


def test_record_without_a_server_still_runs_the_program(other_server):
    server = other_server()
    result = server.stax("record", "--", "sh", "-c", "echo it ran; exit 5")
    assert result.status == 5 and result.out == "it ran\n", result
    assert "stax-server unreachable" in result.err, result
    assert "stax-server" in result.err.replace("stax-server unreachable", ""), "names the command that starts it"
    result = server.stax("record", "--pid", os.getpid(), "--time-limit", 1)
    assert result.status == 0 and "stax-server unreachable" in result.err, result
    assert str(server.runs_folder / "2.stax") in result.err, "names the file"


def test_socket_path_too_long(other_server):
    server = other_server(env={"STAX_SERVER_SOCKET": "/tmp/" + "x" * 200})
    assert_refused(server.stax("status"), "x" * 50)


def test_second_recording(server, target):
    with server.live([target("forever")]):
        server.ok("wait", "--for-samples", "20")
        marker = server.dir / "ran"
        result = server.stax("record", "--", "touch", marker)
        assert_refused(result, "already active", re.compile("stop|wait"))
        assert not marker.exists(), "a program that can't be recorded is not run behind the user's back"
        before = server.top().samples
        server.ok("wait", "--for-samples", before + 100)
        assert len(server.json("list")["runs"]) == 1


def test_top_before_the_first_sample(server):
    """A program that sleeps from its first instruction on has no samples to speak of."""
    with server.live(["sleep", "60"], ready=False) as live:
        with server.rpc() as rpc:
            while not (active := rpc.call("RunControl.status")["active"]):
                assert live.proc.poll() is None, live.err()
                rpc.pause(0.02)
            live.target_pid = active[0]["target_pid"]
        for command in ("top", "flame", "threads"):
            result = server.stax(command)
            if result.status != 0:
                assert_refused(result)
            assert server.json(command)["health"]["samples"] <= 20
        live.end()


def test_thread_and_run_that_never_existed(server, target):
    run = server.record([target("brief")])
    for command in ("top", "flame"):
        assert_refused(server.stax(command, "--tid", "4194000"), "4194000")
        assert_refused(server.stax(command, "--tid", "4194000", "--json"), "4194000")
        server.ok(command, "--tid", run.summary["target_pid"])
    for command in ("top", "flame", "threads"):
        assert_refused(server.stax(command, "--run", "99"), "99")
        assert_refused(server.stax(command, "--run", "0"), "0")
        assert_refused(server.stax(command, "--run", "-1"), "-1")
        server.ok(command, "--run", run.id)
    assert_refused(server.stax("wait", "--for-samples", "1"), "no")


def test_output_to_a_closed_pipe(server, target):
    """A reader that went away is no crash."""
    server.record([target("brief")])
    read_end, write_end = os.pipe()
    os.close(read_end)
    proc = subprocess.run([server.stax_binary, "top"], env=server.env, stdout=write_end, stderr=subprocess.PIPE,
                          timeout=30, check=False)
    os.close(write_end)
    assert proc.returncode in (0, 1, -13, 141), proc
    assert b"Sanitizer" not in proc.stderr


def test_full_disk(server, target):
    """What could not be written is a failure, and is said."""
    server.record([target("brief")])
    with open("/dev/full", "wb") as full:
        proc = subprocess.run([server.stax_binary, "top", "--json"], env=server.env, stdout=full,
                              stderr=subprocess.PIPE, timeout=30, check=False)
    assert proc.returncode == 1 and proc.stderr.startswith(b"error:"), proc
