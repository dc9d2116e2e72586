"""What argcomplete finds, and how the shells show it. Imported only when a shell asks."""

from __future__ import annotations

import argparse

from argcomplete.finders import ExclusiveCompletionFinder

_WIDTH = 70


class Finder(ExclusiveCompletionFinder):
    """Offers options where nothing else can stand, and one line of help beside each word."""

    def collect_completions(
        self,
        active_parsers: list[argparse.ArgumentParser],
        parsed_args: argparse.Namespace,
        cword_prefix: str,
    ) -> list[str]:
        """Return the words; see argcomplete."""
        found = super().collect_completions(active_parsers, parsed_args, cword_prefix)
        active: list[argparse.Action] = getattr(active_parsers[-1], "active_actions", [])
        if not found and not cword_prefix and not any(a.option_strings for a in active):
            self.always_complete_options = "long"
            found = super().collect_completions(active_parsers, parsed_args, cword_prefix)
        shown = self.get_display_completions()
        for word in found:
            # Of --option=VALUE, argcomplete knows the help of the value alone.
            shown[word] = _brief(shown.get(word) or shown.get(word.partition("=")[2]) or "")
        return found

    def quote_completions(
        self, completions: list[str], cword_prequote: str, last_wordbreak_pos: int | None
    ) -> list[str]:
        """Return the words as the shell takes them; a variable at their beginning stays one."""
        quoted = super().quote_completions(completions, cword_prequote, last_wordbreak_pos)
        return ["$" + word[2:] if word.startswith("\\$") else word for word in quoted]


def _brief(text: str) -> str:
    """Return the beginning of a help."""
    return " ".join(text.split(";")[0].split(" (default")[0].split())[:_WIDTH]
