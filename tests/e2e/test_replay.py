"""A recorded stream of events gives the same answers as the recording itself, without perf."""

import pytest


def answers(server):
    server.settle()
    with server.rpc() as rpc:
        top = rpc.call("Profiler.top", limit=10000)
        threads = rpc.call("Profiler.threads")
        flame = rpc.call("Profiler.flamegraph")
    return top, threads, flame


def test_tap_and_replay(other_server, target):
    recorder = other_server()
    stream = recorder.dir / "events"
    recorder.args = ["--tap", stream]
    recorder.start()
    recorder.record([target("threads64"), "5"], "-F", "2000")
    top, threads, flame = answers(recorder)
    if top["health"]["truncated"]["not_loaded"] > 0:
        pytest.skip("on a machine as busy as this, rules came later than stacks: a replay waits for them")
    player = other_server("--replay", stream).start()
    with player.rpc() as rpc:
        rpc.call("RunControl.wait_active")
    again_top, again_threads, again_flame = answers(player)
    assert again_top["health"]["samples"] == top["health"]["samples"] > 100
    assert [(e["function_name"], e["self_samples"], e["total_samples"]) for e in again_top["entries"]] == [
        (e["function_name"], e["self_samples"], e["total_samples"]) for e in top["entries"]]
    same = ("tid", "name", "samples", "on_cpu_ns", "off_cpu", "runnable_ns", "wakeups")
    assert [[t[key] for key in same] for t in again_threads["threads"]] == [
        [t[key] for key in same] for t in threads["threads"]]
    assert again_flame["nodes"]["samples"] == flame["nodes"]["samples"]
    assert player.json("list")["runs"][0]["state"] == "stopped"


def test_cut_and_broken_streams(other_server, target):
    """A stream that ends in the middle or is rubbish: a run that says so, or an error; never a crash."""
    recorder = other_server()
    stream = recorder.dir / "events"
    recorder.args = ["--tap", stream]
    recorder.start()
    recorder.record([target("shares"), "1", "50"])
    whole = stream.read_bytes()
    broken = bytearray(whole)
    for i in range(64, len(broken), 37):
        broken[i] ^= 0x5A
    for content in (whole[: len(whole) // 2], whole[:1], b"", b"rubbish" * 100, bytes(broken)):
        path = recorder.file("broken")
        path.write_bytes(content)
        player = other_server("--replay", path)
        player.start(expect_ready=False)
        if player.alive():
            with player.rpc() as rpc:
                rpc.call("RunControl.wait_active", timeout_ms=10000)
                assert len(rpc.call("RunControl.list_runs")["runs"]) <= 1
            player.stop()
        else:
            assert player.proc.wait() == 1 and "error" in player.stderr(), player.stderr()
            player.proc = None
