"""Runs the selections of a study: several rows a fit, resumable as the fits themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

from anb_export.study.plan import Fit
from anb_export.study.protocol import Protocol, StudyError
from anb_export.study.rows import KEY, Journal, Key, Row, Sheet, key_of, write_fits
from anb_export.study.running import Where, Work, current, single_threads, versions
from anb_export.study.selection import KS, RULES, outcomes
from anb_export.study.selection_measures import SHARES
from anb_export.training.block_sums import one_thread
from anb_onnx.errors import AnbError
from anb_onnx.experiments.workers import run_all

#: Columns by limit: null where what was chosen does not truly keep it.
REGRETS = tuple(f"regret_{round(100 * share)}" for share in SHARES)

#: All columns by type, in order; what they hold is said by `selection.outcomes`.
COLUMNS: Mapping[str, str] = {
    **dict.fromkeys(("space", "target", "predictor"), "string"),
    **dict.fromkeys(("size", "seed"), "int32"),
    "rule": "string",
    **dict.fromkeys(("k", "selected"), "int32"),
    **dict.fromkeys(("mra", "hypervolume_loss"), "double"),
    "kept_limits": "int32",
    **dict.fromkeys(("regret", *REGRETS), "double"),
    **dict.fromkeys(("error", "dataset_sha256", "versions"), "string"),
}

#: The rows of selections.
OF_SELECTIONS = Sheet(
    "selection.jsonl",
    "selection.parquet",
    COLUMNS,
    (*KEY, "rule", "k"),
    (*KEY, "rule", "k", "dataset_sha256", "versions"),
    "anb-export study select",
)


def run_selection(work: Work) -> list[Row]:
    """Fit a predictor, select by it, and return the rows of `COLUMNS`.

    Raises
    ------
    StudyError
        If anything goes wrong but an error of ours, with which the predictor says that it cannot be
        fitted to this: that is one row with an error. Names the fit.
    """
    protocol, what = work.where.open(), work.fit
    row: Row = dict.fromkeys(COLUMNS)
    row |= {"space": protocol.space, **vars(what), "rule": RULES[0], "k": 0}
    row["dataset_sha256"] = protocol.of(what.target).sha256
    row["versions"] = json.dumps(versions(what.predictor), sort_keys=True)
    try:
        with one_thread():
            found: list[dict[str, Any]] = outcomes(protocol, what)
    except AnbError as error:
        return [row | {"error": str(error)}]
    except Exception as error:
        msg = f"{what}: {type(error).__name__}: {error}"
        raise StudyError(msg) from error
    return [row | outcome for outcome in found]


def done(rows: Sequence[Row], protocol: Protocol) -> dict[Key, list[Row]]:
    """Return the rows that need not be made again, by fit.

    Of a fit whose rows were half written, none.
    """
    found: dict[Key, list[Row]] = {}
    for row in current(rows, protocol):
        found.setdefault(key_of(row), []).append(row)
    last = RULES[-1], KS[-1]
    return {
        key: some
        for key, some in found.items()
        if some[-1]["error"] is not None or (some[-1]["rule"], some[-1]["k"]) == last
    }


def run(
    where: Where,
    fits: Sequence[Fit],
    journal: Journal,
    *,
    jobs: int,
    on_rows: Callable[[int], None] = lambda done: None,
) -> None:
    """Run the selections that are not in the journal, and write ``selection.parquet`` beside it.

    That file is written at the end, and also where an error or Ctrl-C ends the work before.

    Parameters
    ----------
    where : Where
    fits : sequence of Fit
    journal : Journal
        Of `OF_SELECTIONS`.
    jobs : int
        Processes.
    on_rows : callable
        Called with how many of the fits are done.

    Raises
    ------
    AnbError
        The first error; names the fit. What is done is kept.
    """
    protocol = where.open()
    had = done(journal.rows, protocol)
    left = [Work(where, one) for one in fits if (protocol.space, *vars(one).values()) not in had]
    count = len(fits) - len(left)
    on_rows(count)
    try:
        with single_threads(), closing(run_all(run_selection, left, jobs)) as results:
            for _, rows in results:
                journal.add(*rows)
                count += 1
                on_rows(count)
    finally:
        kept = done(journal.rows, protocol).values()
        write_fits(journal.path.parent, [row for rows in kept for row in rows], OF_SELECTIONS)
