"""The same workload seen by perf, which nobody here wrote."""

import collections
import os
import re
import shutil
import subprocess

import pytest

from stax import Truth, assert_share, needs_program, share_bound

pytestmark = pytest.mark.needs(needs_program("perf"))
HZ = 900


def perf_leaves(command, folder):
    """Samples by innermost function, and for each function how many samples have it on their stack."""
    data = folder / "perf.data"
    truth = folder / "perf.truth"
    done = subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(HZ), "-g", "-o", data, *command],
                          env={**os.environ, "TRUTH": str(truth)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=60, check=False)
    if done.returncode != 0:
        pytest.skip(f"perf record does not work here: {done.stderr.decode().strip().splitlines()[-1:]}")
    script = subprocess.run(["perf", "script", "-i", data, "-F", "ip,sym"], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, timeout=60, check=True, text=True).stdout
    leaves, totals = collections.Counter(), collections.Counter()
    for stack in re.split(r"\n\s*\n", script.strip()):
        names = [" ".join(line.split()[1:]) for line in stack.splitlines() if line.strip()]
        if names:
            leaves[names[0]] += 1
            totals.update(set(names))
    return leaves, totals, Truth(truth)


@pytest.mark.parametrize("name, args", [("shares", ["1", "1200"]), ("tree", ["1200"]), ("recursion", ["1200"])])
def test_perf_and_stax_agree(server, target, tmp_path, name, args):
    command = [target(name), *args]
    leaves, totals, perf_truth = perf_leaves(command, tmp_path)
    run = server.record(command, "-F", HZ)
    top = server.settled_top()
    n = sum(leaves.values())
    for function, count in totals.most_common():
        share = count / n
        if share < 0.05 or function in ("_start", "[unknown]") or function.startswith("__libc"):
            continue
        ours = top.total_samples(function) / top.samples
        bound = share_bound(n, share) + share_bound(top.samples, share)
        assert abs(ours - share) <= bound, f"{function}: perf says {share:.3f}, stax says {ours:.3f}"
    hot = [f for f, count in leaves.most_common(3) if count > 0.05 * n]
    ours = [e["function_name"] for e in top.entries[: len(hot)]]
    assert set(ours) == set(hot), f"perf: {hot}, stax: {ours}"
    # Both against the truth of their own execution, and about as many samples per second of CPU.
    if name == "shares":
        for function in hot:
            assert_share(leaves[function], n, perf_truth.share(function), f"perf, {function}")
            assert_share(top.self_samples(function), top.samples, run.truth.share(function), f"stax, {function}")
    per_second = n / (perf_truth.lines[0]["process_cpu_ns"] / 1e9)
    ours_per_second = top.samples / (run.truth.lines[0]["process_cpu_ns"] / 1e9)
    assert abs(ours_per_second / per_second - 1) < 0.05, (ours_per_second, per_second)
