"""The tables of the study, as Markdown, alone or in the places of a page that wait for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from anb_export.reports.markdown import table

from benchmarks.few_shot.methods import ALL_COUNTS, ALONE, COUNTS, MACS, OURS, SINGLE
from benchmarks.few_shot.summary import Line, over_devices
from benchmarks.few_shot.tasks import HELP_SPEARMAN, NASFLAT

#: Methods in the order of the tables, and how each is written there.
_WRITTEN = {
    OURS: "adapt",
    ALONE: "adapt without sources",
    SINGLE: "best single source",
    COUNTS: "least squares on counts",
    ALL_COUNTS: "least squares on counts, of the whole pool",
    MACS: "MACs alone",
}
_DESIGNS = ("random", "designed")
_HEADER = (
    *("samples", "Spearman, trimmed", "Spearman", "Kendall", "mean error", "median error"),
    *("coverage", "half width"),
)


def sections(found: Sequence[Line]) -> Iterator[tuple[str, str]]:
    """Yield (name, Markdown) of each table that there is something for."""
    of_role = sorted(found, key=lambda x: (x.space, x.role))
    for (space, role), group in groupby(of_role, key=lambda x: (x.space, x.role)):
        listed = list(group)
        if role == "nasflat":
            yield f"{space}-nasflat", nasflat(listed)
        else:
            yield f"{space}-{role}", compared(listed)
            if any(line.method == OURS for line in listed):
                yield f"{space}-{role}-devices", devices(listed)


def compared(found: Sequence[Line]) -> str:
    """Return the table of all methods, in the mean over the devices."""
    rows = []
    trims = "trimmed" in found[0].mean and found[0].space != "mnasnet"
    for method, written in _WRITTEN.items():
        ours = [x for x in found if x.method == method]
        for n, design in _settings(ours):
            group = [x for x in ours if (x.n, x.design) == (n, design)]
            mean = over_devices(group).mean
            first = _figure(mean["trimmed"], "spearman") if trims else "-"
            samples = "all of the pool" if method == ALL_COUNTS else f"{n} {design}"
            rows.append([written, samples, first, *_figures(mean["all"])])
        if method in (ALL_COUNTS, MACS):  # the same for every number of samples, but for a scale
            rows = _without_repeats(rows, written)
    return table(["method", *_HEADER], rows, left=2)


def _without_repeats(rows: list[list[str]], written: str) -> list[list[str]]:
    """Keep the row of ten samples, or the first, of a method that ranks without samples."""
    mine = [row for row in rows if row[0] == written]
    kept = next((row for row in mine if row[1].startswith("10 ")), mine[0]) if mine else None
    return [row for row in rows if row[0] != written or row is kept]


def devices(found: Sequence[Line]) -> str:
    """Return the table of what `adapt` does for each device: mean and sd over draws."""
    rows = []
    ours = [x for x in found if x.method == OURS]
    published = HELP_SPEARMAN.get(found[0].space, {}) if found[0].role == "test" else {}
    for device in dict.fromkeys(x.device for x in ours):
        for n, design in _settings(ours):
            for line in ours:
                if (line.device, line.n, line.design) == (device, n, design):
                    rows.append([device, f"{n} {design}", *_with_spread(line)])
        if device in published:
            figure = f"{published[device]:.3f}"
            rows.append([device, "10, HELP's own result", figure, *["-"] * (len(_HEADER) - 2)])
    return table(["device", *_HEADER], rows, left=2)


def nasflat(found: Sequence[Line]) -> str:
    """Return the table of NASFLAT's tasks."""
    rows = []
    space = found[0].space
    for name, task in NASFLAT[space].items():
        listed = [x for x in found if x.task == name]
        cells = []
        for method, design in ((OURS, "random"), (OURS, "designed"), (SINGLE, "random")):
            group = [x for x in listed if (x.method, x.design) == (method, design)]
            cells.append(f"{over_devices(group).mean['all']['spearman']:.3f}" if group else "-")
        group = [x for x in listed if (x.method, x.design) == (MACS, "random")]
        cells.append(f"{over_devices(group).mean['all']['spearman']:.3f}" if group else "-")
        published = "-" if task.spearman is None else f"{task.spearman:.3f}"
        lacks = f"{task.lacking[0]} known, {task.lacking[1]} asked" if any(task.lacking) else ""
        if listed:
            rows.append([name, lacks, str(len(task.test)), published, *cells])
    header = ["task", "devices not in the data", "devices", "NASFLAT", "random", "designed"]
    return table([*header, "best source", "MACs"], rows, left=2)


def fill(page: str, found: Iterable[tuple[str, str]]) -> str:
    """Put tables between the marks of a page that bear their names; others are left out."""
    for name, text in found:
        begin, end = (f"<!-- few-shot:{name}:{which} -->" for which in ("begin", "end"))
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        page = pattern.sub(f"{begin}\n{text}\n{end}".replace("\\", r"\\"), page)
    return page


def _settings(found: Sequence[Line]) -> list[tuple[int, str]]:
    return sorted({(x.n, x.design) for x in found}, key=lambda x: (_DESIGNS.index(x[1]), x[0]))


def _figures(of: dict[str, float]) -> list[str]:
    names = ("spearman", "kendall", "mape", "median", "coverage", "width")
    return [_figure(of, name) for name in names]


def _figure(of: dict[str, float], name: str) -> str:
    if name not in of:
        return "-"
    return f"{of[name]:.3f}" if name in ("spearman", "kendall") else f"{100 * of[name]:.1f} %"


def _with_spread(line: Line) -> list[str]:
    cells = []
    places = [("trimmed", "spearman"), ("all", "spearman"), ("all", "kendall")]
    for rows, name in [
        *places,
        *(("all", name) for name in ("mape", "median", "coverage", "width")),
    ]:
        if name not in line.mean.get(rows, {}):
            cells.append("-")
            continue
        mean, sd = line.mean[rows][name], line.sd[rows][name]
        if name in ("spearman", "kendall"):
            cells.append(f"{mean:.3f} ({sd:.3f})")
        else:
            cells.append(f"{100 * mean:.1f} ({100 * sd:.1f}) %")
    return cells
