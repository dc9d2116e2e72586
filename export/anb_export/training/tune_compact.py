"""Chooses the compact recipe of a target by cross-validation on its training and validation rows.

The test rows are never read here. Each trial trains one member per fold of a fixed 5-fold split of
the pool; the best few trials are then compared as small ensembles on other folds, because an
ensemble forgives more variance than a single member does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export._io.files import to_json, write_atomically
from anb_export._io.json_file import read_json
from anb_export.data.accel_nasbench import ACCEL_NASBENCH
from anb_export.data.dataset import Dataset
from anb_export.data.metrics import evaluate
from anb_export.data.targets import TargetSpec
from anb_export.training.choose_hinges import bend
from anb_export.training.compact import CompactRecipe, load_recipes
from anb_export.training.hinges import cross_fitted
from anb_export.training.recipe import Recipe, RecipeError
from anb_export.training.train_members import boost
from anb_export.training.tune_families import check_writable, open_study
from anb_onnx.errors import AnbError
from anb_onnx.links import Link
from anb_onnx.spaces.space import SearchSpace

N_TUNING_FOLDS = 5
_FOLD_SEED = 20240331
#: Trials that go on to be compared as ensembles, and members of such an ensemble.
N_FINALISTS, N_FINAL_MEMBERS = 4, 3
#: While tuning, fewer rounds: what has not stopped by then is long past where trials differ.
_TUNING_ROUNDS, _TUNING_PATIENCE = 4000, 100

#: Where a trial starts from: near what the first experiments found good on most targets.
DEFAULT = CompactRecipe(
    link=Link(),
    params={
        "max_depth": 4,
        "learning_rate": 0.04,
        "min_child_weight": 8.0,
        "subsample": 0.8,
        "colsample_bynode": 0.6,
        "lambda": 3.0,
    },
    additive={"max_depth": 4, "min_child_weight": 1.0, "lambda": 1.0},
)

#: Targets with gross outliers. A training run that took several times the median was disturbed by
#: something else on its machine: what it measured is not a property of the architecture.
TRIMS = {"train_time": 2.5}

_POWERS = ("1", "-1", "1/2", "-1/2", "-1/4", "1/8")


def score(metrics: dict[str, float]) -> float:
    """Return the loss a study minimises.

    The mean of the logarithms of 1 - Kendall tau, 1 - R2 and the MAE: free of units, and a gain of
    one per cent in any of the three counts alike.
    """
    parts = (1 - metrics["kendall_tau"], 1 - metrics["r2"], metrics["mae"])
    return float(np.mean(np.log(parts)))


@dataclass(frozen=True)
class Offer:
    """What a study of a target may choose from, besides what all studies may.

    Attributes
    ----------
    links : dict of str to Link
        By name.
    first : tuple of str
        Names of those links that the study tries first.
    trim : float or None
        As in `CompactRecipe`.
    monotone : bool
        Whether the target may be taken to rise or fall with the genes' integers.
    """

    links: dict[str, Link]
    first: tuple[str, ...]
    trim: float | None = None
    monotone: bool = False


def published_offer(spec: TargetSpec) -> Offer:
    """Return the offer for a target of Accel-NASBench, of which more is known than its values."""
    if spec.metric == "accuracy":
        links = [Link(p, c) for c in (74.0, 80.0, 90.0, 100.0) for p in ("-1", "-1/2")]
        links += [Link("-1", 120.0), Link("2"), Link("4"), Link()]
        first: tuple[str, ...] = ("1/(80-y)", "1/(90-y)^(1/2)")
    else:
        links = [Link(power) for power in _POWERS]
        first = tuple(link.name for link in links)
    return Offer({link.name: link for link in links}, first, TRIMS.get(spec.name), monotone=True)


def offer_for(dataset: Dataset, target: str) -> Offer:
    """Return the offer for a target of a data set.

    Of data that a user brings nothing is known but the values: the links are those whose domain
    holds all of them, and reflections about points beyond the largest.
    """
    if dataset.origin == ACCEL_NASBENCH:
        return published_offer(dataset.target(target))
    values = dataset.values[target]
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    # Three digits are enough for a point about which to reflect, and keep its name short.
    offsets = {float(f"{high + (high - low) * share:.3g}") for share in (0.25, 1.0)}
    links = [Link(power) for power in _POWERS]
    links += [Link(p, c) for c in sorted(offsets) for p in ("-1", "-1/2")]
    fits = {k.name: k for k in links if np.isfinite(k.forward(values)).all()}
    return Offer(fits, tuple(name for name, link in fits.items() if link.offset is None))


def suggest(trial: Any, offer: Offer, has_std: bool) -> CompactRecipe:
    """Draw a recipe from an optuna trial."""
    links = offer.links
    params = {
        "max_depth": trial.suggest_int("max_depth", 3, 7),
        "learning_rate": trial.suggest_float("learning_rate", 0.015, 0.08, log=True),
        "min_child_weight": trial.suggest_float("min_child_weight", 0.5, 100.0, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample_bynode": trial.suggest_float("colsample_bynode", 0.25, 1.0),
        "lambda": trial.suggest_float("lambda", 0.01, 100.0, log=True),
    }
    additive = {
        "max_depth": trial.suggest_int("additive.max_depth", 2, 6),
        "min_child_weight": trial.suggest_float("additive.min_child_weight", 0.1, 100.0, log=True),
        "lambda": trial.suggest_float("additive.lambda", 0.01, 100.0, log=True),
    }
    floors = ("none", "0.01", "0.04", "0.16") if has_std else ("none",)
    floor = trial.suggest_categorical("noise_floor", floors)
    huber = trial.suggest_categorical("huber", ("none", "0.1", "0.3", "1.0"))
    return CompactRecipe(
        link=links[trial.suggest_categorical("link", tuple(links))],
        params=params,
        additive=additive if trial.suggest_categorical("additive", (True, False)) else None,
        loss_scale=trial.suggest_float("loss_scale", 0.0, 1.0, step=0.125),
        noise_floor=None if floor == "none" else float(floor),
        huber=None if huber == "none" else float(huber),
        monotone=trial.suggest_categorical(
            "monotone", (False, True) if offer.monotone else (False,)
        ),
        trim=offer.trim,
    )


def starting_points(offer: Offer) -> Iterator[dict[str, Any]]:
    """Yield the trials a study begins with: the default with every plausible link.

    Two of these links are also tried with pairs at once, to tell what the additive stage gains.
    """
    links = offer.first
    for additive, name in [*((True, link) for link in links), *((False, k) for k in links[:2])]:
        yield {
            **DEFAULT.params,
            **{f"additive.{key}": value for key, value in (DEFAULT.additive or {}).items()},
            "additive": additive,
            "link": name,
            "loss_scale": 0.0,
            "noise_floor": "none",
            "huber": "none",
            "monotone": False,
        }


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Rows of the pool of one target, and how recipes are compared on them."""

    dataset: Dataset
    target: str
    pool: NDArray[np.int64]

    def folds(self, seed: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Return (fit, held) rows of each fold."""
        from sklearn.model_selection import KFold

        split = KFold(N_TUNING_FOLDS, shuffle=True, random_state=seed).split(self.pool)
        return [(self.pool[fit], self.pool[held]) for fit, held in split]

    def single(
        self, compact: CompactRecipe, report: Callable[[float, int], None] = lambda s, k: None
    ) -> dict[str, float]:
        """Return metrics of one member per fold, stopped early on the fold itself."""
        short = replace(
            compact,
            num_rounds=min(_TUNING_ROUNDS, compact.num_rounds),
            early_stopping_rounds=min(_TUNING_PATIENCE, compact.early_stopping_rounds),
        )
        y = self.dataset.values[self.target]
        found, folds, each = [], [], []
        for k, (fit, held) in enumerate(self.folds(_FOLD_SEED)):
            held = compact.rows(self.dataset, self.target, held)
            found.append(self._fit_predict(short, fit, held, held, seed=k))
            folds.append(held)
            # What prunes a hopeless trial early needs no hinges.
            each.append(score(evaluate(y[held], found[-1])))
            report(float(np.mean(each)), k)
        return self._judge(folds, found)

    def ensemble(self, compact: CompactRecipe) -> dict[str, float]:
        """Return metrics of small ensembles, each on a fold none of its members has seen."""
        found, folds = [], []
        for k, (fit, held) in enumerate(self.folds(_FOLD_SEED + 1)):
            held = compact.rows(self.dataset, self.target, held)
            rng = np.random.default_rng(k)
            parts = np.array_split(rng.permutation(fit), N_FINAL_MEMBERS * 3)
            members = []
            for m in range(N_FINAL_MEMBERS):
                stop = np.sort(parts[m])
                rest = np.sort(np.setdiff1d(fit, stop))
                members.append(self._fit_predict(compact, rest, stop, held, seed=m))
            found.append(np.mean(members, axis=0))
            folds.append(held)
        return self._judge(folds, found)

    def _judge(
        self, folds: list[NDArray[np.int64]], predicted: list[NDArray[np.float64]]
    ) -> dict[str, float]:
        """Return the metrics of the predictions of all folds, with hinges as a build has them."""
        number = np.repeat(np.arange(len(folds)), [len(rows) for rows in folds])
        measured = self.dataset.values[self.target][np.concatenate(folds)]
        raw = np.concatenate(predicted)
        metrics = evaluate(measured, raw)
        if np.abs(raw).max() > 10 * np.abs(measured).max():
            return metrics  # a wild trial: there is nothing to correct
        corrected = evaluate(measured, cross_fitted(raw, measured, number))
        # Hinges change no ranks. Here each fold has its own, which would shift folds against
        # each other: ranks are those without.
        return {**corrected, **{key: metrics[key] for key in ("kendall_tau", "spearman")}}

    def _fit_predict(
        self,
        compact: CompactRecipe,
        fit: NDArray[np.int64],
        stop: NDArray[np.int64],
        rows: NDArray[np.int64],
        *,
        seed: int,
    ) -> NDArray[np.float64]:
        import xgboost as xgb

        fit = compact.rows(self.dataset, self.target, fit)
        stop = compact.rows(self.dataset, self.target, stop)
        recipe = compact.recipe(self.dataset, self.target, fit)
        y = self.dataset.values[self.target]

        def matrix(part: NDArray[np.int64]) -> Any:
            return xgb.DMatrix(
                self.dataset.codes[part].astype(np.float32),
                label=recipe.transform.forward(y[part]),
                weight=compact.weights(self.dataset, self.target, part),
                nthread=1,
            )

        booster = boost(recipe, seed, matrix(fit), matrix(stop))
        label = booster.predict(matrix(rows))
        codes, space = self.dataset.codes[rows], self.dataset.space
        return _bounded(recipe, label.astype(np.float64), codes, space)


def _bounded(
    recipe: Recipe, label: NDArray[np.float64], codes: NDArray[np.uint8], space: SearchSpace
) -> NDArray[np.float64]:
    # A wild trial may leave the link's domain; such a prediction is simply very bad, not NaN.
    y = recipe.transform.inverse(label, codes, space)
    return np.nan_to_num(y, nan=1e12, posinf=1e12, neginf=-1e12)


def tune(
    dataset: Dataset,
    pool: NDArray[np.int64],
    target: str,
    *,
    n_trials: int,
    storage: Path,
    on_trial: Callable[[int, float], None] = lambda number, best: None,
) -> dict[str, Any]:
    """Run, or go on with, the study of a target and choose a recipe.

    Parameters
    ----------
    dataset : Dataset
    pool : ndarray of int64
        Training and validation rows of the split; no others are read.
    target : str
    n_trials : int
        Trials the study is to have in the end; those done before count.
    storage : Path
        Journal of the study. A run that was interrupted goes on where it stopped.
    on_trial : callable, optional
        Called as ``on_trial(number of trials done, best score so far)``.

    Returns
    -------
    dict
        ``recipe``, and ``study``: the number of trials, the metrics of the choice as a single
        member, those of the finalists as ensembles, and those of the best trial of each link.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    offer = offer_for(dataset, target)
    kept, _ = dataset.labelled(target, pool)
    cv = CrossValidation(dataset, target, kept)
    has_std = bool(np.isfinite(dataset.stds[target][kept]).any())
    study = open_study(storage, target, pruner=optuna.pruners.MedianPruner(n_startup_trials=8))
    _check_study(study, storage)
    _resume(study, offer)

    def objective(trial: Any) -> float:
        def report(value: float, fold: int) -> None:
            trial.report(value, fold)
            if trial.should_prune():
                raise optuna.TrialPruned

        metrics = cv.single(suggest(trial, offer, has_std), report)
        trial.set_user_attr("metrics", metrics)
        return score(metrics)

    _run_trials(study, objective, n_trials, on_trial)
    complete = [t for t in _done(study) if t.state == optuna.trial.TrialState.COMPLETE]
    complete.sort(key=lambda t: (t.value, t.number))
    finalists = []
    for trial in complete[:N_FINALISTS]:
        compact = suggest(optuna.trial.FixedTrial(trial.params), offer, has_std)
        metrics = cv.ensemble(compact)
        finalists.append({"trial": trial.number, "metrics": metrics, "score": score(metrics)})
        finalists[-1]["recipe"] = compact
    best = min(finalists, key=lambda f: (f["score"], f["trial"]))
    chosen: CompactRecipe = best["recipe"]
    chosen, out_of_fold = bend(dataset, pool, target, chosen, storage.parent)
    return {
        "recipe": chosen.to_dict(),
        "study": {
            "trials": len(_done(study)),
            "chosen_trial": best["trial"],
            "single_member": complete[[t.number for t in complete].index(best["trial"])].user_attrs[
                "metrics"
            ],
            "ensembles": [
                {"trial": f["trial"], "link": f["recipe"].link.name, **f["metrics"]}
                for f in finalists
            ],
            "best_by_link": _best_by_link(complete),
            "additive_stage": _additive_gains(complete),
            "out_of_fold": out_of_fold,
        },
    }


def _done(study: Any) -> list[Any]:
    import optuna

    finished = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    return list(study.get_trials(deepcopy=False, states=finished))


def _resume(study: Any, offer: Offer) -> None:
    """Give a new study its first points, and one that was interrupted the point it was at."""
    import optuna

    if not study.trials:
        for point in starting_points(offer):
            study.enqueue_trial(point)
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        study.enqueue_trial(trial.params)


def _run_trials(
    study: Any,
    objective: Callable[[Any], float],
    n_trials: int,
    on_trial: Callable[[int, float], None],
) -> None:
    import optuna

    while (count := len(_done(study))) < n_trials:
        # Seeded by the trial, not once: a study that goes on must not draw its first points again.
        study.sampler = optuna.samplers.TPESampler(
            seed=len(study.trials), multivariate=True, n_startup_trials=16
        )
        trial = study.ask()
        try:
            study.tell(trial, objective(trial))
        except optuna.TrialPruned:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        on_trial(count + 1, study.best_value)


def _check_study(study: Any, storage: Path) -> None:
    """Refuse to go on with a study that chose from other parameters."""
    for trial in study.trials:
        if trial.state.is_finished() and trial.params and "additive" not in trial.params:
            msg = (
                f"{storage} is the study of an earlier version; remove it, or give another --study"
            )
            raise AnbError(msg)


def _best_by_link(trials: list[Any]) -> dict[str, dict[str, float]]:
    """Return, per link, the metrics of its best trial: the evidence for the choice of the link."""
    best: dict[str, dict[str, float]] = {}
    for trial in trials:  # sorted by score
        best.setdefault(trial.params["link"], trial.user_attrs["metrics"])
    return best


def _additive_gains(trials: list[Any]) -> dict[str, dict[str, dict[str, float]]]:
    """Return, per link, the metrics of starting points that differ in the additive stage only."""
    pairs: dict[str, dict[str, Any]] = {}
    for trial in trials:
        rest = to_json({key: value for key, value in trial.params.items() if key != "additive"})
        name = "with" if trial.params["additive"] else "without"
        pairs.setdefault(rest.decode(), {"link": trial.params["link"]})[name] = trial
    return {
        pair["link"]: {name: pair[name].user_attrs["metrics"] for name in ("with", "without")}
        for _, pair in sorted(pairs.items())
        if len(pair) == 3
    }


def read_entry(path: Path, target: str) -> dict[str, Any]:
    """Return a target's entry of a file of recipes.

    Raises
    ------
    RecipeError
        If the file is missing or malformed, or has no recipe for the target.
    """
    if target not in load_recipes(path):
        msg = f"{path} has no recipe for {target!r}; make one with `anb-export tune`"
        raise RecipeError(msg)
    entry: dict[str, Any] = read_json(path)[target]
    return entry


def store_recipe(path: Path, target: str, entry: dict[str, Any]) -> None:
    """Put a target's entry into a file of recipes, keeping the others.

    Raises
    ------
    AnbError
        If the file exists but is malformed, or cannot be written.
    """
    document = _stored(path)
    document[target] = entry
    write_atomically(path, to_json(document))


def check_store(path: Path) -> None:
    """Refuse, before a study of hours, what `store_recipe` would refuse after it.

    Raises
    ------
    AnbError
        As `store_recipe` does.
    """
    check_writable(path)
    _stored(path)


def _stored(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        load_recipes(path)  # refuse before anything is written
        document: dict[str, Any] = read_json(path)
        to_json(document)  # NaN can be read, but not be written
    except ValueError as error:
        reason = str(error)
        if not isinstance(error, AnbError):
            reason = f"cannot read the compact recipes {path}: {error}"
        msg = f"{reason}; remove the file, or give another --out"
        raise RecipeError(msg) from error
    return document
