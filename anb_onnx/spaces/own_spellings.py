"""How architectures of some spaces are written, beside the ways that every space has.

In MnasNet's space by name, or by the four lists of the Accel-NASBench repository; in that of
NAS-Bench-201 by the strings of the benchmark. Here these are values of genes; `mnasnet` and
`nasbench201` make architectures of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anb_onnx._io.show import show
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.space import SearchSpace

#: The four lists, and how the names of the genes end that each is about.
LISTS = {"expansion": "e", "kernel": "k", "layers": "l", "se": "se"}

#: Architectures of MnasNet's space that go by a name, as four lists.
NAMED: dict[str, dict[str, Sequence[Any]]] = {
    "efficientnet-b0": {
        "expansion": (1, 6, 6, 6, 6, 6, 6),
        "kernel": (3, 3, 5, 3, 5, 5, 3),
        "layers": (1, 2, 2, 3, 3, 4, 1),
        "se": (True,) * 7,
    }
}

_BLOCKS = 7
_MNASNET = frozenset(f"block{b}_{end}" for b in range(_BLOCKS) for end in LISTS.values())

#: The form of an architecture string; its operations are the values of the genes, in order.
ARCH_STRING = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
_PATTERN = re.compile(re.escape(ARCH_STRING).replace(r"\{\}", "([^|~+]+)"))
_EDGES = 6


def has_lists(space: SearchSpace) -> bool:
    """Say whether a space is written by name and four lists: MnasNet's, or a part of it."""
    return space.name == "mnasnet" and space.positions.keys() == _MNASNET


def has_arch_strings(space: SearchSpace) -> bool:
    """Say whether a space is written by the strings of NAS-Bench-201."""
    return space.name == "nasbench201" and space.n_genes == _EDGES


def are_lists(value: object) -> bool:
    """Say whether a list is four lists or arrays (of whatever), or a mapping has their names."""
    if isinstance(value, Mapping):
        return set(value) == LISTS.keys()
    return (
        isinstance(value, (list, tuple))
        and len(value) == len(LISTS)
        and all(
            isinstance(v, (list, tuple)) or (isinstance(v, np.ndarray) and v.ndim == 1)
            for v in value
        )
    )


def lists_values(lists: Mapping[str, object] | Sequence[object], where: str = "") -> dict[str, Any]:
    """Return the values by gene of four lists, in order or by name.

    Raises
    ------
    ArchitectureError
        If one is not a list, tuple or array of one value a block.
    """
    ordered = [lists[key] for key in LISTS] if isinstance(lists, Mapping) else lists
    values: dict[str, Any] = {}
    for (key, end), items in zip(LISTS.items(), ordered, strict=True):
        for block, item in enumerate(_one_per_block(key, items, where)):
            values[f"block{block}_{end}"] = item
    return values


def _one_per_block(key: str, items: object, where: str) -> Sequence[Any]:
    if isinstance(items, np.ndarray) and items.ndim == 1:
        items = items.tolist()
    if not isinstance(items, (list, tuple)) or len(items) != _BLOCKS:
        count = f", which has {len(items)}" if isinstance(items, (list, tuple)) else ""
        msg = (
            f"{where}{key} takes a list of {_BLOCKS} values, one per block, not "
            f"{show(items)}{count}"
        )
        raise ArchitectureError(msg)
    return items


def arch_string_values(text: str) -> tuple[str, ...] | None:
    """Return the operations of an architecture string, by edge; None if it is none."""
    found = _PATTERN.fullmatch(text)
    return found.groups() if found else None


def own_spellings(space: SearchSpace) -> list[str]:
    """Return the ways in words that a space has beside those of every space."""
    if has_lists(space):
        return [*NAMED, f"four lists [{', '.join(LISTS)}] of {_BLOCKS} values each"]
    if has_arch_strings(space):
        return [f"a string '{ARCH_STRING.format(*['op'] * _EDGES)}'"]
    return []
