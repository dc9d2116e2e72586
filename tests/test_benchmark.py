"""Several targets asked at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import anb_onnx
from anb_onnx.encoding.encoding import encode_and_tell
from anb_onnx.errors import ArchitectureError, TargetError

NAMES = ["accuracy", "throughput_tpuv2"]


@pytest.fixture(scope="module")
def benchmark_() -> anb_onnx.Benchmark:
    return anb_onnx.Benchmark(NAMES)


def batches() -> list[object]:
    codes = anb_onnx.sample(50, seed=3, space=anb_onnx.MNASNET)
    architectures = [anb_onnx.Architecture.from_codes(row, space=anb_onnx.MNASNET) for row in codes]
    return [
        codes,
        anb_onnx.codes_to_indices(codes, anb_onnx.MNASNET),
        architectures,
        [dict(a) for a in architectures],
    ]


@pytest.mark.parametrize("batch", batches(), ids=["codes", "indices", "architectures", "dicts"])
def test_it_answers_as_each_surrogate_does(
    benchmark_: anb_onnx.Benchmark, batch: np.ndarray
) -> None:
    found = benchmark_.query(batch, members=True)
    assert list(found) == NAMES
    for name in NAMES:
        alone = anb_onnx.load(name).query(batch, members=True)
        for key in ("mean", "std", "members"):
            np.testing.assert_array_equal(getattr(found[name], key), getattr(alone, key))
        assert found[name].target == name


def test_one_architecture_gives_scalars(benchmark_: anb_onnx.Benchmark) -> None:
    found = benchmark_.query(anb_onnx.efficientnet_b0(), members=True)
    for name in NAMES:
        assert isinstance(found[name].mean, np.float32)
        members = found[name].members
        assert members is not None
        assert members.ndim == 1


def test_objects_are_encoded_once(
    benchmark_: anb_onnx.Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def counted(*arguments: Any) -> Any:
        calls.append(1)
        return encode_and_tell(*arguments)

    monkeypatch.setattr("anb_onnx.benchmark.encode_and_tell", counted)
    monkeypatch.setattr("anb_onnx.surrogate.encode_and_tell", None)
    benchmark_.query([anb_onnx.efficientnet_b0()] * 3)
    assert len(calls) == 1


def test_without_names_it_has_all_bundled_targets() -> None:
    with anb_onnx.Benchmark() as everything:
        assert list(everything) == [t.name for t in anb_onnx.targets()]
        assert everything["accuracy"].target.unit == "%"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["accuracy", "speed"], "unknown target 'speed'"),
        (["accuracy", "accuracy"], "given twice"),
        ([], "at least one target"),
        ("accuracy", r"list of names, as in \['accuracy'\]"),
    ],
)
def test_wrong_names_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(TargetError, match=message):
        anb_onnx.Benchmark(names)


def test_a_target_it_does_not_have_is_a_key_error(benchmark_: anb_onnx.Benchmark) -> None:
    with pytest.raises(KeyError, match="no target 'macs' in this benchmark"):
        benchmark_["macs"]
    assert "macs" not in benchmark_


def test_bad_architectures_are_refused(benchmark_: anb_onnx.Benchmark) -> None:
    codes = anb_onnx.sample(5, seed=0, space=anb_onnx.MNASNET)
    codes[3, 2] = 7
    with pytest.raises(ArchitectureError, match="row 3"):
        benchmark_.query(codes)
