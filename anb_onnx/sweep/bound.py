"""The fast pass in float32, and a proven bound of how far it is from the contract.

The contract (see `anb_onnx.tables`) is float64 and slow. Which cell of a histogram an architecture
falls into, float32 tells as well, but where its result is within a bound e of a border of cells;
there the contract is evaluated. This module derives the arithmetic and the bound;
`tests/test_sweep_bound.py` compares both with what is observed.

**The arithmetic.** Let T be a member's integer sum, S an integer offset, V = T + S. Where the
link's power is not 1, S is shift / scale, rounded, so that u = scale * V but for a rest; with a
power of 1 any S will do, and one is taken that makes V small. A member's value before the hinges
is y = alpha * r + beta, where r is V after a factor of a power of two and the link's squares, roots
and reciprocal. Hinges are a piecewise linear function of y, hence of r. So the position on the
histogram, t = 1 + (mean - low) * cells / (high - low), with cell c holding c <= t < c + 1 and cell
0 all that is below, is, without hinges ::

    t = start + slope * sum_m r[m]

and with hinges, of integers n[m] = r[m] * unit, cut off ::

    t = start + slope * (sum_m n[m] - M * base)
        + sum_j change[j] * (sum_m max(n[m], knot[j]) - M * knot[j])

Sums of integers are exact, and maxima of integers are faster than those of floats. The constants
come from exact rational arithmetic and are rounded once to float32, knots to integers. Where link
and hinges do nothing, the mean is a function of the members' sum, for which there are tables: M is
1 then, and r is off by half a unit a table, where these had to be divided to fit int32.

**The bound.** Let d = 2^-24 be the unit roundoff of float32, and gamma(k) = k d / (1 - k d), the
relative error of a product of k factors 1 + d. Every number stays between 2^-100 and 2^100, so that
nothing is lost by underflow.

1. r: V is exact, as float32 it has a relative error of d, the factor is exact, and the rest of S
   is relative to the least V. A square makes a relative error q to 2 q + q^2, a root at most to
   q / (2 - q), a reciprocal to q / (1 - q); each adds a rounding d. The power of alpha is
   computed in float64: 2^-48. n is off by one more, for what is cut off.
2. An error of r moves t by no more than it times the steepest slope, for each member, and a knot
   that was rounded by no more than half a unit times its change.
3. Without hinges the sum adds gamma(number of additions that a member passes) times M times the
   largest r; the constant and the product two roundings more.
4. With hinges each sum's distance from its knots, at most M times the largest n's, has three
   roundings: as float32, of its constant, of the product; and one for each group of members, where
   there are too many for one expression.
5. Each partial sum of t is, but for its error so far, the piecewise linear function with its first
   bends only, times M: its largest magnitude is at an end or a knot. Each is rounded, as start is.
6. The contract's own float64: the same with 2^-53 along its own steps (`contract_error`); the
   rounding of the mean to float32 and that of the histogram's edges, half a unit in the last place
   each. As rounding is monotone, only a mean near an edge can be rounded across it.

All this is computed in float64 and multiplied by 1 + 2^-10, far more than its own rounding. That
t minus the integer below it is exact in float32 makes the comparison with e exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, frexp, isfinite

import numpy as np

from anb_onnx.sweep.curve import D32, HUGE, TINY, Curve, Start, curve_of, scaled
from anb_onnx.sweep.line import bent
from anb_onnx.tables import TableEnsemble

#: Unit roundoff of float64.
D64 = 2.0**-53

#: The bound that is too much: cells would be mostly border.
MOST = 0.25

_SLACK = 1 + 2.0**-10

_INT32 = 2**31


@dataclass(frozen=True)
class FastPass:
    """What the kernel computes in float32, and how far it may be off.

    Attributes
    ----------
    offset : int
        S.
    factor : float
        What V is multiplied by: a power of two, with the sign of the scale.
    chain : tuple of str
        "square", "sqrt" and "reciprocal", of V.
    curves : tuple of Curve
        Of the architectures outside the link's regime and inside, or one of all.
    error : float
        e, in cells.
    members : int
        Members summed; 1 where the fast pass takes the sum of all from tables.
    shift : int
        The tables of the sum are divided by 2 to this.
    """

    offset: int
    factor: float
    chain: tuple[str, ...]
    curves: tuple[Curve, ...]
    error: float
    members: int
    shift: int = 0


def total_range(ensemble: TableEnsemble) -> tuple[int, int]:
    """Return bounds of all members' sums, from the least and largest entry of each table."""
    starts = np.array(ensemble.terms.offsets[:-1])
    least = np.minimum.reduceat(ensemble.entries, starts, axis=0).astype(np.int64).sum(axis=0)
    most = np.maximum.reduceat(ensemble.entries, starts, axis=0).astype(np.int64).sum(axis=0)
    return int(least.min()), int(most.max())


def plan_fast_pass(ensemble: TableEnsemble, low: float, high: float, cells: int) -> FastPass | None:
    """Return the fast pass for a histogram of uniform cells; None where there is none.

    There is none where sums can leave the link's domain, numbers float32's range, or where the
    bound would be more than `MOST`.
    """
    link = ensemble.link
    found = _affine(ensemble) if link.power == "1" else _curved(ensemble)
    if found is None:
        return None
    per_cell = Fraction(cells) / (Fraction(high) - Fraction(low))
    contract = contract_error(ensemble)
    if contract is None:
        return None
    edges = float(np.spacing(np.float32(max(abs(low), abs(high), 2.0**-126))))
    curves, error = [], 0.0
    for hinges in (link.hinges, link.bends) if link.regime else (link.hinges,):
        line = bent(found.alpha, found.beta, hinges)
        part = scaled(line, per_cell, low, found)
        made = curve_of(part, found)
        if made is None:
            return None
        curves.append(made[0])
        error = max(error, made[1])
    error = (error + (contract + edges) * float(per_cell)) * _SLACK + 2.0**-20
    if not error <= MOST:
        return None
    return FastPass(
        found.offset, found.factor, found.chain, tuple(curves), error, found.members,
        found.shift,
    )  # fmt: skip


