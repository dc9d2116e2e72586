"""Builds and runs the C++ examples for `test_cpp`.

Each program is built once per test run, also where several processes share the tests.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import shutil
import stat
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from numpy.typing import NDArray

from anb_onnx.links import Link
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms

CPP = Path(__file__).resolve().parents[1] / "examples" / "cpp"
#: Programs of the tests themselves.
SOURCES = Path(__file__).resolve().parent / "cpp"
STRICT = "-Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Werror"
#: Flags with which a program ends with a message at any bad access or overflow.
SANITIZED = ("-O1", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
#: Seconds for one command: compilers are slow on busy machines.
TIMEOUT = 900

Bits = NDArray[np.uint32]

#: Columns that the programs print between mean and std and the members.
INTERVAL = ("predictive_std", "lower", "upper")


def missing(reason: str) -> NoReturn:
    """Skip, but fail in continuous integration, where everything is to be there."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"continuous integration must not skip this: {reason}")
    pytest.skip(reason)


def need_compiler() -> str:
    if shutil.which("cmake") is None:
        missing("needs cmake")
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    if not compiler:
        missing("needs a C++ compiler")
    return compiler


def onnxruntime_library() -> Path:
    """Return the shared library inside the Python package."""
    import onnxruntime

    folder = Path(onnxruntime.__file__).parent / "capi"
    found = sorted(folder.glob("libonnxruntime.so.*")) + sorted(
        folder.glob("libonnxruntime.*dylib")
    )
    if not found:
        missing(f"no libonnxruntime in {folder}")
    return found[0]


def processor_has(flag: str) -> bool:
    """Say whether an x86 processor has a feature; False where that cannot be told."""
    info = Path("/proc/cpuinfo")
    return info.is_file() and f" {flag} " in info.read_text(encoding="utf-8")


def configure(source: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return _run(["cmake", "-S", str(source), "-B", str(folder), *options])


def build(
    source: Path, folder: Path, *options: str, flags: str = STRICT, target: str = "all"
) -> Path:
    """Build a CMake project, unless another process of this test run has, and return `folder`."""
    need_compiler()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            flag = f"-DCMAKE_CXX_FLAGS={flags}"
            steps: list[Callable[[], subprocess.CompletedProcess[str]]] = [
                lambda: configure(source, folder, flag, *options),
                lambda: _run(["cmake", "--build", str(folder), "--target", target]),
            ]
            for step in steps:
                result = step()
                assert result.returncode == 0, result.stdout + result.stderr
            (folder / "done").touch()
    return folder


def compile_program(source: Path, program: Path, flags: Sequence[str]) -> Path:
    """Compile a source against the headers, unless another process has, and return `program`."""
    compiler = need_compiler()
    program.parent.mkdir(parents=True, exist_ok=True)
    with program.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            include = [f"-I{CPP / 'standalone'}", f"-I{CPP}"]
            base = ["-std=c++17", "-ffp-contract=off", "-fno-math-errno", "-pthread", *include]
            command = [compiler, *base, *STRICT.split(), *flags, str(source), "-o", str(program)]
            result = _run(command)
            assert result.returncode == 0, result.stderr
    return program


def _run(
    command: Sequence[str], text: str = "", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        input=text,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env={**os.environ, **(environment or {})},
    )


@dataclass(frozen=True)
class Program:
    """A program of the examples; `query` and `verify` are what comes before the arguments."""

    path: Path
    query_words: tuple[str, ...] = ()
    verify_words: tuple[str, ...] = ("--verify",)

    def run(
        self, folder: Path, *arguments: str, text: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        command = [str(self.path), "--artifacts", str(folder), *arguments]
        return _run(command, text, environment)

    def query(
        self, folder: Path, *arguments: str, text: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return self.run(folder, *self.query_words, *arguments, text=text, **environment)

    def verify(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(folder, *self.verify_words, *arguments)

    def bits(self, folder: Path, target: str, text: str) -> Bits:
        """Return the bits [N, 2 + M] of mean, std and members of the lines of `text`."""
        result = self.query(folder, target, "--members", "--hex", text=text)
        assert result.returncode == 0, result.stderr
        header, *rows = (line.split("\t") for line in result.stdout.splitlines())
        kept = [i for i, name in enumerate(header) if name not in INTERVAL]
        values = [[int(row[i], 16) for i in kept] for row in rows]
        return np.array(values, dtype=np.uint32).reshape(-1, len(kept))


@dataclass(frozen=True)
class Folder:
    """A folder of artifacts, read without the package's own readers of files."""

    path: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.path / "manifest.json").read_text("utf-8"))
        return document

    @property
    def targets(self) -> list[str]:
        return list(self.manifest["targets"])

    @cached_property
    def space(self) -> SearchSpace:
        return SearchSpace.from_dict(self.manifest["search_space"])

    def golden(self, target: str | None, name: str) -> NDArray[Any]:
        entry = self.manifest["golden"]
        content = (self.path / entry["file"]).read_bytes()
        for array in entry["arrays"]:
            if (array["target"], array["name"]) == (target, name):
                dtype = np.dtype(array["dtype"]).newbyteorder("<")
                count = int(np.prod(array["shape"]))
                return np.frombuffer(content, dtype, count, array["offset"]).reshape(array["shape"])
        raise KeyError(name)

    def golden_bits(self, target: str) -> Bits:
        parts = [self.golden(target, name) for name in ("mean", "std", "members")]
        return joined_bits(*parts)

    def ensemble(self, target: str) -> TableEnsemble:
        """Return the tables at the manifest's offset in the ONNX file."""
        card = self.manifest["targets"][target]
        tables = card["tables"]
        entries = np.frombuffer(
            (self.path / card["file"]).read_bytes(),
            "<i4",
            tables["entries"] * tables["members"],
            tables["offset"],
        ).reshape(-1, tables["members"])
        return TableEnsemble(
            self.space,
            entries.astype(np.int32),
            float(tables["scale"]),
            float(tables["shift"]),
            Link.from_dict(card["link"]),
            Terms(self.space, card["terms"]),
        )


def joined_bits(mean: NDArray[Any], std: NDArray[Any], members: NDArray[Any]) -> Bits:
    joined = np.column_stack([mean, std, members]).astype("<f4")
    return np.ascontiguousarray(joined).view(np.uint32)


def lines(codes: NDArray[np.integer]) -> str:
    """Return codes [N, genes] as the programs read them."""
    return "".join(" ".join(map(str, row)) + "\n" for row in codes.tolist())


def start(
    program: Program,
    folder: Path,
    *words: str,
    memory: int | None = None,
    cpu: int | None = None,
    prepare: Callable[[], object] = lambda: None,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run a program with limits (bytes, seconds of processor time) and after `prepare`."""

    def limit() -> None:
        for kind, value in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, cpu)):
            if value is not None:
                resource.setrlimit(kind, (value, value))
        prepare()

    standard = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE} | options
    return subprocess.run(
        [str(program.path), "--artifacts", str(folder), *words],
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT,
        check=False,
        preexec_fn=limit,
        **standard,
    )


def refused(result: subprocess.CompletedProcess[str], message: str = "") -> None:
    """Check that a program ended with one line that holds the message."""
    assert result.returncode == 2, (result.returncode, result.stderr)
    assert result.stderr.count("\n") == 1, result.stderr
    assert ": error: " in result.stderr
    assert message in result.stderr


def make_node(path: Path, number: int) -> None:
    """Make a character device of the memory driver in the test's own folder."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, number))
        path.open("rb").close()
    except PermissionError:
        pytest.skip("making and opening device nodes is not permitted here")
