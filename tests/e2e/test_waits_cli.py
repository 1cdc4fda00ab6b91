"""The commands about waiting: what they print is what the protocol answers, and what is wrong is one line."""

import re

import pytest

from stax import assert_refused
from waiting import MS, REASONS, part, skip_unless, total

SHOWN = dict(zip(REASONS, ("idle", "lock", "sem", "ipc", "ioR", "ioW", "ready", "sleep", "conn", "other")))


@pytest.fixture
def recorded(server, target):
    """A run of threads that wait for four things, and its truth."""
    skip_unless(server, "off_cpu", "kernel_symbols")
    run = server.record([target("waits"), "-n", "40", "mutex", "sem", "poll", "nap"])
    assert run.status == 0, run.result
    server.settle()
    return run


def assert_same(ours, theirs, where="answer"):
    """The same JSON, but for the last digits of a fraction, which is written anew on its way."""
    if isinstance(ours, float) or isinstance(theirs, float):
        assert ours == pytest.approx(theirs, rel=1e-9), where
    elif isinstance(ours, dict) and isinstance(theirs, dict):
        assert ours.keys() == theirs.keys(), where
        for key, value in ours.items():
            assert_same(value, theirs[key], f"{where}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list):
        assert len(ours) == len(theirs), where
        for i, value in enumerate(ours):
            assert_same(value, theirs[i], f"{where}[{i}]")
    else:
        assert ours == theirs, where


def find(node, name):
    if node.get("function_name") == name:
        return node
    return next((hit for child in node["children"] if (hit := find(child, name))), None)


def test_json_is_the_rpc_answer(server, recorded):
    tid = recorded.truth.waiting("sem")["tid"]
    with server.rpc() as rpc:
        for command, method, params in (
                (["intervals", "--longest", 7], "intervals", {"limit": 7, "order": "longest"}),
                (["intervals", "--tid", tid, "--reason", "sem"], "intervals",
                 {"view": {"tid": tid}, "reason": "semaphore"}),
                (["intervals", "--tid", tid, "--reason", "semaphore"], "intervals",
                 {"view": {"tid": tid}, "reason": "semaphore"}),
                (["wakers", tid], "wakers", {"tid": tid}),
                (["wakers", "sem-by"], "wakers", {"tid": recorded.truth.waiting("sem-by")["tid"]}),
                (["timeline", "--buckets", 9], "timeline", {"buckets": 9}),
                (["top", "--off-cpu", "-n", 5], "top", {"limit": 5, "mode": "off_cpu"}),
                (["top", "--off-cpu", "--reason", "lock"], "top", {"mode": "off_cpu", "reason": "lock"})):
            assert_same(server.json(*command), rpc.call(f"Profiler.{method}", **params), command)
        late = server.json("intervals", "--since", "0.05")
        assert_same(late["entries"], rpc.call(
            "Profiler.intervals", limit=10000, order="oldest",
            view={"time_range": {"start_ns": 50 * MS, "end_ns": 10**18}})["entries"])
        assert late["entries"][0]["start_ns"] <= late["entries"][-1]["start_ns"]
        flame = rpc.call("Profiler.flamegraph", mode="off_cpu")
    nested = server.json("flame", "--off-cpu", "-d", 100, "--threshold-pct", 0)
    assert nested["total_off_cpu"] == flame["total_off_cpu"]
    napping = find(nested.get("root", nested), "nap_wait")
    if napping:
        assert part(napping["off_cpu"], "sleep") == total(napping["off_cpu"]) > 0


def test_wakers_by_name(server, recorded):
    skip_unless(server, "wakeups")
    out = server.ok("wakers", "mutex-by").out
    assert "[irq]" in out, out
    mutex = recorded.truth.waiting("mutex")
    assert "mutex-by" in server.ok("wakers", mutex["tid"]).out
    assert_refused(server.stax("wakers", "no such thread"), "no such thread", "stax threads")


def test_text_shows_reasons_and_numbers(server, recorded):
    answer = server.json("intervals", "--longest", 3)
    text = server.ok("intervals", "--longest", 3).out
    for entry in answer["entries"]:
        line = next((l for l in text.splitlines() if f"{entry['start_ns'] / 1e9:.6f}"[:-1] in l), None)
        assert line and SHOWN[entry["reason"]] in line.split() and str(entry["tid"]) in line.split(), (entry, text)
        assert entry["thread_name"] in line
    assert "not shown" in text, "what was left out is said"
    threads = server.ok("threads", "-n", 0).out
    for name, reason in (("mutex", "lock"), ("sem", "sem"), ("poll", "ready"), ("nap", "sleep")):
        line = next(l for l in threads.splitlines() if l.split()[-1:] == [name])
        assert reason in line, threads
    assert "%" in server.ok("top", "--off-cpu").out and "%" in server.ok("flame", "--off-cpu").out
    timeline = server.ok("timeline", "--buckets", 20).out
    assert all(name in timeline for name in ("mutex", "sem", "poll", "nap"))


def test_answers_that_are_about_one_reason(server, recorded):
    for reason, name, least in (("sleep", "nap", 40), ("sem", "sem", 1)):  # of a semaphore, those that were looked at
        text = server.ok("intervals", "--reason", reason, "-n", 500).out
        rows = [line for line in text.splitlines() if re.match(r" *\d+\.\d{6} ", line)]
        assert len(rows) >= least and all(reason in row.split() for row in rows), text
        assert any(name in row.split() for row in rows)
    assert "0 waits" in server.ok("intervals", "--reason", "connect").out


@pytest.mark.parametrize("args, needles", [
    (["intervals", "--reason", "boredom"], ["boredom"]),
    (["intervals", "--longest", "0"], ["--longest"]),
    (["intervals", "--longest", "many"], ["many"]),
    (["intervals", "--since", "-1"], ["--since"]),
    (["intervals", "--since", "1", "--longest", "3"], ["--since", "--longest"]),
    (["intervals", "--tid", "1"], ["1"]),
    (["intervals", "--run", "77"], ["77"]),
    (["intervals", "extra"], ["extra"]),
    (["wakers"], ["wakers"]),
    (["wakers", "0"], ["0"]),
    (["wakers", "1"], ["1"]),
    (["wakers", "99999999999999"], ["99999999999999"]),
    (["timeline", "--buckets", "0"], ["--buckets"]),
    (["timeline", "--buckets", "1000000"], ["--buckets"]),
    (["timeline", "--tid", "1"], ["1"]),
    (["top", "--off-cpu", "--reason", "boredom"], ["boredom"]),
    (["flame", "--off-cpu", "--reason", "boredom"], ["boredom"]),
    (["now"], [re.compile("no |active|record")]),
    (["now", "-n", "0"], ["-n"]),
], ids=lambda value: "-".join(map(str, value))[:40] if isinstance(value, list) else None)
def test_errors_are_one_line(server, target, args, needles):
    server.record([target("brief")])
    assert_refused(server.stax(*args), *needles)


@pytest.mark.parametrize("command", ["intervals", "wakers", "timeline", "now"])
def test_help_and_no_server(server, other_server, command):
    helped = server.ok(command, "--help")
    assert f"stax {command}" in helped.out and helped.err == ""
    alone = other_server()
    args = ["x"] if command == "wakers" else []
    assert_refused(alone.stax(command, *args), re.compile("server"))
    # A server without any run.
    result = server.stax(command, *args)
    assert_refused(result, re.compile("run|record"))


def test_now_names_the_deadlock(server, target):
    skip_unless(server, "off_cpu", "wait_details")
    with server.live([target("deadlock")]) as live:
        server.settle()
        answer = server.json("now")
        text = server.ok("now").out
        assert text.count("DEADLOCK: ") == 1, text
        sentence = next(line for line in text.splitlines() if line.startswith("DEADLOCK: "))
        assert answer["deadlocks"][0]["text"] in sentence
        for name in ("dead-a", "dead-b", "waiter", "holder", "innocent"):
            assert name in text, text
        waiter = next(w for w in answer["waits"] if w["thread_name"] == "waiter")
        assert str(waiter["owner"]["tid"]) in text and waiter["object_address"] in text, text
        only = server.json("now", "--tid", waiter["tid"])
        assert [w["tid"] for w in only["waits"]] == [waiter["tid"]]
        assert "more threads wait" in server.ok("now", "-n", 2).out
        assert live.end().status == 0
    assert_refused(server.stax("now"), re.compile("no |active|record"))


def test_what_is_not_recorded_is_no_zero(other_server, target):
    """Where switches cannot be seen the commands say so, and do not print that nothing waited. A stream
    whose header says that it has none (event/wire.h) stands for such a machine."""
    recorder = other_server()
    stream = recorder.dir / "events"
    recorder.args = ["--tap", stream]
    recorder.start()
    recorder.record([target("waits"), "-n", 5, "nap"])
    recorded = bytearray(stream.read_bytes())
    recorded[16:24] = bytes(8)
    stream.write_bytes(recorded)
    player = other_server("--replay", stream).start()
    with player.rpc() as rpc:
        rpc.call("RunControl.wait_active")
        assert rpc.call("Profiler.threads")["health"]["estimated"]
    for args in (["intervals"], ["top", "--off-cpu"], ["flame", "--off-cpu"], ["timeline"], ["threads"]):
        out = player.ok(*args).out
        assert out.count("not recorded") == 1 and "0.0 ms blocked" not in out, (args, out)


def test_names_of_threads_are_untrusted(server):
    """A thread's name may hold anything; a terminal gets none of it raw."""
    code = ("import ctypes, time; l = ctypes.CDLL(None); l.prctl(15, b'\\x1b[31mX\\ny', 0, 0, 0); "
            "[time.sleep(0.01) for _ in range(20)]")
    server.record(["/usr/bin/python3", "-S", "-c", code])
    for args in (["intervals"], ["threads"], ["timeline"], ["wakers", server.last_summary()["target_pid"]]):
        out = server.ok(*args).out
        assert "\x1b" not in out and "[31mX" in out, (args, out)
