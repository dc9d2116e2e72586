"""Link functions: between a target and the scale on which the tables of a surrogate add up.

Hardware time adds up over layers and throughput is its reciprocal, so most targets are closer to
a sum of terms of few blocks after a monotone transform. Only transforms built from ``+ - * /``
and ``sqrt`` are offered: IEEE 754 rounds these correctly everywhere, while ``exp`` and ``log``
differ between C libraries, and one file must give the same bits in every language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import ArtifactError
from anb_onnx.regimes import LARGEST, MAX_HINGES, Hinge, Regime, check_hinges, read_hinges
from anb_onnx.spaces.space import SearchSpace, needed_space

__all__ = ["MAX_HINGES", "POWERS", "STEPS", "Link"]

#: The elementary steps an inverse link is made of, in correctly rounded float64 operations: x*x,
#: sqrt(x), 1/x, offset-x, for the next hinge (knot, change) x + change*max(x-knot, 0), and the same
#: for the next hinge of the regime, where the architecture is inside of it.
STEPS = ("square", "sqrt", "reciprocal", "reflect", "hinge", "regime")

#: Powers on offer; a power of 1/8 stands in for the logarithm.
POWERS = ("1", "-1", "1/2", "-1/2", "1/4", "-1/4", "1/8", "-1/8", "2", "-2", "4", "-4")


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
    regime : Regime or None
        Further hinges, for the architectures with some choice of a gene only.
    """

    power: str = "1"
    offset: float | None = None
    hinges: tuple[Hinge, ...] = ()
    regime: Regime | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.power, str) or self.power not in POWERS:
            msg = f"link: power must be one of {', '.join(POWERS)}; found {show(self.power)}"
            raise ArtifactError(msg)
        if self.offset is not None and not (
            isinstance(self.offset, float) and abs(self.offset) <= LARGEST
        ):
            msg = (
                f"link: offset must be a finite float or None, found {show(self.offset)}; "
                f"at most {LARGEST:.4g} in size"
            )
            raise ArtifactError(msg)
        check_hinges(self.hinges, "link")
        if self.regime is not None and not isinstance(self.regime, Regime):
            msg = f"link: regime must be a Regime or None, found {show(self.regime)}"
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
        return self == Link()

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
        steps += ["hinge"] * len(self.hinges)
        return (*steps, *(("regime",) * len(self.regime.hinges) if self.regime else ()))

    @property
    def bends(self) -> tuple[Hinge, ...]:
        """All hinges in the order of the steps: the link's, then those of its regime."""
        return (*self.hinges, *(self.regime.hinges if self.regime else ()))

    def forward(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return g(y): float64, NaN or infinite where y is outside the link's domain.

        It is the inverse of `inverse` but for the hinges, which correct what members miss. Only
        training calls this, so it need not give the same bits everywhere.

        Examples
        --------
        >>> import numpy as np
        >>> link = Link("-1", offset=80.0)
        >>> link.forward(np.array([70.0, 78.0])).tolist()
        [0.1, 0.5]
        """
        t = y if self.offset is None else self.offset - y
        if self.needs_positive:
            t = np.where(t > 0, t, np.nan)
        return np.asarray(t ** float(Fraction(self.power)), dtype=np.float64)

    def inverse(
        self,
        u: NDArray[np.float64],
        codes: NDArray[np.integer[Any]] | None = None,
        space: SearchSpace | None = None,
    ) -> NDArray[np.float64]:
        """Return the y with g(y) = u.

        Parameters
        ----------
        u : ndarray of float64, shape (N,) or (N, M)
        codes : ndarray of integers, shape (N, n_genes), optional
            The architectures; needed where the link has a regime.
        space : SearchSpace, optional
            Of the architectures; needed where there are codes and a regime.

        Returns
        -------
        ndarray of float64, of the shape of `u`

        Raises
        ------
        ArtifactError
            If the link has a regime but there are no codes, or it is of another space.
        ArchitectureError
            If the space is needed and not given.
        """
        if self.regime is None or codes is None:
            return self.invert(u)
        space = needed_space(space, "a link with a regime")
        return self.invert(u, self.regime.contains(codes, space))

    def invert(
        self, u: NDArray[np.float64], inside: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float64]:
        """Return the y with g(y) = u, float64, by the steps of `inverse_steps`.

        `inside`, bool [N], says which architectures are inside the regime.
        """
        y = np.asarray(u, dtype=np.float64)
        regime = np.zeros(0, dtype=np.bool_)
        if self.regime is not None:
            if inside is None:
                msg = f"link {self.name}: its regime needs the codes of the architectures"
                raise ArtifactError(msg)
            regime = inside.reshape(-1, *(1,) * (y.ndim - 1))
        offset = 0.0 if self.offset is None else self.offset  # without one, no step reflects
        bends = iter(self.bends)
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
                knot, change = next(bends)
                bent = y + np.maximum(y - knot, 0.0) * change
                y = bent if step == "hinge" else np.where(regime, bent, y)
        return y

    def slope(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return abs(dy/du) at y: float64. For weights in training."""
        power = float(Fraction(self.power))
        t = y if self.offset is None else self.offset - y
        return np.abs(t ** (1.0 - power) / power)

    def to_dict(self) -> dict[str, Any]:
        """Return the link as plain data, the form in which artifacts hold it."""
        document: dict[str, Any] = {
            "name": self.name,
            "power": self.power,
            "offset": self.offset,
            "inverse": list(self.inverse_steps),
        }
        if self.hinges:
            document["hinges"] = [list(hinge) for hinge in self.hinges]
        return document | ({"regime": self.regime.to_dict()} if self.regime else {})

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Link:
        """Read what `to_dict` wrote.

        Raises
        ------
        ArtifactError
            If a key is missing, a value is not allowed, or the steps are not those of the power.
        """
        if not isinstance(document, Mapping):
            msg = f"link: malformed, must be an object: {show(document)}"
            raise ArtifactError(msg)
        try:
            offset = document["offset"]
            if type(offset) is int:  # JSON does not tell 80 from 80.0
                offset = float(offset)
            hinges = read_hinges(document.get("hinges", ()), "link")
            regime = Regime.from_dict(document["regime"]) if "regime" in document else None
            link = cls(document["power"], offset, hinges, regime)
            steps = tuple(document["inverse"])
        except (KeyError, TypeError, OverflowError) as error:
            msg = f"link: malformed ({error}): {show(document)}"
            raise ArtifactError(msg) from error
        if steps != link.inverse_steps:
            msg = f"link {link.name}: steps must be {link.inverse_steps}, found {show(steps)}"
            raise ArtifactError(msg)
        return link
