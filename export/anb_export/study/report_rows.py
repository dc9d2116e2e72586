"""Fits of one or more studies, read for a report and put in order.

A figure of a predictor over several targets is one over the seeds that all of them have: sets of
fits that are not alike are never averaged together unsaid.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.predictors.registry import KINDS
from anb_export.study.report_paper import FIVE
from anb_onnx._io.show import show
from anb_onnx.errors import AnbError
from anb_onnx.parallel.extras import need

Floats = NDArray[np.float64]

#: The file of fits in the folder of a study.
FITS = "fits.parquet"

#: Figures of a fit; all of them null where it failed.
FIGURES = (
    *("tau", "spearman", "r2", "mae", "mae_relative", "crps", "crps_relative"),
    *("coverage_50", "coverage_90", "width_90_relative"),
    *("fit_seconds", "predict_seconds", "query_seconds", "artifact_bytes"),
)

#: Figures that `read` adds: microseconds for each test architecture.
PER_ARCHITECTURE = {"predict_us": "predict_seconds", "query_us": "query_seconds"}

_KEY = ("space", "target", "predictor", "size", "seed")
_COLUMNS = (*_KEY, "n_test", *FIGURES, "form", "error", "dataset_sha256", "versions")

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
        return {seed: row[figure] for seed, row in rows.items() if _is_number(row[figure])}

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


def read(
    folders: Sequence[Path], *, targets: Sequence[str] = (), predictors: Sequence[str] = ()
) -> list[Fits]:
    """Read the fits of some folders.

    Parameters
    ----------
    folders : sequence of Path
        Each the ``--out`` of a study; of one space there may be several, of different targets,
        predictors, sizes or seeds.
    targets, predictors : sequence of str
        Only these; all that are there if empty.

    Returns
    -------
    list of Fits
        One for each space, in the order of their names.

    Raises
    ------
    StudyReportError
        If a folder has no fits or they cannot be read; if a fit is there twice; if the fits of one
        target were made from different data; if a target or predictor is not among them.
    ExtraError
        If pyarrow is missing.
    """
    cells: dict[str, dict[tuple[str, str, int], dict[int, Row]]] = {}
    places: dict[tuple[Any, ...], Path] = {}
    digests: dict[tuple[str, str], tuple[str, Path]] = {}
    for folder in dict.fromkeys(folders):
        for row in _rows(folder / FITS):
            key = tuple(row[name] for name in _KEY)
            if key in places:
                msg = (
                    f"{places[key]} and {folder / FITS} both have a fit of {_named(row)}; leave "
                    "one of the folders out"
                )
                raise StudyReportError(msg)
            places[key] = folder / FITS
            digest, first = digests.setdefault(key[:2], (row["dataset_sha256"], folder / FITS))
            if digest != row["dataset_sha256"]:
                msg = (
                    f"{first} and {folder / FITS} were made from different data of "
                    f"{row['target']} (sha256 {show(digest)} and {show(row['dataset_sha256'])}); "
                    "run one of the studies again"
                )
                raise StudyReportError(msg)
            cell = cells.setdefault(row["space"], {}).setdefault(key[1:4], {})
            cell[row["seed"]] = row
    _check_chosen("target", targets, [key[0] for found in cells.values() for key in found])
    _check_chosen("predictor", predictors, [key[1] for found in cells.values() for key in found])
    studies = (_fits(space, cells[space], targets, predictors) for space in sorted(cells))
    return [fits for fits in studies if fits.cells]


def _rows(path: Path) -> list[Row]:
    """Return the rows of a file, checked as far as a report relies on them."""
    arrow = need("pyarrow", extra="parquet", what="a report of a study")
    parquet = need("pyarrow.parquet", extra="parquet", what="a report of a study")
    if not path.is_file():
        msg = (
            f"there is no {path}: `anb-export study --out {path.parent}` makes one; a study that "
            "was interrupted has it, too"
        )
        raise StudyReportError(msg)
    try:
        table = parquet.read_table(path)
    except (OSError, arrow.ArrowException) as error:
        msg = f"cannot read {path} ({error}): it is no Parquet file of a study"
        raise StudyReportError(msg) from error
    lacking = [name for name in _COLUMNS if name not in table.column_names]
    if lacking:
        msg = f"{path} lacks the columns {', '.join(lacking)}; it is not the file of a study"
        raise StudyReportError(msg)
    found: list[Row] = table.select(list(_COLUMNS)).to_pylist()
    if not found:
        msg = f"{path} has no fits yet"
        raise StudyReportError(msg)
    return [{**row, **_per_architecture(row)} for row in found]


def _per_architecture(row: Row) -> dict[str, float | None]:
    return {
        name: 1e6 * row[seconds] / row["n_test"] if _is_number(row[seconds]) else None
        for name, seconds in PER_ARCHITECTURE.items()
    }


def _fits(
    space: str,
    cells: Mapping[tuple[str, str, int], Mapping[int, Row]],
    targets: Sequence[str],
    predictors: Sequence[str],
) -> Fits:
    """Return the fits of a space, of the targets and predictors that are wanted."""
    places = {kind.name: place for place, kind in enumerate(KINDS)}
    kept = {
        key: cells[key]
        for key in sorted(cells)
        if (not targets or key[0] in targets) and (not predictors or key[1] in predictors)
    }
    names = {key[1] for key in kept}
    return Fits(
        space,
        tuple(sorted({key[0] for key in kept}, key=_place)),
        tuple(sorted(names, key=lambda name: (places.get(name, len(places)), name))),
        tuple(sorted({key[2] for key in kept})),
        kept,
    )


def _place(target: str) -> tuple[int, str]:
    return FIVE.index(target) if target in FIVE else len(FIVE), target


def _check_chosen(what: str, chosen: Sequence[str], there: Sequence[str]) -> None:
    for name in chosen:
        if name not in there:
            known = ", ".join(sorted(set(there)))
            msg = f"no fit is of the {what} {show(name)}; there are fits of {known}"
            raise StudyReportError(msg)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _named(row: Row) -> str:
    return (
        f"{row['predictor']} to {row['size']} measurements of {row['target']}, seed {row['seed']}"
    )
