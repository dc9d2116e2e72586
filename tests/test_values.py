"""Tables of pandas, polars and pyarrow: what is accepted, what is refused and how."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import oracle
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from anb_onnx.encoding.encoding import from_table
from anb_onnx.errors import AnbError, ArchitectureError
from anb_onnx.spaces.architecture import Architecture, sample
from anb_onnx.spaces.mnasnet import MNASNET, efficientnet_b0

B0 = efficientnet_b0()
CODES = sample(200, seed=3, space=MNASNET)
VALUES = [Architecture.from_codes(row, space=MNASNET).to_values() for row in CODES]


class _Table:
    columns = tuple(oracle.GENES)


def _columns(*, strings: bool = False) -> dict[str, list[Any]]:
    return {
        name: [str(v[name]) if strings and isinstance(v[name], bool) else v[name] for v in VALUES]
        for name in oracle.GENES
    }


TABLES: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "pandas": pd.DataFrame,
    "pandas nullable": lambda columns: pd.DataFrame(columns).convert_dtypes(),
    "pandas object": lambda columns: pd.DataFrame(columns, dtype=object),
    "pandas categorical": lambda columns: pd.DataFrame(columns).astype("category"),
    "pandas arrow": lambda columns: pa.table(columns).to_pandas(types_mapper=pd.ArrowDtype),
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
    "pyarrow batch": pa.RecordBatch.from_pydict,
    "pyarrow dictionary": lambda columns: pa.table(
        {name: pa.array(cells).dictionary_encode() for name, cells in columns.items()}
    ),
    "pyarrow chunks": lambda columns: pa.concat_tables(
        [pa.table(columns).slice(0, 30), pa.table(columns).slice(30)]
    ),
}


@pytest.mark.parametrize("strings", [False, True])
@pytest.mark.parametrize("kind", TABLES)
def test_tables(kind: str, strings: bool) -> None:
    codes = from_table(TABLES[kind](_columns(strings=strings)), MNASNET)
    assert codes.dtype == np.uint8
    assert codes.flags.c_contiguous
    np.testing.assert_array_equal(codes, CODES)


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow", "pyarrow batch"])
def test_tables_in_any_order_with_other_columns_and_without_rows(kind: str) -> None:
    columns = {"note": ["x"] * 200, **dict(reversed(_columns().items())), "accuracy": [1.5] * 200}
    table = TABLES[kind](columns)
    np.testing.assert_array_equal(from_table(table, MNASNET), CODES)
    assert from_table(table[:0], MNASNET).shape == (0, 28)


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("gene", ["block2_e", "block1_se"])
def test_a_null_is_refused_with_row_and_column(kind: str, gene: str) -> None:
    columns = _columns()
    columns[gene][5] = columns[gene][9] = None
    with pytest.raises(ArchitectureError, match=f"row 5, gene '{gene}': null is not allowed; ch"):
        from_table(TABLES[kind](columns), MNASNET)


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow", "pyarrow batch"])
@pytest.mark.parametrize(
    ("gene", "cells", "message"),
    [
        ("block0_e", [1, 5, 7], "row 1, gene 'block0_e': 5 is not allowed; choose from 1, 4, 6"),
        ("block0_e", [1.0, 4.5, 6.0], "row 1, gene 'block0_e': 4.5 is not allowed"),
        ("block0_e", ["1", "4", "6"], "row 0, gene 'block0_e': '1' is not allowed"),
        ("block0_e", [True, True, True], "row 0, gene 'block0_e': True is not allowed"),
        ("block0_se", [0, 1, 1], "row 0, gene 'block0_se': 0 is not allowed; choose from True, Fa"),
        ("block0_se", ["True", "yes", "no"], "row 1, gene 'block0_se': 'yes' is not allowed"),
        ("block0_e", [[1], [4], [6]], "'block0_e'"),
        ("block0_e", [{"a": 1}] * 3, "'block0_e'"),
        ("block0_e", [timedelta(seconds=4)] * 3, "row 0, gene 'block0_e'"),
    ],
)
def test_wrong_cells_are_refused_by_name(
    kind: str, gene: str, cells: list[Any], message: str
) -> None:
    columns = {name: column[:3] for name, column in _columns().items()}
    with pytest.raises(ArchitectureError) as caught:
        from_table(TABLES[kind]({**columns, gene: cells}), MNASNET)
    assert message in str(caught.value)


def test_durations_are_no_integers() -> None:
    frame = pd.DataFrame({name: column[:3] for name, column in _columns().items()})
    # In nanoseconds NumPy turns them into plain integers, here into valid ones.
    frame["block0_e"] = np.array([1, 4, 6], dtype="m8[ns]")
    with pytest.raises(ArchitectureError, match="row 0, gene 'block0_e'"):
        from_table(frame, MNASNET)


@pytest.mark.parametrize("genes", [("block0_e", "block6_k"), ("block6_k", "block0_e")])
def test_the_first_row_of_a_table_is_named_whatever_its_column(genes: tuple[str, str]) -> None:
    columns = _columns()
    columns[genes[0]][50] = columns[genes[1]][20] = 9
    with pytest.raises(ArchitectureError, match=f"row 20, gene '{genes[1]}'"):
        from_table(pd.DataFrame(columns), MNASNET)


def test_missing_and_repeated_columns_are_refused() -> None:
    frame = pd.DataFrame(_columns())
    with pytest.raises(ArchitectureError, match="no column 'block0_k'"):
        from_table(frame.drop(columns="block0_k"), MNASNET)
    with pytest.raises(ArchitectureError, match=r"no column 'block0_e' \(and 27 more\)"):
        from_table(pl.DataFrame(), MNASNET)
    with pytest.raises(ArchitectureError, match="more than one column 'block0_k'"):
        from_table(pd.concat([frame, frame[["block0_k"]]], axis=1), MNASNET)


@pytest.mark.parametrize("table", [None, 5, "x", [], {}, CODES, B0, _Table()])
def test_what_is_no_table_is_refused(table: Any) -> None:
    with pytest.raises(AnbError, match="from_table takes a pandas or polars DataFrame or a pya"):
        from_table(table, MNASNET)


def test_a_lazy_table_is_refused_with_the_way_out() -> None:
    with pytest.raises(ArchitectureError, match=r"call .collect\(\) on the LazyFrame"):
        from_table(pl.DataFrame(_columns()).lazy(), MNASNET)
