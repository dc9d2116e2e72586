"""Runs where only the runtime wheel is installed (see check.sh); not part of the normal tests."""

import importlib.util
import json
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import numpy as np
import pytest

import anb_onnx

#: What the published reference ensembles give for EfficientNet-B0: mean and standard deviation.
PUBLISHED = {"accuracy": (65.736916, 0.1365913), "throughput_tpuv2": (883.5296, 8.001069)}


def test_runs_outside_the_checkout() -> None:
    assert "site-packages" in anb_onnx.__file__
    assert not (Path.cwd() / "pyproject.toml").exists()


@pytest.mark.parametrize("module", ["xgboost", "onnx", "sklearn", "ConfigSpace", "anb_export"])
def test_nothing_heavy_is_importable(module: str) -> None:
    assert importlib.util.find_spec(module) is None


def test_requirements_are_light() -> None:
    needed = [r for r in requires("anb-onnx") or [] if "extra ==" not in r]
    names = sorted(r.split(">=")[0] for r in needed)
    assert names == ["llvmlite", "numba", "numpy", "onnxruntime"]  # llvmlite is numba's own


def test_main_job_from_the_command_line() -> None:
    command = ["anb-onnx", "query", "efficientnet-b0", "--json"]
    for target in PUBLISHED:
        command += ["--target", target]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    text = done.stdout
    assert json.loads(text)
    for target in PUBLISHED:
        assert target in text


@pytest.mark.parametrize("target", PUBLISHED)
def test_b0_is_within_three_published_standard_deviations(target: str) -> None:
    mean, std = PUBLISHED[target]
    found = anb_onnx.load(target).query(anb_onnx.efficientnet_b0())
    assert abs(float(found.mean) - mean) <= 3 * std


def test_every_bundled_target_answers_a_batch() -> None:
    codes = anb_onnx.sample(1000, seed=1, space=anb_onnx.MNASNET)
    for target in anb_onnx.targets():
        found = anb_onnx.load(target.name).query(codes)
        assert found.mean.shape == (1000,)
        assert np.isfinite(found.mean).all()


def test_hashes_verify() -> None:
    done = subprocess.run(["anb-onnx", "verify"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_compat_needs_no_xgboost() -> None:
    code = (
        "import anb_onnx.compat as anb\n"
        "from anb_onnx.compat import EfficientNetSS as ss\n"
        "space = ss()\n"
        "model = anb.ANBEnsemble('xgb', device='tpuv2', metric='throughput', seed=3)"
        ".load_ensemble()\n"
        "mean, std = model.query([space.efficientnet_b0(), space.random_sample(1)])\n"
        "assert mean.shape == std.shape == (2,)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
