"""Live tables: what a subscriber has put together from messages is what a single answer has."""

import json

import pytest

from stax import RpcError
from waiting import skip_unless

REASONS = 10
ZOOM_TOO_DEEP = 1025


# ---- Clients ----------------------------------------------------------------------------------------------


class Table:
    """Columns as a list of rows."""

    @staticmethod
    def rows(columns):
        table = {key: column for key, column in columns.items() if isinstance(column, list) and column}
        lengths = {len(column) for column in table.values()}
        assert len(lengths) <= 1, f"columns of one length: {lengths}"
        return [dict(zip(table, row)) for row in zip(*table.values())]


class Subscriber:
    """Follows one subscription with acknowledgements, and applies what it is told."""

    def __init__(self, rpc, method, ack=True, **params):
        self.rpc = rpc
        self.method = method
        self.ack = ack
        self.id = rpc.call("Profiler.subscribe", method=method, params=params, interval_ms=50, ack=ack)["subscription"]
        self.epoch = 1
        self.functions = []
        self.last = None
        self.begin()

    def begin(self):
        self.functions = []

    def read(self):
        """The next message of this epoch, applied, and not acknowledged."""
        message = self.rpc.notification(self.id)
        while message["epoch"] < self.epoch:
            message = self.rpc.notification(self.id)
        assert message["epoch"] == self.epoch
        assert self.last is None or message["seq"] > self.last["seq"]
        first = self.last is None or self.last["epoch"] != self.epoch
        self.last = message
        result = message["result"]
        assert result["full"] or not first, "the first message of an epoch is whole"
        if result["full"]:
            self.begin()
        self.apply(result)
        return message

    def acknowledge(self):
        if self.ack and not self.last["ended"]:
            self.rpc.call("Profiler.ack", subscription=self.id, seq=self.last["seq"])

    def step(self):
        message = self.read()
        self.acknowledge()
        return message

    def until_end(self):
        while not self.last["ended"]:
            self.step()
        return self.last["result"]

    def renew(self, **params):
        self.epoch = self.rpc.call("Profiler.resubscribe", subscription=self.id, params=params)["epoch"]

    def add_functions(self, table):
        assert table["first"] == len(self.functions)
        self.functions += Table.rows(table)


class Tree(Subscriber):
    def begin(self):
        super().begin()
        self.nodes = []

    def apply(self, result):
        self.add_functions(result["functions"])
        assert result["nodes"]["first"] == len(self.nodes)
        for row in Table.rows(result["nodes"]):
            assert row["parent"] < max(len(self.nodes), 1)
            self.nodes.append({**row, "values": None, "waits": [0] * REASONS})
        numbers = [row["node"] for row in Table.rows(result["values"])]
        assert numbers == sorted(set(numbers)), "rising"
        for row in Table.rows(result["values"]):
            node = self.nodes[row.pop("node")]
            node.update(values=row, waits=[0] * REASONS)
        for row in Table.rows(result["waits"]):
            self.nodes[row["node"]]["waits"][row["reason"]] = row["ns"]
        assert all(node["values"] for node in self.nodes)
        assert result["n_shown"] == len(self.shown())

    def shown(self):
        """Nodes that are shown, by number: the root is."""
        return {i: node for i, node in enumerate(self.nodes) if i == 0 or any(node["values"].values())}

    def paths(self):
        """By way from the root: values and waits by reason."""
        found = {}
        for i, node in self.shown().items():
            way = []
            while i != 0:
                function = self.functions[self.nodes[i]["function"]]
                way.append((function["name"], function["binary"], function["inlined"], function["address"]))
                i = self.nodes[i]["parent"]
            assert tuple(way) not in found, "a node is one"
            found[tuple(way)] = node
        return found


class Top(Subscriber):
    def apply(self, result):
        self.add_functions(result["functions"])
        self.rows = [{**self.functions[row["function"]], **row} for row in Table.rows(result["rows"])]


class Timeline(Subscriber):
    def begin(self):
        super().begin()
        self.on, self.runnable, self.waits, self.threads = [], [], {}, {}

    def apply(self, result):
        first, n = result["first"], result["n_buckets"]
        self.on[first:] = result["on_cpu_ns"]
        self.runnable[first:] = result["runnable_ns"]
        assert len(self.on) == len(self.runnable) == n
        self.waits = {key: ns for key, ns in self.waits.items() if key[0] < first}
        for row in Table.rows(result["waits"]):
            assert row["bucket"] >= first
            self.waits[row["bucket"], row["reason"]] = row["ns"]
        before, self.threads = self.threads, {}
        for thread in result["threads"]:
            lanes = before.get(thread["tid"], {}) if thread["first"] else {}
            self.threads[thread["tid"]] = {
                key: lanes.get(key, [])[:thread["first"]] + thread[key]
                for key in ("on_cpu_ns", "runnable_ns", "off_cpu_ns", "reason")}
            assert all(len(lane) == n for lane in self.threads[thread["tid"]].values())


