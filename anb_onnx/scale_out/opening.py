"""Which backend does the work, and what has to be started for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from anb_onnx._io.show import show
from anb_onnx.scale_out.backend import Backend, Local, ScaleError

#: Names of the backends that `open_backend` opens.
BACKENDS = ("local", "dask", "ray")


def as_backend(backend: Backend | Any | None) -> Backend:
    """Return a backend: one as it is, this process for None, that of a `distributed.Client`.

    Raises
    ------
    ScaleError
        If it is something else.
    """
    if backend is None:
        return Local()
    if isinstance(backend, Backend):
        return backend
    if any(kind.__module__.startswith("distributed.") for kind in type(backend).__mro__):
        from anb_onnx.scale_out.dask_backend import Dask

        return Dask(backend)
    msg = f"backend is a Backend, a distributed.Client or None, not {show(backend)}"
    raise ScaleError(msg)


@contextmanager
def open_backend(
    name: str = "local", *, workers: int | None = None, address: str | None = None
) -> Iterator[Backend]:
    """Open a backend by name, and what it needs; what was started here ends with the block.

    Parameters
    ----------
    name : {"local", "dask", "ray"}
    workers : int, optional
        Processes to start on this machine; as many as CPUs if not given.
    address : str, optional
        Of a cluster that runs already, instead: ``"tcp://host:8786"`` of a Dask scheduler,
        ``"auto"`` or ``"host:6379"`` of Ray.

    Raises
    ------
    ScaleError
        If the name is none, its package is not installed, or the cluster cannot be reached.

    Examples
    --------
    >>> with open_backend("local") as backend:
    ...     backend.slots
    1
    """
    if name not in BACKENDS:
        msg = f"unknown backend {show(name)}; valid backends: {', '.join(BACKENDS)}"
        raise ScaleError(msg)
    if workers is not None and (type(workers) is not int or workers < 1):
        msg = f"workers is an integer >= 1, not {show(workers)}"
        raise ScaleError(msg)
    if workers is not None and address is not None:
        msg = "give either workers to start here, or the address of a cluster that has its own"
        raise ScaleError(msg)
    if name == "local":
        if workers is not None or address is not None:
            msg = "the local backend is this process alone; --backend dask starts workers"
            raise ScaleError(msg)
        yield Local()
    elif name == "dask":
        from anb_onnx.scale_out.dask_backend import open_dask

        with open_dask(workers, address) as dask:
            yield dask
    else:
        from anb_onnx.scale_out.ray_backend import open_ray

        with open_ray(workers, address) as ray:
            yield ray
