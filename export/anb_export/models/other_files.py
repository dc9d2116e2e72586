"""Tells what a file is that holds no model, and what to do: told by its content, never its name."""

from __future__ import annotations

import re
from typing import Any

_DECOMPRESS = "decompress it, or write it without compression (joblib.dump(model, path))"
_UNPACK = "unpack it, and give the model file"
_SAVE_AS = (
    "give the model itself: xgboost's save_model (.ubj or .json), LightGBM's save_model (text), or "
    "a pickle"
)
_DUMP = (
    "what xgboost's dump_model writes, which leaves out the base score and rounds thresholds; save "
    "the model itself: booster.save_model('model.ubj')"
)
_MARK, _MARKED = (
    b"\xef\xbb\xbf",
    "a text with a byte order mark; save it in UTF-8 without one",
)
_UTF16 = "a text in UTF-16; save it in UTF-8"

#: How files begin, and what they are.
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (
        b"version https://git-lfs",
        "a Git LFS pointer, not the file it stands for; get that with: git lfs pull",
    ),
    (b"\x1f\x8b", f"a compressed file (gzip); {_DECOMPRESS}"),
    *(
        (b"\x78" + level, f"a compressed file (zlib); {_DECOMPRESS}")
        for level in (b"\x01", b"\x5e", b"\x9c", b"\xda")
    ),
    (b"BZh", f"a compressed file (bzip2); {_DECOMPRESS}"),
    (b"\xfd7zXZ", f"a compressed file (xz); {_DECOMPRESS}"),
    (b"\x5d\0\0", f"a compressed file (lzma); {_DECOMPRESS}"),  # xz's older format
    (b"\x04\x22\x4d\x18", f"a compressed file (lz4); {_DECOMPRESS}"),
    (b"\x28\xb5\x2f\xfd", f"a compressed file (zstd); {_DECOMPRESS}"),
    (b"\x1f\x9d", f"a compressed file (compress); {_DECOMPRESS}"),
    (b"ZF", f"a compressed file (joblib); {_DECOMPRESS}"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"PK\x07\x08", f"a zip archive in several parts; {_UNPACK}"),
    (b"7z\xbc\xaf\x27\x1c", f"a 7z archive; {_UNPACK}"),
    (b"Rar!\x1a", f"a rar archive; {_UNPACK}"),
    *((start, _UTF16) for start in (b"\xff\xfe", b"\xfe\xff", b"{\0", b"\0{", b"t\0", b"\0t")),
    (b"\x93NUMPY", f"an array of NumPy (.npy), perhaps of predictions; {_SAVE_AS}"),
    (
        b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",
        "a file of PyTorch; neural networks are not supported",
    ),
    (b"CBM1", "a model of CatBoost, which is not supported"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes; neural networks are not supported"),
    (b"PAR1", f"a Parquet table; {_SAVE_AS}"),
    (b"ARROW1", f"an Arrow or Feather table; {_SAVE_AS}"),
    (b"SQLite format 3\0", "a database of SQLite, such as a study of Optuna; give its best model"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a picture"),
    (b"\x7fELF", "a program or library of Linux, such as a compiled model; give its source"),
    (b"GGUF", "a GGUF file; neural networks are not supported"),
    (b"______LightGBM_Binary_File_Token______", f"a data set of LightGBM; {_SAVE_AS}"),
    (b"\x01\xab\xff\xff", f"a data set of xgboost (DMatrix); {_SAVE_AS}"),
    (b"RDX", f"an archive of R; {_SAVE_AS}"),
    (b"X\n\0\0\0", f"an object of R (.rds); {_SAVE_AS}"),
    (b"404: Not Found", "a server's message in place of a file; download the file itself"),
    (
        b"svm_type ",
        "a model of libsvm, which is not supported; fit scikit-learn's SVR or NuSVR, which use "
        "libsvm, and pickle it",
    ),
    (b"\x08", "an ONNX file (or another of Protocol Buffers); it is converted already"),
)
#: The same at other places.
_WITHIN = (
    (257, b"ustar", f"a tar archive; {_UNPACK}"),
    (4, b"TFL3", "a TensorFlow Lite file; neural networks are not supported"),
    (8, b'{"', "a safetensors file; neural networks are not supported"),
)
# After a block of parameters, the name of the booster behind its length in eight bytes.
_OLD_BINARY = re.compile(rb"[\x04-\x08]\0{7}(gbtree|gblinear|dart)")
#: What to do about xgboost's old binary format. No version before 1.6 writes .ubj.
OLD_BINARY = (
    "in xgboost's old binary format, which xgboost gave up; with the xgboost that wrote it (1.0 or "
    "newer; for older ones 1.0 to 2.0), load it and save it as JSON: "
    "booster.save_model('model.json')"
)
_DUMPED_TEXT = re.compile(rb"(booster\[\d+\]:?\s+)?(digraph\b|0:(\[[^\]]*\] yes=\d+|leaf=))")
_HTML = re.compile(rb"<(!doctype html|html|head|body|!--|script|title)", re.IGNORECASE)
_XML_START = re.compile(rb"<(\?xml|[A-Za-z][\w:.-]{0,60}[\s>/])")
# Of which zip archives are made: the name of an entry, and what the archive is.
_ENTRIES = (
    (re.compile(r"(.*/)?data\.pkl"), "a file of PyTorch; neural networks are not supported"),
    (re.compile(r"model\.weights\.h5|config\.json"), "a file of Keras; neural networks are not "
     "supported"),
    (re.compile(r".*\.npy"), f"arrays of NumPy (.npz), perhaps of predictions; {_SAVE_AS}"),
    (re.compile(r"model\.ini"), "a MOJO of H2O, which is not supported"),
    (re.compile(r"xl/.*|word/.*"), "a document of an office program"),
    (re.compile(r"(.*/)?surrogate_model\.model"),
     "an archive of checkpoints; unpack it, and give the folder without --target"),
)  # fmt: skip
_NUMBER = re.compile(rb"\s*[+-]?[0-9.]+([eE][+-]?[0-9]+)?\s*")
_HEAD = 4096


def what_it_is(content: bytes) -> str | None:
    """Say what a file is, and what to do; None where it may be a model, or nothing is known.

    Zip archives and JSON documents are told apart by `what_archive` and `what_document`.
    """
    if content.startswith(_MARK):
        return what_it_is(content.lstrip(_MARK + b" \t\r\n")) or _MARKED
    if not content.strip(b"\0"):
        return "a file of nothing but zeros, perhaps a download that broke off"
    if _OLD_BINARY.search(content[:512]):
        return f"a model {OLD_BINARY}"
    for start, what in _BEGINNINGS:
        if content.startswith(start):
            return what
    for position, mark, what in _WITHIN:
        if content[position : position + len(mark)] == mark:
            return what
    head = content[:_HEAD]
    if _DUMPED_TEXT.match(head):
        return _DUMP
    if _HTML.match(head):
        return "a web page (HTML), which servers send in place of a file; download the file itself"
    if _XML_START.match(head):
        if b"<PMML" in head:
            return f"a model in PMML, which is not supported; {_SAVE_AS}"
        return (
            "an XML document, perhaps a server's message in place of a file; download the file "
            "itself"
        )
    return _what_table(head)


def _what_table(head: bytes) -> str | None:
    """Tell tables from pickles of protocol 0, which are texts, too."""
    lines = [line for line in head.split(b"\n")[:-1] if line.strip()]  # the last may be cut
    if len(lines) < 2:
        return None
    for separator, name in ((b",", "commas"), (b";", "semicolons"), (b"\t", "tabs")):
        cells = [line.count(separator) for line in lines]
        if cells[0] and min(cells) == cells[0] and b"\0" not in head:
            return f"a table (CSV with {name}), no model; {_SAVE_AS}"
    if all(_NUMBER.fullmatch(line) for line in lines[1:]):
        return f"a column of numbers, no model; {_SAVE_AS}"
    return None


def what_archive(names: list[str]) -> str | None:
    """Say what a zip archive with entries of these names is; None if nothing is known."""
    for pattern, what in _ENTRIES:
        if any(pattern.fullmatch(name) for name in names):
            return what
    return None


def what_document(document: Any) -> str | None:
    """Say what a JSON document is that is no model of xgboost; None if it may be one."""
    if isinstance(document, dict) and "learner" in document:
        inner = document["learner"]
        booster = inner.get("gradient_booster") if isinstance(inner, dict) else None
        if isinstance(booster, dict) and "model" not in booster and "updater" in booster:
            return (
                "the configuration of an xgboost model (save_config), without its trees; save the "
                "model itself: booster.save_model('model.ubj')"
            )
        return None
    first = document[0] if isinstance(document, list) and document else document
    if isinstance(first, dict) and "nodeid" in first:
        return _DUMP
    if isinstance(document, list):
        return f"a JSON list, no model; {_SAVE_AS}"
    if not isinstance(document, dict) or "Model" in document:
        return None
    if "tree_info" in document and document.get("name") == "tree":
        return (
            "what LightGBM's dump_model writes, which cannot be loaded; save the model itself: "
            "booster.save_model('model.txt')"
        )
    if "oblivious_trees" in document:
        return "a model of CatBoost, which is not supported"
    if "search_space" in document and "targets" in document:
        return "a manifest of anb_onnx, which lists what is converted already"
    if {"message", "error", "errors", "detail", "code", "status"} & document.keys():
        return (
            "a JSON document that reads like a server's message in place of a file; download the "
            "file itself"
        )
    return f"a JSON document, but no model of xgboost ('learner' is missing); {_SAVE_AS}"
