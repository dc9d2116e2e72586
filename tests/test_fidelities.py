"""What `query` takes as fidelity: what is allowed, what is refused, and what it changes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from test_in_memory import phone
from vector_cases import curves, metrics, noisy, surrogate_of

import anb_onnx
from anb_onnx import MNASNET, NASBENCH201, Fidelity
from anb_onnx.errors import AnbError, FidelityError
from anb_onnx.prediction import Prediction
from anb_onnx.vector_answers import Curve, VectorPrediction

CODES = anb_onnx.sample(12, seed=3, space=NASBENCH201)


def refusal(surrogate: Any, fidelity: Any, architectures: Any = CODES) -> str:
    with pytest.raises(FidelityError) as caught:
        surrogate.query(architectures, fidelity=fidelity)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 400
    return message


def test_what_artifacts_take() -> None:
    with noisy(curves()) as surrogate:
        assert list(surrogate.fidelities) == ["epoch", "seeds"]
        epoch, seeds = surrogate.fidelities.values()
        assert epoch == Fidelity("epoch", "epochs", 1.0, 27.0, values=(1.0, 3.0, 9.0, 27.0))
        assert seeds.allowed == "a whole number of runs, 1 or more"
        with pytest.raises(TypeError):
            surrogate.fidelities["more"] = epoch  # type: ignore[index]
    with surrogate_of(metrics()) as surrogate:
        assert dict(surrogate.fidelities) == {}
    with phone() as scalar:
        assert (dict(scalar.fidelities), dict(scalar.outputs)) == ({}, {})


def test_what_comes_back() -> None:
    with noisy(curves()) as surrogate:
        given: Any
        for given in (None, {}, {"seeds": 3}, {"seeds": 3, "epoch": 27}):
            assert type(surrogate.query(CODES, fidelity=given)) is Curve
        for given in (3, 27, 4.5, {"epoch": 3}, np.float32(3), np.array(3), np.full(12, 3)):
            found = surrogate.query(CODES, fidelity=given)
            assert type(found) is Prediction
            assert found.target == "val_accuracy"
        assert surrogate.query(CODES, members=True, fidelity=3).members.shape == (12, 2)  # type: ignore[union-attr]
        assert surrogate.query(7, members=True, fidelity=3).members.shape == (2,)  # type: ignore[union-attr]
    with noisy(metrics()) as surrogate:
        assert (
            type(surrogate.query(CODES, fidelity=3)) is VectorPrediction
        )  # of seeds, the only one


@pytest.mark.parametrize(
    "given", [list(range(1, 13)), tuple(range(1, 13)), np.arange(1, 13, dtype=np.uint8)]
)
def test_one_for_each(given: Any) -> None:
    with surrogate_of(curves()) as surrogate:
        found = surrogate.query(CODES, fidelity=given).mean
        curve = surrogate.query(CODES)
        assert isinstance(curve, Curve)
        assert found.tolist() == curve.at(given).mean.tolist()
        assert found.tolist() == [curve.at(t).mean[i] for i, t in enumerate(range(1, 13))]
        # Arrays that are none of NumPy's, too.
        pandas = pytest.importorskip("pandas")
        assert curve.at(pandas.Series(given)).mean.tolist() == found.tolist()


@pytest.mark.parametrize(
    "value",
    [
        *(0.999, 27.001, -1, 0, math.nan, math.inf, -math.inf, 10**400, 2**63, -(2**64)),
        *("5", b"5", True, object(), 1j, [], [[1]], {1}, {"epoch": None}, {"epoch": "a"}),
        *(np.array(["a"] * 12), np.array([True] * 12), np.array([None] * 12)),
        *(np.full(11, 3.0), np.full((12, 1), 3.0), [3.0] * 13, [[3.0], [1.0, 2.0]]),
        *(np.array(["2020-01-01"] * 12, "M8[s]"), np.full(12, 3, "m8[s]"), np.full(12, 3j)),
        np.ma.masked_array(np.full(12, 3.0), [True] + [False] * 11),
        np.zeros(12, dtype=[("a", "f8")]),
    ],
)
def test_what_is_no_epoch(value: Any) -> None:
    with surrogate_of(curves()) as surrogate:
        message = refusal(surrogate, value)
        assert "fidelity 'epoch'" in message
        curve = surrogate.query(CODES)
        assert isinstance(curve, Curve)
        if not isinstance(value, dict):
            with pytest.raises(FidelityError):
                curve.at(value)
            with pytest.raises(FidelityError):
                curve.until(value)


@pytest.mark.parametrize("value", [0, -1, 1.5, math.nan, "3", True, [1] * 11])
def test_what_is_no_number_of_runs(value: Any) -> None:
    with noisy(curves()) as surrogate:
        assert "fidelity 'seeds'" in refusal(surrogate, {"seeds": value})


def test_names_and_rows_are_told() -> None:
    with noisy(curves()) as surrogate:
        assert refusal(surrogate, {"epochs": 3}).endswith(
            "has no fidelity 'epochs'; it has epoch, seeds"
        )
        assert refusal(surrogate, {7: 3}).endswith("has no fidelity 7; it has epoch, seeds")
        assert "of row 4 must be a number from 1 to 27 epochs, not 99" in refusal(
            surrogate, [1] * 4 + [99] + [1] * 7
        )
        assert "a single number for one architecture" in refusal(surrogate, [3.0], 7)
        assert "seeds' is known of epoch 27 only" in refusal(surrogate, {"seeds": 3, "epoch": 9})
    with phone() as scalar:
        assert scalar.query(np.array([0]), fidelity={}).mean.shape == (1,)
        for codes in (anb_onnx.sample(3, seed=0, space=MNASNET), 7):
            message = refusal(scalar, {"epoch": 3}, codes)
            assert "the artifact of 'latency_my-phone' has no fidelity" in message
    assert issubclass(FidelityError, AnbError)


def test_the_noise_between_seeds() -> None:
    """As docs/reference/format.md has it: of the calibration over all seeds, and the output."""
    for vector in (curves(), metrics()):
        with noisy(vector) as surrogate:
            noise = surrogate.outputs[vector.names[-1]].query(CODES).mean.astype(np.float64)
            noise = np.maximum(noise, 0.0)
            assert noise.max() > 0
            before = surrogate.query(CODES)
            for n in (1, 3, 10.0, math.inf, 2**60):
                found = surrogate.query(CODES, fidelity={"seeds": n})
                assert found.mean.tolist() == before.mean.tolist()
                spread = 1.5 * found.std.astype(np.float64)
                own = np.sqrt(spread * spread + 0.125 * 0.125)
                wanted = np.sqrt(own * own + noise * noise / n)
                assert found.predictive_std.tolist() == wanted.astype(np.float32).tolist()
                lower, upper = found.interval(0.9)
                mean = found.mean.astype(np.float64)
                assert lower.tolist() == (mean - 1.6 * wanted).astype(np.float32).tolist()
                assert upper.tolist() == (mean + 1.6 * wanted).astype(np.float32).tolist()
            # A number of runs for each architecture.
            each = surrogate.query(CODES, fidelity={"seeds": np.arange(1, 13)})
            third = surrogate.query(CODES, fidelity={"seeds": 3})
            assert each.predictive_std[2] == third.predictive_std[2]
            # One architecture has scalars.
            one = surrogate.query(7, fidelity={"seeds": 3})
            assert np.ndim(one.predictive_std) == np.ndim(one.interval(0.5)[0]) == 0
            assert one.to_pandas().shape == (1, 5)
            # Without the number of runs: that of one new measurement, by the artifact's own.
            spread = 1.5 * before.std.astype(np.float64)
            single = np.sqrt(spread * spread + 0.25 * 0.25).astype(np.float32)
            assert before.predictive_std.tolist() == single.tolist()


@pytest.mark.parametrize("batch", [CODES, [7, 8, 9], 7], ids=["codes", "list", "one"])
def test_a_benchmark_asks_all_targets_at_one_fidelity(batch: Any) -> None:
    with surrogate_of(curves()) as first, surrogate_of(curves(3), metric="second") as second:
        both = anb_onnx.Benchmark([first, second])
        fidelities: tuple[Any, ...] = (10, {"epoch": 10}, {"epoch": np.float32(1)}, {}, None)
        for fidelity in fidelities:
            found = both.query(batch, fidelity=fidelity)
            assert list(found) == ["val_accuracy", "second"]
            for name, surrogate in both.items():
                alone = surrogate.query(batch, fidelity=fidelity)
                assert type(found[name]) is type(alone)
                assert found[name].mean.tolist() == alone.mean.tolist()
        with pytest.raises(FidelityError, match="must be a number from 1 to 27 epochs, not 28"):
            both.query(batch, fidelity=28)


def test_a_benchmark_asks_no_target_at_what_it_does_not_take() -> None:
    with surrogate_of(curves()) as curve, noisy(metrics()) as several:
        plain = curve.outputs["c0"]
        with pytest.raises(FidelityError) as caught:
            anb_onnx.Benchmark([plain, curve, several]).query(CODES, fidelity={"epoch": 3})
        assert "the artifact of 'c0' has no fidelity, found {'epoch': 3}" in str(caught.value)
        assert "Benchmark(['val_accuracy', 'm0'], ...)" in str(caught.value)
        # A bare number is of the first fidelity, which is another one for each of these.
        both = anb_onnx.Benchmark([curve, several])
        with pytest.raises(FidelityError, match=r"3 could be of epoch or seeds.*\{'epoch': 3\}"):
            both.query(CODES, fidelity=3)
        with pytest.raises(FidelityError, match="has no fidelity 'seeds'; it has epoch"):
            both.query(CODES, fidelity={"seeds": 3})


def test_the_first_output_is_of_as_many_runs_as_the_answer() -> None:
    with noisy(metrics()) as surrogate:
        for fidelity in ({"seeds": 4}, None):
            found = surrogate.query(CODES, fidelity=fidelity)
            assert isinstance(found, VectorPrediction)
            first = found.outputs["m0"]
            assert first.mean.tolist() == found.mean.tolist()
            for own, same in zip(first.interval(0.9), found.interval(0.9), strict=True):
                assert own.tolist() == same.tolist()
