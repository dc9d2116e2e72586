"""`suggest` and `adapt` at the ends of what they take: too much, too odd, and what is refused."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import anb_onnx
from anb_onnx import MNASNET, NASBENCH201, MeasurementError, SourceError
from anb_onnx.few_shot import adapting, design
from anb_onnx.few_shot.basis import bases_of
from anb_onnx.few_shot.figures import figures
from anb_onnx.few_shot.tabling import raised

Codes = npt.NDArray[np.uint8]
LATENCY: dict[str, Any] = {"metric": "latency", "unit": "ms", "device": "mine"}


@pytest.fixture(scope="module")
def codes() -> Codes:
    return anb_onnx.sample(12, seed=1, space=MNASNET)


@pytest.fixture(scope="module")
def times(codes: Codes) -> npt.NDArray[np.float64]:
    return anb_onnx.load("latency_vck190").query(codes).mean.astype(np.float64)


@pytest.mark.parametrize("n", [-1, 501, 10**18, True, 2.0, "3", None])
def test_suggest_refuses_a_number_that_it_cannot_choose(n: Any) -> None:
    with pytest.raises(MeasurementError, match=r"n must be .* from 0 to 500"):
        anb_onnx.suggest(n)


def test_suggest_takes_a_bounded_number_of_candidates() -> None:
    many = anb_onnx.sample(70_000, seed=0, space=MNASNET)
    with pytest.raises(MeasurementError, match=r"70000 architectures .* at most 65536"):
        anb_onnx.suggest(3, candidates=many, sources=[])


def test_suggest_wants_as_many_candidates_as_it_chooses(codes: Codes) -> None:
    with pytest.raises(MeasurementError, match="11 to choose from"):
        anb_onnx.suggest(12, candidates=codes, measured=codes[:1], sources=[])
    twice = np.concatenate([codes, codes])
    assert len(anb_onnx.suggest(12, candidates=twice, sources=[])) == 12
    with pytest.raises(MeasurementError, match="12 to choose from"):
        anb_onnx.suggest(13, candidates=twice, sources=[])


def test_candidates_in_parts_are_chosen_from_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    candidates = anb_onnx.sample(700, seed=2, space=NASBENCH201)

    def chosen() -> bytes:
        measured = candidates[:3]
        found = anb_onnx.suggest(
            6, space=NASBENCH201, sources=[], candidates=candidates, measured=measured
        )
        return found.tobytes()

    whole = chosen()
    monkeypatch.setattr(design, "_PART", 300)
    assert chosen() == whole


@pytest.mark.parametrize("sources", [3, None.__class__, object()])
def test_sources_that_are_no_list_are_refused(codes: Codes, times: Any, sources: Any) -> None:
    with pytest.raises(SourceError, match="sources must be a list of names"):
        anb_onnx.adapt(codes, times, sources=sources, **LATENCY)


def test_members_may_be_an_integer_of_numpy(codes: Codes, times: Any) -> None:
    made = anb_onnx.adapt(codes, times, sources=[], members=np.int16(3), **LATENCY)  # type: ignore[arg-type]
    assert made.n_members == 3
    with pytest.raises(MeasurementError, match="members must be an integer from 1 to 1024"):
        anb_onnx.adapt(codes, times, members=True, **LATENCY)


@pytest.mark.parametrize("factor", [1.0, 1e-29, 1e28])
def test_times_given_as_rates_make_a_surrogate_all_the_same(
    codes: Codes, times: Any, factor: float, tmp_path: Path
) -> None:
    """The wrong way round, measurements left out are predicted to take less than no time."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = anb_onnx.adapt(
            codes, times * factor, metric="throughput", unit="images/s", device="mine"
        )
        lower, upper = made.query(codes).interval(0.9)
        path = made.save(tmp_path / "mine")
    assert (lower > 0).all()
    assert np.isfinite(upper).all()
    listed = json.loads(path.with_name("manifest.json").read_text())["targets"]
    assert listed["throughput_mine"]["quality"]["leave_one_out"]["n"] == 12


def test_figures_of_a_rate_say_nothing_of_what_takes_no_time() -> None:
    measured = np.array([10.0, 20.0, 40.0])
    std = np.full(3, 0.01)
    found = figures(measured, np.array([0.1, 0.05, -0.01]), std, rate=True)
    assert "mae" not in found
    assert "rmse" not in found
    assert found["mape"] == pytest.approx(1.4 / 3, rel=1e-5)
    assert found["spearman"] == 1.0
    same = figures(measured, np.array([0.1, 0.05, 0.02]), std, rate=True)
    assert same["mae"] == pytest.approx(10 / 3, rel=1e-5)


def test_no_more_than_a_few_sets_of_sources_are_kept(
    monkeypatch: pytest.MonkeyPatch, codes: Codes, times: Any
) -> None:
    monkeypatch.setattr(adapting, "_known", {})
    monkeypatch.setattr(adapting, "_MOST_KNOWN", 2)
    names = ["latency_vck190", "latency_zcu102", "throughput_a100"]
    made = []
    for sources in (names[:1], names[:2], names[:1], names[1:], names[:1]):
        made.append(anb_onnx.adapt(codes, times, sources=sources, **LATENCY).sha256)
        assert len(adapting._known) <= 2
    # The one that was asked for again and again is there still, and all answers are the same.
    assert [len(devices.sources) for devices in adapting._known.values()] == [2, 1]
    assert made[0] == made[2] == made[4]
    assert len(set(made)) == 3


@pytest.mark.parametrize(
    ("count", "words"), [(1, "1 architecture was"), (3, "3 architectures were")]
)
def test_a_note_tells_of_what_was_predicted_to_take_no_time(count: int, words: str) -> None:
    (basis, *_) = bases_of(NASBENCH201, ())
    entries = np.full((NASBENCH201.size, 2), 5.0)
    entries[:count, 1] = -1.0
    found, note = raised(basis, entries, 4.0)
    assert note == f"{words} predicted to take no time, and given 1% of the least measured time"
    assert found[:count].tolist() == [[5.0, 0.04]] * count
    assert (found[count:] == 5.0).all()


def test_messages_name_what_was_given(codes: Codes, times: Any) -> None:
    for seed in (-1, 1.5, True, None):
        with pytest.raises(MeasurementError, match=re.escape(f"not {seed!r}")):
            anb_onnx.adapt(codes, times, seed=seed, **LATENCY)  # type: ignore[arg-type]
