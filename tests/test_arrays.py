"""Whatever arrays come in, and into: every engine treats them alike, and none writes elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import anb_onnx
from anb_onnx.engines.base import Outputs

ENGINES = ("native", "onnxruntime", "numpy", "auto")
#: Rows of one part, and of several.
SIZES = (5, 100_000)


@pytest.fixture(scope="module", params=ENGINES)
def surrogate(request: pytest.FixtureRequest) -> Iterator[anb_onnx.Surrogate]:
    with anb_onnx.load("accuracy", engine=request.param, threads=2) as opened:
        yield opened


class Liar(np.ndarray[Any, Any]):
    """Has more rows than there are, and other ones."""

    claimed: tuple[int, ...] = (10**7, 28)

    def __getattribute__(self, name: str) -> Any:
        return type(self).claimed if name == "shape" else super().__getattribute__(name)

    def __len__(self) -> int:
        return self.claimed[0]

    def __getitem__(self, key: object) -> Any:
        return np.zeros((3, 28), np.uint8)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", [np.matrix, np.memmap, Liar])
def test_a_subclass_counts_as_the_array_that_it_is(
    surrogate: anb_onnx.Surrogate, kind: type[Any], n: int
) -> None:
    codes = anb_onnx.sample(n, seed=0, space=anb_onnx.MNASNET)
    expected = surrogate.query_codes(codes, members=True)
    found = surrogate.query_codes(codes.view(kind), members=True)
    out = Outputs.empty(n, 8, members=True)
    surrogate.bind(codes.view(kind), out)()
    for result in (found, out):
        for a, b in zip(result, expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_an_output_is_as_long_as_its_memory(surrogate: anb_onnx.Surrogate) -> None:
    class Long(Liar):
        claimed = (1000,)

    codes, short = (
        anb_onnx.sample(1000, seed=0, space=anb_onnx.MNASNET),
        np.zeros(3, np.float32).view(Long),
    )
    out = Outputs(short, np.zeros(1000, np.float32), None)
    for use in (lambda: surrogate.query_codes(codes, out=out), lambda: surrogate.bind(codes, out)):
        with pytest.raises(anb_onnx.EngineError, match=r"mean must be .* \[1000\], found .*\[3\]"):
            use()


def test_outputs_that_an_iterator_gives_live_as_long_as_they_are_written(
    surrogate: anb_onnx.Surrogate,
) -> None:
    codes = anb_onnx.sample(100, seed=0, space=anb_onnx.MNASNET)
    expected = surrogate.query_codes(codes)
    for _ in range(50):
        arrays = (np.zeros(100, np.float32) if i < 2 else None for i in range(3))
        found = surrogate.query_codes(codes, out=arrays)  # type: ignore[arg-type]
        np.testing.assert_array_equal(found.mean, expected.mean)
        np.testing.assert_array_equal(found.std, expected.std)


def test_a_list_of_outputs_that_changes_takes_no_memory_from_a_bound_function() -> None:
    code = """
    import gc
    import numpy as np
    import anb_onnx

    codes = anb_onnx.sample(20_000, seed=0, space=anb_onnx.MNASNET)
    surrogate = anb_onnx.load("accuracy", engine="native", threads=1)
    for _ in range(20):
        out = [np.zeros(20_000, np.float32), np.zeros(20_000, np.float32), None]
        run = surrogate.bind(codes, out)
        out.clear()
        gc.collect()
        others = [np.zeros(20_000, np.float32) for _ in range(4)]
        run()
        assert not any(other.any() for other in others), "other objects' memory was overwritten"
    """
    command = [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(code)]
    # With guard bytes around what is freed.
    environment = {**os.environ, "MALLOC_PERTURB_": "165"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    assert done.returncode == 0, f"{done.returncode}\n{done.stderr}"


def _inside(buffer: Any, start: int, n: int, *shape: int) -> Any:
    size = 4 * n * (shape[0] if shape else 1)
    return buffer[start : start + size].view(np.float32).reshape(n, *shape)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(
    ("part", "make"),
    [
        ("mean", lambda b, n: Outputs(_inside(b, 0, n), np.zeros(n, np.float32), None)),
        ("std", lambda b, n: Outputs(np.zeros(n, np.float32), _inside(b, 24 * n, n), None)),
        (
            "members",
            lambda b, n: Outputs(
                np.zeros(n, np.float32), np.zeros(n, np.float32), _inside(b, 4 * n, n, 8)
            ),
        ),
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
def test_outputs_that_are_written_into_the_codes_are_refused(
    surrogate: anb_onnx.Surrogate,
    part: str,
    make: Callable[[Any, int], Outputs],
    n: int,
    backwards: bool,
) -> None:
    """Rows that are read after others have been written would be other architectures."""
    buffer = np.zeros(40 * n, np.uint8)
    codes = buffer[: 28 * n].reshape(n, 28)
    codes[...] = anb_onnx.sample(n, seed=0, space=anb_onnx.MNASNET)
    before = buffer.copy()
    with pytest.raises(anb_onnx.EngineError, match=rf"{part}.*share memory|share.*{part}"):
        surrogate.query_codes(codes[::-1] if backwards else codes, out=make(buffer, n))
    np.testing.assert_array_equal(buffer, before)


def test_outputs_may_lie_beside_the_codes(surrogate: anb_onnx.Surrogate) -> None:
    buffer = np.zeros(36 * 100, np.uint8)
    codes = buffer[400:3200].reshape(100, 28)
    codes[...] = anb_onnx.sample(100, seed=0, space=anb_onnx.MNASNET)
    out = Outputs(_inside(buffer, 0, 100), _inside(buffer, 3200, 100), None)
    expected = surrogate.query_codes(codes.copy())
    surrogate.query_codes(codes, out=out)
    np.testing.assert_array_equal(out.mean, expected.mean)
    np.testing.assert_array_equal(out.std, expected.std)
