"""Tables of a study, as Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from anb_export.predictors.registry import KINDS
from anb_export.reports.markdown import number, table
from anb_export.study import report_paper
from anb_export.study.report_figures import Mean, Ranks, mean_of, median_of
from anb_export.study.report_rows import Fits

NONE = "-"

_TITLES = {kind.name: kind.title for kind in KINDS}


def title_of(predictor: str) -> str:
    """Return the words for a predictor."""
    return _TITLES.get(predictor, predictor)


def named(predictor: str) -> str:
    """Return the words for a predictor, and how the command calls it."""
    return f"{title_of(predictor)} (`{predictor}`)"


def count(value: float) -> str:
    """Return a number of measurements or bytes as text."""
    return f"{value:,.0f}"


def share(value: float) -> str:
    """Return a number around 0 to 1 with three decimals, without the zero before the point.

    Examples
    --------
    >>> share(0.8014), share(-0.02), share(1.0)
    ('.801', '-.020', '1.000')
    """
    text = f"{value:.3f}"
    if text == "-0.000":
        return ".000"
    return text.replace("0.", ".", 1) if abs(float(text)) < 1 else text


def with_error(mean: Mean) -> str:
    """Return a mean and its standard error, if it has one."""
    if math.isnan(mean.error):
        return share(mean.value)
    return f"{share(mean.value)} ±{share(mean.error)}"


def short(value: float) -> str:
    """Return a positive number with two digits that count, or all before the point.

    Examples
    --------
    >>> short(0.00234), short(12.4), short(12345.6), short(0.0)
    ('0.0023', '12', '12,346', '0')
    """
    return f"{value:.2g}" if value < 100 else count(value)


def percent(value: float) -> str:
    """Return a share as per cent with two digits that count, without the sign."""
    return number(100 * value, 3)


#: What stands in a cell, and by which value it is compared.
Entry = tuple[str, float]
Cell = Callable[[str, int], Entry | None]


def _entry(found: Mean | None, shown: Callable[[Mean], str] = with_error) -> Entry | None:
    return None if found is None else (shown(found), found.value)


def by_size(
    fits: Fits,
    cell: Cell,
    best: Callable[..., float] | None,
    label: Callable[[str], str] = title_of,
    more: Callable[[Sequence[int]], list[list[str]]] = lambda sizes: [],
) -> str:
    """Return a table of predictors by size.

    Parameters
    ----------
    fits : Fits
    cell : callable
        Maps predictor and size to text and value, or None.
    best : callable or None
        ``max`` or ``min`` of the values makes a cell bold, and others that look the same.
    label : callable
        Maps a predictor to what its line is called.
    more : callable
        Maps the sizes of the columns to further lines.
    """
    found = {(p, s): cell(p, s) for p in fits.predictors for s in fits.sizes}
    sizes = [s for s in fits.sizes if any(found[p, s] for p in fits.predictors)]
    columns: list[list[str]] = []
    for size in sizes:
        columns.append(_column([found[p, size] for p in fits.predictors], best))
    rows = [list(row) for row in zip(map(label, fits.predictors), *columns, strict=True)]
    return table(["predictor", *map(count, sizes)], [*rows, *more(sizes)])


def _column(entries: Sequence[Entry | None], best: Callable[..., float] | None = max) -> list[str]:
    """Return the texts of a column, the best of them bold."""
    if best is None or not any(entries):
        return [NONE if entry is None else entry[0] for entry in entries]
    first = best(entry[1] for entry in entries if entry)
    # What follows a mean, its error, does not decide.
    looks = {entry[0].split()[0] for entry in entries if entry and entry[1] == first}
    return [_bold(entry, looks) for entry in entries]


def _bold(entry: Entry | None, looks: set[str]) -> str:
    if entry is None:
        return NONE
    return f"**{entry[0]}**" if entry[0].split()[0] in looks else entry[0]


def mean_table(
    fits: Fits,
    figure: str,
    shown: Callable[[Mean], str],
    best: Callable[..., float] | None = max,
) -> str:
    """Return the means of a figure over all targets."""

    def cell(predictor: str, size: int) -> Entry | None:
        return _entry(mean_of(fits, predictor, size, figure), shown)

    return by_size(fits, cell, best)


def tau_table(fits: Fits) -> str:
    """Return the means of tau with their errors, and the paper's below."""

    def paper(sizes: Sequence[int]) -> list[list[str]]:
        lines = report_paper.LINES if report_paper.is_its_own(fits.space, fits.targets) else ()
        return [
            [
                f"*{report_paper.NAME}: {line.title}*",
                *(share(line.mean) if line.size in (None, size) else NONE for size in sizes),
            ]
            for line in lines
            if line.size is None or line.size in sizes
        ]

    def cell(predictor: str, size: int) -> Entry | None:
        return _entry(mean_of(fits, predictor, size))

    return by_size(fits, cell, max, named, paper)


