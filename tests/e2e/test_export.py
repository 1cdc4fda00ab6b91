"""Exports, opened by the programs that they are for: what these say is what `stax top` and `stax threads`
say of the same run. Samples to the last one, times to rounding."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import jsonschema
import pytest

from stax import BUILD, PATIENCE, RpcError, assert_refused, needs_program, needs_root

FORMATS = ("folded", "speedscope", "pprof")
HERE = pathlib.Path(__file__).resolve().parent
# Weights of pprof and speedscope are whole nanoseconds per thread and stack; those of top are rounded once.
ROUNDED_NS = 2000


# ---- The programs -----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def speedscope_modules():
    """Where npm has put speedscope, the version in speedscope/package-lock.json."""
    missing = needs_program("npm") or needs_program("node")
    if missing:
        pytest.skip(missing)
    source = HERE / "speedscope"
    place = (BUILD if BUILD.is_dir() else pathlib.Path(tempfile.gettempdir())) / "speedscope-npm"
    lock = (source / "package-lock.json").read_bytes()
    done = place / "done"
    if not done.exists() or done.read_bytes() != lock:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, place)
        installed = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=place,
                                   capture_output=True, text=True, check=False)
        if installed.returncode != 0:
            pytest.skip(f"npm cannot install speedscope: {installed.stderr.strip().splitlines()[-1:]}")
        done.write_bytes(lock)
    return place / "node_modules"


@pytest.fixture
def speedscope(speedscope_modules):
    """What speedscope makes of files."""

    def load(*paths):
        done = subprocess.run(["node", HERE / "speedscope" / "totals.cjs", speedscope_modules, *map(str, paths)],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return load


class Pprof:
    """`go tool pprof` with one file."""

    def __init__(self, path, directory):
        self.path = path
        self.env = {**os.environ, "PPROF_TMPDIR": str(directory), "PPROF_BINARY_PATH": str(directory)}

    def run(self, *args):
        done = subprocess.run(["go", "tool", "pprof", *args, str(self.path)], env=self.env,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def top(self, sample_index, unit):
        """{name: (flat, cum)}"""
        text = self.run("-top", "-nodecount=1000000", "-nodefraction=0", "-edgefraction=0",
                        f"-sample_index={sample_index}", f"-unit={unit}")
        table = text[re.search(r"^ +flat .*\n", text, re.M).end():]
        rows = {}
        for line in table.splitlines():
            flat, _, _, cum, _, name = line.split(None, 5)
            name = re.sub(r" \((partial-)?inline\)$", "", name)
            rows[name] = tuple(int(re.fullmatch(r"(\d+)(ns)?", value)[1]) for value in (flat, cum))
        return rows


@pytest.fixture(scope="session")
def go():
    missing = needs_program("go")
    if missing:
        pytest.skip(missing)
    if subprocess.run(["go", "tool", "-n", "pprof"], capture_output=True, check=False).returncode != 0:
        pytest.skip("go has no pprof")


# ---- Readers ----------------------------------------------------------------------------------------------


def read_folded(text):
    """[(thread, tid, frames, weight)] as flamegraph scripts take lines apart."""
    lines = []
    for line in text.splitlines():
        stack, weight = re.fullmatch(r"(.*)\s+?(\d+(?:\.\d*)?)", line).groups()
        assert re.fullmatch(r"(.*)\s+?(\d+(?:\.\d*)?)", stack) is None, f"two weights: {line!r}"
        thread, *frames = stack.split(";")
        name, tid = thread.rsplit("-", 1)
        lines.append((name, int(tid), [re.sub(r"_\[[kij]\]$", "", f) for f in frames], int(weight)))
    return lines


def sums_of(stacks):
    """{name: [self, total]} of [(frames, weight)]."""
    sums = {}
    for frames, weight in stacks:
        for name in set(frames):
            sums.setdefault(name, [0, 0])[1] += weight
        sums[frames[-1]][0] += weight
    return sums


def off_ns(of):
    return sum(of.values())


def by_name(top, self_of, total_of):
    """{name: (self, total or None)}: of several functions with one name the totals may be of the same time."""
    names = {}
    for e in top.entries:
        names.setdefault(e["function_name"], []).append((self_of(e), total_of(e)))
    return {name: (sum(s for s, _ in of), of[0][1] if len(of) == 1 else None) for name, of in names.items()}


def assert_sums(sums, expected, tolerance, what):
    """Every function that top shows is there, with these numbers."""
    for name, (self, total) in expected.items():
        found = sums.get(name, (0, 0))
        assert abs(found[0] - self) <= tolerance, f"{what}: self of {name}: {found}, top says {self}"
        if total is not None:
            assert abs(found[1] - total) <= tolerance, f"{what}: total of {name}: {found}, top says {total}"


def escaped(name):
    return re.sub(r" (?=[\d.]+$)", r"\\x20", name.replace(";", r"\x3b"))


# ---- One run, in every format -------------------------------------------------------------------------------


def check_folded(server, *options):
    top = server.top(*options)
    threads = server.threads()["threads"]
    lines = read_folded(server.ok("export", "-f", "folded", *options, "-").out)
    assert sum(weight for *_, weight in lines) == top.samples
    for thread in threads:
        assert sum(w for _, tid, _, w in lines if tid == thread["tid"]) == thread["samples"], thread
    sums = sums_of((frames, weight) for _, _, frames, weight in lines)
    expected = by_name(top, lambda e: e["self_samples"], lambda e: e["total_samples"])
    assert_sums(sums, {escaped(n): v for n, v in expected.items()}, 0, f"folded {options}")


def check_folded_waits(server):
    top = server.top("--off-cpu")
    lines = read_folded(server.ok("export", "-f", "folded", "--off-cpu", "-").out)
    for thread in server.threads()["threads"]:
        us = sum(w for _, tid, _, w in lines if tid == thread["tid"])
        assert abs(us * 1000 - off_ns(thread["off_cpu"])) <= 500, thread
    for reason, ns in top.answer["total_off_cpu"].items():
        reason = reason.removesuffix("_ns")
        us = sum(w for _, _, frames, w in lines if frames[-1] == f"[{reason}]")
        assert abs(us * 1000 - ns) <= 1000 * len(lines) + 1000, reason
    sums = sums_of((frames[:-1] or ["-"], weight * 1000) for _, _, frames, weight in lines)
    expected = by_name(top, lambda e: off_ns(e["self_off_cpu"]), lambda e: off_ns(e["total_off_cpu"]))
    assert_sums(sums, expected, 1000 * len(lines) + 1000, "folded --off-cpu")


def check_speedscope(server, modules, load):
    top = server.top()
    path, folded = server.file("speedscope.json"), server.file("folded")
    answer = server.json("export", "-f", "speedscope", path)
    assert answer["path"] == str(path) and answer["bytes"] == path.stat().st_size
    assert answer["samples"] == top.samples
    schema = json.loads((modules / "speedscope/dist/release/file-format-schema.json").read_text())
    jsonschema.validate(json.loads(path.read_text()), schema)
    server.ok("export", "-f", "folded", folded)
    ours, of_folded = load(path, folded)
    assert sum(p["total"] for p in of_folded["profiles"]) == top.samples
    profiles = {p["name"]: p for p in ours["profiles"]}
    assert len(profiles) == len(ours["profiles"])
    for thread in server.threads()["threads"]:
        name = f"{thread['name']} {thread['tid']}"
        for profile, ns in ((name, thread["on_cpu_ns"]), (f"{name} off-CPU", off_ns(thread["off_cpu"]))):
            assert profiles.get(profile, {"total": 0})["total"] == ns, profile
            assert profile not in profiles or profiles[profile]["unit"] == "nanoseconds"
    sums = {}
    for name, profile in profiles.items():
        for frame in profile["frames"] if not name.endswith(" off-CPU") else ():
            of = sums.setdefault(frame["name"], [0, 0])
            of[0] += frame["self"]
            of[1] += frame["total"]
    expected = by_name(top, lambda e: e["self_on_cpu_ns"], lambda e: e["total_on_cpu_ns"])
    assert_sums(sums, expected, ROUNDED_NS, "speedscope")


def check_pprof(server, *options):
    path = server.file("profile.pb.gz")
    server.ok("export", "-f", "pprof", *options, path)
    pprof = Pprof(path, server.dir)
    top = server.top(*options)
    expected = by_name(top, lambda e: e["self_samples"], lambda e: e["total_samples"])
    assert_sums(pprof.top("samples", "count"), expected, 0, f"pprof samples {options}")
    expected = by_name(top, lambda e: e["self_on_cpu_ns"], lambda e: e["total_on_cpu_ns"])
    cpu = pprof.top("cpu", "ns")
    assert_sums(cpu, expected, ROUNDED_NS, f"pprof cpu {options}")
    spent = sum(thread["on_cpu_ns"] for thread in server.threads()["threads"])
    assert sum(flat for flat, _ in cpu.values()) == spent, "all time of all threads"
    waits = server.top("--off-cpu", *options)
    expected = by_name(waits, lambda e: off_ns(e["self_off_cpu"]), lambda e: off_ns(e["total_off_cpu"]))
    if expected:
        assert_sums(pprof.top("off_cpu", "ns"), expected, 0, f"pprof off_cpu {options}")
        expected = by_name(waits, lambda e: e["self_off_cpu_intervals"], lambda e: e["total_off_cpu_intervals"])
        assert_sums(pprof.top("contentions", "count"), expected, 0, f"pprof contentions {options}")


COMMANDS = {
    "inlined": ["inlining"],
    "waits": ["waits", "-n", "30", "mutex", "sem", "poll", "nap"],
    "recursion": ["recursion"],
}


@pytest.fixture(params=COMMANDS)
def recorded(request, server, target):
    name, *arguments = COMMANDS[request.param]
    server.record([target(name), *arguments])
    server.settle()
    top = server.top()  # takes in what is inlined
    compared = off_ns(top.answer["total_off_cpu"]) / 1e6 if request.param == "waits" else top.samples
    assert compared > 100, "samples, or milliseconds of waiting"
    return server


def test_folded_is_top(recorded):
    check_folded(recorded)
    check_folded(recorded, "--no-inline")
    check_folded_waits(recorded)


def test_speedscope_is_top_and_threads(recorded, speedscope_modules, speedscope):
    check_speedscope(recorded, speedscope_modules, speedscope)


def test_pprof_is_top_and_threads(recorded, go):
    check_pprof(recorded)
    check_pprof(recorded, "--no-inline")


def test_pprof_knows_what_was_recorded(server, target, go):
    path = server.file("profile.pb.gz")
    program = target("waits")
    server.record([program, "-n", "10", "nap"])
    server.ok("export", "-f", "pprof", "--off-cpu", path)
    raw = Pprof(path, server.dir).run("-raw")
    assert "off_cpu/nanoseconds[dflt]" in raw
    assert re.search(r"reason:\[sleep\].*thread:\[nap\]", raw)
    notes = subprocess.run(["readelf", "-n", program], capture_output=True, text=True, check=True).stdout
    build_id = re.search(r"Build ID: (\w+)", notes)[1]
    mappings = raw[raw.index("Mappings"):].splitlines()
    assert program in mappings[1] and build_id in mappings[1], "the program comes first"
    assert not any(line.count("0x0/0x0/") for line in mappings), mappings


def test_one_thread(server, target):
    run = server.record([target("waits"), "-n", "20", "nap", "poll"])
    thread = next(t for t in server.threads()["threads"] if t["name"] == "nap")
    lines = read_folded(server.ok("export", "-f", "folded", "--off-cpu", "--tid", thread["tid"], "-").out)
    assert {tid for _, tid, _, _ in lines} == {thread["tid"]}
    assert abs(sum(w for *_, w in lines) * 1000 - off_ns(thread["off_cpu"])) <= 500
    assert_refused(server.stax("export", "-f", "folded", "--tid", 1, "-"), "no thread 1")
    assert run.status == 0


def test_hostile_names(server, target, speedscope, go):
    """Names with control bytes, newlines, quotes and broken UTF-8 leave every file readable."""
    server.record([target("hostile")])
    server.settle()
    top = server.top()
    path = server.file("profile.pb.gz")
    server.ok("export", "-f", "pprof", path)
    rows = Pprof(path, server.dir).top("samples", "count")
    assert sum(flat for flat, _ in rows.values()) == top.samples
    other = server.file("json")
    server.ok("export", "-f", "speedscope", other)
    [file] = speedscope(other)
    assert {e["function_name"] for e in top.entries} <= {f["name"] for p in file["profiles"] for f in p["frames"]}
    text = server.ok("export", "-f", "folded", "-").out_bytes
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", text)
    assert sum(weight for *_, weight in read_folded(text.decode())) == top.samples


# ---- Where it goes to ---------------------------------------------------------------------------------------


@pytest.fixture
def shares(server, target):
    server.record([target("shares")])
    server.settle()
    return server


@pytest.mark.parametrize("name", FORMATS)
def test_stdout_is_the_same_file(shares, name):
    path = shares.file("export")
    temp = shares.dir / "temp"
    temp.mkdir()
    shares.ok("export", "-f", name, path)
    shown = shares.ok("export", "-f", name, "-", env={"TMPDIR": str(temp)})
    assert shown.out_bytes == path.read_bytes() and shown.err == ""
    assert list(temp.iterdir()) == []


def test_a_path_is_where_the_command_is(shares):
    place = shares.dir / "else where"
    place.mkdir()
    said = shares.ok("export", "-f", "folded", "out put", cwd=place).out
    assert (place / "out put").stat().st_size > 0 and "else where/out put" in said
    assert (place / "out put").stat().st_mode & 0o111 == 0


def test_a_file_is_replaced_when_the_new_one_is_whole(shares):
    path = shares.file("export")
    path.write_text("before")
    before = os.open(path, os.O_RDONLY)
    shares.ok("export", "-f", "folded", path)
    assert os.read(before, 100) == b"before", "another file, not the same one written over"
    os.close(before)
    assert read_folded(path.read_text())


def test_what_is_no_regular_file_is_left_alone(shares):
    link, fifo, victim = shares.dir / "link", shares.dir / "fifo", shares.dir / "victim"
    victim.write_text("precious")
    link.symlink_to(victim)
    os.mkfifo(fifo)
    for path in (link, fifo, shares.dir, "/dev/null"):
        assert_refused(shares.stax("export", "-f", "folded", path), str(path), "regular file")
    assert victim.read_text() == "precious" and link.is_symlink() and fifo.is_fifo()


@pytest.mark.parametrize("args, needles", [
    (["export", "-f", "svg", "x"], ["svg", *FORMATS]),
    (["export", "x"], ["--format", *FORMATS]),
    (["export", "-f", "folded"], ["PATH"]),
    (["export", "-f", "folded", "--run", "77", "x"], ["77"]),
    (["export", "-f", "folded", "--json", "-"], ["--json"]),
    (["export", "-f", "folded", "no/such/dir"], ["no/such/dir", "directory"]),
    (["export", "-f", "folded", "y" * 300], ["too long"]),
])
def test_bad_input(shares, args, needles):
    before = set(shares.dir.iterdir())
    assert_refused(shares.stax(*args), *needles)
    assert set(shares.dir.iterdir()) == before


def test_nothing_to_export(server):
    assert_refused(server.stax("export", "-f", "folded", "x"), "no run")


def test_the_protocol_wants_a_whole_path(shares):
    with shares.rpc() as rpc:
        for params in ({"format": "folded", "path": "x"}, {"format": "svg", "path": "/x"}, {"path": "/x"}):
            with pytest.raises(RpcError) as caught:
                rpc.call("RunControl.export", **params)
            assert caught.value.kind == "invalid_params"
        path = shares.file("export")
        answer = rpc.call("RunControl.export", run=1, format="folded", path=str(path), view={"inline": False})
        assert answer["bytes"] == path.stat().st_size


def test_a_full_disk(shares):
    """The error names the file; neither a half one nor its other name is left."""
    missing = needs_root()
    if missing:
        pytest.skip(missing)
    place = shares.dir / "full"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", place], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        (place / "export").write_text("before")
        with contextlib.suppress(OSError), open(place / "filler", "wb", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass
        refused = shares.stax("export", "-f", "speedscope", place / "export")
        assert_refused(refused, str(place / "export"), "No space left", "make room")
        assert {p.name for p in place.iterdir()} == {"export", "filler"}
        assert (place / "export").read_text() == "before"
    finally:
        subprocess.run(["umount", place], check=True)


def test_without_the_right_to_write(user):
    user.record([str(user.binary.parent / "shares")])
    assert_refused(user.stax("export", "-f", "folded", "/export-of-nobody"), "/export-of-nobody", "ermission")


# ---- While the run goes on ----------------------------------------------------------------------------------


def test_of_a_run_that_goes_on(server, target):
    with contextlib.ExitStack() as stack:
        live = server.live([target("forever")])
        stack.callback(live.kill)
        server.ok("wait", "--for-samples", 200)
        answers = [server.json("export", "-f", name, server.file(name)) for name in FORMATS]
        assert all(answer["samples"] >= 200 for answer in answers)
        lines = read_folded(server.ok("export", "-f", "folded", "-").out)
        assert sum(weight for *_, weight in lines) >= max(answer["samples"] for answer in answers)
        live.end()


@pytest.mark.limit(120)
def test_many_at_once(shares):
    """More than are worked on at a time; others are answered meanwhile."""
    paths = [shares.file("export") for _ in range(8)]
    with concurrent.futures.ThreadPoolExecutor(len(paths)) as pool:
        started = [pool.submit(shares.stax, "export", "-f", FORMATS[i % len(FORMATS)], path, timeout=100 * PATIENCE)
                   for i, path in enumerate(paths)]
        assert shares.top().samples > 0
        for future in started:
            assert future.result().status == 0, future.result()
    assert all(path.stat().st_size > 0 for path in paths)
    assert not list(shares.dir.glob(".stax-export-*"))
