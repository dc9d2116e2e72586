"""Measured values as text."""

from __future__ import annotations

from collections.abc import Mapping

from anb_export.reports.markdown import number


def rate(spread: Mapping[str, float]) -> str:
    """Return rows per second, as 123 M (101 to 130)."""
    unit, word = next(
        (u for u in ((1e6, " M"), (1e3, " k")) if spread["median"] >= u[0]), (1.0, "")
    )
    low, high = number(spread["min"] / unit, 3), number(spread["max"] / unit, 3)
    return f"{number(spread['median'] / unit, 3)}{word} ({low} to {high})"


def times(spread: Mapping[str, float]) -> str:
    """Return a ratio, as 5,100 x (4,800 to 5,300)."""
    values = (number(spread[key], 3) for key in ("median", "min", "max"))
    return "{} x ({} to {})".format(*values)


def seconds(spread: Mapping[str, float]) -> str:
    """Return a time in a unit that suits it, as 0.42 s (0.40 to 0.51)."""
    return "{} ({} to {})".format(*(one_time(spread[key]) for key in ("median", "min", "max")))


def one_time(value: float) -> str:
    """Return seconds in s, ms, µs or ns."""
    for unit, word in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= unit:
            return f"{number(value / unit, 3)} {word}"
    return f"{number(value * 1e9, 3)} ns"


def size(count: float) -> str:
    """Return bytes in MB, kB or as they are."""
    if abs(count) >= 1e6:
        return f"{number(count / 1e6, 3)} MB"
    if abs(count) >= 1e3:
        return f"{number(count / 1e3, 3)} kB"
    return f"{count:.0f} bytes"
