"""Batches: what is accepted, what is refused and how, and NumPy against the compiled kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import oracle
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from random_spaces import (
    BEYOND_64_BITS,
    LARGE_BLOCK,
    NEAR_64_BITS,
    ONE_BLOCK,
    index_of,
    members,
)

from anb_onnx.encoding import encoding
from anb_onnx.encoding.encoding import (
    check_codes,
    codes_to_indices,
    codes_to_symbols,
    encode,
    encode_and_tell,
    indices_to_codes,
)
from anb_onnx.errors import ArchitectureError, EngineError
from anb_onnx.spaces.architecture import Architecture, sample
from anb_onnx.spaces.mnasnet import MNASNET, efficientnet_b0
from anb_onnx.spaces.space import Block, Gene, SearchSpace

B0 = efficientnet_b0()
CODES = sample(200, seed=3, space=MNASNET)
SIZES = tuple(len(codes) for codes in oracle.GENES.values())
VALUES = [Architecture.from_codes(row, space=MNASNET).to_values() for row in CODES]

# Shapes that MNASNET has not: one gene, one choice, 256 choices, symbols of 16 bits.
WIDE = SearchSpace(
    "wide",
    (
        Block("a", (Gene("a0", tuple(range(256))), Gene("a1", ("x", "y", "z")), Gene("a2", (1,)))),
        Block("b", (Gene("b0", (False, True)),)),
        Block("c", (Gene("c0", (9, 7)), Gene("c1", tuple(range(5))))),
    ),
)
CELL = SearchSpace(
    "cell", tuple(Block(f"edge{i}", (Gene(f"op{i}", tuple("abcde")),)) for i in range(6))
)
BYTES = SearchSpace(
    "bytes", (Block("a", (Gene("one", (1,)), Gene("a0", tuple(range(256))), Gene("two", (2,)))),)
)
# Kernels of the same bytecode, which differ in constants only: a cache must tell them apart.
TWINS = [
    SearchSpace(f"{a}x{b}", (Block("a", (Gene("x", tuple(range(a))), Gene("y", tuple(range(b))))),))
    for a, b in ((50, 40), (40, 50))
]


@pytest.fixture(params=["numpy", "numba"])
def each_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test once with NumPy and once with the compiled kernels, whatever the batch's size."""
    use(request.param, monkeypatch)
    return str(request.param)


