"""Links of a page to files that are no pages lead to the repository; of those to nothing it warns.

Markdown links stay relative, so that they work in a checkout and where the repository is shown.
A page may be a symbolic link to a file outside the folder of pages, as docs/project/changelog.md:
its own links are read from where the file is, and links of others to that file lead to the page.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

_LOG = logging.getLogger(__name__)
_FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(\]\()([^)\s]+?)(#[^)\s]*)?(\))")
_PAGES = (".md", ".ipynb")


def pages_elsewhere(docs: Path) -> dict[Path, Path]:
    """Return the pages that are symbolic links, by the file that they lead to."""
    found = (path for path in docs.rglob("*") if path.suffix in _PAGES and path.is_symlink())
    return {path.resolve(): path for path in found}


def led(text: str, page: Path, docs: Path, root: Path, url: str) -> tuple[str, list[str]]:
    """Turn the links of a page that the site has under another address, or has not.

    Parameters
    ----------
    text : str
        The page; what stands in fenced blocks is left alone.
    page, docs, root : Path
        Its file, the folder of pages and that of the repository.
    url : str
        Address of the repository.

    Returns
    -------
    str
        The page with links from the root of the site, and addresses.
    list of str
        Links that lead to no file.
    """
    missing: list[str] = []
    elsewhere = pages_elsewhere(docs)
    own = page.resolve()

    def turned(match: re.Match[str]) -> str:
        before, link, anchor, after = match.groups(default="")
        if re.match(r"[a-z]+:|/|#|%23", link):
            return match.group()
        target = (own.parent / link).resolve()
        if not target.exists():
            missing.append(link)
            return match.group()
        if target in elsewhere:
            # By its name, since MyST takes a path to where the symbolic link leads.
            name = elsewhere[target].relative_to(docs).with_suffix("").as_posix()
            return f"{before}/{name}{after}"
        if target.is_relative_to(docs) and not target.is_dir():
            return f"{before}/{target.relative_to(docs).as_posix()}{anchor}{after}"
        kind = "tree" if target.is_dir() else "blob"
        return f"{before}{url}/{kind}/main/{target.relative_to(root).as_posix()}{anchor}{after}"

    at, parts = 0, []
    for fence in _FENCE.finditer(text):
        parts += [_LINK.sub(turned, text[at : fence.start()]), fence.group()]
        at = fence.end()
    return "".join([*parts, _LINK.sub(turned, text[at:])]), missing


def _read(app: Sphinx, name: str, source: list[str]) -> None:
    page = Path(app.env.doc2path(name))
    docs, root = Path(app.srcdir).resolve(), Path(app.config.repository_root)
    source[0], missing = led(source[0], page, docs, root, app.config.repository_url)
    for link in missing:
        _LOG.warning("link to a file that is not there: %s", link, location=name)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.add_config_value("repository_url", "", "env")
    app.add_config_value("repository_root", "", "env")
    app.connect("source-read", _read)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
