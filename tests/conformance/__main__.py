"""Writes the conformance fixtures: `python tests/conformance [--out FOLDER]`.

One folder a benchmark, as in `artifacts/`. The entries are random numbers from a fixed seed: they
mean nothing, and the same command writes the same bytes again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from anb_export._io.files import sha256, write_atomically
from anb_export.graphs.table_form import build_table_model

from anb_onnx import FBNET, NASBENCH201, Block, Gene, Link, SearchSpace, Terms
from anb_onnx.calibration import Calibration
from anb_onnx.catalog.catalog import target_of_card
from anb_onnx.regimes import Regime
from anb_onnx.tables import TableEnsemble
from anb_onnx.vectors import VectorEnsemble
from anb_onnx.writing.golden import golden_vectors
from anb_onnx.writing.manifest import set_listed, write_artifact
from anb_onnx.writing.vector_form import build_vector_model

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from conformance import vectors  # noqa: E402  # started as a folder, this is no package

#: Architectures of each benchmark's golden vectors; fewer where the space is smaller.
N_GOLDEN = 512


IDENTITY = Link()


@dataclass(frozen=True)
class Target:
    """A target of a fixture."""

    metric: str
    n_members: int
    device: str | None = None
    link: Link = IDENTITY
    unit: str = "ms"
    #: The part of a data set whose figures the card states.
    judged_on: str = "test"


@dataclass(frozen=True)
class Fixture:
    """A benchmark: what its tables are of, and its targets."""

    name: str
    terms: Terms
    targets: tuple[Target, ...]


def fixtures() -> Iterator[Fixture]:
    """Yield all benchmarks."""
    accuracy = Target("accuracy", 1, unit="%", link=Link("-1", 100.0))
    yield Fixture(
        "nasbench201-pairs",
        Terms.of_order(NASBENCH201, 2),
        (accuracy, Target("latency", 20, "edgegpu")),
    )
    yield Fixture("nasbench201-table", Terms.of_order(NASBENCH201, 6), (Target("accuracy", 2),))
    neighbours = Terms(FBNET, tuple((k, k + 1) for k in range(21)))
    yield Fixture("fbnet-sparse", neighbours, (Target("latency", 3, "pixel2"),))
    genes = (Gene("width", (16, 24, -32)), Gene("se", (False, True)), Gene("kind", ("a", "", "ü")))
    alone = SearchSpace("alone", (Block("all", genes),))
    yield Fixture("one-block", Terms.of_order(alone, 1), (Target("energy", 1, unit="mJ"),))
    yield large_block()
    yield mixed()
    edges = Terms.of_order(NASBENCH201, 1)
    mine = Target("latency", 8, "my-phone", judged_on="leave_one_out")
    yield Fixture("measured", edges, (mine,))
    yield joint()


def large_block() -> Fixture:
    """Return a benchmark with a block of 300 symbols."""
    space = SearchSpace(
        "large",
        (
            Block("stem", (Gene("width", tuple(range(20))), Gene("depth", tuple(range(1, 16))))),
            Block("body", (Gene("kind", ("conv", "mbconv", "attention", "pool")),)),
            Block("head", (Gene("se", (True, False)),)),
        ),
    )
    terms = Terms(space, ((0,), (0, 1), (1, 2)))
    return Fixture("large-block", terms, (Target("latency", 20), Target("energy", 1, unit="mJ")))


def joint() -> Fixture:
    """Return a benchmark of hyper-parameters: floats, some of them whole, and ordered genes."""
    space = SearchSpace(
        "joint",
        (
            Block(
                "model",
                (
                    Gene("depth", (1, 2, 3), ordered=True),
                    Gene("activation", ("relu", "tanh")),
                    Gene("size", ("small", "large"), ordered=True),
                ),
            ),
            Block("rate", (Gene("learning_rate", (1e-05, 0.0005, 0.1, 1.0), ordered=True),)),
            Block("dropout", (Gene("dropout", (0.6, 0.3, 0.0), ordered=True),)),
            Block("decay", (Gene("decay", (2.0, 1e22, 0.0)), Gene("nesterov", (False, True)))),
        ),
    )
    loss = Target("val_loss", 3, unit="nats")
    return Fixture("joint", Terms.of_order(space, 2), (loss, Target("train_time", 1, unit="s")))


def mixed() -> Fixture:
    """Return a benchmark with terms of one to three blocks, out of order, and a long link."""
    space = SearchSpace(
        "mixed",
        (
            Block("a", (Gene("a0", (1, 2, 3)),)),
            Block("b", (Gene("b0", (False, True)), Gene("b1", ("x", "y")))),
            Block("c", (Gene("c0", (10, 20, 30, 40, 50)),)),
            Block("d", (Gene("d0", ("off", "on")),)),
            Block("unused", (Gene("e0", (0, 1)),)),
        ),
    )
    regime = Regime("c0", (1, 4), ((0.4, 0.5), (0.6, -0.75)))
    link = Link("-1/2", 3.0, ((0.5, 0.25),), regime)
    terms = Terms(space, ((2,), (0, 1, 3), (1, 2), (0,), (0, 2)))
    return Fixture("mixed", terms, (Target("throughput", 5, "tpu", link, "images/s"),))


def write(fixture: Fixture, folder: Path) -> None:
    """Write one benchmark's folder."""
    space, ensembles = fixture.terms.space, {}
    for number, target in enumerate(fixture.targets):
        ensemble = random_ensemble(fixture.terms, target, seed=number)
        card = card_of(fixture, target)
        model = build_table_model(ensemble, card)
        name = target_of_card(card, fixture.name).name
        write_artifact(folder / f"{name}.onnx", model.content, name, model.card, space=space)
        ensembles[name] = ensemble
    write_golden(ensembles, space, folder, N_GOLDEN)


