"""Rows of a study that was never run: figures whose means are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from anb_export.study.report_rows import FIGURES, FITS, SELECTION
from tools import need_tool

TARGETS = (
    "imagenet16_latency_raspi4",
    "cifar100_latency_pixel3",
    "cifar10_latency_edgegpu",
    "cifar100_energy_edgegpu",
    "imagenet16_arithmetic_intensity",
)


def row(
    predictor: str,
    size: int,
    seed: int,
    tau: float,
    *,
    target: str = TARGETS[0],
    space: str = "nasbench201",
    error: str | None = None,
    **figures: Any,
) -> dict[str, Any]:
    """Return a fit; of one that failed, without figures."""
    found: dict[str, Any] = {
        "tau": tau,
        "spearman": tau + 0.05,
        "r2": 2 * tau - 1,
        "mae": 3.0,
        "mae_relative": 0.06,
        "crps": 2.0,
        "crps_relative": 0.2 * (1 - tau),
        "coverage_50": 0.52,
        "coverage_90": 0.88,
        "width_90_relative": 0.25,
        "fit_seconds": 1.5,
        "predict_seconds": 0.0125,
        "query_seconds": 0.00625,
        "artifact_bytes": 64_000,
        "form": "tables",
        **figures,
    }
    if error is not None:
        found = dict.fromkeys(found)
    return {
        "space": space,
        "target": target,
        "predictor": predictor,
        "size": size,
        "seed": seed,
        "n_test": 625,
        **found,
        "error": error,
        "dataset_sha256": "ab" * 32,
        "versions": '{"numpy": "2.4.6"}',
    }


def cells(
    means: Mapping[str, Mapping[int, float]],
    *,
    seeds: Sequence[int] = (0, 1, 2, 3),
    targets: Sequence[str] = TARGETS,
    step: float = 0.01,
    **figures: Any,
) -> list[dict[str, Any]]:
    """Return fits by predictor and size with these mean taus over seeds and targets, exactly.

    Targets lie `step` apart around the mean, and so do seeds, in a fifth of the steps.
    """
    middle_seed, middle_target = (len(seeds) - 1) / 2, (len(targets) - 1) / 2
    return [
        row(
            predictor,
            size,
            seed,
            mean + step * (j - middle_target) + step / 5 * (i - middle_seed),
            target=target,
            **figures,
        )
        for predictor, by_size in means.items()
        for size, mean in by_size.items()
        for j, target in enumerate(targets)
        for i, seed in enumerate(seeds)
    ]


def selections(
    worth: Mapping[str, Mapping[int, Mapping[tuple[str, int], float]]],
    *,
    seeds: Sequence[int] = (0, 1, 2, 3),
    targets: Sequence[str] = TARGETS,
) -> list[dict[str, Any]]:
    """Return selections by predictor, size, rule and k with these mean reductions of accuracy."""
    return [
        {
            **{"space": "nasbench201", "target": target, "predictor": predictor},
            **{"size": size, "seed": seed, "rule": rule, "k": k, "selected": 30},
            "mra": mra + 0.01 * (i - (len(seeds) - 1) / 2) + 0.02 * (j - (len(targets) - 1) / 2),
            "hypervolume_loss": mra / 10,
            "regret": 2 * mra,
            "kept_limits": 3,
            "error": None,
        }
        for predictor, by_size in worth.items()
        for size, ways in by_size.items()
        for (rule, k), mra in ways.items()
        for j, target in enumerate(targets)
        for i, seed in enumerate(seeds)
    ]


def write_selection(folder: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write the file of selections into a folder, which is made."""
    pyarrow, parquet = need_tool("pyarrow"), need_tool("pyarrow.parquet")
    folder.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(list(rows)), folder / SELECTION)
    return folder


def write(folder: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write the file of a study into a folder, which is made."""
    pyarrow, parquet = need_tool("pyarrow"), need_tool("pyarrow.parquet")
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {"size": pyarrow.int32(), "seed": pyarrow.int32(), "n_test": pyarrow.int32()}
    numbers |= dict.fromkeys(FIGURES, pyarrow.float64())
    numbers["artifact_bytes"] = pyarrow.int64()
    names = ("space", "target", "predictor", "form", "error", "dataset_sha256", "versions")
    schema = pyarrow.schema(list((numbers | dict.fromkeys(names, pyarrow.string())).items()))
    parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=schema), folder / FITS)
    return folder
