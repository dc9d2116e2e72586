"""Random search: the baseline that every other search has to beat."""

from __future__ import annotations

from typing import Any

from anb_onnx.search.history import History
from anb_onnx.search.objective import Directions, Objective
from anb_onnx.search.recorder import Charged, Progress, Recorder
from anb_onnx.search.settings import Codes, Rng, generator, initial_codes, told
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.space import SearchSpace

# Most that are drawn at once; fewer are the first of more.
_DRAWN = 2**16
# Evaluated at once: between two batches progress is told.
_BATCH = 2**12


def random_search(
    objective: Objective,
    *,
    budget: int | None = None,
    rng: Rng,
    space: SearchSpace | None = None,
    direction: Directions = "max",
    initial: Any = None,
    progress: Progress | None = None,
    cost: Charged | None = None,
    cost_budget: float | None = None,
) -> History:
    """Evaluate architectures drawn uniformly and independently, with replacement.

    The draws are those of `anb_onnx.sample` with this seed (the first 65,536; then it is asked
    again). So a smaller budget evaluates the first of what a larger one does.

    Parameters
    ----------
    objective : str, Surrogate, Problem, Task or callable
        What is searched for; also several objectives at once. See `Recorder`.
    budget : int, optional
        Evaluations. May be left out for a task, which has its own.
    rng : int or numpy.random.Generator
        Of the draws, and of the noise if there is some.
    space, direction, progress, cost, cost_budget : optional
        As for `Recorder`: with a budget of cost, that of evaluations may be left out.
    initial : architectures, optional
        Evaluated first: anything that `anb_onnx.encode` takes.

    Returns
    -------
    History

    Raises
    ------
    SearchError, TargetError, ArchitectureError
        If an argument is not as above.

    Examples
    --------
    >>> from anb_onnx import search
    >>> history = search.random_search(["accuracy", "latency_zcu102"], budget=100, rng=0)
    >>> history.values.shape
    (100, 2)
    """
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
        optimizer={"name": "random_search", "seed": seed},
    )
    with recorder.until_exhausted():
        _in_batches(recorder, initial_codes(initial, recorder.space))
        while not recorder.done:
            n = min(_DRAWN, recorder.remaining)
            _in_batches(recorder, sample(n, seed=rng, space=recorder.space))
    return recorder.history()


def _in_batches(recorder: Recorder, codes: Codes) -> None:
    """Evaluate rows in their order; of several objectives, too."""
    evaluate = recorder.evaluate if recorder.n_objectives == 1 else recorder.measure
    for start in range(0, len(codes), _BATCH):
        evaluate(codes[start : start + _BATCH])
