"""Regularised evolution: a population that ages."""

from __future__ import annotations

from typing import Any

import numpy as np

from anb_onnx.search.history import History
from anb_onnx.search.objective import Directions, Floats, Objective
from anb_onnx.search.operators import to_mutate
from anb_onnx.search.recorder import Charged, Progress, Recorder
from anb_onnx.search.settings import Codes, Rng, count, generator, told, with_random
from anb_onnx.spaces.moves import draw_moves, moved
from anb_onnx.spaces.space import SearchSpace

# Children for which random numbers are drawn at once.
_DRAWN = 256


def regularized_evolution(
    objective: Objective,
    *,
    budget: int | None = None,
    rng: Rng,
    space: SearchSpace | None = None,
    direction: Directions = "max",
    population_size: int = 100,
    sample_size: int = 25,
    n_genes: int = 1,
    batch: int = 1,
    initial: Any = None,
    progress: Progress | None = None,
    cost: Charged | None = None,
    cost_budget: float | None = None,
) -> History:
    """Search by regularised (ageing) evolution.

    A random population is evaluated. Then, again and again, the best of some members drawn at
    random, with replacement, has a child: a mutant of it, which takes the place of the *oldest*
    member, good as that may be. After Real, Aggarwal, Huang and Le, "Regularized Evolution for
    Image Classifier Architecture Search" (2019), whose settings are the defaults. The searches of
    the Accel-NASBench repository have ``population_size=20, sample_size=10``.

    Parameters
    ----------
    objective : str, Surrogate, Problem, Task or callable
        What is searched for: one objective. See `Recorder`.
    budget : int, optional
        Evaluations, those of the first population included. May be left out for a task. A smaller
        budget evaluates the first of what a larger one does.
    rng : int or numpy.random.Generator
        Of all draws, and of the noise if there is some.
    space, direction, progress, cost, cost_budget : optional
        As for `Recorder`: with a budget of cost, that of evaluations may be left out.
    population_size : int
    sample_size : int
        Members of which the best has a child; of equal ones, the first that was drawn.
    n_genes : int
        Genes that differ between child and parent.
    batch : int
        Children that are had at once, before the first of them is a member: evaluated in one call,
        for objectives that take many at once faster. At most `population_size`.
    initial : architectures, optional
        The first members: anything that `anb_onnx.encode` takes. The others are random.

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
    >>> history = search.regularized_evolution("accuracy", budget=1_000, rng=0)
    >>> f"{history.regret[99]:.2f} % at first, {history.regret[-1]:.2f} % in the end"
    '2.51 % at first, 0.00 % in the end'
    """
    population_size = count("population_size", population_size)
    sample_size = count("sample_size", sample_size)
    batch = count("batch", batch, 1, population_size)
    settings = {"population_size": population_size, "sample_size": sample_size}
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
            "name": "regularized_evolution",
            "seed": seed,
            **settings,
            "n_genes": n_genes,
            "batch": batch,
        },
    )
    n_genes = to_mutate(n_genes, recorder.space)
    codes = with_random(initial, population_size, rng, recorder.space, "population_size")
    with recorder.until_exhausted():
        fitness = recorder.evaluate(codes)
        _evolve(recorder, codes, fitness, rng, sample_size, n_genes, batch)
    return recorder.history()


def _evolve(
    recorder: Recorder,
    codes: Codes,
    fitness: Floats,
    rng: np.random.Generator,
    sample_size: int,
    n_genes: int,
    batch: int,
) -> None:
    """Replace members by children until the budget is used up."""
    size, space = len(codes), recorder.space
    sizes = np.array(space.gene_sizes)
    row = np.arange(batch)
    oldest = 0
    while True:
        # So many at once whatever the budget is: the same seed takes the same way.
        drawn = -(-_DRAWN // batch) * batch
        contenders = rng.integers(0, size, size=(drawn, sample_size))
        genes, steps = draw_moves(drawn, n_genes, rng, space)
        for start in range(0, drawn, batch):
            stop = start + batch
            some = contenders[start:stop]
            parents = some[row, fitness[some].argmax(axis=1)]
            children = moved(codes[parents], genes[start:stop], steps[start:stop], sizes)
            leaving = (oldest + row) % size
            fitness[leaving] = recorder.evaluate(children)
            codes[leaving] = children
            oldest = (oldest + batch) % size
