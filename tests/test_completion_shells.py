"""Completion by the tab key, in bash, zsh and fish as they are, of lines as users type them."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
from tools import in_ci, need_installed

need_installed("argcomplete")
pty = pytest.importorskip("pty", reason="needs a terminal of Unix")

PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
HANGS = 60  # seconds without a byte; nothing waits for them where all is well

Line = tuple[str, str, str | None]

#: What is typed; what the tab key makes of its last word; and the word that fish is to put there.
LINES: list[Line] = [
    ("anb-onnx query 5 --target=throughput_z", "--target=throughput_zcu102 ", None),
    ("anb-onnx query 5 --json eff", "efficientnet-b0 ", None),
    ("anb-onnx query --threads so", "so", ""),
    ("anb-onnx query --artifacts so", "some\\ folder/", "some folder/"),
    ('anb-onnx query --file "some fi', '"some file.csv" ', "some file.csv"),
    ("anb-onnx query --file ~/some\\ fi", "~/some\\ file.csv ", "~/some file.csv"),
    ("true && anb-onnx sample 5 | anb-onnx query --eng", "--engine ", None),
    ("anb-export verif", "verify ", None),
]
if not find_spec("anb_export"):
    LINES.pop()
PROGRAMS = ["anb-onnx", "anb-export"][: 2 if find_spec("anb_export") else 1]

# Ctrl-X prints the line between bytes that nothing else prints.
_BASH = [
    "PS1=; bind 'set enable-bracketed-paste off'",
    r"""bind -x '"\C-x": printf "\001%s\002" "$READLINE_LINE"'""",
]
_ZSH = [
    "PROMPT=; unsetopt prompt_cr prompt_sp; autoload -Uz compinit; compinit -D",
    r"""shown() { printf '\001%s\002' "$BUFFER" }; zle -N shown; bindkey '^X' shown""",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "some file.csv").touch()
    (tmp_path / "some folder").mkdir()
    return tmp_path


def need_shell(shell: str) -> str:
    found = shutil.which(shell)
    if found is None and in_ci():
        pytest.fail(f"continuous integration must not skip this: needs {shell}")
    if found is None:
        pytest.skip(f"needs {shell}")
    return found


class Terminal:
    """A shell at a terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._read = b""

    def type(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def until(self, pattern: str) -> str:
        """Read until something was printed, and return the group of the pattern."""
        while not (match := re.search(pattern.encode(), self._read, re.DOTALL)):
            ready, _, _ = select.select([self._descriptor], [], [], HANGS)
            assert ready, self._read
            self._read += os.read(self._descriptor, 2**16)
        self._read = self._read[match.end() :]
        return match[1].decode()

    def completed(self, line: str) -> str:
        """Return what stands on the line after the tab key, and empty it."""
        self.type(f"{line}\t\x18")
        try:
            return self.until("\x01([^\x01]*?)\x02")
        finally:
            self.type("\x15")


@contextlib.contextmanager
def terminal(command: Sequence[str], folder: Path) -> Iterator[Terminal]:
    """Run a shell at a terminal, which has read none of its user's own settings."""
    environment = {**os.environ, "PATH": PATH, "HOME": str(folder), "TERM": "dumb"}
    process, descriptor = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execve(command[0], [*command], environment)
    try:
        yield Terminal(descriptor)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(descriptor)


def check(shell: Terminal, setting_up: Sequence[str], lines: Sequence[Line] = LINES) -> None:
    for line in setting_up:
        shell.type(f"{line}\n")
    shell.type("echo rea''dy\n")
    shell.until("(ready)\r\n")
    for line, word, _ in lines:
        # The beginning of the line stays as it was typed.
        begun = line[: re.search(r"(\"[^\"]*|(\\.|[^ \"])*)$", line).start()]  # type: ignore[union-attr]
        assert shell.completed(line) == begun + word


def test_bash(folder: Path) -> None:
    asked = [f'eval "$({program} completion bash)"' for program in PROGRAMS]
    with terminal([need_shell("bash"), "--norc", "--noprofile", "-i"], folder) as bash:
        check(bash, [*_BASH, *asked])


def test_zsh(folder: Path) -> None:
    asked = [f'eval "$({program} completion zsh)"' for program in PROGRAMS]
    with terminal([need_shell("zsh"), "-f", "-i"], folder) as zsh:
        check(zsh, [*_ZSH, *asked])


def test_zsh_by_files_of_functions(folder: Path) -> None:
    functions = folder / ".functions"
    functions.mkdir()
    zsh = need_shell("zsh")
    for program in PROGRAMS:
        done = subprocess.run(
            [program, "completion", "zsh"], check=True, capture_output=True, env={"PATH": PATH}
        )
        (functions / f"_{program}").write_bytes(done.stdout)
    with terminal([zsh, "-f", "-i"], folder) as shell:
        check(shell, ["fpath=(~/.functions $fpath)", *_ZSH], [LINES[0], *LINES[-2:]])


def test_fish(folder: Path) -> None:
    setting_up = [f"{program} completion fish | source" for program in PROGRAMS]
    asking = "for line in $argv; string join -- ';' (complete -C $line) ''; end"
    done = subprocess.run(
        [need_shell("fish"), "--no-config", "-c", "\n".join([*setting_up, asking])]
        + [line for line, _, _ in LINES],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PATH": PATH, "HOME": str(folder), "TERM": "dumb"},
        check=True,
    )
    offered = [re.sub(r"(\t[^;]*)?;$", "", line) for line in done.stdout.splitlines()]
    assert offered == [word.strip() if own is None else own for _, word, own in LINES]
