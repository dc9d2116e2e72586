"""``anb-export study report``: tables, plots and advice from the fits of a study."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from anb_onnx._io.show import printable

HELP = "tables, plots and a recommendation by budget from the fits of a study"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the action."""
    parser.add_argument(
        "--out",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="folder of a study, whose fits.parquet and, where it is there, selection.parquet are "
        "read; may be repeated",
    )
    parser.add_argument(
        "--page",
        type=Path,
        metavar="FILE.md",
        help="page whose marked section is rewritten, and made if it is not there; the figures go "
        "beside it as .json (default: report.md in the first --out)",
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="folder for the plots (default: images beside the page)",
    )
    parser.add_argument(
        "--targets",
        type=_names,
        default=(),
        metavar="A,B",
        help="only these targets, over which the means are (default: all that have fits)",
    )
    parser.add_argument(
        "--predictors",
        type=_names,
        default=(),
        metavar="A,B",
        help="only these predictors (default: all that have fits)",
    )
    parser.add_argument(
        "--at",
        type=_sizes,
        default=(),
        metavar="N,M",
        help="sizes of the tables by target and of the plots of costs (default: those of the "
        "paper's that were studied)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the report, and print its recommendation."""
    from anb_export.study import report_reading
    from anb_export.study.report_advice import advices
    from anb_export.study.report_files import Places, write
    from anb_export.study.report_page import heading_of
    from anb_export.study.report_selection import read_selections
    from anb_export.study.report_words import advice_line
    from anb_onnx.errors import AnbError

    page = arguments.page or arguments.out[0] / "report.md"
    if page.suffix != ".md":
        msg = f"--page must end in .md, found {page}"
        raise AnbError(msg)
    places = Places(page, arguments.images or page.parent / "images")
    places.check()
    chosen = {"targets": arguments.targets, "predictors": arguments.predictors}
    studies = report_reading.read(arguments.out, **chosen)
    selections = read_selections(arguments.out, **chosen)
    written = write(studies, places, arguments.at, selections)
    for fits in studies:
        sys.stdout.write(
            printable(f"{heading_of(fits.space)}, {', '.join(fits.targets)}\n", keep="\n")
        )
        for advice in advices(fits):
            sys.stdout.write(f"  {advice_line(advice).replace('**', '').replace('`', '')}\n")
    sys.stderr.write(printable(f"wrote {', '.join(map(str, written))}\n", keep="\n"))
    return 0


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        msg = f"expected names separated by commas, found {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return names


def _sizes(text: str) -> tuple[int, ...]:
    items = [item.strip() for item in text.split(",")]
    if not all(item.isdecimal() and int(item) > 0 for item in items):
        msg = f"expected positive integers separated by commas, found {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return tuple(map(int, items))
