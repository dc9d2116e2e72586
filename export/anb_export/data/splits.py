"""Splits of a data set into training, validation and test rows."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anb_export._io.files import write_atomically
from anb_export._io.json_file import read_json
from anb_export.data.dataset import Dataset
from anb_onnx._io.show import show
from anb_onnx.errors import AnbError

PARTS = ("train", "val", "test")


class SplitError(AnbError):
    """A split cannot be read or does not fit the data set."""


@dataclass(frozen=True, eq=False)
class Split:
    """Disjoint rows of a data set.

    Attributes
    ----------
    name : str
        Where it comes from: the folder's name, or ``random:SEED``.
    train, val, test : ndarray of int64
        Rows of the data set, in the order of the split.
    sha256 : str
        Digest of the record names of the three parts, in order.
    """

    name: str
    train: NDArray[np.int64]
    val: NDArray[np.int64]
    test: NDArray[np.int64]
    sha256: str

    @property
    def pool(self) -> NDArray[np.int64]:
        """Rows to train on: training rows, then validation rows."""
        return np.concatenate([self.train, self.val])

    def parts(self) -> dict[str, NDArray[np.int64]]:
        """Return the rows by part: ``train``, ``val``, ``test``."""
        return {"train": self.train, "val": self.val, "test": self.test}


def read_split(dataset: Dataset, split: str | Path) -> Split:
    """Read a split from a folder, or draw a random one.

    Parameters
    ----------
    dataset : Dataset
    split : str or Path
        A folder with ``train_paths.json``, ``val_paths.json`` and ``test_paths.json``, each a list
        of paths of which the base names count; or ``"random:SEED"`` for 80/10/10 of the distinct
        architectures. Repeated measurements of an architecture stay in one part.

    Returns
    -------
    Split

    Raises
    ------
    SplitError
        If a file is missing or malformed, a name is not in the data set or appears twice, a part
        is empty, or the seed is not a non-negative integer.
    """
    text = str(split)
    if text.startswith("random:"):
        seed = text.removeprefix("random:")
        if not re.fullmatch(r"[0-9]{1,18}", seed):
            msg = f"split {text!r}: the seed must be a non-negative integer, as in random:1"
            raise SplitError(msg)
        return random_split(dataset, int(seed))
    return _from_folder(dataset, Path(split))


#: Where a published split lies from the folder of the data set: beside it, and in a checkout of
#: the reference's repository.
_PLACES = ("default_split", "../configs/data_splits/default_split")

#: The split where none is given and none is found: 80/10/10 of the distinct architectures.
USUAL_SPLIT = "random:0"


def usual_split(data: Path) -> str:
    """Return the split of a data set where none is given: the published one, or a random one."""
    beside = data.resolve().parent
    found = [str(beside / place) for place in _PLACES if (beside / place).exists()]
    return found[0] if found else USUAL_SPLIT


#: Shares of training, validation and test rows, as in the reference.
RATIOS = (Fraction(8, 10), Fraction(1, 10), Fraction(1, 10))


def random_split(
    dataset: Dataset, seed: int, ratios: tuple[Fraction, Fraction, Fraction] = RATIOS
) -> Split:
    """Draw shares of the distinct architectures with a generator of its own.

    Parameters
    ----------
    dataset : Dataset
    seed : int
    ratios : tuple of Fraction
        Shares of training, validation and test rows. Validation and test parts are rounded down;
        the training part takes the remainder.

    Raises
    ------
    SplitError
        If the ratios are not three positive shares with the sum 1, or a part would be empty.
    """
    if len(ratios) != 3 or min(ratios) <= 0 or sum(ratios) != 1:
        found = ", ".join(f"{float(ratio):g}" for ratio in ratios)
        msg = f"ratios must be three positive shares with the sum 1, found {found}"
        raise SplitError(msg)
    groups = dataset.groups()
    n_groups = int(groups.max()) + 1 if len(groups) else 0
    n_val, n_test = (int(n_groups * ratio) for ratio in ratios[1:])
    if min(n_val, n_test) == 0:
        needed = math.ceil(1 / min(ratios[1:]))
        msg = f"a random split needs at least {needed} distinct architectures, found {n_groups}"
        raise SplitError(msg)
    order = np.random.default_rng(seed).permutation(n_groups)
    part_of_group = np.zeros(n_groups, dtype=np.int64)  # 0: train, which takes the remainder
    part_of_group[order[:n_val]] = 1
    part_of_group[order[n_val : n_val + n_test]] = 2
    part = part_of_group[groups]
    rows = [np.flatnonzero(part == k).astype(np.int64) for k in range(3)]
    name = f"random:{seed}"
    if ratios != RATIOS:
        name += ":" + "/".join(f"{float(ratio):g}" for ratio in ratios)
    return _make(dataset, name, rows)


def write_split(folder: Path, dataset: Dataset, split: Split) -> None:
    """Write ``train``, ``val`` and ``test_paths.json``, as the reference publishes them.

    Raises
    ------
    AnbError
        If a file cannot be written.
    """
    for part, rows in split.parts().items():
        names = [dataset.names[row] for row in rows]
        content = json.dumps(names).encode()
        write_atomically(folder / f"{part}_paths.json", content)


def _from_folder(dataset: Dataset, folder: Path) -> Split:
    row_of = {name: row for row, name in enumerate(dataset.names)}
    part_of: dict[str, str] = {}
    rows = []
    for part in PARTS:
        file = folder / f"{part}_paths.json"
        names = _read_names(file)
        for name in names:
            if name not in row_of:
                msg = f"{file}: {show(name)} is not in the data set"
                raise SplitError(msg)
            if name in part_of:
                msg = f"{file}: {show(name)} is already in the {part_of[name]} part"
                raise SplitError(msg)
            part_of[name] = part
        rows.append(np.array([row_of[name] for name in names], dtype=np.int64))
    return _make(dataset, folder.resolve().name, rows)


def _read_names(file: Path) -> list[str]:
    try:
        paths = read_json(file)
    except FileNotFoundError:
        msg = f"no split file {file}; a split is a folder with {', '.join(PARTS)}_paths.json"
        raise SplitError(msg) from None
    except (OSError, ValueError, RecursionError) as error:
        msg = f"cannot read the split file {file}: {error}"
        raise SplitError(msg) from error
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        msg = f"{file}: expected a list of paths"
        raise SplitError(msg)
    if not paths:
        msg = f"{file} lists no records"
        raise SplitError(msg)
    return [re.split(r"[/\\]", path)[-1] for path in paths]


def _make(dataset: Dataset, name: str, rows: list[NDArray[np.int64]]) -> Split:
    listing = {
        part: [dataset.names[row] for row in part_rows]
        for part, part_rows in zip(PARTS, rows, strict=True)
    }
    digest = hashlib.sha256(json.dumps(listing, sort_keys=True).encode()).hexdigest()
    return Split(name, rows[0], rows[1], rows[2], digest)
