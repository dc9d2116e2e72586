"""Fits of one or more studies, put in order for a report.

A figure of a predictor over several targets is one over the seeds that all of them have: sets of
fits that are not alike are never averaged together unsaid.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx.errors import AnbError

Floats = NDArray[np.float64]

#: The files of fits and of selections in the folder of a study.
FITS, SELECTION = "fits.parquet", "selection.parquet"

#: Figures of a fit; all of them null where it failed.
FIGURES = (
    *("tau", "spearman", "r2", "mae", "mae_relative", "crps", "crps_relative"),
    *("coverage_50", "coverage_90", "width_90_relative"),
    *("fit_seconds", "predict_seconds", "query_seconds", "artifact_bytes"),
)

#: Figures that `read` adds: microseconds for each test architecture.
PER_ARCHITECTURE = {"predict_us": "predict_seconds", "query_us": "query_seconds"}

# What the versions of a row call that of the predictor itself.
_OF_KIND = "predictor"

#: One row: its columns by name.
Row = Mapping[str, Any]


class StudyReportError(AnbError):
    """There are no fits, or they do not belong together."""


@dataclass(frozen=True, eq=False)
class Fits:
    """All fits of one space.

    Attributes
    ----------
    space : str
    targets, predictors : tuple of str
        Targets in the paper's order, predictors in that of the registry; others follow in the order
        of their names.
    sizes : tuple of int
        Numbers of measurements, ascending.
    cells : mapping of (target, predictor, size) to mapping of seed to row
        With those that failed.
    """

    space: str
    targets: tuple[str, ...]
    predictors: tuple[str, ...]
    sizes: tuple[int, ...]
    cells: Mapping[tuple[str, str, int], Mapping[int, Row]]

    def seeds(self, target: str, predictor: str, size: int, figure: str = "tau") -> list[int]:
        """Return the seeds whose fit has this figure, ascending."""
        return sorted(self.numbers(target, predictor, size, figure))

    def numbers(self, target: str, predictor: str, size: int, figure: str) -> dict[int, float]:
        """Return a figure by seed, without the seeds whose fit has it not."""
        rows = self.cells.get((target, predictor, size), {})
        return {seed: row[figure] for seed, row in rows.items() if is_number(row[figure])}

    def common(
        self,
        predictors: Sequence[str],
        size: int,
        figure: str = "tau",
        *,
        target: str | None = None,
    ) -> list[int]:
        """Return the seeds that all these predictors have for all targets, or for one of them."""
        targets = self.targets if target is None else (target,)
        found = [set(self.seeds(t, p, size, figure)) for t in targets for p in predictors]
        return sorted(set.intersection(*found)) if found else []

    def values(
        self,
        predictor: str,
        size: int,
        figure: str = "tau",
        *,
        target: str | None = None,
        seeds: Sequence[int] | None = None,
    ) -> Floats:
        """Return a figure, float64 [n_targets, n_seeds].

        Parameters
        ----------
        predictor : str
        size : int
        figure : str
        target : str, optional
            That one only; else all, in their order.
        seeds : sequence of int, optional
            The seeds that all the targets have if None. Not one may be lacking.
        """
        targets = self.targets if target is None else (target,)
        if seeds is None:
            seeds = self.common([predictor], size, figure, target=target)
        rows = [[self.cells[t, predictor, size][s][figure] for s in seeds] for t in targets]
        return np.array(rows, dtype=np.float64).reshape(len(targets), len(seeds))

    def failed(self, predictor: str, size: int) -> tuple[int, int, str]:
        """Return how many fits failed, of how many, and the first message; those of all targets."""
        rows = [row for t in self.targets for row in self._cell(t, predictor, size)]
        wrong = [str(row["error"]) for row in rows if row["error"] is not None]
        return len(wrong), len(rows), wrong[0] if wrong else ""

    def forms(self, predictor: str) -> list[str]:
        """Return the forms of this predictor's artifacts, in the order of their names."""
        rows = (
            row for key, cell in self.cells.items() if key[1] == predictor for row in cell.values()
        )
        return sorted({str(row["form"]) for row in rows if row["form"] is not None})

    def tests(self) -> tuple[int, int]:
        """Return the least and the largest number of test architectures."""
        found = [row["n_test"] for cell in self.cells.values() for row in cell.values()]
        return min(found), max(found)

    def versions(self) -> dict[str, list[str]]:
        """Return by name the versions of what the fits were made with; mostly one each."""
        stated = {row["versions"] for cell in self.cells.values() for row in cell.values()}
        found: dict[str, set[str]] = {}
        for text in stated:
            for name, version in json.loads(text or "{}").items():
                if name != _OF_KIND:
                    found.setdefault(name, set()).add(str(version))
        return {name: sorted(found[name]) for name in sorted(found)}

    def revisions(self, predictor: str) -> list[str]:
        """Return the versions of a predictor that its fits are by; one, unless it was changed."""
        cells = (cell for key, cell in self.cells.items() if key[1] == predictor)
        stated = {row["versions"] for cell in cells for row in cell.values()}
        return sorted({str(json.loads(text or "{}").get(_OF_KIND)) for text in stated})

    def datasets(self) -> dict[str, str]:
        """Return the SHA-256 digest of the data by target."""
        return {
            key[0]: row["dataset_sha256"] for key, c in self.cells.items() for row in c.values()
        }

    def _cell(self, target: str, predictor: str, size: int) -> list[Row]:
        rows = self.cells.get((target, predictor, size), {})
        return [rows[seed] for seed in sorted(rows)]


def is_number(value: object) -> bool:
    """Say whether a figure is there, and finite."""
    return isinstance(value, (int, float)) and math.isfinite(value)
