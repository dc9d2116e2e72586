import multiprocessing
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_artifact import N_MEMBERS, _node, expected, onnx_bytes

from anb_onnx import (
    NASBENCH201,
    ArchitectureError,
    ArtifactError,
    EngineError,
    Link,
    Terms,
    sample,
)
from anb_onnx.engines.base import Outputs, resolve_threads
from anb_onnx.engines.onnxruntime_engine import CHUNK_ROWS, OnnxRuntimeEngine, _Process
from anb_onnx.loading import from_tables
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.tables import TableEnsemble

MODEL = onnx_bytes({"key": "value"})


@pytest.fixture(scope="module")
def engine() -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(MODEL, threads=2)


def same_bits(a: Outputs, b: Outputs) -> bool:
    return all(
        x.tobytes() == y.tobytes()
        for x, y in zip(a, b, strict=True)
        if x is not None and y is not None
    )


def test_reads_the_graphs_interface(engine: OnnxRuntimeEngine) -> None:
    assert (engine.n_genes, engine.n_members, engine.threads) == (28, N_MEMBERS, 2)
    assert engine.name == "onnxruntime"
    assert engine.metadata == {"key": "value"}


def test_predictions_are_those_of_plain_python(engine: OnnxRuntimeEngine) -> None:
    codes = sample(300, seed=1, space=MNASNET)
    out = engine.predict(codes, members=True)
    assert out.members is not None
    for row, (mean, std, members) in enumerate(map(expected, codes.tolist())):
        assert out.mean[row] == np.float32(mean)
        assert out.std[row] == pytest.approx(std, rel=1e-6)
        assert out.members[row].tolist() == members  # 64ths: exact in float32, too
    assert {a.dtype for a in out if a is not None} == {np.dtype(np.float32)}


def test_members_only_where_asked_for(engine: OnnxRuntimeEngine) -> None:
    codes = sample(3, seed=1, space=MNASNET)
    without = engine.predict(codes)
    assert without.members is None
    assert same_bits(without, engine.predict(codes, members=True))


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("batch", [1, 7, 512, CHUNK_ROWS, CHUNK_ROWS + 1, 10_000])
def test_neither_threads_nor_batch_size_change_a_bit(
    engine: OnnxRuntimeEngine, threads: int, batch: int
) -> None:
    codes = sample(10_000 if batch > 1 else 200, seed=3, space=MNASNET)
    whole = engine.predict(codes, members=True)
    other = OnnxRuntimeEngine(MODEL, threads=threads)
    parts = [
        other.predict(codes[start : start + batch], members=True)
        for start in range(0, len(codes), batch)
    ]
    assert same_bits(whole, Outputs(*(np.concatenate(p) for p in zip(*parts, strict=True))))


def test_an_empty_batch(engine: OnnxRuntimeEngine) -> None:
    out = engine.predict(np.empty((0, 28), np.uint8), members=True)
    assert out.members is not None
    assert (out.mean.shape, out.std.shape, out.members.shape) == ((0,), (0,), (0, N_MEMBERS))


@pytest.mark.parametrize("view", [np.s_[::-1], np.s_[::2]])
def test_views_that_are_not_contiguous(engine: OnnxRuntimeEngine, view: Any) -> None:
    codes = sample(5_000, seed=4, space=MNASNET)
    assert same_bits(engine.predict(codes[view]), engine.predict(codes[view].copy()))


def test_writes_into_given_arrays(engine: OnnxRuntimeEngine) -> None:
    codes = sample(5_000, seed=5, space=MNASNET)
    out = Outputs.empty(5_000, N_MEMBERS, members=True)
    assert engine.predict(codes, out=out) is out
    assert same_bits(out, engine.predict(codes, members=True))
    with pytest.raises(EngineError, match=r"float32 array \[4999\], found float32 \[5000\]"):
        engine.predict(codes[1:], out=out)


@pytest.mark.parametrize(
    "codes", [np.zeros((1, 27), np.uint8), np.zeros(28, np.uint8), np.zeros((1, 28), np.int64)]
)
def test_codes_of_another_shape_or_dtype_are_refused(engine: OnnxRuntimeEngine, codes: Any) -> None:
    with pytest.raises(ArchitectureError, match="uint8 array"):
        engine.predict(codes)


