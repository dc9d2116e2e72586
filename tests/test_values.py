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
from hypothesis import given
from hypothesis import strategies as st

from anb_onnx.encoding.encoding import from_table
from anb_onnx.errors import AnbError, ArchitectureError
from anb_onnx.spaces.architecture import Architecture, sample
from anb_onnx.spaces.fcnet import FCNET
from anb_onnx.spaces.mnasnet import MNASNET, efficientnet_b0
from anb_onnx.spaces.nasbench201 import NASBENCH201
from anb_onnx.spaces.space import Gene
from anb_onnx.spaces.values import array_codes

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


@pytest.mark.parametrize("kind", TABLES)
def test_tables_of_floats(kind: str) -> None:
    codes = sample(300, seed=5, space=FCNET)
    columns: dict[str, list[Any]] = {
        gene.name: [gene.choices[code] for code in codes[:, position]]
        for position, gene in enumerate(FCNET.genes)
    }
    table = TABLES[kind](columns)
    np.testing.assert_array_equal(from_table(table, FCNET), codes)
    np.testing.assert_array_equal(from_table(table[40:43], FCNET), codes[40:43])
    rates = columns["init_lr"]
    for cell, message in (
        (0.002, r"0\.002 is not allowed; choose from .* \(the nearest is 0\.001\)"),
        (None, "null is not allowed"),
    ):
        columns["init_lr"] = [*rates[:44], cell, *rates[45:]]
        with pytest.raises(ArchitectureError, match=f"row 44, gene 'init_lr': {message}"):
            from_table(TABLES[kind](columns), FCNET)


def test_columns_of_other_numbers_are_floats_where_they_equal_one() -> None:
    gene = Gene("g", (0.1, 4.0, 0.5, 2.0**63), ordered=False)
    for dtype in ("i1", "u8", "f2", "f4", "f8", "O"):
        assert array_codes(gene, np.array([4, 0], dtype)).tolist() == [1, -1]
    assert array_codes(gene, np.array([0.5, 0.1, 2.0**63], "f4")).tolist() == [2, -1, 3]
    assert array_codes(gene, np.array([0.5, 0.1, np.nan, np.inf])).tolist() == [2, 0, -1, -1]
    assert array_codes(gene, np.array([2**63], "u8")).tolist() == [3]
    assert array_codes(gene, np.array([True, False])).tolist() == [-1, -1]
    assert array_codes(gene, np.array(["0.1"])).tolist() == [-1]


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
        ("block0_se", [1, 2, 1], "row 1, gene 'block0_se': 2 is not allowed; choose from True, Fa"),
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


@pytest.mark.parametrize("kind", TABLES)
def test_tables_of_strings(kind: str) -> None:
    codes = sample(300, seed=5, space=NASBENCH201)
    columns: dict[str, list[Any]] = {
        gene.name: [gene.choices[code] for code in codes[:, position]]
        for position, gene in enumerate(NASBENCH201.genes)
    }
    table = TABLES[kind](columns)
    np.testing.assert_array_equal(from_table(table, NASBENCH201), codes)
    np.testing.assert_array_equal(from_table(table[70:90], NASBENCH201), codes[70:90])
    assert from_table(table[:0], NASBENCH201).shape == (0, 6)
    edge = columns["edge_2_1"]
    for cell, shown in ((None, "null"), ("", "''"), ("None", "'None'"), ("conv", "'conv'")):
        columns["edge_2_1"] = [*edge[:44], cell, "x", *edge[46:]]
        with pytest.raises(
            ArchitectureError, match=f"row 44, gene 'edge_2_1': {shown} is not allowed"
        ):
            from_table(TABLES[kind](columns), NASBENCH201)
    columns["edge_2_1"] = [None] * 300
    with pytest.raises(ArchitectureError, match="row 0, gene 'edge_2_1': null is not allowed"):
        from_table(TABLES[kind](columns), NASBENCH201)
    columns["edge_2_1"] = [*edge[:7], *map(str, range(293))]
    with pytest.raises(ArchitectureError, match="row 7, gene 'edge_2_1': '0' is not allowed"):
        from_table(TABLES[kind](columns), NASBENCH201)


NUMBERS = [-(2**63), -129, -1, 0, 1, 2, 3, 255, 2048, 2049, 2**24 + 1, 2**53, 2**53 + 1, 2**63 - 1]
KINDS = [*"bhilqBHILQefd?", ">i8", "O"]


@given(
    st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=5, unique=True)
    | st.lists(st.booleans(), min_size=1, max_size=2, unique=True)
    | st.lists(st.integers(-3, 300), min_size=1, max_size=9, unique=True),
    st.lists(st.sampled_from([*NUMBERS, -(2**64), 2**64 - 1, 0.5, np.inf, np.nan])),
    st.sampled_from(KINDS),
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the casts below
def test_a_column_of_any_type_holds_what_its_cells_hold(
    choices: list[Any], cells: list[float], kind: str
) -> None:
    gene = Gene("g", tuple(choices))
    column = np.array([*cells, *choices], dtype=object)
    if kind != "O":
        fits = [x for x in column.tolist() if _fits(x, np.dtype(kind))]
        column = np.array(fits, dtype=kind)
    for values in (column, np.repeat(column, 2)[::2]):
        assert array_codes(gene, values).tolist() == [gene.find(x) for x in column.tolist()]


def _fits(value: Any, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "f":
        return True  # rounded, but then that is what the cell holds
    if dtype.kind == "b":
        return isinstance(value, bool)
    info = np.iinfo(dtype)
    return float(value).is_integer() and info.min <= value <= info.max


def test_a_table_of_many_rows_is_that_of_its_parts() -> None:
    codes = sample(150_001, seed=9, space=MNASNET)
    columns = {
        gene.name: np.array(gene.choices)[codes[:, position]]
        for position, gene in enumerate(MNASNET.genes)
    }
    for table in (pd.DataFrame(columns), pl.DataFrame(columns), pa.table(columns)):
        np.testing.assert_array_equal(from_table(table, MNASNET), codes)
    for row in (65_535, 65_536, 150_000):
        wrong = {**columns, "block3_k": columns["block3_k"].copy()}
        wrong["block3_k"][row] = 4
        for table in (pd.DataFrame(wrong), pl.DataFrame(wrong), pa.table(wrong)):
            with pytest.raises(ArchitectureError, match=f"row {row}, gene 'block3_k': 4 is not"):
                from_table(table, MNASNET)


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
