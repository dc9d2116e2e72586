"""The commands `anb-onnx tasks` and `anb-onnx search`."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anb_onnx._io.program import OK
from anb_onnx._io.progress import Progress
from anb_onnx.catalog.benchmarks import targets
from anb_onnx.cli.arguments import command, goes_on
from anb_onnx.cli.write import write_aligned
from anb_onnx.errors import AnbError
from anb_onnx.experiments.grid import search_tasks
from anb_onnx.experiments.optimizers import OPTIMIZERS
from anb_onnx.experiments.run_files import FORMATS, MOST_SEEDS
from anb_onnx.problems.listing import tasks
from anb_onnx.problems.task import Task

#: What a budget of seconds may be stated in.
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}


def add_commands(commands: Any) -> None:
    """Add the commands."""
    listing = command(commands, "tasks", _tasks, "list the search tasks, whose answers are proven")
    listing.add_argument("--json", action="store_true", help="print JSON")
    searching = command(
        commands, "search", _search, "run optimizers on tasks with many seeds, into files"
    )
    searching.add_argument(
        "--task",
        action="append",
        required=True,
        metavar="NAME[,NAME...]",
        help="a task of 'anb-onnx tasks'; may be repeated",
    )
    searching.add_argument(
        "--optimizer",
        action="append",
        required=True,
        metavar="NAME[,NAME...]",
        help=f"one of {', '.join(OPTIMIZERS)}; may be repeated",
    )
    searching.add_argument(
        "--seeds",
        default="50",
        metavar="N",
        help="how many, from 0 on; or the seeds themselves: '3,7,9', '7,' (default: 50)",
    )
    searching.add_argument(
        "--budget",
        type=int,
        metavar="N",
        help="evaluations of each run (default: the task's; any number with --cost-budget)",
    )
    searching.add_argument(
        "--cost",
        metavar="TARGET",
        help="what each evaluation costs, such as train_time, for tasks without a cost",
    )
    searching.add_argument(
        "--cost-budget",
        metavar="AMOUNT",
        help="most cost of a run, in the target's unit; of seconds also as 90min, 250h or 10d",
    )
    _add_files(searching)


def _add_files(searching: argparse.ArgumentParser) -> None:
    searching.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="a file for each run, in TASK/OPTIMIZER; runs that are there are kept",
    )
    searching.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the optimizers; may be repeated",
    )
    searching.add_argument(
        "--as",
        dest="label",
        metavar="NAME",
        help="name of the runs of the one optimizer (default: its own)",
    )
    searching.add_argument("--format", choices=FORMATS, default="json", help="default: json")
    searching.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="processes (default: 1)"
    )
    searching.add_argument(
        "--overwrite",
        action="store_true",
        help="remove the runs that are there of these tasks and optimizers first",
    )
    searching.add_argument(
        "--progress",
        action="store_true",
        help="show progress on standard error, also where that is no terminal",
    )


def _tasks(args: argparse.Namespace) -> int:
    if args.json:
        documents = [task.to_dict() for task in tasks()]
        sys.stdout.write(json.dumps(documents, indent=1) + "\n")
        return OK
    units = _units()
    header = ["task", "objectives", "constraints", "budget", "best", "noise"]
    cells = [_cells(task, units) for task in tasks()]
    write_aligned(sys.stdout, header, lambda: cells, ["best"])
    return OK


def _units() -> dict[str, str]:
    """Return the units of targets by name; of artifacts that are not installed, none."""
    units: dict[str, str] = {}
    for name in {task.benchmark for task in tasks()}:
        with contextlib.suppress(AnbError):
            units |= {target.name: target.unit for target in targets(name)}
    return units


def _cells(task: Task, units: Mapping[str, str]) -> Sequence[str]:
    def of(target: str | None) -> str:
        return units.get(str(target), "")

    budget = f"{task.budget.evaluations} evaluations"
    if task.budget.cost is not None:
        cost = f"{task.cost} {task.budget.cost:g} {of(task.cost)}".strip()
        budget = f"{cost}, {budget}"
    # A product of two targets has no unit.
    best = "" if task.known is None else f"{task.known.value:.4f} {of(str(task.objectives[0]))}"
    limits = [f"{name}{operator}{v:g} {of(name)}".strip() for name, operator, v in task.constraints]
    return [
        task.name,
        ", ".join(f"{o} [{of(o)}]" if of(str(o)) else str(o) for o in map(str, task.objectives)),
        ", ".join(limits) or "-",
        budget,
        best or _front(task),
        "-" if task.noise == "none" else task.noise,
    ]


def _front(task: Task) -> str:
    """Return how many points the exact front has, where its artifacts are installed."""
    try:
        return f"front of {len(task.front)}"
    except AnbError:
        return "front"


def _search(args: argparse.Namespace) -> int:
    with goes_on("runs"), Progress("runs", show=args.progress) as progress:
        done = search_tasks(
            listed(args.task),
            listed(args.optimizer),
            _seeds(args.seeds),
            args.out,
            budget=args.budget,
            cost=args.cost,
            cost_budget=_amount(args.cost_budget, listed(args.task), args.cost),
            settings=_settings(args.set),
            label=args.label,
            kind=args.format,
            jobs=args.jobs,
            overwrite=args.overwrite,
            progress=progress,
        )
    sys.stdout.write(
        f"{done.runs} runs: {done.kept} were there already, {done.damaged} were damaged and made "
        "anew\n"
    )
    return OK


def listed(given: Sequence[str]) -> list[str]:
    """Return names that were given one by one or with commas between them."""
    return [name for text in given for name in text.split(",") if name]


def _seeds(text: str) -> list[int]:
    """Return seeds: the first so many, or a list of them, which has a comma."""
    parts = text.removesuffix(",").split(",")
    if not all(part.isascii() and part.isdigit() and len(part) < 9 for part in parts):
        msg = (
            f"--seeds is how many, such as 50, or the seeds with commas between them, such as "
            f"3,7,9; not {text!r}"
        )
        raise AnbError(msg)
    numbers = [int(part) for part in parts]
    if "," in text:
        return numbers
    if not 1 <= numbers[0] <= MOST_SEEDS:
        msg = f"--seeds {text}: from 1 to {MOST_SEEDS} seeds"
        raise AnbError(msg)
    return list(range(numbers[0]))


def _amount(text: str | None, names: Sequence[str], cost: str | None) -> float | None:
    """Return an amount of cost, in the unit of the cost; a time as seconds."""
    if text is None:
        return None
    number, suffix = text, ""
    for unit in sorted(_SECONDS, key=len, reverse=True):
        if text.endswith(unit):
            number, suffix = text.removesuffix(unit), unit
            break
    try:
        amount = float(number)
    except ValueError:
        amount = math.nan
    if not math.isfinite(amount) or amount < 0:
        msg = (
            "--cost-budget is a number of at least 0 in the unit of the cost, or a time such as "
            f"90min, 250h or 10d, not {text!r}"
        )
        raise AnbError(msg)
    if not suffix:
        return amount
    for name in names:
        task = tasks()[name]
        target = cost if task.cost is None else task.cost
        if target is not None and _units().get(target) != "s":
            msg = f"--cost-budget {text}: {target} is in {_units().get(target)!r}, not in seconds"
            raise AnbError(msg)
    return amount * _SECONDS[suffix]


def _settings(given: Sequence[str]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            msg = f"--set is KEY=VALUE, such as population_size=50, not {text!r}"
            raise AnbError(msg)
        if key in settings:
            msg = f"--set {key} is given twice"
            raise AnbError(msg)
        settings[key] = value.strip()
    return settings
