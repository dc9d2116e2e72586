"""Latency in onnxruntime on the CPU at hand, measured in rounds that can be interrupted.

A round visits every architecture once, in an order of its own, so that whatever drifts (clocks,
heat, neighbours) hits all alike. A visit makes a fresh session - where memory happens to lie is
part of the noise, too -, runs it a few times unmeasured and then a few times measured. Every visit
is one line of a journal: who stops loses the visit under way, and who starts again goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from meters import METERS, Meter, Source, open_meter
from mnasnet_onnx import SIDE, network
from numpy.typing import NDArray

from anb_onnx import MNASNET, AnbError, Architecture

Codes = NDArray[np.uint8]
Times = NDArray[np.float64]

#: Called with the visits that are done and their number.
Report = Callable[[int, int], None]


#: Ways to make one value of all runs, and the quantile of the visits that each takes.
STATISTICS = {"decile": 0.1, "median": 0.5}

#: What tells the time, in ns.
CLOCKS = {"wall": time.perf_counter_ns, "thread": time.thread_time_ns}

_DRAWS = 400


class MeasureError(AnbError):
    """A setting or a file that the user gave to this example is wrong."""


@dataclass(frozen=True)
class Settings:
    """How a visit measures.

    Attributes
    ----------
    threads : int
        Of onnxruntime inside an operator. Operators run one after the other.
    runs, warm_up : int
        Measured runs of a visit, and unmeasured ones before.
    side : int
        Height and width of the image in pixels.
    seed : int
        Of weights, image and the order of a round.
    clock : {"wall", "thread"}
        Of the wall, or the processor time of the thread: with one thread, how long it takes on a
        core that nobody else is given meanwhile.
    meter : {"rapl", "nvml"} or None
        What measures the energy of the measured runs of a visit, if anything does.
    """

    threads: int = 1
    runs: int = 7
    warm_up: int = 3
    side: int = SIDE
    seed: int = 0
    clock: str = "wall"
    meter: str | None = None

    def __post_init__(self) -> None:
        for key, least in (("threads", 1), ("runs", 1), ("warm_up", 0), ("side", 32), ("seed", 0)):
            if getattr(self, key) < least:
                msg = f"{key} is {getattr(self, key)}; it must be at least {least}"
                raise MeasureError(msg)
        if self.clock not in CLOCKS:
            msg = f"clock is {self.clock!r}; it must be one of {', '.join(CLOCKS)}"
            raise MeasureError(msg)
        if self.meter not in (None, *METERS):
            msg = f"meter is {self.meter!r}; it must be one of {', '.join(METERS)}, or None"
            raise MeasureError(msg)
        if self.clock == "thread" and self.threads > 1:
            msg = f"clock is 'thread', which sees one thread, and threads is {self.threads}; use 1"
            raise MeasureError(msg)


def processor() -> str:
    """Return the name of the processor, as far as the system tells it."""
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def open_session(arch: Architecture, settings: Settings) -> onnxruntime.InferenceSession:
    """Return a session of the architecture's network, made from its bytes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    model = network(arch, side=settings.side, seed=settings.seed).SerializeToString()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def visit(
    arch: Architecture, settings: Settings, source: Source | None = None
) -> tuple[list[float], float | None]:
    """Return the milliseconds of each measured run of one fresh session, and joules of a run.

    The joules are the mean over the measured runs, which the meter sees as one piece of work: its
    counter is too coarse for one of them. None without a meter.
    """
    session = open_session(arch, settings)
    shape = (1, 3, settings.side, settings.side)
    image = np.random.default_rng(settings.seed).standard_normal(shape, dtype=np.float32)
    clock = CLOCKS[settings.clock]

    def run(times: int) -> list[float]:
        taken = []
        for _ in range(times):
            start = clock()
            session.run(None, {"image": image})
            taken.append((clock() - start) / 1e6)
        return taken

    run(settings.warm_up)
    if source is None:
        return run(settings.runs), None
    with Meter(source) as meter:
        taken = run(settings.runs)
    return taken, meter.measured.total / settings.runs


