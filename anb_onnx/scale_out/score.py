"""Scoring of folders: Parquet with architectures in, Parquet with predictions out.

The unit of work is a row group of one input file. Its predictions go to a file of their own,
written whole or not at all, so that a killed run goes on from what is there: see `part_files`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np

from anb_onnx._io.output import OutputError, check_output, write_output
from anb_onnx.benchmark import Benchmark
from anb_onnx.calibration import check_level
from anb_onnx.scale_out.backend import Backend, ScaleError
from anb_onnx.scale_out.opening import as_backend
from anb_onnx.scale_out.part_files import PartError, find_part
from anb_onnx.scale_out.score_part import Done, Task, open_surrogate, part_job, score_part
from anb_onnx.scale_out.source import Part, list_parts

#: The file that lists the parts of a folder, once it is complete.
COMPLETE = "_anb_onnx_score.json"

_SCHEMA = 1


@dataclass(frozen=True)
class Scored:
    """What `score` did.

    Attributes
    ----------
    parts : int
        Files of predictions in the folder, one for each row group.
    rows : int
        Architectures in them.
    kept, damaged : int
        Parts that were there already: kept as they were; and made anew, as their SHA-256 was wrong.
    """

    parts: int
    rows: int
    kept: int
    damaged: int


def score(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    targets: Iterable[str] | None = None,
    *,
    benchmark: str | None = None,
    path: str | os.PathLike[str] | None = None,
    engine: str = "auto",
    threads: SupportsIndex | None = None,
    members: bool = False,
    ignore_extra: bool = False,
    index_column: str | None = None,
    interval: float | None = None,
    backend: Backend | Any | None = None,
    on_progress: Callable[[int, int], object] | None = None,
) -> Scored:
    """Predict targets for all architectures in a folder of Parquet files.

    Parameters
    ----------
    source : path
        A folder, searched with its folders, or one Parquet file: a column per gene, or one of
        indices, as for `anb-onnx query --file`.
    out : path
        The folder of predictions; made where it is missing. A row group of ``FILE.parquet`` gives
        ``FILE.parquet.000000.parquet`` and so on: the same rows in the same order, with columns
        ``index``, ``TARGET_mean`` and ``TARGET_std`` (float32). What a run before this one
        completed there is kept.
    targets : iterable of str, optional
        As for `Benchmark`; all of the benchmark if not given.
    benchmark, path, engine
        As for `load`.
    threads : int, optional
        Most threads per call: if not given, one where a cluster does the work, else all CPUs.
    members : bool
        Whether there is a column ``TARGET_member_0`` and so on, too.
    ignore_extra : bool
        Whether other columns may stand in the source.
    index_column : str, optional
        The column of indices (default: ``"index"``, unless it may be one of row numbers).
    interval : float, optional
        Adds columns ``TARGET_predictive_std``, ``TARGET_lower`` and ``TARGET_upper``, as
        `anb-onnx query` has them: between the latter lies a new measurement with this
        probability. They are null where an artifact has no calibration.
    backend : Backend or distributed.Client, optional
        What does the work; this process if not given. Source and folder must be on a file system
        that all of it shares, under the same paths.
    on_progress : callable, optional
        Called after each part with the rows that are done and their total.

    Returns
    -------
    Scored

    Raises
    ------
    ArchitectureError
        For what is no architecture; names file, row group, row and gene.
    PartError
        If the folder holds predictions of another job, or other files.
    FileError, OutputError
        If a file cannot be read or written.
    ScaleError
        If the cluster is lost, or does not share the folder.
    TargetError, ArtifactError, EngineError
        As from `load`.
    LevelError
        As from `Prediction.interval`.

    Examples
    --------
    >>> import tempfile
    >>> import pyarrow.parquet
    >>> folder = tempfile.TemporaryDirectory()
    >>> table = pyarrow.table({"index": [2169626640, 7, 104]})
    >>> pyarrow.parquet.write_table(table, f"{folder.name}/some.parquet", row_group_size=2)
    >>> score(f"{folder.name}/some.parquet", f"{folder.name}/scored", ["accuracy"])
    Scored(parts=2, rows=3, kept=0, damaged=0)
    >>> pyarrow.parquet.read_table(f"{folder.name}/scored").column_names
    ['index', 'accuracy_mean', 'accuracy_std']
    >>> folder.cleanup()
    """
    backend = as_backend(backend)
    if threads is None and backend.remote:
        threads = 1
    with Benchmark(targets, benchmark=benchmark, path=path, engine=engine, threads=threads) as all_:
        origins = tuple(surrogate._origin for surrogate in all_.values())
        job = _job(all_, members, interval)
    place, folder = Path(source).absolute(), Path(out).absolute()
    parts = list_parts(place)
    _check_folder(place, folder, parts, job)
    root = place.parent if place.is_file() else place
    task = Task(str(root), str(folder), origins, job, members, ignore_extra, index_column, interval)
    return _run(backend, task, parts, on_progress)


def _job(all_: Benchmark, members: bool, interval: float | None) -> dict[str, Any]:
    """Return what must be the same for all parts of a folder.

    Raises
    ------
    LevelError
        If an artifact has no interval of this level.
    """
    artifacts = {name: surrogate._origin.sha256 for name, surrogate in all_.items()}
    job = {"schema": _SCHEMA, "targets": artifacts, "members": members}
    if interval is None:
        return job
    nothing, interval = np.empty(0, np.float32), check_level(interval)
    for surrogate in all_.values():
        if surrogate.calibration is not None:
            surrogate.calibration.interval(nothing, nothing, interval)
    return {**job, "interval": interval}


def _check_folder(source: Path, out: Path, parts: Sequence[Part], job: Mapping[str, Any]) -> None:
    """Refuse a folder that holds something else, before hours of work.

    Raises
    ------
    PartError, OutputError
    """
    if out.exists() and not out.is_dir():
        msg = f"cannot write into {out} (it is no folder)"
        raise OutputError(msg)
    places = os.path.realpath(source), os.path.realpath(out)
    if os.path.commonpath(places) in places and not source.is_file():
        msg = f"{out} and {source} lie in one another; give a folder of predictions outside"
        raise OutputError(msg)
    check_output(out / COMPLETE)
    expected = {str(out / part.name): part for part in parts}
    for place, folders, names in os.walk(out):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        for path in (str(Path(place) / name) for name in names if not name.startswith((".", "_"))):
            if path not in expected:
                msg = (
                    f"{path} is not a part of this job, and would be taken for one; remove it, or "
                    "give another folder"
                )
                raise PartError(msg)
            find_part(Path(path), part_job(job, expected[path]), but=("input_sha256",), whole=False)


def _run(
    backend: Backend,
    task: Task,
    parts: Sequence[Part],
    on_progress: Callable[[int, int], object] | None,
) -> Scored:
    out = Path(task.out)
    (out / COMPLETE).unlink(missing_ok=True)
    total, rows = sum(part.rows for part in parts), 0
    done: dict[Part, Done] = {}
    try:
        for part, result in backend.map_unordered(partial(score_part, task), parts):
            done[part] = result
            rows += part.rows
            if on_progress is not None:
                on_progress(rows, total)
    finally:
        if not backend.remote:
            open_surrogate.cache_clear()
    for part in parts:
        if part not in done or not (out / part.name).is_file():
            msg = (
                f"{out / part.name} was written, but is not there; {out} must be on a file system "
                "that this machine and all workers share"
            )
            raise ScaleError(msg)
    listed = [{"file": p.name, "rows": p.rows, "sha256": done[p].digest} for p in parts]
    document = {**task.job, "rows": total, "parts": listed}
    write_output(out / COMPLETE, (json.dumps(document, indent=1) + "\n").encode())
    states = [result.state for result in done.values()]
    return Scored(len(parts), total, states.count("kept"), states.count("damaged"))
