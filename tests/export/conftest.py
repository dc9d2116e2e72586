"""Fixtures of the exporter's tests."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .synthetic import write_study

if TYPE_CHECKING:
    from anb_export.data.dataset import Dataset
    from anb_export.training.members_folder import Training

MISSING = [
    package
    for package in (
        "anb_export",
        "xgboost",
        "onnx",
        "onnxmltools",
        "sklearn",
        "scipy",
        "matplotlib",
    )
    if find_spec(package) is None
]
# Where only the runtime is installed, these tests have nothing to test.
collect_ignore_glob = ["test_*.py"] if MISSING else []


def pytest_report_header() -> str | None:
    if not MISSING:
        return None
    return f"tests/export left out: {', '.join(MISSING)} not installed (pip install ./export)"


@pytest.fixture(scope="session")
def published(shared_data: Path) -> Dataset:
    from anb_export.data.read import read_dataset

    return read_dataset(shared_data / "anb_dataset_jsons.tar.gz")


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small synthetic data set, with split and hyper-parameters."""
    return write_study(tmp_path_factory.mktemp("study")).parent


@pytest.fixture(scope="session")
def dataset(study: Path) -> Dataset:
    from anb_export.data.read import read_dataset

    return read_dataset(study / "anb_dataset_jsons.tar.gz")


@pytest.fixture(scope="session")
def training(study: Path, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """Three small members for the synthetic accuracies."""
    from anb_export.data.splits import read_split
    from anb_export.training.recipe import upstream_recipe
    from anb_export.training.train_members import train

    return train(
        dataset,
        read_split(dataset, study / "default_split"),
        "accuracy",
        upstream_recipe("accuracy", study / "upstream_hyperparameters.json"),
        [1, 2, 3],
        tmp_path_factory.mktemp("members"),
    )
