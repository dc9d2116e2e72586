"""Results on standard output or in a file: aligned tables, JSON and CSV."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from anb_onnx._cli_read import NAMED
from anb_onnx._output import open_output
from anb_onnx.architecture import Architecture
from anb_onnx.encoding import codes_to_indices
from anb_onnx.prediction import Prediction
from anb_onnx.space import SearchSpace

Codes = npt.NDArray[np.uint8]
Predictions = Mapping[str, Prediction[Any]]


@contextlib.contextmanager
def open_text(path: str | None) -> Iterator[TextIO]:
    """Open standard output, or a file as `open_output` does, for UTF-8 text."""
    if path is None:
        yield sys.stdout
        return
    with open_output(path) as file:
        stream = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield stream
        stream.detach()  # flushes; `file` is closed by who opened it


def table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str]) -> str:
    """Align columns by spaces, those named in `numbers` to the right."""
    lines = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    text = []
    for line in lines:
        cells = (
            cell.rjust(width) if name in numbers else cell.ljust(width)
            for cell, width, name in zip(line, widths, header, strict=True)
        )
        text.append("  ".join(cells).rstrip() + "\n")
    return "".join(text)


def write_table(stream: TextIO, codes: Codes, results: Predictions, space: SearchSpace) -> None:
    """Write one line per architecture and target."""
    n_members = max((len(m[0]) for m in _members(results).values() if len(m)), default=0)
    extra = [f"member_{i}" for i in range(n_members)]
    header = ["architecture", "target", "mean", "std", "unit", *extra]
    columns = {name: (_text(p.mean), _text(p.std)) for name, p in results.items()}
    members = {name: _text(m) for name, m in _members(results).items()}
    rows = []
    for row, label in enumerate(_labels(codes, space)):
        for name, (mean, std) in columns.items():
            cells = list(members[name][row]) if name in members else []
            cells += [""] * (len(extra) - len(cells))
            rows.append([label, name, mean[row], std[row], results[name].unit, *cells])
    stream.write(table(header, rows, ["mean", "std", *extra]))


def write_csv(stream: TextIO, codes: Codes, results: Predictions, space: SearchSpace) -> None:
    """Write one line per architecture: index, then mean, std and members of each target."""
    header = ["index"]
    columns: list[Sequence[str]] = [codes_to_indices(codes, space).astype(str).tolist()]
    members = _members(results)
    for name, prediction in results.items():
        header += [f"{name}_mean", f"{name}_std"]
        columns += [_text(prediction.mean), _text(prediction.std)]
        if name in members:
            header += [f"{name}_member_{i}" for i in range(members[name].shape[1])]
            columns += _text(members[name].T)
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(zip(*columns, strict=True))


def write_json(stream: TextIO, codes: Codes, results: Predictions, space: SearchSpace) -> None:
    """Write an array with one object per architecture."""
    columns = {name: (_text(p.mean), _text(p.std)) for name, p in results.items()}
    members = {name: _text(m) for name, m in _members(results).items()}
    write_array(
        stream,
        (
            {
                "index": int(index),
                "architecture": Architecture.from_codes(row, space=space).to_values(),
                "predictions": {
                    name: {
                        "mean": float(mean[i]),
                        "std": float(std[i]),
                        "unit": results[name].unit,
                        **(
                            {"members": [float(m) for m in members[name][i]]}
                            if name in members
                            else {}
                        ),
                    }
                    for name, (mean, std) in columns.items()
                },
            }
            for i, (index, row) in enumerate(
                zip(codes_to_indices(codes, space), codes.tolist(), strict=True)
            )
        ),
    )


def write_array(stream: TextIO, items: Iterator[Any]) -> None:
    """Write a JSON array, one item per line, without holding its text in memory."""
    stream.write("[")
    for number, item in enumerate(items):
        stream.write(",\n " if number else "\n ")
        stream.write(json.dumps(item))
    stream.write("\n]\n")


def write_card(stream: TextIO, name: str, card: Mapping[str, Any]) -> None:
    """Write a model card, one line per fact."""
    lines = list(_flat(card))
    width = max((len(key) for key, _ in lines), default=0)
    stream.write(f"{name}\n")
    stream.writelines(f"  {key.ljust(width)}  {value}\n" for key, value in lines)


def _flat(card: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Leaves of nested objects under dotted keys."""
    for key, value in card.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, str):
            yield prefix + key, value
        else:
            yield prefix + key, "-" if value is None else json.dumps(value)


def _members(results: Predictions) -> dict[str, npt.NDArray[np.float32]]:
    return {n: p.members for n, p in results.items() if p.members is not None}


def _text(values: npt.NDArray[np.float32]) -> Any:
    """Shortest decimals that read back as the same float32, as nested lists of strings."""
    return values.astype(str).tolist()


def _labels(codes: Codes, space: SearchSpace) -> Iterator[str]:
    names = {a.index: name for name, a in ((n, make()) for n, make in NAMED.items())}
    for index in codes_to_indices(codes, space).tolist():
        yield names.get(index, str(index))
