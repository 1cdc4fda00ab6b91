"""Fixtures: the built targets, a server per test, a time limit for every test."""

import faulthandler
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import attempts  # noqa: E402
from stax import (  # noqa: E402
    BUILD, NOBODY, PATIENCE, REPO, SERVER, STAX, Server, needs_program, needs_root, sysctl)

# No test may take longer. `@pytest.mark.limit(seconds)` for those that need to.
TEST_LIMIT_S = 60
# What the user without privileges records.
USER_TARGETS = ("shares", "forever", "threads64", "waits", "deadlock", "held", "chain", "unwind",
                "libunwind_plug.so")


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): how long the test may take")
    config.pluginmanager.register(attempts)
    config.addinivalue_line("markers", "needs(reason): skipped when there is a reason")


class TooLong(BaseException):
    """Not an Exception, so that nothing on the way catches it."""


def _on_alarm(_signal, _frame):
    faulthandler.dump_traceback(file=sys.__stderr__)
    raise TooLong("the test took too long")


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_setup(item):
    marker = item.get_closest_marker("limit")
    signal.signal(signal.SIGALRM, _on_alarm)
    signal.alarm((marker.args[0] if marker else TEST_LIMIT_S) * PATIENCE)
    yield


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_teardown():
    yield
    signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what the server wrote and what the commands answered."""
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    for value in getattr(item, "funcargs", {}).values():
        if isinstance(value, Server):
            report.sections.append(("stax-server's stderr", value.stderr()[-8000:]))
            report.sections.append(("the last commands", "\n\n".join(value.log[-6:])))


def pytest_terminal_summary(terminalreporter):
    """Every skip says why, whatever the options of pytest are."""
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        terminalreporter.write_line(f"skipped: {report.nodeid}: {reason.removeprefix('Skipped: ')}")


@pytest.fixture(autouse=True)
def _needs(request):
    for marker in request.node.iter_markers("needs"):
        if marker.args[0]:
            pytest.skip(marker.args[0])


@pytest.fixture(scope="session")
def targets():
    """The folder of the built targets."""
    out = pathlib.Path(os.environ.get("STAX_TARGETS") or BUILD / "targets")
    if not out.parent.is_dir():
        out = pathlib.Path(tempfile.gettempdir()) / f"stax-targets-{os.getuid()}"
    done = subprocess.run(["make", "-s", "-j2", "-C", REPO / "tests" / "targets", f"OUT={out}"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, f"the targets do not build:\n{done.stdout}"
    return out


@pytest.fixture
def target(targets):
    """The path of a target by its name."""

    def path(name):
        found = targets / name
        if not found.exists():
            pytest.skip(f"target {name} was not built (no compiler for it)")
        return str(found)

    return path


@pytest.fixture(scope="session")
def binaries():
    for binary in (STAX, SERVER):
        if not binary.exists():
            pytest.exit(f"{binary} is missing: build first, or set STAX_BUILD", returncode=2)


@pytest.fixture
def server(binaries):
    server = Server()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def other_server(binaries):
    """Makes servers that are out of the ordinary; they are closed at the end."""
    made = []

    def make(*args, **more):
        made.append(Server(*args, **more))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def public_dir():
    """A new directory that every user can go into."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="stax-public-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def paranoid(request):
    """Sets kernel.perf_event_paranoid for one test (parametrize it, indirect=True) and puts it back. Name it
    before `user`, so that the user's server starts with it."""
    if needs_root():
        pytest.skip("only root may set kernel.perf_event_paranoid")
    path = pathlib.Path("/proc/sys/kernel/perf_event_paranoid")
    before = path.read_text()
    try:
        path.write_text(f"{request.param}\n")
    except OSError as error:
        pytest.skip(f"kernel.perf_event_paranoid cannot be set: {error}")
    yield request.param
    path.write_text(before)


@pytest.fixture
def user(other_server, public_dir, targets):
    """A server of user 65534, with no privilege at all; copies of some targets stand in public_dir,
    where that user can read them."""
    missing = needs_root() or needs_program("setpriv")
    paranoid = sysctl("kernel.perf_event_paranoid")
    if missing:
        pytest.skip(missing)
    if paranoid > 2:
        pytest.skip(f"kernel.perf_event_paranoid is {paranoid}: a user may not profile at all")
    for path in (STAX, SERVER, *(targets / name for name in USER_TARGETS)):
        pathlib.Path(shutil.copy(path, public_dir)).chmod(0o755)
    return other_server(
        wrap=["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"], owner=NOBODY,
        stax=public_dir / "stax", server=public_dir / "stax-server").start()
