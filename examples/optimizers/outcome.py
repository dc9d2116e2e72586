"""What all examples do around their search: the command line, and what is printed in the end."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import anb_onnx
from anb_onnx.problems import Task
from anb_onnx.search import History


def main(
    search: Callable[[Task, int, int], History], *, task: str, budget: int, several: bool = False
) -> None:
    """Run ``search(task, budget, seed)`` and print the best value with its exact regret.

    `several` says whether it is for several objectives, too.
    """
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--task", default=task, help=", ".join(anb_onnx.tasks().names))
    parser.add_argument("--budget", type=int, default=budget, help="evaluations")
    parser.add_argument("--seed", type=int, default=0, help="seed of the optimizer")
    options = parser.parse_args()
    chosen = anb_onnx.tasks()[options.task]
    if chosen.problem().n_objectives > 1 and not several:
        parser.error(f"this search is for one objective, and {chosen.name} has several")
    history = search(chosen, options.budget, options.seed)
    print(f"{chosen.name}: {chosen.description}; {len(history)} evaluations")
    if not history.feasible.any():
        print("none keeps the constraints")
    elif history.n_objectives == 1:
        (unit,) = history.units
        print(f"best {history.best_so_far[-1]:.3f} {unit}, regret {history.regret[-1]:.3f} {unit}")
    else:
        found, exact = hypervolume(history.means, chosen), hypervolume(chosen.front.values, chosen)
        print(f"hypervolume {found:.6g}, {found / exact:.2%} of that of the exact front")


def hypervolume(values, task: Task) -> float:
    """Return the area that values [n, 2] dominate, from the task's reference point on."""
    from moocore import hypervolume as area

    problem = task.problem()
    return float(area(problem.losses(values), ref=problem.losses(task.reference)))
