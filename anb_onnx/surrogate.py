"""A surrogate: what `load` returns and queries go to."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

import numpy as np
import numpy.typing as npt

from anb_onnx.calibration import EXACT, Calibration
from anb_onnx.catalog.card import VECTOR
from anb_onnx.catalog.catalog import Target
from anb_onnx.catalog.facts import facts
from anb_onnx.encoding.encoding import (
    Architectures,
    Batch,
    Single,
    check_codes,
    encode,
    encode_and_tell,
    indices_to_codes,
)
from anb_onnx.encoding.mixed import are_texts
from anb_onnx.engines.base import Engine, FloatArray, Outputs
from anb_onnx.errors import (
    ArchitectureError,
    ArtifactError,
    EngineError,
    FidelityError,
    TruthError,
)
from anb_onnx.fidelities import Fidelity, FidelityArgument, read_fidelities
from anb_onnx.parallel.shelter import import_sheltered
from anb_onnx.prediction import Prediction
from anb_onnx.spaces.arrays import as_ndarray
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.views import html

if TYPE_CHECKING:
    from anb_onnx.catalog.truth import Number, Truth
    from anb_onnx.engines.native.engine import NativeEngine

# Arrays are encoded in blocks of this many rows, so that neither validation nor a conversion
# from indices or wide integers needs memory that grows with the batch.
_BLOCK_ROWS = 2**16


@dataclass(frozen=True)
class Content:
    """An artifact that lies in no file: what the file would hold, and where in it tables lie.

    There is no such place in one of a form without tables.
    """

    model: bytes
    tables: Mapping[str, Any] | None


@dataclass(frozen=True)
class Origin:
    """What a surrogate was loaded from and with, enough to load it again elsewhere.

    One that was made in memory takes its content along.
    """

    target: str | None
    benchmark: str | None
    path: str | None
    engine: str
    threads: SupportsIndex | None
    sha256: str
    content: Content | None = None


class Surrogate:
    """Predicts one target for architectures; made by `load`.

    A surrogate may be shared between threads, used after a fork, pickled (it re-opens its file
    where it is unpickled, or takes along what is in no file) and used as a context manager.

    Attributes
    ----------
    target : Target
        What it predicts: name, metric, device, unit and direction.
    space : SearchSpace
        Search space of its architectures.
    metadata : mapping
        The model card: quality, data, recipe, link, versions, licence. Read-only.
    calibration : Calibration or None
        What predictive intervals are made from, if the artifact carries it; of one that says it is
        exact, that every interval is the value itself.

    Examples
    --------
    >>> import anb_onnx
    >>> surrogate = anb_onnx.load("accuracy")
    >>> codes = anb_onnx.sample(1_000, seed=0, space=surrogate.space)
    >>> found = surrogate.query(codes, members=True)
    >>> found.mean.shape, found.members.shape
    ((1000,), (1000, 8))
    """

    def __init__(
        self,
        target: Target,
        card: Mapping[str, Any],
        space: SearchSpace,
        engine: Engine,
        origin: Origin,
        ensemble: TableEnsemble | None = None,
        *,
        reopen: Callable[[Origin], Surrogate],
        read_model: Callable[[], bytes],
        read_truth: Callable[[], Truth] | None = None,
    ) -> None:
        members = card.get("members")
        source = origin.path or target.name
        for key, stated, found in (
            ("search_space", space.n_genes, engine.n_genes),
            ("members", members, engine.n_members),
        ):
            if stated != found:
                msg = f"{source}: the card's {key!r} states {stated!r}, the ONNX graph has {found}"
                raise ArtifactError(msg)
        self.target = target
        self.space = space
        self.metadata: Mapping[str, Any] = MappingProxyType(dict(card))
        document = card.get("calibration")
        self.calibration = (
            Calibration.from_dict(document)
            if document is not None
            else EXACT
            if card.get("exact")
            else None
        )
        self._engine = engine
        self._checks_bounds = engine.checks_bounds
        self._origin = origin
        self._reopen = reopen
        self._read_model = read_model
        self._read_truth = read_truth
        self._truth: Truth | None = None
        self._ensemble = ensemble
        self._bound: NativeEngine | None = None
        self._closed = False

    @property
    def n_members(self) -> int:
        """Number of ensemble members M."""
        return self._engine.n_members

    @property
    def engine(self) -> str:
        """Name of the engine that computes."""
        return self._engine.name

    @property
    def threads(self) -> int:
        """Most threads that one query uses."""
        return self._engine.threads

    @property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of its ONNX file."""
        return self._origin.sha256

    @property
    def ensemble(self) -> TableEnsemble | None:
        """The integer tables it is made of; None where it is in another form."""
        return self._ensemble

    @property
    def truth(self) -> Truth:
        """What is proven of the target over the whole search space; read when first asked for.

        Raises
        ------
        TruthError
            If nothing is proven of this artifact; names the command that does it.
        ArtifactError
            If the file is missing, damaged or contradicts itself.
        """
        if self._truth is None:
            if self._read_truth is None:
                msg = (
                    f"nothing is proven of {self._origin.path or self.target.name}, which no "
                    "manifest.json lists; load its folder, once anb-export truth has written there"
                )
                raise TruthError(msg)
            truth = self._read_truth()
            if truth.sha256 != self._origin.sha256:
                msg = (
                    f"the artifact of {self.target.name!r} was replaced since it was loaded; load "
                    "it again"
                )
                raise TruthError(msg)
            self._truth = truth
        return self._truth

    @overload
    def quantile(self, value: Number) -> float: ...
    @overload
    def quantile(self, value: npt.NDArray[Any]) -> npt.NDArray[np.float64]: ...
    def quantile(self, value: Number | npt.NDArray[Any]) -> Any:
        """Return the share of all architectures of the space whose mean is at most a value.

        Parameters
        ----------
        value : float or array of numbers
            In the target's unit; any finite number.

        Returns
        -------
        float or ndarray of float64 of the shape of `value`
            From 0 to 1; wrong by at most `truth.resolution`, see `Truth.quantile`.

        Raises
        ------
        TruthError
            If a value is no finite number, or nothing is proven of the artifact.

        Examples
        --------
        >>> import anb_onnx
        >>> surrogate = anb_onnx.load("accuracy")
        >>> b0 = surrogate.query(anb_onnx.efficientnet_b0()).mean
        >>> f"{surrogate.quantile(b0):.1%}"
        '99.4%'
        """
        return self.truth.quantile(value)

    @overload
    def rank(self, value: Number) -> int: ...
    @overload
    def rank(self, value: npt.NDArray[Any]) -> npt.NDArray[np.int64]: ...
    def rank(self, value: Number | npt.NDArray[Any]) -> Any:
        """Return 1 + the number of architectures of the space that are strictly better.

        Parameters
        ----------
        value : float or array of numbers
            A mean, in the target's unit; any finite number.

        Returns
        -------
        int or ndarray of int64 of the shape of `value`
            Exact among the best, and between `rank_bounds` elsewhere; see `Truth.rank`.

        Raises
        ------
        TruthError
            As from `quantile`.

        Examples
        --------
        >>> import anb_onnx
        >>> surrogate = anb_onnx.load("accuracy")
        >>> surrogate.rank(surrogate.truth.optimum.value), surrogate.rank_bounds(68.2)
        (1, (563, 563))
        """
        return self.truth.rank(value)

    @overload
    def rank_bounds(self, value: Number) -> tuple[int, int]: ...
    @overload
    def rank_bounds(
        self, value: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]: ...
    def rank_bounds(self, value: Number | npt.NDArray[Any]) -> Any:
        """Return proven bounds (least, most) of the rank of a value: see `Truth.rank_bounds`."""
        return self.truth.rank_bounds(value)

    @overload
    def regret(self, value: Number) -> float: ...
    @overload
    def regret(self, value: npt.NDArray[Any]) -> npt.NDArray[np.float64]: ...
    def regret(self, value: Number | npt.NDArray[Any]) -> Any:
        """Return how much worse a mean is than the proven optimum, in the target's unit.

        Parameters
        ----------
        value : float or array of numbers
            Means that `query` returned.

        Returns
        -------
        float or ndarray of float64 of the shape of `value`
            Not negative.

        Raises
        ------
        TruthError
            If a value is no finite number or better than the optimum, or nothing is proven of the
            artifact.

        Examples
        --------
        >>> import anb_onnx
        >>> surrogate = anb_onnx.load("accuracy")
        >>> b0 = surrogate.query(anb_onnx.efficientnet_b0()).mean
        >>> f"{surrogate.regret(b0):.3f} {surrogate.target.unit}"
        '2.446 %'
        """
        return self.truth.regret(value)

    @property
    def fidelities(self) -> Mapping[str, Fidelity]:
        """What `query` takes as ``fidelity``, by name; empty of most artifacts."""
        return MappingProxyType({})

    @property
    def outputs(self) -> Mapping[str, Surrogate]:
        """Surrogates of all outputs by name, of artifacts that have several; else empty."""
        return MappingProxyType({})

    @overload
    def query(
        self,
        architectures: Single,
        *,
        members: bool = ...,
        fidelity: FidelityArgument = ...,
    ) -> Prediction[np.float32]: ...
    @overload
    def query(
        self,
        architectures: Batch,
        *,
        members: bool = ...,
        fidelity: FidelityArgument = ...,
    ) -> Prediction[FloatArray]: ...
    def query(
        self,
        architectures: Architectures,
        *,
        members: bool = False,
        fidelity: FidelityArgument = None,
    ) -> Prediction[Any]:
        """Predict the target for one architecture or a batch.

        Parameters
        ----------
        architectures
            One `Architecture`, mapping from gene names to values, text (``"efficientnet-b0"``, see
            `Architecture.parse`) or index; or a batch: an integer array [N, genes] of codes, an
            integer array [N] of indices (of Python's integers where 64 bits do not hold them), a
            list of architectures, mappings, texts, indices or rows, or a table of pandas, polars
            or pyarrow (see `anb_onnx.encode`). N may be 0. Memory beyond the given batch and
            the result does not grow with the N of an array.
        members : bool
            Whether to return each member's prediction too.
        fidelity : number, array [N] or mapping, optional
            Of artifacts that have `fidelities`, see `VectorSurrogate.query`; refused by others.

        Returns
        -------
        Prediction
            Arrays, or scalars where one architecture came in. The bits do not depend on the
            number of threads nor on how architectures are grouped into batches.

        Raises
        ------
        ArchitectureError
            Where an architecture is no member of the search space; names row, gene and value.
        FidelityError
            If a fidelity was given.
        """
        if fidelity is not None:
            self._refuse_fidelity(fidelity)
        given = as_ndarray(architectures)
        if isinstance(given, np.ndarray) and given.ndim > 0:
            return self._prediction(self._query_array(given, members), single=False)
        codes, single = encode_and_tell(given, self.space)
        return self._prediction(self._engine.predict(codes, members=members), single=single)

    def _refuse_fidelity(self, fidelity: FidelityArgument) -> None:
        """Refuse a fidelity, of which artifacts of one output have none."""
        if self.metadata.get("form") == VECTOR:
            msg = (
                f"the file of {self.target.name!r} was loaded without a manifest.json beside it: "
                "curves and further outputs are told by that; copy it, too, and load it again"
            )
            raise FidelityError(msg)
        read_fidelities(fidelity, self.fidelities, None, self.target.name)

    def _query_encoded(
        self,
        codes: npt.NDArray[np.uint8],
        *,
        members: bool,
        single: bool,
        fidelity: FidelityArgument = None,
    ) -> Prediction[Any]:
        """Predict for codes that `encode` returned."""
        if fidelity is not None:
            self._refuse_fidelity(fidelity)
        return self._prediction(self._engine.predict(codes, members=members), single=single)

    def _prediction(self, out: Outputs, *, single: bool) -> Prediction[Any]:
        mean, std, members = out
        target = self.target
        if single:
            return Prediction(
                mean[0],
                std[0],
                None if members is None else members[0],
                target.unit,
                target.name,
                self.calibration,
            )
        return Prediction(mean, std, members, target.unit, target.name, self.calibration)

    def query_codes(
        self,
        codes: npt.NDArray[np.uint8],
        *,
        members: bool = False,
        out: Outputs | None = None,
    ) -> Outputs:
        """Predict for codes, with as little in the way as possible: for inner loops.

        Parameters
        ----------
        codes : uint8 array [N, n_genes]
            Bounds are checked, always; nothing else is converted or looked at. Fastest where
            C-contiguous.
        members : bool
            Whether to return each member's prediction too.
        out : Outputs, optional
            Arrays to write into, ``Outputs(mean, std, members)``: float32 [N], [N] and [N, M] or
            None, C-contiguous and writeable, no two sharing memory. With them a call allocates
            nothing that grows with N. Where it raises, also after Ctrl-C, some rows may have been
            written; nothing is written any more once it has raised.

        Returns
        -------
        Outputs
            ``mean``, ``std`` and ``members`` (None where not asked for).

        Raises
        ------
        ArchitectureError
            If `codes` is no such array or a code is out of range; names row, gene and value.
        EngineError
            If `out` does not fit, or the surrogate is closed.
        """
        if not self._checks_bounds:
            check_codes(codes, self.space)
        return self._engine.predict(codes, members=members, out=out)

    def bind(self, codes: npt.NDArray[np.uint8], out: Outputs) -> Callable[[], None]:
        """Return a function that predicts whatever stands in `codes`, into `out`.

        The shortest way for loops over small batches: both are checked here, once, and a call
        does nothing but compute on the calling thread, bounds checks included. Uses the native
        engine, whatever the surrogate's own.

        Parameters
        ----------
        codes : uint8 array [N, n_genes]
            C-contiguous. To be overwritten between calls.
        out : Outputs
            As for `query_codes`.

        Raises
        ------
        ArchitectureError
            If `codes` is no such array, or, from the function, out of range.
        EngineError
            If an array does not fit, the native engine cannot be used here, or the surrogate is
            closed; from the function, too.
        """
        bound = self._bound or open_native(self._ensemble, self.target.name, self.threads)
        self._bound = bound
        if self._closed:  # looked at last: `close` finds the engine, or it is found closed here
            bound.close()
        return bound.bind(codes, out)

    def _query_array(self, batch: npt.NDArray[Any], members: bool) -> Outputs:
        n = len(batch)
        if self._checks_bounds and type(batch) is np.ndarray:
            # What the engine can take and check by itself needs no pass before.
            if batch.dtype == np.uint8 and batch.shape[1:] == (self.space.n_genes,):
                return self._engine.predict(batch, members=members)
            by_index = self._engine.predict_indices
            is_indices = batch.dtype == np.int64 and batch.ndim == 1 and n > _BLOCK_ROWS
            if by_index is not None and is_indices:
                return by_index(batch, members=members)
        out = Outputs.empty(n, self.n_members, members=members)
        # A long array [N] holds indices; `encode` might take its last, short block for one row of
        # codes and ask back.
        numbers = not are_texts(batch)
        convert = indices_to_codes if numbers and batch.ndim == 1 and n > _BLOCK_ROWS else encode
        # max(n, 1): an empty array of the wrong shape or dtype is refused, too.
        for start in range(0, max(n, 1), _BLOCK_ROWS):
            stop = min(start + _BLOCK_ROWS, n)
            try:
                codes = convert(batch[start:stop], self.space)
            except ArchitectureError:
                if start:  # the message counts rows from the start of the block: say it anew
                    convert(batch, self.space)
                raise
            self._engine.predict(codes, members=members, out=out.rows(start, stop))
        return out

    def save(self, folder: str | os.PathLike[str], *, benchmark: str | None = None) -> pathlib.Path:
        """Write the surrogate as an artifact: its ONNX file, and its entry in the manifest.

        The file is called as the target. Beside other artifacts of the folder it becomes one more
        target of theirs; one of the same name is replaced. At every moment, a killed process
        included, the folder holds whole files and a manifest of them. The golden vectors of the
        folder, which ``anb-onnx verify`` compares, are written anew.

        Parameters
        ----------
        folder : path
            Made if it is missing. `load` and the command line take it as ``path`` and
            ``--artifacts``.
        benchmark : str, optional
            Name of the benchmark that the folder holds. If not given: that of the manifest there,
            or else the one the surrogate is of, or else the name of the folder.

        Returns
        -------
        Path
            The ONNX file.

        Raises
        ------
        ArtifactError
            If the folder holds surrogates of another search space or benchmark, its manifest is
            malformed, or the target or benchmark has no name that a file or folder can have.
        OutputError
            If a file cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> import anb_onnx
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = anb_onnx.load("params").save(folder)
        ...     path.name, anb_onnx.load("params", path=folder).target.unit
        ('params.onnx', 'M')
        """
        # Imported here: most who load a surrogate do not write it.
        from anb_onnx.writing.saving import save

        content = self._origin.content
        return save(
            self._read_model(),
            None if content is None else content.tables,
            self._ensemble,
            self.metadata,
            self.space,
            self.target.name,
            pathlib.Path(folder),
            benchmark,
        )

    def close(self) -> None:
        """Release the engine's memory and threads; a later query is an `EngineError`.

        So is a call of a function that `bind` returned. Queries that other threads have on their
        way finish, or end with that error; their memory lives until then.
        """
        self._closed = True
        self._engine.close()
        if self._bound is not None:
            self._bound.close()

    def __enter__(self) -> Surrogate:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return self._reopen, (self._origin,)

    def __repr__(self) -> str:
        return (
            f"Surrogate({self.target.name} [{self.target.unit}], {self.n_members} members, "
            f"engine={self.engine!r}, threads={self.threads})"
        )

    def _repr_html_(self) -> str:
        """Return its model card for notebooks."""
        target = self.target
        return html.card(f"{target.name} [{target.unit}]", facts(target, self.metadata))


def open_native(
    ensemble: TableEnsemble | None, name: str, threads: SupportsIndex | None
) -> NativeEngine:
    """Open the native engine of an ensemble.

    Raises
    ------
    EngineError
        If the artifact called `name` has no tables, or the engine cannot run here.
    """
    if ensemble is None:
        msg = f"the native engine runs artifacts in table form; that of {name!r} is not"
        raise EngineError(msg)
    try:
        native = import_sheltered("anb_onnx.engines.native.engine")
    except (ImportError, OSError) as error:  # llvmlite raises either without its library
        msg = f"the native engine needs llvmlite ({error}); mend it with: pip install llvmlite"
        raise EngineError(msg) from error
    engine: NativeEngine = native.NativeEngine(ensemble, threads=threads)
    return engine
