"""Architectures block after block, and what is done with them before the first is written."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from anb_onnx._io.progress import Progress

Codes = npt.NDArray[np.uint8]

_Block = TypeVar("_Block")


def merged(blocks: Iterable[Codes], block_rows: int, n_genes: int) -> Iterator[Codes]:
    """Yield codes in blocks of `block_rows` rows and a rest; at least one, which may be empty."""
    held: list[Codes] = [np.empty((0, n_genes), np.uint8)]
    count, any_yet = 0, False
    for codes in blocks:
        held.append(codes)
        count += len(codes)
        if count >= block_rows:
            whole = np.concatenate(held)
            stop = count - count % block_rows
            for start in range(0, stop, block_rows):
                yield whole[start : start + block_rows]
            held, count, any_yet = [whole[stop:]], count - stop, True
    if count or not any_yet:
        yield np.concatenate(held)


def peeked(blocks: Iterable[_Block]) -> tuple[_Block, Iterator[_Block]]:
    """Return the first block, and all of them: what is wrong in it is found before any output."""
    blocks = iter(blocks)
    first = next(blocks)
    return first, itertools.chain([first], blocks)


def add_progress(parser: argparse.ArgumentParser) -> None:
    """Add ``--progress``."""
    parser.add_argument(
        "--progress",
        action="store_true",
        help="show progress on standard error, also where that is no terminal",
    )


def open_progress(args: argparse.Namespace, unit: str) -> Progress:
    """Return what shows progress of work that takes seconds, unless the output is in its way."""
    if args.out is None and sys.stdout.isatty() and not args.progress:
        return Progress(unit, clock=lambda: 0.0, wait=1.0)
    return Progress(unit, show=args.progress, wait=1.0)


@contextlib.contextmanager
def read_progress(args: argparse.Namespace) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told of bytes of the input that have been read."""
    sizes = [None if "-" in args.architectures else 0, *map(_size, args.file)]
    total = None if None in sizes else sum(size for size in sizes if size is not None)
    done = 0
    with open_progress(args, "bytes read") as progress:

        def on_read(count: int) -> None:
            nonlocal done
            done += count
            progress(done, None if total is None else max(total, done))

        yield on_read


def _size(path: str) -> int | None:
    """Return the bytes of a regular file; None of anything else."""
    with contextlib.suppress(OSError, ValueError):
        found = os.stat(path)  # noqa: PTH116  # of "-" and what is no path, too
        if stat.S_ISREG(found.st_mode):
            return found.st_size
    return None
