"""The automatic engine: which engine it takes, and that nobody can tell by the bits."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import anb_onnx
from anb_onnx.engines import auto
from anb_onnx.errors import ArchitectureError, EngineError


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


#: Rows of one query for which starting the native engine pays, and for which it does not yet.
BIG, NOT_BIG = 1_000_000, 200_000

LOADED = "print([m for m in ('numba', 'llvmlite', 'onnxruntime') if m in sys.modules])"


def test_a_small_query_loads_no_compiler_and_no_runtime() -> None:
    code = (
        "import sys, anb_onnx\n"
        "s = anb_onnx.load('accuracy')\n"
        "s.query(anb_onnx.efficientnet_b0())\n"
        "s.query(anb_onnx.sample(1000, seed=0, space=s.space))\n"
        f"print(s.engine)\n{LOADED}"
    )
    assert run(code) == "numpy\n[]"


@pytest.mark.parametrize(("n", "wanted"), [(NOT_BIG, "numpy\n[]"), (BIG, "native\n['llvmlite']")])
def test_a_big_batch_gets_the_native_engine_without_numba(n: int, wanted: str) -> None:
    code = (
        "import sys, anb_onnx\n"
        "s = anb_onnx.load('accuracy')\n"
        f"s.query(anb_onnx.sample({n}, seed=0, space=anb_onnx.MNASNET))\n"
        f"print(s.engine)\n{LOADED}"
    )
    assert run(code) == wanted


def test_a_loop_of_small_queries_gets_the_native_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto._Spent, "lookups", 0)
    codes = anb_onnx.sample(100, seed=0, space=anb_onnx.MNASNET)
    with anb_onnx.load("accuracy") as surrogate:
        first = surrogate.query_codes(codes, members=True)
        assert surrogate.engine == "numpy"
        for _ in range(2_000):
            surrogate.query_codes(codes)
            if surrogate.engine == "native":
                break
        assert surrogate.engine == "native"
        again = surrogate.query_codes(codes, members=True)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("blocked", ["llvmlite", "numba"])
def test_it_works_without_the_compiler(blocked: str) -> None:
    code = (
        f"import sys; sys.modules[{blocked!r}] = None\n"
        "import numpy as np, anb_onnx\n"
        f"codes = anb_onnx.sample({BIG}, seed=0, space=anb_onnx.MNASNET)\n"
        "s = anb_onnx.load('accuracy'); found = s.query(codes)\n"
        "wanted = anb_onnx.load('accuracy', engine='numpy').query(codes)\n"
        "assert np.array_equal(found.mean, wanted.mean) and np.array_equal(found.std, wanted.std)\n"
        "print(s.engine)"
    )
    assert run(code) == ("onnxruntime" if blocked == "llvmlite" else "native")


def test_native_asked_for_by_name_says_what_is_missing() -> None:
    code = (
        "import sys; sys.modules['llvmlite'] = None\n"
        "import anb_onnx\n"
        "try:\n    anb_onnx.load('accuracy', engine='native')\n"
        "except anb_onnx.EngineError as error:\n    print(error)"
    )
    assert "pip install llvmlite" in run(code)


@pytest.mark.parametrize("engine", ["auto", "native", "onnxruntime", "numpy"])
@pytest.mark.parametrize("n", [1, BIG])
def test_codes_out_of_range_are_refused_by_every_engine(engine: str, n: int) -> None:
    codes = anb_onnx.sample(n, seed=1, space=anb_onnx.MNASNET)
    codes[n // 2, 5] = 2  # block1_k has two choices
    with anb_onnx.load("accuracy", engine=engine) as surrogate:
        for query in (surrogate.query, surrogate.query_codes):
            with pytest.raises(ArchitectureError, match=f"row {n // 2}.*block1_k"):
                query(codes)


@pytest.mark.parametrize("engine", ["auto", "native", "onnxruntime", "numpy"])
@pytest.mark.parametrize("bad", [[[0] * 28], None, "efficientnet-b0"])
def test_query_codes_refuses_what_is_no_array(engine: str, bad: object) -> None:
    with (
        anb_onnx.load("accuracy", engine=engine) as surrogate,
        pytest.raises(anb_onnx.AnbError, match=r"uint8|codes"),
    ):
        surrogate.query_codes(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", ["auto", "native", "onnxruntime", "numpy"])
def test_out_is_filled_in_place(engine: str) -> None:
    codes = anb_onnx.sample(500, seed=2, space=anb_onnx.MNASNET)
    with anb_onnx.load("accuracy", engine=engine) as surrogate:
        wanted = surrogate.query_codes(codes, members=True)
        out = anb_onnx.Outputs.empty(500, surrogate.n_members, members=True)
        found = surrogate.query_codes(codes, out=out)
        assert found.mean is out.mean
        for a, b in zip(out, wanted, strict=True):
            np.testing.assert_array_equal(a, b)


def test_bind_follows_the_codes() -> None:
    codes = anb_onnx.sample(4, seed=3, space=anb_onnx.MNASNET)
    out = anb_onnx.Outputs.empty(4, 8, members=False)
    with anb_onnx.load("accuracy") as surrogate:
        predict = surrogate.bind(codes, out)
        for seed in (4, 5):
            codes[...] = anb_onnx.sample(4, seed=seed, space=anb_onnx.MNASNET)
            predict()
            np.testing.assert_array_equal(out.mean, surrogate.query(codes).mean)
        codes[2, 0] = 9
        with pytest.raises(ArchitectureError, match="row 2"):
            predict()


def test_a_closed_surrogate_says_so() -> None:
    surrogate = anb_onnx.load("accuracy")
    surrogate.close()
    with pytest.raises(EngineError, match="closed"):
        surrogate.query(anb_onnx.efficientnet_b0())


def test_unsuited_batches_are_still_refused() -> None:
    with anb_onnx.load("accuracy", engine="native") as surrogate:
        for bad in (np.zeros((3, 27), np.uint8), np.zeros((2, 28), bool), np.ma.zeros((2, 28))):
            with pytest.raises(ArchitectureError):
                surrogate.query(bad)
        with pytest.raises(ArchitectureError, match="-1"):
            surrogate.query(np.full(70_000, -1))
