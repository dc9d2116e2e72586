"""The source of the kernel that counts, generated for one ensemble and one histogram.

What is constant for a whole sweep stands in the source as a number, so that the compiler unrolls
the members and keeps their sums in registers. Everything else comes in arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from textwrap import indent

from anb_onnx.links import Link
from anb_onnx.sweep.bound import FastPass
from anb_onnx.sweep.curve import Curve, group_size
from anb_onnx.sweep.layout import Layout, Program

#: Histograms filled in turn: a counter that was just written is slow to read again.
COPIES = 4

_ADVANCE = """
for d in range(changed, {depth}):
    for t in range({p}depths[d], {p}depths[d + 1]):
        row = i64(0)
        for k in range({p}parts[t], {p}parts[t + 1]):
            row += digits[{p}digit[k]] * {p}weight[k]
        n = {p}length[t]
        a = {p}source[t]
        b = {p}target[t]
        o = {p}base[t] + row * n
        for k in range(n):
            {p}state[b + k] = i32({p}state[a + k] + {p}tables[o + k])
"""

_KERNEL = """
def kernel(
    count, sizes, inside, edges, start, special, hist, exact,
    cell, sums, digits, totals, buffer,
    depths, source, target, length, base, parts, digit, weight, tables, state,
    qdepths, qsource, qtarget, qlength, qbase, qparts, qdigit, qweight, qtables, qstate,
):
    evaluated = i64(0)
    changed = 0
    for number in range(count):
{advance}
        for x in range({rows}):
            {regime}
{row}
        changed = {depth} - 1
        while changed >= 0:
            digits[changed] += 1
            if digits[changed] < sizes[changed]:
                break
            digits[changed] = 0
            changed -= 1
        changed = max(changed, 0)
    return evaluated
"""

_SCATTER = """
for l in range(len(special)):
    bad = special[l]
    for j in range({width}):
        if cell[j] == bad:
            cell[j] = {border}
before = {borders}
for q in range(0, {lanes4}, 4):
    hist[u64(cell[q])] += u32(1)
    hist[u64(cell[q + 1] + u32({size}))] += u32(1)
    hist[u64(cell[q + 2] + u32({size2}))] += u32(1)
    hist[u64(cell[q + 3] + u32({size3}))] += u32(1)
for q in range({lanes4}, {lanes}):
    hist[u64(cell[q])] += u32(1)
if {borders} != before:
    for j in range({lanes}):
        if cell[j] == {border}:
"""

_EXACT = """
evaluated += 1
for m in range({members}):
    total = i64(state[{c} + m]) + state[{x} + x * {members} + m]
    total += i64(state[{y} + m * {width} + j]) + state[{xy} + (x * {members} + m) * {width} + j]
    totals[m] = total
for m in range(len(buffer)):
    y = f64(totals[m]) * {scale} + {shift}
{steps}
    buffer[m] = y
mean = buffer[0]
for m in range(1, {members}):
    mean = mean + buffer[m]
value = f32(mean / {members}.0)
if not value >= edges[0]:
    exact[0 if value < edges[0] else {bins} + 2] += 1
elif value >= edges[{bins}]:
    exact[{bins} + 1] += 1
else:
    at = start[min(i64((f64(value) - {low}) * {per_cell}), {last})]
    while edges[at + 1] <= value:
        at += 1
    while edges[at] > value:
        at -= 1
    exact[at + 1] += 1
