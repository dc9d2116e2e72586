"""``anb-export spaces``: makes the catalogs of other search spaces from published measurements."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anb_export.commands._show import note, say
from anb_onnx.errors import AnbError

HELP = "build the catalogs of NAS-Bench-201 and other spaces from published measurements"

_SPACES = ("nasbench201", "fbnet", "ofa")

#: Spaces of architecture and training together, with runs of several seeds.
_JOINT = ("fcnet", "hpobench_mlp")

#: Spaces of which whole learning curves are known; the digits' are found in a checkout, too.
_CURVES = ("taskset", "digits")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="folder with help_nb201.npz, hwnas_nb201.npz and so on (docs/spaces.md)",
    )
    what.add_argument(
        "--table",
        type=Path,
        metavar="PAGE.md",
        help="build nothing; write how good the catalogs in --out are into a page, between "
        "<!-- cards:begin --> and <!-- cards:end -->",
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
        choices=(*_SPACES, *_JOINT, *_CURVES),
        metavar="NAME",
        help=f"one of {', '.join((*_SPACES, *_JOINT, *_CURVES))}: build the catalog of this space "
        f"only; may be repeated (default: all; of --table: {', '.join(_SPACES)})",
    )


def run(arguments: argparse.Namespace) -> int:
    """Build, and print one line per target; or write the table of a page."""
    if arguments.table is not None:
        names = arguments.space or list(_SPACES)
        if len({name in _JOINT for name in names}) > 1:
            msg = (
                f"--table: {', '.join(_JOINT)} are of another page than {', '.join(_SPACES)}; name "
                "those of one page with --space"
            )
            raise AnbError(msg)
        return _table(arguments.table, [arguments.out / name for name in names])
    from anb_export.artifacts.joint_spaces import build_fcnet, build_hpobench_mlp
    from anb_export.artifacts.measured_spaces import build_fbnet, build_ofa
    from anb_export.artifacts.space_catalogs import Made, build_nasbench201
    from anb_export.curves.digits_catalog import build_digits
    from anb_export.curves.taskset_catalog import build_taskset

    def report(made: Made) -> None:
        told(made.target, made.card)

    def told(target: str, card: Mapping[str, Any]) -> None:
        part = "test" if "test" in card["quality"] else "all"
        m = card["quality"][part]
        known = (
            "exact"
            if card["exact"]
            else f"Spearman {m['spearman']:.4f}  MAE {m['mae']:.3g} {card['unit']}"
        )
        say(f"{target:40} members {card['members']}  {part:4} {known}")

    builders = {
        "nasbench201": build_nasbench201,
        "fbnet": build_fbnet,
        "ofa": build_ofa,
        "fcnet": build_fcnet,
        "hpobench_mlp": build_hpobench_mlp,
    }
    curves = {"taskset": build_taskset, "digits": build_digits}
    for name in arguments.space or (*_SPACES, *_JOINT, *_CURVES):
        out = arguments.out / name
        if name in curves:
            count = curves[name](arguments.data, out, told)
        else:
            count = builders[name](arguments.data, out, report)
        total = sum(file.stat().st_size for file in out.iterdir() if file.is_file())
        note(f"wrote {count} artifacts to {out} ({total / 1e6:.1f} MB in all)")
    return 0


def _table(page: Path, folders: list[Path]) -> int:
    from anb_export._io.files import write_atomically
    from anb_export.reports.joint_tables import joint_tables
    from anb_export.reports.markdown import replace_section
    from anb_export.reports.space_tables import space_tables

    try:
        text = page.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{page} cannot be read: {error}"
        raise AnbError(msg) from error
    tables = joint_tables if folders[0].name in _JOINT else space_tables
    write_atomically(page, replace_section(text, tables(folders), str(page)).encode())
    note(f"wrote {page}")
    return 0