def _affine(ensemble: TableEnsemble) -> Start | None:
    """Links of power 1: r is V itself. Without hinges the members' sum is all that counts."""
    link, scale, shift = ensemble.link, Fraction(ensemble.scale), Fraction(ensemble.shift)
    low, high = total_range(ensemble)
    alpha, beta = scale, shift
    members, by, rounding = ensemble.n_members, 0, 0.0
    if not link.bends and members > 1:
        low, high = low * members, high * members
        while high - low >= _INT32 // 2 or max(abs(low), abs(high)) >= _INT32 // 2:
            by, low, high = by + 1, low // 2, -(-high // 2)
        # Each table's entry is rounded.
        rounding = 0.5 * len(ensemble.terms) if by else 0.0
        low, high = low - ceil(rounding), high + ceil(rounding)
        alpha, members = scale * 2**by / members, 1
    offset = -((low + high) // 2)
    largest = max(high + offset, -low - offset)
    if largest >= _INT32 - 1 or abs(offset) >= _INT32 - 1:
        return None
    beta = beta - alpha * offset
    if link.offset is not None:
        alpha, beta = -alpha, Fraction(link.offset) - beta
    return Start(
        offset, 1.0, (), float(low + offset), float(high + offset), 0.0,
        rounding + (largest * D32 if largest > 2**24 else 0.0), alpha, beta, members, by,
    )  # fmt: skip


def _curved(ensemble: TableEnsemble) -> Start | None:
    """Links of other powers: r is a chain of steps of V, which is positive."""
    link, scale, shift = ensemble.link, Fraction(ensemble.scale), Fraction(ensemble.shift)
    offset = round(shift / scale)
    rest = abs(shift - offset * scale)
    low, high = (total + offset for total in total_range(ensemble))
    if max(abs(low), abs(high), abs(offset)) >= _INT32 - 1:
        return None
    sign = 1 if scale > 0 else -1
    if scale < 0:
        low, high = -high, -low
    if low < 1:
        return None
    chain = tuple(step for step in link.inverse_steps if step in ("square", "sqrt", "reciprocal"))
    # A reciprocal alone needs no scaling: 2^-31 is far inside float32.
    k = frexp(float(high))[1] if chain != ("reciprocal",) else 0
    relative = float(rest / (abs(scale) * low)) * _SLACK + D32
    r = _chain(chain, low * 2.0**-k, high * 2.0**-k, relative, D32)
    if r is None:
        return None
    exponent = 1 / Fraction(link.power)
    try:
        factor = (2.0**k * abs(ensemble.scale)) ** float(exponent)
    except OverflowError:
        return None
    if not (TINY < factor < HUGE):
        return None
    alpha, beta = Fraction(factor), Fraction(0)
    if link.offset is not None:
        alpha, beta = -alpha, Fraction(link.offset)
    return Start(
        offset, sign * 2.0**-k, chain, r[0], r[1], r[2] + 2.0**-48, 0.0, alpha, beta,
        ensemble.n_members,
    )  # fmt: skip


def _chain(
    steps: tuple[str, ...], low: float, high: float, relative: float, delta: float
) -> tuple[float, float, float] | None:
    """Return bounds of what the steps make of positive numbers, and of its relative error."""
    for step in steps:
        if step == "square":
            low, high, relative = low * low, high * high, 2 * relative + relative**2
        elif step == "sqrt":
            low, high, relative = low**0.5, high**0.5, relative / (2 - relative)
        else:
            low, high, relative = 1 / high, 1 / low, relative / (1 - relative)
        relative = relative + delta + relative * delta
        if not (low > TINY and high < HUGE and relative < 2.0**-10):
            return None
    return low, high, relative


def contract_error(ensemble: TableEnsemble) -> float | None:
    """Return how far the contract's float64 mean can be from the exact one; None if unbounded."""
    link = ensemble.link
    low, high = total_range(ensemble)
    scale, shift = ensemble.scale, ensemble.shift
    ends = sorted((low * scale, high * scale))
    product = max(abs(ends[0]), abs(ends[1]))
    u = [end + shift for end in ends]
    error = D64 * (product + (product + abs(shift)) * 2)
    largest = max(abs(u[0]), abs(u[1]))
    if link.power != "1":
        least = u[0] - error
        if least <= 0:
            return None
        steps = tuple(s for s in link.inverse_steps if s in ("square", "sqrt", "reciprocal"))
        found = _chain(steps, least, u[1] + error, error / least, D64)
        if found is None:
            return None
        largest, error = found[1], found[1] * found[2]
    if link.offset is not None:
        largest += abs(link.offset)
        error += largest * D64
    for knot, change in link.bends:
        reach = (largest + abs(knot)) * abs(change)
        steep = max(1.0, 1 + change)
        largest += reach
        error = error * steep + 3 * reach * D64 + largest * D64
    # Sum and division: each member passes at most M additions.
    error += largest * (ensemble.n_members + 2) * D64
    return error * _SLACK if isfinite(error) else None
