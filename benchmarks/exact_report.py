"""What is proven of the bundled targets as a page: `python -m benchmarks.exact_report`.

It writes docs/exact-results.md and the plots beside it. Sections that need the counts of
`anb-export truth` are left out where nobody has counted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from anb_export.reports.markdown import number, paragraph, table

import anb_onnx
from anb_onnx import Surrogate, exact
from anb_onnx.cli.proven import better_than, plain
from anb_onnx.exact import Front, Rank
from benchmarks import exact_facts as facts
from benchmarks import exact_plots as plots
from benchmarks.exact_facts import Cost, Subject

COMMAND = "python -m benchmarks.exact_report"
ROOT = Path(__file__).resolve().parents[1]

#: The target whose fronts with all others are drawn.
FIRST = "accuracy"

#: The one of these fronts that the README shows.
SHOWN = "throughput_a100"

#: Shares of all architectures whose values are listed.
_SHARES = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)


def main(argv: Sequence[str] | None = None) -> int:
    """Prove everything, and write the page and its plots; return 0."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Write docs/exact-results.md.")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "docs", metavar="DIR",
        help="where the page goes, and images/exact-*.png (default: docs of the checkout)",
    )  # fmt: skip
    parser.add_argument(
        "--targets", nargs="+", metavar="TARGET",
        help=f"those to prove something of beside {FIRST} (default: all)",
    )  # fmt: skip
    args = parser.parse_args(argv)
    names = args.targets or [t.name for t in anb_onnx.targets() if t.name != FIRST]
    subjects = []
    for name in (FIRST, *names):
        _say(f"{name}: best and worst")
        subjects.append(facts.subject(name))
    first, others = subjects[0].surrogate, [subject.surrogate for subject in subjects[1:]]
    fronts = []
    for other in others:
        _say(f"{FIRST} and {other.target.name}: front")
        fronts.append(exact.pareto([first, other]))
    costs = []
    for other, front in zip(others, fronts, strict=True):
        _say(f"{FIRST} under limits of {other.target.name}")
        costs.append(facts.costs(first, other, front))
    page = [
        _head(first),
        _extremes(subjects),
        _ranks(subjects),
        _fronts(subjects[0], subjects[1:], fronts),
        _costs(first, others, costs),
        _genes(first, others, fronts),
        _distributions(subjects),
    ]
    images = args.out / "images"
    pairs = [(first, other) for other in others]
    plots.plot_fronts(pairs, fronts, images / "exact-fronts.png")
    for pair, front in zip(pairs, fronts, strict=True):
        if pair[1].target.name == SHOWN:
            plots.plot_front(pair, front, images / "exact-front.png")
    shared = {o.target.name: facts.shared(f, first) for o, f in zip(others, fronts, strict=True)}
    plots.plot_shared(shared, first.space.gene_names, images / "exact-genes.png")
    counted = _counted(subjects)
    if counted:
        plots.plot_distributions(counted, images / "exact-distributions.png")
    text = "\n\n".join(part for part in page if part)
    (args.out / "exact-results.md").write_text(f"{text}\n", encoding="utf-8")
    _say(f"wrote {args.out / 'exact-results.md'}")
    return 0


def _head(first: Surrogate) -> str:
    text = (
        f"Written by `{COMMAND}`; how all of this is proven stands in [exact.md](exact.md). It is "
        "exact of the surrogates, not of reality: nothing else of the "
        f"{first.space.size:,} architectures has a better *prediction*."
    )
    return f"# What is proven of the bundled targets\n\n{paragraph(text)}"


def _extremes(subjects: Sequence[Subject]) -> str:
    rows = []
    for subject in subjects:
        best, worst = subject.best.solutions[0], subject.worst.solutions[0]
        rows.append(
            [
                f"{subject.name} [{subject.surrogate.target.unit}]",
                *(number(s.value, 5) for s in (best, worst)),
                *(number(value, 5) for value in subject.known.values()),
                f"{best.architecture.index}",
                f"{subject.best.ties}{'' if subject.best.all_ties else ' or more'}",
            ]
        )
    header = ["target", "best", "worst", *subjects[0].known, "index of the best", "ties with it"]
    text = (
        "The best and the worst of all: `anb-onnx optimum TARGET`, and `--worst`. EfficientNet-B0 "
        "stands beside them: `anb-onnx query efficientnet-b0`."
    )
    return f"## Optima\n\n{paragraph(text)}\n\n{table(header, rows)}"


def _ranks(subjects: Sequence[Subject]) -> str:
    rows = []
    for subject in subjects:
        truth = subject.truth
        if truth is None or not truth.landmarks:
            continue
        for name, mark in truth.landmarks.items():
            rank = Rank(
                subject.name,
                truth.unit,
                mark.value,
                mark.rank,
                mark.better,
                mark.equal,
                truth.total,
            )
            rows.append(
                [
                    f"{subject.name} [{truth.unit}]" if len(truth.landmarks) == 1 else
                    f"{subject.name}, {name}",
                    number(mark.value, 5), f"{mark.rank:,}", better_than(rank), f"{mark.equal:,}",
                    number(truth.regret(mark.value), 4),
                ]
            )  # fmt: skip
    if not rows:
        return ""
    header = ["target", "value", "rank", "better than", "with this value", "short of the best by"]
    text = (
        "The place of EfficientNet-B0 among all, counted: `anb-onnx rank TARGET efficientnet-b0`. "
        "Shares are rounded down."
    )
    return f"## EfficientNet-B0's ranks\n\n{paragraph(text)}\n\n{table(header, rows)}"


