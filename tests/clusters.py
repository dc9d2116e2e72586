"""Clusters of real processes, and workers that die at a certain piece of work."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from anb_onnx.scale_out.backend import Backend


def die_once(function: Callable[[Any], Any], mark: str, when: str, chosen: str, item: Any) -> Any:
    """Kill the process that runs this, once, before or after the chosen item's work."""
    if str(item) == chosen:
        try:
            Path(mark).touch(exist_ok=False)
        except FileExistsError:
            return function(item)
        if when == "after":
            function(item)
        os.kill(os.getpid(), signal.SIGKILL)
    return function(item)


class Deadly:
    """A backend in which a worker dies at a certain item."""

    remote = True

    def __init__(self, backend: Backend, mark: Path, when: str, chosen: str) -> None:
        self.slots = backend.slots
        self._backend = backend
        self._how = str(mark), when, chosen

    def map_unordered(self, function: Any, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        mark, when, chosen = self._how
        call = partial(die_once, function, mark, when, chosen)
        return self._backend.map_unordered(call, items)


@contextmanager
def dask(workers: int = 3, allowed_failures: int = 3) -> Iterator[Any]:
    """A client of a cluster of processes; when a worker dies, another takes its place."""
    distributed = pytest.importorskip("distributed", reason="the dask extra is not installed")
    config = pytest.importorskip("dask").config
    with (
        config.set({"distributed.scheduler.allowed-failures": allowed_failures}),
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            host="127.0.0.1",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def kill_self(item: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
