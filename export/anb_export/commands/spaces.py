"""``anb-export spaces``: makes the catalogs of other search spaces from published measurements."""

from __future__ import annotations

import argparse
from pathlib import Path

from anb_export.commands._show import note, say

HELP = "build the catalogs of NAS-Bench-201 and other spaces from published measurements"

_SPACES = ("nasbench201",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder with help_nb201.npz, hwnas_nb201.npz and so on (docs/spaces.md)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("spaces/anb_onnx_spaces/artifacts"),
        metavar="FOLDER",
        help="gets a folder for each catalog (default: %(default)s)",
    )
    parser.add_argument(
        "--space",
        action="append",
        choices=_SPACES,
        help="build the catalog of this space only; may be repeated (default: all)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Build, and print one line per target."""
    from anb_export.artifacts.space_catalogs import Made, build_nasbench201

    def report(made: Made) -> None:
        card = made.card
        part = "test" if "test" in card["quality"] else "all"
        m = card["quality"][part]
        known = "exact" if card["exact"] else f"R2 {m['r2']:.4f}  MAE {m['mae']:.4g} {card['unit']}"
        say(f"{made.target:40} members {card['members']}  {part:4} {known}")

    builders = {"nasbench201": build_nasbench201}
    for name in arguments.space or _SPACES:
        out = arguments.out / name
        count = builders[name](arguments.data, out, report)
        total = sum(file.stat().st_size for file in out.iterdir() if file.is_file())
        note(f"wrote {count} artifacts to {out} ({total / 1e6:.1f} MB in all)")
    return 0
