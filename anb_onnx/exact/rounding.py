"""How far rounding can take a member's prediction, and a mean, from what real numbers give."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

from anb_onnx.errors import ExactError
from anb_onnx.links import Link
from anb_onnx.regimes import Hinge

#: Half the distance of 1 to the next float64: the relative error of one operation.
UNIT = 2.0**-53

#: Bounds of errors are themselves computed in float64, in fewer steps than this times `UNIT`.
_SAFETY = 1.0 + 2.0**-20


def bends_of(link: Link, *, inside: bool) -> tuple[Hinge, ...]:
    """Return the hinges that are applied inside a link's regime, or outside of it."""
    return link.bends if inside else link.hinges


def mean_error(
    link: Link, low: float, high: float, product: float, n_members: int, *, inside: bool
) -> float:
    """Return how far, at most, a float64 mean is from the mean in real numbers.

    By running error analysis (Higham, "Accuracy and stability of numerical algorithms", 2nd ed.,
    section 3.3): every step of `anb_onnx.tables` has a relative error of at most 2^-53, and passes
    on the error of its argument times the largest slope that it has there.

    Parameters
    ----------
    link : Link
    low, high : float
        Range of the members' u, as real numbers.
    product : float
        Largest size of ``total * scale``.
    n_members : int
    inside : bool
        Whether the architectures are inside the link's regime.

    Raises
    ------
    ExactError
        Where u could leave the link's domain.

    Examples
    --------
    >>> mean_error(Link("-1"), 0.5, 2.0, 2.0, 8, inside=False) < 1e-14
    True
    """
    error = UNIT * (2 * product + max(abs(low), abs(high)))
    bends = iter(bends_of(link, inside=inside))
    for step in link.inverse_steps:
        if step == "regime" and not inside:
            continue
        if link.needs_positive and step in ("square", "sqrt", "reciprocal") and low <= 2 * error:
            msg = (
                f"link {link.name}: what the tables add up to may reach {low!r}, where the link "
                "ends, so that nothing can be proven of its predictions"
            )
            raise ExactError(msg)
        low, high, error = _step(step, low, high, error, link.offset, bends)
        error *= _SAFETY
    size = max(abs(low), abs(high)) + error
    return _SAFETY * (error + (n_members + 1) * UNIT * size)


def _step(
    step: str, low: float, high: float, error: float, offset: float | None, bends: Iterator[Hinge]
) -> tuple[float, float, float]:
    """Return range and error after a step, from those before."""
    if step == "square":
        return low**2, high**2, error * (2 * high + error) + UNIT * (high + error) ** 2
    if step == "sqrt":
        slope = 1 / (sqrt(low) + sqrt(low - error))
        return sqrt(low), sqrt(high), error * slope + UNIT * sqrt(high + error)
    if step == "reciprocal":
        least = low - error
        return 1 / high, 1 / low, error / (low * least) + UNIT / least
    if step == "reflect":
        assert offset is not None  # no link without one has this step
        low, high = offset - high, offset - low
        return low, high, error + UNIT * (max(abs(low), abs(high)) + error)
    knot, change = next(bends)
    beyond = max(high - knot, 0.0) + error
    # The difference, its product with the change, and the sum are rounded.
    rounding = UNIT * (3 * abs(change) * beyond + max(abs(low), abs(high)) + error)
    low, high = (y + max(y - knot, 0.0) * change for y in (low, high))
    rounding += UNIT * (max(abs(low), abs(high)) + error)
    return low, high, error * max(1.0, 1.0 + change) + rounding
