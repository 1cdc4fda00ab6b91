"""Whole stacks of programs as they are shipped. The targets (tests/targets/unwind.c) say themselves which
functions call each other down to the one that works or waits.

How many must be right: each stack is a fact, not an estimate, so chance has no part in it. What may be missing
of a hundred is one: at its start a program spends about a millisecond outside of its chain, in the loader and
on the way to `main`, which is 2 to 4 of 1000 samples at 2000 Hz."""

import collections
import subprocess

import pytest

from stax import Truth, assert_share, needs_program, needs_root
from unwinding import (
    Expected, check_counts, check_unread, in_short, is_truncated, share_that_fits, stacks_of, whole_flame)
from waiting import intervals_of, skip_unless

HZ = 2000
CPU_MS = 500
WHOLE = 0.99
# Four of a thousand samples of a program that does nothing but throw lie where libgcc changes its own frame into
# that of the handler: perf does not know the way from there either.
LESS_WHOLE = {"throw": 0.985}

# Stacks that are longer than a first copy of them.
DEEP = ["recursion", "bottomless", "big_12", "big_24", "big_48", "signal_near"]
SHALLOW = [
    "plain", "tail", "mutual", "alloca", "big_100", "untouched", "qsort", "bsearch", "once", "stub", "vdso",
    "plugin", "signal", "raise", "signal_far", "coroutine", "longjmp", "thread", "clone", "fault", "aligned",
    "asm_cfi", "asm_fp", "asm_bare", "asm_zero", "asm_decoy", "asm_leaf", "made_fp", "made_bare",
]
CXX = ["throw", "cleanup", "virtual"]
# What a user without privileges records, too: a few of each sort.
OF_USER = ["plain", "tail", "alloca", "big_24", "recursion", "qsort", "vdso", "plugin", "signal", "thread", "aligned",
           "asm_fp", "asm_bare"]
ENDS = ["nap", "mutex", "sem", "join", "pipe"]
# Waits at the end of other chains than the plainest.
WAITING = ["tail", "alloca", "qsort", "signal", "thread", "aligned", "asm_cfi", "asm_fp", "coroutine", "big_12",
           "asm_bare"]


def record(server, command, *options, env=None):
    """Records one kind of a target; what it says of itself."""
    run = server.record(command, "-F", HZ, *options, env=env)
    assert run.status == 0, run.result
    if not run.truth.lines:
        pytest.fail(f"no truth: {run.result}")
    assert run.summary["lost_records"] == 0, run.summary
    server.settle()
    return Expected(str(command[0]), run.truth)


def check(server, expected, start_ns=0):
    """The stacks of that thread, from `start_ns` on, are what it says."""
    view = {"tid": expected.tid}
    if start_ns:
        view["time_range"] = {"start_ns": start_ns, "end_ns": 1 << 62}
    with server.rpc() as rpc:
        flame = whole_flame(rpc, view=view)
    stacks = stacks_of(flame)
    check_counts(flame, stacks)
    share, wrong = share_that_fits(expected, stacks)
    assert flame.samples > 200, "too few samples to say anything"
    assert share >= LESS_WHOLE.get(expected.kind, WHOLE), (
        f"{100 * share:.1f} % of {flame.samples} stacks are right, not:\n{in_short(wrong)}")
    health = flame.answer["health"]
    unread = health["truncated"]["not_loaded"]
    check_unread(stacks)
    of_reason = sum(health["truncated"][reason] for reason in expected.reasons)
    assert not expected.reasons or of_reason >= WHOLE * (flame.samples - unread), health


def half_time(server):
    """The middle of the last run, in ns from its start."""
    return server.last_summary()["duration_ns"] // 2


# ---- On a CPU -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SHALLOW)
def test_each_kind(server, target, kind):
    check(server, record(server, [target("unwind"), kind, CPU_MS]))


@pytest.mark.parametrize("kind", CXX)
def test_each_kind_of_cxx(server, target, kind):
    check(server, record(server, [target("unwind_cxx"), kind, CPU_MS]))


@pytest.mark.parametrize("program", ["unwind_static", "unwind_static_pie"])
@pytest.mark.parametrize("kind", ["plain", "qsort", "signal", "thread"])
def test_static_programs(server, target, program, kind):
    check(server, record(server, [target(program), kind, CPU_MS]))


