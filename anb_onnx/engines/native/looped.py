"""Groups of rows predicted by loops over terms and members: code of one size, whatever there is.

The terms stand in memory, as `term_table` writes them. Of up to 256 terms at a time the numbers of
a group's entries are computed first, for 8 rows at once, then looked up, 8 members at a time. So
what is needed on the stack grows with members and genes only, to a fifth of a megabyte at most.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anb_onnx.engines.native.arithmetic import ROWS, Arithmetic
from anb_onnx.engines.native.assembly import I32, I64, WIDTH, Assembler, Value, repeated, vector
from anb_onnx.engines.native.layout import LANES, Layout, padded
from anb_onnx.engines.native.spec import Spec
from anb_onnx.engines.native.symbols import BLOCK_ROWS, Symbols

# Terms at a time.
_TERMS = 256

# A group's number, or sum, of 8 rows each; and their predictions.
_NUMBERS, _PREDICTIONS = 4 * WIDTH, 8 * WIDTH


def term_table(tables: Sequence[Layout]) -> NDArray[np.int32]:
    """Return terms as kernels want them: int32 [n].

    For each term the number of the first entry and that of its blocks, and for each block the
    distance of its symbols from those of the first block, and the stride.
    """
    flat: list[int] = []
    for table in tables:
        # At least one, as a loop has at least one turn.
        strides = table.strides or {0: 0}
        flat += table.first, len(strides)
        for block, stride in strides.items():
            flat += 4 * BLOCK_ROWS * block, stride
    return np.array(flat, dtype=np.int32)


class LoopedGroup:
    """Writes the prediction of a group of 8 rows.

    Parameters
    ----------
    asm : Assembler
        At its entry.
    spec : Spec
    """

    factors = None

    def __init__(self, asm: Assembler, spec: Spec) -> None:
        self._asm, self._spec = asm, spec
        width = padded(spec.n_members)
        self._lanes, self._entry_bytes = min(LANES, width), 4 * width
        self._entries = asm.stack(_NUMBERS * _TERMS)
        self._sums = asm.stack(_NUMBERS * width)
        self._members = asm.stack(_PREDICTIONS * spec.n_members)

    def predict(
        self, group: Value, symbols: Symbols, addresses: dict[str, Value], arithmetic: Arithmetic
    ) -> tuple[Value, Value]:
        """Return mean and std of the rows from the row `group` on, float64."""
        asm, build = self._asm, self._asm.build
        asm.clear(self._sums, I64(WIDTH * self._entry_bytes))
        n_terms = addresses["n_terms"]
        with asm.loop("terms", I64(0), n_terms, _TERMS, addresses["terms"]) as part:
            left = build.sub(n_terms, part.number)
            n = build.select(build.icmp_signed("<", left, I64(_TERMS)), left, I64(_TERMS))
            part.carry(self._number(group, symbols, part.carried[0], n))
            self._lookup(addresses["table"], n)
        inside = self._inside(addresses["inside"], group, symbols)
        n_members = I64(self._spec.n_members)
        # Nothing is changed by adding to it, not even the sign of a zero.
        with asm.loop("link", I64(0), n_members, 1, repeated(ROWS, -0.0)) as loop:
            total = asm.load(vector(I32, WIDTH), asm.at(self._sums, loop.number, _NUMBERS))
            y = arithmetic.inverse(total, inside)
            asm.store(y, asm.at(self._members, loop.number, _PREDICTIONS))
            loop.carry(build.fadd(loop.carried[0], y))
        mean = arithmetic.mean(loop.carried[0])
        with asm.loop("std", I64(0), n_members, 1, repeated(ROWS, 0.0)) as loop:
            y = asm.load(ROWS, asm.at(self._members, loop.number, _PREDICTIONS))
            loop.carry(arithmetic.add_square(loop.carried[0], y, mean))
        return mean, arithmetic.std(loop.carried[0])

    def store_members(self, target: Value, arithmetic: Arithmetic) -> None:
        """Store the members' predictions of the rows predicted last."""
        whole, rest = divmod(self._spec.n_members, LANES)
        if whole:
            with self._asm.loop("members.store", I64(0), I64(LANES * whole), LANES) as loop:
                self._store(loop.number, LANES, target, arithmetic)
        if rest:
            self._store(I64(LANES * whole), rest, target, arithmetic)

    def _store(self, first: Value, n: int, target: Value, arithmetic: Arithmetic) -> None:
        asm = self._asm
        base = asm.at(self._members, first, _PREDICTIONS)
        members = [asm.load(ROWS, base, _PREDICTIONS * k) for k in range(n)]
        arithmetic.store_members(members, asm.at(target, first, 4))

    def _number(self, group: Value, symbols: Symbols, terms: Value, n_terms: Value) -> Value:
        """Store the numbers of the entries of some terms: the sums of strides times symbols.

        Returns the address of the next term.
        """
        asm, build, rows = self._asm, self._asm.build, vector(I32, WIDTH)
        [memory] = symbols.memory
        here = asm.at(memory, group, symbols.row_bytes)
        with asm.loop("number", I64(0), n_terms, 1, terms) as term:
            [table] = term.carried
            first = asm.splat(asm.load(I32, table, 0, align=4))
            n_blocks = build.zext(asm.load(I32, table, 4, align=4), I64)
            table = build.gep(table, [I64(8)])
            with asm.loop("number.blocks", I64(0), n_blocks, 1, table, first) as block:
                table, number = block.carried
                distance = build.zext(asm.load(I32, table, 0, align=4), I64)
                stride = asm.splat(asm.load(I32, table, 4, align=4))
                symbol = asm.load(rows, build.gep(here, [distance]))
                number = build.add(number, build.mul(symbol, stride))
                block.carry(build.gep(table, [I64(8)]), number)
            table, number = block.carried
            asm.store(number, asm.at(self._entries, term.number, _NUMBERS))
            term.carry(table)
        return term.carried[0]

    def _lookup(self, table: Value, n_terms: Value) -> None:
        """Add the entries of some terms to the sums, 8 members at a time."""
        asm, build = self._asm, self._asm.build
        kind, n_bytes = vector(I32, self._lanes), 4 * self._lanes
        nothing = [repeated(kind, 0)] * WIDTH
        with asm.loop("lookup.members", I64(0), I64(self._entry_bytes), n_bytes) as part:
            base = build.gep(table, [part.number])
            with asm.loop("lookup", I64(0), n_terms, 1, *nothing) as term:
                numbers = asm.at(self._entries, term.number, _NUMBERS)
                sums = []
                for row, total in enumerate(term.carried):
                    number = build.zext(asm.load(I32, numbers, 4 * row, align=4), I64)
                    entry = asm.at(base, number, self._entry_bytes)
                    sums.append(build.add(total, asm.load(kind, entry, align=n_bytes)))
                term.carry(*sums)
            # A member's sums take as many bytes for 8 rows as 8 members take in an entry.
            target = asm.at(self._sums, part.number, WIDTH)
            for k, column in enumerate(asm.transpose(term.carried)):
                before = asm.load(column.type, target, _NUMBERS * k)
                asm.store(build.add(before, column), target, _NUMBERS * k)

    def _inside(self, table: Value, group: Value, symbols: Symbols) -> Value | None:
        """Return which rows of a group are inside the regime, as a vector of bits; or None."""
        asm, build, block = self._asm, self._asm.build, self._spec.regime_block
        if block is None:
            return None
        nothing = repeated(vector(I32, WIDTH), 0)
        found = nothing
        for row in range(WIDTH):
            symbol = symbols.load(asm, 0, group, row, block)
            value = asm.load(I32, asm.at(table, symbol, self._entry_bytes), align=4)
            found = build.insert_element(found, value, I32(row))
        return build.icmp_signed("!=", found, nothing)
