"""Loading a surrogate and asking it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, SupportsIndex, overload

import numpy as np
import numpy.typing as npt

from anb_onnx._manifest import card_from_metadata, read_bytes, read_space
from anb_onnx.catalog import Catalog, Target, listed_beside, target_of_card
from anb_onnx.encoding import Architectures, encode, indices_to_codes, is_single
from anb_onnx.engines.base import Engine, FloatArray, Outputs
from anb_onnx.errors import ArchitectureError, ArtifactError, EngineError, TargetError
from anb_onnx.prediction import Prediction
from anb_onnx.space import SearchSpace

#: What `load(engine=...)` accepts; "auto" leaves the choice to this release.
ENGINES = ("auto", "onnxruntime")

# Arrays are encoded in blocks of this many rows, so that neither validation nor a conversion
# from indices or wide integers needs memory that grows with the batch.
_BLOCK_ROWS = 2**16


class Surrogate:
    """Predicts one target for architectures; made by `load`.

    A surrogate may be shared between threads, used after a fork, pickled (it re-opens its file
    where it is unpickled) and used as a context manager.

    Attributes
    ----------
    target : Target
        What it predicts: name, metric, device, unit and direction.
    space : SearchSpace
        Search space of its architectures.
    metadata : mapping
        The model card: quality, data, recipe, link, versions, licence. Read-only.
    """

    def __init__(
        self,
        target: Target,
        card: Mapping[str, Any],
        space: SearchSpace,
        engine: Engine,
        origin: _Origin,
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
        self._engine = engine
        self._origin = origin

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

    @overload
    def query(
        self, architectures: Mapping[str, Any], *, members: bool = ...
    ) -> Prediction[np.float32]: ...
    @overload
    def query(
        self,
        architectures: npt.NDArray[Any] | Sequence[Mapping[str, Any]],
        *,
        members: bool = ...,
    ) -> Prediction[FloatArray]: ...
    def query(self, architectures: Architectures, *, members: bool = False) -> Prediction[Any]:
        """Predict the target for one architecture or a batch.

        Parameters
        ----------
        architectures
            One `Architecture` or mapping from gene names to values; or a batch: an integer array
            [N, genes] of codes, an integer array [N] of indices, or a sequence of architectures
            or mappings (see `anb_onnx.encode`). N may be 0. Memory beyond the given batch and
            the result does not grow with the N of an array.
        members : bool
            Whether to return each member's prediction too.

        Returns
        -------
        Prediction
            Arrays, or scalars where one architecture came in. The bits do not depend on the
            number of threads nor on how architectures are grouped into batches.

        Raises
        ------
        ArchitectureError
            Where an architecture is no member of the search space; names row, gene and value.
        """
        if isinstance(architectures, np.ndarray) and architectures.ndim > 0:
            out = self._query_array(architectures, members)
        else:
            codes = encode(architectures, self.space)
            out = self._engine.predict(codes, members=members)
        if is_single(architectures):
            row = None if out.members is None else out.members[0]
            return Prediction(out.mean[0], out.std[0], row, self.target.unit, self.target.name)
        return Prediction(out.mean, out.std, out.members, self.target.unit, self.target.name)

    def _query_array(self, batch: npt.NDArray[Any], members: bool) -> Outputs:
        n = len(batch)
        out = Outputs.empty(n, self.n_members, members=members)
        # A long array [N] holds indices; `encode` might take its last, short block for one row of
        # codes and ask back.
        convert = indices_to_codes if batch.ndim == 1 and n > _BLOCK_ROWS else encode
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

    def close(self) -> None:
        """Release the engine's memory and threads; a later query is an `EngineError`."""
        self._engine.close()

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
        return _reopen, (self._origin,)

    def __repr__(self) -> str:
        return (
            f"Surrogate({self.target.name} [{self.target.unit}], {self.n_members} members, "
            f"engine={self.engine!r}, threads={self.threads})"
        )


