"""A vocabulary for writing kernels in LLVM assembly, on top of llvmlite's builder.

Addresses are byte pointers; every distance is in bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from llvmlite import ir

#: Rows per vector: 8 float64 are one register of AVX-512, two of AVX2, four of NEON.
WIDTH = 8

I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
F32, F64 = ir.FloatType(), ir.DoubleType()
BYTES = I8.as_pointer()

#: A value that the kernel computes: an instruction, an argument or a constant; and its type.
Value: TypeAlias = ir.Value
Type: TypeAlias = ir.Type

_ONCE = "once"


def vector(kind: Type, n: int) -> Type:
    """Return the type of a vector of n elements."""
    return ir.VectorType(kind, n)


def constant(kind: Type, values: Sequence[float]) -> Value:
    """Return a constant vector with elements of a type."""
    return ir.Constant(ir.VectorType(kind, len(values)), list(values))


def repeated(kind: Type, value: float) -> Value:
    """Return a constant of a type; all elements of a vector are the same."""
    if isinstance(kind, ir.VectorType):
        return constant(kind.element, [value] * kind.count)
    return ir.Constant(kind, value)


class Loop:
    """What the body of a loop may use.

    Attributes
    ----------
    number : Value
        start, start + step, ... in this turn.
    carried : list of Value
        What goes from turn to turn, as it is in this one; after the loop, as the last turn left it.
    """

    def __init__(self, number: Value, carried: list[Value]) -> None:
        self.number, self.carried = number, carried
        self.following: list[Value] = []

    def carry(self, *values: Value) -> None:
        """State what `carried` is in the next turn."""
        self.following = list(values)


class Assembler:
    """Writes one function.

    Parameters
    ----------
    name : str
        Name of the function.
    triple : str
        Kind of machine, as LLVM names it.
    n_pointers, n_integers : int
        Its arguments: pointers, then 64-bit integers. It returns a 64-bit integer.
    """

    def __init__(self, name: str, triple: str, n_pointers: int, n_integers: int) -> None:
        self.module = ir.Module(name=name)
        self.module.triple = triple
        signature = ir.FunctionType(I64, [BYTES] * n_pointers + [I64] * n_integers)
        function = ir.Function(self.module, signature, name=name)
        self.arguments = function.args
        self.build = ir.IRBuilder(function.append_basic_block("entry"))

    # --- memory

    def stack(self, n_bytes: int) -> Value:
        """Return the address of memory for this call. Not to be used in a loop."""
        memory = self.build.alloca(ir.ArrayType(I8, n_bytes))
        memory.align = 64
        return self.build.bitcast(memory, BYTES)

    def at(self, base: Value, number: Value, size: int) -> Value:
        """Return the address of an element of `size` bytes."""
        return self.build.gep(base, [self.build.mul(number, I64(size))])

    def load(self, kind: Type, base: Value, distance: int = 0, align: int = 1) -> Value:
        """Return the value of a type at some distance from an address."""
        address = self.build.gep(base, [I64(distance)])
        return self.build.load(self.build.bitcast(address, kind.as_pointer()), align=align)

    def load_once(self, kind: Type, base: Value, distance: int = 0) -> Value:
        """Return a value of memory that others may be writing, read exactly once.

        LLVM takes it for granted that memory does not change under it, and may read a value anew
        where it is used twice. What is checked here must be what is used: a volatile load is never
        repeated, nor left out.
        """
        address = self.build.gep(base, [I64(distance)])
        pointer = self.build.bitcast(address, kind.as_pointer())
        return self.build.load(pointer, name=_ONCE, align=1)

    def text(self) -> str:
        """Return the module in LLVM assembly."""
        # llvmlite has no volatile loads; those that need to be are known by their names.
        return re.sub(rf'(%"{_ONCE}[^"]*" = load) ', r"\1 volatile ", str(self.module))

    def store(self, value: Value, base: Value, distance: int = 0, align: int = 4) -> None:
        """Store a value at some distance from an address."""
        address = self.build.gep(base, [I64(distance)])
        target = self.build.bitcast(address, value.type.as_pointer())
        self.build.store(value, target, align=align)

    def copy(self, target: Value, source: Value, n_bytes: Value) -> None:
        """Copy memory that does not overlap."""
        function = self.module.declare_intrinsic("llvm.memcpy", [BYTES, BYTES, I64])
        self.build.call(function, [target, source, n_bytes, ir.IntType(1)(0)])

    def clear(self, target: Value, n_bytes: Value) -> None:
        """Set memory to zero."""
        function = self.module.declare_intrinsic("llvm.memset", [BYTES, I64])
        self.build.call(function, [target, I8(0), n_bytes, ir.IntType(1)(0)])

    # --- blocks of instructions

    @contextmanager
    def loop(
        self, name: str, start: Value, stop: Value, step: int, *carried: Value
    ) -> Iterator[Loop]:
        """Repeat what is written inside for start, start + step, ... < stop; at least once.

        Values that are `carried` begin as given; the body says with `Loop.carry` how they go on.
        """
        build = self.build
        before, body = build.block, build.append_basic_block(f"{name}.loop")
        build.branch(body)
        build.position_at_end(body)
        loop = Loop(build.phi(I64), [build.phi(value.type) for value in carried])
        loop.number.add_incoming(start, before)
        for phi, value in zip(loop.carried, carried, strict=True):
            phi.add_incoming(value, before)
        yield loop
        following = build.add(loop.number, I64(step))
        for phi, value in zip(
            (loop.number, *loop.carried), (following, *loop.following), strict=True
        ):
            phi.add_incoming(value, build.block)
        after = build.append_basic_block(f"{name}.done")
        build.cbranch(build.icmp_signed("<", following, stop), body, after)
        build.position_at_end(after)
        loop.carried = loop.following

    @contextmanager
    def when(self, name: str, condition: Value, *, likely: bool | None = None) -> Iterator[None]:
        """Do what is written inside only where a condition holds."""
        build = self.build
        inside = build.append_basic_block(name)
        after = build.append_basic_block(f"{name}.done")
        branch = build.cbranch(condition, inside, after)
        if likely is not None:
            branch.set_weights([99, 1] if likely else [1, 99])
        build.position_at_end(inside)
        yield
        if not build.block.is_terminated:
            build.branch(after)
        build.position_at_end(after)

    # --- vectors

    def splat(self, value: Value) -> Value:
        """Return a vector of `WIDTH` times a value."""
        empty = ir.Constant(vector(value.type, WIDTH), ir.Undefined)
        return self.shuffle(self.build.insert_element(empty, value, I32(0)), empty, [0] * WIDTH)

    def shuffle(self, x: Value, y: Value, order: Sequence[int]) -> Value:
        """Return the elements of x and y, numbered through, in another order."""
        return self.build.shuffle_vector(x, y, constant(I32, order))

    def any(self, mask: Value) -> Value:
        """Return whether one element of a vector of bits is set."""
        bits = self.build.bitcast(mask, ir.IntType(mask.type.count))
        return self.build.icmp_unsigned("!=", bits, bits.type(0))

    def floor(self, x: Value) -> Value:
        """Return a vector of float64 rounded down."""
        return self._elementwise("floor", x)

    def sqrt(self, x: Value) -> Value:
        """Return the correctly rounded square roots of a vector of float64."""
        return self._elementwise("sqrt", x)

    def _elementwise(self, operation: str, x: Value) -> Value:
        name = f"llvm.{operation}.v{x.type.count}f64"
        function = self.module.globals.get(name)
        if function is None:
            function = ir.Function(self.module, ir.FunctionType(x.type, [x.type]), name=name)
        return self.build.call(function, [x])

    def deinterleave(self, vectors: list[Value]) -> list[Value]:
        """Take n interleaved sequences, given as n vectors in order of memory, apart."""
        if len(vectors) == 1:
            return vectors
        pairs = list(zip(vectors[::2], vectors[1::2], strict=True))
        even = self.deinterleave([self.shuffle(x, y, range(0, 2 * WIDTH, 2)) for x, y in pairs])
        odd = self.deinterleave([self.shuffle(x, y, range(1, 2 * WIDTH, 2)) for x, y in pairs])
        return [x for pair in zip(even, odd, strict=True) for x in pair]

    def transpose(self, rows: list[Value]) -> list[Value]:
        """Return the columns of 8 rows of 1, 2, 4 or 8 elements: each a vector over the rows."""
        size = rows[0].type.count
        while size < WIDTH:
            pairs = zip(rows[::2], rows[1::2], strict=True)
            rows = [self.shuffle(x, y, range(2 * size)) for x, y in pairs]
            size *= 2
        return self.deinterleave(rows)

    def interleave(self, vectors: list[Value]) -> list[Value]:
        """Undo `deinterleave`."""
        if len(vectors) == 1:
            return vectors
        half, joined = WIDTH // 2, []
        even, odd = self.interleave(vectors[::2]), self.interleave(vectors[1::2])
        for x, y in zip(even, odd, strict=True):
            for start in (0, half):
                order = [k for i in range(start, start + half) for k in (i, WIDTH + i)]
                joined.append(self.shuffle(x, y, order))
        return joined
