"""Architectures in tables of text: a column per gene, or one of indices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_onnx._io.input import check_rows
from anb_onnx._io.show import show
from anb_onnx._io.strict_json import MAX_DIGITS
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.space import Gene, SearchSpace
from anb_onnx.spaces.values import nearest_choice

Codes = npt.NDArray[np.uint8]

#: What a column of indices is called, unless told otherwise.
INDEX = "index"
_BATCH = 2**16
_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"([+-]?[0-9]{1,20})(\.0{0,20})?")
_FLOAT = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LINE_END = re.compile(rb"[\r\n]")
_BOOLEANS = {"true": True, "false": False}

# The columns beside architectures in tables that `anb-onnx` wrote: answers, and in files of
# searches and of measurements what is not told apart from a column of anybody, but for the genes.
_ANSWER = re.compile(r".+_(mean|std|predictive_std|lower|upper|member_[0-9]+)")
_RANK = {"target", "mean", "unit", "rank", "better", "equal", "total"}
_BESIDE_GENES = re.compile(r"index|architecture|value|std|repeats|cost|worth|.+_(value|violation)")


class Columns:
    """Which columns of a table say what its architectures are.

    Parameters
    ----------
    names : sequence of str
        Of the table.
    space : SearchSpace
    ignore_extra : bool
        Whether other columns than answers may stand beside them.
    index : str, optional
        The column of indices; if not given, one called "index" where no gene is there.
    answers : set of str
        Names of answers, if all genes are there, beside those that tell.
    ours : bool
        Whether the table itself says that `anb-onnx` wrote it.

    Attributes
    ----------
    wanted : list of str
        Those of the genes, or that of the indices.
    by_index : bool
    doubtful : bool
        Whether the indices may be row numbers: nobody said that they are not, and other columns
        stand beside them.
    also : str or None
        A column of indices beside the genes, which should say the same.
    means : list of str
        Columns of means, which tell indices from row numbers.

    Raises
    ------
    ArchitectureError
        If a column is missing, unknown, there twice, or may be something else.
    """

    def __init__(
        self,
        names: Sequence[str],
        space: SearchSpace,
        ignore_extra: bool,
        index: str | None,
        answers: frozenset[str] = frozenset(),
        *,
        ours: bool = False,
    ) -> None:
        genes = list(space.gene_names)
        found = index is None and not set(genes) & set(names) and INDEX in names
        self.by_index = index is not None or found
        self.wanted = ([INDEX] if index is None else [index]) if self.by_index else genes
        extra = [name for name in names if name not in self.wanted]
        self.doubtful = found and bool(extra) and not ours
        self.means = [name for name in extra if name.endswith("_mean")]
        _check_names(names, self.wanted, space)
        alone = not self.by_index and not ignore_extra and names.count(INDEX) == 1
        self.also = INDEX if alone and INDEX in extra else None
        known = answers if not self.by_index else _RANK if set(extra) == _RANK else frozenset()
        strange = [
            name
            for name in extra
            if not (name in known or _ANSWER.fullmatch(name))
            and ((self.by_index and not ours) or not _BESIDE_GENES.fullmatch(name))
        ]
        if strange and not ignore_extra:
            msg = f"unknown column {show(strange[0])}; --ignore-extra passes over such columns"
            raise ArchitectureError(msg)
        if found and strange:
            msg = (
                f"column {INDEX!r} may hold row numbers: beside it stands {show(strange[0])}"
                f"{_meant(strange[0], space)}; --index-column {INDEX} takes it for indices of "
                "architectures"
            )
            raise ArchitectureError(msg)


def _check_names(names: Sequence[str], wanted: Sequence[str], space: SearchSpace) -> None:
    for name in wanted:
        if name not in names:
            near = next((n for n in names if _plain(n) == _plain(name)), None)
            hint = "" if near is None else f" (there is {show(near)})"
            if not any(names):
                hint = " (nothing is in the first line)"
            elif all(_INTEGER.fullmatch(n) or n.lower() in _BOOLEANS for n in names):
                hint = " (the first line holds values, not names)"
            msg = (
                f"column {name!r} is missing{hint}; needed are the {space.n_genes} genes "
                f"({space.gene_names[0]} ... {space.gene_names[-1]}) or one column {INDEX!r}"
            )
            raise ArchitectureError(msg)
        if list(names).count(name) > 1:
            msg = f"column {name!r} occurs twice"
            raise ArchitectureError(msg)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _meant(name: str, space: SearchSpace) -> str:
    gene = next((gene for gene in space.gene_names if _plain(gene) == _plain(name)), None)
    return "" if gene is None else f" (is the gene {gene!r} meant?)"


def check_separator(raw: bytes, space: SearchSpace) -> None:
    """Refuse a table whose columns look separated by something else than commas.

    Raises
    ------
    ArchitectureError
        Naming the separator, and what replaces it.
    """
    header = _LINE_END.split(raw[:_BATCH], maxsplit=1)[0].decode("utf-8-sig", "replace")
    if "," in header:
        return
    for separator, shown in ((";", ";"), ("\t", r"\t"), ("|", "|"), (" ", " ")):
        parts = {part.strip(" \"'") for part in header.split(separator)}
        if len(parts) > 1 and (separator != " " or parts & {INDEX, *space.gene_names}):
            msg = f"the columns look separated by '{shown}'; give commas (tr '{shown}' ',')"
            raise ArchitectureError(msg)


def csv_rows(reader: Any, width: int) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of each row that is not blank.

    Raises
    ------
    ArchitectureError
        For the first that has not `width` cells.
    """
    for row in reader:
        if not row:  # a blank line
            continue
        if len(row) != width:
            msg = f"line {reader.line_num}: {len(row)} cells, the header has {width}"
            raise ArchitectureError(msg)
        yield reader.line_num, row


