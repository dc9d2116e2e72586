"""What every engine offers: predictions for validated codes, whatever computes them."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable
from typing import NamedTuple, Protocol, SupportsIndex

import numpy as np
import numpy.typing as npt

from anb_onnx.errors import EngineError

Codes = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]


class Outputs(NamedTuple):
    """The arrays an engine fills, one row per architecture.

    Attributes
    ----------
    mean, std : float32 array [N]
        Mean and population standard deviation (ddof=0) over the members.
    members : float32 array [N, M] or None
        Prediction of each member, None where it was not asked for.
    """

    mean: FloatArray
    std: FloatArray
    members: FloatArray | None

    @classmethod
    def empty(cls, n: int, n_members: int, *, members: bool) -> Outputs:
        """Allocate the outputs of `n` architectures, `members` too where asked."""
        return cls(
            mean=np.empty(n, np.float32),
            std=np.empty(n, np.float32),
            members=np.empty((n, n_members), np.float32) if members else None,
        )

    def rows(self, start: int, stop: int) -> Outputs:
        """Return views of rows `start` to `stop` of each array."""
        return Outputs(
            self.mean[start:stop],
            self.std[start:stop],
            None if self.members is None else self.members[start:stop],
        )


class Engine(Protocol):
    """Predicts one target for batches of codes.

    An engine may be called by several threads at once and after a fork, and gives the same bits
    whatever its thread count and however a batch is cut.
    """

    @property
    def checks_bounds(self) -> bool:
        """Whether `predict` itself refuses codes that are out of range."""

    @property
    def predict_indices(self) -> Callable[..., Outputs] | None:
        """Predicts for indices, int64 [N], as `predict` for codes; None where it cannot."""

    @property
    def name(self) -> str:
        """Name by which `load(engine=...)` knows this engine."""

    @property
    def n_genes(self) -> int:
        """Number of codes per architecture."""

    @property
    def n_members(self) -> int:
        """Number of ensemble members M."""

    @property
    def threads(self) -> int:
        """Most threads that one call uses."""

    def predict(
        self, codes: Codes, *, members: bool = False, out: Outputs | None = None
    ) -> Outputs:
        """Predict for a batch.

        Parameters
        ----------
        codes : uint8 array [N, n_genes]
            N may be 0. Validated against the search space, unless the engine checks bounds.
        members : bool
            Whether to return the prediction of each member too.
        out : Outputs, optional
            Arrays to write into (`out.members` decides about members then).
        """

    def close(self) -> None:
        """Release threads and memory; another `predict` is an `EngineError`."""


def resolve_threads(threads: SupportsIndex | None) -> int:
    """Thread count for `threads`: itself, or for None the number of CPUs this process may use.

    Raises
    ------
    EngineError
        Where `threads` is no positive integer.
    """
    if threads is None:
        # A container or taskset often grants fewer CPUs than the machine has.
        if hasattr(os, "sched_getaffinity"):
            return max(1, len(os.sched_getaffinity(0)))
        return os.cpu_count() or 1
    try:
        count = 0 if isinstance(threads, bool) else operator.index(threads)
    except TypeError:
        count = 0
    if count < 1:
        msg = f"threads must be a positive integer, or None for all CPUs, not {threads!r}"
        raise EngineError(msg)
    return count
