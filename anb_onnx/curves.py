"""Learning curves as values: how coefficients that tables predict become a function of epochs.

A curve target is an ensemble with several outputs, the *coefficients* c. Each member's curve is
linear in its own: at the knots t[i], epochs at which curves were measured::

    z = offset[i] + c[0] * basis[i][0] + c[1] * basis[i][1] + ...      (left to right)
    z = rest[i] + min(max(c[gate], 0), 1) * (z - rest[i])              (where there is a gate)
    z = min(max(z, low), high)                                         (where there is a range)
    y[i] = link.invert(z)

and between two knots on the line that joins its values there::

    y = y[i] + (t - t[i]) / (t[i+1] - t[i]) * (y[i+1] - y[i])

Bernstein polynomials in any fixed function of the epoch, principal components and values at a few
anchors are all of this form, with another basis. A gate is a second opinion on whether a training
gets anywhere: 0 is the curve of one that does not, `rest`.

All of it is float64, one rounding for each operation, in this order, so that the bits are the same
in every language. Mean and standard deviation over the members follow, as for any target.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import is_name, show
from anb_onnx.errors import ArtifactError
from anb_onnx.links import Link
from anb_onnx.regimes import LARGEST

#: Most knots of a curve, and most coefficients.
MAX_KNOTS = 4096
MAX_COEFFICIENTS = 64

Doubles: TypeAlias = NDArray[np.float64]
_IDENTITY = Link()
_KEYS = {"fidelity", "at", "coefficients", "offset", "basis", "gate", "range", "noise"}


@dataclass(frozen=True)
class CurveForm:
    """How coefficients become a curve; all numbers are finite and of a size that float32 holds.

    None of `offset`, `rest` and `range` is -0.0: then no value of z is, and it does not matter
    which of two zeros a language takes for the larger.

    Attributes
    ----------
    at : tuple of float, [T]
        The knots: increasing values of the fidelity; the last one is the full fidelity.
    basis : tuple of tuple of float, [T][J]
        What each of the first J outputs of the ensemble counts at a knot.
    offset : tuple of float, [T]
        Added to that, such as the mean curve of principal components.
    link : Link
        From the value to the target's unit; one that is not the identity needs a `range`, which is
        above 0 where the link needs positive values. Of no regime.
    gate : int or None
        Position of the output that says how far the curve is that of a training which gets
        somewhere; J or more.
    rest : tuple of float, [T], or None
        The curve where the gate is 0; given if there is a gate.
    range : (float, float) or None
        What values are limited to, before the link: what the measured quantity cannot leave.
    noise : tuple of float, [T], or None
        Of the calibration, in place of its ``noise``, at each knot; not negative. Without it,
        there are intervals at the full fidelity only.
    fidelity, unit : str
        Name and unit of the fidelity.

    Examples
    --------
    >>> form = CurveForm(at=(1.0, 3.0), basis=((1.0, 0.0), (0.0, 1.0)), offset=(0.0, 0.0))
    >>> form.n_coefficients, form.full
    (2, 3.0)
    """

    at: tuple[float, ...]
    basis: tuple[tuple[float, ...], ...]
    offset: tuple[float, ...]
    link: Link = _IDENTITY
    gate: int | None = None
    rest: tuple[float, ...] | None = None
    range: tuple[float, float] | None = None
    noise: tuple[float, ...] | None = None
    fidelity: str = "epoch"
    unit: str = "epochs"

    def __post_init__(self) -> None:
        def require(condition: bool, key: str, what: str) -> None:
            if not condition:
                msg = f"curve: key {key!r} {what}, found {show(getattr(self, key))}"
                raise ArtifactError(msg)

        knots = len(self.at) if isinstance(self.at, tuple) else 0
        require(
            1 <= knots <= MAX_KNOTS
            and all(map(_is_number, self.at))
            and all(a < b for a, b in itertools.pairwise(self.at)),
            "at",
            f"must be 1 to {MAX_KNOTS} finite, increasing numbers",
        )
        per_knot = f"must be {knots} finite numbers other than -0.0, one for each of 'at'"
        require(_no_minus_zero(self.offset, knots), "offset", per_knot)
        require(
            isinstance(self.basis, tuple)
            and len(self.basis) == knots
            and isinstance(self.basis[0], tuple)
            and 1 <= len(self.basis[0]) <= MAX_COEFFICIENTS
            and all(_are_numbers(row, len(self.basis[0])) for row in self.basis),
            "basis",
            f"must be {knots} rows of 1 to {MAX_COEFFICIENTS} finite numbers, as many in each",
        )
        require(
            self.gate is None or (type(self.gate) is int and self.gate >= self.n_coefficients),
            "gate",
            f"must be null or an output behind the {self.n_coefficients} coefficients",
        )
        wanted = per_knot if self.gate is not None else "must be null, as there is no gate"
        require(
            self.rest is None if self.gate is None else _no_minus_zero(self.rest, knots),
            "rest",
            wanted,
        )
        low = None
        if self.range is not None:
            require(
                _no_minus_zero(self.range, 2) and self.range[0] < self.range[1],
                "range",
                "must be null or two finite numbers other than -0.0, the lower one first",
            )
            low = self.range[0]
        require(
            self.noise is None
            or (_are_numbers(self.noise, knots) and all(v >= 0 for v in self.noise)),
            "noise",
            f"must be null or {knots} numbers that are not negative",
        )
        require(is_name(self.fidelity), "fidelity", "must be a name")
        require(is_name(self.unit), "unit", "must be a name")
        require(isinstance(self.link, Link), "link", "must be a Link")
        if self.link.regime is not None:
            msg = "curve: the link of a curve has no regime"
            raise ArtifactError(msg)
        if not self.link.is_identity and (
            low is None or (self.link.needs_positive and not low > 0)
        ):
            msg = (
                f"curve: link {self.link.name} needs a range"
                f"{' above 0' if self.link.needs_positive else ''}, found {show(self.range)}"
            )
            raise ArtifactError(msg)

    @property
    def n_coefficients(self) -> int:
        """Number of outputs that are coefficients, J."""
        return len(self.basis[0])

    @property
    def n_outputs(self) -> int:
        """Least number of outputs of the ensemble: coefficients, and the gate if there is one."""
        return self.n_coefficients if self.gate is None else max(self.n_coefficients, self.gate + 1)

    @property
    def full(self) -> float:
        """The full fidelity: the last knot."""
        return self.at[-1]

    @cached_property
    def arrays(self) -> tuple[Doubles, Doubles, Doubles, Doubles]:
        """Float64 arrays of at [T], offset [T], basis [T, J] and rest [T], 0 without a gate."""
        rest = self.rest if self.rest is not None else (0.0,) * len(self.at)
        return (
            np.array(self.at),
            np.array(self.offset),
            np.array(self.basis),
            np.array(rest),
        )

    def at_knots(self, outputs: Sequence[Doubles], knots: NDArray[np.intp]) -> Doubles:
        """Return the members' values at knots.

        Parameters
        ----------
        outputs : sequence of float64 arrays [N, M]
            What the members predict of each output, not yet rounded to float32.
        knots : array of integers [S], or [N, 1]
            Numbers of knots: the same ones for all architectures, or one for each.

        Returns
        -------
        float64 array [N, M, S]
        """
        _, offset, basis, rest = self.arrays
        # [S] runs along the last axis; [N, 1] along the first and the last.
        place = knots[:, None, :] if knots.ndim == 2 else knots
        z = offset[place]
        for j in range(self.n_coefficients):
            z = z + outputs[j][:, :, None] * basis[place, j]
        if self.gate is not None:
            gate = np.minimum(np.maximum(outputs[self.gate], 0.0), 1.0)[:, :, None]
            z = rest[place] + gate * (z - rest[place])
        if self.range is not None:
            z = np.minimum(np.maximum(z, self.range[0]), self.range[1])
        return self.link.invert(z)

    def values(self, outputs: Sequence[Doubles], fidelity: Doubles) -> Doubles:
        """Return the members' values at a fidelity for each architecture.

        Parameters
        ----------
        outputs : sequence of float64 arrays [N, M]
        fidelity : float64 array [N]
            From the first knot to the last.

        Returns
        -------
        float64 array [N, M]
        """
        at = self.arrays[0]
        before = np.maximum(np.searchsorted(at, fidelity, side="right") - 1, 0)
        y = self.at_knots(outputs, before[:, None])[:, :, 0]
        between = np.flatnonzero(at[before] < fidelity)
        if len(between):
            i = before[between]
            first, second = at[i], at[i + 1]
            some = [values[between] for values in outputs]
            after = self.at_knots(some, (i + 1)[:, None])[:, :, 0]
            share = ((fidelity[between] - first) / (second - first))[:, None]
            y[between] = y[between] + share * (after - y[between])
        return y

    def crossing(self, means: Doubles, level: float, *, rising: bool) -> Doubles:
        """Return where curves reach a level first: float64 [N], NaN where they never do.

        Parameters
        ----------
        means : float64 array [N, T]
            Of the curves at the knots, not rounded.
        level : float
        rising : bool
            Whether a curve has reached it where it is at least the level, or at most.
        """
        at = self.arrays[0]
        reached = means >= level if rising else means <= level
        first = reached.argmax(axis=1)
        rows = np.arange(len(means))
        never = ~reached[rows, first]
        i = np.maximum(first, 1) if len(at) > 1 else first
        before, after = means[rows, i - 1], means[rows, i]
        with np.errstate(invalid="ignore", divide="ignore"):
            found = at[i - 1] + (at[i] - at[i - 1]) * ((level - before) / (after - before))
        return np.where(never, np.nan, np.where(first == 0, at[0], found))

    def bounds(self, bounds: Sequence[tuple[float, float] | None]) -> tuple[float, float]:
        """Return what no value of the curve is below or above, whatever the tables add up to.

        Parameters
        ----------
        bounds : sequence of (float, float) or None
            Least and largest prediction of each output, where they are known.

        Returns
        -------
        least, most : float
            In the target's unit; not the nearest such numbers, where there is no range.

        Raises
        ------
        ArtifactError
            If a value could leave float32, or an output that the curve uses has no bounds.
        """
        used = [*range(self.n_coefficients), *(() if self.gate is None else (self.gate,))]
        for k in used:
            if bounds[k] is None:
                msg = f"curve: the tables of output {k} leave the domain of its link"
                raise ArtifactError(msg)
        _, offset, basis, rest = self.arrays
        sizes = np.array([max(map(abs, bounds[j] or ())) for j in range(self.n_coefficients)])
        with np.errstate(over="ignore"):
            largest = np.abs(offset) + (np.abs(basis) * sizes).sum(axis=1) + np.abs(rest)
        # Twice as much: what is rounded on the way, and a difference of two values.
        if not 2 * float(largest.max()) <= LARGEST:
            msg = (
                f"curve: a value could be {float(largest.max()):.4g}; float32 holds "
                f"{LARGEST:.4g} at most"
            )
            raise ArtifactError(msg)
        ends = np.array([-2.0, 2.0]) * float(largest.max())
        if self.range is not None:
            with np.errstate(over="ignore", divide="ignore"):
                ends = self.link.invert(np.array(self.range))  # which is monotone
            if not np.all(np.abs(ends) <= LARGEST / 2):
                msg = f"curve: a value could be {show(ends.tolist())}, which float32 does not hold"
                raise ArtifactError(msg)
        return float(ends.min()), float(ends.max())

    def to_dict(self) -> dict[str, Any]:
        """Return the form as plain data, as artifacts hold it; the link stands beside it."""
        return {
            "fidelity": {"name": self.fidelity, "unit": self.unit},
            "at": list(self.at),
            "coefficients": self.n_coefficients,
            "offset": list(self.offset),
            "basis": [list(row) for row in self.basis],
            "gate": None
            if self.gate is None
            else {"output": self.gate, "rest": list(self.rest or ())},
            "range": None if self.range is None else list(self.range),
            "noise": None if self.noise is None else list(self.noise),
        }

    @classmethod
    def from_dict(cls, document: Any, link: Link) -> CurveForm:
        """Read what `to_dict` wrote.

        Raises
        ------
        ArtifactError
            If a key is missing or unknown, or a value is not allowed.
        """
        if not isinstance(document, Mapping) or document.keys() != _KEYS:
            msg = f"curve: must be an object of {', '.join(sorted(_KEYS))}, found {show(document)}"
            raise ArtifactError(msg)
        fidelity, gate = document["fidelity"], document["gate"]
        if not isinstance(fidelity, Mapping) or fidelity.keys() != {"name", "unit"}:
            msg = f"curve: key 'fidelity' must have name and unit, found {show(fidelity)}"
            raise ArtifactError(msg)
        if gate is not None and not (
            isinstance(gate, Mapping) and gate.keys() == {"output", "rest"}
        ):
            msg = f"curve: key 'gate' must be null or have output and rest, found {show(gate)}"
            raise ArtifactError(msg)
        basis = document["basis"]
        form = cls(
            at=_numbers(document["at"]),
            basis=tuple(map(_numbers, basis)) if isinstance(basis, list | tuple) else (),
            offset=_numbers(document["offset"]),
            link=link,
            gate=None if gate is None else gate["output"],
            rest=None if gate is None else _numbers(gate["rest"]),
            range=None if document["range"] is None else _numbers(document["range"]),
            noise=None if document["noise"] is None else _numbers(document["noise"]),
            fidelity=fidelity["name"],
            unit=fidelity["unit"],
        )
        stated = document["coefficients"]
        if type(stated) is not int or stated != form.n_coefficients:
            msg = (
                f"curve: key 'coefficients' must be {form.n_coefficients}, as rows of 'basis' "
                f"have, found {show(stated)}"
            )
            raise ArtifactError(msg)
        return form


def _numbers(values: Any) -> tuple[Any, ...]:
    """Return numbers of JSON, which does not tell 80 from 80.0, as a tuple; what is none stays."""
    if not isinstance(values, list | tuple):
        return (values,)
    return tuple(float(v) if type(v) is int and abs(v) < 2**53 else v for v in values)


def _is_number(value: object) -> bool:
    return isinstance(value, float) and abs(value) <= LARGEST


def _no_minus_zero(values: Any, count: int) -> bool:
    return _are_numbers(values, count) and all(str(value) != "-0.0" for value in values)


def _are_numbers(values: object, count: int) -> bool:
    return isinstance(values, tuple) and len(values) == count and all(map(_is_number, values))