def use(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = 0.0 if way == "numba" else np.inf
    monkeypatch.setattr(encoding, "_lost", {})
    monkeypatch.setattr(encoding, "_WARM_SECONDS", seconds)
    monkeypatch.setattr(encoding, "_COLD_SECONDS", seconds)
    monkeypatch.setattr(encoding, "_KERNEL_ROWS", 0)


# --- codes, symbols, indices against the oracle ------------------------------------------------


@given(st.lists(oracle.architectures(), min_size=1, max_size=5))
def test_encoder_equals_the_oracle(batch: list[dict[str, Any]]) -> None:
    codes = encode(batch, MNASNET)
    assert codes.tolist() == [oracle.codes(values) for values in batch]
    assert codes_to_symbols(codes, MNASNET).tolist() == [oracle.symbols(values) for values in batch]
    assert codes_to_indices(codes, MNASNET).tolist() == [oracle.index(values) for values in batch]


@given(st.lists(st.integers(0, oracle.SIZE - 1), max_size=5))
def test_indices_round_trip(indices: list[int]) -> None:
    codes = indices_to_codes(indices, MNASNET)
    assert codes.tolist() == [oracle.codes(oracle.values_of_index(index)) for index in indices]
    assert codes_to_indices(codes, MNASNET).tolist() == indices


def test_kernels_equal_the_oracle(each_way: str) -> None:
    indices = np.random.default_rng(0).integers(0, oracle.SIZE, 300)
    indices[:2] = 0, oracle.SIZE - 1
    values = [oracle.values_of_index(index) for index in indices.tolist()]
    codes = indices_to_codes(indices, MNASNET)
    symbols = codes_to_symbols(codes, MNASNET)
    assert codes.tolist() == [oracle.codes(v) for v in values]
    assert symbols.tolist() == [oracle.symbols(v) for v in values]
    np.testing.assert_array_equal(codes_to_indices(codes, MNASNET), indices)
    assert codes.dtype == symbols.dtype == np.uint8
    assert codes.flags.c_contiguous
    assert symbols.flags.c_contiguous


@pytest.mark.parametrize(
    "space", [WIDE, CELL, BYTES, *TWINS, ONE_BLOCK, LARGE_BLOCK], ids=lambda space: space.name
)
def test_other_spaces(each_way: str, space: SearchSpace) -> None:
    indices = np.arange(space.size)
    codes = indices_to_codes(indices, space)
    np.testing.assert_array_equal(
        codes, np.stack(np.unravel_index(indices, space.gene_sizes), axis=1)
    )
    np.testing.assert_array_equal(codes_to_indices(codes, space), indices)
    symbols = codes_to_symbols(codes, space)
    np.testing.assert_array_equal(
        symbols, np.stack(np.unravel_index(indices, space.block_sizes), axis=1)
    )
    assert symbols.dtype == space.symbol_dtype
    step = max(1, len(indices) // 50)
    some = [Architecture.from_index(int(i), space=space) for i in indices[::step]]
    expected = codes[::step]
    np.testing.assert_array_equal(encode(some, space), expected)
    np.testing.assert_array_equal(encode([a.to_values() for a in some], space), expected)
    np.testing.assert_array_equal(encode(expected, space), expected)


@pytest.mark.parametrize("space", [BEYOND_64_BITS, NEAR_64_BITS], ids=lambda space: space.name)
def test_spaces_with_indices_beyond_64_bits(space: SearchSpace, each_way: str) -> None:
    codes = sample(50, seed=0, space=space)
    assert codes_to_symbols(codes, space).tolist() == codes.tolist()  # one gene in each block
    codes[0], codes[1] = 0, np.array(space.gene_sizes) - 1
    indices = codes_to_indices(codes, space)
    assert indices.dtype == object
    assert {type(index) for index in indices.tolist()} == {int}
    wanted = [index_of(row, space.gene_sizes) for row in codes.tolist()]
    assert indices.tolist() == wanted
    assert wanted[1] == space.size - 1
    for given_as in (indices, wanted, tuple(wanted), indices[::-1][::-1]):
        np.testing.assert_array_equal(indices_to_codes(given_as, space), codes)
    np.testing.assert_array_equal(encode(indices, space), codes)
    assert codes_to_indices(codes[:0], space).dtype == object
    np.testing.assert_array_equal(encode(indices[:0], space), codes[:0])


def test_small_indices_of_a_large_space_may_be_of_any_type() -> None:
    wanted = [2**63 - 1, 0, 5]
    codes = [list(Architecture.from_index(i, space=BEYOND_64_BITS).codes) for i in wanted]
    for dtype in (np.int64, np.uint64, object):
        assert indices_to_codes(np.array(wanted, dtype), BEYOND_64_BITS).tolist() == codes
    beyond = np.array([2**64 - 1, 2**63], dtype=np.uint64)
    assert [
        codes_to_indices(indices_to_codes(beyond, BEYOND_64_BITS), BEYOND_64_BITS).tolist()
    ] == [beyond.tolist()]
    mixed = np.array([np.int32(7), 2**69, np.uint8(3)], dtype=object)
    assert codes_to_indices(encode(mixed, BEYOND_64_BITS), BEYOND_64_BITS).tolist() == [7, 2**69, 3]


@pytest.mark.parametrize("bad", [-1, -(2**70), BEYOND_64_BITS.size, 2**90])
def test_indices_out_of_a_large_space_are_refused(bad: int) -> None:
    for indices in ([0, 2**64, bad, -5], np.array([0, 2**64, bad, -5], dtype=object)):
        with pytest.raises(ArchitectureError) as caught:
            indices_to_codes(indices, BEYOND_64_BITS)
        message = f"row 2: index {bad} is out of range; allowed are 0 to {9**22 - 1}"
        assert message in str(caught.value)


def test_codes_out_of_a_large_space_are_refused() -> None:
    codes = np.zeros((4, 22), np.uint8)
    codes[2, 7] = 9
    with pytest.raises(ArchitectureError, match="row 2, gene 'g7': code 9 is out of range"):
        codes_to_indices(codes, BEYOND_64_BITS)


def test_the_biggest_space_with_indices_of_64_bits(each_way: str) -> None:
    """2**63 members: the last index is the largest int64; with a choice more it takes Python's."""
    space, bigger, twice = (
        SearchSpace("bits", tuple(Block(f"b{i}", (Gene(f"g{i}", tuple(range(n))),)) for i, n in g))
        for g in map(list, map(enumerate, ([2] * 63, [3] + [2] * 62, [2] * 64)))
    )
    bits = np.random.default_rng(3).integers(0, 2, (20, 63), dtype=np.uint8)
    bits[0] = 1
    wanted = [int("".join(map(str, row)), 2) for row in bits.tolist()]
    assert wanted[0] == 2**63 - 1
    assert codes_to_indices(bits, space).dtype == np.int64
    assert codes_to_indices(bits, space).tolist() == wanted
    np.testing.assert_array_equal(indices_to_codes(wanted, space), bits)
    for beyond in (2**63, 2**64):
        with pytest.raises(ArchitectureError, match=f"index {beyond} is out of range"):
            indices_to_codes([beyond], space)
    for larger in (bigger, twice):
        last = indices_to_codes([larger.size - 1], larger)
        assert codes_to_indices(last, larger).tolist() == [larger.size - 1]


@given(members(), st.integers(0, 2**32))
def test_any_space(drawn: tuple[SearchSpace, list[int]], seed: int) -> None:
    space, row = drawn
    codes = np.concatenate([sample(3, seed=seed, space=space), np.array([row], np.uint8)])
    indices = codes_to_indices(codes, space)
    assert indices.tolist() == [index_of(r, space.gene_sizes) for r in codes.tolist()]
    np.testing.assert_array_equal(indices_to_codes(indices, space), codes)
    symbols = codes_to_symbols(codes, space)
    assert symbols.dtype == space.symbol_dtype
    assert [index_of(s, space.block_sizes) for s in symbols.tolist()] == indices.tolist()
    architectures = [Architecture.from_codes(r, space=space) for r in codes]
    np.testing.assert_array_equal(encode(architectures), codes)
    np.testing.assert_array_equal(encode([a.to_values() for a in architectures], space), codes)


def test_without_a_space_none_is_assumed() -> None:
    batches: list[Any] = [
        CODES,
        codes_to_indices(CODES, MNASNET),
        VALUES,
        VALUES[0],
        [],
        [B0, VALUES[0]],
    ]
    calls: list[Callable[[], Any]] = [
        *(partial(encode, batch) for batch in batches),
        lambda: codes_to_symbols(CODES),
        lambda: codes_to_indices(CODES),
        lambda: indices_to_codes([0]),
    ]
    for call in calls:
        with pytest.raises(ArchitectureError, match=r"pass a SearchSpace, .*=surrogate\.space"):
            call()
    with pytest.raises(ArchitectureError, match="encode got space=1; pass a SearchSpace"):
        encode(CODES, 1)  # type: ignore[arg-type]


def test_architectures_bring_their_space() -> None:
    cell = Architecture.from_index(3, space=CELL)
    for batch in (cell, [cell], (cell, cell)):
        assert encode(batch)[0].tolist() == list(cell.codes)
    with pytest.raises(ArchitectureError, match="row 1 is an architecture of search space 'mnasne"):
        encode([cell, B0])


def test_b0_in_all_three_forms() -> None:
    codes = encode(B0, MNASNET)
    assert codes.tolist() == [oracle.B0_CODES]
    assert codes_to_indices(codes, MNASNET).tolist() == [oracle.index(oracle.B0_VALUES)]
    assert codes_to_symbols(codes, MNASNET).tolist() == [oracle.symbols(oracle.B0_VALUES)]


# --- what is accepted --------------------------------------------------------------------------


def _config_space(batch: list[dict[str, Any]], *, strings: bool) -> list[Any]:
    config_space = pytest.importorskip("ConfigSpace")
    space = config_space.ConfigurationSpace()
    for gene in MNASNET.genes:
        choices = [str(c) if strings and gene.kind == "bool" else c for c in gene.choices]
        space.add(config_space.Categorical(gene.name, choices))
    rows = [
        {n: str(v) if strings and isinstance(v, bool) else v for n, v in row.items()}
        for row in batch
    ]
    return [config_space.Configuration(space, values=row) for row in rows]


BATCHES: dict[str, Callable[[], Any]] = {
    "architectures": lambda: [Architecture.from_codes(row, space=MNASNET) for row in CODES],
    "tuple": lambda: tuple(Architecture.from_codes(row, space=MNASNET) for row in CODES),
    "dicts": lambda: VALUES,
    "mixed": lambda: [
        *VALUES[:100],
        *(Architecture.from_codes(row, space=MNASNET) for row in CODES[100:]),
    ],
    "any mapping": lambda: [MappingProxyType(v) for v in VALUES],
    "any order": lambda: [OrderedDict(reversed(v.items())) for v in VALUES],
    "numpy values": lambda: [
        {n: np.bool_(x) if isinstance(x, bool) else np.int16(x) for n, x in v.items()}
        for v in VALUES
    ],
    "string booleans": lambda: [
        {n: str(x) if isinstance(x, bool) else x for n, x in v.items()} for v in VALUES
    ],
    "float values": lambda: [
        {n: x if isinstance(x, bool) else float(x) for n, x in v.items()} for v in VALUES
    ],
    "rows of codes": lambda: CODES.tolist(),
    "tuples of codes": lambda: tuple(map(tuple, CODES.tolist())),
    "rows of codes as floats": lambda: CODES.astype(float).tolist(),
    "rows of NumPy's codes": lambda: [list(row) for row in CODES],
    "arrays of codes": lambda: list(CODES),
    "arrays of floats": lambda: list(CODES.astype(np.float32)),
    "arrays of several types": lambda: [*CODES[:100], *CODES[100:].astype(np.int64)],
    "rows and arrays of codes": lambda: [*CODES[:100], *CODES[100:].tolist()],
    "rows of values": lambda: [list(v.values()) for v in VALUES],
    "tuples of values": lambda: [tuple(v.values()) for v in VALUES],
    "arrays of values": lambda: [np.array([*v.values()], object) for v in VALUES],
    "pandas": lambda: pd.DataFrame(VALUES),
    "polars": lambda: pl.DataFrame(VALUES),
    "pyarrow": lambda: pa.Table.from_pylist(VALUES),
    "pyarrow batch": lambda: pa.RecordBatch.from_pylist(VALUES),
    "uint8": lambda: CODES,
    "int8": lambda: CODES.astype(np.int8),
    "int64": lambda: CODES.astype(np.int64),
    "uint64": lambda: CODES.astype(np.uint64),
    "big endian": lambda: CODES.astype(">i4"),
    "float64": lambda: CODES.astype(np.float64),
    "float16": lambda: CODES.astype(np.float16),
    "fortran order": lambda: np.asfortranarray(CODES),
    "strided": lambda: np.repeat(CODES, 2, axis=1)[:, ::2],
    "matrix": lambda: CODES.view(np.matrix),
    "int64 indices": lambda: codes_to_indices(CODES, MNASNET),
    "uint64 indices": lambda: codes_to_indices(CODES, MNASNET).astype(np.uint64),
    "big endian indices": lambda: codes_to_indices(CODES, MNASNET).astype(">i8"),
    "strided indices": lambda: np.repeat(codes_to_indices(CODES, MNASNET), 2)[::2],
    "ConfigSpace": lambda: _config_space(VALUES, strings=False),
    "ConfigSpace of the reference": lambda: _config_space(VALUES, strings=True),
    "ConfigSpace arrays": lambda: np.array(
        [c.get_array() for c in _config_space(VALUES, strings=True)]
    ),
}


@pytest.mark.parametrize("kind", BATCHES)
def test_every_accepted_kind_of_batch(kind: str, each_way: str) -> None:
    codes = encode(BATCHES[kind](), MNASNET)
    assert type(codes) is np.ndarray
    assert codes.dtype == np.uint8
    assert codes.flags.c_contiguous
    np.testing.assert_array_equal(codes, CODES)


def test_read_only_arrays_are_accepted(each_way: str) -> None:
    codes, indices = CODES.copy(), codes_to_indices(CODES, MNASNET)
    codes.setflags(write=False)
    indices.setflags(write=False)
    assert encode(codes, MNASNET).tolist() == CODES.tolist()
    assert codes_to_symbols(codes, MNASNET).tolist() == codes_to_symbols(CODES, MNASNET).tolist()
    assert indices_to_codes(indices, MNASNET).tolist() == CODES.tolist()


@pytest.mark.parametrize(
    "empty",
    [
        [],
        (),
        np.empty((0, 28), dtype=np.uint8),
        np.empty((0, 28)),
        np.array([], dtype=np.int64),
        np.array([]),
    ],
)
def test_n_may_be_0(empty: Any, each_way: str) -> None:
    codes = encode(empty, MNASNET)
    assert codes.shape == (0, 28)
    assert codes.dtype == np.uint8
    assert codes_to_symbols(codes, MNASNET).shape == (0, 7)
    assert codes_to_indices(codes, MNASNET).shape == (0,)
    assert indices_to_codes(codes_to_indices(codes, MNASNET), MNASNET).shape == (0, 28)
    assert indices_to_codes([], MNASNET).shape == (0, 28)


def test_one_architecture_is_single_and_a_batch_of_one_is_not() -> None:
    for single in (B0, oracle.B0_VALUES):
        assert encode_and_tell(single, MNASNET)[1]
    for batch in ([B0], encode(B0, MNASNET)):
        assert not encode_and_tell(batch, MNASNET)[1]
    assert encode(B0, MNASNET).shape == encode(oracle.B0_VALUES, MNASNET).shape == (1, 28)
    assert encode([B0], MNASNET).flags.writeable
    assert encode(oracle.B0_VALUES, MNASNET).flags.writeable


# --- what is refused, and how ------------------------------------------------------------------


def _matrix(dtype: Any, row: int, column: int, value: Any) -> NDArray[Any]:
    matrix = CODES.astype(dtype)
    matrix[row, column] = value
    return matrix


def _dicts(row: int, **change: Any) -> list[dict[str, Any]]:
    batch = [dict(values) for values in VALUES]
    batch[row].update(change)
    return batch


def _without(row: int, gene: str) -> list[dict[str, Any]]:
    batch = [dict(values) for values in VALUES]
    del batch[row][gene]
    return batch


def _generator() -> Iterator[Architecture]:
    yield B0


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    # Codes
    "code too large": (
        lambda: _matrix(np.uint8, 7, 1, 2),
        "row 7, gene 'block0_k': code 2 is out of range; allowed are 0 to 1, which stand for 3, 5",
    ),
    "code 255": (lambda: _matrix(np.uint8, 0, 27, 255), "row 0, gene 'block6_se': code 255 is out"),
    "code -1": (lambda: _matrix(np.int8, 199, 0, -1), "row 199, gene 'block0_e': code -1 is out"),
    "code 256": (lambda: _matrix(np.int16, 9, 4, 256), "row 9, gene 'block1_e': code 256 is out"),
    "huge code": (
        lambda: _matrix(np.uint64, 9, 4, 2**64 - 1),
        "row 9, gene 'block1_e': code 18446744073709551615 is out of range",
    ),
    "half a code": (
        lambda: _matrix(float, 5, 22, 0.5),
        "row 5, gene 'block5_l': code 0.5 is not an integer; allowed are 0 to 3",
    ),
    "NaN code": (
        lambda: _matrix(float, 5, 22, np.nan),
        "row 5, gene 'block5_l': code nan is not an",
    ),
    "infinite code": (
        lambda: _matrix(np.float32, 5, 22, np.inf),
        "row 5, gene 'block5_l': code inf",
    ),
    "huge float": (lambda: _matrix(float, 5, 22, 1e300), "code 1e+300 is out of range"),
    # Shapes and types of arrays
    "27 columns": (lambda: CODES[:, :27], "codes have the shape [N, 28], not [200, 27]"),
    "0 columns": (lambda: CODES[:, :0], "codes have the shape [N, 28], not [200, 0]"),
    "transposed": (lambda: CODES[:100].T, "codes have the shape [N, 28], not [28, 100]"),
    "3-D": (lambda: CODES[None], "codes have the shape [N, 28], not [1, 200, 28]"),
    "0-D": (lambda: np.array(5.0), "codes have the shape [N, 28], not []"),
    "one row": (lambda: CODES[0], "pass codes[None] if these are codes, indices_to_codes(indices)"),
    "one int64 row": (lambda: CODES[0].astype(int), "looks like one row of codes"),
    "one wrong row": (lambda: np.full(28, 9, np.uint8), "looks like one row of codes"),
    "bool": (lambda: CODES.astype(bool), "an array of bool of shape [200, 28] is not a batch"),
    "object": (lambda: CODES.astype(object), "an array of object of shape [200, 28] is not"),
    "objects": (
        lambda: np.array([B0.codes, None], dtype=object),
        "an array of object of shape [2]",
    ),
    "strings": (lambda: CODES.astype(str), "is not a batch of architectures; accepted are"),
    "complex": (lambda: CODES.astype(complex), "an array of complex128"),
    "dates": (lambda: np.zeros((2, 28), "M8[s]"), "an array of datetime64[s]"),
    "durations": (lambda: np.zeros(3, "m8[s]"), "an array of timedelta64[s]"),
    "structured": (lambda: np.zeros(3, [("a", int)]), "is not a batch of architectures"),
    "masked": (lambda: np.ma.masked_equal(CODES, 1), "a masked array is not a batch"),
    "masked indices": (lambda: np.ma.masked_equal([5, 6], 5), "a masked array is not a batch"),
    # Indices
    "index -1": (
        lambda: np.array([5, -1]),
        "row 1: index -1 is out of range; allowed are 0 to 1044",
    ),
    "index too large": (
        lambda: np.array([5, 6, oracle.SIZE]),
        "row 2: index 104485552128 is out of range; allowed are 0 to 104485552127",
    ),
    "index uint64": (
        lambda: np.array([5, 2**64 - 1], dtype=np.uint64),
        "row 1: index 18446744073709551615 is out of range",
    ),
    "index beyond uint64": (
        lambda: np.array([5, 2**64]),
        "row 1: index 18446744073709551616 is out of range; allowed are 0 to 104485552127",
    ),
    "no integers": (lambda: np.array([5, True], dtype=object), "an array of object of shape [2]"),
    "float indices": (
        lambda: np.array([5.0, 6.0]),
        "indices are an array [N] of integers, not an array of float64 of shape [2]",
    ),
    # Mappings in lists
    "value": (
        lambda: _dicts(17, block0_e=5),
        "row 17, gene 'block0_e': 5 is not allowed; choose from 1, 4, 6",
    ),
    "first of two rows": (
        lambda: [*_dicts(17, block6_se=None), {}],
        "row 17, gene 'block6_se': None",
    ),
    "True for an integer": (
        lambda: _dicts(3, block0_e=True),
        "row 3, gene 'block0_e': True is not",
    ),
    "2 for a boolean": (
        lambda: _dicts(3, block0_se=2),
        "row 3, gene 'block0_se': 2 is not allowed; choose from True, False (or the same as str",
    ),
    "-1 for a boolean": (
        lambda: _dicts(3, block0_se=-1),
        "row 3, gene 'block0_se': -1 is not allowed",
    ),
    "float": (lambda: _dicts(3, block0_k=3.5), "row 3, gene 'block0_k': 3.5 is not allowed"),
    "NaN": (lambda: _dicts(3, block0_k=float("nan")), "row 3, gene 'block0_k': nan is not allowed"),
    "2**64": (lambda: _dicts(3, block0_k=2**64), "gene 'block0_k': 18446744073709551616 is not"),
    "list": (lambda: _dicts(3, block0_k=[3]), "row 3, gene 'block0_k': [3] is not allowed"),
    "array": (
        lambda: _dicts(3, block0_k=np.array([3, 5])),
        "an array of int64 of shape [2] is not",
    ),
    "unknown gene": (lambda: _dicts(42, block7_e=1), "row 42, unknown gene 'block7_e'"),
    "missing gene": (lambda: _without(42, "block3_l"), "row 42, missing gene 'block3_l'"),
    "one mapping": (lambda: {**VALUES[0], "block0_e": 5}, "gene 'block0_e': 5 is not allowed"),
    # Lists of other things
    "list of indices": (
        lambda: [5, -1],
        "row 1: index -1 is out of range; allowed are 0 to 1044",
    ),
    "ragged": (
        lambda: [[0, 1], [0]],
        "row 0 has 2 items; a row of codes of 'mnasnet' has 28, one for each gene",
    ),
    "list of None": (lambda: [B0, None], "row 1: None is not an Architecture or a mapping"),
    "bad value before None": (lambda: [{**B0, "block0_k": 4}, None], "row 0, gene 'block0_k': 4"),
    "other space": (
        lambda: [B0, Architecture.from_index(0, space=CELL)],
        "row 1 is an architecture of search space 'cell', which is not the space asked for",
    ),
    # Other things
    "None": (lambda: None, "None is not a batch of architectures; accepted are an Architecture"),
    "list of codes": (lambda: CODES[0].tolist(), "a list of 28 small integers is one row of codes"),
    "list of a wrong code": (lambda: [9] * 28, "pass [codes] for a batch of this row"),
    "int": (lambda: -5, "index -5 is out of range"),
    "5.0": (lambda: 5.0, "5.0 is not a batch of architectures"),
    "boolean": (lambda: True, "True is not a batch of architectures"),
    "string": (lambda: "efficientnet-b1", "'efficientnet-b1' is no architecture; give efficientn"),
    "strings, of which one is none": (
        lambda: ["0", "efficientnet-b1"],
        "row 1: 'efficientnet-b1' is no architecture; give",
    ),
    "array of strings": (lambda: np.array(["0", "x"]), "row 1: 'x' is no architecture"),
    "lists, one too short": (
        lambda: [[1] * 7, [3] * 7, [1] * 6, [True] * 7],
        "layers takes a list of 7 values, one per block, not [1, 1, 1, 1, 1, 1], which has 6",
    ),
    "values by position": (
        lambda: [*[*B0.values()][:-1], 2],
        "gene 'block6_se': 2 is not allowed",
    ),
    "bytes": (lambda: bytes(28), "is not a batch of architectures"),
    "set": (lambda: {B0}, "is not a batch of architectures"),
    "generator": (_generator, "generator"),
    "lazy table": (lambda: pl.DataFrame(VALUES).lazy(), "call .collect() on the LazyFrame"),
    "table of others": (lambda: pd.DataFrame({"a": [1]}), "no column 'block0_e' (and 27 more)"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.filterwarnings("error")
def test_everything_else_is_refused_by_name(kind: str, each_way: str) -> None:
    make, message = REFUSED[kind]
    batch = make()
    with pytest.raises(ArchitectureError) as caught:
        encode(batch, MNASNET)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("first", [0, 8, 40_000])
def test_the_first_offending_row_is_named_for_any_number_of_threads(
    each_way: str, first: int
) -> None:
    codes = sample(60_000, seed=1, space=MNASNET)
    codes[[59_999, 50_000, first], [0, 1, 2]] = 77
    for function in (encode, check_codes, codes_to_symbols, codes_to_indices):
        for threads in (1, 2, 7):
            with pytest.raises(ArchitectureError, match=f"row {first}, gene 'block0_l': code 77"):
                function(codes, MNASNET, threads=threads)


@pytest.mark.parametrize("row", [0, 29_999, 30_000, 59_999])
def test_a_single_offending_row_is_found_for_any_number_of_threads(each_way: str, row: int) -> None:
    codes = sample(60_000, seed=1, space=MNASNET)
    codes[row, 27] = 2
    for threads in (1, 2):
        with pytest.raises(ArchitectureError, match=f"row {row}, gene 'block6_se': code 2"):
            codes_to_symbols(codes, threads=threads, space=MNASNET)


def test_the_first_offending_gene_of_a_row_is_named(each_way: str) -> None:
    codes = CODES.copy()
    codes[4, [27, 11, 20]] = 9
    with pytest.raises(ArchitectureError, match="row 4, gene 'block2_se': code 9 is"):
        encode(codes, MNASNET)


@given(st.integers(0, 199), st.integers(0, 27), st.integers(-300, 300))
def test_exactly_the_codes_of_the_space_are_accepted(row: int, column: int, value: int) -> None:
    matrix = _matrix(np.int16, row, column, value)
    if value in list(oracle.GENES.values())[column].values():
        assert encode(matrix, MNASNET)[row, column] == value
    else:
        with pytest.raises(ArchitectureError, match=f"row {row}, gene '.*': code {value} is"):
            encode(matrix, MNASNET)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
        ),
        max_leaves=5,
    )
)
def test_no_input_raises_anything_else(anything: Any) -> None:
    for batch in (anything, [anything], {**oracle.B0_VALUES, "block0_e": anything}):
        try:
            codes = encode(batch, MNASNET)
        except ArchitectureError:
            continue
        n = len(anything) if batch is anything and isinstance(anything, list) else 1
        assert codes.shape in {(n, 28), (1, 28)}


