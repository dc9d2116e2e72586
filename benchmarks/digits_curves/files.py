"""The measured runs as a Parquet file: written from a journal, read with checks."""

from __future__ import annotations

import datetime
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_onnx.errors import AnbError
from anb_onnx.parallel.extras import need
from benchmarks.digits_curves import journal
from benchmarks.digits_curves.genes import EPOCHS, GENES
from benchmarks.digits_curves.plan import Plan

#: The committed file.
FILE = Path(__file__).with_name("digits.parquet")
#: Names of what is measured after each epoch.
CURVES = ("val_accuracy", "val_loss", "train_loss", "seconds")

_KEY = b"digits_curves"
_LOSSES = ("val_loss", "train_loss")
_REMEDY = "measure it again: python -m benchmarks.digits_curves measure --out FILE.parquet"


@dataclass(frozen=True)
class DigitsCurves:
    """Measured runs, in the order they were made.

    Attributes
    ----------
    codes : ndarray of uint8, [N, 11]
        Configurations, genes and choices in the order of `genes.GENES`.
    seed : ndarray of uint8, [N]
        Number of the seed, 0 to 4; all configurations have seed 0.
    repeat : ndarray of bool, [N]
        Runs of a configuration and seed that are there before, made again for their time.
    val_accuracy : ndarray of float32, [N, 27]
        Share of the 360 validation pictures; NaN if an output was not finite.
    val_loss, train_loss : ndarray of float32, [N, 27]
        Cross-entropy in nats; NaN or infinite where a run diverged.
    seconds : ndarray of float32, [N, 27]
        CPU seconds of training up to the end of each epoch, evaluation not counted.
    test_accuracy : ndarray of float32, [N]
        Share of the 359 test pictures, after the last epoch.
    reference_seconds : ndarray of float32, [N]
        CPU seconds that one fixed configuration took last before the run.
    when : ndarray of datetime64[s], [N]
        When the run ended, UTC.
    about : dict
        Machine, versions, seed of the plan.
    """

    codes: npt.NDArray[np.uint8]
    seed: npt.NDArray[np.uint8]
    repeat: npt.NDArray[np.bool_]
    val_accuracy: npt.NDArray[np.float32]
    val_loss: npt.NDArray[np.float32]
    train_loss: npt.NDArray[np.float32]
    seconds: npt.NDArray[np.float32]
    test_accuracy: npt.NDArray[np.float32]
    reference_seconds: npt.NDArray[np.float32]
    when: npt.NDArray[np.datetime64]
    about: dict[str, Any]

    @property
    def diverged(self) -> npt.NDArray[np.bool_]:
        """Whether a loss or an output was not finite after some epoch, [N]."""
        curves = (self.val_accuracy, self.val_loss, self.train_loss)
        found: npt.NDArray[np.bool_] = ~np.all([np.isfinite(c).all(axis=1) for c in curves], axis=0)
        return found

    def take(self, which: npt.NDArray[Any]) -> DigitsCurves:
        """Return some of the runs, by number or by mask."""
        rows = {name: value[which] for name, value in vars(self).items() if name != "about"}
        return DigitsCurves(**rows, about=self.about)


def write(path: Path, plan: Plan, source: Path) -> int:
    """Write what a journal holds; return the number of runs. The old file stays if that fails.

    Raises
    ------
    AnbError
        If the journal is not of the plan.
    ExtraError
        If pyarrow is missing.
    """
    header, rows = journal.read(source)
    if not np.array_equal(rows["run"], np.arange(len(rows))) or len(rows) > len(plan.seed):
        msg = f"{source} does not hold the first runs of the plan; begin another --out"
        raise AnbError(msg)
    pa = need("pyarrow", extra="parquet", what="writing measured runs")
    parquet = need("pyarrow.parquet", extra="parquet", what="writing measured runs")
    columns: dict[str, Any] = {
        name: pa.array(plan.codes[: len(rows), gene]) for gene, name in enumerate(GENES)
    }
    columns["seed"] = pa.array(plan.seed[: len(rows)])
    columns["repeat"] = pa.array(plan.repeat[: len(rows)])
    finite = [np.isfinite(rows[name]).all(axis=1) for name in CURVES]
    status = np.where(np.all(finite, axis=0), "finished", "diverged")
    columns["status"] = pa.array(status.tolist()).dictionary_encode()
    for name in CURVES:
        columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(rows[name].ravel()), EPOCHS)
    columns["test_accuracy"] = pa.array(rows["test_accuracy"])
    columns["reference_seconds"] = pa.array(rows["reference_seconds"])
    columns["when"] = pa.array(rows["when"].astype("datetime64[s]"))
    about = {**header, "first": _date(rows, 0), "last": _date(rows, -1), "licence": "Apache-2.0"}
    # In the order of the columns, which is that of the codes; all else in alphabetical order.
    about = dict(sorted(about.items())) | {"genes": {g: header["genes"][g] for g in GENES}}
    table = pa.table(columns).replace_schema_metadata({_KEY: json.dumps(about)})
    part = path.with_name(f"{path.name}.part")
    parquet.write_table(
        table, part, compression="zstd", compression_level=19,
        use_dictionary=[*GENES, "seed", "status", "val_accuracy.list.element"],
    )  # fmt: skip
    part.replace(path)
    return len(rows)


