"""The figures of a model card: quality, calibration, largest residuals; and the table of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from anb_export.reports.compare_recipes import N_UPSTREAM_MEMBERS
from anb_export.reports.evaluate_artifact import Evaluation
from anb_export.reports.markdown import number, paragraph, percent, table
from anb_export.reports.plots import INTERVAL
from anb_export.training.predictive_scale import LEVELS
from anb_onnx.calibration import Calibration

#: Test rows with the largest residuals that a card lists.
N_WORST = 10
#: How far from nominal a share inside an interval may be.
NEAR = 0.03


def quality_section(evaluation: Evaluation) -> str:
    """Return the figures of merit of each part of the split, beside the reference's."""
    card, unit = evaluation.card, evaluation.spec.unit
    named = [
        ("train", card["quality"]["train"]),
        ("validation", card["quality"]["val"]),
        ("out-of-fold", card["quality"]["out_of_fold"]),
        ("**test**", evaluation.quality),
    ]
    note = ""
    if evaluation.compared is not None:
        ours, theirs = (evaluation.compared[side] for side in ("compact", "upstream"))
        usual = "test_without_outliers"
        if usual in ours["quality"]:
            named.append(("test without outliers", ours["quality"][usual]))
        named += [
            ("upstream: train", theirs["quality"]["train"]),
            ("upstream: validation", theirs["quality"]["val"]),
            ("upstream: **test**", theirs["quality"]["test"]),
        ]
        if usual in theirs["quality"]:
            named.append(("upstream: test without outliers", theirs["quality"][usual]))
        note = (
            f" *upstream* is the recipe of Accel-NASBench itself, {theirs['members']} members of "
            f"{number(float(np.mean(theirs['booster_megabytes'])), 3)} MB, trained and evaluated "
            "in the same run on the same rows."
        )
    rows = [
        [
            name,
            f"{m['n']:,}",
            f"{m['kendall_tau']:.4f}",
            f"{m['spearman']:.4f}",
            f"{m['r2']:.4f}",
            number(m["mae"]),
            number(m["rmse"]),
        ]
        for name, m in named
    ]
    header = ["rows", "n", "Kendall tau", "Spearman", "R2", f"MAE [{unit}]", f"RMSE [{unit}]"]
    text = f"""\
The members learned from the training and validation rows; out-of-fold rows were predicted by
ensembles of the same recipe that had not seen them. Values were chosen without the test
rows, but test results were read more than once on the way (see docs/training.md).{note}"""
    return f"## Quality\n\n{table(header, rows)}\n\n{paragraph(text)}"


