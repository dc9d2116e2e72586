"""``anb-export evaluate``: the reference's metrics and plots of ensembles."""

from __future__ import annotations

import argparse
from pathlib import Path

from anb_export.commands import _arguments
from anb_export.commands._show import note, say

HELP = "compare members or ONNX files with the measurements, by the reference's metrics"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "ensembles",
        type=Path,
        nargs="+",
        metavar="DIR|FILE.onnx",
        help="folders that `anb-export train` wrote, or ONNX files beside their manifest",
    )
    _arguments.add_dataset(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where evaluation.json and the plots go, in a folder for each ensemble "
        "(default: only print)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Evaluate each ensemble, print and write."""
    from anb_export.reports.evaluate_ensemble import METRICS, evaluate_ensemble, write_evaluation

    dataset, split = _arguments.read_data(arguments)
    used: set[str] = set()
    for path in arguments.ensembles:
        found = evaluate_ensemble(path, dataset, split)
        say(f"{path}  {found.target} [{found.unit}]  {found.kind}  {len(found.members)} members")
        say(f"{'':9}{'n':>6} " + " ".join(f"{name:>17}" for name in METRICS))
        for part, m in found.metrics.items():
            say(f"  {part:7}{m['n']:6} " + " ".join(f"{m[name]:17.6g}" for name in METRICS))
        for index, m in enumerate(found.members):
            name = f"member {index}"
            say(f"  {name:13} " + " ".join(f"{m[name]:17.6g}" for name in METRICS))
        if arguments.out is not None:
            name = found.target
            while name in used:  # two ensembles of one target
                name += "_"
            used.add(name)
            files = write_evaluation(found, arguments.out / name)
            note(f"wrote {len(files)} files to {arguments.out / name}")
    return 0
