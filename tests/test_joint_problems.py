"""A problem over hyper-parameters, floats and scales among them, in the hands of every tool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tools import need_tool

import anb_onnx
from anb_onnx import Problem, Surrogate, adapters, search
from anb_onnx.cli.main import main

FOLDER = Path(__file__).parent / "conformance" / "joint"
MODEL = FOLDER / "val_loss.onnx"


@pytest.fixture(scope="module")
def surrogate() -> Iterator[Surrogate]:
    with anb_onnx.load(path=MODEL, engine="numpy") as opened:
        yield opened


def test_optuna(surrogate: Surrogate) -> None:
    optuna = need_tool("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = adapters.optuna_study(surrogate, sampler=optuna.samplers.TPESampler(seed=1))
    study.optimize(adapters.optuna_objective(surrogate), n_trials=15)
    assert study.best_value == surrogate.query(study.best_params).mean
    told = adapters.optuna_batch(study, surrogate, 5)
    means = surrogate.query([trial.params for trial in told]).mean
    assert [trial.value for trial in told] == means.astype(float).tolist()


def test_nevergrad(surrogate: Surrogate) -> None:
    nevergrad = need_tool("nevergrad")
    loss = adapters.nevergrad_loss(surrogate)
    space = adapters.nevergrad_parametrization(surrogate.space, seed=1)
    best = nevergrad.optimizers.OnePlusOne(space, budget=20).minimize(loss).value
    assert loss(best) == surrogate.query(best).mean


def test_pymoo(surrogate: Surrogate) -> None:
    ga = need_tool("pymoo.algorithms.soo.nonconvex.ga").GA
    problem = adapters.pymoo_problem(surrogate)
    algorithm = ga(pop_size=10, **adapters.pymoo_operators(surrogate.space))
    found = need_tool("pymoo.optimize").minimize(problem, algorithm, ("n_eval", 30), seed=1)
    (best,) = problem.architectures(np.atleast_2d(found.X))
    assert problem.values(found.F) == surrogate.query(best).mean


def test_gymnasium(surrogate: Surrogate) -> None:
    need_tool("gymnasium")
    environment, done = adapters.gymnasium_env(surrogate), False
    seen, _ = environment.reset(seed=1)
    while not done:
        action = environment.action_space.sample(mask=seen["action_mask"])
        seen, _, done, _, info = environment.step(action)
    codes = seen["codes"] - 1
    assert info["value"] == surrogate.query(codes.astype(np.uint8)[np.newaxis]).mean[0]


def test_ioh(surrogate: Surrogate) -> None:
    need_tool("ioh")
    problem = adapters.ioh_problem(surrogate)
    codes = anb_onnx.sample(20, seed=1, space=surrogate.space)
    assert [problem(row) for row in codes.tolist()] == surrogate.query(codes).mean.tolist()
    assert problem.optimum.y <= min(surrogate.query(codes).mean)


def test_carps(surrogate: Surrogate) -> None:
    need_tool("carps")
    objective = adapters.carps_objective(surrogate, seed=1)
    trials = need_tool("carps.utils.trials")
    for configuration in objective.configspace.sample_configuration(5):
        found = objective.evaluate(trials.TrialInfo(config=configuration))
        assert found.cost == surrogate.query(configuration).mean


def test_syne_tune(surrogate: Surrogate) -> None:
    spaces = need_tool("syne_tune.config_space")
    with anb_onnx.load(path=FOLDER / "train_time.onnx", engine="numpy") as seconds:
        blackbox = adapters.syne_tune_blackbox(surrogate, elapsed_time=seconds)
        random_state = np.random.RandomState(0)
        for gene in surrogate.space.genes:
            domain = blackbox.configuration_space[gene.name]
            assert isinstance(domain, spaces.Ordinal) == gene.ordered
            assert domain.categories == list(gene.choices)
            drawn = {domain.sample(random_state=random_state) for _ in range(100)}
            assert drawn == set(gene.choices)
        configuration = {
            name: domain.sample(random_state=random_state)
            for name, domain in blackbox.configuration_space.items()
        }
        assert (
            blackbox(configuration, fidelity=1)["val_loss"] == surrogate.query(configuration).mean
        )


def test_searches_and_their_files(surrogate: Surrogate, tmp_path: Path) -> None:
    problem = Problem(surrogate)
    for optimizer in (search.random_search, search.regularized_evolution, search.local_search):
        history = optimizer(problem, budget=60, rng=0)
        history.save(tmp_path / "history.parquet")
        again = search.History.load(tmp_path / "history.parquet")
        assert again.space == surrogate.space
        assert np.array_equal(again.codes, history.codes)


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl", ".parquet"])
def test_what_commands_write_they_read(
    surrogate: Surrogate, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if suffix == ".parquet":
        need_tool("pyarrow")
    drawn, answers, again = (tmp_path / f"{name}{suffix}" for name in ("drawn", "once", "twice"))
    model = ["--model", str(MODEL)]
    assert main(["sample", "30", "--seed", "1", *model, "--out", str(drawn)]) == 0
    assert main(["query", "--file", str(drawn), *model, "--out", str(answers)]) == 0
    assert main(["query", "--file", str(answers), *model, "--out", str(again)]) == 0
    assert answers.read_bytes() == again.read_bytes()
    assert main(["query", "--file", str(again), *model, "--csv"]) == 0
    said = capsys.readouterr().out.splitlines()
    codes = anb_onnx.sample(30, seed=1, space=surrogate.space)
    wanted = anb_onnx.codes_to_indices(codes, surrogate.space)
    assert [int(line.split(",")[0]) for line in said[1:]] == wanted.tolist()
