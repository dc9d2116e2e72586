"""skops files: read through skops, and refused by name where they hold anything else."""

from __future__ import annotations

import io
import json
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anb_export.cli import main
from anb_export.models.formats import (
    check_features,
    model_from_bytes,
    model_from_object,
    read_model,
)
from anb_export.models.skops_file import SkopsError, load_estimator
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVR, NuSVR

import anb_onnx
from anb_onnx.errors import AnbError
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET

from .checkpoint_writer import labels, rows

sio = pytest.importorskip("skops.io", reason="the exporter's extra 'skops' is not installed")

X = rows(120, 1)
Y = labels(X, "accuracy")
CODES = sample(300, seed=9, space=MNASNET)
ESTIMATORS = [
    RandomForestRegressor(5, random_state=1),
    SVR(C=2.0),
    NuSVR(nu=0.4),
    ExtraTreesRegressor(3, random_state=1),
    # As a search over parameters leaves them.
    SVR(kernel=np.str_("rbf"), C=np.float64(2.0), shrinking=np.bool_(True)),
    RandomForestRegressor(np.int64(3), max_features=np.str_("sqrt"), random_state=np.int32(0)),
]


def rewritten(content: bytes, change: Callable[[Any], None]) -> bytes:
    """The file with its schema changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(out, "w") as target:
        for entry in source.infolist():
            raw = source.read(entry)
            if entry.filename == "schema.json":
                schema = json.loads(raw)
                change(schema)
                raw = json.dumps(schema).encode()
            target.writestr(entry.filename, raw)
    return out.getvalue()


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_estimators_are_those_of_the_library(
    estimator: Any, compression: int, tmp_path: Path
) -> None:
    fitted = estimator.fit(X, Y)
    path = tmp_path / "model.skops"
    sio.dump(fitted, path, compression=compression)
    found = read_model(path).member.predict_exact(CODES)
    np.testing.assert_array_equal(found, model_from_object(fitted).member.predict_exact(CODES))
    np.testing.assert_allclose(found, fitted.predict(CODES.astype(np.float64)), rtol=1e-12)


def test_a_skops_file_becomes_an_artifact(tmp_path: Path) -> None:
    forest = ESTIMATORS[0].fit(X, Y)
    path, out = tmp_path / "forest.skops", tmp_path / "out"
    sio.dump(forest, path)
    assert main(["import", str(path), "--target", "accuracy", "--out", str(out)]) == 0
    found = anb_onnx.load(path=out / "accuracy.onnx").query(CODES).mean
    np.testing.assert_array_equal(found, np.float32(forest.predict(CODES.astype(np.float64))))


@pytest.mark.parametrize(
    "estimator",
    [LinearRegression(), make_pipeline(FunctionTransformer(np.sin), SVR())],
    ids=lambda e: type(e).__name__,
)
def test_other_estimators_are_refused_before_they_are_made(
    estimator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = sio.dumps(estimator.fit(X, Y))
    monkeypatch.setattr(sio, "loads", lambda *a, **k: pytest.fail("loaded"))
    with pytest.raises(SkopsError, match=rf"holds a sklearn\..*{type(estimator).__name__}, supp"):
        load_estimator(content, limit=2**30)


def test_a_hidden_type_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = tmp_path / "executed"

    def hide(schema: Any) -> None:
        schema["content"]["content"]["payload"] = {
            "__class__": "system",
            "__module__": "os",
            "__loader__": "FunctionNode",
            "__id__": 1,
            "content": f"touch {mark}",
        }

    path = tmp_path / "model.skops"
    path.write_bytes(rewritten(sio.dumps(ESTIMATORS[1].fit(X, Y)), hide))
    command = ["import", str(path), "--target", "accuracy", "--out", str(tmp_path / "out")]
    assert main(command) == 2
    message = capsys.readouterr().err
    assert "os.system, which is not allowed; it was not loaded" in message
    assert message.count("\n") == 1
    assert not mark.exists()


def test_numbers_of_nodes_are_checked() -> None:
    """The reason for which skops itself does not trust trees."""
    forest = RandomForestRegressor(1, random_state=0).fit(X, Y)
    state = forest.estimators_[0].tree_.__getstate__()
    state["nodes"]["left_child"][0] = 10**6
    forest.estimators_[0].tree_.__setstate__(state)
    content = sio.dumps(forest)
    with pytest.raises(AnbError, match="tree 0"):
        model_from_object(load_estimator(content, limit=2**30))


@pytest.mark.parametrize(
    "root",
    [[], {}, {"__class__": "SVR"}, {"__class__": "SVR", "__module__": [[]]}, 3, None],
    ids=repr,
)
def test_archives_that_are_no_skops_files(root: Any) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("schema.json", json.dumps(root))
    with pytest.raises(SkopsError, match="an archive, but not one of skops"):
        load_estimator(out.getvalue(), limit=2**30)


def test_damaged_and_large_files() -> None:
    content = sio.dumps(ESTIMATORS[1].fit(X, Y))
    for cut in (4, len(content) // 2, len(content) - 1):
        with pytest.raises(SkopsError, match="archive"):
            load_estimator(content[:cut], limit=2**30)
    with pytest.raises(SkopsError, match=r"\d+ bytes in an archive are too many, at most 1000"):
        load_estimator(content, limit=1000)
    broken = rewritten(content, lambda schema: schema["content"].update(content=7))
    with pytest.raises(SkopsError, match="the skops file is damaged"):
        load_estimator(broken, limit=2**30)


def headers_changed(content: bytes, *, flag: int = 0, method: int | None = None) -> bytes:
    """The archive with other flags or another method in the headers of all entries."""
    changed = bytearray(content)
    for mark, flags, methods in ((b"PK\x03\x04", 6, 8), (b"PK\x01\x02", 8, 10)):
        start = changed.find(mark)
        while start >= 0:
            changed[start + flags] |= flag
            if method is not None:
                changed[start + methods : start + methods + 2] = struct.pack("<H", method)
            start = changed.find(mark, start + 4)
    return bytes(changed)


def test_archives_that_zipfile_cannot_unpack() -> None:
    content = sio.dumps(ESTIMATORS[1].fit(X, Y), compression=zipfile.ZIP_DEFLATED)
    start = content.find(b"schema.json") + 30
    wrong = content[:start] + bytes(c ^ 255 for c in content[start : start + 30])
    for damaged in (wrong + content[start + 30 :], headers_changed(content, flag=1)):
        with pytest.raises(SkopsError, match="an archive, but not one of skops, or damaged"):
            load_estimator(damaged, limit=2**30)
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 99):
        with pytest.raises(SkopsError, match="another method than deflate; write it without"):
            load_estimator(headers_changed(content, method=method), limit=2**30)


def archive(schema: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("schema.json", schema)
    return out.getvalue()


def test_small_archives_of_large_content() -> None:
    bomb = archive(b'{"a":[' + b"[]," * 7_000_000 + b"[]]}")
    assert len(bomb) < 10**5
    with pytest.raises(SkopsError, match=r"21000010 bytes in schema.json are too many, at most 16"):
        load_estimator(bomb, limit=2**30)
    # An entry that claims to be small is read no further than that.
    size = struct.pack("<I", 21_000_010)
    assert bomb.count(size) == 2
    with pytest.raises(SkopsError, match="an archive, but not one of skops, or damaged"):
        load_estimator(bomb.replace(size, struct.pack("<I", 9)), limit=2**30)


def test_small_archives_of_many_zeros() -> None:
    """Deflate makes 100 MB of 100 kB; honest models shrink to a tenth, at most."""
    content = io.BytesIO(sio.dumps(ESTIMATORS[1].fit(X, Y)))
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as target:
        target.writestr("zeros.npy", bytes(100 * 2**20))
    bomb = content.getvalue()
    assert len(bomb) < 2 * 10**5
    with pytest.raises(SkopsError, match=r"bytes in an archive are too many, at most 7\d{7} are"):
        load_estimator(bomb, limit=2**30)
    forest = RandomForestRegressor(100, random_state=1).fit(X, Y)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        honest = sio.dumps(forest, compression=method)
        with zipfile.ZipFile(io.BytesIO(honest)) as source:
            assert sum(entry.file_size for entry in source.infolist()) < 10 * len(honest)


def test_archives_name_the_last_entry_of_a_name(recwarn: pytest.WarningsRecorder) -> None:
    content = io.BytesIO(sio.dumps(ESTIMATORS[1].fit(X, Y)))
    other = json.dumps({"__class__": "A", "__module__": "b\nc"})
    twice = pytest.warns(UserWarning, match="Duplicate name")
    with zipfile.ZipFile(content, "a") as target, twice:
        target.writestr("schema.json", other)
    with pytest.raises(SkopsError, match=r"holds a b c\.A, supported"):
        load_estimator(content.getvalue(), limit=2**30)
    assert not recwarn.list


def test_pipelines_are_refused_with_a_hint() -> None:
    content = sio.dumps(make_pipeline(SVR()).fit(X, Y))
    with pytest.raises(SkopsError, match="give its last step, fitted on the codes themselves"):
        load_estimator(content, limit=2**30)


def test_columns_of_a_table() -> None:
    pd = pytest.importorskip("pandas")
    names = MNASNET.gene_names
    for estimator in ESTIMATORS:
        content = sio.dumps(estimator.fit(pd.DataFrame(X, columns=names), Y))
        model = model_from_bytes(content)
        check_features(model, space=MNASNET)
        assert model.feature_names == names
        wanted = model_from_object(estimator).member.predict_exact(CODES)
        np.testing.assert_array_equal(model.member.predict_exact(CODES), wanted)
    content = sio.dumps(ESTIMATORS[1].fit(pd.DataFrame(X, columns=names[::-1]), Y))
    with pytest.raises(AnbError, match="feature 0 of the model is 'block6_se'"):
        check_features(model_from_bytes(content), space=MNASNET)


def test_without_skops(monkeypatch: pytest.MonkeyPatch) -> None:
    content = sio.dumps(ESTIMATORS[1].fit(X, Y))
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(SkopsError, match="pip install skops"):
        load_estimator(content, limit=2**30)
