"""Names for stripped programs, from what is beside them."""

import lzma
import pathlib
import re
import shutil
import subprocess

import pytest

from stax import assert_share, needs_program

FAST = "2000"
SHARES = ("share_50", "share_30", "share_20")

pytestmark = pytest.mark.needs(needs_program("objcopy") or needs_program("readelf"))


def objcopy(*args):
    subprocess.run(["objcopy", *map(str, args)], check=True)


def build_id(path):
    notes = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True).stdout
    found = re.search(r"Build ID: ([0-9a-f]+)", notes)
    return found and found[1]


def below(directory, path):
    """Where the debug file of this build lies below a directory of debug files."""
    name = build_id(path)
    return directory / ".build-id" / name[:2] / f"{name[2:]}.debug"


class Stripped:
    """`shares`, as a distribution would ship it."""

    def __init__(self, target, directory):
        self.directory = directory
        self.program = directory / "shares_shipped"
        self.debug = directory / "elsewhere" / "shares.debug"
        self.debug.parent.mkdir()
        objcopy("--strip-all", target("shares"), self.program)
        objcopy("--only-keep-debug", target("shares"), self.debug)

    def put_debug(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.debug, path)


@pytest.fixture
def stripped(target, tmp_path):
    return Stripped(target, tmp_path)


def note_of(server, program):
    images = server.json("diagnose")["run"]["images"]
    return next(i["note"] for i in images if i["path"] == str(program))


def assert_named(server, stripped):
    run = server.record([stripped.program], "-F", FAST)
    top = server.settled_top()
    for name in SHARES:
        assert_share(top.self_samples(name), top.samples, run.truth.share(name), name)
    assert note_of(server, stripped.program) == ""


def test_by_build_id_below_the_debug_path(stripped, other_server, tmp_path):
    stripped.put_debug(below(tmp_path / "debug", stripped.program))
    server = other_server(env={"STAX_DEBUG_PATH": f"/no/such/directory:{tmp_path / 'debug'}"})
    server.start()
    assert_named(server, stripped)


def test_the_debug_file_itself_in_the_debug_path(stripped, other_server):
    server = other_server(env={"STAX_DEBUG_PATH": str(stripped.debug)})
    server.start()
    assert_named(server, stripped)


def test_by_link_beside_the_program(stripped, server, tmp_path):
    stripped.put_debug(tmp_path / ".debug" / "shares.debug")
    objcopy(f"--add-gnu-debuglink={stripped.debug}", stripped.program)
    assert_named(server, stripped)


def test_symbols_packed_in_the_program(stripped, server, tmp_path):
    packed = tmp_path / "packed.xz"
    packed.write_bytes(lzma.compress(stripped.debug.read_bytes()))
    objcopy("--add-section", f".gnu_debugdata={packed}", stripped.program)
    assert_named(server, stripped)


def test_none_is_said(stripped, server):
    server.record([stripped.program], "-F", FAST)
    top = server.settled_top()
    assert not any(top.find(name) for name in SHARES)
    note = note_of(server, stripped.program)
    assert "no debug file in STAX_DEBUG_PATH or /usr/lib/debug" in note, note
    assert "DEBUGINFOD_URLS" in note, note


def test_another_build_gives_no_names(stripped, target, other_server, tmp_path):
    wrong = below(tmp_path / "debug", stripped.program)
    wrong.parent.mkdir(parents=True)
    objcopy("--only-keep-debug", target("tree"), wrong)
    assert build_id(target("tree")) != build_id(target("shares"))
    server = other_server(env={"STAX_DEBUG_PATH": str(tmp_path / "debug")})
    server.start()
    server.record([stripped.program], "-F", FAST)
    top = server.settled_top()
    assert not any(top.find(name) for name in SHARES)
    assert "is of another build (other build-id)" in note_of(server, stripped.program)


# ---- As Debian ships it ---------------------------------------------------------------------------------


def libc():
    """The C library of programs here, and why its debug file can't be tested, if so."""
    maps = subprocess.run(["cat", "/proc/self/maps"], capture_output=True, text=True, check=True).stdout
    path = re.search(r"(/\S*/libc\.so\.6)$", maps, re.MULTILINE)
    if not path:
        return None, "programs here have no libc.so.6"
    if not below(pathlib.Path("/usr/lib/debug"), path[1]).exists():
        return None, "libc6-dbg is not installed"
    return path[1], None


def test_functions_inside_of_libc(server):
    path, reason = libc()
    if reason:
        pytest.skip(reason)
    exported = subprocess.run(["readelf", "-W", "--dyn-syms", path], capture_output=True, text=True, check=True)
    assert "_int_malloc" not in exported.stdout
    work = "import ctypes\nfor i in range(1500000): ctypes.string_at(b'x' * 600, 600)"
    server.record(["/usr/bin/python3", "-S", "-c", work], "-F", FAST)
    top = server.settled_top()
    inside = [e for e in top.entries if e["binary"] == "libc.so.6"]
    assert any(e["function_name"] in ("_int_malloc", "_int_free") for e in inside), inside
    unnamed = sum(e["self_samples"] for e in inside if "+0x" in e["function_name"])
    named = sum(e["self_samples"] for e in inside) - unnamed
    assert named > 0 and unnamed <= 0.02 * (named + unnamed), inside
    assert note_of(server, path) == ""
