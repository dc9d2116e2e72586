"""Which fits a study is of: options of `anb-export study`, and of what it does besides."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anb_export.commands import _arguments
from anb_export.commands._show import note
from anb_onnx.errors import AnbError

if TYPE_CHECKING:
    from anb_export.predictors.contract import Kind
    from anb_export.study.plan import Fit
    from anb_export.study.protocol import Protocol
    from anb_export.study.running import Where


def add_measured(parser: argparse.ArgumentParser) -> None:
    """Add where the measurements are."""
    parser.add_argument(
        "--space",
        metavar="NAME",
        help="nasbench201, fbnet or ofa, with --data; or accel-nasbench, with --dataset "
        "(default: what --dataset holds)",
    )
    measured = parser.add_mutually_exclusive_group()
    measured.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder with help_nb201.npz, hwnas_nb201.npz, help_fbnet.npz or help_ofa.npz",
    )
    measured.add_argument("--dataset", type=Path, metavar="PATH", help=_arguments.DATASET_HELP)
    parser.add_argument(
        "--split",
        metavar="DIR|random:SEED",
        help="of --dataset: as for `anb-export train`",
    )


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Add what to study."""
    parser.add_argument(
        "--targets",
        type=_names,
        metavar="NAME,...",
        help="what to predict (default: the five sets of the paper, the eight of Accel-NASBench "
        "that are of a device, HELP's test devices, or all that you measured)",
    )
    parser.add_argument(
        "--predictors",
        type=_names,
        metavar="NAME,...",
        help="kinds of predictors (default: all that are installed)",
    )
    parser.add_argument(
        "--sizes",
        type=_sizes,
        metavar="N,...",
        help="numbers of measurements (default: 11,25,55,124,276,614,1366,3036,15000 as far as "
        "there are so many; for accel-nasbench 50,200,1000,4000)",
    )
    parser.add_argument(
        "--seeds",
        default="50",
        metavar="SEEDS",
        help="how many, or which: 50 or 0-49; with others from a size on: 25,3036:5 are 25 seeds, "
        "but 5 from size 3036 on (default: %(default)s)",
    )


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names) or len(set(names)) != len(names):
        msg = f"expected different names separated by commas, found {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return names


def _sizes(text: str) -> list[int]:
    sizes = [_arguments.positive(item.strip()) for item in text.split(",")]
    if len(set(sizes)) != len(sizes):
        msg = f"expected different numbers separated by commas, found {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return sizes


def where_of(arguments: argparse.Namespace) -> Where:
    """Return where the measurements are.

    Raises
    ------
    AnbError
        If it is not said, or an option has no sense with it.
    """
    from anb_export.study.running import Where

    space, data, dataset = arguments.space, arguments.data, arguments.dataset
    if data is None and dataset is None:
        msg = (
            "nothing to study: --data DIR and --space nasbench201, fbnet or ofa; or --dataset PATH"
        )
        raise AnbError(msg)
    if data is not None and space is None:
        msg = "--data holds several spaces: --space nasbench201, fbnet or ofa says which"
        raise AnbError(msg)
    return Where(space, str(dataset if data is None else data), arguments.split)


def plan_of(arguments: argparse.Namespace, protocol: Protocol) -> list[Fit]:
    """Return the fits that are asked for."""
    from anb_export.study.plan import parse_seeds, plan

    targets = arguments.targets or protocol.targets
    most = min(protocol.largest(target) for target in targets)
    usual = [size for size in protocol.sizes if size <= most]
    sizes = sorted(arguments.sizes or usual)
    if not sizes:
        msg = f"there are {most} rows to fit to; --sizes says how many of them are taken"
        raise AnbError(msg)
    seeds = parse_seeds(arguments.seeds)
    return plan(protocol, targets, _kinds(arguments, protocol), sizes, seeds)


def _kinds(arguments: argparse.Namespace, protocol: Protocol) -> Sequence[Kind]:
    """Return the kinds that are named, or all that can be fitted here.

    Raises
    ------
    PredictorError
        If one that is named cannot be.
    """
    from anb_export.predictors.contract import PredictorError
    from anb_export.predictors.registry import KINDS, kind_of
    from anb_export.study.plan import why_not

    if arguments.predictors is not None:
        named = [kind_of(name) for name in arguments.predictors]
        for kind in named:
            if why := why_not(kind, protocol):
                msg = f"the predictor {kind.name!r} is not for this: {why}"
                raise PredictorError(msg)
        return named
    found = []
    for kind in KINDS:
        if why := why_not(kind, protocol):
            note(f"left out {kind.name}: {why}")
        else:
            found.append(kind)
    return found
