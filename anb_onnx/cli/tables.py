"""Writing of tables of any length, block after block: CSV, JSON, JSON lines, Parquet."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, TextIO, TypeAlias

from anb_onnx._io.cells import Cells, joined_cells
from anb_onnx.cli.columns import Column, Genes, csv_line
from anb_onnx.parallel.extras import need

#: Columns of some rows after another, of the same names each; at least one block.
Blocks: TypeAlias = Iterable[Sequence[Column]]

#: Rows that are text at once: few enough for the cache, enough that each step does much.
_ROWS = 2**13


def parts_of(columns: Sequence[Column]) -> Iterator[list[Column]]:
    """Yield the columns of a few rows after another."""
    n_rows = len(columns[0])
    for start in range(0, n_rows, _ROWS):
        stop = min(start + _ROWS, n_rows)
        yield [column.rows(start, stop) for column in columns]


def write_csv(stream: TextIO, blocks: Blocks) -> None:
    """Write a header and a line for each row."""
    for number, columns in enumerate(blocks):
        if number == 0:
            stream.write(csv_line(column.name for column in columns))
        for part in parts_of(columns):
            cells: list[Cells | bytes] = []
            for column in part:
                cells += [column.csv(), b","]
            _write_rows(stream, [*cells[:-1], b"\n"], len(part[0]))


#: Makes what stands in a row of JSON out of columns: objects whose leaves are columns.
Shape: TypeAlias = Callable[[Sequence[Column]], Any]


def write_json(stream: TextIO, blocks: Blocks, shape: Shape) -> None:
    """Write an array, an item for each row and line."""
    start = b"[\n "
    for columns in blocks:
        for part in parts_of(columns):
            # A comma before each, and what begins the array instead of the first.
            for text in joined_cells([b",\n ", *json_parts(shape(part))], len(part[0])):
                stream.write((start + text[len(b",\n ") :]).decode())
                start = b",\n "
    stream.write("[\n]\n" if start == b"[\n " else "\n]\n")


def write_json_lines(stream: TextIO, blocks: Blocks, shape: Shape) -> None:
    """Write a line of JSON for each row."""
    for columns in blocks:
        for part in parts_of(columns):
            _write_rows(stream, [*json_parts(shape(part)), b"\n"], len(part[0]))


def _write_rows(stream: TextIO, parts: Sequence[Cells | bytes], n_rows: int) -> None:
    for text in joined_cells(parts, n_rows):
        stream.write(text.decode())


def json_parts(value: Any) -> list[Cells | bytes]:
    """Return the text of a value as `json.dumps` writes it, row by row where it is a column."""
    if isinstance(value, Mapping):
        items = [[f"{json.dumps(key)}: ".encode(), *json_parts(v)] for key, v in value.items()]
        return _joined(b"{", items, b"}")
    if isinstance(value, (list, tuple)):
        return _joined(b"[", [json_parts(item) for item in value], b"]")
    if hasattr(value, "json"):
        return [value.json()]
    return [json.dumps(value).encode()]


def _joined(start: bytes, items: list[list[Cells | bytes]], end: bytes) -> list[Cells | bytes]:
    parts: list[Cells | bytes] = [start]
    for number, item in enumerate(items):
        parts += [*([b", "] if number else []), *item]
    return [*parts, end]


def write_parquet(
    file: BinaryIO, blocks: Blocks, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a row group for each block; units stand with the columns, `metadata` in the schema.

    Raises
    ------
    ExtraError
        If pyarrow is not installed.
    """
    arrow = need("pyarrow", extra="parquet", what="writing Parquet")
    parquet = need("pyarrow.parquet", extra="parquet", what="writing Parquet")
    with contextlib.ExitStack() as stack:
        writer = None
        for columns in blocks:
            arrays = [column.arrow(arrow) for column in columns]
            if writer is None:
                units = [None if c.unit is None else {"unit": c.unit} for c in columns]
                fields = [
                    arrow.field(column.name, array.type, metadata=unit)
                    for column, array, unit in zip(columns, arrays, units, strict=True)
                ]
                schema = arrow.schema(fields, metadata)
                names = [c.name for c in columns if isinstance(c, Genes)]
                writer = stack.enter_context(
                    parquet.ParquetWriter(file, schema, compression="zstd", use_dictionary=names)
                )
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
