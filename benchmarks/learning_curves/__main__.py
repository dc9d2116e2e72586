"""``python -m benchmarks.learning_curves taskset|digits --data FOLDER --out FILE.json [--test]``.

Without ``--test`` a fold of the learning rows is held out: for choices. With it the test rows are
looked at, which is to be done once. Digits that are measured are found in the checkout; ``--test``
scores the catalog in ``--catalog`` on them. ``page FILES`` writes their tables into the docs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from anb_export.curves.forests import ForestSettings

from anb_onnx.errors import AnbError
from benchmarks.learning_curves import digits, page, taskset

_PAGE = Path("docs/learning-curves.md")
_CATALOG = Path("spaces/anb_onnx_spaces/artifacts/digits")


def main() -> int:
    """Run a comparison, and write its figures; return 0, or 2 after an error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning_curves")
    parser.add_argument("what", choices=("taskset", "digits", "page"))
    parser.add_argument("files", type=Path, nargs="*", help="of page: what the others wrote")
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data/seeds"), help="folder of the measurements"
    )
    parser.add_argument("--out", type=Path, default=Path("learning_curves.json"))
    parser.add_argument("--test", action="store_true", help="look at the test rows")
    parser.add_argument("--fold", type=int, default=0, help="which fold is held out without --test")
    parser.add_argument("--tasks", type=int, nargs="*", default=list(range(12)))
    parser.add_argument("--trees", type=int, default=150)
    parser.add_argument("--least", type=int, default=2)
    parser.add_argument("--share", type=float, default=0.8)
    parser.add_argument("--network-epochs", type=int, default=600, help="0 trains no network")
    parser.add_argument("--catalog", type=Path, default=_CATALOG)
    given = parser.parse_args()
    try:
        if given.what == "page":
            page.fill(_PAGE, given.files)
            return 0
        document = _taskset(given) if given.what == "taskset" else _digits(given)
    except AnbError as error:
        print(f"benchmarks.learning_curves: {error}", file=sys.stderr)
        return 2
    given.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _taskset(given: argparse.Namespace) -> dict[str, Any]:
    fold = None if given.test else given.fold
    settings = ForestSettings(given.trees, given.least, given.share)
    epochs = given.network_epochs or None
    found = taskset.compare(given.data, given.tasks, fold, settings, epochs, _note)
    mean = taskset.means(found)
    for kind, by in mean.items():
        for how, s in by.items():
            print(
                f"{kind:14} {how:16} R2 {s['r2']:.3f} pooled {s['r2_pooled']:.3f} "
                f"own {s['r2_curve']:.3f} final tau {s['final_tau']:.3f} R2 {s['final_r2']:.3f}"
            )
    return {
        "test": given.test,
        "fold": fold,
        "settings": vars(settings),
        "network_epochs": epochs,
        "tasks": found,
        "mean": mean,
    }


def _digits(given: argparse.Namespace) -> dict[str, Any]:
    if given.test:
        return {"test": digits.final(given.data, given.catalog, print)}
    return {"fold": given.fold, "validation": digits.validate(given.data, given.fold, print)}


if __name__ == "__main__":
    sys.exit(main())
