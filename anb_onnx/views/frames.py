"""Columns of numbers as tables of pandas, polars and pyarrow, imported when asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    units : mapping of str to str
        Of each target's values.
    levels : mapping of str to float or None
        Of each target's intervals; None where there are none.
    """

    arrays: Mapping[str, npt.NDArray[np.float32] | None]
    rows: int
    units: Mapping[str, str]
    levels: Mapping[str, float | None]

    def to_pandas(self) -> pandas.DataFrame:
        """Return a DataFrame of float32, NaN where nothing is known; with ``attrs``."""
        library = need("pandas", extra="pandas", what="to_pandas")
        unknown = np.full(self.rows, np.nan, np.float32)
        frame: pandas.DataFrame = library.DataFrame(
            {name: unknown if a is None else a for name, a in self.arrays.items()}
        )
        frame.attrs.update(units=dict(self.units), levels=dict(self.levels))
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
        """Return a Table of float32, null where nothing is known.

        Its metadata are those of the Parquet files that `anb-onnx query` writes.
        """
        library = need("pyarrow", extra="parquet", what="to_arrow")
        return library.table(
            {
                name: library.nulls(self.rows, library.float32())
                if array is None
                else library.array(np.ascontiguousarray(array))
                for name, array in self.arrays.items()
            },
            metadata={
                "anb_onnx.units": json.dumps(self.units),
                "anb_onnx.levels": json.dumps(self.levels),
            },
        )