def median_table(fits: Fits, figure: str, shown: Callable[[float], str]) -> str:
    """Return the medians of a figure over targets and seeds; the least is bold."""

    def cell(predictor: str, size: int) -> Entry | None:
        found = median_of(fits, predictor, size, figure)
        return None if found is None else (shown(found), found)

    return by_size(fits, cell, min)


def coverage_table(fits: Fits) -> str:
    """Return the coverage of intervals of 50 and 90 %, in per cent."""

    def cell(predictor: str, size: int) -> Entry | None:
        half = mean_of(fits, predictor, size, "coverage_50")
        most = mean_of(fits, predictor, size, "coverage_90")
        if half is None or most is None:
            return None
        return f"{100 * half.value:.0f} / {100 * most.value:.0f}", 0.0

    return by_size(fits, cell, None)


def target_table(fits: Fits, size: int) -> str:
    """Return tau by target at a size, the paper's beside; the best of each column is bold."""
    there = [p for p in fits.predictors if any(fits.seeds(t, p, size) for t in fits.targets)]
    columns = [
        _column([_entry(mean_of(fits, p, size, target=target)) for p in there])
        for target in (*fits.targets, None)
    ]
    rows = [list(row) for row in zip(map(title_of, there), *columns, strict=True)]
    for line in report_paper.lines_at(fits.space, fits.targets, size):
        values = [share(line.tau[t]) if t in line.tau else NONE for t in fits.targets]
        five = report_paper.is_its_own(fits.space, fits.targets)
        name = f"*{report_paper.NAME}: {line.title}*"
        rows.append([name, *values, share(line.mean) if five else NONE])
    return table(["predictor", *fits.targets, "mean"], rows)


def artifact_table(fits: Fits) -> str:
    """Return what the artifacts of each predictor are, over all sizes."""
    rows = []
    for predictor in fits.predictors:
        columns = (("artifact_bytes", 1000.0), ("query_us", 1.0), ("predict_us", 1.0))
        ranges = [_range(fits, predictor, figure, unit) for figure, unit in columns]
        rows.append([title_of(predictor), " or ".join(fits.forms(predictor)) or NONE, *ranges])
    header = ["predictor", "form", "kilobytes", "microseconds, artifact", "predictor"]
    return table(header, rows, left=2)


def _range(fits: Fits, predictor: str, figure: str, unit: float) -> str:
    """Return the least and the largest median of any size as text."""
    found = [median_of(fits, predictor, size, figure) for size in fits.sizes]
    there = [short(value / unit) for value in sorted(v for v in found if v is not None)]
    if not there:
        return NONE
    return there[0] if there[0] == there[-1] else f"{there[0]} to {there[-1]}"


def rank_table(ranks: Sequence[Ranks]) -> str:
    """Return mean ranks by size, and below them the critical differences."""
    names = list(dict.fromkeys(name for found in ranks for name in found.predictors))
    rows = []
    for name in names:
        row = [title_of(name)]
        for found in ranks:
            places = dict(zip(found.predictors, found.ranks, strict=True))
            row.append(f"{places[name]:.1f}" if name in places else NONE)
        rows.append(row)
    rows.append(["*critical difference*", *(_or_none(found.difference) for found in ranks)])
    rows.append(["*predictors / seeds*", *(f"{len(r.ranks)} / {r.seeds}" for r in ranks)])
    return table(["predictor", *(count(found.size) for found in ranks)], rows)


def _or_none(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:.1f}"
