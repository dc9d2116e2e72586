"""The tables of docs/learning-curves.md, from the files that the comparisons write."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anb_onnx.errors import AnbError

_HOW = {
    "itself": "itself",
    "forest": "forest",
    "forest, rounded": "rounded",
    "tables": "tables",
    "network": "network",
}


def fill(page: Path, files: Sequence[Path]) -> None:
    """Write the tables of those files between their marks.

    Raises
    ------
    AnbError
        If a file is none of the comparisons', or the page has no mark for it.
    """
    text = page.read_text(encoding="utf-8")
    for file in files:
        document = json.loads(file.read_text(encoding="utf-8"))
        if "mean" in document and document["test"]:
            text = _between(text, "taskset", _taskset(document["mean"]))
        elif "validation" in document:
            text = _between(text, "validation", _validation(document["validation"]))
        elif isinstance(document.get("test"), dict):
            text = _between(text, "digits", _digits(document["test"]))
        else:
            msg = f"{file} is none of the comparisons that the page shows"
            raise AnbError(msg)
    page.write_text(text, encoding="utf-8")


def _between(text: str, mark: str, table: str) -> str:
    begin, end = f"<!-- {mark}:begin -->\n", f"<!-- {mark}:end -->"
    if begin not in text or end not in text:
        msg = f"the page has no {begin.strip()} and {end}"
        raise AnbError(msg)
    before, rest = text.split(begin)
    return before + begin + table + end + rest.split(end)[1]


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _pair(score: dict[str, float] | None) -> str:
    return "" if score is None else f"{score['r2']:.3f}, {score['final_tau']:.3f}"


def _taskset(mean: dict[str, Any]) -> str:
    head = ["R2 of curves, tau of the last value", *_HOW.values()]
    rows = [
        [kind, *(_pair(by.get(how)) for how in _HOW)]
        for kind, by in mean.items()
        if kind != "another part"
    ]
    own = mean["another part"]
    rows += [[f"the run's own curve on {part} data", _pair(own[part]), *[""] * 4] for part in own]
    return _rows(head, rows)


def _validation(found: dict[str, Any]) -> str:
    ways = ("itself", "free", "4 genes", "3 genes", "2 genes")
    rows = []
    for name, kinds in found.items():
        for kind, by in kinds.items():
            # A single value has no curve: its R2 is the last one's.
            rows.append([f"`{name}`, {kind}", *(_pair(by.get(how)) for how in ways)])
    return _rows(["R2, tau of the last value", *ways], rows)


def _digits(found: dict[str, Any]) -> str:
    head = ["", "R2", "tau, last", "MAPE, last", "R2 of seeds", "tau of seeds", "MAPE of seeds"]
    rows = []
    for name, scores in found.items():
        test, seeds = scores["test"], scores["seeds"]
        own, one = seeds["artifact"], seeds["one seed"]
        pairs = [f"{own[key]:.3f} (one seed {one[key]:.3f})" for key in ("r2", "final_tau", "mape")]
        # Where many runs are at chance, errors in proportion to the value say little.
        relative = name == "train_time"
        rows.append(
            [
                f"`{name}`",
                f"{test['r2']:.3f}",
                f"{test['final_tau']:.3f}",
                f"{100 * test['mape']:.1f} %" if relative else "",
                *pairs[:2],
                f"{100 * own['mape']:.1f} % (one seed {100 * one['mape']:.1f} %)"
                if relative
                else "",
            ]
        )
    return _rows(head, rows)
