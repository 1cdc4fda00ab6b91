"""`stax export --format html`: a page that stands on its own, says what `stax top`, `flame` and `threads` say,
and that no name gets out of."""

import base64
import hashlib
import html.parser
import json
import re
import shutil
import subprocess

import pytest

from exporting import Expected
from stax import needs_program
from waiting import REASONS

BROWSER = "chromium"


class Page(html.parser.HTMLParser):
    """As a browser sees it: its elements, the text of each script and style, and what it would load."""

    def __init__(self, text):
        super().__init__()
        self.text = text
        self.scripts = []  # attributes, text
        self.styles = []
        self.loads = []
        self.policy = None
        self.handlers = []
        self.open = None
        self.feed(text)
        self.close()
        blocks = [text for attributes, text in self.scripts if attributes.get("type") == "application/json"]
        assert len(blocks) == 1
        self.data = json.loads(blocks[0])

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.loads += [value for name, value in attrs if name in ("src", "href", "action", "data", "srcset", "poster")]
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"]
        if tag in ("script", "style"):
            self.open = (self.scripts if tag == "script" else self.styles)
            self.open.append((attributes, ""))

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self.open = None

    def handle_data(self, data):
        if self.open is not None:
            attributes, text = self.open[-1]
            self.open[-1] = (attributes, text + data)


def export(server, *options):
    server.settle()
    path = server.file("page.html").with_suffix(".html")
    server.ok("export", "--format", "html", *options, path)
    return path


def page_of(path):
    return Page(path.read_text("utf-8"))


def hash_of(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def by_name(data, columns, value):
    sums = {}
    for place, n in zip(columns["function"], columns[value]):
        name = data["names"][place]
        sums[name] = sums.get(name, 0) + n
    return {name: n for name, n in sums.items() if n}


def entries_by_name(entries, value):
    sums = {}
    for entry in entries:
        sums[entry["function_name"]] = sums.get(entry["function_name"], 0) + value(entry)
    return {name: n for name, n in sums.items() if n}


def check_functions(data, expected):
    on, off = data["functions"]["on"], data["functions"]["off"]
    assert by_name(data, on, "total_ns") == entries_by_name(expected.on_cpu, lambda e: e["total_on_cpu_ns"])
    assert by_name(data, on, "self_ns") == entries_by_name(expected.on_cpu, lambda e: e["self_on_cpu_ns"])
    assert by_name(data, on, "n") == entries_by_name(expected.on_cpu, lambda e: e["self_samples"])
    assert by_name(data, off, "total_ns") == entries_by_name(expected.off_cpu, lambda e: sum(e["total_off_cpu"].values()))
    assert by_name(data, off, "self_ns") == entries_by_name(expected.off_cpu, lambda e: sum(e["self_off_cpu"].values()))


def check_threads(data, expected):
    assert data["reasons"] == list(REASONS)
    assert data["threads"]["total"] == len(data["threads"]["list"]) == len(expected.threads)
    for thread in data["threads"]["list"]:
        answer = expected.threads[thread["tid"]]
        assert thread["on"] == answer["on_cpu_ns"] and thread["samples"] == answer["samples"]
        assert thread["runnable"] == answer["runnable_ns"]
        assert thread["off"] == [answer["off_cpu"][f"{reason}_ns"] for reason in REASONS]


def check_tree(tree):
    """Callers stand in front of their callees, and hold all of their time (to the nanosecond of rounding)."""
    n = len(tree["parent"])
    assert all(len(tree[column]) == n for column in ("function", "ns", "self", "n", "cut"))
    assert tree["parent"][0] == 0 and all(tree["parent"][i] < i for i in range(1, n))
    below, callees = [0] * n, [0] * n
    for i in range(1, n):
        below[tree["parent"][i]] += tree["ns"][i]
        callees[tree["parent"][i]] += 1
    assert all(below[i] <= tree["ns"][i] + callees[i] for i in range(n))


@pytest.mark.parametrize("name", ["waits", "inlining", "recursion", "threads64"])
def test_says_what_the_answers_say(server, target, name):
    server.record([target(name)])
    data = page_of(export(server)).data
    expected = Expected(server)
    check_functions(data, expected)
    check_threads(data, expected)
    total = server.threads()
    assert data["totals"]["on"] == total["total_on_cpu_ns"]
    assert data["totals"]["off"] == [total["total_off_cpu"][f"{reason}_ns"] for reason in REASONS]
    assert data["health"]["samples"] == total["health"]["samples"]
    for mode in ("on", "off"):
        check_tree(data[mode])
    assert data["off"]["ns"][0] == sum(data["totals"]["off"])
    reasons = data["off"]["reasons"][0]
    assert sum(reasons[1::2]) == data["off"]["ns"][0]


def test_stands_on_its_own(server, target):
    server.record([target("recursion")])
    page = page_of(export(server))
    assert page.loads == [], "it would load something"
    assert page.handlers == [], "its policy forbids these"
    assert len(page.styles) == 1 and len(page.scripts) == 2
    script = next(text for attributes, text in page.scripts if "type" not in attributes)
    policy = dict(part.strip().split(" ", 1) for part in page.policy.split(";"))
    assert policy == {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'",
                      "style-src": hash_of(page.styles[0][1]), "script-src": hash_of(script)}
    addresses = set(re.findall(r"https?://[^\s'\"]+|//[a-z]+\.[a-z]+/", page.text))
    assert addresses == set()
    assert "url(" not in page.text and "@import" not in page.text


# Words that end a script, start one, or hide the end of one; in a label and in names of threads. The names
# of functions are those of the target `hostile`, `</script>` among them.
BREAKOUT = "</script><script>document.title='broken'</script><!--<script><img src=x onerror=alert(1)>"


def test_names_stay_inside(server, target):
    server.record([target("hostile"), "400", BREAKOUT])
    path = export(server)
    page = page_of(path)
    text = path.read_text("utf-8")
    assert len(page.scripts) == 2 and page.loads == [] and page.handlers == []
    assert page.data["run"]["label"].endswith(BREAKOUT)
    assert 'q"uo\\te</script>' in page.data["names"]
    assert any(len(name) == 20000 for name in page.data["names"])
    assert "\x1b[31mevil\nname" [:15] in {thread["name"] for thread in page.data["threads"]["list"]}
    start = text.index('type="application/json"')
    block = text[text.index(">", start) + 1:text.index("</script>", start)]
    assert "<" not in block


def browse(folder, path, fragment="", *options):
    """What the page has become after its script has run."""
    profile = folder / "browser"
    result = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         f"--user-data-dir={profile}", *options, "--dump-dom", f"file://{path}#{fragment}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=100, check=True,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"})
    shutil.rmtree(profile, ignore_errors=True)
    return result.stdout


