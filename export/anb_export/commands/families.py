"""``anb-export families``: trains all families on all targets and tabulates their quality."""

from __future__ import annotations

import argparse
from pathlib import Path

from anb_export.commands import _arguments
from anb_export.commands._show import note, say, stage_progress

HELP = "train every family of models on every target, and write the table that compares them"

_ROWS = ("xgb", "lgb", "forest", "svr", "nusvr", "compact")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add_dataset(parser)
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build/families"),
        metavar="DIR",
        help="folder for the members; what is finished there is reused (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("docs/families.md"),
        metavar="FILE.md",
        help="page whose marked section is rewritten; the figures go beside it as .json, where "
        "those of the same data, split and members stay unless made again "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--family",
        action="append",
        choices=_ROWS,
        metavar="NAME",
        help=f"only this row; may be repeated: {', '.join(_ROWS)} (default: all but compact)",
    )
    parser.add_argument(
        "--target",
        action="append",
        metavar="NAME",
        help="only this target; may be repeated (default: the reference's nine)",
    )
    parser.add_argument(
        "--members",
        type=_arguments.positive,
        default=6,
        metavar="M",
        help="members of each ensemble, with seeds 1 to M (default: %(default)s)",
    )
    parser.add_argument(
        "--searched",
        type=Path,
        metavar="FILE.json",
        help="hyper-parameters that `anb-export hpo` wrote: each family in it gets a further row",
    )
    _arguments.add_jobs(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train, evaluate, and write the page."""
    from anb_export.reports.compare_families import NINE, jobs_for, run_table, write_table
    from anb_onnx._io.output import check_output

    for page in (arguments.out, arguments.out.with_suffix(".json")):
        check_output(page)  # refused now, not after hours
    jobs = jobs_for(
        arguments.family or _ROWS[:-1],
        arguments.target or NINE,
        _arguments.hyperparameters_of(arguments),
        arguments.searched,
    )
    dataset, split = _arguments.read_published(arguments)
    with stage_progress() as report:
        document = run_table(
            dataset,
            split,
            jobs,
            list(range(1, arguments.members + 1)),
            arguments.work,
            processes=arguments.jobs,
            report=report,
        )
    write_table(document, arguments.out)
    for row, entries in document["results"].items():
        for target, entry in entries.items():
            m = entry["metrics"]
            say(
                f"{row:16} {target:18} R2 {m['r2']:9.4f}  tau {m['kendall_tau']:7.4f}  "
                f"MAE {m['mae']:.4g}"
            )
    note(f"wrote {arguments.out} and {arguments.out.with_suffix('.json')}")
    return 0
