"""Columns of numbers as tables of pandas, polars and pyarrow, imported when asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anb_onnx.parallel.extras import need

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


@dataclass(frozen=True, eq=False)
class Columns:
    """What becomes a table.

    Attributes
    ----------
    arrays : mapping of str to float32 array [N] or None
        By the name of the column; None where nothing is known of any row.
    rows : int
        N.
    facts : mapping
        What holds for all rows, as for JSON: the level of the intervals, the units.
    """

    arrays: Mapping[str, npt.NDArray[np.float32] | None]
    rows: int
    facts: Mapping[str, Any]

    def to_pandas(self) -> pandas.DataFrame:
        """Return a DataFrame of float32, NaN where nothing is known; the facts are ``attrs``."""
        library = need("pandas", extra="pandas", what="to_pandas")
        unknown = np.full(self.rows, np.nan, np.float32)
        frame: pandas.DataFrame = library.DataFrame(
            {name: unknown if a is None else a for name, a in self.arrays.items()}
        )
        frame.attrs.update(self.facts)
        return frame

    def to_polars(self) -> polars.DataFrame:
        """Return a DataFrame of Float32, null where nothing is known."""
        library = need("polars", extra="polars", what="to_polars")
        found: polars.DataFrame = library.DataFrame(
            [
                library.Series(
                    name,
                    [None] * self.rows if array is None else np.ascontiguousarray(array),
                    dtype=library.Float32,
                )
                for name, array in self.arrays.items()
            ]
        )
        return found

    def to_arrow(self) -> pyarrow.Table:
        """Return a Table of float32, null where nothing is known; its metadata are the facts."""
        library = need("pyarrow", extra="parquet", what="to_arrow")
        return library.table(
            {
                name: library.nulls(self.rows, library.float32())
                if array is None
                else library.array(np.ascontiguousarray(array))
                for name, array in self.arrays.items()
            },
            metadata={
                key: value if isinstance(value, str) else json.dumps(value)
                for key, value in self.facts.items()
            },
        )
