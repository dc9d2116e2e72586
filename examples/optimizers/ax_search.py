"""Ax: Bayesian optimisation with a Gaussian process, constraints as Ax knows them.

pip install anb-onnx ax-platform
python ax_search.py --task accuracy-latency_zcu102-5ms-v1 --budget 12
"""

from __future__ import annotations

import logging

from ax.api.client import Client
from ax.api.configs import ChoiceParameterConfig
from outcome import main

import anb_onnx
from anb_onnx.search import History, Recorder


def search(task, budget: int, seed: int) -> History:
    recorder, (objective,) = Recorder(task, budget=budget, rng=seed), task.problem().objectives
    logging.disable(logging.WARNING)
    client = Client(random_seed=seed)
    client.configure_experiment(
        [
            ChoiceParameterConfig(
                gene.name, list(gene.choices), gene.kind, is_ordered=gene.kind in ("int", "float")
            )
            for gene in recorder.space.genes
        ]
    )
    client.configure_optimization(  # "-latency" is minimised
        objective.name if objective.direction == "max" else f"-{objective.name}",
        outcome_constraints=[f"{name} {op} {value}" for name, op, value in task.constraints],
    )
    while not recorder.done:
        for number, point in client.get_next_trials(min(3, recorder.remaining)).items():
            found = recorder.measure(anb_onnx.encode([point], recorder.space))
            report = {objective.name: found.values[0, 0]}
            for limit in task.problem().limits:
                report[limit.name] = float(limit.surrogate.query(point).mean)
            # Values alone: a stated error of 0 makes its fits unstable, and six times as slow.
            client.complete_trial(number, report)
    return recorder.history()


if __name__ == "__main__":
    main(search, task="accuracy-latency_zcu102-5ms-v1", budget=12)
