"""Completion of command lines by argcomplete, for both programs: what a shell runs, and answers.

argcomplete asks the parser that reads the command line, with the program's own lines and words;
so targets, benchmarks and options are those that are installed. It is an extra, and imported when a
shell asks or wants its lines, never for a command.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from anb_onnx.parallel.extras import need

SHELLS = ("bash", "zsh", "fish")

#: What is completed by names of files or folders, and the words by which a help names such.
FILES, FOLDERS = "files", "folders"
_FILES, _FOLDERS = {"FILE", "PATH", "PAGE"}, {"FOLDER", "DIR"}

#: Given an argument and what stands before, what it may be: FILES, FOLDERS, or words and what they
#: mean.
Values = Callable[[argparse.Action, argparse.Namespace], "str | Mapping[str, str]"]

# argcomplete takes the whole line of zsh for one command, so that nothing would be completed after
# a pipe or a variable; and what begins with "~" or "$" would be quoted.
_ZSH = r"""#compdef PROGRAM
_FUNCTION() {
    if [[ "$PREFIX" == (--*=|)[~$]* ]]; then
        compset -P '--*='
        _files
        return
    fi
    local -h BUFFER="${(j: :)${(@)words[1,CURRENT]}}"
    local -h CURSOR=${#BUFFER}
SHELLCODE
}
if [[ $zsh_eval_context == *func ]]; then _FUNCTION "$@"; else compdef _FUNCTION PROGRAM; fi
"""


def asked() -> bool:
    """Say whether it is a shell that runs the program, for a word to complete."""
    return "_ARGCOMPLETE" in os.environ


def script(program: str, shell: str) -> str:
    """Return what a shell runs once, so that it completes a program.

    Raises
    ------
    ExtraError
        If argcomplete is not installed.
    """
    argcomplete = _argcomplete()
    # By themselves, the lines for bash offer files wherever nothing else is known: for a number.
    text = argcomplete.shellcode([program], shell=shell, complete_arguments=["-o", "nospace"])
    if shell == "zsh":
        text = _ZSH.replace("SHELLCODE", text.strip("\n"))
    function = f"{program.replace('-', '_')}_complete"
    return f"{text.strip()}\n".replace("FUNCTION", function).replace("PROGRAM", program)


def answer(parser: argparse.ArgumentParser, values: Values) -> None:
    """Tell the shell what a word may become, and end the process.

    Raises
    ------
    ExtraError
        If argcomplete is not installed.
    SystemExit
        Always.
    """
    _argcomplete()
    from argcomplete.completers import SuppressCompleter

    from anb_onnx.cli.finder import Finder

    _attach(parser, values)
    Finder()(
        parser,
        always_complete_options=False,
        exit_method=sys.exit,
        default_completer=SuppressCompleter(),
    )


def paths(action: argparse.Action) -> str | None:
    """Return what an argument names, by what the help calls its value: FILES, FOLDERS or None."""
    words = set(re.split("[^A-Z]+", str(action.metavar)))
    if words & _FILES:
        return FILES
    return FOLDERS if words & _FOLDERS else None


def options_first(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
    """Return words of a command in the order in which argparse takes them, whatever was typed.

    Options stand before arguments, but for a last one that waits for its value.
    """
    options: list[str] = []
    arguments: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, _ = word.partition("=")
        known = parser._option_string_actions.get(name)
        if word == "--":
            arguments += [word, *rest]
        elif known is None:
            arguments.append(word)
        elif equals or known.nargs == 0:
            options.append(word)
        else:
            value = next(rest, None)
            if value is None:
                return [*options, *arguments, word]
            options += [word, value]
    return [*options, *arguments]


def _argcomplete() -> Any:
    return need("argcomplete", extra="completion", what="completion in a shell")


def _attach(parser: argparse.ArgumentParser, values: Values) -> None:
    """Give the arguments whose choices the parser does not know what completes them."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _attach(command, values)
        elif action.choices is None and action.nargs != 0:
            action.completer = partial(_words, values)  # type: ignore[attr-defined]


def _words(
    values: Values,
    *,
    prefix: str,
    action: argparse.Action,
    parsed_args: argparse.Namespace,
    **_: Any,
) -> Iterable[str]:
    from argcomplete.completers import FilesCompleter

    found = values(action, parsed_args)
    if isinstance(found, str):
        given = FilesCompleter()(prefix)
        return [path for path in given if found == FILES or path.endswith("/")]
    # Of names with commas between them, the last is unfinished.
    if isinstance(action.metavar, str) and "," in action.metavar:
        done, comma, _last = prefix.rpartition(",")
        found = {f"{done}{comma}{name}": text for name, text in found.items()}
    return found
