"""What the mistakes of the original searches change in numbers; docs/migration.md has the answers.

    python examples/anb_eval/what_changes.py              # all of it: a minute or two
    python examples/anb_eval/what_changes.py lag evolution

Each mistake is made here on purpose, beside the same search without it and over the same seeds, and
measured against what is proven of the whole space.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import regularized_evolution

import anb_onnx
import anb_onnx.compat as anb
from anb_onnx import MNASNET, search

Floats = np.ndarray[Any, np.dtype[np.float64]]

EPISODES, EXPONENT = 6, 0.07


def say(what: str, values: Sequence[Any] | Floats, unit: str = "") -> None:
    """Print the mean of some values, and the lowest and highest."""
    found = np.asarray(values, dtype=float)
    if unit == "%":
        text = f"{found.mean():.1%} ({found.min():.1%} to {found.max():.1%})"
    else:
        text = f"{found.mean():.3f} ({found.min():.3f} to {found.max():.3f}) {unit}"
    print(f"  {what}: {text}")


def hypervolume(values: Floats, reference: Sequence[float]) -> float:
    """Return what points [n, 2] of accuracy and latency dominate, up to a reference."""
    accs, latencies, _ = anb.pareto_frontier(values.T, maxX=False)
    inside = (accs > reference[0]) & (latencies < reference[1])
    above = np.concatenate([[reference[1]], latencies[inside][:-1]])
    # From the most accurate on, each is faster than the one before it.
    return float(((accs[inside] - reference[0]) * (above - latencies[inside])).sum())


def latency(seeds: int) -> None:
    """REINFORCE for accuracy and latency_zcu102 with latency's sign as it is there, and right."""
    task = anb_onnx.tasks()["accuracy-latency_zcu102-front-v1"]
    problem, reference = task.problem(), task.reference
    assert reference is not None
    whole = hypervolume(np.asarray(task.front.values, dtype=float), reference)
    for name, sign in (("latency made large", 1.0), ("latency made small", -1.0)):
        shares, late, last, fast, reported = [], [], [], [], []
        for seed in range(seeds):

            def reward(codes: Any, sign: float = sign) -> Floats:
                values = problem(codes)
                found: Floats = values[:, 0] * (values[:, 1] / 5.0) ** (sign * EXPONENT)
                return found

            history = search.reinforce(reward, budget=250 * EPISODES, rng=seed, space=MNASNET)
            values = problem(history.codes)
            shares.append(hypervolume(values, reference) / whole)
            late.append(hypervolume(values[-300:], reference) / whole)
            last.append(values[-100:, 1].mean())
            fast.append(values[values[:, 1] <= 5.0, 0].max())
            front = set(anb.pareto_frontier(values.T, maxX=False)[2])
            theirs = anb.pareto_frontier(values.T)[2]
            reported.append(np.mean([i in front for i in theirs]))
        print(f"{name}:")
        say("share of the exact hypervolume", shares, "%")
        say("of that by the last 300 of 1,500 evaluations alone", late, "%")
        say("latency of the last 100", last, "ms")
        say("best accuracy within 5 ms", fast, "% accuracy")
        say("of the front that the original reports, truly on the front", reported, "%")


def lag(seeds: int) -> None:
    """What random search reports as its best, and what is."""
    for epochs in (10, 100):
        short, differ = [], []
        for seed in range(seeds):
            best = search.random_search("accuracy", budget=EPISODES * epochs, rng=seed).best_so_far
            true = best[EPISODES - 1 :: EPISODES]
            theirs = np.concatenate([best[:1], true[:-1]])
            differ.append((true != theirs).mean())
            short.append((true - theirs).mean())
        print(f"random search, {epochs} epochs:")
        say("epochs in which the best reported is too low", differ, "%")
        say("by, on average over the epochs", short, "percentage points")


def unseeded(seeds: int) -> None:
    """How far apart runs of random search are that no seed can repeat."""
    final = [
        search.random_search("accuracy", budget=600, rng=s).best_so_far[-1] for s in range(seeds)
    ]
    print("random search, 600 evaluations:")
    say("best accuracy", final, "% accuracy")


