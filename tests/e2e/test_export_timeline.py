"""`stax export --format firefox` and `--format perfetto`: files with a time axis, read in the way of their
published schemas, whose sums are what `stax top` and `stax threads` say."""

import collections
import decimal
import gzip
import importlib.util
import json
import os
import re
import shutil
import subprocess

import pytest

from exporting import Expected, by_function, without_truncations
from stax import REPO, needs_program

NODE = ["/usr/bin/node"]
# The Firefox Profiler's own reader, of the npm package @firefox-devtools/profiler-cli: dist/profiler-cli.js.
PROFILER_CLI = os.environ.get("STAX_PROFILER_CLI")
NS_PER_MS = 1_000_000
FORMATS = ("firefox", "perfetto")


def export(server, form, *options):
    path = server.file(form)
    server.settle()
    server.ok("export", "--format", form, *options, path)
    return path.read_bytes()


def ns(ms):
    value = decimal.Decimal(ms) * NS_PER_MS
    assert value == int(value), f"{ms} ms are no whole nanoseconds"
    return int(value)


# ---- Firefox ----------------------------------------------------------------------------------------------

# Columns by table: types.ts of the profiler as of version 60. What is an index names its table.
SHARED = {
    "stackTable": {"frame": "frameTable", "prefix": "stackTable?"},
    "frameTable": {"address": int, "inlineDepth": int, "category": "categories", "subcategory": int,
                   "func": "funcTable", "nativeSymbol": "nativeSymbols?", "innerWindowID": int, "line": None,
                   "column": None},
    "funcTable": {"name": "strings", "isJS": bool, "relevantForJS": bool, "resource": "resourceTable-",
                  "source": None, "lineNumber": None, "columnNumber": None},
    "resourceTable": {"lib": "libs", "name": "strings", "host": None, "type": int},
    "nativeSymbols": {"libIndex": "libs", "address": int, "name": "strings", "functionSize": None},
    "sources": {"id": str, "filename": "strings"},
}
PER_THREAD = {
    "samples": {"stack": "stackTable?", "time": decimal.Decimal, "weight": int, "threadCPUDelta": int},
    "markers": {"data": dict, "name": "strings", "startTime": decimal.Decimal, "endTime": decimal.Decimal,
                "phase": int, "category": "categories"},
}
LIB = {"arch": str, "name": str, "path": str, "debugName": str, "debugPath": str, "breakpadId": str}
THREAD = {"processType": str, "processStartupTime": decimal.Decimal, "registerTime": decimal.Decimal,
          "pausedRanges": list, "name": str, "isMainThread": bool, "processName": str, "pid": str, "tid": str}


def number(value, kind):
    """A time may be a whole number."""
    return isinstance(value, (kind, int)) if kind is decimal.Decimal else isinstance(value, kind)


