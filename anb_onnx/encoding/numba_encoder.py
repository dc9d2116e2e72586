"""Compiled encoder: codes -> symbols and indices, with the bounds check in the same pass.

The kernels are generated from the search space as straight-line code, one expression per block,
with every size and weight a constant: several times faster than loops over the genes. Rows are
unsigned, which spares the test for negative subscripts. All of them give the integers that
`anb_onnx.encoding.encoding` gets from NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from math import prod
from typing import Any, Literal, TypeAlias

import numba
import numpy as np
from numpy.typing import NDArray

from anb_onnx.encoding.jit import jit_source
from anb_onnx.parallel.first_bad_row import first_bad_row
from anb_onnx.spaces.space import SearchSpace

_Codes: TypeAlias = NDArray[np.uint8]
_Task: TypeAlias = Literal["check", "symbols", "indices", "codes"]
# For each block the sizes of its genes: all that a kernel depends on.
_Sizes: TypeAlias = tuple[tuple[int, ...], ...]


def check(codes: _Codes, space: SearchSpace, threads: int) -> int:
    """Return the first row of uint8 [N, n_genes] with a code out of range, or -1."""
    nothing = np.empty((0, 0), dtype=np.uint8)
    return _run("check", codes, nothing, space, threads)


def symbols(codes: _Codes, out: NDArray[Any], space: SearchSpace, threads: int) -> int:
    """Write symbols `space.symbol_dtype` [N, n_blocks]; return the first bad row or -1.

    What is written for a bad row and those behind it has no meaning.
    """
    return _run("symbols", codes, out, space, threads)


def indices(codes: _Codes, out: NDArray[np.int64], space: SearchSpace, threads: int) -> int:
    """Write indices int64 [N] of a space of at most 2**63; return as `symbols` does."""
    return _run("indices", codes, out, space, threads)


def codes(indices: NDArray[np.int64], out: _Codes, space: SearchSpace, threads: int) -> int:
    """Write the codes uint8 [N, n_genes] of indices int64 [N], all in range; return -1."""
    return _run("codes", indices, out, space, threads)


def _run(
    task: _Task, source: NDArray[Any], out: NDArray[Any], space: SearchSpace, threads: int
) -> int:
    sizes = tuple(tuple(len(gene) for gene in block.genes) for block in space.blocks)
    kernel = _kernel(task, sizes, out.dtype)
    return first_bad_row(partial(kernel, source, out), len(source), threads)


@lru_cache(maxsize=64)
def _kernel(task: _Task, sizes: _Sizes, out: np.dtype[Any]) -> Callable[..., int]:
    """Return the kernel ``(source, out, start, stop) -> first bad row or -1`` of a task."""
    source_type = numba.int64 if task == "codes" else numba.uint8
    signature = numba.int64(
        # A writable array may stand in for a read-only one, so that one compilation does for both.
        numba.types.Array(source_type, 1 if task == "codes" else 2, "C", readonly=True),
        numba.types.Array(numba.from_dtype(out), 1 if task == "indices" else 2, "C"),
        numba.int64,
        numba.int64,
    )
    body = _from_indices(sizes) if task == "codes" else _from_codes(task, sizes)
    lines = ["def kernel(source, out, start, stop):"]
    lines += ["    for row in range(u64(start), u64(stop)):"]
    lines += [f"        {line}" for line in body]
    lines += ["    return i64(-1)"]
    return jit_source("\n".join(lines), __name__, signature)


def _from_codes(task: _Task, sizes: _Sizes) -> list[str]:
    """Return the statements that read a row of codes, write what is asked and check it."""
    lines, gene, index = [], 0, "u64(0)"
    checks = []
    for block, block_sizes in enumerate(sizes):
        symbol = ""
        for size in block_sizes:
            lines.append(f"c{gene} = u32(source[row, u64({gene})])")
            checks.append(f"(c{gene} >= u32({size}))")
            symbol = f"({symbol}) * u32({size}) + c{gene}" if symbol else f"c{gene}"
            gene += 1
        if task == "symbols":
            lines.append(f"out[row, u64({block})] = {symbol}")
        elif task == "indices":
            lines.append(f"index{block} = ({index}) * u64({prod(block_sizes)}) + u64({symbol})")
            index = f"index{block}"
    if task == "indices":
        lines.append(f"out[row] = i64({index})")
    # One branch per row rather than one per gene.
    return [*lines, f"if {' | '.join(checks)}:", "    return i64(row)"]


def _from_indices(sizes: _Sizes) -> list[str]:
    """Return the statements that take an index apart, blocks first: shorter chains of divisions."""
    lines = ["rest = u64(source[row])"]
    gene = sum(map(len, sizes))
    for block_sizes in reversed(sizes):
        size = prod(block_sizes)
        lines += [f"quotient = rest // u64({size})"]
        lines += [f"symbol = u32(rest - quotient * u64({size}))", "rest = quotient"]
        for gene_size in reversed(block_sizes):
            gene -= 1
            lines += [f"part = symbol // u32({gene_size})"]
            lines += [f"out[row, u64({gene})] = u8(symbol - part * u32({gene_size}))"]
            lines += ["symbol = part"]
    return lines
