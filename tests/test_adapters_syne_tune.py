"""Syne Tune's own tuner and simulator on our problems: its reports are ours, its clock, too."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tools import need_tool

import anb_onnx
from anb_onnx.adapters import syne_tune_blackbox
from anb_onnx.errors import ArchitectureError, ExtraError, SearchError, TargetError
from anb_onnx.problems import Problem

WORKERS, TRIALS = 3, 24
#: Simulated seconds between two looks of the tuner.
LOOK = 10.0


def simulate(
    blackbox: Any, scheduler: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Any]:
    """Run a real tuner, whose decisions take no simulated time, and return its trials."""
    tune = need_tool("syne_tune")
    simulator = need_tool("syne_tune.backend.simulator_backend.simulator_backend")
    callback = need_tool("syne_tune.backend.simulator_backend.simulator_callback")
    keeper = need_tool("syne_tune.backend.simulator_backend.time_keeper").SimulatedTimeKeeper
    backends = need_tool("syne_tune.blackbox_repository")
    monkeypatch.setenv("SYNETUNE_FOLDER", str(folder))
    monkeypatch.setattr(keeper, "real_time_since_last_recent_exit", lambda self: 0.0)
    none = simulator.SimulatorConfig(0.0, 0.0, 0.0, 0.0, 0.0)
    backend = backends.UserBlackboxBackend(
        blackbox,
        elapsed_time_attr="metric_elapsed_time",
        simulator_config=none,
        tuner_sleep_time=LOOK,
    )
    tuner = tune.Tuner(
        trial_backend=backend,
        scheduler=scheduler,
        stop_criterion=tune.StoppingCriterion(max_num_trials_started=TRIALS),
        n_workers=WORKERS,
        sleep_time=0,
        callbacks=[callback.SimulatorCallback()],
        tuner_name="anb",
        save_tuner=True,  # what it saves includes the blackbox
        wait_trial_completion_when_stopping=True,
    )
    tuner.run()
    assert list(folder.rglob("tuner.dill"))
    return [backend._trial_dict[number] for number in sorted(backend._trial_dict)]


def test_without_arguments_it_is_accuracy() -> None:
    need_tool("syne_tune")
    assert syne_tune_blackbox().metrics == ["accuracy"]


@pytest.mark.parametrize("algorithm", ["RandomSearch", "REA"])
def test_metrics_and_simulated_time_are_those_of_queries(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_tool("syne_tune")
    baselines = need_tool("syne_tune.optimizer.baselines")
    blackbox = syne_tune_blackbox("accuracy")
    arguments: dict[str, Any] = {"do_minimize": blackbox.do_minimize, "random_seed": 1}
    if algorithm == "REA":
        arguments |= {"metric": blackbox.metrics[0], "population_size": 8, "sample_size": 4}
    else:
        arguments |= {"metrics": blackbox.metrics}
    scheduler = getattr(baselines, algorithm)(blackbox.configuration_space, **arguments)
    trials = simulate(blackbox, scheduler, tmp_path, monkeypatch)
    assert len(trials) > TRIALS  # the criterion is met by one more
    configs = [trial.config for trial in trials]
    (reports,) = zip(*(trial.metrics for trial in trials), strict=True)  # each reports once
    accuracy = anb_onnx.load("accuracy").query(configs).mean.astype(float)
    assert [report["accuracy"] for report in reports] == accuracy.tolist()
    seconds = anb_onnx.load("train_time").query(configs).mean.astype(float)
    assert [report["metric_elapsed_time"] for report in reports] == seconds.tolist()

    # The clock: a worker takes the next trial at the tuner's next look, and is then busy for as
    # long as its training takes.
    free = [0.0] * WORKERS
    for report, took in zip(reports, seconds, strict=True):
        worker = int(np.argmin(free))
        start = np.ceil(free[worker] / LOOK) * LOOK
        free[worker] = start + took
        assert report["st_tuner_time"] == pytest.approx(free[worker], abs=1e-6)


def test_a_scheduler_is_told_what_is_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evolution on latency goes down, on accuracy up: signs are not turned twice, or never."""
    need_tool("syne_tune")
    baselines = need_tool("syne_tune.optimizer.baselines")
    monkeypatch.setattr("test_adapters_syne_tune.TRIALS", 100)
    for target, sign in [("latency_zcu102", -1), ("accuracy", 1)]:
        blackbox = syne_tune_blackbox(target)
        np.random.seed(0)  # noqa: NPY002 - where REA draws its first population from
        scheduler = baselines.REA(
            blackbox.configuration_space,
            metric=target,
            do_minimize=blackbox.do_minimize,
            population_size=20,
            sample_size=10,
            random_seed=0,
        )
        trials = simulate(blackbox, scheduler, tmp_path / target, monkeypatch)
        values = [sign * trial.metrics[0][target] for trial in trials]
        assert np.median(values[-30:]) > max(values[:20])


