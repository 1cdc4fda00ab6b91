"""What the end-to-end tests are written with: a server, its command, its protocol, and how far a
sampled number may be from the truth.

    def test_something(server, target):
        run = server.record([target("shares")])
        top = server.top()
        assert_share(top.self_samples("share_50"), top.samples, run.share("share_50"), "share_50")

Every test has its own server with its own socket in its own directory. Nothing here sleeps in order
to wait: a server says with a byte that it listens, a target says through a FIFO that it runs, the
end of a process is seen through a pidfd, and progress of a recording by `stax wait`.
"""

import contextlib
import json
import math
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time

REPO = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("STAX_BUILD", REPO / "build")).resolve()
STAX = BUILD / "stax"
SERVER = BUILD / "stax-server"
NOBODY = 65534


def _is_sanitized(path):
    try:
        program = path.read_bytes()
        return b"__asan_init" in program or b"__tsan_init" in program
    except OSError:
        return False


SANITIZED = _is_sanitized(SERVER)
# How much longer things may take than they should: for time-outs only, never for truths.
PATIENCE = 3 if SANITIZED else 1
TIMEOUT = 30 * PATIENCE


# ---- How far a sampled number may be from the truth ---------------------------------------------------

# A normal deviate beyond which lies about one in a million, both sides together.
Z = 4.9
# What is not chance. Targets spend above 99 % of their time in the function that the truth says, the
# rest in clock reads and the kernel; and the timer of a virtual machine now and then fires late.
# Measured with `perf record -F 900` on the machine that this was written on: over 3 runs of `shares`
# every share was within 0.006 of the truth. That is much less than chance allows (Z deviations are
# 0.08 at 900 samples): timer samples of work in rounds are spread evenly, not drawn at random. So
# the bound is a safe one, and what fails it is wrong.
SYSTEMATIC = 0.015


def share_bound(n, p):
    """How far from `p` the measured share may be: Z deviations of a binomial, half a sample, and
    what is systematic."""
    return Z * math.sqrt(max(p * (1 - p), 1 / (n + 1)) / n) + 0.5 / n + SYSTEMATIC


def assert_share(k, n, p, what):
    """`k` of `n` samples agree with a true share `p`; fails by chance less than once in a million."""
    assert n > 0, f"{what}: no samples at all"
    assert abs(k / n - p) <= share_bound(n, p), (
        f"{what}: {k} of {n} samples = {k / n:.3f}, the truth is {p:.3f} +- {share_bound(n, p):.3f}"
    )


def assert_time(measured_ns, truth_ns, period_ns, n_starts, what):
    """An estimate of CPU time (samples x period) agrees with the truth.

    A timer that starts anew with each thread on each CPU loses up to one period every time
    (`n_starts`); beyond that 5 %, for the ticks that a virtual machine swallows."""
    low = truth_ns * 0.95 - n_starts * period_ns
    high = truth_ns * 1.05 + 2 * period_ns + 5e6
    assert low <= measured_ns <= high, (
        f"{what}: {measured_ns / 1e6:.1f} ms measured, the truth is {truth_ns / 1e6:.1f} ms "
        f"(allowed {low / 1e6:.1f} to {high / 1e6:.1f})"
    )


# ---- Processes ------------------------------------------------------------------------------------------


