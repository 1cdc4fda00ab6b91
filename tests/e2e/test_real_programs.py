"""Programs that nobody wrote for this test."""

import shutil

import pytest

from stax import needs_program

SQL = """
create table t(a integer, b text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 400000)
insert into t select (i * 7919) % 100003, hex(i * 31) from n;
create index on_b on t(b);
select count(*), sum(length(x.b)) from t x join t y on x.a = y.a where x.b < '3';
"""
PYTHON = """
import hashlib, json
n = 0
for i in range(120000):
    n += len(json.dumps({"a": i, "b": [i, str(i)]}))
assert hashlib.pbkdf2_hmac("sha256", b"x", b"y", 600000)
"""

PROGRAMS = [
    ("sqlite3", lambda d: [":memory:", SQL], 0),
    ("xz", lambda d: ["-9", "-k", "-T1", "-c", d / "data"], 0),
    ("python3", lambda d: ["-c", PYTHON + "raise SystemExit(9)"], 9),
]


def program(name):
    """Debian's own, not one of a version manager's scripts."""
    return shutil.which(name, path="/usr/bin:/bin") or shutil.which(name)


@pytest.mark.parametrize("name, args, status", [
    pytest.param(*row, marks=pytest.mark.needs(needs_program(row[0])), id=row[0]) for row in PROGRAMS])
def test_real_program(server, name, args, status):
    data = server.dir / "data"
    data.write_bytes(b"".join(str(i * i % 99991).encode() for i in range(400000)))
    run = server.record([program(name), *args(server.dir)], "-F", "2000")
    assert run.status == status, run.result.err
    top = server.settled_top()
    flame = server.flame().check()
    assert top.samples == run.summary["samples"] == flame.samples > 200
    assert top.health["lost_samples"] == 0
    assert max(e["total_samples"] for e in top.entries) <= top.samples
    binaries = {e["binary"] for e in top.entries}
    assert any(name.rstrip("3") in b or "sqlite" in b or "lzma" in b or "python" in b or "crypto" in b
               for b in binaries), binaries
    # Where an image has symbols, nearly all that fell into it has a name. (A stripped Debian binary has
    # only its dynamic symbols, which do not cover its static functions.)
    for image in server.json("diagnose")["run"]["images"]:
        assert image["unresolved_samples"] <= image["leaf_samples"]
    for entry in top.entries:
        assert entry["function_name"] and not entry["function_name"].startswith("0x"), entry
    share = 100 * sum(e["self_on_cpu_ns"] for e in top.entries) / top.answer["total_on_cpu_ns"]
    assert 99.9 <= share <= 100.1


@pytest.mark.needs(needs_program("python3"))
def test_native_symbols_of_python(server):
    """Debian's python3 keeps its dynamic symbols: the interpreter's loop has its name. (Its static
    functions have none, and stay offsets.)"""
    if not program("python3").startswith("/usr/bin"):
        pytest.skip("python3 is not Debian's")
    server.record([program("python3"), "-S", "-c", "x = 0\nfor i in range(15000000): x += i & 3"], "-F", "2000")
    top = server.settled_top()
    named = sum(e["self_samples"] for e in top.entries if e["function_name"].startswith(("_Py", "Py", "_start")))
    assert named > 0.25 * top.samples, top.names()[:10]
    assert any("_PyEval" in name for name in top.names())


def test_pipeline_keeps_its_streams(server):
    """The program keeps its standard streams and its working directory."""
    import subprocess
    done = subprocess.run([server.stax_binary, "record", "--", "sh", "-c", "cat; pwd; echo err >&2; exit 4"],
                          input=b"through\n", env=server.env, cwd=server.dir, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 4
    assert done.stdout.decode().splitlines()[:2] == ["through", str(server.dir)], done
    assert b"err\n" in done.stderr
