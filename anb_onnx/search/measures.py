"""Hypervolumes of what a search of several objectives has found, evaluation by evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import SearchError
from anb_onnx.parallel.extras import need
from anb_onnx.search.objective import Floats
from anb_onnx.spaces.space import is_integer


def checked_at(at: object, n: int) -> list[int]:
    """Return numbers of evaluations to look at; all from 1 to n for None.

    Raises
    ------
    SearchError
        If one is no integer from 0 to n.
    """
    if at is None:
        return [*range(1, n + 1)]
    listed = isinstance(at, (Sequence, np.ndarray)) and not isinstance(at, str)
    given: list[Any] = [*at] if listed else [at]  # type: ignore[misc]
    for number in given:
        if not is_integer(number) or not 0 <= number <= n:
            msg = f"at is a list of numbers of evaluations, 0 to {n}, not {show(at)}"
            raise SearchError(msg)
    return [int(number) for number in given]


def checked_reference(reference: object, m: int) -> Floats:
    """Return a reference point: float64 [m].

    Raises
    ------
    SearchError
        If it is not one finite number for each objective.
    """
    try:
        point = np.array(reference, dtype=np.float64)
    except (TypeError, ValueError):
        point = np.empty(0)
    if point.shape != (m,) or not np.isfinite(point).all():
        msg = f"reference is a point of {m} finite numbers, in units, not {show(reference)}"
        raise SearchError(msg)
    return point


class Archive:
    """The losses that no other dominates, of those that were added; those of equal rows once."""

    def __init__(self, n_objectives: int) -> None:
        self.points: Floats = np.empty((0, n_objectives))

    def add(self, row: Floats) -> bool:
        """Add one row of losses; say whether it is better than all before in some way."""
        if (self.points <= row).all(axis=1).any():
            return False
        kept = self.points[~(row <= self.points).all(axis=1)]
        self.points = np.concatenate([kept, row[np.newaxis]])
        return True


def hypervolume(losses: Floats, reference: Floats) -> float:
    """Return the volume that losses [n, m] dominate, up to a reference point [m] of losses.

    The same points give the same bits, in whatever order they come.
    """
    archive = Archive(losses.shape[1])
    for row in losses[(losses < reference).all(axis=1)]:
        archive.add(row)
    return _volume(archive.points, reference)


def hypervolumes(
    losses: Floats, feasible: NDArray[np.bool_], reference: Floats, at: Sequence[int]
) -> Floats:
    """Return the hypervolume of the feasible among the first rows, for some numbers of rows.

    Parameters
    ----------
    losses : float64 array [n, m]
        In the order of their evaluation.
    feasible : bool array [n]
    reference : float64 array [m]
        A loss that is not better than it in every objective adds nothing.
    at : sequence of int
        In any order.

    Returns
    -------
    float64 array [len(at)]
    """
    archive = Archive(losses.shape[1])
    counts = feasible & (losses < reference).all(axis=1)
    found, done, volume = {}, 0, 0.0
    for stop in sorted({*at}):
        new = False
        for row in done + np.flatnonzero(counts[done:stop]):
            new |= archive.add(losses[row])
        volume = _volume(archive.points, reference) if new else volume
        found[stop], done = volume, stop
    return np.array([found[stop] for stop in at], dtype=np.float64)


def nondominated(losses: Floats, feasible: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the feasible rows that none dominates, all of those that are equal: int64 [k]."""
    archive = Archive(losses.shape[1])
    for row in losses[feasible]:
        archive.add(row)
    best = {row.tobytes() for row in archive.points}
    rows = [i for i in np.flatnonzero(feasible) if losses[i].tobytes() in best]
    return np.array(rows, dtype=np.int64)


def _volume(points: Floats, reference: Floats) -> float:
    moocore: Any = need("moocore", extra="search", what="a hypervolume")
    if not len(points):
        return 0.0
    ordered = points[np.lexsort(points.T[::-1])]
    return float(moocore.hypervolume(ordered, ref=reference))
