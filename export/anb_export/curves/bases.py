"""Curves as a few numbers each: bases that are linear in their coefficients.

Bernstein polynomials in a fixed function of the epoch, and principal components, are both
``offset + coefficients @ rows.T`` at the epochs that were measured: the contract of
`anb_onnx.curves.CurveForm`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from anb_onnx.errors import AnbError

Floats = NDArray[np.float64]


class CurveError(AnbError):
    """Curves cannot be represented or learnt as they were asked to be."""


@dataclass(frozen=True, eq=False)
class Basis:
    """What coefficients of a curve are coefficients of.

    Attributes
    ----------
    name : str
    at : ndarray of float64, shape (T,)
        Epochs at which curves are measured, increasing.
    offset : ndarray of float64, shape (T,)
        The curve whose coefficients are all 0.
    rows : ndarray of float64, shape (T, J)
        What each coefficient counts at an epoch.
    """

    name: str
    at: Floats
    offset: Floats
    rows: Floats

    @property
    def n_coefficients(self) -> int:
        """Number of coefficients, J."""
        return int(self.rows.shape[1])

    def coefficients(self, curves: Floats) -> Floats:
        """Return the coefficients of the nearest curves by least squares: float64 [n, J].

        Parameters
        ----------
        curves : ndarray of float64, shape (n, T)
        """
        found = np.linalg.lstsq(self.rows, (curves - self.offset).T, rcond=None)[0]
        return np.ascontiguousarray(found.T)

    def curves(self, coefficients: Floats) -> Floats:
        """Return float64 [n, T]: the curves of coefficients [n, J]."""
        return np.asarray(self.offset + coefficients @ self.rows.T)


def bernstein(at: Floats, degree: int = 5, power: float = 0.5) -> Basis:
    """Return Bernstein polynomials in a power of the epoch, scaled to 0 to 1.

    A Bezier curve whose control points have fixed abscissae is one: with degree 5 the coefficients
    are its six ordinates, in units of ``((t - t0) / (t1 - t0)) ** power``. A root spreads out the
    first epochs, in which most happens.

    Parameters
    ----------
    at : ndarray of float64, shape (T,)
    degree : int
    power : float
        Above 0.

    Examples
    --------
    >>> import numpy as np
    >>> basis = bernstein(np.arange(1.0, 28.0))
    >>> line = np.sqrt((basis.at - 1.0) / 26.0)[None]
    >>> [round(float(c), 12) + 0.0 for c in basis.coefficients(line)[0]]
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if len(at) <= degree or not np.all(np.diff(at) > 0) or not power > 0:
        msg = (
            f"a polynomial of degree {degree} needs more than {degree} increasing epochs and a "
            f"power above 0, found {len(at)} epochs and {power!r}"
        )
        raise CurveError(msg)
    s = ((at - at[0]) / (at[-1] - at[0])) ** power
    rows = [comb(degree, k) * s**k * (1 - s) ** (degree - k) for k in range(degree + 1)]
    return Basis(f"Bernstein {degree}", at, np.zeros(len(at)), np.stack(rows, axis=1))


def principal(curves: Floats, at: Floats, count: int = 6) -> Basis:
    """Return the principal components of curves, scaled so that coefficients have variance 1.

    Parameters
    ----------
    curves : ndarray of float64, shape (n, T)
        Those that are learnt from; at least two.
    at : ndarray of float64, shape (T,)
    count : int
    """
    if not 1 <= count <= min(curves.shape):
        msg = f"{len(curves)} curves of {len(at)} epochs have no {count} principal components"
        raise CurveError(msg)
    mean = curves.mean(axis=0)
    _, sizes, directions = np.linalg.svd(curves - mean, full_matrices=False)
    # A direction is told up to its sign, which differs between libraries.
    signs = np.sign(directions[np.arange(count), np.abs(directions[:count]).argmax(axis=1)])
    rows = directions[:count] * (signs * sizes[:count] / np.sqrt(len(curves)))[:, None]
    return Basis(f"PCA {count}", at, mean, np.ascontiguousarray(rows.T))
