"""The search space written out once more, in pure Python and without a line of `anb_onnx`.

Everything here follows from the dicts of values and codes: slow, obvious, independent.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

E = {1: 0, 4: 1, 6: 2}
K = {3: 0, 5: 1}
L = {1: 0, 2: 1, 3: 2}
L5 = {1: 0, 2: 1, 3: 2, 4: 3}
SE = {True: 0, False: 1}

BLOCKS: dict[str, dict[str, dict[Any, int]]] = {
    "block0": {"block0_e": E, "block0_k": K, "block0_l": L, "block0_se": SE},
    "block1": {"block1_e": E, "block1_k": K, "block1_l": L, "block1_se": SE},
    "block2": {"block2_e": E, "block2_k": K, "block2_l": L, "block2_se": SE},
    "block3": {"block3_e": E, "block3_k": K, "block3_l": L, "block3_se": SE},
    "block4": {"block4_e": E, "block4_k": K, "block4_l": L, "block4_se": SE},
    "block5": {"block5_e": E, "block5_k": K, "block5_l": L5, "block5_se": SE},
    "block6": {"block6_e": E, "block6_k": K, "block6_l": L, "block6_se": SE},
}
GENES = {name: codes for genes in BLOCKS.values() for name, codes in genes.items()}

SIZE = 104_485_552_128

B0_VALUES = {
    **{"block0_e": 1, "block0_k": 3, "block0_l": 1, "block0_se": True},
    **{"block1_e": 6, "block1_k": 3, "block1_l": 2, "block1_se": True},
    **{"block2_e": 6, "block2_k": 5, "block2_l": 2, "block2_se": True},
    **{"block3_e": 6, "block3_k": 3, "block3_l": 3, "block3_se": True},
    **{"block4_e": 6, "block4_k": 5, "block4_l": 3, "block4_se": True},
    **{"block5_e": 6, "block5_k": 5, "block5_l": 4, "block5_se": True},
    **{"block6_e": 6, "block6_k": 3, "block6_l": 1, "block6_se": True},
}
# fmt: off
B0_CODES = [
    0, 0, 0, 0,  2, 0, 1, 0,  2, 1, 1, 0,  2, 0, 2, 0,  2, 1, 2, 0,  2, 1, 3, 0,  2, 0, 0, 0,
]
# fmt: on


def codes(values: dict[str, Any]) -> list[int]:
    """Code of each gene, in order."""
    return [GENES[name][values[name]] for name in GENES]


def symbols(values: dict[str, Any]) -> list[int]:
    """Symbol of each block: its rank among all combinations, listed in lexicographic order."""
    result = []
    for genes in BLOCKS.values():
        rank = 0
        for name, code_of in genes.items():
            rank = rank * len(code_of) + code_of[values[name]]
        result.append(rank)
    return result


def index(values: dict[str, Any]) -> int:
    """Index in the space."""
    total = 0
    for name, code_of in GENES.items():
        total = total * len(code_of) + code_of[values[name]]
    return total


def values_of_index(number: int) -> dict[str, Any]:
    """Values of the genes at an index."""
    values = {}
    for name in reversed(GENES):
        choices = list(GENES[name])
        values[name] = choices[number % len(choices)]
        number //= len(choices)
    return {name: values[name] for name in GENES}


def architectures() -> st.SearchStrategy[dict[str, Any]]:
    """Any architecture of the space as a dict of values."""
    return st.fixed_dictionaries({name: st.sampled_from(list(GENES[name])) for name in GENES})
