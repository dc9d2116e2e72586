"""What a data set measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anb_onnx._io.show import show
from anb_onnx.catalog.catalog import Target, target_of_card
from anb_onnx.errors import ArtifactError


@dataclass(frozen=True)
class TargetSpec(Target):
    """A target of a data set.

    Attributes
    ----------
    exact : bool
        True for closed forms of the architecture (MACs, parameters), which carry no noise.
    """

    exact: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the target as plain data, with the keys of a model card."""
        return {
            "metric": self.metric,
            "device": self.device,
            "unit": self.unit,
            "direction": self.direction,
            "exact": self.exact,
        }


def read_target(name: str, description: Mapping[str, Any], source: str) -> TargetSpec:
    """Return the target that `TargetSpec.to_dict` described; `source` names it in errors.

    Raises
    ------
    ArtifactError
        If a key is missing or of the wrong kind, or the name is not that of metric and device: the
        metric, followed by ``_`` and the device where there is one.
    """
    found = target_of_card(description, source)
    if found.name != name:
        msg = f"{source}: target {name!r} must be called {found.name!r}, after metric and device"
        raise ArtifactError(msg)
    exact = description.get("exact", False)
    if type(exact) is not bool:
        msg = f"{source}: key 'exact' must be true or false, not {show(exact)}"
        raise ArtifactError(msg)
    return TargetSpec(name, found.metric, found.device, found.unit, found.direction, exact)
