"""Compares the compact recipe with that of Accel-NASBench itself, on one split and in one run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export._io.files import to_json, write_atomically
from anb_export._io.json_file import read_json
from anb_export.artifacts.build import N_MEMBERS, Report, train_compact
from anb_export.data.accel_nasbench import TARGETS
from anb_export.data.dataset import Dataset
from anb_export.data.metrics import evaluate
from anb_export.data.splits import Split
from anb_export.reports.markdown import number, table
from anb_export.training.compact import CompactRecipe
from anb_export.training.members_folder import Training
from anb_export.training.recipe import upstream_recipe
from anb_export.training.train_members import train
from anb_onnx._io.output import check_output
from anb_onnx.catalog.catalog import Catalog
from anb_onnx.catalog.manifest import MANIFEST
from anb_onnx.errors import AnbError

#: Members of the reference's ensembles, with seeds 1 to N_UPSTREAM_MEMBERS.
N_UPSTREAM_MEMBERS = 6

#: The split that the data set is published with; its members lie in the work folder itself, where
#: `anb-export build` puts them.
PUBLISHED_SPLIT = "default_split"

#: The targets of Accel-NASBench. Training time is measured too, but is no target of the benchmark.
BENCHMARK_TARGETS = tuple(
    name for name, spec in TARGETS.items() if not spec.exact and spec.metric != "train_time"
)

#: What is compared, its heading, and whether more of it is better.
METRICS = (("kendall_tau", "tau", True), ("r2", "R2", True), ("mae", "MAE", False))

_SCHEMA = 1


class ComparisonError(AnbError):
    """A file of comparisons is malformed, or is not of the data or split at hand."""


def compare(
    dataset: Dataset,
    split: Split,
    targets: Sequence[str],
    recipes: Mapping[str, CompactRecipe],
    hyperparameters: Path,
    *,
    work: Path,
    out: Path,
    artifacts: Path | None = None,
    jobs: int = 1,
    report: Report = lambda stage: None,
) -> dict[str, Any]:
    """Train both recipes for each target and evaluate both on the same test rows.

    Predictions are the exact float64 sums of the members' leaves. Each target is stored in `out`
    as soon as it is done; targets that are stored there already stay. Members that a former run
    finished are kept.

    Parameters
    ----------
    dataset : Dataset
    split : Split
    targets : sequence of str
        Measured targets.
    recipes : mapping of str to CompactRecipe
        For every target.
    hyperparameters : Path
        The reference's; see `recipe.upstream_recipe`.
    work : Path
        Folder of the members; may be that of `anb-export build`, whose members are then taken.
    out : Path
        The JSON file.
    artifacts : Path, optional
        Folder whose manifest tells the size of each target's artifact.
    jobs : int
        Trainings at a time.
    report : callable, optional
        As for `build.build`.

    Returns
    -------
    dict
        What `out` then holds.

    Raises
    ------
    AnbError
        If a target is exact or has no recipe, or `out` holds something else.
    """
    for target in targets:
        if dataset.target(target).exact:
            msg = f"{target!r} is an exact closed form; there is nothing to compare"
            raise ComparisonError(msg)
        if target not in recipes:
            msg = f"no compact recipe for {target!r}; make one with `anb-export tune`"
            raise ComparisonError(msg)
        upstream_recipe(target, hyperparameters)  # refused now, not after hours
    check_output(out)
    document = _start(dataset, split, out)
    folder = work_folder(work, split)
    sizes = _artifact_bytes(artifacts, dataset, split)
    for target in targets:
        compact = train_compact(
            dataset,
            split,
            target,
            recipes[target],
            tuple(range(1, N_MEMBERS + 1)),
            folder / "compact" / target,
            jobs=jobs,
            on_progress=report(f"{target}: compact"),
        )
        upstream = train(
            dataset,
            split,
            target,
            upstream_recipe(target, hyperparameters),
            range(1, N_UPSTREAM_MEMBERS + 1),
            folder / "upstream" / target,
            jobs=jobs,
            on_progress=report(f"{target}: upstream"),
        )
        usual = _usual_test_rows(dataset, split, target, recipes[target])
        document["targets"][target] = {
            "unit": dataset.target(target).unit,
            "compact": {
                **_side(dataset, compact, usual),
                "artifact_bytes": sizes.get(target),
            },
            "upstream": _side(dataset, upstream, usual),
        }
        write_atomically(out, to_json(document))
    return document


def work_folder(work: Path, split: Split) -> Path:
    """Return where the members for a split are kept: `work` itself for the published one."""
    if split.name == PUBLISHED_SPLIT:
        return work
    return work / re.sub(r"[^\w.-]+", "-", split.name)


def read_comparison(
    path: Path, dataset: Dataset, split_sha256: str | None = None
) -> dict[str, Any]:
    """Read what `compare` wrote.

    Parameters
    ----------
    path : Path
    dataset : Dataset
        The data it must be about.
    split_sha256 : str, optional
        The split it must be about.

    Raises
    ------
    ComparisonError
        If the file is missing, malformed, or about other data or another split.
    """
    try:
        document = read_json(path)
    except FileNotFoundError:
        msg = f"no comparison at {path}; make it with `anb-export compare --out {path}`"
        raise ComparisonError(msg) from None
    except (OSError, ValueError, RecursionError) as error:
        msg = f"cannot read the comparison {path}: {error}"
        raise ComparisonError(msg) from error
    parts = ("dataset", "split", "targets")
    well_formed = isinstance(document, dict) and document.get("schema") == _SCHEMA
    if not well_formed or not all(isinstance(document.get(key), dict) for key in parts):
        msg = f"{path} is no comparison of schema {_SCHEMA}; remove it and run `anb-export compare`"
        raise ComparisonError(msg)
    for key, expected in (("dataset", dataset.sha256), ("split", split_sha256)):
        found = document[key].get("sha256")
        if expected is not None and found != expected:
            msg = (
                f"{path} is about another {key}: sha256 {found}, expected {expected}; give another "
                "file, or remove it and run `anb-export compare`"
            )
            raise ComparisonError(msg)
    return dict(document)


def ahead(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return who is ahead in each of `METRICS`: ``"compact"``, ``"upstream"`` or ``"equal"``."""
    ours, theirs = (entry[side]["quality"]["test"] for side in ("compact", "upstream"))
    found = []
    for key, _, more_is_better in METRICS:
        gain = ours[key] - theirs[key] if more_is_better else theirs[key] - ours[key]
        found.append("compact" if gain > 0 else "upstream" if gain < 0 else "equal")
    return tuple(found)


