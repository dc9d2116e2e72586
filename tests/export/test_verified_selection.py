"""What verification saves a search of the whole space: `benchmarks.verified_selection`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import anb_onnx
from anb_onnx import MNASNET, exact
from benchmarks import verified_selection as program
from benchmarks.verified_selection import Case, Outcome, Truth

DEVICE = "throughput_a100"


@pytest.fixture(scope="module")
def truth() -> Truth:
    return Truth(DEVICE)


@pytest.fixture(scope="module")
def found(truth: Truth) -> list[Outcome]:
    with pytest.MonkeyPatch.context() as patch:
        # `interval` of a front of thousands of candidates takes as long as all else.
        patch.setattr(program, "FRONT_KS", (5, 25))
        patch.setattr(program, "SHARES", (0.1, 0.5))
        patch.setattr(program, "RULES", ("mean",))
        return list(Case(truth, 20, 0).outcomes())


def of(found: list[Outcome], way: str, k: int | None = None) -> list[Outcome]:
    some = [x for x in found if x.way == way and (k is None or x.k == k)]
    assert some
    return some


def test_verified_is_no_worse_than_unverified(found: list[Outcome]) -> None:
    (before, *limits), (after,) = of(found, "mean"), of(found, "front-verified")
    assert None not in (before.mra, after.mra)
    assert before.mra is not None
    assert after.mra is not None
    assert after.mra < before.mra
    assert after.hypervolume_loss == pytest.approx(before.hypervolume_loss, abs=1e-12)
    assert len(after.indices) < after.k == len(before.indices)
    for k in (5, 10):
        checked = of([x for x in found if x.share is not None], "top-mean", k)
        assert sum(bool(x.kept) for x in checked) >= sum(bool(x.kept) for x in limits)
        for one, unchecked in zip(checked, limits, strict=True):
            if unchecked.regret is not None:
                assert one.regret is not None
                assert one.regret <= unchecked.regret


def test_the_chosen_are_worth_what_the_device_says(found: list[Outcome]) -> None:
    surrogates = [anb_onnx.load(name) for name in ("accuracy", DEVICE)]
    for one in found:
        codes = anb_onnx.indices_to_codes(np.array(one.indices, dtype=np.int64), MNASNET)
        true = [surrogate.query(codes).mean for surrogate in surrogates]
        assert np.array_equal(np.array(one.values).reshape(-1, 2), np.column_stack(true))
        if one.kept is not None:
            assert one.limit is not None
            assert one.kept == bool((true[1] >= one.limit).any())


def test_the_truth_is_the_proven_optimum(found: list[Outcome], truth: Truth) -> None:
    for one in of(found, "chance"):
        assert one.limit is not None
        best = exact.optimum("accuracy", [(DEVICE, ">=", one.limit)]).solutions[0].value
        assert truth.optimum(one.limit) == best
        if one.regret is not None:
            assert one.regret == best - one.values[0][0] >= 0
    front = anb_onnx.load("accuracy").truth.fronts["accuracy", DEVICE]
    values = front.values.astype(np.float64)
    assert truth.mean_reduction(values) == 0
    assert truth.hypervolume_loss(values) == 0
    # Without its second half, what the first half's worst end has to the side is missed.
    assert 0 < truth.hypervolume_loss(values[: len(values) // 2]) < 1


def test_a_device_is_no_source_of_itself(truth: Truth) -> None:
    assert DEVICE not in truth.sources
    assert not [x for x in Truth("latency_zcu102").sources if x.endswith("zcu102")]
    shares = [np.mean(truth.measure(anb_onnx.sample(4_000, seed=1, space=MNASNET)) >= limit)
              for limit in truth.limits.values()]  # fmt: skip
    assert shares == pytest.approx(list(truth.limits), abs=0.04)


def test_the_command_prints_tables_and_writes_every_outcome(
    found: list[Outcome],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(program, "outcomes", lambda *_: iter(found))
    file = tmp_path / "outcomes.json"
    assert program.main(["--devices", DEVICE, "--json", str(file)]) == 0
    lines = [x for x in capsys.readouterr().out.splitlines() if x.startswith("| ")]
    written = json.loads(file.read_text())
    assert written["truth"][DEVICE]["sources"] == Truth(DEVICE).sources
    assert len(written["outcomes"]) == len(found)
    ways = {(x.way, x.k) for x in found if x.share is None}
    within = {(x.way, x.k) for x in found if x.share is not None}
    assert len(lines) == 4 + len(ways) + len(within)
    (all_measured,) = [x for x in lines if x.startswith("| all of the predicted front")]
    (one,) = of(found, "front-verified")
    assert f"{one.mra:.2f}" in all_measured


def test_no_seeds_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["--seeds", "0"])
    assert "--seeds is at least 1" in capsys.readouterr().err
