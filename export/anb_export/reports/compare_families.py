"""The table of all families and targets: trained on one split, compared on its test part."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anb_export._io.files import to_json, write_atomically
from anb_export.artifacts.build import train_compact
from anb_export.data.accel_nasbench import TARGETS
from anb_export.data.dataset import Dataset
from anb_export.data.splits import Split
from anb_export.models.formats import FAMILIES
from anb_export.reports.evaluate_ensemble import evaluate_ensemble
from anb_export.reports.markdown import number, table
from anb_export.training import workers
from anb_export.training.compact import load_recipes
from anb_export.training.family_recipe import SECTIONS, family_recipe
from anb_export.training.members_folder import Training
from anb_export.training.train_families import train_family
from anb_onnx.errors import AnbError

#: Between these two lines of a page the tables lie.
BEGIN, END = "<!-- families:begin -->", "<!-- families:end -->"

#: The nine targets the reference has surrogates for.
NINE = tuple(
    name for name, spec in TARGETS.items() if not spec.exact and spec.metric != "train_time"
)

#: Rows of the table: the reference's families, and the compact recipe of this project.
ROWS = (*FAMILIES, "compact")
_TITLES = {
    "xgb": "XGBoost",
    "lgb": "LightGBM",
    "forest": "random forest",
    "svr": "ε-SVR",
    "nusvr": "ν-SVR",
    "compact": "XGBoost, compact recipe",
}

Report = Callable[[str], "workers.OnProgress | None"]


@dataclass(frozen=True)
class Job:
    """One ensemble of the table.

    Attributes
    ----------
    row : str
        Row of the table: of `ROWS`, or with the suffix ``-searched``.
    target : str
    hyperparameters : Path or None
        File they are read from; None for the compact recipe, which has its own.
    """

    row: str
    target: str
    hyperparameters: Path | None

    @property
    def family(self) -> str:
        """The family of the row."""
        return self.row.removesuffix("-searched")


def jobs_for(
    rows: Sequence[str],
    targets: Sequence[str],
    hyperparameters: Path,
    searched: Path | None = None,
) -> list[Job]:
    """Return the ensembles of a table.

    Parameters
    ----------
    rows : sequence of str
        Of `ROWS`.
    targets : sequence of str
    hyperparameters : Path
        The published file.
    searched : Path, optional
        A file that `anb-export hpo` wrote: whatever it holds for rows and targets makes a further
        row, ``...-searched``.

    Raises
    ------
    AnbError
        If a row or target is unknown, or the file of the search is malformed.
    """
    for kind, given, known in (("row", rows, ROWS), ("target", targets, NINE)):
        for name in given:
            if name not in known:
                msg = f"unknown {kind} {name!r}; valid ones: {', '.join(known)}"
                raise AnbError(msg)
    found = [
        Job(row, target, None if row == "compact" else hyperparameters)
        for row in rows
        for target in targets
    ]
    if searched is not None:
        try:
            document = json.loads(searched.read_bytes())
            held = {name: set(entries) for name, entries in document.items()}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            msg = f"cannot read the hyper-parameters {searched}: {error}"
            raise AnbError(msg) from error
        found += [
            Job(f"{row}-searched", target, searched)
            for row in rows
            for target in targets
            if target in held.get(SECTIONS.get(row, ""), ())
        ]
    return found


def run_table(
    dataset: Dataset,
    split: Split,
    jobs: Sequence[Job],
    seeds: Sequence[int],
    work: Path,
    *,
    processes: int = 1,
    report: Report = lambda stage: None,
) -> dict[str, Any]:
    """Train what is not there yet, evaluate, and return the table's document.

    Parameters
    ----------
    dataset : Dataset
    split : Split
    jobs : sequence of Job
    seeds : sequence of int
        One member of each ensemble for each.
    work : Path
        Members go to ``work/ROW/TARGET``, where those of a former run are kept.
    processes : int
        Members trained at a time.
    report : callable, optional
        Called with each stage; returns its progress callback.

    Returns
    -------
    dict
        ``dataset`` and ``split`` (digests), ``seeds``, and ``results``: for each row and target
        the metrics on the test part, the number of members and their mean size.
    """
    results: dict[str, dict[str, Any]] = {}
    for job in jobs:
        folder = work / job.row / job.target
        on_progress = report(f"{job.row} {job.target}")
        training = _train(dataset, split, job, seeds, folder, processes, on_progress)
        found = evaluate_ensemble(folder, dataset, split)
        rounds = [member["rounds"] for member in training.document["members"]]
        results.setdefault(job.row, {})[job.target] = {
            "metrics": found.metrics["test"],
            "val": found.metrics["val"],
            "members": len(rounds),
            "mean_size": sum(rounds) / len(rounds),
            "bytes": sum(file.stat().st_size for file in training.files),
            "recipe": training.document["recipe"],
            "versions": training.document["versions"],
        }
    return {
        "schema": 1,
        "dataset": dataset.sha256,
        "split": {"name": split.name, "sha256": split.sha256},
        "seeds": list(seeds),
        "results": results,
    }


def markdown(document: Mapping[str, Any]) -> str:
    """Return the tables: Kendall tau, R2 and MAE of every row on every target."""
    results = document["results"]
    targets = [t for t in NINE if any(t in row for row in results.values())]
    parts = []
    for title, metric, best, shown in (
        ("Kendall τ", "kendall_tau", max, _rank),
        ("R²", "r2", max, _rank),
        ("MAE, in the target's unit", "mae", min, number),
    ):
        values = {
            (row, target): entry[target]["metrics"][metric]
            for row, entry in results.items()
            for target in targets
            if target in entry
        }
        rows = []
        for row in results:
            cells = []
            for target in targets:
                if (row, target) not in values:
                    cells.append("-")
                    continue
                value = values[row, target]
                first = best(v for (_, t), v in values.items() if t == target)
                cells.append(f"**{shown(value)}**" if value == first else shown(value))
            rows.append([_title(row), *cells])
        header = ["family", *(_heading(target) for target in targets)]
        parts.append(f"**{title}**\n\n{table(header, rows)}")
    members = ", ".join(str(seed) for seed in document["seeds"])
    split = document["split"]
    parts.append(
        f"Test part of the split {split['name']} (sha256 `{split['sha256'][:12]}`), data "
        f"`{document['dataset'][:12]}`; mean of the members with seeds {members}. The best of each "
        "column is bold."
    )
    return "\n\n".join(parts)


def write_table(document: Mapping[str, Any], page: Path) -> None:
    """Write the document beside the page as JSON, and the tables between the page's markers.

    Cells that are there already, of the same data, split and seeds, stay unless they are among the
    new ones: a table may be made, or made again, in parts.

    Raises
    ------
    AnbError
        If the page exists without one pair of markers, or a file cannot be written.
    """
    document = _merged(document, page.with_suffix(".json"))
    section = f"{BEGIN}\n{markdown(document)}\n{END}"
    try:
        text = page.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = f"# Families of surrogates\n\n{BEGIN}\n{END}\n"
    except OSError as error:
        msg = f"cannot read {page}: {error.strerror}"
        raise AnbError(msg) from error
    if (text.count(BEGIN), text.count(END)) != (1, 1) or text.index(BEGIN) > text.index(END):
        msg = f"{page}: expected one {BEGIN} and, after it, one {END}"
        raise AnbError(msg)
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    write_atomically(page.with_suffix(".json"), to_json(document))
    write_atomically(page, f"{before}{section}{after}".encode())


def _merged(document: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the document with the results that a file has of the same data, split and seeds."""
    new, old = document["results"], {}
    try:
        before = json.loads(path.read_bytes())
        if all(before[key] == value for key, value in document.items() if key != "results"):
            old = {row: dict(entries) for row, entries in before["results"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # nothing there, or nothing that is a table: it is written anew
    rows = sorted({*old, *new}, key=_place)
    return {**document, "results": {r: {**old.get(r, {}), **new.get(r, {})} for r in rows}}


def _place(row: str) -> tuple[int, str]:
    return ROWS.index(row.removesuffix("-searched")), row


def _train(
    dataset: Dataset,
    split: Split,
    job: Job,
    seeds: Sequence[int],
    folder: Path,
    processes: int,
    on_progress: workers.OnProgress | None,
) -> Training:
    if job.hyperparameters is None:
        recipes = load_recipes()
        if job.target not in recipes:
            msg = f"no compact recipe for {job.target!r}; make one with `anb-export tune`"
            raise AnbError(msg)
        compact = recipes[job.target]
        return train_compact(
            dataset,
            split,
            job.target,
            compact,
            tuple(seeds),
            folder,
            jobs=processes,
            on_progress=on_progress,
        )
    recipe = family_recipe(job.family, job.target, job.hyperparameters)
    return train_family(
        dataset,
        split,
        job.target,
        recipe,
        seeds,
        folder,
        jobs=processes,
        on_progress=on_progress,
    )


def _title(row: str) -> str:
    name = row.removesuffix("-searched")
    return _TITLES[name] + (", searched here" if row != name else "")


def _heading(target: str) -> str:
    spec = TARGETS[target]
    return spec.metric if spec.device is None else f"{spec.metric} {spec.device}"


def _rank(value: float) -> str:
    # Far below zero there is nothing to tell apart, and no room for it.
    return f"{value:.4f}" if value > -10 else f"{value:.0f}"
