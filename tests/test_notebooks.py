"""examples/notebooks: both run, what they show is true, and what is committed is what they show."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tools import need_tool

import anb_onnx
from anb_onnx import exact, search

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "examples" / "notebooks"
if not FOLDER.is_dir():
    pytest.skip("not a checkout", allow_module_level=True)

Floats = NDArray[np.float64]
SEARCHES = ("RS", "RE", "REINFORCE")
FRONT_SEARCHES = ("RS", "REINFORCE", "REINFORCE, exponents", "NSGA-II")

# Run behind the last cell of each notebook; what they print is what the tests look at.
OF_TUTORIAL = """
import json
print(json.dumps({
    "final": {name: values.tolist() for name, values in final.items()},
    "found_front": found_front.tolist(),
    "missing": missing.tolist(),
    "evaluated": [len(front_history), len(noisy), len(history)],
    "mine": [history.optimum, history.best_so_far[-1], float(history.regret[-1])],
    "noisy": [noisy.best_so_far[-1], float(noisy.regret[-1])],
    "again": again.regret.tolist() == noisy.regret.tolist(),
}))
"""
OF_REPRODUCTION = """
import json
print(json.dumps({
    "indices": {name: [h.indices.tolist() for h in found] for name, found in runs.items()},
    "best": {
        target: [int(best_of(target, *setting)[0]) for setting in SETTINGS] for target in GOALS
    },
    "regrets": {name: [h.regret.tolist() for h in found] for name, found in runs.items()},
    "fronts": {
        target: {
            name: {
                "evaluated": [len(by_name[name]) for by_name in seeds],
                "indices": [
                    by_name[name].indices[by_name[name].nondominated()].tolist()
                    for by_name in seeds
                ],
                "shares": shares[target][name].tolist(),
            }
            for name in seeds[0]
        }
        for target, seeds in fronts.items()
    },
}))
"""


@pytest.fixture(scope="module")
def runner() -> Iterator[ModuleType]:
    """The script that executes notebooks, imported as itself does: from its own folder."""
    sys.path.append(str(FOLDER))
    yield importlib.import_module("run_notebooks")
    sys.path.remove(str(FOLDER))


def executed(runner: ModuleType, name: str, extra: str) -> tuple[Any, Any]:
    """A notebook after it was run, and the facts that one more cell printed."""
    for module in ("nbclient", "ipykernel", "pymoo", "moocore", "matplotlib", "pyarrow"):
        need_tool(module)
    notebook = runner.read(FOLDER / f"{name}.ipynb")
    (output,) = runner.execute(notebook, size="small", extra=extra)
    return notebook, json.loads(output["text"])


def dominated(values: Floats, front: NDArray[Any], signs: Floats) -> NDArray[np.bool_]:
    """Whether a point of the front is at least as good in both objectives, for each row."""
    as_good = np.asarray((front * signs >= values[:, None] * signs).all(axis=2))
    return np.asarray(as_good.any(axis=1))


def area(values: Floats, reference: Any, signs: Floats) -> float:
    """What points dominate up to the reference, as a sum of rectangles."""
    gains = (values - np.array(reference)) * signs
    total, highest = 0.0, 0.0
    for width, height in gains[np.argsort(-gains[:, 0], kind="stable")]:
        total += width * max(height - highest, 0.0)
        highest = max(highest, height)
    return total


def test_the_tutorial(runner: ModuleType) -> None:
    notebook, facts = executed(runner, "tutorial", OF_TUTORIAL)
    assert set(runner.figures(notebook)) == {"tutorial-regret"}
    task = anb_onnx.tasks()["accuracy-latency_zcu102-5ms-v1"]
    drawn = [search.random_search(task, rng=seed).regret[-1] for seed in range(20)]
    assert facts["final"]["random search"] == drawn
    medians = {name: np.median(final) for name, final in facts["final"].items()}
    # The reader's own optimizer is worth its ten lines.
    assert 0 <= medians["elitist"] < medians["evolution"] < medians["random search"]
    front_task = anb_onnx.tasks()["accuracy-throughput_a100-front-v1"]
    found = np.array(facts["found_front"])
    assert dominated(found, front_task.front.values, np.ones(2)).all()
    assert 1 > facts["missing"][0] > facts["missing"][1] > facts["missing"][2] > 0
    assert facts["evaluated"] == [2_000, 1_000, 1_000]
    limits = [("throughput_vck190", ">=", 3_000.0), ("params", "<=", 5.0)]
    optimum, best, regret = facts["mine"]
    assert optimum == exact.optimum("accuracy", limits).solutions[0].value
    assert regret == optimum - best >= 0
    assert facts["noisy"][0] > anb_onnx.tasks()["accuracy-v1"].optimum.value
    assert facts["noisy"][1] >= 0
    assert facts["again"]


@pytest.fixture(scope="module")
def reproduction(runner: ModuleType) -> tuple[Any, Any]:
    return executed(runner, "reproduction", OF_REPRODUCTION)


def test_the_searches_for_accuracy(reproduction: tuple[Any, Any]) -> None:
    _, facts = reproduction
    task = anb_onnx.tasks()["accuracy-v1"]
    assert tuple(facts["indices"]) == SEARCHES
    for name in SEARCHES:
        for indices, regrets in zip(facts["indices"][name], facts["regrets"][name], strict=True):
            means = task(np.array(indices))
            expected = task.optimum.value - np.maximum.accumulate(means)
            assert regrets == expected.tolist()
            assert regrets[-1] >= 0
    assert (
        facts["indices"]["RS"][2] == search.random_search(task, budget=120, rng=2).indices.tolist()
    )


def test_the_fronts(reproduction: tuple[Any, Any]) -> None:
    _, facts = reproduction
    assert len(facts["fronts"]) == 8
    for target, by_name in facts["fronts"].items():
        task = anb_onnx.tasks()[f"accuracy-{target}-front-v1"]
        exactly, signs = task.front.values.astype(np.float64), np.array([1.0, 1.0])
        latency = target.startswith("latency")
        signs[1] = -1.0 if latency else 1.0
        assert tuple(by_name) == (*FRONT_SEARCHES, *["REINFORCE, as scripted"] * latency)
        whole = area(exactly, task.reference, signs)
        for name, found in by_name.items():
            assert found["evaluated"] == [144, 144], (target, name)
            for indices, shares in zip(found["indices"], found["shares"], strict=True):
                values = task(np.array(indices))
                assert dominated(values, exactly, signs).all(), (target, name)
                assert shares == sorted(shares)
                assert 0 < shares[-1] <= 1
                assert shares[-1] == pytest.approx(area(values, task.reference, signs) / whole)


def test_a_goal_changes_no_optimum_and_an_exponent_does(
    reproduction: tuple[Any, Any], runner: ModuleType
) -> None:
    notebook, facts = reproduction
    assert len(facts["best"]) == 8
    for target, (first, second, third, *others) in facts["best"].items():
        proven = anb_onnx.tasks()[f"reward-{target}-v1"].optimum.architecture.index
        assert first == second == third == proven
        assert len({proven, *others}) == 3
    assert runner.tables(notebook)["goals"].count("| yes |") == 8


@pytest.mark.parametrize("name", ["reproduction", "tutorial"])
def test_what_is_committed_was_executed_and_names_no_machine(name: str, runner: ModuleType) -> None:
    path = FOLDER / f"{name}.ipynb"
    text = path.read_text()
    notebook = json.loads(text)
    assert notebook["metadata"] == runner.METADATA
    assert path.stat().st_size < 1_500_000
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    for cell in notebook["cells"]:
        assert set(cell["metadata"]) <= {"tags"}
    for output in (output for cell in code for output in cell["outputs"]):
        assert output["output_type"] in ("stream", "display_data", "execute_result")
        assert output.get("name", "stdout") == "stdout"
    paths = re.findall(
        r"(?<![\w.])/(?:home|root|tmp|usr|var|opt|mnt|Users|private)/|[A-Z]:\\\\", text
    )
    assert not paths
    assert str(ROOT) not in text
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)


def test_the_docs_show_what_the_notebooks_show(runner: ModuleType) -> None:
    page = (ROOT / "docs" / "reproduction.md").read_text()
    shown = {}
    for name in runner.NAMES:
        notebook = json.loads((FOLDER / f"{name}.ipynb").read_text())
        shown.update(runner.figures(notebook))
        assert runner.with_tables(page, runner.tables(notebook)) == page
        first = (
            "".join(notebook["cells"][1]["outputs"][0]["text"]) if name != "tutorial" else "full"
        )
        assert first.startswith("full")
    for figure, content in shown.items():
        assert (ROOT / "docs" / "images" / f"{figure}.png").read_bytes() == content
        assert figure.startswith("tutorial") or f"images/{figure}.png" in page


@pytest.mark.parametrize("name", ["reproduction", "tutorial"])
def test_links_lead_somewhere(name: str) -> None:
    cells = json.loads((FOLDER / f"{name}.ipynb").read_text())["cells"]
    prose = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    links = re.findall(r"\]\(([^)#]+)", prose)
    assert links
    assert [link for link in links if not (FOLDER / link).is_file()] == []


def test_a_table_without_its_place_is_refused(runner: ModuleType) -> None:
    page = "before\n<!-- a:begin -->\nold\n<!-- a:end -->\nafter"
    assert runner.with_tables(page, {"a": r"\1"}) == page.replace("old", r"\1")
    with pytest.raises(ValueError, match="0 places for the table 'b'"):
        runner.with_tables(page, {"b": "new"})
