"""Architectures as text: the fixture that every language's tests run, and what is around it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_spaces import members
from small_artifact import card, metadata_of, onnx_bytes

from anb_onnx import MNASNET, NASBENCH201, Architecture, ArchitectureError, SearchSpace
from anb_onnx.cli.main import main
from anb_onnx.spaces import notation
from anb_onnx.spaces.mnasnet import efficientnet_b0
from anb_onnx.spaces.notation import BLANKS, NotationError, read

FIXTURE = Path(__file__).parent / "fixtures" / "architectures.json"
PARTS = json.loads(FIXTURE.read_text(encoding="utf-8"))["spaces"]
SPACES = {part["space"]["name"]: SearchSpace.from_dict(part["space"]) for part in PARTS}


def cases(kind: str) -> list[Any]:
    """Return the cases of the fixture, called by their place in it."""
    return [
        pytest.param(part["space"]["name"], case, id=f"{part['space']['name']}-{number}")
        for part in PARTS
        for number, case in enumerate(part.get(kind, ()))
    ]


@pytest.mark.parametrize(("name", "case"), cases("valid"))
def test_every_spelling_is_read(name: str, case: dict[str, Any]) -> None:
    space = SPACES[name]
    assert list(Architecture.parse(case["text"], space=space).codes) == case["codes"]
    blanks = f"\n\t {case['text']} \r\n"
    assert list(Architecture.parse(blanks, space=space).codes) == case["codes"]


@pytest.mark.parametrize(("name", "case"), cases("prints"))
def test_values_are_written_the_same_everywhere(name: str, case: dict[str, Any]) -> None:
    arch = Architecture.from_codes(case["codes"], space=SPACES[name])
    assert arch.to_json() == case["text"]
    assert Architecture.from_json(case["text"], space=SPACES[name]) == arch


@pytest.mark.parametrize(("name", "case"), cases("invalid"))
def test_everything_else_is_refused_by_name(name: str, case: dict[str, Any]) -> None:
    with pytest.raises(ArchitectureError) as error:
        Architecture.parse(case["text"], space=SPACES[name])
    for word in case["names"]:
        assert word in str(error.value)
    assert len(str(error.value)) < 1_000


@pytest.mark.parametrize("name", list(SPACES))
def test_the_command_line_reads_every_spelling(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """All of a space at once, as arguments of one command and one by one where refused."""
    (part,) = (part for part in PARTS if part["space"]["name"] == name)
    path = tmp_path / "x.onnx"
    metadata = metadata_of(card("latency", "fpga", "ms", "min"), SPACES[name])
    path.write_bytes(onnx_bytes(metadata, n_genes=SPACES[name].n_genes))
    texts = [case["text"] for case in part["valid"]]
    options = ["--model", str(path), "--json"]
    assert main(["query", *options, "--", *texts]) == 0
    answers = json.loads(capsys.readouterr().out)
    expected = [
        Architecture.from_codes(case["codes"], space=SPACES[name]) for case in part["valid"]
    ]
    assert [answer["index"] for answer in answers] == [arch.index for arch in expected]
    for case in part["invalid"]:
        assert main(["query", *options, "--", case["text"]]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert all(word in said for word in case["names"])


def test_the_space_is_mnasnets_if_none_is_given() -> None:
    assert Architecture.parse("efficientnet-b0") == efficientnet_b0()
    assert Architecture.parse("0").space is MNASNET
    assert Architecture.parse("0", space=NASBENCH201).space is NASBENCH201


@pytest.mark.parametrize("text", [None, 5, b"0", ["0"], efficientnet_b0()])
def test_a_text_is_a_string(text: Any) -> None:
    with pytest.raises(ArchitectureError, match="the text of an architecture is a str, not"):
        Architecture.parse(text)


def test_an_artifacts_part_of_the_space_has_its_spellings_and_its_own_choices() -> None:
    described = MNASNET.to_dict()
    del described["size"]
    described["blocks"][0]["genes"][0]["choices"] = [6, 1]
    part = SearchSpace.from_dict(described)
    b0 = Architecture.parse("efficientnet-b0", space=part)
    assert b0["block0_e"] == 1
    assert b0.codes[0] == 1
    lists = json.dumps([[4] * 7, [3] * 7, [1] * 7, [True] * 7])
    with pytest.raises(ArchitectureError, match="gene 'block0_e': 4 is not allowed; choose from 6"):
        Architecture.parse(lists, space=part)


@given(members(), st.data())
def test_what_an_architecture_prints_is_read_in_any_space(
    drawn: tuple[SearchSpace, list[int]], data: st.DataObject
) -> None:
    space, codes = drawn
    arch = Architecture.from_codes(codes, space=space)
    values = arch.to_values()
    texts = [str(arch.index), str(codes), json.dumps(codes), f"[{' '.join(map(str, codes))}]"]
    texts += [str(values), json.dumps(values), json.dumps(values, ensure_ascii=False, indent=2)]
    if any(isinstance(value, (bool, str)) for value in values.values()):
        texts += [
            str([*values.values()]),
            str(tuple(values.values())),
            json.dumps([*values.values()]),
        ]
    if len(codes) > 1:
        texts += [" ".join(map(str, codes)), ",".join(map(str, codes))]
    text = data.draw(st.sampled_from(texts))
    assert Architecture.parse(text, space=space) == arch


PIECES = [*"{}[](),:'\"\\|~+-.0123456789eE \t\n", "True", "null", "block0_e", "\\u00", "\ud800"]


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=25).map("".join))
def test_any_text_is_an_architecture_or_an_error_of_ours(text: str) -> None:
    for space in SPACES.values():
        try:
            found = len(Architecture.parse(text, space=space).codes)
        except ArchitectureError as error:
            found = space.n_genes if str(error).isprintable() else -1
        assert found == space.n_genes


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.booleans())
def test_the_notation_is_that_of_json(value: Any, ascii_only: bool) -> None:
    assert read(json.dumps(value, ensure_ascii=ascii_only, indent=1)) == value


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**70), 2**70),
        lambda inner: st.lists(inner, max_size=4).map(tuple) | st.lists(inner, max_size=4),
        max_leaves=12,
    )
)
def test_the_notation_is_that_of_python(value: Any) -> None:
    def lists(item: Any) -> Any:
        return [lists(one) for one in item] if isinstance(item, (list, tuple)) else item

    assert read(repr(value)) == lists(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5.0", 5),
        ("-5.00e0", -5),
        ("1.25e2", 125),
        ("120e-1", 12),
        ("0e999999999999999999999", 0),
        ("-0.0", 0),
        ("9007199254740993.0", 2**53 + 1),
    ],
)
def test_a_number_is_whole_if_its_decimals_say_so(text: str, value: int) -> None:
    assert read(text) == value
    assert type(read(text)) is int


@pytest.mark.parametrize(
    "text", ["0.5", "1.25e1", "1e-1", "9007199254740992.5", "1e400", "1e-9999"]
)
def test_other_numbers_are_no_integers(text: str) -> None:
    found = read(text)
    assert not found.is_integer()
    assert repr(found) == text


def test_levels_are_limited() -> None:
    most = notation._MOST_LEVELS
    assert read("[" * most + "]" * most)
    with pytest.raises(NotationError, match="nested too deeply at character 17"):
        read("[" * 100_000)


def test_a_long_text_takes_no_long_time() -> None:
    """Each of these would take minutes if what reads it went back and forth."""
    n = 200_000
    for text in (
        "1" * n,
        "1 " * n,
        "1" + " " * n + "x",
        "[" + "0," * n,
        "'" + "\\n" * n,
        BLANKS * n,
    ):
        with pytest.raises(ArchitectureError):
            Architecture.parse(text)
