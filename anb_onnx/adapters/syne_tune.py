"""Problems as Syne Tune has them: a blackbox whose time is simulated by the training time."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from anb_onnx._io.show import show
from anb_onnx.adapters.given import as_problem, needed_rng
from anb_onnx.encoding.encoding import encode
from anb_onnx.errors import SearchError, TargetError
from anb_onnx.loading import load
from anb_onnx.parallel.extras import need
from anb_onnx.problems.problem import Problem
from anb_onnx.surrogate import Surrogate

__all__ = ["syne_tune_blackbox"]

#: Where the simulator finds how long an evaluation took: `elapsed_time_attr` of its backends.
ELAPSED = "metric_elapsed_time"

#: The simulator counts the reports of an evaluation; each of ours reports once.
_RESOURCE = "resource"


class _Reports:
    """What an evaluation reports: names and values."""

    def __init__(self, problem: Problem, elapsed: Surrogate, rng: np.random.Generator | None):
        self.problem = problem
        self.elapsed = elapsed
        self.rng = rng
        single, names = problem.n_objectives == 1, problem.names
        self._limits = [f"violation of {n} {op} {value}" for n, op, value in problem.constraints]
        self._losses: list[str] = []
        self._fitness: list[str] = []
        self.metrics: list[str] = list(names)
        self.do_minimize = problem.directions[0] == "min"
        if single and self._limits:
            self.metrics = self._fitness = ["fitness"]
            self.do_minimize = False
        elif len(set(problem.directions)) > 1:
            self.metrics = self._losses = [f"loss of {name}" for name in names]
            self.do_minimize = True
        self.names = [*names, *self._limits, *self._fitness, *self._losses, ELAPSED]

    def row(self, configuration: dict[str, Any]) -> list[float]:
        """Return what is reported of one configuration, in the order of `names`."""
        codes = encode(configuration, self.problem.space)
        found = self.problem.evaluate(codes, self.rng)
        reported = [found.values[0], found.violations[0]]
        if self._fitness:
            reported.append(self.problem.fitness(found))
        if self._losses:
            reported.append(self.problem.losses(found.values)[0])
        if self.elapsed is self.problem.cost and found.cost is not None:
            reported.append(found.cost)
        else:
            reported.append(self.elapsed.query_codes(codes).mean.astype(np.float64))
        values: list[float] = np.concatenate(reported).tolist()
        return values


@cache
def _class() -> Any:
    """Return our class of blackboxes, which can exist only where Syne Tune does."""
    what = "anb_onnx.adapters.syne_tune_blackbox"
    base: Any = need(
        "syne_tune.blackbox_repository.blackbox", extra="syne-tune", what=what
    ).Blackbox
    spaces: Any = need("syne_tune.config_space", extra="syne-tune", what=what)

    class ProblemBlackbox(base):  # type: ignore[misc]
        """A problem as a Syne Tune blackbox; made by `syne_tune_blackbox`."""

        def __init__(self, problem: Problem, elapsed: Surrogate, rng: np.random.Generator | None):
            self._reports = _Reports(problem, elapsed, rng)
            super().__init__(
                configuration_space={
                    # All choices as likely as each other, as everywhere; encoded by their codes.
                    gene.name: spaces.ordinal(list(gene.choices), kind="equal")
                    if gene.ordered
                    else spaces.choice(list(gene.choices))
                    for gene in problem.space.genes
                },
                fidelity_space={_RESOURCE: spaces.randint(1, 1)},
                objectives_names=self._reports.names,
            )
            self.problem = problem
            self.metrics = self._reports.metrics
            self.do_minimize = self._reports.do_minimize

        @property
        def fidelity_values(self) -> Any:
            return np.array([1])

        def _objective_function(
            self, configuration: dict[str, Any], fidelity: Any = None, seed: Any = None
        ) -> Any:
            row = self._reports.row(configuration)
            if fidelity is None:
                return np.array([row])
            if fidelity != {_RESOURCE: 1}:
                msg = f"an evaluation reports once, at {_RESOURCE} 1, not at {show(fidelity)}"
                raise SearchError(msg)
            return dict(zip(self.objectives_names, row, strict=True))

        def __reduce__(self) -> Any:
            return _rebuild, (self.problem, self._reports.elapsed, self._reports.rng)

    return ProblemBlackbox


def _rebuild(problem: Problem, elapsed: Surrogate, rng: np.random.Generator | None) -> Any:
    """Make a blackbox again where one is unpickled: Syne Tune saves its tuner with all in it."""
    return _class()(problem, elapsed, rng)


def syne_tune_blackbox(
    objectives: Any = "accuracy",
    constraints: Any = (),
    *,
    elapsed_time: str | Surrogate | None = None,
    rng: np.random.Generator | int | None = None,
    **arguments: Any,
) -> Any:
    """Return a problem as a Syne Tune blackbox, to be run in its simulator.

    The simulator's clock goes by the training time of each architecture, so days of tuning with
    several workers take seconds.

    Parameters
    ----------
    objectives : Problem, Task, or what `Problem` takes as objectives; accuracy if not given
    constraints, **arguments
        As for `Problem`, where no problem is given.
    elapsed_time : str or Surrogate, optional
        What an evaluation takes: a target in seconds. Without it the problem's `cost`, and where
        it has none, "train_time".
    rng : numpy.random.Generator or int, optional
        Needed where the problem has noise, and then drawn from at each evaluation.

    Returns
    -------
    syne_tune.blackbox_repository.blackbox.Blackbox
        With, besides what Syne Tune asks for,

        * ``metrics`` (list of str) and ``do_minimize`` (bool): what to give to a scheduler;
        * ``problem``: the Problem.

        Reported are the values of the objectives by name and in their units, as observed; for each
        constraint by how much it is violated; ``metric_elapsed_time`` in seconds; for one
        objective with constraints ``fitness`` (`Problem.fitness`, to be maximised), as Syne Tune
        knows no constraints; for objectives of mixed directions ``loss of NAME``, as a scheduler
        takes one direction for all.

    Raises
    ------
    SearchError
        If there are constraints on several objectives, the elapsed time is not in seconds, or
        there is noise and no `rng`.
    TargetError
        If a target is unknown or of another search space.
    ExtraError
        If Syne Tune is missing.

    Examples
    --------
    >>> from anb_onnx.adapters import syne_tune_blackbox
    >>> blackbox = syne_tune_blackbox("accuracy")
    >>> blackbox.metrics, blackbox.do_minimize
    (['accuracy'], False)
    >>> configuration = {name: domain[0] for name, domain in blackbox.configuration_space.items()}
    >>> found = blackbox(configuration, fidelity=1)
    >>> f"{found['accuracy']:.2f} % after {found['metric_elapsed_time']:.0f} s"
    '35.92 % after 954 s'
    """
    problem = as_problem(objectives, constraints, **arguments)
    if problem.n_objectives > 1 and problem.constraints:
        msg = (
            "Syne Tune knows no constraints, and fitness stands for them with one objective only, "
            f"not with {', '.join(problem.names)}"
        )
        raise SearchError(msg)
    elapsed = problem.cost if elapsed_time is None else elapsed_time
    if not isinstance(elapsed, Surrogate):
        where = {"benchmark": getattr(objectives, "benchmark", None), **arguments}
        elapsed = load(
            "train_time" if elapsed is None else elapsed,
            benchmark=where["benchmark"],
            path=where.get("path"),
        )
    if elapsed.target.unit != "s":
        msg = (
            "elapsed_time is a target in seconds ('s'), such as 'train_time', not "
            f"{elapsed.target.name!r} in {elapsed.target.unit!r}"
        )
        raise SearchError(msg)
    if elapsed.space != problem.space:
        msg = (
            f"elapsed_time {elapsed.target.name!r} is of search space {elapsed.space.name!r}, the "
            f"objectives are of {problem.space.name!r}"
        )
        raise TargetError(msg)
    return _class()(problem, elapsed, needed_rng(problem, rng))
