"""The yardstick itself: that it can fail, and that it seldom does."""

import math
import random

import pytest

from stax import assert_refused, assert_share, Flame, Result, share_bound


def test_share_bound_accepts_what_chance_gives():
    dice = random.Random(2)
    for n, p in ((100, 0.5), (900, 0.3), (3000, 0.02)):
        for _ in range(300):
            k = sum(dice.random() < p for _ in range(n))
            assert_share(k, n, p, "dice")


def test_share_bound_refuses_what_is_wrong():
    for k, n, p in ((300, 900, 0.5), (500, 900, 0.3), (0, 900, 0.2), (0, 0, 0.5)):
        with pytest.raises(AssertionError):
            assert_share(k, n, p, "wrong")


def test_share_bound_narrows_with_samples():
    assert share_bound(400, 0.5) > share_bound(4000, 0.5) > share_bound(40000, 0.5)
    assert math.isclose(share_bound(10**9, 0.5), 0.015, rel_tol=0.02)


def test_one_error_line_is_exactly_one():
    assert_refused(Result(["x"], 1, "", "error: no process 7\n"), "7")
    for bad in (
        Result(["x"], 0, "", "error: no process 7\n"),
        Result(["x"], 1, "", "error: no process 7\nerror: and more\n"),
        Result(["x"], 1, "", "error: no process 7\nusage: …\n"),
        Result(["x"], 1, "", "error: no process 8\n"),
        Result(["x"], 1, "text", "error: no process 7\n"),
        Result(["x"], 1, "", "no process 7\n"),
    ):
        with pytest.raises(AssertionError):
            assert_refused(bad, "7")


def flame_answer(samples):
    return {
        "health": {"samples": 10},
        "strings": ["", "a", "b", "x"],
        "nodes": {"parent": [0, 0, 1], "function": [0, 1, 2], "binary": [0, 3, 3],
                  "samples": samples, "self_samples": [0, 4, 6], "cut_samples": [0, 0, 0]},
    }


def test_flame_paths():
    flame = Flame(flame_answer([10, 10, 6])).check()
    assert flame.at("a", "b") == 6 and flame.at("b", "a") == 0 and flame.self_at("a") == 4
    with pytest.raises(AssertionError):
        Flame(flame_answer([10, 10, 5])).check()
