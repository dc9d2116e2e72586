"""Local search: hill climbing over the neighbours of one gene, with restarts."""

from __future__ import annotations

from typing import Any

import numpy as np

from anb_onnx._io.show import show
from anb_onnx.errors import SearchError
from anb_onnx.search.history import History
from anb_onnx.search.objective import Directions, Floats, Objective
from anb_onnx.search.operators import neighbours
from anb_onnx.search.recorder import Charged, Progress, Recorder
from anb_onnx.search.settings import Codes, Rng, count, generator, initial_codes, told
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.space import SearchSpace

_IMPROVEMENTS = ("best", "first")


def local_search(
    objective: Objective,
    *,
    budget: int | None = None,
    rng: Rng,
    space: SearchSpace | None = None,
    direction: Directions = "max",
    improvement: str = "best",
    n_initial: int = 1,
    restarts: int | None = None,
    initial: Any = None,
    progress: Progress | None = None,
    cost: Charged | None = None,
    cost_budget: float | None = None,
) -> History:
    """Search by climbing to a local optimum, again and again.

    A climb begins with the best of some random architectures, and goes from neighbour to neighbour
    (architectures that differ in one gene) as long as one is strictly better. Then the next begins.
    What a search has evaluated as a neighbour or start is not evaluated again as a neighbour. After
    White, Nolen and Savani, "Local Search is State of the Art for NAS Benchmarks" (2020).

    Parameters
    ----------
    objective : str, Surrogate, Problem, Task or callable
        What is searched for: one objective. See `Recorder`.
    budget : int, optional
        Most evaluations. May be left out for a task. A smaller budget evaluates the first of what a
        larger one does.
    rng : int or numpy.random.Generator
        Of all draws, and of the noise if there is some.
    space, direction, progress, cost, cost_budget : optional
        As for `Recorder`: with a budget of cost, that of evaluations may be left out.
    improvement : {"best", "first"}
        "best" evaluates all neighbours, in one batch, and goes to the best of them (of equal ones
        to any, equally likely). "first" evaluates them one by one, in random order, and goes to the
        first that is better.
    n_initial : int
        Random architectures at the beginning of each climb.
    restarts : int, optional
        Most climbs after the first; until the budget is used up if not given. With 0, the history
        ends at the first local optimum.
    initial : architectures, optional
        Instead of the random ones of the first climb: anything that `anb_onnx.encode` takes.

    Returns
    -------
    History

    Raises
    ------
    SearchError, TargetError, ArchitectureError
        If an argument is not as above.

    Examples
    --------
    >>> import anb_onnx
    >>> from anb_onnx import search
    >>> task = anb_onnx.tasks()["accuracy-latency_zcu102-5ms-v1"]
    >>> history = search.local_search(task, rng=0)
    >>> f"{history.regret[-1]:.2f} % after {len(history)} evaluations"
    '2.45 % after 1000 evaluations'
    """
    if not isinstance(improvement, str) or improvement not in _IMPROVEMENTS:
        msg = f"improvement is 'best' or 'first', not {show(improvement)}"
        raise SearchError(msg)
    n_initial = count("n_initial", n_initial)
    restarts = None if restarts is None else count("restarts", restarts, 0)
    rng, seed = generator(rng), told(rng)
    recorder = Recorder(
        objective,
        budget=budget,
        rng=rng,
        space=space,
        direction=direction,
        progress=progress,
        cost=cost,
        cost_budget=cost_budget,
        optimizer={
            "name": "local_search",
            "seed": seed,
            "improvement": improvement,
            "n_initial": n_initial,
            "restarts": restarts,
        },
    )
    starts = initial_codes(initial, recorder.space)
    climbs = _Climbs(recorder, rng, at_once=improvement == "best")
    with recorder.until_exhausted():
        while restarts is None or restarts >= 0:
            if not len(starts):
                starts = sample(n_initial, seed=rng, space=recorder.space)
            climbs.climb(starts)
            starts = starts[:0]
            restarts = None if restarts is None else restarts - 1
    return recorder.history()


class _Climbs:
    """Climbs of one search, which know what was evaluated before."""

    def __init__(self, recorder: Recorder, rng: np.random.Generator, *, at_once: bool) -> None:
        self._recorder = recorder
        self._rng = rng
        self._at_once = at_once
        self._fitness: dict[bytes, float] = {}

    def climb(self, starts: Codes) -> None:
        """Go from the best of some starts to a local optimum."""
        # Starts are evaluated whether known or not: so every climb comes nearer to the budget's
        # end, also in a space in which all is known.
        fitness = self._evaluate(starts)
        best = int(fitness.argmax())
        here, height = starts[best], float(fitness[best])
        while (step := self._step(here, height)) is not None:
            here, height = step

    def _step(self, here: Codes, height: float) -> tuple[Codes, float] | None:
        """Return a neighbour that is better, and its fitness; None at a local optimum."""
        near = self._rng.permutation(neighbours(here, space=self._recorder.space))
        at_once = max(1, len(near)) if self._at_once else 1
        for start in range(0, len(near), at_once):
            some = near[start : start + at_once]
            new = [row for row, codes in enumerate(some) if codes.tobytes() not in self._fitness]
            if new:
                self._evaluate(some[new])
            fitness = [self._fitness[codes.tobytes()] for codes in some]
            best = int(np.argmax(fitness))
            if fitness[best] > height:
                return some[best], fitness[best]
        return None

    def _evaluate(self, codes: Codes) -> Floats:
        """Evaluate rows; of what is evaluated twice, and noisy, the last observation is kept."""
        fitness = self._recorder.evaluate(codes)
        keys = [row.tobytes() for row in codes]
        self._fitness.update(zip(keys, fitness.tolist(), strict=True))
        return fitness
