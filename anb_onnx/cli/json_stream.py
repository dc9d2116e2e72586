"""Architectures in JSON of any length: arrays with an item a line and JSON lines as they come.

An item is an architecture as a person writes it, or an object of a file that `anb-onnx` wrote: with
an index, genes and answers, in any arrangement that a command writes.
"""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_onnx._io.input import whole_text
from anb_onnx._io.show import show
from anb_onnx._io.strict_json import JsonError, loads
from anb_onnx.encoding.csv_stream import Believe, RowNumbers, TextBlocks
from anb_onnx.encoding.encoding import codes_to_indices, indices_to_codes
from anb_onnx.encoding.table_files import INDEX, Columns
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.space import SearchSpace, is_integer
from anb_onnx.spaces.values import mappings_codes

Codes = npt.NDArray[np.uint8]

#: Returns the codes [1, genes] of one architecture as JSON has it.
Parse = Callable[[Any, SearchSpace], Codes]

_ARCHITECTURE = "architecture"
#: What stands beside an architecture in the objects that commands write.
_BESIDE = {INDEX, _ARCHITECTURE, "predictions", "values", "worth"}
#: Under which an object that a command writes holds architectures.
_LISTS = ("solutions", "front", "shortlist")
_BATCH = 2**14


class JsonItems:
    """Makes codes of items of JSON.

    Parameters
    ----------
    space : SearchSpace
    parse : callable
        Reads one architecture.
    ignore_extra, index, answers, believe
        As for `csv_blocks`, of objects that are rows of a table.
    """

    def __init__(
        self,
        space: SearchSpace,
        parse: Parse,
        *,
        ignore_extra: bool = False,
        index: str | None = None,
        answers: frozenset[str] = frozenset(),
        believe: Believe | None = None,
    ) -> None:
        self._space, self._parse = space, parse
        self._options = (ignore_extra, index, answers)
        self._believe = believe
        self._numbers: RowNumbers | None = None

    def codes(self, items: Sequence[Any], place: Callable[[int], str]) -> Codes:
        """Return the codes uint8 [N, genes] of items, which are named by their places.

        Raises
        ------
        ArchitectureError
            For the first that is no architecture.
        """
        # Which one is wrong, and why, is found out one by one.
        with contextlib.suppress(ArchitectureError):
            found = self._many(items)
            if found is not None:
                return found
        rows = [self._one(item, place(number)) for number, item in enumerate(items)]
        return np.concatenate([np.empty((0, self._space.n_genes), np.uint8), *rows])

    def finish(self) -> None:
        """Say that there are no more items."""
        if self._numbers is not None:
            self._numbers.finish()

    def _many(self, items: Sequence[Any]) -> Codes | None:
        """Return the codes of items of one plain kind; None for others."""
        kinds = set(map(type, items))
        if kinds == {int}:
            return indices_to_codes(items, self._space)
        if kinds != {dict}:
            return None
        if all(self._is_record(item) for item in items):
            codes = self._many([item[_ARCHITECTURE] for item in items])
            stated = [item.get(INDEX) for item in items]
            same = codes is not None and stated == codes_to_indices(codes, self._space).tolist()
            return codes if same else None
        if all(item.keys() == self._space.positions.keys() for item in items):
            return mappings_codes(items, self._space)
        return None

    def _is_record(self, item: Mapping[str, Any]) -> bool:
        return _ARCHITECTURE in item and item.keys() <= _BESIDE | {_ARCHITECTURE}

    def _one(self, item: Any, place: str) -> Codes:
        try:
            if not isinstance(item, dict):
                return self._parse(item, self._space)
            if self._is_record(item) and _ARCHITECTURE not in self._space.positions:
                return self._record(item)
            genes = self._space.positions.keys()
            if genes <= item.keys() or INDEX in item or self._options[1] in item:
                return self._row(item)
            return self._parse(item, self._space)
        except ArchitectureError as error:
            msg = f"{place}: {error}"
            raise ArchitectureError(msg) from error

    def _record(self, item: Mapping[str, Any]) -> Codes:
        codes = self._parse(item[_ARCHITECTURE], self._space)
        self._check_index(item, codes)
        return codes

    def _check_index(self, item: Mapping[str, Any], codes: Codes) -> None:
        (index,) = codes_to_indices(codes, self._space).tolist()
        if INDEX in item and item[INDEX] not in (index, str(index)):
            msg = (
                f"{INDEX!r} is {show(item[INDEX])}, but the genes are of the architecture with "
                f"index {index}; leave one of them out"
            )
            raise ArchitectureError(msg)

    def _row(self, item: Mapping[str, Any]) -> Codes:
        """Return the codes of an object that is a row of a table, as CSV has them."""
        ignore_extra, index, answers = self._options
        columns = Columns([*item], self._space, ignore_extra, index, answers)
        if self._numbers is None:
            self._numbers = RowNumbers(columns, self._space, self._believe)
        if not columns.by_index:
            codes = self._parse({name: item[name] for name in columns.wanted}, self._space)
            if columns.also is not None:
                self._numbers.compare([("", item[columns.also])], codes)
            return codes
        value = item[columns.wanted[0]]
        number = int(value) if isinstance(value, str) and value.isdecimal() else value
        if not is_integer(number):
            msg = f"{columns.wanted[0]!r}: {show(value)} is not an integer"
            raise ArchitectureError(msg)
        codes = self._parse(number, self._space)
        if self._numbers.open:
            beside = {name: [repr(item[name])] for name in columns.means if name in item}
            self._numbers.see(np.array([number], object), codes, beside)
        return codes


