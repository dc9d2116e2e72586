"""Scoring of folders: what is refused, kept, and made anew."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scored_folders import (
    CODES,
    GROUP,
    INDICES,
    N_PARTS,
    TARGETS,
    contents,
    genes,
    in_out,
    make_source,
    write,
)

from anb_onnx._io.files import FileError
from anb_onnx._io.output import OutputError
from anb_onnx.errors import ArchitectureError, TargetError
from anb_onnx.scale_out import Local, Scored, score
from anb_onnx.scale_out.part_files import PartError, columns_of, find_part, write_part
from anb_onnx.scale_out.score import COMPLETE


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def plain(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What scoring in this process writes."""
    out = tmp_path_factory.mktemp("plain")
    assert score(source, out, TARGETS) == Scored(N_PARTS, 2_000, kept=0, damaged=0)
    return contents(out)


# What is refused


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"index": [5, 6, 7, -1]}, "row group 1: row 3: index -1 is out of range"),
        ({"index": [5, 6, 7, None]}, "row group 1: row 3: column 'index': null is not an integer"),
        ({"index": [5.0]}, "row group 0: column 'index' holds double, not integers"),
        ({"other": [1]}, "row group 0: column 'block0_e' is missing"),
        (
            {**genes(CODES[:4]), "block3_k": [3, 3, 3, 4]},
            "row group 1: row 3, gene 'block3_k': 4 is not allowed; choose from",
        ),
        ({"index": [5], "x": [1]}, "row group 0: unknown column 'x'"),
    ],
)
def test_errors_name_file_row_group_row_and_gene(
    tmp_path: Path, columns: dict[str, Any], expected: str
) -> None:
    file, out = in_out(tmp_path, columns, rows=2)
    with pytest.raises(ArchitectureError) as error:
        score(file, out, ["params"])
    assert f"{file}, {expected}" in str(error.value)
    assert COMPLETE not in contents(out)


def test_row_numbers_are_no_indices(tmp_path: Path) -> None:
    columns = {"index": range(10), "accuracy_mean": [0.0] * 10}
    file, out = in_out(tmp_path, columns, rows=4)
    with pytest.raises(ArchitectureError, match="row group 0: column 'index' holds 0 to 3 in this"):
        score(file, out, ["params"], ignore_extra=True)
    assert score(file, out, ["params"], ignore_extra=True, index_column="index").rows == 10


