"""Problems for IOHexperimenter, logged by its own logger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ioh
import numpy as np
import pytest

import anb_onnx
from anb_onnx import MNASNET, Problem, sample
from anb_onnx.adapters import ioh_problem
from anb_onnx.adapters.given import scalar_values
from anb_onnx.errors import ArchitectureError, SearchError


@pytest.mark.parametrize("target", ["accuracy", "latency_zcu102"])
def test_values_direction_bounds_and_optimum_are_the_targets(target: str) -> None:
    surrogate, problem = anb_onnx.load(target), ioh_problem(target)
    codes = sample(30, seed=0, space=MNASNET)
    means = surrogate.query(codes).mean.astype(float)
    assert [problem(row) for row in codes.tolist()] == means.tolist()
    types: Any = ioh.OptimizationType  # type: ignore[attr-defined, unused-ignore]
    maximised = surrogate.target.direction == "max"
    assert (problem.meta_data.optimization_type == types.MAX) is maximised
    best = means.max() if maximised else means.min()
    assert problem.state.current_best.y == best
    assert problem.state.evaluations == 30
    assert np.ravel(problem.bounds.lb).tolist() == [0] * 28
    assert np.ravel(problem.bounds.ub).tolist() == [size - 1 for size in MNASNET.gene_sizes]
    assert problem.optimum.y == surrogate.truth.optimum.value
    assert problem(problem.optimum.x) == problem.optimum.y


def test_what_exceeds_a_limit_is_worse_than_all_that_keeps_it() -> None:
    problem = ioh_problem(anb_onnx.tasks()["accuracy-latency_zcu102-5ms-v1"])
    assert problem.meta_data.name == "accuracy latency_zcu102<=5.0"
    codes = sample(200, seed=0, space=MNASNET)
    values = np.array([problem(row) for row in codes.tolist()])
    kept = anb_onnx.load("latency_zcu102").query(codes).mean <= 5.0
    accuracy = anb_onnx.load("accuracy").query(codes).mean.astype(float)
    assert np.array_equal(values[kept], accuracy[kept])
    assert values[~kept].max() < anb_onnx.load("accuracy").truth.worst.value
    assert problem.state.current_best.y == accuracy[kept].max() < problem.optimum.y
    assert problem(problem.optimum.x) == problem.optimum.y
    # As large as they are bad, where small is good.
    slow = Problem("latency_zcu102", [("accuracy", ">=", 66.0)])
    values = scalar_values(slow, slow.evaluate(codes))
    latency = anb_onnx.load("latency_zcu102")
    assert values[accuracy < 66].min() > latency.truth.worst.value
    fine = accuracy >= 66
    assert np.array_equal(values[fine], latency.query(codes[fine]).mean.astype(float))


def test_its_logger_writes_what_was_found(tmp_path: Path) -> None:
    problem = ioh_problem("accuracy")
    logger = ioh.logger.Analyzer(root=str(tmp_path), folder_name="run", algorithm_name="chance")
    problem.attach_logger(logger)
    codes = sample(25, seed=1, space=MNASNET)
    for row in codes.tolist():
        problem(row)
    problem.detach_logger()
    logger.close()
    (written,) = (tmp_path / "run").glob("*.json")
    document = json.loads(written.read_text())
    assert document["maximization"] is True
    assert document["function_name"] == "accuracy"
    means = anb_onnx.load("accuracy").query(codes).mean.astype(float)
    best = document["scenarios"][0]["runs"][0]["best"]
    assert best["y"] == means.max()
    assert best["evals"] == int(means.argmax()) + 1
    (table,) = (tmp_path / "run").rglob("*.dat")
    steps = [float(line.split()[1]) for line in table.read_text().splitlines()[1:]]
    improved = means[np.r_[True, means[1:] > np.maximum.accumulate(means)[:-1]]]
    assert np.allclose(steps[: len(improved)], improved, atol=1e-9)


def test_noise_comes_from_the_generator() -> None:
    noisy = Problem("accuracy", noise="std")
    row = list(anb_onnx.efficientnet_b0().codes)
    first, second = (ioh_problem(noisy, rng=4, name=f"noisy {i}") for i in range(2))
    seen = [first(row), first(row)]
    assert [second(row), second(row)] == seen
    assert seen[0] != seen[1]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(SearchError, match=r"one objective, not 2 \(accuracy, macs\)"):
        ioh_problem(["accuracy", "macs"])
    with pytest.raises(SearchError, match="name is a string of printable"):
        ioh_problem("accuracy", name="\n")
    with pytest.raises(SearchError, match="needs rng="):
        ioh_problem(Problem("accuracy", noise="std"))
    with pytest.raises(ArchitectureError, match="code 2 is out of range; allowed are 0 to 1"):
        ioh_problem("accuracy")([0, 2] + [0] * 26)