class Journal:
    """The file of all visits: what they are of, and a line for each.

    Parameters
    ----------
    path : Path
        Of the file, which need not exist.
    codes : ndarray of uint8 [n, 28]
    settings : Settings

    Raises
    ------
    MeasureError
        If the file is no journal, or that of other architectures, settings or another machine.
    """

    def __init__(self, path: Path, codes: Codes, settings: Settings) -> None:
        if not len(codes):
            msg = f"{path}: there is no architecture to measure"
            raise MeasureError(msg)
        self.path, self.codes, self.settings = path, codes, settings
        self._times: dict[tuple[int, int], list[float]] = {}
        self._joules: dict[tuple[int, int], float] = {}
        if path.exists():
            self._read()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(self._head()) + "\n", "utf-8")

    def _head(self) -> dict[str, Any]:
        settings = asdict(self.settings)
        if self.settings.meter is None:  # as before there were meters
            del settings["meter"]
        return {
            "architectures": hashlib.sha256(self.codes.tobytes()).hexdigest(),
            **settings,
            "onnxruntime": onnxruntime.__version__,
            "processor": processor(),
        }

    def _read(self) -> None:
        content = self.path.read_bytes()
        # A killed process may leave half a line behind; the visit is made again.
        whole = content[: content.rfind(b"\n") + 1]
        try:
            head, *lines = [json.loads(line) for line in whole.splitlines()]
            self._check(head)
            for line in lines:
                number, row, taken = line["round"], line["row"], [float(ms) for ms in line["ms"]]
                if not (0 <= row < len(self.codes) and len(taken) == self.settings.runs):
                    raise ValueError(f"row {row} of {len(self.codes)}, {len(taken)} runs")
                self._times[number, row] = taken
                if self.settings.meter is not None:
                    self._joules[number, row] = float(line["joules"])
        except MeasureError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            msg = f"{self.path} is no journal of this example ({error}); remove it"
            raise MeasureError(msg) from error
        if len(whole) < len(content):
            os.truncate(self.path, len(whole))

    def _check(self, head: dict[str, Any]) -> None:
        there, now = head.get("meter"), self.settings.meter
        if (there is None) != (now is None):
            was = "without --energy" if there is None else f"with --energy {there}"
            msg = f"{self.path} is of measurements {was}; remove it or give another --out"
            raise MeasureError(msg)
        for key, value in self._head().items():
            if head[key] != value:
                msg = (
                    f"{self.path} is of other measurements: its {key!r} is {head[key]!r}, now "
                    f"it is {value!r}; remove it or give another --out"
                )
                raise MeasureError(msg)

    def add(self, number: int, row: int, taken: list[float], joules: float | None = None) -> None:
        """Append a visit; with the joules of a run where there is a meter."""
        visited = {"round": number, "row": row, "ms": [round(ms, 6) for ms in taken]}
        if joules is not None:
            visited["joules"] = joules
            self._joules[number, row] = joules
        line = json.dumps(visited)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self._times[number, row] = taken

    def done(self, number: int, row: int) -> bool:
        """Say whether a visit is in the journal."""
        return (number, row) in self._times

    def times(self, rounds: int) -> Times:
        """Return the milliseconds [n, rounds, runs] of the first rounds, which are all done."""
        rows = range(len(self.codes))
        return np.array([[self._times[number, row] for number in range(rounds)] for row in rows])

    def joules(self, rounds: int) -> Times:
        """Return the joules [n, rounds] of a run, of journals with a meter."""
        rows = range(len(self.codes))
        return np.array([[self._joules[number, row] for number in range(rounds)] for row in rows])


def measure(
    journal: Journal,
    rounds: int,
    *,
    report: Report | None = None,
    after_round: Callable[[Times], None] | None = None,
) -> Times:
    """Make the visits that are missing, and return the milliseconds [n, rounds, runs].

    Parameters
    ----------
    journal : Journal
        Where the visits stand and go to.
    rounds : int
        How many there shall be in all.
    report : callable, optional
        Told after every visit.
    after_round : callable, optional
        Given the times of all rounds so far, after each.

    Raises
    ------
    MeasureError
        If `rounds` is below 2: the noise would stay unknown.
    MeterError
        If the meter of the settings is missing here.
    """
    if rounds < 2:
        msg = f"rounds is {rounds}; it must be at least 2, for the noise to be known"
        raise MeasureError(msg)
    meter = journal.settings.meter
    source = None if meter is None else open_meter(meter)
    n = len(journal.codes)
    archs = [Architecture.from_codes(row, space=MNASNET) for row in journal.codes]
    for number in range(rounds):
        for place, row in enumerate(_order(n, number, journal.settings.seed)):
            if not journal.done(number, row):
                journal.add(number, row, *visit(archs[row], journal.settings, source))
            if report is not None:
                report(number * n + place + 1, rounds * n)
        if after_round is not None:
            after_round(journal.times(number + 1))
    return journal.times(rounds)


def _order(n: int, number: int, seed: int) -> list[int]:
    """Return the order of a round: another one each, for nothing periodic to favour a row."""
    order: list[int] = np.random.default_rng((seed, number)).permutation(n).tolist()
    return order


def summary(times: Times, statistic: str = "decile") -> tuple[Times, Times, int]:
    """Return the value [n] of each architecture in ms, its std [n] in ms, and the repeats.

    A visit counts as one repeat: its runs share a session and what else happens at the time.

    * "decile": of a visit the fastest run, and of the visits the lower decile: how long it
      takes undisturbed. Neighbours on the machine only ever make it slower.
    * "median": of a visit the median run, and of the visits the median: how long it takes there
      and then.

    The std is such that ``std / sqrt(repeats)`` is the standard error of the value, from a
    bootstrap of the visits: the spread of the visits themselves would be that of the neighbours.

    Raises
    ------
    MeasureError
        If there is no such statistic.
    """
    if statistic not in STATISTICS:
        msg = f"statistic is {statistic!r}; it must be one of {', '.join(STATISTICS)}"
        raise MeasureError(msg)
    visits = np.min(times, axis=2) if statistic == "decile" else np.median(times, axis=2)
    return _of_visits(visits, STATISTICS[statistic])


def summary_of_joules(joules: Times) -> tuple[Times, Times, int]:
    """Return as `summary` the joules [n] of a run, their std [n] and the repeats: medians.

    What else runs on the machine makes a counter see more, and the work takes longer or shorter
    for it: there is no undisturbed end to look at.
    """
    return _of_visits(joules, 0.5)


def _of_visits(visits: Times, level: float) -> tuple[Times, Times, int]:
    """Return a quantile [n] of the visits [n, rounds], with its std and the repeats."""
    repeats = visits.shape[1]
    drawn = np.random.default_rng(0).integers(0, repeats, (_DRAWS, repeats))
    again = np.quantile(visits[:, drawn], level, axis=2)
    return np.quantile(visits, level, axis=1), again.std(axis=1) * np.sqrt(repeats), repeats