@pytest.mark.parametrize("model", [b"", b"no model", MODEL[: len(MODEL) // 2]])
def test_what_is_no_onnx_is_refused(model: bytes) -> None:
    with pytest.raises(ArtifactError, match=r"some\.onnx cannot be opened by onnxruntime"):
        OnnxRuntimeEngine(model, source="some.onnx")


@pytest.mark.parametrize("name", ["architectures", "mean", "std", "members"])
def test_another_interface_is_refused(name: str) -> None:
    with pytest.raises(ArtifactError, match=f"some.onnx is not an anb_onnx artifact.*{name}"):
        OnnxRuntimeEngine(onnx_bytes({}, names={name: "other"}), source="some.onnx")


@pytest.mark.parametrize("n", [1, 2, 5, CHUNK_ROWS, CHUNK_ROWS + 1])
def test_another_number_of_rows_is_refused(n: int) -> None:
    # The mean over architectures instead of members: as many rows as members, whatever N is.
    right, wrong = (_node("ReduceMean", ["m"], "average", axes=[k], keepdims=0) for k in (1, 0))
    assert MODEL.count(right) == 1
    engine = OnnxRuntimeEngine(MODEL.replace(right, wrong), source="some.onnx", threads=2)
    with pytest.raises(
        ArtifactError, match=rf"some\.onnx .* its output 'mean' has {N_MEMBERS} rows"
    ):
        engine.predict(sample(n, seed=1, space=MNASNET))


@pytest.mark.parametrize("threads", [0, -1, True, 1.5, "2"])
def test_a_thread_count_that_is_none_is_refused(threads: Any) -> None:
    with pytest.raises(EngineError, match="threads must be a positive integer"):
        OnnxRuntimeEngine(MODEL, threads=threads)


def test_thread_counts() -> None:
    assert resolve_threads(3) == 3
    assert resolve_threads(np.int64(3)) == 3
    assert 1 <= resolve_threads(None) <= (os.cpu_count() or 1)


def test_the_default_respects_the_affinity_of_the_process() -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system has no CPU affinity")
    code = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "from anb_onnx.engines.base import resolve_threads; print(resolve_threads(None))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "1"


def test_a_closed_engine_is_refused() -> None:
    engine = OnnxRuntimeEngine(MODEL, source="some.onnx", threads=2)
    engine.predict(sample(5_000, seed=1, space=MNASNET))
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match=r"some\.onnx is closed"):
        engine.predict(sample(1, seed=1, space=MNASNET))


def test_many_threads_may_share_an_engine(engine: OnnxRuntimeEngine) -> None:
    batches = [sample(n, seed=n, space=MNASNET) for n in (1, 100, 3_000, 9_000) * 4]
    alone = [engine.predict(codes, members=True) for codes in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda codes: engine.predict(codes, members=True), batches))
    assert all(same_bits(a, b) for a, b in zip(alone, together, strict=True))


def _in_child(engine: OnnxRuntimeEngine, codes: Any, results: Any) -> None:
    out = engine.predict(codes, members=True)
    assert engine._process is not None
    results.put((os.getpid(), engine._process.pid, out))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_an_engine_works_on_after_a_fork(engine: OnnxRuntimeEngine) -> None:
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system has no fork")
    codes = sample(10_000, seed=6, space=MNASNET)
    before = engine.predict(codes, members=True)  # starts the threads that a fork loses
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    child = context.Process(target=_in_child, args=(engine, codes, results))
    child.start()
    pid, session_pid, out = results.get()
    child.join(30)
    assert child.exitcode == 0
    assert pid == session_pid != os.getpid()
    assert same_bits(before, out)
    assert same_bits(before, engine.predict(codes, members=True))


class FailingSession:
    """Fails on the chunk that holds a marked row, slowly succeeds on all others."""

    def __init__(self) -> None:
        self.calls = 0
        self._lock = threading.Lock()

    def run(self, names: list[str], feeds: dict[str, Any]) -> list[Any]:
        with self._lock:
            self.calls += 1
        codes = feeds["architectures"]
        if codes.any():
            raise RuntimeError("no memory")
        threading.Event().wait(0.005)
        return [np.zeros(len(codes), np.float32)] * 2


@pytest.mark.parametrize("failing_row", [0, 3 * CHUNK_ROWS])
def test_an_error_stops_all_threads(failing_row: int) -> None:
    engine = OnnxRuntimeEngine(MODEL, threads=3)
    assert engine._process is not None
    session = FailingSession()
    engine._process = _Process(os.getpid(), session)
    codes = np.zeros((200 * CHUNK_ROWS, 28), np.uint8)
    codes[failing_row] = 1
    with pytest.raises(ArtifactError, match=r"model cannot be run by onnxruntime .*no memory"):
        engine.predict(codes)
    calls = session.calls
    assert calls < 200
    threading.Event().wait(0.03)
    assert session.calls == calls  # nobody still writes into the arrays


def test_memory_does_not_grow_with_the_batch(tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="peak memory is read through the resource module")
    model = tmp_path / "small.onnx"
    model.write_bytes(MODEL)
    # One call of the session would hold 28 doubles per row, 450 MB, beside the inputs.
    code = f"""
import resource
from pathlib import Path
import numpy as np
from anb_onnx.engines.onnxruntime_engine import OnnxRuntimeEngine
engine = OnnxRuntimeEngine(Path({str(model)!r}).read_bytes(), threads=2)
codes = np.ones((2_000_000, 28), np.uint8)
engine.predict(codes[:10_000])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
out = engine.predict(codes)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) / 1024)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    outputs = 16
    assert float(run.stdout) < outputs + 48
    assert run.stderr == ""


def test_a_zero_keeps_its_sign() -> None:
    """A total of 0 times a negative scale is -0.0, and 0.0 once a shift of 0 is added."""
    zero, terms = np.zeros((5, 1), np.int32), Terms(NASBENCH201, ((0,),))
    ensemble = TableEnsemble(NASBENCH201, zero, -1.0, 0.0, Link(), terms)
    facts: dict[str, Any] = {"metric": "loss", "device": None, "unit": "nats", "direction": "min"}
    facts |= {"exact": False, "quality": {}, "versions": {}}
    found = set()
    for engine in ("numpy", "native", "onnxruntime"):
        with from_tables(ensemble, facts, engine=engine) as surrogate:
            found.add(surrogate.query_codes(np.zeros((3, 6), np.uint8)).mean.tobytes())
    assert found == {bytes(12)}
