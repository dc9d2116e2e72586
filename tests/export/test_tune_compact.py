"""Studies: what they choose from, that they go on where they stopped, and what they never read."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from anb_export.cli import main
from anb_export.data.accel_nasbench import ACCEL_NASBENCH, TARGETS
from anb_export.data.dataset import Dataset
from anb_export.data.metrics import evaluate
from anb_export.data.splits import Split, read_split
from anb_export.data.targets import TargetSpec
from anb_export.training import choose_hinges, out_of_fold
from anb_export.training import tune_compact as module
from anb_export.training.compact import CompactRecipe, load_recipes
from anb_export.training.hinges import cross_fitted
from anb_export.training.recipe import RecipeError
from anb_export.training.train_members import fold_rows, train_member
from anb_export.training.tune_compact import (
    DEFAULT,
    TRIMS,
    CrossValidation,
    offer_for,
    published_offer,
    score,
    starting_points,
    store_recipe,
    suggest,
    tune,
)

from anb_onnx.errors import AnbError
from anb_onnx.links import Link
from anb_onnx.regimes import Regime
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import SearchSpace

from .pair_models import predict

MEASURED = [name for name, spec in TARGETS.items() if not spec.exact]


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """Few rounds, folds and finalists."""
    original = module.suggest

    def short(*arguments: Any) -> CompactRecipe:
        return replace(original(*arguments), num_rounds=12, early_stopping_rounds=5)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "suggest", short)
        patch.setattr(module, "N_TUNING_FOLDS", 3)
        patch.setattr(module, "N_FINALISTS", 2)
        patch.setattr(module, "N_FINAL_MEMBERS", 2)
        patch.setattr(choose_hinges, "N_OOF_MEMBERS", 2)
        patch.setattr(out_of_fold, "N_OOF_FOLDS", 2)
        yield


@pytest.fixture(scope="module")
def split(study: Path, dataset: Dataset) -> Split:
    return read_split(dataset, study / "default_split")


def run(
    dataset: Dataset,
    split: Split,
    folder: Path,
    n_trials: int = 3,
    target: str = "accuracy",
    **options: Any,
) -> dict[str, Any]:
    storage = folder / f"{target}.journal"
    return tune(dataset, split.pool, target, n_trials=n_trials, storage=storage, **options)


def trials_in(folder: Path, target: str = "accuracy") -> list[optuna.trial.FrozenTrial]:
    backend = optuna.storages.journal.JournalFileBackend(str(folder / f"{target}.journal"))
    storage = optuna.storages.JournalStorage(backend)
    trials: list[Any] = optuna.load_study(study_name=target, storage=storage).trials
    return trials


def test_score() -> None:
    base = {"kendall_tau": 0.9, "r2": 0.98, "mae": 0.5}
    assert score(base) == pytest.approx((math.log(0.1) + math.log(0.02) + math.log(0.5)) / 3)
    for better in ({"kendall_tau": 0.91}, {"r2": 0.981}, {"mae": 0.49}):
        assert score({**base, **better}) < score(base)
    # The same relative gain counts alike, whatever the unit of the MAE.
    gains = [
        score(base) - score({**base, **better})
        for better in ({"kendall_tau": 0.901}, {"r2": 0.9802}, {"mae": 0.495})
    ]
    assert gains == pytest.approx([math.log(1 / 0.99) / 3] * 3)
    other = {**base, "mae": 500.0}
    assert score({**other, "mae": 495.0}) - score(other) == pytest.approx(-gains[2])


@pytest.mark.parametrize("target", MEASURED)
def test_links_on_offer_fit_the_measurements(published: Dataset, target: str) -> None:
    y = published.values[target][np.isfinite(published.values[target])]
    links = published_offer(TARGETS[target]).links
    assert "y" in links
    assert len(links) == len(set(links.values())) >= 6
    for name, link in links.items():
        assert link.name == name
        np.testing.assert_allclose(link.inverse(link.forward(y)), y, rtol=1e-9)


@pytest.mark.parametrize("name", ["accuracy", "train_time", "throughput", "energy"])
@pytest.mark.parametrize("low", [-5.0, 0.0, 61.0])
def test_of_a_user_s_data_nothing_is_known_but_the_values(
    dataset: Dataset, name: str, low: float
) -> None:
    """Whatever the target is called: no offset, no trim and no sign of Accel-NASBench."""
    spec = TargetSpec(name, name, None, "x", "max")
    origin = replace(dataset.origin, benchmark="mine", targets={name: spec})
    values = np.linspace(low, low + 40.0, len(dataset))
    mine = replace(dataset, origin=origin, values={name: values}, stds={name: values * np.nan})
    offer = offer_for(mine, name)
    assert (offer.trim, offer.monotone) == (None, False)
    assert "y" in offer.first
    assert ("1/y" in offer.links) == (low > 0)
    assert {link.offset for link in offer.links.values()} == {None, low + 50.0, low + 80.0}
    for link in offer.links.values():
        assert np.isfinite(link.forward(values)).all()
    for point in starting_points(offer):
        assert suggest(optuna.trial.FixedTrial(point), offer, False).trim is None


@pytest.mark.parametrize("target", MEASURED)
def test_starting_points(target: str) -> None:
    found = []
    for point in starting_points(published_offer(TARGETS[target])):
        trial = optuna.trial.FixedTrial(point)
        found.append(suggest(trial, published_offer(TARGETS[target]), True))
        assert trial.params == point  # nothing is left to chance
    staged = [compact.link for compact in found if compact.additive is not None]
    assert 2 <= len(staged) == len(set(staged))
    assert "y" in {link.name for link in staged} or target == "accuracy"
    # What the additive stage gains is told by two of these links without it.
    at_once = [compact.link for compact in found if compact.additive is None]
    assert at_once == staged[:2]
    for compact in found:
        additive = compact.additive and DEFAULT.additive
        wanted = replace(DEFAULT, link=compact.link, trim=TRIMS.get(target), additive=additive)
        assert compact == wanted


def test_recipes_that_are_suggested_are_recipes() -> None:
    sampler = optuna.samplers.RandomSampler(seed=1)
    drawn = optuna.create_study(sampler=sampler)
    found = [
        suggest(drawn.ask(), published_offer(TARGETS["throughput_tpuv2"]), True) for _ in range(60)
    ]
    for compact in found:
        assert CompactRecipe.from_dict(json.loads(json.dumps(compact.to_dict()))) == compact
        assert 3 <= compact.params["max_depth"] <= 7
        assert 0 <= compact.loss_scale <= 1
    stages = [compact.additive for compact in found if compact.additive is not None]
    assert 10 < len(stages) < 50
    assert {stage["max_depth"] for stage in stages} == {2, 3, 4, 5, 6}
    for name in ("max_depth", "min_child_weight", "lambda"):  # not those of the pairs again
        values = {stage[name] for stage in stages}
        assert values != {c.params[name] for c in found if c.additive is not None}
        assert len(values) == (5 if name == "max_depth" else len(stages))
    assert {compact.noise_floor for compact in found} == {None, 0.01, 0.04, 0.16}
    assert {compact.huber for compact in found} == {None, 0.1, 0.3, 1.0}
    assert {compact.monotone for compact in found} == {False, True}
    drawn = optuna.create_study(sampler=sampler)
    without = [
        suggest(drawn.ask(), published_offer(TARGETS["latency_zcu102"]), False) for _ in range(20)
    ]
    assert {compact.noise_floor for compact in without} == {None}


def test_folds(dataset: Dataset) -> None:
    pool = np.random.default_rng(0).permutation(len(dataset))[:50]
    folds = CrossValidation(dataset, "accuracy", pool).folds(5)
    assert len(folds) == 3
    assert sorted(np.concatenate([held for _, held in folds])) == sorted(pool)
    for fit, held in folds:
        assert sorted([*fit, *held]) == sorted(pool)
    again = CrossValidation(dataset, "accuracy", pool).folds(5)
    assert all((a[1] == b[1]).all() for a, b in zip(folds, again, strict=True))
    other = CrossValidation(dataset, "accuracy", pool).folds(6)
    assert any((a[1] != b[1]).any() for a, b in zip(folds, other, strict=True))


def test_finalists_are_judged_on_rows_that_no_member_has_seen(
    dataset: Dataset, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[set[int], set[int], set[int]]] = []

    def spy(self: Any, compact: Any, fit: Any, stop: Any, rows: Any, *, seed: int) -> np.ndarray:
        calls.append((set(fit), set(stop), set(rows)))
        noise = np.random.default_rng(len(calls)).normal(size=len(rows))
        return np.asarray(self.dataset.values[self.target][rows] + noise)

    monkeypatch.setattr(CrossValidation, "_fit_predict", spy)
    cv = CrossValidation(dataset, "accuracy", split.pool)
    metrics = cv.ensemble(DEFAULT)
    # Two members per fold: the noise is averaged before it is judged.
    assert metrics["mae"] == pytest.approx(math.sqrt(2 / math.pi) / math.sqrt(2), rel=0.25)
    assert len(calls) == 3 * 2
    for first, second in zip(calls[::2], calls[1::2], strict=True):
        assert first[2] == second[2]
        assert first[1] != second[1]
        for fit, stop, rows in (first, second):
            assert not fit & stop
            assert not rows & (fit | stop)
            assert fit | stop | rows == set(split.pool)
    calls.clear()
    cv.single(DEFAULT)
    assert all(stop == rows and not fit & rows for fit, stop, rows in calls)


METHODS = pytest.mark.parametrize("method", ["single", "ensemble"])


def predicting(
    patch: pytest.MonkeyPatch, predict: Callable[[np.ndarray, int], np.ndarray]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Have members predict by a function of measurements and seed; return what they do, later."""
    calls: list[tuple[np.ndarray, np.ndarray]] = []

    def fake(self: Any, compact: Any, fit: Any, stop: Any, rows: Any, *, seed: int) -> np.ndarray:
        measured = self.dataset.values[self.target][rows]
        calls.append((measured, predict(measured, seed)))
        return calls[-1][1]

    patch.setattr(CrossValidation, "_fit_predict", fake)
    return calls


