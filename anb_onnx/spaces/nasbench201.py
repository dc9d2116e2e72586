"""The space of NAS-Bench-201: cells of six edges, one of five operations on each.

Source: NAS-Bench-201 (Dong and Yang, ICLR 2020, arXiv 2001.00326); operations in the order of its
code, edges in the order of its architecture strings. The `index` of an architecture is the mixed
radix number of its codes, as in every space here; it is not the number that the benchmark's own
files count architectures by.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from anb_onnx._io.show import show
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.space import Block, Choice, Gene, SearchSpace

__all__ = ["NASBENCH201", "OPERATIONS", "from_arch_string", "to_arch_string"]

#: What an edge computes, in the order of the codes.
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

_EDGES = ("edge_1_0", "edge_2_0", "edge_2_1", "edge_3_0", "edge_3_1", "edge_3_2")
_FORM = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
_PATTERN = re.compile(re.escape(_FORM).replace(r"\{\}", "([^|~+]+)"))

NASBENCH201 = SearchSpace(
    "nasbench201", tuple(Block(name, (Gene(name, OPERATIONS),)) for name in _EDGES)
)
"""6 blocks of one gene each: ``"edge_1_0"``, into node 1 from node 0, ``"edge_2_0"``,
``"edge_2_1"``, ``"edge_3_0"``, ``"edge_3_1"`` and ``"edge_3_2"``; 15,625 architectures."""


def from_arch_string(text: str) -> Architecture:
    """Return the architecture of a string as NAS-Bench-201 writes it.

    Parameters
    ----------
    text : str
        The nodes joined by "+"; of each node its edges ``operation~from`` between bars.

    Raises
    ------
    ArchitectureError
        If it is no such string; says which edge is wrong and which operations there are.

    Examples
    --------
    >>> from_arch_string(
    ...     "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
    ... ).codes
    (3, 0, 1, 0, 0, 4)
    """
    found = _PATTERN.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        form = _FORM.format(*["op"] * 6)
        msg = f"an architecture string of {NASBENCH201.name} is {form!r}, not {show(text)}"
        raise ArchitectureError(msg)
    return Architecture(found.groups(), space=NASBENCH201)


def to_arch_string(arch: Mapping[str, Choice]) -> str:
    """Return the string by which NAS-Bench-201 names a member of `NASBENCH201`.

    Raises
    ------
    ArchitectureError
        If it is no member of `NASBENCH201`.

    Examples
    --------
    >>> to_arch_string(Architecture.from_index(0, space=NASBENCH201))
    '|none~0|+|none~0|none~1|+|none~0|none~1|none~2|'
    """
    arch = Architecture(arch, space=NASBENCH201)
    return _FORM.format(*arch.values())
