"""`anb-onnx verify` of what is proven: asked again, proven again, counted again."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_truth import CONFORMANCE, PAIRS, with_truth

from anb_onnx import Truth, exact
from anb_onnx.catalog.catalog import Catalog
from anb_onnx.catalog.truth import Extreme
from anb_onnx.cli.main import main

prove = pytest.importorskip("anb_export.artifacts.prove", reason="needs the exporter")
pack = pytest.importorskip("anb_export.artifacts.truth").pack

PAIR = ("accuracy", "latency_edgegpu")


@pytest.fixture(scope="module")
def truths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Truth]:
    folder = tmp_path_factory.mktemp("work")
    work = prove.Work(Catalog.read(PAIRS), folder, bins=100, n_best=60, threads=1)
    found: dict[str, Truth] = prove.prove_fronts(work, prove.prove(work))
    return found


def verify(folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str, str]:
    code = main(["verify", "--artifacts", str(folder), "--engine", "numpy", *more])
    out, err = capsys.readouterr()
    return code, out, err


def test_what_is_right_is_told(
    truths: dict[str, Truth], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = with_truth(PAIRS, tmp_path / PAIRS.name, pack(truths))
    code, out, err = verify(folder, capsys)
    assert (code, err) == (0, "")
    lines = [line for line in out.splitlines() if "golden" not in line and ".onnx" not in line]
    assert len([line for line in lines if re.search(r"[0-9a-f]{64}  truth\.bin", line)]) == 1
    for target in PAIR:
        n = len(truths["accuracy"].fronts[PAIR]) + 2
        best = len(truths[target].best)
        assert f"ok  {n} values of extremes, landmarks and 1 fronts, asked again  {target}" in lines
        assert f"ok  optimum, worst and the {best} best, proven again  {target}" in lines
    counted = "ok  shard 0 of 1, 15625 architectures, counted again  "
    assert len([line for line in lines if line.startswith(counted)]) == 1
    code, out, err = verify(folder, capsys, "--thorough")
    assert (code, out.count(counted)) == (0, 2)


def test_a_folder_without_truth_is_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = verify(PAIRS, capsys)
    assert code == 0
    assert "again" not in out
    assert out.count("golden architectures") == 2


def test_what_was_not_counted_is_verified_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = CONFORMANCE / "fbnet-sparse"
    work = prove.Work(Catalog.read(source), tmp_path / "work", n_best=10)
    folder = with_truth(source, tmp_path / source.name, pack(prove.prove(work)))
    code, out, _ = verify(folder, capsys, "--thorough")
    assert code == 0
    assert "optimum, worst and the 10 best, proven again" in out
    assert "counted again" not in out


def wrong_digest(truth: Truth) -> Truth:
    assert truth.shards is not None
    digests = truth.shards.digests.copy()
    digests[0, 3] ^= 1
    return replace(truth, shards=replace(truth.shards, digests=digests))


def wrong_bins(truth: Truth) -> Truth:
    assert truth.shards is not None
    return replace(truth, shards=replace(truth.shards, bins=99))


def wrong_best(truth: Truth) -> Truth:
    """A mean of the list, one float32 further off: nothing in the file contradicts it."""
    best = truth.best.copy()
    best[10] = np.nextafter(best[10], best[-1])
    return replace(truth, best=best)


def wrong_optimum(truth: Truth) -> Truth:
    other = Extreme(truth.optimum.value, truth.worst.codes, truth.optimum.count, truth.space)
    return replace(truth, optimum=other)


def wrong_front(truth: Truth) -> Truth:
    front = truth.fronts[PAIR]
    codes = front.codes.copy()
    codes[[2, 3]] = codes[[3, 2]]
    return replace(truth, fronts={PAIR: replace(front, codes=codes)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (wrong_digest, "shard 0 of 1 has other counts than stated"),
        (wrong_bins, "are not those of its bins and landmarks"),
        (wrong_best, r"the best, down to [\d.]+, are not those of the list"),
        (wrong_optimum, r"architecture 0 of the optimum has [\d.]+, not [\d.]+"),
        (wrong_front, r"architecture 2 of the front of accuracy and latency_edgegpu has"),
    ],
)
def test_what_is_wrong_is_told(
    truths: dict[str, Truth],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Truth], Truth],
    message: str,
) -> None:
    accuracy = change(truths["accuracy"])
    other = replace(truths["latency_edgegpu"], fronts=accuracy.fronts)
    changed = {"accuracy": accuracy, "latency_edgegpu": other}
    folder = with_truth(PAIRS, tmp_path / PAIRS.name, pack(changed))
    code, out, err = verify(folder, capsys, "--thorough")
    assert code == 1
    assert re.search(f"accuracy: .*{message}", err)
    assert "best, proven again  latency_edgegpu" in out


def test_a_better_one_is_told(
    truths: dict[str, Truth],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = with_truth(PAIRS, tmp_path / PAIRS.name, pack(truths))
    right = exact.optimum

    def other(surrogate: Any, **options: Any) -> Any:
        return replace(right(surrogate, **options), ties=3)

    monkeypatch.setattr(exact, "optimum", other)
    code, _, err = verify(folder, capsys)
    assert code == 1
    assert re.search(r"the optimum is ([\d.]+), of 4 architectures, not \1, of 1", err)


def test_a_damaged_file_is_told(
    truths: dict[str, Truth], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = with_truth(PAIRS, tmp_path / PAIRS.name, pack(truths))
    with (folder / "truth.bin").open("ab") as file:
        file.write(b"\0")
    code, _, err = verify(folder, capsys)
    assert code == 1
    assert "truth.bin is damaged" in err


@pytest.mark.parametrize("engine", ["numpy", "auto"])
def test_the_engine_that_computed_is_named(engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--artifacts", str(PAIRS), "--engine", engine]) == 0
    named = re.findall(r"golden architectures, (\w+) engine  ", capsys.readouterr().out)
    assert len(named) == 2
    assert set(named) <= ({"numpy"} if engine == "numpy" else {"numpy", "native", "onnxruntime"})
