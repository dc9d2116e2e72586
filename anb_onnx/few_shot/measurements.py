"""Measurements of a device, checked: which architecture took how long, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.catalog.catalog import Target
from anb_onnx.encoding.encoding import encode, from_table
from anb_onnx.errors import ArchitectureError, MeasurementError
from anb_onnx.few_shot.columns import Place, repeats_column, row_place, std_column, values_column
from anb_onnx.few_shot.units import is_rate, measured_target
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.nasbench201 import NASBENCH201, from_arch_string
from anb_onnx.spaces.space import SearchSpace

#: Fewest distinct architectures.
FEWEST = 3
#: Most distinct architectures: time grows with the cube of their number.
MOST = 500
#: Measurements of one architecture that differ by more than this factor are no noise.
_FACTOR = 2.0
#: Steps in which rounded values come: whole numbers, and decimals.
_STEPS = tuple(10.0**-places for places in range(7))


@dataclass(frozen=True, eq=False)
class Measurements:
    """Measurements of some architectures of a search space on one device.

    Attributes
    ----------
    space : SearchSpace
    codes : ndarray of uint8 [k, n_genes]
        Distinct architectures, in the order in which they first appeared.
    values : ndarray of float64 [k]
        In the target's unit, all > 0.
    errors : ndarray of float64 [k]
        Standard error of each value, in its unit; 0 where nothing is known of it.
    rows : tuple of tuples of int
        The rows of the input that each is made of.
    target : Target
    rate : bool
        Whether the values are rates, of which the reciprocals are times.
    resolution : float
        The step in which values come where they are rounded to one, else 0.
    notes : tuple of str
        What was noticed.
    """

    space: SearchSpace
    codes: NDArray[np.uint8]
    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    rows: tuple[tuple[int, ...], ...]
    target: Target
    rate: bool
    resolution: float
    notes: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of distinct architectures."""
        return len(self.codes)


def measurements(
    architectures: Any,
    values: Any,
    *,
    std: Any = None,
    repeats: Any = None,
    metric: str,
    unit: str,
    device: str | None = None,
    direction: str | None = None,
    space: SearchSpace | None = None,
    place: Place = row_place,
) -> Measurements:
    """Check measurements and combine those of one architecture.

    Parameters
    ----------
    architectures
        As `anb_onnx.encode` takes them, a table as for `anb_onnx.from_table`, or a list of
        NAS-Bench-201's strings.
    values : sequence, ndarray or Series [N]
        In `unit`, > 0.
    std : number or sequence [N], optional
        Standard deviation of one measurement, in `unit`; 0 where it is not known.
    repeats : int or sequence [N], optional
        How many measurements each value is the mean of.
    metric, unit, device, direction
        As for `measured_target`.
    space : SearchSpace, optional
        That of the architectures where they carry one, else `MNASNET`.
    place : callable
        Names a row in messages, as the lines of a file are no rows.

    Returns
    -------
    Measurements

    Raises
    ------
    ArchitectureError
        If an architecture is no member of the space; names row, gene and value.
    MeasurementError
        If a number is not allowed, columns differ in length, rows of one architecture contradict
        each other, fewer than three architectures are left, or metric and unit do not fit.

    Examples
    --------
    >>> codes = [[0] * 6, [3] * 6, [2] * 6, [3] * 6]
    >>> found = measurements(
    ...     np.array(codes), [2.5, 7.0, 5.5, 7.5], metric="latency", unit="ms", space=NASBENCH201
    ... )
    >>> found.values.tolist(), found.rows
    ([2.5, 7.25, 5.5], ((0,), (1, 3), (2,)))
    """
    target = measured_target(metric, unit, device, direction)
    codes, space = _codes(architectures, space)
    read = values_column(values, len(codes), place)
    weights = repeats_column(repeats, len(codes), place)
    known = std_column(std, len(codes), place) / np.sqrt(weights)
    groups = _groups(codes)
    if len(groups) < FEWEST:
        are = "architecture was" if len(groups) == 1 else "architectures were"
        msg = (
            f"{len(groups)} distinct {are} measured, at least {FEWEST} are needed; "
            "anb_onnx.suggest (in a shell anb-onnx suggest) says which to measure next"
        )
        raise MeasurementError(msg)
    if len(groups) > MOST:
        msg = (
            f"{len(groups)} distinct architectures were measured, at most {MOST} are taken; of so "
            "many, anb-export build trains a surrogate of its own (docs/your-benchmark.md)"
        )
        raise MeasurementError(msg)
    combined = [_combined(rows, read, known, weights, place) for rows in groups]
    resolution = _resolution(read, groups)
    errors = np.array([c.error for c in combined])
    if resolution:
        # Of what is rounded to a step, any value within it is as likely.
        errors = np.maximum(errors, resolution / math.sqrt(12))
    found = np.array([c.value for c in combined])
    return Measurements(
        space=space,
        codes=codes[[rows[0] for rows in groups]],
        values=found,
        errors=errors,
        rows=tuple(groups),
        target=target,
        rate=is_rate(unit),
        resolution=resolution,
        notes=tuple(_notes(found, groups, combined, resolution, target)),
    )


