"""Artifacts of several outputs: engines, files, processes, the command line, hostile input."""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import math
import multiprocessing
import os
import pickle
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_edits import damages, value_edits
from test_in_memory import phone
from vector_cases import (
    CALIBRATION,
    DATA,
    curve_form,
    curves,
    facts_of,
    metrics,
    noisy,
    outputs_of,
    summary,
    surrogate_of,
    tables,
)

import anb_onnx
from anb_onnx import NASBENCH201, Link, Problem, Terms, exact, search
from anb_onnx.catalog.golden import MORE_ARRAYS, read_golden
from anb_onnx.cli import completion
from anb_onnx.cli.main import main
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.engines.onnxruntime_engine import CHUNK_ROWS
from anb_onnx.errors import AnbError, ArtifactError, EngineError, FidelityError, TargetError
from anb_onnx.loading import ENGINES, from_vector
from anb_onnx.tables import TableEnsemble
from anb_onnx.vector_answers import Curve, VectorPrediction
from anb_onnx.vector_surrogate import VectorSurrogate
from anb_onnx.vectors import MAX_OUTPUTS, VectorEnsemble
from anb_onnx.writing.vector_form import build_vector_model

CODES = anb_onnx.sample(40, seed=3, space=NASBENCH201)


def bits(surrogate: anb_onnx.Surrogate) -> list[bytes]:
    found = surrogate.query_codes(CODES, members=True)
    return [array.tobytes() for array in found if array is not None]


# --------------------------------------------------------------------------------- the numbers


@settings(max_examples=20)
@given(st.integers(1, 5), st.integers(1, 5))
def test_outputs_are_those_of_the_format(n: int, members: int) -> None:
    vector = metrics(n, members)
    card = build_vector_model(vector, facts_of(vector)).card
    entries, sizes = vector.entries.tolist(), NASBENCH201.gene_sizes
    wanted = [outputs_of(entries, card, codes, sizes) for codes in CODES.tolist()]
    symbols = codes_to_symbols(CODES, NASBENCH201)
    for k, output in enumerate(vector.outputs):
        found = output.predict(symbols)
        of_output = [summary(c[k]) for c in wanted]
        for array, column in zip(found, zip(*of_output, strict=True), strict=True):
            assert array.tolist() == list(column)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_answers_for_every_output(engine: str) -> None:
    vector = metrics()
    symbols = codes_to_symbols(CODES, NASBENCH201)
    with surrogate_of(vector, engine) as surrogate:
        found = surrogate.query(CODES, members=True)
        assert type(found) is VectorPrediction
        assert list(surrogate.outputs) == list(found.outputs) == ["m0", "m1", "m2"]
        for name, output in zip(vector.names, vector.outputs, strict=True):
            wanted = [array.tobytes() for array in output.predict(symbols)]
            assert bits(surrogate.outputs[name]) == wanted
            told = found.outputs[name]
            arrays: list[Any] = [told.mean, told.std, told.members]
            assert [a.tobytes() for a in arrays] == wanted
            assert surrogate.outputs[name].engine == surrogate.engine
        assert bits(surrogate) == bits(surrogate.outputs["m0"])
        assert surrogate.ensemble is not None
        one = surrogate.query(7)
        assert one.outputs["m2"].mean == surrogate.outputs["m2"].query(7).mean  # type: ignore[attr-defined]
        assert one.outputs["m1"].members is None  # type: ignore[attr-defined]
        out = anb_onnx.Outputs.empty(len(CODES), 2, members=False)
        surrogate.bind(CODES, out)()
        assert out.mean.tolist() == found.mean.tolist()


def test_most_outputs_and_members() -> None:
    """The graph of as many as are allowed is read again, whatever its names grow to."""
    zero, terms = np.zeros((5, 1024), np.int32), Terms(NASBENCH201, ((0,),))
    outputs = [
        TableEnsemble(NASBENCH201, zero, 1.0, float(k), Link(), terms) for k in range(MAX_OUTPUTS)
    ]
    names = tuple(f"m{k}" for k in range(MAX_OUTPUTS))
    with surrogate_of(VectorEnsemble(tuple(outputs), names)) as surrogate:
        assert surrogate.outputs["m63"].query(7).mean == 63.0
    with pytest.raises(ArtifactError, match="a vector of 1 to 64 outputs"):
        VectorEnsemble((*outputs, outputs[0]), (*names, "more"))


