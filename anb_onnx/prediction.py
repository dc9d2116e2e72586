"""What a query returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from anb_onnx.engines.base import FloatArray

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
        how far the members disagree and is no error bar: it is far below the actual error.
    members : float32 array [N, M], [M] for one architecture, or None
        Prediction of each ensemble member in `unit`, where it was asked for.
    unit : str
        Unit of all values.
    target : str
        Name of the target.
    """

    mean: _Value
    std: _Value
    members: FloatArray | None
    unit: str
    target: str

    def __repr__(self) -> str:
        mean = np.asarray(self.mean)
        members = "" if self.members is None else f", {self.members.shape[-1]} members"
        if mean.ndim == 0:
            return f"Prediction({self.target}: {self.mean!s} +- {self.std!s} {self.unit}{members})"
        spread = f", mean {mean.min()!s} to {mean.max()!s} {self.unit}" if len(mean) else ""
        return f"Prediction({self.target}: {len(mean)} architectures{spread}{members})"
