"""A problem: what is searched for, as a value that every optimizer and adapter takes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.real import finite
from anb_onnx._io.show import show
from anb_onnx.encoding.encoding import encode
from anb_onnx.errors import SearchError, TargetError, TruthError
from anb_onnx.loading import load
from anb_onnx.problems.evaluation import Evaluation
from anb_onnx.problems.known import OPTIMA, REFERENCES
from anb_onnx.problems.objectives import (
    NOISES,
    Direction,
    Floats,
    Limit,
    Noise,
    Objective,
    observed,
    read_constraints,
)
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.surrogate import Surrogate


class Problem:
    """Objectives, constraints, noise and cost over one search space.

    The one place where signs are turned and limits are looked at: values stay in the targets'
    units, `losses` are for tools that minimise, `fitness` is for searches that maximise.

    Parameters
    ----------
    objectives : str, Surrogate, WeightedSum or WeightedProduct; or a sequence of these
        What is to be made large or small, each in its own direction.
    constraints : iterable of (target, "<=" or ">=", value)
        Limits of means, as in `anb_onnx.exact`; or, with a confidence, of measurements.
    confidence : float, optional
        Probability with which a new measurement has to keep each limit, from 0.5 (as good as that
        of the mean) to 0.9975, or what else the calibrations of the limits' targets can tell: a
        chance constraint. Of targets that are exact it makes no difference.
    noise : {"none", "std", "predictive_std"}
        What an observation adds to the mean of each target of an objective: nothing, or one normal
        number for each row and target with the row's own standard deviation, be it that of the
        members or that of a new measurement. Constraints and cost are of means, always.
    cost : str or Surrogate, optional
        A target whose mean is what an evaluation costs, such as "train_time".
    benchmark, path, threads : optional
        As for `anb_onnx.load`.

    Attributes
    ----------
    space : SearchSpace
    objectives : tuple of Objective
    limits : tuple of Limit
    noise : str
    confidence : float or None

    Raises
    ------
    TargetError
        If a target is unknown, given twice, or of another search space; or two artifacts have the
        same target.
    SearchError
        If there is no objective, a constraint is none or given twice, or the noise is none; or if
        a confidence is not between the above, is given without constraints, or one of these has a
        target without a calibration.

    Examples
    --------
    >>> import anb_onnx
    >>> problem = anb_onnx.Problem("accuracy", [("latency_zcu102", "<=", 5.0)])
    >>> found = problem.evaluate(anb_onnx.encode([anb_onnx.efficientnet_b0()]))
    >>> f"{found.values[0, 0]:.2f} {problem.units[0]}, {found.violations[0, 0]:.2f} ms too slow"
    '66.03 %, 3.39 ms too slow'

    A device that was not measured may be slower than predicted: nine times in ten, it is not.

    >>> safe = anb_onnx.Problem("accuracy", [("latency_zcu102", "<=", 8.4)], confidence=0.9)
    >>> found = safe.evaluate(anb_onnx.encode([anb_onnx.efficientnet_b0()]))
    >>> f"{found.violations[0, 0]:.3f} ms beyond"
    '0.014 ms beyond'
    """

    def __init__(
        self,
        objectives: Any,
        constraints: Iterable[tuple[str | Surrogate, str, float]] = (),
        *,
        noise: Noise = "none",
        confidence: float | None = None,
        cost: str | Surrogate | None = None,
        benchmark: str | None = None,
        path: str | os.PathLike[str] | None = None,
        threads: SupportsIndex | None = None,
    ) -> None:
        if noise not in NOISES:
            msg = f"noise is one of {', '.join(map(repr, NOISES))}, not {show(noise)}"
            raise SearchError(msg)
        self.confidence = None if confidence is None else finite(confidence)
        if confidence is not None and self.confidence is None:
            msg = f"confidence is a probability, such as 0.9, not {show(confidence)}"
            raise SearchError(msg)
        known: dict[str, Surrogate] = {}

        def surrogate_of(target: Any) -> Surrogate:
            if isinstance(target, Surrogate):
                return target
            if not isinstance(target, str):
                msg = f"a target is a name or a Surrogate, not {show(target)}"
                raise TargetError(msg)
            if target not in known:
                _refuse_task(target)
                known[target] = load(target, benchmark=benchmark, path=path, threads=threads)
            return known[target]

        self.objectives = tuple(_objective(o, surrogate_of) for o in _listed(objectives))
        self.limits = tuple(
            Limit(surrogate_of(target), operator, value, self.confidence)
            for target, operator, value in read_constraints(constraints)
        )
        self.noise: Noise = noise
        self._cost = None if cost is None else surrogate_of(cost)
        self._check()

    def _check(self) -> None:
        names = self.names
        for name in names:
            if names.count(name) > 1:
                msg = f"objective {name!r} is given twice"
                raise TargetError(msg)
        first = self.objectives[0].surrogates[0]
        self.space: SearchSpace = first.space
        for surrogate in self.surrogates:
            if surrogate.space != self.space:
                msg = (
                    f"targets {first.target.name!r} ({self.space.name}) and "
                    f"{surrogate.target.name!r} ({surrogate.space.name}) have different search "
                    "spaces"
                )
                raise TargetError(msg)
        self._check_names()
        self._check_confidence()
        if self.noise == "predictive_std":
            for surrogate in (s for o in self.objectives for s in o.surrogates):
                if surrogate.calibration is None:
                    msg = (
                        "noise='predictive_std' needs a calibration, and the artifact of "
                        f"{surrogate.target.name!r} has none; noise='std' is that of its members"
                    )
                    raise SearchError(msg)

    def _check_confidence(self) -> None:
        if self.confidence is not None and not self.limits:
            msg = (
                f"confidence={self.confidence!r} is of constraints, and there are none; give some, "
                "as in [('latency_zcu102', '<=', 5.0)]"
            )
            raise SearchError(msg)
        for limit in self.limits:
            limit.check_confidence()

    def _check_names(self) -> None:
        """Refuse what a name would not tell apart, in reports of tools and in files."""
        known: dict[str, Surrogate] = {}
        for surrogate in self.surrogates:
            name = surrogate.target.name
            if known.setdefault(name, surrogate).sha256 != surrogate.sha256:
                msg = (
                    f"two artifacts have the target {name!r} (SHA-256 {known[name].sha256} and "
                    f"{surrogate.sha256}); give one of them another name: adapt(..., device=)"
                )
                raise TargetError(msg)
        for position, limit in enumerate(self.constraints):
            if limit in self.constraints[:position]:
                name, operator, value = limit
                msg = f"constraint ({name!r}, {operator!r}, {value!r}) is given twice"
                raise SearchError(msg)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the objectives."""
        return tuple(o.name for o in self.objectives)

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the objectives' values; empty for what is weighed."""
        return tuple(o.unit for o in self.objectives)

    @property
    def directions(self) -> tuple[Direction, ...]:
        """What is good of each objective: "max" or "min"."""
        return tuple(o.direction for o in self.objectives)

    @property
    def constraints(self) -> tuple[tuple[str, str, float], ...]:
        """The constraints: name of the target, operator, value in its unit."""
        return tuple((limit.name, limit.operator, limit.value) for limit in self.limits)

    def limits_of_means(self) -> list[tuple[Surrogate, str, float]]:
        """Return the constraints as `anb_onnx.exact` takes them.

        Raises
        ------
        TruthError
            If they have a confidence: what is proven is proven of means.
        """
        if self.confidence is not None:
            msg = (
                f"nothing is proven under a confidence of {self.confidence!r}, only of limits of "
                "means: leave confidence= out, or compare with a value of your own, "
                "history.with_optimum(value) or with_front(values)"
            )
            raise TruthError(msg)
        return [(limit.surrogate, limit.operator, limit.value) for limit in self.limits]

    @property
    def n_objectives(self) -> int:
        """Number of objectives."""
        return len(self.objectives)

    @property
    def cost(self) -> Surrogate | None:
        """What an evaluation costs; None where nothing is counted but evaluations."""
        return self._cost

    @property
    def surrogates(self) -> tuple[Surrogate, ...]:
        """All surrogates, each once: of objectives, constraints, cost."""
        found = [s for o in self.objectives for s in o.surrogates]
        found += [limit.surrogate for limit in self.limits]
        found += [] if self._cost is None else [self._cost]
        return tuple({id(s): s for s in found}.values())

    def __call__(self, architectures: Any) -> Floats:
        """Return means in the objectives' units: float64 [n], or [n, n_objectives] of several.

        Without noise; of anything that `encode` takes.
        """
        codes = encode(architectures, self.space)
        means = self._evaluate(codes, None).means
        return means[:, 0] if self.n_objectives == 1 else means

    def evaluate(
        self, codes: NDArray[np.uint8], rng: np.random.Generator | None = None
    ) -> Evaluation:
        """Evaluate a batch of architectures.

        Parameters
        ----------
        codes : uint8 array [n, n_genes]
        rng : numpy.random.Generator, optional
            Needed where there is noise. Each row takes one normal number for each target of the
            objectives, row by row, so it makes no difference how rows are grouped into batches.

        Returns
        -------
        Evaluation

        Raises
        ------
        ArchitectureError
            If a row is no architecture of the space.
        SearchError
            If there is noise and no generator.
        """
        if self.noise == "none":
            return self._evaluate(codes, None)
        if not isinstance(rng, np.random.Generator):
            msg = f"noise={self.noise!r} needs a numpy.random.Generator, not rng={show(rng)}"
            raise SearchError(msg)
        columns = sum(len(o.surrogates) for o in self.objectives)
        return self._evaluate(codes, rng.standard_normal((len(codes), columns)))

    def _evaluate(self, codes: NDArray[np.uint8], normal: Floats | None) -> Evaluation:
        means = np.empty((len(codes), self.n_objectives))
        values = means if normal is None else np.empty_like(means)
        column = 0
        found: dict[int, NDArray[np.float32]] = {}
        for position, objective in enumerate(self.objectives):
            exact, noisy = [], []
            for surrogate in objective.surrogates:
                numbers = None if normal is None else normal[:, column]
                mean, seen = observed(surrogate, codes, self.noise, numbers)
                found[id(surrogate)] = mean
                exact.append(mean)
                noisy.append(seen)
                column += 1
            means[:, position] = objective.combine(exact)
            if normal is not None:
                values[:, position] = objective.combine(noisy)

        def mean_of(surrogate: Surrogate) -> NDArray[np.float32]:
            known = found.get(id(surrogate))
            if known is None:
                known = found[id(surrogate)] = surrogate.query_codes(codes).mean
            return known

        violations = np.zeros((len(codes), len(self.limits)))
        for position, limit in enumerate(self.limits):
            held = mean_of(limit.surrogate) if limit.confidence is None else limit.bounds(codes)
            violations[:, position] = limit.violation(held)
        cost = None if self._cost is None else mean_of(self._cost).astype(np.float64)
        return Evaluation(values, means, violations, cost)

    @cached_property
    def _signs(self) -> Floats:
        return np.array([o.sign for o in self.objectives])

    def losses(self, values: NDArray[Any]) -> Floats:
        """Return values [..., n_objectives] as losses, float64: smaller is better, always."""
        found: Floats = np.asarray(values, dtype=np.float64) * self._signs
        return found

    def values_of(self, losses: NDArray[Any]) -> Floats:
        """Return losses [..., n_objectives] as values in the objectives' units."""
        return self.losses(losses)

    def fitness(self, evaluation: Evaluation) -> Floats:
        """Return one number for each row, float64 [n]: larger is better, always.

        A row that keeps all limits has its value (the negative of one that is to be small). The
        others have the worst value of the whole space (of a curve, a bound of it) less the sum of
        their violations, each as a share of its limit. So they are worse than all that keep the
        limits, and the better the less they violate them: the rule of Deb, "An efficient constraint
        handling method for genetic algorithms" (2000), with the worst of the space instead of the
        population's. The worst is of means: where observations are noisy, one that keeps all limits
        can be seen below it.

        Raises
        ------
        SearchError
            If there are several objectives.
        """
        if self.n_objectives != 1:
            msg = (
                f"of {self.n_objectives} objectives ({', '.join(self.names)}) there is no single "
                "best; WeightedSum and WeightedProduct weigh them"
            )
            raise SearchError(msg)
        # 0 less the loss, not its negative: a -0.0 would be a needless surprise.
        fitness = 0.0 - self.losses(evaluation.values)[:, 0]
        if not self.limits:
            return fitness
        shares = [1.0 if limit.value == 0 else abs(limit.value) for limit in self.limits]
        excess = (evaluation.violations / shares).sum(axis=1)
        feasible = evaluation.feasible
        if feasible.all():
            return fitness
        return np.where(feasible, fitness, self._floor - excess)

    @cached_property
    def _floor(self) -> float:
        (objective,) = self.objectives
        return -objective.sign * objective.worst()

    def __repr__(self) -> str:
        parts = [f"{'maximise' if o.sign < 0 else 'minimise'} {o.name}" for o in self.objectives]
        parts += [f"{limit}" for limit in self.limits]
        parts += [] if self.noise == "none" else [f"noise {self.noise}"]
        return f"Problem({'; '.join(parts)})"


def _listed(objectives: object) -> list[Any]:
    """Return objectives as a list."""
    if isinstance(objectives, Sequence) and not isinstance(objectives, (str, bytes)):
        if not objectives:
            msg = "a problem needs an objective, such as 'accuracy'; anb_onnx.targets() lists them"
            raise SearchError(msg)
        return list(objectives)
    return [objectives]


def _objective(objective: Any, surrogate_of: Any) -> Objective:
    # Who made a weighted objective has imported that room, whose kernels take a while.
    weighing = sys.modules.get("anb_onnx.exact.objectives")
    if weighing is not None and isinstance(objective, weighing.Weighted):
        surrogates = tuple(surrogate_of(target) for target in objective.targets)
        objective.check([s.target for s in surrogates])
        return Objective(str(objective), "", "max", surrogates, objective)
    surrogate = surrogate_of(objective)
    target = surrogate.target
    return Objective(target.name, target.unit, target.direction, (surrogate,))


def _refuse_task(name: str) -> None:
    """Say how a task is had, where its name is given for that of a target."""
    if name in OPTIMA or name in REFERENCES:
        msg = f"{name!r} is a task, not a target: give anb_onnx.tasks()[{name!r}]"
        raise TargetError(msg)
