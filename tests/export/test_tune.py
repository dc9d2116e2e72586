"""Studies: what they choose from, that they go on where they stopped, and what they never read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from anb_export import out_of_fold
from anb_export import tune as module
from anb_export.cli import main
from anb_export.compact import CompactRecipe, load_recipes
from anb_export.dataset import Dataset
from anb_export.recipe import RecipeError
from anb_export.splits import Split, read_split
from anb_export.targets import TARGETS
from anb_export.tune import (
    DEFAULT,
    TRIMS,
    CrossValidation,
    links_for,
    score,
    starting_points,
    store_recipe,
    suggest,
    tune,
)

from anb_onnx.errors import AnbError
from anb_onnx.links import Link

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
        patch.setattr(module, "N_OOF_MEMBERS", 2)
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
    return optuna.load_study(study_name=target, storage=storage).trials


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
    links = links_for(target)
    assert "y" in links
    assert len(links) == len(set(links.values())) >= 6
    for name, link in links.items():
        assert link.name == name
        np.testing.assert_allclose(link.inverse(link.forward(y)), y, rtol=1e-9)


@pytest.mark.parametrize("target", MEASURED)
def test_starting_points(target: str) -> None:
    found = []
    for point in starting_points(target):
        trial = optuna.trial.FixedTrial(point)
        found.append(suggest(trial, target, True))
        assert trial.params == point  # nothing is left to chance
    assert 2 <= len(found) == len({compact.link for compact in found})
    for compact in found:
        assert compact == replace(DEFAULT, link=compact.link, trim=TRIMS.get(target))


def test_recipes_that_are_suggested_are_recipes() -> None:
    sampler = optuna.samplers.RandomSampler(seed=1)
    drawn = optuna.create_study(sampler=sampler)
    found = [suggest(drawn.ask(), "throughput_tpuv2", True) for _ in range(60)]
    for compact in found:
        assert CompactRecipe.from_dict(json.loads(json.dumps(compact.to_dict()))) == compact
        assert 3 <= compact.params["max_depth"] <= 7
        assert 0 <= compact.loss_scale <= 1
    assert {compact.noise_floor for compact in found} == {None, 0.01, 0.04, 0.16}
    assert {compact.huber for compact in found} == {None, 0.1, 0.3, 1.0}
    assert {compact.monotone for compact in found} == {False, True}
    drawn = optuna.create_study(sampler=sampler)
    without = [suggest(drawn.ask(), "latency_zcu102", False) for _ in range(20)]
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


def test_a_study(dataset: Dataset, split: Split, tmp_path: Path) -> None:
    seen: list[tuple[int, float]] = []
    entry = run(dataset, split, tmp_path, on_trial=lambda *done: seen.append(done))
    assert [number for number, _ in seen] == [1, 2, 3]
    assert seen[0][1] >= seen[1][1] >= seen[2][1]
    assert entry == json.loads(json.dumps(entry))
    chosen, record = CompactRecipe.from_dict(entry["recipe"]), entry["study"]
    assert record["trials"] == 3
    trials = trials_in(tmp_path)
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


def test_hinges_are_fitted_to_out_of_fold_predictions(
    dataset: Dataset, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def spy(predicted: np.ndarray, measured: np.ndarray) -> Any:
        low, high = (float(q) for q in np.quantile(predicted, [0.3, 0.6]))
        calls.append((predicted, measured, low, high))
        return ((low, -0.25), (high, 0.5))

    monkeypatch.setattr(module, "fit_hinges", spy)
    entry = run(dataset, split, tmp_path, 2)
    assert entry == json.loads(json.dumps(entry))
    chosen, record = CompactRecipe.from_dict(entry["recipe"]), entry["study"]["out_of_fold"]
    ((predicted, measured, low, high),) = calls
    assert chosen.link.hinges == ((low, -0.25), (high, 0.5))
    # They lie where a build would look for them, and are those of the recipe without hinges.
    folder = tmp_path / "out_of_fold" / "accuracy"
    assert sorted(p.name for p in folder.iterdir()) == ["fold_00.json", "fold_01.json"]
    before = [path.stat().st_mtime_ns for path in sorted(folder.iterdir())]
    plain = replace(chosen, link=replace(chosen.link, hinges=()))
    oof = out_of_fold.predict_out_of_fold(dataset, "accuracy", split.pool, plain, (1, 2), folder)
    assert [path.stat().st_mtime_ns for path in sorted(folder.iterdir())] == before
    np.testing.assert_array_equal(predicted, oof.mean)
    np.testing.assert_array_equal(measured, oof.measured)
    assert sorted(oof.rows) == sorted(split.pool)
    bent = predicted + np.maximum(predicted - low, 0) * -0.25
    bent = bent + np.maximum(bent - high, 0) * 0.5
    for name, values in (("without_hinges", predicted), ("with_hinges", bent)):
        assert record[name]["n"] == len(split.pool)
        assert record[name]["mae"] == pytest.approx(np.abs(values - measured).mean(), rel=1e-9)
    assert record["with_hinges"]["kendall_tau"] == record["without_hinges"]["kendall_tau"]
    assert record["with_hinges"]["mae"] != record["without_hinges"]["mae"]


def test_no_hinges_where_they_do_not_pay(dataset: Dataset, split: Split, tmp_path: Path) -> None:
    entry = run(dataset, split, tmp_path, 2)
    found = CompactRecipe.from_dict(entry["recipe"]).link.hinges
    record = entry["study"]["out_of_fold"]
    assert (record["with_hinges"] == record["without_hinges"]) == (not found)


def test_test_rows_are_never_read(dataset: Dataset, split: Split, tmp_path: Path) -> None:
    """Whatever stands in the rows outside of the pool, the study is the same."""
    target = "throughput_tpuv2"  # with missing values, and published stds
    outside = np.setdiff1d(np.arange(len(dataset)), split.pool)
    before = run(dataset, split, tmp_path / "before", 8, target)
    weighted = replace(
        DEFAULT,
        link=Link("-1"),
        params={**DEFAULT.params, "min_child_weight": 1.0, "lambda": 0.5},
        loss_scale=0.5,
        noise_floor=0.01,
        num_rounds=30,
        early_stopping_rounds=10,
    )
    pool, _ = dataset.labelled(target, split.pool)
    own = CrossValidation(dataset, target, pool)
    assert own.single(weighted)["r2"] > 0.2  # something is learned
    for poison in (math.nan, 1e9):
        values, stds = ({**columns} for columns in (dataset.values, dataset.stds))
        for columns in (values, stds):
            columns[target] = columns[target].copy()
            columns[target][outside] = poison
        codes = dataset.codes.copy()
        codes[outside] = 0
        changed = replace(dataset, values=values, stds=stds, codes=codes)
        cv = CrossValidation(changed, target, pool)
        assert cv.single(weighted) == own.single(weighted)
        assert cv.ensemble(weighted) == own.ensemble(weighted)
        assert run(changed, split, tmp_path / f"{poison}", 8, target) == before
        for one, other in zip(
            trials_in(tmp_path / "before", target),
            trials_in(tmp_path / f"{poison}", target),
            strict=True,
        ):
            assert one.params == other.params
            assert one.intermediate_values == other.intermediate_values
    assert {t.params["loss_scale"] for t in trials_in(tmp_path / "before", target)} > {0.0}
    # Nor does it matter that only the test rows have a std.
    stds = dataset.stds[target].copy()
    stds[split.pool] = math.nan
    only = replace(dataset, stds={**dataset.stds, target: stds})
    run(only, split, tmp_path / "only", 8, target)
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


def test_an_interrupted_trial_is_tried_again(
    dataset: Dataset, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(dataset, split, tmp_path / "whole", 3)
    original, calls = CrossValidation._fit_predict, []

    def interrupted(self: Any, *arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:  # the first fold of the second trial
            raise KeyboardInterrupt
        return original(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(CrossValidation, "_fit_predict", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(dataset, split, tmp_path / "parts", 3)
    assert [t.state.name for t in trials_in(tmp_path / "parts")] == ["COMPLETE", "RUNNING"]
    found = run(dataset, split, tmp_path / "parts", 3)
    trials = trials_in(tmp_path / "parts")
    assert [t.state.name for t in trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert trials[1].params == trials[2].params
    assert trials[2].value == trials_in(tmp_path / "whole")[1].value
    assert found["study"]["trials"] == whole["study"]["trials"] == 3


def test_wild_predictions_are_bad_not_nan() -> None:
    recipe = replace(DEFAULT, link=Link("-1"))
    dataset = Dataset(
        names=("result_0.json", "result_1.json"),
        codes=np.zeros((2, 28), np.uint8),
        values={"accuracy": np.array([1.0, 2.0])},
        stds={"accuracy": np.full(2, np.nan)},
        sha256="",
    )
    made = recipe.recipe(dataset, "accuracy", np.arange(2))
    with np.errstate(divide="ignore"):
        found = module._bounded(made, np.array([-3.0, 0.0, np.nan]))
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
