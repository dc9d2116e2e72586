"""What chooses and queries surrogates as the reference's classes do."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from anb_onnx._io.show import show
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.compat.configurations import generator
from anb_onnx.encoding.encoding import Architectures, encode_and_tell
from anb_onnx.errors import TargetError
from anb_onnx.loading import load
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.surrogate import Surrogate

__all__ = ["ANBEnsemble", "Ensemble", "Member"]

FloatArray = npt.NDArray[np.float32]

_MODELS = ("xgb", "xgb_accel")


class Ensemble:
    """What `ANBEnsemble.load_ensemble` returns.

    Every method takes a list of configurations (dicts, `Configuration`, ConfigSpace's own, or
    anything else that `anb_onnx.encode` takes), or a single configuration, which counts as a list
    of one. Results are float32 in the unit of the target.

    Attributes
    ----------
    surrogate : Surrogate
        What answers.
    ensemble_size : int
        Number of members M.
    device, metric, metric_unit : str or None
        What is predicted, and its unit.
    """

    def __init__(self, surrogate: Surrogate, seed: int | None) -> None:
        self.surrogate = surrogate
        self.ensemble_size = surrogate.n_members
        self.device = surrogate.target.device
        self.metric = surrogate.target.metric
        self.metric_unit = surrogate.target.unit
        self._rng = generator(seed)

    def query(self, configs: Architectures) -> tuple[FloatArray, FloatArray]:
        """Return mean [N] and population standard deviation [N] over the members."""
        prediction = self.surrogate.query(_batch(configs))
        return prediction.mean, prediction.std

    def query_mean(self, configs: Architectures) -> FloatArray:
        """Return the mean [N] over the members."""
        return self.query(configs)[0]

    def query_std(self, configs: Architectures) -> FloatArray:
        """Return the population standard deviation [N] over the members."""
        return self.query(configs)[1]

    def query_members(self, configs: Architectures) -> list[FloatArray]:
        """Return the predictions [N] of each member, as a list of M arrays."""
        members = self.surrogate.query(_batch(configs), members=True).members
        return [] if members is None else list(np.ascontiguousarray(members.T))

    def query_noise(self, configs: Architectures) -> FloatArray:
        """Return the mean [N] plus normal noise of each architecture's standard deviation.

        The noise is drawn anew for each architecture and call, from a generator seeded by the
        `seed` of `ANBEnsemble`. The original draws one number from NumPy's global state and
        adds it to all.
        """
        mean, std = self.query(configs)
        noise = std * self._rng.standard_normal(len(mean))
        return (mean + noise).astype(np.float32)


class Member:
    """What `ANBEnsemble.load_model` returns: the first member alone."""

    def __init__(self, ensemble: Ensemble) -> None:
        self._ensemble = ensemble
        self.device = ensemble.device
        self.metric = ensemble.metric
        self.metric_unit = ensemble.metric_unit

    def query(self, configs: Architectures) -> FloatArray:
        """Return the member's predictions [N]."""
        return self._ensemble.query_members(configs)[0]


class ANBEnsemble:
    """Chooses an ensemble as the original's class of this name does.

    Nothing is downloaded, NumPy's global random state is left alone and nothing is printed.

    Parameters
    ----------
    model : str
        "xgb" or "xgb_accel". The original's other families are not bundled.
    device : str, optional
        For example "tpuv2"; accuracy if not given.
    metric : str, optional
        "throughput" or "latency", with a device.
    seed : int, optional
        For `Ensemble.query_noise`.
    subdir : str, optional
        Refused: the original loads other pickled models from it.

    Raises
    ------
    TargetError
        Where model, device or metric is not one that is bundled; lists those that are.
    """

    def __init__(
        self,
        model: str,
        device: str | None = None,
        metric: str | None = None,
        seed: int | None = None,
        subdir: str | None = None,
    ) -> None:
        if model not in _MODELS:
            msg = f"model {show(model)} is not bundled; bundled models: {', '.join(_MODELS)}"
            raise TargetError(msg)
        if subdir is not None:
            msg = (
                f"subdir={show(subdir)}: pickled models are not loaded; convert them with "
                "anb-export and use anb_onnx.load(path='FILE.onnx')"
            )
            raise TargetError(msg)
        self.model = model
        self.device = device
        self.metric = metric
        self.seed = seed
        self._target = _find(device, metric)

    def load_ensemble(self) -> Ensemble:
        """Load the ensemble.

        Raises
        ------
        ArtifactError
            Where its file is missing or damaged.
        """
        return Ensemble(load(self._target), self.seed)

    def load_model(self) -> Member:
        """Load the first member of the ensemble."""
        return Member(self.load_ensemble())


def _find(device: str | None, metric: str | None) -> str:
    """Name of the target; the original takes device and metric in any case of letters."""
    for name, value in (("device", device), ("metric", metric)):
        if value is not None and not isinstance(value, str):
            msg = f"{name} is a string or None, not {show(value)}"
            raise TargetError(msg)
    catalog = find_benchmark()
    if metric is None and device is not None:
        at_device = [t for t in catalog.targets if t.device == device.lower()]
        if at_device:
            msg = (
                f"device {device!r} needs a metric; valid metrics: "
                f"{', '.join(sorted(t.metric for t in at_device))}"
            )
            raise TargetError(msg)
        devices = sorted({t.device for t in catalog.targets if t.device})
        msg = f"unknown device {device!r}; valid devices: {', '.join(devices)}"
        raise TargetError(msg)
    wanted = "accuracy" if metric is None else metric.lower()
    return catalog.find(wanted, None if device is None else device.lower()).target.name


def _batch(configs: Any) -> Any:
    codes, single = encode_and_tell(configs, MNASNET)
    return codes if single else configs
