"""Markdown pieces of generated pages: tables, figures of fixed precision, marked sections."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from anb_onnx.errors import AnbError

#: Between these two lines a generated section of a page lies.
BEGIN, END = "<!-- cards:begin -->", "<!-- cards:end -->"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Return a Markdown table whose first `left` columns are text, the others numbers.

    Cells are padded, so that the source reads well in a terminal, too.
    """
    columns = list(zip(header, *rows, strict=True))
    widths = [max(3, *(len(cell) for cell in column)) for column in columns]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if k < left else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    rule = ["-" * width if k < left else "-" * (width - 1) + ":" for k, width in enumerate(widths)]
    return "\n".join([line(header), line(rule), *(line(row) for row in rows)])


def number(value: float, digits: int = 4) -> str:
    """Return a value with so many significant digits, without an exponent from 1e-4 to 1e15.

    Examples
    --------
    >>> number(113.8123), number(0.027891), number(31079.4)
    ('113.8', '0.02789', '31,079')
    """
    if value == 0 or not math.isfinite(value) or not 1e-4 <= abs(value) < 1e15:
        return f"{value:.{digits}g}"
    # As it will be rounded: 9.9996 has one digit more before the point than 9.99.
    exponent = int(f"{abs(value):.{digits - 1}e}".split("e")[1])
    return f"{value:,.{max(0, digits - 1 - exponent)}f}"


def paragraph(text: str) -> str:
    """Return text on lines of up to 100 characters."""
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def percent(share: float) -> str:
    """Return a share as a percentage with one decimal."""
    return f"{100 * share:.1f} %"


def replace_section(text: str, section: str, source: str) -> str:
    """Put `section` between the two markers of a page.

    Parameters
    ----------
    text : str
        The page.
    section : str
    source : str
        Name of the page, for the error.

    Raises
    ------
    AnbError
        If the page has one marker only, one twice, or both in the wrong order. A page with
        neither is returned as it is.
    """
    counts = text.count(BEGIN), text.count(END)
    if counts == (0, 0):
        return text
    if counts != (1, 1) or text.index(BEGIN) > text.index(END):
        msg = f"{source}: expected one {BEGIN} and, after it, one {END}"
        raise AnbError(msg)
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{section}\n{END}{rest.split(END)[1]}"
