"""Runs the fits of a study: in processes that stay, each row on disk as soon as it is there.

A row is a pure function of data, predictor, target, size and seed, but for its times: every fit
runs in one thread, whatever the machine and the number of processes.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from anb_export.data.metrics import evaluate
from anb_export.predictors.artifact import artifact_bytes, to_surrogate
from anb_export.predictors.contract import Predictor
from anb_export.predictors.registry import KINDS, kind_of
from anb_export.predictors.scores import interval_scores
from anb_export.study.fitting import fitted_to
from anb_export.study.plan import Fit
from anb_export.study.protocol import Protocol, Rows, StudyError, protocol_of
from anb_export.study.rows import COLUMNS, Journal, Key, Row, check_fits, key_of, write_fits
from anb_export.training.block_sums import one_thread
from anb_onnx.errors import AnbError
from anb_onnx.experiments.workers import run_all

#: Packages whose versions each row notes.
_PACKAGES = ("numpy", "scipy", "scikit-learn", "xgboost", "lightgbm", "ngboost")

#: What says to libraries, before they are loaded, how many threads they may have.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

#: Of so many queries the fastest is told: the first one waits for memory.
_QUERIES = 3

#: Kinds that this process has fitted, and to how many rows the first time, which is not counted.
_warm: set[str] = set()
_FEW = 20

#: Seconds after which the Parquet file is written anew, for who looks at a study that runs.
_WRITTEN_EVERY = 60.0


@dataclass(frozen=True)
class Where:
    """Where the measurements lie; parameters of `protocol.protocol_of`."""

    space: str | None
    data: str
    split: str | None = None

    def open(self) -> Protocol:
        """Read them; errors as of `protocol_of`."""
        return _opened(self)


@lru_cache(maxsize=2)
def _opened(where: Where) -> Protocol:
    return protocol_of(where.space, where.data, where.split)


@dataclass(frozen=True)
class Work:
    """A fit, and what it is fitted to: a piece of work for a process."""

    where: Where
    fit: Fit

    def __str__(self) -> str:
        return str(self.fit)


def run_fit(work: Work) -> Row:
    """Fit a predictor, make its artifact, and return the row of `rows.COLUMNS`.

    Raises
    ------
    StudyError
        If anything goes wrong but an error of ours, with which the predictor says that it cannot be
        fitted to this: that is a row with an error. Names the fit.
    """
    protocol, what = work.where.open(), work.fit
    test = protocol.rows(what.target, what.size, what.seed)[1]
    row: Row = dict.fromkeys(COLUMNS)
    row |= {"space": protocol.space, **vars(what), "n_test": len(test)}
    row["dataset_sha256"] = protocol.of(what.target).sha256
    row["versions"] = json.dumps(versions(what.predictor), sort_keys=True)
    try:
        with one_thread():
            row |= _measured(protocol, what)
    except AnbError as error:
        row["error"] = str(error)
    except Exception as error:
        msg = f"{what}: {type(error).__name__}: {error}"
        raise StudyError(msg) from error
    return row


def _measured(protocol: Protocol, what: Fit) -> Row:
    """Return the figures of a fit, all of the artifact's answers to the test rows."""
    dataset, kind = protocol.of(what.target), kind_of(what.predictor)
    spec, values = dataset.target(what.target), dataset.values[what.target]
    train, test = protocol.rows(what.target, what.size, what.seed)
    codes, measured = dataset.codes[test], values[test]

    def fitted(rows: Rows) -> Predictor:
        return fitted_to(rows, protocol, predictor=kind.name, target=what.target, seed=what.seed)

    if kind.name not in _warm:  # what it imports takes longer than a small fit
        _warm.add(kind.name)
        with suppress(AnbError):
            fitted(train[: max(kind.least, _FEW)]).members(codes)
    start = time.process_time()
    predictor = fitted(train)
    end = time.process_time()
    predictor.members(codes)
    predicted = time.process_time()
    with to_surrogate(predictor, spec) as surrogate:
        answered = surrogate.query(codes)
        queries = [_seconds(lambda: surrogate.query(codes)) for _ in range(_QUERIES)]
        figures = evaluate(measured, answered.mean)
        intervals = interval_scores(
            measured, answered.mean, answered.predictive_std, predictor.calibration
        )
        size = float(np.abs(measured).mean())
        return {
            "tau": figures["kendall_tau"],
            **{name: figures[name] for name in ("spearman", "r2", "mae")},
            "mae_relative": figures["mae"] / size,
            **{name: intervals[name] for name in ("crps", "coverage_50", "coverage_90")},
            "crps_relative": intervals["crps"] / size,
            "width_90_relative": intervals["width_90"] / size,
            "fit_seconds": end - start,
            "predict_seconds": predicted - end,
            "query_seconds": min(queries),
            "artifact_bytes": artifact_bytes(surrogate),
            "form": str(surrogate.metadata["form"]),
        }


def _seconds(function: Callable[[], Any]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


@cache
def versions(predictor: str) -> Mapping[str, Any]:
    """Return what a row says it was made with: the kind's version, and those of packages."""
    found: dict[str, Any] = {"predictor": kind_of(predictor).version}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def done(rows: Sequence[Row], protocol: Protocol) -> dict[Key, Row]:
    """Return the rows that need not be made again: of these data, by the kinds as they are now."""
    return {key_of(row): row for row in current(rows, protocol)}


def current(rows: Sequence[Row], protocol: Protocol) -> Iterator[Row]:
    """Yield the rows, of whatever sheet, that are of these data, by the kinds as they are now."""
    digests = {name: protocol.of(name).sha256 for name in protocol.all_targets()}
    now = {kind.name: kind.version for kind in KINDS}
    for row in rows:
        data = row["space"] != protocol.space or row["dataset_sha256"] == digests.get(row["target"])
        if data and json.loads(row["versions"])["predictor"] == now.get(row["predictor"]):
            yield row


def run(
    where: Where,
    fits: Sequence[Fit],
    journal: Journal,
    *,
    jobs: int,
    on_row: Callable[[int, Row | None], None] = lambda done, row: None,
) -> None:
    """Run the fits that are not in the journal, and write ``fits.parquet`` beside it.

    That file is written now and then, at the end, and also where an error or Ctrl-C ends the study
    before.

    Parameters
    ----------
    where : Where
    fits : sequence of Fit
    journal : Journal
    jobs : int
        Processes.
    on_row : callable
        Called with how many of the fits are there, and the row that came last.

    Raises
    ------
    AnbError
        The first error of a fit; names it. What is done is kept.
    """
    check_fits(journal.path.parent)
    protocol = where.open()
    had = done(journal.rows, protocol)
    left = [Work(where, one) for one in fits if (protocol.space, *vars(one).values()) not in had]
    count = len(fits) - len(left)
    on_row(count, None)
    written = time.monotonic()
    try:
        with single_threads(), closing(run_all(run_fit, left, jobs)) as results:
            for _, row in results:
                journal.add(row)
                count += 1
                on_row(count, row)
                if time.monotonic() - written > _WRITTEN_EVERY:
                    _write(journal, protocol)
                    written = time.monotonic()
    finally:
        _write(journal, protocol)


def _write(journal: Journal, protocol: Protocol) -> None:
    write_fits(journal.path.parent, done(journal.rows, protocol).values())


@contextmanager
def single_threads() -> Iterator[None]:
    """Let processes that are started in the block have libraries of one thread."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
