"""What the tests of run files are written with: everything that can be asked of a run, and SQLite's own opinion
of a file."""

import json
import sqlite3

# Every question about a run, with and without what changes its answer.
QUESTIONS = [
    ("Profiler.top", {"limit": 10000}),
    ("Profiler.top", {"limit": 10000, "sort": "total"}),
    ("Profiler.top", {"limit": 10000, "mode": "off_cpu"}),
    ("Profiler.top", {"limit": 100, "view": {"inline": False}}),
    ("Profiler.top", {"limit": 100, "view": {"time_range": {"start_ns": 50_000_000, "end_ns": 250_000_000}}}),
    ("Profiler.flamegraph", {}),
    ("Profiler.flamegraph", {"mode": "off_cpu"}),
    ("Profiler.flamegraph", {"view": {"inline": False}}),
    ("Profiler.threads", {}),
    ("Profiler.timeline", {"buckets": 50}),
    ("Profiler.intervals", {"limit": 10000, "order": "oldest"}),
    ("Profiler.intervals", {"limit": 100, "order": "longest", "reason": "lock"}),
    ("Profiler.total_on_cpu_ns", {}),
]


def answers(server, run_id):
    """All that can be asked of a run that is over: {question: answer}. Names have settled."""
    found = {}
    with server.rpc() as rpc:
        questions = list(QUESTIONS)
        threads = rpc.call("Profiler.threads", view={"run": run_id})["threads"]
        questions += [("Profiler.wakers", {"tid": thread["tid"], "limit": 1000}) for thread in threads]
        for method, params in questions:
            view = {**params.get("view", {}), "run": run_id}
            found[f"{method} {json.dumps(params)}"] = rpc.call(method, **{**params, "view": view})
        found.update(code_answers(rpc, run_id))
        report = rpc.call("RunControl.diagnostics", run=run_id)["run"]
        for key in ("events", "accounts", "unexplained_waits", "truncations", "truncated_threads", "stacks", "frames"):
            found[f"diagnostics {key}"] = report[key]
        # Of symbols a file has those that are needed.
        found["images"] = sorted((image["path"], image["build_id"], image["leaf_samples"], image["unresolved_samples"])
                                 for image in report["images"])
    return found


def code_answers(rpc, run_id):
    """Down to the instruction: of the hottest functions that have code. Where it was found differs, and so may the
    texts of sources, which are no part of a run file."""
    found = {}
    entries = rpc.call("Profiler.top", limit=12, view={"run": run_id, "inline": False})["entries"]
    for entry in entries:
        for method in ("Profiler.annotated", "Profiler.cfg", "Profiler.neighbors"):
            if entry["address"] == "0x0":
                continue
            answer = rpc.call(method, address=entry["address"], view={"run": run_id})
            assert answer["function_name"] == entry["function_name"], (answer["function_name"], entry)
            for gone in ("listing", "origin", "path"):
                answer.pop(gone, None)
            answer["notes"] = [note for note in answer.get("notes", []) if note["about"] not in ("sources", "code")]
            for line in [*answer.get("lines", []), *answer.get("blocks", [])]:
                line.get("source_header", {}).pop("text", None)
            found[f"{method} of {entry['function_name']} at {entry['address']}"] = answer
    return found


def assert_same_answers(got, expected):
    assert set(got) == set(expected)
    for question, answer in expected.items():
        assert got[question] == answer, question


def integrity(path):
    """SQLite's own check of a file: "ok", or what is wrong."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        return db.execute("PRAGMA integrity_check").fetchone()[0]


def facts(path):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        return dict(db.execute("SELECT name, value FROM meta"))
