"""The networks that examples/measure times are those that the benchmark counted and measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
import onnxruntime
import pytest
from measure_room import LARGEST, SMALLEST, example

import anb_onnx
from anb_onnx import MNASNET, Architecture

SOME = [
    Architecture.from_codes(row, space=MNASNET)
    for row in anb_onnx.sample(12, seed=5, space=MNASNET)
]
CASES = [SMALLEST, LARGEST, anb_onnx.efficientnet_b0(), *SOME]


def shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor, as onnx infers it from the finished graph."""
    onnx = pytest.importorskip("onnx")
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    found = {
        value.name: tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim)
        for value in [*graph.input, *graph.value_info, *graph.output]
    }
    return {**found, **{weight.name: tuple(weight.dims) for weight in graph.initializer}}


def layers(model: Any) -> Iterator[tuple[str, tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """Yield of each node its operator and the shapes of input, weight (if any) and output."""
    known = shapes(model)
    for node in model.graph.node:
        weight = known[node.input[1]] if len(node.input) == 3 else ()
        yield node.op_type, known[node.input[0]], weight, known[node.output[0]]


def counted(model: Any) -> tuple[int, int]:
    """Return multiply-adds and parameters as the authors' counter (thop 0.1.1) counts them.

    It meets batch normalisation beside the convolutions, which is folded here: four operations for
    each of its values, and two parameters a channel instead of one bias. Convolutions of 1 x 1
    outputs are those of squeeze-and-excitation, which have a bias of their own and none of it. A
    global pool counts its sum and one division a channel; activations and products count nothing.
    """
    macs = params = 0
    for operator, given, weight, out in layers(model):
        if operator == "Conv":
            macs += prod(out) * prod(weight[1:])
            params += prod(weight) + out[1]
            if out[2:] != (1, 1):
                macs += 4 * prod(out)
                params += out[1]
        elif operator == "Gemm":
            macs += prod(weight)
            params += prod(weight) + weight[0]
        elif operator == "GlobalAveragePool":
            macs += given[1] * (prod(given[2:]) + 1)
    return macs, params


@pytest.mark.parametrize("arch", CASES, ids=[str(arch.index) for arch in CASES])
def test_a_graph_costs_what_the_benchmark_counted(arch: Architecture) -> None:
    macs, params = counted(example("mnasnet_onnx").network(arch))
    assert np.float32(macs / 1e6) == anb_onnx.load("macs").query(arch).mean
    assert np.float32(params / 1e6) == anb_onnx.load("params").query(arch).mean


def test_a_graph_is_the_network_of_its_genes() -> None:
    """EfficientNet-B0: 16 bottlenecks of which one does not expand, 9 add, each has its gate."""
    model = example("mnasnet_onnx").network(anb_onnx.efficientnet_b0())
    assert Counter(node.op_type for node in model.graph.node) == {
        "Conv": 2 + 16 * 2 + 15 + 16 * 2,
        "Relu": 2 + 16 + 15 + 16,
        "GlobalAveragePool": 17,
        "HardSigmoid": 16,
        "Mul": 16,
        "Add": 9,
        "Flatten": 1,
        "Gemm": 1,
    }


@pytest.mark.parametrize("arch", [SMALLEST, LARGEST], ids=["smallest", "largest"])
def test_a_graph_runs(arch: Architecture) -> None:
    onnx = pytest.importorskip("onnx", reason="the example builds its graphs with onnx")
    network = example("mnasnet_onnx").network
    model = network(arch, side=64)
    onnx.checker.check_model(model, full_check=True)
    image = np.random.default_rng(0).standard_normal((1, 3, 64, 64), dtype=np.float32)
    answers = []
    for made in (model, network(arch, side=64), network(arch, side=64, seed=1)):
        session = onnxruntime.InferenceSession(
            made.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        (answer,) = session.run(["logits"], {"image": image})
        answers.append(np.asarray(answer))
    first, again, other = answers
    assert first.shape == (1, 1000)
    # Signals neither die out nor explode on their way, so that no time is one of denormals.
    assert 0.01 < np.abs(first).mean() < 100
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_other_spaces_are_refused() -> None:
    arch = Architecture.from_index(0, space=anb_onnx.NASBENCH201)
    with pytest.raises(anb_onnx.ArchitectureError, match="block0_e"):
        example("mnasnet_onnx").network(arch)
