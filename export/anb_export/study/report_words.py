"""What a report of a study says in words: what to use, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator

from anb_export.predictors.registry import KINDS, UNAVAILABLE
from anb_export.reports.markdown import paragraph
from anb_export.study.report_advice import LEVEL, NEAR, Advice, Choice, advices
from anb_export.study.report_rows import Fits
from anb_export.study.report_tables import count, percent, share, short, title_of
from anb_onnx._io.show import one_line


def recommendation(fits: Fits) -> Iterator[str]:
    """Yield what to use, as Markdown."""
    found = advices(fits)
    if not found:
        yield "No predictor has a seed with fits for all targets: nothing is recommended."
        return
    yield paragraph(
        "By mean τ over all targets and seeds; predictors with fewer seeds are compared by their "
        "difference from one with most, over the seeds that both have. *As good* are those "
        "cheaper to fit that Wilcoxon's signed-rank test over pairs of target and seed does not "
        f"tell apart from the best (level {LEVEL:g}, Holm); *near* is the cheapest within "
        f"{NEAR['tau']:g}. Between the sizes that were studied nothing is interpolated: a budget "
        "counts as the largest size below it. τ of the best is a maximum of several means, and as "
        "much too high as their errors allow."
    )
    yield "\n".join(f"- {advice_line(advice)}" for advice in found)
    by_crps = "; ".join(
        _brief(a) for a in advices(fits, figure="crps_relative") if a.budget in fits.sizes
    )
    if by_crps:
        yield paragraph(f"Where values and intervals matter, not ranks, by least CRPS: {by_crps}.")


def advice_line(advice: Advice) -> str:
    """Return advice as a sentence or two."""
    said = [f"{_from(advice)}: **`{advice.best.predictor}`**, {_figures(advice.best)}"]
    if advice.best.size != advice.budget:
        said[0] += f", as from {count(advice.best.size)}"
    if advice.candidates == 1:
        said.append("the only candidate")
    if advice.alike:
        said.append(f"as good and cheaper: {', '.join(map(_named, advice.alike))}")
    if advice.near:
        said.append(f"near and cheaper: {_named(advice.near)}")
    if len(advice.untold) == advice.candidates - 1 > 0:
        said.append("too few fits to tell others apart from it")
    elif advice.untold:
        said.append(f"too few fits to tell: {', '.join(f'`{name}`' for name in advice.untold)}")
    seeds = "1 seed" if advice.best.seeds == 1 else f"{advice.best.seeds} seeds"
    return f"{'; '.join(said)} ({seeds})."


def _from(advice: Advice) -> str:
    alone = "" if advice.sources else ", without other devices"
    return f"From {count(advice.budget)} measurements{alone}"


def _figures(choice: Choice) -> str:
    return f"τ {share(choice.value)}, {_duration(choice.fit_seconds)}"


def _named(choice: Choice) -> str:
    return f"`{choice.predictor}` ({_figures(choice)})"


def _brief(advice: Advice) -> str:
    alone = "" if advice.sources else " without other devices"
    best = advice.best
    return (
        f"from {count(advice.budget)}{alone} `{best.predictor}` "
        f"({percent(best.value)} % of the mean)"
    )


def _duration(seconds: float) -> str:
    return f"{short(seconds)} s"


def missing(fits: Fits) -> Iterator[str]:
    """Yield what a reader would take for a full table otherwise, as Markdown."""
    lines = list(_gaps(fits))
    if lines:
        yield "### What is missing"
        yield "\n".join(f"- {line}" for line in lines)


def _gaps(fits: Fits) -> Iterator[str]:
    limits = {kind.name: kind for kind in KINDS}
    for predictor in fits.predictors:
        kind = limits.get(predictor)
        lacking = []
        for size in fits.sizes:
            if kind is not None and not kind.least <= size <= kind.most:
                continue
            there = [t for t in fits.targets if fits.seeds(t, predictor, size)]
            if len(there) < len(fits.targets):
                lacking.append(f"{len(there)} of {len(fits.targets)} targets at {count(size)}")
        title = title_of(predictor)
        if kind is not None and not kind.least <= fits.sizes[0] <= fits.sizes[-1] <= kind.most:
            most = f"at most {count(kind.most)}" if kind.most < fits.sizes[-1] else ""
            least = f"at least {kind.least}" if kind.least > fits.sizes[0] else ""
            yield f"{title} takes {' and '.join(filter(None, (least, most)))} measurements."
        if lacking:
            yield f"{title} has fits for {', '.join(lacking)}."
        if len(revisions := fits.revisions(predictor)) > 1:
            yield f"{title} was changed between fits: its versions are {' and '.join(revisions)}."
        yield from _failures(fits, predictor)


def _failures(fits: Fits, predictor: str) -> Iterator[str]:
    for size in fits.sizes:
        wrong, whole, message = fits.failed(predictor, size)
        title = title_of(predictor)
        if wrong:
            yield (
                f"{title} at {count(size)}: {wrong} of {whole} fits failed, and no figure counts "
                f"them; the first said: {one_line(message)}"
            )
        undefined = whole - wrong - sum(len(fits.seeds(t, predictor, size)) for t in fits.targets)
        if undefined:
            yield (
                f"{title} at {count(size)}: τ of {undefined} of {whole} fits is undefined, since "
                "they predict one value for all; no figure of τ counts them."
            )


def unavailable() -> str:
    """Return what the paper compares and this study cannot, as Markdown."""
    return "\n".join(f"- **{name}**: {why}." for name, why in UNAVAILABLE.items())
