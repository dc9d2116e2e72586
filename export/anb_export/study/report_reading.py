"""The files of studies, read for a report; what does not belong together is refused by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from anb_export.predictors.registry import KINDS
from anb_export.study.report_paper import FIVE, SPACE
from anb_export.study.report_rows import (
    FIGURES,
    FITS,
    PER_ARCHITECTURE,
    SELECTION,
    Fits,
    Row,
    StudyReportError,
    is_number,
)
from anb_onnx._io.show import show
from anb_onnx.parallel.extras import need

_KEY = ("space", "target", "predictor", "size", "seed")
_COLUMNS = (*_KEY, "n_test", *FIGURES, "form", "error", "dataset_sha256", "versions")


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
        One for each space: the paper's, then others in the order of their names. None if the
        folders have selections only.

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
        for row in _rows(folder):
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
    order = sorted(cells, key=lambda space: (space != SPACE, space))
    studies = (_fits(space, cells[space], targets, predictors) for space in order)
    return [fits for fits in studies if fits.cells]


def read_rows(path: Path, columns: Iterable[str]) -> list[Row]:
    """Return rows of a Parquet file of a study.

    Raises
    ------
    StudyReportError
        If it cannot be read, lacks one of the columns or has no rows.
    ExtraError
        If pyarrow is missing.
    """
    arrow = need("pyarrow", extra="parquet", what="a report of a study")
    parquet = need("pyarrow.parquet", extra="parquet", what="a report of a study")
    try:
        table = parquet.read_table(path)
    except (OSError, arrow.ArrowException) as error:
        msg = f"cannot read {path} ({error}): it is no Parquet file of a study"
        raise StudyReportError(msg) from error
    columns = list(columns)
    lacking = [name for name in columns if name not in table.column_names]
    if lacking:
        msg = f"{path} lacks the columns {', '.join(lacking)}; it is not the file of a study"
        raise StudyReportError(msg)
    found: list[Row] = table.select(columns).to_pylist()
    if not found:
        msg = f"{path} has no rows yet"
        raise StudyReportError(msg)
    return found


def _rows(folder: Path) -> list[Row]:
    """Return the fits of a folder; none if it has selections only."""
    path = folder / FITS
    if not path.is_file():
        if (folder / SELECTION).is_file():
            return []
        msg = (
            f"there is no {path}: `anb-export study --out {folder}` makes one, when it ends or is "
            "interrupted"
        )
        raise StudyReportError(msg)
    return [{**row, **_per_architecture(row)} for row in read_rows(path, _COLUMNS)]


def _per_architecture(row: Row) -> dict[str, float | None]:
    return {
        name: 1e6 * row[seconds] / row["n_test"] if is_number(row[seconds]) else None
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
    for name in chosen if there else ():
        if name not in there:
            known = ", ".join(sorted(set(there)))
            msg = f"no fit is of the {what} {show(name)}; there are fits of {known}"
            raise StudyReportError(msg)


def _named(row: Row) -> str:
    return (
        f"{row['predictor']} to {row['size']} measurements of {row['target']}, seed {row['seed']}"
    )