# ---- Whole answers ----------------------------------------------------------------------------------------


def paths_of(answer, tree):
    """As Tree.paths(), of Profiler.flamegraph or a tree of Profiler.neighbors."""
    rows, strings = Table.rows(tree["nodes"]), answer["strings"]
    for row in rows:
        row["reasons"] = [0] * REASONS
    for wait in Table.rows(tree["waits"]):
        rows[wait["node"]]["reasons"][wait["reason"]] = wait["ns"]
    found = {}
    for i, row in enumerate(rows):
        way = []
        while i != 0:
            at = rows[i]
            way.append((strings[at["function"]], strings[at["binary"]], at["inlined"], at["address"]))
            i = at["parent"]
        found[tuple(way)] = row
    return found


def assert_same_tree(tree, answer, flame, mode):
    told, whole = tree.paths(), paths_of(answer, flame)
    assert told.keys() == whole.keys()
    for way, node in told.items():
        values, row = node["values"], whole[way]
        assert (values["on_cpu_ns"], values["samples"], values["self_samples"], values["cut_children"]) == (
            row["on_cpu_ns"], row["samples"], row["self_samples"], row["cut_children"])
        if mode == "on_cpu":
            assert "off_cpu_ns" not in values and not any(node["waits"])
        else:
            assert (values["off_cpu_ns"], values["self_off_cpu_ns"], values["intervals"]) == (
                row["off_cpu_ns"], row["self_off_cpu_ns"], row["off_cpu_intervals"])
            assert node["waits"] == row["reasons"]


def assert_sums(tree):
    """Self times add up to the whole, where nothing was cut."""
    root = tree.nodes[0]["values"]
    assert all(node["values"]["cut_children"] == 0 for node in tree.shown().values())
    assert sum(node["values"]["self_on_cpu_ns"] for node in tree.nodes) == root["on_cpu_ns"]
    assert sum(node["values"]["self_samples"] for node in tree.nodes) == root["samples"]


def assert_same_top(top, answer):
    assert len(top.rows) == len(answer["entries"])
    for row, entry in zip(top.rows, answer["entries"]):
        assert (row["name"], row["binary"], row["language"], row["address"]) == (
            entry["function_name"], entry["binary"], entry["language"], entry["address"])
        for key in ("self_on_cpu_ns", "total_on_cpu_ns", "self_samples", "total_samples",
                    "self_off_cpu_intervals", "total_off_cpu_intervals"):
            assert row[key] == entry[key], key
        for key in ("self_off_cpu", "total_off_cpu"):
            assert row[f"{key}_ns"] == sum(entry[key].values()), key
        waits = list(entry["total_off_cpu"].values())
        assert row["reason"] == (waits.index(max(waits)) if any(waits) else REASONS)


def assert_same_timeline(timeline, answer):
    assert timeline.on == [b["on_cpu_ns"] for b in answer["buckets"]]
    assert timeline.runnable == [b["runnable_ns"] for b in answer["buckets"]]
    assert timeline.waits == {(i, reason): ns for i, b in enumerate(answer["buckets"])
                              for reason, ns in enumerate(b["off_cpu"].values()) if ns}
    assert list(timeline.threads) == [thread["tid"] for thread in answer["threads"]]
    for thread in answer["threads"]:
        assert timeline.threads[thread["tid"]] == {key: thread[key] for key in timeline.threads[thread["tid"]]}


# ---- What adds up -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["on_cpu", "off_cpu", "wall"])
def test_what_was_told_is_the_answer(server, target, mode):
    if mode != "on_cpu":
        skip_unless(server, "off_cpu")
    with server.live([target("forever")], "-F", "500") as live, server.rpc() as rpc:
        tree = Tree(rpc, "Live.tree", mode=mode)
        small = Tree(rpc, "Live.tree", mode=mode, max_nodes=5, ack=False)
        top = Top(rpc, "Live.top", mode=mode, limit=7, sort="total")
        timeline = Timeline(rpc, "Live.timeline", buckets=40)
        for _ in range(6):
            for subscriber in (tree, small, top, timeline):
                subscriber.step()
        live.end()
        for subscriber in (tree, small, top, timeline):
            result = subscriber.until_end()
            assert not result["health"]["recording"]
        flame = rpc.call("Profiler.flamegraph", mode=mode)
        assert_same_tree(tree, flame, flame, mode)
        assert tree.last["result"]["n_nodes"] == flame["n_nodes"]
        if mode == "on_cpu":
            assert_sums(tree)
        flame = rpc.call("Profiler.flamegraph", mode=mode, max_nodes=5)
        assert_same_tree(small, flame, flame, mode)
        assert_same_top(top, rpc.call("Profiler.top", mode=mode, limit=7, sort="total"))
        assert_same_timeline(timeline, rpc.call("Profiler.timeline", buckets=40))
        with pytest.raises(RpcError) as error:
            tree.renew()
        assert error.value.kind == "not_found", "it went with the run"


