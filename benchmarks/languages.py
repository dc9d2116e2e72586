"""Measures one ensemble in every language: `python -m benchmarks.languages --help`.

Clients take turns, A B C A B C, each measurement in a process of its own; ratios are those of the
same round. Writes languages.json and, with --write-docs, the block of docs/embedding.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anb_export.reports.markdown import paragraph, table

from anb_onnx.catalog.benchmarks import find_benchmark
from benchmarks import machine, measure, report, sections
from benchmarks.clients import NATIVE, Group, Measure, Room, groups
from benchmarks.formats import rate, times
from benchmarks.measure import Timing

#: The page with the generated block, and the word in its markers.
PAGE, WORD = "docs/embedding.md", "languages"
COMMAND = "python -m benchmarks.languages"


@dataclass(frozen=True)
class Plan:
    """How long to measure: rounds, seconds per client and round, rows per call."""

    rounds: int
    seconds: float
    rows: int


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write, or write again what was measured; return 0."""
    args = _parse(argv)
    file = args.out / "languages.json"
    if args.again:
        results = json.loads(file.read_text(encoding="utf-8"))
    else:
        results = measured(args.target, Plan(args.rounds, args.seconds, args.rows))
        args.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False)
        file.write_text(f"{text}\n", encoding="utf-8")
        _say(f"wrote {file} after {results['watch']['seconds']:.0f} s")
    block = markdown(results)
    if not args.write_docs:
        print(block)
    elif not results["clients"]:
        _say(f"no client ran: {PAGE} stays as it is")
        return 1
    elif not report.fill(args.pages / PAGE, WORD, block):
        _say(f"{args.pages / PAGE} has no block <!-- {WORD}:begin --> ... to fill")
        return 1
    return 0


def measured(target: str, plan: Plan) -> dict[str, Any]:
    """Build and measure all clients; return what goes into languages.json."""
    catalog = find_benchmark()
    artifact = catalog.find(target)
    share = machine.core_share()
    facts, watch = machine.describe(), machine.Watch()
    early = machine.warnings(watch.report(), share, facts["processors"])
    machine.warn(early)
    with tempfile.TemporaryDirectory() as folder:
        room = Room(target, catalog.folder.resolve(), Path(folder))
        found = compare(groups(target), room, plan)
    seen = watch.report()
    warnings = machine.warnings(seen, share, facts["processors"])
    machine.warn([message for message in warnings if message not in early])
    return {
        "command": COMMAND,
        "settings": {"rounds": plan.rounds, "seconds": plan.seconds, "rows": plan.rows},
        "target": target,
        "members": artifact.card["members"],
        **found,
        "machine": facts,
        "watch": seen,
        "core_share": share,
        "warnings": warnings,
    }


def compare(found: Sequence[Group], room: Room, plan: Plan) -> dict[str, Any]:
    """Time all clients round by round.

    Returns
    -------
    dict
        ``clients``: per client its command, rates, and how many times as fast Python's native
        engine is (``native``), in processor time. ``not_run``: the others with the reason.
        ``versions`` of what they use.
    """
    commands = {name: command for group in found for name, command in group.clients.items()}
    versions: dict[str, str] = {}
    ready: dict[str, Measure] = {}
    failed: dict[str, str] = {}
    for group in found:
        names = ", ".join(group.clients)
        try:
            opened, used = group.open(room)
        except Exception as error:
            failed |= dict.fromkeys(group.clients, _reason(error))
            _say(f"not run: {names}: {_reason(error)}")
        else:
            ready |= opened
            versions |= used
            _say(f"built: {names}")
    repeats: dict[str, int] = {}
    timings: dict[str, list[Timing]] = {name: [] for name in ready}
    for turn in range(plan.rounds + 1):  # the first says how many passes take how long
        for name, run in ready.items():
            if name in failed:
                continue
            try:
                timing = run(plan.rows, repeats.get(name, 3))
            except Exception as error:
                failed[name] = _reason(error)
                _say(f"not run: {name}: {failed[name]}")
                continue
            if turn:
                timings[name].append(timing)
            repeats.setdefault(name, max(1, round(plan.seconds / timing.wall)))
        _say(f"round {turn} of {plan.rounds}")
    clients: dict[str, Any] = {}
    for name in ready:
        if name not in failed:
            clients[name] = {
                "command": commands[name],
                "calls_per_round": repeats[name],
                **measure.rates(timings[name], plan.rows),
            }
            if NATIVE in ready and NATIVE not in failed:
                clients[name]["native"] = measure.ratios(
                    timings[name], timings[NATIVE], (plan.rows, plan.rows), "cpu"
                )
    not_run = [
        {"name": name, "command": commands[name], "reason": failed[name]}
        for name in commands
        if name in failed
    ]
    return {"clients": clients, "not_run": not_run, "versions": versions}


