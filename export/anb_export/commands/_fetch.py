"""What ``fetch-data`` and ``fetch-models`` share."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from anb_export.commands._show import byte_progress, note, say

if TYPE_CHECKING:
    from anb_export.data.fetch import Source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of both commands."""
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="where the file goes (default: $ANB_ONNX_CACHE, or anb_onnx in $XDG_CACHE_HOME or "
        "~/.cache)",
    )
    parser.add_argument("--url", help="download from here instead")
    parser.add_argument("--sha256", metavar="HEX", help="digest the file must have")
    parser.add_argument(
        "--stall",
        type=_seconds,
        default=30.0,
        metavar="SECONDS",
        help="give a connection up when the server has not answered for so long, or sends less "
        "than 1 kB a second; it is then taken up where it broke off (default: %(default)g)",
    )
    parser.add_argument(
        "--max-time",
        type=_seconds,
        default=7200.0,
        metavar="SECONDS",
        help="give up after so long in all; the next run goes on from there (default: %(default)g)",
    )
    parser.add_argument(
        "--offline", action="store_true", help="use the cache only, never the network"
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1e8:
        msg = f"expected a positive number of seconds, at most 1e8, found {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return value


def run(source: Source, arguments: argparse.Namespace) -> int:
    """Fetch, and print the path of the file."""
    from anb_export.data.fetch import Patience, fetch

    if arguments.url is not None:
        source = replace(source, url=arguments.url)
    with byte_progress(source.name) as on_bytes:
        found = fetch(
            source,
            arguments.cache,
            sha256=arguments.sha256,
            offline=arguments.offline,
            on_bytes=on_bytes,
            patience=Patience(stall=arguments.stall, total=arguments.max_time),
        )
    if found.trusted:
        how = "as expected" if found.downloaded else "as expected, from the cache"
        note(f"sha256 {found.sha256}, {how}")
    else:
        note(
            f"sha256 {found.sha256}: nobody has published a digest of this file, so this one, of "
            "the first download, is recorded beside it and later ones are checked against it; "
            "give --sha256 to check against one you trust"
        )
    say(str(found.path))
    return 0
