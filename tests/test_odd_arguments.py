"""Odd arguments end in an error of this package's, whatever they are and however they print."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import anb_onnx
from anb_onnx import Architecture, SearchSpace


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError


class Steering:
    def __repr__(self) -> str:
        return "\x1b[31mred"


ODD: dict[str, Any] = {
    "a negative integer of 5,000 digits": -(10**5000),
    "no repr": Unprintable(),
    "a repr that steers terminals": Steering(),
    "a long text": "y" * 10**5,
    "names in an array": np.array(["a", "b"]),
    "a structure": np.void(b"abc"),
    "a list": [[]],
    "a dictionary": {"a": 1},
    "an integer": 7,
}

CALLS: dict[str, Callable[[Any], object]] = {
    "target": anb_onnx.load,
    "device": lambda value: anb_onnx.load("throughput", device=value),
    "engine": lambda value: anb_onnx.load("accuracy", engine=value),
    "targets": anb_onnx.Benchmark,
    "one of the targets": lambda value: anb_onnx.Benchmark([value]),
    "name in a benchmark": lambda value: anb_onnx.Benchmark(["params"], engine="numpy")[value],
    "level": lambda value: (
        anb_onnx.load("accuracy", engine="numpy").query(anb_onnx.efficientnet_b0()).interval(value)
    ),
    "where to start": anb_onnx.mutate,
    "whose neighbours": anb_onnx.neighbours,
    "space": SearchSpace.from_dict,
    "values": lambda value: Architecture(value, space=anb_onnx.MNASNET),
    "space to sample": lambda value: anb_onnx.sample(1, space=value),
    "space of codes": lambda value: anb_onnx.encode(np.zeros((1, 28), np.uint8), value),
}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_odd_arguments_are_refused_in_a_short_text(
    call: Callable[[Any], object], value: Any
) -> None:
    with pytest.raises(anb_onnx.AnbError) as caught:
        call(value)
    message = str(caught.value)
    assert len(message) < 1000
    assert message.isprintable()


@pytest.mark.parametrize("name", [name for name in ODD if name != "an integer"])
@pytest.mark.parametrize("engine", ["native", "auto", "onnxruntime"])
def test_odd_numbers_of_threads_are_refused(engine: str, name: str) -> None:
    with pytest.raises(anb_onnx.EngineError, match="threads must be") as caught:
        anb_onnx.load("params", engine=engine, threads=ODD[name])
    assert len(str(caught.value)) < 1000
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("engine", ["native", "auto", "onnxruntime", "numpy"])
def test_a_benchmark_is_pickled_as_its_surrogates_are(engine: str) -> None:
    codes = anb_onnx.sample(10, seed=0, space=anb_onnx.MNASNET)
    with anb_onnx.Benchmark(["params", "accuracy"], engine=engine) as benchmark:
        again = pickle.loads(pickle.dumps(benchmark))
        assert list(again) == ["params", "accuracy"]
        for name, found in again.query(codes).items():
            np.testing.assert_array_equal(found.mean, benchmark.query(codes)[name].mean)
        again.close()


def test_a_compiler_that_cannot_be_loaded_is_one_that_is_not_there() -> None:
    code = """
    import sys

    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in ("llvmlite", "numba"):
                raise OSError("Could not find/load shared object file")

    sys.meta_path.insert(0, Broken())
    import anb_onnx
    from anb_onnx.encoding import encoding

    codes = anb_onnx.sample(1_000_000, seed=0, space=anb_onnx.MNASNET)
    encoding._COLD_SECONDS = 0.0
    assert len(anb_onnx.encode(codes, anb_onnx.MNASNET)) == len(codes)
    try:
        anb_onnx.load("params", engine="native")
    except anb_onnx.EngineError as error:
        print(error)
    surrogate = anb_onnx.load("params")
    surrogate.query(codes)
    print(surrogate.engine)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    error, engine = done.stdout.splitlines()
    assert "llvmlite" in error
    assert "shared object" in error
    assert engine == "onnxruntime"