class Firefox:
    def __init__(self, packed):
        self.profile = json.loads(gzip.decompress(packed), parse_float=decimal.Decimal)
        self.shared = self.profile["shared"]
        self.strings = self.shared["stringArray"]
        self.threads = self.profile["threads"]
        self.check()
        self.paths = []  # of each stack: its functions, outermost first
        stacks, frames = self.shared["stackTable"], self.shared["frameTable"]
        for prefix, frame in zip(stacks["prefix"], stacks["frame"]):
            function = frames["func"][frame]
            name = self.strings[self.shared["funcTable"]["name"][function]]
            self.paths.append((() if prefix is None else self.paths[prefix]) + ((name, function),))

    def length(self, table):
        lists = {"strings": self.strings, "libs": self.profile["libs"],
                 "categories": self.profile["meta"]["categories"]}
        return len(lists[table]) if table in lists else self.shared[table]["length"]

    def check_table(self, table, columns, others=()):
        assert set(table) == {"length", *columns, *others}
        for column, kind in columns.items():
            values = table[column]
            assert len(values) == table["length"], column
            if kind is None:
                assert all(value is None for value in values), column
            elif isinstance(kind, str):
                least = -1 if kind.endswith("-") else 0
                end = self.length(kind.rstrip("?-"))
                for value in values:
                    assert (value is None and kind.endswith("?")) or least <= value < end, (column, value)
            else:
                assert all(number(value, kind) for value in values), column

    def check(self):
        meta = self.profile["meta"]
        assert meta["preprocessedProfileVersion"] == 60
        assert set(self.profile) == {"meta", "libs", "shared", "threads"}
        assert set(self.shared) == {"stringArray", *SHARED}
        assert all(isinstance(string, str) for string in self.strings)
        assert len(set(self.strings)) == len(self.strings)
        assert any(category["color"] == "grey" for category in meta["categories"])
        assert all(category["subcategories"] for category in meta["categories"])
        for name, columns in SHARED.items():
            self.check_table(self.shared[name], columns)
        for lib in self.profile["libs"]:
            assert set(lib) == {"codeId", *LIB} and all(isinstance(lib[key], kind) for key, kind in LIB.items())
            assert (lib["codeId"] is None) == (lib["breakpadId"] == "")
        self.check_stacks()
        types = {schema["name"]: {field["key"] for field in schema["fields"]} for schema in meta["markerSchema"]}
        for thread in self.threads:
            self.check_thread(thread, types)
        ids = [(thread["pid"], thread["tid"]) for thread in self.threads]
        assert len(set(ids)) == len(ids)

    def check_stacks(self):
        stacks, frames = self.shared["stackTable"], self.shared["frameTable"]
        assert all(prefix is None or prefix < i for i, prefix in enumerate(stacks["prefix"]))
        for prefix, frame in zip(stacks["prefix"], stacks["frame"]):
            depth = frames["inlineDepth"][frame]
            if depth > 0:  # stands in the function around it, at the same place
                around = stacks["frame"][prefix]
                assert frames["inlineDepth"][around] == depth - 1
                assert frames["address"][around] == frames["address"][frame]
                assert frames["nativeSymbol"][around] == frames["nativeSymbol"][frame]

    def check_thread(self, thread, types):
        assert all(number(thread[key], kind) for key, kind in THREAD.items()), thread
        self.check_table(thread["samples"], PER_THREAD["samples"], {"weightType"})
        self.check_table(thread["markers"], PER_THREAD["markers"])
        times = thread["samples"]["time"]
        assert times == sorted(times)
        for data, start, end, phase in zip(*(thread["markers"][c] for c in ("data", "startTime", "endTime", "phase"))):
            assert start <= end and phase == 1
            for key in set(data) - {"type", "cause"}:
                assert key in types[data["type"]]
                assert key == "approximate" or 0 <= data[key] < len(self.strings)
            if "cause" in data:
                assert 0 <= data["cause"]["stack"] < self.shared["stackTable"]["length"]

    # -- sums

    def per_thread(self, column):
        sums = {int(thread["tid"]): sum(thread["samples"][column]) for thread in self.threads}
        return {tid: value for tid, value in sums.items() if value}

    def samples(self):
        for thread in self.threads:
            for stack, weight in zip(thread["samples"]["stack"], thread["samples"]["weight"]):
                yield () if stack is None else self.paths[stack], weight

    def stays(self):
        for thread in self.threads:
            markers = thread["markers"]
            for i in range(markers["length"]):
                data = markers["data"][i]
                path = self.paths[data["cause"]["stack"]] if "cause" in data else ()
                length = ns(markers["endTime"][i]) - ns(markers["startTime"][i])
                yield int(thread["tid"]), self.strings[markers["name"][i]], path, length, data


