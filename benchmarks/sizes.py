"""How large the wheel, the installed package and the artifacts are."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from anb_onnx.catalog.benchmarks import find_benchmark

_ROOT = Path(__file__).resolve().parents[1]


def sizes(work: Path) -> dict[str, Any]:
    """Return bytes of each bundled artifact, alone and compressed, and of the wheel."""
    catalog = find_benchmark()
    artifacts = {}
    for artifact in catalog.artifacts:
        content = artifact.read()
        artifacts[artifact.target.name] = {
            "bytes": len(content),
            "gzip": len(gzip.compress(content, 6)),
            "form": artifact.card.get("form"),
        }
    return {"artifacts": artifacts, "folder": catalog.folder.name, "wheel": _wheel(work)}


def _wheel(work: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    run = subprocess.run(
        [*command, "--wheel-dir", str(work / "wheel"), str(_ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    wheels = list((work / "wheel").glob("*.whl"))
    if run.returncode or not wheels:
        reason = (run.stderr or run.stdout).strip().splitlines()
        return {"not_run": f"pip wheel failed: {reason[-1] if reason else 'no output'}"}
    with zipfile.ZipFile(wheels[0]) as archive:
        code = sum(i.file_size for i in archive.infolist() if "/artifacts/" not in i.filename)
        whole = sum(i.file_size for i in archive.infolist())
    return {
        "name": wheels[0].name,
        "bytes": wheels[0].stat().st_size,
        "unpacked": whole,
        "code": code,
    }
