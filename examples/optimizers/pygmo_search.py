"""pygmo: NSGA-II for two objectives, a genetic algorithm for one; a generation is one query.

pip install anb-onnx pygmo moocore
python pygmo_search.py --task accuracy-throughput_a100-front-v1 --budget 10000
"""

from __future__ import annotations

import numpy as np
import pygmo
from outcome import main

from anb_onnx.search import History, Recorder


class Codes:
    """A problem as pygmo asks for it: integer variables are codes, and losses are minimised."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def __deepcopy__(self, memo: object) -> Codes:
        return self  # pygmo copies problems; one recorder counts for all

    def get_bounds(self) -> tuple[list[int], list[int]]:
        sizes = self.recorder.space.gene_sizes
        return [0] * len(sizes), [size - 1 for size in sizes]

    def get_nix(self) -> int:
        return self.recorder.space.n_genes

    def get_nobj(self) -> int:
        return self.recorder.n_objectives

    def batch_fitness(self, points) -> np.ndarray:  # of all points, one after another
        codes = points.reshape(-1, self.get_nix()).astype(np.uint8)
        if self.get_nobj() > 1:
            return self.recorder.evaluate_losses(codes).ravel()
        return 0.0 - self.recorder.evaluate(codes)

    fitness = batch_fitness


def search(task, budget: int, seed: int) -> History:
    recorder, size = Recorder(task, budget=budget, rng=seed), min(100, budget // 8 * 4)
    generations = budget // size - 1
    bfe = pygmo.bfe(pygmo.member_bfe())
    if recorder.n_objectives > 1:
        algorithm = pygmo.nsga2(generations, seed=seed)
        algorithm.set_bfe(bfe)
    else:
        algorithm = pygmo.sga(generations, seed=seed)
    population = pygmo.population(pygmo.problem(Codes(recorder)), size, b=bfe, seed=seed)
    pygmo.algorithm(algorithm).evolve(population)
    return recorder.history()


if __name__ == "__main__":
    main(search, task="accuracy-throughput_a100-front-v1", budget=10_000, several=True)