def wait_pid_gone(pid, timeout=TIMEOUT):
    """Waits for the end of a process that need not be our child."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ready, _, _ = select.select([fd], [], [], timeout)
        assert ready, f"process {pid} still lives after {timeout} s"
    finally:
        os.close(fd)


def read_until(fd, end, timeout=TIMEOUT):
    """Bytes from `fd` up to and with `end`."""
    got = b""
    deadline = time.monotonic() + timeout
    while not got.endswith(end):
        ready, _, _ = select.select([fd], [], [], max(0, deadline - time.monotonic()))
        assert ready, f"waited {timeout} s for {end!r}, got {got!r}"
        more = os.read(fd, 1)
        assert more, f"end of file before {end!r}, got {got!r}"
        got += more
    return got


class Ready:
    """A FIFO through which a target says that it runs (truth.h, tell_ready), and its pid."""

    def __init__(self, path, mode=0o600):
        self.path = path
        os.mkfifo(path)
        os.chmod(path, mode)
        self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def wait(self, proc, timeout=TIMEOUT):
        pidfd = os.pidfd_open(proc.pid)
        try:
            ready, _, _ = select.select([self.fd, pidfd], [], [], timeout)
        finally:
            os.close(pidfd)
        assert self.fd in ready, (
            f"the target did not start: {proc.args!r} "
            + (f"ended with {proc.wait()}" if ready else f"still runs after {timeout} s")
        )
        os.set_blocking(self.fd, True)
        return int(read_until(self.fd, b"\n"))

    def close(self):
        os.close(self.fd)


class Result:
    """What one command answered."""

    def __init__(self, args, status, out, err):
        self.args = [str(a) for a in args]
        self.status = status
        self.out = out
        self.err = err

    def __repr__(self):
        return f"{' '.join(self.args)}: status {self.status}\n--- out\n{self.out}\n--- err\n{self.err}"

    @property
    def json(self):
        try:
            return json.loads(self.out)
        except ValueError as error:
            raise AssertionError(f"not JSON ({error}): {self!r}") from None


def assert_no_sanitizer(text, where):
    assert not re.search(r"Sanitizer|runtime error:", text), f"sanitizer report of {where}:\n{text}"


def assert_refused(result, *needles, status=1):
    """The command failed with exactly one line, `error: …`, that has every needle in it."""
    assert result.status == status, f"expected status {status}: {result!r}"
    lines = [line for line in result.err.split("\n") if line.startswith("error:")]
    assert len(lines) == 1, f"expected exactly one `error:` line: {result!r}"
    others = [line for line in result.err.split("\n") if line and not line.startswith("error:")]
    assert not others, f"expected nothing beside the `error:` line: {result!r}"
    assert result.out == "", f"expected nothing on stdout: {result!r}"
    for needle in needles:
        if isinstance(needle, str):
            assert needle in lines[0], f"the error does not name {needle!r}: {result!r}"
        else:
            assert needle.search(lines[0]), f"the error does not match {needle.pattern!r}: {result!r}"


# ---- Answers --------------------------------------------------------------------------------------------


class Top:
    """The answer of `top`, by function name."""

    def __init__(self, answer):
        self.answer = answer
        self.health = answer["health"]
        self.samples = self.health["samples"]
        self.entries = answer["entries"]

    def find(self, name):
        return [e for e in self.entries if e["function_name"] == name]

    def one(self, name):
        found = self.find(name)
        assert len(found) == 1, f"{len(found)} entries for {name!r} among {self.names()}"
        return found[0]

    def names(self):
        return [e["function_name"] for e in self.entries]

    def self_samples(self, name):
        return sum(e["self_samples"] for e in self.find(name))

    def total_samples(self, name):
        return sum(e["total_samples"] for e in self.find(name))

    def check(self):
        """What holds for every `top` with all functions in it."""
        n = self.samples
        assert sum(e["self_samples"] for e in self.entries) == n, "self samples add up to the whole"
        for e in self.entries:
            assert e["self_samples"] <= e["total_samples"] <= n, e
            assert e["total_on_cpu_ns"] <= self.answer["total_on_cpu_ns"], e
        # Exact time of threads without a sample belongs to no function.
        spent = sum(e["self_on_cpu_ns"] for e in self.entries) + self.health["unsampled_ns"]
        assert abs(spent - self.answer["total_on_cpu_ns"]) <= len(self.entries) + 1, "times add up"
        return self


class Flame:
    """The answer of the RPC `flamegraph` as rows with children."""

    def __init__(self, answer):
        self.answer = answer
        self.samples = answer["health"]["samples"]
        strings = answer["strings"]
        columns = answer["nodes"]
        n = len(columns["parent"])
        for key, column in columns.items():
            assert len(column) == n, f"column {key} has {len(column)} of {n} rows"
        self.rows = []
        for i in range(n):
            row = {key: column[i] for key, column in columns.items()}
            row["name"] = strings[row["function"]]
            row["binary_name"] = strings[row["binary"]]
            row["children"] = []
            assert i == 0 or row["parent"] < i, f"node {i} stands before its parent {row['parent']}"
            self.rows.append(row)
            if i > 0:
                self.rows[row["parent"]]["children"].append(row)
        self.root = self.rows[0]

    def check(self):
        """What holds for every flamegraph: a node's samples are its own, its children's, and the cut."""
        assert self.root["samples"] == self.samples
        for row in self.rows:
            below = sum(child["samples"] for child in row["children"])
            assert row["samples"] == row["self_samples"] + below + row["cut_samples"], row["name"]
        return self

    def at(self, *path):
        """Samples at a path of function names; anything may be above the first one."""
        return sum(row["samples"] for row in self._at(path))

    def self_at(self, *path):
        return sum(row["self_samples"] for row in self._at(path))

    def _at(self, path):
        rows = [row for row in self.rows if row["name"] == path[0]]
        for name in path[1:]:
            rows = [child for row in rows for child in row["children"] if child["name"] == name]
        return rows


class Truth(dict):
    """What the target itself measured: `functions` name -> ns, `threads`, `waits` (waiting.h), and its
    lines."""

    def __init__(self, path):
        lines = []
        with contextlib.suppress(FileNotFoundError):
            lines = [json.loads(line) for line in path.read_text().splitlines()]
        functions = {}
        for line in lines:
            for name, ns in line["functions"].items():
                functions[name] = functions.get(name, 0) + ns
        super().__init__(functions)
        self.lines = lines
        self.threads = [thread for line in lines for thread in line["threads"]]
        self.waits = [wait for line in lines for wait in line.get("waits", [])]
        self.total_ns = sum(functions.values())

    def share(self, *names):
        return sum(self[name] for name in names) / self.total_ns

    def waiting(self, name):
        """What the one thread of that name says of its waits."""
        found = [wait for wait in self.waits if wait["thread"] == name]
        assert len(found) == 1, f"{len(found)} threads named {name!r} in the truth: {self.waits}"
        return found[0]


class Run:
    """A recording that is over."""

    def __init__(self, result, summary, truth):
        self.result = result
        self.status = result.status
        self.summary = summary
        self.id = summary["id"] if summary else None
        self.truth = truth


# ---- The command and the server ---------------------------------------------------------------------------


class Server:
    """A stax-server of its own, and the command that talks to it.

    `wrap` is put before every command, server included (another user); `owner` gets the directory."""

    def __init__(self, *args, wrap=(), owner=None, stax=STAX, server=SERVER, env=None):
        self.args = [str(a) for a in args]
        self.wrap = list(wrap)
        self.binary = server
        self.stax_binary = stax
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="stax-e2e-"))
        if owner is not None:
            os.chown(self.dir, owner, owner)
        self.socket = self.dir / "s.sock"
        self.stderr_path = self.dir / "server.stderr"
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("STAX_")}
        self.env.update(STAX_SERVER_SOCKET=str(self.socket), LC_ALL="C.UTF-8", TERM="dumb",
                        STAX_SERVER_WS_BIND="127.0.0.1:0",  # tests share a machine
                        XDG_STATE_HOME=str(self.dir / "state"),
                        DEBUGINFOD_URLS="")  # no network, whatever this machine has set
        self.env.update(env or {})
        self.proc = None
        self.n_files = 0
        self.live_runs = []
        self.log = []

    # -- life

    def start(self, expect_ready=True):
        read_end, write_end = os.pipe()
        with open(self.stderr_path, "ab") as stderr:
            self.proc = subprocess.Popen(
                [*self.wrap, self.binary, "--socket", self.socket, "--ready-fd", str(write_end),
                 *self.args],
                pass_fds=[write_end], stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                env=self.env, cwd=self.dir)
        os.close(write_end)
        try:
            ready, _, _ = select.select([read_end], [], [], TIMEOUT)
            byte = os.read(read_end, 1) if ready else None
        finally:
            os.close(read_end)
        if expect_ready:
            assert byte is not None, f"the server did not get ready in {TIMEOUT} s"
            assert len(byte) == 1, f"the server ended at once:\n{self.stderr()}"
        return self

    def stderr(self):
        with contextlib.suppress(FileNotFoundError):
            return self.stderr_path.read_text(errors="replace")
        return ""

    def alive(self):
        return self.proc is not None and self.proc.poll() is None

    def stop(self, with_signal=signal.SIGTERM):
        """Ends the server and checks how it went."""
        if self.alive():
            self.proc.send_signal(with_signal)
        try:
            status = self.proc.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.proc.send_signal(signal.SIGABRT)  # a sanitizer then says where it hung
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.proc.wait(TIMEOUT)
            self.proc.kill()
            raise AssertionError(f"the server did not end in {TIMEOUT} s:\n{self.stderr()}") from None
        assert_no_sanitizer(self.stderr(), "stax-server")
        assert status == 0, f"the server ended with {status}:\n{self.stderr()}"

    def close(self):
        try:
            for live in self.live_runs:
                live.kill()
            if self.proc is not None:
                self.stop()
        finally:
            if self.proc is not None and self.proc.poll() is None:
                self.proc.kill()
                self.proc.wait()
            shutil.rmtree(self.dir, ignore_errors=True)

    def file(self, stem):
        """A new path in the server's directory."""
        self.n_files += 1
        return self.dir / f"{stem}-{self.n_files}"

    @property
    def runs_folder(self):
        """Where its runs are kept."""
        return pathlib.Path(self.env["XDG_STATE_HOME"]) / "stax/runs"

    def restart(self):
        """Another server in the place of this one, with the same directory."""
        self.stop()
        return self.start()

    def settle_file(self, run_id=None):
        """Waits until the file of a run that is over is complete."""
        self.wait_for(lambda: not self.file_report(run_id)["writing"], "the run file is complete")

    def file_report(self, run_id=None):
        with self.rpc() as rpc:
            return rpc.call("RunControl.diagnostics", **({"run": run_id} if run_id else {}))["file"]

    def wait_for(self, condition, what):
        deadline = time.monotonic() + TIMEOUT
        with self.rpc() as rpc:
            while not condition():
                assert time.monotonic() < deadline, f"not in {TIMEOUT} s: {what}\n{self.stderr()}"
                rpc.pause(0.05)

    # -- the command

    def stax(self, *args, timeout=TIMEOUT, stdin=subprocess.DEVNULL, env=None, wrap=None, cwd=None):
        command = [*(self.wrap if wrap is None else wrap), self.stax_binary, *map(str, args)]
        proc = subprocess.run(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**self.env, **(env or {})}, timeout=timeout, cwd=cwd or self.dir, check=False)
        result = Result(["stax", *args], proc.returncode, proc.stdout.decode(errors="replace"),
                        proc.stderr.decode(errors="replace"))
        result.out_bytes = proc.stdout
        result.err_bytes = proc.stderr
        self.log.append(repr(result)[:4000])
        assert_no_sanitizer(result.err, repr(result))
        return result

    def ok(self, *args, **more):
        result = self.stax(*args, **more)
        assert result.status == 0, f"expected success: {result!r}"
        return result

    def json(self, *args, **more):
        result = self.ok(*args, "--json", **more)
        assert result.err == "", f"expected nothing on stderr: {result!r}"
        return result.json

    def top(self, *args, n=10000):
        return Top(self.json("top", "-n", n, *args))

    def flame(self, **params):
        with self.rpc() as rpc:
            return Flame(rpc.call("Profiler.flamegraph", **params))

    def threads(self, *args):
        return self.json("threads", "-n", 0, *args)

    def settle(self):
        """Waits until names are as good as they get: symbols are loaded by a worker, and an answer
        never waits for them, so that the first one may have offsets where the second has names. And
        until what has happened by now is part of the run: the capture may be busy with something else."""
        asked_unix_ns = time.time_ns()
        with self.rpc() as rpc:
            deadline = time.monotonic() + 10 * PATIENCE
            while time.monotonic() < deadline:
                if self._has_come_to(rpc, asked_unix_ns) and self._is_settled(rpc):
                    return
                rpc.pause(0.05)
        raise AssertionError("symbols are still loading")

    @staticmethod
    def _has_come_to(rpc, unix_ns):
        runs = rpc.call("RunControl.list_runs")["runs"]
        if not runs or runs[-1]["state"] != "recording":
            return True
        try:
            health = rpc.call("Profiler.total_on_cpu_ns")["health"]
        except RpcError as error:
            assert error.kind in ("no_active_run", "unknown_run"), error
            return True
        return runs[-1]["started_at_unix_ns"] + health["end_ns"] >= unix_ns

    def _is_settled(self, rpc):
        """Whether another answer would have the same names."""
        try:
            rpc.call("Profiler.top", mode="off_cpu", limit=1)
        except RpcError as error:
            assert error.kind == "unknown_run", error
            return True
        images = rpc.call("RunControl.diagnostics").get("run", {}).get("images", [])
        return not any(image["state"] == "loading" for image in images)

    def settled_top(self, *args):
        self.settle()
        return self.top(*args).check()

    def summary(self, run_id):
        return next(run for run in self.json("list")["runs"] if run["id"] == run_id)

    def last_summary(self):
        runs = self.json("list")["runs"]
        return runs[-1] if runs else None

    def record(self, command, *options, timeout=TIMEOUT + 30, env=None, **more):
        """Records a command from its start to its end."""
        truth = self.file("truth")
        if self.wrap:
            truth.touch()
            truth.chmod(0o666)
        before = [run["id"] for run in self.json("list")["runs"]]
        result = self.stax("record", *options, "--", *command, timeout=timeout,
                           env={"TRUTH": str(truth), **(env or {})}, **more)
        new = [run for run in self.json("list")["runs"] if run["id"] not in before]
        assert len(new) == 1, f"one new run, not {len(new)}: {result!r}"
        return Run(result, new[0], Truth(truth))

    def live(self, command, *options, **more):
        """Begins to record a command; use it with `with`."""
        live = Live(self, ["record", *map(str, options), "--", *map(str, command)], **more)
        self.live_runs.append(live)
        return live

    # -- the protocol

    def rpc(self, timeout=TIMEOUT):
        return Rpc(self.socket, timeout)


