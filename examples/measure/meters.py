"""Meters of energy: what this machine's own counters say a piece of work took, in joules.

    python examples/measure/meters.py --meter rapl -- python train.py

Two kinds, neither of them used unless it is asked for: RAPL, the counters of Intel's and AMD's
processors as Linux shows them in /sys/class/powercap; and NVML, the counter of one NVIDIA GPU
(`pip install nvidia-ml-py`). Both count the whole device, whoever uses it: idle power and
neighbours are in it. Where a meter is missing, that is an error that says what was looked for;
no number is ever made up.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from anb_onnx import AnbError

POWERCAP = Path("/sys/class/powercap")

#: Kinds of meters, by the name that --meter takes.
METERS = ("rapl", "nvml")

#: Seconds between two readings. RAPL's counters wrap around: one of 262 kJ every 26 s at 10 kW.
_RAPL_EVERY = 20.0
_POWER_EVERY = 0.05


class MeterError(AnbError):
    """A meter is missing, may not be read, or is not what it should be."""


class Source(Protocol):
    """What counts energy. `read` is called again before a counter can wrap around."""

    #: What it is, for people.
    name: str
    #: Seconds after which it is to be read again; None where that makes no difference.
    every: float | None

    def read(self) -> dict[str, float]:
        """Return the joules of each part since the first call, which returns zeros."""


@dataclass(frozen=True)
class Measured:
    """What a piece of work took.

    Attributes
    ----------
    joules : mapping of str to float
        By part of the machine; no part is counted in another.
    seconds : float
        Of the wall's clock.
    meter : str
        What measured it.
    """

    joules: Mapping[str, float]
    seconds: float
    meter: str

    @property
    def total(self) -> float:
        """Joules of all parts."""
        return sum(self.joules.values())

    @property
    def watts(self) -> float:
        """Mean power, W."""
        return self.total / self.seconds if self.seconds > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "meter": self.meter,
            "joules": dict(self.joules),
            "total_joules": self.total,
            "seconds": self.seconds,
            "watts": self.watts,
        }


class Rapl:
    """The counters of the processors, as Linux shows them.

    Counted are the packages and, where there are such zones, the memory (dram) of each, which lies
    outside of it. Not counted are parts of a package (core, uncore), the whole platform (psys), in
    which the packages are contained, and what shows the same package a second time
    (intel-rapl-mmio).

    Parameters
    ----------
    root : Path
        Folder of the zones.

    Raises
    ------
    MeterError
        If there is no package, a counter may not be read, or it is no counter.
    """

    every: float | None = _RAPL_EVERY

    def __init__(self, root: Path = POWERCAP) -> None:
        self._zones: dict[str, tuple[Path, int]] = {}
        for zone in sorted(root.glob("intel-rapl:*")):
            name = self._name(zone)
            if zone.name.count(":") == 1 and name.startswith("package-"):
                self._add(name, zone)
            elif zone.name.count(":") == 2 and name == "dram":
                parent = root / zone.name.rpartition(":")[0]
                self._add(f"{self._name(parent)} dram", zone)
        if not self._zones:
            msg = (
                f"no energy counter of a processor: looked for {root}/intel-rapl:N with the name "
                "package-N (Linux on bare metal, module intel_rapl_msr; virtual machines and "
                "containers seldom have one)"
            )
            raise MeterError(msg)
        self.name = f"RAPL ({', '.join(self._zones)})"
        self._last: dict[str, int] | None = None
        self._counted = dict.fromkeys(self._zones, 0)

    def _add(self, name: str, zone: Path) -> None:
        if name in self._zones:
            msg = f"{zone} and {self._zones[name][0]} are both called {name!r}: which one counts?"
            raise MeterError(msg)
        most = _integer(zone / "max_energy_range_uj")
        _integer(zone / "energy_uj")  # whether it may be read is known before anything runs
        self._zones[name] = zone, most

    @staticmethod
    def _name(zone: Path) -> str:
        return _text(zone / "name")

    def read(self) -> dict[str, float]:
        """Return the joules of each zone since the first call.

        Raises
        ------
        MeterError
            If a counter can no longer be read.
        """
        now = {name: _integer(zone / "energy_uj") for name, (zone, _) in self._zones.items()}
        if self._last is not None:
            for name, value in now.items():
                passed = value - self._last[name]
                # It has wrapped around, once at most: `every` is shorter than that takes.
                self._counted[name] += passed + self._zones[name][1] if passed < 0 else passed
        self._last = now
        return {name: micro / 1e6 for name, micro in self._counted.items()}


class Nvml:
    """The energy of one NVIDIA GPU, as its driver counts it, or sums its power up.

    GPUs since Volta count millijoules themselves. Of older ones the power is read twenty times a
    second, and added up by trapezoids; what happens between two readings is not seen then.

    Parameters
    ----------
    index : int
        Number of the GPU.
    module : module, optional
        pynvml, imported if not given.

    Raises
    ------
    MeterError
        If pynvml, the driver or the GPU is missing, or it tells neither energy nor power.
    """

    def __init__(
        self, index: int = 0, *, module: Any = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._nvml = _pynvml() if module is None else module
        self._clock = clock
        error = self._nvml.NVMLError
        try:
            self._nvml.nvmlInit()
        except error as problem:
            msg = f"no NVIDIA GPU to measure: looked for its driver by nvmlInit ({problem})"
            raise MeterError(msg) from problem
        try:
            self._gpu = self._nvml.nvmlDeviceGetHandleByIndex(index)
            told = self._nvml.nvmlDeviceGetName(self._gpu)
        except error as problem:
            msg = f"no NVIDIA GPU number {index}: {problem}"
            raise MeterError(msg) from problem
        gpu = told.decode() if isinstance(told, bytes) else str(told)
        self._part = f"gpu-{index}"
        self.every: float | None = None
        try:
            self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._gpu)
            self.name = f"NVML, energy counter of {gpu}"
        except error:
            self.every = _POWER_EVERY
            self.name = f"NVML, power of {gpu} added up"
            self._asked("nvmlDeviceGetPowerUsage")
        self._first: int | None = None
        self._sum = 0.0
        self._last: tuple[float, float] | None = None

    def _asked(self, function: str) -> int:
        try:
            return int(getattr(self._nvml, function)(self._gpu))
        except self._nvml.NVMLError as problem:
            msg = f"{self.name}: {function} fails: {problem}"
            raise MeterError(msg) from problem

    def read(self) -> dict[str, float]:
        """Return the joules since the first call.

        Raises
        ------
        MeterError
            If the driver no longer answers, or its counter has gone back.
        """
        if self.every is not None:
            watts, now = self._asked("nvmlDeviceGetPowerUsage") / 1e3, self._clock()
            if self._last is not None:
                before, then = self._last
                self._sum += (watts + before) / 2 * (now - then)
            self._last = watts, now
            return {self._part: self._sum}
        value = self._asked("nvmlDeviceGetTotalEnergyConsumption")
        if self._first is None:
            self._first = value
        if value < self._first:
            msg = f"{self.name} has gone back: the driver was loaded anew; measure again"
            raise MeterError(msg)
        return {self._part: (value - self._first) / 1e3}


class Meter:
    """Measures what happens between its beginning and its end, as a context.

    Parameters
    ----------
    source : Source

    Examples
    --------
    ::

        with Meter(Rapl()) as meter:
            work()
        print(meter.measured.total, "J")
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed: MeterError | None = None
        self._measured: Measured | None = None

    @property
    def measured(self) -> Measured:
        """What was measured, once the context has ended.

        Raises
        ------
        MeterError
            If it has not, or a reading failed.
        """
        if self._measured is None:
            msg = "nothing is measured yet: the meter still runs, or never did"
            raise MeterError(msg)
        return self._measured

    def __enter__(self) -> Meter:
        self._before = self._source.read()
        if self._source.every is not None:
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        self._began = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        seconds = time.perf_counter() - self._began
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        if kind is not None:
            return  # the work's own error is what matters
        if self._failed is not None:
            raise self._failed
        now = self._source.read()
        joules = {part: value - self._before[part] for part, value in now.items()}
        self._measured = Measured(joules, seconds, self._source.name)

    def _watch(self) -> None:
        while not self._over.wait(self._source.every):
            try:
                self._source.read()
            except MeterError as error:
                self._failed = error
                return


