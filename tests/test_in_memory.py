"""Surrogates of tables that are in no file, and what becomes of them when they are saved."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_artifact import write_catalog

import anb_onnx
from anb_onnx import MNASNET, NASBENCH201, Link, Terms, exact
from anb_onnx._io.output import write_output
from anb_onnx.calibration import Calibration
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.catalog.golden import read_golden, same_bits
from anb_onnx.cli.main import main
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.errors import ArtifactError, EngineError, TargetError
from anb_onnx.loading import ENGINES, from_model, from_tables
from anb_onnx.onnx_files.messages import fields, read_metadata
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.surrogate import Surrogate
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import all_pairs
from anb_onnx.writing import golden, manifest

CARD: dict[str, Any] = {
    "metric": "latency",
    "device": "my-phone",
    "unit": "ms",
    "direction": "min",
    "exact": False,
    "quality": {"leave_one_out": {"n": 10, "mape": 0.04}},
    "calibration": Calibration(1.5, 0.1, 1, None, (0.0, 0.9), (0.0, 1.7)).to_dict(),
    "dataset": {"name": "my own", "license": "CC0-1.0", "sha256": "0" * 64},
    "license": "CC0-1.0",
    "versions": {"numpy": "2.0"},
}


def tables_of(space: SearchSpace = MNASNET, members: int = 3, seed: int = 0) -> TableEnsemble:
    """Return times of about 20 ms: single blocks and pairs, all positive."""
    terms = Terms(space, (*((block,) for block in range(space.n_blocks)), (0, 1), (1, 3)))
    entries = np.random.default_rng(seed).integers(1, 2**20, (terms.n_entries, members))
    return TableEnsemble(space, entries.astype(np.int32), 2.0**-18, 2.5, Link(), terms)


def phone(engine: str = "auto", **changes: Any) -> Surrogate:
    return from_tables(tables_of(), {**CARD, **changes}, engine=engine)


def bits(surrogate: Surrogate, codes: np.ndarray) -> list[bytes]:
    found = surrogate.query_codes(codes, members=True)
    return [array.tobytes() for array in found if array is not None]


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_bits_of_the_tables(engine: str) -> None:
    codes = anb_onnx.sample(500, seed=1, space=MNASNET)
    wanted = tables_of().predict(codes_to_symbols(codes, MNASNET))
    with phone(engine) as surrogate:
        assert bits(surrogate, codes) == [array.tobytes() for array in wanted]
        assert surrogate.target.name == "latency_my-phone"
        assert surrogate.space is MNASNET
        found = surrogate.query(codes)
    low, high = found.interval(0.9)
    assert ((low < found.mean) & (found.mean < high)).all()


@pytest.mark.parametrize("engine", ["auto", "onnxruntime"])
def test_it_is_pickled_with_its_content(engine: str) -> None:
    codes = anb_onnx.sample(64, seed=2, space=MNASNET)
    with phone(engine) as surrogate:
        again = pickle.loads(pickle.dumps(surrogate))
        assert bits(again, codes) == bits(surrogate, codes)
        assert again.metadata == surrogate.metadata
        assert again.target == surrogate.target


def test_it_is_searched_beside_the_bundled_ones(tmp_path: Path) -> None:
    with phone() as surrogate:
        bound = exact.optimum(surrogate).solutions[0].value + 10.0
        found = exact.optimum("accuracy", [(surrogate, "<=", bound)])
        best = found.solutions[0].architecture
        assert surrogate.query(best).mean <= bound
        front = exact.pareto(
            ["accuracy", surrogate],
            constraints=[("accuracy", ">=", 67.5)],
        )
        assert front.targets == ("accuracy", "latency_my-phone")
        # The same answers as of the file.
        surrogate.save(tmp_path / "my-phone")
    with anb_onnx.load("latency_my-phone", path=tmp_path / "my-phone") as loaded:
        again = exact.optimum("accuracy", [(loaded, "<=", bound)])
    assert again.solutions == found.solutions


def test_it_is_weighed_against_the_bundled_ones() -> None:
    with phone() as surrogate:
        score = exact.WeightedSum({"accuracy": 1.0, surrogate: -0.25})
        product = exact.WeightedProduct("accuracy", surrogate, reference=20.0, exponent=-0.07)
        found, other = exact.optimum(score), exact.optimum(product)
        front = exact.pareto(["accuracy", surrogate]).values.astype(np.float64)
    assert str(score) == "1 * accuracy + -0.25 * latency_my-phone"
    assert found.solutions[0].value == (front[:, 0] - 0.25 * front[:, 1]).max()
    assert found.target == str(score)
    values = front[:, 0] * (front[:, 1] / 20.0) ** -0.07
    assert other.solutions[0].value == pytest.approx(values.max(), rel=1e-12)


def test_it_is_part_of_a_benchmark() -> None:
    codes = anb_onnx.sample(30, seed=7, space=MNASNET)
    surrogate = phone()
    with anb_onnx.Benchmark(["accuracy", surrogate]) as both:
        assert list(both) == ["accuracy", "latency_my-phone"]
        found = both.query(codes)
        assert found["latency_my-phone"].mean.tolist() == surrogate.query(codes).mean.tolist()
        again = pickle.loads(pickle.dumps(both))
        assert bits(again["latency_my-phone"], codes) == bits(surrogate, codes)
    with pytest.raises(EngineError, match="closed"):
        surrogate.query(codes)
    other = from_tables(tables_of(NASBENCH201), CARD)
    with pytest.raises(TargetError, match=r"'accuracy' \(mnasnet\).*\(nasbench201\) have diff"):
        anb_onnx.Benchmark(["accuracy", other])


def test_other_spaces_are_refused() -> None:
    other = from_tables(tables_of(NASBENCH201), CARD)
    with pytest.raises(TargetError, match=r"'accuracy' \(mnasnet\) and 'latency_my-phone' \(nas"):
        exact.optimum("accuracy", [(other, "<=", 20.0)])


def test_what_the_card_lacks_is_told() -> None:
    for key in ("metric", "unit", "direction", "exact", "quality", "versions"):
        card = {k: v for k, v in CARD.items() if k != key}
        with pytest.raises(ArtifactError, match=f"key {key!r} must be"):
            from_tables(tables_of(), card)
    for changes, message in (
        ({"members": 4}, "'members'"),
        ({"link": Link("-1").to_dict()}, r"key 'link\.\w+' is"),
        ({"quality": {"leave_one_out": {"n": 3, "mape": float("nan")}}}, "cannot be written"),
        ({"quality": {"train": {"n": 3}}}, r"'quality\.test' or 'quality\.leave_one_out'"),
        ({"form": "trees"}, "'trees' has no key 'terms'"),
    ):
        with pytest.raises(ArtifactError, match=message):
            phone(**changes)
    with pytest.raises(EngineError, match="unknown engine 'fast'"):
        phone("fast")
    huge = TableEnsemble(MNASNET, tables_of().entries * 2**11, 1.0, 0.0, Link(), tables_of().terms)
    with pytest.raises(ArtifactError, match="sums must stay"):
        from_tables(huge, CARD)


def test_tables_of_zeros_are_found_in_their_file() -> None:
    terms = Terms(NASBENCH201, ((0,),))
    zeros = TableEnsemble(NASBENCH201, np.zeros((5, 1), np.int32), 1.0, 2.0, Link(), terms)
    with from_tables(zeros, CARD) as surrogate:
        assert surrogate.query(np.array([7])).mean == 2.0


def test_a_saved_one_is_a_benchmark_of_its_own(tmp_path: Path, capsys: Any) -> None:
    codes = anb_onnx.sample(64, seed=3, space=MNASNET)
    folder = tmp_path / "my-phone"
    with phone() as surrogate:
        path = surrogate.save(folder)
        wanted = bits(surrogate, codes)
    assert path == folder / "latency_my-phone.onnx"
    assert sorted(file.name for file in folder.iterdir()) == [
        "golden.bin",
        path.name,
        "manifest.json",
    ]
    (catalog,) = anb_onnx.benchmarks(folder)
    assert (catalog.benchmark, catalog.space) == ("my-phone", MNASNET)
    for engine in ENGINES:
        with anb_onnx.load("latency", device="my-phone", path=folder, engine=engine) as loaded:
            assert bits(loaded, codes) == wanted
    found = read_golden(folder)
    assert found is not None
    assert list(found.outputs) == ["latency_my-phone"]
    assert main(["verify", "--artifacts", str(folder)]) == 0
    assert "golden architectures" in capsys.readouterr().out


def test_saving_again_writes_the_same_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    with phone() as surrogate:
        surrogate.save(folder)
        before = files_of(folder)
        surrogate.save(folder)
        assert files_of(folder) == before
    # From the file, and from its own folder, too.
    with anb_onnx.load("latency_my-phone", path=folder) as loaded:
        loaded.save(folder)
        assert files_of(folder) == before
        loaded.save(tmp_path / "copy")
    (tmp_path / "mine").rename(tmp_path / "gone")
    assert files_of(tmp_path / "copy") == before


def test_two_devices_share_a_folder(tmp_path: Path) -> None:
    for device, seed in (("my-phone", 0), ("my-board", 1), ("my-phone", 2)):
        with from_tables(tables_of(seed=seed), {**CARD, "device": device}) as surrogate:
            surrogate.save(tmp_path / "mine")
    with anb_onnx.Benchmark(path=tmp_path / "mine") as both:
        assert sorted(both) == ["latency_my-board", "latency_my-phone"]
        found = both.query(anb_onnx.sample(9, seed=0, space=MNASNET))
    wanted = tables_of(seed=2).predict(
        codes_to_symbols(anb_onnx.sample(9, seed=0, space=MNASNET), MNASNET)
    )
    assert found["latency_my-phone"].mean.tolist() == wanted[0].tolist()
    assert set(read_golden(tmp_path / "mine").outputs) == set(both)  # type: ignore[union-attr]


def test_the_name_of_the_benchmark(tmp_path: Path) -> None:
    with phone() as surrogate:
        with pytest.raises(ArtifactError, match=r"folder is called 'My Phone'.*benchmark='my-ph"):
            surrogate.save(tmp_path / "My Phone")
        assert not (tmp_path / "My Phone").exists()
        with pytest.raises(ArtifactError, match="benchmark is 'Mine'"):
            surrogate.save(tmp_path / "mine", benchmark="Mine")
        surrogate.save(tmp_path / "My Phone", benchmark="mine")
        with pytest.raises(ArtifactError, match="of the benchmark 'mine', not of 'other'"):
            surrogate.save(tmp_path / "My Phone", benchmark="other")
        surrogate.save(tmp_path / "My Phone")  # as the manifest there says
    assert anb_onnx.benchmarks(tmp_path / "My Phone")[0].benchmark == "mine"


def test_a_folder_of_another_space_is_left_alone(tmp_path: Path) -> None:
    with phone() as surrogate, from_tables(tables_of(NASBENCH201), CARD) as other:
        surrogate.save(tmp_path / "mine")
        before = files_of(tmp_path / "mine")
        with pytest.raises(ArtifactError, match="space 'mnasnet', not of 'nasbench201'"):
            other.save(tmp_path / "mine")
    assert files_of(tmp_path / "mine") == before


@pytest.mark.parametrize("device", ["a/b", "a:b", "a\\b", "tpu*", 'say "hi"', "x" * 246])
def test_devices_that_make_no_file_name(device: str, tmp_path: Path) -> None:
    with phone(device=device) as surrogate:
        assert surrogate.query(np.array([0])).unit == "ms"
        with pytest.raises(ArtifactError, match="makes no name of a file"):
            surrogate.save(tmp_path / "mine")


@pytest.mark.parametrize("device", ["my-phone", "Pixel 2", "iPhone (2025)", "é", "a_b.c", None])
def test_devices_that_do(device: str | None, tmp_path: Path) -> None:
    name = "latency" if device is None else f"latency_{device}"
    with phone(device=device) as surrogate:
        assert surrogate.save(tmp_path / "mine").name == f"{name}.onnx"
    with anb_onnx.load("latency", device=device, path=tmp_path / "mine") as loaded:
        assert loaded.target.device == device


def test_a_bundled_one_is_copied_byte_for_byte(tmp_path: Path) -> None:
    with anb_onnx.load("macs") as surrogate, phone() as other:
        path = surrogate.save(tmp_path / "mine")
        catalog = find_benchmark("accel-nasbench")
        assert path.read_bytes() == catalog.find("macs").read()
        assert anb_onnx.benchmarks(tmp_path / "mine")[0].benchmark == catalog.benchmark
        other.save(tmp_path / "mine")
        # As one of another benchmark it is written anew.
        other.save(tmp_path / "other")
        surrogate.save(tmp_path / "other")
    codes = anb_onnx.sample(50, seed=5, space=MNASNET)
    with (
        anb_onnx.load("macs") as bundled,
        anb_onnx.load("macs", path=tmp_path / "other", engine="onnxruntime") as loaded,
    ):
        assert bits(loaded, codes) == bits(bundled, codes)


def test_one_without_tables_is_copied_and_becomes_one_of_another_benchmark(tmp_path: Path) -> None:
    folder = write_catalog(tmp_path / "small")
    codes = anb_onnx.sample(20, seed=6, space=MNASNET)
    with anb_onnx.load("accuracy", path=folder) as surrogate, phone() as other:
        surrogate.save(tmp_path / "copy")
        with anb_onnx.load("accuracy", path=tmp_path / "copy") as loaded:
            assert bits(loaded, codes) == bits(surrogate, codes)
        other.save(tmp_path / "mine")
        path = surrogate.save(tmp_path / "mine")
        with anb_onnx.load("accuracy", path=tmp_path / "mine") as loaded:
            assert bits(loaded, codes) == bits(surrogate, codes)
    # All that differs is the name of the benchmark, in the card and in the words.
    model, before = path.read_bytes(), (folder / "accuracy.onnx").read_bytes()
    card = json.loads(read_metadata(model)["anb_onnx.card"])
    assert card["benchmark"] == "mine"
    assert card == {**json.loads(read_metadata(before)["anb_onnx.card"]), "benchmark": "mine"}
    computing, same = (
        [
            (number, start if stop < 0 else data[start:stop])
            for number, start, stop in fields(data, 0, len(data))
            if number not in (6, 14)
        ]
        for data in (model, before)
    )
    assert computing == same


def test_a_file_that_changed_since_is_not_copied(tmp_path: Path) -> None:
    with phone() as surrogate:
        surrogate.save(tmp_path / "mine")
    with anb_onnx.load("latency_my-phone", path=tmp_path / "mine") as loaded:
        with from_tables(tables_of(seed=9), CARD) as other:
            other.save(tmp_path / "mine")
        with pytest.raises(ArtifactError, match="was replaced since it was loaded"):
            loaded.save(tmp_path / "copy")


class Killed(BaseException):
    """Stands for the end of the process."""


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


# The stand-in and a manifest that lists it, the file and its manifest, golden vectors and manifest.
@pytest.mark.parametrize("writes", range(6))
def test_a_save_that_ends_early_leaves_whole_files(
    writes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = anb_onnx.sample(20, seed=8, space=MNASNET)
    first, second = phone(), from_tables(tables_of(seed=5), CARD)
    first.save(tmp_path / "mine")
    first.save(tmp_path / "whole", benchmark="mine")
    second.save(tmp_path / "whole")
    left = writes

    def write(path: Path, content: bytes) -> None:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        write_output(path, content)

    with monkeypatch.context() as patch:
        for module in (manifest, golden):
            patch.setattr(module, "write_output", write)
        with pytest.raises(Killed):
            second.save(tmp_path / "mine")
    with anb_onnx.load("latency_my-phone", path=tmp_path / "mine") as loaded:
        assert bits(loaded, codes) in (bits(first, codes), bits(second, codes))
        found = read_golden(tmp_path / "mine")
        if found is not None:
            outputs = loaded.query_codes(found.codes, members=True)
            assert same_bits(outputs, found.outputs["latency_my-phone"])
    second.save(tmp_path / "mine")
    assert files_of(tmp_path / "mine") == files_of(tmp_path / "whole")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("a file")
    with phone() as surrogate, pytest.raises(ArtifactError, match="cannot write to"):
        surrogate.save(tmp_path / "mine")


def test_all_pairs_of_a_bundled_space_are_saved_without_the_onnx_package(tmp_path: Path) -> None:
    """As after pip install anb-onnx alone."""
    program = """
