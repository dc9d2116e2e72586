"""The clients of `python -m benchmarks.languages`: how each is built, checked and run.

Every measurement is a process of its own on one thread, which answers the same number of rows again
and again and prints the medians of its passes. A client has to give the golden bits of the target
first: Python and Node do that in each process, the C++ programs once, by their own `verify`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import Timing

ROOT = Path(__file__).resolve().parents[1]
#: Answers so many rows so many times in a new process; returns the medians of the passes.
Measure = Callable[[int, int], Timing]

_JS = ROOT / "examples" / "js"
_CPP = ROOT / "examples" / "cpp"
#: Seconds that one command may take: compilers and npm are slow on busy machines.
_TIMEOUT = 900


@dataclass(frozen=True)
class Room:
    """Where clients are built, and what they predict.

    Attributes
    ----------
    target : str
    artifacts : Path
        Folder of manifest.json.
    work : Path
        An empty folder.
    """

    target: str
    artifacts: Path
    work: Path

    def run(self, command: Sequence[object], folder: Path = ROOT) -> str:
        """Run a command and return what it printed.

        Raises
        ------
        RuntimeError
            If it fails or takes too long; with the last lines of what it said.
        OSError
            If there is no such program.
        """
        words = [str(word) for word in command]
        settings = {
            "ANB_ONNX_ARTIFACTS": str(self.artifacts),
            "ONNXRUNTIME_NODE_INSTALL": "skip",  # it would fetch CUDA
            "NO_COLOR": "1",
        }
        try:
            done = subprocess.run(
                words, cwd=folder, env={**os.environ, **settings}, capture_output=True, text=True,
                timeout=_TIMEOUT, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            msg = f"{Path(words[0]).name} took more than {_TIMEOUT} s"
            raise RuntimeError(msg) from None
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
            name = " ".join([Path(words[0]).name, *words[1:3]])
            msg = f"{name}: {'; '.join(line.strip() for line in said) or 'no output'}"
            raise RuntimeError(msg)
        return done.stdout


@dataclass(frozen=True)
class Group:
    """Clients that are built together.

    Attributes
    ----------
    clients : mapping
        Name of each client, and the command that measures it alone.
    open : callable
        Builds them in a room; returns how each is measured, and versions of what they use.
    """

    clients: Mapping[str, str]
    open: Callable[[Room], tuple[dict[str, Measure], dict[str, str]]]


NATIVE = "Python, native engine"
_PYTHON = {NATIVE: "native", "Python, onnxruntime": "onnxruntime"}
_STANDALONE = "C++, standalone header"
_CPP_ORT = "C++, onnxruntime"
_NODE = {
    "Node, TypedArrays": "pure",
    "Node, onnxruntime-node": "ort-node",
    "Node, onnxruntime-web (wasm)": "ort-web",
}


def groups(target: str) -> list[Group]:
    """Return all clients there are, with their commands for a target."""
    python = "python -m benchmarks.python_client"
    return [
        Group({name: f"{python} {target} --engine {e}" for name, e in _PYTHON.items()}, _python),
        Group({_STANDALONE: f"anb_standalone bench {target}"}, _standalone),
        Group({_CPP_ORT: f"anb_bench {target}"}, _cpp_onnxruntime),
        Group(dict.fromkeys(_NODE, f"npm run bench -- {target}"), _node),
    ]


def _python(room: Room) -> tuple[dict[str, Measure], dict[str, str]]:
    from importlib.metadata import version

    def measure(engine: str, rows: int, repeats: int) -> Timing:
        command = [sys.executable, "-m", "benchmarks.python_client", room.target]
        options = ["--engine", engine, "--rows", rows, "--repeats", repeats]
        return _from_json(room.run([*command, *options]))

    versions = {"Python": sys.version.split()[0], "its onnxruntime": version("onnxruntime")}
    return {name: partial(measure, engine) for name, engine in _PYTHON.items()}, versions


def _standalone(room: Room) -> tuple[dict[str, Measure], dict[str, str]]:
    folder = room.work / "standalone"
    _cmake(room, _CPP / "standalone", folder, "-DANB_NATIVE=ON")
    program = folder / "anb_standalone"
    room.run([program, "verify", room.target])
    versions = {"C++ compiler": _first_line(room, [os.environ.get("CXX", "c++"), "--version"])}
    return {_STANDALONE: partial(_bench, room, [program, "bench"])}, versions


def _cpp_onnxruntime(room: Room) -> tuple[dict[str, Measure], dict[str, str]]:
    folder = room.work / "cpp"
    _cmake(room, _CPP, folder, f"-DANB_ONNXRUNTIME_LIBRARY={_library()}")
    room.run([folder / "anb_query", "--verify", room.target])
    return {_CPP_ORT: partial(_bench, room, [folder / "anb_bench"])}, {}


def _node(room: Room) -> tuple[dict[str, Measure], dict[str, str]]:
    ignored = shutil.ignore_patterns("node_modules", "dist")
    package = Path(shutil.copytree(_JS, room.work / "examples" / "js", ignore=ignored))
    room.run(["npm", "ci", "--no-audit", "--no-fund"], package)  # and its build
    versions = {"Node": _first_line(room, ["node", "--version"]).removeprefix("v")}
    for name in ("onnxruntime-node", "onnxruntime-web"):
        facts = json.loads((package / "node_modules" / name / "package.json").read_text("utf-8"))
        versions[name] = facts["version"]

    def measure(engine: str, rows: int, repeats: int) -> Timing:
        command = ["node", "bench/one.mjs", room.target, engine, rows, repeats]
        return _from_json(room.run(command, package))

    return {name: partial(measure, engine) for name, engine in _NODE.items()}, versions


def _cmake(room: Room, source: Path, folder: Path, option: str) -> None:
    room.run(["cmake", "-S", source, "-B", folder, option])
    room.run(["cmake", "--build", folder])


def _library() -> Path:
    """Return onnxruntime's shared library inside the Python package."""
    import onnxruntime

    folder = Path(onnxruntime.__file__).parent / "capi"
    found = [*sorted(folder.glob("libonnxruntime.so.*")), *folder.glob("libonnxruntime.*dylib")]
    if not found:
        msg = f"no libonnxruntime in {folder}"
        raise FileNotFoundError(msg)
    return found[0]


def _bench(room: Room, command: list[object], rows: int, repeats: int) -> Timing:
    options = ["--rows", rows, "--repeats", repeats]
    printed = room.run([*command, room.target, *options])
    facts = dict(line.split("\t") for line in printed.splitlines())
    wall, cpu = (rows / float(facts[f"median_per_{clock}"]) for clock in ("second", "cpu_second"))
    return Timing(wall, cpu)


def _from_json(printed: str) -> Timing:
    facts: dict[str, Any] = json.loads(printed.strip().splitlines()[-1])
    return Timing(facts["wall"], facts["cpu"])


def _first_line(room: Room, command: list[object]) -> str:
    return room.run(command).partition("\n")[0]
