"""Writes ONNX files without the onnx package: the few messages that a graph of ours is made of.

The fields of a message stand in the order of their numbers (onnx/onnx.proto), as protobuf's own
deterministic serialisation has them, so equal graphs are equal bytes, whoever wrote them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx.errors import ArtifactError
from anb_onnx.onnx_files.describing import describe
from anb_onnx.onnx_files.steps import FLOAT, INPUT
from anb_onnx.spaces.space import SearchSpace

#: Lowest ai.onnx opset that has all operators used, Slice with its bounds as inputs being the
#: youngest; and the IR version of that time (ONNX 1.5). By onnxruntime's table of versions this
#: opens in onnxruntime 0.4 (2019) and everything since, onnxruntime-web included; the tests run it
#: in those of `docs/embedding.md`.
OPSET = 10
IR_VERSION = 5

#: Version of the metadata, as text: what `anb_onnx.catalog.manifest.SCHEMA` reads.
SCHEMA = "2"

#: What files name as their maker. It never changes, as the bytes depend on it.
PRODUCER = "anb_export"

# ONNX's numbers of the data types of constants, by NumPy's names.
_TYPES = {"float32": 1, "uint8": 2, "int32": 6, "int64": 7, "bool": 9, "float64": 11}
_INT, _INTS = 2, 7


def varint(value: int) -> bytes:
    """Return a number that is not negative in base 128, the least significant digit first."""
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])


def written(number: int, value: int | str | bytes) -> bytes:
    """Return a field: an integer, a text or the bytes of a message.

    Parameters
    ----------
    number : int
        Of the field in its message.
    value : int, str or bytes
        An integer is not negative.
    """
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


class Graph:
    """Collects nodes and constants, giving each a name that is unique in the graph."""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.constants: list[bytes] = []
        self._known: dict[tuple[Any, ...], str] = {}
        self._names = 0

    def add(self, operator: str, *inputs: str, **attributes: int | Sequence[int]) -> str:
        """Append a node with one output and return the output's name."""
        name = f"{operator.lower()}_{self._names}"
        self._names += 1
        self.output(name, operator, *inputs, **attributes)
        return name

    def output(
        self, name: str, operator: str, *inputs: str, **attributes: int | Sequence[int]
    ) -> None:
        """Append a node whose output has a given name."""
        node = b"".join(written(1, value) for value in inputs) + written(2, name)
        node += written(3, f"{name}_node") + written(4, operator)
        for key, value in sorted(attributes.items()):
            node += written(5, _attribute(key, value))
        self.nodes.append(node + written(7, ""))

    def constant(self, value: Any, dtype: Any) -> str:
        """Return the name of a constant; equal constants are stored once."""
        array = np.asarray(value, dtype=dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = f"constant_{len(self.constants)}"
            self.named_constant(self._known[key], array)
        return self._known[key]

    def named_constant(self, name: str, array: NDArray[Any]) -> None:
        """Append a constant whose name is given."""
        tensor = b"".join(written(1, size) for size in array.shape)
        tensor += written(2, _TYPES[array.dtype.name]) + written(8, name)
        content = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
        self.constants.append(tensor + written(9, content))

    def cast(self, name: str, dtype: int) -> str:
        """Append a Cast to an ONNX data type."""
        return self.add("Cast", name, to=dtype)

    def add_all(self, names: Sequence[str]) -> str:
        """Sum tensors from left to right."""
        total = names[0]
        for name in names[1:]:
            total = self.add("Add", total, name)
        return total

    def model(
        self,
        *,
        space: SearchSpace,
        n_members: int,
        card: Mapping[str, Any],
        more: Mapping[str, Sequence[int]] | None = None,
    ) -> bytes:
        """Return the file: the graph with the inputs and outputs of the contract, and metadata.

        Parameters
        ----------
        space : SearchSpace
            The space of the input; it becomes part of the metadata.
        n_members : int
        card : mapping
            The target's entry of the manifest, without file, sha256 and bytes, and with the name
            of the ``benchmark``.
        more : mapping of str to sequence of int, optional
            Further outputs of float32, and what follows N in their shapes.
        """
        told = describe(card, space, n_members)
        graph = b"".join(written(1, node) for node in self.nodes)
        graph += written(2, f"anb_onnx_{card.get('metric', 'surrogate')}")
        graph += b"".join(written(5, tensor) for tensor in self.constants)
        graph += written(10, told.graph)
        graph += written(11, _value(INPUT, _TYPES["uint8"], ["N", space.n_genes], told.input))
        shapes: dict[str, list[int | str]] = {
            "mean": ["N"],
            "std": ["N"],
            "members": ["N", n_members],
            **{name: ["N", *sizes] for name, sizes in (more or {}).items()},
        }
        for name, shape in shapes.items():
            graph += written(12, _value(name, FLOAT, shape, told.outputs[name]))
        model = written(1, IR_VERSION) + written(2, PRODUCER) + written(3, f"schema {SCHEMA}")
        model += (
            written(6, told.model)
            + written(7, graph)
            + written(8, written(1, "") + written(2, OPSET))
        )
        for key, text in metadata(card, space).items():
            model += written(14, written(1, key) + written(2, text))
        return model


def metadata(card: Mapping[str, Any], space: SearchSpace) -> dict[str, str]:
    """Return the metadata of a file: the schema, and the card with its search space as JSON.

    Raises
    ------
    ArtifactError
        If the card is nothing that JSON can hold: a number is not finite, for example.
    """
    document = {**card, "search_space": space.to_dict()}
    try:
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        msg = f"the card cannot be written as JSON: {error}"
        raise ArtifactError(msg) from error
    return {"anb_onnx.schema": SCHEMA, "anb_onnx.card": text}


def _attribute(name: str, value: int | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return written(1, name) + written(3, value) + written(20, _INT)
    return written(1, name) + b"".join(written(8, v) for v in value) + written(20, _INTS)


def _value(name: str, dtype: int, shape: Sequence[int | str], told: str) -> bytes:
    """Return the description of an input or output; sizes that are open have names."""
    sizes = b"".join(written(1, written(1 if isinstance(d, int) else 2, d)) for d in shape)
    kind = written(1, written(1, dtype) + written(2, sizes))
    return written(1, name) + written(2, kind) + written(3, told)