@pytest.mark.parametrize("kind", DEEP)
def test_longer_copies_of_deep_stacks(server, target, kind):
    """The first copies are too short, and say so; the recorder then takes longer ones of that thread, and in the
    second half of the run nothing is missing any more."""
    expected = record(server, [target("unwind"), kind, 2 * CPU_MS])
    check(server, expected, half_time(server))
    with server.rpc() as rpc:
        health = whole_flame(rpc, view={"tid": expected.tid}).answer["health"]
    others = health["truncated_samples"] - sum(
        health["truncated"][reason] for reason in ["copy_too_short", "not_loaded", *expected.reasons])
    assert others <= (1 - WHOLE) * health["samples"], health


def test_a_thread_that_does_not_need_longer_copies(server, target):
    """A stack of 100 KB is longer than any copy, and is never called whole."""
    expected = record(server, [target("unwind"), "big_100", CPU_MS])
    report = server.json("diagnose")["run"]
    thread, = (t for t in report["truncated_threads"] if t["tid"] == expected.tid)
    assert thread["truncated_samples"] >= WHOLE * thread["samples"]
    assert any(place["reason"] == "copy_too_short" for place in report["truncations"]), report["truncations"]


@pytest.mark.parametrize("kind", ["asm_bare", "asm_leaf"])
def test_who_has_no_unwinding_information(server, target, kind):
    """`diagnose` names the binary and the thread, `top` says it below the table."""
    expected = record(server, [target("unwind"), kind, CPU_MS])
    report = server.json("diagnose")["run"]
    first = report["truncations"][0]
    assert first["reason"] == "no_unwind_info" and first["path"].endswith("/unwind"), report["truncations"]
    assert [t["tid"] for t in report["truncated_threads"]][:1] == [expected.tid]
    assert "no unwind info" in server.ok("top").err + server.ok("top").out


