"""The classes of ours that derive from pymoo's: imported when a problem for pymoo is made."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.adapters.given import Evaluate, Floats, excesses
from anb_onnx.adapters.proven import proven_losses
from anb_onnx.encoding.encoding import encode
from anb_onnx.errors import ArchitectureError, SearchError
from anb_onnx.parallel.extras import need
from anb_onnx.problems.problem import Problem
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.space import SearchSpace

WHAT = "anb_onnx.adapters.pymoo_problem"
_Problem: Any = need("pymoo.core.problem", extra="pymoo", what=WHAT).Problem
_Sampling: Any = need("pymoo.core.sampling", extra="pymoo", what=WHAT).Sampling
_Mutation: Any = need("pymoo.core.mutation", extra="pymoo", what=WHAT).Mutation


class PymooProblem(_Problem):  # type: ignore[misc]
    """A problem whose variables are codes, whose F are losses, and whose G limits exceeded.

    Attributes
    ----------
    problem : Problem
        What it is made of.
    """

    def __init__(self, problem: Problem, evaluate: Evaluate, given: Any = None) -> None:
        space = problem.space
        super().__init__(
            n_var=space.n_genes,
            n_obj=problem.n_objectives,
            n_ieq_constr=len(problem.constraints),
            xl=np.zeros(space.n_genes),
            xu=np.array(space.gene_sizes, dtype=np.float64) - 1.0,
            vtype=int,
        )
        self.problem = problem
        self._measure = evaluate
        self._given = given

    def _evaluate(self, x: NDArray[Any], out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        found = self._measure(_codes(x, self.problem.space))
        out["F"] = self.problem.losses(found.values)
        if self.n_ieq_constr:
            out["G"] = excesses(self.problem, found)

    def values(self, losses: Any) -> Floats:
        """Return pymoo's F, of a result or a population, in the objectives' units.

        Parameters
        ----------
        losses : array [n, n_objectives] or [n_objectives]

        Returns
        -------
        float64 array of the same shape

        Raises
        ------
        SearchError
            If there are none, because pymoo found nothing that keeps the limits.
        """
        if losses is None:
            raise _nothing("F")
        return self.problem.values_of(np.asarray(losses))

    def architectures(self, codes: Any) -> list[Architecture]:
        """Return pymoo's X, of a result or a population, as architectures: always a list.

        Raises
        ------
        SearchError
            If there are none, because pymoo found nothing that keeps the limits.
        """
        if codes is None:
            raise _nothing("X")
        space = self.problem.space
        rows = encode(np.atleast_2d(codes), space)
        return [Architecture.from_codes(row, space=space) for row in rows]

    def _calc_pareto_front(self, *args: Any, **kwargs: Any) -> Floats | None:
        return proven_losses(self.problem, self._given)

    def name(self) -> str:
        """Return what is searched for, in words."""
        return repr(self.problem)


def _codes(x: NDArray[Any], space: SearchSpace) -> NDArray[np.uint8]:
    try:
        return encode(x, space)
    except ArchitectureError as error:
        if x.dtype.kind != "f":
            raise
        msg = (
            f"{error}; the operators that pymoo has by default are for real numbers: give its "
            "algorithm **anb_onnx.adapters.pymoo_operators()"
        )
        raise ArchitectureError(msg) from error


def _nothing(name: str) -> SearchError:
    msg = (
        f"{name} is None: pymoo found no architecture that keeps the limits; a larger budget, or "
        "wider limits, may help"
    )
    return SearchError(msg)


class CodeSampling(_Sampling):  # type: ignore[misc]
    """Architectures drawn uniformly."""

    def __init__(self, space: SearchSpace) -> None:
        super().__init__()
        self._sizes = np.array(space.gene_sizes)

    def _do(
        self, problem: Any, n_samples: int, *args: Any, random_state: Any = None, **kwargs: Any
    ) -> NDArray[np.int64]:
        size = n_samples, len(self._sizes)
        drawn: NDArray[np.int64] = random_state.integers(0, self._sizes, size=size)
        return drawn


class CodeMutation(_Mutation):  # type: ignore[misc]
    """Each gene, by itself, takes one of its other values, uniformly; or stays as it is."""

    def __init__(self, space: SearchSpace, prob_var: float) -> None:
        super().__init__(prob=1.0)
        self._sizes = np.array(space.gene_sizes)
        self._share = prob_var

    def _do(
        self, problem: Any, x: NDArray[Any], *args: Any, random_state: Any = None, **kwargs: Any
    ) -> NDArray[np.int64]:
        codes = np.array(x, dtype=np.int64)
        rows, genes = np.nonzero(random_state.random(codes.shape) < self._share)
        sizes = self._sizes[genes]
        # A step of 1 to size - 1 around the circle of codes reaches each other code once.
        steps = random_state.integers(1, np.maximum(sizes, 2))
        codes[rows, genes] = (codes[rows, genes] + steps) % sizes
        return codes


def checked_share(value: object) -> float:
    """Return a probability once it is one.

    Raises
    ------
    SearchError
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    msg = f"prob_var is a number from 0 to 1, the share of genes that mutate, not {show(value)}"
    raise SearchError(msg)
