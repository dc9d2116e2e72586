"""Runs where the wheel of further catalogs is installed beside the runtime (see check.sh)."""

import subprocess
import sys

import numpy as np
import pytest

import anb_onnx

BENCHMARKS = ("digits", "fbnet", "fcnet", "hpobench_mlp", "nasbench201", "ofa", "taskset")


def test_they_are_found_where_they_are_installed() -> None:
    found = {catalog.benchmark: catalog for catalog in anb_onnx.benchmarks()}
    assert set(found) == {"accel-nasbench", *BENCHMARKS}
    assert "anb_onnx_spaces" not in sys.modules  # found, not imported
    for name in BENCHMARKS:
        assert "site-packages" in str(found[name].folder)


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_hashes_and_golden_vectors_verify(benchmark: str) -> None:
    command = ["anb-onnx", "verify", "--benchmark", benchmark]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_every_target_answers_a_batch(benchmark: str) -> None:
    targets = anb_onnx.targets(benchmark)
    for target in targets:
        with anb_onnx.load(target.name, benchmark=benchmark, engine="numpy") as surrogate:
            codes = anb_onnx.sample(100, seed=1, space=surrogate.space)
            assert np.isfinite(surrogate.query(codes).mean).all()
    assert len(targets) >= 4


def test_an_architecture_string_is_a_query() -> None:
    text = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+"
    text += "|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    command = ["anb-onnx", "query", text, "--benchmark", "nasbench201"]
    command += ["--target", "cifar10_latency_fpga", "--target", "cifar10_energy_fpga"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "2.57296" in done.stdout  # as HW-NAS-Bench prints for its architecture 0
    assert "18.01072" in done.stdout
