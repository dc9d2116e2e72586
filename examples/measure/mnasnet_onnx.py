"""Networks of the space `mnasnet` as ONNX graphs of real convolutions, with random weights.

The network is that of Accel-NASBench, which is torchvision's EfficientNet with other settings of
its seven blocks (models/accelbenchnet.py of github.com/afzalxo/ANB-DatasetCollection, read, not
copied): a 3x3 stem to 32 channels with stride 2, inverted bottlenecks, a 1x1 head to 1280 channels,
global pooling and a linear layer. As in the authors' own throughput measurements the activations
are ReLU, and the gate of squeeze-and-excitation is the hard sigmoid that their accelerators have.
Batch normalisation is folded into the convolution before it, as any runtime does, which leaves a
bias. Dropout and stochastic depth do nothing at inference.

What this network costs is what the bundled targets `macs` and `params` count:
tests/test_measure_example.py compares the graphs with both, to the last digit.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from anb_onnx import MNASNET, Architecture

#: Side of the input, which is 1 x 3 x SIDE x SIDE.
SIDE = 224

STEM, HEAD, CLASSES = 32, 1280, 1000

#: Of the seven blocks: channels, and the stride of the first layer.
CHANNELS = (16, 24, 40, 80, 112, 192, 320)
STRIDES = (1, 2, 2, 2, 1, 2, 1)

#: Squeeze-and-excitation has a quarter of the channels that come into the layer.
SQUEEZE = 4

_OPSET, _IR_VERSION = 17, 8


class _Graph:
    """Nodes and weights as they are added; names are numbers."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, **attributes: object) -> str:
        """Append a node and return the name of its output."""
        output = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def weight(self, shape: tuple[int, ...], scale: float) -> str:
        """Append normal random numbers and return their name."""
        values = self._rng.standard_normal(shape, dtype=np.float32) * np.float32(scale)
        return self.constant(values)

    def constant(self, values: NDArray[np.float32]) -> str:
        """Append a tensor and return its name."""
        name = f"weight_{len(self.weights)}"
        self.weights.append(onnx.numpy_helper.from_array(values, name))
        return name

    def convolution(
        self,
        x: str,
        inputs: int,
        outputs: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        relu: bool = True,
    ) -> str:
        """Append a convolution with a bias and padding that keeps the size, and perhaps a ReLU."""
        shape = (outputs, inputs // groups, kernel, kernel)
        # He's scale: what comes out of thirty layers is neither huge nor nothing.
        weight = self.weight(shape, math.sqrt(2 / math.prod(shape[1:])))
        bias = self.weight((outputs,), 0.1)
        attributes = {
            "kernel_shape": [kernel, kernel],
            "strides": [stride, stride],
            "pads": [kernel // 2] * 4,
            "group": groups,
        }
        x = self.add("Conv", x, weight, bias, **attributes)
        return self.add("Relu", x) if relu else x


def network(arch: Architecture, *, side: int = SIDE, seed: int = 0) -> onnx.ModelProto:
    """Return an architecture as an ONNX model: float32 `image` [1, 3, side, side] to `logits`.

    Parameters
    ----------
    arch : Architecture
        A member of `MNASNET`.
    side : int
        Height and width of the input in pixels.
    seed : int
        Of the random weights. Times do not depend on them: none is so small that it is denormal.

    Returns
    -------
    onnx.ModelProto
        Operators Conv, Relu, HardSigmoid, Mul, Add, GlobalAveragePool, Flatten, Gemm of opset 17.

    Raises
    ------
    ArchitectureError
        If `arch` is no member of the space.
    """
    arch = Architecture(arch, space=MNASNET)
    graph = _Graph(seed)
    x = graph.convolution("image", 3, STEM, kernel=3, stride=2)
    channels = STEM
    for block, outputs, stride in zip(MNASNET.blocks, CHANNELS, STRIDES, strict=True):
        for layer in range(_integer(arch, f"{block.name}_l")):
            x = _bottleneck(
                graph, x, channels, outputs, arch, block.name, stride if layer == 0 else 1
            )
            channels = outputs
    x = graph.convolution(x, channels, HEAD)
    x = graph.add("Flatten", graph.add("GlobalAveragePool", x), axis=1)
    weight = graph.weight((CLASSES, HEAD), math.sqrt(1 / HEAD))
    bias = graph.weight((CLASSES,), 0.1)
    graph.nodes.append(helper.make_node("Gemm", [x, weight, bias], ["logits"], "logits", transB=1))
    return _model(graph, side)


def _bottleneck(
    graph: _Graph, x: str, inputs: int, outputs: int, arch: Architecture, block: str, stride: int
) -> str:
    """Append one layer of a block: expand, depthwise, squeeze-and-excite, project, add."""
    before, expanded = x, inputs * _integer(arch, f"{block}_e")
    if expanded != inputs:
        x = graph.convolution(x, inputs, expanded)
    kernel = _integer(arch, f"{block}_k")
    x = graph.convolution(x, expanded, expanded, kernel=kernel, stride=stride, groups=expanded)
    if arch[f"{block}_se"]:
        squeezed = inputs // SQUEEZE
        gate = graph.add("GlobalAveragePool", x)
        gate = graph.convolution(gate, expanded, squeezed)
        gate = graph.convolution(gate, squeezed, expanded, relu=False)
        x = graph.add("Mul", x, graph.add("HardSigmoid", gate, alpha=1 / 6, beta=0.5))
    x = graph.convolution(x, expanded, outputs, relu=False)
    return graph.add("Add", x, before) if stride == 1 and inputs == outputs else x


def _integer(arch: Architecture, gene: str) -> int:
    return int(arch[gene])


def _model(graph: _Graph, side: int) -> onnx.ModelProto:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, side, side])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, CLASSES])
    made = helper.make_graph(graph.nodes, "mnasnet", [image], [logits], graph.weights)
    opset = helper.make_opsetid("", _OPSET)
    # The oldest IR that has the opset, so that old runtimes read it, too.
    return helper.make_model(made, opset_imports=[opset], ir_version=_IR_VERSION)
