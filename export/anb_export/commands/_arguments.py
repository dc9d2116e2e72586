"""Arguments that several commands share, and how their values are read."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anb_export.data.dataset import Dataset
    from anb_export.data.splits import Split
    from anb_onnx.spaces.space import SearchSpace
    from anb_onnx.terms import Terms


#: What ``--dataset`` takes.
DATASET_HELP = (
    "anb_dataset_jsons.tar.gz (`anb-export fetch-data` downloads it and prints where it lies), the "
    "folder unpacked from it, or a .json file that describes data of "
    "your own (docs/your-benchmark.md)"
)


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """Add ``--dataset``, ``--split`` and ``--hyperparameters``."""
    parser.add_argument(
        "--dataset",
        type=Path,
        required=True,
        metavar="PATH",
        help=DATASET_HELP,
    )
    parser.add_argument(
        "--split",
        metavar="DIR|random:SEED",
        help="folder with train, val and test_paths.json, or a random split "
        "(default: default_split beside the data set, or that of the checkout of the "
        "Accel-NASBench repository in which it lies; random:0 where there is none)",
    )
    parser.add_argument(
        "--hyperparameters",
        type=Path,
        metavar="FILE|DIR",
        help="the reference's hyper-parameters: a file, or the folder configs of its repository "
        "(default: upstream_hyperparameters.json beside the data set, or else those that come with "
        "this package)",
    )


def read_data(arguments: argparse.Namespace) -> tuple[Dataset, Split]:
    """Read ``--dataset`` and ``--split``, by default one beside the data set, or a random one.

    Which random one takes the place of a split that is not there is told on standard error; cards
    and manifests name it.

    Raises
    ------
    AnbError
        If one of the two cannot be read.
    """
    from anb_export.commands._show import note
    from anb_export.data.read import read_dataset
    from anb_export.data.splits import USUAL_SPLIT, read_split, usual_split

    dataset = read_dataset(arguments.dataset)
    usual = usual_split(arguments.dataset)
    split = read_split(dataset, usual if arguments.split is None else arguments.split)
    if arguments.split is not None or usual != USUAL_SPLIT:
        return dataset, split
    sizes = ", ".join(f"{len(rows)} {part}" for part, rows in split.parts().items())
    note(
        f"no split beside {arguments.dataset}: {USUAL_SPLIT} takes its place ({sizes}; sha256 "
        f"{split.sha256}); --split names another one"
    )
    return dataset, split


def read_published(arguments: argparse.Namespace) -> tuple[Dataset, Split]:
    """Read the data set of Accel-NASBench, where a command compares with what was published of it.

    Raises
    ------
    AnbError
        If it is another data set, or as from `read_data`.
    """
    from anb_export.data.accel_nasbench import ACCEL_NASBENCH
    from anb_onnx.errors import AnbError

    dataset, split = read_data(arguments)
    if dataset.origin != ACCEL_NASBENCH:
        msg = (
            f"--dataset {arguments.dataset} is of benchmark {dataset.origin.benchmark!r}: this "
            "command compares with what was published of Accel-NASBench; for data of your own "
            "`anb-export evaluate` tells how good an artifact is"
        )
        raise AnbError(msg)
    return dataset, split


def hyperparameters_of(arguments: argparse.Namespace) -> Path:
    """Return ``--hyperparameters``, or the file beside the data set, or the bundled one.

    The bundled values were chosen for the data of Accel-NASBench: data of one's own, which a JSON
    file describes, needs some of its own.
    """
    from anb_export.training.reference_configs import BUNDLED

    if arguments.hyperparameters is not None:
        return Path(arguments.hyperparameters)
    beside = Path(arguments.dataset.resolve().parent / "upstream_hyperparameters.json")
    described = arguments.dataset.suffix.lower() == ".json"
    return beside if described or beside.exists() else BUNDLED


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


def add_terms(parser: argparse.ArgumentParser, *, more: str = "") -> None:
    """Add ``--terms``; `more` is what it takes besides."""
    parser.add_argument(
        "--terms",
        metavar="TERMS",
        help="which blocks a table is of: pairs (default), singles, or a list such as "
        f"'[[0, 1], [1, 2]]', on the command line or in a .json file{more}",
    )


def terms_of(text: str | None, space: SearchSpace) -> Terms | None:
    """Read ``--terms``; None where it is not given.

    Raises
    ------
    AnbError
        If it is none of the words, no JSON, or no terms of the space.
    """
    from anb_export._io.json_file import read_json
    from anb_onnx._io.strict_json import JsonError, loads
    from anb_onnx.errors import AnbError
    from anb_onnx.terms import Terms

    orders = {"singles": 1, "pairs": 2, "all": space.n_blocks}
    if text is None:
        return None
    if text in orders:
        return Terms.of_order(space, orders[text])
    try:
        value = read_json(Path(text)) if text.endswith(".json") else loads(text)
    except (JsonError, OSError) as error:
        msg = f"--terms {text!r:.80}: not one of {', '.join(orders)}, and no list: {error}"
        raise AnbError(msg) from error
    return Terms.from_list(value, space, f"--terms {text!r:.80}")


def positive(text: str) -> int:
    """Read a positive integer."""
    if not text.isdecimal() or int(text) < 1:
        msg = f"expected a positive integer, found {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def not_negative(text: str) -> int:
    """Read an integer from 0 on."""
    if not text.isdecimal():
        msg = f"expected an integer >= 0, found {text!r}"
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
