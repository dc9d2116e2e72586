"""Which fits a study consists of, and in what order they are done."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from anb_export.predictors.contract import Kind
from anb_export.study.protocol import Protocol, StudyError
from anb_onnx._io.show import show

#: From this size on a fit takes seconds: its turn comes some rounds later.
_LARGE = 2000
_LATER = 3

#: One of the items of ``--seeds``: from which size on, and how many seeds or which.
_ITEM = re.compile(r"(?:(?P<size>[0-9]{1,9}):)?(?P<first>[0-9]{1,9})(?:-(?P<last>[0-9]{1,9}))?")

#: Most seeds of a cell.
_MOST_SEEDS = 10_000


@dataclass(frozen=True)
class Seeds:
    """Which seeds each size has.

    Attributes
    ----------
    steps : tuple of (int, range)
        By size, the first from 0: these seeds from this size on.
    """

    steps: tuple[tuple[int, range], ...]

    def of(self, size: int) -> range:
        """Return the seeds of a size."""
        return [seeds for start, seeds in self.steps if start <= size][-1]


def parse_seeds(text: str) -> Seeds:
    """Read ``--seeds``: a number of seeds, or the first and last; others from a size on.

    Raises
    ------
    StudyError
        If it is none of these; shows how they are written.

    Examples
    --------
    >>> rule = parse_seeds("25,3036:5")
    >>> rule.of(124), rule.of(15000)
    (range(0, 25), range(0, 5))
    >>> parse_seeds("5-9").of(124)
    range(5, 10)
    """
    steps = []
    for number, item in enumerate(text.split(",")):
        found = _ITEM.fullmatch(item.strip())
        if found is None or (found["size"] is None) != (number == 0):
            raise _not_seeds(text)
        first, last = int(found["first"]), found["last"]
        seeds = range(first) if last is None else range(first, int(last) + 1)
        if not 1 <= len(seeds) <= _MOST_SEEDS:
            raise _not_seeds(text)
        steps.append((int(found["size"] or 0), seeds))
    sizes = [size for size, _ in steps]
    if sizes != sorted(set(sizes)):
        raise _not_seeds(text)
    return Seeds(tuple(steps))


def _not_seeds(text: str) -> StudyError:
    msg = (
        f"--seeds {show(text)}: expected how many (50), or which (5-9), and for larger sizes "
        f"others (25,3036:5 are 25 seeds, but 5 from size 3036 on), 1 to {_MOST_SEEDS} of each"
    )
    return StudyError(msg)


@dataclass(frozen=True)
class Fit:
    """One fit of a study; `str` of it names it in messages."""

    target: str
    predictor: str
    size: int
    seed: int

    def __str__(self) -> str:
        return f"{self.predictor} of {self.target}, size {self.size}, seed {self.seed}"


def why_not(kind: Kind, protocol: Protocol) -> str | None:
    """Return why a kind takes no part in a study, in words; None if it does."""
    if kind.needs is not None and find_spec(kind.needs) is None:
        return f"it needs {kind.needs}: pip install 'anb-onnx-export[study]'"
    if kind.from_sources and not protocol.devices:
        return f"it learns from other devices, and {protocol.space!r} has none that are bundled"
    return kind.why_not(protocol.dataset.space)


def plan(
    protocol: Protocol,
    targets: Sequence[str],
    kinds: Sequence[Kind],
    sizes: Sequence[int],
    seeds: Seeds,
) -> list[Fit]:
    """Return all fits, in the order in which they are done.

    There are rounds: seed 0 of all cells, then seed 1, 2 and 3, 4 to 7, and so on, and within a
    round small sizes first; what takes seconds comes some rounds later. So an interrupted study has
    a bit of everything. Sizes that a kind does not take are left out.

    Parameters
    ----------
    protocol : Protocol
    targets, kinds, sizes : sequences
    seeds : Seeds

    Raises
    ------
    TargetError
        If a target is unknown.
    StudyError
        If there are not enough rows for a size.
    """
    for target in targets:
        most = protocol.largest(target)
        for size in sizes:
            if not 2 <= size <= most:
                msg = f"--sizes {size}: of {target!r} there are 2 to {most} rows to fit to"
                raise StudyError(msg)
    fits = [
        (place.bit_length() + _LATER * (size >= _LARGE), size, Fit(target, kind.name, size, seed))
        for size in sizes
        for target in targets
        for kind in kinds
        if kind.least <= size <= kind.most
        for place, seed in enumerate(seeds.of(size))
    ]
    return [fit for _, _, fit in sorted(fits, key=lambda item: item[:2])]
