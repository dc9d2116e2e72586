"""What the tests of pages share: their fenced blocks, and a reader who runs them one by one."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: Languages of blocks that are run, by the name under which tests know them.
SHELLS = ("bash", "sh", "console")
RUN = ("python", "cpp", *SHELLS)

#: Why a block, or a command of it, is not run. It stands in a comment before the block, as in
#: `<!-- not run: takes minutes -->`, or with the beginning of the commands that it is about,
#: `<!-- not run: takes minutes: anb-onnx sweep -->`. What is not run is parsed all the same.
REASONS = {
    "installs packages",
    "needs the data set",
    "needs a toolchain",  # and is run by a test of its own, or by CI itself
    "needs your files",
    "takes minutes",
}

_FENCE = re.compile(
    r"((?:^<!-- not run: [^\n]* -->\n)*)^(`{3,})([^\s`]*)[^\n]*\n(.*?)^\2$",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(r"^<!-- not run: ([^:\n]+?)(?:: (.+?))? -->$", re.MULTILINE)

#: Keeps its names from block to block, as an interpreter does.
_INTERPRETER = """
import contextlib, io, json, sys, traceback
names = {"__name__": "__main__"}
channel, sys.stdin = sys.stdin, None
answers, sys.stdout = sys.stdout, sys.stderr
for line in channel:
    printed, error = io.StringIO(), ""
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(json.loads(line), "block", "exec"), names)
        except BaseException:
            error = traceback.format_exc()
    answers.write(json.dumps([printed.getvalue(), error]) + "\\n")
    answers.flush()
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes
    ----------
    line : int
        Where it begins.
    language : str
    text : str
    reason : str
        Why none of it is run; empty where some or all of it is.
    skipped : tuple of (reason, beginning)
        Of the commands that are not run.
    prints : str or None
        What the page shows below it, if it shows anything.
    """

    line: int
    language: str
    text: str
    reason: str
    skipped: tuple[tuple[str, str], ...]
    prints: str | None


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page, in order; those of `text` belong to the blocks before them."""
    text = page.read_text("utf-8")
    found: list[Block] = []
    end = 0
    for match in _FENCE.finditer(text):
        marks, _, language, content = match.groups()
        if language == "text" and found and not text[end : match.start()].strip():
            found[-1] = replace(found[-1], prints=content)
        elif not language.startswith("{"):
            parts = _MARK.findall(marks)
            whole = [reason for reason, beginning in parts if not beginning]
            some = tuple((reason, beginning) for reason, beginning in parts if beginning)
            line = text.count("\n", 0, match.start(2)) + 1
            found.append(Block(line, language, content, "".join(whole), some, None))
        end = match.end()
    return found


def commands_of(text: str) -> Iterator[str]:
    """The commands of a shell block, one at a time: those that span lines are one."""
    gathered = ""
    for line in text.splitlines(keepends=True):
        gathered += re.sub(r"^\$ ", "", line)
        if not gathered.strip():
            gathered = ""
        elif not gathered.endswith("\\\n") and syntax_error(gathered) is None:
            yield gathered
            gathered = ""
    if gathered.strip():
        yield gathered


def syntax_error(command: str) -> str | None:
    """What bash finds wrong with a command, which is not run; None if nothing."""
    if re.search(r"<<-?\s*'?(\w+)'?", command) and not re.search(r"\n\w+\n$", command):
        return "its text has not ended"  # which bash lets pass
    done = subprocess.run(
        ["bash", "-n"], input=command, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stderr if done.returncode else None


class Reader:
    """Runs blocks in a folder of its own, with the commands of this environment."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self._environment = {**os.environ, "PATH": search, "MPLBACKEND": "agg", **variables}
        self._environment.pop("COLUMNS", None)
        self._python: subprocess.Popen[str] | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._python is not None:
            self._python.communicate(timeout=60)

    def run(self, block: Block) -> str:
        """Run a block and return what it printed; it must not fail."""
        if block.language == "python":
            return self._run_python(block.text)
        if block.language == "cpp":
            (self.folder / "main.cpp").write_text(block.text, "utf-8")
            header = ROOT / "examples" / "cpp" / "standalone" / "anb_surrogate.hpp"
            shutil.copy(header, self.folder)
            (self.folder / "artifacts").symlink_to(ROOT / "artifacts")
            return ""
        return "".join(
            self.shell(command)
            for command in commands_of(block.text)
            if not any(command.startswith(beginning) for _, beginning in block.skipped)
        )

    def shell(self, command: str) -> str:
        """Run a command and return what it printed; it must not fail."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _run_python(self, text: str) -> str:
        if self._python is None:
            self._python = subprocess.Popen(
                [sys.executable, "-c", _INTERPRETER],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._python.stdin is not None
        assert self._python.stdout is not None
        self._python.stdin.write(json.dumps(text) + "\n")
        self._python.stdin.flush()
        printed, error = json.loads(self._python.stdout.readline())
        assert not error, f"{text}\n{printed}\n{error}"
        return str(printed)


def understood(program: str, arguments: list[str]) -> None:
    """Let the program's parser read arguments; it ends the process where it does not know them."""
    if program == "anb-onnx":
        from anb_onnx.cli.main import _parser as parser
    else:
        pytest.importorskip("anb_export", reason="needs the exporter: pip install -e export")
        from anb_export.cli import parser
    try:
        parser().parse_args(arguments)
    except SystemExit as end:
        if end.code:
            pytest.fail(f"{program} {shlex.join(arguments)}")