def test_the_target_is_the_first_output() -> None:
    with surrogate_of(metrics()) as surrogate:
        first = surrogate.outputs["m0"]
        assert first.calibration == surrogate.calibration == CALIBRATION
        assert first.query(CODES).interval(0.9)[0].tolist() == (
            surrogate.query(CODES).interval(0.9)[0].tolist()
        )
        assert surrogate.outputs["m1"].calibration is None
        assert surrogate.outputs["m1"].target.metric == "m1"
        with pytest.raises(TargetError, match="no output 'x'; there are m0, m1, m2"):
            surrogate.outputs["x"]
        with pytest.raises(KeyError):
            surrogate.outputs["x"]
        assert "x" not in surrogate.outputs


# ------------------------------------------------------------------- files, processes, threads


def save_all(folder: Path) -> Path:
    """Write a folder of three targets: a curve, metrics, and one of a single output."""
    with noisy(curves()) as curve, surrogate_of(metrics()) as several:
        curve.save(folder / "mine")
        several.save(folder / "mine")
        curve.outputs["noise"].save(folder / "mine")
    return folder / "mine"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_all(tmp_path_factory.mktemp("vectors"))


@pytest.mark.parametrize("engine", ["auto", "numpy", "onnxruntime"])
def test_a_saved_one_is_the_same(engine: str, folder: Path) -> None:
    with (
        noisy(curves()) as made,
        anb_onnx.load("val_accuracy", path=folder, engine=engine) as loaded,
    ):
        assert isinstance(loaded, VectorSurrogate)
        assert bits(loaded) == bits(made)
        assert loaded.metadata["curve"] == made.metadata["curve"]
        assert dict(loaded.fidelities) == dict(made.fidelities)
        for fidelity in (5, {"seeds": 3}):
            found, wanted = (s.query(CODES, fidelity=fidelity) for s in (loaded, made))
            assert found.mean.tolist() == wanted.mean.tolist()
            assert found.interval(0.9)[1].tolist() == wanted.interval(0.9)[1].tolist()
        for name in made.outputs:
            assert bits(loaded.outputs[name]) == bits(made.outputs[name])


def test_saving_again_writes_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    for target in ("val_accuracy", "m0", "noise"):
        with anb_onnx.load(target, path=folder) as loaded:
            loaded.save(tmp_path / "copy", benchmark="mine")
    assert {file.name: file.read_bytes() for file in (tmp_path / "copy").iterdir()} == before


def test_it_becomes_one_of_another_benchmark(folder: Path, tmp_path: Path) -> None:
    for target in ("val_accuracy", "m0"):
        with anb_onnx.load(target, path=folder) as loaded:
            loaded.save(tmp_path / "other", benchmark="a-much-longer-name-of-a-benchmark")
            with anb_onnx.load(target, path=tmp_path / "other") as other:
                assert bits(other) == bits(loaded)
                assert other.metadata["tables"] != loaded.metadata["tables"]  # it lies elsewhere
                assert list(other.outputs) == list(loaded.outputs)
    assert main(["verify", "--artifacts", str(tmp_path / "other")]) == 0


def test_a_file_alone(folder: Path, tmp_path: Path) -> None:
    """Without its manifest a file is a surrogate of its target, and says what it lacks."""
    path = tmp_path / "alone.onnx"
    path.write_bytes((folder / "val_accuracy.onnx").read_bytes())
    with (
        anb_onnx.load(path=path) as alone,
        anb_onnx.load("val_accuracy", path=folder) as loaded,
    ):
        assert bits(alone) == bits(loaded)
        assert dict(alone.outputs) == {}
        with pytest.raises(FidelityError, match=r"loaded without a manifest\.json beside it"):
            alone.query(CODES, fidelity=3)


