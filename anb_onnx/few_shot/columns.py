"""Columns of numbers as a user gives them: values, standard deviations, repeats."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import MeasurementError

#: Values must lie between these, far from where float32, in which predictions are given, ends.
SMALLEST, LARGEST = 1e-30, 1e30
#: Most repeats of a measurement.
MAX_REPEATS = 2**31

_COLUMN = "a list, an array [N] or a Series of numbers"


def values_column(values: object, n_rows: int) -> NDArray[np.float64]:
    """Return measured values [n_rows], all of them positive and finite.

    Raises
    ------
    MeasurementError
        For the first row with anything else.
    """

    def holds(value: float) -> bool:
        return SMALLEST <= value <= LARGEST

    mend = f"a value is a number > 0 (from {SMALLEST:g} to {LARGEST:g}); leave out rows without one"
    return _column("values", _cells("values", values, n_rows), holds, mend)


def std_column(std: object, n_rows: int) -> NDArray[np.float64]:
    """Return standard deviations [n_rows] of one measurement each; 0 where none is given.

    One number stands for all rows.

    Raises
    ------
    MeasurementError
        For the first row that is not a finite number >= 0.
    """
    if std is None:
        return np.zeros(n_rows)
    cells = [std] * n_rows if _is_number(std) else _cells("std", std, n_rows)
    mend = "a standard deviation is a number >= 0 in the unit of the values, 0 where none is known"
    return _column("std", cells, lambda value: 0 <= value <= LARGEST, mend)


def repeats_column(repeats: object, n_rows: int) -> NDArray[np.float64]:
    """Return how many measurements each value is the mean of, as floats [n_rows]; 1 if not given.

    One number stands for all rows.

    Raises
    ------
    MeasurementError
        For the first row that is not a whole number >= 1.
    """
    if repeats is None:
        return np.ones(n_rows)

    def holds(value: float) -> bool:
        return 1 <= value <= MAX_REPEATS and value == math.floor(value)

    cells = [repeats] * n_rows if _is_number(repeats) else _cells("repeats", repeats, n_rows)
    mend = f"repeats are whole numbers from 1 to {MAX_REPEATS}"
    return _column("repeats", cells, holds, mend)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def _cells(name: str, column: Any, n_rows: int) -> list[Any]:
    """Return the cells of a column, whatever library it is of, as a list of `n_rows`."""
    if isinstance(column, np.ma.MaskedArray):
        msg = f"{name} is a masked array; leave out the masked rows"
        raise MeasurementError(msg)
    if hasattr(column, "columns") or hasattr(column, "schema"):
        msg = f"{name} is a table ({type(column).__name__}); give one column of it"
        raise MeasurementError(msg)
    cells: Any = list(column) if isinstance(column, (list, tuple)) else None
    # NumPy and pandas, polars, pyarrow.
    for method in ("tolist", "to_list", "to_pylist"):
        if cells is None and hasattr(column, method):
            cells = getattr(column, method)()
    if not isinstance(cells, list) or any(isinstance(cell, (list, tuple)) for cell in cells):
        msg = f"{name} must be {_COLUMN}, not {show(column)}"
        raise MeasurementError(msg)
    if len(cells) != n_rows:
        msg = f"{name} has {len(cells)} rows, but there are {n_rows} architectures"
        raise MeasurementError(msg)
    return cells


def _column(
    name: str, cells: list[Any], holds: Callable[[float], bool], mend: str
) -> NDArray[np.float64]:
    numbers = np.empty(len(cells))
    for row, cell in enumerate(cells):
        try:
            number = float(cell) if _is_number(cell) else math.nan
        except OverflowError:  # an integer beyond all floats
            number = math.inf
        if not holds(number):
            msg = f"row {row}, {name}: {show(cell)} is not allowed; {mend}"
            raise MeasurementError(msg)
        numbers[row] = number
    return numbers
