#!/usr/bin/python3
"""script/summarize.py FOLDER

Reads what the stages of script/test left in FOLDER and prints one summary: what was skipped and why,
what failed, and as its last line `N passed, N failed, N skipped`. Exits with 1 when anything failed
or when nothing was run at all.

    STAGE.meson.json   meson's testlog.json; the single tests of cmocka programs are counted
    STAGE.junit.xml    pytest's --junitxml
    STAGE.lines        lines `PASS name`, `FAIL name: why`, `SKIP name: why`
"""

import collections
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

Result = collections.namedtuple("Result", "outcome name why")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CMOCKA = re.compile(r"^\[ +(OK|FAILED|SKIPPED|ERROR) +\] (\w+)$", re.M)
CMOCKA_OUTCOME = {"OK": "passed", "SKIPPED": "skipped", "FAILED": "failed", "ERROR": "failed"}
MESON_OUTCOME = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}
LINE = re.compile(r"^(PASS|FAIL|SKIP) ([^:\n]+)(?:: (.*))?$", re.M)
LINE_OUTCOME = {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def of_meson_test(stage, test):
    said = test.get("stdout", "") + "\n" + test.get("stderr", "")
    name = f"{stage}/{test['name'].split(' / ')[-1]}"
    outcome = MESON_OUTCOME.get(test["result"], "failed")
    single = {}  # cmocka repeats the failed ones at its end
    for word, test_name in CMOCKA.findall(said):
        if CMOCKA_OUTCOME[word] == "failed" or test_name not in single:
            single[test_name] = CMOCKA_OUTCOME[word]
    results = [Result(o, f"{name}/{n}", "") for n, o in single.items()]
    failed_alone = outcome == "failed" and "failed" not in single.values()
    if failed_alone or not results:
        why = f"{test['result']} (status {test.get('returncode')})" if outcome == "failed" else ""
        results.append(Result(outcome, name, why or last_line(said)))
    return results


def of_meson(stage, path):
    for line in path.read_text(errors="replace").splitlines():
        if line.strip():
            yield from of_meson_test(stage, json.loads(line))


def of_junit(stage, path):
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{stage}/{case.get('classname', '').split('.')[-1]}/{case.get('name')}"
        failed = case.find("failure") if case.find("failure") is not None else case.find("error")
        skipped = case.find("skipped")
        if failed is not None:
            yield Result("failed", name, (failed.get("message") or "").split("\n")[0][:200])
        elif skipped is not None:
            yield Result("skipped", name, skipped.get("message") or "no reason given")
        else:
            yield Result("passed", name, "")


def of_lines(stage, path):
    for word, name, why in LINE.findall(COLOUR.sub("", path.read_text(errors="replace"))):
        yield Result(LINE_OUTCOME[word], name.strip(), why or "")


READERS = {".meson.json": of_meson, ".junit.xml": of_junit, ".lines": of_lines}


def read_folder(folder):
    results = []
    for path in sorted(folder.iterdir()):
        for ending, read in READERS.items():
            if path.name.endswith(ending):
                stage = path.name[:-len(ending)]
                try:
                    results += read(stage, path)
                except (ValueError, KeyError, ElementTree.ParseError) as error:
                    results.append(Result("failed", stage, f"unreadable results: {error}"))
    return results


def print_list(title, results):
    if results:
        print(f"\n{title}:")
        for result in results:
            print(f"  {result.name}" + (f": {result.why}" if result.why else ""))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    results = read_folder(pathlib.Path(sys.argv[1]))
    by = {o: [r for r in results if r.outcome == o] for o in ("passed", "failed", "skipped")}
    print_list("Skipped", by["skipped"])
    print_list("Failed", by["failed"])
    if not results:
        print("\nNothing was run.")
    skipped = f", {len(by['skipped'])} skipped" if by["skipped"] else ""
    print(f"\n{len(by['passed'])} passed, {len(by['failed'])} failed{skipped}")
    return 1 if by["failed"] or not results else 0


if __name__ == "__main__":
    sys.exit(main())
