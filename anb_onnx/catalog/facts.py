"""A model card in words: what a person wants to know of a target, on one screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anb_onnx.calibration import Calibration
from anb_onnx.catalog.catalog import Target
from anb_onnx.catalog.notes import note_of, reference_of
from anb_onnx.views.figures import percent

#: Parts of a data set, the most telling first, and what their rows are.
_PARTS = {
    "test": "test rows",
    "leave_one_out": "measurements, each predicted from the others",
    "out_of_fold": "rows, predicted out of fold",
    "val": "validation rows",
    "all": "rows, all there are",
    "train": "training rows",
}
#: Outputs that are named.
_MOST_OUTPUTS = 8
_BETTER = {"max": "more is better", "min": "less is better"}


def facts(target: Target, card: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a model card says, by name and in words, the most wanted first.

    Parameters
    ----------
    target : Target
    card : mapping
        As a surrogate's ``metadata`` or a manifest's entry has it; what is missing is passed over.
    """
    found = [
        ("predicts", _predicts(target)),
        ("unit", f"{target.unit}, {_BETTER[target.direction]}"),
        ("note", note_of(target.name, card)),
        ("values", _values(card)),
        ("curve", _curve(card)),
        ("outputs", _outputs(card)),
        ("seeds", _seeds(card)),
        *_quality(target, card),
        ("intervals", _coverage(card)),
        ("uncertainty", _uncertainty(card, target.unit)),
        ("made by", _made(card)),
        ("data", _data(card)),
        ("licence", card.get("license")),
        ("sha256", card.get("sha256")),
    ]
    return [(name, str(value)) for name, value in found if value]


def _predicts(target: Target) -> str:
    of = f" on {target.device}" if target.device else ""
    return f"{target.metric.replace('_', ' ')}{of}"


def _values(card: Mapping[str, Any]) -> str:
    if card.get("exact"):
        return "exact: counted or measured, not estimated"
    n = card.get("members")
    return f"estimated, as the mean of {n} members" if n != 1 else "estimated"


def _curve(card: Mapping[str, Any]) -> str | None:
    """Say along what a curve runs."""
    curve = card.get("curve")
    if curve is None:
        return None
    fidelity, at = curve["fidelity"], curve["at"]
    return (
        f"a function of the {fidelity['name']}, measured at {len(at)} from {at[0]:g} to "
        f"{at[-1]:g} {fidelity['unit']}; figures and intervals here are of the last"
    )


def _outputs(card: Mapping[str, Any]) -> str | None:
    """Say what else is predicted, the first of many."""
    outputs = card.get("outputs") or ()
    named = [f"{output['name']} [{output['unit']}]" for output in outputs[:_MOST_OUTPUTS]]
    more = f" and {len(outputs) - _MOST_OUTPUTS} more" if len(outputs) > _MOST_OUTPUTS else ""
    return f"{', '.join(named)}{more}" if named else None


def _seeds(card: Mapping[str, Any]) -> str | None:
    noise = card.get("seed_noise")
    if noise is None:
        return None
    return f"{noise['output']} is the standard deviation between runs of different seeds"


def _quality(target: Target, card: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    quality = card.get("quality") or {}
    part = next((part for part in _PARTS if part in quality), None)
    if part is None:
        return []
    figures = quality[part]
    if not figures["n"]:
        return [("quality", "not known: no measurements were kept apart")]
    text = f"{_figures(figures, target.unit)} ({figures['n']:,} {_PARTS[part]})"
    reference = reference_of(target.name, card) if part == "test" else None
    if reference is None:
        return [("quality", text)]
    of_reference = _figures(reference._asdict(), target.unit)
    return [("quality", text), ("reference", f"{of_reference} (its own recipe, the same rows)")]


def _figures(figures: Mapping[str, float], unit: str) -> str:
    known = []
    if "kendall_tau" in figures:
        known.append(f"Kendall tau {figures['kendall_tau']:.4f}")
    if "r2" in figures:
        known.append(f"R2 {figures['r2']:.4f}")
    if "mae" in figures:
        known.append(f"mean error {float(format(figures['mae'], '.4g')):g} {unit}")
    return ", ".join(known)


def _coverage(card: Mapping[str, Any]) -> str | None:
    """Say what the intervals held, of rows that were not learnt from."""
    coverage = card.get("coverage")
    part = "test" if isinstance(coverage, Mapping) and "test" in coverage else "out_of_fold"
    if not isinstance(coverage, Mapping) or part not in coverage:
        return None
    intervals = coverage[part].get("intervals", {})
    held = [
        f"the {percent(float(level))} interval holds {100 * intervals[level]:.1f} %"
        for level in ("0.9", "0.5")
        if level in intervals
    ]
    return f"{', '.join(held)} of {coverage[part].get('n', 0):,} {_PARTS[part]}" if held else None


def _uncertainty(card: Mapping[str, Any], unit: str) -> str | None:
    """Say in words what the predictive scale is made of."""
    document = card.get("calibration")
    if document is None:
        return None if card.get("exact") else "no calibration: there are no intervals"
    calibration = Calibration.from_dict(document)
    if calibration.is_exact:
        return None
    mean = "the mean" if calibration.offset is None else f"{calibration.offset:g} - mean"
    noise = {
        0: f"{calibration.noise:.3g} {unit}",
        1: f"{100 * calibration.noise:.2g} % of {mean}",
        2: f"{calibration.noise:.3g} times the square of {mean}",
    }[calibration.noise_power]
    return (
        f"measurements scatter by {noise}; the members' std, which is no error bar, counts "
        f"{calibration.spread:.3g} times"
    )


def _made(card: Mapping[str, Any]) -> str | None:
    recipe, versions = card.get("recipe"), card.get("versions") or {}
    names = [n for n in ("anb-onnx-export", "anb-onnx", "xgboost") if n in versions]
    tools = ", ".join(f"{name} {versions[name]}" for name in names)
    parts = [f"recipe '{recipe}'" if recipe else "", tools]
    return ", ".join(part for part in parts if part) or None


def _data(card: Mapping[str, Any]) -> str | None:
    dataset = card.get("dataset")
    if not isinstance(dataset, Mapping):
        return None
    used = dataset.get("n_used")
    n = f", {used:,} measurements" if isinstance(used, int) else ""
    return f"{dataset.get('name')}{n}, {dataset.get('license')}"
