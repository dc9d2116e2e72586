"""Our own measured set, learning curves of small networks on the digits, from its Parquet file.

``benchmarks/digits_curves`` measures it, and says there what stands in it. The space is what the
file states of its genes; numbers are ordered.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.data.dataset import DatasetError
from anb_onnx.parallel.extras import need
from anb_onnx.spaces.space import Block, Gene, SearchSpace

FILE = "digits.parquet"

#: Of the file, in a checkout.
COMMITTED = Path("benchmarks") / "digits_curves" / FILE

#: Classes: chance is one of them, and a loss of their logarithm.
CLASSES = 10

_CURVES = ("val_accuracy", "val_loss", "seconds")


@dataclass(frozen=True, eq=False)
class Digits:
    """Measured runs, those made a second time left out.

    Attributes
    ----------
    space : SearchSpace
    codes : ndarray of uint8, shape (n, n_genes)
    seed : ndarray of int64, shape (n,)
        Number of the seed; all configurations have seed 0.
    epochs : ndarray of float64, shape (T,)
    accuracy : ndarray of float64, shape (n, T)
        Of the validation pictures, in %; where an output was not finite, that of chance.
    loss : ndarray of float64, shape (n, T)
        Cross-entropy of the validation pictures in nats, limited to that of chance: what is worse,
        infinite or not a number counts as no better than it. A stated transformation of the
        target.
    seconds : ndarray of float64, shape (n,)
        CPU seconds of a whole training: the fastest epoch times their number, which is what the
        load of the machine disturbs least; all epochs do the same work.
    test_accuracy : ndarray of float64, shape (n,)
        Of the test pictures after the last epoch, in %.
    sha256 : str
        Of the file.
    """

    space: SearchSpace
    codes: NDArray[np.uint8]
    seed: NDArray[np.int64]
    epochs: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    loss: NDArray[np.float64]
    seconds: NDArray[np.float64]
    test_accuracy: NDArray[np.float64]
    sha256: str


def read_digits(path: Path) -> Digits:
    """Read the file.

    Raises
    ------
    DatasetError
        If it is missing, or is not what it should be.
    ExtraError
        If pyarrow is not installed.
    """
    parquet = need("pyarrow.parquet", extra="parquet", what="reading the digits' curves")
    try:
        content = path.read_bytes()
        table = parquet.read_table(path)
        about = json.loads((table.schema.metadata or {})[b"digits_curves"])
        space = SearchSpace("digits", tuple(_block(*item) for item in about["genes"].items()))
        first = ~table.column("repeat").to_numpy().astype(bool)
        codes = np.stack([table.column(name).to_numpy() for name in space.gene_names], axis=1)
        curves = {name: _curves(table, name)[first] for name in _CURVES}
        test = table.column("test_accuracy").to_numpy().astype(np.float64)[first]
        seed = table.column("seed").to_numpy().astype(np.int64)[first]
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        msg = (
            f"{path} is no file of the digits' curves ({type(error).__name__}: {error}); "
            f"--data names the folder of {FILE}, or run this in a checkout, which has {COMMITTED}"
        )
        raise DatasetError(msg) from error
    codes = np.ascontiguousarray(codes[first], dtype=np.uint8)
    if (codes >= space.cardinalities).any():
        msg = f"{path}: a code is beyond the choices of its gene"
        raise DatasetError(msg)
    accuracy, loss, seconds = (curves[name] for name in _CURVES)
    chance = 100.0 / CLASSES
    whole = np.where(np.isfinite(loss), loss, np.inf)
    return Digits(
        space,
        codes,
        seed,
        np.arange(1.0, accuracy.shape[1] + 1),
        np.where(np.isfinite(accuracy), 100.0 * accuracy, chance),
        np.minimum(whole, np.log(CLASSES)),
        accuracy.shape[1] * np.diff(seconds, axis=1, prepend=0.0).min(axis=1),
        np.where(np.isfinite(test), 100.0 * test, chance),
        hashlib.sha256(content).hexdigest(),
    )


def _block(name: str, choices: list[Any]) -> Block:
    numbers = all(type(choice) in (int, float) for choice in choices)
    return Block(name, (Gene(name, tuple(choices), ordered=numbers),))


def _curves(table: Any, name: str) -> NDArray[np.float64]:
    column = table.column(name).combine_chunks()
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, dtype=np.float64).reshape(len(column), -1)
