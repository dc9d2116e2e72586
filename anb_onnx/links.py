"""Link functions: between a target and the scale on which the tables of a surrogate add up.

Hardware time adds up over layers and throughput is its reciprocal, so most targets are closer to
a sum of terms of few blocks after a monotone transform. Only transforms built from ``+ - * /``
and ``sqrt`` are offered: IEEE 754 rounds these correctly everywhere, while ``exp`` and ``log``
differ between C libraries, and one file must give the same bits in every language.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx.errors import ArtifactError

#: The elementary steps an inverse link is made of, in correctly rounded float64 operations: x*x,
#: sqrt(x), 1/x, offset-x, and for the next hinge (knot, change) x + change*max(x-knot, 0).
STEPS = ("square", "sqrt", "reciprocal", "reflect", "hinge")

#: Powers on offer; a power of 1/8 stands in for the logarithm.
POWERS = ("1", "-1", "1/2", "-1/2", "1/4", "-1/4", "1/8", "-1/8", "2", "-2", "4", "-4")

#: Most hinges of a link. Compiling takes longer than linearly in them, and twelve are many.
MAX_HINGES = 64


@dataclass(frozen=True)
class Link:
    """The link g(y) = t**power, with t = y, or t = offset - y where there is an offset.

    Attributes
    ----------
    power : str
        One of `POWERS`, as a fraction.
    offset : float or None
        In the target's unit. Targets must stay below it.
    hinges : tuple of (knot, change)
        A piecewise linear, increasing correction of what the inverse gives, for devices that
        saturate: from `knot` on, in the target's unit and after the hinges before, the slope is
        1 + `change` times what it was. Training does not see it; `inverse` ends with it.
    """

    power: str = "1"
    offset: float | None = None
    hinges: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.power not in POWERS:
            msg = f"link: power must be one of {', '.join(POWERS)}; found {self.power!r}"
            raise ArtifactError(msg)
        if self.offset is not None and not (
            isinstance(self.offset, float) and math.isfinite(self.offset)
        ):
            msg = f"link: offset must be a finite float or None, found {self.offset!r}"
            raise ArtifactError(msg)
        if not isinstance(self.hinges, tuple):
            msg = f"link: hinges must be a tuple of (knot, change), found {self.hinges!r}"
            raise ArtifactError(msg)
        if len(self.hinges) > MAX_HINGES:
            msg = f"link: at most {MAX_HINGES} hinges are allowed, found {len(self.hinges)}"
            raise ArtifactError(msg)
        for hinge in self.hinges:
            if not (
                isinstance(hinge, tuple)
                and len(hinge) == 2
                and all(isinstance(part, float) and math.isfinite(part) for part in hinge)
                and hinge[1] > -1
            ):
                msg = f"link: a hinge is (knot, change), finite floats with change > -1; {hinge!r}"
                raise ArtifactError(msg)

    @property
    def name(self) -> str:
        """The link as a formula in y, for people: ``y``, ``1/y``, ``1/(80-y)``, ``y^(1/8)``."""
        t = "y" if self.offset is None else f"({self.offset:g}-y)"
        power = Fraction(self.power)
        if power == 1:
            return t.strip("()")
        size = abs(power)
        inner = t if size == 1 else f"{t}^{size}" if size.denominator == 1 else f"{t}^({size})"
        return f"1/{inner}" if power < 0 else inner

    @property
    def increasing(self) -> bool:
        """Whether g increases with y."""
        return (Fraction(self.power) > 0) == (self.offset is None)

    @property
    def is_identity(self) -> bool:
        """Whether g(y) = y."""
        return self.power == "1" and self.offset is None and not self.hinges

    @property
    def needs_positive(self) -> bool:
        """Whether the inverse is defined, or monotone, for positive arguments only."""
        return self.power != "1"

    @property
    def inverse_steps(self) -> tuple[str, ...]:
        """The inverse link as names from `STEPS`, in the order in which every engine applies them.

        Examples
        --------
        >>> Link("-1", offset=80.0).inverse_steps
        ('reciprocal', 'reflect')
        >>> Link("-1/4").inverse_steps
        ('square', 'square', 'reciprocal')
        """
        power = Fraction(self.power)
        size = abs(power)
        steps = ["square"] * (size.denominator.bit_length() - 1)
        steps += ["sqrt"] * (size.numerator.bit_length() - 1)
        if power < 0:
            steps.append("reciprocal")
        if self.offset is not None:
            steps.append("reflect")
        return (*steps, *("hinge" for _ in self.hinges))

    def forward(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return g(y): float64, NaN or infinite where y is outside the link's domain.

        It is the inverse of `inverse` but for the hinges, which correct what members miss. Only
        training calls this, so it need not give the same bits everywhere.
        """
        t = y if self.offset is None else self.offset - y
        if self.needs_positive:
            t = np.where(t > 0, t, np.nan)
        return np.asarray(t ** float(Fraction(self.power)), dtype=np.float64)

    def inverse(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the y with g(y) = u, float64, by the steps of `inverse_steps`."""
        y = np.asarray(u, dtype=np.float64)
        offset = 0.0 if self.offset is None else self.offset  # without one, no step reflects
        hinges = iter(self.hinges)
        for step in self.inverse_steps:
            if step == "square":
                y = y * y
            elif step == "sqrt":
                y = np.sqrt(y)
            elif step == "reciprocal":
                y = 1.0 / y
            elif step == "reflect":
                y = offset - y
            else:
                knot, change = next(hinges)
                y = y + np.maximum(y - knot, 0.0) * change
        return y

    def slope(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return abs(dy/du) at y: float64. For weights in training."""
        power = float(Fraction(self.power))
        t = y if self.offset is None else self.offset - y
        return np.abs(t ** (1.0 - power) / power)

    def to_dict(self) -> dict[str, Any]:
        """Return the link as plain data, the form in which artifacts hold it."""
        document = {
            "name": self.name,
            "power": self.power,
            "offset": self.offset,
            "inverse": list(self.inverse_steps),
        }
        return document | ({"hinges": [list(h) for h in self.hinges]} if self.hinges else {})

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Link:
        """Read what `to_dict` wrote.

        Raises
        ------
        ArtifactError
            If a key is missing, a value is not allowed, or the steps are not those of the power.
        """
        try:
            offset = document["offset"]
            if type(offset) is int:  # JSON does not tell 80 from 80.0
                offset = float(offset)
            hinges = tuple(
                tuple(float(part) if type(part) is int else part for part in hinge)
                for hinge in document.get("hinges", ())
            )
            link = cls(document["power"], offset, hinges)  # type: ignore[arg-type]  # checked there
            steps = tuple(document["inverse"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            msg = f"link: malformed ({error}): {document!r}"
            raise ArtifactError(msg) from error
        if steps != link.inverse_steps:
            msg = f"link {link.name}: steps must be {link.inverse_steps}, found {steps}"
            raise ArtifactError(msg)
        return link
