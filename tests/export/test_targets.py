from __future__ import annotations

import pytest
from anb_export.data.accel_nasbench import ACCEL_NASBENCH, TARGETS

from anb_onnx.errors import TargetError


def test_names_units_and_directions() -> None:
    assert list(TARGETS) == [
        "accuracy",
        *(f"throughput_{d}" for d in ("a100", "3090", "tpuv2", "tpuv3", "zcu102", "vck190")),
        "latency_zcu102",
        "latency_vck190",
        "train_time",
        "macs",
        "params",
    ]
    for name, spec in TARGETS.items():
        assert spec.name == name == (f"{spec.metric}_{spec.device}" if spec.device else spec.metric)
        assert spec.direction == ("max" if spec.metric in ("accuracy", "throughput") else "min")
        assert spec.exact == (name in ("macs", "params"))
    assert [TARGETS[name].unit for name in ("accuracy", "throughput_tpuv2", "latency_zcu102")] == [
        "%",
        "images/s",
        "ms",
    ]
    assert [TARGETS[name].unit for name in ("train_time", "macs", "params")] == ["s", "M", "M"]


def test_unknown_target_lists_the_valid_ones() -> None:
    with pytest.raises(TargetError, match=r"'latency_a100'; valid targets: accuracy.*params"):
        ACCEL_NASBENCH.target("latency_a100")
