"""Targets that see other files than we do: their names must come from their files, not from ours."""

import os
import shutil
import signal
import subprocess

import pytest

from stax import Ready, assert_share, needs_program, needs_root

pytestmark = [pytest.mark.needs(needs_root()), pytest.mark.needs(needs_program("unshare"))]

FAST = 3000

# Mounts an empty tmpfs over $1, puts the program $2 there as `inside`, and becomes it.
INSIDE = 'cp "$2" "$1/.copy" && exec 3<"$1/.copy" && mount -t tmpfs none "$1" && cp /dev/fd/3 "$1/inside" && ' \
         'chmod 755 "$1/inside" && exec 3<&- && d=$1 && shift 2 && exec "$d/inside" "$@"'


@pytest.fixture
def hidden(target, public_dir):
    """A folder that has a decoy of another name outside of the mount namespace, and nothing else."""
    try:
        subprocess.run(["unshare", "-m", "true"], check=True, stderr=subprocess.PIPE)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"unshare -m does not work here: {error.stderr.decode().strip()}")
    folder = public_dir / "hidden"
    folder.mkdir()
    shutil.copy(target("decoy"), folder / "inside")
    return folder


def assert_insiders(top, truth):
    decoys = [name for name in top.names() if name.startswith("decoy")]
    assert not decoys, f"names of a file outside: {decoys}"
    for function in ("share_50", "share_30", "share_20"):
        assert_share(top.self_samples(function), top.samples, truth.share(function), function)


def test_binary_that_exists_only_inside(server, target, hidden):
    run = server.record(["unshare", "-m", "sh", "-c", INSIDE, "sh", hidden, target("shares"), "1", "1000"],
                        "-F", FAST)
    assert run.status == 0, run.result
    top = server.settled_top()
    mine = [e for e in top.entries if e["binary"] == "inside"]
    inside = sum(e["self_samples"] for e in mine)
    assert inside > 0.9 * top.samples, top.names()[:10]
    assert not [n for n in top.names() if n.startswith("decoy")], "names of a file outside"
    for function in ("share_50", "share_30", "share_20"):
        assert_share(top.self_samples(function), inside, run.truth.share(function), function)


def test_attach_to_one_inside(server, target, hidden):
    ready = Ready(server.file("ready"))
    process = subprocess.Popen(
        ["unshare", "-m", "sh", "-c", INSIDE, "sh", hidden, target("forever")],
        env={**os.environ, "READY": str(ready.path)}, stdout=subprocess.DEVNULL)
    try:
        pid = ready.wait(process)
        with server.rpc() as rpc:
            rpc.call("RunControl.start_attach", pid=pid, frequency_hz=FAST)
            # While it is attached to, the kernel interrupts it some milliseconds long, to patch the scheduler.
            rpc.call("RunControl.wait_active", condition={"for_samples": 2500})
            top = server.settled_top()
            assert_share(top.total_samples("endless"), top.samples, 1, "endless")
            rpc.call("RunControl.stop_active")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        ready.close()


@pytest.mark.needs(needs_program("chroot"))
def test_other_root(server, target, public_dir):
    root = public_dir / "root"
    root.mkdir()
    shutil.copy(target("shares_static"), root / "only-in-here")
    truth = root / "truth"
    run = server.record(["chroot", root, "/only-in-here", "1", "1000"], "-F", FAST, env={"TRUTH": "/truth"})
    assert run.status == 0, run.result
    from stax import Truth
    assert_insiders(server.settled_top(), Truth(truth))
