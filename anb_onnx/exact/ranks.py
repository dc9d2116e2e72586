"""The place of an architecture among all of its space, and how their values are distributed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path as FilePath
from typing import SupportsIndex

import numpy as np

from anb_onnx._io.show import show
from anb_onnx.encoding.encoding import Architectures, encode_and_tell
from anb_onnx.errors import ArchitectureError, TooManyError, TruthError
from anb_onnx.exact.parts import parts_of
from anb_onnx.exact.questions import Path, Source, TargetLike, ask, tables_of
from anb_onnx.exact.results import Rank
from anb_onnx.exact.solve import Effort, Wish, all_as_good, best
from anb_onnx.surrogate import Surrogate
from anb_onnx.sweep import Grid, Histogram, Progress, merge, sweep
from anb_onnx.sweep.distribution import Distribution
from anb_onnx.tables import TableEnsemble

#: Up to this many architectures that are at least as good are listed rather than counted.
_MOST_LISTED = 200_000

#: Bins of the sweep that counts what is better than one value: the fewer, the faster.
_FEW_BINS = 64


def rank(
    target: TargetLike,
    architecture: Architectures,
    *,
    threads: SupportsIndex | None = None,
    progress: Callable[[Progress], object] | None = None,
    benchmark: str | None = None,
    path: Path | None = None,
) -> Rank:
    """Count how many architectures of the whole space are better than one.

    What ships with the artifact is looked at first (`Surrogate.truth`): it has well-known
    architectures and the best few thousand values. Next, what is at least as good is listed, as
    long as that is not much. Else every architecture is counted, which takes minutes.

    Parameters
    ----------
    target : str or Surrogate
    architecture : Architecture or mapping
        One architecture, as `Surrogate.query` takes it.
    threads : int, optional
        For counting; all CPUs unless given.
    progress : callable, optional
        As for `anb_onnx.sweep.sweep`.
    benchmark, path : optional
        Where a target given by name is looked up, as for `anb_onnx.load`.

    Returns
    -------
    Rank

    Raises
    ------
    ArchitectureError
        If it is not one architecture of the space.
    TargetError, ExactError
        If the target is none, or has no tables.
    SweepError
        If the space is too large to count.

    Examples
    --------
    >>> from anb_onnx import MNASNET, Architecture, exact
    >>> second = exact.optimum("accuracy", k=2).solutions[1].architecture
    >>> exact.rank("accuracy", second).rank
    2
    """
    question = ask([target], (), None, Source(benchmark, path))
    (surrogate,) = question.surrogates
    codes, single = encode_and_tell(architecture, surrogate.space)
    if not single:
        msg = f"one architecture is needed, as query takes it, not {show(architecture)}"
        raise ArchitectureError(msg)
    wish = Wish(tables_of(surrogate), surrogate.target.direction == "max")
    value = np.float32(surrogate.query(codes).mean[0])
    counts = _from_truth(surrogate, value) or _listed(surrogate, wish, value)
    if counts is None:
        counts = _counted(surrogate, value, threads, progress)
    better, equal = counts
    of = surrogate.target
    return Rank(of.name, of.unit, float(value), better + 1, better, equal, surrogate.space.size)


def distribution(
    target: TargetLike,
    *,
    bins: int = 4096,
    threads: SupportsIndex | None = None,
    progress: Callable[[Progress], object] | None = None,
    checkpoint: FilePath | None = None,
    benchmark: str | None = None,
    path: Path | None = None,
) -> Distribution:
    """Count all architectures of the whole space by their value, exactly.

    That takes minutes; `Surrogate.truth` has the counts that ship with the artifact.

    Parameters
    ----------
    target : str or Surrogate
    bins : int
        Bins of equal width between the worst and the best value.
    threads, progress, checkpoint
        As for `anb_onnx.sweep.sweep`.
    benchmark, path : optional
        Where a target given by name is looked up, as for `anb_onnx.load`.

    Returns
    -------
    Distribution

    Raises
    ------
    TargetError, ExactError, SweepError
        If the target is none or has no tables, if `bins` is no number of bins, or if the space is
        too large to count.

    Examples
    --------
    >>> from anb_onnx import exact
    >>> exact.distribution("macs", bins=16).total  # doctest: +SKIP
    104485552128
    """
    question = ask([target], (), None, Source(benchmark, path))
    (surrogate,) = question.surrogates
    grid = Grid(*extremes(tables_of(surrogate)), bins)
    return Distribution.of(_sweep(surrogate, grid, threads, progress, checkpoint))


def extremes(ensemble: TableEnsemble) -> tuple[float, float]:
    """Return the smallest and the largest mean of all architectures, proven, as ends of a grid.

    Where they are the same the first is the float32 below, as a grid must have some width.
    """
    parts = parts_of(ensemble.space, [ensemble], None)
    low = best(parts, Wish(ensemble, largest=False), (), 1, Effort()).worth[0]
    high = -best(parts, Wish(ensemble, largest=True), (), 1, Effort()).worth[0]
    if low == high:
        low = np.nextafter(low, np.float32(-np.inf))
    return float(low), float(high)


def _from_truth(surrogate: Surrogate, value: np.float32) -> tuple[int, int] | None:
    """Return better and equal as the artifact's truth has them, exactly, or None."""
    try:
        truth = surrogate.truth
        least, most = truth.rank_bounds(float(value))
        # The next worse value's rank says how many are as good.
        worse = np.nextafter(value, np.float32(-np.inf if truth.direction == "max" else np.inf))
        following, last = truth.rank_bounds(float(worse))
    except TruthError:
        return None
    if least != most or following != last:
        return None
    return least - 1, following - least


def _listed(surrogate: Surrogate, wish: Wish, value: np.float32) -> tuple[int, int] | None:
    """Return better and equal by listing what is at least as good, or None if that is much."""
    worth = -value if wish.largest else value
    parts = parts_of(surrogate.space, [wish.ensemble], None)
    try:
        found, _ = all_as_good(parts, wish, (), np.float32(worth), _MOST_LISTED, Effort())
    except TooManyError:
        return None
    return int((found < worth).sum()), int((found == worth).sum())


def _counted(
    surrogate: Surrogate,
    value: np.float32,
    threads: SupportsIndex | None,
    progress: Callable[[Progress], object] | None,
) -> tuple[int, int]:
    """Return better and equal by counting every architecture."""
    low, high = extremes(tables_of(surrogate))
    grid = Grid(low, high, _FEW_BINS, (float(value),))
    counts = _sweep(surrogate, grid, threads, progress, None).counts
    place = int(np.searchsorted(grid.edges, value))
    above, below = int(counts[place + 1 :].sum()), int(counts[:place].sum())
    return (above if surrogate.target.direction == "max" else below), int(counts[place])


def _sweep(
    surrogate: Surrogate,
    grid: Grid,
    threads: SupportsIndex | None,
    progress: Callable[[Progress], object] | None,
    checkpoint: FilePath | None,
) -> Histogram:
    target = surrogate.target
    counted = sweep(
        tables_of(surrogate),
        grid,
        threads=threads,
        progress=progress,
        checkpoint=checkpoint,
        target=target.name,
        unit=target.unit,
        sha256=surrogate._origin.sha256,
    )
    return merge([counted])
