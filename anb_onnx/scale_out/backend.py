"""What does the work: this process, a Dask cluster or a Ray cluster, behind one method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar, runtime_checkable

from anb_onnx.errors import AnbError

T = TypeVar("T")
R = TypeVar("R")


class ScaleError(AnbError):
    """A cluster is not there, or lost what it was given; or its files are not those of here."""


@runtime_checkable
class Backend(Protocol):
    """Calls a function for many items, somewhere."""

    @property
    def slots(self) -> int:
        """How many calls run at once, at this moment; at least 1."""

    @property
    def remote(self) -> bool:
        """Whether other processes do the work, several of which may share a machine."""

    def map_unordered(
        self, function: Callable[[T], R], items: Iterable[T]
    ) -> Iterator[tuple[T, R]]:
        """Yield each item once, with its result, as they come.

        A call that dies with its worker is repeated elsewhere, so that `function` may run twice
        for an item, even at once: it must do no harm then. An exception of `function` ends it all;
        so does closing the iterator. What has not begun then does not begin any more.

        Parameters
        ----------
        function : callable
            Importable where the work is done, or a `functools.partial` of such a function.
        items : iterable
            Read a bounded number ahead.

        Raises
        ------
        ScaleError
            If the cluster is lost, or an item killed several workers in a row.
        """


class Local:
    """The process itself: one call at a time.

    Examples
    --------
    >>> [*Local().map_unordered(abs, [-1, 2])]
    [(-1, 1), (2, 2)]
    """

    slots = 1
    remote = False

    def map_unordered(
        self, function: Callable[[T], R], items: Iterable[T]
    ) -> Iterator[tuple[T, R]]:
        """Yield each item with its result, in their order."""
        for item in items:
            yield item, function(item)
