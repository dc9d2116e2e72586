"""The CSV files of this example: architectures to measure, and what was measured."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import numpy as np
from latency import Codes, MeasureError, Times

from anb_onnx import MNASNET, AnbError, Architecture

#: Columns behind those of the genes, as `anb-onnx adapt` reads them: ms, ms of one repeat, number.
MEASURED = ("value", "std", "repeats")


def read_architectures(path: Path) -> Codes:
    """Return the codes [n, 28] of a CSV with a column for each gene, or one called `index`.

    Other columns are passed over, for example those that say why an architecture was suggested.

    Raises
    ------
    MeasureError
        If the file cannot be read, a column is missing, or a line is no architecture or one that
        stood before.
    """
    table = _read(path)
    codes: list[tuple[int, ...]] = []
    for number, cells in enumerate(table, start=2):
        try:
            arch = _architecture(cells)
        except (AnbError, ValueError) as error:
            msg = f"{path}, line {number}: {error}"
            raise MeasureError(msg) from error
        if arch.codes in codes:
            msg = f"{path}, line {number}: the architecture of line {codes.index(arch.codes) + 2}"
            raise MeasureError(msg)
        codes.append(arch.codes)
    return np.array(codes, dtype=np.uint8).reshape(-1, MNASNET.n_genes)


def read_measured(path: Path) -> tuple[Codes, Times, Times, int]:
    """Return codes [n, 28], values [n], stds [n] in ms and the repeats of a file of `measure.py`.

    Raises
    ------
    MeasureError
        If it is no such file.
    """
    codes, table = read_architectures(path), _read(path)
    try:
        columns = [[float(cells[name]) for cells in table] for name in MEASURED]
        (repeats,) = set(columns[2])
    except (KeyError, ValueError) as error:
        msg = f"{path} is not what measure.py writes ({error!r}); measure again"
        raise MeasureError(msg) from error
    return codes, np.array(columns[0]), np.array(columns[1]), int(repeats)


def write_architectures(path: Path, codes: Codes) -> None:
    """Write a CSV with a column for each gene, whole or not at all."""
    _write(path, MNASNET.gene_names, [_values(row) for row in codes])


def write_measured(path: Path, codes: Codes, value: Times, std: Times, repeats: int) -> None:
    """Write the columns of the genes and those of `MEASURED`, whole or not at all."""
    rows = [
        [*_values(row), f"{v:.6f}", f"{s:.6f}", repeats]
        for row, v, s in zip(codes, value.tolist(), std.tolist(), strict=True)
    ]
    _write(path, [*MNASNET.gene_names, *MEASURED], rows)


def write_text(path: Path, text: str) -> None:
    """Write a file that is complete under its name, or as before."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, "utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _read(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{path} cannot be read ({error})"
        raise MeasureError(msg) from error


def _architecture(cells: dict[str, str]) -> Architecture:
    """Return the architecture of a line, whose cells are text."""
    missing = [name for name in MNASNET.gene_names if cells.get(name) is None]
    if not missing:
        values = {}
        for gene in MNASNET.genes:
            of_text = {str(choice): choice for choice in gene.choices}
            values[gene.name] = of_text.get(cells[gene.name].strip(), cells[gene.name])
        return Architecture(values, space=MNASNET)
    if len(missing) == MNASNET.n_genes and cells.get("index") is not None:
        return Architecture.from_index(int(cells["index"]), space=MNASNET)
    msg = (
        f"column {missing[0]!r} is missing; `anb-onnx suggest --out to_measure.csv` writes a "
        "column for each of the 28 genes"
    )
    raise MeasureError(msg)


def _values(row: Codes) -> list[object]:
    return list(Architecture.from_codes(row, space=MNASNET).to_values().values())


def _write(path: Path, header: object, rows: list[list[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([list(header), *rows])  # type: ignore[call-overload]
    write_text(path, text.getvalue())
