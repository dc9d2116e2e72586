"""`anb-onnx info`: a benchmark or one of its targets, on one screen."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Iterable
from typing import Any, TextIO

from anb_onnx._io.program import OK
from anb_onnx._io.show import printable
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.catalog.catalog import Artifact, Catalog
from anb_onnx.catalog.facts import facts
from anb_onnx.catalog.notes import note_of
from anb_onnx.cli.arguments import add_benchmark, command
from anb_onnx.cli.write import write_aligned

_COLUMNS = 80
_BETTER = {"max": "more", "min": "less"}


def add_command(commands: Any) -> None:
    """Add the command."""
    text = "tell what a target predicts, how well, and where it is from"
    info = command(commands, "info", _run, text)
    info.add_argument(
        "target",
        nargs="?",
        metavar="TARGET",
        help="a target of 'anb-onnx targets' (default: the benchmark as a whole)",
    )
    add_benchmark(info)
    info.add_argument("--json", action="store_true", help="print the whole model card as JSON")


def _run(args: argparse.Namespace) -> int:
    catalog = find_benchmark(args.benchmark, args.artifacts)
    if args.target is not None:
        artifact = catalog.find(args.target)
        if args.json:
            _write_json(dict(artifact.card))
        else:
            _write_target(sys.stdout, artifact)
    elif args.json:
        _write_json({a.target.name: dict(a.card) for a in catalog.artifacts})
    else:
        _write_benchmark(sys.stdout, catalog)
    return OK


def _write_json(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


def _write_target(stream: TextIO, artifact: Artifact) -> None:
    card = artifact.card
    lines = facts(artifact.target, card)
    lines.append(("file", f"{artifact.path} ({card.bytes or 0:,} bytes)"))
    stream.write(f"{printable(artifact.target.name)}, of the benchmark {artifact.benchmark}\n\n")
    write_facts(stream, lines)
    stream.write("\nThe whole model card: --json\n")


def write_facts(stream: TextIO, lines: Iterable[tuple[str, str]]) -> None:
    """Write facts by their names, each wrapped beside its name."""
    lines = [(printable(name), printable(text)) for name, text in lines]
    width = max((len(name) for name, _ in lines), default=0) + 4
    for name, text in lines:
        wrapped = textwrap.fill(
            text,
            _COLUMNS,
            initial_indent=f"  {name.ljust(width - 2)}",
            subsequent_indent=" " * width,
            # Paths and digests stay whole, to be copied.
            break_long_words=False,
            break_on_hyphens=False,
        )
        stream.write(wrapped + "\n")


def _write_benchmark(stream: TextIO, catalog: Catalog) -> None:
    space, artifacts = catalog.space, catalog.artifacts
    cards = [a.card for a in artifacts]
    sets = {f"{c.dataset['name']} ({c.dataset['license']})" for c in cards if c.dataset}
    names = {a.target.name: note_of(a.target.name, a.card) for a in artifacts}
    stream.write(f"{catalog.benchmark}\n\n")
    lines = [
        (
            "space",
            f"{space.name}: {space.n_blocks} blocks, {space.n_genes} genes, {space.size:,} "
            "architectures",
        ),
        ("targets", f"{len(artifacts)}, in {sum(c.bytes or 0 for c in cards) / 1e6:.1f} MB"),
        ("data", ", ".join(sorted(sets))),
        *((name, note) for name, note in names.items() if note),
        ("folder", str(catalog.folder)),
    ]
    write_facts(stream, [(name, text) for name, text in lines if text])
    stream.write("\n")
    header = ["target", "unit", "better", "tau", "90 % interval holds"]
    write_aligned(stream, header, lambda: map(_row, artifacts), header[3:])
    stream.write("\nOne target: anb-onnx info TARGET\n")


def _row(artifact: Artifact) -> list[str]:
    """Return a line of the table: rank correlation and coverage on rows that were held out."""
    card, target = artifact.card, artifact.target
    quality = next((card.quality[p] for p in ("test", "leave_one_out") if p in card.quality), {})
    coverage = card.others.get("coverage", {}).get("test", {}).get("intervals", {}).get("0.9")
    found = quality.get("kendall_tau")
    tau = "exact" if card.exact else "-" if found is None else f"{found:.4f}"
    held = "-" if coverage is None else f"{100 * coverage:.1f} %"
    return [target.name, target.unit, _BETTER[target.direction], tau, held]
