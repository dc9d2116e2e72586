"""Search spaces of any shape, and members of them by an independent way to the same numbers."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from anb_onnx.spaces.space import Block, Choice, Gene, SearchSpace

_INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9)
_FLOATS = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from((0.1, 0.5, 1.0, 5e-4, 1e-5, 1e16, 1e22, 5e-324))
).map(lambda value: value + 0.0)
_TEXTS = st.text("abcxyz019.<-_~|, \"'", min_size=0, max_size=6)


def _choices(most: int) -> st.SearchStrategy[list[Choice]]:
    def distinct(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
        return st.lists(values, min_size=1, max_size=most, unique=True)

    numbers = distinct(_INTEGERS) | distinct(_FLOATS)
    return numbers | distinct(st.booleans()) | distinct(_TEXTS)


def _gene(name: str, choices: list[Choice], ordered: bool) -> Gene:
    """Return a gene, ordered if that is wanted and the choices are a scale or can be made one."""
    if ordered and not isinstance(choices[0], bool):
        ascending = choices if isinstance(choices[0], str) else sorted(choices)
        return Gene(name, tuple(ascending), ordered=True)
    return Gene(name, tuple(choices))


@st.composite
def spaces(draw: st.DrawFn, *, max_blocks: int = 8, max_choices: int = 12) -> SearchSpace:
    """Draw a space: from a single block to many, some of more symbols than a byte holds."""
    blocks = []
    for number in range(draw(st.integers(1, max_blocks))):
        genes = [
            _gene(f"g{number}.{k}", draw(_choices(max_choices)), draw(st.booleans()))
            for k in range(draw(st.integers(1, 4)))
        ]
        blocks.append(Block(f"b{number}", tuple(genes)))
    return SearchSpace("random", tuple(blocks))


#: Of one block; of blocks with more than 256 symbols; of more members than int64 and uint64 count.
ONE_BLOCK = SearchSpace("one-block", (Block("b", (Gene("x", ("u", "v")), Gene("y", (1, 2, 3)))),))
LARGE_BLOCK = SearchSpace(
    "large-block",
    (
        Block("big", (Gene("x", tuple(range(100))), Gene("y", ("p", "q", "r")))),
        Block("small", (Gene("z", (False, True)),)),
    ),
)
BEYOND_64_BITS = SearchSpace(
    "beyond-64-bits", tuple(Block(f"b{i}", (Gene(f"g{i}", tuple("abcdefghi")),)) for i in range(22))
)
NEAR_64_BITS = SearchSpace(
    "near-64-bits", tuple(Block(f"b{i}", (Gene(f"g{i}", (4, 2)),)) for i in range(64))
)
SPACES = (ONE_BLOCK, LARGE_BLOCK, BEYOND_64_BITS, NEAR_64_BITS)


@st.composite
def members(draw: st.DrawFn, *, space: SearchSpace | None = None) -> tuple[SearchSpace, list[int]]:
    """Draw a space, unless it is given, and the codes of one of its architectures."""
    if space is None:
        space = draw(spaces() | st.sampled_from(SPACES))
    return space, [draw(st.integers(0, len(gene) - 1)) for gene in space.genes]


def index_of(codes: list[int], sizes: tuple[int, ...]) -> int:
    """Return the mixed radix number of codes, the first one most significant."""
    index = 0
    for code, size in zip(codes, sizes, strict=True):
        index = index * size + code
    return index
