"""Groups of rows predicted with all lookups and members written out: fastest, where they are few.

All 8 rows of a group are in registers at once: the processor overlaps the lookups of a group with
the arithmetic of the one before.
"""

from __future__ import annotations

from math import prod

from anb_onnx.engines.native.arithmetic import ROWS, Arithmetic
from anb_onnx.engines.native.assembly import I32, WIDTH, Assembler, Value, repeated, vector
from anb_onnx.engines.native.layout import LANES, layouts, padded
from anb_onnx.engines.native.spec import Slots, Spec
from anb_onnx.engines.native.symbols import Symbols


class UnrolledGroup:
    """Writes the prediction of a group of 8 rows.

    Parameters
    ----------
    asm : Assembler
        At its entry.
    spec : Spec
        With terms.
    """

    def __init__(self, asm: Assembler, spec: Spec) -> None:
        self._asm, self._spec = asm, spec
        self._lanes = min(LANES, padded(spec.n_members))
        self._entry_bytes = 4 * padded(spec.n_members)
        sizes, terms = tuple(map(prod, spec.sizes)), spec.terms or ()
        self._tables = layouts(sizes, terms)
        self._slots = Slots.of(sizes, terms, spec.regime_block, self._entry_bytes)
        self._members: list[Value] = []

    @property
    def factors(self) -> tuple[tuple[int, ...], ...]:
        """What the symbols are to be multiplied with: see `SymbolWriter`."""
        return self._slots.factors

    def predict(
        self, group: Value, symbols: Symbols, addresses: dict[str, Value], arithmetic: Arithmetic
    ) -> tuple[Value, Value]:
        """Return mean and std of the rows from the row `group` on, float64."""
        table = addresses["table"]
        sums = [self._lookup(table, group, row, symbols) for row in range(WIDTH)]
        inside = self._inside(addresses["inside"], group, symbols)
        lanes: list[Value] = []
        for vectors in zip(*sums, strict=True):
            lanes += self._asm.transpose(list(vectors))
        y = [arithmetic.inverse(lane, inside) for lane in lanes[: self._spec.n_members]]
        total = y[0]
        for member in y[1:]:
            total = self._asm.build.fadd(total, member)
        mean = arithmetic.mean(total)
        squares = repeated(ROWS, 0.0)
        for member in y:
            squares = arithmetic.add_square(squares, member, mean)
        self._members = y
        return mean, arithmetic.std(squares)

    def store_members(self, target: Value, arithmetic: Arithmetic) -> None:
        """Store the members' predictions of the rows predicted last."""
        for first in range(0, len(self._members), self._lanes):
            here = self._asm.build.gep(target, [I32(4 * first)])
            arithmetic.store_members(self._members[first : first + self._lanes], here)

    def _lookup(self, table: Value, group: Value, row: int, symbols: Symbols) -> list[Value]:
        """Return the sums over all terms of one row of a group, all (padded) members."""
        asm, build, number = self._asm, self._asm.build, self._slots.number
        kind, n_bytes = vector(I32, self._lanes), 4 * self._lanes
        sums: list[Value] = [repeated(kind, 0)] * (self._entry_bytes // n_bytes)
        loaded: dict[tuple[int, int], Value] = {}
        lines: dict[tuple[tuple[int, int], ...], Value] = {(): table}
        for layout in self._tables:
            path: tuple[tuple[int, int], ...] = ()
            for item in layout.strides.items():
                if item not in loaded:
                    loaded[item] = symbols.load(asm, number[item], group, row, item[0])
                before, path = path, (*path, item)
                if path not in lines:
                    lines[path] = build.gep(lines[before], [loaded[item]])
            position = layout.first * self._entry_bytes
            for v, total in enumerate(sums):
                part = asm.load(kind, lines[path], position + n_bytes * v, align=n_bytes)
                sums[v] = build.add(total, part)
        return sums

    def _inside(self, table: Value, group: Value, symbols: Symbols) -> Value | None:
        """Return which rows of a group are inside the regime, as a vector of bits; or None."""
        asm, build, block = self._asm, self._asm.build, self._spec.regime_block
        if block is None:
            return None
        slot, nothing = self._slots.number[block, 1], repeated(vector(I32, WIDTH), 0)
        found = nothing
        for row in range(WIDTH):
            distance = symbols.load(asm, slot, group, row, block)
            value = asm.load(I32, build.gep(table, [distance]), align=4)
            found = build.insert_element(found, value, I32(row))
        return build.icmp_signed("!=", found, nothing)
