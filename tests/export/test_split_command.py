"""Splits that are written, read back."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from anb_export.cli import main
from anb_export.commands.split import _ratios
from anb_export.data.dataset import Dataset
from anb_export.data.read import read_dataset
from anb_export.data.splits import SplitError, random_split, read_split, write_split

from .synthetic import record, records, write_folder


@pytest.fixture
def repeats(tmp_path: Path) -> Path:
    """Sixty architectures, ten of them measured twice."""
    contents = records(60)
    for k in range(10):
        contents[f"result_{60 + k}.json"] = json.dumps(record(k)).encode()
    return write_folder(tmp_path / "data", contents)


def test_what_is_written_is_read_back(dataset: Dataset, tmp_path: Path) -> None:
    split = random_split(dataset, 5)
    write_split(tmp_path / "mine", dataset, split)
    found = read_split(dataset, tmp_path / "mine")
    assert (found.name, found.sha256) == ("mine", split.sha256)
    for part, rows in split.parts().items():
        np.testing.assert_array_equal(found.parts()[part], rows)
        names = json.loads((tmp_path / "mine" / f"{part}_paths.json").read_text())
        assert names == [dataset.names[row] for row in rows]


def test_the_command(repeats: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "split"
    arguments = ["split", "--dataset", str(repeats), "--out", str(out), "--seed", "3"]
    assert main([*arguments, "--ratios", "0.5,0.3,0.2"]) == 0
    printed = capsys.readouterr().out.splitlines()
    dataset = read_dataset(repeats)
    split = read_split(dataset, out)
    sizes = [len(rows) for rows in split.parts().values()]
    assert [int(line.split()[1]) for line in printed] == sizes
    assert sum(sizes) == 70  # every record, the last included
    distinct = [len(np.unique(dataset.codes[rows], axis=0)) for rows in split.parts().values()]
    assert distinct == [30, 18, 12]  # no architecture in two parts
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main([*arguments, "--ratios", "1/2,3/10,1/5"]) == 0
    assert first == {path.name: path.read_bytes() for path in out.iterdir()}
    assert main(arguments) == 0
    assert read_split(dataset, out).sha256 == read_split(dataset, "random:3").sha256


@pytest.mark.parametrize(
    "text",
    [
        "0.8,0.1",
        "a,b,c",
        "1/0,0,1",
        "",
        "0.8,0.1,0.1,x",
        "1e99999999,0.1,0.1",  # a power of ten that would never be computed
        "1e400,0.1,0.1",  # more than a float holds
        f"1/{'9' * 5000},0.1,0.1",
    ],
)
def test_wrong_ratios(repeats: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["split", "--dataset", str(repeats), "--out", "x", f"--ratios={text}"])
    printed = capsys.readouterr().err
    assert "three numbers separated by commas, such as 0.8,0.1,0.1 or 4/5,1/10,1/10" in printed
    assert len(printed.splitlines()[-1]) < 300


def test_ratios_of_any_notation() -> None:
    wanted = (Fraction(4, 5), Fraction(1, 10), Fraction(1, 10))
    for text in ("0.8,.1,0.1", " 8e-1, 1E-1 ,+0.1", "4/5,1/10,2/20", "0.80,1e-1,0.1e0"):
        assert _ratios(text) == wanted


def test_impossible_ratios(dataset: Dataset) -> None:
    for ratios in ((1, 0, 0), (Fraction(1, 2),) * 3, (Fraction(6, 5), Fraction(-1, 10), 0)):
        with pytest.raises(SplitError, match="three positive shares"):
            random_split(dataset, 1, tuple(Fraction(r) for r in ratios))  # type: ignore[arg-type]
    tiny = Fraction(1, 1000)
    with pytest.raises(SplitError, match="at least 1000 distinct"):
        random_split(dataset, 1, (1 - 2 * tiny, tiny, tiny))


def test_the_default_has_not_moved(dataset: Dataset) -> None:
    """The split of a seed is part of what artifacts say about themselves."""
    split = random_split(dataset, 1)
    order = np.random.default_rng(1).permutation(120)
    _, group = np.unique(dataset.codes, axis=0, return_inverse=True)
    assert set(group.reshape(-1)[split.val]) == set(order[:12])
    assert set(group.reshape(-1)[split.test]) == set(order[12:24])
