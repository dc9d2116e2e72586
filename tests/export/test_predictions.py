"""`import --check`: an artifact is compared with what its model predicts itself."""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from anb_export.artifacts.predictions import CheckError, read_predictions
from anb_export.cli import main
from sklearn.ensemble import RandomForestRegressor
from sklearn.svm import SVR

from anb_onnx.catalog.catalog import Catalog
from anb_onnx.spaces.architecture import Architecture, sample
from anb_onnx.spaces.mnasnet import MNASNET, to_lists

from .checkpoint_writer import labels, rows

DOCS = Path(__file__).parents[2] / "docs" / "import.md"
X = rows(300, 1)
Y = labels(X, "accuracy")
CODES = sample(120, seed=4, space=MNASNET)
NAMES = list(MNASNET.gene_names)


def table(codes: Any, predictions: Any) -> pd.DataFrame:
    found = [Architecture.from_codes(row, space=MNASNET).to_values() for row in codes.tolist()]
    return pd.DataFrame(found, columns=NAMES).assign(prediction=predictions)


def write(path: Path, frame: pd.DataFrame) -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True, double_precision=15)
    else:
        path.write_text(json.dumps(frame.to_dict(orient="records")))
    return path


# Reading


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl", "parquet", "CSV"])
def test_tables_of_genes(suffix: str, tmp_path: Path) -> None:
    wanted = np.linspace(60, 80, len(CODES))
    frame = table(CODES, wanted)
    path = write(tmp_path / f"check.{suffix.lower()}", frame[[*frame.columns[::-1]]])
    found = read_predictions(path.rename(tmp_path / f"check.{suffix}"), space=MNASNET)
    np.testing.assert_array_equal(found.codes, CODES)
    np.testing.assert_allclose(found.values, wanted, rtol=1e-14)
    assert found.name == f"check.{suffix}"


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl", "parquet"])
def test_tables_of_indices(suffix: str, tmp_path: Path) -> None:
    index = [Architecture.from_codes(row, space=MNASNET).index for row in CODES.tolist()]
    frame = pd.DataFrame({"index": index, "prediction": np.float32(Y[: len(index)])})
    found = read_predictions(write(tmp_path / f"check.{suffix}", frame), space=MNASNET)
    np.testing.assert_array_equal(found.codes, CODES)
    np.testing.assert_allclose(found.values, np.float32(Y[: len(index)]), rtol=1e-6)


