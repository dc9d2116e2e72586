from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anb_export.training.members_folder import Training, TrainingError, open_training, read_training


@pytest.fixture
def folder(training: Training, tmp_path: Path) -> Path:
    return Path(shutil.copytree(training.folder, tmp_path / "copy"))


def test_reads_back(training: Training, folder: Path) -> None:
    again = read_training(folder)
    assert again.document == training.document
    assert (again.target, again.spec.unit) == ("accuracy", "%")
    assert [forest.n_trees for forest in again.forests()] == [
        member["rounds"] for member in training.document["members"]
    ]


def test_unfinished_training(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not finished; run `anb-export train` again"):
        read_training(tmp_path)


def test_changed_members(folder: Path) -> None:
    member = folder / "member_01.ubj"
    member.write_bytes(member.read_bytes() + b" ")
    with pytest.raises(TrainingError, match=r"member_01.ubj is damaged"):
        read_training(folder)
    member.unlink()
    with pytest.raises(TrainingError, match=r"cannot read the member .*member_01.ubj"):
        read_training(folder)
    open_training(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema=3), "schema must be 2, found 3"),
        (lambda d: d.update(target="x"), "target 'x' must be called 'accuracy'"),
        (lambda d: d.update(target_std=0.0), "target_std must be positive"),
        (lambda d: d.update(metrics=[]), "metrics must be an object"),
        (lambda d: d.update(members=[]), "members must be a list"),
        (lambda d: d["members"].append(1), "a member must be an object"),
        (lambda d: d["members"][0].update(file="../x.ubj"), "plain name"),
        (lambda d: d["members"][0].pop("sha256"), "sha256 is missing"),
        (lambda d: d["recipe"].pop("transform"), "recipe.transform must be an object"),
    ],
)
def test_malformed_documents(
    folder: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    path = folder / "training.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(TrainingError, match=message):
        read_training(folder)


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_other_content(folder: Path, text: str) -> None:
    (folder / "training.json").write_text(text)
    with pytest.raises(TrainingError, match=r"training.json"):
        read_training(folder)