def test_check_codes_takes_uint8_only() -> None:
    check_codes(CODES, MNASNET)
    with pytest.raises(ArchitectureError, match="codes are an array of uint8, not int64"):
        check_codes(CODES.astype(np.int64), MNASNET)
    with pytest.raises(ArchitectureError, match="is not a batch"):
        check_codes(CODES.tolist(), MNASNET)


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([0, True], "row 1: an index is an integer, not True"),
        ([0, 1.0], "row 1: an index is an integer, not 1.0"),
        ([0, 2**64], "row 1: index 18446744073709551616 is out of range"),
        ([0, -1], "row 1: index -1 is out of range"),
        ([oracle.SIZE], "row 0: index 104485552128 is out of range; allowed are 0 to 104485552127"),
        (None, "None is not a batch"),
        (5, "5 is not a batch"),
        (np.array([[1]]), "indices are an array"),
        (np.array([True]), "an array of bool"),
    ],
)
def test_wrong_indices_are_refused_by_name(indices: Any, message: str) -> None:
    with pytest.raises(ArchitectureError) as caught:
        indices_to_codes(indices, MNASNET)
    assert message in str(caught.value)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.uint16, np.float32])
def test_the_first_row_is_named_whichever_gene_it_is_of(dtype: type, each_way: str) -> None:
    for first, later in ((2, 9), (9, 2), (0, 27), (27, 0), (5, 5)):
        codes: np.ndarray = np.zeros((60, 28), dtype)
        codes[7, first] = 100
        codes[[8, 20, 59], later] = 101
        name = MNASNET.gene_names[first]
        for call in (encode, codes_to_symbols, codes_to_indices):
            with pytest.raises(ArchitectureError, match=f"row 7, gene '{name}': code 100"):
                call(codes, MNASNET)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.float64])
