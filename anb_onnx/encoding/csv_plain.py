"""Plain cells of CSV, many at once: no quotation marks, one line end, as many cells in each line.

What is plain is most of what programs write. All that is not is left to the strict way, which
decides what it means, and words what is wrong.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.space import Gene, SearchSpace

# Bytes of a word; of the longest cell that is looked at here; digits that int64 holds.
_WORD, _LONGEST, _DIGITS = 8, 64, 18
# Spellings of a gene that are remembered: 6, 6.0, True, true and so on.
_SPELLINGS = 64
_MASKS = np.array([(1 << 8 * n) - 1 for n in range(8)] + [2**64 - 1], np.uint64)
_COMMA, _LINE, _ZERO = b",\n0"

#: Returns the code of a cell's text, or raises.
Spell = Callable[[Gene, str], int]


class PlainBlock:
    """Lines of CSV of which each has the same number of plain cells.

    Made by `plain_block`.
    """

    def __init__(self, text: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        self._padded = text + b"\0" * _WORD
        self._bytes = np.frombuffer(self._padded, np.uint8)
        self._starts, self._ends = starts, ends

    def __len__(self) -> int:
        return len(self._starts)

    def texts(self, column: int, stop: int) -> list[str]:
        """Return the cells of a column in the first rows."""
        rows = zip(self._starts[:stop, column].tolist(), self._ends[:stop, column], strict=True)
        return [self._padded[start:end].decode() for start, end in rows]

    def integers(self, column: int) -> NDArray[np.int64] | None:
        """Return a column of nothing but digits as int64 [N]; None for any other."""
        starts, ends = self._starts[:, column], self._ends[:, column]
        lengths = ends - starts
        if not len(lengths) or lengths.min() < 1 or lengths.max() > _DIGITS:
            return None
        found = np.zeros(len(starts), np.int64)
        for place in range(int(lengths.max())):
            digits = self._bytes[np.minimum(starts + place, ends - 1)] - np.uint8(_ZERO)
            if digits.max() > 9:
                return None
            inside = place < lengths
            found = np.where(inside, found * 10 + digits, found)
        return found

    def codes(
        self, columns: Sequence[int], space: SearchSpace, spelled: Spellings
    ) -> NDArray[np.uint8] | None:
        """Return codes uint8 [N, genes] of the columns of genes; None where a cell is none."""
        codes = np.empty((len(self), space.n_genes), np.uint8)
        for place, (gene, column) in enumerate(zip(space.genes, columns, strict=True)):
            found = self._gene(gene, column, spelled)
            if found is None:
                return None
            codes[:, place] = found
        return codes

    def _gene(self, gene: Gene, column: int, spelled: Spellings) -> NDArray[np.int16] | None:
        starts = self._starts[:, column]
        lengths = self._ends[:, column] - starts
        longest = int(lengths.max(initial=0))
        if longest > _LONGEST:
            return None
        n_words = max(1, -(-longest // _WORD))
        words = [self._word(starts, lengths, number) for number in range(n_words)]
        codes = np.full(len(starts), -1, np.int16)
        for text, code in spelled.of(gene).items():
            _mark(codes, words, lengths, text, code)
        while (unknown := codes < 0).any():
            row = int(np.argmax(unknown))
            text = self._padded[starts[row] : starts[row] + lengths[row]]
            learnt = spelled.learn(gene, text)
            if learnt is None:
                return None
            _mark(codes, words, lengths, text, learnt)
        return codes

    def _word(
        self, starts: NDArray[np.int64], lengths: NDArray[np.int64], number: int
    ) -> NDArray[np.uint64]:
        """Return some bytes of each cell as a number, those beyond its end as zeros."""
        size = len(self._padded) - _WORD + 1
        words: NDArray[np.uint64] = np.ndarray((size,), "<u8", self._padded, strides=(1,))
        here = np.minimum(starts + _WORD * number, size - 1)
        left = np.clip(lengths - _WORD * number, 0, _WORD)
        return words[here] & _MASKS[left]


def _mark(
    codes: NDArray[np.int16],
    words: Sequence[NDArray[np.uint64]],
    lengths: NDArray[np.int64],
    text: bytes,
    code: int,
) -> None:
    """Set the code of all cells that hold a text."""
    if len(text) > _WORD * len(words):
        return
    same = lengths == len(text)
    for number, word in enumerate(words):
        part = text[_WORD * number : _WORD * (number + 1)]
        same &= word == np.uint64(int.from_bytes(part, "little"))
    codes[same] = code


class Spellings:
    """The texts of each gene's values that have occurred, with their codes."""

    def __init__(self, spell: Spell) -> None:
        self._spell = spell
        self._known: dict[str, dict[bytes, int]] = {}

    def of(self, gene: Gene) -> dict[bytes, int]:
        """Return those of a gene."""
        return self._known.setdefault(gene.name, {})

    def learn(self, gene: Gene, text: bytes) -> int | None:
        """Return the code of a text, and keep it; None if it is none, or there are too many."""
        known = self.of(gene)
        if len(known) >= _SPELLINGS + len(gene):
            return None
        try:
            code = self._spell(gene, text.decode())
        except ArchitectureError:
            return None
        known[text] = code
        return code


def plain_block(text: bytes, width: int) -> PlainBlock | None:
    """Return lines of CSV of `width` cells as a plain block; None if they are not that plain.

    Parameters
    ----------
    text : bytes
        Whole lines; UTF-8, which is not checked here.
    width : int
    """
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    if b'"' in text or b"\r" in text or b"\n\n" in text or text.startswith(b"\n"):
        return None
    if not text.endswith(b"\n"):
        text += b"\n"
    raw = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero((raw == _COMMA) | (raw == _LINE))
    lines = raw[ends] == _LINE
    n_rows, rest = divmod(len(ends), width)
    if rest or np.count_nonzero(lines) != n_rows or not lines[width - 1 :: width].all():
        return None
    starts: NDArray[np.int64] = np.concatenate([np.zeros(1, ends.dtype), ends[:-1] + 1])
    if int((ends - starts).max(initial=0)) > csv.field_size_limit():
        return None
    return PlainBlock(text, starts.reshape(n_rows, width), ends.reshape(n_rows, width))
