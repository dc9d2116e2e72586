"""``anb-export fetch-data``: downloads the measurements of Accel-NASBench."""

from __future__ import annotations

import argparse

from anb_export.commands import _fetch

HELP = "download the measurements of Accel-NASBench into the cache, checked"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _fetch.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Download if needed; print the path."""
    from anb_export.data.fetch import DATA

    return _fetch.run(DATA, arguments)
