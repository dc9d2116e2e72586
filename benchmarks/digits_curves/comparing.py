"""Runs the searches on real training and on what stands for it, each into a file of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_onnx._io.progress import Progress
from benchmarks.digits_curves.agreement import Agreement, agree
from benchmarks.digits_curves.searches import SEARCHES, Course, Run, search

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Side:
    """Something that trains, or answers in its place.

    Attributes
    ----------
    name : str
        Of its folder of results.
    seeds : int
        Searches with these seeds, from 0 on.
    make : callable
        Seed -> `Run`; called when a search is to be done.
    stamp : dict
        What results depend on; those of another stamp are computed again.
    note : callable
        What is to be known of a search besides, asked before it.
    """

    name: str
    seeds: int
    make: Callable[[int], Run]
    stamp: dict[str, Any]
    note: Callable[[], dict[str, Any]] = dict


def courses(side: Side, folder: Path, *, budget: float, compute: bool) -> dict[str, list[Course]]:
    """Return the searches of a side by name, by seed; do those that are not in the folder.

    Seeds that some search lacks are left out, so that all have the same.
    """
    wanted = [(name, seed) for seed in range(side.seeds) for name in SEARCHES]
    with Progress(f"searches ({side.name})", show=True) as progress:
        for done, (name, seed) in enumerate(wanted):
            if not compute:
                break
            progress(done, len(wanted))
            if _read(side, folder, name, seed, budget) is None:
                note = side.note()
                course = search(name, side.make(seed), budget=budget, seed=seed)
                stamp = {**side.stamp, "budget": budget}
                _write(_path(side, folder, name, seed), stamp, note, course)
    found = {key: _read(side, folder, *key, budget) for key in wanted}
    whole = [s for s in range(side.seeds) if all(found[name, s] is not None for name in SEARCHES)]
    kept = {key: course for key, course in found.items() if course is not None}
    return {name: [kept[name, s] for s in whole] for name in SEARCHES}


def _path(side: Side, folder: Path, name: str, seed: int) -> Path:
    return folder / side.name / f"{name.replace(', ', '-').replace(' ', '_')}-{seed}.json"


def _write(path: Path, stamp: dict[str, Any], note: dict[str, Any], course: Course) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "stamp": stamp,
        "note": note,
        "seconds": course.seconds.tolist(),
        "accuracy": course.accuracy.tolist(),
        "runs": course.runs,
    }
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(content))
    part.replace(path)


def _read(side: Side, folder: Path, name: str, seed: int, budget: float) -> Course | None:
    path = _path(side, folder, name, seed)
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    if content["stamp"] != {**side.stamp, "budget": budget}:
        return None
    return Course(
        np.array(content["seconds"], float), np.array(content["accuracy"], float), content["runs"]
    )


def reference(side: Side, folder: Path) -> float:
    """Return the median time of the reference run before the searches of a side, in seconds."""
    notes = [json.loads(path.read_text())["note"] for path in (folder / side.name).glob("*.json")]
    return float(np.median([note["reference_seconds"] for note in notes]))


def at_pace(of: dict[str, list[Course]], pace: float) -> dict[str, list[Course]]:
    """Return courses whose seconds are multiplied: those of a machine of another pace."""
    return {
        name: [Course(course.seconds * pace, course.accuracy, course.runs) for course in courses]
        for name, courses in of.items()
    }


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of all files of a folder and their names."""
    hashed = hashlib.sha256()
    for file in _files(path):
        hashed.update(f"{file.relative_to(path)}\0".encode() + file.read_bytes())
    return hashed.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    else:
        yield path


@dataclass(frozen=True)
class Found:
    """What a comparison found.

    Attributes
    ----------
    budgets : list of float
        In training seconds.
    seeds, runs : dict
        Side -> number of seeds; side -> search -> mean number of runs begun.
    best : dict
        Side -> search -> mean highest accuracy at each budget.
    error : dict
        The standard error of each.
    agreements : dict
        Side -> of each budget, and of the mean over budgets at last, its agreement with the
        first side.
    """

    budgets: list[float]
    seeds: dict[str, int]
    runs: dict[str, dict[str, float]]
    best: dict[str, dict[str, list[float]]]
    error: dict[str, dict[str, list[float]]]
    agreements: dict[str, list[Agreement]]

    def document(self) -> dict[str, Any]:
        """Return all of it for JSON."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Found:
        """Return what `document` returned."""
        agreements = {
            side: [Agreement(**each) for each in of] for side, of in document["agreements"].items()
        }
        return cls(**{**document, "agreements": agreements})


def compare(sides: dict[str, dict[str, list[Course]]], budgets: Sequence[float]) -> Found:
    """Compare the ranking of searches on each side with that on the first."""
    tables = {
        side: np.stack([[course.best(budgets) for course in of[name]] for name in SEARCHES], axis=2)
        for side, of in sides.items()
    }  # [seeds, budgets, searches]
    truth, *others = tables
    agreements = {}
    for other in others:
        pair = tables[other], tables[truth]
        each = [agree(*(table[:, b] for table in pair)) for b in range(len(budgets))]
        agreements[other] = [*each, agree(*(table.mean(axis=1) for table in pair))]
    return Found(
        list(budgets),
        {side: len(table) for side, table in tables.items()},
        {
            side: {name: float(np.mean([c.runs for c in of[name]])) for name in SEARCHES}
            for side, of in sides.items()
        },
        {side: _by_name(table.mean(axis=0)) for side, table in tables.items()},
        {
            side: _by_name(table.std(axis=0) / np.sqrt(max(len(table) - 1, 1)))
            for side, table in tables.items()
        },
        agreements,
    )


def _by_name(values: Floats) -> dict[str, list[float]]:
    return dict(zip(SEARCHES, values.T.tolist(), strict=True))


def markdown(found: Found) -> str:
    """Return the tables of a comparison."""
    lines = []
    budgets = [f"{budget:g} s" for budget in found.budgets]
    for side, best in found.best.items():
        head = [f"{side}, {found.seeds[side]} seeds", *budgets, "runs begun"]
        lines += ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
        for name, values in best.items():
            cells = [
                f"{100 * value:.2f} ± {100 * error:.2f}"
                for value, error in zip(values, found.error[side][name], strict=True)
            ]
            lines.append(
                f"| {name} | " + " | ".join([*cells, f"{found.runs[side][name]:.0f}"]) + " |"
            )
        lines.append("")
    if found.agreements:
        truth = next(iter(found.best))
        head = [f"tau with {truth}", *budgets, "all"]
        lines += ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
        for side, each in found.agreements.items():
            row = [f"{a.tau:.2f} ({a.low:.2f} to {a.high:.2f})" for a in each]
            lines.append(f"| {side} | " + " | ".join(row) + " |")
            lines.append("| — by chance | " + " | ".join(f"{a.chance:.3f}" for a in each) + " |")
        ceilings = [f"{a.ceiling:.2f}" for a in next(iter(found.agreements.values()))]
        lines += [f"| {truth}, halves of its seeds | " + " | ".join(ceilings) + " |", ""]
    return "\n".join(lines)
