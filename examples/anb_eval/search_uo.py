"""Search for accuracy alone: random search or REINFORCE, as Accel-NASBench's script of this name.

    python examples/anb_eval/search_uo.py --algorithm PG --arch_epochs 100 --seed 2

Writes `result.csv` and `log.txt`, and with PG `results_granular.csv`, into
`logs/simulated/search_...`. Rows of `result.csv`: epoch, best so far, mean of the best 5, then with
RS the best and the mean of the epoch, with PG the mean of the best 20, the baseline, the loss.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from searches import (
    PolicyDraws,
    RandomDraws,
    Table,
    add_arguments,
    check,
    flat,
    log,
    open_folder,
)

import anb_onnx.compat as anb


def random_search(args: argparse.Namespace, folder: Path, ensemble: anb.Ensemble) -> None:
    """Draw and evaluate; the best is the best of all so far, this epoch included.

    The original takes the first of a list that is not sorted yet, which is the best of the epochs
    before; in the first epoch, the architecture that happened to be drawn first.
    """
    draws = RandomDraws(args)
    best: list[float] = []
    with Table(folder / "result.csv") as table:
        for epoch in range(args.arch_epochs):
            configs, _ = draws.draw(args.episodes)
            accs = ensemble.query(configs)[0].tolist()
            best = sorted(best + accs, reverse=True)[:5]
            row = [best[0], sum(best) / len(best), max(accs), sum(accs) / len(accs)]
            names = ("top1_acc", "top5_avg_acc", "top1_acc_epoch", "epoch_avg_acc")
            log(arch_epoch=epoch, **dict(zip(names, row, strict=True)))
            table.add([epoch, *row])


def policy_gradient(args: argparse.Namespace, folder: Path, ensemble: anb.Ensemble) -> None:
    """REINFORCE; losses are numbers in the table, where the original writes tensors' reprs."""
    draws = PolicyDraws(args)
    best: list[float] = []
    with (
        Table(folder / "result.csv") as table,
        Table(folder / "results_granular.csv") as granular,
    ):
        for epoch in range(args.arch_epochs):
            started = time.perf_counter()
            configs, designs = draws.draw(args.episodes)
            accs = ensemble.query(configs)[0].tolist()
            seconds = time.perf_counter() - started
            for episode, (acc, design) in enumerate(zip(accs, designs, strict=True)):
                granular.add([epoch, episode, seconds, acc, *flat(design)])
            best = sorted(best + accs, reverse=True)[:20]
            baseline, loss = draws.learn(accs)
            row = [best[0], sum(best[:5]) / len(best[:5]), sum(best) / len(best), baseline, loss]
            names = ("top1_acc", "top5_avg_acc", "top20_avg_acc", "baseline", "loss")
            log(arch_epoch=epoch, **dict(zip(names, row, strict=True)))
            table.add([epoch, *row])
    draws.save(folder / "controller.npz")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="search for accuracy")
    add_arguments(parser, epochs=100)
    args = parser.parse_args(arguments)
    check(parser, args)
    folder = open_folder(args, f"{args.algorithm}_SIM")
    ensemble = anb.ANBEnsemble("xgb", seed=args.seed).load_ensemble()
    run = random_search if args.algorithm == "RS" else policy_gradient
    run(args, folder, ensemble)


if __name__ == "__main__":
    main()