def write_several(
    name: str, terms: Terms, targets: tuple[vectors.Several, ...], folder: Path
) -> None:
    """Write one folder of a benchmark whose targets have several outputs."""
    ensembles = {}
    for number, target in enumerate(targets):
        vector = vectors.random_vector(terms, target, seed=number)
        model = build_vector_model(vector, target.card(name))
        file = folder / f"{target.metric}.onnx"
        write_artifact(file, model.content, target.metric, model.card, space=terms.space)
        ensembles[target.metric] = vector
    write_golden(ensembles, terms.space, folder, vectors.N_GOLDEN)


def write_golden(
    ensembles: Mapping[str, TableEnsemble | VectorEnsemble],
    space: SearchSpace,
    folder: Path,
    n: int,
) -> None:
    """Write the golden vectors of a folder, and list them."""
    content, entry = golden_vectors(ensembles, space, n=n)
    write_atomically(folder / "golden.bin", content)
    facts = {"file": "golden.bin", "bytes": len(content), "sha256": sha256(content)}
    set_listed(folder, "golden", lambda: {**facts, **entry})


def random_ensemble(terms: Terms, target: Target, seed: int) -> TableEnsemble:
    """Return tables of random entries; sums come close to what int32 holds."""
    rng = np.random.default_rng([seed, terms.n_entries])
    most = (2**31 - 1) // len(terms)
    entries = rng.integers(
        -most, most, (terms.n_entries, target.n_members), dtype=np.int32, endpoint=True
    )
    scale, shift = 0.4 * 2.0**-31 * (1 + 2.0**-30), 1.0 - 2.0**-40
    return TableEnsemble(terms.space, entries, scale, shift, target.link, terms)


def card_of(fixture: Fixture, target: Target) -> dict[str, Any]:
    """Return the card of a target; it says nothing of a data set, as there is none."""
    levels = (0.0, 0.5, 0.9)
    calibration = Calibration(1.5, 0.01, 1, target.link.offset, levels, (0.0, 0.7, 1.9))
    return {
        "benchmark": fixture.name,
        "form": "tables",
        "metric": target.metric,
        "device": target.device,
        "unit": target.unit,
        "direction": "max" if target.unit in ("%", "images/s") else "min",
        "members": target.n_members,
        "exact": False,
        "link": target.link.to_dict(),
        "calibration": calibration.to_dict(),
        "dataset": {"name": "random numbers", "license": "Apache-2.0", "sha256": "0" * 64},
        "license": "Apache-2.0",
        "quality": {target.judged_on: {"n": 0}},
        "versions": {},
    }


def main() -> None:
    """Write all fixtures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, metavar="FOLDER")
    out = parser.parse_args().out
    for fixture in fixtures():
        write(fixture, out / fixture.name)
    for name, (terms, targets) in (
        ("several", vectors.several_outputs()),
        ("curves", vectors.curves()),
    ):
        write_several(name, terms, targets, out / name)


if __name__ == "__main__":
    main()
