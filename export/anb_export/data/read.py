"""Reads a data set, whatever its form."""

from __future__ import annotations

from pathlib import Path

from anb_export.data.accel_nasbench import read_archive
from anb_export.data.dataset import Dataset, DatasetError
from anb_export.data.described import read_described


def read_dataset(path: str | Path) -> Dataset:
    """Read and check the measurements at `path`.

    Parameters
    ----------
    path : str or Path
        A ``.json`` file that describes a user's data set (`described.read_described`), or the
        archive of Accel-NASBench or the folder unpacked from it (`accel_nasbench.read_archive`).

    Raises
    ------
    DatasetError
        As these do.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in (".csv", ".parquet"):
        msg = (
            f"{path} is a table: a JSON file says what its columns are, and is given in its place "
            "(docs/your-benchmark.md)"
        )
        raise DatasetError(msg)
    return read_described(path) if suffix == ".json" else read_archive(path)
