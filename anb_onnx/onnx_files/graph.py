"""What a table-form ONNX file computes, read from its graph without a runtime.

The manifest says where the tables lie in the file and what follows their sum, and the graph says
the same in operators. The engines that read tables believe the one, onnxruntime runs the other, so
both are compared before either is believed.

Nodes are numbered by what they compute - an operator with its attributes, of numbered inputs - so
that neither names nor the order of nodes matter, and what a graph should compute can be written
down, numbered alike, and compared.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import ArtifactError
from anb_onnx.links import Link
from anb_onnx.onnx_files.messages import MessageError, fields
from anb_onnx.regimes import Regime
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.terms import Terms

# Numbers of fields in onnx/onnx.proto, of what the table form needs.
_MODEL_GRAPH, _MODEL_FUNCTIONS = 7, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_OUTPUT, _VALUE_NAME = 1, 5, 12, 1
_NODE_INPUT, _NODE_OUTPUT, _NODE_OP, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 2, 4, 5, 7
_ATTRIBUTE_NAME, _ATTRIBUTE_I, _ATTRIBUTE_INTS, _ATTRIBUTE_TYPE = 1, 3, 8, 20
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW, _TENSOR_DOC = 1, 2, 8, 9, 12
_FLOAT, _INT32, _INT64, _BOOL, _DOUBLE = 1, 6, 7, 9, 11

# Names of values stay bytes: there are many, and none is shown.
_INPUT, _TABLES, _OUTPUTS = b"architectures", b"tables", (b"mean", b"std", b"members")

#: Most symbols of a block that the graph computes in float32: they and all terms of their sum are
#: exact in the shorter formats (bfloat16, TF32) that accelerators may put in its place.
MOST_EXACT = 256

# Far more than 64 blocks, 64 outputs, 1,024 members and 128 hinges need, besides the terms: reading
# more takes long.
_MOST_NODES = 50_000
_MOST_NODE_BYTES = 4096  # 64 outputs side by side, by names of up to 60 bytes

# An operator with its attributes and the numbers of its inputs; or a constant with its value.
_Key: TypeAlias = tuple[Any, ...]

# A step of a link with its numbers: ("hinge", knot, change).
_Step: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True)
class TableGraph:
    """What a graph of the table form computes; as `TableEnsemble` has it.

    Attributes
    ----------
    offset, entries, members : int
        Byte at which the tables begin, and their shape.
    scale, shift : float
    link : Link
        Its power, offset, hinges and regime.
    """

    offset: int
    entries: int
    members: int
    scale: float
    shift: float
    link: Link


def read_graph(model: bytes, terms: Terms, source: str) -> TableGraph:
    """Read what the graph of a table-form file computes.

    Parameters
    ----------
    model : bytes
        The file.
    terms : Terms
        Of the space of its input: which entries are added for an architecture follows from them.
    source : str
        Name of the file, for errors.

    Raises
    ------
    ArtifactError
        If the graph is not of the table form over these terms.
    """
    try:
        graph = _Graph.parse(model, terms)
        return graph.read(terms)
    except (MessageError, _FormError, UnicodeDecodeError, struct.error) as error:
        msg = (
            f"{source}: its graph is not that of tables over the terms of its card "
            f"({error}); search space {terms.space.name!r}"
        )
        raise ArtifactError(msg) from error


def find_tables(model: bytes, terms: Terms, source: str) -> tuple[int, tuple[int, ...]]:
    """Return where the tables of a file begin, a byte, and their shape.

    Raises
    ------
    ArtifactError
        If the file has no graph with tables.
    """
    graph = _parse(model, terms, source)
    if not graph.shape:
        msg = f"{source}: its graph has no tables"
        raise ArtifactError(msg)
    return graph.offset, graph.shape


def check_same(model: bytes, wanted: bytes, terms: Terms, source: str) -> None:
    """Refuse a file whose graph computes something else than another one does, from its tables.

    What is compared is what each output is computed from, not how values are called.

    Parameters
    ----------
    model : bytes
        The file.
    wanted : bytes
        A file with the graph that is right, such as one that was built of the file's tables.
    terms : Terms
    source : str
        Name of the file, for errors.

    Raises
    ------
    ArtifactError
        Naming the first output that differs, or is missing.
    """
    right = _parse(wanted, terms, source)
    outputs, graph = right.outputs, _parse(model, terms, source, right)
    for name in sorted(outputs.keys() | graph.outputs.keys()):
        if graph.outputs.get(name, -1) != outputs.get(name, -2):
            msg = (
                f"{source}: its graph computes another output {show(str(name, 'utf-8'))} than its "
                "card says"
            )
            raise ArtifactError(msg)


def _parse(model: bytes, terms: Terms, source: str, known: _Graph | None = None) -> _Graph:
    try:
        return _Graph.parse(model, terms, known)
    except (MessageError, _FormError, UnicodeDecodeError, struct.error) as error:
        msg = f"{source}: its graph is not that of tables ({error})"
        raise ArtifactError(msg) from error


class _FormError(ValueError):
    """A graph is not of the table form."""


def _refuse(what: str) -> NoReturn:
    raise _FormError(what)


@dataclass
class _Graph:
    """Numbered values: `keys[number]` says what a value is, `names` which value has a name."""

    keys: list[_Key] = field(default_factory=list)
    numbers: dict[_Key, int] = field(default_factory=dict)
    names: dict[bytes, int] = field(default_factory=dict)
    offset: int = -1
    shape: tuple[int, ...] = ()
    told: list[bytes] = field(default_factory=list)

    @property
    def outputs(self) -> dict[bytes, int]:
        """The number of each output of the graph, by name; -3 of one that nothing computes."""
        return {name: self.names.get(name, -3) for name in self.told}

    def number(self, *key: object) -> int:
        """Return the number of a value; the same for the same value."""
        found = self.numbers.get(key)
        if found is None:
            found = self.numbers[key] = len(self.keys)
            self.keys.append(key)
        return found

    def constant(self, kind: int, value: NDArray[np.generic]) -> int:
        """Return the number of a constant of an ONNX data type."""
        return self.number("constant", kind, value.shape, value.tobytes())

    def name(self, name: bytes, number: int) -> None:
        if name in self.names:
            _refuse(f"the name {show(name)} is given twice")
        self.names[name] = number

    @classmethod
    def parse(cls, model: bytes, terms: Terms, known: _Graph | None = None) -> _Graph:
        """Give the values of a file their numbers, those that a `known` graph gave to its own."""
        most = _MOST_NODES + sum(3 * len(term) + 4 for term in terms.blocks)
        graphs = []
        for number, start, stop in fields(model, 0, len(model)):
            if number == _MODEL_GRAPH:
                graphs.append((start, stop))
            elif number == _MODEL_FUNCTIONS:
                _refuse("it defines functions")
        if len(graphs) != 1 or graphs[0][1] < 0:
            _refuse(f"it has {len(graphs)} graphs, not 1")
        graph = cls() if known is None else cls(known.keys, known.numbers)
        graph.name(_INPUT, graph.number("input"))
        nodes = []
        for number, start, stop in fields(model, *graphs[0]):
            if number == _GRAPH_NODE:
                nodes.append((start, stop))
            elif number == _GRAPH_INITIALIZER:
                graph._add_initializer(model, start, stop)
            elif number == _GRAPH_OUTPUT:
                told = [model[a:b] for n, a, b in fields(model, start, stop) if n == _VALUE_NAME]
                graph.told.append(told[-1] if told else b"")
            if max(len(nodes), len(graph.names)) > most:
                _refuse(f"it has more than {most} operators or constants")
        for start, stop in nodes:
            graph._add_node(model, start, stop)
        return graph

    def _add_initializer(self, model: bytes, start: int, stop: int) -> None:
        dims: list[int] = []
        kind, name, raw = 0, b"", (0, 0)
        seen = set()
        for number, a, b in fields(model, start, stop):
            if number == _TENSOR_DIMS and b < 0:
                dims.append(a)
                continue
            if number in seen:
                _refuse("a constant has a part twice")
            seen.add(number)
            if number == _TENSOR_TYPE:
                kind = a
            elif number == _TENSOR_NAME:
                name = model[a:b]
            elif number == _TENSOR_RAW:
                raw = a, b
            elif number != _TENSOR_DOC:
                _refuse(f"a constant has a part of number {number}")
        if name == _TABLES:
            if kind != _INT32 or len(dims) != 2 or raw[1] - raw[0] != 4 * dims[0] * dims[1]:
                _refuse(f"its tables have the shape {dims} and {raw[1] - raw[0]} bytes")
            self.offset, self.shape = raw[0], tuple(dims)
            self.name(name, self.number("tables"))
        else:
            self.name(name, self.number("constant", kind, tuple(dims), model[raw[0] : raw[1]]))

    def _add_node(self, model: bytes, start: int, stop: int) -> None:
        if stop - start > _MOST_NODE_BYTES:
            _refuse(f"an operator takes {stop - start} bytes, not at most {_MOST_NODE_BYTES}")
        inputs, outputs, operator, attributes = [], [], "", []
        for number, a, b in fields(model, start, stop):
            if number == _NODE_INPUT:
                inputs.append(model[a:b])
            elif number == _NODE_OUTPUT:
                outputs.append(model[a:b])
            elif number == _NODE_OP:
                operator = str(model[a:b], "utf-8")
            elif number == _NODE_ATTRIBUTE:
                attributes.append(_attribute(model, a, b))
            elif number == _NODE_DOMAIN and b > a:
                _refuse("it has operators of other domains")
        if len(outputs) != 1:
            _refuse(f"an operator has {len(outputs)} outputs")
        try:
            numbers = [self.names[name] for name in inputs]
        except KeyError as error:
            _refuse(f"the name {show(error.args[0])} is read before it is computed")
        self.name(outputs[0], self.number(operator, *attributes, *numbers))

    def read(self, terms: Terms) -> TableGraph:
        """Return what the graph computes."""
        if not self.shape:
            _refuse("it has no tables")
        try:
            mean, std, members = (self.names[name] for name in _OUTPUTS)
        except KeyError as error:
            _refuse(f"it has no output {show(error.args[0])}")
        y = self._input(members, "Cast", ("to", _FLOAT))
        if [mean, std] != self._summary(y, self.shape[1]):
            _refuse("mean and std are not those of its members")
        steps, u = self._unwind(y)
        scaled, shift = self._with_constant(u, "Add")
        total, scale = self._with_constant(scaled, "Mul")
        if self._input(total, "Cast", ("to", _DOUBLE)) != self._sum_of_terms(terms):
            _refuse("it adds other entries")
        entries, n_members = self.shape
        return TableGraph(
            self.offset, entries, n_members, scale, shift, self._link(steps, terms.space)
        )

    def _input(self, value: int, operator: str, attribute: tuple[str, int]) -> int:
        """Return the input of a value that must be this operator of one input."""
        key = self.keys[value]
        if len(key) != 3 or key[:2] != (operator, attribute):
            _refuse(f"{show(key[0])} stands where {operator} should")
        return int(key[2])

    def _scalar(self, value: int) -> float | None:
        """Return a float64 constant without dimensions; None where the value is none."""
        key = self.keys[value]
        if key[:3] != ("constant", _DOUBLE, ()):
            return None
        (found,) = struct.unpack("<d", key[3])
        return float(found)

    def _with_constant(self, value: int, operator: str) -> tuple[int, float]:
        """Return the first input of an operator, and its second, which must be a constant."""
        key = self.keys[value]
        constant = self._scalar(key[2]) if len(key) == 3 and key[0] == operator else None
        if constant is None:
            _refuse(f"{show(key[0])} stands where {operator} with a constant should")
        return int(key[1]), constant

    def _unwind(self, y: int) -> tuple[list[_Step], int]:
        """Return the steps of the inverse link, in their order, and what they start from."""
        steps: list[_Step] = []
        while (found := self._last_step(self.keys[y])) is not None:
            step, y = found
            steps.append(step)
        return steps[::-1], y

    def _last_step(self, key: _Key) -> tuple[_Step, int] | None:
        """Return a step with its numbers, and its input; None where the link begins."""
        match key:
            case ("Sqrt", y):
                return ("sqrt",), y
            case ("Mul", y, again) if y == again:
                return ("square",), y
            case ("Div", one, y) if self._scalar(one) == 1.0:
                return ("reciprocal",), y
            case ("Sub", offset, y) if self._scalar(offset) is not None:
                return ("reflect", self._scalar(offset)), y
            case ("Where", inside, bent, y):
                match self._last_step(self.keys[bent]):
                    case (("hinge", knot, change), before) if before == y:
                        return ("regime", knot, change, inside), y
                _refuse("a regime does not choose between a value and its hinge")
            case ("Add", y, more) if self._scalar(more) is None:
                above, change = self._with_constant(more, "Mul")
                over, zero = self._with_constant(above, "Max")
                below, knot = self._with_constant(over, "Sub")
                if below != y or zero != 0.0:
                    _refuse("a hinge bends another value than it adds to")
                return ("hinge", knot, change), y
        return None

    def _link(self, steps: Sequence[_Step], space: SearchSpace) -> Link:
        names = [step[0] for step in steps]
        size = Fraction(2) ** (names.count("sqrt") - names.count("square"))
        power = f"{-size if 'reciprocal' in names else size}"
        offset = next((step[1] for step in steps if step[0] == "reflect"), None)
        hinges = tuple(step[1:3] for step in steps if step[0] == "hinge")
        try:
            link = Link(power, offset, hinges, self._regime(steps, space))
        except ArtifactError as error:
            _refuse(f"{error}")
        if list(link.inverse_steps) != names:
            _refuse(f"its steps {', '.join(names)} are those of no link")
        return link

    def _regime(self, steps: Sequence[_Step], space: SearchSpace) -> Regime | None:
        hinges = tuple(step[1:3] for step in steps if step[0] == "regime")
        inside = {step[3] for step in steps if step[0] == "regime"}
        if not inside:
            return None
        for position, size in enumerate(space.gene_sizes):
            code = self.number("Gather", ("axis", 1), self.names[_INPUT], self._int64(position))
            code = self.number("Cast", ("to", _INT32), code)
            for value in inside:
                match self.keys[value]:
                    case ("Gather", ("axis", 0), table, found) if found == code:
                        key = self.keys[table]
                        if len(inside) == 1 and key[:3] == ("constant", _BOOL, (size, 1)):
                            codes = np.flatnonzero(np.frombuffer(key[3], np.uint8)).tolist()
                            return Regime(space.gene_names[position], tuple(codes), hinges)
        _refuse("its regime does not depend on one gene")

    def _sum_of_terms(self, terms: Terms) -> int:
        """Return the number of what a graph must add."""
        symbols = self._symbols(terms.space)
        total = -1
        for k, (term, shape) in enumerate(zip(terms.blocks, terms.shapes, strict=True)):
            index = self._mixed_radix([symbols[block] for block in term], shape)
            bounds = (terms.offsets[k], terms.offsets[k + 1], 0)
            table = self.number("Slice", self.names[_TABLES], *(self._int64([v]) for v in bounds))
            entry = self.number("Gather", ("axis", 0), table, index)
            total = entry if total < 0 else self.number("Add", total, entry)
        return total

    def _symbols(self, space: SearchSpace) -> list[int]:
        """Return the numbers of the blocks' symbols; see `anb_onnx.writing.table_form`."""
        codes = self.number("Transpose", ("perm", (1, 0)), self.names[_INPUT])
        integers = self.number("Cast", ("to", _INT32), codes)
        weights = np.zeros((space.n_blocks, space.n_genes), dtype="<f4")
        for block, genes in enumerate(space.block_slices):
            if space.block_sizes[block] <= MOST_EXACT:
                weights[block, genes] = space.symbol_weights[genes]
        floats = self.number("Cast", ("to", _FLOAT), codes)
        matrix = self.number("MatMul", self.constant(_FLOAT, weights), floats)
        matrix = self.number("Cast", ("to", _INT32), matrix)
        symbols = []
        for block, genes in enumerate(space.block_slices):
            if space.block_sizes[block] <= MOST_EXACT:
                row = self.number("Gather", ("axis", 0), matrix, self._int64(block))
            else:
                columns = range(space.n_genes)[genes]
                rows = [
                    self.number("Gather", ("axis", 0), integers, self._int64(column))
                    for column in columns
                ]
                row = self._mixed_radix(rows, space.gene_sizes[genes])
            symbols.append(row)
        return symbols

    def _mixed_radix(self, digits: Sequence[int], sizes: Sequence[int]) -> int:
        """Return the number of what puts digits together, the first most significant."""
        value = digits[0]
        for digit, size in zip(digits[1:], sizes[1:], strict=True):
            radix = self.constant(_INT32, np.array(size, dtype="<i4"))
            value = self.number("Add", self.number("Mul", value, radix), digit)
        return value

    def _summary(self, y: int, members: int) -> list[int]:
        """Return the numbers of mean and std of members, as `anb_onnx.tables` defines them."""
        columns = [self.number("Gather", ("axis", 1), y, self._int64(m)) for m in range(members)]
        count = self.constant(_DOUBLE, np.array(float(members), dtype="<f8"))
        mean = self.number("Div", self._chain(columns), count)
        off = [self.number("Sub", column, mean) for column in columns]
        squares = self._chain([self.number("Mul", value, value) for value in off])
        std = self.number("Sqrt", self.number("Div", squares, count))
        return [self.number("Cast", ("to", _FLOAT), value) for value in (mean, std)]

    def _chain(self, values: list[int]) -> int:
        total = values[0]
        for value in values[1:]:
            total = self.number("Add", total, value)
        return total

    def _int64(self, value: int | list[int]) -> int:
        return self.constant(_INT64, np.array(value, dtype="<i8"))


def _attribute(model: bytes, start: int, stop: int) -> tuple[str, Any]:
    """Return name and value of an attribute, an integer or several."""
    name, value, many = "", 0, []
    for number, a, b in fields(model, start, stop):
        if number == _ATTRIBUTE_NAME:
            name = str(model[a:b], "utf-8")
        elif number == _ATTRIBUTE_I and b < 0:
            value = a
        elif number == _ATTRIBUTE_INTS and b < 0:
            many.append(a)
        elif number != _ATTRIBUTE_TYPE:
            _refuse(f"attribute {show(name)} is not an integer")
    return name, tuple(many) if many else value
