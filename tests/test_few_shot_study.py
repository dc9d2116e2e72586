"""The study of few measurements: who is asked about, and what stands beside the method."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("anb_export")
pytest.importorskip("scipy")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from few_shot_devices import small_devices
from measured_data import need_data

import anb_onnx
from benchmarks.few_shot import baselines, counts, scores, tasks
from benchmarks.few_shot.measured import Device, Measured, read, trimmed
from benchmarks.few_shot.scores import Guess
from benchmarks.few_shot.tasks import Question


@pytest.fixture(scope="module")
def measured() -> Measured:
    return small_devices()


@pytest.fixture(scope="module")
def seeds() -> Path:
    return need_data("seeds/help_nb201.npz")


def asked(space: str, role: str) -> dict[str, Question]:
    return {f"{q.task} {q.device}": q for q in tasks.questions(space, role)}


@pytest.mark.parametrize("space", tasks.SPACES)
@pytest.mark.parametrize("role", tasks.ROLES)
def test_no_question_knows_its_answer(space: str, role: str) -> None:
    questions = list(tasks.questions(space, role))
    for question in questions:
        assert question.device not in question.sources
        assert len(set(question.sources)) == len(question.sources) > 0
    names = [question.name for question in questions]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("space", tuple(tasks.HELP))
def test_roles_share_no_device(space: str) -> None:
    roles = tasks.HELP[space]
    listed = [device for role in roles.values() for device in role]
    assert len(set(listed)) == len(listed)
    for role in ("valid", "test"):
        for question in tasks.questions(space, role):
            assert set(question.sources) == set(roles["train"])


def test_a_chip_is_left_out_at_every_batch_size() -> None:
    sources = asked("nasbench201", "train")["one-out 1080ti_32"].sources
    assert not [name for name in sources if name.startswith("1080ti")]
    assert len(sources) == 6
    assert "essential_ph_1" in sources


def test_a_board_is_left_out_whole() -> None:
    sources = asked("mnasnet", "train")["one-out latency_zcu102"].sources
    assert "throughput_zcu102" not in sources
    assert {"throughput_tpuv2", "throughput_tpuv3"} <= set(sources)
    assert "throughput_tpuv3" in asked("mnasnet", "train")["one-out throughput_tpuv2"].sources


def test_nasflat_lists_as_many_devices_as_its_code() -> None:
    sizes = {
        name: (len(task.train) + task.lacking[0], len(task.test) + task.lacking[1])
        for of in tasks.NASFLAT.values()
        for name, task in of.items()
    }
    five = dict.fromkeys(("N1", "N2", "N3", "F1", "F2", "F3"), (5, 5))
    rest = {"ND": (9, 6), "N4": (10, 3), "NA": (17, 3), "FD": (9, 3), "F4": (10, 3), "FA": (15, 4)}
    assert sizes == five | rest


def test_macs_of_nasbench201() -> None:
    codes = np.array([[3] * 6, [0, 1, 4, 0, 1, 4], [2, 2, 3, 0, 0, 0]], np.uint8)
    assert counts.nasbench201_macs(codes).tolist() == [54, 0, 11]


def test_macs_of_fbnet() -> None:
    skips = np.full((1, 22), 8, np.uint8)
    # What is left are the convolutions of 1x1 where a stage begins.
    steps = [(16, 24, 32), (24, 32, 16), (32, 64, 8), (64, 112, 8), (112, 184, 4), (184, 352, 4)]
    rest = sum(a * b * size**2 for a, b, size in steps)
    assert counts.fbnet_macs(skips).tolist() == [rest]
    one = skips.copy()
    one[0, 0] = 3  # k3_e6 of 16 channels at 32 x 32
    assert counts.fbnet_macs(one)[0] - rest == 32**2 * (16 * 96 + 9 * 96 + 96 * 16)
    grouped = skips.copy()
    grouped[0, 0] = 1  # k3_e1_g2
    assert counts.fbnet_macs(grouped)[0] - rest == 32**2 * (16 * 8 + 9 * 16 + 16 * 8)


def test_layers_beyond_the_depth_do_not_count() -> None:
    choices = np.array([[128, 2, 2, 2, 2, 2, *[7, 6] * 20]])
    dead = choices.copy()
    dead[0, 6 + 2 * 2 :: 8] = 3  # the kernel of every third layer of a unit
    np.testing.assert_array_equal(counts.ofa_counts(choices), counts.ofa_counts(dead))
    assert counts.ofa_counts(choices).tolist() == [[0, 0, 10, 0, 0, 10, 128]]
    np.testing.assert_array_equal(counts.ofa_macs(choices), counts.ofa_macs(dead))
    deeper = choices.copy()
    deeper[0, 1] = 3
    assert counts.ofa_macs(deeper) > counts.ofa_macs(choices)


def test_layers_of_mnasnet_are_counted_by_what_they_are() -> None:
    codes = np.array([anb_onnx.efficientnet_b0().codes], np.uint8)
    found = counts.mnasnet_counts(codes)[0]
    assert found[:3].sum() == found[3:5].sum() == found[5:].sum() == 16
    assert found[0] == 1


def test_trimming_drops_a_tenth_at_either_end() -> None:
    values = np.arange(50.0)[::-1]
    kept = trimmed(np.arange(10, 40), values)
    assert kept.tolist() == list(range(13, 37))


def test_scores_of_a_known_case() -> None:
    times = np.array([1.0, 2.0, 4.0, 8.0, 100.0])
    guess = Guess(np.array([1.1, 2.2, 8.0, 4.0, 0.0]), times * 0.9, times * np.array([1.1] * 5))
    found = scores.score(guess, times, np.arange(4))
    assert found["spearman"] == pytest.approx(0.8)
    assert found["kendall"] == pytest.approx(4 / 6)
    assert found["mape"] == pytest.approx((0.1 + 0.1 + 1 + 0.5) / 4)
    assert found["coverage"] == 1.0
    assert scores.score(Guess(np.ones(5)), times, np.arange(4))["spearman"] == 0.0


def test_an_interval_covers_what_is_in_it() -> None:
    times = np.array([1.0, 2.0, 3.0, 4.0])
    guess = Guess(times, times * np.array([0.9, 1.1, 0.9, 0.9]), times * 1.2)
    assert scores.score(guess, times, np.arange(4))["coverage"] == 0.75


def test_macs_rank_alike_whatever_the_samples_say(measured: Measured) -> None:
    times = 100 - measured.macs
    guess = baselines.macs_alone(measured, times, np.arange(4))
    found = scores.score(guess, measured.macs + 1, measured.test)
    assert found["spearman"] == pytest.approx(1)


def test_counts_are_enough_where_operations_add_up(measured: Measured) -> None:
    times = measured.counts @ np.array([1.0, 2.0, 3.0, 5.0, 8.0])
    guess = baselines.on_counts(measured, times, measured.pool[:10])
    np.testing.assert_allclose(guess.times, times)


def test_the_most_similar_device_is_found_by_the_samples(measured: Measured) -> None:
    times = measured.devices["odd"].times
    guess, name = baselines.single_source(measured, times, measured.pool[:30], ("fast", "slow"))
    assert name == "slow"
    known = measured.devices["slow"].times
    np.testing.assert_allclose(guess.times / known, np.median((times / known)[measured.pool[:30]]))


def test_throughput_is_inverted() -> None:
    device = Device(np.array([10.0, 20.0]), "throughput", "gpu", "images/s", "max")
    assert device.times.tolist() == [0.1, 0.05]


def test_architectures_of_once_for_all_are_what_the_data_says(seeds: Path) -> None:
    found = read("ofa", seeds)
    with np.load(seeds / "seeds" / "help_ofa.npz") as data:
        for row in (0, 7, 4999):
            arch = anb_onnx.Architecture.from_codes(found.codes[row], space=found.space)
            assert arch["resolution"] == data["r"][row]
            assert [arch[f"depth_{unit}"] for unit in range(5)] == data["d"][row].tolist()
            for name, of in (("kernel", "ks"), ("expansion", "e")):
                values = [arch[f"{name}_{k // 4}_{k % 4}"] for k in range(20)]
                assert values == data[of][row].tolist()


@pytest.mark.parametrize("space", ["nasbench201", "fbnet", "ofa"])
def test_the_measurements_of_help(space: str, seeds: Path) -> None:
    found = read(space, seeds)
    assert len(found.test) == 1000
    assert found.pool[-1] + 1 == found.test[0] == 900 if space == "nasbench201" else 4000
    some = next(iter(found.devices.values()))
    assert len(trimmed(found.test, some.times)) == 800
    for role in tasks.ROLES:
        for question in tasks.questions(space, role):
            assert {question.device, *question.sources} <= set(found.devices)
    assert (found.codes.max(axis=0) < found.space.cardinalities).all()


def test_measurements_of_accel_nasbench(shared_data: Path) -> None:
    found = read("mnasnet", shared_data)
    assert not np.intersect1d(found.pool, found.test).size
    assert set(found.devices) == set(tasks.MNASNET)
    device = found.devices["throughput_a100"]
    assert (device.metric, device.device, device.unit) == ("throughput", "a100", "images/s")
    assert np.isfinite(device.times[found.test]).all()
