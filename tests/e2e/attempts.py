"""A test that fails is tried again, up to ATTEMPTS times in all, and the end of the output names those that
were.

What is sampled is chance, and the machines that this runs on are shared: one whose neighbours take the CPU away
for 100 ms makes threads wait that do not, and interrupts as long as what they interrupt. Such a test fails once;
one whose subject is broken fails each time. A crash, an assertion of ours or what a sanitizer has to say is no
chance: then there is no second attempt."""

import re

import pytest
from _pytest.runner import runtestprotocol

ATTEMPTS = 3
NO_CHANCE = re.compile(r"Sanitizer|runtime error:|the server ended with|the server did not end|this must hold")

_repeated = []


def _says(report):
    return "\n".join([report.longreprtext, *(text for _, text in report.sections)])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for attempt in range(1, ATTEMPTS + 1):
        item.attempt = attempt
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        failed = [report for report in reports if report.failed]
        if not failed or attempt == ATTEMPTS or any(NO_CHANCE.search(_says(report)) for report in failed):
            break
        why = next(iter(failed[0].longreprtext.split("\nE  ")[1:]), "").split("\n")[0].strip()
        _repeated.append(f"{item.nodeid}: {why[:200]}")
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_terminal_summary(terminalreporter):
    for line in _repeated:
        terminalreporter.write_line(f"tried again: {line}")
