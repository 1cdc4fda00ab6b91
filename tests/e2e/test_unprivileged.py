"""The whole chain as a user without any privilege."""

from stax import assert_share, sysctl


def test_whole_chain(user, public_dir):
    run = user.record([public_dir / "shares", "2", "500"], "-F", "2000")
    assert run.status == 0, run.result
    top = user.settled_top()
    for function in ("share_50", "share_30", "share_20"):
        assert_share(top.self_samples(function), top.samples, run.truth.share(function), function)
    kernel = user.json("status")["capabilities"]["kernel_stacks"]
    if sysctl("kernel.perf_event_paranoid") >= 2:
        assert not kernel["available"] and "perf_event_paranoid" in kernel["reason"], kernel
        assert not any("[kernel" in e["binary"] for e in top.entries), "no kernel frames at paranoid 2"
        assert "perf_event_paranoid" in user.ok("status").out
    else:
        assert kernel["available"]


def test_many_threads_within_the_rings_a_user_may_have(user, public_dir):
    run = user.record([public_dir / "threads64", "10"], "-F", "2000")
    assert run.status == 0, run.result
    assert run.summary["threads"] == 65
    assert run.summary["lost_samples"] == 0


def test_live(user, public_dir):
    with user.live([public_dir / "forever", "2"]) as live:
        user.ok("wait", "--for-samples", "200")
        first = user.top().samples
        user.ok("wait", "--for-samples", first + 200)
        assert user.top().samples > first
        assert live.end().status == 0


def test_root_may_not_be_recorded_by_a_user(user, target):
    with_root = user.stax("record", "--pid", "1")
    assert with_root.status == 1 and with_root.err.startswith("error:"), with_root


def test_another_user_may_not_connect(user, server):
    """The socket is its owner's: a user can't talk to root's server."""
    result = user.stax("status", env={"STAX_SERVER_SOCKET": str(server.socket)})
    assert result.status == 1 and result.err.startswith("error:"), result
