"""What selections say, as Markdown: fronts before and after they are verified, and limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from anb_export.reports.markdown import table
from anb_export.study.report_tables import NONE, count, named
from anb_export.study.selection import CONFIDENCE, KS
from anb_export.study.selection_measures import SHARES

#: Predictors come in the order in which the registry has them; sizes ascend.
_Cell = tuple[str, int]


def selection_tables(rows: Sequence[Mapping[str, Any]], space: str) -> str:
    """Return two tables of the means over targets and seeds, with what they are of.

    Parameters
    ----------
    rows : sequence of mapping
        With the columns of `selecting.COLUMNS`.
    space : str
        Of which rows; others are left out.

    Returns
    -------
    str
        A line that says so, where nothing was selected.
    """
    found = [row for row in rows if row["space"] == space and row["error"] is None]
    failed = len({_fit(row) for row in rows if row["space"] == space and row["error"] is not None})
    if not found:
        return f"Nothing was selected in {space} yet."
    parts = [_intro(found), _fronts(found), _limits(found)]
    if failed:
        parts.append(f"{count(failed)} fits failed, and are left out.")
    return "\n\n".join(parts)


def _fit(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("target", "predictor", "size", "seed"))


def _intro(rows: Sequence[Mapping[str, Any]]) -> str:
    targets = list(dict.fromkeys(row["target"] for row in rows))
    seeds = len({row["seed"] for row in rows})
    shares = ", ".join(f"{share:.0%}" for share in SHARES)
    return (
        f"Means over {', '.join(targets)}; {seeds} seeds at most. Accuracies are true, costs "
        "predicted, and the losses true. MRA is the mean reduction of accuracy: by how many points "
        "of accuracy the selected are worse than the best that truly costs no more. Hypervolumes "
        "are up to the worst accuracy and cost of all candidates. Limits are those that "
        f"{shares} of all candidates keep; regret is in points of accuracy, over the limits that "
        "were kept."
    )


def _cells(rows: Sequence[Mapping[str, Any]]) -> list[_Cell]:
    return sorted({(row["predictor"], row["size"]) for row in rows})


class _Means:
    """Means of columns over targets, each the mean over its seeds."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._by: dict[tuple[_Cell, str, int], list[Mapping[str, Any]]] = {}
        for row in rows:
            # Of what is verified as it was selected, k is as large as the selection.
            k = row["k"] if row["rule"].startswith("top") else 0
            cell = row["predictor"], row["size"]
            self._by.setdefault((cell, row["rule"], k), []).append(row)

    def of(self, cell: _Cell, rule: str, column: str, k: int = 0) -> float | None:
        targets: dict[str, list[float]] = {}
        for row in self._by.get((cell, rule, k), []):
            if row[column] is not None:
                targets.setdefault(row["target"], []).append(float(row[column]))
        if not targets:
            return None
        return sum(sum(x) / len(x) for x in targets.values()) / len(targets)


def _points(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{100 * value:.2f} %"


def _fronts(rows: Sequence[Mapping[str, Any]]) -> str:
    means = _Means(rows)
    header = ["fronts", "size", "selected", "MRA", "verified", "left", "hypervolume lost"]
    header += [f"the best {k}, by mean" for k in KS[1:]]
    header += [f"by interval, {k}" for k in KS[1:]]
    lines = []
    for cell in _cells(rows):
        line = [named(cell[0]), count(cell[1])]
        line.append(f"{means.of(cell, 'mean', 'selected') or 0:.0f}")
        line.append(_points(means.of(cell, "mean", "mra")))
        line.append(_points(means.of(cell, "mean-verified", "mra")))
        line.append(f"{means.of(cell, 'mean-verified', 'selected') or 0:.0f}")
        line.append(_percent(means.of(cell, "mean", "hypervolume_loss")))
        for rule in ("top-mean", "top-interval"):
            line += [_percent(means.of(cell, rule, "hypervolume_loss", k)) for k in KS[1:]]
        lines.append(line)
    return table(header, lines)


def _limits(rows: Sequence[Mapping[str, Any]]) -> str:
    means = _Means(rows)
    ways = [("mean", 0, "by mean"), ("chance", 0, f"by chance, {CONFIDENCE:.0%}")]
    ways += [("mean-verified", 0, "front verified")]
    ways += [("top-mean", k, f"best {k}") for k in KS[1:3]]
    ways += [("top-interval", k, f"by interval, {k}") for k in KS]
    header = ["limits kept: regret", "size", *(title for _, _, title in ways)]
    lines = []
    for cell in _cells(rows):
        line = [named(cell[0]), count(cell[1])]
        for rule, k, _ in ways:
            kept = means.of(cell, rule, "kept_limits", k)
            share = NONE if kept is None else f"{kept / len(SHARES):.0%}"
            line.append(f"{share}: {_points(means.of(cell, rule, 'regret', k))}")
        lines.append(line)
    return table(header, lines)
