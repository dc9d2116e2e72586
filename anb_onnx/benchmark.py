"""Several targets of one batch: encoded once, answered by every surrogate."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import Any, SupportsIndex

import numpy as np

from anb_onnx._io.show import show
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.catalog.card import HELD_OUT
from anb_onnx.encoding.encoding import Architectures, encode_and_tell
from anb_onnx.errors import FidelityError, TargetError
from anb_onnx.fidelities import FidelityArgument, check_meaning
from anb_onnx.loading import load
from anb_onnx.prediction import Predictions
from anb_onnx.spaces.arrays import as_ndarray
from anb_onnx.surrogate import Surrogate
from anb_onnx.views import html

#: Names in a line, and rows in a notebook.
_NAMES, _ROWS = 4, 40
_BETTER = {"max": "more", "min": "less"}


class Benchmark(Mapping[str, Surrogate]):
    """The surrogates of several targets of one search space, asked together.

    A mapping from target names to surrogates. Objects (architectures, dicts, tables of them) are
    encoded once, whatever the number of targets; arrays of codes are not copied at all, as every
    engine reads them as they are. Targets are computed one after the other: the tables of one fit
    a processor's second-level cache, those of several do not.

    Parameters
    ----------
    targets : iterable of str or Surrogate, optional
        Names as `load` takes them; all targets of the benchmark if not given. Surrogates, such as
        one of your own device, become part of it: `close` closes them, too.
    benchmark : str, optional
        Its name, as for `load`.
    path : path, optional
        A folder to look in, as for `load`.
    engine : str
        As for `load`.
    threads : int, optional
        As for `load`.

    Raises
    ------
    TargetError
        If a target is unknown, given twice or of another search space, or there is none.
    ArtifactError, EngineError
        As from `load`.

    Examples
    --------
    >>> import anb_onnx
    >>> found = anb_onnx.Benchmark(["accuracy", "params"]).query(anb_onnx.efficientnet_b0())
    >>> f"{found['params'].mean:.3f} {found['params'].unit}"
    '5.289 M'
    """

    def __init__(
        self,
        targets: Iterable[str | Surrogate] | None = None,
        *,
        benchmark: str | None = None,
        path: str | os.PathLike[str] | None = None,
        engine: str = "auto",
        threads: SupportsIndex | None = None,
    ) -> None:
        if isinstance(targets, str) or not (targets is None or isinstance(targets, Iterable)):
            msg = (
                f"targets must be a list of names, as in ['accuracy'], not {show(targets)}; all "
                "targets of a benchmark are Benchmark(benchmark=NAME)"
            )
            raise TargetError(msg)
        if targets is None:
            targets = [t.name for t in find_benchmark(benchmark, path).targets]
        self._set(
            target
            if isinstance(target, Surrogate)
            else load(target, benchmark=benchmark, path=path, engine=engine, threads=threads)
            for target in targets
        )

    def _set(self, loaded: Iterable[Surrogate]) -> None:
        surrogates: dict[str, Surrogate] = {}
        for surrogate in loaded:
            if surrogate.target.name in surrogates:
                msg = f"target {surrogate.target.name!r} is given twice"
                raise TargetError(msg)
            surrogates[surrogate.target.name] = surrogate
        if not surrogates:
            msg = "a benchmark needs at least one target; anb_onnx.targets() lists them"
            raise TargetError(msg)
        first = next(iter(surrogates.values()))
        # One catalog lists surrogates of one search space only; those that are given may differ.
        for name, surrogate in surrogates.items():
            if surrogate.space != first.space:
                msg = (
                    f"targets {first.target.name!r} ({first.space.name}) and {name!r} "
                    f"({surrogate.space.name}) have different search spaces"
                )
                raise TargetError(msg)
        self.space = first.space
        self._surrogates = MappingProxyType(surrogates)

    def query(
        self,
        architectures: Architectures,
        *,
        members: bool = False,
        fidelity: FidelityArgument = None,
    ) -> Predictions:
        """Predict every target.

        Parameters
        ----------
        architectures
            As for `Surrogate.query`.
        members : bool
            Whether to return each member's prediction too.
        fidelity : number, array [N] or mapping, optional
            As for `VectorSurrogate.query`; every target has to take it.

        Returns
        -------
        Predictions
            A dict by target name, in the order of the benchmark, which makes one table of all
            (`to_pandas` and so on). Arrays, or scalars where one architecture came in.

        Raises
        ------
        ArchitectureError
            Where an architecture is no member of the search space; names row, gene and value.
        FidelityError
            If a target has no such fidelity, or a value is not allowed; names those that take one.
        """
        items = self._surrogates.items()
        if fidelity is not None:
            self._check_fidelity(fidelity)
        given = as_ndarray(architectures)
        if isinstance(given, np.ndarray) and given.dtype.kind in "iuf":
            return Predictions(
                {n: s.query(given, members=members, fidelity=fidelity) for n, s in items}
            )
        codes, single = encode_and_tell(given, self.space)
        return Predictions(
            {
                n: s._query_encoded(codes, members=members, single=single, fidelity=fidelity)
                for n, s in items
            }
        )

    def _check_fidelity(self, fidelity: FidelityArgument) -> None:
        """Refuse a fidelity that a target does not take, before anything is computed."""
        takes = [name for name, surrogate in self._surrogates.items() if surrogate.fidelities]
        for surrogate in self._surrogates.values():
            try:
                if not surrogate.fidelities:
                    surrogate._refuse_fidelity(fidelity)
            except FidelityError as error:
                if not takes:
                    raise
                msg = f"{error}; a benchmark of those that have one: Benchmark({takes!r}, ...)"
                raise FidelityError(msg) from error
        check_meaning(fidelity, [s.fidelities for s in self._surrogates.values()])

    def close(self) -> None:
        """Release all surrogates."""
        for surrogate in self._surrogates.values():
            surrogate.close()

    def __getitem__(self, name: str) -> Surrogate:
        try:
            return self._surrogates[name]
        except (KeyError, TypeError):  # unknown, or nothing that could be a name
            known = ", ".join(self._surrogates)
            msg = f"no target {show(name)} in this benchmark; it has {known}"
            raise BenchmarkKeyError(msg) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._surrogates)

    def __len__(self) -> int:
        return len(self._surrogates)

    def __enter__(self) -> Benchmark:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        # Its surrogates re-open their files, and refuse other ones.
        return _reopen, (list(self._surrogates.values()),)

    def __repr__(self) -> str:
        names = list(self._surrogates)
        more = ", ..." if len(names) > _NAMES else ""
        return f"Benchmark({', '.join(names[:_NAMES])}{more}: {len(names)} of {self.space.name})"

    def _repr_html_(self) -> str:
        """Return its targets for notebooks: units, directions, and how good they are."""
        shown = list(self._surrogates.values())[:_ROWS]
        rows = [
            (s.target.name, s.target.unit, _BETTER[s.target.direction], _quality(s.metadata))
            for s in shown
        ]
        n = len(self)
        more = f"the first {len(shown)} of {n} targets" if n > len(shown) else ""
        title = f"{n} target{'' if n == 1 else 's'} of {self.space.name}"
        header = ["target", "unit", "better", "Kendall tau"]
        return html.table(header, rows, numbers=header[3:], title=title, note=more)


def _quality(card: Mapping[str, Any]) -> str:
    """Return the rank correlation on rows that were not learnt from, where a card has it."""
    if card.get("exact"):
        return "exact"
    parts = (card.get("quality", {}).get(part, {}) for part in HELD_OUT)
    found = next((part["kendall_tau"] for part in parts if "kendall_tau" in part), None)
    return "-" if found is None else f"{found:.4f}"


def _reopen(surrogates: list[Surrogate]) -> Benchmark:
    """Return the benchmark of surrogates that were pickled with it."""
    benchmark = Benchmark.__new__(Benchmark)
    benchmark._set(surrogates)
    return benchmark


class BenchmarkKeyError(TargetError, KeyError):
    """A target that a benchmark does not have: also a KeyError, as of any mapping."""

    __str__ = ValueError.__str__