def comparison_table(document: Mapping[str, Any]) -> str:
    """Return the comparison as a Markdown table, with a line below that counts who is ahead."""
    sides = ("compact", "upstream")
    header = [
        "target",
        "unit",
        *(f"{heading} {side}" for side in sides for _, heading, _ in METRICS),
        *(f"ahead in {heading}" for _, heading, _ in METRICS),
    ]
    rows, wins = [], []
    for target in (name for name in TARGETS if name in document["targets"]):
        entry = document["targets"][target]
        cells = []
        for side in sides:
            m = entry[side]["quality"]["test"]
            cells += [f"{m['kendall_tau']:.4f}", f"{m['r2']:.4f}", number(m["mae"])]
        leaders = ahead(entry)
        rows.append([target, entry["unit"], *cells, *leaders])
        if target in BENCHMARK_TARGETS:
            wins.append(set(leaders) == {"compact"})
    count = f"Compact is ahead in all three on {sum(wins)} of the {len(wins)} benchmark targets"
    others = sum(target not in BENCHMARK_TARGETS for target in document["targets"])
    return (
        f"{table(header, rows, left=2)}\n\n{count}{' (train_time not counted)' if others else ''}."
    )


def _start(dataset: Dataset, split: Split, out: Path) -> dict[str, Any]:
    if out.exists():
        return read_comparison(out, dataset, split.sha256)
    return {
        "schema": _SCHEMA,
        "dataset": {"name": "Accel-NASBench", "sha256": dataset.sha256, "n_records": len(dataset)},
        "split": {
            "name": split.name,
            "sha256": split.sha256,
            **{part: len(rows) for part, rows in split.parts().items()},
        },
        "targets": {},
    }


def _usual_test_rows(
    dataset: Dataset, split: Split, target: str, recipe: CompactRecipe
) -> NDArray[np.int64] | None:
    """Return the test rows that the recipe would not call outliers; None if these are all."""
    if recipe.trim is None:
        return None
    y = dataset.values[target]
    pool, _ = dataset.labelled(target, split.pool)
    rows, _ = dataset.labelled(target, split.test)
    usual = rows[y[rows] <= recipe.trim * np.median(y[pool])]
    return usual if len(usual) < len(rows) else None


def _side(dataset: Dataset, training: Training, usual: NDArray[np.int64] | None) -> dict[str, Any]:
    document = training.document
    quality = dict(document["metrics"])
    if usual is not None:
        codes = dataset.codes[usual]
        labels = np.stack([f.predict_exact(codes) for f in training.forests()], axis=1)
        mean = training.transform.inverse(labels, codes, dataset.space).mean(axis=1)
        measured = dataset.values[training.target][usual]
        quality["test_without_outliers"] = evaluate(measured, mean)
    return {
        "recipe": document["recipe"],
        "members": len(document["members"]),
        "seeds": [member["seed"] for member in document["members"]],
        "rounds": [member["rounds"] for member in document["members"]],
        "booster_megabytes": [round(path.stat().st_size / 1e6, 3) for path in training.files],
        "n_used": document["dataset"]["n_used"],
        "n_dropped": document["dataset"]["n_dropped"],
        "quality": quality,
        "versions": document["versions"],
    }


def _artifact_bytes(folder: Path | None, dataset: Dataset, split: Split) -> dict[str, int]:
    if folder is None or not (folder / MANIFEST).exists():
        return {}
    cards = {artifact.target.name: artifact.card for artifact in Catalog.read(folder).artifacts}
    return {
        name: int(card["bytes"])
        for name, card in cards.items()
        if card.get("form") == "tables"
        and card["dataset"]["sha256"] == dataset.sha256
        and card["split"]["sha256"] == split.sha256
    }
