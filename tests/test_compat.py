import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_artifact import N_MEMBERS, expected, seed_of, write_catalog

from anb_onnx import ArchitectureError, TargetError, efficientnet_b0
from anb_onnx.catalog.benchmarks import FOLDER_VARIABLE
from anb_onnx.compat import ANBEnsemble, Configuration, EfficientNetSS

B0: list[list[Any]] = [
    [1, 6, 6, 6, 6, 6, 6],
    [3, 3, 5, 3, 5, 5, 3],
    [1, 2, 2, 3, 3, 4, 1],
    [True] * 7,
]

# What the original's example does, said anew: two ensembles, a drawn and a given architecture.
EXAMPLE = """
import anb_onnx.compat as anb
from anb_onnx.compat import EfficientNetSS as ss

accuracy = anb.ANBEnsemble("xgb", seed=3).load_ensemble()
throughput = anb.ANBEnsemble("xgb", device="tpuv2", metric="throughput", seed=3).load_ensemble()
space = ss()
drawn = space.random_sample(1)
given = space.manual_sample([
    [1, 6, 6, 6, 6, 6, 6], [3, 3, 5, 3, 5, 5, 3], [1, 2, 2, 3, 3, 4, 1], [True] * 7,
])
for ensemble in (accuracy, throughput):
    mean, std = ensemble.query([drawn, given])
    print(mean.dtype, mean.shape, std.dtype, std.shape, mean[1], std[1])
"""

BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"xgboost", "ConfigSpace", "sklearn", "onnx", "pandas"}:
            raise ImportError(f"{name} is blocked here")
sys.meta_path.insert(0, Blocker())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture(autouse=True)
def _small(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))


def run_example(cwd: Path) -> list[list[str]]:
    script = cwd / "example.py"
    script.write_text(BLOCKER + EXAMPLE)
    run = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, cwd=cwd
    )
    assert run.stderr == ""
    return [line.split() for line in run.stdout.splitlines()]


def test_the_example_runs_with_two_lines_changed(tmp_path: Path) -> None:
    lines = run_example(tmp_path)
    for line, target in zip(lines, ("accuracy", "throughput_tpuv2"), strict=True):
        assert line[:4] == ["float32", "(2,)"] * 2
        mean, std, _ = expected(efficientnet_b0().codes, seed_of(target))
        assert float(line[4]) == pytest.approx(mean, rel=1e-6)
        assert float(line[5]) == pytest.approx(std, rel=1e-6)


def test_the_example_on_the_bundled_artifacts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE)
    accuracy, throughput = run_example(tmp_path)
    assert abs(float(accuracy[4]) - 65.736916) < 3 * 0.1365913
    assert abs(float(throughput[4]) - 883.5296) < 3 * 8.001069


