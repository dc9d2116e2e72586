"""docs/manifest.schema.json against the shipped manifest, and against damaged ones."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import pytest

from anb_onnx.calibration import Calibration
from anb_onnx.catalog.benchmarks import FOLDER_VARIABLE
from anb_onnx.links import POWERS, STEPS, Link
from anb_onnx.regimes import Hinge, Regime
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.terms import Terms, all_pairs

jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema: pip install -e '.[test]'")

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(os.environ.get(FOLDER_VARIABLE) or ROOT / "artifacts/accel-nasbench")
SCHEMA = json.loads((ROOT / "docs" / "manifest.schema.json").read_text(encoding="utf-8"))
DOCUMENT = (ROOT / "docs" / "reference" / "format.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
    return document


def errors(document: object) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [f"{e.json_path}: {e.message}" for e in validator.iter_errors(document)]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_shipped_manifest_follows_it(manifest: dict[str, Any]) -> None:
    assert errors(manifest) == []


def test_the_shipped_manifest_is_consistent(manifest: dict[str, Any]) -> None:
    """What a schema cannot say: sizes that follow from others."""
    space = SearchSpace.from_dict(manifest["search_space"])
    for card in manifest["targets"].values():
        assert (FOLDER / card["file"]).stat().st_size == card["bytes"]
        link = Link.from_dict(card["link"])
        if link.regime is not None:
            link.regime.check(space)
        if card["form"] != "tables":
            continue
        Calibration.from_dict(card["calibration"])
        tables = card["tables"]
        terms = Terms.from_list(card["terms"], space, card["file"])
        assert terms == all_pairs(space)
        assert tables["entries"] == terms.n_entries
        assert tables["members"] == card["members"]
        assert tables["offset"] + 4 * tables["entries"] * tables["members"] <= card["bytes"]


def test_the_golden_vectors_lie_where_the_manifest_says(manifest: dict[str, Any]) -> None:
    golden = manifest["golden"]
    assert (FOLDER / golden["file"]).stat().st_size == golden["bytes"]
    n, at = golden["n"], 0
    shapes = {}
    for array in golden["arrays"]:
        assert array["offset"] == at
        at += prod(array["shape"]) * {"uint8": 1, "float32": 4}[array["dtype"]]
        shapes[array["target"], array["name"]] = array["shape"]
    assert at == golden["bytes"]
    expected = {
        (None, "architectures"): [n, len(SearchSpace.from_dict(manifest["search_space"]).genes)]
    }
    for name, card in manifest["targets"].items():
        expected |= {
            (name, "mean"): [n],
            (name, "std"): [n],
            (name, "members"): [n, card["members"]],
        }
    assert shapes == expected


def test_it_knows_every_link() -> None:
    link = SCHEMA["$defs"]["link"]["properties"]
    assert tuple(link["power"]["enum"]) == POWERS
    assert tuple(link["inverse"]["items"]["enum"]) == STEPS


def _required(schema: object) -> set[str]:
    """All keys that some part of a schema requires."""
    if isinstance(schema, list):
        return set().union(*map(_required, schema))
    if not isinstance(schema, dict):
        return set()
    found = set().union(*(_required(v) for k, v in schema.items() if k != "required"), set())
    return found | set(schema.get("required", ()))


def test_every_required_key_is_documented() -> None:
    documented = set(re.findall(r"`([a-z0-9_]+)`", DOCUMENT))
    assert _required(SCHEMA) - documented == set()


def _first(manifest: dict[str, Any]) -> dict[str, Any]:
    card: dict[str, Any] = next(iter(manifest["targets"].values()))
    return card


REGIME = Regime("block5_l", (1, 3), ((70.0, 0.5), (72.5, -0.75)))


def _regime(manifest: dict[str, Any], **changes: object) -> dict[str, Any]:
    """Give a target a regime, and change it; return its link."""
    document = Link("-1", 80.0, (), REGIME).to_dict()
    document["regime"].update(changes)
    _first(manifest)["link"] = document
    return document


@pytest.mark.parametrize("hinges", [(), ((60.0, 0.25),)])
def test_a_regime_is_allowed(manifest: dict[str, Any], hinges: tuple[Hinge, ...]) -> None:
    document = copy.deepcopy(manifest)
    _first(document)["link"] = Link("-1", 80.0, hinges, REGIME).to_dict()
    assert errors(document) == []


DAMAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another schema": lambda m: m.update(schema=1),
    "no targets": lambda m: m.update(targets={}),
    "no search space": lambda m: m.pop("search_space"),
    "a gene without choices": lambda m: m["search_space"]["blocks"][0]["genes"][0].update(
        choices=[]
    ),
    "integers and booleans mixed": lambda m: m["search_space"]["blocks"][0]["genes"][0].update(
        choices=[2, True]
    ),
    "a path as file": lambda m: _first(m).update(file="../accuracy.onnx"),
    "a hidden file": lambda m: _first(m).update(file=".accuracy.onnx"),
    "a short hash": lambda m: _first(m).update(sha256="ab"),
    "no members": lambda m: _first(m).update(members=0),
    "an unknown direction": lambda m: _first(m).update(direction="up"),
    "an unknown form": lambda m: _first(m).update(form="network"),
    "an empty device": lambda m: _first(m).update(device=""),
    "an unknown step": lambda m: _first(m)["link"].update(inverse=["exp"]),
    "a reflection without offset": lambda m: _first(m)["link"].update(
        inverse=["reflect"], offset=None
    ),
    "a hinge without its numbers": lambda m: _first(m)["link"].update(inverse=["hinge"]),
    "a regime without its gene": lambda m: _regime(m, gene=""),
    "a regime by position": lambda m: _regime(m, gene=22),
    "a regime without codes": lambda m: _regime(m, codes=[]),
    "a code that is no list": lambda m: _regime(m, codes=3),
    "a negative code": lambda m: _regime(m, codes=[-1]),
    "a code too large for a byte": lambda m: _regime(m, codes=[256]),
    "a code that is no integer": lambda m: _regime(m, codes=[1.5]),
    "a code twice": lambda m: _regime(m, codes=[3, 3]),
    "a regime without hinges": lambda m: _regime(m, hinges=[]),
    "a hinge of a regime without change": lambda m: _regime(m, hinges=[[70.0]]),
    "an unknown key of a regime": lambda m: _regime(m, choices=[4]),
    "a regime that lacks a key": lambda m: _regime(m)["regime"].pop("codes"),
    "a regime that is null": lambda m: _regime(m).update(regime=None),
    "steps without their regime": lambda m: _regime(m).pop("regime"),
    "a regime without steps": lambda m: _regime(m).update(inverse=[]),
    "tables in the form of trees": lambda m: _first(m).update(form="trees", tables={}),
    "a scale that is text": lambda m: _first(m).update(form="tables", tables={"scale": "1"}),
    "a scale of 0": lambda m: _first(m)["tables"].update(scale=0),
    "a scale beyond float32": lambda m: _first(m)["tables"].update(scale=1e308),
    "an offset beyond float32": lambda m: _first(m)["link"].update(offset=-1e39),
    "noise beyond float32": lambda m: _first(m)["calibration"].update(noise=1e39),
    "too many members": lambda m: _first(m).update(members=1025),
    "too many blocks": lambda m: m["search_space"].update(
        blocks=m["search_space"]["blocks"][:1] * 65
    ),
    "an escape sequence": lambda m: _first(m).update(unit="\x1b[2J"),
    "a line break": lambda m: m["search_space"].update(name="a\nb"),
    "a name that turns around": lambda m: _first(m).update(metric="\u202eabc"),
    "a long name": lambda m: _first(m).update(unit="x" * 256),
    "no quality on the test split": lambda m: _first(m).update(quality={}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found(manifest: dict[str, Any], damage: str) -> None:
    document = copy.deepcopy(manifest)
    DAMAGES[damage](document)
    assert errors(document)


def test_leaving_one_out_is_a_test_of_few_measurements(manifest: dict[str, Any]) -> None:
    document = copy.deepcopy(manifest)
    _first(document).update(quality={"leave_one_out": {"n": 10, "mape": 0.04}})
    assert errors(document) == []


def test_unknown_keys_are_allowed_where_new_ones_may_come(manifest: dict[str, Any]) -> None:
    document = copy.deepcopy(manifest)
    document["new"] = 1
    _first(document)["new"] = 1
    assert errors(document) == []
