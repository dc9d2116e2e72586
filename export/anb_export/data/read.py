"""Reads a data set, whatever its form."""

from __future__ import annotations

from pathlib import Path

from anb_export.data.accel_nasbench import read_archive
from anb_export.data.dataset import Dataset


def read_dataset(path: str | Path) -> Dataset:
    """Read and check the measurements at `path`.

    Parameters
    ----------
    path : str or Path
        The archive of Accel-NASBench, or the folder unpacked from it: see
        `accel_nasbench.read_archive`.

    Raises
    ------
    DatasetError
        As that does.
    """
    return read_archive(path)