def load(path: Path = FILE, *, repeats: bool = False) -> DigitsCurves:
    """Read measured runs.

    Parameters
    ----------
    path : Path
        The committed file if not given.
    repeats : bool
        Whether to return the runs that were made twice a second time, too.

    Raises
    ------
    AnbError
        If the file is not of this space or its values cannot be such measurements.
    ExtraError
        If pyarrow is missing.
    """
    parquet = need("pyarrow.parquet", extra="parquet", what="reading measured runs")
    try:
        table = parquet.read_table(path)
        about = json.loads((table.schema.metadata or {})[_KEY])
        rows = DigitsCurves(
            codes=np.stack([_column(table, name, np.uint8) for name in GENES], axis=1),
            seed=_column(table, "seed", np.uint8),
            repeat=_column(table, "repeat", np.bool_),
            **{name: _curve(table, name) for name in CURVES},
            test_accuracy=_column(table, "test_accuracy", np.float32),
            reference_seconds=_column(table, "reference_seconds", np.float32),
            when=_column(table, "when", "datetime64[s]"),
            about=about,
        )
    except (OSError, KeyError, ValueError, TypeError) as error:
        msg = f"{path} is no file of measured runs ({error}); {_REMEDY}"
        raise AnbError(msg) from error
    problem = _problem(rows)
    if problem:
        msg = f"{path}: {problem}; {_REMEDY}"
        raise AnbError(msg)
    return rows if repeats else rows.take(~rows.repeat)


def _column(table: Any, name: str, kind: Any) -> npt.NDArray[Any]:
    column = table.column(name)
    if column.null_count:
        msg = f"empty cells in column {name!r}"
        raise ValueError(msg)
    values: npt.NDArray[Any] = column.to_numpy()
    return values.astype(kind, casting="same_kind")


def _curve(table: Any, name: str) -> npt.NDArray[np.float32]:
    column = table.column(name).combine_chunks()
    if column.null_count or not hasattr(column.type, "list_size"):
        msg = f"column {name!r} holds no lists of one size"
        raise ValueError(msg)
    flat: npt.NDArray[np.float32] = column.flatten().to_numpy(zero_copy_only=False)
    return flat.astype(np.float32, casting="same_kind").reshape(len(column), -1)


def _problem(rows: DigitsCurves) -> str | None:
    genes = {name: list(choices) for name, choices in GENES.items()}
    if rows.about.get("genes") != genes or rows.about.get("epochs") != EPOCHS:
        return "it was measured in another space than benchmarks/digits_curves/genes.py has"
    sizes = np.array([len(choices) for choices in GENES.values()])
    if (rows.codes >= sizes).any():
        return "codes beyond the choices of their gene"
    if any(getattr(rows, name).shape != (len(rows.seed), EPOCHS) for name in CURVES):
        return f"curves of another length than {EPOCHS}"
    once = np.column_stack([rows.codes, rows.seed])[~rows.repeat]
    if len(np.unique(once, axis=0)) < len(once):
        return "a configuration and seed stand there twice"
    with np.errstate(invalid="ignore"):
        wrong = {
            "seconds": ~(np.diff(rows.seconds, axis=1, prepend=0) > 0),
            "val_accuracy": (rows.val_accuracy < 0) | (rows.val_accuracy > 1),
            "test_accuracy": (rows.test_accuracy < 0) | (rows.test_accuracy > 1),
            **{name: getattr(rows, name) < 0 for name in _LOSSES},
        }
    found = [name for name, bad in wrong.items() if bad.any()]
    return f"impossible values in {', '.join(found)}" if found else None


def _date(rows: npt.NDArray[np.void], place: int) -> str | None:
    when = float(rows["when"][place]) if len(rows) else math.nan
    if math.isnan(when):
        return None
    return datetime.datetime.fromtimestamp(when, datetime.UTC).date().isoformat()
