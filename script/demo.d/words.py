"""The second program of script/demo: Debian's Python, at work in two threads for some seconds.

usage: words.py SECONDS
"""

import collections
import sqlite3
import sys
import threading
import time

END = time.monotonic() + float(sys.argv[1])


def sentences():
    words = "the quick brown fox jumps over the lazy dog and then sleeps in the sun".split()
    for n in range(2000):
        yield " ".join(words[n * k % len(words)] for k in (1, 3, 5, 7, 11)).capitalize() + "."


def count():
    while time.monotonic() < END:
        counts = collections.Counter()
        for sentence in sentences():
            for word in sentence.lower().rstrip(".").split():
                counts[word] += 1
        assert counts.most_common(1)


def database():
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE sentences (text TEXT)")
    while time.monotonic() < END:
        db.executemany("INSERT INTO sentences VALUES (?)", ((text,) for text in sentences()))
        db.execute("SELECT text, count(*) FROM sentences GROUP BY text ORDER BY 2").fetchall()
        db.execute("DELETE FROM sentences")


threads = [threading.Thread(target=work) for work in (count, database)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