def test_folders_that_are_refused(source: Path, tmp_path: Path) -> None:
    run = partial(score, targets=["params"])
    with pytest.raises(FileError, match="nowhere cannot be read"):
        run(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArchitectureError, match=r"empty has no Parquet file \(\*\.parquet\)"):
        run(tmp_path / "empty", tmp_path / "out")
    (tmp_path / "empty" / "x.csv").touch()
    with pytest.raises(ArchitectureError, match=r"x\.csv is not called \*\.parquet"):
        run(tmp_path / "empty", tmp_path / "out")
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "b").symlink_to(source / "b")
    with pytest.raises(ArchitectureError, match="b is a link to a folder"):
        run(linked, tmp_path / "out")
    (linked / "b").unlink()
    strange = os.fsencode(linked) + b"/\xff.parquet"
    Path(os.fsdecode(strange)).touch()
    with pytest.raises(ArchitectureError, match="is no file name in UTF-8"):
        run(linked, tmp_path / "out")
    Path(os.fsdecode(strange)).unlink()
    (linked / "x.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ArchitectureError, match=r"x\.parquet: not readable as Parquet"):
        run(linked, tmp_path / "out")
    for out in (source, source / "out", source.parent):
        with pytest.raises(OutputError, match="lie in one another"):
            run(source, out)
    with pytest.raises(OutputError, match="it is no folder"):
        run(source, linked / "x.parquet")
    with pytest.raises(TargetError, match="unknown target 'acuracy'"):
        score(source, tmp_path / "out", ["acuracy"])
    assert not (tmp_path / "out").exists()


def test_a_file_that_states_other_rows_than_it_has(tmp_path: Path) -> None:
    file, out = in_out(tmp_path, {"index": INDICES[:GROUP]})

    class Later(Local):
        """Another file takes the place of the one that was looked at."""

        def map_unordered(self, function: Any, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
            write(file, {"index": INDICES[:5]})
            return super().map_unordered(function, items)

    with pytest.raises(ArchitectureError, match="row group 0: it had 200 rows when the work began"):
        score(file, out, ["params"], backend=Later())


# Going on


def test_what_is_complete_is_kept(source: Path, plain: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    score(source, out, TARGETS)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    assert score(source, out, TARGETS) == Scored(N_PARTS, 2_000, kept=N_PARTS, damaged=0)
    (out / "a.parquet.000002.parquet").unlink()
    assert score(source, out, TARGETS) == Scored(N_PARTS, 2_000, kept=N_PARTS - 1, damaged=0)
    assert contents(out) == plain
    for path, before in times.items():
        assert (path.stat().st_mtime_ns == before) == (path.name != "a.parquet.000002.parquet")


@pytest.mark.parametrize("place", [10, 1000, 3000])
def test_a_damaged_part_is_made_anew(
    source: Path, plain: dict[str, bytes], tmp_path: Path, place: int
) -> None:
    out = tmp_path / "out"
    score(source, out, TARGETS)
    path = out / "a.parquet.000001.parquet"
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)
    assert score(source, out, TARGETS) == Scored(N_PARTS, 2_000, N_PARTS - 1, damaged=1)
    assert contents(out) == plain


def test_every_byte_of_a_part_is_covered(tmp_path: Path) -> None:
    job = {"schema": 1, "targets": {"x": "0" * 64}}
    path = tmp_path / "x.parquet"
    columns = columns_of({"x": 1}, members=False, big=False)
    values = np.arange(3, dtype=np.float32)
    digest = write_part(path, job, columns, [[np.arange(3), values, values]])
    assert find_part(path, job) == digest
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with suppress(PartError):  # where the footer is damaged, it does not say whose it is
            assert find_part(path, job) is None, place
        path.write_bytes(content[:place])
        with pytest.raises(PartError):
            find_part(path, job)


def swapped(columns: dict[str, Any]) -> dict[str, Any]:
    """The same bytes under other names."""
    names = {"block0_e": "block1_e", "block1_e": "block0_e"}
    return {names.get(name, name): column for name, column in columns.items()}


def other_file(path: Path) -> None:
    write(path, {"index": INDICES[:GROUP]})


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("out/a.parquet.000009.parquet", Path.touch, "not a part of this job"),
        ("out/notes.txt", Path.touch, "notes.txt is not a part of this job"),
        ("out/a.parquet.000001.parquet", Path.touch, ""),
        ("out/a.parquet.000001.parquet", lambda path: path.write_bytes(b"x"), "is in the way"),
        ("out/a.parquet.000001.parquet", other_file, "is in the way: it holds no predictions"),
        ("in/a.parquet", lambda path: write(path, genes(CODES[1:1001])), "input_sha256 is"),
        ("in/a.parquet", lambda path: write(path, swapped(genes(CODES[:1000]))), "input_sha256 is"),
        ("in/a.parquet", lambda path: write(path, genes(CODES[:1000]), 100), "rows is 200 there"),
    ],
)
def test_what_is_not_of_this_job_is_refused_and_stays(
    source: Path, tmp_path: Path, name: str, change: Callable[[Path], object], expected: str
) -> None:
    here, out = tmp_path / "in", tmp_path / "out"
    shutil.copytree(source, here)
    score(here, out, TARGETS)
    change(tmp_path / name)
    before = contents(out)
    if not expected:  # touching a part does nothing to it
        assert score(here, out, TARGETS).kept == N_PARTS
        return
    with pytest.raises(PartError) as error:
        score(here, out, TARGETS)
    assert expected in str(error.value)
    assert str(out) in str(error.value)
    after = contents(out)
    assert {**before, **after} == before  # nothing was replaced


def test_other_options_are_another_job(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    score(source, out, TARGETS)
    before = contents(out)
    with pytest.raises(PartError, match="of another job: targets latency_zcu102 is"):
        score(source, out, ["accuracy"])
    with pytest.raises(PartError, match="members is False there, True here; remove it, or give"):
        score(source, out, TARGETS, members=True)
    assert contents(out) == before
