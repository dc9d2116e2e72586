"""Dask: a scheduler that runs somewhere, or workers that are started here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from contextlib import contextmanager
from itertools import count, islice
from typing import Any

from anb_onnx.engines.base import resolve_threads
from anb_onnx.scale_out.backend import R, ScaleError, T

# Calls on their way for each thread of a worker: the next one is there when one ends.
_AHEAD = 3
# Results after which to ask for the number of threads again.
_LOOK_EVERY = 64
_WAIT_SECONDS = 60


class Dask:
    """The workers of a `distributed.Client`, which stays its owner's."""

    remote = True

    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def slots(self) -> int:
        """Threads of all workers that are there now; at least 1."""
        threads: dict[str, int] = self._client.nthreads()
        return max(1, sum(threads.values()))

    def map_unordered(
        self, function: Callable[[T], R], items: Iterable[T]
    ) -> Iterator[tuple[T, R]]:
        """Yield each item with its result, as `Backend` says."""
        import distributed

        rest = iter(items)
        # An event loop by name: there may be several clients.
        waiting = distributed.as_completed(loop=self._client.loop)
        pending: dict[Any, T] = {}

        def call(most: int) -> None:
            for item in islice(rest, max(0, most)):
                # Not pure: two items that look alike are two calls, and so is a second run.
                future = self._client.submit(function, item, pure=False)
                pending[future] = item
                waiting.add(future)

        try:
            for number in count():
                with _lost_is_an_error():
                    if number % _LOOK_EVERY == 0:  # workers come and go
                        ahead = _AHEAD * self.slots
                    call(ahead - len(pending))
                if not pending:
                    return
                future = next(waiting)
                # Fetched one by one: where a worker died with a result, it is computed anew.
                result = _result(future, pending[future])
                yield pending.pop(future), result
        finally:
            if pending:
                with contextlib.suppress(ScaleError), _lost_is_an_error():
                    self._client.cancel(list(pending))


def _result(future: Any, item: object) -> Any:
    import distributed

    with _lost_is_an_error(lambda: bool(future.status != "error")):
        try:
            return future.result()
        except distributed.KilledWorker as error:
            msg = f"{item} ended every worker that tried it, as for lack of memory ({error})"
            raise ScaleError(msg) from error
        except ImportError as error:
            msg = (
                f"a Dask worker lacks a package ({error}); install the same anb-onnx[dask] on all "
                "machines"
            )
            raise ScaleError(msg) from error


@contextmanager
def _lost_is_an_error(is_lost: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Make an error of ours of those that a lost scheduler leads to, unless they are another's."""
    try:
        yield
    except Exception as error:
        # The last one by its name: older versions do not have it.
        lost = isinstance(error, (futures.CancelledError, asyncio.CancelledError, OSError))
        if not (lost or type(error).__name__ == "ClosedClientError") or not is_lost():
            raise
        msg = f"the Dask scheduler has gone ({error}); the same command goes on from what is done"
        raise ScaleError(msg) from error


@contextmanager
def open_dask(workers: int | None, address: str | None) -> Iterator[Dask]:
    """Connect to a scheduler, or start one here with workers of one thread each.

    Raises
    ------
    ScaleError
        If distributed is not installed, or no scheduler with a worker answers.
    """
    try:
        import distributed
    except ImportError as error:
        msg = f"the dask backend needs distributed ({error}): pip install 'anb-onnx[dask]'"
        raise ScaleError(msg) from error
    if address is not None:
        try:
            client = distributed.Client(address, timeout=_WAIT_SECONDS)
        except (OSError, ValueError) as error:
            msg = f"no Dask scheduler answers at {address} ({error})"
            raise ScaleError(msg) from error
        with client:
            try:
                client.wait_for_workers(1, timeout=_WAIT_SECONDS)
            except TimeoutError as error:
                msg = f"the Dask scheduler at {address} has no worker; dask worker {address}"
                raise ScaleError(msg) from error
            yield Dask(client)
        return
    with (
        distributed.LocalCluster(
            n_workers=workers or resolve_threads(None),
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.ERROR,  # a worker that dies is no matter of the user's
            preload=["anb_onnx.scale_out.dask_worker"],
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield Dask(client)
