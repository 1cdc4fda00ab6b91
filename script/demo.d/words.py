"""The second program of script/demo: Debian's Python, at work in three threads for some seconds.

usage: words.py SECONDS
"""

import hashlib
import json
import sqlite3
import sys
import threading
import time

END = time.monotonic() + float(sys.argv[1])


def database():
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE words (word TEXT, length INTEGER)")
    while time.monotonic() < END:
        words = (hex(n * 7919 % 10007) for n in range(20000))
        db.executemany("INSERT INTO words VALUES (?, 0)", ((word,) for word in words))
        db.execute("UPDATE words SET length = length(word)")
        db.execute("SELECT word, count(*) FROM words GROUP BY word ORDER BY 2 DESC").fetchall()
        db.execute("DELETE FROM words")


def documents():
    rows = [{"id": n, "name": str(n), "even": n % 2 == 0} for n in range(2000)]
    while time.monotonic() < END:
        assert json.loads(json.dumps(rows)) == rows


def digests():
    data = bytes(range(256)) * 4096
    while time.monotonic() < END:
        hashlib.sha3_256(data).digest()


threads = [threading.Thread(target=work) for work in (database, documents, digests)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
