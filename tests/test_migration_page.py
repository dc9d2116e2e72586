"""docs/migration.md: what it names is there, and its example runs."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest
from page_room import Reader, understood

import anb_onnx.compat

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "migration.md"
if not PAGE.is_file():
    pytest.skip("not a checkout", allow_module_level=True)
TEXT = PAGE.read_text()


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(example, {})
    best, regret = map(float, capsys.readouterr().out.split())
    assert 50.0 < best < 70.0
    assert 0.0 <= regret < 10.0


def test_every_name_of_ours_is_there() -> None:
    names = set(re.findall(r"`[^`]*?\b(anb_onnx(?:\.[A-Za-z_]+)*)\b", TEXT))
    assert len(names) > 10
    for name in names:
        found = importlib.import_module("anb_onnx")
        for part in name.split(".")[1:]:
            found = getattr(found, part)


def test_every_name_of_compat_is_on_the_page() -> None:
    named_by_others = {"Ensemble", "Member", "ConfigurationSpace", "CustomSearchable"}
    named_by_others |= {"CategoricalHyperparameter", "OrdinalHyperparameter"}
    for name in set(anb_onnx.compat.__all__) - named_by_others:
        assert re.search(rf"\b{name}\b", TEXT), name


COMMANDS = TEXT.partition("## Commands\n")[2].partition("\n## ")[0]
OURS = [
    command
    for line in COMMANDS.splitlines()
    if line.startswith("| ")
    for command in re.findall(r"`([^`]+)`", line.split(" | ")[-1])
]


def test_each_script_of_theirs_has_its_row() -> None:
    scripts = "example create_data_splits fit_model do_hpo eval_ensemble search_mo search_uo"
    for name in [*scripts.split(), "model_downloader", "regularized_evolution"]:
        assert f"{name}.py" in COMMANDS
    assert len(OURS) > 20


@pytest.mark.parametrize("command", [c for c in OURS if c.startswith("anb-")])
def test_a_command_of_ours_is_understood(command: str) -> None:
    program, *arguments = shlex.split(command)
    understood(program, arguments)


def test_the_queries_answer(tmp_path: Path) -> None:
    (query,) = (c for c in OURS if c.startswith("anb-onnx query") and "--model" not in c)
    with Reader(tmp_path) as reader:
        printed = reader.shell(query)
    assert "accuracy" in printed
    assert "throughput_tpuv2" in printed


@pytest.mark.parametrize("command", [c for c in OURS if c.startswith("python ")])
def test_a_search_of_ours_takes_the_same_arguments(command: str, tmp_path: Path) -> None:
    """In short, and with a folder for its files."""
    short = re.sub(r"--(arch_ep|n_iters) \d+", r"--\1 20", command)
    if "search_uo" in command:
        short += " --arch_ep 3"
    with Reader(tmp_path) as reader:
        reader.shell(short.replace("python examples", f"python {shlex.quote(str(ROOT))}/examples"))
    assert list(tmp_path.rglob("*.csv"))


def test_links_and_files() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert link.startswith("https://") or (PAGE.parent / link).exists(), link
    for name in re.findall(r"`(?:python )?(examples/[\w/.]+)`", TEXT):
        assert (ROOT / name).exists(), name
