"""A failing test is tried again, as in tests/e2e."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))

import attempts  # noqa: E402


def pytest_configure(config):
    config.pluginmanager.register(attempts)
