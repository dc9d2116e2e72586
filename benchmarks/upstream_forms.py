"""The reference's nine ensembles in every form that takes them: size, cost, bits, speed, fidelity.

    python -m benchmarks.upstream_forms --members DIR [--n 5000] [--out FILE.md]

DIR holds one folder of upstream members per target, as `anb-export compare` leaves them in
WORK/upstream. Each conversion is a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime

import anb_onnx

NINE = (
    "accuracy",
    *(f"throughput_{d}" for d in ("a100", "3090", "tpuv2", "tpuv3", "zcu102", "vck190")),
    *(f"latency_{d}" for d in ("zcu102", "vck190")),
)
HEADER = (
    "target",
    "form",
    "trees",
    "file MB",
    "convert s",
    "peak GB",
    "rows/s, 1 thread",
    "rows that change with threads or batch",
    "R2 to the ensemble",
    "tau to the ensemble",
)


def convert(arguments: list[str]) -> tuple[float, float]:
    """Run one conversion; return its seconds and its peak memory in GB."""
    code = (
        "import re, sys\n"
        "from anb_export.cli import main\n"
        "code = main(sys.argv[1:])\n"
        # Not ru_maxrss, which starts at the peak of the process that forked this one.
        "peak = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read()).group(1)\n"
        "sys.stderr.write(f'peak {peak}\\n')\n"
        "sys.exit(code)"
    )
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"anb-export {' '.join(arguments)}: {done.stderr.strip()[-400:]}")
    return seconds, int(done.stderr.split("peak ")[-1]) / 1e6


def session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path.read_bytes(), options, ["CPUExecutionProvider"])


def answers(path: Path, codes: np.ndarray, threads: int, batch: int) -> list[np.ndarray]:
    opened = session(path, threads)
    names = ["mean", "std", "members"]
    parts = [
        opened.run(names, {"architectures": codes[i : i + batch]})
        for i in range(0, len(codes), batch)
    ]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def changing_rows(path: Path, codes: np.ndarray) -> int:
    wanted = answers(path, codes, 1, 64)
    changed = np.zeros(len(codes), dtype=bool)
    for threads, batch in ((1, 1), (1, 7), (2, 64), (2, 256)):
        for a, b in zip(answers(path, codes, threads, batch), wanted, strict=True):
            different = a.view(np.uint32) != b.view(np.uint32)
            changed |= different if different.ndim == 1 else different.any(axis=1)
    return int(changed.sum())


def speed(path: Path, codes: np.ndarray) -> float:
    opened = session(path, 1)
    best, began = 0.0, time.perf_counter()
    while time.perf_counter() - began < 1.0 or not best:
        start = time.perf_counter()
        opened.run(["mean", "std"], {"architectures": codes})
        best = max(best, len(codes) / (time.perf_counter() - start))
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--members", type=Path, required=True)
    parser.add_argument("--n", type=int, default=2000, help="architectures of the fidelity report")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--target", action="append")
    options = parser.parse_args()
    # So few, because the largest ensemble answers 50 per second.
    codes = anb_onnx.sample(256, seed=5, space=anb_onnx.MNASNET)
    rows = []
    for target in options.target or NINE:
        members = options.members / target
        document = json.loads((members / "training.json").read_text())
        trees = sum(m["rounds"] for m in document["members"])
        for form in ("tree64", "projected"):
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "model.onnx"
                command = {
                    "tree64": ["convert", str(members), "--out", str(file), "--form", "tree64"],
                    "projected": [
                        "project",
                        str(members),
                        "--out",
                        str(file),
                        "--n",
                        str(options.n),
                    ],
                }[form]
                seconds, peak = convert(command)
                card = json.loads((Path(folder) / "manifest.json").read_text())["targets"][target]
                fidelity = card.get("fidelity", {})
                rows.append(
                    [
                        target,
                        form,
                        f"{trees:,}",
                        f"{file.stat().st_size / 1e6:.2f}",
                        f"{seconds:.1f}",
                        f"{peak:.2f}",
                        f"{speed(file, codes):,.0f}",
                        f"{changing_rows(file, codes)} of {len(codes)}",
                        f"{fidelity['r2']:.5f}" if fidelity else "exact",
                        f"{fidelity['kendall_tau']:.4f}" if fidelity else "exact",
                    ]
                )
                print(" | ".join(rows[-1]), flush=True)
    text = "\n".join(
        ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
        + ["| " + " | ".join(row) + " |" for row in rows]
    )
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
