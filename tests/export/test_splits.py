from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from anb_export.data.dataset import Dataset
from anb_export.data.read import read_dataset
from anb_export.data.splits import SplitError, read_split
from measured_data import need_data

from .synthetic import records, write_folder, write_split


def test_folder_keeps_the_order_of_the_lists(dataset: Dataset, tmp_path: Path) -> None:
    folder = write_split(tmp_path / "mine", {"train": [5, 2, 9], "val": [11, 0], "test": [1]})
    split = read_split(dataset, folder)
    assert split.name == "mine"
    assert [dataset.names[r] for r in split.pool] == [f"result_{n}.json" for n in (5, 2, 9, 11, 0)]
    assert split.test.tolist() == [1]
    other = write_split(tmp_path / "other", {"train": [2, 5, 9], "val": [11, 0], "test": [1]})
    assert read_split(dataset, other).sha256 != split.sha256


def test_windows_paths(dataset: Dataset, tmp_path: Path) -> None:
    folder = write_split(tmp_path, {"train": [5], "val": [11], "test": [1]})
    (folder / "val_paths.json").write_text(json.dumps(["C:\\data\\result_7.json"]))
    assert read_split(dataset, folder).val.tolist() == [7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no split file"),
        ("{", "cannot read the split file"),
        ('{"a": 1}', "expected a list of paths"),
        ("[1]", "expected a list of paths"),
        ("[]", "lists no records"),
        ('["x/result_9999.json"]', "'result_9999.json' is not in the data set"),
        ('["x/result_5.json"]', "'result_5.json' is already in the train part"),
        ('["x/result_6.json", "result_6.json"]', "'result_6.json' is already in the val part"),
    ],
)
def test_malformed_folders(
    dataset: Dataset, tmp_path: Path, text: str | None, message: str
) -> None:
    folder = write_split(tmp_path, {"train": [5], "val": [11], "test": [1]})
    (folder / "val_paths.json").unlink()
    if text is not None:
        (folder / "val_paths.json").write_text(text)
    with pytest.raises(SplitError, match=message):
        read_split(dataset, folder)


def test_random_split_is_a_partition(tmp_path: Path) -> None:
    contents = records(60)
    for number in range(60, 75):  # repeats, which must not straddle parts
        contents[f"result_{number}.json"] = contents[f"result_{number - 60}.json"]
    dataset = read_dataset(write_folder(tmp_path, contents))
    split = read_split(dataset, "random:5")
    rows = np.concatenate(list(split.parts().values()))
    assert sorted(rows.tolist()) == list(range(75))
    part_of = {int(row): part for part, rows in split.parts().items() for row in rows}
    assert all(part_of[row] == part_of[row - 60] for row in range(60, 75))
    unique = dataset.is_unique()
    assert [int(unique[r].sum()) for r in split.parts().values()] == [48, 6, 6]


def test_random_split_depends_on_the_seed_alone(dataset: Dataset) -> None:
    np.random.seed(3)  # noqa: NPY002
    first = read_split(dataset, "random:1")
    np.random.seed(4)  # noqa: NPY002
    assert read_split(dataset, "random:1").sha256 == first.sha256
    assert read_split(dataset, "random:2").sha256 != first.sha256


@pytest.mark.parametrize("text", ["random:", "random:-1", "random:1.5", "random:x"])
def test_malformed_seeds(dataset: Dataset, text: str) -> None:
    with pytest.raises(SplitError, match="non-negative integer"):
        read_split(dataset, text)


def test_too_few_architectures(tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="at least 10 distinct architectures, found 9"):
        read_split(read_dataset(write_folder(tmp_path, records(9))), "random:0")


def test_published_split(published: Dataset) -> None:
    shared_data = need_data("default_split")
    split = read_split(published, shared_data / "default_split")
    assert [len(rows) for rows in split.parts().values()] == [4100, 512, 512]
    paths = json.loads((shared_data / "default_split" / "test_paths.json").read_text())
    # The reference loses the last sample of the test split.
    assert published.names[split.test[-1]] == paths[-1].split("/")[-1]
