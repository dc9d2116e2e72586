"""Ray: a cluster that runs somewhere, or workers that are started here."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from anb_onnx.engines.base import resolve_threads
from anb_onnx.errors import AnbError
from anb_onnx.scale_out.backend import R, ScaleError, T

# As for Dask: calls on their way for each CPU, and workers that one of them may kill.
_AHEAD, _RETRIES = 3, 3


class Ray:
    """The cluster that this process is connected to by `ray.init`."""

    remote = True

    @property
    def slots(self) -> int:
        """CPUs of the cluster; at least 1."""
        import ray

        return max(1, int(ray.cluster_resources().get("CPU", 1)))

    def map_unordered(
        self, function: Callable[[T], R], items: Iterable[T]
    ) -> Iterator[tuple[T, R]]:
        """Yield each item with its result, as `Backend` says."""
        import ray

        remote = ray.remote(max_retries=_RETRIES, retry_exceptions=False)(_call)
        rest = iter(items)
        pending: dict[Any, T] = {}
        try:
            while True:
                for item in islice(rest, max(0, _AHEAD * self.slots - len(pending))):
                    pending[remote.remote(function, item)] = item
                if not pending:
                    return
                (ready, *_), _ = ray.wait(list(pending), num_returns=1)
                result = _result(ready, pending[ready])
                yield pending.pop(ready), result
        finally:
            for reference in pending:
                ray.cancel(reference, force=False)


def _call(function: Callable[[T], R], item: T) -> R:
    return function(item)


def _result(reference: Any, item: object) -> Any:
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, AnbError) else error) from None
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        msg = f"{item} ended every worker that tried it, as for lack of memory ({error})"
        raise ScaleError(msg) from error
    except ray.exceptions.RayError as error:
        msg = f"the Ray cluster has gone ({error}); the same command goes on from what is done"
        raise ScaleError(msg) from error


@contextmanager
def open_ray(workers: int | None, address: str | None) -> Iterator[Ray]:
    """Connect to a cluster, or start one here. `ScaleError` without ray, or if none answers.

    Where it is given no token, Ray writes one into the home directory, to keep others out: what
    starts here gets one of its own, that nobody else sees. Nor does Ray report its use.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options: dict[str, Any] = {"address": address}
    if address is None:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        options = {"num_cpus": workers or resolve_threads(None), "include_dashboard": False}
    try:
        import ray

        ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except ImportError as error:
        msg = f"the ray backend needs ray ({error}): pip install 'anb-onnx[ray]'"
        raise ScaleError(msg) from error
    except (ConnectionError, RuntimeError, ValueError) as error:
        msg = f"no Ray cluster {'starts here' if address is None else f'at {address}'} ({error})"
        raise ScaleError(msg) from error
    try:
        yield Ray()
    finally:
        ray.shutdown()
