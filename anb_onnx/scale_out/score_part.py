"""The predictions of one row group: what a worker does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from anb_onnx.calibration import Calibration
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.encoding.parquet_files import ParquetFile, open_parquet
from anb_onnx.engines.base import Outputs
from anb_onnx.errors import ArchitectureError
from anb_onnx.loading import reopen
from anb_onnx.scale_out.part_files import Rows, columns_of, find_part, write_part
from anb_onnx.scale_out.source import Part
from anb_onnx.surrogate import Origin, Surrogate

# Rows that are in memory at once, and a row group of the output.
_BATCH = 2**17


@dataclass(frozen=True)
class Task:
    """What is the same for all parts."""

    source: str
    out: str
    origins: tuple[Origin, ...]
    job: Mapping[str, Any]
    members: bool
    ignore_extra: bool
    index_column: str | None
    interval: float | None


@dataclass(frozen=True)
class Done:
    """A part is there."""

    digest: str
    state: Literal["made", "kept", "damaged"]


def part_job(job: Mapping[str, Any], part: Part) -> dict[str, Any]:
    """Return the job of one row group, without the SHA-256 of what is read of it."""
    return {**job, "file": part.file, "row_group": part.group, "rows": part.rows}


def score_part(task: Task, part: Part) -> Done:
    """Write the predictions of one row group, unless they are there; where the work is done."""
    where = Path(task.source) / part.file
    try:
        with open_parquet(where) as file:
            return _score_part(task, part, file)
    except ArchitectureError as error:
        msg = f"{where}, row group {part.group}: {error}"
        raise ArchitectureError(msg) from error


def _score_part(task: Task, part: Part, file: ParquetFile) -> Done:
    groups = file.group_rows
    if part.rows != (groups[part.group] if part.group < len(groups) else 0):
        msg = f"it had {part.rows} rows when the work began; start anew when it does not change"
        raise ArchitectureError(msg)
    surrogates = [open_surrogate(origin) for origin in task.origins]
    space = surrogates[0].space
    columns, _ = file.columns(space, ignore_extra=task.ignore_extra, index=task.index_column)
    digest = file.digest(columns.wanted, part.group) if groups else hashlib.sha256().hexdigest()
    job = {**part_job(task.job, part), "input_sha256": digest}
    path = Path(task.out) / part.name
    there = path.is_file()
    found = find_part(path, job)
    if found is not None:
        return Done(found, "kept")
    kinds = columns_of(
        {s.target.name: s.n_members for s in surrogates},
        members=task.members,
        big=len(space.index_parts) > 1,
        interval=task.interval is not None,
    )
    written = write_part(path, job, kinds, _predict(task, part, file, surrogates))
    return Done(written, "damaged" if there else "made")


def _predict(
    task: Task, part: Part, file: ParquetFile, surrogates: Sequence[Surrogate]
) -> Iterator[Rows]:
    """Yield the columns of some rows after another."""
    space, rows = surrogates[0].space, 0
    batches = file.read(
        space,
        ignore_extra=task.ignore_extra,
        index=task.index_column,
        group=part.group if file.group_rows else None,
        batch_rows=_BATCH,
    )
    for codes in batches:
        rows += len(codes)
        indices = codes_to_indices(codes, space)
        columns = [indices if indices.dtype != object else indices.astype(str)]
        for surrogate in surrogates:
            found = surrogate.query_codes(codes, members=task.members)
            columns += [found.mean, found.std]
            if task.interval is not None:
                columns += _sure(surrogate.calibration, found, task.interval)
            if found.members is not None:
                columns += [*found.members.T]
        yield columns
    if rows != part.rows:
        msg = f"not readable as Parquet ({rows} rows, its footer states {part.rows})"
        raise ArchitectureError(msg)


def _sure(calibration: Calibration | None, found: Outputs, level: float) -> list[npt.NDArray[Any]]:
    """Return predictive_std, lower and upper; nothing thrice without a calibration."""
    if calibration is None:
        return [np.full(len(found.mean), None, object)] * 3
    std = calibration.predictive_std(found.mean, found.std)
    return [std, *calibration.interval(found.mean, found.std, level)]


@lru_cache(maxsize=256)
def open_surrogate(origin: Origin) -> Surrogate:
    """Return the surrogate of an origin, the same for all parts that this process does.

    Raises
    ------
    ArtifactError
        If the file of that name is another one here.
    """
    return reopen(origin)
