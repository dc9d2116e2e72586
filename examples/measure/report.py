"""What `run.py` found, as a page to read."""

from __future__ import annotations

from typing import Any


def markdown(report: dict[str, Any]) -> str:
    """Return the report as Markdown; no number is computed here."""
    how, found, noise = report["conditions"], report["surrogate"], report["repeatability"]
    interval = f"{found['spearman_low']:.3f} to {found['spearman_high']:.3f}"
    lines = [
        f"# Latency of {how['device']} from {how['suggested']} measurements",
        "",
        f"{how['processor']}, onnxruntime {how['onnxruntime']}, threads: {how['threads']}, "
        f"batch 1, {how['side']} x {how['side']} pixels. {how['rounds']} visits of {how['runs']} "
        f"runs each, the fresh ones {'afterwards' if how['apart'] else 'in the same rounds'}; "
        f"value: {how['statistic']}, clock: {how['clock']}. Making the surrogate took "
        f"{report['adapt_seconds']:.2f} s.",
        "",
        f"| on {how['fresh']} fresh random architectures | |",
        "| --- | ---: |",
        f"| measured | {report['fastest_ms']:.2f} to {report['slowest_ms']:.2f} ms |",
        f"| Spearman (90 % of bootstraps) | {found['spearman']:.3f} ({interval}) |",
        f"| mean relative error | {found['mape_percent']:.1f} % |",
        f"| mean error, signed | {found['bias_percent']:+.1f} % |",
        f"| inside the 90 % interval | {found['coverage_percent']:.0f} % |",
        f"| width of the interval | {found['interval_width_percent']:.0f} % of the prediction |",
        "",
        "| for comparison | |",
        "| --- | ---: |",
    ]
    lines += [f"| {_name(key)} | {_value(key, value)} |" for key, value in report["rivals"].items()]
    lines += [
        f"| Spearman of odd with even rounds | {noise['spearman']:.3f} |",
        f"| mean difference of odd and even rounds | {noise['mape_percent']:.1f} % |",
        "",
    ]
    return "\n".join(lines)


def _name(key: str) -> str:
    if key == "macs_line_mape_percent":
        return "mean relative error of a line through multiply-adds"
    if key == "macs_spearman":
        return "Spearman of multiply-adds alone"
    return f"Spearman of `{key.removesuffix('_spearman')}`, the bundled device most alike"


def _value(key: str, value: float) -> str:
    return f"{value:.1f} %" if key.endswith("_percent") else f"{value:.3f}"
