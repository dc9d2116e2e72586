"""CSV of any length, read block after block: plain blocks all at once, the others line by line.

One reader, Python's, says what CSV is. Blocks that are plain mean the same to it; where one is
not, or something in it is wrong, it reads the block (or, from the first quotation mark on, all the
rest) and words the error.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_onnx._io.files import limit_of
from anb_onnx._io.input import INPUT_BYTES, INPUT_VARIABLE
from anb_onnx.encoding.csv_plain import PlainBlock, Spellings, plain_block
from anb_onnx.encoding.encoding import codes_to_indices, indices_to_codes
from anb_onnx.encoding.table_files import (
    INDEX,
    Columns,
    cell_code,
    check_separator,
    csv_rows,
    decimal,
    from_cells,
    from_index_cells,
    row_numbers_error,
)
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.space import SearchSpace

Codes = npt.NDArray[np.uint8]

#: Says whether architectures are what the means beside them, by column and as text, are of.
Believe = Callable[[Codes, dict[str, list[str]]], bool]

_BATCH = 2**16
#: Rows that are looked at to find out whether indices are row numbers, and means to compare.
_LOOKED_AT, _COMPARED = 2**16, 16


def csv_blocks(
    chunks: Iterable[bytes],
    space: SearchSpace,
    *,
    ignore_extra: bool = False,
    index: str | None = None,
    answers: frozenset[str] = frozenset(),
    believe: Believe | None = None,
) -> Iterator[Codes]:
    """Yield the codes uint8 [<= some rows, genes] of CSV in UTF-8; a header alone has no rows.

    Parameters
    ----------
    chunks : iterable of bytes
        The text, in parts of any size.
    space : SearchSpace
    ignore_extra : bool
        Whether unknown columns may stand beside those of architectures.
    index : str, optional
        The column of indices, whatever it is called.
    answers : set of str
        Columns that are answers, beside those that are called so.
    believe : callable, optional
        Asked about indices that look like row numbers.

    Raises
    ------
    ArchitectureError
        For the first line that is wrong, or bytes that are not UTF-8.
    """
    text = TextBlocks(chunks)
    first = text.next()
    check_separator(first, space)
    head, rest = _first_line(first)
    whole = head.count(b'"') % 2 == 1  # a name goes on in the next line
    reader = _Reader(text.lines(first) if whole else iter([text.decode(head)]))
    header = [name.strip() for name in next(reader, [])]
    table = _Table(Columns(header, space, ignore_extra, index, answers), header, space, believe)
    if whole:
        yield from table.strictly(reader)
    else:
        n_lines = reader.line_num
        text.skip(len(head))
        while block := rest or text.next():
            rest = b""
            if b'"' in block:  # which may hold line ends, from here on
                yield from table.strictly(_Reader(text.lines(block), n_lines))
                break
            yield from table.block(block, text, n_lines)
            n_lines += block.count(b"\n") + block.count(b"\r") - block.count(b"\r\n")
    table.finish()


def _first_line(text: bytes) -> tuple[bytes, bytes]:
    ends = [place for place in map(text.find, (b"\n", b"\r")) if place >= 0]
    end = min(ends, default=len(text))
    end += 2 if text[end : end + 2] == b"\r\n" else 1
    return text[:end], text[end:]


class TextBlocks:
    """Whole lines of a text that comes in chunks, and where in it they are."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""
        self._start = self._next_start = 0
        self._limit = limit_of(INPUT_VARIABLE, INPUT_BYTES)

    def next(self) -> bytes:
        """Return some whole lines, without a byte order mark, b"" after the last.

        Raises
        ------
        ArchitectureError
            If one is larger than all of a text may be that is held in memory.
        """
        parts, size, beyond = [self._rest], len(self._rest), 0
        for chunk in self._chunks:
            parts.append(chunk)
            size += len(chunk)
            # A carriage return at the end may be half of a line end.
            end = chunk.rfind(b"\n") + 1 or chunk.rfind(b"\r", 0, -1) + 1
            if end:
                beyond = len(chunk) - end
                break
            if size > self._limit:
                msg = f"a line has more than {self._limit} bytes; {INPUT_VARIABLE} sets this limit"
                raise ArchitectureError(msg)
        text = b"".join(parts)
        block, self._rest = text[: size - beyond], text[size - beyond :]
        self._start = self._next_start
        self._next_start += len(block)
        if self._start == 0 and block.startswith(codecs.BOM_UTF8):
            self._start = len(codecs.BOM_UTF8)
            block = block[self._start :]
        return block

    def skip(self, count: int) -> None:
        """Say that so much of what `next` returned is done with."""
        self._start += count

    def lines(self, block: bytes) -> Iterator[str]:
        """Yield the lines of a block and of all that follow."""
        while block:
            yield from io.StringIO(self.decode(block), newline="")
            block = self.next()

    def decode(self, block: bytes) -> str:
        """Return the text of a block.

        Raises
        ------
        ArchitectureError
            If it is not UTF-8, with the byte, counted from the start of everything.
        """
        try:
            return block.decode()
        except UnicodeDecodeError as error:
            msg = f"it is not UTF-8 text ({error.reason} at byte {self._start + error.start})"
            raise ArchitectureError(msg) from error


