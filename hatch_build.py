"""What PyPI shows: README.md with links that lead somewhere from there.

In the repository links are relative, so that they stay within a branch. A page of PyPI has no files
beside it; there they lead to the tag of the version. The address is that of `project.urls`.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: A link or an image of Markdown whose address is neither complete nor a place on the page.
RELATIVE = re.compile(r"(!?)(\[(?:[^\[\]]|\[[^\[\]]*\])*\])\((?![a-z]+:|#)([^()\s]+)\)")


def absolute(text: str, source: str, version: str) -> str:
    """Return a page of Markdown whose relative links lead to the repository `source`."""
    tag = f"v{version}"

    def linked(found: re.Match[str]) -> str:
        kind, label, target = found.groups()
        view = f"{source}/raw/{tag}" if kind else f"{source}/blob/{tag}"
        # An image may be the label of a link.
        return f"{kind}{RELATIVE.sub(linked, label)}({view}/{target.removeprefix('./')})"

    return RELATIVE.sub(linked, text)


class ReadmeHook(MetadataHookInterface):
    """Sets the long description of the distribution."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Read README.md and complete its links."""
        root = Path(self.root)
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        text = (root / "README.md").read_text(encoding="utf-8")
        text = absolute(text, project["urls"]["Source"], project["version"])
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
