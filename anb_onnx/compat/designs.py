"""What the searches of the reference do with configurations (`anb_eval/utils_anb`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from anb_onnx._io.show import show
from anb_onnx.compat.configuration_space import ConfigurationSpace
from anb_onnx.compat.configurations import Configuration
from anb_onnx.errors import ArchitectureError, SearchError
from anb_onnx.parallel.extras import need
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.mnasnet import MNASNET, to_lists

__all__ = [
    "CustomSearchable",
    "actions_indices_to_config",
    "configuration_to_searchable",
    "pareto_frontier",
]

#: One row for each block: "MB", expansion, kernel, stride, channels in and out, layers, se.
Design: TypeAlias = list[list[Any]]

# Of EfficientNet-B0, and of every network of the space: no gene changes them.
_STRIDES = (1, 2, 2, 2, 1, 2, 1)
_CHANNELS = (32, 16, 24, 40, 80, 112, 192, 320)


def CustomSearchable(e: Any, k: Any, la: Any, se: Any) -> Design:
    """Return the blocks of four lists, or mappings from block numbers, of one value per block.

    Examples
    --------
    >>> CustomSearchable([6] * 7, [3] * 7, [1] * 7, [True] * 7)[1]
    ['MB', 6, 3, 2, 16, 24, 1, True]
    """
    return [
        ["MB", e[i], k[i], _STRIDES[i], _CHANNELS[i], _CHANNELS[i + 1], la[i], se[i]]
        for i in range(MNASNET.n_blocks)
    ]


def configuration_to_searchable(config: Mapping[str, Any]) -> Design:
    """Return the blocks of a configuration, be it ours, ConfigSpace's or a dict.

    The values are Python's own, so that JSON takes them, also where ConfigSpace's are NumPy's.

    Raises
    ------
    ArchitectureError
        If it is no architecture of `MNASNET`.

    Examples
    --------
    >>> from anb_onnx.compat import EfficientNetSS
    >>> configuration_to_searchable(EfficientNetSS().efficientnet_b0())[5]
    ['MB', 6, 5, 2, 112, 192, 4, True]
    """
    return CustomSearchable(*to_lists(Architecture(config, space=MNASNET)).values())


def actions_indices_to_config(
    action_indices: Iterable[Any], configspace: Any
) -> tuple[Any, Design]:
    """Return the configuration and the blocks of the choices of a controller.

    Parameters
    ----------
    action_indices : iterable of int
        The number of the choice of each of the 28 genes; NumPy's or torch's integers, too.
    configspace : ConfigurationSpace or None
        A space of ConfigSpace itself gives a configuration of that package.

    Raises
    ------
    ArchitectureError
        If these are no choices of `MNASNET`.

    Examples
    --------
    >>> config, design = actions_indices_to_config([0] * 28, None)
    >>> config["block6_se"], design[6]
    (True, ['MB', 1, 3, 1, 192, 320, 1, True])
    """
    try:
        codes = [int(index) for index in action_indices]
    except (TypeError, ValueError) as error:
        msg = f"action_indices are integers, one for each gene, not {show(action_indices)}"
        raise ArchitectureError(msg) from error
    architecture = Architecture.from_codes(codes, space=MNASNET)
    design = configuration_to_searchable(architecture)
    if configspace is None or isinstance(configspace, ConfigurationSpace):
        return Configuration(architecture), design
    what = "a configuration of its own"
    package = need("ConfigSpace", extra="configspace", what=what)
    return package.Configuration(configspace, values=architecture.to_values()), design


def pareto_frontier(
    datapoints: npt.ArrayLike,
    maxX: bool = True,
    maxY: bool = True,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], list[int]]:
    """Return the points that no other is better than.

    Parameters
    ----------
    datapoints : array [2, n]
        The second objective's plot is against the first: row 0 is y (accuracy), row 1 is x
        (throughput or latency). Finite.
    maxX, maxY : bool
        Whether large values are good. The reference ignores both and takes large for good: give
        ``maxX=False`` for latency.

    Returns
    -------
    y, x : arrays [k]
        Of the points on the front, from the best y on.
    indices : list of int
        Their columns in `datapoints`. All of equal points are on the front or none.

    Raises
    ------
    SearchError
        If these are not such points.

    Examples
    --------
    >>> points = [[70.0, 68.0, 69.0], [9.0, 4.0, 10.0]]  # accuracy, latency
    >>> pareto_frontier(points, maxX=False)[2]
    [0, 1]
    >>> pareto_frontier(points)[2]
    [0, 2]
    """
    points = np.asarray(datapoints)
    if points.ndim != 2 or len(points) != 2 or points.dtype.kind not in "iuf":
        msg = f"datapoints are an array of numbers [2, n], not {show(datapoints)}"
        raise SearchError(msg)
    if not np.isfinite(points).all():
        column = int(np.argmin(np.isfinite(points).all(axis=0)))
        msg = f"point {column} is not finite: {points[:, column].tolist()}"
        raise SearchError(msg)
    y = points[0].astype(np.float64) * (1.0 if maxY else -1.0)
    x = points[1].astype(np.float64) * (1.0 if maxX else -1.0)
    indices = _front(y, x)
    return points[0, indices], points[1, indices], indices


def _front(y: npt.NDArray[np.float64], x: npt.NDArray[np.float64]) -> list[int]:
    """Return the columns, from the largest y on, of all points that none dominates."""
    front: list[int] = []
    order: Sequence[int] = np.lexsort((-x, -y)).tolist()
    for column in order:
        last = front[-1] if front else None
        if last is None or x[column] > x[last] or (y[column] == y[last] and x[column] == x[last]):
            front.append(column)
    return front
