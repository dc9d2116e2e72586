"""The calibrated predictive scale: how far a new measurement lies from the ensemble's mean.

The members of an ensemble differ only by fold and seed, so their spread is no error bar: one
standard deviation of it covers about a fifth of new measurements. The predictive scale combines it
with the noise of the measurements themselves,

    predictive_std^2 = (spread * std)^2 + (noise * t^noise_power)^2,   t = mean or offset - mean,

with spread, noise and noise_power fitted by the exporter to out-of-fold residuals, never to test
rows. Residuals have heavier tails than a normal distribution, so intervals use the residuals' own
quantiles in units of predictive_std instead of the normal ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import AnbError, ArtifactError
from anb_onnx.regimes import LARGEST

#: Powers of the mean that the noise may follow: absolute, relative, that of a reciprocal.
NOISE_POWERS = (0, 1, 2)


#: Most levels of intervals.
MAX_LEVELS = 1024


class LevelError(AnbError):
    """An interval was asked for at a level that cannot be given."""


def check_level(level: Any, most: float = 1.0) -> float:
    """Return a level of intervals, above 0 and at most a largest one.

    Raises
    ------
    LevelError
        If it is no such number.
    """
    if not isinstance(level, (int, float, np.floating)) or not 0 < level <= most:
        msg = f"level must be above 0 and at most {most}, found {show(level)}"
        raise LevelError(msg)
    return float(level)


def check_share(share: Any, largest: float, least: float = 0.0) -> float:
    """Return a probability that intervals of at most a largest level tell a bound of.

    Parameters
    ----------
    share : float
    largest : float
        Level of the widest interval that there is.
    least : float
        The smallest probability allowed, where that is more than the interval leaves out.

    Raises
    ------
    LevelError
        If it is no such number.
    """
    most = round((1 + largest) / 2, 12)
    least = max(least, round((1 - largest) / 2, 12))
    if not isinstance(share, (int, float, np.floating)) or not least <= share <= most:
        msg = f"a probability of a bound must be from {least:g} to {most:g}, found {show(share)}"
        raise LevelError(msg)
    return float(share)


@dataclass(frozen=True)
class Calibration:
    """Predictive scale and interval quantiles of one target.

    Attributes
    ----------
    spread : float
        Factor of the ensemble's std; not negative.
    noise : float
        Scale of the residual noise, in the target's unit to the power 1 - noise_power.
    noise_power : int
        One of `NOISE_POWERS`.
    offset : float or None
        The offset of the target's link, if it has one.
    levels : tuple of float
        Increasing, from 0 to below 1.
    quantiles : tuple of float
        For each level, the half-width of the central interval in predictive_std; increasing from
        0.

    Examples
    --------
    >>> import numpy as np
    >>> levels, quantiles = (0.0, 0.9), (0.0, 1.5)
    >>> calibration = Calibration(2.0, 3.0, 0, None, levels, quantiles)
    >>> mean, std = np.full(1, 70.0, np.float32), np.full(1, 2.0, np.float32)
    >>> calibration.predictive_std(mean, std).tolist()  # sqrt((2 * 2)**2 + 3**2)
    [5.0]
    >>> [bound.tolist() for bound in calibration.interval(mean, std, 0.9)]
    [[62.5], [77.5]]
    """

    spread: float
    noise: float
    noise_power: int
    offset: float | None
    levels: tuple[float, ...]
    quantiles: tuple[float, ...]

    def __post_init__(self) -> None:
        def require(condition: bool, what: str) -> None:
            if not condition:
                msg = f"calibration: {what}"
                raise ArtifactError(msg)

        for key in ("spread", "noise"):
            value = getattr(self, key)
            require(
                _is_number(value) and value >= 0,
                f"{key} must be >= 0, found {show(value)}; at most {LARGEST:.4g} is allowed",
            )
        require(
            self.offset is None or _is_number(self.offset),
            f"offset must be finite or None, found {show(self.offset)}; at most {LARGEST:.4g} in "
            "size",
        )
        require(
            type(self.noise_power) is int and self.noise_power in NOISE_POWERS,
            f"noise_power must be one of {NOISE_POWERS}, found {show(self.noise_power)}",
        )
        for key in ("levels", "quantiles"):
            values = getattr(self, key)
            require(
                isinstance(values, tuple)
                and MAX_LEVELS >= len(values) == len(self.levels) >= 2
                and all(map(_is_number, values))
                and values[0] == 0.0
                and all(a <= b for a, b in itertools.pairwise(values)),
                f"{key} must be two or more, as many as levels, that increase from 0 to at most "
                f"{LARGEST:.4g}; {MAX_LEVELS} levels are the most",
            )
        require(len(set(self.levels)) == len(self.levels), "levels must differ")
        require(self.levels[-1] < 1, f"levels must be below 1, found {self.levels[-1]!r}")

    @property
    def is_exact(self) -> bool:
        """Whether it says that nothing is uncertain: every interval is the mean itself."""
        return self.spread == 0 and self.noise == 0

    def check_range(self, low: float, high: float) -> None:
        """Check that every interval around a mean from `low` to `high` has finite bounds.

        Raises
        ------
        ArtifactError
            If float32 cannot hold the widest; no interval may be infinite without a word.
        """
        ends = np.array([low, high], dtype=np.float64)
        # No member lies outside either, so that no std is above half their distance.
        widest = float(self._scale(ends, np.full(2, (high - low) / 2)).max())
        if not max(abs(low), abs(high)) + max(self.quantiles[-1], 1.0) * widest <= LARGEST:
            msg = (
                f"calibration: predictions from {low:.4g} to {high:.4g} would get intervals "
                f"beyond {LARGEST:.4g}, the largest float32"
            )
            raise ArtifactError(msg)

    def predictive_std(
        self, mean: NDArray[np.float32], std: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the predictive scale, float32, of the same shape as `mean` and `std`."""
        return self._scale(mean, std).astype(np.float32)

    def interval(
        self, mean: NDArray[np.float32], std: NDArray[np.float32], level: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the bounds of the central interval that holds `level` of new measurements.

        Parameters
        ----------
        mean, std : ndarray of float32
            Of one shape.
        level : float
            Above 0, at most the largest of `levels`; quantiles between those stored are
            interpolated linearly.

        Returns
        -------
        lower, upper : ndarray of float32

        Raises
        ------
        LevelError
            If the level is not in that range.
        """
        half = float(
            np.interp(check_level(level, self.levels[-1]), self.levels, self.quantiles)
        ) * self._scale(mean, std)
        centre = np.asarray(mean, dtype=np.float64)
        return (centre - half).astype(np.float32), (centre + half).astype(np.float32)

    def bound(
        self, mean: NDArray[np.float32], std: NDArray[np.float32], share: float
    ) -> NDArray[np.float32]:
        """Return what a new measurement is at most, with a probability.

        Parameters
        ----------
        mean, std : ndarray of float32
            Of one shape.
        share : float
            The probability: a half gives the mean, as intervals are central; 0.95 the upper end of
            the interval that holds 0.9, 0.05 its lower end.

        Returns
        -------
        ndarray of float32

        Raises
        ------
        LevelError
            If the share is not between those that the largest of `levels` leaves out on either
            side: 0.0025 to 0.9975, where that is 0.995.

        Examples
        --------
        >>> import numpy as np
        >>> calibration = Calibration(2.0, 3.0, 0, None, (0.0, 0.9), (0.0, 1.5))
        >>> mean, std = np.full(1, 70.0, np.float32), np.full(1, 2.0, np.float32)
        >>> [calibration.bound(mean, std, share).item() for share in (0.05, 0.5, 0.95)]
        [62.5, 70.0, 77.5]
        """
        check_share(share, self.levels[-1])
        # Rounded, since 2 * 0.95 - 1 is a little less than the 0.9 that is stored.
        level = round(abs(2 * float(share) - 1), 12)
        if level == 0:
            return np.asarray(mean, dtype=np.float32)
        lower, upper = self.interval(mean, std, min(level, self.levels[-1]))
        return upper if share > 0.5 else lower

    def _scale(self, mean: NDArray[np.floating], std: NDArray[np.floating]) -> NDArray[np.float64]:
        t = np.asarray(mean, dtype=np.float64)
        if self.offset is not None:
            t = self.offset - t
        noise = self._noise(t)
        for _ in range(self.noise_power):
            noise = noise * t
        spread = self.spread * np.asarray(std, dtype=np.float64)
        return np.asarray(np.sqrt(spread * spread + noise * noise))

    def _noise(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full_like(t, self.noise)

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as plain data, the form in which artifacts hold it."""
        return {
            "spread": self.spread,
            "noise": self.noise,
            "noise_power": self.noise_power,
            "offset": self.offset,
            "levels": list(self.levels),
            "quantiles": list(self.quantiles),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Calibration:
        """Read what `to_dict` wrote.

        Raises
        ------
        ArtifactError
            If a key is missing or a value is not allowed.
        """
        try:
            offset = document["offset"]
            return cls(
                spread=_number(document["spread"]),
                noise=_number(document["noise"]),
                noise_power=document["noise_power"],
                offset=None if offset is None else _number(offset),
                levels=_numbers(document["levels"]),
                quantiles=_numbers(document["quantiles"]),
            )
        except (KeyError, TypeError, OverflowError) as error:
            msg = f"calibration: malformed ({error!r})"
            raise ArtifactError(msg) from error


def _is_number(value: object) -> bool:
    """Whether a value is a float that predictions in float32 can be computed with."""
    return isinstance(value, float) and abs(value) <= LARGEST


def _number(value: Any) -> Any:
    """Return a number of JSON, which does not tell 80 from 80.0, as a float."""
    return float(value) if type(value) is int else value


def _numbers(values: Any) -> tuple[Any, ...]:
    if not isinstance(values, (list, tuple)) or len(values) > MAX_LEVELS:
        msg = f"a list of at most {MAX_LEVELS} numbers, not {show(values)}"
        raise TypeError(msg)
    return tuple(map(_number, values))


@dataclass(frozen=True, eq=False)
class Pointwise(Calibration):
    """A calibration with a noise of its own for each architecture.

    Attributes
    ----------
    noises : float64 array [N], or a scalar, or None
        In place of `noise`.
    added_variance : float64 array [N], or a scalar, or None
        A further variance, in the target's unit squared, independent of the rest: that between
        runs of different seeds.
    """

    noises: NDArray[np.float64] | None = None
    added_variance: NDArray[np.float64] | None = None

    @classmethod
    def of(
        cls,
        base: Calibration,
        noises: NDArray[np.float64] | None = None,
        added_variance: NDArray[np.float64] | None = None,
    ) -> Pointwise:
        """Return a calibration with other noises, or more of it."""
        known = {field.name: getattr(base, field.name) for field in fields(Calibration)}
        return cls(**known, noises=noises, added_variance=added_variance)

    @property
    def is_exact(self) -> bool:
        """Whether nothing is uncertain: what was told of each architecture may say otherwise."""
        return super().is_exact and self.noises is None and self.added_variance is None

    def _noise(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        return super()._noise(t) if self.noises is None else np.broadcast_to(self.noises, t.shape)

    def _scale(self, mean: NDArray[np.floating], std: NDArray[np.floating]) -> NDArray[np.float64]:
        scale = super()._scale(mean, std)
        if self.added_variance is None:
            return scale
        return np.asarray(np.sqrt(scale * scale + self.added_variance))


#: Of what was counted or measured itself: new measurements are the mean.
EXACT = Calibration(0.0, 0.0, 0, None, (0.0, 0.995), (0.0, 0.0))
