"""Files of many architectures through the command: `python -m benchmarks.bulk_io`.

Seconds, seconds of the processor and peak memory of `anb-onnx sample` and of `anb-onnx query` for
all targets of the bundled benchmark, from and to each format. Each command is a process of its own.
Prints a table in Markdown.

``--before TREE`` measures another state of the sources, too, for example a `git worktree` of an
earlier commit. What it does not write stays empty.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

_ROOT = Path(__file__).parents[1]

#: Of a command: what it reads, and what it writes; drawn where it reads nothing.
_WAYS = (
    (None, "csv"),
    (None, "parquet"),
    ("csv", "csv"),
    ("csv", "parquet"),
    ("parquet", "parquet"),
    ("csv", "txt"),
    ("csv", "json"),
)


class Figures(NamedTuple):
    """What a command took: seconds, seconds of the processor, MB at most."""

    wall: float
    cpu: float
    memory: float


def measured(tree: Path, argv: list[str]) -> Figures | None:
    """Return what a command took, or None where it ends with an error."""
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    start = time.perf_counter()
    command = [sys.executable, "-m", "anb_onnx.cli.main", *argv]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, cwd=tree)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        return None
    cpu = used.ru_utime + used.ru_stime
    return Figures(time.perf_counter() - start, cpu, used.ru_maxrss / 1024)


def command_of(source: str | None, to: str, rows: int, folder: Path) -> list[str]:
    """Return the arguments of one way."""
    out = str(folder / f"{'drawn' if source is None else 'found'}.{to}")
    if source is None:
        return ["sample", str(rows), "--seed", "1", "--out", out, "--format", to]
    shape = [f"--{to}"] if to in ("csv", "json") else []  # which no suffix said once
    return ["query", "--file", str(folder / f"drawn.{source}"), *shape, "--out", out]


def is_true(path: Path) -> bool:
    """Say whether a file holds what its suffix says: earlier versions wrote text into any."""
    with path.open("rb") as file:
        return (file.read(4) == b"PAR1") == (path.suffix == ".parquet")


def rows_of(tree: Path, now: Path, rows: int) -> list[Figures | None]:
    """Return the figures of all ways for so many architectures."""
    found: list[Figures | None] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for to in ("csv", "parquet"):  # what is read is the same for every state of the sources
            measured(now, command_of(None, to, rows, folder))
        for source, to in _WAYS:
            argv = command_of(source, to, rows, folder)
            out = Path(argv[argv.index("--out") + 1])
            kept = out.read_bytes() if source is None else None
            figures = measured(tree, argv)
            found.append(figures if figures is not None and is_true(out) else None)
            if kept is not None:
                out.write_bytes(kept)
            else:
                out.unlink(missing_ok=True)
    return found


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--before", type=Path, metavar="TREE")
    args = parser.parse_args()
    trees = {"": _ROOT} if args.before is None else {"before": args.before, "after": _ROOT}
    columns = [(n, title) for n in args.rows for title in trees]
    found = {c: rows_of(trees[c[1]].resolve(), _ROOT, c[0]) for c in columns}
    print("| command |" + "".join(f" {n:,} {title} |" for n, title in columns))
    print("| --- |" + " ---: |" * len(columns))
    for place, (source, to) in enumerate(_WAYS):
        name = f"sample, {to}" if source is None else f"query, {source} to {to}"
        cells = [found[column][place] for column in columns]
        texts = [
            "-" if f is None else f"{f.wall:.1f} s ({f.cpu:.1f} s), {f.memory:,.0f} MB"
            for f in cells
        ]
        print(f"| {name} | " + " | ".join(texts) + " |")


if __name__ == "__main__":
    main()
