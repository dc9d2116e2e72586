"""What a query returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from anb_onnx.calibration import Calibration
from anb_onnx.engines.base import FloatArray
from anb_onnx.errors import ArtifactError

_Value = TypeVar("_Value", np.float32, FloatArray, covariant=True)


@dataclass(frozen=True, eq=False, repr=False)
class Prediction(Generic[_Value]):
    """Predicted values of one target.

    Attributes
    ----------
    mean : float32 array [N], or numpy.float32 for one architecture
        Ensemble mean in `unit`.
    std : float32 array [N], or numpy.float32 for one architecture
        Population standard deviation (ddof=0) of the members' predictions in `unit`. It tells
        how far the members disagree and is no error bar: it is far below the actual error (see
        `predictive_std`).
    members : float32 array [N, M], [M] for one architecture, or None
        Prediction of each ensemble member in `unit`, where it was asked for.
    unit : str
        Unit of all values.
    target : str
        Name of the target.
    calibration : Calibration or None
        What `predictive_std` and `interval` are made from; None for artifacts that carry none.

    Examples
    --------
    >>> import anb_onnx
    >>> found = anb_onnx.load("accuracy").query(anb_onnx.efficientnet_b0())
    >>> f"{found.mean:.2f} +- {found.predictive_std:.2f} {found.unit}"
    '66.03 +- 0.24 %'
    >>> lower, upper = found.interval(0.9)
    >>> bool(lower < found.mean < upper)
    True
    """

    mean: _Value
    std: _Value
    members: FloatArray | None
    unit: str
    target: str
    calibration: Calibration | None = None

    @property
    def predictive_std(self) -> _Value:
        """How far a new measurement lies from `mean`: one standard deviation, in `unit`.

        float32, shaped as `mean`. It combines the members' disagreement with the noise of the
        measurements, calibrated on out-of-fold residuals (see `anb_onnx.calibration`).

        Raises
        ------
        ArtifactError
            If the artifact carries no calibration.
        """
        scale = self._calibrated().predictive_std(np.asarray(self.mean), np.asarray(self.std))
        return scale[()]  # type: ignore[return-value]  # a scalar again where it was one

    def interval(self, level: float) -> tuple[_Value, _Value]:
        """Return (lower, upper): where a share `level` of new measurements lies, centrally.

        Parameters
        ----------
        level : float
            For example 0.9; above 0, at most 0.995.

        Returns
        -------
        lower, upper : float32, shaped as `mean`, in `unit`

        Raises
        ------
        ArtifactError
            If the artifact carries no calibration.
        AnbError
            If the level is out of range.
        """
        calibration = self._calibrated()
        bounds = calibration.interval(np.asarray(self.mean), np.asarray(self.std), level)
        return bounds[0][()], bounds[1][()]  # type: ignore[return-value]

    def _calibrated(self) -> Calibration:
        if self.calibration is None:
            msg = (
                f"the artifact of {self.target!r} carries no calibration; "
                "`anb-export build` writes artifacts that do"
            )
            raise ArtifactError(msg)
        return self.calibration

    def __repr__(self) -> str:
        mean = np.asarray(self.mean)
        members = "" if self.members is None else f", {self.members.shape[-1]} members"
        if mean.ndim == 0:
            return f"Prediction({self.target}: {self.mean!s} +- {self.std!s} {self.unit}{members})"
        spread = f", mean {mean.min()!s} to {mean.max()!s} {self.unit}" if len(mean) else ""
        return f"Prediction({self.target}: {len(mean)} architectures{spread}{members})"
