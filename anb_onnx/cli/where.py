"""Conditions as a person types them: `latency_zcu102<=5`, `block5_l=3,4`."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from anb_onnx._io.show import show
from anb_onnx._io.strict_json import JsonError, loads
from anb_onnx.encoding.table_files import decimal, decimal_float
from anb_onnx.errors import ArchitectureError, ExactError, TargetError
from anb_onnx.spaces.space import Gene, SearchSpace
from anb_onnx.spaces.values import value_error
from anb_onnx.surrogate import Surrogate

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")

#: The last operator is the one: names of targets may hold anything, numbers nothing of this.
_CONDITION = re.compile(r"(.*)(<=|>=)(.*)", re.DOTALL)

#: What stands for the operators elsewhere, and what comes instead.
_OTHERS = {
    "≤": "<=",
    "≥": ">=",
    "⩽": "<=",
    "⩾": ">=",
    "=<": "<=",
    "=>": ">=",
    "<": "<=",
    ">": ">=",
    "==": None,
    "!=": None,
    "=": None,
}


def add_where(parser: argparse.ArgumentParser) -> None:
    """Add ``--where``."""
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="'TARGET<=VALUE'",
        help="only where this holds; <= or >=, in the target's unit; may be repeated",
    )


def bounds_of(
    texts: Sequence[str], surrogate: Callable[[str], Surrogate]
) -> list[tuple[Surrogate, str, float]]:
    """Return what every ``--where`` says, with the surrogates that a function loads by name.

    Raises
    ------
    ExactError, TargetError
        If one is no condition, or of no target; shows the text.
    """
    bounds = []
    for text in texts:
        name, operator, value = parse_where(text)
        try:
            bounds.append((surrogate(name), operator, value))
        except TargetError as error:
            msg = f"--where {show(text)}: {error}"
            raise TargetError(msg) from error
    return bounds


def number(text: str, what: str) -> float:
    """Return a finite number written in plain ASCII decimals.

    Raises
    ------
    ExactError
        If it is anything else; the message begins with `what`.
    """
    stripped = text.strip(" ")
    if not _NUMBER.fullmatch(stripped):
        begins = re.match(_NUMBER, stripped)
        rest = stripped[begins.end() :].strip() if begins else ""
        hint = ""
        if "," in rest or "_" in rest:
            hint = "; a dot separates decimals, and nothing groups digits"
        elif rest:
            hint = f"; leave {show(rest)} out: values are in the target's own unit"
        msg = f"{what}: the value must be a decimal number, as 5 or 68.2, not {show(text)}{hint}"
        raise ExactError(msg)
    value = float(stripped)
    if not math.isfinite(value):
        msg = f"{what}: {show(stripped)} is too large for a number"
        raise ExactError(msg)
    return value


def parse_where(text: str) -> tuple[str, str, float]:
    """Return target, operator and value of a condition: ``TARGET<=VALUE`` or ``TARGET>=VALUE``.

    Whether there is such a target is for others to say.

    Raises
    ------
    ExactError
        If it is none; shows the text, and what is allowed.
    """
    what = f"--where {show(text)}"
    found = _CONDITION.fullmatch(text)
    if found is None:
        _refuse_operator(text, what)
    target = found[1].strip(" ")
    if not target:
        msg = f"{what}: a target is missing before {found[2]!r}; {_GRAMMAR}"
        raise ExactError(msg)
    return target, found[2], number(found[3], what)


_GRAMMAR = "write TARGET<=VALUE or TARGET>=VALUE, as in --where 'latency_zcu102<=5'"


def _refuse_operator(text: str, what: str) -> NoReturn:
    used = next((sign for sign in _OTHERS if sign in text), None)
    reason = "there is no operator in it" if used is None else f"{used!r} is no operator here"
    instead = _OTHERS.get(used or "")
    hint = f" (give {instead!r})" if instead else ""
    if used is None and not text.strip().isascii():
        hint = " (in ASCII)"
    # A shell takes > and < for files where nobody quotes them; then this is what is left.
    msg = f"{what}: {reason}{hint}; {_GRAMMAR}, in quotes"
    raise ExactError(msg)


def parse_genes(texts: list[str], space: SearchSpace) -> dict[str, list[Any]]:
    """Return the values that some genes may have, from ``GENE=VALUE`` or ``GENE=VALUE,VALUE``.

    A value that holds commas or brackets is given as JSON: ``op=["a,b"]``.

    Raises
    ------
    ArchitectureError
        If there is no such gene or value, or a gene is given twice; shows the text.
    """
    found: dict[str, list[Any]] = {}
    for text in texts:
        what = f"--gene {show(text)}: "
        gene, rest = _gene(text, space, what)
        if gene.name in found:
            msg = f"{what}gene {gene.name!r} is given twice; list its values, as in a=1,2"
            raise ArchitectureError(msg)
        found[gene.name] = _values(gene, rest, what)
    return found


def _gene(text: str, space: SearchSpace, what: str) -> tuple[Gene, str]:
    """Return the gene that a text begins with, and what stands behind the equals sign."""
    # The longest name that fits: names may hold equals signs, too.
    for gene in sorted(space.genes, key=lambda gene: -len(gene.name)):
        rest = text.strip(" ").removeprefix(gene.name).lstrip(" ")
        if text.strip(" ").startswith(gene.name) and rest.startswith("="):
            return gene, rest[1:].strip(" ")
    name, sign, _ = text.partition("=")
    if not sign:
        msg = f"{what}write GENE=VALUE or GENE=VALUE,VALUE, as in --gene {_example(space)}"
        raise ArchitectureError(msg)
    genes = ", ".join(space.gene_names)
    msg = f"{what}there is no gene {show(name.strip(' '))}; the genes are {genes}"
    raise ArchitectureError(msg)


def _example(space: SearchSpace) -> str:
    gene = space.genes[0]
    return f"'{gene.name}={gene.choices[0]}'"


def _values(gene: Gene, text: str, what: str) -> list[Any]:
    whole = _value(gene, text)
    if gene.find(whole) >= 0:
        return [whole]
    values: list[Any]
    try:
        listed = loads(text) if text.startswith("[") else None
    except JsonError as error:
        msg = f"{what}not a JSON list of values ({error})"
        raise ArchitectureError(msg) from error
    if isinstance(listed, list):
        values = listed
    else:
        values = [_value(gene, part.strip(" ")) for part in text.split(",")]
    for value in values:
        if gene.find(value) < 0:
            raise value_error(gene, show(value), what, value=value)
    if not values:
        raise value_error(gene, "an empty list", what)
    return values


def _value(gene: Gene, text: str) -> object:
    if gene.kind == "bool":
        words = {"true": True, "false": False, "1": True, "0": False}
        return words.get(text.lower(), text)
    if gene.kind == "float":
        return decimal_float(text)
    return decimal(text) if gene.kind == "int" else text