def from_cells(
    rows: Iterable[tuple[int, list[str]]], places: Sequence[int], space: SearchSpace
) -> Codes:
    """Return the codes of rows, given with their lines, from the places of the genes in them.

    Raises
    ------
    ArchitectureError
        For the first cell that is no value of its gene.
    """
    # Remembering each spelling that occurred makes a cell one look-up.
    known: list[dict[str, int]] = [{} for _ in places]
    codes = bytearray()
    for number, (line, row) in enumerate(rows, start=1):
        if number % _BATCH == 0:
            check_rows(number)
        for gene, place, cells in zip(space.genes, places, known, strict=True):
            code = cells.get(row[place])
            if code is None:
                code = cell_code(gene, row[place], line)
                cells[row[place]] = code
            codes.append(code)
    check_rows(len(codes) // space.n_genes)
    return np.frombuffer(codes, np.uint8).reshape(-1, space.n_genes)


def cell_code(gene: Gene, cell: str, line: int) -> int:
    """Return the code of a cell's text: 6 and 6.0 (pandas writes either), True, true and 1.

    Of a float gene that of the float64 nearest to it: 0.0005, 5e-4, .0005.

    Raises
    ------
    ArchitectureError
        If it is not one of the gene's choices; names the line.
    """
    text = cell.strip()
    value: object = text
    if gene.kind == "bool":
        value = _BOOLEANS.get(text.lower(), text)
    if gene.kind == "float":
        value = decimal_float(text)
    elif gene.kind != "str" and (number := _NUMBER.fullmatch(text)):
        value = int(number[1])  # as a float, a large one would turn into its neighbour
    elif gene.kind == "str" and gene.find(cell) >= 0:
        value = cell
    code = gene.find(value)
    if code < 0:
        msg = (
            f"line {line}: gene {gene.name!r}: {show(cell)} is not allowed; "
            f"choose from {gene.allowed}{nearest_choice(gene, value)}"
        )
        raise ArchitectureError(msg)
    return code


def decimal_float(text: str) -> object:
    """Return the float nearest to a text in decimals, as 0.0005 or 5e-4; any other as it is."""
    stripped = text.strip()
    # Python reads nan, 1_0 and digits of other scripts, too.
    return float(stripped) if _FLOAT.fullmatch(stripped) else text


def decimal(cell: object) -> object:
    """Return the integer that a text is in decimals, of any magnitude; anything else as it is."""
    text = cell.strip() if isinstance(cell, str) else ""
    # Python has a limit of its own for longer ones, and reads 1_0, too.
    return int(text) if _INTEGER.fullmatch(text) and len(text) <= MAX_DIGITS else cell


def from_index_cells(
    cells: Iterable[tuple[str, object]], name: str, space: SearchSpace, *, first: int = 0
) -> tuple[Codes, bool]:
    """Return the codes of a column of indices, each given with its place for messages.

    Returns
    -------
    codes : ndarray of uint8 [N, genes]
    bool
        Whether they just count from `first`, as the numbers of rows do.

    Raises
    ------
    ArchitectureError
        For the first that is no index of the space.
    """
    codes = bytearray()
    numbered = True
    for row, (place, value) in enumerate(cells, start=first):
        if row % _BATCH == 0:
            check_rows(row)
        if not isinstance(value, int) or isinstance(value, bool):
            shown = "null" if value is None else show(value)
            msg = f"{place}column {name!r}: {shown} is not an integer"
            raise ArchitectureError(msg)
        numbered = numbered and value == row
        try:
            codes += bytes(Architecture.from_index(value, space=space).codes)
        except ArchitectureError as error:
            msg = f"{place}{error}"
            raise ArchitectureError(msg) from error
    return np.frombuffer(codes, np.uint8).reshape(-1, space.n_genes), numbered


def row_numbers_error(name: str, first: int, stop: int) -> ArchitectureError:
    """Return the error for a doubtful column whose cells just count its rows."""
    msg = (
        f"column {name!r} holds {first} to {stop - 1} in this order, as row numbers do; "
        f"--index-column {name} takes them for indices of architectures"
    )
    return ArchitectureError(msg)