def test_stopped_runs_are_told_at_once(server, target, tmp_path):
    server.record([target("shares")])
    server.settle()
    with server.rpc() as rpc:
        for subscriber in (Tree(rpc, "Live.tree"), Top(rpc, "Live.top"), Timeline(rpc, "Live.timeline")):
            message = subscriber.read()
            assert message["ended"] and message["seq"] == 1 and message["result"]["full"]
        for asked in ("Live.tree", "Live.top", "Live.timeline"):
            assert rpc.call(asked)["full"], "who asks once is told everything"


def test_trees_of_a_function(server, target):
    """Callers and callees are those of neighbors; callers of everything begin with what is innermost."""
    server.record([target("recursion")])
    server.settle()
    with server.rpc() as rpc:
        entries = rpc.call("Profiler.top", limit=8, sort="total")["entries"]
        for entry in entries:
            whole = rpc.call("Profiler.neighbors", address=entry["address"])
            if whole["n_matches"] > 1 or entry["inlined"] or whole["function_name"] != entry["function_name"]:
                continue
            focus = {"function_name": entry["function_name"], "binary": entry["binary"]}
            for callers in (False, True):
                tree = Tree(rpc, "Live.tree", focus=focus, callers=callers)
                tree.read()
                assert_same_tree(tree, whole, whole["callers_tree" if callers else "callees_tree"], "on_cpu")
                root = tree.functions[tree.nodes[0]["function"]]
                assert root["name"] == entry["function_name"]
        inverted = Tree(rpc, "Live.tree", callers=True)
        inverted.read()
        assert_sums(inverted)
        first = {way[0]: node["values"]["samples"] for way, node in inverted.paths().items() if len(way) == 1}
        top = rpc.call("Profiler.top", limit=1000)["entries"]
        for entry in top:
            key = (entry["function_name"], entry["binary"], entry["inlined"], entry["address"])
            assert first.get(key, 0) == entry["self_samples"]


def test_zoom(server, target):
    server.record([target("shares")])
    with server.rpc() as rpc:
        whole = Tree(rpc, "Live.tree")
        whole.read()
        paths = whole.paths()
        way = max((w for w in paths if len(w) == 3), key=lambda w: -paths[w]["values"]["samples"], default=None)
        assert way is not None
        zoom = [{"function_name": name, "binary": binary} for name, binary, _, _ in reversed(way)]
        nowhere = {"function_name": "no_such_function"}
        zoomed = Tree(rpc, "Live.tree", zoom=[*zoom, nowhere, nowhere], min_share=0.5)
        result = zoomed.read()["result"]
        assert result["zoom_depth"] == 3
        assert way in zoomed.paths(), "however small it is"
        below = {w: n["values"] for w, n in paths.items() if w[-3:] == way[-3:] and len(w) > 3}
        heavy = {w for w, values in below.items() if values["on_cpu_ns"] >= 0.5 * paths[way]["values"]["on_cpu_ns"]}
        assert {w for w in zoomed.paths() if w in below} == heavy


# ---- Acknowledgements and epochs --------------------------------------------------------------------------


def grow(rpc, n=50):
    """Waits until there is news."""
    now = rpc.call("Profiler.total_on_cpu_ns")["health"]["samples"]
    rpc.call("RunControl.wait_active", condition={"for_samples": now + n})


def cpu_ns(rpc):
    return rpc.call("RunControl.diagnostics")["server"]["cpu_ns"]


def test_nothing_without_an_ack(server, target):
    with server.live([target("forever")], "-F", "500") as live, server.rpc() as rpc, server.rpc() as other:
        tree = Tree(rpc, "Live.tree")
        tree.read()
        for _ in range(3):
            grow(other)
            rpc.call("RunControl.status")
            assert not rpc.notifications, "the last one was not acknowledged"
        with pytest.raises(RpcError) as error:
            rpc.call("Profiler.ack", subscription=tree.id, seq=tree.last["seq"] + 1)
        assert error.value.kind == "invalid_params"
        tree.acknowledge()
        assert tree.read()["seq"] == 2, "one message for all that"
        rpc.call("Profiler.ack", subscription=tree.id, seq=1)  # an old one changes nothing
        grow(other)
        rpc.call("RunControl.status")
        assert not rpc.notifications
        with pytest.raises(RpcError) as error:
            rpc.call("Profiler.ack", subscription=12345, seq=1)
        assert error.value.kind == "not_found"
        live.end()
        rpc.call("RunControl.status")
        assert not rpc.notifications, "not even the end"
        tree.acknowledge()
        tree.until_end()


