"""Regularised evolution (Real et al. 2019) for accuracy, as Accel-NASBench's script of this name.

    python examples/anb_eval/regularized_evolution.py --seed 1

Writes `logs/acc_trajectory_rea_SEED.csv`: the share of the evaluations that are done, in percent,
and the best accuracy of all of them. New code is better off with `anb_onnx.search`.
"""

from __future__ import annotations

import argparse
import collections
import copy
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from searches import read_space

import anb_onnx.compat as anb


@dataclass(frozen=True)
class Model:
    """An architecture, its accuracy, and what it was made of."""

    arch: anb.Configuration
    accuracy: float
    parent: Model | None = None


def mutated(
    space: anb.ConfigurationSpace, parent: anb.Configuration, rng: np.random.Generator
) -> anb.Configuration:
    """Return a copy with another choice of one gene."""
    one = space.get_hyperparameters()[rng.integers(len(space))]
    choices = [choice for choice in one.options if choice != parent[one.name]]
    child = copy.deepcopy(parent)
    child[one.name] = choices[rng.integers(len(choices))]
    return child


def evolve(
    args: argparse.Namespace, space: anb.ConfigurationSpace, ensemble: anb.Ensemble
) -> tuple[list[Model], list[tuple[float, float]]]:
    """Return all models in their order, and the trajectory.

    The original notes the best of those that became parents, before the child is there: a better
    child that is never chosen is never noted, and what it calls final is some parent.
    """
    rng = np.random.default_rng(args.seed)
    space.seed(args.seed)  # the original seeds NumPy and random, but not where it draws from
    history: list[Model] = []

    def evaluated(arch: anb.Configuration, parent: Model | None = None) -> Model:
        model = Model(arch, float(ensemble.query(arch)[0][0]), parent)
        history.append(model)
        return model

    population: collections.deque[Model] = collections.deque()
    for _ in range(args.pop_size):
        drawn = space.sample_configuration()
        assert isinstance(drawn, anb.Configuration)
        population.append(evaluated(drawn))
    best = max(model.accuracy for model in history)
    trajectory = [(len(history) / args.n_iters * 100, best)]
    while len(history) < args.n_iters:
        sample = [population[i] for i in rng.integers(len(population), size=args.sample_size)]
        parent = max(sample, key=lambda model: model.accuracy)
        child = evaluated(mutated(space, parent.arch, rng), parent)
        population.append(child)
        population.popleft()
        best = max(best, child.accuracy)
        trajectory.append((len(history) / args.n_iters * 100, best))
    return history, trajectory


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="regularised evolution for accuracy")
    parser.add_argument("--run_id", type=int, default=0, nargs="?", help="not used")
    parser.add_argument("--n_iters", type=int, default=600, nargs="?", help="evaluations")
    parser.add_argument("--output_path", type=Path, default=Path(), nargs="?")
    parser.add_argument("--data_dir", default="./", nargs="?", help="not used")
    parser.add_argument("--pop_size", type=int, default=20, nargs="?")
    parser.add_argument("--sample_size", type=int, default=10, nargs="?")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--configspace", type=Path, help="a file; else the space that it holds")
    args = parser.parse_args(arguments)
    if not 1 <= args.pop_size <= args.n_iters or args.sample_size < 1 or args.seed < 0:
        parser.error("1 <= --pop_size <= --n_iters, --sample_size >= 1, --seed >= 0")
    ensemble = anb.ANBEnsemble("xgb", seed=None).load_ensemble()
    _, trajectory = evolve(args, read_space(args.configspace), ensemble)
    folder = args.output_path / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"acc_trajectory_rea_{args.seed}.csv").open("w", newline="") as file:
        csv.writer(file).writerows(trajectory)
    print(trajectory)


if __name__ == "__main__":
    main()
