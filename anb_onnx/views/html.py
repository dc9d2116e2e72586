"""HTML for notebooks: escaped, without scripts or colours of its own, of bounded size.

Text and lines take the colour that they stand in, so that a dark notebook is as readable as a
light one. Styles are on the elements: a notebook shares one page with others.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

_NUMBER = "text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap"
_TEXT = "text-align:left"


def escape(text: object) -> str:
    """Return a text that is shown as it is."""
    return html.escape(str(text))


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[str] = (),
    title: str = "",
    note: str = "",
) -> str:
    """Return a table of texts, which are escaped; the columns in `numbers` stand to the right."""
    styles = [_NUMBER if name in numbers else _TEXT for name in header]
    head = "".join(
        f'<th style="{style}">{escape(name)}</th>'
        for name, style in zip(header, styles, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{style}">{escape(cell)}</td>'
            for cell, style in zip(row, styles, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    heads = f"<thead><tr>{head}</tr></thead>" if any(header) else ""
    return _framed(f"<table>{heads}<tbody>{body}</tbody></table>", title, note)


def card(title: str, facts: Iterable[tuple[str, str]], *, note: str = "") -> str:
    """Return facts by their names, one a line."""
    rows = "".join(
        f'<tr><th style="{_TEXT}">{escape(name)}</th><td style="{_TEXT}">{escape(value)}</td></tr>'
        for name, value in facts
    )
    return _framed(f"<table><tbody>{rows}</tbody></table>", title, note)


def picture(inner: str, width: int, height: int, label: str, *, title: str = "") -> str:
    """Return an SVG picture, drawn in the colour of the text around it."""
    return _framed(
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(label)}" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'style="max-width:100%;height:auto" font-family="sans-serif" font-size="11" '
        f'fill="currentColor" stroke="none">{inner}</svg>',
        title,
        "",
    )


def _framed(inner: str, title: str, note: str) -> str:
    above = f"<div><strong>{escape(title)}</strong></div>" if title else ""
    below = f'<div style="opacity:0.75"><small>{escape(note)}</small></div>' if note else ""
    return f"<div>{above}{inner}{below}</div>"
