"""The model card, and that docs/manifest.schema.json says the same of it."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anb_onnx.calibration import Calibration
from anb_onnx.catalog.card import FIELDS, FILE_KEYS, FORMS, REQUIRED, Card
from anb_onnx.errors import ArtifactError
from anb_onnx.links import Link
from anb_onnx.regimes import Regime

jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema: pip install -e '.[test]'")

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = json.loads((ROOT / "docs" / "manifest.schema.json").read_text(encoding="utf-8"))
TARGET = SCHEMA["$defs"]["target"]
VALIDATOR = jsonschema.Draft202012Validator({"$ref": "#/$defs/target", "$defs": SCHEMA["$defs"]})

CARD: dict[str, Any] = {
    "file": "latency.onnx",
    "sha256": "0" * 64,
    "bytes": 1,
    "form": "tables",
    "metric": "latency",
    "device": None,
    "unit": "ms",
    "direction": "min",
    "members": 2,
    "seeds": [1, 2],
    "exact": False,
    "link": Link("-1", 80.0, ((70.0, 0.5),), Regime("g", (1,), ((1.0, 0.5),))).to_dict(),
    "terms": [[0, 1], [2]],
    "tables": {"offset": 0, "entries": 3, "members": 2, "scale": 0.5, "shift": 1},
    "calibration": Calibration(0.0, 0.0, 0, None, (0.0, 0.9), (0.0, 0.0)).to_dict(),
    "target_std": 0.5,
    "recipe": "compact",
    "quality": {"test": {"n": 1, "mae": 0.5}},
    "dataset": {"name": "d", "license": "CC0-1.0", "sha256": "0" * 64, "n_used": 3},
    "versions": {"numpy": "2.0"},
    "license": "Apache-2.0",
    "new": {"of": ["a later release"]},
}
CARD = json.loads(json.dumps(CARD))


def read(document: dict[str, Any]) -> Card:
    return Card.from_dict(document, "card", listed=True)


def test_fields_are_the_keys_of_the_schema() -> None:
    # The name of the benchmark stands at the top of a manifest, and in the card of a file.
    assert set(FIELDS) - {"benchmark"} == TARGET["properties"].keys()
    assert {*REQUIRED, *FILE_KEYS} == set(TARGET["required"])
    assert set(FORMS) == set(TARGET["properties"]["form"]["enum"])


def test_a_card_is_the_mapping_it_was_read_from() -> None:
    card = read(CARD)
    assert card == CARD
    assert card.to_dict() == CARD
    assert list(card) == sorted(CARD)
    assert (card.form, card.members, card.terms) == ("tables", 2, [[0, 1], [2]])
    assert card.others == {"new": CARD["new"]}
    assert "benchmark" not in card
    assert card | {"members": 3, "newer": 1} == CARD | {"members": 3, "newer": 1}
    assert card == CARD  # and is not changed by that
    assert not list(VALIDATOR.iter_errors(CARD))


@pytest.mark.parametrize("key", sorted({*REQUIRED, *FILE_KEYS}))
def test_a_missing_key_is_named(key: str) -> None:
    document = {k: v for k, v in CARD.items() if k != key}
    with pytest.raises(ArtifactError, match=rf"^card: key '{key}' "):
        read(document)


def test_tables_are_stated_where_there_are_some() -> None:
    in_file = {k: v for k, v in CARD.items() if k not in (*FILE_KEYS, "tables")}
    assert Card.from_dict(in_file | {"benchmark": "b"}, "card", listed=False).benchmark == "b"
    for document, listed, message in (
        ({k: v for k, v in CARD.items() if k != "terms"}, True, "'tables' needs key 'terms'"),
        ({k: v for k, v in CARD.items() if k != "tables"}, True, "'tables' needs key 'tables'"),
        (CARD | {"form": "trees"}, True, "'trees' has no key 'terms'"),
        (in_file | {"tables": CARD["tables"]}, False, "'tables' has no key 'tables' here"),
    ):
        with pytest.raises(ArtifactError, match=re.escape(message)):
            Card.from_dict(document, "card", listed=listed)


def test_a_calibration_needs_what_it_was_fitted_to() -> None:
    for key in ("dataset", "license"):
        with pytest.raises(ArtifactError, match=r"a calibration needs the keys 'dataset', 'lic"):
            read({k: v for k, v in CARD.items() if k != key})
    with pytest.raises(ArtifactError, match=r"'quality\.test' or 'quality\.leave_one_out'"):
        read(CARD | {"quality": {"train": {"n": 9}}})


def test_few_measurements_are_judged_by_leaving_each_one_out() -> None:
    few = {"leave_one_out": {"n": 10, "mape": 0.04}}
    assert read(CARD | {"quality": few}).quality == few


#: Values of JSON of every kind, small, wrong and nearly right.
WRONG: list[Any] = [
    *(None, True, False, [], {}, [[]], [{}], {"n": 1}, [0], [1, 1], [[1, 1]], [[64]], {"a": "b"}),
    *(-1, 0, 1, 2, 63, 64, 1024, 1025, 2**31, 2**63 + 1, 10**400, -(10**400)),
    *(0.0, -0.5, 0.9, 1.0, 2.0, 1e39, 3e38, -1e39),
    *(
        "",
        "a",
        "a b",
        "tables",
        "max",
        "a/b",
        ".a",
        "a.",
        "\n",
        "a\n",
        "0" * 64,
        "1",
        "1/2",
        "\x1b",
    ),
    *("é", "x" * 256),
]
SCALARS = st.one_of(st.sampled_from(WRONG), st.text(max_size=5))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(p for key, v in inner for p in places(v, (*path, key)))]


@st.composite
def cards(draw: st.DrawFn) -> dict[str, Any]:
    """A card with a few values replaced, left out or added, at any depth."""
    document = copy.deepcopy(CARD)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([p for p in places(document) if p]))
        *way, last = path
        parent: Any = document
        for key in way:
            parent = parent[key]
        kind = draw(st.sampled_from(["replace", "remove", "add"]))
        if kind == "replace":
            parent[last] = copy.deepcopy(draw(VALUES))  # what is drawn may be changed below
        elif kind == "remove":
            del parent[last]
        elif isinstance(parent, dict):
            key = draw(st.sampled_from(["x", "hinges", "regime", "n", "license"]))
            parent[key] = copy.deepcopy(draw(VALUES))
        else:
            parent.append(copy.deepcopy(draw(VALUES)))
    return document


def check(document: dict[str, Any]) -> None:
    try:
        card = read(document)
    except ArtifactError:
        return
    assert card == document
    found = [f"{e.json_path}: {e.message}" for e in VALIDATOR.iter_errors(document)]
    assert found == [], document


@settings(max_examples=300)
@given(cards())
def test_what_is_accepted_follows_the_schema(document: dict[str, Any]) -> None:
    check(document)


@pytest.mark.parametrize("path", [p for p in places(CARD) if p], ids=str)
def test_no_value_is_accepted_that_the_schema_refuses(path: tuple[Any, ...]) -> None:
    *way, last = path
    for value in WRONG:
        document = copy.deepcopy(CARD)
        parent: Any = document
        for key in way:
            parent = parent[key]
        parent[last] = value
        check(document)