def markdown(results: Mapping[str, Any]) -> str:
    """Return the block of docs/embedding.md."""
    settings, m = results["settings"], results["machine"]
    rounds = f"{settings['rounds']} round{'s' if settings['rounds'] > 1 else ''}"
    intro = (
        f"Predictions per second of mean and std ({results['target']}, {results['members']} "
        f"members) from codes in memory, {settings['rows']:,} per call, on one thread. "
        f"`{results['command']} --write-docs` builds the clients, has each give the golden bits of "
        f"the target, and lets them take turns: {rounds} of {settings['seconds']:g} s per client, "
        "every measurement in a process of its own and the median of its calls. Figures are the "
        "medians of the rounds, with the smallest and the largest; ratios are those of the same "
        "round, in processor time, which in Node includes V8's own threads. The C++ programs are "
        "built as in [examples/cpp](../examples/cpp), the standalone header with "
        "`-DANB_NATIVE=ON`. *Alone*: what measures a client by itself; `npm run bench` in "
        "[examples/js](../examples/js), which prints the best of five calls."
    )
    rows = [
        [
            name, f"`{f['command']}`", rate(f["rows_per_second"]), rate(f["rows_per_cpu_second"]),
            times(f["native"]) if "native" in f and name != NATIVE else "-",
        ]
        for name, f in sections.ranked(results["clients"])
    ]  # fmt: skip
    header = ["client", "alone", "predictions/s", "per s of processor",
              "Python's native engine is faster by"]  # fmt: skip
    versions = ", ".join(f"{name} {text}" for name, text in results["versions"].items())
    where = (
        f"{m['processor']}{' (virtual)' if m['virtual'] else ''}, {m['processors']} processors, "
        f"{m['system']}. {versions}. {sections.machine(results)[1]}"
    )
    parts = [paragraph(intro), table(header, rows, left=2)]
    if results["not_run"]:
        missing = [
            [f["name"], f"`{f['command']}`", f["reason"].replace("|", "/")]
            for f in results["not_run"]
        ]
        parts.append(table(["not run", "alone", "reason"], missing, left=3))
    return "\n\n".join([*parts, paragraph(where)])


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return (text if isinstance(error, RuntimeError) else f"{type(error).__name__}: {text}")[-400:]


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Measure the clients in Python, C++ and Node on one artifact, in turns.",
        epilog="Run it from the root of a checkout, on an idle machine, with cmake, a C++ "
        "compiler, node and npm; without them, or without npm's registry, their clients are listed "
        "as not run. Artifacts are those of the checkout, or of ANB_ONNX_ARTIFACTS.",
    )
    parser.add_argument("--target", default="accuracy", help="default: %(default)s")
    parser.add_argument("--rounds", type=_positive, default=5, help="default: %(default)s")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="per client and round (default: %(default)s)"
    )
    parser.add_argument(
        "--rows", type=_positive, default=262_144, help="per call (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results"), metavar="DIR",
        help="where languages.json goes (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--write-docs", action="store_true",
        help=f"fill the block of {PAGE} rather than printing it",
    )  # fmt: skip
    parser.add_argument(
        "--again", action="store_true", help="measure nothing: take languages.json from DIR"
    )
    parser.add_argument(
        "--pages", type=Path, default=report.ROOT, metavar="DIR",
        help=f"root of the {PAGE} to fill (default: the checkout)",
    )  # fmt: skip
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        msg = f"must be at least 1, not {value}"
        raise argparse.ArgumentTypeError(msg)
    return value


if __name__ == "__main__":
    raise SystemExit(main())
