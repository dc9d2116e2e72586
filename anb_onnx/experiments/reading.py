"""Folders of runs, read for a comparison: what does not belong together is refused by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anb_onnx._io.show import show
from anb_onnx.errors import SearchError
from anb_onnx.experiments.run_files import SETTINGS, cells_of, differences
from anb_onnx.problems.listing import tasks
from anb_onnx.problems.task import Task

# What all runs on a task must share, whatever their optimizer.
_SHARED = ("task", "artifacts", "budget")


@dataclass(frozen=True)
class Runs:
    """All runs of one optimizer on one task.

    Attributes
    ----------
    label : str
        Name of their folder: the optimizer's, or the one given with ``--as``.
    folders : tuple of Path
        Where they lie.
    settings : mapping
        As in ``settings.json``.
    paths : mapping of int to Path
        The file of each seed.
    """

    label: str
    folders: tuple[Path, ...]
    settings: Mapping[str, Any]
    paths: Mapping[int, Path]


def read_folders(
    folders: Sequence[Path], only: Iterable[str] = ()
) -> dict[str, tuple[Task, list[Runs]]]:
    """Return the runs of some folders by task, in the order of `anb_onnx.tasks`.

    Parameters
    ----------
    folders : sequence of Path
        Each what ``--out`` of a search was; the same optimizer may have seeds in several.
    only : iterable of str
        Names of tasks; all that are there if empty.

    Raises
    ------
    SearchError
        If a folder has no runs; if a task is unknown, or none of the runs is of it; if runs of one
        task have different budgets or artifacts or are of another version of it; if runs of one
        optimizer have different settings, or two files are of the same seed.
    """
    wanted = set(dict.fromkeys(only))
    for name in wanted:
        tasks()[name]
    found: dict[str, dict[str, Runs]] = {}
    for folder in dict.fromkeys(folders):
        for cell in cells_of(folder):
            if wanted and cell.task not in wanted:
                continue
            settings = cell.settings()
            assert settings is not None
            runs = Runs(cell.label, (cell.folder,), settings, cell.runs())
            _check_task(cell.task, runs)
            there = found.setdefault(cell.task, {})
            known = there.get(cell.label)
            there[cell.label] = runs if known is None else _joined(known, runs)
    for name in sorted(wanted - found.keys()):
        msg = f"there are no runs of task {name} in {', '.join(map(str, folders))}"
        raise SearchError(msg)
    for of_task in found.values():
        first, *others = of_task.values()
        for other in others:
            _check_shared(first, other)
    return {
        name: (tasks()[name], list(found[name].values())) for name in tasks().names if name in found
    }


def _check_task(name: str, runs: Runs) -> None:
    """Refuse runs of a task that is not, or not exactly, the installed one."""
    where = runs.folders[0] / SETTINGS
    stated = runs.settings["task"].get("name")
    if stated != name:
        msg = f"{where} is of task {show(stated)}, but lies in a folder called {name}"
        raise SearchError(msg)
    task = tasks()[name]
    installed = task.to_dict()
    artifacts = installed.pop("artifacts")
    now = {"task": installed, "artifacts": artifacts}
    for key, old, new in differences({k: runs.settings[k] for k in now}, now):
        msg = (
            f"{where}: these runs have {key} {old}, the installed task {new}; compare them with "
            f"the release that made them ({show(runs.settings['versions'].get('anb_onnx'))})"
        )
        raise SearchError(msg)


def _check_shared(first: Runs, second: Runs) -> None:
    """Refuse to compare runs that had different budgets or were of different artifacts."""
    a, b = ({key: runs.settings[key] for key in _SHARED} for runs in (first, second))
    for key, one, other in differences(a, b):
        msg = (
            f"{first.folders[0]} and {second.folders[0]} cannot be compared: {key} is {one} in the "
            f"first and {other} in the second"
        )
        raise SearchError(msg)


def _joined(first: Runs, second: Runs) -> Runs:
    """Return the runs of two folders of the same optimizer as one."""
    for key, one, other in differences(first.settings, second.settings):
        if key == "run_format":
            continue
        msg = (
            f"{first.folders[0]} and {second.folders[0]} have the same name but are not the same: "
            f"{key} is {one} in the first and {other} in the second; search one of them again "
            "with --as another name"
        )
        raise SearchError(msg)
    for seed in sorted(first.paths.keys() & second.paths.keys()):
        msg = f"{first.paths[seed]} and {second.paths[seed]} are both of seed {seed}; leave one out"
        raise SearchError(msg)
    paths = dict(sorted({**first.paths, **second.paths}.items()))
    return replace(first, folders=(*first.folders, *second.folders), paths=paths)
