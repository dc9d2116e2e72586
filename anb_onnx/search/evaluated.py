"""What a search evaluated: the arrays, and whose they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.search.describing import Source, find
from anb_onnx.search.objective import Direction, Floats
from anb_onnx.search.settings import Codes
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.views import html
from anb_onnx.views.figures import short


@dataclass(frozen=True, eq=False, repr=False)
class Evaluated:
    """What a search evaluated, in its order: the arrays of a `History`."""

    space: SearchSpace
    codes: Codes
    observed: Floats
    exact: Floats
    violations: Floats
    cost: Floats | None
    names: tuple[str, ...]
    units: tuple[str, ...]
    directions: tuple[Direction, ...]
    constraints: tuple[tuple[str, str, float], ...] = ()
    problem: Mapping[str, Any] = field(default_factory=dict)
    optimizer: Mapping[str, Any] = field(default_factory=dict)
    known_optimum: float | None = None
    known_front: Floats | None = None
    source: Source | None = None

    def __post_init__(self) -> None:
        for array in (self.codes, self.observed, self.exact, self.violations, self.cost):
            if array is not None:
                array.setflags(write=False)

    def __len__(self) -> int:
        """Return the number of evaluations."""
        return len(self.codes)

    def __repr__(self) -> str:
        what = ", ".join(f"{d} {n}" for n, d in zip(self.names, self.directions, strict=True))
        return f"<History of {len(self)} evaluations in {self.space.name!r}: {what}>"

    def _repr_html_(self) -> str:
        """Return what was searched and the range of what was found, for notebooks."""
        kept = int(self.feasible.sum())
        facts = [
            ("evaluations", f"{len(self):,} in {self.space.name}"),
            ("optimizer", str(self.optimizer.get("name", ""))),
            ("constraints", ", ".join(f"{t} {op} {v:g}" for t, op, v in self.constraints)),
            ("that keep all constraints", f"{kept:,}" if self.constraints else ""),
        ]
        for name, unit, direction, column in zip(
            self.names, self.units, self.directions, self.observed[self.feasible].T, strict=True
        ):
            if kept:
                best, worst = sorted((column.max(), column.min()), reverse=direction == "max")
                facts.append((f"{direction} {name}", f"{short(best)} {unit}, worst {short(worst)}"))
        return html.card("History", [(name, text) for name, text in facts if text])

    @property
    def n_objectives(self) -> int:
        """Number of objectives."""
        return len(self.names)

    @property
    def values(self) -> Floats:
        """As observed, in the objectives' units: float64 [n], or [n, m] of several."""
        return self.observed[:, 0] if self.n_objectives == 1 else self.observed

    @property
    def means(self) -> Floats:
        """Without noise, in the objectives' units: float64 [n], or [n, m] of several."""
        return self.exact[:, 0] if self.n_objectives == 1 else self.exact

    @cached_property
    def indices(self) -> NDArray[Any]:
        """Indices of the architectures: int64 [n], object where int64 does not hold them."""
        return codes_to_indices(self.codes, self.space)

    @cached_property
    def feasible(self) -> NDArray[np.bool_]:
        """Whether all constraints are kept: bool [n]."""
        kept: NDArray[np.bool_] = (self.violations == 0.0).all(axis=1)
        return kept

    @cached_property
    def _found_source(self) -> Source:
        return find(self.problem, self.constraints) if self.source is None else self.source

    def _losses(self, values: Floats) -> Floats:
        return values * [1.0 if d == "min" else -1.0 for d in self.directions] + 0.0
