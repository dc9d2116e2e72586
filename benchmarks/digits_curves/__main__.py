"""The command of the measured set: `python -m benchmarks.digits_curves`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import anb_onnx
from anb_onnx.errors import AnbError
from benchmarks.digits_curves import describing, files, measuring
from benchmarks.digits_curves.comparing import (
    Side,
    at_pace,
    compare,
    courses,
    digest,
    markdown,
    reference,
)
from benchmarks.digits_curves.evaluators import Forest, Nearest, Predicted, Real
from benchmarks.digits_curves.plan import plan
from benchmarks.digits_curves.searches import Run

ROOT = Path(__file__).resolve().parents[2]

#: The side that trains.
REAL = "real runs"
#: What is made of the measured runs on the spot: its name in tables, and its maker.
STAND_INS: dict[str, tuple[str, Callable[[files.DigitsCurves], Run]]] = {
    "nearest": ("nearest measured run", Nearest),
    "forest": ("forest of measured runs", Forest),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Do what was asked; return 0, or 2 after an error."""
    args = _parser().parse_args(argv)
    try:
        args.run(args)
    except (AnbError, OSError) as error:
        print(f"benchmarks.digits_curves: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _measure(args: argparse.Namespace) -> None:
    drawn = plan(args.seed)
    journal = args.out.with_suffix(".journal")
    runs = len(drawn.seed) if args.runs is None else min(args.runs, len(drawn.seed))
    measuring.measure(drawn, journal, seed=args.seed, runs=runs)
    print(f"{args.out}: {files.write(args.out, drawn, journal)} runs")


def _describe(args: argparse.Namespace) -> None:
    _show(args, "figures", describing.markdown(describing.describe(_rows(args.measured))))


def _rows(measured: Path) -> files.DigitsCurves:
    return files.load(measured, repeats=True)


def _show(args: argparse.Namespace, name: str, text: str) -> None:
    """Print figures, and put them between the marks of a page."""
    print(text)
    if args.markdown is None:
        return
    page = args.markdown.read_text()
    begin, end = (f"<!-- {name}:{which} -->" for which in ("begin", "end"))
    if begin not in page or end not in page:
        msg = f"{args.markdown} has no marks {begin} and {end}"
        raise AnbError(msg)
    before, after = page.split(begin)[0], page.split(end)[1]
    args.markdown.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}")


def _compare(args: argparse.Namespace) -> None:
    sides = [Side(REAL, args.real_sample, Real, measuring.header(0), measuring.load_of_machine)]
    for source in args.surrogate:
        if source in STAND_INS:
            sides.append(_stand_in(source, args.measured, args.seeds))
        else:
            sides.append(_predicted(Path(source), args.seeds))
    # Half of the budget is the last: real runs may have got that far only, on a busy machine.
    budgets = [args.budget / 2**halving for halving in range(5, 0, -1)]
    found = {
        side.name: courses(side, args.results, budget=args.budget, compute=not args.tables_only)
        for side in sides
    }
    if all(found[REAL].values()):
        usual = float(np.median(_rows(args.measured).reference_seconds))
        pace = usual / reference(sides[0], args.results)
        print(f"a second of the real runs counts as {pace:.2f} of the measured ones\n")
        found[REAL] = at_pace(found[REAL], pace)
    result = compare({name: of for name, of in found.items() if all(of.values())}, budgets)
    _show(args, "comparison", markdown(result))
    if args.out is not None:
        args.out.write_text(json.dumps(result.document(), indent=1) + "\n")


def _stand_in(kind: str, measured: Path, seeds: int) -> Side:
    name, of = STAND_INS[kind]
    found = of(files.load(measured))

    def make(_: int) -> Run:
        return found

    return Side(name, seeds, make, {"measured": digest(measured)})


def _predicted(folder: Path, seeds: int) -> Side:
    accuracy, time = (anb_onnx.load(name, path=folder) for name in ("val_accuracy", "train_time"))
    predicted = Predicted(accuracy, time)

    def make(_: int) -> Predicted:
        return predicted

    return Side(f"surrogate {folder.name}", seeds, make, {"folder": digest(folder)})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.digits_curves",
        description="Learning curves and training times of small networks, measured here.",
    )
    commands = parser.add_subparsers(required=True)
    measured = commands.add_parser("measure", help="train the runs of the plan")
    measured.add_argument(
        "--out", type=Path, required=True, metavar="FILE.parquet",
        help="written at the end; runs are kept in FILE.journal meanwhile, which is continued",
    )  # fmt: skip
    measured.add_argument(
        "--runs", type=int, metavar="N", help="the first N of the plan; default: all"
    )
    measured.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the plan; default: 0"
    )
    measured.set_defaults(run=_measure)
    described = commands.add_parser("describe", help="figures of the measured runs")
    described.add_argument("--measured", type=Path, default=files.FILE, metavar="FILE.parquet")
    _add_markdown(described)
    described.set_defaults(run=_describe)
    compared = commands.add_parser(
        "compare", help="rank searches that stop runs early, on real runs and on surrogates"
    )
    compared.add_argument(
        "--surrogate", nargs="*", default=["nearest", "forest"], metavar="FOLDER",
        help="with artifacts val_accuracy, a curve, and train_time; `nearest` and "
        "`forest` are stand-ins made of the measured runs (default: both)",
    )  # fmt: skip
    compared.add_argument(
        "--real-sample", type=int, default=8, metavar="K", help="seeds of real runs; default: 8"
    )
    compared.add_argument(
        "--seeds", type=int, default=20, metavar="N", help="seeds of surrogates; default: 20"
    )
    compared.add_argument(
        "--budget", type=float, default=6.0, metavar="SECONDS",
        help="training seconds of each search; default: 6",
    )  # fmt: skip
    compared.add_argument(
        "--measured", type=Path, default=files.FILE, metavar="FILE.parquet",
        help="measured runs; default: the committed ones",
    )  # fmt: skip
    compared.add_argument(
        "--results", type=Path, default=ROOT / "build" / "digits_curves", metavar="DIR",
        help="where each search is kept (default: build/digits_curves of the checkout)",
    )  # fmt: skip
    compared.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON, too")
    compared.add_argument(
        "--tables-only", action="store_true", help="search no more: tables of what there is"
    )
    _add_markdown(compared)
    compared.set_defaults(run=_compare)
    return parser


def _add_markdown(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--markdown", type=Path, metavar="PAGE", help="put the tables between the marks of a page"
    )


if __name__ == "__main__":
    sys.exit(main())