# ---- Perfetto ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def trace_type(tmp_path_factory):
    """The message Trace of our schema, made by protoc."""
    for missing in (needs_program("protoc"),
                    None if importlib.util.find_spec("google") else "python3-protobuf is not installed"):
        if missing:
            pytest.skip(missing)
    folder = tmp_path_factory.mktemp("perfetto")
    source = REPO / "tests/e2e/data"
    subprocess.run(["protoc", f"--proto_path={source}", f"--python_out={folder}", source / "perfetto.proto"], check=True)
    spec = importlib.util.spec_from_file_location("perfetto_pb2", folder / "perfetto_pb2.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Trace


class Perfetto:
    """Reads as a reader does: packet by packet, with what was interned before."""

    def __init__(self, trace_type, data):
        trace = trace_type.FromString(data)
        known = trace_type.FromString(data)
        known.DiscardUnknownFields()
        assert known.SerializeToString() == trace.SerializeToString(), "fields that are not in the schema"
        self.interned = collections.defaultdict(dict)
        self.processes = {}
        self.threads = {}  # uuid -> tid
        self.samples = []  # time, tid, path
        self.events = collections.defaultdict(list)  # by track
        for i, packet in enumerate(trace.packet):
            self.take_header(i, packet)
            self.take_interned(packet.interned_data)
            self.take(packet)
        self.stays = [stay for uuid in self.events for stay in self.slices(uuid)]

    def take_header(self, i, packet):
        assert packet.trusted_packet_sequence_id == 1
        assert packet.sequence_flags == (1 if i == 0 else 2)
        if i == 0:
            assert packet.first_packet_on_sequence
            assert packet.trace_packet_defaults.timestamp_clock_id == 3
            assert packet.trace_packet_defaults.perf_sample_defaults.timebase.counter == 1
            self.frequency = packet.trace_packet_defaults.perf_sample_defaults.timebase.frequency
            self.clocks = {clock.clock_id: clock.timestamp for clock in packet.clock_snapshot.clocks}
            assert packet.clock_snapshot.primary_trace_clock == 3

    def take_interned(self, data):
        for field, entries in data.ListFields():
            for entry in entries:
                table = self.interned[field.name]
                assert entry.iid > 0 and entry.iid not in table, (field.name, entry.iid)
                table[entry.iid] = entry
        for mapping in data.mappings:
            assert all(path in self.interned["mapping_paths"] for path in mapping.path_string_ids)
            assert mapping.build_id == 0 or mapping.build_id in self.interned["build_ids"]
        for frame in data.frames:
            assert frame.function_name_id in self.interned["function_names"]
            assert frame.mapping_id == 0 or frame.mapping_id in self.interned["mappings"]
            assert frame.HasField("rel_pc") == (frame.mapping_id != 0)
        for stack in data.callstacks:
            assert stack.frame_ids and all(frame in self.interned["frames"] for frame in stack.frame_ids)

    def path(self, stack):
        """The function names; as functions they are told apart by name and binary."""
        if stack == 0:
            return ()
        frames = [self.interned["frames"][frame] for frame in self.interned["callstacks"][stack].frame_ids]
        names = self.interned["function_names"]
        return tuple((names[frame.function_name_id].str.decode(), frame.function_name_id) for frame in frames)

    def take(self, packet):
        if packet.HasField("track_descriptor"):
            track = packet.track_descriptor
            assert track.uuid > 0 and track.uuid not in self.threads and track.uuid not in self.processes
            if track.HasField("process"):
                self.processes[track.uuid] = track.process.pid
            else:
                assert self.processes[track.parent_uuid] == track.thread.pid
                self.threads[track.uuid] = track.thread.tid
        if packet.HasField("perf_sample"):
            sample = packet.perf_sample
            assert sample.tid in self.threads.values()
            self.samples.append((packet.timestamp, sample.tid, self.path(sample.callstack_iid)))
        if packet.HasField("track_event"):
            self.events[packet.track_event.track_uuid].append((packet.timestamp, packet.track_event))

    def annotations(self, event):
        names, strings = self.interned["debug_annotation_names"], self.interned["debug_annotation_string_values"]
        return {names[a.name_iid].name: strings[a.string_value_iid].str.decode() if a.string_value_iid else a.bool_value
                for a in event.debug_annotations}

    def slices(self, uuid):
        """A thread is off the CPU once at a time: begins and ends take turns."""
        events = sorted(self.events[uuid], key=lambda event: event[0])
        types = [event.type for _, event in events]
        wrong = next((i for i, kind in enumerate(types) if kind != 1 + i % 2), len(types))
        assert wrong == len(types) and wrong % 2 == 0, [(t, e.type, e.name_iid) for t, e in events[max(wrong - 4, 0):wrong + 4]]
        for (start, begin), (end, _) in zip(events[::2], events[1::2]):
            name = self.interned["event_names"][begin.name_iid].name
            assert [self.interned["event_categories"][c].name for c in begin.category_iids] == ["off-cpu"]
            yield self.threads[uuid], name, self.path(begin.callstack_iid), end - start, self.annotations(begin)


# ---- Tests ------------------------------------------------------------------------------------------------


def sums_of_stays(stays):
    sums = collections.Counter()
    for tid, name, _, length, _ in stays:
        sums[tid, name] += length
    return {key: total for key, total in sums.items() if total}


def check_stays(expected, stays):
    """Times by thread and reason, and by function; the innermost is the one that is named."""
    assert sums_of_stays(stays) == expected.stays()
    waits = [(path, length) for _, name, path, length, _ in stays if name != "runnable"]
    assert without_truncations(by_function(waits)) == expected.waiting()


def check_firefox(expected, firefox):
    assert firefox.per_thread("weight") == expected.samples()
    on_cpu = expected.on_cpu_ns()
    for tid, total in firefox.per_thread("threadCPUDelta").items():
        assert total == on_cpu[tid]
    assert without_truncations(by_function(firefox.samples())) == expected.functions()
    stays = list(firefox.stays())
    check_stays(expected, stays)
    for _, _, path, _, data in stays:
        if "function" in data:
            assert firefox.strings[data["function"]] == path[-1][0]


def escaped(functions):
    """Perfetto's strings have no control bytes."""
    return {re.sub(r"[\x00-\x1f\x7f]", lambda c: f"\\x{ord(c[0]):02x}", name): pair for name, pair in functions.items()}


def check_perfetto(expected, perfetto):
    assert collections.Counter(tid for _, tid, _ in perfetto.samples) == expected.samples()
    paths = [(path, 1) for _, _, path in perfetto.samples]
    assert without_truncations(by_function(paths)) == escaped(expected.functions())
    check_stays(expected, perfetto.stays)
    for _, _, path, _, annotations in perfetto.stays:
        if "function" in annotations:
            assert annotations["function"] == path[-1][0]


# Programs with one thing each: waits of all kinds, many threads, inlined functions, callers in the kernel.
TARGETS = [("waits",), ("threads64",), ("inlining",), ("recursion",), ("hostile",)]


@pytest.mark.parametrize("command", TARGETS, ids=lambda command: command[0])
def test_firefox_says_what_top_says(server, target, command):
    server.record([target(command[0]), *command[1:]])
    check_firefox(Expected(server), Firefox(export(server, "firefox")))


@pytest.mark.parametrize("command", TARGETS, ids=lambda command: command[0])
def test_perfetto_says_what_top_says(server, target, trace_type, command):
    run = server.record([target(command[0]), *command[1:]], "-F", "500")
    perfetto = Perfetto(trace_type, export(server, "perfetto"))
    check_perfetto(Expected(server), perfetto)
    assert perfetto.frequency == 500
    assert perfetto.clocks[1] == run.summary["started_at_unix_ns"]
    assert all(time >= perfetto.clocks[3] for time, _, _ in perfetto.samples)


def test_libraries_are_those_that_were_mapped(server, target, trace_type):
    server.record([target("inlining")])
    notes = subprocess.run(["readelf", "-n", target("inlining")], capture_output=True, text=True, check=True).stdout
    build_id = notes.split("Build ID: ")[1].split()[0]
    firefox = Firefox(export(server, "firefox"))
    lib = next(lib for lib in firefox.profile["libs"] if lib["path"] == str(target("inlining")))
    assert lib["codeId"] == build_id and lib["name"] == "inlining"
    # A GUID whose first three fields are little-endian, and an age.
    raw = bytes.fromhex(build_id)
    guid = raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:16]
    assert lib["breakpadId"] == guid.hex().upper() + "0"
    perfetto = Perfetto(trace_type, export(server, "perfetto"))
    ids = {perfetto.interned["mapping_paths"][m.path_string_ids[0]].str.decode():
           perfetto.interned["build_ids"][m.build_id].str.hex()
           for m in perfetto.interned["mappings"].values() if m.build_id}
    assert ids[str(target("inlining"))] == build_id


