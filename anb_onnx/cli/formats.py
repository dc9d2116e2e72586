"""Formats of files that commands read and write, and the options that name them.

The suffix of a file that is written says what is in it, always: an option that says something
else is refused rather than followed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from anb_onnx._io.show import show
from anb_onnx.errors import AnbError
from anb_onnx.parallel.extras import need

#: What a suffix says of a file.
SUFFIXES = {
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".parquet": "parquet",
    ".md": "markdown",
}

#: What is written where nothing says otherwise has none of these suffixes, or one for text.
_TEXT = ("", ".txt", ".text")
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".lz4")


def add_output(parser: argparse.ArgumentParser, formats: Sequence[str], default: str) -> None:
    """Add ``--out``, ``--out-format``, and ``--json`` and ``--csv`` for short."""
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="write to a file, complete or not at all; its suffix says the format",
    )
    shape = parser.add_mutually_exclusive_group()
    for name in ("json", "csv"):
        if name in formats:
            shape.add_argument(
                f"--{name}",
                action="store_const",
                dest="shape",
                const=name,
                help=f"print {name.upper()}",
            )
    shape.add_argument(
        "--out-format",
        dest="shape",
        choices=formats,
        metavar="FORMAT",
        help=f"write {', '.join(formats[:-1])} or {formats[-1]} (default: by the suffix of --out, "
        f"else {default})",
    )
    parser.set_defaults(out_formats=tuple(formats), out_default=default)


def output_format(args: argparse.Namespace) -> str:
    """Return the format of the output: what was asked for, or what the file's name says.

    Raises
    ------
    AnbError
        If the two contradict each other, the command does not write what the name says, or the
        name says nothing that is known.
    ExtraError
        If it needs a package that is not installed: said before the work, not after it.
    """
    form = _named_format(args)
    if form == "parquet":
        need("pyarrow.parquet", extra="parquet", what="writing Parquet")
    return form


def _named_format(args: argparse.Namespace) -> str:
    formats, given = args.out_formats, args.shape
    suffix = Path(args.out).suffix.lower() if args.out else ""
    where = f"--out {show(args.out)}"
    if suffix in _COMPRESSED:
        msg = f"{where}: nothing is compressed here; leave --out out, and write '| gzip > FILE'"
        raise AnbError(msg)
    named = SUFFIXES.get(suffix)
    if named is None:
        if given is None and suffix not in _TEXT:
            msg = f"{where}: the suffix {show(suffix)} tells no format; {_known(args)}"
            raise AnbError(msg)
        return str(given or args.out_default)
    if named not in formats:
        msg = f"{where}: this command does not write {named}; {_known(args)}"
        raise AnbError(msg)
    if given not in (None, named) and (given, named) != ("json", "jsonl"):
        msg = (
            f"{where} says {named}, but {given} was asked for; leave one of them out, or give the "
            "file another suffix"
        )
        raise AnbError(msg)
    return named


def own_format(out: str | None, given: str | None, formats: Sequence[str], own: str) -> str:
    """Return the format of a file that is of a command's own kind, unless its name says another.

    Parameters
    ----------
    out : str or None
        The file.
    given : str or None
        What was asked for.
    formats : sequence of str
        What the command writes beside its own.
    own : str
        What its own is called.

    Raises
    ------
    AnbError
        If the suffix says something else than what would be in the file.
    """
    suffix = Path(out).suffix.lower() if out else ""
    form = given or (SUFFIXES[suffix] if SUFFIXES.get(suffix) in formats else own)
    says_another = suffix in SUFFIXES and SUFFIXES[suffix] != form
    if says_another or (form == own and suffix in (*_TEXT[1:], *_COMPRESSED)):
        msg = (
            f"--out {show(out)}: the suffix {show(suffix)} says something else than what would be "
            f"in it, {form}; give it another, or none"
        )
        raise AnbError(msg)
    return form


def _known(args: argparse.Namespace) -> str:
    suffixes = [suffix for suffix, name in SUFFIXES.items() if name in args.out_formats]
    return (
        f"known are {', '.join(suffixes)} and .txt (for {args.out_default}); --out-format "
        f"{{{','.join(args.out_formats)}}} says it for any other"
    )
