"""Results on standard output or in a file: aligned tables, JSON and CSV."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from anb_onnx._io.output import open_output
from anb_onnx._io.show import printable
from anb_onnx.cli.read import named
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.prediction import Prediction
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.space import SearchSpace

Codes = npt.NDArray[np.uint8]
Predictions = Mapping[str, Prediction[Any]]

#: Returns, each time anew, blocks of codes and what the targets are for them; at least one block.
Answers = Callable[[], Iterator[tuple[Codes, Predictions]]]


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


def write_aligned(
    stream: TextIO,
    header: Sequence[str],
    rows: Callable[[], Iterable[Sequence[str]]],
    numbers: Sequence[str],
) -> None:
    """Write columns aligned by spaces, those named in `numbers` to the right.

    `rows` is called twice, for the widths and for the text: the rows are never all in memory.
    """
    widths = [len(printable(name)) for name in header]
    for line in rows():
        widths = [max(w, len(printable(c))) for w, c in zip(widths, line, strict=True)]
    for line in itertools.chain([header], rows()):
        cells = (
            printable(cell).rjust(width) if name in numbers else printable(cell).ljust(width)
            for cell, width, name in zip(line, widths, header, strict=True)
        )
        stream.write("  ".join(cells).rstrip() + "\n")


def write_table(stream: TextIO, answers: Answers, space: SearchSpace) -> None:
    """Write one line per architecture and target."""
    _, first = next(answers())
    n_members = max((m.shape[1] for m in _members(first).values()), default=0)
    extra = [f"member_{i}" for i in range(n_members)]

    def rows() -> Iterator[Sequence[str]]:
        for codes, results in answers():
            columns = {name: (_text(p.mean), _text(p.std)) for name, p in results.items()}
            members = {name: _text(m) for name, m in _members(results).items()}
            for row, label in enumerate(_labels(codes, space)):
                for name, (mean, std) in columns.items():
                    cells = list(members[name][row]) if name in members else []
                    cells += [""] * (len(extra) - len(cells))
                    yield [label, name, mean[row], std[row], results[name].unit, *cells]

    header = ["architecture", "target", "mean", "std", "unit", *extra]
    write_aligned(stream, header, rows, ["mean", "std", *extra])


def write_csv(stream: TextIO, answers: Answers, space: SearchSpace) -> None:
    """Write one line per architecture: index, then mean, std and members of each target."""
    writer = csv.writer(stream, lineterminator="\n")
    for number, (codes, results) in enumerate(answers()):
        header = ["index"]
        columns: list[Sequence[str]] = [[*map(str, codes_to_indices(codes, space).tolist())]]
        members = _members(results)
        for name, prediction in results.items():
            title = printable(name)
            header += [f"{title}_mean", f"{title}_std"]
            columns += [_text(prediction.mean), _text(prediction.std)]
            if name in members:
                header += [f"{title}_member_{i}" for i in range(members[name].shape[1])]
                columns += _text(members[name].T)
        if number == 0:
            writer.writerow(header)
        writer.writerows(zip(*columns, strict=True))


def write_json(stream: TextIO, answers: Answers, space: SearchSpace) -> None:
    """Write an array with one object per architecture."""
    write_array(stream, (item for block in answers() for item in _objects(*block, space)))


def _objects(codes: Codes, results: Predictions, space: SearchSpace) -> Iterator[dict[str, Any]]:
    columns = {name: (_text(p.mean), _text(p.std)) for name, p in results.items()}
    members = {name: _text(m) for name, m in _members(results).items()}
    indices = codes_to_indices(codes, space).tolist()
    for i, (index, row) in enumerate(zip(indices, codes.tolist(), strict=True)):
        predictions: dict[str, dict[str, Any]] = {
            name: {"mean": float(mean[i]), "std": float(std[i]), "unit": results[name].unit}
            for name, (mean, std) in columns.items()
        }
        for name, found in members.items():
            predictions[name]["members"] = [float(m) for m in found[i]]
        yield {
            "index": index,
            "architecture": Architecture.from_codes(row, space=space).to_values(),
            "predictions": predictions,
        }


def write_array(stream: TextIO, items: Iterator[Any]) -> None:
    """Write a JSON array, one item per line, without holding its text in memory."""
    stream.write("[")
    for number, item in enumerate(items):
        stream.write(",\n " if number else "\n ")
        stream.write(json.dumps(item))
    stream.write("\n]\n")


def _members(results: Predictions) -> dict[str, npt.NDArray[np.float32]]:
    return {n: p.members for n, p in results.items() if p.members is not None}


def _text(values: npt.NDArray[np.float32]) -> Any:
    """Shortest decimals that read back as the same float32, as nested lists of strings."""
    return values.astype(str).tolist()


def _labels(codes: Codes, space: SearchSpace) -> Iterator[str]:
    names = {architecture.index: name for name, architecture in named(space).items()}
    for index in codes_to_indices(codes, space).tolist():
        yield names.get(index, str(index))
