"""What the figures were measured on, and whether it had anything else to do."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = (
    "anb-onnx", "numpy", "llvmlite", "numba", "onnxruntime", "xgboost", "scikit-learn-intelex",
    "treelite", "tl2cgen", "ConfigSpace", "onnx", "onnxmltools",
)  # fmt: skip

#: Above these the figures are of a machine that had other things to do.
_BUSY_LOAD, _BUSY_STEAL, _LOST_CORE = 0.5, 0.02, 0.95


def describe() -> dict[str, Any]:
    """Return the processor, the memory, the system and the versions of all libraries."""
    cpuinfo = _read("/proc/cpuinfo")
    model = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return {
        "processor": model.group(1) if model else platform.processor() or platform.machine(),
        "architecture": platform.machine(),
        "vector": next(
            (name for name in ("avx512f", "avx2", "asimd") if re.search(rf"\b{name}\b", cpuinfo)),
            "unknown",
        ),
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else
        os.cpu_count(),
        "caches": _caches(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        # Without a distributor's suffix, which says nothing about speed.
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "virtual": "hypervisor" in cpuinfo,
        "python": platform.python_version(),
        "compiler": _first_line(["gcc", "--version"]),
        "versions": {name: _version(name) for name in _PACKAGES},
    }  # fmt: skip


class Watch:
    """Notes load and stolen time while the benchmarks run."""

    def __init__(self) -> None:
        self._load = _load()
        self._ticks = _ticks()
        self._began, self._cpu = time.time(), os.times()

    def report(self) -> dict[str, Any]:
        """Return what else the machine did since this object was made."""
        ticks, now = _ticks(), os.times()
        total = sum(ticks) - sum(self._ticks)
        busy = total - (ticks[3] + ticks[4] - self._ticks[3] - self._ticks[4]) if total else 0
        steal = (ticks[7] - self._ticks[7]) / total if total else None
        own = sum(now[:4]) - sum(self._cpu[:4])  # of this process and its children
        hertz = os.sysconf("SC_CLK_TCK")
        return {
            "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._began)),
            "seconds": time.time() - self._began,
            "load_average_before": self._load,
            "load_average_after": _load(),
            "stolen_share": steal,
            "processor_seconds": own,
            "processor_seconds_of_others": max(0.0, busy / hertz - own) if total else None,
        }


def core_share(seconds: float = 0.3) -> float:
    """Return the share of one core that one busy thread of this process gets now."""
    wall, cpu = time.perf_counter(), time.thread_time()
    while time.perf_counter() - wall < seconds:
        pass
    return (time.thread_time() - cpu) / (time.perf_counter() - wall)


def warnings(watch: dict[str, Any], share: float, processors: int) -> list[str]:
    """Return what speaks against taking the figures for those of an idle machine."""
    found = []
    before = watch["load_average_before"]
    if before is not None and before > _BUSY_LOAD * processors:
        found.append(f"the load average was {before:.2f} before the run")
    if share < _LOST_CORE:
        found.append(f"one busy thread got {share:.0%} of a core")
    if (watch["stolen_share"] or 0) > _BUSY_STEAL:
        found.append(f"the hypervisor gave {watch['stolen_share']:.1%} of the time to others")
    others = watch["processor_seconds_of_others"]
    if others is not None and others > 0.05 * watch["seconds"] * processors:
        found.append(f"other processes used {others:.0f} s of processor time during the run")
    return found


def warn(messages: list[str]) -> None:
    """Print warnings to standard error."""
    for message in messages:
        print(f"WARNING: the machine is busy: {message}", file=sys.stderr)


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _ticks() -> list[int]:
    """Return user, nice, system, idle, iowait, irq, softirq, steal of all processors, or zeros."""
    line = _read("/proc/stat").partition("\n")[0].split()
    return [int(word) for word in line[1:9]] if len(line) > 8 else [0] * 8


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):
        return None


def _caches() -> dict[str, str]:
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (_read(str(folder / n)).strip() for n in ("level", "type", "size"))
        if kind != "Instruction" and level:
            found[f"L{level}"] = size
    return found


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _first_line(command: list[str]) -> str | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split(
            "\n"
        )[0]
    except (OSError, subprocess.CalledProcessError):
        return None
