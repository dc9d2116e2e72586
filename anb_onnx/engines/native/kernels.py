"""Lookup kernels, generated for a search space, a number of members and a link.

A kernel goes from codes, indices or symbols to mean, std and members in one pass, and computes
exactly what `anb_onnx.tables` prescribes. Rows come in blocks that stay in the first-level cache:

* the symbols of a block of rows are computed and checked, many rows at a time, and stored as byte
  offsets into the tables. No address is formed from a row before its block was found in range;
* for each row, one entry per pair of blocks is added up. The members of an entry lie side by side,
  padded to whole vectors, so that 8 members are one load and one addition;
* the sums of 8 rows are transposed to one vector per member; scale, link, mean and std are
  computed for 8 rows at once, in the prescribed order. Every operation stands in the assembly as
  one of IEEE 754's; LLVM fuses or reorders none of them unless told that it may.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx.engines.native.assembly import (
    BYTES,
    F32,
    F64,
    I32,
    I64,
    WIDTH,
    Assembler,
    constant,
    vector,
)
from anb_onnx.engines.native.llvm import Compiled, process_triple
from anb_onnx.engines.native.symbols import BLOCK_ROWS, Sizes, Source, SymbolWriter
from anb_onnx.errors import EngineError
from anb_onnx.tables import TableEnsemble

Kernel: TypeAlias = Callable[[int, int, int, int, int | None, int, int], int]

_NAME = "lookup"
# Loads of vectors per architecture. Compiling takes more than linearly long in them: 4 s for 231
# (22 blocks, 8 members), two minutes for 1,848 (64 members).
_MOST_LOADS = 512
_CACHE_LINE = 64


class Parameters(ctypes.Structure):
    """What a kernel is told about an ensemble; the rest is part of its code."""

    _fields_ = (
        ("table", ctypes.c_void_p),
        ("inside", ctypes.c_void_p),
        ("scale", ctypes.c_double),
        ("shift", ctypes.c_double),
        ("offset", ctypes.c_double),
    )


@dataclass(frozen=True)
class Spec:
    """All that a kernel depends on.

    Attributes
    ----------
    source : {"codes", "indices", "symbols"}
        What a row of the input is: uint8 [n_genes]; int64; or n_blocks symbols, unsigned integers
        of the width of `SearchSpace.symbol_dtype`.
    sizes : tuple of tuple of int
        Number of choices of the genes of each block.
    n_members : int
        Number of members M.
    steps : tuple of str
        The inverse link, as in `Link.inverse_steps`.
    bends : tuple of (float, float)
        Knot and change of each hinge, those of the regime last; constants of the code.
    regime_block : int or None
        Number of the block whose symbol says whether a row is inside the link's regime.
    """

    source: Source
    sizes: Sizes
    n_members: int
    steps: tuple[str, ...]
    bends: tuple[tuple[float, float], ...] = ()
    regime_block: int | None = None


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


def check_size(ensemble: TableEnsemble) -> None:
    """Refuse an ensemble whose kernel would take long to compile.

    Raises
    ------
    EngineError
        Naming the number of pairs and members, and other engines.
    """
    n_pairs, m = len(ensemble.terms), ensemble.n_members
    pairs = tuple(combinations(range(ensemble.space.n_blocks), 2))
    if ensemble.terms.blocks != pairs:
        msg = "the native engine adds up tables of all pairs of blocks"
        raise EngineError(msg)
    if n_pairs * max(1, _padded(m) // WIDTH) > _MOST_LOADS:
        msg = (
            f"the native engine writes out all lookups of an architecture, and {n_pairs} pairs of "
            f"blocks times {m} members would take minutes to compile; use engine='numpy' or "
            "engine='onnxruntime'"
        )
        raise EngineError(msg)


def assembly(spec: Spec) -> str:
    """Return a kernel in LLVM assembly."""
    return _Writer(spec).write()


def kernel_table(ensemble: TableEnsemble) -> NDArray[np.int32]:
    """Return an ensemble's entries as kernels want them: int32 [n_entries, padded members].

    Entries lie within cache lines. A pair's table has the block with fewer symbols as its column
    (see `_orientation`): then few different multiples of a symbol serve for all tables.
    """
    sizes, m = ensemble.space.block_sizes, ensemble.n_members
    n, width = len(ensemble.entries), _padded(m)
    memory = np.zeros(4 * n * width + _CACHE_LINE, dtype=np.uint8)
    start = -memory.ctypes.data % _CACHE_LINE
    result = memory[start : start + 4 * n * width].view(np.int32).reshape(n, width)
    position = 0
    for (a, b), table in zip(ensemble.terms.blocks, ensemble.tables, strict=True):
        turned = table if _orientation(sizes, a, b) == (a, b) else table.transpose(1, 0, 2)
        end = position + sizes[a] * sizes[b]
        result[position:end, :m] = turned.reshape(-1, m)
        position = end
    return result


def inside_table(inside: NDArray[np.bool_], n_members: int) -> NDArray[np.int32]:
    """Return which symbols are inside a regime as kernels want it: int32 [n_symbols, padded].

    Rows are as wide as entries, so that an offset into the tables serves here, too.
    """
    return np.repeat(inside.astype(np.int32)[:, None], _padded(n_members), axis=1)


def _padded(n_members: int) -> int:
    """Return the members per entry of a kernel's table: 1, 2, 4 or a multiple of 8."""
    return -(-n_members // WIDTH) * WIDTH if n_members > 4 else 1 << (n_members - 1).bit_length()


def _orientation(sizes: tuple[int, ...], a: int, b: int) -> tuple[int, int]:
    """Return which block of a pair numbers the rows of its table, and which the columns."""
    return (a, b) if sizes[b] <= sizes[a] else (b, a)


class _Writer:
    """Writes one kernel."""

    def __init__(self, spec: Spec) -> None:
        self.asm = Assembler(_NAME, process_triple(), n_pointers=5, n_integers=2)
        self.spec = spec
        self.sizes = tuple(map(prod, spec.sizes))
        self.pairs = [
            _orientation(self.sizes, a, b)
            for a in range(len(self.sizes))
            for b in range(a + 1, len(self.sizes))
        ]
        self.entry_bytes = 4 * _padded(spec.n_members)
        self.lanes = min(WIDTH, _padded(spec.n_members))
        # From a symbol to the distance of its column, and of its row in tables of each width.
        widths = sorted({1} | {self.sizes[column] for _, column in self.pairs})
        factors = [self.entry_bytes * width for width in widths]
        self.symbols = SymbolWriter(self.asm, spec.source, spec.sizes, factors)

    def write(self) -> str:
        asm, build, m = self.asm, self.asm.build, self.spec.n_members
        parameters, source, mean, std, members, start, stop = asm.arguments
        table = asm.load(BYTES, parameters, Parameters.table.offset)
        regime = asm.load(BYTES, parameters, Parameters.inside.offset)
        scale, shift, offset = (
            asm.splat(asm.load(F64, parameters, field.offset))
            for field in (Parameters.scale, Parameters.shift, Parameters.offset)
        )
        outputs = [_Output(asm, mean, 4), _Output(asm, std, 4), _Output(asm, members, 4 * m)]
        wanted = build.icmp_unsigned("!=", build.ptrtoint(members, I64), I64(0))
        with build.if_then(build.icmp_signed(">=", start, stop)):
            build.ret(I64(-1))
        with asm.count(start, stop, BLOCK_ROWS) as first:
            left = build.sub(stop, first)
            whole = build.icmp_signed(">=", left, I64(BLOCK_ROWS))
            n = build.select(whole, I64(BLOCK_ROWS), left)
            self.symbols.write(source, first, n)
            with asm.count(I64(0), n, WIDTH) as i:
                # All 8 rows at once, in registers: the processor overlaps the lookups of a group
                # with the arithmetic of the one before. Rows behind the last have symbols 0.
                sums = [self._lookup(table, i, row) for row in range(WIDTH)]
                inside = self._inside(regime, i)
                y = [
                    self._inverse(lane, scale, shift, offset, inside)
                    for lane in self._by_member(sums)
                ]
                row, left = build.add(first, i), build.sub(n, i)
                for output, value in zip(outputs[:2], self._summarise(y), strict=True):
                    with output.open(row, left) as target:
                        asm.store(build.fptrunc(value, vector(F32, WIDTH)), target)
                with build.if_then(wanted), outputs[2].open(row, left) as target:
                    self._store_members(y, target)
        build.ret(I64(-1))
        return asm.text()

    def _lookup(self, table: Any, group: Any, row: int) -> list[Any]:
        """Return the sums over all pairs of one row of a group, all (padded) members."""
        asm, build, offsets = self.asm, self.asm.build, self.symbols.offsets
        loaded: dict[tuple[int, int], Any] = {}

        def distance(block: int, width: int) -> Any:
            if (block, width) not in loaded:
                factor = self.entry_bytes * width
                loaded[block, width] = offsets.load(asm, factor, group, row, block)
            return loaded[block, width]

        kind, n_bytes = vector(I32, self.lanes), 4 * self.lanes
        sums: list[Any] = [constant(I32, [0] * self.lanes)] * (self.entry_bytes // n_bytes)
        lines: dict[tuple[int, int], Any] = {}
        position = 0
        for a, b in self.pairs:
            width = self.sizes[b]
            if (a, width) not in lines:
                lines[a, width] = build.gep(table, [distance(a, width)])
            entry = build.gep(lines[a, width], [distance(b, 1)])
            for v, total in enumerate(sums):
                part = asm.load(kind, entry, position + n_bytes * v, align=n_bytes)
                sums[v] = build.add(total, part)
            position += self.sizes[a] * width * self.entry_bytes
        return sums

    def _by_member(self, sums: list[list[Any]]) -> list[Any]:
        """Transpose: from the sums of 8 rows to a vector over the rows for each member."""
        lanes: list[Any] = []
        for vectors in map(list, zip(*sums, strict=True)):
            size = self.lanes
            while size < WIDTH:
                pairs = zip(vectors[::2], vectors[1::2], strict=True)
                vectors = [self.asm.shuffle(x, y, range(2 * size)) for x, y in pairs]
                size *= 2
            lanes += self.asm.deinterleave(vectors)
        return lanes[: self.spec.n_members]

    def _inside(self, table: Any, group: Any) -> Any:
        """Return which rows of a group are inside the regime, as a vector of bits; or None."""
        asm, build, block = self.asm, self.asm.build, self.spec.regime_block
        if block is None:
            return None
        found = constant(I32, [0] * WIDTH)
        for row in range(WIDTH):
            distance = self.symbols.offsets.load(asm, self.entry_bytes, group, row, block)
            value = asm.load(I32, build.gep(table, [distance]), align=4)
            found = build.insert_element(found, value, I32(row))
        return build.icmp_signed("!=", found, constant(I32, [0] * WIDTH))

    # --- the order of operations is that of `anb_onnx.tables`

    def _inverse(self, lane: Any, scale: Any, shift: Any, offset: Any, inside: Any) -> Any:
        build, kind = self.asm.build, vector(F64, WIDTH)
        y = build.fadd(build.fmul(build.sitofp(lane, kind), scale), shift)
        bends = iter(self.spec.bends)
        for step in self.spec.steps:
            if step == "square":
                y = build.fmul(y, y)
            elif step == "sqrt":
                y = self.asm.sqrt(y)
            elif step == "reciprocal":
                y = build.fdiv(constant(F64, [1.0] * WIDTH), y)
            elif step == "reflect":
                y = build.fsub(offset, y)
            else:
                knot, change, zero = (constant(F64, [v] * WIDTH) for v in (*next(bends), 0.0))
                above = build.fsub(y, knot)
                above = build.select(build.fcmp_ordered(">", above, zero), above, zero)
                bent = build.fadd(y, build.fmul(above, change))
                y = bent if step == "hinge" else build.select(inside, bent, y)
        return y

    def _summarise(self, y: list[Any]) -> tuple[Any, Any]:
        """Return mean and std."""
        build = self.asm.build
        count = constant(F64, [float(len(y))] * WIDTH)
        total = y[0]
        for member in y[1:]:
            total = build.fadd(total, member)
        mean = build.fdiv(total, count)
        squares = constant(F64, [0.0] * WIDTH)
        for member in y:
            deviation = build.fsub(member, mean)
            squares = build.fadd(squares, build.fmul(deviation, deviation))
        return mean, self.asm.sqrt(build.fdiv(squares, count))

    def _store_members(self, y: list[Any], target: Any) -> None:
        """Store the members of 8 rows side by side, without the padding."""
        asm, m = self.asm, self.spec.n_members
        for group in range(0, m, self.lanes):
            rounded = [
                asm.build.fptrunc(member, vector(F32, WIDTH))
                for member in y[group : group + self.lanes]
            ]
            n = len(rounded)
            vectors = asm.interleave(rounded + rounded[:1] * (self.lanes - n))
            if n == m == self.lanes:
                for v, value in enumerate(vectors):
                    asm.store(value, target, 4 * WIDTH * v)
                continue
            for row in range(WIDTH):
                v, start = divmod(row * self.lanes, WIDTH)
                part = asm.shuffle(vectors[v], vectors[v], range(start, start + n))
                asm.store(part, target, 4 * (m * row + group))


class _Output:
    """An array that is written 8 rows at a time, and never behind its end."""

    def __init__(self, asm: Assembler, base: Any, row_bytes: int) -> None:
        self._asm, self._base, self._row_bytes = asm, base, row_bytes
        self._spare = asm.stack(WIDTH * row_bytes)

    @contextmanager
    def open(self, row: Any, left: Any) -> Iterator[Any]:
        """Give the address to write 8 rows to; where fewer are left, only these are kept."""
        asm, build = self._asm, self._asm.build
        here = asm.at(self._base, row, self._row_bytes)
        part = build.icmp_signed("<", left, I64(WIDTH))
        yield build.select(part, self._spare, here)
        with build.if_then(part, likely=False):
            asm.copy(here, self._spare, build.mul(left, I64(self._row_bytes)))