def calibration_section(evaluation: Evaluation, calibration: Calibration) -> str:
    """Return the predictive scale in words, and what intervals and std hold."""
    unit, rows = evaluation.spec.unit, evaluation.rows
    t = "mean" if calibration.offset is None else f"({calibration.offset:g} - mean)"
    power = calibration.noise_power
    noise = (
        number(calibration.noise, 3) + (f" · {t}" if power else "") + ("²" if power == 2 else "")
    )
    words = {
        0: f"the measurements scatter by {number(calibration.noise, 3)} {unit} everywhere",
        1: f"the measurements scatter by {percent(calibration.noise)} of {t.strip('()')}",
        2: f"the scatter of the measurements grows with the square of {t.strip('()')}",
    }[power]
    middle = np.argsort(rows.mean, kind="stable")[len(rows) // 2]
    mean, std = rows.mean[middle], rows.std[middle]
    total = float(evaluation.scale[middle])
    spread = calibration.spread * float(std)
    oof, lines = (
        evaluation.card["coverage"]["out_of_fold"],
        _coverage_lines(evaluation, calibration),
    )
    header = ["", "half-width", "nominal", "out-of-fold", "± s.e.", "test", "± s.e."]
    if spread < 0.01 * total:
        words = f"the members' std tells nothing about the error here; {words}"
    else:
        words = f"the members' std counts {number(calibration.spread, 3)} times, and {words}"
    text = f"""\
In words: {words}. For a row in the middle of the test rows (mean {number(float(mean))} {unit}, std
{number(float(std), 3)}) that makes {number(spread, 3)} from the members and
{number(_rest(total, spread), 3)} from the noise, {number(total, 3)} {unit} together."""
    gain, size = evaluation.card["learning_gain"], evaluation.card["size_gain"]
    fit = f"""\
Fitted to the {oof["n"]:,} out-of-fold residuals; the widths of the intervals are quantiles of these
residuals (up to {100 * LEVELS[-1]:g} %), because their tails are not those of a normal
distribution. The out-of-fold ensembles learned from fewer rows than the members of the artifact
and have fewer members, so the noise was multiplied by {number(gain, 3)}, the ratio of the errors of
single members with more rows and with fewer, and by {number(size, 3)} for the number of members;
where these are below 1, out-of-fold coverage is below nominal."""
    return f"""\
## Calibration

    predictive_std² = ({number(calibration.spread, 3)} · std)² + ({noise})²

{paragraph(text)}

{paragraph(fit)}

{table(header, lines, left=2)}

s.e.: binomial standard error of the share, at its nominal value for the intervals. The members
differ by seed and fold only, so their std is no error bar: the last three lines show what it holds,
and in parentheses what it would hold if it were the std of a normal error."""


def _coverage_lines(evaluation: Evaluation, calibration: Calibration) -> list[list[str]]:
    """Return what share of the measurements lies in intervals and within multiples of the std."""
    lines = []
    oof, test = evaluation.card["coverage"]["out_of_fold"], evaluation.coverage or {}
    for text in oof["intervals"]:
        level = float(text)
        half = float(np.interp(level, calibration.levels, calibration.quantiles))
        lines.append(
            [
                f"{100 * level:g} % interval",
                f"{half:.3f} predictive std",
                percent(level),
                *_observed(oof, "intervals", text, level),
                *_observed(test, "intervals", text, level),
            ]
        )
    for text, nominal in (("1", 0.6827), ("2", 0.9545), ("3", 0.9973)):
        lines.append(
            [
                f"± {text} std",
                f"{text} std of the members",
                f"({percent(nominal)})",
                *_observed(oof, "std", text, None),
                *_observed(test, "std", text, None),
            ]
        )
    return lines


def _observed(found: Any, kind: str, key: str, nominal: float | None) -> tuple[str, str]:
    share, n = float(found[kind][key]), int(found["n"])
    p = share if nominal is None else nominal
    return percent(share), f"{100 * np.sqrt(p * (1 - p) / n):.1f}"


def _rest(total: float, part: float) -> float:
    return float(np.sqrt(max(0.0, total**2 - part**2)))


def worst_section(evaluation: Evaluation) -> str:
    """Return the test rows that lie farthest from their prediction, in predictive std."""
    rows, unit = evaluation.rows, evaluation.spec.unit
    residual = rows.measured - rows.mean.astype(np.float64)
    relative = residual / evaluation.scale
    order = np.argsort(-np.abs(relative), kind="stable")[:N_WORST]
    lines = [
        [
            f"`{rows.names[k]}`",
            str(rows.indices[k]),
            number(rows.measured[k], 5),
            number(float(rows.mean[k]), 5),
            f"{'+' if residual[k] > 0 else ''}{number(residual[k])}",
            f"{relative[k]:+.2f}",
        ]
        for k in order
    ]
    header = [
        "record",
        "architecture index",
        f"measured [{unit}]",
        f"predicted [{unit}]",
        "residual",
        "in predictive std",
    ]
    beyond = int(np.count_nonzero(np.abs(relative) > 3))
    return f"""\
## Largest test residuals

{table(header, lines)}

{beyond} of {len(rows)} test rows lie more than 3 predictive std away.
`anb_onnx.Architecture.from_index` turns an index into the architecture."""


def overview(evaluations: Sequence[Evaluation], link: str = "") -> str:
    """Return the table of all targets.

    Parameters
    ----------
    evaluations : sequence of Evaluation
    link : str
        Path of the folder of the cards from the page, with a slash at the end, or empty.
    """
    lines = []
    for evaluation in evaluations:
        card, name = evaluation.card, evaluation.spec.name
        cells = [f"[{name}]({link}{name}.md)", evaluation.spec.unit]
        if evaluation.calibration is None:
            cells += ["exact", *["exact"] * 3, "–"]
        else:
            covered = (evaluation.coverage or {})["intervals"][f"{INTERVAL:g}"]
            cells += [str(card["members"]), *_beside(evaluation), percent(covered)]
        lines.append([*cells, f"{card['bytes'] / 1000:,.0f} kB"])
    header = [
        "target",
        "unit",
        "members",
        "Kendall tau",
        "R2",
        "MAE",
        f"in {100 * INTERVAL:g} % interval",
        "file",
    ]
    return f"""\
{table(header, lines, left=2)}

On the test rows. In parentheses: the recipe of Accel-NASBench itself ({N_UPSTREAM_MEMBERS}
members) on the same split, in the same run; bold: ahead of it."""


def coverage_of_all(evaluations: Sequence[Evaluation]) -> str:
    """Return the table of the intervals' coverage of all estimated targets, and what chance does.

    Returns
    -------
    str
        Empty where no target is estimated.
    """
    from scipy.stats import binom

    rows, near, by_chance, shares = [], 0, 0.0, []
    for evaluation in evaluations:
        if evaluation.coverage is None:
            continue
        n, found = evaluation.coverage["n"], evaluation.coverage["intervals"]
        cells, inside = [], np.arange(n + 1)
        for level, share in found.items():
            off = abs(share - float(level)) > NEAR
            near += not off
            cells.append(f"**{percent(share)}**" if off else percent(share))
            away = np.abs(inside / n - float(level)) > NEAR
            by_chance += float(binom.pmf(inside[away], n, float(level)).sum())
        shares.append([*found.values()])
        rows.append([evaluation.spec.name, f"{n:,}", *cells])
    if not rows:
        return ""
    levels = [*found]
    pooled = [percent(float(share)) for share in np.mean(shares, axis=0)]
    header = ["target", "rows", *(f"{100 * float(level):g} % interval" for level in levels)]
    total = len(rows) * len(levels)
    text = paragraph(
        f"Within {100 * NEAR:g} points of nominal: {near} of {total}; the others are bold. Of so "
        f"many rows chance alone takes {by_chance:.1f} of {total} further away, be the intervals "
        "perfect (binomial)."
    )
    return f"{table(header, [*rows, ['mean', '', *pooled]])}\n\n{text}"


def _beside(evaluation: Evaluation) -> list[str]:
    """Return tau, R2 and MAE, each with the reference's in parentheses."""
    cells = []
    for key, sign in (("kendall_tau", 1), ("r2", 1), ("mae", -1)):
        ours = evaluation.quality[key]
        show = number if key == "mae" else "{:.4f}".format
        if evaluation.compared is None:
            cells.append(show(ours))
            continue
        theirs = evaluation.compared["upstream"]["quality"]["test"][key]
        mark = "**" if sign * (ours - theirs) > 0 else ""
        cells.append(f"{mark}{show(ours)}{mark} ({show(theirs)})")
    return cells
