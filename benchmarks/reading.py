"""What it takes to read an architecture in each form: `python -m benchmarks.reading`.

Microseconds of the processor for each architecture, of `encode` alone and of `query`, one by one
and in batches of 1,000; and how many times what `query` takes for codes, round by round. All forms
take turns in one process. Prints tables in Markdown.

``--before TREE`` measures another state of the sources, too, in a process of its own, for example a
`git worktree` of an earlier commit. What it does not take stays empty.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import ConfigSpace
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

import anb_onnx
from anb_onnx import MNASNET, ArchitectureError, encode, from_table, sample
from anb_onnx.compat import Configuration
from anb_onnx.spaces.architecture import Architecture
from benchmarks import measure

#: Of encode in microseconds, of query, and of query as a multiple of that for codes.
Figures = dict[str, tuple[float, float, float]]

_ONE, _BATCH = 1, 1_000
_TREE = """import json, sys
tree, root, *arguments = sys.argv[1:]
sys.path[:] = [tree, *sys.path]
import anb_onnx
sys.path[:] = [root, *sys.path[1:]]
from benchmarks import reading
print(json.dumps(reading.measured(*map(float, arguments))))
"""


def _makers() -> dict[str, Callable[[Any], Any]]:
    """Return what makes each form of a batch, from codes [N, genes]."""
    config_space = ConfigSpace.ConfigurationSpace()
    for gene in MNASNET.genes:
        config_space.add(ConfigSpace.Categorical(gene.name, list(gene.choices)))

    def architectures(codes: Any) -> list[Architecture]:
        return [Architecture.from_codes(row, space=MNASNET) for row in codes]

    def dicts(codes: Any) -> list[dict[str, Any]]:
        return [architecture.to_values() for architecture in architectures(codes)]

    return {
        "codes": lambda codes: codes,
        "Architecture": architectures,
        "dict": dicts,
        "dict, parsed from JSON": lambda codes: json.loads(json.dumps(dicts(codes))),
        "dict of NumPy's values": lambda codes: [
            {n: np.bool_(v) if isinstance(v, bool) else np.int64(v) for n, v in values.items()}
            for values in dicts(codes)
        ],
        "Configuration of ConfigSpace": lambda codes: [
            ConfigSpace.Configuration(config_space, vector=row) for row in codes.astype(float)
        ],
        "Configuration of compat": lambda codes: list(map(Configuration, architectures(codes))),
        "list of lists of codes": lambda codes: codes.tolist(),
        "list of lists of floats": lambda codes: codes.astype(float).tolist(),
        "list of lists of values": lambda codes: [[*values.values()] for values in dicts(codes)],
        "list of arrays of codes": list,
        "pandas": lambda codes: pd.DataFrame(dicts(codes)),
        "polars": lambda codes: pl.DataFrame(dicts(codes)),
        "pyarrow": lambda codes: pa.Table.from_pylist(dicts(codes)),
    }


class _New:
    """Batches of objects that remember what they were asked: each is given once, then made anew."""

    def __init__(self, make: Callable[[Any], Any], codes: list[Any]) -> None:
        self._make, self._codes, self._number = make, codes, 0

    def __call__(self) -> Any:
        self._number += 1
        return self._make(self._codes[self._number % len(self._codes)])


def _calls(rows: int, read: Callable[[Any], Any]) -> dict[str, measure.Call]:
    """Return calls that read the next batch of each form."""
    codes = measure.batches(sample(4 * _BATCH, seed=0, space=MNASNET), rows, 4 * rows)
    calls: dict[str, measure.Call] = {}
    for form, make in _makers().items():
        if form == "Configuration of ConfigSpace":
            new = _New(make, codes)
            calls[f"making a {form}"] = new
            calls[form] = partial(_read_new, read, new, rows)
            continue
        batches = list(map(make, codes))
        if rows == 1 and ("dict" in form or form[0] in "AC"):  # each by itself
            batches = [batch[0] for batch in batches]
        calls[form] = measure.rotate(read, batches)
    return calls


def _read_new(read: Callable[[Any], Any], new: _New, rows: int) -> Any:
    batch = new()
    return read(batch[0] if rows == 1 else batch)


def _encode(batch: Any) -> Any:
    if hasattr(type(batch), "columns"):  # an earlier release did not take tables
        return from_table(batch, MNASNET)
    return encode(batch, MNASNET)


def measured(rounds: float, seconds: float) -> dict[str, Figures]:
    """Return the figures of each form, for one architecture at a time and for batches."""
    surrogate = anb_onnx.load("accuracy", engine="native", threads=1)
    found: dict[str, Figures] = {}
    for rows in (_ONE, _BATCH):
        calls = {}
        for name, read in (("encode", _encode), ("query", surrogate.query)):
            for form, call in _calls(rows, read).items():
                try:
                    call()
                except ArchitectureError:
                    continue
                calls[f"{name} {form}"] = call
        timings = measure.interleave(calls, rounds=int(rounds), seconds=seconds)
        times = {name: np.array([t.cpu for t in part]) for name, part in timings.items()}
        for name in ("encode", "query"):
            making = times.pop(f"{name} making a Configuration of ConfigSpace")
            times[f"{name} Configuration of ConfigSpace"] -= making
        found[str(rows)] = {
            form: _figures(times, form, rows) for form in _makers() if f"encode {form}" in times
        }
    return found


def _figures(times: dict[str, Any], form: str, rows: int) -> tuple[float, float, float]:
    missing = np.full(len(times["query codes"]), np.nan)
    query = times.get(f"query {form}", missing)
    return (
        statistics.median(times[f"encode {form}"].tolist()) * 1e6 / rows,
        statistics.median(query.tolist()) * 1e6 / rows,
        statistics.median((query / times["query codes"]).tolist()),
    )


def _of_tree(tree: Path, options: argparse.Namespace) -> dict[str, Figures]:
    root = Path(__file__).resolve().parents[1]
    arguments = [str(tree.resolve()), str(root), str(options.rounds), str(options.seconds)]
    done = subprocess.run(
        [sys.executable, "-c", _TREE, *arguments], check=True, capture_output=True, text=True
    )
    found: dict[str, Figures] = json.loads(done.stdout.splitlines()[-1])
    return found


def _cells(figures: Figures, form: str) -> list[str]:
    shown = figures.get(form, (np.nan,) * 3)
    return ["-" if np.isnan(figure) else f"{figure:.3g}" for figure in shown]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.05, help="per round and form")
    parser.add_argument("--before", type=Path, metavar="TREE", help="sources to compare with")
    options = parser.parse_args()
    after = measured(options.rounds, options.seconds)
    before = _of_tree(options.before, options) if options.before else {}
    for rows, title in ((_ONE, "one"), (_BATCH, f"of a batch of {_BATCH:,}")):
        parts = [part[str(rows)] for part in (before, after) if part]
        heads = ["encode, µs", "query, µs", "of codes"]
        if before:
            heads = [f"{head}, {when}" for head in heads for when in ("before", "after")]
        print(f"\n| {title} | {' | '.join(heads)} |\n| --- |{' ---: |' * len(heads)}")
        for form in _makers():
            columns = zip(*(_cells(part, form) for part in parts), strict=True)
            print(f"| {form} | {' | '.join(cell for cells in columns for cell in cells)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
