"""What a notebook shows of an architecture: its blocks as a picture, or its genes as a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import islice

from anb_onnx.spaces.ready import is_ready_made
from anb_onnx.spaces.space import Choice, SearchSpace
from anb_onnx.views import html

Values = Mapping[str, Choice]

#: Rows of a table, and characters of a cell, of spaces that have no picture.
_ROWS, _CHARACTERS = 40, 200

#: A layer is so wide; it is as high as it expands its channels.
_LAYER, _GAP = 18, 14
_HEIGHTS = {1: 22, 4: 44, 6: 60}
_STEM = 64  # the least width of a block, for what is written below

#: Where the nodes of a cell are, and how high or low the edges between them bend.
_NODES = (34, 184, 334, 484)
_BENDS = {"edge_2_0": -70, "edge_3_0": -150, "edge_3_1": 80}


def picture(values: Values, space: SearchSpace, title: str) -> str:
    """Return HTML of an architecture, given by the values of its genes.

    Parameters
    ----------
    values : mapping of str to bool, int, float or str
        As `Architecture.to_values` returns them.
    space : SearchSpace
        Those of MnasNet and NAS-Bench-201 are drawn.
    title : str
        Above the picture.
    """
    # A space of one's own may call itself so, and have other genes.
    draw = _DRAWN.get(space.name) if is_ready_made(space) else None
    return _table(values, space, title) if draw is None else draw(values, title)


def _mnasnet(values: Values, title: str) -> str:
    """Draw seven blocks from left to right: a box a layer, as high as its expansion."""
    parts, left, bottom = [], 0, 70
    for number in range(7):
        e, k, n, se = (values[f"block{number}_{gene}"] for gene in ("e", "k", "l", "se"))
        layers = int(n)
        width = max(_STEM, layers * _LAYER)
        start = left + (width - layers * _LAYER) / 2
        height = _HEIGHTS.get(int(e), 60)
        heavy = 2.5 if k == 5 else 1
        for layer in range(layers):
            x, top = start + layer * _LAYER + 2, bottom - height
            parts.append(
                f'<rect x="{x:g}" y="{top}" width="{_LAYER - 4}" height="{height}" rx="2" '
                f'fill-opacity="0.12" stroke="currentColor" stroke-width="{heavy:g}"/>'
            )
            if se:
                parts.append(f'<circle cx="{x + 7:g}" cy="{top + 9}" r="3"/>')
        words = (f"{number}: x{e}", f"{k}x{k}, {n} layer{'' if layers == 1 else 's'}")
        for line, word in enumerate((*words, "SE" if se else "")):
            parts.append(_text(left + width / 2, bottom + 15 + 13 * line, word))
        left += width + _GAP
    return html.picture(
        "".join(parts),
        left - _GAP,
        bottom + 48,
        "seven blocks: expansion, kernel, layers, squeeze-and-excitation",
        title=title,
    )


def _cell(values: Values, title: str) -> str:
    """Draw the cell of NAS-Bench-201: four nodes, an operation on each of six edges."""
    middle, parts = 100, []
    for name, operation in values.items():
        to, of = map(int, re.findall("[0-9]", name))
        start, end, bend = _NODES[of], _NODES[to], _BENDS.get(name, 0)
        dashed = ' stroke-dasharray="3 4" stroke-opacity="0.5"' if operation == "none" else ""
        parts.append(
            f'<path d="M{start + 12} {middle} Q{(start + end) / 2:g} {middle + bend} '
            f'{end - 12} {middle}" fill="none" stroke="currentColor"{dashed}/>'
        )
        high = middle + bend / 2 + (12 if bend > 0 else -5)
        parts.append(_text((start + end) / 2, high, str(operation)))
    for number, x in enumerate(_NODES):
        parts.append(
            f'<circle cx="{x}" cy="{middle}" r="11" fill-opacity="0.12" stroke="currentColor"/>'
        )
        parts.append(_text(x, middle + 4, str(number)))
    return html.picture(
        "".join(parts), 520, 165, "a cell: an operation on each of six edges", title=title
    )


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="middle">{html.escape(text)}</text>'


def _table(values: Values, space: SearchSpace, title: str) -> str:
    """Return the genes, block by block."""
    rows = []
    for block in islice(space.blocks, _ROWS):
        pairs = [(gene.name, str(values[gene.name])) for gene in block.genes]
        alone = len(pairs) == 1 and pairs[0][0] == block.name
        cell = pairs[0][1] if alone else ", ".join(f"{name} = {value}" for name, value in pairs)
        short = cell if len(cell) <= _CHARACTERS else cell[:_CHARACTERS] + " ..."
        rows.append((block.name, short))
    n = len(space.blocks)
    return html.card(title, rows, note=f"the first {_ROWS} of {n} blocks" if n > _ROWS else "")


#: Spaces that have a picture.
_DRAWN: dict[str, Callable[[Values, str], str]] = {"mnasnet": _mnasnet, "nasbench201": _cell}
