"""Files that hold no model: each is named for what it is, with what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import xgboost as xgb
from anb_export.cli import main
from anb_export.models.formats import model_from_bytes, read_model
from anb_export.models.other_files import what_it_is

from anb_onnx.errors import AnbError

from .checkpoint_writer import fit, labels, rows

CORPUS = Path(__file__).parents[1] / "corpus" / "models"
BOOSTER = fit("xgb", "accuracy", 1)
TEXT = b"one model\n" * 50


def dumped(kind: str) -> bytes:
    return str(BOOSTER.get_dump(dump_format=kind)[0]).encode()


def dumped_file(kind: str, tmp_path: Path, **options: bool) -> bytes:
    BOOSTER.dump_model(tmp_path / "dump", dump_format=kind, **options)
    return (tmp_path / "dump").read_bytes()


def zipped(*names: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return content.getvalue()


def tarred() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("surrogate_model.model"), io.BytesIO())
    return content.getvalue()


def saved(function: Callable[..., None], *values: object) -> bytes:
    content = io.BytesIO()
    function(content, *values)
    return content.getvalue()


def dumped_lightgbm() -> bytes:
    lgb = pytest.importorskip("lightgbm")
    x = rows(60, 1)
    data = lgb.Dataset(x, labels(x, "accuracy"))
    return json.dumps(lgb.train({"verbose": -1, "num_threads": 1}, data, 2).dump_model()).encode()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
DUMP = "what xgboost's dump_model writes.*save_model"
ONNX = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [])).SerializeToString()

FILES: dict[str, tuple[bytes | Callable[[], bytes], str]] = {
    "LFS": (LFS, "a Git LFS pointer.*git lfs pull"),
    "html": (b"<!DOCTYPE html><html></html>", "a web page .*download the file itself"),
    "HTML": (b"\n <HTML><head>", "a web page"),
    "comment": (b"<!-- moved --><p>", "a web page"),
    "xml": (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "an XML document, per"),
    "bare xml": (b"<Error><Code>AccessDenied</Code></Error>", "an XML document"),
    "pmml": (b'<?xml version="1.0"?>\n<PMML version="4.4">', "a model in PMML, which is not"),
    "bare pmml": (b'<PMML xmlns="http://www.dmg.org/PMML-4_4">', "a model in PMML"),
    "json error": (b'{"message": "Not Found", "status": "404"}', "like a server's message"),
    "json detail": (b'{"detail": "Not Found"}', "like a server's message"),
    "json": (b'{"max_depth": 3}', "a JSON document, but no model of xgboost"),
    "json of nothing": (b"{}", "a JSON document, but no model of xgboost"),
    "list": (b"[61.2, 60.1]", "a JSON list, no model"),
    "empty list": (b"[]", "a JSON list, no model"),
    "broken json": (b'{"learner": {', "not an xgboost model: Expecting"),
    "config": (lambda: BOOSTER.save_config().encode(), "the configuration of an xgboost model"),
    "dump": (lambda: dumped("text"), DUMP),
    "dump json": (lambda: dumped("json"), DUMP),
    "dump dot": (lambda: dumped("dot"), DUMP),
    "lightgbm dump": (dumped_lightgbm, "what LightGBM's dump_model writes.*model.txt"),
    "catboost json": (b'{"oblivious_trees": [], "model_info": {}}', "a model of CatBoost"),
    "catboost": (b"CBM1\x10\0\0\0", "a model of CatBoost"),
    "csv": (b"block0_e,block0_k\n0,1\n2,0\n", r"a table \(CSV with commas\), no model"),
    "semicolons": (b"a;b\n0;1\n", r"a table \(CSV with semicolons\)"),
    "tabs": (b"a\tb\r\n0\t1\r\n", r"a table \(CSV with tabs\)"),
    "column": (b"prediction\n61.5\n-6e1\n", "a column of numbers"),
    "onnx": (ONNX, "an ONNX file"),
    "zip": (zipped("a.txt"), "an archive; unpack it, and give the model file"),
    "empty zip": (zipped(), "an empty zip archive"),
    "torch": (zipped("archive/data.pkl", "archive/version"), "a file of PyTorch"),
    "keras": (zipped("config.json", "model.weights.h5"), "a file of Keras"),
    "npz": (saved(np.savez, np.zeros(3)), r"arrays of NumPy \(.npz\)"),
    "checkpoints": (zipped("xgb/1/surrogate_model.model"), "an archive of checkpoints; unpack"),
    "mojo": (zipped("model.ini", "trees/t0.bin"), "a MOJO of H2O"),
    "broken zip": (zipped("a.txt")[:20], "an archive, but not one of skops, or damaged"),
    "h5": (b"\x89HDF\r\n\x1a\n\0", "an HDF5 file, as Keras writes"),
    "npy": (saved(np.save, np.zeros(3)), r"an array of NumPy \(.npy\), perhaps of predictions"),
    "tar": (tarred(), "a tar archive; unpack it"),
    "gzip": (gzip.compress(TEXT), r"a compressed file \(gzip\); decompress it"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04\0", r"a compressed file \(zstd\)"),
    "bzip2": (bz2.compress(TEXT), r"a compressed file \(bzip2\)"),
    "xz": (lzma.compress(TEXT), r"a compressed file \(xz\)"),
    "lzma": (lzma.compress(TEXT, lzma.FORMAT_ALONE), r"a compressed file \(lzma\)"),
    "lz4": (b"\x04\x22\x4d\x18\0", r"a compressed file \(lz4\)"),
    "zlib": (zlib.compress(TEXT), r"a compressed file \(zlib\); .*without compression"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive"),
    "parquet": (b"PAR1\x15", "a Parquet table"),
    "sqlite": (b"SQLite format 3\0", "a database of SQLite, such as a study of Optuna"),
    "pdf": (b"%PDF-1.7", "a PDF document"),
    "libsvm": (b"svm_type epsilon_svr\nkernel_type rbf\n", "a model of libsvm.*SVR or NuSVR"),
    "safetensors": (b"\x40\0\0\0\0\0\0\0" + b'{"a":{"dtype":"F32"}}', "a safetensors file"),
    "zeros": (bytes(1000), "nothing but zeros, perhaps a download that broke off"),
    "empty": (b"", "the file is empty"),
    "white": (b" \n", "the file is empty"),
    "text": (b"hello", "no model of a kind that is known: it begins with b'hello'"),
    "yaml": (b"model: xgb\nseed: 3\n", "no model of a kind that is known"),
    "dict": (pickle.dumps({"scaler": 1}), "the pickle holds a dict, no model; pickle the model it"),
    "array": (pickle.dumps(np.zeros(3)), "the pickle holds a ndarray, no model"),
    "old text": (pickle.dumps([1, 2], 0), "the pickle holds a list, no model"),
    "mark": (b"\xef\xbb\xbftree\n", "a text with a byte order mark; save it in UTF-8 without"),
    "mark of json": (b'\xef\xbb\xbf{"learner": {}}', "a text with a byte order mark"),
    "mark of html": (b"\xef\xbb\xbf\r\n<!doctype html>", "a web page"),
    "dict as text": (b"{'name': 'tree'}", "not an xgboost model: Expecting property name"),
    "not found": (b"404: Not Found", "a server's message in place of a file"),
    "old torch": (pickle.dumps(0x1950A86A20F9469CFC6C, 2), "a file of PyTorch"),
    "rds": (b"X\n\0\0\0\x03", r"an object of R \(.rds\)"),
    "utf-16": ("tree\nversion=v4".encode("utf-16"), "a text in UTF-16; save it in UTF-8"),
    "utf-16-le": ('{"learner": {}}'.encode("utf-16-le"), "a text in UTF-16; save it in UTF-8"),
    "utf-16-be": ('{"learner": {}}'.encode("utf-16-be"), "a text in UTF-16; save it in UTF-8"),
    "old binary": ((CORPUS / "xgboost-1.2.1.model").read_bytes(), "old binary.*model.json"),
    "old pickle": ((CORPUS / "xgboost-1.2.1.pickle").read_bytes(), "old binary format.*model.json"),
    "binf": (b"binf" + b"\0" * 100 + b"\x08" + b"\0" * 7 + b"gblinear", "old binary format"),
}


@pytest.mark.parametrize("name", FILES)
def test_it_is_named_for_what_it_is(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, message = FILES[name]
    path = tmp_path / "model.ubj"
    path.write_bytes(content if isinstance(content, bytes) else content())
    with pytest.raises(AnbError, match=message) as caught:
        read_model(path)
    assert str(caught.value).startswith(f"{path}: ")
    out = tmp_path / "out"
    assert main(["import", str(path), "--target", "accuracy", "--out", str(out)]) == 2
    found = capsys.readouterr()
    assert (found.out, found.err) == ("", f"anb-export: error: {caught.value}\n")
    assert not out.exists()


@pytest.mark.parametrize("with_stats", [False, True])
@pytest.mark.parametrize("kind", ["text", "json", "dot"])
def test_what_dump_model_writes(kind: str, with_stats: bool, tmp_path: Path) -> None:
    with pytest.raises(AnbError, match="dump_model"):
        model_from_bytes(dumped_file(kind, tmp_path, with_stats=with_stats))
    for tree in BOOSTER.get_dump(dump_format=kind, with_stats=with_stats):
        with pytest.raises(AnbError, match="dump_model"):
            model_from_bytes(tree.encode())


def test_a_dump_of_a_tree_of_one_leaf() -> None:
    x = rows(20, 1)
    constant = xgb.train({"max_depth": 1, "gamma": 1e9}, xgb.DMatrix(x, np.ones(20)), 1)
    for text in constant.get_dump():
        with pytest.raises(AnbError, match="dump_model"):
            model_from_bytes(text.encode())


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(CORPUS.iterdir()) if path.suffix in (".json", ".ubj", ".txt")]
    + sorted((CORPUS.parents[1] / "export" / "data").rglob("surrogate_model.model")),
    ids=lambda path: path.name,
)
def test_models_are_no_other_files(path: Path) -> None:
    assert what_it_is(path.read_bytes()) is None
    for end in (1, 10, 100, 1000):
        what_it_is(path.read_bytes()[:end])
