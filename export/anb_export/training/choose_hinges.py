"""The last step of choosing a recipe: hinges and regime, fitted to out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.data.dataset import Dataset
from anb_export.data.metrics import evaluate
from anb_export.training.compact import CompactRecipe
from anb_export.training.hinges import fit_hinges, fit_regime
from anb_export.training.out_of_fold import N_OOF_MEMBERS, predict_out_of_fold
from anb_export.training.workers import OnProgress
from anb_onnx.links import Link


def bend(
    dataset: Dataset,
    pool: NDArray[np.int64],
    target: str,
    chosen: CompactRecipe,
    folder: Path,
    *,
    jobs: int = 1,
    on_progress: OnProgress | None = None,
) -> tuple[CompactRecipe, dict[str, dict[str, float]]]:
    """Fit the hinges of a recipe's link, and its regime, to out-of-fold predictions.

    Parameters
    ----------
    dataset, pool, target
        As for `tune_compact.tune`.
    chosen : CompactRecipe
        Hinges and regime that it has are replaced.
    folder : Path
        Out-of-fold predictions are kept below it, in ``out_of_fold``, and reused.
    jobs, on_progress
        As for `out_of_fold.predict_out_of_fold`.

    Returns
    -------
    recipe : CompactRecipe
    record : dict
        Metrics of the out-of-fold predictions without hinges, with hinges and, where there is one,
        with a regime.
    """
    plain = Link(chosen.link.power, chosen.link.offset)
    # The same ensembles that will calibrate the artifact; see `hinges`.
    oof = predict_out_of_fold(
        dataset,
        target,
        pool,
        replace(chosen, link=plain),
        tuple(range(1, N_OOF_MEMBERS + 1)),
        folder / "out_of_fold" / target,
        jobs=jobs,
        on_progress=on_progress,
    )
    codes = dataset.codes[oof.rows]
    hinges, regime = fit_regime(oof.mean, oof.measured, codes, dataset.space)
    common = hinges if regime is None else fit_hinges(oof.mean, oof.measured)
    bends = {"without_hinges": Link(), "with_hinges": Link("1", None, common)}
    if regime is not None:
        bends["with_regime"] = Link("1", None, hinges, regime)
    record = {
        name: evaluate(oof.measured, link.inverse(oof.mean, codes, dataset.space))
        for name, link in bends.items()
    }
    return replace(chosen, link=replace(plain, hinges=hinges, regime=regime)), record


def refit(
    dataset: Dataset,
    pool: NDArray[np.int64],
    target: str,
    entry: Mapping[str, Any],
    folder: Path,
    *,
    jobs: int = 1,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Do the last step of `tune_compact.tune` again, for an entry of a file of recipes."""
    chosen = CompactRecipe.from_dict(entry["recipe"])
    chosen, out_of_fold = bend(
        dataset, pool, target, chosen, folder, jobs=jobs, on_progress=on_progress
    )
    return {
        "recipe": chosen.to_dict(),
        "study": {**entry.get("study", {}), "out_of_fold": out_of_fold},
    }
