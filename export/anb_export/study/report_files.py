"""The files of a report: the page with its marked section, the plots, the figures as JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anb_export._io.files import write_atomically
from anb_export.study.report_document import document, to_lines
from anb_export.study.report_page import BEGIN, END, heading_of, report_section, shown_sizes
from anb_export.study.report_plots import plots
from anb_export.study.report_rows import Fits, StudyReportError
from anb_export.study.report_selection import Selections, selection_section
from anb_export.study.report_words import unavailable
from anb_onnx._io.output import check_output

_TITLE = "# What to expect of hardware predictors"


@dataclass(frozen=True)
class Places:
    """Where the files of a report go.

    Attributes
    ----------
    page : Path
        A Markdown file; what stands outside its markers stays. The figures go beside it, as
        ``.json``.
    images : Path
        Folder of the plots.
    """

    page: Path
    images: Path

    @property
    def figures(self) -> Path:
        """The file of the figures."""
        return self.page.with_suffix(".json")

    def image(self, fits: Fits, name: str) -> Path:
        """Return the file of a plot."""
        return self.images / f"{self.page.stem}-{fits.space}-{name}.png"

    def check(self) -> None:
        """Refuse, before anything is read or drawn, what cannot be written.

        Raises
        ------
        AnbError
            If a file cannot be written, or the page has not one pair of markers.
        """
        for path in (self.page, self.figures, self.images / f"{self.page.stem}.png"):
            check_output(path)
        _around(self.page)


def write(
    studies: Sequence[Fits],
    places: Places,
    at: Sequence[int] = (),
    selections: Mapping[str, Selections] | None = None,
) -> list[Path]:
    """Write page, plots and figures of some studies.

    Parameters
    ----------
    studies : sequence of Fits
        One for each space.
    places : Places
    at : sequence of int
        Sizes of the tables by target and of the plots of costs; usual ones if empty.
    selections : mapping of str to Selections, optional
        By space.

    Returns
    -------
    list of Path
        What was written. The same bytes for the same fits.

    Raises
    ------
    AnbError
        As from `Places.check`; if a size was not studied.
    """
    selections = selections or {}
    _check_sizes(studies, at)
    before, after = _around(places.page)
    sections, files = [], {}
    for fits in studies:
        sizes = shown_sizes(fits, at)
        links = {}
        for name, content in plots(fits, sizes).items():
            path = places.image(fits, name)
            files[path] = content
            links[name] = Path(os.path.relpath(path, places.page.parent)).as_posix()
        sections.append(report_section(fits, sizes, links, selections.get(fits.space)))
    for space in sorted(set(selections) - {fits.space for fits in studies}):
        text = "\n\n".join(selection_section(selections[space]))
        sections.append(f"## {heading_of(space)}: selection and verification\n\n{text}")
    sections.append(f"## What the paper compares and this study does not\n\n{unavailable()}")
    section = "\n\n".join(sections)
    files[places.figures] = f"{to_lines(document(studies, selections))}\n".encode()
    # The page last: whatever it names is there.
    files[places.page] = f"{before}{BEGIN}\n\n{section}\n\n{END}{after}".encode()
    for path, content in files.items():
        write_atomically(path, content)
    return list(files)


def _check_sizes(studies: Sequence[Fits], at: Sequence[int]) -> None:
    there = sorted({size for fits in studies for size in fits.sizes})
    for size in at:
        if size not in there:
            known = ", ".join(map(str, there))
            msg = f"--at {size}: no fit is to so many measurements; there are fits to {known}"
            raise StudyReportError(msg)


def _around(page: Path) -> tuple[str, str]:
    """Return what stands before and after the section."""
    try:
        text = page.read_text(encoding="utf-8")
    except FileNotFoundError:
        return f"{_TITLE}\n\n", "\n"
    except (OSError, UnicodeDecodeError) as error:
        msg = f"cannot read {page}: {error}"
        raise StudyReportError(msg) from error
    if (text.count(BEGIN), text.count(END)) != (1, 1) or text.index(BEGIN) > text.index(END):
        msg = f"{page}: expected one {BEGIN} and, after it, one {END}"
        raise StudyReportError(msg)
    return text.split(BEGIN)[0], text.split(END)[1]
