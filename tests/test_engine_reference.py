"""The NumPy engine against plain Python: batches that end anywhere, indices, outputs, errors."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.engines.base import Outputs
from anb_onnx.engines.numpy_engine import ReferenceEngine
from anb_onnx.errors import ArchitectureError, EngineError
from anb_onnx.links import Link
from anb_onnx.spaces.space import Block, Gene, SearchSpace
from anb_onnx.tables import TableEnsemble

SPACE = SearchSpace(
    "small",
    (
        Block("a", (Gene("a0", (1, 2)), Gene("a1", (1, 2)))),
        Block("b", (Gene("b0", ("x", "y", "z")),)),
        Block("c", (Gene("c0", (False, True)),)),
    ),
)  # sizes 4, 3, 2; pairs (0, 1), (0, 2), (1, 2); 24 members
ENTRIES = np.random.default_rng(5).integers(-(2**24), 2**24, (26, 3), dtype=np.int32)
SCALE, SHIFT = 0.01 * 2.0**-24, 0.1
#: More than two of the engine's parts, and not a whole number of them.
N = 10_007


@pytest.fixture
def engine() -> ReferenceEngine:
    return ReferenceEngine(TableEnsemble(SPACE, ENTRIES, SCALE, SHIFT, Link("-1", 80.0)))


def expected(codes: tuple[int, int, int, int]) -> tuple[np.float32, np.float32, list[np.float32]]:
    """Mean, std and members of one architecture, one rounding at a time."""
    a0, a1, b, c = codes
    a = 2 * a0 + a1
    y = []
    for member in range(3):
        places = (3 * a + b, 12 + 2 * a + c, 20 + 2 * b + c)
        total = sum(int(ENTRIES[place, member]) for place in places)
        u = float(total) * SCALE
        y.append(80.0 - 1.0 / (u + SHIFT))
    mean = (y[0] + y[1] + y[2]) / 3.0
    squares = 0.0
    for value in y:
        squares = squares + (value - mean) * (value - mean)
    return np.float32(mean), np.float32(math.sqrt(squares / 3.0)), [np.float32(v) for v in y]


EXPECTED = {
    (a0, a1, b, c): expected((a0, a1, b, c))
    for a0 in range(2)
    for a1 in range(2)
    for b in range(3)
    for c in range(2)
}


def make_codes(n: int) -> np.ndarray:
    rng = np.random.default_rng(n)
    return np.stack([rng.integers(0, size, n) for size in (2, 2, 3, 2)], axis=1).astype(np.uint8)


def check(out: Outputs, codes: np.ndarray, *, members: bool) -> None:
    wanted = [EXPECTED[tuple(row)] for row in codes.tolist()]
    assert out.mean.tolist() == [mean for mean, _, _ in wanted]
    assert out.std.tolist() == [std for _, std, _ in wanted]
    assert (out.members is not None) == members
    if out.members is not None:
        assert out.members.tolist() == [values for _, _, values in wanted]


def test_it_says_what_it_is(engine: ReferenceEngine) -> None:
    assert (engine.name, engine.n_genes, engine.n_members, engine.threads) == ("numpy", 4, 3, 1)
    assert engine.checks_bounds


@pytest.mark.parametrize("members", [False, True])
@pytest.mark.parametrize("n", [0, 1, 4095, 4096, 4097, 8192, N])
def test_batches_that_end_anywhere(engine: ReferenceEngine, n: int, members: bool) -> None:
    codes = make_codes(n)
    check(engine.predict(codes, members=members), codes, members=members)
    indices = codes_to_indices(codes, SPACE)
    check(engine.predict_indices(indices, members=members), codes, members=members)


def test_members_only_where_asked_for_by_name(engine: ReferenceEngine) -> None:
    codes = make_codes(3)
    check(engine.predict(codes=codes), codes, members=False)
    check(engine.predict_indices(indices=codes_to_indices(codes, SPACE)), codes, members=False)
    calls: list[Callable[..., object]] = [engine.predict, engine.predict_indices]
    for call in calls:
        with pytest.raises(TypeError, match="positional argument"):
            call(codes, True)


@pytest.mark.parametrize("members", [False, True])
def test_outputs_are_filled_where_they_are(engine: ReferenceEngine, members: bool) -> None:
    codes = make_codes(N)
    out = Outputs.empty(N, 3, members=members)
    assert engine.predict(codes, out=out) is out
    check(out, codes, members=members)
    arrays = tuple(Outputs.empty(N, 3, members=members))
    found = engine.predict(codes, out=arrays)  # type: ignore[arg-type]
    assert type(found) is Outputs
    assert all(one is other for one, other in zip(found, arrays, strict=True))
    check(found, codes, members=members)
    again = Outputs.empty(N, 3, members=members)
    assert engine.predict_indices(codes_to_indices(codes, SPACE), out=again) is again
    check(again, codes, members=members)


def test_outputs_that_do_not_fit_are_refused(engine: ReferenceEngine) -> None:
    for out in (Outputs.empty(9, 3, members=True), Outputs.empty(10, 2, members=True)):
        with pytest.raises(EngineError, match="must be a writeable, C-contiguous float32 array"):
            engine.predict(make_codes(10), out=out)


@pytest.mark.parametrize("row", [0, 4095, 4096, 9000])
def test_the_first_bad_row_is_named(engine: ReferenceEngine, row: int) -> None:
    codes = make_codes(N)
    codes[row, 2] = 3
    codes[N - 1, 0] = 200
    with pytest.raises(ArchitectureError, match=f"row {row}, gene 'b0': code 3 is out of range"):
        engine.predict(codes)
    indices = codes_to_indices(make_codes(N), SPACE)
    indices[row] = 24
    with pytest.raises(ArchitectureError, match=f"row {row}: index 24 is out of range"):
        engine.predict_indices(indices)


def test_what_is_no_array_of_codes_is_refused(engine: ReferenceEngine) -> None:
    for codes in ([[0, 0, 0, 0]], make_codes(3)[:, :3], make_codes(3).astype(np.int64)):
        with pytest.raises(ArchitectureError, match=r"codes must be a uint8 array \[N, 4\]"):
            engine.predict(codes)  # type: ignore[arg-type]
    for indices in ([0, 1], np.ma.masked_array([0, 1], [True, False])):
        with pytest.raises(ArchitectureError, match=r"indices must be an int64 array \[N\]"):
            engine.predict_indices(indices)  # type: ignore[arg-type]


def test_a_closed_engine_says_so_until_the_end(engine: ReferenceEngine) -> None:
    engine.predict(make_codes(3))
    for _ in range(2):
        engine.close()
        with pytest.raises(EngineError, match="closed"):
            engine.predict(make_codes(3))
        with pytest.raises(EngineError, match="closed"):
            engine.predict_indices(np.array([0, 23]))