@pytest.mark.parametrize("n_bytes", [0, 100_000])
def test_arguments_at_the_top_of_the_stack(server, target, n_bytes):
    """Above `_start` stand arguments and environment: a few bytes that a copy can't fill, or a lot."""
    command = ["env", "-i"] if n_bytes == 0 else ["env"]
    truth = server.file("truth")
    command += [f"TRUTH={truth}", target("unwind"), "plain", CPU_MS, "spin"]
    command += ["x" * 10_000] * (n_bytes // 10_000)
    run = server.record(command, "-F", HZ)
    assert run.status == 0, run.result
    server.settle()
    check(server, Expected("unwind", Truth(truth)))


# ---- Off a CPU ----------------------------------------------------------------------------------------------


def check_waits(server, expected):
    """The stacks of that thread's waits are its chain. Those of waits whose stack was not taken are borrowed from
    others of the same thread, so they have it as well. A wait for a page or a lock of the kernel may come between."""
    with server.rpc() as rpc:
        answer = intervals_of(rpc, view={"tid": expected.tid}, max_frames=1000)
    entries = [entry for entry in answer["entries"] if entry["stack"]]
    # On a busy machine some of them are over before they begin.
    assert len(entries) >= 0.8 * expected.waits > 50, (len(entries), expected.waits)
    if expected.kind in DEEP:
        start_ns = half_time(server)
        entries = [entry for entry in entries if entry["start_ns"] >= start_ns]
    stacks = collections.Counter(
        tuple((frame["function_name"], frame["binary"]) for frame in reversed(entry["stack"])) for entry in entries)
    _, wrong = share_that_fits(expected, stacks)
    check_unread(stacks)
    # Before its chain and after it the program may wait for a page of a file, or a lock of the kernel.
    assert sum(wrong.values()) <= 3, f"{sum(wrong.values())} of {len(entries)}:\n{in_short(wrong)}"


@pytest.mark.parametrize("end", ENDS)
def test_each_wait(server, target, end):
    """Through libc, which has no frame pointers: the wait's stack has all callers."""
    skip_unless(server, "off_cpu", "off_cpu_stacks")
    check_waits(server, record(server, [target("unwind"), "plain", CPU_MS, end]))


@pytest.mark.parametrize("kind", WAITING)
def test_waits_at_the_end_of_each_kind(server, target, kind):
    skip_unless(server, "off_cpu", "off_cpu_stacks")
    check_waits(server, record(server, [target("unwind"), kind, CPU_MS, "nap"]))


# ---- Without privileges -------------------------------------------------------------------------------------


@pytest.mark.parametrize("paranoid", [2], indirect=True)
@pytest.mark.parametrize("kind", OF_USER)
def test_as_a_user(paranoid, user, public_dir, kind):
    """Registers and stack are the program's own: they come without any privilege."""
    expected = record(user, [public_dir / "unwind", kind, 2 * CPU_MS])
    check(user, expected, half_time(user) if kind in DEEP else 0)


# ---- Turned off ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options, env", [(["--no-dwarf-unwind"], {}), ([], {"STAX_DWARF_UNWIND": "0"})])
def test_frame_pointers_only(server, target, options, env):
    """Of a program without frame pointers only the innermost function is sure; one that has them is whole."""
    expected = record(server, [target("unwind"), "plain", CPU_MS], *options, env=env)
    with server.rpc() as rpc:
        stacks = stacks_of(whole_flame(rpc, view={"tid": expected.tid}))
    share, _ = share_that_fits(expected, stacks)
    assert share <= 0.01, f"whole without unwinding? {in_short(stacks)}"
    innermost = sum(n for stack, n in stacks.items() if "spin_end" in expected.own(stack))
    assert innermost >= WHOLE * sum(stacks.values())
    assert not any(is_truncated(stack) for stack in stacks), "frame pointers can't tell what is missing"
    run = server.record([target("tree"), 300], "-F", HZ, *options, env=env)
    server.settle()
    flame = server.flame()
    for path in (("left", "shared"), ("right", "middle", "shared")):
        share = run.truth.share("/".join(path[-2:]))
        assert_share(flame.at("main", *path), flame.samples, share, path)


def test_turned_off_for_the_whole_server(other_server, target):
    """In the server's environment it is the default of all its runs."""
    server = other_server(env={"STAX_DWARF_UNWIND": "0"}).start()
    with server.rpc() as rpc:
        expected = record(server, [target("unwind"), "plain", CPU_MS])
        share, _ = share_that_fits(expected, stacks_of(whole_flame(rpc, view={"tid": expected.tid})))
    assert share <= 0.01


# ---- In a mount namespace of its own ------------------------------------------------------------------------

# Mounts an empty tmpfs over $1, puts a program, its plugin and its C library there, and becomes the program.
INSIDE = ('mount -t tmpfs none "$1" && cp "$2" "$3" "$1" && cp -L "$4" "$1/libc.so.6" && d=$1 && shift 4 && '
          'LD_LIBRARY_PATH=$d exec "$d/unwind" "$@"')


@pytest.mark.needs(needs_root())
@pytest.mark.needs(needs_program("unshare"))
@pytest.mark.parametrize("kind", ["plugin", "qsort", "thread"])
def test_libraries_that_exist_only_inside(server, target, public_dir, kind):
    """The program, its plugin and its own C library lie on a file system that only it has; outside there is
    nothing of that name. Rules and names come from those files all the same."""
    try:
        subprocess.run(["unshare", "-m", "true"], check=True, stderr=subprocess.PIPE)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"unshare -m does not work here: {error.stderr.decode().strip()}")
    folder = public_dir / "only-inside"
    folder.mkdir()
    expected = record(server, ["unshare", "-m", "sh", "-c", INSIDE, "sh", folder, target("unwind"),
                               target("libunwind_plug.so"), libc_of(target("unwind")), kind, CPU_MS])
    assert not list(folder.iterdir()), "nothing of it outside"
    expected.binaries = {"unwind", "libunwind_plug.so"}
    check(server, expected)
    paths = [image["path"] for image in server.json("diagnose")["run"]["images"]]
    assert f"{folder}/unwind" in paths, paths


def libc_of(program):
    """The C library that a program is linked with."""
    listed = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    return next(line.split("=>")[1].split()[0] for line in listed.splitlines() if "libc.so.6" in line)
