"""CSV in blocks: plain blocks mean what the strict reader says, wherever a text is cut."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anb_onnx import MNASNET, NASBENCH201, sample
from anb_onnx.encoding import csv_stream
from anb_onnx.encoding.csv_stream import csv_blocks
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.space import SearchSpace

SPACE = SearchSpace.from_dict(
    {
        "name": "own",
        "blocks": [
            {"name": "b", "genes": [{"name": "k", "choices": [3, 5, 7]}]},
            {"name": "r", "genes": [{"name": "lr", "choices": [0.0, 0.0005, 3.0, 1e-05]}]},
            {
                "name": "c",
                "genes": [
                    {"name": "se", "choices": [False, True]},
                    {"name": "op", "choices": ["a", "a long name of an operation", "ä,b"]},
                ],
            },
        ],
    }
)


def outcome(text: bytes, size: int, space: SearchSpace) -> tuple[list[list[int]], str]:
    """Return the codes that came out, and what was wrong after them."""
    chunks: Iterator[bytes] = (text[i : i + size] for i in range(0, len(text), size))
    rows: list[list[int]] = []
    try:
        for codes in csv_blocks(chunks, space):
            rows += codes.tolist()
    except ArchitectureError as error:
        return [], str(error)
    return rows, ""


HEADERS = [
    "k,lr,se,op",
    "op,k,se,lr",
    "index,k,lr,se,op",
    "index",
    "k,lr,se,op,x_mean",
    "index,x_mean",
    '"k",lr,se,op',
]
CELLS = ["3", "5.0", "07", "True", "false", "1", "a", "a long name of an operation", '"ä,b"', "2"]
CELLS += ["", " 3", '"a"', '"', "17", "0", "99999999999999999999", "-1", "é", "+5", "x" * 70]
CELLS += ["5e-4", ".0005", "1E-05", "0.00050000000000000001", "0.1", "nan", "1_0", "-0.0", "3."]
ENDS = ["\n", "\r\n", "\r", "\n\n"]
TABLES = st.tuples(
    st.sampled_from(HEADERS),
    st.lists(st.lists(st.sampled_from(CELLS), min_size=1, max_size=5), max_size=6),
    st.sampled_from(ENDS),
    st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(TABLES, st.integers(1, 60))
def test_plain_blocks_mean_what_the_strict_reader_says(
    table: tuple[str, list[list[str]], str, bool], size: int
) -> None:
    header, rows, end, last = table
    lines = [header, *map(",".join, rows)]
    text = (end.join(lines) + (end if last else "")).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_stream, "plain_block", lambda *_: None)
        strict = outcome(text, len(text) + 1, SPACE)
    assert outcome(text, size, SPACE) == strict


@pytest.mark.parametrize("space", [MNASNET, NASBENCH201, SPACE], ids=lambda s: s.name)
@pytest.mark.parametrize("size", [10, 1000, 10**6])
def test_tables_of_many_rows(space: SearchSpace, size: int) -> None:
    codes = sample(500, seed=2, space=space)
    rows = [Architecture.from_codes(row, space=space).to_values().values() for row in codes]
    lines = [
        ",".join(f'"{v}"' if "," in str(v) else str(v) for v in row)
        for row in (space.gene_names, *rows)
    ]
    found, error = outcome("\n".join(lines).encode(), size, space)
    assert error == ""
    np.testing.assert_array_equal(found, codes)


def test_what_is_wrong_far_down_is_named_by_its_line_and_byte() -> None:
    text = "k,se,op,lr\n" + "3,True,a,5e-4\n" * 5000
    wrong = outcome((text + "4,True,a,0\n").encode(), 100, SPACE)[1]
    assert wrong.startswith("line 5002: gene 'k'")
    assert outcome((text + "3,True\n").encode(), 100, SPACE)[1].startswith("line 5002: 2 cells")
    assert outcome((text + '3,True,"a\n').encode(), 100, SPACE)[1].startswith(
        "line 5002: not valid"
    )
    wrong = outcome(text.encode() + b"3,True,\xff\n", 100, SPACE)[1]
    assert f"at byte {len(text) + 7})" in wrong
