"""Where a command finds the targets that are named: its benchmark, and folders beside it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from anb_onnx._io.show import show
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.catalog.catalog import Catalog
from anb_onnx.errors import TargetError
from anb_onnx.loading import load
from anb_onnx.surrogate import Surrogate


def add_with(parser: argparse.ArgumentParser) -> None:
    """Add ``--with``."""
    parser.add_argument(
        "--with",
        dest="beside",
        action="append",
        default=[],
        metavar="FOLDER",
        help="targets of this folder, too, such as one of your own device; of the same search "
        "space; may be repeated",
    )


class Targets:
    """The targets that a command line may name: those of its benchmark, and of every ``--with``.

    Parameters
    ----------
    args : Namespace
        With ``benchmark``, ``artifacts`` and ``beside``.

    Raises
    ------
    TargetError
        If the folder of a ``--with`` has another search space.
    ArtifactError
        If it is missing or damaged.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._beside: list[Catalog] = []
        for folder in args.beside:
            catalog = find_benchmark(None, folder)
            if catalog.space != self._own.space:
                msg = (
                    f"--with {folder}: its targets are of the search space "
                    f"{catalog.space.name!r}, those of the benchmark {self._own.benchmark!r} of "
                    f"{self._own.space.name!r}"
                )
                raise TargetError(msg)
            self._beside.append(catalog)

    @cached_property
    def _own(self) -> Catalog:
        return find_benchmark(self._args.benchmark, self._args.artifacts)

    def names(self) -> list[str]:
        """Return the names of all targets, those of the benchmark first."""
        catalogs = [self._own, *self._beside]
        return [target.name for catalog in catalogs for target in catalog.targets]

    def load(self, name: str, **options: Any) -> Surrogate:
        """Load a target by its name; a metric, of the benchmark alone.

        Raises
        ------
        TargetError
            If there is none, or several have this name.
        ArtifactError, EngineError
            As from `anb_onnx.load`.
        """
        found = [c for c in self._beside if name in _names(c)]
        if not found:
            return self._load_own(name, options)
        if len(found) > 1 or name in _names(self._own):
            places = [c.folder for c in ([self._own] if name in _names(self._own) else [])]
            places += [c.folder for c in found]
            msg = (
                f"target {show(name)} is in {' and in '.join(map(str, places))}; leave one --with "
                "out, or give its folder as --artifacts"
            )
            raise TargetError(msg)
        (catalog,) = found
        return load(name, benchmark=catalog.benchmark, path=catalog.folder, **options)

    def _load_own(self, name: str, options: dict[str, Any]) -> Surrogate:
        try:
            return load(name, benchmark=self._args.benchmark, path=self._args.artifacts, **options)
        except TargetError as error:
            if not self._beside:
                raise
            more = "; ".join(f"--with {c.folder}: {', '.join(_names(c))}" for c in self._beside)
            msg = f"{error}; {more}"
            raise TargetError(msg) from error


def _names(catalog: Catalog) -> Sequence[str]:
    return [target.name for target in catalog.targets]
