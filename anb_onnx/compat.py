"""The Python interface of the Accel-NASBench repository, over this package's surrogates.

A script written for that repository runs after changing its two import lines::

    import anb_onnx.compat as anb
    from anb_onnx.compat import EfficientNetSS as ss

Neither xgboost nor ConfigSpace is needed. Where the original is plainly mistaken this module
differs, and the docstrings say so; new code is better written against `anb_onnx.load`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_onnx._io.show import show
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.encoding.encoding import Architectures, is_single
from anb_onnx.errors import AnbError, ArchitectureError, TargetError
from anb_onnx.loading import load
from anb_onnx.spaces.architecture import Architecture, HoldsArchitecture, sample
from anb_onnx.spaces.mnasnet import MNASNET, efficientnet_b0, from_lists
from anb_onnx.spaces.space import Choice
from anb_onnx.surrogate import Surrogate

__all__ = ["ANBEnsemble", "Configuration", "EfficientNetSS", "Ensemble", "Member"]

FloatArray = npt.NDArray[np.float32]

_MODELS = ("xgb", "xgb_accel")


class Configuration(HoldsArchitecture):
    """An architecture that behaves like a ConfigSpace configuration.

    A mapping from gene names to values whose values can be assigned: assigning what is not a
    choice of the gene is an `ArchitectureError`. Equal and hashed by value, so do not assign to
    one that is in a set.
    """

    def __init__(self, architecture: Mapping[str, Any]) -> None:
        self._architecture = Architecture(architecture, space=MNASNET)

    @property
    def architecture(self) -> Architecture:
        """The immutable `Architecture` of the present values."""
        return self._architecture

    def get_dictionary(self) -> dict[str, Choice]:
        """Return a new dict from gene names to values."""
        return self._architecture.to_values()

    def get_array(self) -> npt.NDArray[np.float64]:
        """Return the codes as float64 [genes]: the position of each value among its choices."""
        return np.array(self._architecture.codes, np.float64)

    def __getitem__(self, name: str) -> Choice:
        return self._architecture[name]

    def __setitem__(self, name: str, value: Choice) -> None:
        self._architecture = Architecture({**self._architecture, name: value}, space=MNASNET)

    def __iter__(self) -> Iterator[str]:
        return iter(self._architecture)

    def __len__(self) -> int:
        return len(self._architecture)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Configuration):
            return self._architecture == other._architecture
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._architecture)

    def __repr__(self) -> str:
        return f"Configuration(values={self.get_dictionary()!r})"


class EfficientNetSS:
    """The search space, with the methods of the original's class.

    Parameters
    ----------
    seed : int, optional
        For reproducible `random_sample`; an addition to the original, which cannot be seeded.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._rng = _generator(seed)

    def manual_sample(self, sample_config: Sequence[Sequence[Any]]) -> Configuration:
        """Return the configuration of four lists: expansion, kernel, layers, squeeze-excite.

        Raises
        ------
        ArchitectureError
            Where these are not four lists of one valid value per block.
        """
        if not isinstance(sample_config, Sequence) or len(sample_config) != 4:
            msg = (
                "manual_sample takes four lists [expansion, kernel, layers, se], "
                f"not {show(sample_config)}"
            )
            raise ArchitectureError(msg)
        return Configuration(from_lists(*sample_config))

    def random_sample(self, num_samples: int = 1) -> Configuration | list[Configuration]:
        """Draw uniformly: one configuration for `num_samples` = 1, else a list of them."""
        codes = sample(num_samples, seed=self._rng, space=MNASNET)
        rows = codes.tolist()
        drawn = [Configuration(Architecture.from_codes(row, space=MNASNET)) for row in rows]
        return drawn[0] if len(drawn) == 1 else drawn

    def efficientnet_b0(self) -> Configuration:
        """Return EfficientNet-B0."""
        return Configuration(efficientnet_b0())

    def size(self) -> int:
        """Return the number of architectures."""
        return MNASNET.size

    def __len__(self) -> int:
        return MNASNET.size

    def __str__(self) -> str:
        lines = ["Search space mnasnet:"]
        lines += [f"  {gene.name}: {{{gene.allowed}}}" for gene in MNASNET.genes]
        return "\n".join(lines)


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
        self._rng = _generator(seed)

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


def _generator(seed: int | None) -> np.random.Generator:
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        msg = f"seed must be a non-negative integer or None, not {show(seed)}"
        raise AnbError(msg) from error


def _batch(configs: Any) -> Any:
    return [configs] if is_single(configs) else configs
