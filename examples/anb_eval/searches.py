"""What the searches share: their arguments, how they draw and learn, and what they write.

Written anew after the scripts of Accel-NASBench's `anb_eval`, against `anb_onnx.compat`.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import anb_onnx.compat as anb


def add_arguments(parser: argparse.ArgumentParser, epochs: int) -> None:
    """Add the arguments that both searches of the original have."""
    parser.add_argument("--resume_path", help="refused: a simulated search takes seconds")
    parser.add_argument("--arch_epochs", type=int, default=epochs)
    parser.add_argument("--arch_lr", type=float, default=3.5e-4)
    parser.add_argument("--episodes", type=int, default=6, help="architectures of an epoch")
    parser.add_argument("--entropy_weight", type=float, default=1e-5)
    parser.add_argument("--baseline_weight", type=float, default=0.95)
    parser.add_argument("--embedding_size", type=int, default=32)
    parser.add_argument("--algorithm", choices=["PG", "RS", "PPO"], default="RS")
    parser.add_argument("--simulated", action="store_true", default=True, help="as it always is")
    parser.add_argument("--gpu", type=int, default=0, help="not used")
    parser.add_argument("--seed", type=int, default=2, help="of all draws")
    parser.add_argument("--configspace", type=Path, help="a file; else the space that it holds")
    parser.add_argument("--exp_dir", type=Path, help="folder of the results; else one by date")


def check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """End the command where it is asked for what it does not do; the original says nothing."""
    if args.resume_path is not None:
        parser.error("--resume_path: a simulated search takes seconds; run it again")
    if args.algorithm == "PPO":
        parser.error("--algorithm PPO: the original offers it and then does nothing; take PG")
    if args.arch_epochs < 1 or args.episodes < 1 or args.seed < 0:
        parser.error("--arch_epochs and --episodes are at least 1, --seed at least 0")


def open_folder(args: argparse.Namespace, name: str) -> Path:
    """Make the folder of the results, and log into it and to stdout.

    The original names folders by the second: two runs of the same second write into one. Here a
    folder that exists is refused.
    """
    folder = args.exp_dir
    if folder is None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        folder = Path("logs", "simulated", f"search_{name}_seed{args.seed}_{stamp}")
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        sys.exit(f"error: {folder} exists; name another folder by --exp_dir")
    handlers: list[logging.Handler] = [
        logging.StreamHandler(sys.stdout),
        logging.FileHandler(folder / "log.txt"),
    ]
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", handlers=handlers, force=True
    )
    logging.info("args = %s", args)
    return Path(folder)


class RandomDraws:
    """Random search. The original's draws cannot be seeded: ConfigSpace has its own generator."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._space = read_space(args.configspace)
        self._space.seed(args.seed)

    def draw(self, n: int) -> tuple[list[Any], list[Any]]:
        """Return n configurations, and the blocks of each."""
        drawn = self._space.sample_configuration(n)
        configs = drawn if isinstance(drawn, list) else [drawn]
        return list(configs), [anb.configuration_to_searchable(config) for config in configs]


class PolicyDraws:
    """REINFORCE. The original's controller fails for seeds above 10; this one takes any."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._space = read_space(args.configspace)
        self._controller = anb.Controller(
            args.embedding_size, seed=args.seed, learning_rate=args.arch_lr
        )
        self._weight = args.baseline_weight
        self._entropy_weight = args.entropy_weight
        self._indices: list[Any] = []
        self.baseline: float | None = None

    def draw(self, n: int) -> tuple[list[Any], list[Any]]:
        """Return n configurations, and the blocks of each."""
        self._indices = [self._controller.sample()[2] for _ in range(n)]
        made = [anb.actions_indices_to_config(index, self._space) for index in self._indices]
        return [config for config, _ in made], [design for _, design in made]

    def learn(self, rewards: Sequence[float]) -> tuple[float, float]:
        """Learn from the rewards of what was drawn last; return the baseline and the loss."""
        for reward in rewards:
            if self.baseline is None:
                self.baseline = reward
            else:
                self.baseline = self.baseline * self._weight + reward * (1 - self._weight)
        assert self.baseline is not None
        loss = self._controller.learn(self._indices, rewards, self.baseline, self._entropy_weight)
        return self.baseline, loss

    def save(self, path: Path) -> None:
        """Write what was learned, as arrays (the original: controller.pth, a pickle)."""
        arrays: dict[str, Any] = {"baseline": self.baseline, **self._controller.state_dict()}
        np.savez(path, **arrays)


def read_space(path: Path | None) -> anb.ConfigurationSpace:
    """Return the search space of a file of ConfigSpace, or that of Accel-NASBench."""
    if path is None:
        return anb.ConfigurationSpace()
    space: anb.ConfigurationSpace = anb.cs_json.read(path.read_text())
    return space


class Table:
    """A CSV file without a header, as the original writes them; each row is there at once."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", newline="")
        self._writer = csv.writer(self._file)

    def add(self, row: Sequence[Any]) -> None:
        """Write a row."""
        self._writer.writerow(row)
        self._file.flush()

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def flat(design: Sequence[Sequence[Any]]) -> list[Any]:
    """Return the blocks of a design as one row."""
    return [item for block in design for item in block]


def write_json(path: Path, content: Any) -> None:
    """Write JSON in the place of the original's pickles, which run code where they are read."""
    path.write_text(json.dumps(content))


def log(**values: float) -> None:
    """Log numbers by name, as the original's lines are."""
    logging.info(
        " ".join(
            f"{name} {value:0>3d}" if isinstance(value, int) else f"{name} {value:.4f}"
            for name, value in values.items()
        )
    )
