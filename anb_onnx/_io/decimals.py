"""Numbers as decimals, many at once.

A float32 is written with the fewest digits that read back as the same float32, and of those the
nearest, in Python's notation: ``repr(float(str(x)))`` of a NumPy float32 `x`, for a whole column
in a few passes of NumPy. What these do not decide for certain, a handful in a million, is written
by that expression itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.cells import PAD, Cells, cells_of

_MINUS, _POINT, _ZERO = b"-.0"
_DIGITS = 9  # tell any two float32 apart
# Decimal exponents of what is written here. All powers of ten up to 10**22 are float64, so that a
# product with one of them, and a quotient, is rounded once.
LEAST, MOST = -13, 6
LEAST_PLAIN = -4  # Python writes smaller numbers with an exponent
# By binary exponent: that of ten of its least number, and what makes seven digits of that.
TENS = np.clip(np.floor((np.arange(256) - 127) * np.log10(2.0)), LEAST - 1, MOST + 1)
SEVEN = np.array([10.0 ** max(6 - int(e), 0) for e in TENS])
TENS = TENS.astype(np.int8)
_WHOLE = np.array([10**k for k in range(1, 19)], dtype=np.int64)


def float32_cells(values: NDArray[np.float32]) -> Cells:
    """Return the shortest decimals of finite float32 [N] as cells uint8 [width, N].

    Examples
    --------
    >>> from anb_onnx._io.cells import join_cells
    >>> join_cells([float32_cells(np.array([66.03, 5, 1e-5], np.float32)), b" "], 3)
    b'66.03 5.0 1e-05 '
    """
    values = np.ascontiguousarray(values, dtype=np.float32)
    digits, exponent, doubtful = _shortest(np.abs(values))
    text = _characters(digits)
    hidden = _trailing_zeros(text)
    low = int(exponent.min(initial=0))
    present = (np.flatnonzero(np.bincount(exponent - low)) + low).tolist()
    width = 1 + max((_width(e) for e in present), default=0)
    cells = np.full((width, len(values)), PAD, np.uint8)
    np.copyto(cells[0], _MINUS, where=np.signbit(values))
    for e in present:
        _write(cells, text, hidden, e, exponent == e if len(present) > 1 else True)
    return replaced(cells, doubtful, values) if len(doubtful) else cells


class _Rounded(NamedTuple):
    """Numbers rounded to some digits: as integers, whether that reads back, and if it is unsure."""

    digits: NDArray[np.float64]
    ok: NDArray[np.bool_]
    unsure: NDArray[np.bool_]


def _rounded(exact: NDArray[np.float64], power: NDArray[np.float64]) -> _Rounded:
    scaled = exact * power
    digits = np.rint(scaled)
    back = digits / power
    # Rounded once each: wrong only where the one is midway between two integers, or the other
    # midway between two float32, but for the last bits of a float64.
    unsure = (back.view(np.int64) & 0x1FFFFFFF) == 0x10000000
    unsure |= np.abs(scaled - digits) > 0.499999
    return _Rounded(digits, back.astype(np.float32) == exact, unsure)


def _shortest(
    size: NDArray[np.float32],
) -> tuple[NDArray[np.uint32], NDArray[np.int8], NDArray[np.int64]]:
    """Return nine digits, decimal exponents, and the rows of which these may be wrong."""
    bits = size.view(np.uint32)
    exact = size.astype(np.float64)
    binary = (bits >> 23).astype(np.intp)
    exponent, power = TENS[binary], SEVEN[binary]
    above = exact * power >= 1e7  # it has passed a power of ten
    exponent += above
    power = np.where(above, power / 10, power)
    # A power of two has a nearer neighbour on one side.
    strange = ((bits & 0x7FFFFF) == 0) | (exponent < LEAST) | (exponent > MOST)
    seven, eight, nine = (_rounded(exact, power * by) for by in (1.0, 10.0, 100.0))
    six = _rounded(exact, power / 10)
    # Seven digits that end in 0 are fewer. They may hide others that do, and are farther away.
    unsure = np.where(seven.ok, seven.unsure | (six.ok & (six.digits * 10 != seven.digits)), False)
    unsure |= ~seven.ok & (seven.unsure | eight.unsure | (~eight.ok & (nine.unsure | ~nine.ok)))
    digits = np.where(eight.ok, eight.digits * 10, nine.digits)
    digits = np.where(seven.ok, seven.digits * 100, digits)
    zero = bits == 0
    carried = digits >= 10**_DIGITS
    if carried.any():
        digits = np.where(carried, digits / 10, digits)
        exponent += carried
    doubtful = np.flatnonzero((strange | unsure) & ~zero)
    digits[zero] = digits[doubtful] = exponent[zero] = exponent[doubtful] = 0
    return digits.astype(np.uint32), exponent, doubtful


def _characters(digits: NDArray[np.uint32]) -> Cells:
    """Return integers below 10**9 as nine digits each, uint8 [9, N]."""
    text = np.empty((_DIGITS, len(digits)), np.uint8)
    for place in reversed(range(_DIGITS)):
        left = digits // np.uint32(10)
        text[place] = digits - left * np.uint32(10)
        digits = left
    text += np.uint8(_ZERO)
    return text


def _trailing_zeros(text: Cells) -> NDArray[np.bool_]:
    """Return which digits are nothing but zeros at the end, bool [9, N]; the first never is."""
    hidden: NDArray[np.bool_] = text == _ZERO
    for place in reversed(range(1, _DIGITS - 1)):
        hidden[place] &= hidden[place + 1]
    hidden[0] = False
    return hidden


def _width(exponent: int) -> int:
    """Return the most characters of a number of this decimal exponent, without its sign."""
    if exponent < LEAST_PLAIN:
        return _DIGITS + len(".e-05")
    return _DIGITS + 1 - min(exponent, 0)


def _write(
    cells: Cells,
    text: Cells,
    hidden: NDArray[np.bool_],
    exponent: int,
    where: NDArray[np.bool_] | bool,
) -> None:
    """Write numbers of one decimal exponent, and the point among their digits."""
    # With an exponent, the point goes where nothing follows it; a plain number has one decimal.
    whole = 1 if exponent < LEAST_PLAIN else max(exponent + 1, 0)
    start = b"0." + b"0" * (-exponent - 1) if LEAST_PLAIN <= exponent < 0 else b""
    end = f"e-{-exponent:02}".encode() if exponent < LEAST_PLAIN else b""
    columns: list[int | NDArray[np.uint8]] = [*start, *text[:whole]]
    if not start:
        columns.append(np.where(hidden[1], np.uint8(PAD), np.uint8(_POINT)) if end else _POINT)
    shown = whole + (not end)
    columns.extend(text[whole:shown])
    columns += [
        np.where(nothing, np.uint8(PAD), digit)
        for nothing, digit in zip(hidden[shown:], text[shown:], strict=True)
    ]
    for place, column in enumerate([*columns, *end], start=1):
        np.copyto(cells[place], np.asarray(column, np.uint8), where=where)


def replaced(cells: Cells, rows: NDArray[np.int64], values: NDArray[np.float32]) -> Cells:
    """Write some rows the slow way, which is the definition of all of them."""
    texts = cells_of([repr(float(str(value))) for value in values[rows]])
    if len(texts) > len(cells):
        more = np.full((len(texts) - len(cells), len(values)), PAD, np.uint8)
        cells = np.concatenate([cells, more])
    cells[:, rows] = PAD
    cells[: len(texts), rows] = texts
    return cells


def integer_cells(values: NDArray[np.integer] | NDArray[np.object_]) -> Cells:
    """Return integers >= 0 [N], also Python's ones in an array of objects, as cells."""
    if values.dtype == object:
        return cells_of([*map(str, values.tolist())])
    left = values.astype(np.int64)
    width = 1 + int(np.searchsorted(_WHOLE, left.max(initial=0), side="right"))
    cells = np.empty((width, len(values)), np.uint8)
    for place in reversed(range(width)):
        higher = left // 10
        cells[place] = left - 10 * higher
        cells[place] += _ZERO
        if place < width - 1:
            cells[place][left == 0] = PAD
        left = higher
    return cells
