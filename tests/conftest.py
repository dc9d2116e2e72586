"""Fixtures and settings for all tests."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import settings
from measured_data import need_data, summary

# The machines that run this are shared: a slow example is no failure.
settings.register_profile("anb", deadline=None, print_blob=True)
settings.load_profile("anb")

# A shell starts what runs in the background with Ctrl-C ignored, for all of its children, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the public Accel-NASBench data set, which is not part of the repository."""
    return need_data("anb_dataset_jsons.tar.gz")


@pytest.fixture(scope="session")
def spaces_data() -> Path:
    """Folder of published measurements of other spaces, which are not part of the repository."""
    return need_data("seeds/help_nb201.npz") / "seeds"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests did not run for lack of data, and what would run them."""
    skipped = terminalreporter.stats.get("skipped", [])
    line = summary(str(report.longrepr) for report in skipped)
    if line is not None:
        terminalreporter.section("data")
        terminalreporter.line(line, yellow=True)
