"""The report of a study as plain data, for who draws other plots than ours."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from anb_export.study.report_advice import advices
from anb_export.study.report_figures import mean_of, ranks_at
from anb_export.study.report_rows import FIGURES, PER_ARCHITECTURE, Fits
from anb_export.study.report_selection import Selections, selection_document

FORMAT, VERSION = "anb-export study report", 1

#: Figures that are kept of each target, too.
_OF_TARGETS = ("tau", "r2", "mae_relative", "crps_relative", "coverage_90")

# Objects that are further inside stand in one line.
_DEPTH = 4


def document(
    studies: Sequence[Fits], selections: Mapping[str, Selections] | None = None
) -> dict[str, Any]:
    """Return all means of all spaces as JSON has them; null for what is undefined.

    Returns
    -------
    dict
        ``format``, ``version`` and, in ``spaces``, for each: ``targets``, ``predictors``,
        ``sizes``, ``datasets``, ``versions``; ``means`` over seeds, of one target each and, with
        ``target`` null, of all, with the standard deviation of tau; ``ranks``;
        ``advice`` by tau and by CRPS; ``failed``. In ``selections``, for each
        space: means by predictor, size and rule.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "spaces": {fits.space: _finite(_space(fits)) for fits in studies},
        "selections": {
            space: _finite(selection_document(found)) for space, found in (selections or {}).items()
        },
    }


def _space(fits: Fits) -> dict[str, Any]:
    ranks = (ranks_at(fits, size) for size in fits.sizes)
    return {
        "targets": fits.targets,
        "predictors": fits.predictors,
        "sizes": fits.sizes,
        "datasets": fits.datasets(),
        "versions": fits.versions(),
        "means": list(_means(fits)),
        "ranks": [dataclasses.asdict(found) for found in ranks if found is not None],
        "advice": {
            figure: [dataclasses.asdict(advice) for advice in advices(fits, figure=figure)]
            for figure in ("tau", "crps_relative")
        },
        "failed": [
            {"predictor": p, "size": s, "failed": wrong, "of": whole, "first": message}
            for p in fits.predictors
            for s in fits.sizes
            for wrong, whole, message in (fits.failed(p, s),)
            if wrong
        ],
    }


def _means(fits: Fits) -> Iterator[dict[str, Any]]:
    """Yield what is known of each cell; standard deviations of tau alone."""
    for predictor in fits.predictors:
        for size in fits.sizes:
            for target in (*fits.targets, None):
                names = (*FIGURES, *PER_ARCHITECTURE) if target is None else _OF_TARGETS
                found = {n: mean_of(fits, predictor, size, n, target=target) for n in names}
                tau = found["tau"]
                if tau is not None:
                    yield {
                        **{"predictor": predictor, "size": size, "target": target},
                        **{"seeds": tau.seeds, "tau_std": tau.std},
                        **{name: mean and mean.value for name, mean in found.items()},
                    }


def to_lines(value: Any, depth: int = 0) -> str:
    """Return JSON with a line for each key, and for each item of a list of objects.

    Examples
    --------
    >>> print(to_lines({"sizes": [1, 2], "means": [{"size": 1}, {"size": 2}]}))
    {
     "sizes": [1, 2],
     "means": [
      {"size": 1},
      {"size": 2}
     ]
    }
    """
    if isinstance(value, dict) and value and depth < _DEPTH:
        items = [f"{json.dumps(key)}: {to_lines(value[key], depth + 1)}" for key in value]
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        items = [json.dumps(item, allow_nan=False) for item in value]
    else:
        return json.dumps(value, allow_nan=False)
    first, last = ("{", "}") if isinstance(value, dict) else ("[", "]")
    inner = ",\n".join(" " * (depth + 1) + item for item in items)
    return f"{first}\n{inner}\n{' ' * depth}{last}"


def _finite(value: Any) -> Any:
    """Return plain data with None for numbers that JSON has not, and six digits that count."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
