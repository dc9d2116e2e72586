"""Markdown of a results.json: the whole page, and the short tables of README and docs.

`python -m benchmarks.report DIR` writes results.md and the plots in DIR again, and the marked
blocks of README.md and docs/performance.md, without measuring anything.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anb_export.reports.markdown import table

from benchmarks import sections
from benchmarks.formats import rate, times

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "python -m benchmarks --members DIR --dataset PATH --out benchmarks/results"

#: Pages with a generated block: file, and the word in its markers.
PAGES = (("README.md", "speed"), ("docs/performance.md", "results"))


def full(results: Mapping[str, Any]) -> str:
    """Return results.md."""
    parts = [
        "# Benchmark results",
        f"Written by `{COMMAND}`. {sections.legend()}",
        *sections.machine(results),
    ]
    parts += ["## Goals", sections.goals(results)]
    for title, section, key in sections.SECTIONS:
        if key in results:
            parts.append(f"## {title}")
            found = results[key]
            parts += [f"Not run: {found['not_run']}"] if "not_run" in found else section(results)
    return "\n\n".join(parts) + "\n"


def short(results: Mapping[str, Any]) -> str:
    """Return the block of README.md."""
    parts = []
    found = results.get("comparison", {})
    if found and "not_run" not in found:
        rows = [
            [f"{'**' if f['ours'] else ''}{key}{'**' if f['ours'] else ''}",
             rate(f["rows_per_second"]),
             times(f["native_1"]) if "native_1" in f and key != "native, 1 thread" else "-"]
            for key, f in sections.ranked(found)
        ]  # fmt: skip
        header = ["the same ensemble in", "architectures/s", "native on 1 thread is faster by"]
        parts += [sections.subject(results), table(header, rows)]
    lines = [f"* {fact}" for fact in sections.facts(results)]
    if lines:
        parts.append("\n".join(lines))
    machine = results["machine"]
    parts.append(
        f"{machine['processor']}, {machine['processors']} processors; medians, with the smallest "
        "and largest of repeated runs. [All results](benchmarks/results/results.md)."
        + sections.busy(results)
    )
    return "\n\n".join(parts)


def for_docs(results: Mapping[str, Any]) -> str:
    """Return the block of docs/performance.md."""
    parts = [*sections.machine(results), sections.legend(), sections.goals(results)]
    for title, section, key in sections.SECTIONS:
        if key in results and key not in ("sizes", "bits", "graph_forms"):
            parts.append(f"### {title}")
            found = results[key]
            parts += [f"Not run: {found['not_run']}"] if "not_run" in found else section(results)
    text = "\n\n".join(parts)
    return re.sub(r"\]\((\w+\.png)\)", r"](../benchmarks/results/\1)", text)


def fill(path: Path, word: str, block: str) -> bool:
    """Put a block between a page's markers; return whether it has them, one each, in order."""
    begin, end = f"<!-- {word}:begin -->", f"<!-- {word}:end -->"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        return False
    before, rest = text.split(begin)
    content = f"{before}{begin}\n{block}\n{end}{rest.split(end)[1]}"
    path.write_text(content, encoding="utf-8")
    return True


def write(results: Mapping[str, Any], out: Path, root: Path = ROOT) -> None:
    """Write results.md and the plots into `out`, and the blocks of the pages under `root`."""
    from benchmarks.plots import plot_cold_start, plot_latency, plot_throughput

    (out / "results.md").write_text(full(results), encoding="utf-8")
    if "not_run" not in results.get("curve", {"not_run": ""}):
        plot_throughput(results, out / "throughput.png")
    if "not_run" not in results.get("cold_start", {"not_run": ""}):
        plot_cold_start(results, out / "cold_start.png")
    if "not_run" not in results.get("single", {"not_run": ""}):
        plot_latency(results, out / "latency.png")
    for (page, word), block in zip(PAGES, (short, for_docs), strict=True):
        if not fill(root / page, word, block(results)):
            print(f"{root / page} has no block <!-- {word}:begin --> ... to fill", file=sys.stderr)


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "benchmarks/results")
    write(json.loads((folder / "results.json").read_text(encoding="utf-8")), folder)