def _codes(architectures: Any, space: SearchSpace | None) -> tuple[NDArray[np.uint8], SearchSpace]:
    """Return codes [N, n_genes] and their space."""
    if any(hasattr(architectures, name) for name in ("columns", "schema")):
        space = MNASNET if space is None else space
        return from_table(architectures, space), space
    strings = _strings(architectures)
    if strings is not None:
        space = NASBENCH201 if space is None else space
        architectures = list(_from_strings(strings, space))
    if space is None:
        items = architectures if isinstance(architectures, (list, tuple)) else [architectures]
        known = [item.space for item in items if isinstance(item, Architecture)]
        space = known[0] if known else MNASNET
    return encode(architectures, space), space


def _strings(architectures: Any) -> list[str] | None:
    """Return a list, an array or a Series of nothing but texts as a list; else None."""
    items = architectures
    for method in ("tolist", "to_list", "to_pylist"):
        if not isinstance(items, (list, tuple)) and hasattr(items, method):
            items = getattr(items, method)()
    if isinstance(items, (list, tuple)) and items and all(isinstance(i, str) for i in items):
        return list(items)
    return None


def _from_strings(strings: list[str], space: SearchSpace) -> Iterator[Architecture]:
    for row, text in enumerate(strings):
        if space != NASBENCH201:
            msg = (
                f"row {row}: {show(text)}: only architectures of {NASBENCH201.name!r} are written "
                f"as texts, not those of {space.name!r}; give indices, codes or mappings"
            )
            raise ArchitectureError(msg)
        try:
            yield from_arch_string(text)
        except ArchitectureError as error:
            msg = f"row {row}: {error}"
            raise ArchitectureError(msg) from error


def _groups(codes: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    """Return the rows of each distinct architecture, in the order of their first."""
    rows: dict[bytes, list[int]] = {}
    for row, key in enumerate(codes):
        rows.setdefault(key.tobytes(), []).append(row)
    return [tuple(group) for group in rows.values()]


class _Combined(NamedTuple):
    """The measurements of one architecture as one."""

    value: float
    error: float
    differ: bool


def _combined(
    rows: tuple[int, ...],
    values: NDArray[np.float64],
    errors: NDArray[np.float64],
    weights: NDArray[np.float64],
    place: Place,
) -> _Combined:
    """Return the mean of some rows, weighted by their repeats, and its standard error."""
    if len(rows) == 1:
        return _Combined(float(values[rows[0]]), float(errors[rows[0]]), False)
    low, high = min(rows, key=values.__getitem__), max(rows, key=values.__getitem__)
    if values[high] > _FACTOR * values[low]:
        first, second = sorted((low, high))
        msg = (
            f"{place(first)} and {place(second)} are of the same architecture, but their values "
            f"{values[first]:g} and {values[second]:g} differ by more than a factor of "
            f"{_FACTOR:g}; measure it again, or leave out the wrong one"
        )
        raise MeasurementError(msg)
    chosen = list(rows)
    value, weight, error = values[chosen], weights[chosen], errors[chosen]
    total = math.fsum(weight)
    # fsum: the order of rows changes no bit.
    stated = math.sqrt(math.fsum((weight * error) ** 2)) / total
    if values[low] == values[high]:
        return _Combined(float(values[low]), stated, False)
    mean = math.fsum(weight * value) / total
    spread = math.fsum(weight * (value - mean) ** 2)
    # Both estimate the same; the larger one is the safer.
    return _Combined(mean, max(stated, math.sqrt(spread / ((len(rows) - 1) * total))), True)


def _resolution(values: NDArray[np.float64], groups: list[tuple[int, ...]]) -> float:
    """Return the step that values are rounded to, where architectures share a value; else 0.

    Without ties, whole numbers may be measured as they are.
    """
    distinct = [set(values[list(rows)].tolist()) for rows in groups]
    if len(set().union(*distinct)) == sum(map(len, distinct)):
        return 0.0
    for step in _STEPS:
        parts = values / step
        if (np.abs(parts - np.round(parts)) <= 1e-9 * parts).all():
            return step
    return 0.0


def _notes(
    values: NDArray[np.float64],
    groups: list[tuple[int, ...]],
    combined: list[_Combined],
    resolution: float,
    target: Target,
) -> Iterator[str]:
    repeated = [rows for rows in groups if len(rows) > 1]
    if repeated:
        rows = sum(map(len, repeated))
        yield f"{rows} rows are of {_counted(len(repeated), 'architecture')}: their means are taken"
    if differing := sum(c.differ for c in combined):
        yield f"rows of {_counted(differing, 'architecture')} differ: their spread counts as noise"
    n_ties = len(values) - len(set(values.tolist()))
    if resolution:
        yield (
            f"values come in steps of {resolution:g} {target.unit}, which several architectures "
            "share: more digits, or means of more repeats, would tell more"
        )
    if n_ties == len(values) - 1:
        yield (
            f"all values are equal: these do not tell how {target.metric} varies with the "
            "architecture"
        )


def _counted(n: int, noun: str) -> str:
    return f"1 {noun}" if n == 1 else f"{n} {noun}s"
