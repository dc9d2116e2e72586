"""One architecture as a person or a program writes it: the grammar of docs/architectures.md."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from anb_onnx._io.show import show
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.matrix import code_error
from anb_onnx.spaces.notation import BLANKS, NotationError, RepeatedKeyError, read
from anb_onnx.spaces.own_spellings import (
    NAMED,
    arch_string_values,
    are_lists,
    has_arch_strings,
    has_lists,
    lists_values,
    own_spellings,
)
from anb_onnx.spaces.space import SearchSpace, is_integer
from anb_onnx.spaces.values import index_codes, row_codes

_NATURAL = r"(?:0|[1-9][0-9]*)"
_INDEX = re.compile(_NATURAL)
_BETWEEN = f"(?:[{BLANKS}]*,[{BLANKS}]*|[{BLANKS}]+)"
_CODES = re.compile(rf"{_NATURAL}(?:{_BETWEEN}{_NATURAL})+")
_IN_BRACKETS = re.compile(rf"\[[{BLANKS}]*({_NATURAL}(?:{_BETWEEN}{_NATURAL})*)[{BLANKS}]*\]")

# Digits, at most, of a code that is made an integer: to find out that it is too large.
_CODE_DIGITS = 20

_WORDS = {None: "null", True: "true", False: "false"}


def text_codes(text: str, space: SearchSpace) -> bytes:
    """Return the codes of one architecture as text.

    Raises
    ------
    ArchitectureError
        If it is none; names gene and value, or all spellings of the space.
    """
    if not isinstance(text, str):
        msg = f"the text of an architecture is a str, not {show(text)}"
        raise ArchitectureError(msg)
    stripped = text.strip(BLANKS)
    if stripped[:1] in ('"', "'"):
        stripped = _unquoted(stripped, space)
    if _INDEX.fullmatch(stripped):
        return _index(stripped, space)
    if _CODES.fullmatch(stripped):
        return _codes(_split(stripped), space)
    if in_brackets := _IN_BRACKETS.fullmatch(stripped):
        return _codes(_split(in_brackets[1]), space)
    if stripped.startswith(("[", "(", "{")):
        return value_codes(_value(stripped, space), space)
    if has_lists(space) and stripped.isascii() and stripped.lower() in NAMED:
        return row_codes(lists_values(NAMED[stripped.lower()]), space)
    if has_arch_strings(space) and (values := arch_string_values(stripped)):
        return row_codes(dict(zip(space.gene_names, values, strict=True)), space)
    raise no_architecture(show(stripped), space)


def value_codes(value: Any, space: SearchSpace) -> bytes:
    """Return the codes of one architecture as JSON or `notation` reads it.

    Strings are texts, integers are indices. A list is the four lists of MnasNet's space; values by
    position, if a boolean or a string is in it; or else codes.

    Raises
    ------
    ArchitectureError
        If it is none; names gene and value, or all spellings of the space.
    """
    if isinstance(value, Mapping):
        return row_codes(value, space)
    if isinstance(value, str):
        return text_codes(value, space)
    if isinstance(value, (list, tuple)):
        if has_lists(space) and are_lists(value):
            return row_codes(lists_values(value), space)
        if any(isinstance(item, (bool, str)) for item in value):
            _check_count(value, space)
            return row_codes(dict(zip(space.gene_names, value, strict=True)), space)
        return _codes(value, space)
    if is_integer(value):
        return index_codes(value, space)
    shown = _WORDS[value] if value is None or isinstance(value, bool) else show(value)
    raise no_architecture(shown, space)


def spellings(space: SearchSpace) -> list[str]:
    """Return the ways to write an architecture of a space, in words."""
    n = space.n_genes
    return [
        *own_spellings(space),
        f"an index from 0 to {space.size - 1}",
        f"{n} codes 0 ... or [0, ...]",
        f"a list of {n} values, a boolean or string among them",
        f"an object of all genes {{{space.gene_names[0]!r}: ...}}",
    ]


def no_architecture(shown: str, space: SearchSpace, reason: str = "") -> ArchitectureError:
    """Return the error for what is no architecture, as shown: with all spellings of the space."""
    *ways, last = spellings(space)
    because = f" ({reason})" if reason else ""
    msg = f"{shown} is no architecture{because}; give {', '.join(ways)}, or {last}"
    return ArchitectureError(msg)


def _unquoted(text: str, space: SearchSpace) -> str:
    inner: str = _value(text, space)
    inner = inner.strip(BLANKS)
    if inner[:1] in ('"', "'"):
        raise no_architecture(show(text), space, "once in quotes is enough")
    return inner


def _value(text: str, space: SearchSpace) -> Any:
    try:
        return read(text)
    except RepeatedKeyError as error:
        msg = f"{show(text)} is no architecture: {error}"
        raise ArchitectureError(msg) from None
    except NotationError as error:
        raise no_architecture(show(text), space, str(error)) from None


def _index(digits: str, space: SearchSpace) -> bytes:
    # Python takes quadratic time for many digits, and refuses thousands.
    most = str(space.size - 1)
    if len(digits) > len(most):
        shown = digits if len(digits) <= 60 else f"{digits[:28]}...{digits[-29:]}"
        msg = f"index {shown} is out of range; allowed are 0 to {most}"
        raise ArchitectureError(msg)
    return index_codes(int(digits), space)


def _split(text: str) -> list[int]:
    return [int(word[:_CODE_DIGITS]) for word in text.replace(",", " ").split()]


def _codes(codes: Sequence[Any], space: SearchSpace) -> bytes:
    _check_count(codes, space)
    for gene, code in zip(space.genes, codes, strict=True):
        whole = is_integer(code) or (isinstance(code, float) and code.is_integer())
        if not whole or not 0 <= code < len(gene):
            msg = f"{code_error(gene, code, '')}; a list of numbers alone holds codes"
            raise ArchitectureError(msg)
    return bytes(map(int, codes))


def _check_count(items: Sequence[Any], space: SearchSpace) -> None:
    if len(items) != space.n_genes:
        own = "".join(f", or {way}" for way in own_spellings(space) if "lists" in way)
        msg = (
            f"{show(items)} is no architecture of {space.name!r}, which has {space.n_genes} codes "
            f"or values, one for each gene, not {len(items)}{own}"
        )
        raise ArchitectureError(msg)