def test_constraints_and_mixed_directions_are_metrics_of_their_own() -> None:
    need_tool("syne_tune")
    codes = anb_onnx.sample(50, seed=3, space=anb_onnx.MNASNET)
    rows = [dict(anb_onnx.Architecture.from_codes(row, space=anb_onnx.MNASNET)) for row in codes]

    limited = Problem("accuracy", [("latency_zcu102", "<=", 5.0)])
    blackbox = syne_tune_blackbox(limited)
    assert (blackbox.metrics, blackbox.do_minimize) == (["fitness"], False)
    found = limited.evaluate(codes)
    reports = [blackbox(row, fidelity=1) for row in rows]
    assert [r["fitness"] for r in reports] == limited.fitness(found).tolist()
    violations = [r["violation of latency_zcu102 <= 5.0"] for r in reports]
    assert violations == found.violations[:, 0].tolist()
    assert 0 < sum(v > 0 for v in violations) < len(rows)

    mixed = syne_tune_blackbox(["accuracy", "latency_zcu102"])
    assert mixed.metrics == ["loss of accuracy", "loss of latency_zcu102"]
    assert mixed.do_minimize
    report = mixed(rows[0], fidelity=1)
    assert report["loss of accuracy"] == -report["accuracy"]
    assert report["loss of latency_zcu102"] == report["latency_zcu102"] > 0

    both = syne_tune_blackbox(["accuracy", "throughput_a100"])
    assert (both.metrics, both.do_minimize) == (["accuracy", "throughput_a100"], False)


def test_noise_is_drawn_from_the_given_generator() -> None:
    need_tool("syne_tune")
    problem = Problem("accuracy", noise="std", cost="train_time")
    with pytest.raises(SearchError, match="noise='std' needs rng="):
        syne_tune_blackbox(problem)
    row = dict(anb_onnx.efficientnet_b0())
    blackbox = syne_tune_blackbox(problem, rng=5)
    again = pickle.loads(pickle.dumps(blackbox))
    draws = [blackbox(row)[0, 0] for _ in range(3)]
    assert draws == [again(row)[0, 0] for _ in range(3)]
    rng, codes = np.random.default_rng(5), anb_onnx.encode([row], problem.space)
    assert draws == [problem.evaluate(codes, rng).values[0, 0] for _ in range(3)]
    assert len(set(draws)) == 3


def test_refusals() -> None:
    need_tool("syne_tune")
    with pytest.raises(SearchError, match=r"in seconds \('s'\).*not 'params' in 'M'"):
        syne_tune_blackbox("accuracy", elapsed_time="params")
    with pytest.raises(TargetError, match="'train_tiem'"):
        syne_tune_blackbox("accuracy", elapsed_time="train_tiem")
    with pytest.raises(TargetError, match="'train_time' is of search space 'mnasnet'"):
        syne_tune_blackbox(Problem("accuracy_cifar10", benchmark="nasbench201"))
    with pytest.raises(SearchError, match="not with accuracy, throughput_a100"):
        syne_tune_blackbox(["accuracy", "throughput_a100"], [("params", "<=", 4.0)])
    blackbox = syne_tune_blackbox("accuracy")
    row = dict(anb_onnx.efficientnet_b0())
    with pytest.raises(ArchitectureError, match="block0_k"):
        blackbox(row | {"block0_k": 7})
    with pytest.raises(SearchError, match="reports once, at resource 1"):
        blackbox(row, fidelity=2)


def test_without_syne_tune_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from anb_onnx.adapters import syne_tune as adapter

    adapter._class.cache_clear()
    monkeypatch.setitem(sys.modules, "syne_tune.blackbox_repository.blackbox", None)
    with pytest.raises(ExtraError, match=r"pip install 'anb-onnx\[syne-tune\]'"):
        syne_tune_blackbox("accuracy")