def test_addresses_are_those_of_the_symbols(server, target):
    server.record([target("recursion")])
    symbols = subprocess.run(["nm", "-S", target("recursion")], capture_output=True, text=True, check=True).stdout
    ranges = {line[3]: (int(line[0], 16), int(line[0], 16) + int(line[1], 16))
              for line in map(str.split, symbols.splitlines()) if len(line) == 4}
    firefox = Firefox(export(server, "firefox"))
    frames, functions = firefox.shared["frameTable"], firefox.shared["funcTable"]
    symbol_table = firefox.shared["nativeSymbols"]
    n_checked = 0
    for i in range(frames["length"]):
        function = frames["func"][i]
        name = firefox.strings[functions["name"][function]]
        resource = functions["resource"][function]
        if resource >= 0 and firefox.profile["libs"][resource]["name"] == "recursion" and name in ranges:
            start, end = ranges[name]
            assert start <= frames["address"][i] < end, name
            assert symbol_table["address"][frames["nativeSymbol"][i]] == start
            n_checked += 1
    assert n_checked >= 3


def test_no_inline(server, target, trace_type):
    server.record([target("inlining")])
    firefox = Firefox(export(server, "firefox", "--no-inline"))
    assert not any(firefox.shared["frameTable"]["inlineDepth"])
    server.settle()
    entries = server.top("--no-inline", "--sort", "total").entries
    expected = {e["function_name"]: (e["self_samples"], e["total_samples"]) for e in entries}
    assert without_truncations(by_function(firefox.samples())).keys() == expected.keys()
    perfetto = Perfetto(trace_type, export(server, "perfetto", "--no-inline"))
    names = {name for path in perfetto.samples for name, _ in path[2]}
    assert {name for name in names if not name.startswith("[truncated")} == expected.keys()


