from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from anb_export.models import ubjson
from anb_export.training.members_folder import Training


def plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def test_a_model_reads_as_its_json(training: Training) -> None:
    booster = xgb.Booster()
    booster.load_model(training.files[0])
    from_ubj = plain(ubjson.loads(bytes(booster.save_raw("ubj"))))
    from_json = json.loads(booster.save_raw("json"))

    def rounded(value: Any) -> Any:  # JSON holds float32 as the shortest decimals
        if isinstance(value, dict):
            return {key: rounded(item) for key, item in value.items()}
        if isinstance(value, list):
            return [rounded(item) for item in value]
        return float(np.float32(value)) if isinstance(value, float) else value

    assert rounded(from_ubj) == rounded(from_json)


def test_every_type() -> None:
    content = (
        b"{U\x01ai\xfei\x01bU\xfei\x01cI\xff\xfei\x01dl\xff\xff\xff\xfe"
        b"i\x01eL\xff\xff\xff\xff\xff\xff\xff\xfei\x01fd\x3f\x80\x00\x00"
        b"i\x01gD\x3f\xf0\x00\x00\x00\x00\x00\x00i\x01hTi\x01iFi\x01jZ"
        b"i\x01k[]i\x01l[#i\x02TSi\x02xyi\x01m[$I#i\x02\x00\x01\xff\xffi\x01n{}}"
    )
    assert plain(ubjson.loads(content)) == {
        **{"a": -2, "b": 254, "c": -2, "d": -2, "e": -2, "f": 1.0, "g": 1.0},
        **{"h": True, "i": False, "j": None, "k": [], "l": [True, "xy"], "m": [1, -1], "n": {}},
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "1 bytes wanted"),
        (b"{", "1 bytes wanted"),
        (b"[T", "1 bytes wanted"),
        (b"x", "unknown marker"),
        (b"TT", "1 bytes after the end"),
        (b"Sd", "a length cannot start"),
        (b"Si\xff", "-1 bytes wanted"),
        (b"Si\x01\xff", "not UTF-8"),
        (b"Sl\x7f\xff\xff\xff", "2147483647 bytes wanted"),
        (b"[$L#L\x7f\xff\xff\xff\xff\xff\xff\xff", "bytes wanted"),
        (b"[$S#i\x01", "unsupported typed array"),
        (b"[$Ui\x01", "unsupported typed array"),
        (b"{i\x01aTi\x01aT}", "'a' appears twice"),
        (b"[" * 1000, "nested deeper"),
    ],
)
def test_malformed(content: bytes, message: str) -> None:
    with pytest.raises(ubjson.UbjsonError, match=message):
        ubjson.loads(content)


def test_no_prefix_of_a_model_is_accepted(training: Training, tmp_path: Path) -> None:
    content = training.files[0].read_bytes()
    for end in range(0, len(content), max(1, len(content) // 300)):
        with pytest.raises(ubjson.UbjsonError):
            ubjson.loads(content[:end])
