"""What questions about the whole space are answered with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anb_onnx.spaces.architecture import Architecture

Direction = Literal["max", "min"]


@dataclass(frozen=True)
class Certificate:
    """Why an answer is the answer, and what the proof took.

    Attributes
    ----------
    nodes : int
        Nodes of the branch and bound.
    leaves : int
        Architectures that were evaluated one by one.
    parts : int
        Parts that the space was cut into, one for each side of a regime.
    root_bound : float
        What was proven of the (first) objective's mean before anything was branched on, in its
        unit: no feasible architecture is better. NaN where it was not looked at.
    margin : float
        By how much, at most, the bound of a mean exceeds what the members' sum gives, in the unit
        of the (first) objective.
    margin_source : str
        Where the margin comes from.
    """

    nodes: int
    leaves: int
    parts: int
    root_bound: float
    margin: float
    margin_source: str


@dataclass(frozen=True)
class Solution:
    """An architecture and the objective's value there."""

    architecture: Architecture
    value: float


@dataclass(frozen=True, repr=False)
class Optimum:
    """The best architectures of a search space, proven.

    Attributes
    ----------
    target : str
        Name of the objective.
    unit : str
        Of the values.
    direction : {"max", "min"}
        What was looked for.
    solutions : tuple of Solution
        The k best, best first, those of one value by index; fewer where there are no more.
    bound : float
        No feasible architecture has a better value: the first solution's value, once proven.
    ties : int
        Further architectures whose value is exactly that of the last solution; at least so many,
        where they are not all counted.
    all_ties : bool
        Whether all are counted. Beyond 10,000, or where a limit on the objective itself leaves
        nothing better, they are not, and which of them are among the solutions is not decided by
        the index.
    nodes : int
        As in the certificate.
    certificate : Certificate
    """

    target: str
    unit: str
    direction: Direction
    solutions: tuple[Solution, ...]
    bound: float
    ties: int
    all_ties: bool
    nodes: int
    certificate: Certificate

    def __repr__(self) -> str:
        first, n = self.solutions[0], len(self.solutions)
        more = f", and {n - 1} more" if n > 1 else ""
        return (
            f"Optimum({self.direction} {self.target}: {np.float32(first.value)!s} {self.unit}, "
            f"architecture {first.architecture.index}{more}, {self.ties} "
            f"{'' if self.all_ties else 'or more '}ties)"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Enumeration:
    """All architectures that are at least as good as a value.

    Attributes
    ----------
    target, unit : str
    direction : {"max", "min"}
    codes : uint8 array [n, n_genes]
        Best first, those of one value by index.
    values : float32 array [n]
    nodes : int
    certificate : Certificate
    """

    target: str
    unit: str
    direction: Direction
    codes: NDArray[np.uint8]
    values: NDArray[np.float32]
    nodes: int
    certificate: Certificate

    def __repr__(self) -> str:
        n = len(self.codes)
        where = f", {self.values[0]!s} to {self.values[-1]!s} {self.unit}" if n else ""
        return f"Enumeration({self.target}: {n} architecture{'' if n == 1 else 's'}{where})"


@dataclass(frozen=True, eq=False, repr=False)
class Front:
    """The exact Pareto front of some targets.

    Attributes
    ----------
    targets, units : tuple of str
    directions : tuple of {"max", "min"}
    codes : uint8 array [n, n_genes]
        All architectures that no other dominates, the best in the first target first; several
        with the same values are all there.
    values : float32 array [n, n_targets]
    nodes : int
    certificate : Certificate
    """

    targets: tuple[str, ...]
    units: tuple[str, ...]
    directions: tuple[Direction, ...]
    codes: NDArray[np.uint8]
    values: NDArray[np.float32]
    nodes: int
    certificate: Certificate

    def __repr__(self) -> str:
        pairs = zip(self.directions, self.targets, strict=True)
        of = ", ".join(f"{direction} {target}" for direction, target in pairs)
        n = len(self.codes)
        return f"Front({of}: {n} architecture{'' if n == 1 else 's'})"

    @property
    def ideal(self) -> NDArray[np.float32]:
        """The best value of each target on the front: float32 [n_targets]."""
        return self._extreme(best=True)

    @property
    def nadir(self) -> NDArray[np.float32]:
        """The worst value of each target on the front: float32 [n_targets]."""
        return self._extreme(best=False)

    def _extreme(self, *, best: bool) -> NDArray[np.float32]:
        columns = zip(self.values.T, self.directions, strict=True)
        found = [c.max() if (d == "max") == best else c.min() for c, d in columns]
        return np.array(found, dtype=np.float32)


@dataclass(frozen=True)
class Rank:
    """The place of an architecture among all of its space.

    Attributes
    ----------
    target, unit : str
    value : float
        The architecture's.
    rank : int
        1 for the best; 1 + `better`.
    better : int
        Architectures whose value is strictly better.
    equal : int
        Architectures whose value is the same, this one among them.
    total : int
        Architectures of the space.
    """

    target: str
    unit: str
    value: float
    rank: int
    better: int
    equal: int
    total: int

    @property
    def better_than(self) -> float:
        """Share of all architectures that are strictly worse."""
        return (self.total - self.better - self.equal) / self.total
