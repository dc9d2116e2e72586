"""Reads and writes the file that the reference keeps its search space in.

In the place of ``ConfigSpace.read_and_write.json``::

    from anb_onnx.compat import cs_json
    space = cs_json.read(text)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from anb_onnx._io.show import show
from anb_onnx._io.strict_json import loads
from anb_onnx.compat.configuration_space import (
    CategoricalHyperparameter,
    ConfigurationSpace,
    Hyperparameter,
    OrdinalHyperparameter,
)
from anb_onnx.errors import ArchitectureError
from anb_onnx.parallel.extras import need

__all__ = ["read", "write"]

_CHOICES = {"categorical": "choices", "ordinal": "sequence"}


def read(text: str, *, configspace: bool = False) -> Any:
    """Return the space that a file of ConfigSpace 0.6 or 1.x describes.

    Parameters
    ----------
    text : str
        What the file holds.
    configspace : bool
        Whether to return an object of ConfigSpace itself, which must be installed, and may be of a
        version that does not read such files any more.

    Returns
    -------
    ConfigurationSpace

    Raises
    ------
    ArchitectureError
        If it is no such file, or another space than that of Accel-NASBench; says where they differ.
    ExtraError
        If ConfigSpace is asked for and missing.

    Examples
    --------
    >>> space = read(write(ConfigurationSpace()))
    >>> space.get_hyperparameters()[1].choices
    (3, 5)
    """
    space = ConfigurationSpace(hyperparameters=_hyperparameters(_document(text)))
    if not configspace:
        return space
    package = need("ConfigSpace", extra="configspace", what="read(configspace=True)")
    converted = package.ConfigurationSpace(name="mnasnet")
    for one in space.values():
        kind = getattr(package, type(one).__name__)
        converted.add(kind(one.name, list(one.options), default_value=one.default_value))
    return converted


def write(space: ConfigurationSpace) -> str:
    """Return the text of a file, such as the reference's `configspace.json`.

    Examples
    --------
    >>> text = write(ConfigurationSpace())
    >>> json.loads(text)["hyperparameters"][0]["choices"]
    [1, 4, 6]
    """
    listed = [
        {
            "name": one.name,
            "type": _kind(one),
            _CHOICES[_kind(one)]: list(one.options),
            "default": one.default_value,
            **({"weights": None} if isinstance(one, CategoricalHyperparameter) else {}),
        }
        for one in space.values()
    ]
    document = {
        "hyperparameters": listed,
        "conditions": [],
        "forbiddens": [],
        "python_module_version": "0.6.0",
        "json_format_version": 0.4,
    }
    return json.dumps(document, indent=2)


def _kind(one: Hyperparameter) -> str:
    return "ordinal" if isinstance(one, OrdinalHyperparameter) else "categorical"


def _document(text: str) -> Mapping[str, Any]:
    try:
        document = loads(text)
    except ValueError as error:
        msg = f"the configuration space is no JSON: {error}"
        raise ArchitectureError(msg) from error
    if not isinstance(document, dict) or not isinstance(document.get("hyperparameters"), list):
        msg = "the configuration space is no JSON object with a list of 'hyperparameters'"
        raise ArchitectureError(msg)
    for key in ("conditions", "forbiddens"):
        if document.get(key):
            msg = f"the configuration space has {key!r}, and that of Accel-NASBench has none"
            raise ArchitectureError(msg)
    return document


def _hyperparameters(document: Mapping[str, Any]) -> dict[str, Hyperparameter]:
    found: dict[str, Hyperparameter] = {}
    for number, item in enumerate(document["hyperparameters"]):
        kind = item.get("type") if isinstance(item, dict) else None
        if kind not in _CHOICES or not isinstance(item.get(_CHOICES[kind]), list):
            msg = (
                f"hyperparameter {number} is neither categorical with 'choices' nor ordinal with "
                f"a 'sequence': {show(item)}"
            )
            raise ArchitectureError(msg)
        name, choices = item.get("name"), tuple(item[_CHOICES[kind]])
        if not isinstance(name, str) or name in found:
            msg = f"hyperparameter {number} has no name of its own: {show(name)}"
            raise ArchitectureError(msg)
        # 0.6 wrote "default", 1.x writes "default_value"; both take the first where it is missing.
        default = item.get("default_value", item.get("default", choices[0] if choices else None))
        make = OrdinalHyperparameter if kind == "ordinal" else CategoricalHyperparameter
        found[name] = make(name, choices, default)
    return found