@pytest.mark.parametrize("engine", ["auto", "onnxruntime"])
def test_it_is_pickled(engine: str, folder: Path) -> None:
    with anb_onnx.load("val_accuracy", path=folder, engine=engine) as loaded:
        again = pickle.loads(pickle.dumps(loaded))
        assert isinstance(again, VectorSurrogate)
        assert bits(again) == bits(loaded)
        output = pickle.loads(pickle.dumps(loaded.outputs["c1"]))
        assert bits(output) == bits(loaded.outputs["c1"])
    with surrogate_of(metrics(), engine) as made:
        again = pickle.loads(pickle.dumps(made))
        assert bits(again.outputs["m2"]) == bits(made.outputs["m2"])


def _child(found: Curve, surrogate: VectorSurrogate, queue: Any) -> None:
    queue.put((found.at(5).mean.tolist(), bits(surrogate), bits(surrogate.outputs["c1"])))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.parametrize("engine", ["auto", "onnxruntime"])
def test_it_is_used_after_a_fork(engine: str) -> None:
    with surrogate_of(curves(), engine) as surrogate:
        found = surrogate.query(CODES)
        assert isinstance(found, Curve)
        wanted = found.at(5).mean.tolist(), bits(surrogate), bits(surrogate.outputs["c1"])
        context = multiprocessing.get_context("fork")
        queue = context.SimpleQueue()
        child = context.Process(target=_child, args=(found, surrogate, queue))
        child.start()
        assert queue.get() == wanted
        child.join()


def test_threads_share_it() -> None:
    """All open outputs and ask for curves at once; nobody gets an engine that is closed."""
    with surrogate_of(curves()) as surrogate, surrogate_of(curves()) as other:
        found = surrogate.query(CODES)
        assert isinstance(found, Curve)
        wanted = [other.outputs[n].query(CODES).mean.tolist() for n in other.outputs]
        at = found.at(5).mean.tolist()
        barrier, results = threading.Barrier(4), []

        def work() -> None:
            barrier.wait()
            means = [surrogate.outputs[n].query(CODES).mean.tolist() for n in surrogate.outputs]
            results.append((means, found.at(5).mean.tolist()))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [(wanted, at)] * 4


# ------------------------------------------------------------------------------ what uses them


def test_a_benchmark_with_them(folder: Path) -> None:
    with anb_onnx.Benchmark(path=folder) as benchmark:
        assert sorted(benchmark) == ["m0", "noise", "val_accuracy"]
        for architectures in (
            CODES,
            7,
            [7, 8],
            anb_onnx.Architecture.from_index(7, space=NASBENCH201),
        ):
            found = benchmark.query(architectures, members=True)
            assert isinstance(found["val_accuracy"], Curve)
            assert isinstance(found["m0"], VectorPrediction)
            one = benchmark["val_accuracy"].query(architectures, members=True)
            assert found["val_accuracy"].mean.tolist() == one.mean.tolist()
        assert found.to_pandas().shape == (1, 3 * 7)
        again = pickle.loads(pickle.dumps(benchmark))
        curve = again.query(7)["val_accuracy"]
        assert curve.at(3).mean == found["val_accuracy"].at(3).mean  # type: ignore[attr-defined]
        assert "val_accuracy" in repr(found)
        assert "<table" in benchmark._repr_html_()


def test_searches_take_the_value_in_full(folder: Path) -> None:
    with anb_onnx.load("val_accuracy", path=folder) as surrogate:
        problem = Problem([surrogate])
        history = search.random_search(problem, budget=30, rng=0)
        assert history.values.tolist() == surrogate.query(history.codes).mean.tolist()
    with anb_onnx.load("m0", path=folder) as several:
        found = exact.optimum(several).solutions[0]
        assert found.value == several.query(np.arange(NASBENCH201.size)).mean.max()