@dataclass(frozen=True)
class _Origin:
    """What a surrogate was loaded from and with, enough to load it again elsewhere."""

    target: str | None
    path: str | None
    engine: str
    threads: SupportsIndex | None
    sha256: str


def load(
    target: str | None = None,
    *,
    device: str | None = None,
    path: str | os.PathLike[str] | None = None,
    engine: str = "auto",
    threads: SupportsIndex | None = None,
) -> Surrogate:
    """Load the surrogate of a bundled target, or of an ONNX file.

    Parameters
    ----------
    target : str, optional
        Name of a target (``"accuracy"``, ``"throughput_tpuv2"``) or a metric
        (``"throughput"``); `anb_onnx.targets` lists them.
    device : str, optional
        Device of the metric, for example ``"tpuv2"``.
    path : path, optional
        An ONNX file written by anb-export, instead of a target. Where a `manifest.json` beside
        it lists the file its SHA-256 is checked, else the file's own metadata is used.
    engine : {"auto", "onnxruntime"}
        What computes. All engines give the same bits.
    threads : int, optional
        Most threads per query; all CPUs this process may use if not given.

    Returns
    -------
    Surrogate

    Raises
    ------
    TargetError
        Where there is no such target, metric or device; lists the valid ones.
    ArtifactError
        Where the file is missing, damaged (its SHA-256 is checked) or no anb_onnx artifact.
    EngineError
        Where engine or threads are not valid.

    Examples
    --------
    >>> import anb_onnx
    >>> with anb_onnx.load("throughput", device="tpuv2") as surrogate:
    ...     surrogate.target.unit
    'images/s'
    """
    if engine not in ENGINES:
        msg = f"unknown engine {engine!r}; valid engines: {', '.join(ENGINES)}"
        raise EngineError(msg)
    if path is not None:
        if target is not None or device is not None:
            msg = f"give either a target or path, not both (target={target!r}, path={path!r})"
            raise TargetError(msg)
        return _load_path(Path(path), engine, threads)
    catalog = Catalog.bundled()
    if target is None:
        msg = f"no target given; valid targets: {', '.join(t.name for t in catalog.targets)}"
        raise TargetError(msg)
    artifact = catalog.find(target, device)
    model = artifact.read()
    origin = _Origin(artifact.target.name, None, engine, threads, artifact.sha256)
    opened = _open_onnxruntime(model, artifact.path, threads)
    return Surrogate(artifact.target, artifact.card, artifact.space, opened, origin)


def _load_path(path: Path, engine: str, threads: SupportsIndex | None) -> Surrogate:
    artifact = listed_beside(path)
    model = artifact.read() if artifact else read_bytes(path, mend="anb-export writes such files")
    # Absolute, because a pickle may be opened in another working directory.
    sha256 = hashlib.sha256(model).hexdigest()
    origin = _Origin(None, str(path.absolute()), engine, threads, sha256)
    opened = _open_onnxruntime(model, path, threads)
    if artifact:
        return Surrogate(artifact.target, artifact.card, artifact.space, opened, origin)
    card = card_from_metadata(opened.metadata, str(path))
    space = read_space(card.get("search_space"), str(path))
    return Surrogate(target_of_card(card, str(path)), card, space, opened, origin)


def _open_onnxruntime(model: bytes, path: Path, threads: SupportsIndex | None) -> Any:
    # Imported here: `import anb_onnx` and listing targets must not wait for it.
    from anb_onnx.engines.onnxruntime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(model, source=str(path), threads=threads)


def _reopen(origin: _Origin) -> Surrogate:
    surrogate = load(origin.target, path=origin.path, engine=origin.engine, threads=origin.threads)
    if surrogate._origin.sha256 != origin.sha256:
        msg = (
            f"{origin.path or origin.target} here (sha256 {surrogate._origin.sha256}) is not the "
            f"one that was pickled (sha256 {origin.sha256}); install the same version of "
            "anb-onnx on both sides"
        )
        raise ArtifactError(msg)
    return surrogate
