"""What was measured: metric, unit, direction, and whether it is a time or a rate.

Hardware time adds up over the layers of a network, and so does energy; a rate is the reciprocal of
a time. Which of the two a number is follows from its unit, and what is better from its metric.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from anb_onnx._io.show import MAX_NAME, is_name, show
from anb_onnx.catalog.catalog import Target, suggest
from anb_onnx.errors import MeasurementError

Direction: TypeAlias = Literal["max", "min"]

#: Units by kind. Both characters that look like a mu are micro: U+00B5 and U+03BC.
TIMES = ("s", "ms", "us", "µs", "μs", "ns")
ENERGIES = ("J", "mJ", "uJ", "µJ", "μJ")
#: Rates that do not end in "/s"; in any case of letters.
RATES = ("fps", "qps", "Hz")


class _Metric(NamedTuple):
    """What a metric of a known name is measured in."""

    direction: Direction
    words: str
    units: tuple[str, ...]


_METRICS = {
    "latency": _Metric("min", "a unit of time", TIMES),
    "energy": _Metric("min", "a unit of energy", ENERGIES),
    "throughput": _Metric("max", "a rate", ("images/s", *RATES)),
}


def is_rate(unit: str) -> bool:
    """Say whether a unit is of a rate: something a second.

    Examples
    --------
    >>> [is_rate(unit) for unit in ("images/s", "fps", "ms")]
    [True, True, False]
    """
    return unit.endswith("/s") or unit.lower() in map(str.lower, RATES)


def measured_target(
    metric: str, unit: str, device: str | None = None, direction: str | None = None
) -> Target:
    """Return the target that measurements are of.

    Parameters
    ----------
    metric : str
        ``"latency"``, ``"throughput"``, ``"energy"``, or any other with a `direction`.
    unit : str
        A time (s, ms, us, ns), an energy (J, mJ, uJ), or a rate: something that ends in "/s", or
        fps, qps, Hz. Of other metrics that are better the smaller, any unit of what adds up.
    device : str, optional
    direction : {"max", "min"}, optional
        Whether larger or smaller is better; the three metrics have their own.

    Raises
    ------
    MeasurementError
        If one of them is no name, or they do not belong together.

    Examples
    --------
    >>> measured_target("latency", "ms", "my-phone")
    Target(name='latency_my-phone', metric='latency', device='my-phone', unit='ms', direction='min')
    """
    for key, value in (("metric", metric), ("unit", unit), ("device", device)):
        if not is_name(value) and not (key == "device" and value is None):
            msg = f"{key} must be a text of 1 to {MAX_NAME} printable characters, not {show(value)}"
            raise MeasurementError(msg)
    if direction not in ("max", "min", None):
        msg = f"direction must be 'max' or 'min' (or be left out), not {show(direction)}"
        raise MeasurementError(msg)
    found = _direction(metric, unit, direction)
    name = metric if device is None else f"{metric}_{device}"
    if not is_name(name):
        msg = f"metric and device together have {len(name)} characters, more than {MAX_NAME}"
        raise MeasurementError(msg)
    return Target(name=name, metric=metric, device=device, unit=unit, direction=found)


def _direction(metric: str, unit: str, direction: str | None) -> Direction:
    """Return what is better, once metric, unit and direction fit."""
    known = _METRICS.get(metric)
    if known is None:
        return _other(metric, unit, direction)
    fits = is_rate(unit) if metric == "throughput" else unit in known.units
    if not fits:
        also = ", or any that ends in '/s'" if metric == "throughput" else ""
        msg = (
            f"unit {show(unit)} does not fit metric {metric!r}, which needs {known.words}: "
            f"{', '.join(known.units)}{also}{suggest(unit, known.units) or _meant(unit)}"
        )
        raise MeasurementError(msg)
    if direction not in (None, known.direction):
        msg = (
            f"direction {direction!r} contradicts metric {metric!r}, of which "
            f"{_BETTER[known.direction]} is better; leave it out, or give the metric another name"
        )
        raise MeasurementError(msg)
    return known.direction


_BETTER = {"max": "more", "min": "less"}


def _other(metric: str, unit: str, direction: str | None) -> Direction:
    if direction is None:
        msg = (
            f"of metric {show(metric)} it is not known what is better{suggest(metric, _METRICS)}; "
            "give direction='min' for what adds up as times do, direction='max' for a rate (in a "
            "shell --direction)"
        )
        raise MeasurementError(msg)
    if (direction == "max") != is_rate(unit):
        needs = "needs a rate, such as images/s" if direction == "max" else "cannot be of a rate"
        msg = f"unit {show(unit)}: a metric with direction {direction!r} {needs}"
        raise MeasurementError(msg)
    return "max" if direction == "max" else "min"


def _meant(unit: str) -> str:
    """Return which metric a unit is one of, in words, or nothing."""
    for metric, known in _METRICS.items():
        if unit in known.units or (metric == "throughput" and is_rate(unit)):
            return f" (is metric {metric!r} meant?)"
    return ""