def test_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--artifacts", str(folder)]

    def run(*argv: str, code: int = 0) -> str:
        assert main([*argv, *place]) == code
        captured = capsys.readouterr()
        return captured.out if code == 0 else captured.err

    assert "val_accuracy" in run("targets")
    told = run("info", "val_accuracy")
    assert "a function of the epoch, measured at 4 from 1 to 27 epochs" in told
    assert "c0 [%], c1 [%], gate [%], noise [%]" in told
    assert "noise is the standard deviation between runs" in told
    assert "m0 [%], m1 [%], m2 [%]" in run("info", "m0")
    assert json.loads(run("info", "val_accuracy", "--json"))["curve"]["at"][-1] == 27.0
    assert run("verify").count("golden architectures") == 3
    assert run("verify", "--engine", "onnxruntime").count("golden architectures") == 3
    query = ("query", "7", "8", "--target", "val_accuracy")
    assert "val_accuracy: at epoch 27, the last; --fidelity epoch=NUMBER" in run(*query)
    assert "where 90 % of new measurements lie" in run(*query, "--fidelity", "10")
    assert "where 90 % of new runs lie" in run(*query, "--fidelity", "seeds=1")
    assert "where 90 % of means of 3 new runs lie" in run(*query, "--fidelity", "seeds=3")
    with anb_onnx.load("val_accuracy", path=folder) as surrogate:
        for texts, fidelity in (
            ((), None),
            (("--fidelity", "10"), 10),
            (("--fidelity", "epoch=10"), 10),
            (("--fidelity", "epoch=27", "--fidelity=seeds=3"), {"seeds": 3}),
        ):
            found = json.loads(run(*query, *texts, "--json"))
            wanted = surrogate.query([7, 8], fidelity=fidelity)
            for row, item in enumerate(found):
                told_of = item["predictions"]["val_accuracy"]
                assert np.float32(told_of["mean"]) == wanted.mean[row]
                assert np.float32(told_of["upper"]) == wanted.interval(0.9)[1][row]
    assert run("query", "7", "--csv").startswith("index,")


