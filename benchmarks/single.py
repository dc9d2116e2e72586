"""One architecture at a time: the latency of every way to ask, with percentiles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

import anb_onnx
from anb_onnx.engines.base import Outputs
from benchmarks import measure
from benchmarks.contenders import Contender
from benchmarks.settings import Settings
from benchmarks.subject import Subject


def latencies(
    subject: Subject, contenders: Sequence[Contender], settings: Settings
) -> dict[str, Any]:
    """Return percentiles of the time of one call, in seconds, per way to ask."""
    architecture = anb_onnx.efficientnet_b0()
    codes = np.array([architecture.codes], np.uint8)
    values = architecture.to_values()
    calls: dict[str, tuple[bool, measure.Call]] = {}
    with anb_onnx.load(path=subject.artifact, engine="native", threads=1) as surrogate:
        out = Outputs.empty(1, surrogate.n_members, members=False)
        calls["native: bind(codes, out)()"] = True, surrogate.bind(codes, out)
        calls["native: query_codes(codes, out=out)"] = (
            True, lambda: surrogate.query_codes(codes, out=out)
        )  # fmt: skip
        calls["native: query_codes(codes)"] = True, lambda: surrogate.query_codes(codes)
        calls["native: query(Architecture)"] = True, lambda: surrogate.query(architecture)
        calls["native: query(dict)"] = True, lambda: surrogate.query(values)
        for c in contenders:
            if c.threads == 1 and c.name != "native":
                calls[c.name] = c.ours, partial(c.predict, c.prepare(codes))
        found = {}
        for name, (ours, call) in calls.items():
            times = measure.percentiles(
                call, calls=settings.single_calls, seconds=settings.single_seconds
            )
            found[name] = {"ours": ours, **times}
    for c in contenders:
        if c.name in found and c.share < 1:
            found[c.name] |= {
                key: value / c.share for key, value in found[c.name].items()
                if key.startswith("p") or key == "min"
            }  # fmt: skip
    return found
