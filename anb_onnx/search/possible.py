"""What predicted architectures may turn out to be, as draws from their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import erf, sqrt
from typing import Any

import numpy as np

from anb_onnx.errors import SearchError
from anb_onnx.problems import Problem
from anb_onnx.search.measures import nondominated
from anb_onnx.search.objective import Floats
from anb_onnx.search.settings import Codes
from anb_onnx.surrogate import Surrogate

#: Draws of each architecture.
DRAWS = 128

#: Fewer members do not tell which errors go together; two may but state a mean and its error.
_FEWEST_MEMBERS = 3

#: Share of the other errors' variance that is not an architecture's own: what a model cannot say of
#: one, it cannot say of those that are like it either. On the development targets of the study of
#: predictors 0.9 found better architectures under limits than 0.5, and that than 0.
_ALIKE = 0.9

# The standard normal distribution, in steps fine enough for draws: P(|x| <= _NORMAL_HALF).
_NORMAL_HALF = np.linspace(0.0, 5.0, 501)
_LEVELS = np.array([erf(x / sqrt(2)) for x in _NORMAL_HALF])
_NORMAL = np.concatenate([-_NORMAL_HALF[:0:-1], _NORMAL_HALF])
_SHARES = np.concatenate([1 - _LEVELS[:0:-1], 1 + _LEVELS]) / 2

#: How far beyond the front's worst the reference lies, in its range.
_BEYOND = 0.1


class Possible:
    """Objectives and limits of architectures, in draws.

    Parameters
    ----------
    problem : Problem
    codes : uint8 array [n, n_genes]
    targets : sequence of str
        Those that are uncertain; all others have their means in all draws.
    certain : bool
        Whether there is but one draw, the means.
    measured : mapping of str to float64 array [n], optional
        What the targets are known to have, instead of means.

    Attributes
    ----------
    values : float64 array [n, draws, n_objectives]
        In the objectives' units.
    violations : float64 array [n, draws, n_constraints]
        How far beyond each limit. A limit of an uncertain target is one of each draw; where there
        is but the one draw of means, and of other targets, the problem's confidence counts.

    Raises
    ------
    SearchError
        If a target that is uncertain has no calibration.
    """

    def __init__(
        self,
        problem: Problem,
        codes: Codes,
        targets: Sequence[str],
        *,
        certain: bool,
        measured: Mapping[str, Floats] | None = None,
    ) -> None:
        self.problem = problem
        self._n_draws = 1 if certain else DRAWS
        self._rng = np.random.default_rng(len(codes))
        n, known = len(codes), measured or {}
        drawn: dict[str, Floats] = {}
        for surrogate in problem.surrogates:
            name = surrogate.target.name
            if name in known:
                drawn[name] = known[name][:, np.newaxis]
            elif name in targets and not certain:
                drawn[name] = self._draw(surrogate, codes)
            else:
                drawn[name] = surrogate.query_codes(codes).mean.astype(np.float64)[:, np.newaxis]
        shape = (n, self._n_draws)
        self.values = np.empty((*shape, problem.n_objectives))
        for column, objective in enumerate(problem.objectives):
            columns = [
                np.broadcast_to(drawn[s.target.name], shape).ravel() for s in objective.surrogates
            ]
            self.values[..., column] = objective.combine(columns).reshape(shape)
        self.violations = np.zeros((*shape, len(problem.limits)))
        for column, limit in enumerate(problem.limits):
            plain = limit.confidence is None or limit.name in known
            if plain or (limit.name in targets and not certain):
                excess = drawn[limit.name] - limit.value
                excess = excess if limit.operator == "<=" else -excess
                self.violations[..., column] = np.maximum(excess, 0.0)
            else:
                self.violations[..., column] = limit.violation(limit.bounds(codes))[:, np.newaxis]

    def _draw(self, surrogate: Surrogate, codes: Codes) -> Floats:
        """Return draws from the intervals of a target: float64 [n, draws]."""
        calibration = surrogate.calibration
        if calibration is None:
            msg = (
                f"the artifact of {surrogate.target.name!r} has no calibration, so there are no "
                "intervals; rule='mean' takes its means for certain"
            )
            raise SearchError(msg)
        found = surrogate.query_codes(codes, members=True)
        mean = found.mean.astype(np.float64)
        scale = calibration.predictive_std(found.mean, found.std).astype(np.float64)
        # Standard normal at each architecture: the members' part of the scale, and the rest.
        assert found.members is not None
        members = found.members.astype(np.float64) - mean[:, np.newaxis]
        part = np.zeros(len(codes))
        if members.shape[1] >= _FEWEST_MEMBERS:
            part = calibration.spread * found.std / np.where(scale > 0, scale, 1.0)
        part = np.clip(part, 0.0, 1.0)[:, np.newaxis]
        normal = np.sqrt(1 - part**2) * self._alike(codes)
        if part.any():
            normal += part * self._shared(members)
        # Beyond the largest level nothing is stated: what lies there counts as lying at it.
        halves = np.interp(_LEVELS, calibration.levels, calibration.quantiles)
        steps = np.sign(normal) * np.interp(np.abs(normal), _NORMAL_HALF, halves)
        drawn: Floats = mean[:, np.newaxis] + scale[:, np.newaxis] * steps
        return drawn

    def _alike(self, codes: Codes) -> Floats:
        """Return standard normal numbers, float64 [n, draws], of which `_ALIKE` goes together.

        What two architectures have in common of it is the share of their genes that are the same.
        """
        middles = np.interp((np.arange(DRAWS) + 0.5) / DRAWS, _SHARES, _NORMAL)
        own = self._rng.permuted(np.tile(middles, (len(codes), 1)), axis=1)
        common = np.zeros_like(own)
        for column in codes.T:
            weights = self._rng.standard_normal((int(column.max(initial=0)) + 1, DRAWS // 2))
            common += np.hstack([weights, -weights])[column]
        common /= np.sqrt(codes.shape[1])
        found: Floats = np.sqrt(_ALIKE) * common + np.sqrt(1 - _ALIKE) * own
        return found

    def _shared(self, deviations: Floats) -> Floats:
        """Return standard normal numbers, float64 [n, draws], that go together as members do.

        Parameters
        ----------
        deviations : float64 array [n, members]
            From their mean.
        """
        weights = self._rng.standard_normal((deviations.shape[1], DRAWS // 2))
        std = np.sqrt((deviations**2).sum(axis=1, keepdims=True))
        found: Floats = deviations / np.where(std > 0, std, 1.0) @ np.hstack([weights, -weights])
        return found

    def reference(self) -> Floats:
        """Return from where on worth is counted, as losses: float64 [n_objectives]."""
        losses = self._expected()
        if self.problem.n_objectives == 1:
            worst, best = losses.max(), losses.min()
            # If all are alike, it is worth something whether they keep the limits.
            return np.array([worst if worst > best else worst + 1.0])
        kept = (self.violations == 0.0).all(axis=2).mean(axis=1) >= 0.5
        front = losses[nondominated(losses, kept if kept.any() else ~kept)]
        span = np.ptp(front, axis=0)
        span[span == 0.0] = np.maximum(np.abs(front[0]), 1.0)[span == 0.0]
        return np.asarray(front.max(axis=0) + _BEYOND * span)

    def losses(self, reference: Floats) -> Floats:
        """Return losses [n, draws, m]; at the reference is what violates a limit in a draw."""
        losses = self.problem.losses(self.values)
        # Not a number is what a weighted objective makes of a draw outside of its domain.
        kept = (self.violations == 0.0).all(axis=2) & np.isfinite(losses).all(axis=2)
        return np.where(kept[..., np.newaxis], losses, reference)

    def last(self) -> Floats:
        """Return the order of those that are worth nothing, float64 [n]: first the least excess."""
        limits: Any = [1.0 if x.value == 0 else abs(x.value) for x in self.problem.limits]
        excess = (self.violations / np.array(limits)).sum(axis=2).mean(axis=1)
        first = self._expected()[:, 0]
        return np.lexsort((first, excess)).argsort().astype(np.float64)

    def _expected(self) -> Floats:
        found: Floats = self.problem.losses(self.values).mean(axis=1)
        return found
