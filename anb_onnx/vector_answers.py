"""What queries of artifacts with several outputs return: further outputs, and curves."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from anb_onnx._io.show import show
from anb_onnx.curves import Doubles
from anb_onnx.errors import FidelityError
from anb_onnx.fidelities import Fidelity
from anb_onnx.prediction import Prediction, Predictions
from anb_onnx.vectors import CurveValues


class Source(Protocol):
    """The surrogate that was asked, which answers what is asked of its answer."""

    def outputs_of(self, codes: npt.NDArray[np.uint8], members: bool, single: bool) -> Predictions:
        """Predict all outputs."""

    def curve_at(
        self, codes: npt.NDArray[np.uint8], fidelity: Doubles, members: bool, single: bool
    ) -> Prediction[Any]:
        """Predict at a fidelity for each architecture."""

    def curve_knots(
        self, codes: npt.NDArray[np.uint8], knots: npt.NDArray[np.intp], members: bool
    ) -> CurveValues:
        """Predict at knots."""

    def curve_crossing(self, codes: npt.NDArray[np.uint8], level: float) -> npt.NDArray[np.float64]:
        """Return where curves reach a level."""

    @property
    def knots(self) -> Doubles:
        """Return the knots of the curve."""

    @property
    def fidelity(self) -> Fidelity:
        """Return the fidelity along which the curve runs."""


@dataclass(frozen=True, eq=False, repr=False)
class VectorPrediction(Prediction[Any]):
    """Predicted values of a target that comes with further outputs.

    As a `Prediction` it is that of the target itself.

    Attributes
    ----------
    outputs : Predictions
        All outputs of the artifact by name, computed when first asked for: mean, std and, where
        they were asked for, members of each.

    Examples
    --------
    >>> import numpy as np
    >>> from anb_onnx import NASBENCH201, Link, Terms
    >>> from anb_onnx.loading import from_vector
    >>> from anb_onnx.tables import TableEnsemble
    >>> from anb_onnx.vectors import VectorEnsemble
    >>> terms = Terms(NASBENCH201, ((0,),))
    >>> entries = np.arange(5, dtype=np.int32)[:, None]
    >>> both = [TableEnsemble(NASBENCH201, entries, s, 1.0, Link(), terms) for s in (1.0, 10.0)]
    >>> facts = {"metric": "loss", "device": None, "unit": "nats", "direction": "min"}
    >>> facts |= {"exact": False, "quality": {}, "versions": {}}
    >>> facts["outputs"] = [{"unit": u, "direction": "min"} for u in ("nats", "s")]
    >>> found = from_vector(VectorEnsemble(tuple(both), ("loss", "time")), facts).query([0, 3125])
    >>> found.mean.tolist(), found.outputs["time"].mean.tolist()
    ([1.0, 2.0], [1.0, 11.0])
    """

    source: Source = None  # type: ignore[assignment]  # never None once it is made
    codes: npt.NDArray[np.uint8] = None  # type: ignore[assignment]

    @cached_property
    def outputs(self) -> Predictions:
        """All outputs of the artifact by name."""
        found = self._outputs()
        first = next(iter(found))  # the target itself: of as many runs as this is
        return Predictions({**found, first: replace(found[first], calibration=self.calibration)})

    def _outputs(self) -> Predictions:
        return self.source.outputs_of(self.codes, self.members is not None, self._single)

    @property
    def _single(self) -> bool:
        return np.ndim(self.mean) == 0


@dataclass(frozen=True, eq=False, repr=False)
class Curve(VectorPrediction):
    """Predicted curves of one architecture or a batch, each a function of a fidelity: the epoch.

    As a `Prediction` it is the curve's value at the full fidelity, its last epoch. The rest is
    computed when it is asked for, from the same tables: in float64 by correctly rounded steps,
    see `anb_onnx.curves`, so that the bits are the same in every language.

    Examples
    --------
    >>> import numpy as np
    >>> from anb_onnx import NASBENCH201, Terms
    >>> from anb_onnx.curves import CurveForm
    >>> from anb_onnx.loading import from_vector
    >>> from anb_onnx.tables import TableEnsemble
    >>> from anb_onnx.links import Link
    >>> from anb_onnx.vectors import VectorEnsemble
    >>> terms = Terms(NASBENCH201, ((0,),))
    >>> entries = np.arange(5, dtype=np.int32)[:, None]
    >>> first = TableEnsemble(NASBENCH201, entries, 1.0, 50.0, Link(), terms)
    >>> form = CurveForm(at=(1.0, 3.0), basis=((1.0,), (2.0,)), offset=(0.0, -10.0))
    >>> vector = VectorEnsemble((first,), ("c0",), form)
    >>> facts = {"metric": "accuracy", "device": None, "unit": "%", "direction": "max"}
    >>> facts |= {"exact": False, "quality": {}, "versions": {}}
    >>> facts["outputs"] = [{"unit": "%", "direction": "max"}]
    >>> curve = from_vector(vector, facts).query(np.array([0, 3125]))
    >>> curve.mean.tolist(), curve.at(2).mean.tolist()
    ([90.0, 92.0], [70.0, 71.5])
    >>> curve.until(2.5).mean.tolist(), curve.crossing(71.5).tolist()
    ([[50.0], [51.0]], [2.075, 2.0])
    """

    @cached_property
    def outputs(self) -> Predictions:
        """All outputs of the artifact by name: coefficients of the curve, and what is beside."""
        return self._outputs()

    @property
    def epochs(self) -> Doubles:
        """The knots, float64 [T]: the epochs at which curves were measured."""
        return self.source.knots.copy()

    def at(self, epoch: float | npt.NDArray[Any]) -> Prediction[Any]:
        """Return the curve's value at an epoch.

        Parameters
        ----------
        epoch : number, or array [N] of one for each architecture
            From the first of `epochs` to the last; between two of them on the line that joins the
            values there.

        Returns
        -------
        Prediction
            With members where the curve was asked for with them.

        Raises
        ------
        FidelityError
            If an epoch is no such number.
        """
        values = self.source.fidelity.read(epoch, None if self._single else len(self.codes))
        wanted = np.broadcast_to(values, len(self.codes))
        return self.source.curve_at(self.codes, wanted, self.members is not None, self._single)

    def until(self, epoch: float | None = None) -> CurveValues:
        """Return the curve at all of its `epochs` up to one, that included.

        Parameters
        ----------
        epoch : number, optional
            All epochs if not given.

        Returns
        -------
        CurveValues
            ``epochs`` [S], ``mean`` and ``std`` [N, S], and ``members`` [N, M, S] where the curve
            was asked for with them; of one architecture without N. S is 1 at least.

        Raises
        ------
        FidelityError
            If it is no number from the first of `epochs` to the last.
        """
        knots = self.source.knots
        last = self.source.fidelity.read(knots[-1] if epoch is None else epoch, None)
        wanted = np.flatnonzero(knots <= last)
        found = self.source.curve_knots(self.codes, wanted, self.members is not None)
        if not self._single:
            return found
        members = None if found.members is None else found.members[0]
        return CurveValues(found.epochs, found.mean[0], found.std[0], members)

    def crossing(self, level: float) -> Any:
        """Return the epoch at which the mean curve reaches a level first.

        Parameters
        ----------
        level : float
            In the target's unit. It is reached where the curve is at least (of targets that are
            better the larger they are) or at most (of the others) the level.

        Returns
        -------
        float64 array [N], or numpy.float64 for one architecture
            Between two epochs on the line that joins the values there, the mean before it is
            rounded to float32; NaN where the level is never reached.

        Raises
        ------
        FidelityError
            If the level is no finite number.
        """
        is_number = isinstance(level, (int, float, np.integer, np.floating))
        # What is larger than any float64 is finite, but no level of a curve, either.
        if not is_number or isinstance(level, bool) or not abs(level) <= sys.float_info.max:
            msg = f"a level must be a finite number in {self.unit}, not {show(level)}"
            raise FidelityError(msg)
        found = self.source.curve_crossing(self.codes, float(level))
        return found[0] if self._single else found

    def __repr__(self) -> str:
        return super().__repr__().replace("Prediction", "Curve", 1)

    def _notes(self) -> list[str]:
        last = self.source.fidelity
        return [f"at {last.name} {last.most:g}, the last; at, until and crossing tell the curve"]

    def _range(self) -> str:
        return f"{super()._range()}{self._place()}"

    def _in_words(self) -> str:
        return f"{super()._in_words()}{self._place()}"

    def _place(self) -> str:
        last = self.source.fidelity
        return f", at {last.name} {last.most:g}"
