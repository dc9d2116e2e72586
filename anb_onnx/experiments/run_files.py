"""The files of an experiment: a folder for each task and optimizer, a file for each seed.

::

    runs/accuracy-v1/local-search/settings.json
    runs/accuracy-v1/local-search/seed-0007.json
    runs/accuracy-v1/local-search/timings.csv

Settings and runs say what was searched and how, and are the same bytes whenever that is done again.
What differs from time to time, the time it took, stands apart in `timings.csv`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from anb_onnx._io import strict_json
from anb_onnx._io.files import MANIFEST_BYTES, FileError, read_regular
from anb_onnx._io.output import remove_abandoned, write_output
from anb_onnx._io.show import show
from anb_onnx.errors import SearchError

FORMAT, VERSION = "anb-onnx search", 1

#: What a run may be written as: the suffix of its file.
FORMATS = ("json", "parquet")

SETTINGS, TIMINGS = "settings.json", "timings.csv"
TIMINGS_HEADER = "seed,jobs,evaluations,wall_seconds,cpu_seconds,evaluations_per_second"

#: Seeds have a file each; so many digits keep them in order.
MOST_SEEDS = 10_000

_RUN = re.compile(r"seed-([0-9]{4})\.(json|parquet)")
_BEGUN = re.compile(r"\.(seed-[0-9]{4}\.(?:json|parquet))\.[0-9a-f]{8}\.tmp")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]{0,99}")

_MISSING: Final = object()


@dataclass(frozen=True)
class Cell:
    """The folder of one optimizer on one task."""

    root: Path
    task: str
    label: str

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return self.root / self.task / self.label

    def run(self, seed: int, kind: str) -> Path:
        """Return the path of a run's file."""
        return self.folder / f"seed-{seed:04d}.{kind}"

    def runs(self) -> dict[int, Path]:
        """Return the files of runs that are there, by seed.

        Raises
        ------
        SearchError
            If there are two files for a seed.
        """
        found: dict[int, Path] = {}
        for path in sorted(self.folder.iterdir()) if self.folder.is_dir() else ():
            name = _RUN.fullmatch(path.name)
            if name is None:
                continue
            seed = int(name[1])
            if seed in found:
                msg = f"{found[seed]} and {path} are both of seed {seed}; remove one"
                raise SearchError(msg)
            found[seed] = path
        return found

    def settings(self) -> dict[str, Any] | None:
        """Return the settings that the folder's runs were made with; None where there are none.

        Raises
        ------
        SearchError
            If the file cannot be read, or is no such file.
        """
        path = self.folder / SETTINGS
        if not path.exists():
            return None
        try:
            document = strict_json.loads(read_regular(path, MANIFEST_BYTES))
        except (FileError, strict_json.JsonError) as error:
            msg = f"{path} cannot be read as the settings of runs ({error})"
            raise SearchError(msg) from error
        check_settings(document, path)
        found: dict[str, Any] = document
        return found

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        """Write the settings of runs that follow."""
        write_output(self.folder / SETTINGS, strict_json.to_json(dict(settings)))

    def clear(self) -> None:
        """Remove what a search wrote here, the settings last; nothing else is touched."""
        for path in self.runs().values():
            path.unlink()
        for name in (TIMINGS, SETTINGS):
            (self.folder / name).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove the beginnings of files that processes left which were ended meanwhile."""
        for path in self.folder.glob(".seed-*.tmp"):
            name = _BEGUN.fullmatch(path.name)
            if name is not None:
                remove_abandoned(self.folder / name[1])

    def note_time(self, seed: int, jobs: int, evaluations: int, wall: float, cpu: float) -> None:
        """Append what a run took to the timings."""
        path = self.folder / TIMINGS
        header = "" if path.exists() else TIMINGS_HEADER + "\n"
        rate = evaluations / wall if wall > 0 else 0.0
        with path.open("a", encoding="ascii") as file:
            file.write(f"{header}{seed},{jobs},{evaluations},{wall:.6f},{cpu:.6f},{rate:.1f}\n")


def check_label(label: str) -> str:
    """Return a label of runs, which is the name of their folder.

    Raises
    ------
    SearchError
        If it cannot be one everywhere.
    """
    if not _LABEL.fullmatch(label) or label.endswith("."):
        msg = (
            f"--as {show(label)}: a name of runs has letters, digits and . _ + = -, begins with a "
            "letter or digit and has at most 100 characters"
        )
        raise SearchError(msg)
    return label


def cells_of(root: Path) -> Iterator[Cell]:
    """Yield the cells of a folder that `anb-onnx search` wrote, by task and label.

    Raises
    ------
    SearchError
        If there is no such folder, or nothing in it.
    """
    if not root.is_dir():
        msg = f"{root} is no folder of runs; anb-onnx search --out {root} writes one"
        raise SearchError(msg)
    found = sorted(path.parent for path in root.glob(f"*/*/{SETTINGS}"))
    if not found:
        hint = ""
        if list(root.glob(f"*/{SETTINGS}")) or (root / SETTINGS).exists():
            hint = "; give the folder above the tasks, the one that --out named"
        msg = f"{root} has no runs: no TASK/OPTIMIZER/{SETTINGS} in it{hint}"
        raise SearchError(msg)
    for folder in found:
        yield Cell(root, folder.parent.name, folder.name)


def check_settings(document: Any, path: Path) -> None:
    """Refuse what are not the settings of runs.

    Raises
    ------
    SearchError
        Naming the file, and the key that is missing or another.
    """
    expected: dict[str, type | tuple[type, ...]] = {
        "format": str,
        "version": int,
        "task": dict,
        "artifacts": dict,
        "optimizer": dict,
        "budget": dict,
        "run_format": str,
        "versions": dict,
    }
    if not isinstance(document, dict):
        msg = f"{path} holds no settings of runs"
        raise SearchError(msg)
    for key, kind in expected.items():
        if not isinstance(document.get(key), kind):
            msg = f"{path}: key {key!r} is missing or of another type"
            raise SearchError(msg)
    if (document["format"], document["version"]) != (FORMAT, VERSION):
        msg = (
            f"{path}: format {show(document['format'])}, version {document['version']} is not "
            f"{FORMAT!r}, version {VERSION}"
        )
        raise SearchError(msg)


def differences(
    first: Mapping[str, Any], second: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, str, str]]:
    """Yield (key, its value in the first, in the second) where settings differ, keys dotted."""
    for key in sorted({*first, *second}):
        a, b = first.get(key, _MISSING), second.get(key, _MISSING)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            yield from differences(a, b, f"{prefix}{key}.")
        elif type(a) is not type(b) or a != b:
            yield f"{prefix}{key}", _shown(a), _shown(b)


def _shown(value: object) -> str:
    return "nothing" if value is _MISSING else show(value)