def json_blocks(
    chunks: Iterable[bytes], items: JsonItems, is_one: Callable[[list[Any]], bool]
) -> Iterator[Codes]:
    """Yield the codes of one architecture, an array of them, or one per line.

    Parameters
    ----------
    chunks : iterable of bytes
    items : JsonItems
    is_one : callable
        Says whether an array is one architecture, rather than an array of them.

    Raises
    ------
    ArchitectureError
        Naming the line or item.
    """
    text = TextBlocks(chunks)
    first = text.next()
    while first and not first.strip():
        first = text.next() if not first.strip() else first
    if first.split(b"\n", 1)[0].strip() == b"[":
        yield from _array(text, first.strip()[1:], items)
    else:
        yield from _document_or_lines(text, first, items, is_one)
    items.finish()


def _array(text: TextBlocks, body: bytes, items: JsonItems) -> Iterator[Codes]:
    """Yield the codes of an array, as far as blocks hold whole items; then of all the rest."""
    count, done = 0, False
    while not done:
        found = _part(body)
        if found is None:
            body = whole_text(_blocks(text, body))
            found = _part(body)
        if found is None:
            raise _no_json(b"[" + body, f"after item {count}: " if count else "")
        values, done = found
        for start in range(0, len(values), _BATCH):
            part = values[start : start + _BATCH]
            yield items.codes(part, partial(_item_place, count + start))
        count += len(values)
        body = text.next()
        if done and body.strip():
            msg = f"not valid JSON (something follows the array of {count} items)"
            raise ArchitectureError(msg)


def _item_place(before: int, place: int) -> str:
    return f"item {before + place + 1}"


def _line_place(lines: Sequence[tuple[int, str]], place: int) -> str:
    return f"line {lines[place][0]}"


def _part(body: bytes) -> tuple[list[Any], bool] | None:
    """Return items of an array, and whether it ends with them; None where they are not whole."""
    body = body.strip()
    done = body.endswith(b"]")
    if not done and body and not body.endswith(b","):
        return None
    try:
        return loads(b"[" + (body if done else body[:-1] + b"]")), done
    except JsonError:
        return None


def _no_json(whole: bytes, where: str = "") -> ArchitectureError:
    try:
        loads(whole)
    except JsonError as error:
        return ArchitectureError(f"{where}not valid JSON, neither whole nor line by line ({error})")
    return ArchitectureError(f"{where}not valid JSON")


def _blocks(text: TextBlocks, first: bytes) -> Iterator[bytes]:
    while first:
        yield first
        first = text.next()


def _document_or_lines(
    text: TextBlocks, first: bytes, items: JsonItems, is_one: Callable[[list[Any]], bool]
) -> Iterator[Codes]:
    lines = _lines(text, first)
    number, line = next(lines, (0, ""))
    if not line:
        msg = "no JSON in it"
        raise ArchitectureError(msg)
    try:
        value = loads(line)
    except JsonError:
        # The first line of a document that goes on is no value.
        whole = whole_text(_blocks(text, first))
        try:
            value = loads(whole)
        except JsonError:
            raise _no_json(whole) from None
    else:
        second = next(lines, None)
        if second is not None:
            yield from _line_codes(itertools.chain([(number, line), second], lines), items)
            return
    values = value if isinstance(value, list) and not is_one(value) else [value]
    if isinstance(value, dict) and len(there := [k for k in _LISTS if k in value]) == 1:
        values = value[there[0]] if isinstance(value[there[0]], list) else values
    yield items.codes(values, partial(_item_place, 0))


def _lines(text: TextBlocks, first: bytes) -> Iterator[tuple[int, str]]:
    """Yield all lines that are not blank, with their numbers."""
    number = 0
    for block in _blocks(text, first):
        for line in io.StringIO(text.decode(block), newline=None):
            number += 1
            if line.strip():
                yield number, line


def _line_codes(lines: Iterable[tuple[int, str]], items: JsonItems) -> Iterator[Codes]:
    lines = iter(lines)
    while batch := list(itertools.islice(lines, _BATCH)):
        values: list[Any] = []
        wrong: ArchitectureError | None = None
        for number, line in batch:
            try:
                values.append(loads(line))
            except JsonError as error:
                wrong = ArchitectureError(f"line {number}: not valid JSON ({error})")
                break
        codes = items.codes(values, partial(_line_place, batch))
        if wrong is not None:  # of the lines before it, none was
            raise wrong
        yield codes