def noise(seeds: int) -> None:
    """One number for a whole batch, and one for each of its architectures."""
    ensemble = anb.ANBEnsemble("xgb", seed=0).load_ensemble()
    rng = np.random.default_rng(0)
    codes = anb_onnx.sample(EPISODES * 1000 * seeds, seed=1, space=MNASNET)
    mean, std = (array.reshape(-1, EPISODES).astype(float) for array in ensemble.query(codes))
    shared = mean + std[:, :1] * rng.standard_normal((len(mean), 1))
    own = mean + std * rng.standard_normal(mean.shape)
    print("noise, batches of 6:")
    for name, noisy in (("one number", shared), ("one for each", own)):
        found = (noisy.argmax(axis=1) == mean.argmax(axis=1)).mean()
        error = (noisy - mean).mean(axis=1).std()
        print(f"  {name}: best stays best in {found:.1%}, a batch's mean is off by {error:.3f} %")


def target(seeds: int) -> None:
    """REINFORCE with a target of 400 images/s on vck190 (the default), and of 3,000."""
    problem = anb_onnx.Problem(["accuracy", "throughput_vck190"])
    same, speed = [], []
    for seed in range(seeds):
        found = []
        for goal in (400.0, 3000.0):

            def reward(codes: Any, goal: float = goal) -> Floats:
                values = problem(codes)
                rewards: Floats = values[:, 0] * (values[:, 1] / goal) ** EXPONENT
                return rewards

            history = search.reinforce(reward, budget=250 * EPISODES, rng=seed, space=MNASNET)
            found.append(history.codes)
        same.append((found[0] == found[1]).all(axis=1).mean())
        speed.append(np.diff([problem(codes)[-100:, 1].mean() for codes in found])[0])
    print("targets of 400 and 3,000 images/s on vck190:")
    say("architectures that are the same ones", same, "%")
    say("throughput of the last 100, second less first", speed, "images/s")


def ties(seeds: int) -> None:
    """Architectures of the front that a dict by accuracy loses."""
    problem = anb_onnx.Problem(["accuracy", "throughput_vck190"])
    for name in ("random_search", "reinforce"):
        lost, front = [], []
        for seed in range(seeds):
            budget = 250 * EPISODES
            if name == "random_search":
                codes = search.random_search(problem, budget=budget, rng=seed).codes
            else:
                task = anb_onnx.tasks()["reward-throughput_vck190-v1"]
                codes = search.reinforce(task, budget=budget, rng=seed).codes
            codes = np.unique(codes, axis=0)
            accs, _, indices = anb.pareto_frontier(problem(codes).T)
            front.append(len(indices))
            lost.append(len(indices) - len(set(accs.tolist())))
        print(f"{name}, 1,500 evaluations on vck190:")
        say("architectures on the front", front)
        say("of these lost", lost)


def evolution(seeds: int) -> None:
    """What regularised evolution notes as its best, and what is."""
    ensemble = anb.ANBEnsemble("xgb").load_ensemble()
    final, average, low = [], [], []
    for seed in range(seeds):
        args = argparse.Namespace(n_iters=600, pop_size=20, sample_size=10, seed=seed)
        history, trajectory = regularized_evolution.evolve(args, anb.ConfigurationSpace(), ensemble)
        noted = [max(model.accuracy for model in history[:20])]
        noted += [model.parent.accuracy for model in history[20:] if model.parent]
        short = np.array([best for _, best in trajectory]) - np.maximum.accumulate(noted)
        final.append(short[-1])
        average.append(short.mean())
        low.append((short > 0).mean())
    print("regularised evolution, 600 evaluations:")
    say("rows in which the best noted is too low", low, "%")
    say("by, on average over the rows", average, "percentage points")
    print(f"  runs whose last row is too low: {np.mean(np.array(final) > 0):.0%} of {seeds}")


PARTS: dict[str, tuple[Callable[[int], None], int]] = {
    "latency": (latency, 10),
    "lag": (lag, 100),
    "unseeded": (unseeded, 100),
    "noise": (noise, 10),
    "target": (target, 10),
    "ties": (ties, 10),
    "evolution": (evolution, 50),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="what the original's mistakes change")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; else all")
    parser.add_argument("--seeds", type=int, help="runs of each, else 10 to 100")
    args = parser.parse_args(arguments)
    for name in args.parts:
        if name not in PARTS:
            parser.error(f"unknown part {name!r}; there are {', '.join(PARTS)}")
    for name in args.parts or PARTS:
        run, seeds = PARTS[name]
        run(seeds if args.seeds is None else args.seeds)


if __name__ == "__main__":
    main()
