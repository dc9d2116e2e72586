"""examples/measure: meters of energy, against fake counters; no number is made up."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from measure_room import FOLDER, SMALLEST, example

MOST = 262_143_328_850


@pytest.fixture(scope="module")
def meters() -> Any:
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    return importlib.import_module("meters")


def zone(root: Path, name: str, called: str, energy: int, most: int = MOST) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    for file, value in (("name", called), ("energy_uj", energy), ("max_energy_range_uj", most)):
        (folder / file).write_text(f"{value}\n")
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """Two packages with their memory, and all that would count one of them twice."""
    (tmp_path / "intel-rapl").mkdir()  # the control type, which is no zone
    zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    zone(tmp_path, "intel-rapl:0:0", "core", 500_000)
    zone(tmp_path, "intel-rapl:0:1", "dram", 100)
    zone(tmp_path, "intel-rapl:1", "package-1", MOST - 1_000_000)
    zone(tmp_path, "intel-rapl:1:0", "uncore", 7)
    zone(tmp_path, "intel-rapl:1:1", "dram", 200)
    zone(tmp_path, "intel-rapl:2", "psys", 9)
    zone(tmp_path, "intel-rapl-mmio:0", "package-0", 3)
    return tmp_path


def count(root: Path, name: str, energy: int) -> None:
    (root / name / "energy_uj").write_text(f"{energy}\n")


def test_packages_and_their_memory_are_counted_once(meters: Any, server: Path) -> None:
    source = meters.Rapl(server)
    with meters.Meter(source) as meter:
        count(server, "intel-rapl:0", 3_500_000)
        count(server, "intel-rapl:0:0", 2_500_000)
        count(server, "intel-rapl:0:1", 250_100)
        count(server, "intel-rapl:1", 4_000_000)  # it has wrapped around
        count(server, "intel-rapl:2", 50_000_000)
        count(server, "intel-rapl-mmio:0", 2_500_003)
    found = meter.measured
    assert found.joules == {
        "package-0": 2.5,
        "package-0 dram": 0.25,
        "package-1": 5.0,
        "package-1 dram": 0.0,
    }
    assert found.total == pytest.approx(7.75)
    assert found.watts == found.total / found.seconds
    assert found.meter == "RAPL (package-0, package-0 dram, package-1, package-1 dram)"
    assert json.loads(json.dumps(found.to_dict()))["total_joules"] == found.total


def test_a_counter_that_wraps_around_more_than_once_is_read_in_between(
    meters: Any, tmp_path: Path
) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 90, most=100)
    source = meters.Rapl(tmp_path)
    assert source.read() == {"package-0": 0.0}
    passed = 0
    for step in (20, 99, 0, 60, 60):
        passed += step
        count(tmp_path, "intel-rapl:0", (90 + passed) % 100)
        assert source.read()["package-0"] == pytest.approx(passed / 1e6)


def test_the_meter_reads_by_itself_while_work_goes_on(meters: Any) -> None:
    class Counter:
        name, every = "a counter", 1e-4

        def __init__(self) -> None:
            self.reads = 0
            self.enough = threading.Event()

        def read(self) -> dict[str, float]:
            self.reads += 1
            if self.reads == 5:
                self.enough.set()
            return {"part": float(self.reads)}

    source = Counter()
    with meters.Meter(source) as meter:
        assert source.enough.wait(60)
    assert meter.measured.joules["part"] == source.reads - 1
    assert meter.measured.joules["part"] >= 5


def test_a_reading_that_fails_is_no_measurement(meters: Any, server: Path) -> None:
    meter = meters.Meter(meters.Rapl(server))
    with pytest.raises(meters.MeterError, match="nothing is measured yet"):
        _ = meter.measured
    with pytest.raises(meters.MeterError, match="energy_uj"), meter:
        (server / "intel-rapl:0" / "energy_uj").unlink()
    with pytest.raises(meters.MeterError, match="nothing is measured yet"):
        _ = meter.measured
    with pytest.raises(ZeroDivisionError), meters.Meter(meters.Rapl(fresh(server))):
        1 / 0  # noqa: B018  # the work's own error


def fresh(server: Path) -> Path:
    count(server, "intel-rapl:0", 5)
    return server


def test_no_counter_is_an_error_that_says_what_was_looked_for(meters: Any, tmp_path: Path) -> None:
    with pytest.raises(meters.MeterError, match=r"looked for .*/intel-rapl:N with the name pack"):
        meters.Rapl(tmp_path / "nothing")
    zone(tmp_path, "intel-rapl:0", "psys", 5)
    with pytest.raises(meters.MeterError, match="no energy counter of a processor"):
        meters.Rapl(tmp_path)
    with pytest.raises(meters.MeterError, match="one of rapl, nvml, not 'plug'"):
        meters.open_meter("plug")


def test_a_counter_that_may_not_be_read_says_how_it_may(
    meters: Any, server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = server / "intel-rapl:1" / "energy_uj"
    if os.geteuid() == 0:  # whom nothing is denied
        read = Path.read_text

        def denied(path: Path, *args: Any, **kwargs: Any) -> str:
            if path == secret:
                raise PermissionError(13, "Permission denied", str(path))
            return read(path, *args, **kwargs)

        monkeypatch.setattr(Path, "read_text", denied)
    else:
        secret.chmod(0)
    with pytest.raises(meters.MeterError, match=rf"permission denied.*sudo chmod a\+r {secret}"):
        meters.Rapl(server)


def test_what_is_no_counter_is_refused(meters: Any, server: Path) -> None:
    (server / "intel-rapl:0" / "energy_uj").write_text("many\n")
    with pytest.raises(meters.MeterError, match="holds 'many', where a number"):
        meters.Rapl(server)
    count(server, "intel-rapl:0", 1)
    (server / "intel-rapl:1" / "name").write_text("package-0\n")
    with pytest.raises(meters.MeterError, match="both called 'package-0'"):
        meters.Rapl(server)


def test_rapl_of_this_machine(meters: Any) -> None:
    try:
        source = meters.Rapl()
    except meters.MeterError as error:
        pytest.skip(f"no RAPL here: {error}")
    with meters.Meter(source) as meter:
        sum(range(10**6))
    assert meter.measured.total >= 0
    assert any(part.startswith("package-") for part in meter.measured.joules)


class NVMLError(Exception):
    pass


def fake_nvml(energy: list[int] | None = None, power: list[int] | None = None) -> Any:
    """What pynvml has, with the answers of a GPU in order; None for what it cannot tell."""

    def told(answers: list[int] | None) -> Any:
        left = iter(answers or ())

        def answer(handle: object) -> int:
            assert handle == "gpu 3"
            if answers is None:
                raise NVMLError("Not Supported")
            return next(left)

        return answer

    def handle(index: int) -> str:
        if index != 3:
            raise NVMLError("Invalid Argument")
        return f"gpu {index}"

    return SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=handle,
        nvmlDeviceGetName=lambda handle: b"A Fake GPU",
        nvmlDeviceGetTotalEnergyConsumption=told(energy),
        nvmlDeviceGetPowerUsage=told(power),
    )


def test_a_gpu_counts_millijoules(meters: Any) -> None:
    # The first answer tells whether it can.
    source = meters.Nvml(3, module=fake_nvml(energy=[10, 1_000, 251_500]))
    with meters.Meter(source) as meter:
        pass
    assert meter.measured.joules == {"gpu-3": 250.5}
    assert meter.measured.meter == "NVML, energy counter of A Fake GPU"
    back = meters.Nvml(3, module=fake_nvml(energy=[10, 1_000, 999]))
    back.read()
    with pytest.raises(meters.MeterError, match="has gone back"):
        back.read()


def test_the_power_of_an_older_gpu_is_added_up(meters: Any) -> None:
    ticks = iter([10.0, 12.0, 13.0])
    module = fake_nvml(power=[0, 100_000, 200_000, 300_000])
    source = meters.Nvml(3, module=module, clock=lambda: next(ticks))
    assert "power of A Fake GPU added up" in source.name
    assert source.every is not None
    # 100 W to 200 W in 2 s, then to 300 W in one.
    assert [source.read()["gpu-3"] for _ in range(3)] == [0.0, 300.0, 550.0]


def test_what_nvml_lacks_is_an_error(meters: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(meters.MeterError, match="no NVIDIA GPU number 0: Invalid Argument"):
        meters.Nvml(0, module=fake_nvml(energy=[1]))
    with pytest.raises(meters.MeterError, match="nvmlDeviceGetPowerUsage fails: Not Supported"):
        meters.Nvml(3, module=fake_nvml())

    def missing() -> None:
        raise NVMLError("NVML Shared Library Not Found")

    module = fake_nvml(energy=[1])
    module.nvmlInit = missing
    with pytest.raises(meters.MeterError, match=r"its driver by nvmlInit \(NVML Shared"):
        meters.Nvml(3, module=module)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(meters.MeterError, match=r"looked for pynvml; pip install nvidia-ml-py"):
        meters.open_meter("nvml")


def test_nvml_of_this_machine(meters: Any) -> None:
    try:
        source = meters.open_meter("nvml")
    except meters.MeterError as error:
        pytest.skip(f"no NVIDIA GPU here: {error}")
    with meters.Meter(source) as meter:
        sum(range(10**6))
    assert meter.measured.total >= 0


def test_a_visit_is_measured_where_that_is_asked_for(
    meters: Any, server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latency = example("latency")
    source = meters.Rapl(server)
    settings = latency.Settings(side=32, runs=4, warm_up=0, meter="rapl")
    micro = 1_000_000

    def read() -> dict[str, float]:
        nonlocal micro
        count(server, "intel-rapl:0", micro)
        micro += 2_000_000  # what each visit takes
        return dict(original())

    original = source.read
    monkeypatch.setattr(source, "read", read)
    taken, joules = latency.visit(SMALLEST, settings, source)
    assert len(taken) == 4
    assert joules == pytest.approx(2.0 / 4)  # of two more a visit, four runs
    assert latency.visit(SMALLEST, latency.Settings(side=32))[1] is None

    monkeypatch.setattr(latency, "open_meter", lambda kind: source)
    codes = np.array([SMALLEST.codes], dtype=np.uint8)
    path = tmp_path / "journal"
    journal = latency.Journal(path, codes, settings)
    latency.measure(journal, 3)
    again = latency.Journal(path, codes, settings)
    np.testing.assert_array_equal(again.joules(3), journal.joules(3))
    value, std, repeats = latency.summary_of_joules(again.joules(3))
    assert value.tolist() == pytest.approx([0.5])
    assert (std.tolist(), repeats) == (pytest.approx([0.0], abs=1e-9), 3)
    with pytest.raises(latency.MeasureError, match="is of measurements with --energy rapl"):
        latency.Journal(path, codes, latency.Settings(side=32, runs=4, warm_up=0))
    with pytest.raises(latency.MeasureError, match="meter is 'plug'"):
        latency.Settings(meter="plug")


def test_the_command_runs_another_and_says_what_it_took(tmp_path: Path) -> None:
    script = str(FOLDER / "meters.py")
    command = [sys.executable, script, "--meter", "rapl", "--", sys.executable, "-c", "print(7)"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 2:  # no counter: nothing is run, and no number is made up
        assert (done.stdout, done.stderr.count("\n")) == ("", 1)
        assert done.stderr.startswith("meters.py: error: ")
    else:
        assert done.stdout == "7\n"
        assert json.loads(done.stderr)["total_joules"] >= 0


def test_a_missing_meter_leaves_no_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measure = example("measure")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    listed = tmp_path / "to_measure.csv"
    example("tables").write_architectures(listed, np.array([SMALLEST.codes], dtype=np.uint8))
    out = tmp_path / "measured.csv"
    given = ["--architectures", str(listed), "--out", str(out), "--energy", "nvml"]
    assert measure.main(given) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["to_measure.csv"]
