"""The speeds this project promises itself, on a machine with two cores, and what came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Goal:
    """A figure and what it has to reach.

    Attributes
    ----------
    text : str
    bound : float
    find : callable
        Reads the median out of the results; a KeyError where it was not measured.
    unit : str
        "rate", "times", "seconds", "bytes" or "values".
    at_least : bool
        Whether more is better.
    """

    text: str
    bound: float
    find: Callable[[Mapping[str, Any]], Any]
    unit: str
    at_least: bool = True

    def met(self, value: float) -> bool:
        """Whether a measured value reaches the bound."""
        return value >= self.bound if self.at_least else value <= self.bound


def _rate(key: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda r: r["comparison"][key]["rows_per_second"]["median"]


def _faster(key: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda r: r["comparison"][key]["native_1"]["median"]


def _three(results: Mapping[str, Any]) -> Any:
    if len(results["together"]["targets"]) != 3:
        raise KeyError("targets")
    return results["together"]["engines"]["native, 2 threads"]["rows_per_second"]["median"]


def _query(results: Mapping[str, Any]) -> Any:
    return results["cold_start"]["processes"]["anb-onnx query efficientnet-b0, one target"][
        "median"
    ]


def _single(name: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda r: r["single"][name]["p50"]


GOALS = (
    Goal("native, 1 thread", 20e6, _rate("native, 1 thread"), "rate"),
    Goal("native, 2 threads", 40e6, _rate("native, 2 threads"), "rate"),
    Goal("native, three targets at once, 2 threads", 15e6, _three, "rate"),
    Goal("native over xgboost inplace_predict, 1 thread each", 2000,
         _faster("xgboost inplace_predict, 1 thread"), "times"),
    Goal("native over onnxruntime on trees, 1 thread each", 1000,
         _faster("onnxruntime, tree form, 1 thread"), "times"),
    Goal("onnxruntime on tables, 2 threads", 4e6,
         _rate("onnxruntime, table form, 2 threads"), "rate"),
    Goal("query_codes(codes, out=out) of one architecture", 3e-6,
         _single("native: query_codes(codes, out=out)"), "seconds", False),
    Goal("query(Architecture)", 20e-6, _single("native: query(Architecture)"), "seconds", False),
    Goal("anb-onnx query, a cold process", 0.7, _query, "seconds", False),
    Goal("peak memory of a query of 10 M, beyond input and output", 64e6,
         lambda r: r["memory"]["native, codes"]["extra"], "bytes", False),
    Goal("values that differ between native and onnxruntime", 0,
         lambda r: sum(t["different_values"] for t in r["bits"]["targets"].values()),
         "values", False),
)  # fmt: skip
