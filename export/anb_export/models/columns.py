"""What a model's file says about the columns it was trained on, besides their names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from anb_onnx._io import strict_json
from anb_onnx._io.show import show
from anb_onnx._io.strict_json import JsonError
from anb_onnx.errors import AnbError

#: A category of pandas, as JSON holds it.
Category: TypeAlias = str | int | float | bool | None

_PANDAS = "\npandas_categorical:"


class ColumnsError(AnbError):
    """What a file says about its columns is damaged."""


@dataclass(frozen=True)
class Columns:
    """Statements of a file about the columns of the table it was trained on.

    Attributes
    ----------
    ranges : tuple of (float, float) or None
        Least and largest number of each column, None where none is stated; empty if the file
        states none at all.
    booleans : frozenset of int
        Columns that held booleans.
    categories : tuple of tuple
        The categories of each column of that kind, in the order of the codes that pandas gave them.
        Which columns these are is stated only where all are of that kind. Empty if there are none.
    drawn : bool
        Whether splits were drawn at random between the numbers of a column, as by scikit-learn's
        extra trees.
    """

    ranges: tuple[tuple[float, float] | None, ...] = ()
    booleans: frozenset[int] = frozenset()
    categories: tuple[tuple[Category, ...], ...] = ()
    drawn: bool = False


#: Of a file that says nothing.
SILENT = Columns()


def lightgbm_columns(feature_infos: str, end: str) -> Columns:
    """Read what LightGBM's text says.

    Parameters
    ----------
    feature_infos : str
        The value of that name: ``[least:largest]`` for numbers, ``none`` for a constant column,
        ``0:2:1`` for categories.
    end : str
        What follows after the trees; a table of pandas leaves its categories there as JSON.

    Raises
    ------
    ColumnsError
        If the categories are damaged.
    """
    ranges = tuple(_range(item) for item in feature_infos.split())
    _, found, line = end.rpartition(_PANDAS)
    if not found:
        return Columns(ranges)
    try:
        value = strict_json.loads(line.partition("\n")[0])
    except JsonError as error:
        msg = f"the model is damaged: pandas_categorical: {error}"
        raise ColumnsError(msg) from error
    if value is None:
        return Columns(ranges)
    if not isinstance(value, list) or not all(isinstance(item, list) for item in value):
        msg = f"the model is damaged: pandas_categorical must hold lists, found {show(value)}"
        raise ColumnsError(msg)
    for item in value:
        for category in item:
            if isinstance(category, list | dict):
                msg = f"the model is damaged: {show(category)} is no category"
                raise ColumnsError(msg)
    return Columns(ranges, categories=tuple(tuple(item) for item in value))


def _range(item: str) -> tuple[float, float] | None:
    least, colon, largest = item.removeprefix("[").removesuffix("]").partition(":")
    if not (item.startswith("[") and item.endswith("]") and colon):
        return None
    try:
        found = float(least), float(largest)
    except ValueError:
        return None
    return found if all(map(math.isfinite, found)) else None


def xgboost_columns(feature_types: Sequence[object]) -> Columns:
    """Read what xgboost's ``feature_types`` say: "i" is a column of booleans."""
    return Columns(booleans=frozenset(k for k, kind in enumerate(feature_types) if kind == "i"))
