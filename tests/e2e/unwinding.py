"""Whole stacks: what a target says of its own chain of calls (tests/targets/unwind.h), and what stacks of an
answer have to do with it."""

import collections
import os
import re

from stax import SANITIZED, Flame

# The recorder waits a little for the rules of a file to be read, but does not stop for them: on a busy machine, and
# with sanitizers, the first stacks lack callers, and say so. How many of a run's may.
UNREAD = 0.5 if SANITIZED else 0.05


def whole_flame(rpc, **params):
    return Flame(rpc.call("Profiler.flamegraph", **params)).check()


class Expected:
    """The truth of one run of `unwind` or `unwind_cxx`."""

    def __init__(self, command, truth):
        stack = truth.lines[0]["stack"]
        self.tid = stack["tid"]
        self.kind = stack["kind"]
        self.waits = stack["waits"]
        self.chain = []
        for name in stack["chain"].split(";"):
            found = re.fullmatch(r"(.*?)(?:\*(\d+))?", name)
            self.chain += [found[1]] * int(found[2] or 1)
        self.least = stack["least"]
        self.reasons = [] if stack["end"] == "complete" else stack["end"].split("|")
        self.binaries = {os.path.basename(command), "libunwind_plug.so"}
        self.is_static = "static" in os.path.basename(command)

    def own(self, stack):
        """The names of the program's own functions among (name, binary) pairs. A static program has its
        library in it too: there it is those names that the chain has."""
        # A part of a function that a compiler has put elsewhere is that function.
        return [name.removesuffix(" [clone .cold]") for name, binary in stack if binary in self.binaries and not (
            self.is_static and name not in self.chain)]

    def fits(self, stack):
        """Whether a stack, the outermost first, is as this kind's must be."""
        own = self.own(stack)
        if self.reasons:
            return own != self.chain and is_truncated(stack) and len(own) >= self.least \
                and own == self.chain[len(self.chain) - len(own):]
        if is_truncated(stack):
            return False
        if own and self.least and own[-1] not in self.chain:
            own.pop()  # a stub on the way to a library: it has no name of its own
        return own == self.chain[:len(own)] and len(own) >= (self.least or len(self.chain))


def is_truncated(stack):
    """Whether the outermost frame says that there are callers which are not known."""
    return bool(stack) and stack[0][1] == "[truncated]"


def is_unread(stack):
    """Whether callers are missing because rules were still being read."""
    return is_truncated(stack) and "was still being read" in stack[0][0]


def stacks_of(flame):
    """Each distinct stack, as (name, binary) pairs from the outermost to the innermost, and its samples."""
    found = collections.Counter()
    paths = {id(flame.root): ()}
    for row in flame.rows:
        path = paths[id(row)]
        if row["self_samples"]:
            found[path] += row["self_samples"]
        for child in row["children"]:
            paths[id(child)] = path + ((child["name"], child["binary_name"]),)
    return found


def in_short(stacks, n=5):
    """The commonest of these stacks, for the message of a failed test."""
    lines = []
    for stack, count in collections.Counter(stacks).most_common(n):
        names = [f"{name} ({binary})" for name, binary in stack]
        if len(names) > 24:
            names[12:-12] = [f"... {len(names) - 24} more ..."]
        lines.append(f"  {count} x " + " > ".join(names))
    return "\n".join(lines)


def share_that_fits(expected, stacks):
    """The share of samples with the right stack, and the wrong ones."""
    stacks = {stack: n for stack, n in stacks.items() if not is_unread(stack)}
    wrong = {stack: n for stack, n in stacks.items() if not expected.fits(stack)}
    n = sum(stacks.values())
    return (n - sum(wrong.values())) / n if n else 0, wrong


def check_unread(stacks):
    """Few stacks came too early."""
    unread = sum(n for stack, n in stacks.items() if is_unread(stack))
    assert unread <= UNREAD * sum(stacks.values()), f"{unread} of {sum(stacks.values())} came before the rules"


def check_counts(flame, stacks):
    """`health` counts exactly those stacks that say of themselves that they lack callers."""
    health = flame.answer["health"]
    marked = sum(n for stack, n in stacks.items() if is_truncated(stack))
    assert health["truncated_samples"] == marked == sum(health["truncated"].values()), health
    if health["samples"]:
        assert abs(health["truncated_pct"] - 100 * marked / health["samples"]) < 0.01, health