def _fronts(first: Subject, others: Sequence[Subject], fronts: Sequence[Front]) -> str:
    rows = []
    for other, front in zip(others, fronts, strict=True):
        row = [
            f"{other.name} [{other.surrogate.target.unit}]",
            f"{len(front.codes):,}",
            *(f"{number(a, 4)} to {number(b, 4)}" for a, b in
              zip(front.values[0].tolist(), front.values[-1].tolist(), strict=True)),
        ]  # fmt: skip
        for name, value in first.known.items():
            here = other.known[name]
            beaten = facts.beaten_by(front, [value, here])
            if beaten is None:
                row += ["on the front", "on the front"]
                continue
            row += [
                f"+{number(beaten[0] - value, 3)}",
                f"{number(here, 4)} to {number(beaten[1], 4)}",
            ]
        rows.append(row)
    unit = first.surrogate.target.unit
    header = ["with", "architectures", f"{FIRST} [{unit}]", "the other target"]
    for name in first.known:
        header += [f"{name}: {FIRST} gained", "the other target instead"]
    text = (
        f"The exact fronts of {FIRST} and each other target, from the best in the one to the best "
        f"in the other: `anb-onnx pareto {FIRST} TARGET`. What stands at EfficientNet-B0: how much "
        f"more {FIRST} the best architecture has that is no worse in the other target; and how "
        f"good in the other one one can be with no less {FIRST}."
    )
    words = "The exact fronts, 20,000 architectures at random, and EfficientNet-B0"
    image = f"![{words}](images/exact-fronts.png)"
    return f"## Fronts\n\n{paragraph(text)}\n\n{image}\n\n{table(header, rows)}"


def _costs(first: Surrogate, others: Sequence[Surrogate], costs: Sequence[Sequence[Cost]]) -> str:
    top = exact.optimum(first).bound
    rows = []
    for other, found in zip(others, costs, strict=True):
        cells = [
            f"{cost.operator} {plain(cost.level)}: {number(cost.best, 4)} "
            f"({number(cost.best - top, 3)})"
            for cost in found
        ]
        rows.append([f"{other.target.name} [{other.target.unit}]", *cells])
    header = ["limit of", *(f"level {k + 1}" for k in range(facts.LEVELS))]
    text = (
        f"The best {FIRST} under a limit of another target, and how much less than without one: "
        f"`anb-onnx optimum {FIRST} --where 'TARGET<=LEVEL'`. Levels lie evenly between the ends "
        "of the fronts. Each is proven twice: sought under the limit, and read from the front."
    )
    return f"## What constraints cost\n\n{paragraph(text)}\n\n{table(header, rows)}"


def _genes(first: Surrogate, others: Sequence[Surrogate], fronts: Sequence[Front]) -> str:
    space, lines = first.space, []
    found = [facts.shared(front, first) for front in fronts]
    for other, shared in zip(others, found, strict=True):
        fixed = [
            f"`{name}` = {value}"
            for name, value, share in zip(
                space.gene_names, shared.values, shared.shares, strict=True
            )
            if share == 1
        ]
        lines.append(f"* {other.target.name}: {', '.join(fixed) or 'none'}")
    everywhere = [
        f"`{name}` = {found[0].values[k]}"
        for k, name in enumerate(space.gene_names)
        if len({shared.values[k] for shared in found}) == 1
        and min(shared.shares[k] for shared in found) >= 0.8
    ]
    text = (
        "How much the architectures of a front have in common: the most frequent value of each "
        "gene (`se` and `-` for with and without squeeze-and-excitation), the darker the more of "
        "the front have it. Columns `codes` of `exact.pareto`, or of `anb-onnx pareto ... --out "
        "front.csv`."
    )
    rule = (
        "On every one of these fronts at least 80 % agree in the same value of: "
        f"{', '.join(everywhere) or 'no gene'}."
    )
    image = "![The most frequent values of the genes on the fronts](images/exact-genes.png)"
    all_of = f"Genes that all architectures of the front with {FIRST} share:"
    parts = [paragraph(text), image, paragraph(rule), paragraph(all_of), "\n".join(lines)]
    return "## What the front's architectures share\n\n" + "\n\n".join(parts)


def _counted(subjects: Sequence[Subject]) -> list[Subject]:
    return [s for s in subjects if s.truth is not None and s.truth.counts is not None]


def _distributions(subjects: Sequence[Subject]) -> str:
    counted = _counted(subjects)
    if not counted:
        return ""
    rows = []
    for subject in counted:
        assert subject.truth is not None
        values = facts.quantiles(subject.truth, _SHARES)
        unit = subject.surrogate.target.unit
        rows.append([f"{subject.name} [{unit}]", *(number(value, 4) for value in values)])
    header = ["target", *(f"{100 * share:g} %" for share in _SHARES)]
    text = (
        "How many architectures have which value, all of them counted (`anb-onnx sweep TARGET`): "
        "the axis of counts is logarithmic, red is EfficientNet-B0, dashed the best of all. Below, "
        "values that such shares of all architectures do not exceed, to within one of the bins."
    )
    image = "![How many architectures have which value](images/exact-distributions.png)"
    return f"## Distributions\n\n{paragraph(text)}\n\n{image}\n\n{table(header, rows)}"


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
