"""The checks of script/ find what they are there for, and say where."""

import pathlib
import subprocess
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

LAYERS = """
    base   ->
    store  -> base
    query  -> base store
    server -> base log store query
"""


def run(check, tree):
    ran = subprocess.run([ROOT / "script" / check, tree], capture_output=True, text=True)
    return ran.returncode, ran.stdout


def write(tree, path, text):
    file = tree / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text))


@pytest.fixture
def tree(tmp_path):
    write(tmp_path, "src/layers.txt", LAYERS)
    write(tmp_path, "src/base/log.h", "#pragma once\n")
    return tmp_path


@pytest.mark.parametrize("path, line, said", [
    ("src/store/a.c", '#include "query/top.h"', "src/store/a.c:1: store may not use query"),
    ("src/query/a.c", '#include "base/log.h"', "src/query/a.c:1: query may not print"),
    ("src/store/a.h", '#  include "server/x.h"', "src/store/a.h:1: store may not use server"),
    ("src/other/a.c", "int x;", "src/other/a.c:1: folder other is not in src/layers.txt"),
    ("src/store/a.c", '#include "../base/err.h"', "src/store/a.c:1: write"),
    ("src/store/deep/a.c", '#include "query/top.h"', "src/store/deep/a.c:1: store may not use"),
])
def test_layers_refuse(tree, path, line, said):
    write(tree, path, line + "\n")
    status, output = run("check-layers", tree)
    assert status == 1
    assert said in output


@pytest.mark.parametrize("path, line", [
    ("src/query/a.c", '#include "store/store.h"'),
    ("src/server/a.c", '#include "base/log.h"'),
    ("src/base/log.c", '#include "base/log.h"'),
    ("src/store/a.c", "#include <stdio.h>"),
])
def test_layers_allow(tree, path, line):
    write(tree, path, line + "\n")
    assert run("check-layers", tree) == (0, "")


def test_layers_refuse_an_arrow_upwards(tree):
    write(tree, "src/layers.txt", "base -> store\nstore -> base\n")
    status, output = run("check-layers", tree)
    assert status == 1
    assert "src/layers.txt:1: base uses store, which is not above it" in output


def test_layers_refuse_a_build_order_against_the_arrows(tree):
    write(tree, "src/meson.build", "subdir('store')\nsubdir('base')\n")
    status, output = run("check-layers", tree)
    assert status == 1
    assert "store is built before base" in output


def test_header_that_needs_another_one(tree):
    write(tree, "src/base/alone.h", "#pragma once\n#include <stdint.h>\nuint32_t f(void);\n")
    assert run("check-headers", tree) == (0, "")
    write(tree, "src/base/needy.h", "#pragma once\nuint32_t g(void);\n")
    status, output = run("check-headers", tree)
    assert status == 1
    assert output.startswith("src/base/needy.h:1: does not compile alone")


@pytest.mark.parametrize("text, said", [
    ("int f(void)\n{\n    return atoi(x);\n}\n", "src/base/a.c:3: atoi()"),
    ("void f(void)\n{\n    sleep (1);\n}\n", "src/base/a.c:3: sleep()"),
    ("int x;\n\tint y;\n", "src/base/a.c:2: a tab"),
    ("int f(void)\n{\n" + "    x++;\n" * 90 + "}\n", "src/base/a.c:1: f() has 93 lines"),
    ("int f(int a,\n      int b)\n{\n" + "    x++;\n" * 90 + "}\n",
     "src/base/a.c:1: f() has 94 lines"),
])
def test_source_refuses(tree, text, said):
    write(tree, "src/base/a.c", text)
    status, output = run("check-source", tree)
    assert status == 1
    assert said in output


@pytest.mark.parametrize("text", [
    "// atoi() is not for us, nor is system()\nint x;\n",
    'const char *text = "atoi(";\n',
    "int f(void)\n{\n    return p->system(1) + my_atoi(2) + nothing.sleep(3);\n}\n",
    "int f(void)\n{\n" + "    x++;\n" * 40 + "}\n",
])
def test_source_allows(tree, text):
    write(tree, "src/base/a.c", text)
    assert run("check-source", tree) == (0, "")


def test_source_keeps_systems_in_base(tree):
    text = "#ifdef __linux__\n#endif\n"
    write(tree, "src/base/a.c", text)
    assert run("check-source", tree) == (0, "")
    write(tree, "src/store/a.c", text)
    status, output = run("check-source", tree)
    assert status == 1
    assert "src/store/a.c:1: __linux__ belongs to src/base" in output


@pytest.mark.parametrize("text, said", [
    ("see /ho" "me/anna/x", "a path of one machine"),
    ("wget https://py" "pi.org/simple", "the host of a package registry"),
    ("// TO" "DO: later", "something unfinished"),
    ("[here](nowhere.md)", "a link to nowhere.md"),
    ("#!/bin/sh\n", "not executable"),
])
def test_tree_refuses(tmp_path, text, said):
    write(tmp_path, "notes.md", text + "\n")
    status, output = run("check-tree", tmp_path)
    assert status == 1
    assert "notes.md:1: " in output and said in output


def test_tree_allows(tmp_path):
    write(tmp_path, "notes.md", "[web](https://example.org/x) [me](notes.md) [top](#top) /usr/bin\n")
    assert run("check-tree", tmp_path) == (0, "")
