"""What `anb-onnx adapt` says of a surrogate: in words, or as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anb_onnx.cli.measured import MeasuredFile
from anb_onnx.cli.read import named
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.surrogate import Surrogate


class Report:
    """What a surrogate tells of itself.

    Parameters
    ----------
    surrogate : Surrogate
        As `anb_onnx.adapt` made it.
    path : Path
        Its file.
    file : MeasuredFile
        What it was made of.
    n : int
        How many distinct architectures that has.
    beside : str or None
        How a command names an accuracy of the search space, its benchmark and all; None where
        there is none.
    """

    def __init__(
        self, surrogate: Surrogate, path: Path, file: MeasuredFile, n: int, beside: str | None
    ) -> None:
        self._surrogate = surrogate
        self._path = path
        self._file = file
        self._n = n
        self._beside = beside
        self._left_out: Mapping[str, float] = surrogate.metadata["quality"]["leave_one_out"]
        self._adapted: Mapping[str, Any] = surrogate.metadata["adapted"]

    def facts(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        target = self._surrogate.target
        outliers = [{"line": line, "index": index} for line, index in self._outliers()]
        return {
            "target": target.name,
            "metric": target.metric,
            "device": target.device,
            "unit": target.unit,
            "direction": target.direction,
            "search_space": self._surrogate.space.name,
            "file": str(self._path),
            "architectures": self._n,
            "rows": len(self._file.lines),
            "rows_without_value": self._file.skipped,
            "leave_one_out": dict(self._left_out),
            **{key: self._adapted[key] for key in self._adapted if key != "measurements"},
            "outliers": outliers,
        }

    def lines(self) -> Iterator[str]:
        """Yield the lines of the report."""
        target, adapted = self._surrogate.target, self._adapted
        sources = adapted["sources"]
        learnt = "no other device"
        if sources:
            learnt = f"{len(sources)} devices that are known"
        if len(sources) == 1:
            learnt = "1 device that is known"
        yield f"{target.name}: {self._n} architectures measured, and {learnt}"
        if skipped := self._file.skipped:
            rows_were = "row without a value was" if skipped == 1 else "rows without a value were"
            yield f"  {skipped} {rows_were} passed over"
        unit = target.unit
        figures = self._left_out
        rows = [
            ("left out in turn", _figure(figures, "spearman"), _percent(figures.get("mape"))),
            ("others, expected", *_expected(adapted.get("expected"))),
        ]
        more = adapted.get("more")
        if more:
            rows.append((f"with {more['n']} more", *_expected(more)))
        yield from _aligned([("", "Spearman", "mean relative error"), *rows])
        if "mae" in figures:
            yield f"  left out in turn, the mean error is {figures['mae']:.4g} {unit}"
        if adapted.get("noise") is not None:
            yield f"  one measurement scatters by about {_percent(adapted['noise'])}"
        for line, index in self._outliers():
            yield f"  line {line} (index {index}) looks like an outlier, and is left out"
        for note in adapted.get("notes", ()):
            yield f"  note: {note}"
        yield f"  written: {self._path}"
        yield "next:"
        yield from (f"  {line}" for line in self._next())

    def _outliers(self) -> list[tuple[int, int]]:
        """Return line and index of each outlier."""
        rows = [int(row) for row in self._adapted.get("outliers", ())]
        indices = codes_to_indices(self._file.codes, self._surrogate.space).tolist()
        return [(self._file.lines[row], indices[row]) for row in rows]

    def _next(self) -> Iterator[str]:
        """Yield commands to type."""
        space, target = self._surrogate.space, self._surrogate.target
        folder = shlex.quote(str(self._path.parent))
        indices = codes_to_indices(self._file.codes[:1], space).tolist()
        example = next(iter(named(space)), str(indices[0]))
        yield f"anb-onnx query {example} --artifacts {folder}"
        if self._beside is None:
            yield f"anb-onnx optimum {shlex.quote(target.name)} --artifacts {folder}"
            return
        sign = "<=" if target.direction == "min" else ">="
        bound = float(f"{np.median(self._file.values):.3g}")
        where = shlex.quote(f"{target.name}{sign}{bound:g}")
        yield f"anb-onnx optimum {self._beside} --with {folder} --where {where}"


def _figure(figures: Mapping[str, float], name: str) -> str:
    return f"{figures[name]:.3f}" if name in figures else "-"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.3g} %"


def _expected(found: Mapping[str, Sequence[float]] | None) -> tuple[str, str]:
    """Return Spearman and relative error, each with its interval, in words."""
    if not found:
        return "-", "-"
    mean, low, high = found["spearman"]
    spearman = f"{mean:.3f} ({low:.3f} to {high:.3f})"
    mean, low, high = found["mape"]
    return spearman, f"{_percent(mean)} ({_percent(low)} to {_percent(high)})"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()
