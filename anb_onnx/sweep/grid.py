"""The cells of a histogram."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import AnbError

#: Most bins of a histogram, and landmarks.
MAX_BINS = 2**20
MAX_LANDMARKS = 64


class SweepError(AnbError):
    """A sweep cannot be done as asked for, or parts of one do not fit together."""


@dataclass(frozen=True)
class Grid:
    """Uniform bins from `low` to `high`, both inside, with edges around some values of interest.

    Bin i holds the architectures with ``edges[i] <= mean < edges[i + 1]``, mean in float32. A
    landmark v has a bin of its own, [v, next float32 after v): how many architectures are below,
    at and above it is then exact.

    Parameters
    ----------
    low, high : float
        Float32 values in the target's unit, low < high.
    bins : int
        Number of uniform bins, before landmarks divide some.
    landmarks : tuple of float
        Float32 values from low to high; sorted, without repetition.

    Raises
    ------
    SweepError
        If a value is not allowed, or the bins are narrower than float32 can tell apart.

    Examples
    --------
    >>> Grid(0.0, 1.0, 2, landmarks=(0.75,)).edges.tolist()
    [0.0, 0.5, 0.75, 0.7500000596046448, 1.0000001192092896]
    """

    low: float
    high: float
    bins: int
    landmarks: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if type(self.bins) is not int or not 1 <= self.bins <= MAX_BINS:
            msg = f"bins must be a number from 1 to {MAX_BINS}, not {show(self.bins)}"
            raise SweepError(msg)
        for name, value in (("low", self.low), ("high", self.high)):
            _check_float32(name, value)
        if not self.low < self.high:
            msg = f"low must be less than high, found {self.low!r} and {self.high!r}"
            raise SweepError(msg)
        if not isinstance(self.landmarks, tuple) or len(self.landmarks) > MAX_LANDMARKS:
            msg = f"landmarks are a tuple of {MAX_LANDMARKS} at most, not {show(self.landmarks)}"
            raise SweepError(msg)
        for value in self.landmarks:
            _check_float32("a landmark", value)
            if not self.low <= value <= self.high:
                msg = f"landmark {value!r} is outside the bins, {self.low!r} to {self.high!r}"
                raise SweepError(msg)
        object.__setattr__(self, "landmarks", tuple(sorted(set(self.landmarks))))
        uniform = self.uniform
        if not (np.diff(uniform) > 0).all():
            msg = (
                f"{self.bins} bins from {self.low!r} to {self.high!r} are narrower than float32 "
                "can tell apart; ask for fewer"
            )
            raise SweepError(msg)

    @cached_property
    def uniform(self) -> NDArray[np.float32]:
        """Edges of the uniform bins: float32 [bins + 1]."""
        steps = np.arange(self.bins + 1, dtype=np.float64) / self.bins
        edges = (self.low + (self.high - self.low) * steps).astype(np.float32)
        edges[0], edges[-1] = self.low, np.nextafter(np.float32(self.high), np.float32(np.inf))
        edges.setflags(write=False)
        return edges

    @cached_property
    def edges(self) -> NDArray[np.float32]:
        """All edges, those around landmarks too: float32 [n + 1], strictly increasing."""
        marks = np.array(self.landmarks, dtype=np.float32)
        after = np.nextafter(marks, np.float32(np.inf))
        edges = np.unique(np.concatenate([self.uniform, marks, after]))
        edges.setflags(write=False)
        return edges

    @property
    def n_bins(self) -> int:
        """Number of bins with those of landmarks."""
        return len(self.edges) - 1

    @cached_property
    def starts(self) -> NDArray[np.int32]:
        """Number of the edge that each uniform edge is among all: int32 [bins + 1]."""
        return np.searchsorted(self.edges, self.uniform).astype(np.int32)


def _check_float32(name: str, value: object) -> None:
    if not isinstance(value, float) or not np.isfinite(value) or float(np.float32(value)) != value:
        msg = f"{name} must be a finite float32 value as a float, not {show(value)}"
        raise SweepError(msg)
