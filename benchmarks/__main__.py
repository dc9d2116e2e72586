"""Runs everything and writes the results; see `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from anb_onnx.catalog.benchmarks import find_benchmark
from benchmarks import (
    bits,
    cold_start,
    graph_forms,
    limit,
    machine,
    memory,
    report,
    single,
    sizes,
    throughput,
)
from benchmarks.contenders import open_contenders
from benchmarks.settings import QUICK, Settings
from benchmarks.subject import Subject, open_subject


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks; return 0."""
    args = _parse(argv)
    settings = QUICK if args.quick else Settings()
    if args.bits is not None:
        settings = replace(settings, bits=args.bits)
    share = machine.core_share()
    facts, watch = machine.describe(), machine.Watch()
    early = machine.warnings(watch.report(), share, facts["processors"])
    machine.warn(early)
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        results: dict[str, Any] = {"command": report.COMMAND, "settings": asdict(settings)}
        _say("compiling the members into tables")
        subject = open_subject(args.members, args.dataset, work)
        results["subject"] = subject.facts()
        _measure(results, subject, settings, work)
    seen = watch.report()
    results |= {"machine": facts, "watch": seen, "core_share": share}
    results["warnings"] = machine.warnings(seen, share, facts["processors"])
    machine.warn([message for message in results["warnings"] if message not in early])
    text = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False)
    (args.out / "results.json").write_text(f"{text}\n", encoding="utf-8")
    report.write(results, args.out, args.pages)
    _say(f"wrote {args.out / 'results.md'} after {seen['seconds']:.0f} s")
    return 0


def _measure(results: dict[str, Any], subject: Subject, settings: Settings, work: Path) -> None:
    """Fill in all sections. One that fails is listed with the reason, and the others go on."""

    def section(key: str, run: Callable[[], Any]) -> None:
        began = time.perf_counter()
        try:
            results[key] = run()
        except Exception as error:
            results[key] = {"not_run": f"{type(error).__name__}: {error}"}
            _say(f"{key}: not run, {results[key]['not_run']}")
        else:
            _say(f"{key}: {time.perf_counter() - began:.1f} s")

    target = subject.training.target
    section("sizes", lambda: sizes.sizes(work))
    section(
        "cold_start",
        lambda: {
            "native": cold_start.native_cost(settings, subject.artifact),
            "processes": cold_start.processes(settings, _bundled(target), subject),
            "steps": cold_start.steps(settings, subject.artifact, subject),
        },
    )
    section("memory", lambda: memory.peaks(settings, subject.artifact))
    section("limit", lambda: limit.roofline(subject.ensemble, settings))
    section("graph_forms", lambda: graph_forms.compare(subject.ensemble, settings))
    section("bits", lambda: bits.agreement(settings.bits))
    section("together", lambda: throughput.together(settings))
    began = time.perf_counter()
    contenders, failed = open_contenders(subject, settings, work)
    _say(f"opening contenders: {time.perf_counter() - began:.1f} s")
    for rival in failed:
        _say(f"not run: {rival.name}: {rival.reason}")
    results["not_run"] = [asdict(rival) for rival in failed]
    section("comparison", lambda: throughput.compare(contenders, settings))
    section("curve", lambda: throughput.curve(contenders, settings))
    section("single", lambda: single.latencies(subject, contenders, settings))


def _bundled(target: str) -> str:
    """Return the target if it is bundled, else the first that is."""
    names = [artifact.target.name for artifact in find_benchmark().artifacts]
    return target if target in names else names[0]


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure anb_onnx and its rivals on one ensemble, and write tables and plots.",
        epilog="Run it from the root of a checkout, on an idle machine. Artifacts are those of the "
        "checkout, or of ANB_ONNX_ARTIFACTS.",
    )
    parser.add_argument(
        "--members", type=Path, required=True, metavar="DIR",
        help="members, as `anb-export train --recipe compact` writes them",
    )  # fmt: skip
    parser.add_argument(
        "--dataset",
        type=Path,
        metavar="PATH",
        help="data set to train the members on if DIR has none",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results"), metavar="DIR",
        help="where results.json, results.md and plots go (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument(
        "--bits", type=int, metavar="N", help="architectures for the check of bit equality"
    )
    parser.add_argument(
        "--pages", type=Path, default=report.ROOT, metavar="DIR",
        help="root of the README.md and docs/performance.md to fill (default: the checkout)",
    )  # fmt: skip
    return parser.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main())
