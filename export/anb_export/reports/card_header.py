"""The header of a model card, as the Hugging Face Hub reads it: YAML between lines of dashes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

#: Figures of the test rows that the header states, by the names they have on the Hub.
_METRICS = (
    ("mae", "mae", "MAE"),
    ("rmse", "rmse", "RMSE"),
    ("r2", "r_squared", "R2"),
    ("spearman", "spearmanr", "Spearman"),
    ("kendall_tau", "kendall_tau", "Kendall tau"),
)


def header(name: str, card: Mapping[str, Any]) -> str:
    """Return the header of the card of a target.

    Parameters
    ----------
    name : str
        Of the target.
    card : mapping
        Its entry of the manifest.

    Returns
    -------
    str
        From one line of dashes to the other. What YAML reads of it is the same as JSON's.
    """
    data = card["dataset"]["name"]
    kind = data.lower().replace(" ", "-")
    quality = card["quality"]
    part = "test" if "test" in quality else "all"
    results = [
        {"type": metric, "value": float(f"{quality[part][key]:.6g}"), "name": title}
        for key, metric, title in _METRICS
        if key in quality[part]
    ]
    tags = ["onnx", "neural-architecture-search", "nas-benchmark", "surrogate", card["metric"]]
    if card["device"] is not None:
        tags.append(card["device"])
    lines = [
        "---",
        f"license: {_text(card['license'].lower())}",
        f"library_name: {_text('anb-onnx')}",
        "pipeline_tag: tabular-regression",
        *_list("tags", tags),
        *_list("metrics", [str(metric["type"]) for metric in results]),
        "model-index:",
        f"  - name: {_text(name)}",
        "    results:",
        "      - task:",
        "          type: tabular-regression",
        "        dataset:",
        f"          name: {_text(f'{data}, {part} rows of {_split(card)}')}",
        f"          type: {_text(kind)}",
        "        metrics:",
    ]
    for metric in results:
        lines += [
            f"          - type: {_text(metric['type'])}",
            f"            value: {_text(metric['value'])}",
            f"            name: {_text(metric['name'])}",
        ]
    return "\n".join([*lines, "---"])


def _split(card: Mapping[str, Any]) -> str:
    return str(card["split"]["name"]) if "split" in card else "the data set"


def _text(value: object) -> str:
    """Return a value as JSON, which YAML reads alike; numbers with a point, as YAML 1.1 wants."""
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("e-", ".0e-") if isinstance(value, float) and "." not in text else text


def _list(key: str, values: list[str]) -> list[str]:
    return [f"{key}:", *(f"  - {_text(value)}" for value in values)]
