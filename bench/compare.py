#!/usr/bin/env python3
"""How often `stax compare` is wrong, and how often it finds what is there, with real recordings.

    bench/compare.py [--build build] [--pairs 200] [--power-pairs 40] [--large-pairs 5]

Equal: the target `fixed` is recorded again and again, and each run compared with the one before. At
most one pair in twenty may be called different. The same with a function that depends on the caches,
which on a machine with neighbours is not the same from run to run: single runs cannot know that,
four runs on each side do.

Power: fixed_b does more, by what a comparison of two equal runs says can be found. It is to be found
in nine of ten pairs. Then 5 %, with as many samples as that takes.
"""

import argparse
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

from common import Server, say

REPO = pathlib.Path(__file__).resolve().parents[1]


class Recorder:
    def __init__(self, build, folder):
        os.environ["STAX_DWARF_UNWIND"] = "0"  # it has frame pointers
        self.server = Server(build)
        self.folder = folder

    def stax(self, *args):
        return subprocess.run([self.server.stax, *map(str, args)], env=self.server.env, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, check=False)

    def record(self, hz, rounds, *more, program="fixed"):
        done = self.stax("record", "-F", hz, "--", self.folder / program, rounds, *more)
        if done.returncode != 0:
            sys.exit(f"error: recording failed: {done.stderr}")
        return json.loads(self.stax("list", "--json").stdout)["runs"][-1]["id"]

    def compare(self, a, b):
        answer = json.loads(self.stax("compare", a, b, "--json", "-n", 1000).stdout)
        if "error" in answer:
            sys.exit(f"error: {answer['error']['message']}")
        return answer


def changed(answer):
    return {row["name"]: row["verdict"] for row in answer["rows"] if row["verdict"] in ("slower", "faster")}


def details(answer):
    return "; ".join(f"{row['name']}: {row['a']['share_pct']:.2f} % -> {row['b']['share_pct']:.2f} %"
                     for row in answer["rows"] if row["name"] in changed(answer))


def row_of(answer, name):
    return next(row for row in answer["rows"] if row["name"] == name)


def interval(k, n):
    """Wilson's, 95 %."""
    z, p = 1.96, k / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return f"{100 * p:.1f} % ({100 * max(0, middle - reach):.1f} to {100 * (middle + reach):.1f})"


def equal_pairs(recorder, what, n_pairs, hz, rounds, *more):
    wrong, samples = 0, 0
    before = recorder.record(hz, rounds, *more)
    for i in range(n_pairs):
        after = recorder.record(hz, rounds, *more)
        answer = recorder.compare(before, after)
        if changed(answer):
            wrong += 1
            say(f"{what}, pair {i}: {details(answer)}")
        samples += answer["b"]["count"]
        before = after
    return [f"equal: {what}", n_pairs, samples // n_pairs, f"called different: {interval(wrong, n_pairs)}",
            "at most 5 %"]


def equal_lists(recorder, what, n_pairs, n_runs, hz, rounds, *more):
    wrong, samples, before = 0, 0, None
    for i in range(n_pairs + 1):
        after = ",".join(str(recorder.record(hz, rounds, *more)) for _ in range(n_runs))
        if before is not None:
            answer = recorder.compare(before, after)
            samples += answer["b"]["count"] // n_runs
            if changed(answer):
                wrong += 1
                say(f"{what}, pair {i}: {details(answer)}")
        before = after
    return [f"equal: {what}, {n_runs} runs a side", n_pairs, samples // n_pairs,
            f"called different: {interval(wrong, n_pairs)}", "at most 5 %"]


def power(recorder, n_pairs, hz, rounds, pct=None):
    """Each base is new, too. Without `pct`: what can be found, as the first pair says."""
    if pct is None:
        a, b = (recorder.record(hz, rounds) for _ in range(2))
        pct = math.ceil(row_of(recorder.compare(a, b), "fixed_b")["min_detectable_pct"])
    found, others, inside, samples, detectable = 0, 0, 0, 0, 0
    for i in range(n_pairs):
        a = recorder.record(hz, rounds)
        b = recorder.record(hz, rounds, "--slow-b", pct, program="moved/fixed")
        answer = recorder.compare(a, b)
        verdicts = changed(answer)
        row = row_of(answer, "fixed_b")
        found += verdicts.pop("fixed_b", "") == "slower"
        others += bool(verdicts)
        inside += row["change_low_pct"] <= pct <= row["change_high_pct"]
        samples += answer["b"]["count"]
        detectable += row["min_detectable_pct"]
        if verdicts:
            say(f"{pct} % slower, pair {i}: {details(answer)}")
    return [f"fixed_b {pct} % slower (detectable: {detectable / n_pairs:.1f} %)", n_pairs, samples // n_pairs,
            f"found: {interval(found, n_pairs)}; inside its interval: {inside}; others accused: {others}",
            "at least 90 %, where detectable"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=REPO / "build")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--list-pairs", type=int, default=10)
    parser.add_argument("--power-pairs", type=int, default=40)
    parser.add_argument("--large-pairs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "moved").mkdir()
        subprocess.run(["make", "-s", "-C", REPO / "tests/targets", f"OUT={folder}", f"{folder}/fixed",
                        f"{folder}/fixed_moved"], check=True)
        (folder / "fixed_moved").rename(folder / "moved/fixed")
        recorder = Recorder(options.build.resolve(), folder)
        measurements = (
            (equal_pairs, "plain", options.pairs, 20000, 300),
            (power, options.power_pairs, 20000, 300),
            (equal_pairs, "caches", options.list_pairs * 4, 5000, 300, "--memory", 16384),
            (equal_lists, "caches", options.list_pairs, 4, 5000, 300, "--memory", 16384),
            (power, options.large_pairs, 20000, 3500, 5),
        )
        try:
            print("| what | pairs | samples per run | result | bound |\n|---|---:|---:|---|---|")
            for measure, *args in measurements:
                if args[0] != 0 and 0 not in args[:2]:
                    print("| " + " | ".join(map(str, measure(recorder, *args))) + " |", flush=True)
        finally:
            recorder.server.close()


if __name__ == "__main__":
    main()