class Live:
    """A recording that goes on, in the foreground of a `stax record` of its own. Known to have
    begun: its target has said so."""

    def __init__(self, server, args, ready=True, env=None):
        self.server = server
        self.truth_path = server.file("truth")
        self.ready = Ready(server.file("ready"), 0o666 if server.wrap else 0o600)
        if server.wrap:
            self.truth_path.touch()
            self.truth_path.chmod(0o666)
        self.err_path = server.file("record.stderr")
        self.target_pid = None
        with open(self.err_path, "wb") as err:
            self.proc = subprocess.Popen(
                [*server.wrap, server.stax_binary, *args], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=err, cwd=server.dir,
                env={**server.env, "TRUTH": str(self.truth_path), "READY": str(self.ready.path),
                     **(env or {})})
        if ready:
            try:
                self.target_pid = self.ready.wait(self.proc)
            except AssertionError as error:
                self.kill()
                raise AssertionError(f"{error}\n{self.err()}\n{server.stderr()}") from None

    def err(self):
        return self.err_path.read_text(errors="replace")

    def tell(self, text):
        """Writes to the target's stdin."""
        self.proc.stdin.write(text.encode())
        self.proc.stdin.flush()

    def hear(self, line):
        """Reads from the target's stdout up to this line."""
        return read_until(self.proc.stdout.fileno(), line.encode() + b"\n")

    def signal_target(self, number=signal.SIGTERM):
        os.kill(self.target_pid, number)

    def wait(self, timeout=TIMEOUT):
        """Waits for the end of `stax record`."""
        out, _ = self.proc.communicate(timeout=timeout)
        result = Result(self.proc.args, self.proc.returncode, out.decode(errors="replace"), self.err())
        self.server.log.append(repr(result)[:4000])
        assert_no_sanitizer(result.err, repr(result))
        return result

    def end(self, number=signal.SIGTERM):
        """Ends the target, and with it the run."""
        self.signal_target(number)
        return self.wait()

    @property
    def truth(self):
        return Truth(self.truth_path)

    def kill(self):
        if self.target_pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.target_pid, signal.SIGKILL)
            self.target_pid = None
        if self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        for stream in (self.proc.stdin, self.proc.stdout):
            with contextlib.suppress(OSError):
                stream.close()
        if self.ready:
            self.ready.close()
            self.ready = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.server.live_runs.remove(self)


