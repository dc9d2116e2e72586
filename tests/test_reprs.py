"""Values in a shell are one short line; in a notebook HTML that is escaped, bounded and closed."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anb_onnx
from anb_onnx import (
    FBNET,
    MNASNET,
    NASBENCH201,
    OFA,
    Architecture,
    Benchmark,
    Block,
    Gene,
    SearchSpace,
    efficientnet_b0,
    search,
)
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.catalog.facts import facts
from anb_onnx.catalog.notes import REFERENCE, SHORT_TRAINING, note_of, reference_of
from anb_onnx.exact import enumerate as best_down_to
from anb_onnx.exact import optimum, pareto
from anb_onnx.search.history import History
from anb_onnx.spaces.mnasnet import from_lists
from anb_onnx.spaces.nasbench201 import from_arch_string

ROOT = Path(__file__).resolve().parents[1]
EVIL = "</td><script>alert(1)</script>&\"'"


class Checked(HTMLParser):
    """Reads HTML strictly: what is opened is closed, in order; nothing runs or is fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "style", "link", "img", "iframe", "object"}
        for name, value in attrs:
            assert not name.startswith("on")
            assert name not in {"src", "href", "class", "id"}
            # Dark notebooks: nothing has a colour of its own.
            assert not re.search("#[0-9a-f]{3}|rgb|white|black|background", value or "") or (
                value and "white-space" in value and "#" not in value
            )
        self.tags.append(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def long_space(name: str = "long") -> SearchSpace:
    choices = tuple(f"{EVIL}{i}" for i in range(256))
    return SearchSpace(name, tuple(Block(f"b{i}", (Gene(f"g{i}", choices),)) for i in range(64)))


def values() -> dict[str, Any]:
    """Return a value of each kind that is shown."""
    surrogate = anb_onnx.load("accuracy")
    benchmark = Benchmark()
    task = anb_onnx.tasks()["accuracy-latency_zcu102-5ms-v1"]
    nothing = (np.zeros((0, 1)), np.zeros((0, 1)), np.zeros((0, 0)))
    return {
        "b0": efficientnet_b0(),
        "cell": Architecture.from_index(77, space=NASBENCH201),
        "fbnet": Architecture.from_index(77, space=FBNET),
        "ofa": Architecture.from_index(77, space=OFA),
        "long": Architecture([f"{EVIL}7"] * 64, space=long_space()),
        "space": MNASNET,
        "long space": long_space(),
        "surrogate": surrogate,
        "benchmark": benchmark,
        "prediction": surrogate.query(efficientnet_b0()),
        "batch": surrogate.query(anb_onnx.sample(5_000, seed=0, space=MNASNET), members=True),
        "predictions": benchmark.query(efficientnet_b0()),
        "batches": benchmark.query(anb_onnx.sample(5_000, seed=0, space=MNASNET)),
        "task": task,
        "history": search.random_search(task, budget=20, rng=0),
        "front history": search.random_search(["accuracy", "macs"], budget=20, rng=0),
        "empty history": History(
            MNASNET, anb_onnx.sample(0, space=MNASNET), *nothing, None, ("a",), ("%",), ("max",)
        ),
    }


VALUES: dict[str, Any] = {}


def value_of(name: str) -> Any:
    if not VALUES:
        VALUES.update(values())
    return VALUES[name]


KINDS = [
    "b0",
    "cell",
    "fbnet",
    "ofa",
    "long",
    "space",
    "long space",
    "surrogate",
    "benchmark",
    "prediction",
    "batch",
    "predictions",
    "batches",
    "task",
    "history",
    "front history",
    "empty history",
]


@pytest.mark.parametrize("name", KINDS)
def test_html_is_well_formed_bounded_and_harmless(name: str) -> None:
    text = value_of(name)._repr_html_()
    assert Checked(text).text.strip()
    assert len(text) < 40_000


def test_every_kind_is_tried() -> None:
    value_of("b0")
    assert list(VALUES) == KINDS


@pytest.mark.parametrize("name", [n for n in KINDS if "predictions" not in n and n != "batches"])
def test_a_repr_is_one_short_line(name: str) -> None:
    text = repr(value_of(name))
    assert "\n" not in text
    if not isinstance(value_of(name), Architecture):  # whose repr makes the same one again
        assert len(text) < 200


def test_answers_about_the_whole_space_are_one_line() -> None:
    surrogate = anb_onnx.load("macs")
    best = optimum(surrogate, k=2)
    assert repr(best).startswith(f"Optimum(min macs: {best.solutions[0].value:g}")
    assert repr(best).endswith(" ties)")
    few = best_down_to(surrogate, best.solutions[-1].value)
    assert repr(few).startswith(f"Enumeration(macs: {len(few.codes)} architecture")
    front = pareto([surrogate, anb_onnx.load("params")])
    assert repr(front) == (
        f"Front(min macs, min params: {len(front.codes)} "
        f"architecture{'s' if len(front.codes) > 1 else ''})"
    )
    artifact = find_benchmark(None, None).artifacts[0]
    assert repr(artifact).startswith("Artifact('accuracy' of 'accel-nasbench', '")


@pytest.mark.parametrize("number", range(7))
def test_a_picture_has_what_a_block_has(number: int) -> None:
    lists: dict[str, list[Any]] = {
        "expansion": [1, 4, 6, 1, 4, 6, 1],
        "kernel": [3, 5, 3, 5, 3, 5, 3],
        "layers": [1, 2, 3, 1, 2, 4, 1],
        "se": [True, False] * 3 + [True],
    }
    found = Checked(from_lists(**lists)._repr_html_())
    assert found.tags.count("rect") == sum(lists["layers"])
    assert found.tags.count("circle") == 1 + 3 + 2 + 1  # in each layer of a block that has it
    e, k, n, se = (lists[key][number] for key in lists)
    block = found.text.split(f"{number}: ")[1].split(f"{number + 1}: ")[0]
    assert block.split() == f"x{e} {k}x{k}, {n} layer{'s' * (n > 1)}{' SE' * se}".split()


def test_a_cell_has_its_operations_and_a_space_of_that_name_is_no_cell() -> None:
    text = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
    words = Checked(from_arch_string(text)._repr_html_()).text
    for operation, count in (("nor_conv_3x3", 1), ("none", 3), ("avg_pool_3x3", 1)):
        assert words.count(operation) == count
    own = SearchSpace("nasbench201", (Block("b", (Gene("only", (1, 2)),)),))
    found = Checked(Architecture([2], space=own)._repr_html_())
    assert "svg" not in found.tags
    assert "only = 2" in found.text


def test_a_surrogate_shows_its_card() -> None:
    surrogate = anb_onnx.load("accuracy")
    found = Checked(surrogate._repr_html_()).text
    for name, text in facts(surrogate.target, surrogate.metadata):
        assert name in found
        assert text in found


@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_figures_of_the_reference_are_those_of_the_cards(name: str) -> None:
    page = (ROOT / "docs" / "cards" / f"{name}.md").read_text()
    [row] = re.findall(r"^\| upstream: \*\*test\*\* +\|(.*)\|$", page, re.MULTILINE)
    _, tau, _, r2, mae, _ = (float(cell.replace(",", "")) for cell in row.split("|"))
    surrogate = anb_onnx.load(name)
    assert reference_of(name, surrogate.metadata) == (tau, r2, mae)
    found = dict(facts(surrogate.target, surrogate.metadata))
    assert f"Kendall tau {tau:.4f}, R2 {r2:.4f}" in found["reference"]
    other = {**surrogate.metadata, "split": {"name": "mine", "sha256": "0" * 64}}
    assert reference_of(name, other) is None
    assert "reference" not in dict(facts(surrogate.target, other))


def test_every_estimated_target_has_figures_of_the_reference() -> None:
    artifacts = find_benchmark(None, None).artifacts
    assert sorted(a.target.name for a in artifacts if not a.card.exact) == sorted(REFERENCE)


def test_the_short_training_is_a_note_of_one_target_only() -> None:
    noted = [
        (name, note_of(name, surrogate.metadata))
        for name, surrogate in Benchmark().items()
        if note_of(name, surrogate.metadata)
    ]
    assert noted == [("accuracy", SHORT_TRAINING)]
    b0 = anb_onnx.load("accuracy").query(efficientnet_b0()).mean
    assert f"has {b0:.2f} % here" in SHORT_TRAINING
    assert note_of("accuracy", {}) is None
    assert note_of("accuracy", {"dataset": {"name": "Mine"}}) is None


@pytest.mark.parametrize(
    "card",
    [
        {},
        {"exact": True},
        {"members": 1, "quality": {"all": {"n": 3}}, "dataset": {"name": "D"}},
        {"quality": {"test": {"n": 3, "mae": 0.5}}, "coverage": {"test": {}}, "recipe": "r"},
        {"quality": {"odd": {"n": 3}}, "coverage": {"val": {"intervals": {}}}},
    ],
)
def test_a_card_that_says_little_is_shown(card: dict[str, Any]) -> None:
    target = anb_onnx.Target("speed", "speed", "phone", "ms", "min")
    found = dict(facts(target, card))
    assert found["predicts"] == "speed on phone"
    assert found["unit"] == "ms, less is better"
    assert all(found.values())
