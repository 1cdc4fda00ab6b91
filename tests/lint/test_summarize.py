"""The last line of script/test tells the truth."""

import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def summarize(folder):
    ran = subprocess.run([ROOT / "script/summarize.py", folder], capture_output=True, text=True)
    return ran.returncode, ran.stdout.splitlines()


def meson(folder, *tests):
    lines = [json.dumps({"name": n, "result": r, "returncode": c, "stdout": o, "stderr": ""})
             for n, r, c, o in tests]
    (folder / "unit.meson.json").write_text("\n".join(lines) + "\n")


def test_all_kinds_are_added_up(tmp_path):
    meson(tmp_path, ("base / test_map", "OK", 0, "[       OK ] adds\n[       OK ] grows\n"))
    (tmp_path / "lint.lines").write_text("PASS lint/layers\nSKIP fuzz/x: no clang\n")
    (tmp_path / "e2e.junit.xml").write_text(
        '<testsuites><testsuite><testcase classname="tests.e2e.top" name="a"/>'
        '<testcase classname="tests.e2e.top" name="b"><skipped message="no rustc"/></testcase>'
        "</testsuite></testsuites>")
    status, lines = summarize(tmp_path)
    assert status == 0
    assert lines[-1] == "4 passed, 0 failed, 2 skipped"
    assert "  fuzz/x: no clang" in lines
    assert "  e2e/top/b: no rustc" in lines


def test_a_failed_cmocka_test_counts_once_and_is_named(tmp_path):
    meson(tmp_path, ("test_map", "FAIL", 1,
                     "[       OK ] adds\n[  FAILED  ] grows\n[  FAILED  ] tests: 1 test(s)\n"
                     "[  FAILED  ] grows\n"))
    status, lines = summarize(tmp_path)
    assert status == 1
    assert "  unit/test_map/grows" in lines
    assert lines[-1] == "1 passed, 1 failed"


def test_a_program_that_dies_after_its_tests_has_failed(tmp_path):
    meson(tmp_path, ("test_map", "FAIL", -6, "[       OK ] adds\n"))
    status, lines = summarize(tmp_path)
    assert status == 1
    assert lines[-1] == "1 passed, 1 failed"
    assert "  unit/test_map: FAIL (status -6)" in lines


def test_errors_of_pytest_count_as_failures(tmp_path):
    (tmp_path / "e2e.junit.xml").write_text(
        '<testsuite><testcase classname="x" name="a"><error message="boom"/></testcase></testsuite>')
    status, lines = summarize(tmp_path)
    assert status == 1
    assert lines[-1] == "0 passed, 1 failed"


def test_no_results_are_no_success(tmp_path):
    assert summarize(tmp_path)[0] == 1


def test_broken_results_are_no_success(tmp_path):
    (tmp_path / "e2e.junit.xml").write_text("<testsuite><testcase")
    status, lines = summarize(tmp_path)
    assert status == 1
    assert lines[-1] == "0 passed, 1 failed"