def test_one_thread(server, target, trace_type):
    run = server.record([target("waits")])
    tid = max(Expected(server).threads.values(), key=lambda t: sum(t["off_cpu"].values()))["tid"]
    assert run.summary["id"] == 1
    firefox = Firefox(export(server, "firefox", "--tid", tid))
    assert {int(thread["tid"]) for thread in firefox.threads} == {tid}
    perfetto = Perfetto(trace_type, export(server, "perfetto", "--tid", tid))
    assert set(perfetto.threads.values()) == {tid}
    assert sums_of_stays(firefox.stays()) == sums_of_stays(perfetto.stays) != {}


def test_a_run_that_goes_on(server, target, trace_type):
    """Waits that are not over are in the file, up to the moment of the export."""
    with server.live([target("forever")]):
        server.settle()
        firefox = Firefox(export(server, "firefox"))
        perfetto = Perfetto(trace_type, export(server, "perfetto"))
        assert firefox.threads and perfetto.threads
        server.ok("stop")


@pytest.mark.needs(None if PROFILER_CLI and shutil.which(NODE[0]) else "STAX_PROFILER_CLI does not name the Firefox Profiler's command")
def test_the_firefox_profiler_reads_it(server, target):
    server.record([target("waits")])
    expected = Expected(server)
    path = server.file("profile.json.gz").with_name("profile.json.gz")
    path.write_bytes(export(server, "firefox"))
    env = {**os.environ, "HOME": str(server.dir), "PROFILER_CLI_SESSION_DIR": str(server.dir)}

    def ask(*args):
        return subprocess.run([*NODE, PROFILER_CLI, *args], env=env, capture_output=True, text=True, check=True, timeout=50).stdout

    ask("load", str(path))
    try:
        threads = json.loads(ask("thread", "list", "--json", "--limit", "1000"))["threads"]
        assert {int(thread["tid"]) for thread in threads} == set(expected.threads)
    finally:
        ask("stop")
