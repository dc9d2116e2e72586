"""The quantities the data set measures, and where each stands in a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from anb_onnx.catalog.catalog import Target
from anb_onnx.errors import TargetError


@dataclass(frozen=True)
class TargetSpec(Target):
    """A target, and where its measurements stand in a record of the data set.

    Attributes
    ----------
    mean_path : tuple of str
        Keys that lead from the top of a record to the value.
    std_path : tuple of str or None
        Keys that lead to the standard deviation of the repeated measurements, if published.
    exact : bool
        True for closed forms of the architecture (MACs, parameters), which carry no noise.
    """

    mean_path: tuple[str, ...]
    std_path: tuple[str, ...] | None = None
    exact: bool = False


def _on_device(metric: str, device: str, unit: str, direction: Literal["max", "min"]) -> TargetSpec:
    name = f"{metric}_{device}"
    section = ("platform_perf", name)
    return TargetSpec(
        name=name,
        metric=metric,
        device=device,
        unit=unit,
        direction=direction,
        mean_path=(*section, f"{metric}_mean"),
        std_path=(*section, f"{metric}_std"),
    )


_ALL = (
    TargetSpec("accuracy", "accuracy", None, "%", "max", ("metrics", "val_top1")),
    *(
        _on_device("throughput", device, "images/s", "max")
        for device in ("a100", "3090", "tpuv2", "tpuv3", "zcu102", "vck190")
    ),
    *(_on_device("latency", device, "ms", "min") for device in ("zcu102", "vck190")),
    TargetSpec("train_time", "train_time", None, "s", "min", ("metrics", "train_time")),
    TargetSpec("macs", "macs", None, "M", "min", ("model_info", "macs"), exact=True),
    TargetSpec("params", "params", None, "M", "min", ("model_info", "params"), exact=True),
)

#: Every target of the data set by name, in the order in which they are listed to users.
TARGETS: dict[str, TargetSpec] = {spec.name: spec for spec in _ALL}


def get_target(name: str) -> TargetSpec:
    """Return the target called `name`.

    Raises
    ------
    TargetError
        If there is no such target; the message lists the valid names.
    """
    try:
        return TARGETS[name]
    except KeyError:
        msg = f"unknown target {name!r}; valid targets: {', '.join(TARGETS)}"
        raise TargetError(msg) from None
