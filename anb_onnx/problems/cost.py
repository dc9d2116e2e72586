"""What an evaluation costs: the seconds of a training run, predicted, for budgets of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.real import finite
from anb_onnx._io.show import show
from anb_onnx.errors import SearchError, TargetError
from anb_onnx.fidelities import SEEDS
from anb_onnx.fidelities import Fidelity as FidelityOf
from anb_onnx.loading import load
from anb_onnx.problems.objectives import Floats
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.surrogate import Surrogate

Codes: TypeAlias = NDArray[np.uint8]
#: Takes codes uint8 [n, genes], and the fidelity where one was asked for; returns numbers [n].
CostFunction: TypeAlias = Callable[..., Any]
#: One number for all, or one for each row.
Fidelity: TypeAlias = float | NDArray[Any]


class Cost:
    """What it costs to evaluate architectures, whole or up to some epoch.

    Parameters
    ----------
    source : str, Surrogate or callable
        A target whose mean is the cost of a whole run, such as "train_time"; or a function of
        codes, uint8 [n, genes], that returns the costs [n]. If runs are to be ended early it takes
        the fidelity as its second argument.
    unit : str, optional
        Of what a function returns; a target states its own.
    epochs : float, optional
        States that a whole run has so many epochs, and that each of them costs the same. For
        targets that tell the cost of whole runs only: those that are a curve over epochs say
        themselves what a part costs.
    benchmark : str, optional
        Of a target's name, as for `anb_onnx.load`.

    Attributes
    ----------
    name, unit : str
    surrogate : Surrogate or None
        None of a function.
    epochs : float or None

    Raises
    ------
    TargetError
        If the target is unknown.
    SearchError
        If the source is none of these, a function has no unit, or `epochs` is no number above 0 or
        given for what needs none.

    Examples
    --------
    >>> import anb_onnx
    >>> from anb_onnx.problems import Cost
    >>> cost = Cost("train_time", epochs=100)
    >>> codes = anb_onnx.encode([anb_onnx.efficientnet_b0()])
    >>> f"{cost.of(codes)[0]:.0f} {cost.unit}, and {cost.of(codes, 10)[0]:.0f} for a tenth of it"
    '2342 s, and 234 for a tenth of it'
    """

    def __init__(
        self,
        source: str | Surrogate | CostFunction,
        *,
        unit: str | None = None,
        epochs: float | None = None,
        benchmark: str | None = None,
    ) -> None:
        self.epochs = None if epochs is None else finite(epochs)
        if epochs is not None and (self.epochs is None or self.epochs <= 0):
            msg = f"epochs is how many a whole run has, a number above 0, not {show(epochs)}"
            raise SearchError(msg)
        if isinstance(source, str):
            source = load(source, benchmark=benchmark, threads=1)
        self._function: CostFunction | None = None
        self.surrogate: Surrogate | None = None
        if isinstance(source, Surrogate):
            self.surrogate = source
            self.name, self.unit = source.target.name, source.target.unit
            if unit is not None and unit != self.unit:
                msg = f"unit={show(unit)}, but {self.name!r} is in {self.unit!r}; leave unit out"
                raise SearchError(msg)
            if self.epochs is not None and _along(source) is not None:
                msg = (
                    f"{self.name!r} says itself what part of a run costs; leave "
                    f"epochs={show(epochs)} out"
                )
                raise SearchError(msg)
        elif callable(source):
            if not isinstance(unit, str) or not unit:
                msg = f"a function needs the unit of its costs, as in unit='s', not {show(unit)}"
                raise SearchError(msg)
            self._function = source
            self.name, self.unit = str(getattr(source, "__name__", "cost")), unit
        else:
            msg = (
                "a cost is the name of a target, a Surrogate or a function of codes, not "
                f"{show(source)}"
            )
            raise SearchError(msg)

    def of(
        self, codes: Codes, fidelity: Fidelity | None = None, *, since: Fidelity | None = None
    ) -> Floats:
        """Return what it costs to evaluate architectures.

        Parameters
        ----------
        codes : uint8 array [n, n_genes]
        fidelity : float or array [n], optional
            How far each is trained, in epochs or what else the target's curve runs along; the
            whole run if not given. 0 costs nothing.
        since : float or array [n], optional
            From where: of a run that goes on from a checkpoint what it has cost before is not paid
            again. From the beginning if not given.

        Returns
        -------
        float64 array [n]
            In `unit`.

        Raises
        ------
        SearchError
            If a cost is negative or no finite number, a fidelity is out of range, `since` lies
            behind it, or nothing says what a part of a run costs.
        FidelityError
            If a target's curve does not reach a fidelity.
        ArchitectureError
            If a row is no architecture of the space.
        """
        whole = self._checked(self._cost(codes, fidelity), len(codes))
        if since is None:
            return whole
        before = self._checked(self._cost(codes, since), len(codes))
        if (before > whole).any():
            row = int(np.argmax(before > whole))
            msg = (
                f"{self.name}: row {row} would cost {whole[row]:g} {self.unit} in all, less than "
                f"the {before[row]:g} of its beginning (since={show(since)}); since comes before "
                "fidelity, and costs must not fall"
            )
            raise SearchError(msg)
        return whole - before

    def _cost(self, codes: Codes, fidelity: Fidelity | None) -> Any:
        if self._function is not None:
            return self._of_function(self._function, codes, fidelity)
        surrogate = self.surrogate
        assert surrogate is not None
        if fidelity is None:
            return surrogate.query_codes(codes).mean
        curve = _along(surrogate)
        if curve is not None:
            given = self._numbers(fidelity, len(codes))
            # Nothing is trained in no epoch, though a curve begins after the first.
            nothing = given == 0.0
            asked = {curve.name: np.where(nothing, curve.least, given)}
            means = surrogate.query(codes, fidelity=asked).mean
            return np.where(nothing, 0.0, means.astype(np.float64))
        if self.epochs is None:
            msg = (
                f"{self.name!r} is the cost of whole runs; to state that each of their n epochs "
                f"costs the same: Cost({self.name!r}, epochs=n)"
            )
            raise SearchError(msg)
        whole = surrogate.query_codes(codes).mean.astype(np.float64)
        return whole * (self._share(fidelity, len(codes)) / self.epochs)

    def _numbers(self, fidelity: Fidelity, n: int) -> Floats:
        """Return the epochs of each row, float64 [n]."""
        try:
            given: Floats = np.broadcast_to(np.asarray(fidelity, dtype=np.float64), (n,))
        except (TypeError, ValueError) as error:
            msg = f"fidelity is a number, or one for each of {n} rows, not {show(fidelity)}"
            raise SearchError(msg) from error
        return given

    def _share(self, fidelity: Fidelity, n: int) -> Floats:
        """Return the epochs of each row, float64 [n], once they are some of those there are."""
        given = self._numbers(fidelity, n)
        assert self.epochs is not None
        if not ((given >= 0) & (given <= self.epochs)).all():  # NaN is not, either
            msg = f"fidelity is from 0 to the {self.epochs:g} epochs of a run: {show(fidelity)}"
            raise SearchError(msg)
        return given

    def _of_function(self, function: CostFunction, codes: Codes, fidelity: Any) -> Any:
        given = codes.view()
        given.flags.writeable = False  # as for objectives: what is recorded must not change
        if fidelity is None:
            return function(given)
        try:
            return function(given, fidelity)
        except TypeError as error:
            msg = f"the cost {self.name!r} as a function of codes and fidelity: {error}"
            raise SearchError(msg) from error

    def _checked(self, found: Any, n: int) -> Floats:
        array = np.asarray(found)
        if array.dtype.kind not in "iuf" or array.shape != (n,):
            msg = f"the cost {self.name!r} must be numbers [{n}], not {show(found)}"
            raise SearchError(msg)
        costs = array.astype(np.float64)
        bad = ~(np.isfinite(costs) & (costs >= 0))
        if bad.any():
            row = int(np.argmax(bad))
            msg = (
                f"the cost {self.name!r} is {float(costs[row])!r} {self.unit} for row {row} of "
                f"{n}; nothing costs less than nothing, or without end"
            )
            raise SearchError(msg)
        return costs

    def check_space(self, space: SearchSpace) -> None:
        """Refuse a target of another search space.

        Raises
        ------
        TargetError
        """
        if self.surrogate is not None and self.surrogate.space != space:
            msg = (
                f"the cost {self.name!r} is of search space {self.surrogate.space.name!r}, what is "
                f"searched of {space.name!r}; give a Surrogate of that one, or Cost(..., "
                "benchmark=)"
            )
            raise TargetError(msg)

    def to_dict(self) -> dict[str, Any]:
        """Return what a history says of it: name, unit, SHA-256 of the artifact (or None)."""
        sha256 = None if self.surrogate is None else self.surrogate.sha256
        return {"name": self.name, "unit": self.unit, "sha256": sha256}

    def __repr__(self) -> str:
        even = "" if self.epochs is None else f", {self.epochs:g} epochs of equal cost"
        return f"Cost({self.name} [{self.unit}]{even})"


def costing(cost: object, benchmark: str | None = None) -> Cost:
    """Return a cost as it is, or of what one is made of; see `Cost` for errors."""
    if isinstance(cost, Cost):
        return cost
    if callable(cost) and not isinstance(cost, Surrogate):
        msg = "a function needs the unit of its costs: give anb_onnx.problems.Cost(f, unit='s')"
        raise SearchError(msg)
    return Cost(cost, benchmark=benchmark)  # type: ignore[arg-type]  # it says what it takes


def _along(surrogate: Surrogate) -> FidelityOf | None:
    """Return the fidelity along which a surrogate's runs go on, such as the epoch, if any."""
    found = (f for name, f in surrogate.fidelities.items() if name != SEEDS)
    return next(found, None)
