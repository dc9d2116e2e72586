"""What follows the sum over the tables, for 8 rows at once; the order is that of `anb_onnx.tables`.

Every operation stands in the assembly as one of IEEE 754's; LLVM fuses or reorders none of them
unless told that it may.
"""

from __future__ import annotations

from dataclasses import dataclass

from anb_onnx.engines.native.assembly import (
    F32,
    F64,
    WIDTH,
    Assembler,
    Value,
    repeated,
    vector,
)
from anb_onnx.engines.native.layout import LANES, padded

#: One number for each of 8 rows.
ROWS = vector(F64, WIDTH)


@dataclass(frozen=True)
class Arithmetic:
    """Writes scale, link, mean and standard deviation.

    Attributes
    ----------
    asm : Assembler
    n_members : int
    steps, bends
        As of `Spec`.
    scale, shift, offset : Value
        Of the ensemble and its link; vectors.
    """

    asm: Assembler
    n_members: int
    steps: tuple[str, ...]
    bends: tuple[tuple[float, float], ...]
    scale: Value
    shift: Value
    offset: Value

    def inverse(self, total: Value, inside: Value | None) -> Value:
        """Return the prediction of a member, from its sums and whether rows are in the regime."""
        build = self.asm.build
        y = build.fadd(build.fmul(build.sitofp(total, ROWS), self.scale), self.shift)
        bends = iter(self.bends)
        for step in self.steps:
            if step == "square":
                y = build.fmul(y, y)
            elif step == "sqrt":
                y = self.asm.sqrt(y)
            elif step == "reciprocal":
                y = build.fdiv(repeated(ROWS, 1.0), y)
            elif step == "reflect":
                y = build.fsub(self.offset, y)
            else:
                knot, change, zero = (repeated(ROWS, v) for v in (*next(bends), 0.0))
                above = build.fsub(y, knot)
                above = build.select(build.fcmp_ordered(">", above, zero), above, zero)
                bent = build.fadd(y, build.fmul(above, change))
                y = bent if step == "hinge" else build.select(inside, bent, y)
        return y

    def mean(self, total: Value) -> Value:
        """Return the mean, from the sum of the members' predictions."""
        return self.asm.build.fdiv(total, repeated(ROWS, float(self.n_members)))

    def add_square(self, squares: Value, member: Value, mean: Value) -> Value:
        """Return a sum of squared deviations with that of one more member."""
        build = self.asm.build
        deviation = build.fsub(member, mean)
        return build.fadd(squares, build.fmul(deviation, deviation))

    def std(self, squares: Value) -> Value:
        """Return the standard deviation, from the sum of the squared deviations."""
        return self.asm.sqrt(self.asm.build.fdiv(squares, repeated(ROWS, float(self.n_members))))

    def store_members(self, members: list[Value], target: Value) -> None:
        """Store the predictions of up to 8 members of 8 rows side by side, in float32.

        `target` is the address of the first of them in the first row.
        """
        asm, m, n = self.asm, self.n_members, len(members)
        lanes = min(LANES, padded(m))
        rounded = [asm.build.fptrunc(member, vector(F32, WIDTH)) for member in members]
        vectors = asm.interleave(rounded + rounded[:1] * (lanes - n))
        if n == m == lanes:
            for v, value in enumerate(vectors):
                asm.store(value, target, 4 * WIDTH * v)
            return
        for row in range(WIDTH):
            v, start = divmod(row * lanes, WIDTH)
            part = asm.shuffle(vectors[v], vectors[v], range(start, start + n))
            asm.store(part, target, 4 * m * row)
