"""Arrays of .npz files: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anb_export.data.dataset import DatasetError, Origin
from anb_export.data.npz_files import check_equal, dataset_of, read_arrays
from anb_export.data.targets import TargetSpec

from anb_onnx.spaces.nasbench201 import NASBENCH201

WANTED: dict[str, tuple[str, tuple[int | None, ...]]] = {"a": ("f", (None, 2)), "b": ("U", (1,))}
ARRAYS: dict[str, Any] = {"a": np.ones((3, 2)), "b": np.array(["x"])}
ORIGIN = Origin(
    "nasbench201",
    "ours",
    "MIT",
    NASBENCH201,
    {"latency_x": TargetSpec("latency_x", "latency", "x", "ms", "min")},
)


def test_arrays_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    np.savez(path, **ARRAYS, other=np.zeros(1))
    found = read_arrays(path, WANTED)
    assert set(found) == {"a", "b"}
    assert np.array_equal(found["a"], ARRAYS["a"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a": np.ones((3, 3))}, r"array 'a' must hold floats \[n, 2\], not float64 \[3, 3\]"),
        ({"a": np.ones((3, 2), np.uint8)}, r"'a' must hold floats \[n, 2\], not uint8"),
        ({"a": np.ones(2)}, r"'a' must hold floats \[n, 2\], not float64 \[2\]"),
        ({"b": np.array([None])}, "is not a readable .npz file: Object arrays cannot be loaded"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "arrays.npz"
    np.savez(path, **{**ARRAYS, **changes})
    with pytest.raises(DatasetError, match=message):
        read_arrays(path, WANTED)


def test_missing_arrays_and_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    with pytest.raises(DatasetError, match=r"arrays\.npz is missing; --data names the folder"):
        read_arrays(path, WANTED)
    np.savez(path, b=ARRAYS["b"])
    with pytest.raises(DatasetError, match="has no array 'a'; it has b"):
        read_arrays(path, WANTED)


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04" + b"\0" * 40, b"\x80\x04N."])
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "arrays.npz"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"is not a readable \.npz file"):
        read_arrays(path, WANTED)


def test_a_single_array_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DatasetError, match=r"is not a readable \.npz file"):
        read_arrays(path, WANTED)


def test_names_in_another_order_are_refused(tmp_path: Path) -> None:
    check_equal(tmp_path, "ops", np.array(["a", "b"]), ("a", "b"))
    with pytest.raises(DatasetError, match="array 'ops' must be a, b, not b, a"):
        check_equal(tmp_path, "ops", np.array(["b", "a"]), ("a", "b"))


def test_a_data_set_is_told_by_its_content() -> None:
    codes = np.zeros((2, 6), np.uint8)
    codes[1, 0] = 1
    values = {"latency_x": np.array([1.0, 2.0])}
    found = dataset_of(ORIGIN, codes, values)
    assert found.names == ("0", "1")
    assert found.values["latency_x"].tolist() == [1.0, 2.0]
    assert found.sha256 == dataset_of(ORIGIN, codes, values).sha256
    assert found.sha256 != dataset_of(ORIGIN, codes[::-1], values).sha256
    changed = {"latency_x": np.array([1.0, 2.5])}
    assert found.sha256 != dataset_of(ORIGIN, codes, changed).sha256


def test_codes_and_values_are_checked() -> None:
    codes = np.zeros((2, 6), np.uint8)
    with pytest.raises(DatasetError, match="record 1 has no value for 'latency_x', but nan"):
        dataset_of(ORIGIN, codes, {"latency_x": np.array([1.0, np.nan])})
    codes[1, 5] = 5
    with pytest.raises(DatasetError, match="record 1 has codes"):
        dataset_of(ORIGIN, codes, {"latency_x": np.array([1.0, 2.0])})