def test_batches_without_a_code_of_0_and_of_nothing_but_last_codes(
    dtype: type, each_way: str
) -> None:
    for row in ([1] * 28, [size - 1 for size in MNASNET.gene_sizes], [0] * 28):
        codes: np.ndarray = np.array([row] * 3, dtype)
        assert encode(codes, MNASNET).tolist() == [row] * 3
        assert (
            codes_to_indices(codes, MNASNET).tolist() == [int(np.ravel_multi_index(row, SIZES))] * 3
        )


@pytest.mark.parametrize("bad", [-1, MNASNET.size, 2**62, -(2**63)])
def test_the_first_and_the_last_index_are_not_the_ones_named(bad: int) -> None:
    last = MNASNET.size - 1
    assert indices_to_codes(np.array([0, last]), MNASNET)[1].tolist() == [
        s - 1 for s in MNASNET.gene_sizes
    ]
    for indices in ([0, last, 0, bad, -5, 2**62], np.array([0, last, 0, bad, -5, 2**62])):
        with pytest.raises(ArchitectureError, match=f"row 3: index {bad} is out of range; .* 0 to"):
            indices_to_codes(indices, MNASNET)


def test_one_row_of_codes_is_refused_with_the_way_to_pass_it() -> None:
    for call in (encode, check_codes, codes_to_symbols, codes_to_indices):
        for row in (CODES[0], CODES[0].astype(np.int64)):
            with pytest.raises(ArchitectureError, match=r"pass codes\[None\] if these are codes"):
                call(row, MNASNET)
            call(CODES[:1], MNASNET)


