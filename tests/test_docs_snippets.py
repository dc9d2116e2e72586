"""Every fenced block of README.md and of the pages in docs runs, or says why not and is parsed."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from page_room import (
    REASONS,
    ROOT,
    RUN,
    SHELLS,
    Block,
    Reader,
    blocks_of,
    commands_of,
    syntax_error,
    understood,
)
from tools import need_tool

from anb_onnx.catalog.benchmarks import FOLDER_VARIABLE

DOCS = ROOT / "docs"
if not DOCS.is_dir():
    pytest.skip("needs the pages in docs, part of the repository", allow_module_level=True)


def _read(path: Path) -> list[Block]:
    """The blocks of a page; all of a model card, which the exporter writes, need the data set."""
    found = blocks_of(path)
    if path.parent.name != "cards":
        return found
    return [replace(block, reason="needs the data set") for block in found]


PAGES = {
    path.relative_to(ROOT).as_posix(): _read(path)
    for path in [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
    if not path.is_symlink()
}

#: Pages whose blocks another test runs, which looks closer at what comes out.
ELSEWHERE = {
    "docs/adapters.md": "tests/test_adapters_page.py",
    "docs/exact.md": "tests/test_exact_page.py",
    "docs/how-to/go.md": "tests/test_recipes.py",
    "docs/how-to/javascript.md": "tests/test_js.py",
    "docs/how-to/rust.md": "tests/test_recipes.py",
    "docs/import.md": "tests/export/test_predictions.py",
    "docs/migration.md": "tests/test_migration_page.py",
    "docs/optimizers.md": "tests/test_optimizer_examples.py",
    "docs/search.md": "tests/test_search_page.py",
    "docs/your-benchmark.md": "tests/export/test_your_benchmark.py",
}

#: What a page takes for granted.
SETTINGS = {
    name: {FOLDER_VARIABLE: str(ROOT / "spaces" / "anb_onnx_spaces" / "artifacts")}
    for name in ("docs/learning-curves.md", "docs/spaces.md")
}

#: Packages beside those of the extra `test` that a page needs.
NEEDED = {"README.md": ("pymoo",), "docs/tutorials": ()}

#: What is written and not run.
PLAIN = {"text", "json", "go", "rust", "js"}

RUNNABLE = [
    name
    for name, blocks in PAGES.items()
    if name not in ELSEWHERE and any(b.language in RUN and not b.reason for b in blocks)
]


def words(text: str) -> list[str]:
    """What is said, however its lines are broken."""
    return text.split()


@pytest.mark.parametrize("name", RUNNABLE)
def test_the_blocks_of_a_page_run_in_order(name: str, tmp_path: Path) -> None:
    for package in NEEDED.get(name, ()):
        need_tool(package)
    blocks = [block for block in PAGES[name] if block.language in RUN and not block.reason]
    if any(block.language == "cpp" for block in blocks) and shutil.which("g++") is None:
        pytest.skip("needs g++, which is not installed")
    with Reader(tmp_path, **SETTINGS.get(name, {})) as reader:
        for block in blocks:
            printed = reader.run(block)
            if block.prints is not None and block.language != "cpp":
                assert words(printed) == words(block.prints), f"{name}:{block.line}"


ALL = [(name, block) for name, blocks in PAGES.items() for block in blocks]
IDS = [f"{name}:{block.line}" for name, block in ALL]


def test_every_block_has_a_language_and_an_honest_mark() -> None:
    for name, block in ALL:
        place = f"{name}:{block.line}"
        assert block.language in PLAIN | set(RUN), place
        assert {block.reason, *(reason for reason, _ in block.skipped)} <= REASONS | {""}, place
        for _, beginning in block.skipped:
            commands = [c for c in commands_of(block.text) if c.startswith(beginning)]
            assert commands, f"{place}: no command begins with {beginning!r}"
    # A page that is named here has blocks, and its test knows it.
    for name, test in ELSEWHERE.items():
        assert PAGES[name], name
        assert Path(name).stem in (ROOT / test).read_text("utf-8"), test


def test_not_many_blocks_are_not_run() -> None:
    """Those of cards are the same three lines fourteen times."""
    run: list[str] = []
    not_run: list[str] = []
    for name, block in ALL:
        if block.language in RUN and not name.startswith("docs/cards/"):
            (not_run if block.reason else run).append(f"{name}:{block.line} {block.reason}")
    print("\n".join(not_run))
    assert len(run) > 3 * len(not_run)


@pytest.mark.parametrize(("name", "block"), ALL, ids=IDS)
def test_a_block_can_be_parsed(name: str, block: Block) -> None:
    if block.language == "python":
        ast.parse(block.text)
    if block.language not in SHELLS:
        return
    for command in commands_of(block.text):
        assert syntax_error(command) is None, command
        for program, arguments in ours(command):
            understood(program, arguments)


def ours(command: str) -> list[tuple[str, list[str]]]:
    """The calls of our own commands in a shell command, with their arguments."""
    lexer = shlex.shlex(command.replace("\\\n", " "), posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    for token in lexer:
        if re.fullmatch(r"[|&;]+", token):
            found.append([])
        else:
            found[-1].append(token)
    return [
        (call[0], call[1:])
        for call in found
        if call and call[0] in ("anb-onnx", "anb-export") and "..." not in call
    ]
