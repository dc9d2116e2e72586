"""Few-shot adaptation as a predictor: `anb_onnx.adapt` with source devices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anb_export.predictors.contract import Predictor, PredictorError, Sample
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.errors import MeasurementError
from anb_onnx.few_shot.adapting import adapted
from anb_onnx.few_shot.measurements import measurements
from anb_onnx.surrogate import Surrogate
from anb_onnx.tables import TableEnsemble


def fit(sample: Sample, seed: int) -> Predictor:
    """Adapt to the measurements, from the sample's sources; `Fit` of the registry.

    Raises
    ------
    PredictorError
        If a measurement is not above 0, or too few architectures differ.
    """
    target = sample.target
    # What is better when larger and no rate, such as ops/byte, is a sum like a cost is.
    plain = target.direction == "max" and not target.unit.endswith("/s")
    try:
        data = measurements(
            sample.codes,
            sample.values,
            metric=target.metric,
            unit=target.unit,
            device=target.device,
            direction="min" if plain else target.direction,
            space=sample.space,
        )
        return _Adapted(adapted(data, sources=list(sample.sources), seed=seed))
    except MeasurementError as error:
        raise PredictorError(str(error)) from error


class _Adapted(Predictor):
    """The tables of a surrogate as a predictor."""

    def __init__(self, surrogate: Surrogate) -> None:
        ensemble, calibration = surrogate.ensemble, surrogate.calibration
        assert ensemble is not None
        assert calibration is not None
        self.space, self.calibration, self._ensemble = surrogate.space, calibration, ensemble

    def members(self, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        found = self._ensemble.predict(codes_to_symbols(codes, self.space))
        return np.asarray(found[2], dtype=np.float64)

    def tables(self) -> TableEnsemble | None:
        return self._ensemble