class Process:
    """A target that nobody records yet."""

    def __init__(self, server, command):
        self.truth_path = server.file("truth")
        self.ready = Ready(server.file("ready"), 0o666 if server.wrap else 0o600)
        if server.wrap:
            self.truth_path.touch()
            self.truth_path.chmod(0o666)
        self.proc = subprocess.Popen(
            [*server.wrap, *(str(c) for c in command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "TRUTH": str(self.truth_path), "READY": str(self.ready.path)})
        self.pid = self.ready.wait(self.proc)

    def tell(self, text):
        self.proc.stdin.write(text.encode())
        self.proc.stdin.flush()

    def hear(self, line):
        read_until(self.proc.stdout.fileno(), line.encode() + b"\n")

    @property
    def truth(self):
        return Truth(self.truth_path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.kill()
        self.proc.communicate()
        self.ready.close()


def attach(server, pid, *options):
    """Starts `stax record --pid` and returns when it is recording."""
    with server.rpc() as rpc:
        proc = subprocess.Popen([*server.wrap, server.stax_binary, "record", *map(str, options), "--pid", str(pid)],
                                env=server.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)
        while not rpc.call("RunControl.status")["active"]:
            assert proc.poll() is None, proc.communicate()
            rpc.pause(0.02)
    return proc


# ---- The protocol -----------------------------------------------------------------------------------------


class RpcError(Exception):
    def __init__(self, error):
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.code = error.get("code")
        self.message = error.get("message")
        self.kind = (error.get("data") or {}).get("kind")


class Rpc:
    """A client that writes and reads lines by itself, so that it can misbehave too."""

    def __init__(self, path, timeout=TIMEOUT):
        self.timeout = timeout
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))  # waits for room, where one with a time-out would give up
        self.socket.settimeout(timeout)
        self.buffer = bytearray()
        self.next_id = 1
        self.notifications = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def send_json(self, value):
        self.send(json.dumps(value).encode() + b"\n")

    def request(self, method, /, **params):
        """Sends a request and returns its id."""
        request_id = self.next_id
        self.next_id += 1
        self.send_json({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        return request_id

    def read_line(self, timeout=None):
        """One line without its end, or None at the end of the connection."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            at = self.buffer.find(b"\n")
            if at >= 0:
                line = bytes(self.buffer[:at])
                del self.buffer[: at + 1]
                return line
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no line in time")
            self.socket.settimeout(left)
            try:
                more = self.socket.recv(1 << 20)
            except ConnectionResetError:
                return None
            finally:
                self.socket.settimeout(self.timeout)
            if not more:
                return None
            self.buffer += more

    def read(self, timeout=None):
        line = self.read_line(timeout)
        assert line is not None, "the server closed the connection"
        return json.loads(line)

    def reply(self, request_id, timeout=None):
        """The reply to a request; notifications on the way are kept."""
        while True:
            message = self.read(timeout)
            if "method" in message:
                self.notifications.append(message)
                continue
            assert message.get("jsonrpc") == "2.0", message
            assert message.get("id") == request_id, f"a reply to {request_id} expected: {message}"
            assert ("result" in message) != ("error" in message), message
            if "error" in message:
                raise RpcError(message["error"])
            return message["result"]

    def call(self, method, /, **params):
        return self.reply(self.request(method, **params))

    def subscribe(self, method, /, interval_ms=100, **params):
        return self.call("Profiler.subscribe", method=method, params=params,
                         interval_ms=interval_ms)["subscription"]

    def notification(self, subscription, timeout=None):
        """The next message of a subscription; those of others stay in line."""
        for i, message in enumerate(self.notifications):
            if message["params"]["subscription"] == subscription:
                return self.notifications.pop(i)["params"]
        while True:
            message = self.read(timeout)
            assert message.get("method") == "subscription", message
            assert "id" not in message, message
            if message["params"]["subscription"] == subscription:
                return message["params"]
            self.notifications.append(message)

    def pause(self, seconds):
        """Lets a short time pass while listening: until the next message, if it comes sooner."""
        with contextlib.suppress(TimeoutError):
            line = self.read_line(seconds)
            if line:
                self.notifications.append(json.loads(line))


# ---- What is here, and what is not --------------------------------------------------------------------------


def sysctl(name):
    return int(pathlib.Path("/proc/sys", *name.split(".")).read_text())


def needs_root():
    return None if os.geteuid() == 0 else "needs root"


def needs_program(name):
    return None if shutil.which(name) else f"{name} is not installed"


def needs_names_of_libc():
    """Functions of the C library that only its debug file names: /usr/lib/debug has one for its build-id."""
    libc = re.search(r"\S+/libc\.so\.6", pathlib.Path("/proc/self/maps").read_text())
    notes = subprocess.run(["readelf", "-n", libc[0] if libc else ""], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                           text=True, check=False).stdout
    build_id = re.search(r"Build ID: (\w\w)(\w+)", notes)
    if build_id and pathlib.Path(f"/usr/lib/debug/.build-id/{build_id[1]}/{build_id[2]}.debug").exists():
        return None
    return "libc6-dbg is not installed: the function of libc that waits has no name"


def needs_paranoid(at_most):
    paranoid = sysctl("kernel.perf_event_paranoid")
    return None if paranoid <= at_most else f"kernel.perf_event_paranoid is {paranoid}, needs {at_most}"


def make_readable(path):
    """Lets other users go through a directory and read what is in it."""
    for folder, _, files in os.walk(path):
        os.chmod(folder, 0o755)
        for name in files:
            file = pathlib.Path(folder, name)
            file.chmod(stat.S_IMODE(file.stat().st_mode) | 0o555)
