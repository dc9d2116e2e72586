"""What numbers do not say of themselves: of which training an accuracy is, and what it was before.

Constants about the data set of Accel-NASBench and what its reference makes of it; `docs/cards` has
the same figures, and a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

_DATA_SET = "Accel-NASBench"
#: The published split, of whose test rows the figures are.
_SPLIT = "2334962078d7405be4287ef0eb1c4c6929753452d485d629467f8180cfc4a58a"


class Quality(NamedTuple):
    """Figures on test rows: rank correlation, share of the variance, mean error in the unit."""

    kendall_tau: float
    r2: float
    mae: float


#: By target, what the reference's own recipe reaches on the same test rows.
REFERENCE = {
    "accuracy": Quality(0.9256, 0.9851, 0.2939),
    "latency_vck190": Quality(0.9799, 0.9986, 0.04141),
    "latency_zcu102": Quality(0.9847, 0.9997, 0.05812),
    "throughput_3090": Quality(0.9688, 0.9962, 112.6),
    "throughput_a100": Quality(0.9745, 0.9951, 160.2),
    "throughput_tpuv2": Quality(0.9627, 0.9944, 14.24),
    "throughput_tpuv3": Quality(0.9040, 0.9750, 29.01),
    "throughput_vck190": Quality(0.9484, 0.9909, 68.94),
    "throughput_zcu102": Quality(0.9529, 0.9907, 13.33),
    "train_time": Quality(0.7914, 0.7838, 153.3),
}

#: Of the accuracy of Accel-NASBench.
SHORT_TRAINING = (
    "ImageNet accuracy after the short training scheme of Accel-NASBench, not a full training: "
    "EfficientNet-B0 has 66.03 % here and 77 % as published"
)


def note_of(target: str, card: Mapping[str, Any]) -> str | None:
    """Return what a reader of a target's values should know, in a sentence without a full stop."""
    return SHORT_TRAINING if target == "accuracy" and _data_set(card) == _DATA_SET else None


def reference_of(target: str, card: Mapping[str, Any]) -> Quality | None:
    """Return the figures of the reference's recipe, where they are of the same test rows."""
    split = card.get("split")
    same = isinstance(split, Mapping) and split.get("sha256") == _SPLIT
    return REFERENCE.get(target) if same and _data_set(card) == _DATA_SET else None


def _data_set(card: Mapping[str, Any]) -> Any:
    dataset = card.get("dataset")
    return dataset.get("name") if isinstance(dataset, Mapping) else None
