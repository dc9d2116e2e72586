"""Completion of command lines in bash, zsh and fish, from the parser that reads them.

The shells are given a few lines each that ask the program itself, by a first word that no user
types. So targets, benchmarks and options are those that are installed, and there is nothing to
install beside.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: The word by which a shell asks: `PROGRAM __complete SHELL WORD...`, the last word unfinished.
ASKED = "__complete"

#: What the names of files and folders are left to: the shell knows best.
FILES, FOLDERS, WORDS = "files", "folders", "words"

_BASH = r"""# Completion of PROGRAM in bash.
_FUNCTION() {
    local current="${COMP_WORDS[COMP_CWORD]}" kind="" line
    [ "$current" = "=" ] && current=""
    COMPREPLY=()
    while IFS= read -r line; do
        if [ -z "$kind" ]; then kind="$line"; else COMPREPLY+=("${line%%$'\t'*}"); fi
    done < <("${COMP_WORDS[0]}" ASKED bash "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    local IFS=$'\n'
    case "$kind" in
        files) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")) ;;
        folders) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$current")) ;;
    esac
}
complete -F _FUNCTION PROGRAM
"""

_ZSH = r"""#compdef PROGRAM
# Completion of PROGRAM in zsh: as a file _PROGRAM in a folder of $fpath, or by eval.
_FUNCTION() {
    local line name
    local -a lines found
    lines=("${(@f)$("${words[1]}" ASKED zsh "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    case "${lines[1]}" in
        files) compset -P '--*='; _files ;;
        folders) compset -P '--*='; _files -/ ;;
        words)
            for line in "${(@)lines[2,-1]}"; do
                name="${line%%$'\t'*}"
                found+=("${name//:/\\:}:${line#*$'\t'}")
            done
            _describe PROGRAM found
            ;;
    esac
}
if [ "${funcstack[1]}" = "_PROGRAM" ]; then _FUNCTION "$@"; else compdef _FUNCTION PROGRAM; fi
"""

_FISH = r"""# Completion of PROGRAM in fish.
function _FUNCTION
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    set -l lines ($program ASKED fish $words "$current" 2>/dev/null)
    switch "$lines[1]"
        case files
            __fish_complete_path "$current"
        case folders
            __fish_complete_directories "$current"
        case words
            set -e lines[1]
            printf '%s\n' $lines
    end
end
complete -c PROGRAM -f -a '(_FUNCTION)'
"""

_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
SHELLS = tuple(_SCRIPTS)


@dataclass
class Line:
    """A command line, as far as it was typed.

    Attributes
    ----------
    options : dict of str to list of str
        By destination, the values that were given already.
    """

    options: dict[str, list[str]] = field(default_factory=dict)


#: Given an argument and the line so far, what it may be: FILES, FOLDERS, or words with what they
#: mean.
Values = Callable[[argparse.Action, Line], "str | Iterable[tuple[str, str]]"]


def script(program: str, shell: str) -> str:
    """Return what a shell runs once, so that it completes a program."""
    function = f"_{program.replace('-', '_')}_complete"
    text = _SCRIPTS[shell].replace("_FUNCTION", function).replace("ASKED", ASKED)
    return text.replace("PROGRAM", program)


def answer(parser: argparse.ArgumentParser, asked: Sequence[str], values: Values) -> str:
    """Return what a shell is told, for what follows `ASKED`: a kind, and words line by line."""
    shell, *words = asked or [""]
    words = _joined(words) if shell == "bash" else words
    kind, found, before = _complete(parser, words or [""], values)
    if kind != WORDS:
        return f"{kind}\n"
    # Readline replaces what comes after the "=" alone.
    before = "" if shell == "bash" else before
    return "".join([f"{kind}\n", *(f"{before}{name}\t{_brief(text)}\n" for name, text in found)])


def _joined(words: Sequence[str]) -> list[str]:
    """Put together again what bash takes apart: --option = value."""
    joined: list[str] = []
    after = False
    for word in words:
        if word == "=" and joined and joined[-1].startswith("--"):
            joined[-1] += "="
            after = True
        elif after:
            joined[-1] += word
            after = False
        else:
            joined.append(word)
    return joined


def _brief(text: str) -> str:
    """Return the beginning of a help: a shell shows it beside the word."""
    return " ".join(text.split(";")[0].split(" (default")[0].split())[:70]


Found = tuple[str, list[tuple[str, str]], str]


def _complete(parser: argparse.ArgumentParser, words: Sequence[str], values: Values) -> Found:
    *before, current = words
    commands = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    names = [word for word in before if not word.startswith("-")]
    if not names:
        if current.startswith("-"):
            return WORDS, _options(parser, current, {}), ""
        helps = [(a.dest, a.help or "") for a in commands._get_subactions()]
        return WORDS, _starting(helps, current), ""
    if names[0] not in commands.choices:
        return WORDS, [], ""
    chosen: argparse.ArgumentParser = commands.choices[names[0]]
    return _argument(chosen, before[before.index(names[0]) + 1 :], current, values)


def _argument(
    parser: argparse.ArgumentParser, before: Sequence[str], current: str, values: Values
) -> Found:
    """Complete an argument of a command, after those that stand before."""
    known = parser._option_string_actions
    line, waiting, n_positional = Line(), None, 0
    for word in before:
        option, equals, value = word.partition("=")
        if waiting is not None:
            line.options.setdefault(waiting.dest, []).append(word)
            waiting = None
        elif option in known and word.startswith("-"):
            given = line.options.setdefault(known[option].dest, [])
            if equals:
                given.append(value)
            elif known[option].nargs != 0:
                waiting = known[option]
        elif not word.startswith("-") or word == "-":
            n_positional += 1
    option, equals, value = current.partition("=")
    if waiting is not None:
        return _value(waiting, current, line, values, "")
    if equals and option in known:
        return _value(known[option], value, line, values, f"{option}=")
    if current.startswith("-"):
        return WORDS, _options(parser, current, line.options), ""
    positional = [a for a in parser._actions if not a.option_strings]
    several = [a for a in positional if a.nargs in ("*", "+")]
    if n_positional < len(positional):
        return _value(positional[n_positional], current, line, values, "")
    if several:
        return _value(several[-1], current, line, values, "")
    return WORDS, _options(parser, current, line.options), ""


def _value(action: argparse.Action, current: str, line: Line, values: Values, before: str) -> Found:
    found = (
        [(str(choice), "") for choice in action.choices]
        if action.choices is not None
        else values(action, line)
    )
    if isinstance(found, str):
        return found, [], before
    # Of names with commas between them, the last is unfinished.
    if isinstance(action.metavar, str) and "," in action.metavar:
        done, comma, _ = current.rpartition(",")
        found = [(f"{done}{comma}{name}", text) for name, text in found]
    return WORDS, _starting(found, current), before


def _options(
    parser: argparse.ArgumentParser, current: str, given: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Return options that are not given yet, or may be again."""
    found = [
        (max(action.option_strings, key=len), action.help or "")
        for action in parser._actions
        if action.option_strings
        and (action.dest not in given or isinstance(action, argparse._AppendAction))
        and action.help is not argparse.SUPPRESS
    ]
    return _starting(found, current)


def _starting(found: Iterable[tuple[str, str]], current: str) -> list[tuple[str, str]]:
    return [(name, text) for name, text in found if name.startswith(current)]
