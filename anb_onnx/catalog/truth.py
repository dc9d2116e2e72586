"""What is proven of a target: its optimum, its exact fronts, and where every value ranks.

All of it is about the surrogate, whose predictions are means over its members in float32, and not
about what somebody measures on a device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, NoReturn, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from anb_onnx._io.show import show
from anb_onnx.catalog.counts import Below, after, at_least, at_most
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.errors import TruthError
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.space import SearchSpace

Codes = npt.NDArray[np.uint8]
Float32s = npt.NDArray[np.float32]
Number: TypeAlias = float | np.number[Any]


@dataclass(frozen=True, eq=False)
class Extreme:
    """The best or the worst mean of all architectures, and which of them have it.

    Attributes
    ----------
    value : float
        In the target's unit; a float32 number.
    codes : uint8 array [k, n_genes]
        Architectures that have it, by index; not all of them where there are very many.
    count : int
        How many have it.
    space : SearchSpace
    """

    value: float
    codes: Codes
    count: int
    space: SearchSpace

    @property
    def architectures(self) -> tuple[Architecture, ...]:
        """The architectures of `codes`."""
        return tuple(Architecture.from_codes(row, space=self.space) for row in self.codes)


@dataclass(frozen=True)
class Landmark:
    """A well-known architecture among all the others.

    Attributes
    ----------
    codes : bytes
        Its codes, one byte a gene.
    value : float
        Its mean, in the target's unit.
    better, equal : int
        How many architectures have a better mean; how many the same, itself among them.
    """

    codes: bytes
    value: float
    better: int
    equal: int

    @property
    def rank(self) -> int:
        """1 + how many are better."""
        return self.better + 1


@dataclass(frozen=True, eq=False)
class Front:
    """The exact Pareto front of two targets: nothing in the whole space dominates a point of it.

    Attributes
    ----------
    targets : (str, str)
    codes : uint8 array [n, n_genes]
        All its architectures, from the best of the first target to the best of the second; those
        with equal values are all there.
    values : float32 array [n, 2]
        Their means, in the units of the targets.
    reference : (float, float)
        The worst means of both targets: a reference point for hypervolumes.
    space : SearchSpace
    artifacts : (str, str) or None
        SHA-256 of the artifacts that it is proven of, as it was read: another artifact may have the
        same target. None where it was made.
    """

    targets: tuple[str, str]
    codes: Codes
    values: Float32s
    reference: tuple[float, float]
    space: SearchSpace
    artifacts: tuple[str, str] | None = None

    @property
    def ideal(self) -> tuple[float, float]:
        """The best mean of each target on the front."""
        return float(self.values[0, 0]), float(self.values[-1, 1])

    @property
    def nadir(self) -> tuple[float, float]:
        """The worst mean of each target on the front."""
        return float(self.values[-1, 0]), float(self.values[0, 1])

    @property
    def indices(self) -> npt.NDArray[Any]:
        """Indices of its architectures: int64 [n], object where int64 does not hold them."""
        return codes_to_indices(self.codes, self.space)

    def hypervolume(self, values: npt.NDArray[Any] | None = None) -> float:
        """Return the area that points dominate, up to the reference point.

        Divided by that of the front itself, it says how much of it a search has found.

        Parameters
        ----------
        values : array of numbers [n, 2], optional
            Means of both targets, in any order; those of the front if not given. What is not better
            than the reference point in both adds nothing.

        Returns
        -------
        float
            In the product of both units.

        Raises
        ------
        TruthError
            If `values` is no such array, or holds a number that is not finite.

        Examples
        --------
        >>> import anb_onnx
        >>> front = anb_onnx.load("accuracy").truth.fronts["accuracy", "throughput_a100"]
        >>> found = front.hypervolume(front.values[::50]) / front.hypervolume()
        >>> f"ten of {len(front)} points dominate {found:.1%}"
        'ten of 474 points dominate 93.5%'
        """
        points = _numbers(self.values if values is None else values)
        if points.ndim != 2 or points.shape[1] != 2:
            msg = f"points are an array [n, 2] of both targets, not {show(np.asarray(values))}"
            raise TruthError(msg)
        signs = np.where(np.array(self.ideal) >= np.array(self.reference), 1.0, -1.0)
        gains = (points - np.array(self.reference)) * signs
        gains = gains[(gains > 0).all(axis=1)]
        gains = gains[np.lexsort((-gains[:, 1], -gains[:, 0]))]
        # From the best of the first target on, each adds what it is better in the second.
        highest = np.maximum.accumulate(gains[:, 1])
        return float((gains[:, 0] * np.diff(highest, prepend=0.0)).sum())

    def __len__(self) -> int:
        """Return the number of its architectures."""
        return len(self.codes)


@dataclass(frozen=True, eq=False)
class Shards:
    """What a sweep counted in each part of the space, for anybody who counts one again.

    Attributes
    ----------
    size : int
        Architectures of a part: part i has the indices from ``i * size`` to ``(i + 1) * size - 1``.
    digests : uint8 array [n, 8]
        The first 8 bytes of the SHA-256 of each part's counts, as little-endian int64.
    bins : int
    landmarks : tuple of float
        What the edges were made from: uniform bins, divided at these means.
    """

    size: int
    digests: npt.NDArray[np.uint8]
    bins: int
    landmarks: tuple[float, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Truth:
    """What is proven of a target over the whole search space.

    A surrogate has it as `Surrogate.truth`, which offers `quantile`, `rank`, `rank_bounds` and
    `regret`, too.

    Attributes
    ----------
    target, unit : str
    direction : {"max", "min"}
    space : SearchSpace
    sha256 : str
        Of the artifact that it is proven of.
    optimum, worst : Extreme
        The best and the worst mean of all architectures.
    best : float32 array [k]
        Means of the best architectures, best first; may be empty.
    best_to : float or None
        Down to which value `best` is complete: every architecture that is at least as good is in
        it. None where it is empty.
    edges : float32 array [n + 1] or None
    counts : int64 array [n] or None
        The distribution: ``counts[i]`` architectures have ``edges[i] <= mean < edges[i + 1]``.
        None where the space is too large to count, or nobody did.
    shards : Shards or None
    landmarks : mapping of str to Landmark
    fronts : mapping of (str, str) to Front
        Exact fronts of this target and another one, by the names of both.

    Examples
    --------
    >>> import anb_onnx
    >>> truth = anb_onnx.load("accuracy").truth
    >>> f"{truth.optimum.value:.4f} {truth.unit}, {truth.optimum.count} architecture"
    '68.4731 %, 1 architecture'
    >>> truth.total
    104485552128
    """

    target: str
    unit: str
    direction: Literal["max", "min"]
    space: SearchSpace
    sha256: str
    optimum: Extreme
    worst: Extreme
    best: Float32s
    best_to: float | None
    edges: Float32s | None = None
    counts: npt.NDArray[np.int64] | None = None
    shards: Shards | None = None
    landmarks: Mapping[str, Landmark] = field(default_factory=lambda: MappingProxyType({}))
    fronts: Mapping[tuple[str, str], Front] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def total(self) -> int:
        """Number of architectures of the space."""
        return self.space.size

    @property
    def resolution(self) -> float | None:
        """Largest error that `quantile` can have, as a share; None without a distribution.

        It is the share of the fullest bin outside the list of the best.
        """
        return self.below.coarsest / self.total if self.below.everywhere else None

    @cached_property
    def below(self) -> Below:
        """How many architectures have a mean below a value."""
        ends = sorted((self.optimum.value, self.worst.value))
        pair = None if self.edges is None or self.counts is None else (self.edges, self.counts)
        return Below.of(
            (ends[0], ends[1]),
            self.total,
            pair,
            self.best,
            self.best_to,
            rising=self.direction == "max",
        )

    @overload
    def quantile(self, value: Number) -> float: ...
    @overload
    def quantile(self, value: npt.NDArray[Any]) -> npt.NDArray[np.float64]: ...
    def quantile(self, value: Number | npt.NDArray[Any]) -> Any:
        """Return the share of all architectures whose mean is at most a value.

        Parameters
        ----------
        value : float or array of numbers
            In the target's unit; any finite number.

        Returns
        -------
        float or ndarray of float64 of the shape of `value`
            From 0 to 1. Exact at edges of the distribution and among the best; linear inside a bin,
            and there wrong by at most `resolution`.

        Raises
        ------
        TruthError
            If a value is no finite number, or nobody counted the architectures around it.
        """
        values = _numbers(value)
        x = after(at_most(values))
        self._check_known(values, x)
        shares = self.below.estimate(x) / self.total
        return float(shares[0]) if np.ndim(value) == 0 else shares

    @overload
    def rank(self, value: Number) -> int: ...
    @overload
    def rank(self, value: npt.NDArray[Any]) -> npt.NDArray[np.int64]: ...
    def rank(self, value: Number | npt.NDArray[Any]) -> Any:
        """Return 1 + the number of architectures whose mean is strictly better than a value.

        Parameters
        ----------
        value : float or array of numbers
            In the target's unit; any finite number.

        Returns
        -------
        int or ndarray of int64 of the shape of `value`
            Exact where both `rank_bounds` are the same: among the best, at landmarks and at other
            edges of the distribution. Else linear between them.

        Raises
        ------
        TruthError
            As from `quantile`.
        """
        values = _numbers(value)
        x = self._border(values)
        self._check_known(values, x)
        about = self.below.estimate(x)
        about = np.floor(about if self.direction == "min" else self.total - about)
        least, most = self._better(x)
        ranks = 1 + np.where(least == most, least, about.astype(least.dtype))
        return int(ranks[0]) if np.ndim(value) == 0 else ranks

    @overload
    def rank_bounds(self, value: Number) -> tuple[int, int]: ...
    @overload
    def rank_bounds(
        self, value: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]: ...
    def rank_bounds(self, value: Number | npt.NDArray[Any]) -> Any:
        """Return proven bounds (least, most) of the rank of a value.

        Also of what nobody counted: there they are wide.

        Parameters
        ----------
        value : float or array of numbers
            In the target's unit; any finite number.

        Returns
        -------
        (int, int) or two arrays of int64 of the shape of `value`
            Arrays of Python's integers where the space has 2**63 architectures or more.

        Raises
        ------
        TruthError
            If a value is no finite number.
        """
        values = _numbers(value)
        least, most = (1 + bound for bound in self._better(self._border(values)))
        return (int(least[0]), int(most[0])) if np.ndim(value) == 0 else (least, most)

    @overload
    def regret(self, value: Number) -> float: ...
    @overload
    def regret(self, value: npt.NDArray[Any]) -> npt.NDArray[np.float64]: ...
    def regret(self, value: Number | npt.NDArray[Any]) -> Any:
        """Return how much worse a value is than the optimum.

        Parameters
        ----------
        value : float or array of numbers
            Means of this surrogate, in its unit.

        Returns
        -------
        float or ndarray of float64 of the shape of `value`
            Not negative, in the target's unit; 0 for the optimum alone.

        Raises
        ------
        TruthError
            If a value is no finite number, or better than the optimum: then it is no mean of this
            surrogate.
        """
        values = _numbers(value)
        best = self.optimum.value
        found = best - values if self.direction == "max" else values - best
        if np.any(found < 0):
            worst = float(values.flat[np.argmin(found)])
            msg = (
                f"{worst!r} is better than the best architecture has, {best!r} {self.unit}: it is "
                f"no mean of the surrogate of {self.target!r}; give means that query() returns, "
                "not measurements nor members"
            )
            raise TruthError(msg)
        return float(found[0]) if np.ndim(value) == 0 else found

    def _border(self, values: npt.NDArray[np.float64]) -> Float32s:
        """Return the numbers below which all that are worse, or all that are better, lie."""
        return after(at_most(values)) if self.direction == "max" else at_least(values)

    def _better(self, border: Float32s) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        least, most = self.below.bounds(border)
        return (least, most) if self.direction == "min" else (self.total - most, self.total - least)

    def _check_known(self, values: npt.NDArray[np.float64], x: Float32s) -> None:
        known = self.below.known(x)
        if known.all():
            return
        value = float(values[~known][0])
        where = "" if self.best_to is None else f"; known are ranks from {self.best_to!r} on"
        msg = (
            f"how many architectures have a better {self.target} than {value!r} was never "
            f"counted{where}; rank_bounds() tells what is proven"
        )
        raise TruthError(msg)

    def __repr__(self) -> str:
        return (
            f"Truth({self.target!r}, optimum {self.optimum.value!r}, worst {self.worst.value!r} "
            f"{self.unit}, of {self.total} architectures)"
        )


def _numbers(value: Any) -> npt.NDArray[np.float64]:
    """Return finite numbers as float64, of the shape of what was given; one as an array [1]."""
    try:
        array = np.asarray(value)
    except ValueError:  # a ragged list
        _refuse(value)
    if array.dtype.kind not in "iuf":
        _refuse(value)
    numbers = np.atleast_1d(array.astype(np.float64))
    if not np.isfinite(numbers).all():
        _refuse(value if array.ndim == 0 else float(numbers[~np.isfinite(numbers)][0]))
    return numbers


def _refuse(value: object) -> NoReturn:
    hint = "; give its .mean" if hasattr(value, "mean") and hasattr(value, "std") else ""
    msg = f"a value must be a finite number, or an array of some, not {show(value)}{hint}"
    raise TruthError(msg)
