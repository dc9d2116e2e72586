"""Search for accuracy and a device's throughput or latency, as Accel-NASBench's script does.

    python examples/anb_eval/search_mo.py --device zcu102 --metric latency --algorithm PG \
        --target_biobj 5 --arch_epochs 250

Writes into `logs/simulated/search_...`: `result.csv` (epoch, best accuracy, mean of the 5 most
accurate, the second objective of these; with PG the baseline and the loss), with PG
`results_granular.csv` (epoch, episode, accuracy, the blocks, the second objective, which the
original leaves out) and `search_res.json`, and every few epochs `pareto_designsN.json` and, where
matplotlib is installed, `scatter_N.png`.

`pareto_designsN.json` is a list of [accuracy, second objective, design], from the most accurate on.
The original pickles a dict by accuracy, in which of architectures of one accuracy only the last is.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from searches import (
    PolicyDraws,
    RandomDraws,
    Table,
    add_arguments,
    check,
    flat,
    log,
    open_folder,
    write_json,
)

import anb_onnx.compat as anb

EXPONENT = 0.07


def reward_of(acc: float, biobj: float, target: float, maximise: bool) -> float:
    """Return accuracy times a power of how good the second objective is beside its target.

    The original takes biobj / target for latency, too, and so looks for slow networks. Note that
    the target scales all rewards alike: it is no limit, and says nothing of where the best is.
    """
    return float(acc * (biobj / target if maximise else target / biobj) ** EXPONENT)


class Found:
    """All that was evaluated, and what is written of it."""

    def __init__(self, folder: Path, metric: str, maximise: bool) -> None:
        self.folder = folder
        self.metric = metric
        self.maximise = maximise
        self.accs: list[float] = []
        self.biobjs: list[float] = []
        self.designs: list[Any] = []

    def add(self, accs: list[float], biobjs: list[float], designs: list[Any]) -> None:
        """Take in an epoch."""
        self.accs += accs
        self.biobjs += biobjs
        self.designs += designs

    def top(self) -> list[float]:
        """Return best accuracy, mean of the best 5, the second objective of it and of these."""
        best = sorted(range(len(self.accs)), key=lambda i: -self.accs[i])[:5]
        accs, biobjs = ([values[i] for i in best] for values in (self.accs, self.biobjs))
        return [accs[0], sum(accs) / len(accs), biobjs[0], sum(biobjs) / len(biobjs)]

    def write(self, epoch: int, *, last: bool, results: bool) -> None:
        """Write the front so far: what no other is better than, latency being better if small."""
        accs, biobjs, front = anb.pareto_frontier(
            np.array([self.accs, self.biobjs]), maxX=self.maximise
        )
        designs = [[self.accs[i], self.biobjs[i], self.designs[i]] for i in front]
        write_json(self.folder / f"pareto_designs{epoch}.json", designs)
        if results:
            every = [self.biobjs, self.accs, biobjs.tolist(), accs.tolist(), None]
            write_json(self.folder / "search_res.json", every)
        kind = "pdf" if last and results else "png"
        plot(self, accs, biobjs, self.folder / f"scatter_{epoch}.{kind}")


def plot(found: Found, accs: Any, biobjs: Any, path: Path) -> None:
    """Plot what was found and its front, where matplotlib is installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    figure = Figure(figsize=(7, 5))
    axes = figure.add_subplot()
    axes.scatter(found.biobjs, found.accs, s=8, alpha=0.5)
    axes.plot(biobjs, accs, color="green", marker="o", markersize=4)
    axes.set_xlabel(found.metric)
    axes.set_ylabel("accuracy (%)")
    figure.savefig(path, dpi=100)


def search(args: argparse.Namespace, folder: Path, ensembles: Sequence[anb.Ensemble]) -> None:
    """Draw, evaluate, learn, epoch after epoch."""
    accuracy, second = ensembles
    maximise = second.surrogate.target.direction == "max"
    found = Found(folder, f"{args.metric} {args.device} ({second.metric_unit})", maximise)
    learns = args.algorithm == "PG"
    draws = PolicyDraws(args) if learns else RandomDraws(args)
    every = 20 if learns else 5
    with Table(folder / "result.csv") as table:
        for epoch in range(args.arch_epochs):
            configs, designs = draws.draw(args.episodes)
            accs = accuracy.query(configs)[0].tolist()
            biobjs = second.query(configs)[0].tolist()
            found.add(accs, biobjs, designs)
            row = found.top()
            if isinstance(draws, PolicyDraws):
                rewards = [
                    reward_of(acc, biobj, args.target_biobj, maximise)
                    for acc, biobj in zip(accs, biobjs, strict=True)
                ]
                row += draws.learn(rewards)
            last = epoch == args.arch_epochs - 1
            if epoch % every == 0 or last:
                found.write(epoch, last=last, results=learns)
            names = ("top1_acc", "top5_avg_acc", "top1_biobj", "top5_biobj", "baseline", "loss")
            log(arch_epoch=epoch, **dict(zip(names, row, strict=False)))
            table.add([epoch, *row])
    if isinstance(draws, PolicyDraws):
        draws.save(folder / "controller.npz")
        write_granular(found, args.episodes, folder / "results_granular.csv")


def write_granular(found: Found, episodes: int, path: Path) -> None:
    """Write all evaluations of REINFORCE."""
    with Table(path) as table:
        for row, values in enumerate(zip(found.accs, found.designs, found.biobjs, strict=True)):
            acc, design, biobj = values
            table.add([*divmod(row, episodes), acc, *flat(design), biobj])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="search for accuracy and a device's metric")
    add_arguments(parser, epochs=20)
    parser.add_argument("--ppo_epochs", type=int, default=10, help="not used")
    parser.add_argument("--clip_epsilon", type=float, default=0.2, help="not used")
    parser.add_argument("--wandb_project", help="not used: nothing is sent anywhere")
    parser.add_argument("--wandb_user", help="not used")
    parser.add_argument("--target_biobj", type=float, default=400.0, help="scale of the reward")
    parser.add_argument("--device", default="vck190")
    parser.add_argument("--metric", default="throughput", help="throughput or latency")
    args = parser.parse_args(arguments)
    check(parser, args)
    if not args.target_biobj > 0:
        parser.error("--target_biobj is larger than 0")
    try:
        second = anb.ANBEnsemble("xgb", device=args.device, metric=args.metric, seed=None)
    except ValueError as error:
        parser.error(str(error))
    folder = open_folder(args, f"{args.algorithm}_SIM_{args.device}_{args.metric}")
    accuracy = anb.ANBEnsemble("xgb", seed=None)
    search(args, folder, [accuracy.load_ensemble(), second.load_ensemble()])


if __name__ == "__main__":
    main()