def folds_of(
    calls: list[tuple[np.ndarray, np.ndarray]], method: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    """What is measured and predicted, fold by fold: ensembles here have two members."""
    if method == "single":
        return calls
    pairs = zip(calls[::2], calls[1::2], strict=True)
    return [(one[0], (one[1] + other[1]) / 2) for one, other in pairs]


@METHODS
def test_recipes_are_judged_with_hinges(
    dataset: Dataset, split: Split, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """A bend that a build will correct does not count against a recipe."""
    middle = float(np.median(dataset.values["accuracy"][split.pool]))
    rng = np.random.default_rng(3)

    def bent(measured: np.ndarray, seed: int) -> np.ndarray:
        noise = 0.02 * rng.normal(size=len(measured))
        return np.asarray(measured + 2 * np.maximum(measured - middle, 0) + noise)

    calls = predicting(monkeypatch, bent)
    found = getattr(CrossValidation(dataset, "accuracy", split.pool), method)(DEFAULT)
    folds = folds_of(calls, method)
    raw = evaluate(*(np.concatenate(parts) for parts in zip(*folds, strict=True)))
    assert found.keys() == raw.keys()
    assert found["n"] == len(split.pool)
    assert found["mae"] < 0.1 * raw["mae"]
    assert found["r2"] > 0.99 > raw["r2"]
    # Folds have hinges of their own, and yet nothing is shifted against anything else.
    for name in ("kendall_tau", "spearman"):
        assert found[name] == raw[name] > 0.95


@METHODS
def test_folds_are_judged_together(
    dataset: Dataset, split: Split, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Not by the mean of what each is worth: fewer rows vary less, and have fewer pairs."""
    rng = np.random.default_rng(2)
    calls = predicting(monkeypatch, lambda y, seed: y + rng.normal(size=len(y)))
    cv = CrossValidation(dataset, "accuracy", split.pool)
    reports: list[tuple[float, int]] = []
    if method == "single":
        found = cv.single(DEFAULT, lambda value, fold: reports.append((value, fold)))
    else:
        found = cv.ensemble(DEFAULT)
    folds = folds_of(calls, method)
    measured, predicted = (np.concatenate(parts) for parts in zip(*folds, strict=True))
    wanted = evaluate(measured, predicted)
    assert {name: found[name] for name in ("kendall_tau", "spearman")} == {
        name: wanted[name] for name in ("kendall_tau", "spearman")
    }
    number = np.repeat(range(3), [len(fold[0]) for fold in folds])
    assert found["mae"] == evaluate(measured, cross_fitted(predicted, measured, number))["mae"]
    # Pruning sees the folds so far, as they are.
    if method == "single":
        each = [score(evaluate(*fold)) for fold in folds]
        running = [np.mean(each[: k + 1]) for k in range(3)]
        assert [k for _, k in reports] == [0, 1, 2]
        assert [value for value, _ in reports] == pytest.approx(running)


def test_wild_trials_are_not_corrected(
    dataset: Dataset, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = predicting(monkeypatch, lambda y, seed: np.where(y > y.min(), y, 1e12))
    found = CrossValidation(dataset, "accuracy", split.pool).single(DEFAULT)
    raw = evaluate(*(np.concatenate(parts) for parts in zip(*calls, strict=True)))
    assert found == raw
    assert found["mae"] > 1e10
    assert math.isfinite(score(found))


def test_the_additive_stage_is_tuned_as_it_is_trained(dataset: Dataset, split: Split) -> None:
    """Given the same rows to learn from and to stop at, a study's member is a build's."""
    compact = replace(DEFAULT, num_rounds=60, early_stopping_rounds=10)
    cv = CrossValidation(dataset, "accuracy", split.pool)
    pool = split.pool
    fit, held = (pool[part] for part in fold_rows(len(pool), 4))
    recipe = compact.recipe(dataset, "accuracy", fit)
    labels = recipe.transform.forward(dataset.values["accuracy"][pool])
    for used in (compact, replace(compact, additive=None)):
        staged = replace(recipe, first_stage=used.recipe(dataset, "accuracy", fit).first_stage)
        booster = train_member(dataset.codes[pool], labels, staged, 4)
        wanted = staged.transform.inverse(predict(booster, dataset.codes[held]))
        found = cv._fit_predict(used, fit, held, held, seed=4)
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
        assert (booster.num_boosted_rounds() > 60) == (used.additive is not None)


def test_a_study(dataset: Dataset, split: Split, tmp_path: Path) -> None:
    seen: list[tuple[int, float]] = []
    entry = run(dataset, split, tmp_path, on_trial=lambda *done: seen.append(done))
    assert [number for number, _ in seen] == [1, 2, 3]
    assert seen[0][1] >= seen[1][1] >= seen[2][1]
    assert entry == json.loads(json.dumps(entry))
    chosen, record = CompactRecipe.from_dict(entry["recipe"]), entry["study"]
    assert record["trials"] == 3
    trials = [t for t in trials_in(tmp_path) if t.state.is_finished()]
    assert [t.params["link"] for t in trials[:2]] == ["1/(80-y)", "1/(90-y)^(1/2)"]
    assert trials[2].params != trials[0].params
    complete = sorted(trials, key=lambda t: t.value)
    finalists = {t.number for t in complete[:2]}
    assert {f["trial"] for f in record["ensembles"]} == finalists
    best = min(record["ensembles"], key=score)
    assert record["chosen_trial"] == best["trial"]
    picked = trials[record["chosen_trial"]]
    assert chosen.link.name == best["link"] == picked.params["link"]
    assert chosen.params["lambda"] == picked.params["lambda"]
    assert record["single_member"] == picked.user_attrs["metrics"]
    for link, metrics in record["best_by_link"].items():
        values = [t.value for t in trials if t.params["link"] == link]
        assert score(metrics) == min(values)
    # Of the starting points, the third is the first without the stage.
    assert trials[0].params == {**trials[2].params, "additive": True}
    gains = {"with": trials[0].user_attrs["metrics"], "without": trials[2].user_attrs["metrics"]}
    assert record["additive_stage"] == {"1/(80-y)": gains}
    assert (chosen.additive is not None) == picked.params["additive"]
    if chosen.additive is not None:
        assert chosen.additive["lambda"] == picked.params["additive.lambda"]


@pytest.mark.parametrize("regime", [None, Regime("block0_e", (1,), ((0.0, 0.25),))])
def test_hinges_are_fitted_to_out_of_fold_predictions(
    regime: Regime | None,
    dataset: Dataset,
    split: Split,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def spy(
        predicted: np.ndarray, measured: np.ndarray, codes: np.ndarray, space: SearchSpace
    ) -> Any:
        assert space == MNASNET
        low, high = (float(q) for q in np.quantile(predicted, [0.3, 0.6]))
        calls.append((predicted, measured, codes, low, high))
        return ((low, -0.25), (high, 0.5)), regime

    monkeypatch.setattr(choose_hinges, "fit_regime", spy)
    # Asked only for the record, where there is a regime.
    monkeypatch.setattr(
        choose_hinges, "fit_hinges", lambda p, m: spy(p, m, np.empty(0), MNASNET)[0]
    )
    entry = run(dataset, split, tmp_path, 2)
    assert entry == json.loads(json.dumps(entry))
    chosen, record = CompactRecipe.from_dict(entry["recipe"]), entry["study"]["out_of_fold"]
    assert len(calls) == (1 if regime is None else 2)
    predicted, measured, codes, low, high = calls[0]
    assert chosen.link.hinges == ((low, -0.25), (high, 0.5))
    assert chosen.link.regime == regime
    # They lie where a build would look for them, and are those of the recipe without hinges.
    folder = tmp_path / "out_of_fold" / "accuracy"
    assert sorted(p.name for p in folder.iterdir()) == ["fold_00.json", "fold_01.json"]
    before = [path.stat().st_mtime_ns for path in sorted(folder.iterdir())]
    plain = replace(chosen, link=replace(chosen.link, hinges=(), regime=None))
    oof = out_of_fold.predict_out_of_fold(dataset, "accuracy", split.pool, plain, (1, 2), folder)
    assert [path.stat().st_mtime_ns for path in sorted(folder.iterdir())] == before
    np.testing.assert_array_equal(predicted, oof.mean)
    np.testing.assert_array_equal(measured, oof.measured)
    assert sorted(oof.rows) == sorted(split.pool)
    np.testing.assert_array_equal(codes, dataset.codes[oof.rows])
    bent = predicted + np.maximum(predicted - low, 0) * -0.25
    bent = bent + np.maximum(bent - high, 0) * 0.5
    expected = {"without_hinges": predicted, "with_hinges": bent}
    if regime is not None:
        inside = codes[:, 0] == 1
        expected["with_regime"] = np.where(inside, bent + np.maximum(bent, 0) * 0.25, bent)
    assert record.keys() == expected.keys()
    for name, values in expected.items():
        assert record[name]["n"] == len(split.pool)
        assert record[name]["mae"] == pytest.approx(np.abs(values - measured).mean(), rel=1e-9)
    assert record["with_hinges"]["kendall_tau"] == record["without_hinges"]["kendall_tau"]
    if regime is not None:
        assert record["with_regime"]["kendall_tau"] != record["with_hinges"]["kendall_tau"]
    assert record["with_hinges"]["mae"] != record["without_hinges"]["mae"]


def test_no_hinges_where_they_do_not_pay(dataset: Dataset, split: Split, tmp_path: Path) -> None:
    entry = run(dataset, split, tmp_path, 2)
    found = CompactRecipe.from_dict(entry["recipe"]).link.hinges
    record = entry["study"]["out_of_fold"]
    assert (record["with_hinges"] == record["without_hinges"]) == (not found)


def test_test_rows_are_never_read(
    dataset: Dataset, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stands in the rows outside of the pool, the study is the same."""
    # A point of each kind, so that a short study draws some of its own.
    points = list(starting_points(published_offer(TARGETS["throughput_tpuv2"])))
    monkeypatch.setattr(module, "starting_points", lambda offer: points[1::6])
    assert [point["additive"] for point in points[1::6]] == [True, False]
    target = "throughput_tpuv2"  # with missing values, and published stds
    outside = np.setdiff1d(np.arange(len(dataset)), split.pool)
    before = run(dataset, split, tmp_path / "before", 6, target)
    weighted = replace(
        DEFAULT,
        link=Link("-1"),
        params={**DEFAULT.params, "min_child_weight": 1.0, "lambda": 0.5},
        loss_scale=0.5,
        noise_floor=0.01,
        num_rounds=40,
        early_stopping_rounds=10,
    )
    pool, _ = dataset.labelled(target, split.pool)
    own = CrossValidation(dataset, target, pool)
    wanted = own.single(weighted), own.ensemble(weighted)
    assert wanted[0]["r2"] > 0.2  # something is learned
    for poison in (math.nan, 1e9):
        values, stds = ({**columns} for columns in (dataset.values, dataset.stds))
        for columns in (values, stds):
            columns[target] = columns[target].copy()
            columns[target][outside] = poison
        codes = dataset.codes.copy()
        codes[outside] = 0
        changed = replace(dataset, values=values, stds=stds, codes=codes)
        cv = CrossValidation(changed, target, pool)
        assert (cv.single(weighted), cv.ensemble(weighted)) == wanted
        assert run(changed, split, tmp_path / f"{poison}", 6, target) == before
        for one, other in zip(
            trials_in(tmp_path / "before", target),
            trials_in(tmp_path / f"{poison}", target),
            strict=True,
        ):
            assert one.params == other.params
            assert one.intermediate_values == other.intermediate_values
    assert {t.params["loss_scale"] for t in trials_in(tmp_path / "before", target)} > {0.0}
    # Nor does it matter that only the test rows have a std.
    unknown = dataset.stds[target].copy()
    unknown[split.pool] = math.nan
    only = replace(dataset, stds={**dataset.stds, target: unknown})
    run(only, split, tmp_path / "only", 6, target)
    assert {t.params["noise_floor"] for t in trials_in(tmp_path / "only", target)} == {"none"}


def test_a_study_goes_on(dataset: Dataset, split: Split, tmp_path: Path) -> None:
    whole = run(dataset, split, tmp_path / "whole", 5)
    for n in (1, 3, 5):
        parts = run(dataset, split, tmp_path / "parts", n)
    assert parts == whole
    done = [
        [(t.number, t.params, t.value) for t in trials_in(tmp_path / name)]
        for name in ("whole", "parts")
    ]
    assert done[0] == done[1]
    # Nothing was drawn twice.
    assert len({json.dumps(params) for _, params, _ in done[1]}) == 5
    assert run(dataset, split, tmp_path / "parts", 5) == whole
    assert len(trials_in(tmp_path / "parts")) == 5


def test_a_study_of_an_earlier_version_is_refused(
    dataset: Dataset, split: Split, tmp_path: Path
) -> None:
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "accuracy.journal"))
    study = optuna.create_study(
        study_name="accuracy", storage=optuna.storages.JournalStorage(backend)
    )
    study.add_trial(
        optuna.trial.create_trial(
            params={"max_depth": 3},
            distributions={"max_depth": optuna.distributions.IntDistribution(2, 6)},
            value=1.0,
        )
    )
    with pytest.raises(AnbError, match=r"accuracy\.journal is the study of an earlier version"):
        run(dataset, split, tmp_path)


def test_an_interrupted_trial_is_tried_again(
    dataset: Dataset, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(dataset, split, tmp_path / "whole", 4)
    original, calls = CrossValidation._fit_predict, []

    def interrupted(self: Any, *arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:  # the first fold of the second trial
            raise KeyboardInterrupt
        return original(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(CrossValidation, "_fit_predict", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(dataset, split, tmp_path / "parts", 4)
    states = [t.state.name for t in trials_in(tmp_path / "parts")]
    assert states == ["COMPLETE", "RUNNING", "WAITING", "WAITING"]
    found = run(dataset, split, tmp_path / "parts", 4)
    trials = trials_in(tmp_path / "parts")
    # Its turn comes after the other points that wait.
    assert [t.state.name for t in trials] == ["COMPLETE", "FAIL", *["COMPLETE"] * 3]
    assert trials[1].params == trials[4].params
    wanted = [t.value for t in trials_in(tmp_path / "whole")]
    assert [trials[k].value for k in (0, 4, 2, 3)] == wanted
    assert found["study"]["trials"] == whole["study"]["trials"] == 4
    assert found["recipe"] == whole["recipe"]


def test_wild_predictions_are_bad_not_nan() -> None:
    recipe = replace(DEFAULT, link=Link("-1"))
    dataset = Dataset(
        ACCEL_NASBENCH,
        names=("result_0.json", "result_1.json"),
        codes=np.zeros((2, 28), np.uint8),
        values={"accuracy": np.array([1.0, 2.0])},
        stds={"accuracy": np.full(2, np.nan)},
        sha256="",
    )
    made = recipe.recipe(dataset, "accuracy", np.arange(2))
    with np.errstate(divide="ignore"):
        found = module._bounded(
            made, np.array([-3.0, 0.0, np.nan]), sample(3, seed=0, space=MNASNET), MNASNET
        )
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[[0, 2]], [1e12, 1e12])


def test_store_recipe(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "recipes.json"
    entry = {"recipe": DEFAULT.to_dict(), "study": {"trials": 3}}
    other = {"recipe": replace(DEFAULT, link=Link("2")).to_dict(), "study": {}}
    store_recipe(path, "train_time", entry)
    store_recipe(path, "accuracy", entry)
    store_recipe(path, "accuracy", other)
    assert json.loads(path.read_text()) == {"accuracy": other, "train_time": entry}
    assert load_recipes(path) == {
        "accuracy": replace(DEFAULT, link=Link("2")),
        "train_time": DEFAULT,
    }
    before = path.read_bytes()
    store_recipe(path, "accuracy", other)
    assert path.read_bytes() == before
    path.write_text('{"accuracy": {}}')
    with pytest.raises(RecipeError, match="cannot read the compact recipes"):
        store_recipe(path, "train_time", entry)
    assert path.read_text() == '{"accuracy": {}}'


def test_refusals(dataset: Dataset, split: Split, tmp_path: Path) -> None:
    with pytest.raises(AnbError, match="unknown target 'flops'"):
        run(dataset, split, tmp_path, target="flops")
    nothing = dataset.values["accuracy"].copy()
    nothing[split.pool] = np.nan
    empty = replace(dataset, values={**dataset.values, "accuracy": nothing})
    with pytest.raises(AnbError, match="none of the 102 records has a value for 'accuracy'"):
        run(empty, split, tmp_path)


def test_refit(
    dataset: Dataset, study: Path, split: Split, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last step alone, from what a study left: the same recipe, and nothing is trained."""
    entry = run(dataset, split, tmp_path, 2)
    wrong = json.loads(json.dumps(entry))
    wrong["recipe"]["link"]["hinges"] = [[60.0, -0.5]]
    wrong["study"]["out_of_fold"] = {}
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    store_recipe(before, "accuracy", wrong)
    folder = tmp_path / "out_of_fold" / "accuracy"
    times = [path.stat().st_mtime_ns for path in sorted(folder.iterdir())]
    dataset_file = study / "anb_dataset_jsons.tar.gz"
    command = ["tune", "--dataset", str(dataset_file), "--study", str(tmp_path)]
    command += ["--refit", str(before), "--out", str(after)]
    assert main([*command, "--target", "accuracy"]) == 0
    assert json.loads(after.read_bytes()) == {"accuracy": entry}
    assert [path.stat().st_mtime_ns for path in sorted(folder.iterdir())] == times
    printed = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in printed] == ["without hinges", "with hinges"]
    assert main([*command, "--target", "latency_vck190"]) == 2
    assert "before.json has no recipe for 'latency_vck190'" in capsys.readouterr().err


def test_command(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "recipes.json"
    arguments = ["tune", "--dataset", study / "anb_dataset_jsons.tar.gz", "--trials", 2]
    arguments += ["--study", tmp_path / "studies", "--out", out, "--target"]
    command = [*map(str, arguments)]
    assert main([*command, "latency_vck190"]) == 0
    printed = capsys.readouterr()
    assert [line.split()[0] for line in printed.out.splitlines()] == ["trial", "trial"]
    assert "stored the recipe of trial" in printed.err
    assert list(load_recipes(out)) == ["latency_vck190"]
    assert (tmp_path / "studies" / "latency_vck190.journal").is_file()
    assert main([*command, "macs"]) == 2
    assert "macs is an exact count: there is nothing to tune" in capsys.readouterr().err


@pytest.mark.parametrize("refit", [False, True])
def test_out_is_checked_before_the_study(
    study: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    refit: bool,
) -> None:
    def late(*arguments: Any, **options: Any) -> None:
        pytest.fail("too late")

    monkeypatch.setattr(module, "tune", late)
    monkeypatch.setattr(choose_hinges, "refit", late)
    recipes, out = tmp_path / "recipes.json", tmp_path / "out.json"
    store_recipe(recipes, "accuracy", {"recipe": DEFAULT.to_dict()})
    command = ["tune", "--dataset", str(study / "anb_dataset_jsons.tar.gz"), "--study"]
    command += [str(tmp_path / "studies"), "--target", "accuracy"]
    command += ["--refit", str(recipes)] if refit else []
    nan = {"accuracy": {"recipe": DEFAULT.to_dict(), "study": {"mae": math.nan}}}
    for content in ("[1]", "{", '{"accuracy": {}}', json.dumps(nan)):
        out.write_text(content)
        assert main([*command, "--out", str(out)]) == 2
        printed = capsys.readouterr().err
        assert f"cannot read the compact recipes {out}: " in printed
        assert printed.endswith("; remove the file, or give another --out\n")
        assert printed.count("\n") == 1
        assert out.read_text() == content
    assert main([*command, "--out", str(out / "below.json")]) == 2
    assert capsys.readouterr().err.endswith("(Not a directory); give another --out\n")


def test_a_study_that_is_none(study: Path, tmp_path: Path, dataset: Dataset, split: Split) -> None:
    journal = tmp_path / "studies" / "accuracy.journal"
    journal.parent.mkdir()
    for content in ("garbage", "garbage\n{}\n", '{"op_code": 0}\n'):
        journal.write_text(content)
        with pytest.raises(AnbError, match=r"accuracy\.journal is no journal .*; remove it, or"):
            run(dataset, split, journal.parent)
        assert journal.read_text() == content
    with pytest.raises(AnbError, match=r"give a folder that can be written as --study"):
        run(dataset, split, journal)