def test_the_shell_completes_fidelities(folder: Path) -> None:
    action = argparse.Action(["--fidelity"], "fidelity", metavar="NAME=NUMBER")
    before = argparse.Namespace(artifacts=str(folder))
    assert completion.values(action, before) == {
        "epoch=": "1 to 27 epochs",
        "seeds=": "runs of different seeds",
    }


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["28"], "--fidelity 28: fidelity 'epoch' must be a number from 1 to 27 epochs, not 28"),
        (["epoch=nan"], "must be a number from 1 to 27"),
        (["epoch=a"], "--fidelity epoch=a: 'a' is no number; give epoch=10 or only 10"),
        (["1_0"], "'1_0' is no number"),
        (["="], "'' is no number"),
        (["steps=3"], "has no fidelity 'steps'; it has epoch, seeds"),
        (["epoch=3", "epoch=4"], "--fidelity epoch=4: epoch is given twice"),
        (["3", "4"], "a number is given twice"),
        (["3", "seeds=4"], "of several, each has a name"),
        (["seeds=1.5"], "must be a whole number of runs"),
        (["epoch=3", "seeds=2"], "known of epoch 27 only"),
    ],
)
def test_fidelities_that_the_command_refuses(
    texts: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [part for text in texts for part in ("--fidelity", text)]
    place = ["--artifacts", str(folder), "--target", "val_accuracy"]
    assert main(["query", "7", *place, *options]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_fidelity_is_one_of_every_target(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["query", "7", "--artifacts", str(folder), "--fidelity", "epoch=3"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "has no fidelity, found" in told
    assert "name those that have one with --target: val_accuracy" in told


def test_scores_and_tables(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyarrow")
    place = ["--artifacts", str(folder)]
    some = tmp_path / "some.parquet"
    assert main(["sample", "9", "--out", str(some), *place]) == 0
    out = tmp_path / "scored"
    assert main(["score", str(some), "--target", "val_accuracy", "--out", str(out), *place]) == 0
    assert main(["query", "--file", str(some), "--out", str(tmp_path / "a.parquet"), *place]) == 0
    capsys.readouterr()
    assert main(["sweep", "val_accuracy", "--out", str(tmp_path / "x"), *place]) != 0
    assert "val_accuracy" in capsys.readouterr().err


def test_golden_vectors_are_of_all_that_is_told(folder: Path, tmp_path: Path) -> None:
    golden = read_golden(folder)
    assert golden is not None
    assert set(golden.more["val_accuracy"]) == set(MORE_ARRAYS)
    assert set(golden.more["m0"]) == {"output_means", "output_stds"}
    assert golden.more["val_accuracy"]["curve_mean"].shape == (256, 4)
    assert golden.more["val_accuracy"]["between_std"].shape == (256, 3)


@pytest.mark.parametrize("name", MORE_ARRAYS)
def test_verify_compares_them(
    name: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bit of any of the arrays, and the array left out."""
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    document = json.loads((tmp_path / "manifest.json").read_text())
    entry = document["golden"]
    (item,) = (a for a in entry["arrays"] if (a["target"], a["name"]) == ("val_accuracy", name))
    content = bytearray((tmp_path / "golden.bin").read_bytes())

    def verified() -> str:
        entry["sha256"] = hashlib.sha256(content).hexdigest()
        entry["bytes"] = len(content)
        (tmp_path / "golden.bin").write_bytes(content)
        (tmp_path / "manifest.json").write_text(json.dumps(document))
        code = main(["verify", "--artifacts", str(tmp_path)])
        return "" if code == 0 else capsys.readouterr().err

    assert verified() == ""
    content[item["offset"] + 4 * 5] ^= 1
    assert f"val_accuracy: the numpy engine differs from the golden vectors of {name}" in verified()
    size = 4 * math.prod(item["shape"])
    del content[item["offset"] : item["offset"] + size]
    entry["arrays"].remove(item)
    for other in entry["arrays"]:
        if other["offset"] > item["offset"]:
            other["offset"] -= size
    assert f"differs from the golden vectors of {name}" in verified()


# ----------------------------------------------------------------------------- what is refused


class Folder:
    """A folder of one artifact of several outputs, to be changed everywhere alike."""

    def __init__(self, path: Path, vector: VectorEnsemble, **changes: Any) -> None:
        with noisy(vector, **changes) as surrogate:
            self.file = surrogate.save(path / "mine")
        self.path = path / "mine"
        self.document = json.loads((self.path / "manifest.json").read_text())
        self.document.pop("golden")
        ((self.name, self.entry),) = self.document["targets"].items()
        self.model = bytearray(self.file.read_bytes())

    def load(self, engine: str = "auto") -> anb_onnx.Surrogate:
        self.file.write_bytes(self.model)
        self.entry["sha256"] = hashlib.sha256(self.model).hexdigest()
        self.entry["bytes"] = len(self.model)
        (self.path / "manifest.json").write_text(json.dumps(self.document))
        return anb_onnx.load(self.name, path=self.path, engine=engine)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(ArtifactError) as caught:
        call()
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 1200
    return message


def test_graphs_that_compute_something_else(tmp_path: Path) -> None:
    """A number of the curve in the graph: the manifest and the card in the file say another."""
    found = Folder(tmp_path, curves())
    found.load().close()
    for old in (0.75, 8.0, 0.25, 3.5, 100.0):
        place = found.model.find(struct.pack("<d", old))
        assert place > 0
        found.model[place : place + 8] = struct.pack("<d", old + 1.0)
        for engine in ("auto", "numpy", "onnxruntime"):
            message = refusal(lambda e=engine: found.load(e))  # type: ignore[misc]
            assert "val_accuracy.onnx" in message
        found.model[place : place + 8] = struct.pack("<d", old)
    found.load().close()
    # Entries are in no other place; what they add up to is checked.
    offset = found.entry["tables"]["offset"]
    found.model[offset : offset + 4] = struct.pack("<i", 2**31 - 1)
    found.model[offset + 4 * 8 * 5 : offset + 4 * 8 * 5 + 4] = struct.pack("<i", 2**31 - 1)
    assert "output 'c0': the entries of a member can add up to" in refusal(found.load)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("offset", v) for v in (0, 5, -1, 2**62, 10**30, 1.0, True, None)),
        *(("entries", v) for v in (0, 1, 56, 10**30, -55)),
        *(("members", v) for v in (0, 1, 8, 2048, 10**30)),
        *(("outputs", v) for v in (0, 1, 8, 65, 10**30, None)),
        *(("scale", v) for v in (1.0, [], [1.0] * 3, [1.0] * 5, [0] * 4, ["1"] * 4, [1e300] * 4)),
        *(("scale", v) for v in ([1e-300] * 4, [True] * 4, [2**53 + 1] * 4, {"0": 1.0})),
        *(("shift", v) for v in (0.0, [0.0] * 3, [10**400] * 4, [None] * 4, "1234", [1e38] * 4)),
        ("more", 1),
    ],
)
def test_tables_that_are_elsewhere(key: str, value: Any, tmp_path: Path) -> None:
    found = Folder(tmp_path, curves())
    found.entry["tables"][key] = value
    refusal(found.load)


def _without(keys: Any, *names: str) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if key not in names}


def test_cards_that_are_refused() -> None:
    vector = metrics()
    facts = facts_of(vector)
    outputs = facts["outputs"]

    def changed(k: int, **changes: Any) -> dict[str, Any]:
        return {"outputs": [{**o, **(changes if i == k else {})} for i, o in enumerate(outputs)]}

    for changes, message in (
        ({"outputs": None}, "key 'outputs' must be a list of 3 objects, one for each of m0, m1"),
        ({"outputs": outputs[:2]}, "must be a list of 3 objects"),
        ({"outputs": [*outputs, outputs[0]]}, "must be a list of 3 objects"),
        ({"outputs": 3}, "must be a list of 3 objects"),
        ({"outputs": "abc"}, "must be a list of 3 objects"),
        ({"outputs": [1, 2, 3]}, "must be a list of 3 objects"),
        ({"outputs": dict(zip("abc", outputs, strict=True))}, "must be a list of 3 objects"),
        ({"outputs": [{}] * 3}, "key 'outputs' must be 1 to 64 objects of name, unit, direction"),
        (changed(1, unit=""), "key 'outputs'"),
        (changed(1, unit="a\nb"), "key 'outputs'"),
        (changed(1, direction="up"), "key 'outputs'"),
        (changed(1, more=1), "key 'outputs'"),
        (changed(1, quality={"test": {}}), "key 'outputs'"),
        (changed(1, calibration={}), "key 'outputs'"),
        (changed(1, name="other"), r"key 'outputs\[1\]\.name' is 'other', but 'm1' in the ens"),
        (changed(1, link=Link().to_dict()), r"key 'outputs\[1\]\.link' is"),
        (changed(0, unit="s"), "key 'unit' of the first output is 's', of the target '%'"),
        (changed(0, direction="min"), "key 'direction' of the first output"),
        (changed(0, quality={"test": {"n": 3}}), "key 'quality' of the first output"),
        (
            changed(1, calibration=CALIBRATION.to_dict()),
            r"'dataset', 'license' and 'outputs\[1\]\.quality\.test' or",
        ),
        (
            changed(
                1, calibration={**CALIBRATION.to_dict(), "noise": 3.3e38}, quality=DATA["quality"]
            ),
            "output 'm1': calibration: predictions from .* would get intervals beyond",
        ),
        ({"form": "tables"}, "key 'form' is 'tables', but 'vector' in the ensemble"),
        ({"members": 3}, "key 'members' is 3, but 2 in the ensemble; leave it out"),
        ({"terms": [[0]]}, "key 'terms' is"),
        ({"link": Link("-1").to_dict()}, "key 'link' is"),
        ({"curve": curve_form().to_dict()}, "key 'curve' is there, but the ensemble makes no"),
        ({"seed_noise": {}}, "key 'seed_noise' must be an object of output, a name, and calibr"),
        ({"seed_noise": {"output": "m1"}}, "key 'seed_noise' must be"),
        ({"seed_noise": {"calibration": CALIBRATION.to_dict()}}, "key 'seed_noise' must be"),
        (
            {"seed_noise": {"output": ["m1"], "calibration": CALIBRATION.to_dict()}},
            "key 'seed_noise' must be",
        ),
        (
            {"seed_noise": {"output": "x", "calibration": CALIBRATION.to_dict()}},
            "key 'seed_noise.output' must be one of m0, m1, m2, not 'x'",
        ),
        (
            {
                "seed_noise": {"output": "m1", "calibration": CALIBRATION.to_dict()},
                **changed(1, unit="s"),
            },
            "key 'seed_noise.output': output 'm1' is in s, the target in %",
        ),
        (
            {
                "seed_noise": {
                    "output": "m1",
                    "calibration": {**CALIBRATION.to_dict(), "noise": 3.3e38},
                }
            },
            "calibration: predictions from",
        ),
        ({"dataset": None, "calibration": None}, "key 'calibration'"),
    ):
        with pytest.raises(ArtifactError, match=message):
            from_vector(vector, {**facts, **changes})
    seeds = {"output": "m1", "calibration": CALIBRATION.to_dict()}
    bare = _without(facts, "dataset", "calibration")
    with pytest.raises(ArtifactError, match="a calibration needs the keys 'dataset'"):
        from_vector(vector, {**bare, "seed_noise": seeds})
    with pytest.raises(ArtifactError, match=r"key 'curve\.noise' is of a calibration; there is no"):
        from_vector(curves(), _without(facts_of(curves()), "calibration"))
    with pytest.raises(ArtifactError, match="key 'curve' is"):
        from_vector(curves(), {**facts_of(curves()), "curve": curve_form(noise=None).to_dict()})


def test_forms_without_outputs_have_none(tmp_path: Path) -> None:
    with phone() as surrogate:
        surrogate.save(tmp_path / "mine")
    path = tmp_path / "mine" / "manifest.json"
    document = json.loads(path.read_text())
    entry = document["targets"]["latency_my-phone"]
    unknown: list[tuple[str, Any]] = [
        ("outputs", [{"name": "a", "unit": "s", "direction": "min", "link": entry["link"]}]),
        ("curve", curve_form().to_dict()),
        ("seed_noise", {"output": "a", "calibration": CALIBRATION.to_dict()}),
    ]
    for key, value in unknown:
        changed = copy.deepcopy(document)
        changed["targets"]["latency_my-phone"][key] = value
        path.write_text(json.dumps(changed))
        with pytest.raises(ArtifactError, match=f"key '{key}' is .* absent in the card inside"):
            anb_onnx.load("latency_my-phone", path=tmp_path / "mine")
        with pytest.raises(ArtifactError, match=f"form 'tables' has no key '{key}' here"):
            phone(**{key: value})


def test_ensembles_that_do_not_fit() -> None:
    first = tables(0)
    with pytest.raises(ArtifactError, match="output 'b' has 3 members over 7 terms, the first"):
        VectorEnsemble((first, tables(1, members=3)), ("a", "b"))
    other = Terms(NASBENCH201, ((0,),))
    small = TableEnsemble(NASBENCH201, np.zeros((5, 2), np.int32), 1.0, 0.0, Link(), other)
    with pytest.raises(ArtifactError, match="output 'b' has 2 members over 1 terms"):
        VectorEnsemble((first, small), ("a", "b"))
    for names in (("a", "a"), ("a", ""), ("a", "b\n"), ("a", 1), ("a",), ("a", "b", "c")):
        with pytest.raises(ArtifactError, match=r"names|name for each"):
            VectorEnsemble((first, first), names)  # type: ignore[arg-type]
    with pytest.raises(ArtifactError, match="a vector of 1 to 64"):
        VectorEnsemble((), ())
    with pytest.raises(EngineError, match="unknown engine 'fast'"):
        surrogate_of(metrics(), "fast")


@pytest.mark.parametrize("vector", [curves(noise=None), metrics(2, 1)], ids=["curve", "metrics"])
def test_no_edit_of_a_manifest_is_believed(vector: VectorEnsemble, tmp_path: Path) -> None:
    """Values changed, removed, repeated, exchanged, and the text damaged: refused, or right."""
    found = Folder(tmp_path, vector)
    with found.load("numpy") as surrogate:
        right = _what_it_says(surrogate)
    text = json.dumps(found.document)
    manifest = found.path / "manifest.json"
    edits: list[str | bytes] = [*value_edits(found.document)]
    rng = np.random.default_rng(0)
    edits = [edits[i] for i in rng.permutation(len(edits))[:80]]
    edits += damages(text, 40)
    refused: list[str] = []
    for edit in edits:
        manifest.write_bytes(edit.encode() if isinstance(edit, str) else edit)
        try:
            with anb_onnx.load(path=found.file, engine="numpy") as surrogate:
                said = _what_it_says(surrogate)
        except AnbError as error:
            refused.append(str(error))
        else:
            assert said == right
    assert len(refused) > 60
    assert all(map(str.isprintable, refused))


def _what_it_says(surrogate: anb_onnx.Surrogate) -> Any:
    found = surrogate.query(CODES, members=True)
    told = [found.mean.tolist(), found.interval(0.9)[0].tolist(), surrogate.target]
    told += [(n, o.query(CODES).mean.tolist(), o.target) for n, o in surrogate.outputs.items()]
    told.append(surrogate.query(CODES, fidelity={"seeds": 2}).predictive_std.tolist())
    if isinstance(found, Curve):
        told += [found.until().mean.tolist(), dict(surrogate.fidelities)]
    return told


def test_onnxruntime_runs_few_rows_of_long_curves_at_once() -> None:
    """A call of 4,096 rows would compute 4,096 x 8 x 4,096 numbers, whatever it is asked for."""
    knots = 4096
    form = curve_form(
        at=tuple(float(t) for t in range(knots)),
        basis=((0.5, 0.25),) * knots,
        offset=(1.0,) * knots,
        rest=(0.5,) * knots,
        noise=None,
        link=Link(),
        range=None,
    )
    outputs = tuple(tables(k, members=8) for k in range(3))
    vector = VectorEnsemble(outputs, ("a", "b", "c"), form)
    with surrogate_of(vector, "onnxruntime") as surrogate:
        assert surrogate._engine._rows == 16  # type: ignore[attr-defined]
        assert bits(surrogate) == [
            array.tobytes() for array in vector.predict(codes_to_symbols(CODES, NASBENCH201))
        ]
    with surrogate_of(metrics(), "onnxruntime") as small:
        assert small._engine._rows == CHUNK_ROWS  # type: ignore[attr-defined]


def test_memory_is_bounded() -> None:
    """A batch of curves of many knots and members is computed in blocks of few rows."""
    tracemalloc = pytest.importorskip("tracemalloc")
    knots, members = 128, 64
    at = tuple(float(t) for t in range(knots))
    form = curve_form(
        at=at,
        basis=((0.5, 0.25),) * knots,
        offset=(1.0,) * knots,
        rest=(0.5,) * knots,
        noise=None,
        link=Link(),
        range=None,
    )
    vector = VectorEnsemble(
        tuple(tables(k, members=members) for k in range(3)), ("a", "b", "c"), form
    )
    codes = np.repeat(CODES, 10, axis=0)  # 400 rows: 26 MB an array of all members
    with surrogate_of(vector) as surrogate:
        curve = surrogate.query(codes)
        assert isinstance(curve, Curve)
        curve.until(0)
        tracemalloc.start()
        values = curve.until()
        crossing = curve.crossing(1.0)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert values.mean.shape == (400, knots)
    assert crossing.shape == (400,)
    assert peak < 20e6
