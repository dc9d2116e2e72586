"""Builds wheel and sdist of all distributions twice, compares the bytes, and prints their hashes.

`python tests/wheel/release.py --out dist`. What is built is what git tracks, as it lies in the
checkout. The two builds differ in folder, time of the files, umask, locale and time zone.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: Folders of the distributions.
DISTRIBUTIONS = (".", "export", "spaces")

#: What differs between the builds: umask, variables, and the time of all files.
SURROUNDINGS: tuple[tuple[int, dict[str, str], int], ...] = (
    (0o022, {"LC_ALL": "C", "TZ": "UTC"}, 1_600_000_000),
    (0o077, {"LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo", "HOME": "/nonexistent"}, 1_700_000_001),
)

_BUILD = "import sys, hatchling.build as b; b.build_wheel(sys.argv[1]); b.build_sdist(sys.argv[1])"


def copy(to: Path, umask: int, time: int) -> None:
    """Copy what git tracks, with modes by a umask and times of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True
    ).stdout
    for name in listed.decode().split("\0"):
        source = ROOT / name
        if not name or not source.is_file():
            continue
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod((0o777 if os.access(source, os.X_OK) else 0o666) & ~umask)
        os.utime(target, (time, time))


def build(place: Path, number: int) -> dict[str, bytes]:
    """Return the files of all distributions, by name, of one of the two builds."""
    umask, variables, time = SURROUNDINGS[number]
    checkout, out = place / f"checkout-{number}" / ("deeper" * number), place / f"out-{number}"
    copy(checkout, umask, time)
    epoch = {"SOURCE_DATE_EPOCH": "1580601600"}  # hatchling's own, if nothing is set
    for folder in DISTRIBUTIONS:
        subprocess.run(
            [sys.executable, "-c", _BUILD, str(out)],
            cwd=checkout / folder,
            env={**os.environ, **variables, **epoch},
            umask=umask,
            check=True,
        )
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        first, second = (build(Path(name), number) for number in (0, 1))
    different = sorted(n for n in first.keys() | second.keys() if first.get(n) != second.get(n))
    if different:
        print(f"two builds differ: {', '.join(different)}", file=sys.stderr)
        return 1
    shutil.rmtree(arguments.out, ignore_errors=True)
    arguments.out.mkdir(parents=True)
    for file, content in first.items():
        (arguments.out / file).write_bytes(content)
        print(f"{hashlib.sha256(content).hexdigest()}  {file}  {len(content):,} bytes")
    print(f"{len(first)} files in {arguments.out}, twice the same bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
