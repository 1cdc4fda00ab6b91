"""The targets against their own truth: what stax is measured by must be right itself. No stax here."""

import os
import subprocess

import pytest

from stax import Truth


def run(path, *args, status=0, **more):
    """Runs a target and returns its truth."""
    truth = path.with_suffix(".truth")
    command = more.pop("command")
    done = subprocess.run([command, *map(str, args)], env={**os.environ, "TRUTH": str(truth)},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False, **more)
    assert done.returncode == status, done
    return Truth(truth)


@pytest.fixture
def ran(target, tmp_path):
    return lambda name, *args, **more: run(tmp_path / name, *args, command=target(name), **more)


def test_shares(ran):
    for name in ("shares", "shares_static_pie", "shares_static", "shares_stripped"):
        truth = ran(name, 1, 100)
        for function, share in (("share_50", 0.5), ("share_30", 0.3), ("share_20", 0.2)):
            assert abs(truth.share(function) - share) < 0.04, (name, truth)


def test_shares_of_three_threads(ran):
    truth = ran("shares", 3, 60)
    assert {t["name"] for t in truth.threads} == {"worker-0", "worker-1", "worker-2"}
    assert all(t["cpu_ns"] > 60e6 for t in truth.threads)


def test_tree(ran):
    truth = ran("tree", 100)
    assert abs(truth.share("left/shared", "right/shared", "middle/shared") - 0.9) < 0.04


def test_deep_and_recursion(ran):
    assert ran("deep", 200, 10)["d199"] >= 10e6
    truth = ran("recursion", 150)
    assert abs(truth.share("direct") - 0.5) < 0.2
    assert truth["ping/inner"] > 5 * truth["ping/first"]


def test_many_threads(ran):
    truth = ran("threads64", 1)
    assert len(truth) == 64 and len(truth.threads) == 64
    truth = ran("churn", 50, 1000)
    assert len(truth.threads) == 50


def test_exec_lands_at_the_same_address(ran):
    truth = ran("exec_before", 20)
    before, after = truth.lines
    assert before["pid"] == after["pid"] and before["address"] == after["address"]
    assert set(truth) == {"phase_before", "phase_after"}


def test_libraries_land_at_the_same_address(ran, targets):
    truth = ran("plugins", targets, 10)
    assert truth.lines[0]["same_address"] is True
    assert set(truth) == {"plug_a_work", "plug_b_work"}


def test_cxx_and_rust(ran):
    assert len(ran("cxx", 50)) == 6
    truth = ran("generics_v0")
    assert all(abs(truth.share(part) - 0.25) < 0.04 for part in ("odd", "even", "boxed", "closure"))


def test_children_and_status(ran):
    truth = ran("children", 10)
    assert len({line["pid"] for line in truth.lines}) == 3
    assert ran("brief", 1, 42, status=42)["brief_work"] >= 1e6
    assert set(ran("waiter", 10, status=7, input=b"w")) == {"early_work", "late_work"}
