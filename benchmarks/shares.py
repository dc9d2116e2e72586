"""What an evaluation costs in the loops of other tools, and how much of it is ours.

`python -m benchmarks.shares [TOOL ...]` prints a table in Markdown. Times are processor time of the
process, after a smaller run of the same kind, with the native engine, to which the default one
turns in long runs; ours is what passes inside our functions, each timed from outside. Tools that
are not installed are listed as not run.
"""

from __future__ import annotations

import argparse
import logging
import platform
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from importlib import import_module, metadata
from typing import Any, NamedTuple

import numpy as np

import anb_onnx
from anb_onnx import Problem, adapters
from anb_onnx.errors import ExtraError

ONE = ("accuracy",)
TWO = ("accuracy", "throughput_a100")
SPACE = anb_onnx.MNASNET


class Ours:
    """Adds up the processor time of this thread inside our functions, the outermost of them."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same and is timed."""

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            self._depth += 1
            start = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.seconds += time.thread_time() - start

        return call

    @contextmanager
    def inside(self, owner: Any, *names: str) -> Iterator[None]:
        """Time functions of a class or module, in the course of a ``with``."""
        before = {name: getattr(owner, name) for name in names}
        for name, function in before.items():
            setattr(owner, name, self.timed(function))
        try:
            yield
        finally:
            for name, function in before.items():
                setattr(owner, name, function)


class Loop(NamedTuple):
    """A tool's loop: its package, what it runs, how many evaluations, and the run itself."""

    package: str
    what: str
    evaluations: int
    run: Callable[[int, Ours], int]


@cache
def problem_of(names: tuple[str, ...]) -> Problem:
    """A problem as it is once its engines have compiled; made in the smaller run before."""
    surrogates = [anb_onnx.load(name, engine="native", threads=1) for name in names]
    return Problem(surrogates)