@pytest.mark.limit(120)
@pytest.mark.needs(needs_program(BROWSER))
def test_a_browser_shows_it(server, target, tmp_path):
    server.record([target("hostile"), "400", BREAKOUT])
    expected = Expected(server)
    path = export(server)
    dom = browse(tmp_path, path, "view=functions")
    assert 'data-ready="true"' in dom, "its script has not come to its end"
    assert "<title>broken" not in dom and "<img" not in dom
    rows = re.findall(r"<tr>(<td.*?)</tr>", dom.split('id="functions-table"')[1].split("</table>")[0], re.S)
    assert len(rows) == min(len(expected.on_cpu), 500)
    hottest = max(expected.on_cpu, key=lambda entry: entry["self_samples"])
    assert f"{hottest['self_on_cpu_ns'] / 1e6:.1f}" in rows[0]
    threads = dom.split('id="threads-table"')[1].split("</table>")[0]
    assert threads.count("<tr>") == 1 + len(expected.threads)
    # A search says its share: five functions work, each for a fifth of the time.
    found = browse(tmp_path, path, "search=xxxxxxxx").split('id="found">')[1].split("</output>")[0]
    share = float(re.search(r"<b>([\d.]+) %", found)[1]) / 100
    longest = next(e for e in expected.on_cpu if len(e["function_name"]) == 20000)
    whole = sum(e["self_on_cpu_ns"] for e in expected.on_cpu)
    assert abs(share - longest["total_on_cpu_ns"] / whole) < 0.002


@pytest.mark.limit(120)
@pytest.mark.needs(needs_program(BROWSER))
def test_a_run_without_samples(server, target, tmp_path):
    """The page says so, and its script does not stumble."""
    server.record([target("brief")], "-F", "1")
    path = export(server)
    data = page_of(path).data
    assert data["health"]["samples"] == 0, "one sample per second of CPU time, in a program that has none"
    assert data["on"]["total"] == 1 and data["on"]["function"] == [0]
    dom = browse(tmp_path, path)
    assert 'data-ready="true"' in dom and "No sample has a stack." in dom