"""


@dataclass(frozen=True)
class Numbers:
    """What the kernel needs to know of a histogram."""

    low: float
    per_cell: float
    cells: int
    bins: int


def kernel_source(
    link: Link,
    scale: float,
    shift: float,
    members: int,
    layout: Layout,
    program: Program,
    fast: FastPass | None,
    quick: Program,
    numbers: Numbers,
    regime: tuple[bool, int] | None,
) -> str:
    """Return the source of one sweep's kernel.

    `quick` is the program of the fast pass, `program` itself where both need the same. `regime`
    says whether the rows tell it, and else which digit of the prefix does.
    """
    depth = len(layout.prefix)
    advance = _ADVANCE.format(depth=depth, p="")
    if quick is not program:
        advance += _ADVANCE.format(depth=depth, p="q")
    exact = _exact(link, scale, shift, members, layout, program, numbers)
    if fast is None:
        row = f"for j in range({layout.n_lanes}):\n" + indent(exact, "    ")
    else:
        row = _fast_row(layout, quick, fast, numbers, "q" if quick is not program else "")
        row += indent(exact, " " * 12)
    where = "x" if regime is None or regime[0] else f"digits[{regime[1]}]"
    return _KERNEL.format(
        depth=depth,
        advance=indent(advance, " " * 8),
        rows=layout.n_rows,
        regime="" if regime is None else f"within = inside[{where}] != 0",
        row=indent(row, " " * 12),
    )


def _exact(
    link: Link,
    scale: float,
    shift: float,
    members: int,
    layout: Layout,
    program: Program,
    numbers: Numbers,
) -> str:
    """Return the contract's steps for one architecture, and where its mean is counted."""
    c, x, y, xy = program.sums
    bends, lines = iter(link.bends), []
    for step in link.inverse_steps:
        if step == "square":
            lines.append("y = y * y")
        elif step == "sqrt":
            lines.append("y = np.sqrt(y)")
        elif step == "reciprocal":
            lines.append("y = 1.0 / y")
        elif step == "reflect":
            lines.append(f"y = {link.offset!r} - y")
        else:
            knot, change = next(bends)
            bend = f"y = y + (y - {knot!r} if y - {knot!r} > 0.0 else 0.0) * {change!r}"
            lines.append(bend if step == "hinge" else f"if within:\n    {bend}")
    return _EXACT.format(
        members=members, c=c, x=x, y=y, xy=xy, width=layout.width, scale=repr(scale),
        shift=repr(shift), steps=indent("\n".join(lines), "    "), bins=numbers.bins,
        last=numbers.cells - 1, low=repr(numbers.low), per_cell=repr(numbers.per_cell),
    )  # fmt: skip


def _fast_row(layout: Layout, quick: Program, fast: FastPass, numbers: Numbers, p: str) -> str:
    """Return the float32 pass over the lanes of one row, and the loop over uncertain ones."""
    size = numbers.cells + 3
    border = f"u32({numbers.cells + 2})"
    curves = [_curve_row(layout, quick, fast, curve, numbers, p) for curve in fast.curves]
    if len(curves) == 1:
        text = curves[0]
    else:
        text = f"if within:\n{indent(curves[1], '    ')}\nelse:\n{indent(curves[0], '    ')}"
    copies = [f"hist[{numbers.cells + 2 + k * size}]" for k in range(COPIES)]
    lanes4 = layout.n_lanes // 4 * 4
    scatter = _SCATTER.format(
        width=layout.width, border=border, borders=" + ".join(f"u64({copy})" for copy in copies),
        lanes4=lanes4, lanes=layout.n_lanes, size=size, size2=2 * size, size3=3 * size,
    )  # fmt: skip
    return f"{text}\n{scatter.strip()}\n"


def _bends(fast: FastPass) -> int:
    return max(len(curve.bends) for curve in fast.curves)


def _curve_row(
    layout: Layout, quick: Program, fast: FastPass, curve: Curve, numbers: Numbers, p: str
) -> str:
    """Return the pass over the lanes for one curve: sums of members, then cells."""
    members, width = fast.members, layout.width
    group = group_size(members, _bends(fast))
    lanes = f"for j in range({width}):\n"
    if members <= group:
        heads, body, sums = _sums(layout, quick, fast, curve, list(range(members)), p)
        return heads + lanes + indent(body + _place(fast, curve, numbers, sums), "    ")
    # More members than one expression takes: the sums stay in memory.
    n_sums = 1 + len(curve.bends)
    full = members // group * group
    parts = [f"for k in range({n_sums * width}):\n    sums[k] = f32(0.0)\n"]
    loop, rest = [f"(g + {k})" for k in range(group)], list(range(full, members))
    for head, some, by in ((f"for g in range(0, {full}, {group}):\n", loop, 4), ("", rest, 0)):
        if some:
            heads, body, sums = _sums(layout, quick, fast, curve, some, p)
            places = (f"sums[{k * width} + j]" for k in range(n_sums))
            body += "\n".join(f"{to} = {to} + {a}" for to, a in zip(places, sums, strict=True))
            parts.append(head + indent(heads + lanes + indent(body, "    "), " " * by) + "\n")
    sums = [f"sums[{k * width} + j]" for k in range(n_sums)]
    return "".join(parts) + lanes + indent(_place(fast, curve, numbers, sums), "    ")


