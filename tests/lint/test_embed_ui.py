"""script/embed-ui: what stax-server serves is what was built, byte by byte, and its scripts are allowed."""

import base64
import gzip
import hashlib
import pathlib
import re
import subprocess

EMBED = pathlib.Path(__file__).resolve().parents[2] / "script/embed-ui"

PAGE = "<!doctype html><style>a { b: \"c\\d\" }</style><p>é ?</p><script>x('&amp;<\\/b>');</script><script src=/part/a.js></script>"


def embed(dist, to):
    done = subprocess.run([EMBED, dist, to], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "", "it says nothing"
    return to.read_text()


def pages(header):
    """{path: (type, bytes, packed bytes)} as a C compiler reads them."""
    arrays = {name: bytes(map(int, body.replace("\n", "").rstrip(",").split(",")))
              for name, body in re.findall(r"uint8_t (\w+)\[\] = \{(.*?)\};", header, re.S)}
    found = {}
    for path, kind, plain, n, packed, m in re.findall(
            r'\{"([^"]*)", "([^"]*)", \{(\w+), (\d+)\}, \{(\w+), (\d+)\}\}', header):
        assert len(arrays[plain]) == int(n) and len(arrays[packed]) == int(m)
        found[path] = (kind, arrays[plain], arrays[packed])
    return found


def hash_of(text):
    return f" 'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_page_and_parts(tmp_path):
    (tmp_path / "dist/part").mkdir(parents=True)
    (tmp_path / "dist/index.html").write_text(PAGE)
    (tmp_path / "dist/part/a.js").write_bytes(bytes(range(256)))
    (tmp_path / "dist/part/notes.txt").write_text("not a part")
    header = embed(tmp_path / "dist", tmp_path / "h")
    found = pages(header)
    assert set(found) == {"/", "/favicon.ico", "/part/a.js"}
    assert found["/"][1] == PAGE.encode()
    assert found["/part/a.js"][1] == bytes(range(256))
    for _, plain, packed in found.values():
        assert gzip.decompress(packed) == plain
    assert f'#define SCRIPT_HASHES "{hash_of("x(" + chr(39) + "&amp;<" + chr(92) + "/b>" + chr(39) + ");")}"' in header
    assert f'#define STYLE_HASHES "{hash_of(PAGE[PAGE.index("<style>") + 7 : PAGE.index("</style>")])}"' in header


def test_without_a_page(tmp_path):
    found = pages(embed(tmp_path / "nothing", tmp_path / "h"))
    assert set(found) == {"/", "/favicon.ico"}
    assert b"script/build" in found["/"][1]


def test_written_only_when_it_changes(tmp_path):
    to = tmp_path / "h"
    embed(tmp_path, to)
    before = to.stat().st_mtime_ns
    embed(tmp_path, to)
    assert to.stat().st_mtime_ns == before
    (tmp_path / "index.html").write_text(PAGE)
    assert "/" in pages(embed(tmp_path, to)) and to.stat().st_mtime_ns > before


def test_a_part_with_an_odd_name_is_refused(tmp_path):
    (tmp_path / "part").mkdir()
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / 'part/a".js').write_text("")
    done = subprocess.run([EMBED, tmp_path, tmp_path / "h"], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "not a name for a part" in done.stderr
