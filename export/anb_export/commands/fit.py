"""``anb-export fit``: fits a predictor to measurements, and writes it as an artifact."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from anb_export.commands import _arguments, _study_choice
from anb_export.commands._show import note, say

if TYPE_CHECKING:
    from anb_export.study.protocol import Protocol, Rows

HELP = "fit one kind of predictor to measurements, and write it as an artifact"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _study_choice.add_measured(parser)
    parser.add_argument("--target", required=True, metavar="NAME", help="what to predict")
    parser.add_argument(
        "--predictor",
        required=True,
        metavar="NAME",
        help="kind of predictor: docs/predictor-kinds.md lists them, docs/predictors.md tells "
        "which to take",
    )
    parser.add_argument(
        "--size",
        type=_arguments.positive,
        metavar="N",
        help="number of measurements to learn from, drawn as `anb-export study` draws them; the "
        "test rows tell what it is worth (default: all other rows)",
    )
    parser.add_argument("--all", action="store_true", help="learn from every row, and test on none")
    parser.add_argument(
        "--seed",
        type=_arguments.not_negative,
        default=0,
        metavar="S",
        help="of what is drawn (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of artifacts, to whose manifest it is added",
    )


def run(arguments: argparse.Namespace) -> int:
    """Fit, test, write, and print the figures of the test rows."""
    from anb_export.predictors.artifact import artifact_bytes, to_surrogate
    from anb_export.predictors.contract import PredictorError
    from anb_export.predictors.registry import kind_of
    from anb_export.predictors.scores import facts_of_test
    from anb_export.study.fitting import fitted_to
    from anb_export.study.plan import why_not

    kind = kind_of(arguments.predictor)
    protocol = _study_choice.where_of(arguments).open()
    if why := why_not(kind, protocol):
        msg = f"the predictor {kind.name!r} is not for this: {why}"
        raise PredictorError(msg)
    dataset = protocol.of(arguments.target)
    spec, values, codes = (
        dataset.target(arguments.target),
        dataset.values[arguments.target],
        dataset.codes,
    )
    train, test = _rows(arguments, protocol)
    if len(train) > kind.most:
        msg = (
            f"the predictor {kind.name!r} takes at most {kind.most} measurements, and there are "
            f"{len(train)}; --size {kind.most} draws so many"
        )
        raise PredictorError(msg)
    predictor = fitted_to(
        train, protocol, predictor=kind.name, target=spec.name, seed=arguments.seed
    )
    origin = dataset.origin
    facts = {
        "benchmark": origin.benchmark,
        "license": origin.license,
        "dataset": {
            "name": origin.name,
            "license": origin.license,
            "n_records": len(dataset),
            "n_dropped": 0,
        },
        **({} if test is None else facts_of_test(predictor, codes[test], values[test])),
    }
    with to_surrogate(predictor, spec, facts=facts) as surrogate:
        path = surrogate.save(arguments.out)
        size, form = artifact_bytes(surrogate), surrogate.metadata["form"]
    if test is not None:
        found = facts["quality"]["test"]
        say(
            f"test  n {found['n']}  MAE {found['mae']:.4g} {spec.unit}  R2 {found['r2']:.4f}  "
            f"Kendall tau {found['kendall_tau']:.4f}  Spearman {found['spearman']:.4f}"
        )
    note(f"wrote {path}: {kind.title}, of {len(train)} measurements, {form}, {size:,} bytes")
    return 0


def _rows(arguments: argparse.Namespace, protocol: Protocol) -> tuple[Rows, Rows | None]:
    """Return the rows to learn from, and those to test on.

    Raises
    ------
    AnbError
        If ``--all`` and ``--size`` are both given, or there are not so many rows.
    """
    import numpy as np

    from anb_onnx.errors import AnbError

    target = arguments.target
    if not arguments.all:
        size = arguments.size or protocol.largest(target)
        return protocol.rows(target, size, arguments.seed)
    if arguments.size is not None:
        msg = f"--all learns from every row: leave out --size {arguments.size}"
        raise AnbError(msg)
    dataset = protocol.of(target)
    return dataset.labelled(target, np.arange(len(dataset)))[0], None
