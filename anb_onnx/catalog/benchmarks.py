"""Which benchmarks there are: those installed, or those of a folder.

A *benchmark folder* holds one `manifest.json` and the files it lists. A *root* holds one benchmark
folder for each benchmark, called as the benchmark is, so that artifacts of different search spaces
live side by side. Wherever a folder is given, it may be either.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

from anb_onnx._io.show import show
from anb_onnx.catalog.card import BENCHMARK
from anb_onnx.catalog.catalog import Catalog, Target, suggest
from anb_onnx.catalog.manifest import MANIFEST
from anb_onnx.errors import ArtifactError, TargetError

#: Environment variable that names a root or a benchmark folder to use instead of what is installed.
FOLDER_VARIABLE = "ANB_ONNX_ARTIFACTS"

#: The benchmark that is meant where several are there and none is named.
DEFAULT_BENCHMARK = "accel-nasbench"


def find_benchmark(
    benchmark: str | None = None, folder: str | os.PathLike[str] | None = None
) -> Catalog:
    """Return the catalog of a benchmark.

    Parameters
    ----------
    benchmark : str, optional
        Its name. If not given: ``"accel-nasbench"`` where that is there, or else the only one.
    folder : path, optional
        A root or a benchmark folder; that in `ANB_ONNX_ARTIFACTS`, or else the installed
        artifacts, if not given.

    Raises
    ------
    TargetError
        Where there is no such benchmark, or several and none is named; lists the valid ones.
    ArtifactError
        Where the folder or its manifest is missing or damaged.
    """
    if benchmark is not None and not isinstance(benchmark, str):
        msg = f"benchmark must be a string, not {show(benchmark)}"
        raise TargetError(msg)
    place, bundled = _place(folder)
    folders = _folders(place)
    if folders is None:
        catalog = _read_single(place, bundled=bundled)
        if benchmark not in (None, catalog.benchmark):
            _refuse(benchmark, [catalog.benchmark])
        return catalog
    if benchmark is None and DEFAULT_BENCHMARK in folders:
        benchmark = DEFAULT_BENCHMARK
    if benchmark is None and len(folders) == 1:
        (benchmark,) = folders
    if benchmark not in folders:
        _refuse(benchmark, folders)
    return _read(place / benchmark, bundled=bundled)


def benchmarks(folder: str | os.PathLike[str] | None = None) -> tuple[Catalog, ...]:
    """List the benchmarks that are installed, or those of a folder.

    Parameters
    ----------
    folder : path, optional
        A root or a benchmark folder, as for `find_benchmark`.

    Returns
    -------
    tuple of Catalog
        Ordered by name; each with its ``benchmark``, ``space`` and ``targets``.

    Raises
    ------
    ArtifactError
        Where the folder or a manifest is missing or damaged.

    Examples
    --------
    >>> import anb_onnx
    >>> [found.benchmark for found in anb_onnx.benchmarks()]
    ['accel-nasbench']
    """
    place, bundled = _place(folder)
    folders = _folders(place)
    if folders is None:
        return (_read_single(place, bundled=bundled),)
    return tuple(_read(place / name, bundled=bundled) for name in folders)


def targets(
    benchmark: str | None = None, *, path: str | os.PathLike[str] | None = None
) -> tuple[Target, ...]:
    """List the targets that `load` knows by name.

    Parameters
    ----------
    benchmark : str, optional
        As for `load`.
    path : path, optional
        A folder to look in, as for `load`.

    Returns
    -------
    tuple of Target

    Raises
    ------
    TargetError
        Where there is no such benchmark; lists the valid ones.
    ArtifactError
        Where the installed manifest is missing or damaged.

    Examples
    --------
    >>> from anb_onnx import targets
    >>> [target.name for target in targets("accel-nasbench")][:2]
    ['accuracy', 'latency_vck190']
    """
    return find_benchmark(benchmark, path).targets


def _place(folder: str | os.PathLike[str] | None) -> tuple[Path, bool]:
    """Return the folder to look in, and whether it is the installed one."""
    found = folder if folder is not None else os.environ.get(FOLDER_VARIABLE) or None
    if found is not None:
        return Path(found), False
    package = Path(__file__).resolve().parents[1]
    # In a checkout the artifacts lie beside the package, where the exporter builds them.
    places = (package / "artifacts", package.parent / "artifacts")
    return next((place for place in places if place.is_dir()), places[0]), True


def _folders(place: Path) -> list[str] | None:
    """Return the benchmark folders of a root; None where `place` is no root."""
    if os.path.lexists(place / MANIFEST) or not place.is_dir():
        return None
    try:
        names = sorted(entry.name for entry in place.iterdir())
    except OSError as error:
        msg = f"{place} cannot be listed: {error.strerror}"
        raise ArtifactError(msg) from error
    found = [n for n in names if BENCHMARK.fullmatch(n) and os.path.lexists(place / n / MANIFEST)]
    return found or None


def _read_single(place: Path, *, bundled: bool) -> Catalog:
    if place.is_dir() and not os.path.lexists(place / MANIFEST) and not bundled:
        msg = (
            f"{place} is a folder without {MANIFEST}, and so are all folders in it; anb-export "
            "build writes the files and their manifest"
        )
        raise ArtifactError(msg)
    return Catalog.read(place, bundled=bundled)


def _read(folder: Path, *, bundled: bool) -> Catalog:
    catalog = Catalog.read(folder, bundled=bundled)
    if catalog.benchmark != folder.name:
        msg = (
            f"{folder / MANIFEST}: key 'benchmark' is {catalog.benchmark!r}, but the folder is "
            f"called {folder.name!r}; rename it to {catalog.benchmark!r}"
        )
        raise ArtifactError(msg)
    return catalog


def _refuse(benchmark: str | None, known: list[str]) -> NoReturn:
    valid = f"valid benchmarks: {', '.join(known)}"
    if benchmark is None:
        msg = (
            "several benchmarks are there, and none is named; give benchmark=NAME (in a shell "
            f"--benchmark NAME); {valid}"
        )
    else:
        msg = f"unknown benchmark {show(benchmark)}{suggest(benchmark, known)}; {valid}"
    raise TargetError(msg)
