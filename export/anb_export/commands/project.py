"""``anb-export project``: makes an approximate ONNX file, in table form, of any trained trees."""

from __future__ import annotations

import argparse
from pathlib import Path

from anb_export.commands import _arguments
from anb_export.commands._show import note, say

HELP = "approximate members of any kind by integer tables, and tell how faithful these are"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "members", type=Path, metavar="DIR", help="folder that `anb-export train` wrote"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE.onnx",
        help="file to write; manifest.json beside it gets an entry",
    )
    add_fidelity(parser)


def add_fidelity(parser: argparse._ActionsContainer) -> None:
    """Add what only a projection asks for; `convert` has it, too. None stands for the default."""
    parser.add_argument(
        "--dataset",
        type=Path,
        metavar="PATH",
        help="measurements, to state the quality of the approximation itself",
    )
    parser.add_argument(
        "--split",
        metavar="DIR|random:SEED",
        help="the split the members were trained on (default: default_split beside the data set)",
    )
    parser.add_argument(
        "--n",
        type=_arguments.positive,
        metavar="N",
        help="random architectures to measure the fidelity on (default: 200000)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Project, measure the fidelity, write the file and list it in the manifest."""
    from anb_export.artifacts.projected_form import build_projected
    from anb_export.tables.fidelity import N_FIDELITY
    from anb_export.training.members_folder import read_training
    from anb_onnx.errors import AnbError
    from anb_onnx.writing.manifest import write_artifact

    _arguments.check_onnx_out(arguments.out)
    n = N_FIDELITY if arguments.n is None else arguments.n
    if n < 2:
        msg = f"--n must be at least 2, found {n}"
        raise AnbError(msg)
    if arguments.split is not None and arguments.dataset is None:
        msg = f"--split {arguments.split} needs --dataset: it splits the measurements"
        raise AnbError(msg)
    training = read_training(arguments.members)
    dataset = split = None
    if arguments.dataset is not None:
        dataset, split = _arguments.read_data(arguments)
    model, card = build_projected(training, n=n, dataset=dataset, split=split)
    write_artifact(arguments.out, model, training.target, card, space=training.space)
    found = card["fidelity"]
    say(
        f"{training.target}: projected, R2 {found['r2']:.6g} and Kendall tau "
        f"{found['kendall_tau']:.6g} to the full ensemble on {found['n']:,} random architectures"
    )
    for name in ("max", "p99.9", "rms"):
        own = found[name]["own_std"]
        text = "" if own is None else f", {own:.4g} of the ensemble's own std"
        unit = card["unit"]
        say(
            f"{name:6} difference {found[name]['target']:.4g} {unit}, "
            f"{found[name]['target_std']:.4g} of the target's std{text}"
        )
    if "test" in card["quality"]:
        m, full = card["quality"]["test"], card["members_quality"]["test"]
        say(
            f"test   R2 {m['r2']:.4f} (full ensemble {full['r2']:.4f})  Kendall tau "
            f"{m['kendall_tau']:.4f} ({full['kendall_tau']:.4f})  MAE {m['mae']:.4g} "
            f"({full['mae']:.4g}) {card['unit']}"
        )
    note(
        f"wrote {arguments.out} ({len(model):,} bytes, {card['members']} members); it is an "
        "approximation, and says so in its metadata"
    )
    return 0