@pytest.mark.parametrize("shape", [(2, 28, 1), (3, 28, 28), (28, 28, 28), (2, 27), (2, 29)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_arrays_of_other_shapes_are_refused(shape: tuple[int, ...], dtype: type) -> None:
    codes: np.ndarray = np.zeros(shape, dtype)
    calls: list[Callable[..., object]] = [encode, codes_to_symbols, codes_to_indices]
    for call in [*calls, check_codes] if dtype is np.uint8 else calls:
        with pytest.raises(ArchitectureError, match=r"the shape \[N, 28\], not \["):
            call(codes, MNASNET)


def test_in_a_space_of_one_gene_an_index_is_its_code() -> None:
    space = SearchSpace("one", (Block("b", (Gene("g", tuple(range(7))),)),))
    for dtype in (np.uint8, np.int8, np.int64):
        assert encode(np.array([5], dtype), space).tolist() == [[5]]
        assert encode(np.array([5, 6], dtype), space).tolist() == [[5], [6]]
    with pytest.raises(ArchitectureError, match="index 7 is out of range; allowed are 0 to 6"):
        encode(np.array([7]), space)


def test_28_small_indices_are_still_reachable() -> None:
    indices = np.zeros(28, dtype=np.int64)
    assert (indices_to_codes(indices, MNASNET) == 0).all()
    assert encode(np.arange(28), MNASNET).shape == (28, 28)


@pytest.mark.parametrize("threads", [0, -1, 1.5, None, True])
def test_wrong_thread_counts_are_refused(threads: Any) -> None:
    with pytest.raises(EngineError, match="threads is an integer >= 1"):
        codes_to_symbols(CODES, threads=threads, space=MNASNET)


# --- NumPy and numba ---------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("n", [1, 17, 8_191, 50_000])
def test_numpy_and_numba_agree(n: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = sample(n, seed=n, space=MNASNET)
    results = []
    for way in ("numpy", "numba"):
        use(way, monkeypatch)
        indices = codes_to_indices(codes, threads=threads, space=MNASNET)
        symbols = codes_to_symbols(codes, threads=threads, space=MNASNET)
        results.append(
            (indices, symbols, indices_to_codes(indices, threads=threads, space=MNASNET))
        )
    for first, second in zip(*results, strict=True):
        assert first.dtype == second.dtype
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(results[0][2], codes)


def _python(code: str, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_small_batches_import_no_numba_and_none_is_needed() -> None:
    _python(
        "import sys, numpy as np\n"
        "from anb_onnx.encoding import encoding\nfrom anb_onnx import MNASNET, sample\n"
        "codes = sample(20_000, seed=0, space=MNASNET)\n"
        "symbols = encoding.codes_to_symbols(encoding.encode(codes, MNASNET), MNASNET)\n"
        "assert 'numba' not in sys.modules\n"
        "sys.modules['numba'] = None\n"
        "encoding._WARM_SECONDS = encoding._COLD_SECONDS = 0.0\n"
        "assert (encoding.codes_to_symbols(codes, MNASNET) == symbols).all()\n"
    )


def test_kernels_come_when_numpy_has_lost_as_much_time_as_they_cost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use("numpy", monkeypatch)
    calls: list[int] = []

    def check(codes: NDArray[np.uint8], space: SearchSpace, threads: int) -> int:
        calls.append(len(codes))
        return -1

    kernels = SimpleNamespace(check=check)
    monkeypatch.setattr(encoding, "import_sheltered", lambda name: kernels)
    monkeypatch.setattr(encoding, "_WARM_SECONDS", 3.5e-9 * 10_000)
    monkeypatch.setattr(encoding, "_COLD_SECONDS", 3.5e-9 * 10_000)
    monkeypatch.setattr(encoding, "_SAVED", {"check": 1e-9})
    monkeypatch.setattr(encoding, "_KERNEL_ROWS", 300)
    codes = np.zeros((10_000, 28), np.uint8)
    for n in (10_000, 200, 10_000, 5_000, 10_000):  # 5,000 are too few to be counted
        check_codes(codes[:n], MNASNET)
    assert calls == []
    for n in (10_000, 200, 5_000, 300):
        check_codes(codes[:n], MNASNET)
    assert calls == [10_000, 5_000, 300]
    # Those of another space have to be compiled anew.
    check_codes(np.zeros((10_000, 6), np.uint8), CELL)
    assert calls == [10_000, 5_000, 300]


def test_kernels_that_cannot_be_loaded_are_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    use("numba", monkeypatch)
    tried: list[str] = []

    def fail(name: str) -> None:
        tried.append(name)
        raise ImportError(name)

    monkeypatch.setattr(encoding, "import_sheltered", fail)
    for _ in range(3):
        check_codes(CODES, MNASNET)
    assert len(tried) == 1


def test_kernels_survive_a_shared_cache_and_the_lack_of_one(tmp_path: Path) -> None:
    code = (
        "import sys, numba\n"
        "from numba.core.caching import CacheImpl\n"
        "from anb_onnx.encoding import encoding\nfrom anb_onnx import MNASNET, sample\n"
        "if len(sys.argv) > 1 or {lock}: CacheImpl._locator_classes = []\n"
        "encoding._WARM_SECONDS = 0.0; encoding._KERNEL_ROWS = 0\n"
        "print(encoding.codes_to_symbols(sample(10, seed=0, space=MNASNET), MNASNET).tolist())\n"
    )
    command = [sys.executable, "-c", code.format(lock=False)]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    together = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate()[0] for process in together]
    assert [process.returncode for process in together] == [0, 0]
    assert list(tmp_path.rglob("*kernel_*.nbc"))
    outputs.append(_python(code.format(lock=False), NUMBA_CACHE_DIR=str(tmp_path)))
    outputs.append(_python(code.format(lock=True)))
    expected = str(codes_to_symbols(sample(10, seed=0, space=MNASNET), MNASNET).tolist())
    assert [output.strip() for output in outputs] == [expected] * 4