def open_meter(kind: str, *, root: Path = POWERCAP, gpu: int = 0) -> Source:
    """Return a source of the kind that was asked for.

    Raises
    ------
    MeterError
        If there is none of that name, or not on this machine.
    """
    if kind == "rapl":
        return Rapl(root)
    if kind == "nvml":
        return Nvml(gpu)
    msg = f"a meter is one of {', '.join(METERS)}, not {kind!r}"
    raise MeterError(msg)


def _pynvml() -> Any:
    try:
        return importlib.import_module("pynvml")
    except ImportError as error:
        msg = f"no NVIDIA GPU to measure: looked for pynvml; pip install nvidia-ml-py ({error})"
        raise MeterError(msg) from error


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except PermissionError as error:
        msg = (
            f"{path} may not be read (permission denied): since Linux 5.10 that is for root alone; "
            f"sudo chmod a+r {path} allows it until the next start"
        )
        raise MeterError(msg) from error
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read ({error})"
        raise MeterError(msg) from error


def _integer(path: Path) -> int:
    text = _text(path)
    if not (text.isascii() and text.isdigit()):
        msg = f"{path} holds {text[:40]!r}, where a number of microjoules should be"
        raise MeterError(msg)
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and print, as JSON on standard error, what it took."""
    parser = argparse.ArgumentParser(prog="meters.py", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--meter", choices=METERS, required=True)
    parser.add_argument("--gpu", type=int, default=0, metavar="N", help="of nvml (default: 0)")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="what to run, after --")
    args = parser.parse_args(argv)
    try:
        with Meter(open_meter(args.meter, gpu=args.gpu)) as meter:
            code = subprocess.run(args.command, check=False).returncode
        print(json.dumps(meter.measured.to_dict(), indent=1), file=sys.stderr)
    except (MeterError, OSError) as error:
        print(f"meters.py: error: {error}", file=sys.stderr)
        return 2
    return code


if __name__ == "__main__":
    sys.exit(main())