def _sums(
    layout: Layout,
    quick: Program,
    fast: FastPass,
    curve: Curve,
    members: Sequence[int | str],
    p: str,
) -> tuple[str, str, list[str]]:
    """Return lines for a row, lines for a lane, and the sums of r and of each max(r, knot)."""
    c, x, y, xy = quick.sums
    width, heads, lines, names = layout.width, [], [], []
    for k, m in enumerate(members):
        heads.append(
            f"h{k} = i32({p}state[{c} + {m}] + {p}state[{x} + x * {fast.members} + {m}]"
            f" + {fast.offset})"
        )
        total = (
            f"i32(h{k} + {p}state[{y} + {m} * {width} + j]"
            f" + {p}state[{xy} + (x * {fast.members} + {m}) * {width} + j])"
        )
        lines += _member(f"v{k}", total, fast, curve)
        names.append(f"v{k}")
    kind = "i32" if curve.bends else "f32"
    sums = [_tree(names, kind)]
    for knot, _ in curve.bends:
        bent = [f"max({name}, i32({knot}))" for name in names]
        sums.append(_tree(bent, kind))
    if curve.bends:
        knots = (curve.base, *(knot for knot, _ in curve.bends))
        sums = [
            f"f32(i32({total} - {len(members) * knot}))"
            for total, knot in zip(sums, knots, strict=True)
        ]
    return "\n".join(heads) + "\n", "\n".join(lines) + "\n", sums


def _member(name: str, total: str, fast: FastPass, curve: Curve) -> list[str]:
    """Return lines that compute a member's r; as an integer, where the curve has bends."""
    if not fast.chain and curve.bends:
        return [f"{name} = i32({total} >> {-int(log2(curve.unit))})"]
    lines = [f"{name} = f32({total})"]
    if fast.factor != 1.0:
        lines.append(f"{name} = {name} * f32({fast.factor!r})")
    for step in fast.chain:
        if step == "square":
            lines.append(f"{name} = {name} * {name}")
        elif step == "sqrt":
            lines.append(f"{name} = np.sqrt({name})")
        else:
            lines.append(f"{name} = f32({curve.unit!r}) / {name}")
    if curve.bends:
        if fast.chain[-1] != "reciprocal":
            lines.append(f"{name} = {name} * f32({curve.unit!r})")
        lines.append(f"{name} = i32({name})")
    return lines


def _place(fast: FastPass, curve: Curve, numbers: Numbers, sums: list[str]) -> str:
    """Return lines that turn sums into a cell, or into the mark of a border."""
    lines = [f"t = ({sums[0]}) * f32({curve.slope!r}) + f32({curve.start!r})"]
    for (_, change), total in zip(curve.bends, sums[1:], strict=True):
        lines.append(f"t = t + ({total}) * f32({change!r})")
    top = f"f32({numbers.cells + 1.5!r})"
    lines += [
        "t = t if t > f32(0.5) else f32(0.5)",
        f"t = t if t < {top} else {top}",
        "i = i32(t)",
        "f = t - f32(i)",
        f"sure = (f > f32({fast.error!r})) & (f < f32({1 - fast.error!r}))",
        f"cell[j] = u32(i) if sure else u32({numbers.cells + 2})",
    ]
    return "\n".join(lines)


def _tree(names: list[str], kind: str) -> str:
    """Return the sum of names, each of which passes through as few additions as possible."""
    if len(names) == 1:
        return names[0]
    half = (len(names) + 1) // 2
    # numba adds int32 as int64, which would halve the width of vectors.
    return f"{kind}({_tree(names[:half], kind)} + {_tree(names[half:], kind)})"
