"""Attaching to a process that runs already."""

import signal
import subprocess

import pytest

from stax import Process, RpcError, assert_refused, assert_share, assert_time, attach, wait_pid_gone

FAST = 3000


def test_attach_sees_old_and_new_threads(server, target):
    with Process(server, [target("waiter"), "400"]) as process:
        record = attach(server, process.pid, "-F", FAST)
        process.tell("w")
        process.hear("done")
        process.tell("w")
        process.hear("done")
        process.tell("q")
        assert process.proc.wait(30) == 7, "the program goes on to its own end"
        out, err = record.communicate(timeout=30)
        assert record.returncode == 0, (out, err)
        truth = process.truth
    summary = server.last_summary()
    assert summary["stop_reason"] == "target_exited" and summary["target_pid"] == process.pid
    top = server.settled_top()
    for function in ("early_work", "late_work"):
        assert_share(top.self_samples(function), top.samples, truth.share(function), function)
    threads = {t["tid"]: t for t in server.threads()["threads"]}
    for thread in truth.threads:
        assert threads[thread["tid"]]["name"] == thread["name"]
        assert_time(threads[thread["tid"]]["on_cpu_ns"], thread["cpu_ns"], 1e9 / FAST, 4, thread["name"])
    assert process.pid in threads, "main has its place although it only waits"


def test_stop_leaves_the_process_alone(server, target):
    with Process(server, [target("forever"), "2"]) as process:
        record = attach(server, process.pid)
        server.ok("wait", "--for-samples", "200")
        stopped = server.ok("stop")
        assert record.wait(30) == 0, record.communicate()
        record.communicate()
        assert str(server.last_summary()["samples"]) in stopped.out.replace(",", "").replace("'", "")
        assert server.last_summary()["stop_reason"] == "user_stop"
        assert process.proc.poll() is None
        process.proc.send_signal(signal.SIGTERM)
        assert process.proc.wait(30) == 0
        # and it can be attached to again: here it is gone
        assert_refused(server.stax("record", "--pid", process.pid), str(process.pid))


def test_attach_twice_one_after_the_other(server, target):
    with Process(server, [target("forever")]) as process:
        for _ in range(2):
            record = attach(server, process.pid)
            server.ok("wait", "--for-samples", "100")
            server.ok("stop")
            assert record.wait(30) == 0
            record.communicate()
    runs = server.json("list")["runs"]
    assert [run["id"] for run in runs] == sorted(run["id"] for run in runs) and len(runs) == 2
    for run in runs:
        server.settle()
        assert server.top("--run", run["id"]).self_samples("endless") >= 80


def test_process_ends_while_attached(server, target):
    with Process(server, [target("forever"), "3"]) as process:
        record = attach(server, process.pid)
        server.ok("wait", "--for-samples", "50")
        process.proc.kill()
        assert record.wait(30) == 0, "attach: the recording went well whatever became of the program"
        record.communicate()
    assert server.last_summary()["stop_reason"] == "target_exited"


def test_process_ends_while_being_attached_to(server):
    """Processes that end at any moment of the attach: refused by name or a short run, nothing else."""
    for _ in range(20):
        process = subprocess.Popen(["sleep", "0.003"])
        result = server.stax("record", "--pid", process.pid, timeout=30)
        process.wait()
        if result.status != 0:
            assert_refused(result, str(process.pid))
    assert server.json("status")["active"] == []
    assert server.alive()


def test_ctrl_c_ends_the_run_cleanly(server, target):
    with Process(server, [target("forever")]) as process:
        record = attach(server, process.pid)
        server.ok("wait", "--for-samples", "100")
        record.send_signal(signal.SIGINT)
        out, err = record.communicate(timeout=30)
        assert record.returncode == 0, (out, err)
        assert server.last_summary()["stop_reason"] == "user_stop"
        assert process.proc.poll() is None


def test_rpc_attach_and_stop(server, target):
    with Process(server, [target("forever")]) as process, server.rpc() as rpc:
        started = rpc.call("RunControl.start_attach", pid=process.pid, label="by hand", frequency_hz=500)
        waited = rpc.call("RunControl.wait_active", condition={"for_samples": 50}, timeout_ms=30000)
        assert waited["outcome"] == "condition_met" and waited["summary"]["samples"] >= 50
        summary = rpc.call("RunControl.stop_active")["summary"]
        assert summary["id"] == started["id"] and summary["label"] == "by hand"
        assert summary["frequency_hz"] == 500 and summary["state"] == "stopped"
        with pytest.raises(RpcError) as error:
            rpc.call("RunControl.stop_active")
        assert error.value.kind == "no_active_run"


def test_wait_conditions(server, target):
    assert_refused(server.stax("wait"), "no")
    with Process(server, [target("forever")]) as process:
        record = attach(server, process.pid)
        server.ok("wait", "--for-samples", "20")
        server.ok("wait", "--for-seconds", "0.2")
        server.ok("wait", "--until-symbol", "endl")
        late = server.stax("wait", "--until-symbol", "no_such_symbol_anywhere", "--timeout-ms", "200")
        assert late.status == 1 and "timed out" in late.out + late.err, late
        process.proc.kill()
        server.stax("wait", "--timeout-ms", "20000")  # success, or over already
        record.wait(30)
        record.communicate()
    wait_pid_gone(process.pid)
