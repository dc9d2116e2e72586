"""Syne Tune: regularised evolution on four workers, in simulated training time.

pip install 'anb-onnx[syne-tune]'
python syne_tune_search.py --task accuracy-latency_zcu102-5ms-v1 --budget 300
"""

from __future__ import annotations

import logging

import numpy as np
from outcome import main
from syne_tune import StoppingCriterion, Tuner
from syne_tune.backend.simulator_backend.simulator_callback import SimulatorCallback
from syne_tune.blackbox_repository import UserBlackboxBackend
from syne_tune.optimizer.baselines import REA

import anb_onnx
from anb_onnx.adapters import syne_tune_blackbox
from anb_onnx.search import History, Recorder


def search(task, budget: int, seed: int) -> History:
    np.random.seed(seed)  # noqa: NPY002 - where its evolution draws the first population from
    logging.disable(logging.INFO)
    blackbox = syne_tune_blackbox(task, rng=seed)
    scheduler = REA(
        blackbox.configuration_space,
        metric=blackbox.metrics[0],
        do_minimize=blackbox.do_minimize,
        population_size=50,
        random_seed=seed,
    )
    backend = UserBlackboxBackend(
        blackbox,
        elapsed_time_attr="metric_elapsed_time",
        tuner_sleep_time=60,  # simulated seconds between two looks, which cost more than all else
    )
    stop = StoppingCriterion(max_num_trials_finished=budget - 1)
    callbacks = [SimulatorCallback()]
    tuner = Tuner(backend, scheduler, stop, n_workers=4, sleep_time=0, callbacks=callbacks)
    tuner.run()
    seen = callbacks[0].dataframe()
    print(f"{seen.st_tuner_time.max() / 3600:.1f} simulated hours on 4 workers")
    recorder = Recorder(task, budget=len(seen), rng=seed)
    genes = {f"config_{gene.name}": gene.name for gene in recorder.space.genes}
    configurations = seen[[*genes]].rename(columns=genes)
    recorder.measure(anb_onnx.from_table(configurations, recorder.space))
    return recorder.history()


if __name__ == "__main__":
    main(search, task="accuracy-latency_zcu102-5ms-v1", budget=300)