class _Reader:
    """Rows of CSV as Python reads them; what is none is an error with its line."""

    def __init__(self, lines: Iterator[str], before: int = 0) -> None:
        self._reader = csv.reader(lines, strict=True)
        self._before = before

    @property
    def line_num(self) -> int:
        """The number of lines that have been read, from the start of everything."""
        return self._before + self._reader.line_num

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        try:
            return next(self._reader)
        except csv.Error as error:
            msg = f"line {self.line_num}: not valid CSV ({error})"
            raise ArchitectureError(msg) from error


class _Table:
    """What the columns of a table hold, and what is known of its rows so far."""

    def __init__(
        self,
        columns: Columns,
        header: Sequence[str],
        space: SearchSpace,
        believe: Believe | None,
    ) -> None:
        self._columns, self._header, self._space = columns, header, space
        self._places = [header.index(name) for name in columns.wanted]
        self._spelled = Spellings(lambda gene, text: cell_code(gene, text, 0))
        self._checked = None if columns.also is None else header.index(columns.also)
        self._numbers = RowNumbers(columns, space, believe)

    def block(self, block: bytes, text: TextBlocks, n_lines: int) -> Iterator[Codes]:
        """Yield the codes of whole lines without quotation marks, after so many other lines."""
        if not block.isascii():
            text.decode(block)
        plain = plain_block(block, len(self._header))
        codes = None if plain is None else self._plain(plain)
        if codes is not None:
            yield codes
            return
        lines = io.StringIO(text.decode(block), newline="")
        yield from self.strictly(_Reader(lines, n_lines))

    def _plain(self, plain: PlainBlock) -> Codes | None:
        """Return the codes of a plain block; None where a cell is wrong, or not that plain."""
        if not self._columns.by_index:
            codes = plain.codes(self._places, self._space, self._spelled)
            if codes is None or self._checked is None:
                return codes
            also = plain.integers(self._checked)
            sound = also is not None and self._numbers.same_or_counting(also, codes)
            return codes if sound else None
        indices = plain.integers(self._places[0])
        if indices is None or int(indices.max()) >= self._space.size:
            return None
        codes = indices_to_codes(indices, self._space)
        if self._numbers.open:
            beside = {
                name: plain.texts(self._header.index(name), _COMPARED)
                for name in self._columns.means
            }
            self._numbers.see(indices, codes, beside)
        return codes

    def strictly(self, reader: _Reader) -> Iterator[Codes]:
        """Yield the codes of all rows of a reader."""
        rows = csv_rows(reader, len(self._header))
        wrong: ArchitectureError | None = None
        while wrong is None:
            batch: list[tuple[int, list[str]]] = []
            try:
                for row in itertools.islice(rows, _BATCH):
                    batch.append(row)  # what was read is kept where one is wrong
            except ArchitectureError as error:
                wrong = error  # an earlier row may offend, too
            if not batch:
                break
            if self._columns.by_index:
                place = self._places[0]
                cells = ((f"line {line}: ", decimal(row[place])) for line, row in batch)
                codes, _ = from_index_cells(cells, self._columns.wanted[0], self._space)
                if self._numbers.open:
                    beside = {
                        name: [row[self._header.index(name)] for _, row in batch[:_COMPARED]]
                        for name in self._columns.means
                    }
                    indices = np.array([decimal(row[place]) for _, row in batch], object)
                    self._numbers.see(indices, codes, beside)
            else:
                codes = from_cells(batch, self._places, self._space)
                if self._checked is not None:
                    stated = [(f"line {line}: ", row[self._checked]) for line, row in batch]
                    self._numbers.compare(stated, codes)
            yield codes
        if wrong is not None:
            raise wrong

    def finish(self) -> None:
        """Say that there are no more rows."""
        self._numbers.finish()


