"""Columns of what commands write: as text of CSV, of JSON, and as Arrow's arrays."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from anb_onnx._io.cells import Cells, cells_of
from anb_onnx._io.decimals import integer_cells
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.encoding.float_text import float_cells
from anb_onnx.spaces.space import Gene, SearchSpace

Codes = npt.NDArray[np.uint8]


class Column(Protocol):
    """Some rows of a column that has a name and, in files that say so, a unit."""

    @property
    def name(self) -> str:
        """Of the column."""

    @property
    def unit(self) -> str | None:
        """Of its numbers."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def rows(self, start: int, stop: int) -> Column:
        """Return some of its rows."""

    def csv(self) -> Cells:
        """Return the cells of CSV."""

    def json(self) -> Cells:
        """Return the values of JSON."""

    def arrow(self, arrow: Any) -> Any:
        """Return an array of pyarrow."""


@dataclass(frozen=True, eq=False)
class Indices:
    """Indices of architectures: int64, or Python's integers where these do not fit."""

    name: str
    values: npt.NDArray[Any]
    unit: str | None = None

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, start: int, stop: int) -> Indices:
        """Return some of its rows."""
        return Indices(self.name, self.values[start:stop])

    def csv(self) -> Cells:
        """Return the cells of CSV."""
        return integer_cells(self.values)

    json = csv

    def arrow(self, arrow: Any) -> Any:
        """Return an array of pyarrow."""
        if self.values.dtype == object:
            return arrow.array([*map(str, self.values.tolist())], arrow.string())
        return arrow.array(self.values, arrow.int64())


@dataclass(frozen=True, eq=False)
class Genes:
    """The values of a gene, given by its codes uint8 [N]."""

    gene: Gene
    codes: Codes
    unit: str | None = None

    @property
    def name(self) -> str:
        """Of the gene."""
        return self.gene.name

    def __len__(self) -> int:
        return len(self.codes)

    def rows(self, start: int, stop: int) -> Genes:
        """Return some of its rows."""
        return Genes(self.gene, self.codes[start:stop])

    def csv(self) -> Cells:
        """Return the cells of CSV."""
        return _choices(self.gene, "csv")[:, self.codes]

    def json(self) -> Cells:
        """Return the values of JSON."""
        return _choices(self.gene, "json")[:, self.codes]

    def arrow(self, arrow: Any) -> Any:
        """Return an array of pyarrow."""
        return arrow.array([*self.gene.choices]).take(arrow.array(self.codes))


@lru_cache(maxsize=1024)
def _choices(gene: Gene, form: str) -> Cells:
    texts = [csv_cell(c) if form == "csv" else json.dumps(c) for c in gene.choices]
    return np.ascontiguousarray(cells_of(texts))


@dataclass(frozen=True, eq=False)
class Floats:
    """Numbers float32 [N], or nothing in any of so many rows."""

    name: str
    values: npt.NDArray[np.float32] | int
    unit: str | None = None

    def __len__(self) -> int:
        return self.values if isinstance(self.values, int) else len(self.values)

    def rows(self, start: int, stop: int) -> Floats:
        """Return some of its rows."""
        values = self.values
        part = stop - start if isinstance(values, int) else values[start:stop]
        return Floats(self.name, part, self.unit)

    def csv(self) -> Cells:
        """Return the cells of CSV."""
        return self._text("")

    def json(self) -> Cells:
        """Return the values of JSON."""
        return self._text("null")

    def table(self) -> Cells:
        """Return the cells of a table for people."""
        return self._text("-")

    def _text(self, nothing: str) -> Cells:
        if isinstance(self.values, int):
            return cells_of([nothing] * self.values)
        return float_cells(self.values)

    def arrow(self, arrow: Any) -> Any:
        """Return an array of pyarrow."""
        if isinstance(self.values, int):
            return arrow.nulls(self.values, arrow.float32())
        return arrow.array(np.ascontiguousarray(self.values), arrow.float32())


@dataclass(frozen=True, eq=False)
class Texts:
    """Any values of which a text is written, such as the strings of NAS-Bench-201."""

    name: str
    values: Sequence[Any]
    unit: str | None = None

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, start: int, stop: int) -> Texts:
        """Return some of its rows."""
        return Texts(self.name, self.values[start:stop])

    def csv(self) -> Cells:
        """Return the cells of CSV."""
        return cells_of([csv_cell(value) for value in self.values])

    def json(self) -> Cells:
        """Return the values of JSON."""
        return cells_of([json.dumps(value) for value in self.values])

    def arrow(self, arrow: Any) -> Any:
        """Return an array of pyarrow."""
        return arrow.array([*self.values])


def csv_cell(value: object) -> str:
    """Return a value as a cell of CSV, in quotation marks where it needs them."""
    return csv_line([value]).removesuffix("\n")


def csv_line(values: Iterable[object]) -> str:
    """Return a line of CSV."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(values)
    return stream.getvalue()


def architecture_columns(
    codes: Codes, space: SearchSpace, *, index: bool = True, genes: bool = True
) -> list[Column]:
    """Return the columns that say which architectures they are."""
    columns: list[Column] = []
    if index:
        columns.append(Indices("index", codes_to_indices(codes, space)))
    if genes:
        columns += [Genes(gene, codes[:, place]) for place, gene in enumerate(space.genes)]
    return columns


def genes_object(columns: Sequence[Column]) -> Mapping[str, Column]:
    """Return the columns of genes by name: what JSON calls an architecture."""
    return {column.name: column for column in columns if isinstance(column, Genes)}
