"""The decimals of `anb_onnx._io.decimals`, compiled: one number after another.

Imported by who has that many numbers that compiling pays. The arithmetic is the same, step by step,
and so is the text. The rows that it does not decide are returned.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.decimals import LEAST, LEAST_PLAIN, MOST, SEVEN, TENS
from anb_onnx.encoding.jit import jit

#: Bytes of a cell, of which at most 15 are used: a sign, 0.000 and nine digits.
WIDTH = 16

_PAD, _MINUS, _POINT, _ZERO, _E = 0xFF, 0x2D, 0x2E, 0x30, 0x65
_PADS = 0xFFFFFFFFFFFFFFFF
_LEAST, _MOST, _LEAST_PLAIN = LEAST, MOST, LEAST_PLAIN


@numba.njit(inline="always")
def _tried(exact, power, bits, back):  # type: ignore[no-untyped-def]
    """Return digits, whether they read back as the number, and whether that is unsure."""
    scaled = exact * power
    digits = np.rint(scaled)
    back[0] = digits / power  # `bits` is the same memory
    unsure = (bits[0] & 0x1FFFFFFF) == 0x10000000 or abs(scaled - digits) > 0.499999
    return digits, np.float64(np.float32(back[0])) == exact, unsure


@numba.njit(inline="always")
def _shortest(exact, power, bits, back):  # type: ignore[no-untyped-def]
    """Return nine digits, and whether these are unsure; `power` makes seven of the number."""
    seventh, found, unsure = _tried(exact, power, bits, back)
    if found:
        sixth, fewer, _ = _tried(exact, power / 10.0, bits, back)
        return seventh * 100.0, unsure or (fewer and sixth * 10.0 != seventh)
    eighth, found, another = _tried(exact, power * 10.0, bits, back)
    if found:
        return eighth * 10.0, unsure or another
    ninth, found, more = _tried(exact, power * 100.0, bits, back)
    return ninth, unsure or another or more or not found


@numba.njit(inline="always")
def _spell(cell, at, digits, exponent, text):  # type: ignore[no-untyped-def]
    """Write nine digits and an exponent from a place on; return where they end."""
    left = np.uint32(digits)
    for place in range(9):
        higher = left // np.uint32(10)
        text[8 - place] = np.uint8(left - higher * np.uint32(10) + np.uint32(_ZERO))
        left = higher
    count = 9
    while count > 1 and text[count - 1] == _ZERO:
        count -= 1
    whole, shown = 1, count
    if _LEAST_PLAIN <= exponent < 0:
        cell[at] = _ZERO
        cell[at + 1] = _POINT
        at += 2
        for _ in range(-exponent - 1):
            cell[at] = _ZERO
            at += 1
        whole = 0
    elif exponent >= 0:
        whole = exponent + 1
        shown = max(count, whole + 1)
    for place in range(shown):
        if place == whole and whole:
            cell[at] = _POINT
            at += 1
        cell[at] = text[place]
        at += 1
    if exponent < _LEAST_PLAIN:
        cell[at] = _E
        cell[at + 1] = _MINUS
        cell[at + 2] = _ZERO + -exponent // 10
        cell[at + 3] = _ZERO + -exponent % 10
        at += 4
    return at


def _write(values, rows, tens, seven, cells, words, doubtful):  # type: ignore[no-untyped-def]
    """Write all numbers; return the width of the longest, and how many rows are doubtful."""
    back = np.empty(1, np.float64)
    bits = back.view(np.int64)
    text = np.empty(9, np.uint8)
    widest, n_doubtful = np.int64(0), 0
    for row in range(len(values)):
        words[row, 0] = words[row, 1] = np.uint64(_PADS)
        raw = rows[row]
        size = raw & np.uint32(0x7FFFFFFF)
        binary = size >> np.uint32(23)
        exact = abs(np.float64(values[row]))
        exponent, power = np.int64(tens[binary]), seven[binary]
        if exact * power >= 1e7:  # it has passed a power of ten
            exponent += 1
            power /= 10.0
        digits = 0.0
        if size == 0:
            exponent = np.int64(0)
        else:
            unsure = (raw & np.uint32(0x7FFFFF)) == 0 or exponent < _LEAST or exponent > _MOST
            if not unsure:
                digits, unsure = _shortest(exact, power, bits, back)
            if unsure:
                doubtful[n_doubtful] = row
                n_doubtful += 1
                continue
            if digits >= 1e9:
                digits /= 10.0
                exponent += 1
        at = np.int64(0)
        if raw != size:
            cells[row, 0] = _MINUS
            at = np.int64(1)
        widest = max(widest, _spell(cells[row], at, digits, exponent, text))
    return widest, n_doubtful


_written = jit(_write)


def float32_text(values: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the decimals of float32 [N] as cells [width, N], and the rows that are doubtful."""
    values = np.ascontiguousarray(values)
    cells = np.empty((len(values), WIDTH), np.uint8)
    doubtful = np.empty(len(values), np.int64)
    width, count = _written(
        values, values.view(np.uint32), TENS, SEVEN, cells, cells.view(np.uint64), doubtful
    )
    return cells[:, :width].T, doubtful[:count]
