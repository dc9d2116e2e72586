"""The report of a study as a section of a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from anb_export.reports.markdown import paragraph
from anb_export.study import report_paper
from anb_export.study.report_figures import Ranks, ranks_at
from anb_export.study.report_rows import Fits
from anb_export.study.report_selection import Selections, selection_section
from anb_export.study.report_tables import (
    artifact_table,
    count,
    coverage_table,
    mean_table,
    median_table,
    percent,
    rank_table,
    share,
    short,
    target_table,
    tau_table,
)
from anb_export.study.report_words import missing, recommendation
from anb_onnx.experiments.report import ranges

#: Between these two lines of a page the report lies.
BEGIN, END = "<!-- study:begin -->", "<!-- study:end -->"

#: Sizes of the tables by target, where they were studied.
SHOWN = {"nasbench201": (124, 3036, 15000), "accel-nasbench": (50, 200, 1000, 4000)}

_HEADINGS = {"nasbench201": "NAS-Bench-201", "accel-nasbench": "Accel-NASBench"}


def heading_of(space: str) -> str:
    """Return how a space is called in a heading."""
    return _HEADINGS.get(space, space)


def shown_sizes(fits: Fits, wanted: Sequence[int] = ()) -> list[int]:
    """Return the sizes that tables by target and plots of costs are of.

    Parameters
    ----------
    fits : Fits
    wanted : sequence of int
        Those that the user asked for, if any; what this space has not is left out.
    """
    for sizes in (wanted, SHOWN.get(fits.space, ())):
        if found := sorted({size for size in sizes if size in fits.sizes}):
            return found
    last = len(fits.sizes) - 1
    return [fits.sizes[i] for i in sorted({0, last // 2, last})]


def report_section(
    fits: Fits,
    sizes: Sequence[int],
    images: Mapping[str, str],
    selections: Selections | None = None,
) -> str:
    """Return the report of one space.

    Parameters
    ----------
    fits : Fits
    sizes : sequence of int
        As of `shown_sizes`.
    images : mapping of str to str
        From ``tau``, ``cost`` and ``ranks`` to where the page finds the plot; those that are not
        there are not shown.
    selections : Selections, optional
        Of the same space.
    """
    n = len(fits.targets)
    parts = [
        f"## {heading_of(fits.space)}",
        paragraph(f"{_over(n)}: {', '.join(fits.targets)}. {_tests(fits)} {_seeds(fits)}"),
        "### What to use",
        *recommendation(fits),
        "### Kendall's τ",
        paragraph(
            f"{_mean(n)}, ± its standard error over seeds; the best of each size is bold, - where "
            "not every target has a fit. In brackets is what `--predictors` takes."
        ),
        tau_table(fits),
        *_image(images, "tau", "Kendall's tau against the number of measurements"),
        *_by_target(fits, sizes),
        *_ranks(fits, images),
        "### Intervals",
        *_intervals(fits),
        "### Errors",
        *_errors(fits),
        "### What it costs",
        *_costs(fits, images),
    ]
    if selections is not None:
        parts += ["### Selection and verification", *selection_section(selections)]
    return "\n\n".join([*parts, *missing(fits), *_origin(fits)])


def _over(n: int) -> str:
    return "One target" if n == 1 else f"{n} targets"


def _mean(n: int) -> str:
    return "Of the one target" if n == 1 else f"Mean over the {n} targets"


def _tests(fits: Fits) -> str:
    least, most = fits.tests()
    tests = count(most) if least == most else f"{count(least)} to {count(most)}"
    return f"{tests} test architectures each."


def _seeds(fits: Fits) -> str:
    """Say how many seeds there are by size: the least and most of any cell that has some."""
    runs: list[tuple[str, list[int]]] = []
    for size in fits.sizes:
        found = [
            len(seeds)
            for t in fits.targets
            for p in fits.predictors
            if (seeds := fits.seeds(t, p, size))
        ]
        if not found:
            continue
        text = str(min(found)) if min(found) == max(found) else f"{min(found)} to {max(found)}"
        if runs and runs[-1][0] == text:
            runs[-1][1].append(size)
        else:
            runs.append((text, [size]))
    said = [
        f"{text} at {count(sizes[0])}"
        if len(sizes) == 1
        else f"{text} from {count(sizes[0])} to {count(sizes[-1])}"
        for text, sizes in runs
    ]
    return f"Seeds of each cell: {'; '.join(said) or 'none'} measurements."


def _image(images: Mapping[str, str], name: str, words: str) -> list[str]:
    return [f"![{words}]({images[name]})"] if name in images else []


def _by_target(fits: Fits, sizes: Sequence[int]) -> Iterator[str]:
    yield "### Target by target"
    for size in sizes:
        yield f"From {count(size)} measurements:"
        yield target_table(fits, size)
    lines = [
        line for size in sizes for line in report_paper.lines_at(fits.space, fits.targets, size)
    ]
    if lines:
        yield paragraph(
            f"The lines of {report_paper.NAME} are quoted from the paper: 50 seeds, and other "
            "splits than ours. Its lookup table is of the same 25 measurements, whatever the size."
        )


def _ranks(fits: Fits, images: Mapping[str, str]) -> Iterator[str]:
    found: list[Ranks] = [r for size in fits.sizes if (r := ranks_at(fits, size)) is not None]
    if not found:
        return
    yield "### Ranks"
    yield paragraph(
        "Mean rank by τ over the targets, of means over the seeds that all predictors of a column "
        "have; 1 is the best. Ranks that are further apart than Nemenyi's critical difference "
        "(level 0.05) differ whatever the data set; with so few targets that is a lot."
    )
    yield rank_table(found)
    yield from _image(images, "ranks", "mean rank against the number of measurements")


def _intervals(fits: Fits) -> Iterator[str]:
    yield "Share of test architectures within the intervals of 50 and of 90 %, in per cent:"
    yield coverage_table(fits)
    yield "Mean width of the interval of 90 %, in per cent of the mean measured value:"
    yield mean_table(fits, "width_90_relative", lambda m: percent(m.value), None)
    yield paragraph(
        "Continuous ranked probability score of a normal distribution of mean and calibrated "
        "standard deviation, in per cent of the mean measured value; of two predictors with honest "
        "intervals the one that says more has less:"
    )
    yield mean_table(fits, "crps_relative", lambda m: percent(m.value), min)


def _errors(fits: Fits) -> Iterator[str]:
    yield "Mean absolute error, in per cent of the mean measured value:"
    yield mean_table(fits, "mae_relative", lambda m: percent(m.value), min)
    yield "R²:"
    yield mean_table(fits, "r2", lambda m: share(m.value))
    yield "Spearman's ρ:"
    yield mean_table(fits, "spearman", lambda m: share(m.value))


def _costs(fits: Fits, images: Mapping[str, str]) -> Iterator[str]:
    yield "CPU seconds of a fit, calibration included; median over targets and seeds:"
    yield median_table(fits, "fit_seconds", short)
    yield from _image(images, "cost", "CPU seconds of a fit against Kendall's tau")
    yield paragraph(
        "The artifacts: kilobytes of the file, and microseconds for each test architecture, asked "
        "in one batch, of the artifact and of the predictor that it was made from; the least and "
        "the largest median of any size."
    )
    yield artifact_table(fits)


def _origin(fits: Fits) -> Iterator[str]:
    digests: dict[str, list[str]] = {}
    for target, digest in fits.datasets().items():
        digests.setdefault(digest, []).append(target)
    data = "; ".join(f"`{d[:12]}` for {', '.join(sorted(t))}" for d, t in sorted(digests.items()))
    data = f"`{next(iter(digests))[:12]}`" if len(digests) == 1 else data
    versions = ", ".join(f"{n} {' and '.join(v)}" for n, v in fits.versions().items())
    made = f" Made with {versions}." if versions else ""
    seeds = sorted({seed for cell in fits.cells.values() for seed in cell})
    yield paragraph(f"Data (sha256): {data}. Seeds {ranges(seeds)}.{made}")
