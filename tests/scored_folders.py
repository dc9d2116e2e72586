"""Folders of Parquet with architectures, as `score` takes them, and what it makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anb_onnx import MNASNET, sample
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.spaces.architecture import Architecture

arrow = pytest.importorskip("pyarrow", reason="the dask extra is not installed")
parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow was built without Parquet")

TARGETS = ["accuracy", "latency_zcu102"]
CODES = sample(2_000, seed=3, space=MNASNET)
INDICES = codes_to_indices(CODES, MNASNET)
GROUP = 200
N_PARTS = 10


def make_source(folder: Path) -> Path:
    """Write two files: 1,000 architectures by genes, and 1,000 by index, in a folder of its own."""
    write(folder / "a.parquet", genes(CODES[:1000]))
    write(folder / "b" / "c.parquet", {"index": INDICES[1000:]})
    (folder / "_SUCCESS").touch()
    (folder / ".crc").mkdir()
    return folder


def genes(codes: np.ndarray[Any, Any]) -> dict[str, list[object]]:
    rows = [Architecture.from_codes(row, space=MNASNET).to_values() for row in codes.tolist()]
    return {name: [row[name] for row in rows] for name in MNASNET.gene_names}


def write(path: Path, columns: dict[str, Any], rows: int = GROUP) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.table(columns), path, row_group_size=rows)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder by name, but for those that a killed process left unfinished."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def table(folder: Path) -> Any:
    return parquet.read_table(folder)


def in_out(tmp_path: Path, columns: dict[str, Any], rows: int = GROUP) -> tuple[Path, Path]:
    return write(tmp_path / "x.parquet", columns, rows), tmp_path / "out"
