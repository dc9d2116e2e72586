"""A property's docstring is a sentence, also where it has a colon.

Napoleon takes what stands before a colon in the first line of an attribute for its type.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx


def _guard(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    if what in ("property", "attribute", "data") and lines and ":" in lines[0]:
        lines[:0] = ["..", ""]  # an empty comment, which has no colon


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension, before napoleon (500)."""
    app.connect("autodoc-process-docstring", _guard, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
