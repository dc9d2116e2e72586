"""Simulated annealing: a walk that takes fewer and fewer steps downwards."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from anb_onnx.search.history import History
from anb_onnx.search.objective import Directions, Floats, Objective
from anb_onnx.search.operators import to_mutate
from anb_onnx.search.recorder import Charged, Progress, Recorder
from anb_onnx.search.settings import (
    Codes,
    Rng,
    count,
    generator,
    number,
    told,
    with_random,
)
from anb_onnx.spaces.moves import draw_moves, moved
from anb_onnx.spaces.space import SearchSpace

# Steps for which random numbers are drawn at once.
_DRAWN = 256


def simulated_annealing(
    objective: Objective,
    *,
    budget: int | None = None,
    rng: Rng,
    space: SearchSpace | None = None,
    direction: Directions = "max",
    n_initial: int = 20,
    initial_temperature: float | None = None,
    cooling: float = 1e-3,
    n_genes: int = 1,
    initial: Any = None,
    progress: Progress | None = None,
    cost: Charged | None = None,
    cost_budget: float | None = None,
) -> History:
    """Search by simulated annealing, with a temperature that falls geometrically.

    The walk begins at the best of a random sample. Each step evaluates a mutant of where it stands,
    and goes there if that is no worse; or else with probability ``exp(-loss / temperature)``. After
    Kirkpatrick, Gelatt and Vecchi, "Optimization by Simulated Annealing" (1983).

    Parameters
    ----------
    objective : str, Surrogate, Problem, Task or callable
        What is searched for: one objective. See `Recorder`.
    budget : int, optional
        Evaluations, those of the sample included. May be left out for a task. The temperature
        falls over all of it: unlike other searches, a smaller budget takes another way. Without
        it, it falls over the `cost_budget`.
    rng : int or numpy.random.Generator
        Of all draws, and of the noise if there is some.
    space, direction, progress, cost, cost_budget : optional
        As for `Recorder`: with a budget of cost, that of evaluations may be left out.
    n_initial : int
        Architectures of the sample.
    initial_temperature : float, optional
        Of the first step, in the unit of the objective. If not given, the standard deviation of the
        sample's values, of those that keep all constraints. With 0 no step is ever downwards.
    cooling : float
        The last step's temperature as a share of the first one's: above 0, at most 1.
    n_genes : int
        Genes that a step changes.
    initial : architectures, optional
        The first of the sample: anything that `anb_onnx.encode` takes. With ``n_initial=1`` and one
        architecture the walk begins there (and needs `initial_temperature`, or is greedy).

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
    >>> history = search.simulated_annealing(task, rng=0)
    >>> f"{history.regret[-1]:.2f} % after {len(history)} evaluations"
    '0.64 % after 1000 evaluations'
    """
    n_initial = count("n_initial", n_initial)
    if initial_temperature is not None:
        initial_temperature = number("initial_temperature", initial_temperature, 0.0)
    cooling = number("cooling", cooling, math.ulp(0.0), 1.0)
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
            "name": "simulated_annealing",
            "seed": seed,
            "n_initial": n_initial,
            "initial_temperature": initial_temperature,
            "cooling": cooling,
            "n_genes": n_genes,
        },
    )
    n_genes = to_mutate(n_genes, recorder.space)
    codes = with_random(initial, n_initial, rng, recorder.space, "n_initial")
    with recorder.until_exhausted():
        found = recorder.measure(codes)
        fitness = recorder.fitness(found)
        if initial_temperature is None:
            kept = found.values[found.feasible, 0]
            initial_temperature = float(kept.std()) if len(kept) > 1 else 0.0
        best = int(fitness.argmax())
        temperatures: Iterable[float]
        if budget is None and cost_budget is not None:
            temperatures = _falling_with_cost(initial_temperature, cooling, recorder)
        else:
            temperatures = _falling(initial_temperature, cooling, recorder.remaining).tolist()
        _walk(recorder, codes[best : best + 1], float(fitness[best]), rng, temperatures, n_genes)
    return recorder.history()


def _falling(first: float, cooling: float, n: int) -> Floats:
    """Return the temperatures of n steps: from `first` to `cooling` times it."""
    return np.asarray(first * cooling ** np.linspace(0.0, 1.0, n))


def _falling_with_cost(first: float, cooling: float, recorder: Recorder) -> Iterator[float]:
    """Yield the temperature of each step by what is spent then: as many as there is cost for."""
    start = recorder.share
    while True:
        done = (recorder.share - start) / (1.0 - start) if start < 1.0 else 1.0
        yield first * cooling**done


def _walk(
    recorder: Recorder,
    here: Codes,
    height: float,
    rng: np.random.Generator,
    temperatures: Iterable[float],
    n_genes: int,
) -> None:
    """Take a step for each temperature."""
    sizes = np.array(recorder.space.gene_sizes)
    for step, temperature in enumerate(temperatures):
        row = step % _DRAWN
        if row == 0:
            genes, steps = draw_moves(_DRAWN, n_genes, rng, recorder.space)
            chances = rng.random(_DRAWN)
        there = moved(here, genes[row : row + 1], steps[row : row + 1], sizes)
        fitness = float(recorder.evaluate(there)[0])
        if fitness >= height or _downwards(fitness - height, temperature) > chances[row]:
            here, height = there, fitness


def _downwards(gain: float, temperature: float) -> float:
    """Return the probability of a step that is worse: `gain` is negative."""
    return math.exp(gain / temperature) if temperature > 0.0 else 0.0
