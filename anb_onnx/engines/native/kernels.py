"""Lookup kernels, generated for a search space, a number of members and a link.

A kernel goes from codes or indices to mean, std and members in one pass, and computes exactly what
`anb_onnx.tables` prescribes::

    for each block of 64 rows:                      # rows.loop
        for 16 rows at a time:                      # symbols.loop
            read the rows, once
            return where a code is out of range     # symbols.refuse
            symbols of all blocks -> memory
        for each group of 8 rows:                   # group.loop
            for each term, for each of the 8 rows:  # lookup.loop
                sums[row] += entries[first + strides * symbols, :]   (a vector: all members)
            transpose sums: a vector over the 8 rows for each member
            for each member:                        # link.loop
                y[member] = link(sums[member] * scale + shift)
            mean, std = of y                        # std.loop: 8 rows at once, in order
            store mean, std, and y where wanted     # members.store

To the right stand the names of the blocks of instructions; those of lookup, link and std are in
kernels that loop over them. No address is formed from a row before its block was found in range.
The members of an entry lie side by side, padded to whole vectors, so that 8 members are one load
and one addition.

A kernel comes in two forms. In `anb_onnx.engines.native.unrolled` all terms, rows of a group and
members are written out, so that distances are constants and all sums stay in registers; the
symbols are stored times the strides. Where that were too much to compile
(`anb_onnx.engines.native.spec` says when), `anb_onnx.engines.native.looped` loops over the terms,
which then stand in memory, and over the members.

``python -m anb_onnx.engines TARGET`` prints what becomes of it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeAlias

from anb_onnx.engines.native.arithmetic import Arithmetic
from anb_onnx.engines.native.assembly import (
    BYTES,
    F32,
    F64,
    I64,
    WIDTH,
    Assembler,
    Value,
    vector,
)
from anb_onnx.engines.native.llvm import Compiled, process_triple
from anb_onnx.engines.native.looped import LoopedGroup
from anb_onnx.engines.native.spec import Spec
from anb_onnx.engines.native.symbols import BLOCK_ROWS, SymbolWriter
from anb_onnx.engines.native.unrolled import UnrolledGroup

Kernel: TypeAlias = Callable[[int, int, int, int, int | None, int, int], int]

_NAME = "lookup"


class Parameters(ctypes.Structure):
    """What a kernel is told about an ensemble; the rest is part of its code.

    Addresses of the arrays that `kernel_table`, `inside_table`, `term_table` and `gene_table`
    return, and the numbers of the ensemble.
    """

    _fields_ = (
        ("table", ctypes.c_void_p),
        ("inside", ctypes.c_void_p),
        ("terms", ctypes.c_void_p),
        ("genes", ctypes.c_void_p),
        ("n_terms", ctypes.c_int64),
        ("scale", ctypes.c_double),
        ("shift", ctypes.c_double),
        ("offset", ctypes.c_double),
    )


# A kernel takes about 1.2 MB, and every link with hinges of its own has one; those that fall out
# live on with whoever uses them. Twice the bundled targets, as codes and as indices.
@lru_cache(maxsize=48)
def kernel(spec: Spec) -> Kernel:
    """Compile a kernel, or return the one compiled before.

    Returns
    -------
    callable
        ``(parameters, source, mean, std, members, start, stop)``: addresses of a `Parameters`, of
        the C-contiguous input and of the outputs, float32 [N], [N] and [N, M] (None where members
        are not wanted), and the range of rows. It returns -1, or, if a row is out of range, one
        that is at most `BLOCK_ROWS` - 1 rows before it; the outputs from there on have no
        meaning then. It releases the GIL.

    Raises
    ------
    EngineError
        If it cannot be compiled on this machine.
    """
    pointer, row = ctypes.c_void_p, ctypes.c_int64
    function: Kernel = Compiled(assembly(spec)).function(_NAME, row, [pointer] * 5 + [row] * 2)
    return function


def assembly(spec: Spec) -> str:
    """Return a kernel in LLVM assembly."""
    return _Writer(spec).write()


class _Writer:
    """Writes what is the same for all kernels: the loop over rows, and the outputs."""

    def __init__(self, spec: Spec) -> None:
        self.asm = Assembler(_NAME, process_triple(), n_pointers=5, n_integers=2)
        self.spec = spec
        self.group: UnrolledGroup | LoopedGroup
        self.group = (LoopedGroup if spec.terms is None else UnrolledGroup)(self.asm, spec)
        genes = self.asm.load(BYTES, self.asm.arguments[0], Parameters.genes.offset)
        self.symbols = SymbolWriter(self.asm, spec.source, spec.sizes, self.group.factors, genes)

    def write(self) -> str:
        asm, build, m = self.asm, self.asm.build, self.spec.n_members
        parameters, source, mean, std, members, start, stop = asm.arguments
        addresses = {
            name: asm.load(kind, parameters, getattr(Parameters, name).offset)
            for name, kind in (
                ("table", BYTES),
                ("inside", BYTES),
                ("terms", BYTES),
                ("n_terms", I64),
            )
        }
        arithmetic = self._arithmetic(parameters)
        outputs = [
            _Output(asm, "mean", mean, 4),
            _Output(asm, "std", std, 4),
            _Output(asm, "members", members, 4 * m),
        ]
        wanted = build.icmp_unsigned("!=", build.ptrtoint(members, I64), I64(0))
        with asm.when("empty", build.icmp_signed(">=", start, stop)):
            build.ret(I64(-1))
        with asm.loop("rows", start, stop, BLOCK_ROWS) as rows:
            first = rows.number
            left = build.sub(stop, first)
            whole = build.icmp_signed(">=", left, I64(BLOCK_ROWS))
            n = build.select(whole, I64(BLOCK_ROWS), left)
            self.symbols.write(source, first, n)
            with asm.loop("group", I64(0), n, WIDTH) as group:
                i = group.number
                found = self.group.predict(i, self.symbols.symbols, addresses, arithmetic)
                row, left = build.add(first, i), build.sub(n, i)
                for output, value in zip(outputs[:2], found, strict=True):
                    with output.open(row, left) as target:
                        asm.store(build.fptrunc(value, vector(F32, WIDTH)), target)
                with asm.when("members.store", wanted), outputs[2].open(row, left) as target:
                    self.group.store_members(target, arithmetic)
        build.ret(I64(-1))
        return asm.text()

    def _arithmetic(self, parameters: Value) -> Arithmetic:
        asm, spec = self.asm, self.spec
        numbers = (
            asm.splat(asm.load(F64, parameters, field.offset))
            for field in (Parameters.scale, Parameters.shift, Parameters.offset)
        )
        return Arithmetic(asm, spec.n_members, spec.steps, spec.bends, *numbers)


class _Output:
    """An array that is written 8 rows at a time, and never behind its end."""

    def __init__(self, asm: Assembler, name: str, base: Value, row_bytes: int) -> None:
        self._asm, self._name, self._base, self._row_bytes = asm, name, base, row_bytes
        self._spare = asm.stack(WIDTH * row_bytes)

    @contextmanager
    def open(self, row: Value, left: Value) -> Iterator[Value]:
        """Give the address to write 8 rows to; where fewer are left, only these are kept."""
        asm, build = self._asm, self._asm.build
        here = asm.at(self._base, row, self._row_bytes)
        part = build.icmp_signed("<", left, I64(WIDTH))
        yield build.select(part, self._spare, here)
        with asm.when(f"{self._name}.store.part", part, likely=False):
            asm.copy(here, self._spare, build.mul(left, I64(self._row_bytes)))
