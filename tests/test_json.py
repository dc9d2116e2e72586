"""The strict reader of JSON against Python's own, and against what is no JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anb_onnx._io.strict_json import MAX_DIGITS, JsonError, loads

#: Any text but half surrogate pairs.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner) | TEXT,
)


def same(a: Any, b: Any) -> bool:
    """Equal with types: Python holds True == 1 == 1.0."""
    return repr(a) == repr(b)


@given(VALUES, st.booleans())
def test_what_python_writes_is_read_back(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert same(loads(text), value)
    assert same(loads(text.encode()), value)
    assert same(loads(b"\xef\xbb\xbf" + text.encode()), value)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_anything_is_read_as_python_reads_it_or_refused(content: str | bytes) -> None:
    try:
        value = loads(content)
    except JsonError:
        return
    assert same(value, json.loads(content))


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ('{"a": 1, "b": 2, "a": 1}', "key 'a' stands twice"),
        ('[{"x": {"a": 1, "\\u0061": 2}}]', "key 'a' stands twice"),
        ('{"\\u001b[2J": 1, "\\u001b[2J": 1}', r"key '\x1b[2J' stands twice"),
        ("NaN", "NaN is not a number of JSON"),
        ("[Infinity]", "Infinity is not"),
        ('{"a": -Infinity}', "-Infinity is not"),
        ("1e999", "the number 1e999 is too large"),
        (f"-{'9' * 400}.0", "is too large"),
        ("9" * 5000, "a number has 5000 digits"),
        ("[-" + "1" * MAX_DIGITS + "]", f"a number has {MAX_DIGITS + 1} digits"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        (r'"\ud800"', r"half a surrogate pair, '\ud800'"),
        (r'{"\udfff": 1}', "half a surrogate pair"),
        (r'"\udc00\ud800"', "half a surrogate pair"),
        ('"\udce9"', "half a surrogate pair"),
        (b'"\xff"', "byte 0xff at 1 is not UTF-8"),
        ("1".encode("utf-16"), "byte 0xff at 0 is not UTF-8"),
        (b'"\xed\xa0\x80"', "is not UTF-8"),  # a surrogate by itself is no UTF-8 either
        ("", "Expecting value"),
        ("1 2", "Extra data"),
        ("[1,]", ""),
        ('"\n"', "control character"),
    ],
)
def test_what_is_no_json_is_refused(content: str | bytes, part: str) -> None:
    with pytest.raises(JsonError) as caught:
        loads(content)
    assert part in str(caught.value)
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()


def test_whole_surrogate_pairs_and_the_longest_integer_are_read() -> None:
    assert loads(r'"\ud83d\ude00"') == "\N{GRINNING FACE}"
    assert loads("1" + "0" * (MAX_DIGITS - 1)) == 10 ** (MAX_DIGITS - 1)
    assert same(loads("[-0.0, 5e-324, 1e-999]"), [-0.0, math.ulp(0.0), 0.0])


class Counted(str):
    """A key that counts how often it is compared."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return str.__eq__(self, other)


def test_a_key_that_stands_twice_at_the_end_is_found_in_linear_time() -> None:
    from anb_onnx._io.strict_json import _object

    n = 50_000
    pairs: list[tuple[str, Any]] = [(Counted(f"key{i}"), i) for i in range(n)]
    with pytest.raises(JsonError, match="'key49999' stands twice"):
        _object([*pairs, (Counted(f"key{n - 1}"), 0)])
    # A search of all pairs compares 1,250,000,000 times.
    assert Counted.compared < 100 * n
