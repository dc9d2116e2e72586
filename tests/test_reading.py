"""Quick readers of what loops hold, against the strict way, one cell at a time."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_spaces import BEYOND_64_BITS, LARGE_BLOCK, members

import anb_onnx
from anb_onnx.encoding.encoding import encode
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces import reading
from anb_onnx.spaces.architecture import Architecture, sample
from anb_onnx.spaces.fbnet import FBNET
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.nasbench201 import NASBENCH201
from anb_onnx.spaces.space import Block, Gene, SearchSpace
from anb_onnx.spaces.values import row_codes

CODES = sample(20, seed=5, space=MNASNET)
VALUES = [Architecture.from_codes(row, space=MNASNET).to_values() for row in CODES]
#: Below and above the number of rows from which a batch is read at once.
SIZES = (1, 3, 20)


class _Text(StrEnum):
    """A string that is one of no plain type."""

    TRUE = "True"


def _strictly(batch: list[dict[str, Any]], space: SearchSpace) -> Any:
    """Return what the strict way says of dicts, codes or its message, looking at every cell."""
    rows = []
    for number, values in enumerate(batch):
        try:
            # Of no type that has a quicker way.
            rows.append(list(row_codes(MappingProxyType(values), space, f"row {number}, ")))
        except ArchitectureError as error:
            return str(error)
    return rows


def _said(batch: Any, space: SearchSpace) -> Any:
    try:
        return encode(batch, space).tolist()
    except ArchitectureError as error:
        return str(error)


def _spellings(value: Any) -> list[Any]:
    """Return a value in other types: the same, one that is not, and ones of no choice at all."""
    found = [value, None, [value], 0.5, float("nan"), "None", Fraction(1), 1 + 0j, 10**30]
    if isinstance(value, (bool, str)):
        found += [str(value), np.str_(value), np.bool_(bool(value)), int(bool(value)), _Text.TRUE]
    elif isinstance(value, float):
        found += [np.float64(value), np.longdouble(value), np.nextafter(value, 1), str(value)]
        found += [int(value), bool(value), Fraction(value)]
        if abs(value) < 2**62:
            found += [np.float32(value), np.float16(value % 7), np.int64(value)]
    else:
        found += [float(value), np.int64(value), np.float32(value), bool(value), str(value)]
        found += [np.timedelta64(value, "ns"), np.uint64(abs(value)), np.float16(value % 7)]
    return found


@given(members(), st.integers(0, 2**32), st.sampled_from(SIZES), st.booleans())
def test_dicts_of_any_space_are_read_as_the_strict_way_reads_them(
    drawn: tuple[SearchSpace, list[int]], seed: int, n: int, spoil: bool
) -> None:
    space, _ = drawn
    choose = random.Random(seed)
    codes = sample(n, seed=seed, space=space)
    batch = [Architecture.from_codes(row, space=space).to_values() for row in codes]
    for values in batch:  # in any order, as whatever their types make of them
        items = list(values.items())
        choose.shuffle(items)
        values.clear()
        values.update(items)
    assert _said(batch, space) == codes.tolist()
    assert encode(batch[0], space).tolist() == codes[:1].tolist()
    # Objects of their own, as a parser makes them, are the same values.
    assert _said(json.loads(json.dumps(batch)), space) == codes.tolist()
    for row in choose.choices(range(n), k=2) if spoil else ():
        gene = choose.choice(space.genes)
        value = gene.choices[codes[row, space.positions[gene.name]]]
        batch[row][gene.name] = choose.choice(_spellings(value))
    assert _said(batch, space) == _strictly(batch, space)


@pytest.mark.parametrize("n", SIZES)
def test_a_wrong_cell_is_named_wherever_it_stands(n: int) -> None:
    wrong: Any
    for row in {0, n // 2, n - 1}:
        for name in MNASNET.gene_names:
            for wrong in (None, 99, "x", [], 1.5):
                batch: list[dict[str, Any]] = [dict(values) for values in VALUES[:n]]
                batch[row][name] = wrong
                message = _said(batch, MNASNET)
                assert message == _strictly(batch, MNASNET)
                assert message.startswith(f"row {row}, gene {name!r}: {wrong!r} is not allowed")


@pytest.mark.parametrize("n", SIZES)
def test_wrong_keys_are_named_wherever_they_stand(n: int) -> None:
    changes: list[Callable[[dict[Any, Any]], object]] = [
        lambda values: values.pop("block3_k"),
        lambda values: values.update(more=1),
        lambda values: values.update(more=values.pop("block0_e")),
        lambda values: values.update({7: values.pop("block6_se")}),
        lambda values: values.clear(),
    ]
    for row in {0, n // 2, n - 1}:
        for change in changes:
            batch = [dict(values) for values in VALUES[:n]]
            change(batch[row])
            assert _said(batch, MNASNET) == _strictly(batch, MNASNET)


def test_types_that_alternate_are_not_mistaken_for_each_other() -> None:
    plain: dict[str, Any] = dict(VALUES[0])
    spelt = {name: str(v) if isinstance(v, bool) else float(v) for name, v in plain.items()}
    mixed = {name: str(v) if isinstance(v, bool) else v for name, v in plain.items()}
    whole: dict[str, Any] = {name: int(v) for name, v in plain.items()}
    wrong = {name: v == 1 if name == "block0_e" else v for name, v in plain.items()}
    for values in [plain, spelt, mixed, whole, wrong] * 3:
        for batch in ([values], [*[plain] * 9, values]):
            assert _said(batch, MNASNET) == _strictly(batch, MNASNET)
    assert _said(whole, MNASNET) == _said(plain, MNASNET)
    assert "is not allowed" in _said(wrong, MNASNET)


def test_only_so_many_combinations_of_types_are_remembered() -> None:
    genes = tuple(Gene(f"g{i}", (3, 5)) for i in range(8))
    space = SearchSpace("many", (Block("b", genes),))
    for number in range(2**8):
        row = [5.0 if number >> bit & 1 else 5 for bit in range(8)]
        values = dict(zip(space.gene_names, row, strict=True))
        assert encode(values, space).tolist() == [[1] * 8]
    assert len(space.reader._lookups) <= reading._MOST_COMBINATIONS


def test_genes_of_more_choices_than_are_compared_and_integers_of_no_fixed_place() -> None:
    choices = tuple(range(1_000, 1_256))
    space = SearchSpace("wide", (Block("b", (Gene("x", choices), Gene("y", ("a b", "c")))),))
    codes = sample(300, seed=0, space=space)
    codes[:256, 0] = np.arange(256)
    batch = [Architecture.from_codes(row, space=space).to_values() for row in codes]
    for some in (batch, json.loads(json.dumps(batch)), batch[250:253]):
        assert len(encode(some, space)) == len(some)
    np.testing.assert_array_equal(encode(json.loads(json.dumps(batch)), space), codes)
    np.testing.assert_array_equal(encode(codes.tolist(), space), codes)
    batch[299]["x"] = 1_256
    assert _said(batch, space) == _strictly(batch, space)


def test_an_object_in_the_place_of_one_that_is_gone_is_not_taken_for_it() -> None:
    for number in range(300):
        word = f"word{number}"
        space = SearchSpace("s", (Block("b", (Gene("x", (word, "other")), Gene("y", (1, 2)))),))
        batch = [{"x": f"word{number}", "y": 2} for _ in range(9)]
        assert _said(batch, space) == [[0, 1]] * 9
        batch[4]["x"] = f"word{number + 1}"
        assert "row 4, gene 'x': 'word" in _said(batch, space)
        del space, batch


# --- lists of rows -----------------------------------------------------------------------------


@given(members(), st.integers(0, 2**32), st.sampled_from(SIZES))
def test_rows_of_codes_are_the_array_of_them(
    drawn: tuple[SearchSpace, list[int]], seed: int, n: int
) -> None:
    space, _ = drawn
    codes = sample(n, seed=seed, space=space)
    forms: list[Any] = [codes.tolist(), tuple(map(tuple, codes.tolist())), list(codes)]
    forms += [codes.astype(float).tolist(), list(codes.astype(float)), [list(row) for row in codes]]
    for rows in forms:
        assert _said(rows, space) == codes.tolist()
    if {gene.kind for gene in space.genes} <= {"bool", "str"}:
        rows = [list(Architecture.from_codes(row, space=space).values()) for row in codes]
        assert _said(rows, space) == codes.tolist()


@pytest.mark.parametrize("n", SIZES)
def test_a_wrong_code_in_a_row_is_named_as_in_an_array(n: int) -> None:
    for row in {0, n // 2, n - 1}:
        for position, gene in enumerate(MNASNET.genes):
            for wrong in (-1, len(gene), 255, 256, 2**70, 0.5, float("nan"), 1e300):
                rows = [list(map(type(wrong), codes)) for codes in CODES[:n].tolist()]
                rows[row][position] = wrong
                message = _said(rows, MNASNET)
                if wrong != 2**70:
                    assert message == _said(np.array(rows), MNASNET)
                assert message.startswith(f"row {row}, gene {gene.name!r}: code {wrong!r} is ")


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", ["codes", "values"])
def test_rows_of_another_kind_or_length_are_named(n: int, kind: str) -> None:
    of_codes, of_values = CODES.tolist(), [list(values.values()) for values in VALUES]
    rows, other = (of_codes, of_values) if kind == "codes" else (of_values, of_codes)
    for row in range(1, n):
        found = _said([*rows[:row], other[row], *rows[row + 1 : n]], MNASNET)
        wanted = {"codes": "values, row 0 codes", "values": "codes, row 0 values"}[kind]
        assert found.startswith(f"row {row} holds {wanted}; a batch is all of one kind")
    for row in range(n):
        for wrong in (rows[row][:-1], [*rows[row], 0], []):
            found = _said([*rows[:row], wrong, *rows[row + 1 : n]], MNASNET)
            assert found.startswith(f"row {row} has {len(wrong)} items; a row of ")
    for wrong in (None, -5, 5.0, "x", np.ma.masked_equal(CODES[0], 1), np.array(3)):
        found = _said([*rows[:n], wrong], MNASNET)
        assert found.startswith(f"row {n}: ")
        # A row before it is named first.
        assert _said([rows[0][:3], wrong], MNASNET).startswith("row 0")
    # What is no row beside them may be an architecture in another form.
    five = Architecture.from_index(5, space=MNASNET)
    expected = [*CODES[:n].tolist(), [*five.codes], CODES[0].tolist()]
    assert _said([*rows[:n], 5, VALUES[0]], MNASNET) == expected


@pytest.mark.parametrize("n", SIZES)
def test_booleans_are_no_codes_and_other_things_no_rows(n: int) -> None:
    wrong: Any
    for wrong in (True, np.True_, "1"):
        rows: list[Any] = [*CODES[: n - 1].tolist(), [0] * 27 + [wrong]]
        if n > 1:
            assert _said(rows, MNASNET).startswith(f"row {n - 1} holds values, row 0 codes")
        else:
            assert "row 0, gene 'block0_e': 0 is not allowed" in _said(rows, MNASNET)
    for wrong in (None, 1j, [0], np.timedelta64(0), np.array(0), Fraction(0)):
        rows = [*CODES[: n - 1].tolist(), [0] * 27 + [wrong]]
        found = _said(rows, MNASNET)
        assert found.startswith(f"row {n - 1}, gene 'block6_se': code ")
        assert "is not an integer; allowed are 0 to 1" in found
    for rows in ([CODES], [CODES[:1]] * n, [CODES[0].astype("M8[s]")] * n):
        assert _said(rows, MNASNET).startswith("row 0")


def test_a_row_of_values_is_read_by_position() -> None:
    rows = [list(values.values()) for values in VALUES]
    assert _said(rows, MNASNET) == CODES.tolist()
    for row in (0, 11, 19):
        for position, gene in enumerate(MNASNET.genes):
            wrong = [list(values) for values in rows]
            wrong[row][position] = 99
            found = _said(wrong, MNASNET)
            assert found.startswith(f"row {row}, gene {gene.name!r}: 99 is not allowed")


# --- tables ------------------------------------------------------------------------------------

TABLES: dict[str, Callable[[Any], Any]] = {
    "pandas": pd.DataFrame,
    "pandas arrow": lambda columns: pa.table(columns).to_pandas(types_mapper=pd.ArrowDtype),
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
    "pyarrow batch": pa.RecordBatch.from_pydict,
}


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("n", [1, 2, 60, 70])
def test_a_table_of_few_rows_is_one_of_many(kind: str, n: int) -> None:
    for space in (MNASNET, NASBENCH201, LARGE_BLOCK):
        codes = sample(n, seed=n, space=space)
        rows = [Architecture.from_codes(row, space=space).to_values() for row in codes]
        columns = {"note": ["x"] * n, **dict(reversed(_columns(rows).items())), "mean": [0.5] * n}
        np.testing.assert_array_equal(encode(TABLES[kind](columns), space), codes)
        many = {f"more{i}": [i] * n for i in range(2 * space.n_genes)}
        np.testing.assert_array_equal(encode(TABLES[kind]({**columns, **many}), space), codes)


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("n", [1, 9])
def test_a_wrong_cell_of_a_small_table_is_named(kind: str, n: int) -> None:
    columns = _columns(VALUES[:n])
    for name in ("block0_e", "block3_se"):
        cells: list[tuple[list[Any], str]] = [
            ([None] * n, "null"),
            (["x"] * n, "'x'"),
            ([7] * n, "7"),
            ([1.5] * n, "1.5"),
        ]
        for column, shown in cells:
            message = _said(TABLES[kind]({**columns, name: column}), MNASNET)
            assert message.startswith(f"row 0, gene {name!r}: {shown} is not allowed; choose fr")
    columns.pop("block1_k")
    assert _said(TABLES[kind](columns), MNASNET) == "the table has no column 'block1_k'"


def test_integers_of_several_widths_are_kept_exactly() -> None:
    choices = (2**53 + 1, 2**63 - 1, -5)
    space = SearchSpace("w", (Block("b", (Gene("x", choices), Gene("y", (0, 3)))),))
    frame = pd.DataFrame({"x": np.array(choices), "y": np.array([3, 0, 3], np.float64)})
    frame["z"] = np.array([1, 2, 3], np.uint64)
    assert _said(frame, space) == [[0, 1], [1, 0], [2, 1]]
    frame["x"] = [2**53, 0, 0]
    assert "gene 'x': 9007199254740992 is not allowed" in _said(frame, space)


def test_a_column_there_twice_is_refused_in_a_small_table() -> None:
    frame = pd.DataFrame(VALUES[:2])
    twice = pd.concat([frame, frame[["block0_k"]]], axis=1)
    assert "more than one column 'block0_k'" in _said(twice, MNASNET)


# --- the whole way -----------------------------------------------------------------------------


def test_queries_take_all_of_these() -> None:
    surrogate = anb_onnx.load("accuracy", engine="numpy")
    wanted = surrogate.query(CODES)
    forms: list[Any] = [VALUES, CODES.tolist(), list(CODES), [list(v.values()) for v in VALUES]]
    for form in [*forms, pd.DataFrame(VALUES), pl.DataFrame(VALUES), pa.Table.from_pylist(VALUES)]:
        found = surrogate.query(form)
        np.testing.assert_array_equal(found.mean, wanted.mean)
        np.testing.assert_array_equal(found.std, wanted.std)
    assert surrogate.query(pd.DataFrame(VALUES[:1])).mean.shape == (1,)
    assert surrogate.query(VALUES[0]).mean == wanted.mean[0]


def test_threads_read_at_once() -> None:
    spaces = [
        SearchSpace(f"s{i}", (Block("b", (Gene("x", (i, i + 1)), Gene("y", ("u", "v")))),))
        for i in range(20)
    ]

    def work(seed: int) -> None:
        for number in random.Random(seed).choices(range(20), k=60):
            some: list[Mapping[str, Any]] = [{"y": "v", "x": number + (k & 1)} for k in range(9)]
            for batch in (some, some[:2]):
                assert encode(batch, spaces[number]).tolist() == [
                    [k & 1, 1] for k in range(len(batch))
                ]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(16)))


@pytest.mark.parametrize("space", [FBNET, BEYOND_64_BITS], ids=lambda space: space.name)
def test_spaces_pickle_without_what_they_read_with(space: SearchSpace) -> None:
    rows = [
        Architecture.from_codes(row, space=space).to_values()
        for row in sample(9, seed=0, space=space)
    ]
    encode(rows, space)
    assert set(space.__getstate__()) == {"name", "blocks"}
