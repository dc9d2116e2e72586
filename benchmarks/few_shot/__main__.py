"""The command of the study: `python -m benchmarks.few_shot`.

Without options it asks about the devices that settings may be chosen by. It needs the data of
HELP (`seeds/help_*.npz`) and of Accel-NASBench, and the catalogs of the other spaces.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from anb_export._io.files import to_json, write_atomically

from anb_onnx.errors import AnbError
from benchmarks.few_shot import report
from benchmarks.few_shot.cells import DESIGNS, stamp
from benchmarks.few_shot.run import METHODS, plan, results, run
from benchmarks.few_shot.summary import lines
from benchmarks.few_shot.tasks import ROLES, SPACES

ROOT = Path(__file__).resolve().parents[2]
LOOK = "a look at test devices: settings that are chosen from here on have seen them"


def main(argv: Sequence[str] | None = None) -> int:
    """Compute what is missing and print the tables; return 0, or 2 after an error."""
    args = _parser().parse_args(argv)
    wanted = list(
        plan(
            args.space,
            args.role,
            draws=args.draws,
            sizes=args.sizes or (),
            designs=args.design,
            only=args.method or (),
        )
    )
    if {"test", "nasflat"} & set(args.role):
        print(f"note: {LOOK} (docs/few-shot.md lists all of them)", file=sys.stderr)
    try:
        if not args.tables_only:
            run(wanted, args.data, args.results, processes=args.processes)
        found = lines(results(wanted, args.results))
        if args.out is not None:
            content = {"stamp": stamp(), "lines": [asdict(line) for line in found]}
            write_atomically(args.out, to_json(content))
        if args.markdown is not None:
            page = report.fill(args.markdown.read_text(), report.sections(found))
            write_atomically(args.markdown, page.encode())
    except (AnbError, OSError) as error:
        print(f"benchmarks.few_shot: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    for name, text in report.sections(found):
        print(f"\n{name}\n\n{text}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.few_shot",
        description="What a few measurements of a new device are worth, on measured devices.",
    )
    default = os.environ.get("ANB_SHARED", ROOT.parent / "shared" / "data")
    parser.add_argument(
        "--space", nargs="+", choices=SPACES, default=list(SPACES), help="default: all"
    )
    parser.add_argument(
        "--role", nargs="+", choices=ROLES, default=["train", "valid"], help="default: train, valid"
    )
    parser.add_argument("--draws", type=int, default=30, metavar="N", help="default: 30")
    parser.add_argument(
        "--sizes", nargs="+", type=int, metavar="N", help="numbers of samples, not the protocol's"
    )
    parser.add_argument("--design", nargs="+", choices=DESIGNS, default=list(DESIGNS))
    parser.add_argument("--method", nargs="+", choices=METHODS["random"], help="default: all")
    parser.add_argument(
        "--data", type=Path, default=Path(default), metavar="DIR",
        help="folder that holds seeds/ and the Accel-NASBench archive (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--results", type=Path, default=ROOT / "build" / "few_shot", metavar="DIR",
        help="where each cell's file is kept (default: build/few_shot of the checkout)",
    )  # fmt: skip
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="default: 2")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures as JSON, too")
    parser.add_argument(
        "--markdown", type=Path, metavar="PAGE",
        help="put the tables between the marks of a page (docs/few-shot.md)",
    )  # fmt: skip
    parser.add_argument(
        "--tables-only", action="store_true", help="compute nothing: tables of what there is"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