import sys
sys.modules["onnx"] = sys.modules["anb_export"] = None
import numpy as np
from anb_onnx import NASBENCH201, Link
from anb_onnx.loading import from_tables
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import all_pairs
from anb_onnx.writing import golden, manifest
import json
entries = np.ones((all_pairs(NASBENCH201).n_entries, 1), np.int32)
tables = TableEnsemble(NASBENCH201, entries, 1.0, 0.0, Link())
from_tables(tables, json.loads(sys.argv[1])).save(sys.argv[2])
"""
    folder = tmp_path / "mine"
    subprocess.run(
        [sys.executable, "-c", program, json.dumps(CARD), str(folder)],
        check=True,
        timeout=120,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    with anb_onnx.load("latency_my-phone", path=folder) as loaded:
        assert loaded.query(np.array([0])).mean == len(all_pairs(NASBENCH201).blocks)


def test_a_model_without_tables_needs_no_file(tmp_path: Path) -> None:
    folder = write_catalog(tmp_path / "small")
    model = (folder / "accuracy.onnx").read_bytes()
    codes = anb_onnx.sample(20, seed=7, space=MNASNET)
    with (
        anb_onnx.load("accuracy", path=folder) as listed,
        from_model(model) as surrogate,
        pickle.loads(pickle.dumps(surrogate)) as again,
    ):
        assert surrogate.target.name == "accuracy"
        assert surrogate.sha256 == again.sha256 == listed.sha256
        assert bits(surrogate, codes) == bits(listed, codes) == bits(again, codes)
        assert again.save(tmp_path / "copy").read_bytes() == model


@pytest.mark.parametrize("engine", ["native", "numpy"])
def test_a_model_without_tables_has_no_engine_of_tables(engine: str) -> None:
    with pytest.raises(EngineError, match=f"'{engine}' runs artifacts in table form; use engine="):
        from_model(b"", engine=engine)


def test_a_model_with_tables_is_refused() -> None:
    with pytest.raises(ArtifactError, match=r"holds tables, whose place .* use from_tables"):
        from_model(find_benchmark().find("params").read())
