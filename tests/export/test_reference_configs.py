"""With the data set's public archive alone, and with the reference's checkout, all commands run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anb_export.cli import main
from anb_export.training.family_recipe import SECTIONS, family_recipe
from anb_export.training.recipe import read_hyperparameters, upstream_recipe
from anb_export.training.reference_configs import BUNDLED, ConfigsError, read_config
from measured_data import need_data

from .synthetic import HYPERPARAMETERS, records, write_split, write_tar


def configspace(values: dict[str, Any], prefix: str = "param:") -> dict[str, Any]:
    """A file as ConfigSpace 0.4 writes it, with these defaults; the first of them is a constant."""
    items: list[dict[str, Any]] = []
    for position, (name, value) in enumerate(values.items()):
        facts = {"type": "constant", "value": value} if position == 0 else {"default": value}
        items.append({"name": prefix + name, **facts})
    return {"hyperparameters": items, "conditions": [], "json_format_version": 0.1}


def write_configs(root: Path) -> Path:
    """The folder of the reference, with three files of it."""
    models = root / "configs" / "model_configs"
    names = {
        "gradient_boosting/xgb": HYPERPARAMETERS,
        "gradient_boosting/xgb_accel_zcu102_latency": {**HYPERPARAMETERS, "max_depth": 7},
        "svr/svr_accel_zcu102_latency": read_hyperparameters(BUNDLED, "svr", "latency_zcu102"),
    }
    for name, values in names.items():
        path = models / f"{name}_configspace.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        prefix = "" if name.startswith("svr") else "param:"
        path.write_text(json.dumps(configspace(values, prefix)))
    return root


@pytest.mark.parametrize("inside", [".", "configs", "configs/model_configs"])
def test_the_folder_is_read_from_wherever_it_is_given(tmp_path: Path, inside: str) -> None:
    folder = write_configs(tmp_path) / inside
    found, path = read_config(folder, "xgb", "accuracy")
    assert found == HYPERPARAMETERS
    assert path.name == "xgb_configspace.json"
    recipe = upstream_recipe("latency_zcu102", folder)
    assert recipe.params["max_depth"] == 7
    svr = family_recipe("svr", "latency_zcu102", folder)
    assert svr.to_dict() == family_recipe("svr", "latency_zcu102", BUNDLED).to_dict()


def test_what_is_wrong_with_a_folder_is_named(tmp_path: Path) -> None:
    root = write_configs(tmp_path)

    def refused(section: str, target: str, folder: Path = root) -> str:
        with pytest.raises(ConfigsError) as caught:
            read_config(folder, section, target)
        return str(caught.value)

    assert "has no model_configs/gradient_boosting" in refused("lgb", "accuracy", tmp_path / "x")
    assert "takes a file, the folder configs" in refused("sklearn_forest", "accuracy")
    there = "there are: xgb_accel_zcu102_latency_configspace.json"
    assert there in refused("xgb", "throughput_a100")
    assert "no xgb hyper-parameters for 'train_time'" in refused("xgb", "train_time")
    path = root / "configs/model_configs/gradient_boosting/xgb_configspace.json"
    for content, message in (
        ("{", "cannot read the hyper-parameters"),
        ("[]", "expected a list under 'hyperparameters'"),
        ('{"hyperparameters": [1]}', "needs 'name' and 'default', found"),
        ('{"hyperparameters": [{"name": "a", "type": "constant"}]}', "needs 'name' and 'value'"),
        (json.dumps({"hyperparameters": [{"name": "a", "default": 1}] * 2}), "'a' stands twice"),
    ):
        path.write_text(content)
        assert message in refused("xgb", "accuracy")


def test_bundled_values_are_the_published_ones() -> None:
    folder = need_data("upstream_hyperparameters.json")
    published = json.loads((folder / "upstream_hyperparameters.json").read_text())
    assert json.loads(BUNDLED.read_text()) == published


@pytest.mark.parametrize("family", sorted(SECTIONS))
def test_bundled_values_make_recipes_of_every_family(family: str) -> None:
    for target in json.loads(BUNDLED.read_text())[SECTIONS[family]]:
        assert family_recipe(family, target, BUNDLED).to_dict()["name"] == "upstream"


def test_from_the_archive_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = write_tar(tmp_path / "anb_dataset_jsons.tar.gz", records(600))
    members = tmp_path / "members"
    command = ["train", "--dataset", str(archive), "--target", "accuracy", "--family", "svr"]
    assert main([*command, "--members", "1", "--out", str(members), "--jobs", "1"]) == 0
    said = capsys.readouterr().err
    assert f"no split beside {archive}: random:0 takes its place (" in said
    training = json.loads((members / "training.json").read_text())
    assert training["split"]["name"] == "random:0"
    assert training["split"]["sha256"] in said
    published = read_hyperparameters(BUNDLED, "svr", "accuracy")
    assert training["recipe"]["params"]["C"] == published["C"]
    assert main(["convert", str(members), "--out", str(tmp_path / "accuracy.onnx")]) == 0
    out = tmp_path / "accel-nasbench"
    assert main(["build", "--dataset", str(archive), "--target", "macs", "--out", str(out)]) == 0
    entry = json.loads((out / "manifest.json").read_text())["targets"]["macs"]
    assert entry["split"] == {k: training["split"][k] for k in ("name", "sha256")}
    # The same split as `anb-export split` writes, and as naming it gives.
    assert main(["split", "--dataset", str(archive), "--out", str(tmp_path / "mine")]) == 0
    assert f"sha256 {training['split']['sha256']}" in capsys.readouterr().err


def test_in_a_checkout_of_the_reference_its_split_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_configs(tmp_path)
    (root / "anb_dataset").mkdir()
    archive = write_tar(root / "anb_dataset" / "anb_dataset_jsons.tar.gz", records(120))
    parts = {"train": list(range(80)), "val": list(range(80, 100)), "test": list(range(100, 120))}
    write_split(root / "configs" / "data_splits" / "default_split", parts)
    members = tmp_path / "members"
    command = ["train", "--dataset", str(archive), "--target", "accuracy", "--members", "1"]
    options = ["--hyperparameters", str(root / "configs"), "--out", str(members), "--jobs", "1"]
    assert main([*command, *options]) == 0
    assert "takes its place" not in capsys.readouterr().err
    training = json.loads((members / "training.json").read_text())
    assert training["split"]["name"] == "default_split"
    assert training["recipe"]["num_rounds"] == HYPERPARAMETERS["num_rounds"]


def test_data_of_one_s_own_is_not_given_published_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    described = tmp_path / "dataset.json"
    described.write_text("{}")
    from anb_export.commands._arguments import hyperparameters_of

    class Given:
        dataset = described
        hyperparameters = None

    assert hyperparameters_of(Given()) == tmp_path / "upstream_hyperparameters.json"  # type: ignore[arg-type]


def test_a_data_set_that_is_not_there_says_how_to_get_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["build", "--dataset", str(tmp_path / "gone.tar.gz"), "--out", str(tmp_path / "out")]
    assert main(command) == 2
    assert "`anb-export fetch-data` downloads anb_dataset" in capsys.readouterr().err
