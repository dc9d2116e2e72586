"""What kernels take to compile, and to run: `python -m benchmarks.compile_time`.

For spaces and terms of the kinds that there are, and 1 to 1,024 members: both forms of the native
engine's kernel, written out and looping, in processor time. From this follow the unit and the limit
of `anb_onnx.engines.native.spec.work`. Nothing that would take minutes is written out.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from anb_onnx.engines.base import Outputs
from anb_onnx.engines.native import spec as spec_module
from anb_onnx.engines.native.engine import NativeEngine
from anb_onnx.engines.native.kernels import assembly
from anb_onnx.engines.native.llvm import Compiled
from anb_onnx.engines.native.spec import Spec, work
from anb_onnx.links import Link
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import Block, Gene, SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms, all_pairs

#: 1/(80-y), as most of the bundled targets have it.
_LINK = Link("-1", 80.0)
_MEMBERS = (1, 8, 20, 64, 1024)
_MOST_WRITTEN_OUT = 600
_ROWS = 8_192
_COMPILED, _RUNS = 5, 50


@dataclass(frozen=True)
class Measured:
    """Seconds to compile, and nanoseconds per architecture."""

    seconds: float
    ns: float


def cases() -> dict[str, Terms]:
    """Return terms of all kinds, by name."""
    nasbench, fbnet = _space("nasbench201", [5] * 6), _space("fbnet", [9] * 22)
    large = _space("large block", [300, 5, 4])
    return {
        "MnasNet, 21 pairs": all_pairs(MNASNET),
        "NAS-Bench-201, 15 pairs": all_pairs(nasbench),
        "NAS-Bench-201, one term of 15,625": Terms(nasbench, (tuple(range(6)),)),
        "FBNet, 21 neighbours": Terms(fbnet, tuple((b, b + 1) for b in range(21))),
        "FBNet, 231 pairs": all_pairs(fbnet),
        "one block of 7": Terms.of_order(_space("one block", [7]), 1),
        "a block of 300, 3 pairs": all_pairs(large),
    }


def measure(ensemble: TableEnsemble) -> Measured:
    """Compile the kernel of an ensemble, and run it: the best of several times."""
    spec = Spec.of("codes", ensemble)
    seconds = _best(lambda: Compiled(assembly(spec)), _COMPILED)
    rows = _ROWS if ensemble.n_members <= 64 else _ROWS // 16
    codes = _codes(ensemble.space, rows)
    engine = NativeEngine(ensemble, threads=1)
    out = Outputs.empty(rows, ensemble.n_members, members=False)
    return Measured(seconds, 1e9 / rows * _best(lambda: engine.predict(codes, out=out), _RUNS))


@contextmanager
def most_work(limit: float) -> Iterator[None]:
    """Write kernels out up to some other limit."""
    with mock.patch.object(spec_module, "MOST_WORK", limit):
        yield


def main(members: Sequence[int] = _MEMBERS) -> None:
    """Print the table of docs/performance.md."""
    print(
        "| terms | members | work | written out: compile | run | looping: compile | run | chosen |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---|")
    for name, terms in cases().items():
        for m in members:
            ensemble = _ensemble(terms, m)
            amount = work(len(terms), m, _LINK.inverse_steps)
            written = "- | -"
            if amount <= _MOST_WRITTEN_OUT:
                with most_work(np.inf):
                    written = _cells(measure(ensemble))
            with most_work(-1):
                looping = _cells(measure(ensemble))
            chosen = "looping" if Spec.of("codes", ensemble).terms is None else "written out"
            print(
                f"| {name} | {m:,} | {amount:,.0f} | {written} | {looping} | {chosen} |", flush=True
            )


def _cells(measured: Measured) -> str:
    ns = f"{measured.ns:,.0f}" if measured.ns >= 100 else f"{measured.ns:.3g}"
    return f"{1e3 * measured.seconds:.0f} ms | {ns} ns"


def _best(call: Callable[[], object], turns: int) -> float:
    """Return the least processor time of some calls, in seconds."""
    times = []
    gc.collect()  # else it comes where it likes, with what others left
    for _ in range(turns):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return min(times)


def _space(name: str, sizes: Sequence[int]) -> SearchSpace:
    blocks = []
    for number, size in enumerate(sizes):
        # A gene has up to 256 choices; 300 are those of two.
        genes = [size] if size <= 256 else [size // 20, 20]
        named = [Gene(f"{number}.{g}", tuple(range(n))) for g, n in enumerate(genes)]
        blocks.append(Block(str(number), tuple(named)))
    return SearchSpace(name, tuple(blocks))


def _ensemble(terms: Terms, n_members: int) -> TableEnsemble:
    rng = np.random.default_rng(0)
    most = 2**30 // len(terms)
    entries = rng.integers(-most, most, (terms.n_entries, n_members), dtype=np.int32)
    return TableEnsemble(terms.space, entries, 2.0**-31, 1.0, _LINK, terms)


def _codes(space: SearchSpace, n: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(1)
    columns = [rng.integers(0, size, n) for size in space.gene_sizes]
    return np.stack(columns, axis=1).astype(np.uint8)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or _MEMBERS)
