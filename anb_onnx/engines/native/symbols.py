"""The first part of a kernel: from a block of rows to the offsets of their table entries.

Where it can, it works on vectors of 16 words that do not care where a row ends: the constants
differ from lane to lane, with the period of the blocks of the search space.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal, TypeAlias

from llvmlite import ir

from anb_onnx.engines.native.assembly import (
    F64,
    I8,
    I32,
    I64,
    WIDTH,
    Assembler,
    Value,
    constant,
    repeated,
    vector,
)

Source: TypeAlias = Literal["codes", "indices"]
Sizes: TypeAlias = tuple[tuple[int, ...], ...]

#: Rows per block: their symbols, as offsets, are some 4 kB on the stack.
BLOCK_ROWS = 64

# Words per vector, and so rows per step. A multiple of `WIDTH`, a divisor of `BLOCK_ROWS`.
_LANES = 16
_EXACT = 2**50

# A method that reads a step: see `SymbolWriter._reader`.
_Reader: TypeAlias = Callable[[Value], tuple[Value, list[tuple[int, Value]]]]


@dataclass(frozen=True)
class Offsets:
    """The symbols of a block of rows in memory, each times several constants.

    Attributes
    ----------
    memory : dict of int to address
        For each factor: symbols times this factor, 32 bits each.
    row_bytes, block_bytes : int
        Distance from row to row, and from a symbol to that of the next block.
    """

    memory: dict[int, Value]
    row_bytes: int
    block_bytes: int

    def load(self, asm: Assembler, factor: int, group: Value, row: int, block: int) -> Value:
        """Return symbol times factor of a row of the group of rows that starts at `group`."""
        base = asm.at(self.memory[factor], group, self.row_bytes)
        distance = row * self.row_bytes + block * self.block_bytes
        return asm.build.zext(asm.load(I32, base, distance, align=4), I64)


def row_bytes(source: Source, sizes: Sizes) -> int:
    """Return the size of a row of the input."""
    return 8 if source == "indices" else sum(map(len, sizes))


class SymbolWriter:
    """Writes the part of a kernel that reads a block of rows.

    Parameters
    ----------
    asm : Assembler
        At its entry.
    source : {"codes", "indices"}
        What a row of the input is.
    sizes : tuple of tuple of int
        Number of choices of the genes of each block.
    factors : sequence of int
        What to multiply the symbols with.
    """

    def __init__(
        self, asm: Assembler, source: Source, sizes: Sizes, factors: Sequence[int]
    ) -> None:
        self._asm, self._source, self._sizes = asm, source, sizes
        self._row_bytes = row_bytes(source, sizes)
        self._spare = asm.stack(BLOCK_ROWS * self._row_bytes)
        memory = {factor: asm.stack(4 * BLOCK_ROWS * len(sizes)) for factor in factors}
        self._by_blocks = source == "indices" and prod(map(prod, sizes)) <= _EXACT
        if self._by_blocks:
            self.offsets = Offsets(memory, row_bytes=4, block_bytes=4 * BLOCK_ROWS)
        else:
            self.offsets = Offsets(memory, row_bytes=4 * len(sizes), block_bytes=4)

    def write(self, base: Value, first: Value, n: Value) -> None:
        """Read n rows from the row `first` on; the kernel returns `first` if one is bad.

        The lookups work on groups of rows, so there are offsets for whole groups: those of rows
        behind the last are 0.
        """
        asm, build = self._asm, self._asm.build
        here = asm.at(base, first, self._row_bytes)
        part = build.icmp_signed("<", n, I64(BLOCK_ROWS))
        filled = build.and_(build.add(n, I64(_LANES - 1)), I64(-_LANES))
        with asm.when("rows.fill", part, likely=False):
            # Zeros, which are always in range, up to the next multiple of 16.
            asm.copy(self._spare, here, build.mul(n, I64(self._row_bytes)))
            end = asm.at(self._spare, n, self._row_bytes)
            asm.clear(end, build.mul(build.sub(filled, n), I64(self._row_bytes)))
        here = build.select(part, self._spare, here)
        step, read = self._reader()
        with asm.loop("symbols", I64(0), filled, step) as loop:
            i = loop.number
            bad, symbols = read(asm.at(here, i, self._row_bytes))
            with asm.when("symbols.refuse", bad, likely=False):
                build.ret(first)
            for distance, value in symbols:
                for factor, memory in self.offsets.memory.items():
                    target = asm.at(memory, i, self.offsets.row_bytes)
                    scaled = build.mul(value, repeated(value.type, factor))
                    asm.store(scaled, target, distance)

    def _reader(self) -> tuple[int, _Reader]:
        """Return the rows per step and the method that reads a step.

        The method takes the address of the first row and returns whether a row is bad, and the
        symbols, 32 bits each, one or a vector at a time, with the distance where each belongs.
        """
        if self._source == "indices":
            return (WIDTH, self._read_indices) if self._by_blocks else (1, self._read_index)
        n_genes = {len(genes) for genes in self._sizes}
        # What `_read_words` needs: checks and sums that stay within their bytes.
        small = all(max(genes) <= 128 and prod(genes) <= 256 for genes in self._sizes)
        if len(n_genes) == 1 and n_genes <= {1, 2, 4} and small and sys.byteorder == "little":
            return _LANES, self._read_words
        return 1, self._read_codes

    def _lanes(self) -> Iterator[tuple[int, list[int]]]:
        """Yield the vectors of 16 rows: number, and the block of each lane."""
        n = len(self._sizes)
        for number in range(n):
            yield number, [(number * _LANES + lane) % n for lane in range(_LANES)]

    def _read_words(self, base: Value) -> tuple[Value, list[tuple[int, Value]]]:
        """Read 16 rows of codes; a word holds the codes of a block, the first in its lowest byte.

        One multiplication adds up the codes, each times its place value, in the word's highest
        byte: the sums in the bytes below are no larger than the largest symbol, so none carries.
        One addition lifts exactly the codes out of range to 128 and more.
        """
        asm, build = self._asm, self._asm.build
        n = len(self._sizes[0])
        word = ir.IntType(8 * n)
        seen, symbols = constant(word, [0] * _LANES), []
        for number, blocks in self._lanes():
            genes = [self._sizes[block] for block in blocks]
            factors = [
                sum(prod(sizes[j + 1 :]) << 8 * (n - 1 - j) for j in range(n)) for sizes in genes
            ]
            lifts = [sum((128 - size) << 8 * j for j, size in enumerate(s)) for s in genes]
            words = asm.load_once(vector(word, _LANES), base, _LANES * n * number)
            product = build.mul(words, constant(word, factors))
            symbol = build.lshr(product, repeated(product.type, 8 * (n - 1)))
            # A code of 128 or more carries into the next when lifted, but is itself seen.
            seen = build.or_(seen, build.or_(words, build.add(words, constant(word, lifts))))
            symbols.append((4 * _LANES * number, self._to_32(symbol)))
        high = build.and_(seen, repeated(seen.type, int("80" * n, 16)))
        return asm.any(build.icmp_unsigned("!=", high, repeated(high.type, 0))), symbols

    def _read_indices(self, base: Value) -> tuple[Value, list[tuple[int, Value]]]:
        """Read 8 rows of indices below 2**50.

        In float64: adding half keeps the quotient further from the next integer than its two
        roundings can move it, so that rounding down gives the integer quotient.
        """
        asm, build = self._asm, self._asm.build
        indices = asm.load_once(vector(I64, WIDTH), base)
        bad = build.icmp_unsigned(">", indices, repeated(indices.type, self._last_index()))
        rest = build.uitofp(indices, vector(F64, WIDTH))
        symbols = []
        for block in reversed(range(len(self._sizes))):
            size = float(prod(self._sizes[block]))
            half = build.fadd(rest, repeated(rest.type, 0.5))
            quotient = asm.floor(build.fmul(half, repeated(rest.type, 1.0 / size)))
            symbol = build.fsub(rest, build.fmul(quotient, repeated(rest.type, size)))
            distance = block * self.offsets.block_bytes
            symbols.append((distance, build.fptosi(symbol, vector(I32, WIDTH))))
            rest = quotient
        return asm.any(bad), symbols

    def _read_index(self, base: Value) -> tuple[Value, list[tuple[int, Value]]]:
        """Read one row of indices of any size."""
        build = self._asm.build
        rest = self._asm.load_once(I64, base)
        bad = build.icmp_unsigned(">", rest, I64(self._last_index()))
        symbols = []
        for block in reversed(range(len(self._sizes))):
            size = I64(prod(self._sizes[block]))
            quotient = build.udiv(rest, size)
            symbol = build.sub(rest, build.mul(quotient, size))
            symbols.append((4 * block, build.trunc(symbol, I32)))
            rest = quotient
        return bad, symbols

    def _read_codes(self, base: Value) -> tuple[Value, list[tuple[int, Value]]]:
        """Read one row of codes of any search space."""
        build = self._asm.build
        bad, symbols, position = ir.IntType(1)(0), [], 0
        for block, genes in enumerate(self._sizes):
            symbol = I32(0)
            for size in genes:
                code = build.zext(self._asm.load_once(I8, base, position), I32)
                bad = build.or_(bad, build.icmp_unsigned(">=", code, I32(size)))
                symbol = build.add(build.mul(symbol, I32(size)), code)
                position += 1
            symbols.append((4 * block, symbol))
        return bad, symbols

    def _last_index(self) -> int:
        """Return the largest index; as an unsigned number, a negative one is larger."""
        return min(prod(map(prod, self._sizes)), 2**63) - 1

    def _to_32(self, words: Value) -> Value:
        kind = vector(I32, words.type.count)
        return words if words.type == kind else self._asm.build.zext(words, kind)
