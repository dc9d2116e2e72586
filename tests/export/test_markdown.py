from __future__ import annotations

import pytest
from anb_export.reports.markdown import (
    BEGIN,
    END,
    number,
    paragraph,
    percent,
    replace_section,
    table,
)

from anb_onnx.errors import AnbError


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (113.8123, 4, "113.8"),
        (0.027891, 4, "0.02789"),
        (31079.4, 4, "31,079"),
        (9.99996, 4, "10.00"),
        (-1.2345, 3, "-1.23"),
        (0.0, 4, "0"),
        (2.4512e-07, 3, "2.45e-07"),
        (1e18, 3, "1e+18"),
    ],
)
def test_number(value: float, digits: int, text: str) -> None:
    assert number(value, digits) == text


def test_percent_and_paragraph() -> None:
    assert percent(0.8984375) == "89.8 %"
    text = paragraph("word " * 60 + "a-hyphened-" + "x" * 120)
    assert max(map(len, text.splitlines()[:-1])) <= 100
    assert text.splitlines()[-1] == "a-hyphened-" + "x" * 120


def test_table() -> None:
    lines = table(["name", "n"], [["a", "1"], ["long one", "12,345"]]).splitlines()
    assert lines == [
        "| name     |      n |",
        "| -------- | -----: |",
        "| a        |      1 |",
        "| long one | 12,345 |",
    ]


def test_replace_section() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    changed = replace_section(page, "new", "README.md")
    assert changed == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    assert replace_section(changed, "new", "README.md") == changed
    assert replace_section("no markers\n", "new", "README.md") == "no markers\n"
    for broken in (f"{BEGIN}\n", f"{END}\n{BEGIN}\n", page + page):
        with pytest.raises(AnbError, match=r"README\.md: expected one"):
            replace_section(broken, "new", "README.md")
