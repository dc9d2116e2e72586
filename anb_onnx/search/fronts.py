"""Several objectives at once: fronts and hypervolumes of what a search evaluated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import SearchError, TruthError
from anb_onnx.search import known, measures
from anb_onnx.search.evaluated import Evaluated
from anb_onnx.search.objective import Floats


@dataclass(frozen=True, eq=False, repr=False)
class Fronts(Evaluated):
    """The part of a `History` that is about several objectives."""

    @property
    def front(self) -> Floats:
        """The exact Pareto front, float64 [k, n_objectives], in the units.

        Raises
        ------
        TruthError
            If nobody has proven it yet; `with_front` does.
        SearchError
            If there is one objective.
        """
        self._refuse_one("front")
        if self.known_front is not None:
            return self.known_front
        return known.front_of(self._found_source)

    def with_front(self, values: Any = None) -> Self:
        """Return the same history with the exact front: the given one, or proven now.

        Parameters
        ----------
        values : float array [k, n_objectives], optional
            In the objectives' units. If not given, `anb_onnx.exact.pareto` proves it.

        Raises
        ------
        ExactError, TruthError
            If it cannot be proven.
        SearchError
            If there is one objective, or `values` are no such array.
        """
        self._refuse_one("front")
        if values is None:
            values = known.proven_front(self._found_source)
        try:
            front = np.array(values, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):  # words, ragged rows
            front = np.empty(0)
        if front.ndim != 2 or front.shape[1] != self.n_objectives or not np.isfinite(front).all():
            msg = f"a front is finite numbers [k, {self.n_objectives}], not {show(values)}"
            raise SearchError(msg)
        return replace(self, known_front=front)

    def nondominated(self, at: int | None = None) -> NDArray[np.int64]:
        """Return the rows that no other dominates, among those that keep all constraints.

        Parameters
        ----------
        at : int, optional
            Of so many evaluations; of all if not given.

        Returns
        -------
        int64 array [k]
            By the means without noise; several with the same means are all there.
        """
        (stop,) = measures.checked_at(len(self) if at is None else [at], len(self))
        return measures.nondominated(self._losses(self.exact)[:stop], self.feasible[:stop])

    def hypervolume(self, at: Any = None, *, reference: Any = None) -> Floats:
        """Return the hypervolume of what was evaluated so far.

        Of the means without noise of those that keep all constraints.

        Parameters
        ----------
        at : list of int, optional
            Numbers of evaluations to look at; 1 to n if not given.
        reference : sequence of float, optional
            The reference point in the objectives' units. If not given, that of the task, or the
            proven worst of each objective over the whole space.

        Returns
        -------
        float64 array [len(at)]
            In the product of the units.

        Raises
        ------
        SearchError
            If there is one objective, or an argument is not as above.
        TruthError
            If no reference point is given and none is known.
        ExtraError
            If moocore is missing.

        Examples
        --------
        >>> import anb_onnx
        >>> from anb_onnx import search
        >>> task = anb_onnx.tasks()["accuracy-throughput_a100-front-v1"]
        >>> history = search.random_search(task, budget=1_000, rng=0)
        >>> [f"{missed:.1%}" for missed in history.hypervolume_regret([10, 100, 1000])]
        ['71.3%', '47.3%', '32.3%']
        """
        self._refuse_one("hypervolume")
        point = self._losses(self._reference(reference))
        stops = measures.checked_at(at, len(self))
        return measures.hypervolumes(self._losses(self.exact), self.feasible, point, stops)

    def hypervolume_regret(self, at: Any = None, *, reference: Any = None) -> Floats:
        """Return the share of the exact front's hypervolume that was not found so far.

        Parameters
        ----------
        at, reference : optional
            As for `hypervolume`.

        Returns
        -------
        float64 array [len(at)]
            From 1 (nothing found) to 0 (the whole front).

        Raises
        ------
        SearchError, TruthError, ExtraError
            As from `hypervolume`; TruthError also if the front is not known.
        """
        found = self.hypervolume(at, reference=reference)
        point = self._losses(self._reference(reference))
        whole = measures.hypervolume(self._losses(self.front), point)
        if not whole > 0 or (found > whole).any():
            msg = f"the front has a hypervolume of {whole!r}, less than what was evaluated"
            raise TruthError(msg if whole > 0 else f"{msg}; check the reference point")
        return np.asarray((whole - found) / whole)

    def _reference(self, given: Any) -> Floats:
        if given is None:
            given = known.reference_of(self._found_source)
        return measures.checked_reference(given, self.n_objectives)

    def _refuse_one(self, what: str) -> None:
        if self.n_objectives == 1:
            msg = f"of one objective ({self.names[0]}) there is no {what}; see history.regret"
            raise SearchError(msg)
