"""Searches of all families; what they find can be trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anb_export.cli import main
from anb_export.data.dataset import Dataset
from anb_export.data.read import read_dataset
from anb_export.data.splits import Split, read_split
from anb_export.models.formats import FAMILIES
from anb_export.training import tune_families
from anb_export.training.family_recipe import PARAMETERS, SECTIONS, family_recipe_of
from anb_export.training.recipe import read_hyperparameters
from anb_export.training.train_members import TrainingSet, fold_rows

from anb_onnx.errors import AnbError

from . import family_study
from .family_study import write_family_study


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_family_study(tmp_path_factory.mktemp("families")).parent


@pytest.fixture(scope="module")
def data(families: Path) -> Dataset:
    return read_dataset(families / "anb_dataset_jsons.tar.gz")


@pytest.fixture(scope="module")
def split(families: Path, data: Dataset) -> Split:
    return read_split(data, families / "default_split")


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_found_can_be_trained(
    data: Dataset, split: Split, family: str, tmp_path: Path
) -> None:
    found = tune_families.search(
        data,
        split,
        family,
        "accuracy",
        storage=tmp_path / "a.journal",
        n_trials=2,
        n_folds=2,
        max_rounds=15,
    )
    assert found["trials"] == 2
    recipe = family_recipe_of(family, found["hyperparameters"], where="here")
    rows = TrainingSet(data.codes[split.pool], data.values["accuracy"][split.pool])
    again = np.mean([tune_families.held_out_rmse(recipe, rows, seed) for seed in (1, 2)])
    assert again == pytest.approx(found["rmse"])
    if family != "xgb":
        assert tune_families.SPACES[family].keys() == PARAMETERS[family].keys()


def test_the_score_is_that_of_the_held_out_fold(data: Dataset, split: Split) -> None:
    from sklearn.ensemble import RandomForestRegressor

    rows = TrainingSet(data.codes[split.pool], data.values["accuracy"][split.pool])
    found = family_study.FAMILIES["sklearn_forest"]
    recipe = family_recipe_of("forest", found, where="here")
    fit, held = fold_rows(len(rows.labels), 2)
    model = RandomForestRegressor(**found, random_state=2).fit(rows.codes[fit], rows.labels[fit])
    error = model.predict(rows.codes[held]) - rows.labels[held]
    assert tune_families.held_out_rmse(recipe, rows, 2) == pytest.approx(np.sqrt(np.mean(error**2)))


def test_the_test_rows_are_not_read(data: Dataset, split: Split, tmp_path: Path) -> None:
    from dataclasses import replace

    blind = dict(data.values)
    blind["accuracy"] = blind["accuracy"].copy()
    blind["accuracy"][split.test] = 1e9
    results = [
        tune_families.search(
            d, split, "forest", "accuracy", storage=tmp_path / name, n_trials=2, n_folds=1
        )
        for name, d in (("a", data), ("b", replace(data, values=blind)))
    ]
    assert results[0] == results[1]


def test_a_search_goes_on(data: Dataset, split: Split, tmp_path: Path) -> None:
    def search(n: int | None, seconds: float | None = None) -> tuple[dict[str, Any], list[int]]:
        counts: list[int] = []
        found = tune_families.search(
            data,
            split,
            "svr",
            "accuracy",
            storage=tmp_path / "a.journal",
            n_trials=n,
            seconds=seconds,
            n_folds=1,
            start=family_study.FAMILIES["svr"],
            on_trial=lambda count, best: counts.append(count),
        )
        return found, counts

    first, counts = search(2)
    assert counts == [1, 2]
    assert first["rmse"] > 0
    more, counts = search(4)
    assert counts == [3, 4]
    assert more["rmse"] <= first["rmse"]
    assert search(4) == (more, [])
    assert search(None, 0.0) == (more, [])  # the time is up, and there are trials
    start = {k: first["hyperparameters"][k] for k in family_study.FAMILIES["svr"]}
    assert search(1)[0]["trials"] == 4
    assert start.keys() == PARAMETERS["svr"].keys()


def test_refusals(data: Dataset, split: Split, tmp_path: Path) -> None:
    with pytest.raises(AnbError, match="a number of trials or a time"):
        tune_families.search(data, split, "svr", "accuracy", storage=tmp_path / "a")
    with pytest.raises(AnbError, match="folds must be 1 to 9"):
        tune_families.search(
            data, split, "svr", "accuracy", storage=tmp_path / "a", n_trials=1, n_folds=10
        )


def test_the_command(families: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "found.json"
    out.write_text(json.dumps({"svr": {"accuracy": 1, "latency_zcu102": {"C": 1.0}}, "xgb": {}}))
    arguments = ["hpo", "--dataset", str(families / "anb_dataset_jsons.tar.gz")]
    arguments += ["--family", "svr", "--target", "accuracy", "--trials", "2", "--folds", "1"]
    arguments += ["--study", str(tmp_path / "studies"), "--out", str(out)]
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith("svr accuracy: RMSE 0.")
    document = json.loads(out.read_text())
    assert document["svr"]["latency_zcu102"] == {"C": 1.0}
    assert document["xgb"] == {}
    found = read_hyperparameters(out, SECTIONS["svr"], "accuracy")
    family_recipe_of("svr", found, where="here")


@pytest.fixture
def command(families: Path, tmp_path: Path) -> list[str]:
    arguments = ["hpo", "--dataset", str(families / "anb_dataset_jsons.tar.gz")]
    arguments += ["--family", "svr", "--target", "accuracy", "--trials", "1", "--folds", "1"]
    return [*arguments, "--study", str(tmp_path / "studies"), "--out", str(tmp_path / "out.json")]


def refusal(command: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(command) == 2
    printed = capsys.readouterr().err
    assert printed.splitlines()[-1].startswith("anb-export: error: ")
    assert printed.count("anb-export: ") == 1
    return printed


BAD_OUT = [
    "[1]",
    "{",
    '{"svr": [1]}',
    '{"svr": {"train_time": {"C": NaN}}}',
    '{"svr": {"\\ud800": {}}}',
    "[" * 100_000,
]


@pytest.mark.parametrize("content", BAD_OUT)
def test_a_malformed_out_is_refused_before_the_search(
    command: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    content: str,
) -> None:
    monkeypatch.setattr(tune_families, "search", lambda *args, **options: pytest.fail("too late"))
    out = tmp_path / "out.json"
    out.write_text(content)
    printed = refusal(command, capsys)
    assert f"cannot read the hyper-parameters {out}: " in printed
    if content in ("[1]", '{"svr": [1]}'):
        assert "expected an object of families, each an object of targets" in printed
    assert "remove the file, or give another --out" in printed
    assert out.read_text() == content


def test_an_unwritable_out_is_refused_before_the_search(
    command: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tune_families, "search", lambda *args, **options: pytest.fail("too late"))
    (tmp_path / "file").write_text("no folder")
    out = tmp_path / "file" / "out.json"
    printed = refusal([*command, "--out", str(out)], capsys)
    assert f"cannot write {out} (Not a directory); give another --out" in printed
    with pytest.raises(AnbError, match=r"cannot write .* \(it is a folder\); give another --out"):
        tune_families.check_writable(tmp_path)
    good = tmp_path / "folder" / "deep" / "out.json"
    tune_families.check_store(good, "svr", "accuracy")
    assert not good.parent.parent.exists()


def test_a_study_that_is_no_folder(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    printed = refusal([*command, "--study", str(file)], capsys)
    assert f"cannot write the journal {file / 'svr-accuracy.journal'} (File exists)" in printed
    assert "give a folder that can be written as --study" in printed
    assert not (tmp_path / "out.json").exists()
    (tmp_path / "studies" / "svr-accuracy.journal").mkdir(parents=True)
    assert "(Is a directory)" in refusal(command, capsys)


@pytest.mark.parametrize(
    "content",
    [
        b"garbage",
        b"garbage\n",
        b"\xff\xfe\x00\n",
        b"[1]\n",
        b"{}\n",
        b'{"op_code": 0}\n',
        b'{"op_code": "x", "worker_id": "a"}\n',
        b"[" * 100_000 + b"\n",
    ],
)
def test_a_journal_of_garbage(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    journal = tmp_path / "studies" / "svr-accuracy.journal"
    journal.parent.mkdir()
    journal.write_bytes(content)
    printed = refusal(command, capsys)
    assert f"{journal} is no journal of a study, or a damaged one" in printed
    assert "remove it, or give another --study" in printed
    assert journal.read_bytes() == content


def test_a_journal_that_was_cut_off(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 0
    capsys.readouterr()
    journal = tmp_path / "studies" / "svr-accuracy.journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-9])
    assert "a line is not whole" in refusal(command, capsys)
    journal.write_bytes(whole)
    assert main(command) == 0


def test_starting_points_of_other_kinds() -> None:
    start = family_study.FAMILIES["svr"]
    assert tune_families._inside(start, "svr")
    for value in ("x", None, [1], float("nan"), 1e9):
        assert not tune_families._inside({**start, "C": value}, "svr")
