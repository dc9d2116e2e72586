"""Numbers as text, many at once: against Python's own way, one by one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from anb_onnx._io.cells import Cells, cells_of, join_cells, justified
from anb_onnx._io.decimals import float32_cells, integer_cells
from anb_onnx.encoding import float_text
from anb_onnx.encoding.float_text import float_cells

EDGES = [0.0, 1.0, 66.0, 66.5, 1e-4, 9.9999e-5, 1.5e-5, 1e16, 9.9999998e15, 1e-30, 3.4e38, 1e-45]
EDGES += [123456789.0, 16777216.0, 0.1, 9.5, 95e-5, 1e8, 99999.99, 999999.94, 9999999.0, 2.0**-14]


def texts_of(
    values: NDArray[np.float32], cells: Callable[[NDArray[np.float32]], Cells] = float32_cells
) -> list[str]:
    return join_cells([cells(values), b"\n"], len(values)).decode().split("\n")[:-1]


def floats(kind: str) -> NDArray[np.float32]:
    rng = np.random.default_rng(7)
    if kind == "edges":
        edges = np.array(EDGES, np.float32)
        near = [np.nextafter(edges, np.float32(end)) for end in (0, 1e38)]
        return np.concatenate([edges, *near])
    if kind == "bits":  # of every exponent
        found = rng.integers(0, 2**32, 20_000, dtype=np.uint32).view(np.float32)
        return found[np.isfinite(found)]
    if kind == "powers of two":
        return np.ldexp(np.float32(1), np.arange(-149, 128)).astype(np.float32)
    if kind == "few digits":
        digits, powers = rng.integers(1, 10**7, 20_000), rng.integers(-12, 6, 20_000)
        return np.array([float(f"{d}e{p}") for d, p in zip(digits, powers, strict=True)], "f4")
    if kind == "halves":
        return (rng.integers(0, 2**22, 20_000) / 8 + 0.0625).astype(np.float32)
    return rng.normal(66, 3, 20_000).astype(np.float32)


@pytest.mark.parametrize(
    "kind", ["edges", "bits", "powers of two", "few digits", "halves", "predictions"]
)
def test_floats_are_the_shortest_decimals_that_read_back(kind: str) -> None:
    values = floats(kind)
    values = np.concatenate([values, -values])
    found = texts_of(values)
    assert found == [repr(float(str(value))) for value in values]
    np.testing.assert_array_equal(np.array(found, np.float32), values)


def test_compiled_numbers_are_the_same_text(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ["edges", "bits", "powers of two", "few digits", "halves", "predictions"]
    values = np.concatenate([floats(kind) for kind in kinds])
    values = np.concatenate([values, -values])
    expected = [repr(float(str(value))) for value in values]
    asked = []

    def compiled(name: str) -> Any:
        asked.append(name)
        return importlib.import_module(name)

    monkeypatch.setattr(float_text, "import_sheltered", compiled)
    monkeypatch.setattr(float_text, "_lost", {"cells": 0.0})
    assert texts_of(values, float_cells) == expected
    assert not asked  # not worth it yet
    monkeypatch.setattr(float_text, "_lost", {"cells": 1.0})
    assert texts_of(values, float_cells) == expected
    # A part of a matrix, and nothing at all.
    assert texts_of(np.stack([values, values])[:, ::3][1], float_cells) == expected[::3]
    assert texts_of(values[:0], float_cells) == []
    assert len(asked) == 3


def test_numbers_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(float_text, "_lost", {"cells": 1.0})
    monkeypatch.setitem(sys.modules, "anb_onnx.encoding.decimal_kernel", None)
    values = floats("few digits")
    assert texts_of(values, float_cells) == [repr(float(str(value))) for value in values]


def test_integers_of_any_length() -> None:
    values = np.array([0, 9, 10, 99, 100, 10**18 - 1, 10**18, 2**63 - 1], np.int64)
    big = np.array([0, 10**40, 7], object)
    for column in (values, big, values[:0], np.arange(12, dtype=np.uint8)):
        text = join_cells([integer_cells(column), b";"], len(column))
        assert text.decode() == "".join(f"{value};" for value in column.tolist())


def test_texts_stand_beside_each_other() -> None:
    cells = cells_of(["a", "", "äö", "long"])
    left, right = justified(cells, 3), justified(cells, 3, right=True)
    text = join_cells([b"<", cells, b"|", *left, b"|", *right, b">"], 4).decode()
    # Widths are of bytes; what is longer stands out.
    assert text == "<a|a  |  a><|   |   ><äö|äö|äö><long|long|long>"
    assert join_cells([cells_of([]), b"x"], 0) == b""
