"""The other spellings of an architecture: four lists over the blocks, and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from anb_onnx._io.show import show
from anb_onnx._io.strict_json import JsonError, loads
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.space import SearchSpace

# The reference names an architecture by four lists; each is a suffix of the genes' names.
LISTS = {"expansion": "e", "kernel": "k", "layers": "l", "se": "se"}


def values_of_json(text: str | bytes, space: SearchSpace) -> dict[str, Any]:
    """Return the values of the genes from a JSON object of these, or of the four lists."""
    if not isinstance(text, (str, bytes, bytearray)):
        msg = f"the JSON of an architecture is a str or bytes, not {show(text)}"
        raise ArchitectureError(msg)
    try:
        data = loads(text if isinstance(text, str) else bytes(text))
    except JsonError as error:
        msg = f"this is not the JSON of an architecture: {error}"
        raise ArchitectureError(msg) from error
    if not isinstance(data, dict):
        msg = f"the JSON of an architecture is an object, not {show(data)}"
        raise ArchitectureError(msg)
    if data.keys() & LISTS.keys():
        if data.keys() != LISTS.keys():
            msg = f"expected the keys {', '.join(LISTS)}; got {', '.join(map(show, data))}"
            raise ArchitectureError(msg)
        return values_of_lists(data, space)
    return data


def has_lists(space: SearchSpace) -> bool:
    """Say whether the four lists name every gene of the space exactly once."""
    names = [f"{block.name}_{suffix}" for block in space.blocks for suffix in LISTS.values()]
    return set(names) == set(space.gene_names)


def list_genes(key: str, space: SearchSpace) -> list[str]:
    """Return the names of the genes that one of the four lists speaks about."""
    if not has_lists(space):
        msg = f"search space {space.name!r} is not described by the lists {', '.join(LISTS)}"
        raise ArchitectureError(msg)
    return [f"{block.name}_{LISTS[key]}" for block in space.blocks]


def values_of_lists(lists: Mapping[str, Any], space: SearchSpace) -> dict[str, object]:
    """Return the genes' values by name from the four lists, or raise what is wrong with them."""
    values: dict[str, object] = {}
    for key in LISTS:
        names, given = list_genes(key, space), lists[key]
        if isinstance(given, np.ndarray) and given.ndim == 1:
            given = given.tolist()
        if not isinstance(given, (list, tuple)) or len(given) != len(names):
            count = f", which has {len(given)}" if isinstance(given, (list, tuple)) else ""
            msg = f"{key} takes a list of {len(names)} values, one per block, not {show(given)}"
            raise ArchitectureError(msg + count)
        values.update(zip(names, given, strict=True))
    return values
