"""Which benchmarks there are: those installed, or those of a folder.

A *benchmark folder* holds one `manifest.json` and the files it lists. A *root* holds one benchmark
folder for each benchmark, called as the benchmark is, so that artifacts of different search spaces
live side by side. Wherever a folder is given, it may be either.

Two roots are installed: that of this package, and that of `anb-onnx-spaces` where somebody has
installed it, too. That distribution holds data only, and is found without being imported.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, NoReturn

from anb_onnx._io.show import show
from anb_onnx.catalog.card import BENCHMARK
from anb_onnx.catalog.catalog import Catalog, Target, suggest
from anb_onnx.catalog.manifest import MANIFEST
from anb_onnx.errors import ArtifactError, TargetError

#: Environment variable that names a root or a benchmark folder to use instead of what is installed.
FOLDER_VARIABLE = "ANB_ONNX_ARTIFACTS"

#: The distribution of further catalogs, its package, and the benchmarks it has.
SPACES = "anb-onnx-spaces"
_SPACES_PACKAGE = "anb_onnx_spaces"
_IN_SPACES = ("digits", "fbnet", "fcnet", "hpobench_mlp", "nasbench201", "ofa", "taskset")

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
    roots = _roots(folder)
    first = roots[0]
    folders = {name: root for root in reversed(roots) for name in _folders(root.place) or ()}
    if _folders(first.place) is None:
        catalog = _read_single(first)
        if benchmark not in (None, catalog.benchmark):
            _refuse(benchmark, [catalog.benchmark])
        return catalog
    if benchmark is None and DEFAULT_BENCHMARK in folders:
        benchmark = DEFAULT_BENCHMARK
    if benchmark is None and len(folders) == 1:
        (benchmark,) = folders
    if benchmark not in folders:
        _refuse(benchmark, sorted(folders), bundled=first.distribution is not None)
    return _read(folders[benchmark], benchmark)


def benchmarks(folder: str | os.PathLike[str] | None = None) -> tuple[Catalog, ...]:
    """List the benchmarks that are installed, or those of a folder.

    Parameters
    ----------
    folder : path, optional
        A root or a benchmark folder, as for `find_benchmark`.

    Returns
    -------
    tuple of Catalog
        Ordered by name; each with its ``benchmark``, ``space`` and ``targets``. Those of the
        distribution `anb-onnx-spaces` are among them where it is installed.

    Raises
    ------
    ArtifactError
        Where the folder or a manifest is missing or damaged.

    Examples
    --------
    >>> import anb_onnx
    >>> "accel-nasbench" in [found.benchmark for found in anb_onnx.benchmarks()]
    True
    """
    roots = _roots(folder)
    if _folders(roots[0].place) is None:
        return (_read_single(roots[0]),)
    folders = {name: root for root in reversed(roots) for name in _folders(root.place) or ()}
    return tuple(_read(folders[name], name) for name in sorted(folders))


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


class _Root(NamedTuple):
    """A folder to look in, and the distribution that installed it, if one did."""

    place: Path
    distribution: str | None


def _roots(folder: str | os.PathLike[str] | None) -> tuple[_Root, ...]:
    """Return where to look; of two benchmarks of one name, the earlier root's counts."""
    found = folder if folder is not None else os.environ.get(FOLDER_VARIABLE) or None
    if found is not None:
        return (_Root(Path(found), None),)
    package = Path(__file__).resolve().parents[1]
    # In a checkout the artifacts lie beside the package, where the exporter builds them.
    places = (package / "artifacts", package.parent / "artifacts")
    place = next((place for place in places if place.is_dir()), places[0])
    further = _further(package.parent)
    return (_Root(place, "anb-onnx"), *((_Root(further, SPACES),) if further else ()))


def _further(checkout: Path) -> Path | None:
    """Return the root of the distribution of further catalogs, if it is here."""
    places = [checkout / "spaces" / _SPACES_PACKAGE]
    try:
        spec = find_spec(_SPACES_PACKAGE)  # looks for it, and imports nothing
    except ValueError:  # somebody put a module without a spec in its place
        spec = None
    if spec is not None:
        places += map(Path, spec.submodule_search_locations or ())
    return next((p / "artifacts" for p in places if (p / "artifacts").is_dir()), None)


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


def _read_single(root: _Root) -> Catalog:
    place = root.place
    bundled = root.distribution is not None
    if place.is_dir() and not os.path.lexists(place / MANIFEST) and not bundled:
        msg = (
            f"{place} is a folder without {MANIFEST}, and so are all folders in it; anb-export "
            "build writes the files and their manifest"
        )
        raise ArtifactError(msg)
    return Catalog.read(place, distribution=root.distribution)


def _read(root: _Root, name: str) -> Catalog:
    folder = root.place / name
    catalog = Catalog.read(folder, distribution=root.distribution)
    if catalog.benchmark != folder.name:
        msg = (
            f"{folder / MANIFEST}: key 'benchmark' is {catalog.benchmark!r}, but the folder is "
            f"called {folder.name!r}; rename it to {catalog.benchmark!r}"
        )
        raise ArtifactError(msg)
    return catalog


def _refuse(benchmark: str | None, known: list[str], *, bundled: bool = False) -> NoReturn:
    valid = f"valid benchmarks: {', '.join(known)}"
    if benchmark is None:
        msg = (
            "several benchmarks are there, and none is named; give benchmark=NAME (in a shell "
            f"--benchmark NAME); {valid}"
        )
    elif bundled and benchmark in _IN_SPACES:
        msg = f"benchmark {benchmark!r} is not installed; install it with: pip install {SPACES}"
    else:
        msg = f"unknown benchmark {show(benchmark)}{suggest(benchmark, known)}; {valid}"
    raise TargetError(msg)
