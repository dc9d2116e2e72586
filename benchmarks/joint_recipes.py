"""What ranks the losses of FCNet best from 6,000 runs: `python -m benchmarks.joint_recipes FOLDER`.

On validation configurations alone. Trees of several labels, within so many genes a path, beside the
Gaussian process over all configurations, beside what one run of each configuration would tell.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.joint_spaces import N_RUNS

Floats = NDArray[np.float64]

#: What is said of the validation configurations, from codes and values of others.
Recipe = Callable[[NDArray[np.uint8], Floats], Floats]

#: Members of an ensemble of trees, each stopped by a fifth of the runs.
_MEMBERS, _ROUNDS, _PATIENCE = 2, 3000, 40
_PARAMS = {
    "max_depth": 8,
    "learning_rate": 0.05,
    "subsample": 0.8,
    "colsample_bynode": 0.6,
    "min_child_weight": 3,
    "tree_method": "hist",
    "max_bin": 64,
    "base_score": 0.0,
    "nthread": 1,
}


def main(folder: Path) -> int:
    """Print Kendall's tau of each recipe, by data set and on average; return 0."""
    from anb_export.data.joint_runs import FCNET_DATA, read_fcnet
    from anb_export.data.run_figures import rank_figures
    from anb_export.training.lattice_process import LatticeProcess, Scores

    joint = read_fcnet(folder)
    space, codes = joint.dataset.space, joint.dataset.codes
    labels: dict[str, Callable[[Floats], Floats]] = {
        "y^(1/8)": lambda y: y**0.125,
        "-y^(-1/8)": lambda y: -(y**-0.125),
        "normal scores": lambda y: Scores.of(y).forward(y),
    }

    def boosted(order: int, label: Callable[[Floats], Floats]) -> Recipe:
        return lambda rows, y: trees(rows, label(y), codes[joint.val], order)

    recipes: dict[str, Recipe] = {
        f"trees within {order} genes, {name}": boosted(order, label)
        for order in (2, 3, 4, space.n_genes)
        for name, label in labels.items()
    }
    recipes["Gaussian process, all configurations"] = lambda rows, y: LatticeProcess(
        space, rows, y, 0
    ).middle(codes[joint.val])
    taus: dict[str, list[float]] = {name: [] for name in (*recipes, "one run")}
    for which in FCNET_DATA:
        runs = joint.runs[f"val_loss_{which}"]
        rng = np.random.default_rng(N_RUNS)
        rows = rng.permutation(joint.learn)[:N_RUNS]
        values = runs[rows, rng.integers(0, runs.shape[1], N_RUNS)]
        for name, recipe in recipes.items():
            found = rank_figures(runs[joint.val], recipe(codes[rows], values))
            taus[name].append(found["tau_rest"])
        taus["one run"].append(found["tau_rest_of_run"])
    for name, of_data in taus.items():
        each = "  ".join(f"{tau:.4f}" for tau in of_data)
        print(f"{name:44} {np.mean(of_data):.4f}   {each}", flush=True)
    return 0


def trees(
    codes: NDArray[np.uint8], labels: Floats, wanted: NDArray[np.uint8], order: int
) -> Floats:
    """Return what boosted trees of at most `order` genes a path say of `wanted`."""
    import xgboost as xgb

    groups = [list(group) for group in combinations(range(codes.shape[1]), order)]
    params: dict[str, Any] = {**_PARAMS, "interaction_constraints": json.dumps(groups)}
    z = (labels - labels.mean()) / labels.std()
    fold = np.random.default_rng(0).permutation(len(z)) % 5
    total = np.zeros(len(wanted))
    for member in range(_MEMBERS):
        fit, held = fold != member, fold == member
        booster = xgb.train(
            {**params, "seed": member},
            xgb.DMatrix(codes[fit].astype(np.float32), z[fit], nthread=1),
            _ROUNDS,
            evals=[(xgb.DMatrix(codes[held].astype(np.float32), z[held], nthread=1), "held")],
            early_stopping_rounds=_PATIENCE,
            verbose_eval=False,
        )
        best = booster[: booster.best_iteration + 1]
        total += best.predict(xgb.DMatrix(wanted.astype(np.float32), nthread=1))
    return total


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