def test_four_lists(tmp_path: Path) -> None:
    b0 = Architecture.from_codes(CODES[0].tolist(), space=MNASNET)
    lists = to_lists(b0)
    (tmp_path / "one.json").write_text(json.dumps({**lists, "prediction": 1}))
    found = read_predictions(tmp_path / "one.json", space=MNASNET)
    np.testing.assert_array_equal(found.codes, CODES[:1])
    assert found.values.tolist() == [1.0]


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: changed(t, "prediction", "mean"), "needs one column 'prediction'.*'block0_e'"),
        (lambda t: changed(t, "block3_k", "prediction"), "needs one column 'prediction'"),
        (lambda t: changed(t, "block3_k", "block3_kernel"), "unknown column 'block3_kernel'"),
        (lambda t: changed(t, "block3_k", "block3_e"), "column 'block3_e' occurs twice"),
        (lambda t: t.replace(",", ";"), "separated by commas in CSV"),
        (lambda t: changed(t, "True", "yes"), "line 2: gene 'block0_se': 'yes' is not allowed"),
        (lambda t: changed(t, "61.5", "nan"), "row 1: prediction must be a finite number, found"),
        (lambda t: changed(t, "61.5", ""), "row 1: prediction must be a finite number, found ''"),
        (lambda t: changed(t, "61.5", "1e999"), "row 1: prediction must be a finite number"),
        (lambda t: changed(t, ",61.5", ""), "line 2: 28 cells, the header has 29"),
        (lambda t: t.splitlines()[0], "there are no rows in it"),
        (lambda t: "", "needs one column 'prediction'"),
        (lambda t: t + '"', "not valid CSV"),
    ],
)
def test_bad_csv(change: Callable[[str], str], message: str, tmp_path: Path) -> None:
    codes = CODES.copy()
    codes[0, 3] = 0  # True
    frame = table(codes[:3], [61.5, 62.5, 63.5])
    path = tmp_path / "check.csv"
    path.write_text(change(frame.to_csv(index=False)))
    with pytest.raises(CheckError, match=message) as caught:
        read_predictions(path, space=MNASNET)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).count(str(path.parent)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON, neither whole nor line by line"),
        ("[]", "there are no rows"),
        ("[5]", "row 1: expected an object of the genes and 'prediction', found 5"),
        ("null", "row 1: expected an object .* found None"),
        ('{"index": 5, "prediction": 1}\nnull', "row 2: expected an object .* found None"),
        ('[{"index": 5}]', "row 1: expected an object of the genes and 'prediction'"),
        ('[{"index": 5, "prediction": true}]', "row 1: prediction must be a finite number"),
        ('[{"index": 5, "prediction": [1]}]', "row 1: prediction must be a finite number"),
        ('[{"index": 5, "prediction": NaN}]', "NaN is not a number of JSON"),
        ('[{"index": -5, "prediction": 1}]', "item 1: .*-5"),
        ('[{"block0_e": 5, "prediction": 1}]', "item 1: "),
        ('[{"index": 5, "prediction": 1, "prediction": 2}]', "'prediction' stands twice"),
    ],
)
def test_bad_json(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "check.json"
    path.write_text(text)
    with pytest.raises(CheckError, match=message) as caught:
        read_predictions(path, space=MNASNET)
    assert "\n" not in str(caught.value)


def test_bad_files(tmp_path: Path) -> None:
    for name, content, message in (
        ("check.txt", b"", "the suffix '.txt' tells no format"),
        ("check.parquet", b"PAR1", "not readable as Parquet"),
        ("check.csv", b"\xff\xfe", "not valid CSV"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckError, match=re.escape(message)):
            read_predictions(tmp_path / name, space=MNASNET)
    frame = table(CODES[:3], [1.0, 2.0, 3.0]).rename(columns={"block0_e": "e"})
    with pytest.raises(CheckError, match="unknown column 'e'"):
        read_predictions(write(tmp_path / "genes.parquet", frame), space=MNASNET)


# The command


@pytest.fixture
def place(tmp_path: Path) -> Callable[..., list[str]]:
    """Pickle models; return the arguments of an import into `tmp_path / "out"`."""

    def made(*models: Any) -> list[str]:
        paths = [tmp_path / f"m{k}.pkl" for k in range(len(models))]
        for path, model in zip(paths, models, strict=True):
            path.write_bytes(pickle.dumps(model))
        return ["import", *map(str, paths), "--target", "accuracy", "--out", str(tmp_path / "out")]

    return made


def boosted(x: Any = X, seed: int = 0, **params: Any) -> Any:
    estimator = xgb.XGBRegressor(n_estimators=12, subsample=0.7, n_jobs=1, random_state=seed)
    return estimator.set_params(**params).fit(x, Y)


@pytest.mark.parametrize("form", ["tree64", "trees", "projected"])
def test_an_ensemble_that_agrees(
    form: str, place: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The projection of deep trees is far off them, and says so; the models are compared then."""
    models = [boosted(seed=seed) for seed in (1, 2)]
    mean = np.mean([model.predict(CODES.astype(float)) for model in models], axis=0)
    check = write(tmp_path / "check.csv", table(CODES, mean))
    assert main([*place(*models), "--form", form, "--check", str(check)]) == 0
    captured = capsys.readouterr()
    assert "standard deviations of the 120 predictions in check.csv" in captured.out
    assert "--check" not in captured.err
    found = Catalog.read(tmp_path / "out").find("accuracy").card["check"]
    assert found["n"] == 120
    assert found["file"] == "check.csv"
    # xgboost adds 13 float32 of up to 128: half a unit each, and a spread above 1.
    assert 0 <= found["largest"] < 13 * 2.0**-18


def test_tables_and_kernels_agree(place: Any, tmp_path: Path) -> None:
    for k, model in enumerate((boosted(max_depth=1), SVR().fit(X, Y))):
        check = write(tmp_path / "c.json", table(CODES, model.predict(CODES.astype(float))))
        form = [["--form", "tables"], []][k]
        assert main([*place(model), *form, "--check", str(check)]) == 0


def test_a_difference_writes_nothing(
    place: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = RandomForestRegressor(5, random_state=0).fit(X, Y)
    wanted = model.predict(CODES.astype(float))
    good = wanted[17]
    wanted[17] += 0.01 * np.std(wanted)
    wanted[80] += 0.005 * np.std(wanted)
    check = write(tmp_path / "check.csv", table(CODES, wanted))
    assert main([*place(model), "--check", str(check)]) == 2
    message = capsys.readouterr().err
    assert "check.csv and the artifact disagree in 2 of 120 rows: most in row 18, where " in message
    assert (
        f"{wanted[17]:.7g} is stated and {np.float32(good):.7g} would be predicted, 0.0" in message
    )
    assert "(allowed are 0.001); is it of these models" in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def by_value(codes: Any) -> Any:
    return table(np.asarray(codes).astype(int), 0.0)[NAMES].to_numpy(dtype=float)


def turned(codes: Any) -> Any:
    """Codes, but True as 1: what a reader of categories makes of the genes' values."""
    return np.where([name.endswith("_se") for name in NAMES], 1.0 - codes, codes)


@pytest.mark.parametrize(
    ("make", "x", "extra", "hint"),
    [
        (lambda: boosted(turned(X)), turned, [], "if the training had False as 0 and True as 1"),
        (
            lambda: SVR().fit(turned(X), Y),
            turned,
            [],
            "if the training had False as 0 and True as 1",
        ),
        (lambda: only_se(by_value), by_value, [], "all rows agree with --trained-on values"),
        (lambda: only_se(turned), turned, [], "all rows agree with --trained-on values"),
        (lambda: stopped(), lambda codes: codes, [], "all rows agree with --best-iteration"),
    ],
    ids=["turned", "turned svr", "values", "turned se", "best"],
)
def test_what_would_agree_is_said(
    make: Callable[[], Any],
    x: Callable[[Any], Any],
    extra: list[str],
    hint: str,
    place: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = make()
    check = write(tmp_path / "check.csv", table(CODES, model.predict(x(CODES.astype(float)))))
    assert main([*place(model), *extra, "--check", str(check)]) == 2
    assert hint in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    mend = re.search("--(trained-on values|best-iteration)", hint)
    if mend:
        assert main([*place(model), *mend[0].split(), "--check", str(check)]) == 0


def only_se(numbers: Callable[[Any], Any]) -> Any:
    x = numbers(X)
    keep = np.array([name.endswith("_se") for name in NAMES])
    return xgb.XGBRegressor(n_estimators=5, n_jobs=1).fit(np.where(keep, x, 0), Y)


def stopped() -> Any:
    held = rows(60, 3)
    model = xgb.XGBRegressor(n_estimators=60, early_stopping_rounds=5, n_jobs=1, learning_rate=0.5)
    target = (labels(held, "accuracy") + Y.mean()) / 2
    return model.fit(X, Y, eval_set=[(held, target)], verbose=False)


def test_an_ambiguous_model_is_decided_by_rows_that_tell(
    place: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = only_se(lambda codes: codes)
    arguments = place(model)
    assert main(arguments) == 2
    assert "say which with --trained-on codes or --trained-on values" in capsys.readouterr().err
    predicted = model.predict(CODES.astype(float))
    check = write(tmp_path / "check.csv", table(CODES, predicted))
    assert main([*arguments, "--check", str(check)]) == 0
    # Rows for which the prediction is the same with every se turned do not tell.
    pair = [NAMES.index("block0_se"), NAMES.index("block1_se")]
    x = np.where(np.isin(np.arange(28), pair), X, 0)
    even = RandomForestRegressor(1, bootstrap=False).fit(x, x[:, pair[0]] != x[:, pair[1]])
    predicted = even.predict(CODES.astype(float))
    assert {*predicted.tolist()} == {0.0, 1.0}
    check = write(tmp_path / "even.csv", table(CODES, predicted))
    assert main([*place(even), "--check", str(check)]) == 2
    assert "fit both: give more rows, or --trained-on" in capsys.readouterr().err


def test_a_check_is_of_one_ensemble(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    published = Path(__file__).parent / "data" / "published"
    arguments = ["import", str(published), "--out", str(tmp_path / "out"), "--check", os.devnull]
    assert main(arguments) == 2
    assert "is for one ensemble, and 5 were found" in capsys.readouterr().err
    expected = json.loads((published / "expected.json").read_text())
    mean = np.mean([p for name, p in expected["predictions"].items() if name[:4] == "xgb/"], axis=0)
    check = write(tmp_path / "c.csv", table(np.array(expected["codes"]), mean))
    arguments[1] = str(published / "xgb")
    assert main([*arguments[:-1], str(check)]) == 0


def test_the_check_is_read_before_the_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["import", str(tmp_path / "none.ubj"), "--target", "accuracy"]
    for name in ("nothing.csv", "pipe.csv"):
        if name == "pipe.csv":
            os.mkfifo(tmp_path / name)
        rest = ["--out", str(tmp_path / "out"), "--check", str(tmp_path / name)]
        assert main([*arguments, *rest]) == 2
        assert name in capsys.readouterr().err


def test_without_a_check_there_is_a_note(place: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*place(boosted(by_value(X))), "--trained-on", "values"]) == 0
    *_, translated, written, last = capsys.readouterr().err.splitlines()
    assert "1 of 1 members were trained on values; rewritten for codes" in translated
    assert written.startswith("wrote ")
    assert (
        last == "not compared with the models' own predictions: --check FILE does (docs/import.md)"
    )


def test_the_example_of_the_docs(
    place: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block of Python that makes the file, as it stands in the page."""
    (block,) = re.findall("```python\n(.*?check.csv.*?)```", DOCS.read_text(), re.DOTALL)
    model = boosted()
    monkeypatch.chdir(tmp_path)
    exec(compile(block, str(DOCS), "exec"), {"model": model})
    assert main([*place(model), "--check", "check.csv"]) == 0


CONSTANT: dict[str, Callable[[float], Any]] = {
    "svr": lambda y: SVR(epsilon=abs(y)).fit(X, np.linspace(0.9 * y, 1.1 * y, len(X))),
    "forest": lambda y: RandomForestRegressor(3, max_depth=3, random_state=0).fit(X, [y] * len(X)),
    "xgboost": lambda y: xgb.XGBRegressor(n_estimators=3, n_jobs=1).fit(X, [y] * len(X)),
}


@pytest.mark.parametrize("size", [68.12752398310664, 2.3e-4, -2.9e5])
@pytest.mark.parametrize("name", CONSTANT)
def test_models_that_predict_a_constant(name: str, size: float, tmp_path: Path) -> None:
    """The mean of equal numbers differs in its last bits, which is no standard deviation."""
    estimator = CONSTANT[name](size)
    (wanted,) = {float(value) for value in estimator.predict(CODES)}
    model = tmp_path / "model.pkl"
    model.write_bytes(pickle.dumps(estimator))
    arguments = ["import", str(model), "--target", "accuracy", "--out", str(tmp_path / "out")]
    for share in (1.01, 1.0):
        check = write(tmp_path / "check.csv", table(CODES, np.full(len(CODES), share * wanted)))
        assert main([*arguments, "--check", str(check)]) == (0 if share == 1 else 2)
        assert (tmp_path / "out").exists() == (share == 1)
