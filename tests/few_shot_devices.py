"""Small made-up devices for the tests of the few-shot study."""

import numpy as np

import anb_onnx
from benchmarks.few_shot import counts
from benchmarks.few_shot.measured import Device, Measured


def small_devices() -> Measured:
    """300 cells on three devices: two add up the edges' operations, one is slowed by a pair."""
    rng = np.random.default_rng(0)
    codes = np.unique(rng.integers(0, 5, (400, 6), dtype=np.uint8), axis=0)[:300]
    codes = codes[rng.permutation(len(codes))]
    found = counts.nasbench201_counts(codes)
    slow = 5 + found @ np.array([0.1, 0.2, 1.0, 4.0, 2.0])
    fast = 1 + found @ np.array([0.1, 0.1, 0.5, 2.1, 0.7])
    odd = slow + 3.0 * ((codes[:, 0] == 3) & (codes[:, 5] == 3))
    noise = rng.normal(1, 0.01, (3, len(codes)))
    times = np.stack([slow, fast, odd]) * noise
    devices = {
        name: Device(row, "latency", name, "ms", "min")
        for name, row in zip(("slow", "fast", "odd"), times, strict=True)
    }
    rows = np.arange(len(codes))
    return Measured(
        anb_onnx.NASBENCH201,
        codes,
        devices,
        rows[:200],
        rows[200:],
        found,
        counts.nasbench201_macs(codes),
        np.zeros(0, np.int64),
    )
