"""The searches of Accel-NASBench, written anew in examples/anb_eval, from end to end."""

from __future__ import annotations

import csv
import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import anb_onnx
import anb_onnx.compat as anb
from anb_onnx import MNASNET, Architecture, search

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "anb_eval"
if not FOLDER.is_dir():
    pytest.skip("not a checkout", allow_module_level=True)

#: Every device and metric that the reference searches on.
SECONDS = [
    ("throughput", "3090"),
    ("throughput", "a100"),
    ("throughput", "tpuv2"),
    ("throughput", "tpuv3"),
    ("throughput", "zcu102"),
    ("throughput", "vck190"),
    ("latency", "zcu102"),
    ("latency", "vck190"),
]


def example(name: str) -> ModuleType:
    """Import a script as its command does: from its own folder."""
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    return importlib.import_module(name)


def run(name: str, folder: Path, *arguments: object) -> None:
    example(name).main([*map(str, arguments), "--exp_dir", str(folder)])


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def numbers(path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(rows(path), dtype=float)


def architecture(blocks: list[Any]) -> Architecture:
    """The architecture of blocks, whether of JSON or, flat, of a row of CSV."""
    flat = blocks if not isinstance(blocks[0], list) else [x for block in blocks for x in block]
    assert len(flat) == 56
    values: dict[str, Any] = {}
    for block in range(7):
        kind, e, k, _, _, _, layers, se = flat[8 * block : 8 * block + 8]
        assert kind == "MB"
        values |= {f"block{block}_e": int(e), f"block{block}_k": int(k)}
        values |= {f"block{block}_l": int(layers), f"block{block}_se": str(se) == "True"}
    return Architecture(values, space=MNASNET)


def test_random_search_reports_the_best_of_all_epochs(tmp_path: Path) -> None:
    run("search_uo", tmp_path / "a", "--algorithm", "RS", "--arch_epochs", 12, "--seed", 13)
    found = numbers(tmp_path / "a" / "result.csv")
    space = anb.ConfigurationSpace(seed=13)
    ensemble = anb.ANBEnsemble("xgb").load_ensemble()
    drawn = space.sample_configuration(72)
    assert isinstance(drawn, list)
    accs = ensemble.query(drawn)[0].astype(float)
    for epoch, row in enumerate(found):
        so_far, own = np.sort(accs[: 6 * epoch + 6])[::-1], accs[6 * epoch : 6 * epoch + 6]
        wanted = [epoch, so_far[0], so_far[:5].mean(), own.max(), own.mean()]
        np.testing.assert_allclose(row, wanted, rtol=1e-12)
    run("search_uo", tmp_path / "b", "--algorithm", "RS", "--arch_epochs", 12, "--seed", 13)
    assert (tmp_path / "b/result.csv").read_bytes() == (tmp_path / "a/result.csv").read_bytes()


def test_reinforce_is_that_of_search(tmp_path: Path) -> None:
    """The same controller, draws and steps as `anb_onnx.search.reinforce`, driven by hand."""
    run("search_uo", tmp_path / "a", "--algorithm", "PG", "--arch_epochs", 20, "--seed", 11)
    granular = rows(tmp_path / "a" / "results_granular.csv")
    assert [row[:2] for row in granular] == [[str(e), str(i)] for e in range(20) for i in range(6)]
    history = search.reinforce("accuracy", budget=120, rng=11)
    found = [architecture(row[4:]).codes for row in granular]
    assert found == [tuple(row) for row in history.codes.tolist()]
    assert [float(row[3]) for row in granular] == history.values.tolist()
    result = numbers(tmp_path / "a" / "result.csv")
    assert result.shape == (20, 6)
    assert result[:, 1].tolist() == history.best_so_far[5::6].tolist()
    assert np.isfinite(result).all()
    learned = np.load(tmp_path / "a" / "controller.npz")
    assert learned["embedding"].shape == (11, 32)
    assert float(learned["baseline"]) == result[-1, 4]


@pytest.mark.parametrize("algorithm", ["RS", "PG"])
@pytest.mark.parametrize(("metric", "device"), SECONDS)
def test_two_objectives_on_every_device(
    algorithm: str, metric: str, device: str, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    arguments = ("--device", device, "--metric", metric, "--arch_ep", 3, "--algorithm", algorithm)
    run("search_mo", folder, *arguments, "--target_biobj", 5)
    result = numbers(folder / "result.csv")
    assert result.shape == (3, 7 if algorithm == "PG" else 5)
    front = json.loads((folder / "pareto_designs2.json").read_text())
    codes = anb_onnx.encode([architecture(design) for _, _, design in front], MNASNET)
    values = np.array([row[:2] for row in front])
    for column, name in enumerate(("accuracy", f"{metric}_{device}")):
        assert values[:, column].tolist() == anb_onnx.load(name).query(codes).mean.tolist()
    # From the most accurate on, each is better in what the one before it is worse.
    good = values[:, 1] if metric == "throughput" else -values[:, 1]
    assert (np.diff(values[:, 0]) < 0).all()
    assert (np.diff(good) > 0).all()
    assert values[0].tolist() == result[-1, [1, 3]].tolist()
    assert (folder / f"scatter_2.{'pdf' if algorithm == 'PG' else 'png'}").stat().st_size > 1000
    if algorithm == "PG":
        biobjs, accs, front_biobjs, front_accs, _ = json.loads(
            (folder / "search_res.json").read_text()
        )
        assert (len(biobjs), len(accs)) == (18, 18)
        assert values.tolist() == np.transpose([front_accs, front_biobjs]).tolist()
        granular = rows(folder / "results_granular.csv")
        assert [float(row[2]) for row in granular] == accs
        assert [float(row[-1]) for row in granular] == biobjs


def test_a_small_latency_is_rewarded_and_a_large_throughput() -> None:
    reward_of = example("search_mo").reward_of
    assert reward_of(70.0, 4.0, 5.0, False) > 70.0 > reward_of(70.0, 6.0, 5.0, False)
    assert reward_of(70.0, 6.0, 5.0, True) == pytest.approx(70.0 * 1.2**0.07)


def test_evolution_notes_the_best_of_all(tmp_path: Path) -> None:
    module = example("regularized_evolution")
    module.main(["--output_path", str(tmp_path), "--n_iters", "80", "--seed", "5"])
    found = numbers(tmp_path / "logs" / "acc_trajectory_rea_5.csv")
    args = type("Args", (), {"n_iters": 80, "pop_size": 20, "sample_size": 10, "seed": 5})
    ensemble = anb.ANBEnsemble("xgb").load_ensemble()
    history, trajectory = module.evolve(args, anb.ConfigurationSpace(), ensemble)
    assert found.tolist() == [list(row) for row in trajectory]
    assert len(history) == 80
    best = np.maximum.accumulate([model.accuracy for model in history])
    assert found[:, 1].tolist() == best[19:].tolist()
    assert found[[0, -1], 0].tolist() == [25.0, 100.0]
    assert best[-1] > best[19] + 1.0


def test_a_file_of_configspace(tmp_path: Path) -> None:
    path = tmp_path / "configspace.json"
    path.write_text(anb.cs_json.write(anb.ConfigurationSpace()))
    for name, arguments in {"with": ["--configspace", path], "without": []}.items():
        run("search_uo", tmp_path / name, "--arch_epochs", 2, *arguments)
    texts = {(tmp_path / name / "result.csv").read_bytes() for name in ("with", "without")}
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("search_mo", ["--algorithm", "PPO"], "take PG"),
        ("search_uo", ["--resume_path", "x.pth"], "run it again"),
        ("search_uo", ["--arch_epochs", "0"], "at least 1"),
        ("search_mo", ["--device", "a100", "--metric", "latency"], "a100"),
        ("search_mo", ["--target_biobj", "0"], "larger than 0"),
    ],
)
def test_what_it_does_not_do_is_refused(
    name: str, arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(name, tmp_path / "run", *arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


BLOCKED = """
import runpy, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"xgboost", "ConfigSpace", "torch", "matplotlib", "pandas"}:
            raise ImportError(f"{name} is blocked here")
sys.meta_path.insert(0, Blocker())
sys.argv = sys.argv[1:]
sys.path.insert(0, str(__import__("pathlib").Path(sys.argv[0]).parent))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_the_commands_need_neither_torch_nor_configspace(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BLOCKED, str(FOLDER / "search_mo.py")]
    arguments = ["--algorithm", "PG", "--arch_epochs", "2", "--seed", "300"]
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert "arch_epoch 001 top1_acc" in done.stdout
    (folder,) = (tmp_path / "logs" / "simulated").iterdir()
    assert folder.name.startswith("search_PG_SIM_vck190_throughput_seed300_")
    assert {path.name for path in folder.iterdir()} == {
        "controller.npz",
        "log.txt",
        "pareto_designs0.json",
        "pareto_designs1.json",
        "result.csv",
        "results_granular.csv",
        "search_res.json",
    }


def test_what_the_mistakes_change(capsys: pytest.CaptureFixture[str]) -> None:
    module = example("what_changes")
    module.main(["lag", "noise", "evolution", "--seeds", "1"])
    told = capsys.readouterr().out
    assert "one number: best stays best in 100.0%," in told
    assert "one for each: best stays best in 9" in told
    assert told.count("too low") == 4
    values = np.array([[50.0, 4.0], [60.0, 6.0], [55.0, 7.0], [70.0, 12.0]])
    assert module.hypervolume(values, (40.0, 10.0)) == 10 * 6 + 10 * 4
    with pytest.raises(SystemExit):
        module.main(["lags"])
