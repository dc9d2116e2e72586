"""``anb-export fetch-models``: downloads the ensembles that Accel-NASBench published."""

from __future__ import annotations

import argparse

from anb_export.commands import _fetch

HELP = "download the published ensembles of Accel-NASBench into the cache, checked"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _fetch.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Download if needed; print the path."""
    from anb_export.data.fetch import MODELS

    return _fetch.run(MODELS, arguments)
