"""What the benchmarks share: a server of their own, calls to it, and the words for a row.

A measurement returns rows: what, stax's value, what it is compared with, the ratio or the bound.
"""

import ctypes
import json
import os
import pathlib
import resource
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
    """A stax-server on a socket of its own; `wrap` stands before its command: another user. Its runs go
    into a folder that ends with it, as they go into one for every user; `runs` "": stay in memory."""

    def __init__(self, build, wrap=(), runs=None):
        self.folder = tempfile.mkdtemp()
        os.chmod(self.folder, 0o777)
        self.path = os.path.join(self.folder, "s")
        self.env = dict(os.environ, STAX_SERVER_SOCKET=self.path, DEBUGINFOD_URLS="",
                        XDG_STATE_HOME=os.path.join(self.folder, "state"), STAX_SERVER_WS_BIND="127.0.0.1:0")
        self.stax = str(build / "stax")
        ready, theirs = os.pipe()
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.process = subprocess.Popen(
            [*wrap, build / "stax-server", "--ready-fd", str(theirs), "--runs-dir",
             os.path.join(self.folder, "runs") if runs is None else runs], env=self.env, pass_fds=[theirs],
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


# ---- CPU time ---------------------------------------------------------------------------------------


def children_cpu_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def adopt_orphans():
    """Processes whose parent leaves them behind become children of ours: perf does so with addr2line,
    which it starts for each binary, and which takes most of its time."""
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def our_children():
    return set(map(int, pathlib.Path("/proc/thread-self/children").read_text().split()))


def spent_s(*commands, env=None):
    """CPU seconds of these commands and of all that they start."""
    before, known = children_cpu_s(), our_children()
    for command in commands:
        subprocess.run(command, env=env, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    for orphan in our_children() - known:
        os.waitpid(orphan, 0)
    return children_cpu_s() - before
