"""Fixtures and settings for all tests."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# The machines that run this are shared: a slow example is no failure.
settings.register_profile("anb", deadline=None, print_blob=True)
settings.load_profile("anb")

# A shell starts what runs in the background with Ctrl-C ignored, for all of its children, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the public Accel-NASBench data set, which is not part of the repository."""
    default = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("ANB_SHARED", default))
    archive = folder / "anb_dataset_jsons.tar.gz"
    if not archive.is_file():
        pytest.skip(f"needs the Accel-NASBench data set: no {archive}; ANB_SHARED names its folder")
    return folder


@pytest.fixture(scope="session")
def spaces_data() -> Path:
    """Folder of published measurements of other spaces, which are not part of the repository."""
    default = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("ANB_SHARED", default)) / "seeds"
    if not (folder / "help_nb201.npz").is_file():
        pytest.skip(f"needs measurements of other spaces: no {folder}; ANB_SHARED names its parent")
    return folder