def test_another_question_before_the_ack(server, target):
    with server.live([target("threads64"), "60"], "-F", "500") as live, server.rpc() as rpc:
        tree = Tree(rpc, "Live.tree")
        first = tree.read()["result"]
        tree.renew(view={"tid": live.target_pid}, max_nodes=3)
        assert tree.epoch == 2
        second = tree.read()["result"]
        assert second["full"] and second["n_shown"] <= 3
        assert second["health"]["samples"] <= first["health"]["samples"] or second["total_on_cpu_ns"] > 0
        rpc.call("RunControl.status")
        assert not rpc.notifications, "from here on acks count again"
        for n in range(20):  # faster than anybody could answer
            tree.renew(max_nodes=2 + n)
        assert tree.epoch == 22
        assert tree.read()["result"]["n_shown"] <= 21
        rpc.call("Profiler.unsubscribe", subscription=tree.id)
        rpc.notifications.clear()
        grow(rpc)
        assert not rpc.notifications


def test_a_frozen_client_costs_nothing(server, target):
    """Twenty that never acknowledge, against none: the same CPU time, but for the first messages."""
    with server.live([target("forever")], "-F", "500"), server.rpc() as rpc, server.rpc() as other:
        frozen = [Tree(rpc, "Live.tree") for _ in range(20)]
        for tree in frozen:
            tree.read()
        asked = other.call("RunControl.diagnostics")["server"]
        assert asked["subscriptions"] == 20
        for _ in range(3):
            grow(other)
            assert other.call("RunControl.diagnostics")["server"]["query_queue"] <= 1, "but for this one itself"
        assert not rpc.notifications


# ---- Hostile ----------------------------------------------------------------------------------------------


def test_limits(server, target):
    server.record([target("shares")])
    symbol = {"function_name": "x"}

    def kind(method, **params):
        with server.rpc() as rpc, pytest.raises(RpcError) as error:
            rpc.call(method, **params)
        return error.value.kind

    assert kind("Live.tree", zoom=[symbol] * ZOOM_TOO_DEEP) == "invalid_params"
    assert kind("Live.tree", zoom=["x"]) == "invalid_params"
    assert kind("Live.tree", focus={"binary": "x"}) == "invalid_params"
    assert kind("Live.tree", focus={"function_name": "x" * (64 << 10)}) in ("not_found", "invalid_params")
    assert kind("Live.tree", focus=symbol) == "not_found"
    assert kind("Live.tree", focus={"function_name": "\x1b[31m\n"}) == "not_found"
    assert kind("Live.tree", max_nodes=0) == "invalid_params"
    assert kind("Live.tree", min_share=2) == "invalid_params"
    assert kind("Live.top", limit=-1) == "invalid_params"
    assert kind("Profiler.resubscribe", subscription=1) == "not_found"
    with server.rpc() as rpc:
        long = {"function_name": "y" * 900, "binary": "z"}
        assert rpc.call("Live.tree", zoom=[long] * 1000)["zoom_depth"] == 0
        deep = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "Live.tree",
                           "params": {"zoom": [{"function_name": "y" * (64 << 10)}] * 1024}})
        rpc.send(deep.encode() + b"\n")
        assert rpc.read()["error"]["data"]["kind"] == "too_large"


def test_wrong_parameters_leave_a_subscription_as_it_is(server, target):
    with server.live([target("forever")], "-F", "500"), server.rpc() as rpc:
        tree = Tree(rpc, "Live.tree")
        tree.step()
        with pytest.raises(RpcError) as error:
            tree.renew(max_nodes="many")
        assert error.value.kind == "invalid_params"
        with pytest.raises(RpcError) as error:
            tree.renew(view={"run": 99})
        assert error.value.kind == "unknown_run"
        assert tree.step()["epoch"] == 1
        tree.renew(focus={"function_name": "no_such_function"})
        message = rpc.notification(tree.id)
        while message["epoch"] < 2:
            message = rpc.notification(tree.id)
        assert message["error"]["kind"] == "not_found" and message["ended"]
        with pytest.raises(RpcError):
            tree.renew()
