"""Counting of every architecture of a space into a histogram of its predictions, exactly."""

from anb_onnx.sweep.distribution import Distribution
from anb_onnx.sweep.files import read_partial, write_partial
from anb_onnx.sweep.grid import Grid, SweepError
from anb_onnx.sweep.partial import Histogram, Partial, Subject, join, merge
from anb_onnx.sweep.run import Progress, default_range, fingerprint, sweep
from anb_onnx.sweep.shards import Shards

__all__ = [
    "Distribution",
    "Grid",
    "Histogram",
    "Partial",
    "Progress",
    "Shards",
    "Subject",
    "SweepError",
    "default_range",
    "fingerprint",
    "join",
    "merge",
    "read_partial",
    "sweep",
    "write_partial",
]
