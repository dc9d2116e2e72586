"""What selection by predictors costs, and what verifying saves of it: rows as tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anb_export.predictors.registry import KINDS
from anb_export.reports.markdown import paragraph, table
from anb_export.study import report_paper
from anb_export.study.report_figures import Mean
from anb_export.study.report_reading import read_rows
from anb_export.study.report_rows import SELECTION, Row, StudyReportError, is_number
from anb_export.study.report_tables import NONE, count, title_of

#: Figures of a selection that reports show.
FIGURES = ("mra", "hypervolume_loss", "regret", "kept_limits", "k", "selected")
_KEY = ("space", "target", "predictor", "size", "seed", "rule", "k")

#: Rules whose number of measurements is the front's own, not chosen.
_WHOLE = {
    "mean": "by mean",
    "mean-verified": "by mean, verified",
    "chance": "by chance",
    "chance-verified": "by chance, verified",
}
_TOP = {"top-mean": "top {} by mean", "top-interval": "top {} by interval"}

#: A way to select: the rule, and how many are measured where that is chosen; else 0.
Way = tuple[str, int]


@dataclass(frozen=True, eq=False)
class Selections:
    """All selections of one space.

    Attributes
    ----------
    space : str
    targets, predictors : tuple of str
    sizes : tuple of int
    ways : tuple of (rule, k)
    cells : mapping of (target, predictor, size, way) to mapping of seed to row
    failed : int
        Fits that failed, of which nothing was selected.
    """

    space: str
    targets: tuple[str, ...]
    predictors: tuple[str, ...]
    sizes: tuple[int, ...]
    ways: tuple[Way, ...]
    cells: Mapping[tuple[str, str, int, Way], Mapping[int, Row]]
    failed: int = 0

    def mean(self, predictor: str, size: int, way: Way, figure: str) -> Mean | None:
        """Return the mean of a figure over all targets and the seeds that all of them have."""
        of_targets = [
            {
                seed: float(row[figure])
                for seed, row in self.cells.get((t, predictor, size, way), {}).items()
                if is_number(row[figure])
            }
            for t in self.targets
        ]
        seeds = sorted(set.intersection(*(set(found) for found in of_targets)))
        if not seeds:
            return None
        means = np.array([[found[seed] for seed in seeds] for found in of_targets]).mean(axis=0)
        std = float(means.std(ddof=1)) if len(means) > 1 else math.nan
        return Mean(float(means.mean()), std, len(means))


def read_selections(
    folders: Sequence[Path], *, targets: Sequence[str] = (), predictors: Sequence[str] = ()
) -> dict[str, Selections]:
    """Return the selections of some folders by space; none where a folder has no such file.

    Parameters
    ----------
    folders : sequence of Path
    targets, predictors : sequence of str
        Only these; all that are there if empty.

    Raises
    ------
    StudyReportError
        If a file cannot be read or a selection is there twice.
    """
    found: dict[str, list[Row]] = {}
    places: dict[tuple[Any, ...], Path] = {}
    for folder in dict.fromkeys(folders):
        path = folder / SELECTION
        if not path.exists():
            continue
        for row in read_rows(path, dict.fromkeys((*_KEY, *FIGURES, "error"))):
            key = tuple(row[name] for name in _KEY)
            if key in places:
                msg = (
                    f"{places[key]} and {path} both have a selection by {row['predictor']} from "
                    f"{row['size']} measurements of {row['target']}, seed {row['seed']}, rule "
                    f"{row['rule']}; leave one of the folders out"
                )
                raise StudyReportError(msg)
            places[key] = path
            wanted = (not targets or row["target"] in targets) and (
                not predictors or row["predictor"] in predictors
            )
            if wanted:
                found.setdefault(row["space"], []).append(row)
    return {space: _selections(space, rows) for space, rows in found.items()}


def _selections(space: str, rows: Sequence[Row]) -> Selections:
    cells: dict[tuple[str, str, int, Way], dict[int, Row]] = {}
    for row in rows:
        way = (row["rule"], 0 if row["rule"] in _WHOLE else row["k"])
        cell = cells.setdefault((row["target"], row["predictor"], row["size"], way), {})
        cell[row["seed"]] = row
    names = {key[1] for key in cells}
    known = [kind.name for kind in KINDS if kind.name in names]
    rules = [*_WHOLE, *_TOP]
    ways = {key[3] for key in cells if key[3][0] in rules}
    return Selections(
        space,
        tuple(sorted({key[0] for key in cells})),
        (*known, *sorted(names - set(known))),
        tuple(sorted({key[2] for key in cells})),
        tuple(sorted(ways, key=lambda way: (rules.index(way[0]), way[1]))),
        cells,
        sum(row["error"] is not None for row in rows),
    )


def selection_section(found: Selections) -> Iterator[str]:
    """Yield what selection costs, as Markdown."""
    n = len(found.targets)
    targets = "the one target" if n == 1 else f"the {n} targets"
    yield paragraph(
        "Accuracies are known, costs are predicted, and what is selected is judged by what is true "
        "of all candidates. *By mean*: the predicted front. *By chance*: the front of the bounds "
        "that a measurement keeps with a probability of 90 %. *Verified*: all of that front is "
        "measured, and what turns out to be dominated is dropped. *Top k*: instead, those k "
        "are measured whose measurement `anb_onnx.search.verify_top` holds to be worth most, by "
        f"the mean or given the interval. Means over {targets} and {_seeds(found)}."
    )
    yield paragraph(
        "Mean reduction of accuracy, in points: how much more accurate an architecture could be "
        "that costs no more than each of the selected truly does."
    )
    yield _table(found, lambda p, s, w: _text(found.mean(p, s, w, "mra"), 1.0))
    if found.space == report_paper.SPACE:
        yield paragraph(
            "The paper, which simulates predictors of a τ about .9, tells 1.5 %, and 0.5 % once "
            "the selected are verified."
        )
    yield "Hypervolume of accuracy and cost that is missed, in per cent of the true front's:"
    yield _table(found, lambda p, s, w: _text(found.mean(p, s, w, "hypervolume_loss"), 100.0))
    yield paragraph(
        "Under a limit that 10, 25, 50 or 75 % of the candidates keep: how many points more "
        "accurate the best of all is than the selected one, where that truly keeps the limit, and "
        "in how many per cent of the cases it does. Of *top k*, k are measured for each limit."
    )
    yield _table(found, lambda p, s, w: _under_limits(found, p, s, w))
    if found.failed:
        fits = "1 fit" if found.failed == 1 else f"{count(found.failed)} fits"
        yield f"{fits} failed, and nothing was selected by them."
    yield "Architectures measured:"
    yield _table(found, lambda p, s, w: _text(found.mean(p, s, w, "k"), 1.0))


def _table(found: Selections, cell: Any) -> str:
    """Return a table with a line for each predictor and size, and a column for each way."""
    rows = [
        [title_of(predictor), count(size), *(cell(predictor, size, way) for way in found.ways)]
        for predictor in found.predictors
        for size in found.sizes
        if any(found.mean(predictor, size, way, "mra") for way in found.ways)
    ]
    return table(["predictor", "measurements", *map(_heading, found.ways)], rows)


def _heading(way: Way) -> str:
    rule, k = way
    return _WHOLE[rule] if rule in _WHOLE else _TOP[rule].format(k)


def _text(mean: Mean | None, factor: float) -> str:
    return NONE if mean is None else f"{factor * mean.value:.2f}"


def _under_limits(found: Selections, predictor: str, size: int, way: Way) -> str:
    regret = found.mean(predictor, size, way, "regret")
    kept = found.mean(predictor, size, way, "kept_limits")
    if kept is None:
        return NONE
    return f"{_text(regret, 1.0)} / {100 * kept.value / 4:.0f}"


def _seeds(found: Selections) -> str:
    counts = [
        mean.seeds
        for predictor in found.predictors
        for size in found.sizes
        for way in found.ways
        if (mean := found.mean(predictor, size, way, "mra"))
    ]
    if not counts:
        return "no seeds"
    least, most = min(counts), max(counts)
    return f"{most} seeds" if least == most else f"{least} to {most} seeds"


def selection_document(found: Selections) -> list[dict[str, Any]]:
    """Return the means as JSON has them: by predictor, size and way, with their seeds."""
    return [
        {
            **{"predictor": predictor, "size": size, "rule": way[0]},
            **{"seeds": mra.seeds, "mra": mra.value, "mra_std": mra.std},
            **{
                figure: mean and mean.value
                for figure in ("hypervolume_loss", "regret", "kept_limits", "selected", "k")
                for mean in (found.mean(predictor, size, way, figure),)
            },
        }
        for predictor in found.predictors
        for size in found.sizes
        for way in found.ways
        if (mra := found.mean(predictor, size, way, "mra"))
    ]
