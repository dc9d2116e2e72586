"""A small build with its comparison, for the tests of comparisons and reports."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from anb_export.artifacts import build as build_module
from anb_export.artifacts.build import build
from anb_export.data.dataset import Dataset
from anb_export.data.read import read_dataset
from anb_export.data.splits import Split, read_split
from anb_export.reports.compare_recipes import compare
from anb_export.reports.report import Sources
from anb_export.training.compact import CompactRecipe

from anb_onnx.links import Link

from .synthetic import write_study

MEASURED = ("accuracy", "throughput_tpuv2")
OFFSET = 100.0
PARAMS = {
    "max_depth": 3,
    "learning_rate": 0.3,
    "min_child_weight": 2,
    "subsample": 1.0,
    "colsample_bynode": 0.9,
    "lambda": 1.0,
}
RECIPES = {
    "accuracy": CompactRecipe(Link("-1", OFFSET), PARAMS, num_rounds=40, early_stopping_rounds=5),
    "throughput_tpuv2": CompactRecipe(Link("-1"), PARAMS, num_rounds=40, early_stopping_rounds=5),
}


@dataclass(frozen=True)
class Room:
    """A finished build, a finished comparison, and what they are of."""

    root: Path
    dataset: Dataset
    split: Split
    states: list[str]

    @property
    def sources(self) -> Sources:
        return Sources(
            self.root / "anb_dataset_jsons.tar.gz",
            self.root / "artifacts",
            self.root / "work",
            self.root / "comparison.json",
        )

    def compare(self, out: Path, *targets: str, **changes: Any) -> dict[str, Any]:
        options: dict[str, Any] = {"work": self.root / "work", "out": out} | changes
        split = options.pop("split", self.split)
        hyper = self.root / "upstream_hyperparameters.json"
        return compare(self.dataset, split, targets or MEASURED, RECIPES, hyper, **options)


def make_room(root: Path) -> Room:
    """Build two measured targets and one exact one, and compare the measured ones."""
    archive = write_study(root, 480)
    recipes = {name: {"recipe": recipe.to_dict()} for name, recipe in RECIPES.items()}
    (root / "recipes.json").write_text(json.dumps(recipes))
    dataset = read_dataset(archive)
    split = read_split(dataset, root / "default_split")
    states: list[str] = []
    found = Room(root, dataset, split, states)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_module, "_VERIFY_ROWS", 2000)
        targets = (*MEASURED, "macs")
        build(dataset, split, RECIPES, targets, work=root / "work", out=root / "artifacts")
    found.compare(root / "comparison.json", artifacts=root / "artifacts", report=recorder(states))
    return found


def recorder(states: list[str]) -> Callable[[str], Callable[[int, int, str], None]]:
    def stage(name: str) -> Callable[[int, int, str], None]:
        def update(index: int, rounds: int, state: str) -> None:
            if state != "running":
                states.append(f"{name} {state}")

        return update

    return stage


def cells(page: str, first: str) -> list[str]:
    """Cells of the first table row that starts with `first`."""
    for line in page.splitlines():
        found = [cell.strip() for cell in line.strip("|").split("|")]
        if found[0] == first:
            return found
    pytest.fail(f"no row {first!r} in\n{page}")
