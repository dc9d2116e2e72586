"""Two-part curves: whether a training gets anywhere, and how it goes if it does.

In benchmarks of hyper-parameters many runs sit at chance or diverge. Coefficients that are to
describe both kinds are neither's: so a gate from 0 to 1 says which of two it is, and the
coefficients are those of the runs that train. A sum of tables that is clipped to 0 and 1 can say
"only if the rate *and* the penalty *and* the decay are right" where a sum alone cannot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anb_export.curves.bases import Basis, CurveError, Floats


def threshold(values: Floats) -> float:
    """Return what parts values into two classes with the largest variance between them.

    N. Otsu, A threshold selection method from gray-level histograms, IEEE Transactions on Systems,
    Man, and Cybernetics 9 (1979), 62-66; of all values instead of a histogram.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        At least two different ones.

    Examples
    --------
    >>> import numpy as np
    >>> threshold(np.array([0.1, 0.2, 0.9, 1.0, 1.1]))
    0.55
    """
    ordered = np.sort(values)
    n = len(ordered)
    if n < 2 or ordered[0] == ordered[-1]:
        msg = f"{n} curve(s) that are all equally good: there are no two parts"
        raise CurveError(msg)
    k = np.arange(1, n)
    sums = np.cumsum(ordered)
    apart = sums[:-1] / k - (sums[-1] - sums[:-1]) / (n - k)
    between = np.where(np.diff(ordered) > 0, k * (n - k) * apart**2, -1.0)
    split = int(np.argmax(between))
    return float((ordered[split] + ordered[split + 1]) / 2)


def gate_of(shares: Floats, least: float = 0.02) -> Floats:
    """Return gates, before they are clipped, of the shares of runs that train.

    They are a half and a quarter of the log-odds, the line that touches the logistic function
    where it is a half. Log-odds add up where independent conditions meet, so that sums of tables
    over few genes are nearer to them than to shares.

    Parameters
    ----------
    shares : ndarray of float64, any shape
        As a forest predicts them, from 0 to 1; limited to `least` and 1 - `least`.

    Examples
    --------
    >>> import numpy as np
    >>> gate_of(np.array([0.0, 0.5, 1.0])).round(2).tolist()
    [-0.47, 0.5, 1.47]
    """
    kept = np.clip(shares, least, 1.0 - least)
    return np.asarray(0.5 + np.log(kept / (1.0 - kept)) / 4)


@dataclass(frozen=True, eq=False)
class TwoPart:
    """A gate, the curve of runs that do not train, and the basis of those that do.

    Attributes
    ----------
    basis : Basis
    rest : ndarray of float64, shape (T,)
        Mean curve of the runs that do not train.
    limit : float
        Mean over the curve that parts them.
    rising : bool
        Whether runs above it train (accuracy), or below (loss).
    """

    basis: Basis
    rest: Floats
    limit: float
    rising: bool

    @classmethod
    def of(cls, curves: Floats, basis: Basis, *, rising: bool) -> TwoPart:
        """Return the parts of curves [n, T] that are learnt from."""
        means = curves.mean(axis=1)
        limit = threshold(means)
        left = means <= limit if rising else means >= limit
        return cls(basis, curves[left].mean(axis=0), limit, rising)

    def trains(self, curves: Floats) -> NDArray[np.bool_]:
        """Return bool [n]: which curves [n, T] are of runs that train."""
        means = curves.mean(axis=1)
        return np.asarray(means > self.limit if self.rising else means < self.limit)

    def curves(self, coefficients: Floats, gate: Floats) -> Floats:
        """Return float64 [n, T]: curves of coefficients [n, J] and gates [n], clipped to 0 to 1."""
        full = self.basis.curves(coefficients)
        return np.asarray(self.rest + np.clip(gate, 0.0, 1.0)[:, None] * (full - self.rest))