def test_queries_agree_with_each_other() -> None:
    ensemble = ANBEnsemble("xgb_accel", device="a100", metric="throughput").load_ensemble()
    assert (ensemble.device, ensemble.metric, ensemble.metric_unit, ensemble.ensemble_size) == (
        "a100",
        "throughput",
        "images/s",
        N_MEMBERS,
    )
    configs = EfficientNetSS(seed=1).random_sample(20)
    assert isinstance(configs, list)
    mean, std = ensemble.query(configs)
    members = ensemble.query_members(configs)
    assert [m.shape for m in members] == [(20,)] * N_MEMBERS
    assert {a.dtype for a in (mean, std, *members)} == {np.dtype(np.float32)}
    np.testing.assert_allclose(mean, np.mean(members, axis=0), rtol=1e-6)
    np.testing.assert_allclose(std, np.std(members, axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(ensemble.query_mean(configs), mean)
    np.testing.assert_array_equal(ensemble.query_std(configs), std)
    oracle = [expected(c.architecture.codes, seed_of("throughput_a100"))[0] for c in configs]
    assert mean.tolist() == np.array(oracle, np.float32).tolist()


def test_a_single_configuration_counts_as_a_list_of_one() -> None:
    ensemble = ANBEnsemble("xgb").load_ensemble()
    b0 = EfficientNetSS().efficientnet_b0()
    as_strings = {name: str(v) if v is True else v for name, v in b0.items()}
    for config in (b0, b0.get_dictionary(), as_strings):
        mean, std = ensemble.query(config)
        assert (mean.shape, std.shape) == ((1,), (1,))
        assert mean[0] == np.float32(expected(efficientnet_b0().codes)[0])
    mixed = ensemble.query((b0, as_strings, b0.architecture))[0]
    assert mixed.tolist() == [mean[0]] * 3
    assert ensemble.query([])[0].shape == (0,)


def test_load_model_is_the_first_member() -> None:
    ensemble = ANBEnsemble("xgb")
    configs = EfficientNetSS(seed=2).random_sample(4)
    first = ensemble.load_model().query(configs)
    assert first.tolist() == ensemble.load_ensemble().query_members(configs)[0].tolist()


def test_noise_differs_per_architecture_and_follows_the_seed() -> None:
    b0 = EfficientNetSS().efficientnet_b0()
    many = [b0] * 4_000
    ensemble = ANBEnsemble("xgb", seed=5).load_ensemble()
    mean, std = ensemble.query(b0)
    noisy = ensemble.query_noise(many)
    assert noisy.dtype == np.float32
    assert len(set(noisy.tolist())) > 1_000
    assert abs(noisy.mean() - mean[0]) < 5 * std[0] / np.sqrt(4_000)
    assert noisy.std() == pytest.approx(std[0], rel=0.06)
    again = ANBEnsemble("xgb", seed=5).load_ensemble()
    assert again.query_noise(many).tolist() == noisy.tolist()
    assert again.query_noise(many).tolist() != noisy.tolist()


def test_nothing_is_printed_and_the_global_generator_is_left_alone(
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = np.random.get_state()[1].tobytes()  # type: ignore[index] # noqa: NPY002
    ensemble = ANBEnsemble("xgb", seed=1).load_ensemble()
    ensemble.query_noise([EfficientNetSS(seed=1).efficientnet_b0()])
    after = np.random.get_state()[1].tobytes()  # type: ignore[index] # noqa: NPY002
    assert before == after
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ({"model": "lgb"}, ["'lgb'", "xgb, xgb_accel"]),
        ({"model": "svr_nu_accel", "device": "a100"}, ["'svr_nu_accel'", "xgb, xgb_accel"]),
        ({"model": "xgb", "subdir": "ablation"}, ["'ablation'", "anb_onnx.load(path="]),
        ({"model": "xgb", "device": "a100"}, ["needs a metric", "throughput"]),
        ({"model": "xgb", "device": "tpuv9"}, ["unknown device 'tpuv9'", "a100, tpuv2, zcu102"]),
        ({"model": "xgb", "metric": "throughput"}, ["needs a device", "a100, tpuv2"]),
        ({"model": "xgb", "device": "a100", "metric": "latency"}, ["'a100'", "zcu102"]),
        ({"model": "xgb", "device": "a100", "metric": "energy"}, ["'energy'", "valid targets"]),
        ({"model": "xgb", "device": "a100", "metric": "accuracy"}, ["depends on no device"]),
    ],
)
def test_what_is_not_bundled_is_refused_at_once(
    arguments: dict[str, Any], parts: list[str]
) -> None:
    with pytest.raises(TargetError) as caught:
        ANBEnsemble(**arguments)
    for part in parts:
        assert part in str(caught.value)


def test_device_and_metric_in_capitals() -> None:
    target = ANBEnsemble("xgb", device="TPUv2", metric="Throughput").load_ensemble().surrogate
    assert target.target.name == "throughput_tpuv2"


def test_the_search_space() -> None:
    space = EfficientNetSS()
    assert space.size() == len(space) == 104_485_552_128
    assert "block5_l: {1, 2, 3, 4}" in str(space)
    assert space.manual_sample(B0) == space.efficientnet_b0()
    assert space.efficientnet_b0().architecture == efficientnet_b0()


def test_random_samples() -> None:
    first = EfficientNetSS(seed=7)
    one = first.random_sample()
    assert isinstance(one, Configuration)
    assert isinstance(first.random_sample(1), Configuration)
    many = first.random_sample(5)
    assert isinstance(many, list)
    assert len(set(many)) == 5
    second = EfficientNetSS(seed=7)
    assert second.random_sample() == one
    assert EfficientNetSS().random_sample(5) != EfficientNetSS().random_sample(5)


@pytest.mark.parametrize("n", [-1, 1.5, True, "2"])
def test_wrong_numbers_of_samples(n: Any) -> None:
    with pytest.raises(ArchitectureError):
        EfficientNetSS().random_sample(n)


@pytest.mark.parametrize("seed", [-1, "x", 1.5])
def test_wrong_seeds(seed: Any) -> None:
    with pytest.raises(ValueError, match="seed must be"):
        EfficientNetSS(seed=seed)
    with pytest.raises(ValueError, match="seed must be"):
        ANBEnsemble("xgb", seed=seed).load_ensemble()


@pytest.mark.parametrize(
    "lists",
    [
        None,
        "1111",
        [],
        B0[:3],
        [B0[0][:6], *B0[1:]],
        [[5, 6, 6, 6, 6, 6, 6], *B0[1:]],
        [*B0[:3], [2] * 7],
    ],
)
def test_wrong_manual_samples_are_refused(lists: Any) -> None:
    with pytest.raises(ArchitectureError):
        EfficientNetSS().manual_sample(lists)


def test_a_configuration_behaves_like_configspaces() -> None:
    config = EfficientNetSS().efficientnet_b0()
    assert config["block0_e"] == 1
    assert config["block5_se"] is True
    assert dict(config) == config.get_dictionary() == efficientnet_b0().to_values()
    assert len(config) == 28
    array = config.get_array()
    assert array.dtype == np.float64
    assert array.tolist() == list(efficientnet_b0().codes)
    assert repr(config).startswith("Configuration(values={'block0_e': 1,")


def test_a_configuration_may_be_changed_as_evolution_does() -> None:
    parent = EfficientNetSS().efficientnet_b0()
    child = copy.deepcopy(parent)
    child["block0_e"] = 6
    assert (child["block0_e"], parent["block0_e"]) == (6, 1)
    assert child != parent
    child["block0_e"] = 1
    assert child == parent
    assert hash(child) == hash(parent)
    with pytest.raises(ArchitectureError, match="block0_e"):
        child["block0_e"] = 5
    with pytest.raises(ArchitectureError, match="block9_e"):
        child["block9_e"] = 1
    assert child == parent
