"""Architectures in Parquet files: a column per gene or one of indices, read in batches."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from anb_onnx._io.files import open_regular
from anb_onnx._io.input import check_rows
from anb_onnx.encoding.csv_stream import RowNumbers
from anb_onnx.encoding.encoding import indices_to_codes
from anb_onnx.encoding.table_files import Columns, decimal, from_index_cells, row_numbers_error
from anb_onnx.errors import AnbError, ArchitectureError
from anb_onnx.parallel.shelter import import_sheltered
from anb_onnx.spaces.indices import refuse_indices
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.spaces.values import table_codes

Codes = npt.NDArray[np.uint8]

_BATCH = 2**16
_BUFFER = 2**20


def parquet_blocks(
    source: str | Iterable[bytes],
    space: SearchSpace,
    *,
    ignore_extra: bool = False,
    index: str | None = None,
    answers: frozenset[str] = frozenset(),
    on_read: Callable[[int], None] | None = None,
) -> Iterator[Codes]:
    """Yield the codes [<= a batch, genes] of a Parquet file, of which the needed columns are read.

    A column of indices holds integers, or strings of decimals where 64 bits do not hold them.

    Parameters
    ----------
    source : str or iterable of bytes
        The path of a regular file; or the bytes of one, which go into a temporary file first.
    space, ignore_extra, index, answers
        As for `Columns`.
    on_read : callable, optional
        Called with a share of the file's bytes for each batch.

    Raises
    ------
    FileError
        If it cannot be read, or is no regular file.
    ArchitectureError
        If it is not Parquet, has too many rows, or its columns are not those of architectures.
    """
    with ExitStack() as stack:
        place: str | BinaryIO
        if isinstance(source, str):
            place = source
        else:
            place = stack.enter_context(tempfile.TemporaryFile())
            for chunk in source:
                place.write(chunk)
        file = stack.enter_context(open_parquet(place))
        check_rows(file.n_rows)
        done = 0
        for batch in file.read(space, ignore_extra=ignore_extra, index=index, answers=answers):
            yield batch
            before, done = done, done + len(batch)
            if on_read is not None and file.n_rows:
                size = file.n_bytes
                on_read(size * done // file.n_rows - size * before // file.n_rows)


@contextmanager
def open_parquet(path: str | os.PathLike[str] | BinaryIO) -> Iterator[ParquetFile]:
    """Open a Parquet file; what its reader raises, in the block too, is an error of ours.

    Raises
    ------
    FileError
        If it cannot be read, or is no regular file.
    ArchitectureError
        If pyarrow is not installed, or the file is not Parquet, or damaged.
    """
    try:
        # A signal in the middle of the import would leave halves of it behind.
        pyarrow = import_sheltered("pyarrow")
        import_sheltered("pyarrow.parquet")
    except ImportError as error:
        msg = "reading Parquet needs pyarrow: pip install 'anb-onnx[parquet]'"
        raise ArchitectureError(msg) from error
    with ExitStack() as stack:
        if isinstance(path, (str, os.PathLike)):
            source = stack.enter_context(open_regular(path))
        else:
            source = path
        try:
            yield ParquetFile(pyarrow, source)
        except AnbError:
            raise
        except (pyarrow.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
            # pyarrow raises what its libraries do. Of damaged files it is usually ArrowInvalid.
            msg = f"not readable as Parquet ({error})"
            raise ArchitectureError(msg) from error


class ParquetFile:
    """Architectures of a Parquet file, as a whole or by row group; made by `open_parquet`.

    Attributes
    ----------
    n_rows : int
        Of all row groups, as the file states them.
    n_bytes : int
        Of the file.
    group_rows : tuple of int
        Rows of each row group.
    """

    def __init__(self, arrow: Any, source: BinaryIO) -> None:
        self._arrow = arrow
        self._source = source
        self._file = self._open(())
        metadata = self._file.metadata
        self.n_rows: int = metadata.num_rows
        self.n_bytes = self._source.seek(0, os.SEEK_END)
        self.group_rows = tuple(
            metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)
        )

    def read(
        self,
        space: SearchSpace,
        *,
        ignore_extra: bool = False,
        index: str | None = None,
        group: int | None = None,
        batch_rows: int | None = None,
        answers: frozenset[str] = frozenset(),
    ) -> Iterator[Codes]:
        """Yield the codes uint8 [<= `batch_rows`, genes] of all rows, or of one row group.

        Memory does not grow with the number of rows.

        Raises
        ------
        ArchitectureError
            If the columns are not those of architectures, or a cell is wrong: with the row,
            counted from the start of the file.
        """
        columns, texts = self.columns(
            space, ignore_extra=ignore_extra, index=index, answers=answers
        )
        # Kept as dictionaries: a long text in every row is in memory once.
        file = self._open(texts)
        batches = file.iter_batches(
            batch_size=batch_rows or _BATCH,
            row_groups=None if group is None else [group],
            columns=[*columns.wanted, *([] if columns.also is None else [columns.also])],
            use_threads=False,
        )
        first = row = 0 if group is None else sum(self.group_rows[:group])
        numbered = columns.doubtful
        numbers_beside = RowNumbers(columns, space, None, first=row)
        for batch in batches:
            if columns.by_index:
                cells, numbers = self._indices(batch.column(0), columns.wanted[0], space, row)
                numbered = numbered and numbers
            else:
                cells = table_codes(batch.select(columns.wanted), space, first_row=row)
                if columns.also is not None:
                    self._check_beside(batch.column(columns.also), cells, numbers_beside, row)
            row += len(batch)
            yield cells
        if numbered and row > first:
            raise row_numbers_error(columns.wanted[0], first, row)

    def _check_beside(self, column: Any, cells: Codes, numbers: RowNumbers, row: int) -> None:
        """Refuse indices beside genes that are of other architectures, and do not count rows."""
        plain = self._arrow.types.is_integer(column.type) and not column.null_count
        if plain and numbers.same_or_counting(column.to_numpy(), cells):
            return
        placed = [(f"row {row + n}: ", cell) for n, cell in enumerate(column.to_pylist())]
        numbers.compare(placed, cells)

    def columns(
        self,
        space: SearchSpace,
        *,
        ignore_extra: bool,
        index: str | None,
        answers: frozenset[str] = frozenset(),
    ) -> tuple[Columns, list[str]]:
        """Return the columns to read, and which of them hold texts.

        Raises
        ------
        ArchitectureError
            If one is missing, unknown, there twice or of a type that is not a gene's.
        """
        kinds, types = self._arrow.types, self._file.schema_arrow
        # Files of ours say so, and have no row numbers.
        ours = any(key.startswith(b"anb_onnx.") for key in types.metadata or ())
        columns = Columns(types.names, space, ignore_extra, index, answers, ours=ours)
        texts = []
        for name in columns.wanted:
            kind = types.field(name).type
            text = kinds.is_string(kind) or kinds.is_large_string(kind)
            if columns.by_index and not (text or kinds.is_integer(kind)):
                msg = f"column {name!r} holds {kind}, not integers (nor their decimals as strings)"
                raise ArchitectureError(msg)
            if kinds.is_nested(kind):
                msg = f"column {name!r} does not hold plain values ({kind})"
                raise ArchitectureError(msg)
            if text:
                texts.append(name)
        return columns, texts

    def digest(self, names: list[str], group: int) -> str:
        """Return the SHA-256 of some columns of a row group as they stand in the file.

        Covers names, types and bytes: what is read of the row group depends on nothing else.
        """
        metadata = self._file.metadata.row_group(group)
        types = self._file.schema_arrow
        found = hashlib.sha256()
        for position in range(metadata.num_columns):
            chunk = metadata.column(position)
            if chunk.path_in_schema not in names:
                continue
            kind = types.field(chunk.path_in_schema).type
            head = [chunk.path_in_schema, str(kind), chunk.compression, chunk.num_values]
            found.update(repr(head).encode())
            start = chunk.data_page_offset
            if chunk.has_dictionary_page and chunk.dictionary_page_offset:
                start = min(start, chunk.dictionary_page_offset)
            self._hash_bytes(found, start, chunk.total_compressed_size)
        return found.hexdigest()

    def _hash_bytes(self, found: Any, start: int, size: int) -> None:
        self._source.seek(start)
        while size > 0:
            part = self._source.read(min(size, _BUFFER))
            if not part:
                msg = "not readable as Parquet (a column ends after the end of the file)"
                raise ArchitectureError(msg)
            found.update(part)
            size -= len(part)

    def _open(self, texts: Any) -> Any:
        self._source.seek(0)
        return self._arrow.parquet.ParquetFile(
            self._source, read_dictionary=list(texts), buffer_size=_BUFFER, pre_buffer=False
        )

    def _indices(self, column: Any, name: str, space: SearchSpace, row: int) -> tuple[Codes, bool]:
        """Return the codes of a batch of indices, and whether these are the numbers of its rows."""
        if column.null_count or not self._arrow.types.is_integer(column.type):
            placed = (
                (f"row {row + place}: ", decimal(cell))
                for place, cell in enumerate(column.to_pylist())
            )
            return from_index_cells(placed, name, space, first=row)
        indices = column.to_numpy()
        refuse_indices(indices, space, first_row=row)
        numbers = np.arange(row, row + len(indices))
        return indices_to_codes(indices, space), bool(np.array_equal(indices, numbers))
