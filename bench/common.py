"""What the benchmarks share: a server of their own, calls to it, and the words for a row.

A measurement returns rows: what, stax's value, what it is compared with, the ratio or the bound.
"""

import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile

HZ = 900


def say(text):
    print(text, file=sys.stderr, flush=True)


class Server:
    """A stax-server on a socket of its own; `wrap` stands before its command: another user."""

    def __init__(self, build, wrap=()):
        self.folder = tempfile.mkdtemp()
        os.chmod(self.folder, 0o777)
        self.path = os.path.join(self.folder, "s")
        self.env = dict(os.environ, STAX_SERVER_SOCKET=self.path, DEBUGINFOD_URLS="",
                        XDG_STATE_HOME=os.path.join(self.folder, "state"))
        self.stax = str(build / "stax")
        ready, theirs = os.pipe()
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.process = subprocess.Popen(
            [*wrap, build / "stax-server", "--ready-fd", str(theirs)], env=self.env, pass_fds=[theirs],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        os.close(theirs)
        if os.read(ready, 1) == b"":
            self.log.seek(0)
            sys.exit(f"error: stax-server did not start: {self.log.read()}")
        os.close(ready)

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.path)
        return connection.makefile("rwb")

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)


def call(connection, method, **params):
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    connection.write(json.dumps(request).encode() + b"\n")
    connection.flush()
    return json.loads(connection.readline())


def median_ms(values_s):
    return statistics.median(values_s) * 1000
