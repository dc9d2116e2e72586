"""CARP-S: any of its optimizers, here Optuna's TPE as it wraps it.

pip install 'anb-onnx[carps]' optuna
python carps_search.py --task accuracy-latency_zcu102-5ms-v1 --budget 200
"""

from __future__ import annotations

from types import SimpleNamespace

import optuna
from carps.optimizers.optuna import OptunaOptimizer
from outcome import main

import anb_onnx
from anb_onnx.adapters import carps_task
from anb_onnx.search import History, Recorder


class Trials:
    """A logger as CARP-S asks for it."""

    def __init__(self) -> None:
        self.configurations = []

    def log_trial(self, trial_info, **others) -> None:
        self.configurations.append(trial_info.config)

    def log_incumbent(self, *args) -> None:
        pass


def search(task, budget: int, seed: int) -> History:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    trials = Trials()
    settings = SimpleNamespace(study={"sampler": optuna.samplers.TPESampler(seed=seed)})
    OptunaOptimizer(
        carps_task(task, budget=budget, seed=seed, rng=seed, loggers=[trials]), settings
    ).run()
    recorder = Recorder(task, budget=budget, rng=seed)
    recorder.measure(anb_onnx.encode(trials.configurations, recorder.space))
    return recorder.history()


if __name__ == "__main__":
    main(search, task="accuracy-latency_zcu102-5ms-v1", budget=200)
