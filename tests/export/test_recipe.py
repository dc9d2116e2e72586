from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from anb_export.training.recipe import Recipe, RecipeError, transform_from_dict, upstream_recipe

from anb_onnx.links import Link

from .synthetic import HYPERPARAMETERS


def write(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "h.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_upstream_takes_the_searched_values(tmp_path: Path) -> None:
    recipe = upstream_recipe("accuracy", write(tmp_path, {"xgb": {"accuracy": HYPERPARAMETERS}}))
    assert (recipe.name, recipe.num_rounds, recipe.early_stopping_rounds) == ("upstream", 300, 5)
    assert recipe.params["lambda"] == 1.0
    assert recipe.params["objective"] == "reg:squarederror"
    assert "bananas_enc" not in recipe.params
    assert "num_rounds" not in recipe.params
    assert recipe.transform == Link()


def test_recipes_are_values(tmp_path: Path) -> None:
    path = write(tmp_path, {"xgb": {"accuracy": HYPERPARAMETERS}})
    recipe = upstream_recipe("accuracy", path)
    assert pickle.loads(pickle.dumps(recipe)).to_dict() == recipe.to_dict()
    with pytest.raises(TypeError):
        recipe.params["lambda"] = 2  # type: ignore[index]
    assert transform_from_dict(recipe.transform.to_dict()) == recipe.transform


def test_first_stages_are_values_too() -> None:
    first: dict[str, Any] = {"max_depth": 2, "lambda": 1.0}
    recipe = Recipe("mine", {"max_depth": 4}, 10, 5, Link("-1"), True, first)
    document = recipe.to_dict()
    assert document["first_stage"] == {"max_depth": 2, "lambda": 1.0}
    assert recipe.training_dict()["first_stage"] == document["first_stage"]
    assert json.loads(json.dumps(document)) == document
    back = pickle.loads(pickle.dumps(recipe))
    assert back == recipe
    assert back.to_dict() == document
    assert replace(recipe, num_rounds=20).first_stage == recipe.first_stage
    # Whoever made it cannot change it afterwards, nor can who reads it.
    first["lambda"] = 2.0
    document["first_stage"]["lambda"] = 2.0
    assert recipe.to_dict()["first_stage"] == {"max_depth": 2, "lambda": 1.0}
    with pytest.raises(TypeError):
        back.first_stage["lambda"] = 2.0
    one = replace(recipe, first_stage=None)
    assert one.to_dict()["first_stage"] is pickle.loads(pickle.dumps(one)).first_stage is None
    assert one != recipe


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot read"),
        ([], "an object under 'xgb'"),
        ({"xgb": []}, "an object under 'xgb'"),
        ({"xgb": {"latency_vck190": {}}}, "no xgb hyper-parameters for 'accuracy'.*latency_vck"),
        ({"xgb": {"accuracy": {}}}, "'num_rounds' is missing"),
        ({"xgb": {"accuracy": {**HYPERPARAMETERS, "gama": 1}}}, "unknown.*'gama'"),
        ({"xgb": {"accuracy": {**HYPERPARAMETERS, "booster": "dart"}}}, "only booster 'gbtree'"),
        ({"xgb": {"accuracy": {**HYPERPARAMETERS, "bananas_enc": True}}}, "BANANAS"),
        ({"xgb": {"accuracy": {**HYPERPARAMETERS, "alpha": "1"}}}, "alpha must be a number"),
        ({"xgb": {"accuracy": {**HYPERPARAMETERS, "num_rounds": 0}}}, "num_rounds must be a posi"),
    ],
)
def test_malformed_hyperparameters(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        upstream_recipe("accuracy", write(tmp_path, content))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="--hyperparameters"):
        upstream_recipe("accuracy", tmp_path / "absent.json")


def test_the_training_sets_seed_and_threads() -> None:
    for key in ("seed", "nthread"):
        with pytest.raises(RecipeError, match=f"{key} is set by the training"):
            Recipe("mine", {key: 1}, 10, None)
        with pytest.raises(RecipeError, match=f"{key} is set by the training"):
            Recipe("mine", {}, 10, 5, first_stage={"max_depth": 2, key: 1})


def test_published_hyperparameters(shared_data: Path) -> None:
    path = shared_data / "upstream_hyperparameters.json"
    recipe = upstream_recipe("throughput_a100", path)
    assert (recipe.num_rounds, recipe.params["max_depth"]) == (20_000, 18)
    with pytest.raises(RecipeError, match="no xgb hyper-parameters for 'macs'"):
        upstream_recipe("macs", path)


def test_the_best_round_is_known_by_early_stopping_only() -> None:
    with pytest.raises(RecipeError, match="keep_best needs early_stopping_rounds"):
        Recipe("mine", {}, 10, None, keep_best=True)
    for first in ({"max_depth": 2}, {}):
        with pytest.raises(RecipeError, match="first_stage needs early_stopping_rounds"):
            Recipe("mine", {}, 10, None, first_stage=first)
