"""SMAC3: Bayesian optimisation with a random forest on our ConfigSpace.

pip install 'anb-onnx[configspace]' smac
python smac_search.py --task accuracy-latency_zcu102-5ms-v1 --budget 60
"""

from __future__ import annotations

from tempfile import TemporaryDirectory

from outcome import main
from smac import HyperparameterOptimizationFacade, Scenario

import anb_onnx
from anb_onnx.adapters import to_configspace
from anb_onnx.search import History, Recorder


def search(task, budget: int, seed: int) -> History:
    recorder = Recorder(task, budget=budget, rng=seed)

    def loss(configuration, seed: int = 0) -> float:  # SMAC minimises
        return -recorder.evaluate(anb_onnx.encode([configuration], recorder.space))[0]

    with TemporaryDirectory() as folder:
        scenario = Scenario(
            to_configspace(recorder.space),
            deterministic=True,
            n_trials=budget,
            seed=seed,
            output_directory=folder,
        )
        HyperparameterOptimizationFacade(scenario, loss, logging_level=30).optimize()
    return recorder.history()


if __name__ == "__main__":
    main(search, task="accuracy-latency_zcu102-5ms-v1", budget=60)
