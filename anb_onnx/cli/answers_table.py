"""Answers as a table for people, written as they come: no column needs to be seen twice."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO, TypeAlias

import numpy as np

from anb_onnx._io.cells import PAD, Cells, cells_of, joined_cells, justified, lengths_of
from anb_onnx._io.decimals import integer_cells
from anb_onnx._io.show import printable
from anb_onnx.cli.answers import Answer, Codes
from anb_onnx.cli.read import named
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.spaces.space import SearchSpace

#: What is known of some architectures after another; at least one block.
Answers: TypeAlias = Iterable[tuple[Codes, Sequence[Answer]]]

_NUMBERS = ("mean", "lower", "upper", "std", "predictive_std")
# Architectures that are looked at first, and lines that are text at once.
_SEEN, _ROWS = 2**16, 2**12
# Of a column of numbers where more than a block follows: nearly all of any block fit.
_WIDE = 11


def write_table(stream: TextIO, answers: Answers, space: SearchSpace) -> None:
    """Write one line per architecture and target.

    The columns are as wide as the first `_SEEN` architectures need; where these are not all, as
    wide as nearly any need, so that only a few lines stand out farther down.
    """
    answers = iter(answers)
    seen: list[tuple[Codes, Sequence[Answer]]] = []
    for some in answers:
        seen.append(some)
        if sum(len(codes) for codes, _ in seen) >= _SEEN:
            break
    layout = _Layout(seen, space)
    stream.write(layout.header())
    for codes, block in itertools.chain(seen, answers):
        for start in range(0, len(codes), _ROWS):
            stop = min(start + _ROWS, len(codes))
            part = [answer.rows(start, stop) for answer in block]
            for text in layout.lines(codes[start:stop], part):
                stream.write(text.decode())


class _Layout:
    """How wide the columns are."""

    def __init__(self, seen: Sequence[tuple[Codes, Sequence[Answer]]], space: SearchSpace) -> None:
        self._space = space
        self._names = {architecture.index: name for name, architecture in named(space).items()}
        more = sum(len(codes) for codes, _ in seen) >= _SEEN
        least = _WIDE if more else 0
        _, first = seen[0]
        answers = [answer for _, block in seen for answer in block]
        self._architecture = max(_widest("architecture", self._labels(codes)) for codes, _ in seen)
        if more:
            longest = max(map(len, [str(space.size - 1), *self._names.values()]))
            self._architecture = max(self._architecture, longest)
        self._target = max(len("target"), *(len(printable(a.target).encode()) for a in first))
        self._unit = max(len("unit"), *(len(printable(a.unit).encode()) for a in first))
        self._numbers = {
            form: max(least, *(_widest(form, a.numbers()[form].table()) for a in answers))
            for form in _NUMBERS
        }
        self._extra = [f"member_{i}" for i in range(max(len(a.members) for a in first))]
        self._members = [
            max(least, *(_widest(n, a.members[i].table()) for a in answers if i < len(a.members)))
            for i, n in enumerate(self._extra)
        ]

    def header(self) -> str:
        """Return the first line."""
        cells = ["architecture".ljust(self._architecture), "target".ljust(self._target)]
        cells += [form.rjust(width) for form, width in self._numbers.items()]
        cells += ["unit".ljust(self._unit)]
        cells += [n.rjust(w) for n, w in zip(self._extra, self._members, strict=True)]
        return "  ".join(cells).rstrip() + "\n"

    def lines(self, codes: Codes, block: Sequence[Answer]) -> Iterator[bytes]:
        """Return the lines of some architectures, some after another."""
        label = justified(self._labels(codes), self._architecture)
        parts: list[Cells | bytes] = []
        for answer in block:
            name = printable(answer.target)
            parts += [*label, f"  {_padded(name, self._target)}".encode()]
            for form, width in self._numbers.items():
                parts += [b"  ", *justified(answer.numbers()[form].table(), width, right=True)]
            unit = printable(answer.unit)
            parts.append(f"  {_padded(unit, self._unit) if answer.members else unit}".encode())
            for member, width in zip(answer.members, self._members, strict=False):
                parts += [b"  ", *justified(member.table(), width, right=True)]
            parts.append(b"\n")
        return joined_cells(parts, len(codes))

    def _labels(self, codes: Codes) -> Cells:
        indices = codes_to_indices(codes, self._space)
        cells = integer_cells(indices)
        for index, name in self._names.items():
            rows = np.flatnonzero(indices == index)
            if len(rows):
                text = cells_of([name])
                wide = np.full((max(len(cells), len(text)), len(codes)), PAD, np.uint8)
                wide[: len(cells)] = cells
                wide[:, rows] = PAD
                wide[: len(text), rows] = text
                cells = wide
        return cells


def _padded(text: str, width: int) -> str:
    return text + " " * (width - len(text.encode()))


def _widest(name: str, cells: Cells) -> int:
    return max(len(name), int(lengths_of(cells).max(initial=0)))
