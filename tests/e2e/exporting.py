"""What the tests of exports over time are written with: answers of the server as plain numbers, and the same
numbers made from samples and stays off the CPU, in the naive way."""

import collections

from waiting import REASONS


class Expected:
    """What `stax threads` and `stax top` say of the newest run."""

    def __init__(self, server):
        server.settle()
        self.threads = {t["tid"]: t for t in server.threads()["threads"]}
        self.on_cpu = server.top("--sort", "total").entries
        self.off_cpu = server.top("--off-cpu", "--sort", "total").entries

    def samples(self):
        return {tid: t["samples"] for tid, t in self.threads.items() if t["samples"]}

    def on_cpu_ns(self):
        return {tid: t["on_cpu_ns"] for tid, t in self.threads.items()}

    def stays(self):
        """(tid, reason or "runnable") -> ns."""
        ns = {}
        for tid, thread in self.threads.items():
            ns[tid, "runnable"] = thread["runnable_ns"]
            for reason in REASONS:
                ns[tid, reason] = thread["off_cpu"][f"{reason}_ns"]
        return {key: n for key, n in ns.items() if n}

    def functions(self):
        """name -> (self samples, total samples); functions of one name together."""
        return _sum((e["function_name"], (e["self_samples"], e["total_samples"])) for e in self.on_cpu)

    def waiting(self):
        """name -> (ns as the function that waits, ns in all)."""
        return _sum((e["function_name"], (sum(e["self_off_cpu"].values()), sum(e["total_off_cpu"].values())))
                    for e in self.off_cpu)


def _sum(pairs):
    sums = collections.defaultdict(lambda: (0, 0))
    for name, (own, total) in pairs:
        sums[name] = (sums[name][0] + own, sums[name][1] + total)
    return {name: pair for name, pair in sums.items() if any(pair)}


def by_function(stacks):
    """(functions from the outermost on, weight) … -> function -> (self, total): recursion counts once.
    A function is anything that can be told apart; its name is its first part."""
    sums = collections.defaultdict(lambda: [0, 0])
    for functions, weight in stacks:
        for function in set(functions):
            sums[function][1] += weight
        if functions:
            sums[functions[-1]][0] += weight
    return _sum((function[0], pair) for function, pair in sums.items())


def without_truncations(functions):
    return {name: pair for name, pair in functions.items() if not name.startswith("[truncated")}
