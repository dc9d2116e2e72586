"""What wrong predictions cost the search that trusts them, and what a few measurements save of it.

A predictor of the cost is fitted; accuracies are true. Of all candidates those are selected that
look best: the predicted front, and the most accurate within each of four limits. Then some are
measured. `RULES` says which, `selection_measures` what the outcome is worth.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.predictors.artifact import to_surrogate
from anb_export.study.fitting import fitted_to
from anb_export.study.plan import Fit
from anb_export.study.protocol import Fixed, Protocol, StudyError
from anb_export.study.selection_measures import SHARES, Losses, Rows, Truth, front_of
from anb_onnx.errors import AnbError
from anb_onnx.loading import load
from anb_onnx.problems import Problem
from anb_onnx.search import verify_top
from anb_onnx.surrogate import Surrogate

#: How many of the most worthwhile predictions are measured.
KS = (5, 10, 25, 50)

#: Probability with which a cost keeps a limit, or is below what it is selected by.
CONFIDENCE = 0.9

#: What is measured of a selection before it is judged. Without "verified", nothing: what looks best
#: by the mean, or by the bound that a measurement keeps with `CONFIDENCE`, is taken. "-verified":
#: the predicted front, all of it, as in the paper. "top": those that `verify_top` chooses for each
#: question, by its rule.
RULES = ("mean", "chance", "mean-verified", "chance-verified", "top-mean", "top-interval")

#: Bounds of a candidate beyond which it is not looked at: more than one in a hundred lies outside.
_UNLIKELY = 0.01


def accuracy_of(protocol: Protocol, target: str) -> Surrogate:
    """Return the accuracy that a target is weighed against: a bundled surrogate.

    Of NAS-Bench-201 the measured one of the same images, CIFAR-10 for HELP's devices, which were
    measured with these; of Accel-NASBench the surrogate.

    Raises
    ------
    StudyError
        If the space has none.
    """
    if protocol.space == "nasbench201":
        images = target.split("_")[0]
        name = f"accuracy_{images}" if images in _IMAGES else "accuracy_cifar10"
        return load(name, benchmark=protocol.space, engine="numpy")
    if protocol.space == "accel-nasbench":
        return load("accuracy", benchmark=protocol.space, engine="numpy")
    msg = (
        "selection needs accuracies: nasbench201 and accel-nasbench have some, not "
        f"{protocol.space}"
    )
    raise StudyError(msg)


_IMAGES = ("cifar10", "cifar100", "imagenet16")


def candidates_of(protocol: Protocol, target: str, size: int, seed: int) -> Rows:
    """Return the rows to select from: all with a value; where there is a split, its test rows."""
    if isinstance(protocol, Fixed):
        return protocol.rows(target, size, seed)[1]
    dataset = protocol.of(target)
    return dataset.labelled(target, np.arange(len(dataset)))[0]


def outcomes(protocol: Protocol, what: Fit) -> list[dict[str, Any]]:
    """Fit a predictor, and return what each way to select by it is worth.

    Parameters
    ----------
    protocol : Protocol
    what : Fit

    Returns
    -------
    list of dict
        With ``rule``, ``k`` (how many were measured; of limits: for each), ``selected`` (size of
        the front that is left), ``mra``, ``hypervolume_loss``, ``kept_limits`` (of how many limits
        an architecture was found that truly keeps it), ``regret`` (mean over these) and
        ``regret_10`` and so on, by the share of candidates that keep the limit.

    Raises
    ------
    AnbError
        If the predictor cannot be fitted to this.
    """
    dataset = protocol.of(what.target)
    train, _ = protocol.rows(what.target, what.size, what.seed)
    spec, values = dataset.target(what.target), dataset.values[what.target]
    predictor = fitted_to(
        train, protocol, predictor=what.predictor, target=what.target, seed=what.seed
    )
    rows = candidates_of(protocol, what.target, what.size, what.seed)
    accuracy = accuracy_of(protocol, what.target)
    with to_surrogate(predictor, spec) as surrogate:
        return list(Selection(accuracy, surrogate, dataset.codes[rows], values[rows]).outcomes())


class Selection:
    """Candidates, what is predicted of them, and what is true.

    Parameters
    ----------
    accuracy, cost : Surrogate
        Of which the first is true, and the second a prediction.
    codes : ndarray of uint8, shape (N, n_genes)
    measured : ndarray of float64, shape (N,)
        The true costs, in the target's unit.
    """

    def __init__(
        self,
        accuracy: Surrogate,
        cost: Surrogate,
        codes: NDArray[np.uint8],
        measured: Losses,
    ) -> None:
        self._accuracy, self._cost, self._codes = accuracy, cost, codes
        self._sign = 1.0 if cost.target.direction == "min" else -1.0
        # At the precision in which artifacts answer, so that equal values are equal.
        exact = -accuracy.query_codes(codes).mean.astype(np.float64)
        self.truth = Truth(exact, self._sign * measured)
        answered = cost.query_codes(codes)
        self._mean = self._sign * answered.mean.astype(np.float64)
        if cost.calibration is None:
            msg = f"the artifact of {cost.target.name!r} has no calibration"
            raise AnbError(msg)
        calibration = cost.calibration

        def bound(share: float) -> Losses:
            side = share if self._sign > 0 else 1 - share
            found = calibration.bound(answered.mean, answered.std, side)
            return np.asarray(self._sign * found.astype(np.float64))

        self._bound = bound

    def outcomes(self) -> Iterator[dict[str, Any]]:
        """Yield what each of `RULES` is worth."""
        for rule, seen in (("mean", self._mean), ("chance", self._bound(CONFIDENCE))):
            front = front_of(self.truth.accuracy, seen)
            chosen = [self._best_seen(seen, limit) for limit in self.truth.limits]
            yield self._outcome(rule, 0, front, chosen)
            left = self.truth.undominated(front)
            found = [self.truth.best_of(front, limit) for limit in self.truth.limits]
            yield self._outcome(f"{rule}-verified", len(front), left, found)
        plausible = self._plausible()
        for rule in ("mean", "interval"):
            lists = [self._shortlist(plausible, limit, rule) for limit in self.truth.limits]
            front = self._shortlist(plausible, None, rule)
            for k in KS:
                left = self.truth.undominated(front[:k])
                pairs = zip(lists, self.truth.limits, strict=True)
                found = [self.truth.best_of(rows[:k], limit) for rows, limit in pairs]
                yield self._outcome(f"top-{rule}", k, left, found)

    def _best_seen(self, seen: Losses, limit: float) -> int | None:
        kept = np.flatnonzero(seen <= limit)
        return int(kept[self.truth.accuracy[kept].argmin()]) if len(kept) else None

    def _plausible(self) -> Rows:
        """Return candidates that are not all but surely dominated, most of the space."""
        worst, best = self._bound(1 - _UNLIKELY), self._bound(_UNLIKELY)
        order = np.argsort(worst, kind="stable")
        sure = np.minimum.accumulate(self.truth.accuracy[order])
        place = np.searchsorted(worst[order], best, side="left")
        bound = np.concatenate([[np.inf], sure])[place]
        return np.flatnonzero(self.truth.accuracy <= bound).astype(np.int64)

    def _shortlist(self, plausible: Rows, limit: float | None, rule: Any) -> Rows:
        """Return what to measure, first the most worthwhile: rows of the candidates."""
        reference = None
        if limit is None:
            problem = Problem([self._accuracy, self._cost])
            # The worst of all candidates, as for the loss, but of what is known beforehand.
            reference = -self.truth.accuracy.max(), self._sign * self._mean.max()
        else:
            operator = "<=" if self._sign > 0 else ">="
            problem = Problem(self._accuracy, [(self._cost, operator, self._sign * limit)])
        codes = self._codes[plausible]
        k = min(KS[-1], len(codes))
        found = verify_top(problem, codes, k, measure=self._cost, rule=rule, reference=reference)
        return plausible[found.rows]

    def _outcome(self, rule: str, k: int, front: Rows, chosen: list[int | None]) -> dict[str, Any]:
        regrets = self.truth.regrets(chosen)
        kept = [regret for regret in regrets if regret is not None]
        return {
            "rule": rule,
            "k": k,
            "selected": len(front),
            "mra": self.truth.mean_reduction(front),
            "hypervolume_loss": self.truth.hypervolume_loss(front),
            "kept_limits": len(kept),
            "regret": float(np.mean(kept)) if kept else None,
            **{
                f"regret_{round(100 * share)}": regret
                for share, regret in zip(SHARES, regrets, strict=True)
            },
        }