def pymoo(n: int, ours: Ours) -> int:
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.optimize import minimize

    from anb_onnx.adapters import pymoo_classes as classes

    problem = adapters.pymoo_problem(problem_of(TWO))
    algorithm = NSGA2(min(100, n // 2), **adapters.pymoo_operators())
    with (
        ours.inside(classes.PymooProblem, "_evaluate"),
        ours.inside(classes.CodeSampling, "_do"),
        ours.inside(classes.CodeMutation, "_do"),
    ):
        found = minimize(problem, algorithm, ("n_eval", n), seed=1)
    return int(found.algorithm.evaluator.n_eval)


def optuna(n: int, ours: Ours) -> int:
    import optuna as tool

    from anb_onnx.adapters import optuna as module

    tool.logging.set_verbosity(tool.logging.WARNING)
    problem = problem_of(ONE)
    study = adapters.optuna_study(problem, sampler=tool.samplers.RandomSampler(seed=1))
    with (
        ours.inside(module, "encode", "excesses", "_check_directions"),
        ours.inside(Problem, "evaluate"),
    ):
        study.optimize(adapters.optuna_objective(problem), n_trials=n)
    return len(study.trials)


def optuna_batches(n: int, ours: Ours) -> int:
    import optuna as tool

    from anb_onnx.adapters import optuna as module

    tool.logging.set_verbosity(tool.logging.WARNING)
    problem = problem_of(ONE)
    study = adapters.optuna_study(problem, sampler=tool.samplers.RandomSampler(seed=1))
    with (
        ours.inside(module, "encode", "excesses", "optuna_distributions", "_check_directions"),
        ours.inside(Problem, "evaluate"),
    ):
        for _ in range(n // 50):
            adapters.optuna_batch(study, problem, 50)
    return len(study.trials)


def nevergrad(n: int, ours: Ours) -> int:
    import nevergrad as tool

    loss = ours.timed(adapters.nevergrad_loss(problem_of(ONE)).__call__)
    parametrization = adapters.nevergrad_parametrization(seed=1)
    search = tool.optimizers.OnePlusOne(parametrization, budget=n)
    search.minimize(loss)
    return int(search.num_tell)


def configspace(n: int, ours: Ours) -> int:
    config_space = adapters.to_configspace(seed=1)
    query = ours.timed(problem_of(ONE))
    for configuration in config_space.sample_configuration(n):
        query(configuration)
    return n


def gymnasium(n: int, ours: Ours) -> int:
    environment = adapters.gymnasium_env(problem_of(ONE))
    step, reset = ours.timed(environment.step), ours.timed(environment.reset)
    space = environment.action_space
    for _ in range(n):
        seen, done = reset()[0], False
        while not done:
            seen, _, done, _, _ = step(space.sample(mask=seen["action_mask"]))
    return n


def ioh(n: int, ours: Ours) -> int:
    from anb_onnx.adapters import ioh as module

    codes = anb_onnx.sample(n, seed=1, space=SPACE).tolist()
    with ours.inside(module, "encode", "scalar_values"), ours.inside(Problem, "evaluate"):
        problem = adapters.ioh_problem(problem_of(ONE))
        for row in codes:
            problem(row)
    return n


def smac(n: int, ours: Ours) -> int:
    from tempfile import TemporaryDirectory

    from smac import HyperparameterOptimizationFacade, Scenario

    problem = problem_of(ONE)
    query = ours.timed(lambda c: 0.0 - problem.fitness(problem.evaluate(encoded(c)))[0])

    def encoded(configuration: Any) -> Any:
        return anb_onnx.encode([configuration], SPACE)

    def loss(configuration: Any, seed: int = 0) -> float:
        return float(query(configuration))

    with TemporaryDirectory() as folder:
        scenario = Scenario(
            adapters.to_configspace(), deterministic=True, n_trials=n, seed=1,
            output_directory=folder,
        )  # fmt: skip
        HyperparameterOptimizationFacade(scenario, loss, logging_level=40).optimize()
    return n


def pygmo(n: int, ours: Ours) -> int:
    import pygmo as tool

    problem = problem_of(TWO)
    query = ours.timed(lambda codes: problem.losses(problem.evaluate(codes).values).ravel())

    class Codes:
        def get_bounds(self) -> Any:
            return [0] * SPACE.n_genes, [size - 1 for size in SPACE.gene_sizes]

        def get_nix(self) -> int:
            return SPACE.n_genes

        def get_nobj(self) -> int:
            return 2

        def __deepcopy__(self, memo: object) -> Codes:
            return self

        def batch_fitness(self, points: Any) -> Any:
            return query(points.reshape(-1, SPACE.n_genes).astype(np.uint8))

        fitness = batch_fitness

    size = min(100, n // 8 * 4)
    batches = tool.bfe(tool.member_bfe())
    algorithm = tool.nsga2(n // size - 1, seed=1)
    algorithm.set_bfe(batches)
    population = tool.population(tool.problem(Codes()), size, b=batches, seed=1)
    return int(tool.algorithm(algorithm).evolve(population).problem.get_fevals())


def syne_tune(n: int, ours: Ours) -> int:
    from syne_tune.backend.trial_status import Trial
    from syne_tune.optimizer.baselines import REA

    module = import_module("anb_onnx.adapters.syne_tune")
    blackbox = module.syne_tune_blackbox(problem_of(ONE))
    query = ours.timed(blackbox.__call__)
    scheduler = REA(
        blackbox.configuration_space, metric=blackbox.metrics[0],
        do_minimize=blackbox.do_minimize, population_size=min(100, n // 2), random_seed=1,
    )  # fmt: skip
    for number in range(n):
        configuration = scheduler.suggest().config
        found = query(configuration, fidelity=1)
        trial = Trial(number, configuration, None)
        scheduler.on_trial_add(trial)
        scheduler.on_trial_complete(trial, found)
    return n


LOOPS = {
    "pymoo": Loop("pymoo", "NSGA-II of 100, two objectives", 10_000, pymoo),
    "pygmo": Loop("pygmo", "NSGA-II of 100, two objectives", 10_000, pygmo),
    "ioh": Loop("ioh", "random codes, one by one", 5_000, ioh),
    "gymnasium": Loop("gymnasium", "random masked actions, 28 steps each", 500, gymnasium),
    "configspace": Loop("ConfigSpace", "random configurations, one by one", 2_000, configspace),
    "syne-tune": Loop("syne-tune", "REA of 100, scheduler alone", 2_000, syne_tune),
    "optuna": Loop("optuna", "random, one by one", 500, optuna),
    "optuna-batches": Loop("optuna", "random, batches of 50", 500, optuna_batches),
    "nevergrad": Loop("nevergrad", "OnePlusOne", 100, nevergrad),
    "smac": Loop("smac", "hyperparameter facade", 60, smac),
}


def row(name: str) -> str:
    """A line of the table: what was measured, or why it was not."""
    loop = LOOPS[name]
    try:
        version = metadata.version(loop.package)
    except metadata.PackageNotFoundError:
        return f"| {name} | {loop.what} | not installed: not run | | | |"
    try:
        loop.run(max(50, loop.evaluations // 20), Ours())
    except ExtraError as error:
        return f"| {name} | {loop.what} | not run: {error} | | | |"
    ours = Ours()
    start = time.process_time()
    n = loop.run(loop.evaluations, ours)
    whole = time.process_time() - start
    return (
        f"| {loop.package} {version} | {loop.what} | {n:,} | {whole / n * 1e6:,.0f} | "
        f"{ours.seconds / n * 1e6:,.1f} | {ours.seconds / whole:.1%} |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tools", nargs="*", metavar="TOOL", help=", ".join(LOOPS))
    names = parser.parse_args().tools or [*LOOPS]
    unknown = [name for name in names if name not in LOOPS]
    if unknown:
        parser.error(f"unknown tool {unknown[0]!r}; the tools are {', '.join(LOOPS)}")
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    print(f"{platform.machine()}, Python {platform.python_version()}, anb_onnx, microseconds\n")
    print("| tool | loop | evaluations | of a processor, each | ours, each | our share |")
    print("|---|---|--:|--:|--:|--:|")
    for name in names:
        print(row(name), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
