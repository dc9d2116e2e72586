"""The first part of a kernel: from a block of rows to the symbols of their blocks.

Where it can, it works on vectors of 16 words that do not care where a row ends: the constants
differ from lane to lane, with the period of the blocks of the search space.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal, TypeAlias

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

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

#: Rows per block: their symbols are some 4 kB on the stack.
BLOCK_ROWS = 64

# Words per vector, and so rows per step. A multiple of `WIDTH`, a divisor of `BLOCK_ROWS`.
_LANES = 16
_EXACT = 2**50

# Genes that are written out one by one where no words can be read; compiling 1,024 takes a second.
_MOST_GENES = 64

# What a step reads: the number of its vector or block, the blocks of its lanes, and their symbols.
_Symbols: TypeAlias = tuple[int, list[int], Value]
_Reader: TypeAlias = Callable[[Value], tuple[Value, list[_Symbols]]]


@dataclass(frozen=True)
class Symbols:
    """The symbols of a block of rows in memory, each times one or more factors.

    Attributes
    ----------
    memory : tuple of address
        For each set of factors: the symbols times these, 32 bits each.
    row_bytes, block_bytes : int
        Distance from row to row, and from a symbol to that of the next block.
    """

    memory: tuple[Value, ...]
    row_bytes: int
    block_bytes: int

    def load(self, asm: Assembler, slot: int, group: Value, row: int, block: int) -> Value:
        """Return the symbol, times its factor, of a row of the group that starts at `group`."""
        base = asm.at(self.memory[slot], group, self.row_bytes)
        distance = row * self.row_bytes + block * self.block_bytes
        return asm.build.zext(asm.load(I32, base, distance, align=4), I64)


def reads_words(sizes: Sizes) -> bool:
    """Whether codes are read as words, one for each block: see `SymbolWriter._read_words`."""
    n_genes = {len(genes) for genes in sizes}
    # What it needs: checks and sums that stay within their bytes.
    small = all(max(genes) <= 128 and prod(genes) <= 256 for genes in sizes)
    return len(n_genes) == 1 and n_genes <= {1, 2, 4} and small and sys.byteorder == "little"


def writes_out(source: Source, sizes: Sizes) -> bool:
    """Whether the genes of a row are written out one by one, or else read in a loop."""
    return source == "indices" or reads_words(sizes) or sum(map(len, sizes)) <= _MOST_GENES


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
    slots : sequence of tuple of int, optional
        What to multiply the symbols of each block with, for each memory that is wanted. If not
        given: symbols as they are, those of one block for all rows side by side.
    genes : address, optional
        Of what `gene_table` returns; needed unless `writes_out`.
    """

    def __init__(
        self,
        asm: Assembler,
        source: Source,
        sizes: Sizes,
        slots: Sequence[tuple[int, ...]] | None = None,
        genes: Value | None = None,
    ) -> None:
        self._asm, self._source, self._sizes, self._genes = asm, source, sizes, genes
        self._row_bytes = 8 if source == "indices" else sum(map(len, sizes))
        self._spare = asm.stack(BLOCK_ROWS * self._row_bytes)
        self._slots = [(1,) * len(sizes)] if slots is None else list(slots)
        n_bytes = 4 * BLOCK_ROWS * len(sizes)
        memory = tuple(asm.stack(n_bytes) for _ in self._slots)
        self._turned: Value | None = None
        if slots is None and self._reads_rows_of_words():
            # `_turn` works on 8 blocks at once, and touches what lies behind the last.
            self._turned = asm.stack(4 * BLOCK_ROWS * (len(sizes) + WIDTH))
            memory = (asm.stack(n_bytes + 4 * WIDTH),)
        if self._turned is None and (slots is None or self._reads_vectors_of_indices()):
            self._layout = Symbols(memory, row_bytes=4, block_bytes=4 * BLOCK_ROWS)
        else:
            self._layout = Symbols(memory, row_bytes=4 * len(sizes), block_bytes=4)

    def _reads_rows_of_words(self) -> bool:
        return self._source == "codes" and reads_words(self._sizes)

    def _reads_vectors_of_indices(self) -> bool:
        sizes = [*map(prod, self._sizes)]
        return self._source == "indices" and prod(sizes) <= _EXACT and max(sizes) <= 2**31

    @property
    def symbols(self) -> Symbols:
        """Where the symbols of the block of rows are that was read last."""
        if self._turned is None:
            return self._layout
        return Symbols((self._turned,), row_bytes=4, block_bytes=4 * BLOCK_ROWS)

    def write(self, base: Value, first: Value, n: Value) -> None:
        """Read n rows from the row `first` on; the kernel returns `first` if one is bad.

        The lookups work on groups of rows, so there are symbols for whole groups: those of rows
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
            row = asm.at(here, i, self._row_bytes)
            if not writes_out(self._source, self._sizes):
                bad, symbols = self._read_genes(row, i), list[_Symbols]()
            else:
                bad, symbols = read(row)
            with asm.when("symbols.refuse", bad, likely=False):
                build.ret(first)
            for number, blocks, value in symbols:
                self._store(i, number, blocks, value)
        if self._turned is not None:
            self._turn(filled)

    def _store(self, i: Value, number: int, blocks: list[int], value: Value) -> None:
        """Store what was read of the step that starts at row `i`, times each of the factors."""
        asm, layout = self._asm, self._layout
        unit = 4 * _LANES if self._reads_rows_of_words() else layout.block_bytes
        for memory, of_block in zip(layout.memory, self._slots, strict=True):
            target = asm.at(memory, i, layout.row_bytes)
            factors = [of_block[block] for block in blocks]
            if len(set(factors)) == 1:
                scale = repeated(value.type, factors[0])
            else:
                scale = constant(I32, factors)
            asm.store(asm.build.mul(value, scale), target, number * unit)

    def _turn(self, n: Value) -> None:
        """Lay the symbols of one block side by side, where those of one row were."""
        asm, layout, turned = self._asm, self._layout, self._turned
        n_blocks = len(self._sizes)
        with asm.loop("symbols.turn", I64(0), n, WIDTH) as group:
            from_ = asm.at(layout.memory[0], group.number, layout.row_bytes)
            to = asm.at(turned, group.number, 4)
            with asm.loop("symbols.turn.blocks", I64(0), I64(n_blocks), WIDTH) as block:
                here = asm.at(from_, block.number, 4)
                rows = [
                    asm.load(vector(I32, WIDTH), here, row * layout.row_bytes)
                    for row in range(WIDTH)
                ]
                there = asm.at(to, block.number, 4 * BLOCK_ROWS)
                for number, column in enumerate(asm.transpose(rows)):
                    asm.store(column, there, 4 * BLOCK_ROWS * number)

    def _reader(self) -> tuple[int, _Reader]:
        """Return the rows per step and the method that reads a step.

        The method takes the address of the first row and returns whether a row is bad, and the
        symbols, 32 bits each, one or a vector at a time.
        """
        if self._reads_vectors_of_indices():
            return WIDTH, self._read_indices
        if self._source == "indices":
            return 1, self._read_index
        if self._reads_rows_of_words():
            return _LANES, self._read_words
        return 1, self._read_codes

    def _lanes(self) -> Iterator[tuple[int, list[int]]]:
        """Yield the vectors of 16 rows: number, and the block of each lane."""
        n = len(self._sizes)
        for number in range(n):
            yield number, [(number * _LANES + lane) % n for lane in range(_LANES)]

    def _read_words(self, base: Value) -> tuple[Value, list[_Symbols]]:
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
            symbols.append((number, blocks, self._to_32(symbol)))
        high = build.and_(seen, repeated(seen.type, int("80" * n, 16)))
        return asm.any(build.icmp_unsigned("!=", high, repeated(high.type, 0))), symbols

    def _read_indices(self, base: Value) -> tuple[Value, list[_Symbols]]:
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
            symbols.append((block, [block] * WIDTH, build.fptosi(symbol, vector(I32, WIDTH))))
            rest = quotient
        return asm.any(bad), symbols

    def _read_index(self, base: Value) -> tuple[Value, list[_Symbols]]:
        """Read one row of indices of any size."""
        build = self._asm.build
        rest = self._asm.load_once(I64, base)
        bad = build.icmp_unsigned(">", rest, I64(self._last_index()))
        symbols = []
        for block in reversed(range(len(self._sizes))):
            size = I64(prod(self._sizes[block]))
            quotient = build.udiv(rest, size)
            symbol = build.sub(rest, build.mul(quotient, size))
            symbols.append((block, [block], build.trunc(symbol, I32)))
            rest = quotient
        return bad, symbols

    def _read_codes(self, base: Value) -> tuple[Value, list[_Symbols]]:
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
            symbols.append((block, [block], symbol))
        return bad, symbols

    def _read_genes(self, base: Value, row: Value) -> Value:
        """Read one row of codes gene by gene, and store its symbols; return whether it is bad."""
        asm, build, layout = self._asm, self._asm.build, self._layout
        target = asm.at(layout.memory[0], row, layout.row_bytes)
        good, n_blocks = ir.IntType(1)(0), I64(len(self._sizes))
        with asm.loop("symbols.blocks", I64(0), n_blocks, 1, self._genes, base, good) as blocks:
            table, place, bad = blocks.carried
            n_genes = build.zext(asm.load(I32, table, align=4), I64)
            table = build.gep(table, [I64(4)])
            with asm.loop("symbols.genes", I64(0), n_genes, 1, table, place, bad, I32(0)) as genes:
                table, place, bad, symbol = genes.carried
                code = build.zext(asm.load_once(I8, place), I32)
                size = asm.load(I32, table, align=4)
                genes.carry(
                    build.gep(table, [I64(4)]),
                    build.gep(place, [I64(1)]),
                    build.or_(bad, build.icmp_unsigned(">=", code, size)),
                    build.add(build.mul(symbol, size), code),
                )
            *following, symbol = genes.carried
            asm.store(symbol, asm.at(target, blocks.number, layout.block_bytes))
            blocks.carry(*following)
        return blocks.carried[2]

    def _last_index(self) -> int:
        """Return the largest index; as an unsigned number, a negative one is larger."""
        return min(prod(map(prod, self._sizes)), 2**63) - 1

    def _to_32(self, words: Value) -> Value:
        kind = vector(I32, words.type.count)
        return words if words.type == kind else self._asm.build.zext(words, kind)


def gene_table(sizes: Sizes) -> NDArray[np.int32]:
    """Return the number of genes of each block, and then of choices of each of them: int32 [n]."""
    flat = [number for genes in sizes for number in (len(genes), *genes)]
    return np.array(flat, dtype=np.int32)
