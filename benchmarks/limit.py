"""How close the native engine comes to the machine's limit: `python -m benchmarks.limit`.

A prediction with 8 members is 21 loads of 32 bytes from tables of 954 kB: at least 21 cache lines
have to come from the second-level cache. The yardstick is a loop that does nothing but such loads
and additions, at random addresses that cost next to nothing to make up; the same from 32 kB, which
the first-level cache holds, says what the loads would cost without the distance. The clock is read
off a chain of additions that depend on each other, one per cycle.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir

from anb_onnx.engines.base import Outputs
from anb_onnx.engines.native.engine import NativeEngine
from anb_onnx.engines.native.llvm import Compiled, process_triple
from anb_onnx.tables import TableEnsemble
from benchmarks import measure
from benchmarks.graph_forms import random_tables
from benchmarks.settings import QUICK, Settings
from benchmarks.subject import draw

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(_I32, 8)
_ENTRY, _LINE = 32, 64
_CHAIN = 64


def roofline(ensemble: TableEnsemble | None, settings: Settings) -> dict[str, Any]:
    """Measure the native kernel and its yardsticks on one thread, round by round.

    Returns
    -------
    dict
        Clock in cycles per nanosecond; nanoseconds and cycles per prediction of the kernel and of
        the loads alone; the kernel's share of the limit; bytes per prediction.
    """
    ensemble = ensemble or random_tables()
    if ensemble.n_members != 8:
        msg = f"the yardstick is for 8 members, not {ensemble.n_members}"
        raise ValueError(msg)
    lookups = len(ensemble.terms)
    rows = settings.fast_rows
    codes, out = draw(rows, seed=7), Outputs.empty(rows, ensemble.n_members, members=False)
    engine = NativeEngine(ensemble, threads=1)
    loads = {
        size: _loads(lookups, window, memory)
        for size, window, memory in (
            ("second level", 512 * 1024, len(ensemble.entries) * _ENTRY),
            ("first level", 16 * 1024, 32 * 1024),
        )
    }
    chain, steps = _chain(), 20_000
    calls: dict[str, Callable[[], Any]] = {
        "kernel": lambda: engine.predict(codes, out=out),
        **{name: partial(run, rows) for name, run in loads.items()},
        "clock": lambda: chain(steps),
    }
    timings = measure.interleave(calls, rounds=settings.headline_rounds, seconds=settings.seconds)
    # Processor time: whatever else runs on the machine does not count.
    ns = {name: [t.cpu * 1e9 / rows for t in timings[name]] for name in ("kernel", *loads)}
    clock = [steps * _CHAIN / (t.cpu * 1e9) for t in timings["clock"]]
    best = {name: min(values) for name, values in ns.items()}
    cycles = {name: value * max(clock) for name, value in best.items()}
    return {
        "cycles_per_ns": measure.spread(clock),
        "ns_per_prediction": {name: measure.spread(values) for name, values in ns.items()},
        "cycles_per_prediction": cycles,
        "lookups": lookups,
        "cycles_per_line": cycles["kernel"] / lookups,
        "bytes_per_cycle": lookups * _LINE / cycles["kernel"],
        "share_of_limit": best["second level"] / best["kernel"],
        "shares": measure.spread(
            [load / kernel for load, kernel in zip(ns["second level"], ns["kernel"], strict=True)]
        ),
        "bytes": {
            "input": ensemble.space.n_genes,
            "output": 8,
            "loaded": lookups * _ENTRY,
            "lines": lookups * _LINE,
            "tables": len(ensemble.entries) * _ENTRY,
        },
    }


def _loads(lookups: int, window: int, memory: int) -> Callable[[int], int]:
    """Return a loop of `lookups` loads per row: each within a window of its own of the memory."""
    build, (table, out, n) = _function([_I8.as_pointer(), _I8.as_pointer(), _I64])
    entry, loop, end = build.block, build.append_basic_block(), build.append_basic_block()
    build.branch(loop)
    build.position_at_end(loop)
    row, state = build.phi(_I64), build.phi(_I64)
    row.add_incoming(_I64(0), entry)
    state.add_incoming(_I64(88172645463325252), entry)
    total: Any = ir.Constant(_VECTOR, [0] * 8)
    word: Any = state
    for k in range(lookups):
        if k % 7 == 0:  # seven offsets out of each word
            word = build.mul(state, _I64(0x9E3779B97F4A7C15 + 2 * k))
        offset = build.and_(build.lshr(word, _I64(1 + 6 * (k % 7))), _I64(window - _ENTRY))
        base = (memory - window) * k // max(1, lookups - 1) // _ENTRY * _ENTRY
        address = build.gep(table, [build.add(offset, _I64(base))], source_etype=_I8)
        value = build.load(build.bitcast(address, _VECTOR.as_pointer()), align=_ENTRY, typ=_VECTOR)
        total = build.add(total, value)
    place = build.gep(out, [build.and_(build.mul(row, _I64(32)), _I64(2047))], source_etype=_I8)
    build.store(total, build.bitcast(place, _VECTOR.as_pointer()), align=_ENTRY)
    row_after = build.add(row, _I64(1))
    state_after = build.add(build.mul(state, _I64(6364136223846793005)), _I64(1442695040888963407))
    row.add_incoming(row_after, loop)
    state.add_incoming(state_after, loop)
    build.cbranch(build.icmp_signed("<", row_after, n), loop, end)
    build.position_at_end(end)
    build.ret(_I64(0))
    arrays = np.zeros(memory + _LINE, np.uint8), np.zeros(2048 + _LINE, np.uint8)
    starts = [a.ctypes.data + -a.ctypes.data % _LINE for a in arrays]
    pointer = ctypes.c_void_p
    run = _compile(build, [pointer, pointer, ctypes.c_int64])
    run.arrays = arrays
    return lambda rows: run(*starts, rows)


def _chain() -> Callable[[int], int]:
    """Return a loop of `_CHAIN` operations per step, each waiting for the one before."""
    build, (n,) = _function([_I64])
    entry, loop, end = build.block, build.append_basic_block(), build.append_basic_block()
    build.branch(loop)
    build.position_at_end(loop)
    step, value = build.phi(_I64), build.phi(_I64)
    step.add_incoming(_I64(0), entry)
    value.add_incoming(_I64(1), entry)
    x: Any = value
    for _ in range(_CHAIN // 2):  # alternating, so that nothing can be put together
        x = build.xor(build.add(x, n), n)
    after = build.add(step, _I64(1))
    step.add_incoming(after, loop)
    value.add_incoming(x, loop)
    build.cbranch(build.icmp_signed("<", after, n), loop, end)
    build.position_at_end(end)
    build.ret(x)
    chain: Callable[[int], int] = _compile(build, [ctypes.c_int64])
    return chain


def _function(arguments: list[Any]) -> tuple[Any, tuple[Any, ...]]:
    module = ir.Module(name="yardstick")
    module.triple = process_triple()
    function = ir.Function(module, ir.FunctionType(_I64, arguments), name="run")
    return ir.IRBuilder(function.append_basic_block("entry")), tuple(function.args)


def _compile(build: Any, arguments: list[Any]) -> Any:
    return Compiled(str(build.module)).function("run", ctypes.c_int64, arguments)


if __name__ == "__main__":
    found = roofline(None, QUICK if "--quick" in sys.argv else Settings())
    print(f"clock {max(found['cycles_per_ns']['max'], 0):.2f} GHz")
    for name, values in found["ns_per_prediction"].items():
        print(
            f"{name}: {values['min']:.2f} to {values['max']:.2f} ns per prediction, "
            f"{found['cycles_per_prediction'][name]:.1f} cycles"
        )
    print(
        f"{found['cycles_per_line']:.2f} cycles per cache line, {found['bytes_per_cycle']:.0f} "
        f"bytes per cycle, {found['share_of_limit']:.0%} of the speed of the loads alone"
    )
