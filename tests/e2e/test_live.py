"""Asking while the target runs."""

import concurrent.futures

from stax import assert_share


def test_numbers_grow_for_several_clients_at_once(server, target):
    with server.live([target("forever"), "2"]):
        server.ok("wait", "--for-samples", "200")

        def client(_):
            first = server.top()
            server.ok("wait", "--for-samples", str(first.samples + 900))  # half a second of two threads
            second = server.top()
            return first, second

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(client, range(4)))
        for first, second in answers:
            assert first.health["recording"] and second.health["recording"]
            assert second.samples >= first.samples + 900
            assert second.self_samples("endless") > first.self_samples("endless")
            assert second.answer["total_on_cpu_ns"] > first.answer["total_on_cpu_ns"]
            assert second.health["end_ns"] > first.health["end_ns"]
            first.check()
            second.check()


def test_every_question_while_it_runs(server, target):
    with server.live([target("forever"), "2"]) as live:
        server.ok("wait", "--for-samples", "300")
        status = server.json("status")
        assert len(status["active"]) == 1
        active = status["active"][0]
        assert active["state"] == "recording" and active["target_pid"] == live.target_pid
        assert "stop_reason" not in active or active["stop_reason"] is None
        before = active["samples"]
        top = server.settled_top()
        assert_share(top.total_samples("endless"), top.samples, 1, "endless")
        flame = server.flame().check()
        assert flame.samples >= top.samples
        threads = server.threads()
        assert threads["n_threads"] == 2 and all(t["samples"] > 0 for t in threads["threads"])
        assert server.json("list")["runs"][-1]["samples"] >= before
        assert server.json("diagnose")["run"]["events"]["sample"] >= before
        for command in ("status", "list", "top", "flame", "threads", "diagnose"):
            assert server.ok(command).out.strip(), command
        live.end()
    summary = server.last_summary()
    final = server.settled_top()
    assert final.samples == summary["samples"] and not final.health["recording"]


def test_names_within_a_moment_of_the_start(server, target):
    """The first answers may have offsets; soon they have names."""
    with server.live([target("forever")]):
        server.ok("wait", "--until-symbol", "endless", "--timeout-ms", "10000")
        assert server.top().find("endless")


def test_waiter_gets_its_answer_when_the_run_ends(server, target):
    with server.live([target("forever")]) as live, server.rpc() as rpc:
        request = rpc.request("RunControl.wait_active", condition={"until_stopped": True})
        samples = rpc.request("RunControl.wait_active", condition={"for_samples": 10**12})
        server.ok("wait", "--for-samples", "50")
        live.end()
        answers = {m["id"]: m["result"] for m in (rpc.read(), rpc.read())}
        assert answers[request]["outcome"] in ("condition_met", "stopped")
        assert answers[samples]["outcome"] == "stopped"
        assert answers[request]["summary"]["stop_reason"] == "target_exited"


def test_wait_may_begin_before_the_run(server, target):
    """`stax record … & stax wait …` in a script: whichever comes first."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool, server.rpc() as rpc:
        waiting = pool.submit(server.ok, "wait", "--for-samples", "50")
        while rpc.call("RunControl.diagnostics")["server"]["waiters"] == 0:
            assert not waiting.done(), waiting.result()
        with server.live([target("forever")]):
            assert "condition met" in waiting.result().out
