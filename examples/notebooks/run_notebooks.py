"""Execute the notebooks of this folder and write them back; figures and tables go to the docs.

    python examples/notebooks/run_notebooks.py            # both in full, some ten minutes
    python examples/notebooks/run_notebooks.py tutorial   # one

Needs nbclient and ipykernel, and what the notebooks need. A cell tagged `figure-NAME` shows a
picture, which becomes docs/images/NAME.png; one tagged `table-NAME` shows a table, which stands in
docs/reproduction.md between the lines `<!-- NAME:begin -->` and `<!-- NAME:end -->`.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
DOCS = FOLDER.parents[1] / "docs"
NAMES = ("tutorial", "reproduction")

PICTURES = "module://matplotlib_inline.backend_inline"

# What a notebook says of itself, instead of the machine that it ran on.
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def read(path: Path) -> Any:
    """Read a notebook."""
    import nbformat

    return nbformat.read(path, as_version=4)


def write(notebook: Any, path: Path) -> None:
    """Write a notebook, whole or not at all."""
    import nbformat

    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as folder:
        written = Path(folder) / path.name
        nbformat.write(notebook, written)
        written.replace(path)


def execute(notebook: Any, *, size: str, extra: str = "") -> list[Any]:
    """Execute a notebook by the interpreter that runs this, in a folder of its own.

    Parameters
    ----------
    notebook : NotebookNode
        Gets its outputs, and metadata that name no machine.
    size : {"small", "full"}
        What the notebook finds as ANB_NOTEBOOK.
    extra : str
        Code of one more cell, which does not stay.

    Returns
    -------
    list of outputs
        Of the extra cell.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell raises.
    """
    import nbformat
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    class OwnKernel(KernelSpecManager):  # type: ignore[misc]
        """Knows one kernel, so that it makes no difference which ones a user has installed."""

        def get_kernel_spec(self, kernel_name: str) -> Any:
            launcher = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=launcher, display_name=kernel_name, language="python")

    if extra:
        notebook.cells.append(nbformat.v4.new_code_cell(extra))
    with tempfile.TemporaryDirectory(prefix="anb-notebook-") as folder:
        # A profile of the user's would run its startup files, and history would be kept of this.
        own = {"ANB_NOTEBOOK": size, "IPYTHONDIR": folder, "MPLBACKEND": PICTURES}
        manager = AsyncKernelManager(
            kernel_spec_manager=OwnKernel(),
            kernel_name="python3",
            transport="ipc",  # sockets in that folder, instead of open ports
            connection_file=str(Path(folder) / "kernel.json"),
        )
        client = NotebookClient(
            notebook,
            km=manager,
            timeout=3600,  # s, of one cell
            record_timing=False,
            resources={"metadata": {"path": folder}},
        )
        # A manager that is given would outlive it: without this its kernel, too.
        client.execute(env={**os.environ, **own}, cleanup_kc=True)
    notebook.metadata = nbformat.from_dict(METADATA)
    return list(notebook.cells.pop().outputs) if extra else []


def _shown(notebook: Any, kind: str, mime: str) -> dict[str, str]:
    """Return what tagged cells show, by the name in their tag."""
    found = {}
    for cell in notebook["cells"]:
        for tag in cell["metadata"].get("tags", ()):
            if tag.startswith(f"{kind}-"):
                (data,) = (o["data"][mime] for o in cell["outputs"] if mime in o.get("data", {}))
                found[tag.removeprefix(f"{kind}-")] = "".join(data)
    return found


def figures(notebook: Any) -> dict[str, bytes]:
    """Return the pictures of a notebook that the docs show, as PNG by name."""
    shown = _shown(notebook, "figure", "image/png")
    return {name: base64.b64decode(text) for name, text in shown.items()}


def tables(notebook: Any) -> dict[str, str]:
    """Return the tables of a notebook that the docs show, as Markdown by name."""
    return {n: text.strip() for n, text in _shown(notebook, "table", "text/markdown").items()}


def with_tables(page: str, found: dict[str, str]) -> str:
    """Return a page in which tables take the place of those that stand there.

    Raises
    ------
    ValueError
        If the page has no such place.
    """
    for name, text in found.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        place = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        new = f"{begin}\n{text}\n{end}"
        page, count = place.subn(lambda _, new=new: new, page)  # type: ignore[misc]
        if count != 1:
            msg = f"the page has {count} places for the table {name!r}, lines {begin} ... {end}"
            raise ValueError(msg)
    return page


def main() -> None:
    """Run what is named, and write it back."""
    parser = argparse.ArgumentParser(description="Execute notebooks in full and write them back.")
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME", help=" or ".join(NAMES))
    for name in parser.parse_args().names:
        path = FOLDER / f"{name}.ipynb"
        notebook = read(path)
        execute(notebook, size="full")
        write(notebook, path)
        for figure, content in figures(notebook).items():
            (DOCS / "images" / f"{figure}.png").write_bytes(content)
        if found := tables(notebook):
            page = DOCS / "reproduction.md"
            page.write_text(with_tables(page.read_text(), found))
        print(f"{path.name}: executed")


if __name__ == "__main__":
    main()
