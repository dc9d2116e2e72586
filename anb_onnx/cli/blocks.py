"""Architectures block after block, and what is done with them before the first is written."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

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
