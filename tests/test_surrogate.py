import copy
import json
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_artifact import (
    N_MEMBERS,
    SMALL_TARGETS,
    card,
    expected,
    metadata_of,
    onnx_bytes,
    seed_of,
    write_catalog,
)

import anb_onnx
from anb_onnx import (
    ArchitectureError,
    ArtifactError,
    EngineError,
    Surrogate,
    TargetError,
    codes_to_indices,
    efficientnet_b0,
    load,
    sample,
)
from anb_onnx.catalog.benchmarks import FOLDER_VARIABLE, find_benchmark
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.views.figures import short


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture
def small(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small artifacts in place of the bundled ones."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    return folder


@pytest.fixture
def surrogate(small: Path) -> Surrogate:
    return load("accuracy", threads=2)


def test_load_by_name_and_by_metric_and_device(small: Path) -> None:
    by_name = load("throughput_tpuv2")
    by_device = load("throughput", device="tpuv2")
    assert by_name.target == by_device.target
    assert (by_name.target.unit, by_name.target.direction) == ("images/s", "max")
    assert by_name.n_members == N_MEMBERS
    assert by_name.metadata["quality"]["test"]["n"] == 512
    with pytest.raises(TypeError):
        by_name.metadata["members"] = 7  # type: ignore[index]


@pytest.mark.parametrize("target", SMALL_TARGETS)
def test_each_target_answers_from_its_own_file(small: Path, target: str) -> None:
    codes = sample(20, seed=1, space=MNASNET)
    mean = load(target).query(codes).mean
    oracle = [expected(row, seed_of(target))[0] for row in codes.tolist()]
    assert mean.tolist() == np.array(oracle, np.float32).tolist()


def test_one_architecture_gives_scalars(surrogate: Surrogate) -> None:
    b0 = efficientnet_b0()
    mean, std, members = expected(b0.codes)
    for one in (b0, b0.to_values()):
        prediction = surrogate.query(one, members=True)
        assert isinstance(prediction.mean, np.float32)
        assert isinstance(prediction.std, np.float32)
        assert prediction.mean == np.float32(mean)
        assert prediction.std == pytest.approx(std, rel=1e-6)
        assert prediction.members is not None
        assert prediction.members.tolist() == members
        assert (prediction.unit, prediction.target) == ("%", "accuracy")
    assert surrogate.query(b0).members is None


def test_every_kind_of_batch_gives_the_same_bits(surrogate: Surrogate) -> None:
    codes = sample(50, seed=2, space=MNASNET)
    architectures = [Architecture.from_codes(row, space=MNASNET) for row in codes.tolist()]
    batches: list[Any] = [
        codes,
        codes.astype(np.int64),
        codes_to_indices(codes, MNASNET),
        architectures,
        tuple(architectures),
        [a.to_values() for a in architectures],
    ]
    answers = [surrogate.query(batch, members=True) for batch in batches]
    for answer in answers:
        assert answer.mean.shape == (50,)
        assert answer.members is not None
        assert answer.mean.tobytes() == answers[0].mean.tobytes()
        assert answer.members.tobytes() == answers[0].members.tobytes()  # type: ignore[union-attr]


def test_a_batch_of_one_stays_a_batch(surrogate: Surrogate) -> None:
    prediction = surrogate.query([efficientnet_b0()], members=True)
    assert prediction.members is not None
    assert (prediction.mean.shape, prediction.members.shape) == ((1,), (1, N_MEMBERS))


@pytest.mark.parametrize("empty", [[], (), np.empty((0, 28), np.uint8), np.empty(0, np.int64)])
def test_an_empty_batch(surrogate: Surrogate, empty: Any) -> None:
    prediction = surrogate.query(empty, members=True)
    assert prediction.members is not None
    assert (prediction.mean.shape, prediction.members.shape) == ((0,), (0, N_MEMBERS))


# 65,536 rows are a block: the short last block of indices must not be taken for a row of codes.
@pytest.mark.parametrize("n", [65_536, 65_536 + 28, 150_000])
def test_long_batches_of_indices(surrogate: Surrogate, n: int) -> None:
    codes = np.zeros((n, 28), np.uint8)
    codes[-5:] = sample(5, seed=3, space=MNASNET)
    by_codes, by_index = surrogate.query(codes), surrogate.query(codes_to_indices(codes, MNASNET))
    assert by_codes.mean.tobytes() == by_index.mean.tobytes()
    oracle = np.array([expected(row)[0] for row in codes[-6:].tolist()], np.float32)
    assert by_codes.mean[-6:].tolist() == oracle.tolist()


def test_an_error_in_a_late_block_names_its_row(surrogate: Surrogate) -> None:
    codes = np.zeros((70_000, 28), np.uint8)
    codes[69_000, 1] = 2
    with pytest.raises(ArchitectureError, match=r"69000.*block0_k"):
        surrogate.query(codes)
    indices = np.zeros(70_000, np.int64)
    indices[69_000] = -1
    with pytest.raises(ArchitectureError, match="69000"):
        surrogate.query(indices)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "efficientnet-b1",
        -7,
        np.zeros(28, np.uint8),
        np.zeros((1, 27), np.uint8),
        np.zeros((0, 27), np.uint8),
        np.array(-5),
        np.full((1, 28), np.nan),
        [{"block0_e": 1}],
        {**efficientnet_b0(), "block0_e": 5},
    ],
)
def test_what_is_no_architecture_is_refused(surrogate: Surrogate, wrong: Any) -> None:
    with pytest.raises(ArchitectureError):
        surrogate.query(wrong)


