"""Arguments that several commands share, and how their values are read."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anb_export.data.dataset import Dataset
    from anb_export.data.splits import Split


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """Add ``--dataset``, ``--split`` and ``--hyperparameters``."""
    parser.add_argument(
        "--dataset",
        type=Path,
        required=True,
        metavar="PATH",
        help="anb_dataset_jsons.tar.gz, or the folder unpacked from it",
    )
    parser.add_argument(
        "--split",
        metavar="DIR|random:SEED",
        help="folder with train, val and test_paths.json, or a random split "
        "(default: default_split beside the data set)",
    )
    parser.add_argument(
        "--hyperparameters",
        type=Path,
        metavar="FILE",
        help="the reference's hyper-parameters "
        "(default: upstream_hyperparameters.json beside the data set)",
    )


def read_data(arguments: argparse.Namespace) -> tuple[Dataset, Split]:
    """Read ``--dataset`` and ``--split``, by default the folder beside the data set.

    Raises
    ------
    AnbError
        If one of the two cannot be read.
    """
    from anb_export.data.read import read_dataset
    from anb_export.data.splits import read_split

    dataset = read_dataset(arguments.dataset)
    beside = arguments.dataset.resolve().parent / "default_split"
    return dataset, read_split(dataset, arguments.split or beside)


def hyperparameters_of(arguments: argparse.Namespace) -> Path:
    """Return ``--hyperparameters``, or the file beside the data set."""
    beside = arguments.dataset.resolve().parent / "upstream_hyperparameters.json"
    return Path(arguments.hyperparameters or beside)


def check_onnx_out(path: Path) -> None:
    """Refuse an ``--out`` that is no ONNX file, or cannot be written, before the work.

    Raises
    ------
    AnbError
        Naming the file and the reason.
    """
    from anb_onnx._io.output import check_output
    from anb_onnx.errors import AnbError

    if path.suffix != ".onnx":
        msg = f"--out must end in .onnx, found {path}"
        raise AnbError(msg)
    check_output(path)


def positive(text: str) -> int:
    """Read a positive integer."""
    if not text.isdecimal() or int(text) < 1:
        msg = f"expected a positive integer, found {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def seeds(text: str) -> list[int]:
    """Read seeds separated by commas."""
    items = text.split(",")
    if not all(item.strip().isdecimal() for item in items):
        msg = f"expected integers separated by commas, found {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return [int(item) for item in items]


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add ``--jobs``."""
    parser.add_argument(
        "--jobs",
        type=positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help="trainings at a time (default: %(default)s); the result does not depend on it",
    )
