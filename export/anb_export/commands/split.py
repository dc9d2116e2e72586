"""``anb-export split``: draws a random split and writes it as the reference publishes them."""

from __future__ import annotations

import argparse
import re
from fractions import Fraction
from pathlib import Path

from anb_export.commands import _arguments
from anb_export.commands._show import note, say

HELP = "write a random split into train, val and test_paths.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--dataset",
        type=Path,
        required=True,
        metavar="PATH",
        help=_arguments.DATASET_HELP,
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write")
    parser.add_argument(
        "--seed", type=_seed, default=0, help="seed of the split (default: %(default)s)"
    )
    parser.add_argument(
        "--ratios",
        type=_ratios,
        metavar="TRAIN,VAL,TEST",
        help="shares of the distinct architectures (default: 0.8,0.1,0.1)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Draw, write, and print the sizes."""
    from anb_export.data.read import read_dataset
    from anb_export.data.splits import RATIOS, random_split, write_split

    dataset = read_dataset(arguments.dataset)
    split = random_split(dataset, arguments.seed, arguments.ratios or RATIOS)
    write_split(arguments.out, dataset, split)
    for part, rows in split.parts().items():
        say(f"{part:5}  {len(rows)} records")
    note(f"wrote {split.name} to {arguments.out}, sha256 {split.sha256}")
    return 0


def _seed(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        msg = f"expected a non-negative integer, found {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


#: What `Fraction` reads, without the exponents whose powers of ten would fill the memory.
_RATIO = re.compile(
    r"\s*[+-]?(\d{1,20}/\d{1,20}|(\d{1,20}\.?|\d{0,20}\.\d{1,20})(e[+-]?\d{1,2})?)\s*", re.I
)


def _ratios(text: str) -> tuple[Fraction, ...]:
    items = text.split(",")
    try:
        found = tuple(Fraction(item.strip()) for item in items if _RATIO.fullmatch(item))
    except (ValueError, ZeroDivisionError):
        found = ()
    if len(found) != 3 or len(items) != 3:
        msg = (
            "expected three numbers separated by commas, such as 0.8,0.1,0.1 or 4/5,1/10,1/10, "
            f"found {text!r:.80}"
        )
        raise argparse.ArgumentTypeError(msg)
    return found