def test_predictions_and_surrogates_say_what_they_are(surrogate: Surrogate) -> None:
    one = surrogate.query(efficientnet_b0())
    assert repr(one).startswith("Prediction(accuracy: ")
    assert repr(one).endswith(f"%, members' std {short(one.std)}, no calibration)")
    many = repr(surrogate.query(sample(9, seed=1, space=MNASNET), members=True))
    assert many.startswith("Prediction(accuracy: 9 architectures, ")
    assert many.endswith("%, 3 members)")
    assert "0 architectures" in repr(surrogate.query([]))
    assert repr(surrogate) == (
        "Surrogate(accuracy [%], 3 members, engine='onnxruntime', threads=2)"
    )


def test_a_prediction_is_frozen(surrogate: Surrogate) -> None:
    with pytest.raises(AttributeError):
        surrogate.query(efficientnet_b0()).mean = np.float32(1)  # type: ignore[misc]


def test_a_context_manager_closes(small: Path) -> None:
    with load("accuracy") as surrogate:
        surrogate.query(efficientnet_b0())
    with pytest.raises(EngineError, match="closed"):
        surrogate.query(efficientnet_b0())


def test_load_without_or_with_too_much(small: Path) -> None:
    with pytest.raises(
        TargetError,
        match=r"no target given; valid targets of .*: accuracy, ",
    ):
        load()
    with pytest.raises(TargetError, match="either a target or the path"):
        load("accuracy", path=small / "accuracy.onnx")
    with pytest.raises(TargetError, match="either a device or the path"):
        load(device="a100", path=small / "accuracy.onnx")
    with pytest.raises(TargetError, match="did you mean 'accuracy'"):
        load("acuracy")
    with pytest.raises(
        EngineError, match="'warp'; valid engines: auto, native, onnxruntime, numpy"
    ):
        load("accuracy", engine="warp")
    with pytest.raises(EngineError, match="threads"):
        load("accuracy", threads=0)


def test_load_path_with_a_manifest_checks_the_hash(folder: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(folder, tmp_path / "copy")
    path = copied / "latency_zcu102.onnx"
    assert load(path=path).target.name == "latency_zcu102"
    assert load(path=str(path)).target.direction == "min"
    path.write_bytes((copied / "accuracy.onnx").read_bytes())
    with pytest.raises(ArtifactError, match="expected sha256"):
        load(path=path)


def test_load_path_alone_reads_the_metadata(folder: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(folder / "throughput_a100.onnx", tmp_path / "mine.onnx"))
    alone = load(path=path)
    assert alone.target == load(path=folder / "throughput_a100.onnx").target
    assert alone.metadata["quality"]["test"]["mae"] == 0.25
    b0 = efficientnet_b0()
    oracle = expected(b0.codes, seed_of("throughput_a100"))[0]
    assert alone.query(b0).mean == np.float32(oracle)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"anb_onnx.schema": None}, "metadata lacks 'anb_onnx.schema'"),
        ({"anb_onnx.card": None}, "metadata lacks"),
        ({"anb_onnx.schema": "3"}, "pip install --upgrade anb-onnx"),
        ({"anb_onnx.schema": "one"}, "must be 2"),
        ({"anb_onnx.card": "{"}, "'anb_onnx.card' is not valid JSON"),
        ({"anb_onnx.card": "{}"}, "search_space"),
    ],
)
def test_metadata_is_checked(tmp_path: Path, change: dict[str, str | None], part: str) -> None:
    metadata = {**metadata_of(card("accuracy", None, "%", "max")), **change}
    path = tmp_path / "mine.onnx"
    path.write_bytes(onnx_bytes({k: v for k, v in metadata.items() if v is not None}))
    with pytest.raises(ArtifactError, match=part) as caught:
        load(path=path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (4, "'members' states 4, the ONNX graph has 3"),
        (None, "'members' must be from 1 to 1024, not None"),
        ("3", "'members' must be from 1 to 1024, not '3'"),
        (3.0, "'members' must be from 1 to 1024, not 3.0"),
        (200_000, "'members' must be from 1 to 1024, not 200000"),
    ],
)
def test_card_and_graph_must_agree(tmp_path: Path, members: Any, message: str) -> None:
    entry = {**card("accuracy", None, "%", "max"), "members": members}
    path = tmp_path / "mine.onnx"
    path.write_bytes(onnx_bytes(metadata_of(entry)))
    with pytest.raises(ArtifactError, match=message):
        load(path=path)