class RowNumbers:
    """Finds out whether a column of indices may hold the numbers of rows instead.

    Parameters
    ----------
    columns : Columns
    space : SearchSpace
    believe : callable, optional
    first : int
        The number of the first row.
    """

    def __init__(
        self, columns: Columns, space: SearchSpace, believe: Believe | None, *, first: int = 0
    ) -> None:
        self._name = columns.wanted[0]
        self._space = space
        self._believe = believe
        #: Whether that is still to be found out.
        self.open = columns.doubtful
        self._rows = 0
        self._codes = np.empty((0, space.n_genes), np.uint8)
        self._beside: dict[str, list[str]] = {}
        self._compared = first
        self._counting, self._counted = True, False
        self._contradiction: str | None = None

    def see(self, indices: npt.NDArray[Any], codes: Codes, beside: dict[str, list[str]]) -> None:
        """Look at some more rows: indices, their codes, and the first of the means beside them."""
        if not np.array_equal(indices, np.arange(self._rows, self._rows + len(indices))):
            self.open = False
            return
        if not self._rows:
            self._codes, self._beside = codes[:_COMPARED], beside
        self._rows += len(indices)
        if self._rows >= _LOOKED_AT:
            self.finish()

    def same_or_counting(self, stated: npt.NDArray[np.int64], codes: Codes) -> bool:
        """Say whether indices beside genes are without a doubt what they may be; see `compare`."""
        counts = np.arange(self._compared, self._compared + len(stated))
        if self._counting and np.array_equal(stated, counts):
            self._compared += len(stated)
            self._counted = True
            return True
        self._counting &= not self._counted
        same = not self._counted and np.array_equal(stated, codes_to_indices(codes, self._space))
        if same:
            self._counting = False
            self._compared += len(stated)
        return same

    def compare(self, stated: Sequence[tuple[str, object]], codes: Codes) -> None:
        """Look at indices beside genes, given with their places: those of the genes, or counting.

        What a spreadsheet made of a long one (9.8E+10) is no index any more, and not needed.

        Raises
        ------
        ArchitectureError
            If they are neither.
        """
        actual = codes_to_indices(codes, self._space).tolist()
        for (place, cell), index in zip(stated, actual, strict=True):
            number = decimal(cell)
            self._counting &= number == self._compared
            self._compared += 1
            if isinstance(number, int) and number != index and self._contradiction is None:
                self._contradiction = (
                    f"{place}column {INDEX!r} is of the architecture with index {number}, "
                    f"but the genes are of that with index {index}; leave one of them out"
                )
            if self._contradiction is not None and not self._counting:
                raise ArchitectureError(self._contradiction)

    def finish(self) -> None:
        """Decide.

        Raises
        ------
        ArchitectureError
            If the column just counts its rows, and nothing says that these are indices.
        """
        if not self.open or not self._rows:
            return
        if self._believe is None or not self._believe(self._codes, self._beside):
            raise row_numbers_error(self._name, 0, self._rows)
        self.open = False