def test_a_graph_of_another_space_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(onnx_bytes(metadata_of(card("accuracy", None, "%", "max")), n_genes=27))
    with pytest.raises(ArtifactError, match="'search_space' states 28, the ONNX graph has 27"):
        load(path=path)


def test_load_path_of_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"none\.onnx cannot be read"):
        load(path=tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("text")
    with pytest.raises(ArtifactError, match=r"text\.onnx cannot be opened"):
        load(path=tmp_path / "text.onnx")


def test_a_pickle_is_small_and_answers_the_same(surrogate: Surrogate, folder: Path) -> None:
    codes = sample(100, seed=4, space=MNASNET)
    for original in (surrogate, load(path=folder / "accuracy.onnx", threads=1)):
        data = pickle.dumps(original)
        assert len(data) < 1_000
        again = pickle.loads(data)
        assert (again.target, again.threads) == (original.target, original.threads)
        assert again.query(codes).mean.tobytes() == original.query(codes).mean.tobytes()
    assert copy.copy(surrogate).target == surrogate.target
    prediction = surrogate.query(codes)
    assert pickle.loads(pickle.dumps(prediction)).mean.tobytes() == prediction.mean.tobytes()


def test_a_pickle_of_a_relative_path_opens_elsewhere(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    data = pickle.dumps(load(path="accuracy.onnx"))
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(data).target.name == "accuracy"


def test_a_pickle_does_not_open_another_model(folder: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(folder / "accuracy.onnx", tmp_path / "mine.onnx"))
    data = pickle.dumps(load(path=path))
    shutil.copy(folder / "throughput_a100.onnx", path)
    with pytest.raises(ArtifactError, match="is not the one that was pickled"):
        pickle.loads(data)


def _means(surrogate: Surrogate, codes: Any) -> bytes:
    return bytes(surrogate.query(codes).mean.tobytes())


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_worker_processes(surrogate: Surrogate, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    codes = sample(5_000, seed=5, space=MNASNET)
    with multiprocessing.get_context(method).Pool(2) as pool:
        answers = pool.starmap(_means, [(surrogate, codes)] * 3)
    assert set(answers) == {_means(surrogate, codes)}


# From here on: the artifacts that are bundled. None of this may be skipped.

#: B0 by the published ensembles: mean and standard deviation over their members.
PUBLISHED = {"accuracy": (65.736916, 0.1365913), "throughput_tpuv2": (883.5296, 8.001069)}


@pytest.fixture
def _bundled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)


@pytest.mark.usefixtures("_bundled")
@pytest.mark.parametrize("target", PUBLISHED)
def test_bundled_b0_lies_within_the_published_band(target: str) -> None:
    prediction = load(target).query(efficientnet_b0(), members=True)
    mean, std = PUBLISHED[target]
    assert abs(prediction.mean - mean) < 3 * std
    assert prediction.members is not None
    members = prediction.members.astype(np.float64)
    assert prediction.mean == pytest.approx(members.mean(), rel=1e-6)
    assert prediction.std == pytest.approx(members.std(), rel=1e-3, abs=1e-6)


@pytest.mark.usefixtures("_bundled")
def test_bundled_bits_depend_neither_on_threads_nor_on_batch_size() -> None:
    codes = sample(4_200, seed=6, space=MNASNET)
    for target in anb_onnx.targets():
        whole = load(target.name, threads=1).query(codes, members=True)
        assert np.isfinite(whole.mean).all()
        with load(target.name, threads=2) as other:
            parts = [other.query(codes[:200][i : i + 1], members=True) for i in range(200)]
            parts += [other.query(codes[200 : 4_200 - 7], members=True)]
            parts += [other.query(codes[4_200 - 7 :], members=True)]
        for name in ("mean", "std", "members"):
            joined = np.concatenate([getattr(p, name) for p in parts])
            assert joined.tobytes() == getattr(whole, name).tobytes(), (target.name, name)


@pytest.mark.usefixtures("_bundled")
def test_bundled_files_describe_themselves_as_the_manifest_does(tmp_path: Path) -> None:
    for target in anb_onnx.targets():
        bundled = load(target.name)
        source = find_benchmark().find(target.name).path
        alone = load(path=shutil.copy(source, tmp_path / f"{target.name}.onnx"))
        assert alone.target == target
        assert alone.space == bundled.space
        for key in ("unit", "direction", "members", "license"):
            assert alone.metadata[key] == bundled.metadata[key]


@pytest.mark.usefixtures("_bundled")
def test_readme_style_use_in_a_new_process() -> None:
    code = (
        "import anb_onnx, json\n"
        "s = anb_onnx.load('throughput', device='tpuv2')\n"
        "p = s.query(anb_onnx.sample(5, seed=0, space=anb_onnx.MNASNET))\n"
        "print(json.dumps([len(p.mean), p.unit, str(p.mean.dtype)]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert json.loads(run.stdout) == [5, "images/s", "float32"]
    assert run.stderr == ""
