"""What `anb-onnx shortlist` is asked, and what it is told of measurements."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anb_onnx._io.show import show
from anb_onnx.cli.measured import MeasuredFile, read_measured
from anb_onnx.cli.targets import Targets
from anb_onnx.cli.where import bounds_of
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.errors import AnbError
from anb_onnx.problems import Problem
from anb_onnx.surrogate import Surrogate

if TYPE_CHECKING:
    from anb_onnx.search.verification import Rule, Verified

#: Files that the command itself wrote have these beside the architectures, of each target.
_FORMS = ("mean", "lower", "upper")


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked.

    Attributes
    ----------
    problem : Problem
    measured : tuple of Surrogate
        Those of the problem's targets that can be measured, in its order.
    rule : {"interval", "mean"}
    """

    problem: Problem
    measured: tuple[Surrogate, ...]
    rule: Rule

    @property
    def names(self) -> list[str]:
        """Names of the targets that can be measured."""
        return [surrogate.target.name for surrogate in self.measured]


def question_of(args: argparse.Namespace) -> Question:
    """Load what is asked about.

    Raises
    ------
    AnbError
        If it is no question, or what is to be measured is not part of it.
    """
    loaded: dict[str, Surrogate] = {}
    place = Targets(args)

    def surrogate(name: str) -> Surrogate:
        if name not in loaded:
            loaded[name] = place.load(name)
        return loaded[name]

    objectives = [surrogate(name) for name in args.targets]
    problem = Problem(objectives, bounds_of(args.where, surrogate))
    measured = _measured(args.measure, problem)
    rule: Rule = "interval" if problem.n_objectives == 1 else "mean"
    rule = args.rule or rule
    for found in measured:
        if rule == "interval" and found.calibration is None:
            msg = (
                f"--measure {show(found.target.name)}: its artifact has no calibration, so there "
                "are no intervals; --rule mean takes its means for certain"
            )
            raise AnbError(msg)
    return Question(problem, measured, rule)


def _measured(names: Sequence[str], problem: Problem) -> tuple[Surrogate, ...]:
    """Return the surrogates of the targets that can be measured, in the problem's order."""
    own = {s.target.name: s for s in problem.surrogates}
    for place, name in enumerate(names):
        if name not in own:
            msg = f"--measure {show(name)}: it is one of what is asked about, {', '.join(own)}"
            raise AnbError(msg)
        if name in names[:place]:
            msg = f"--measure {show(name)} is given twice"
            raise AnbError(msg)
    return tuple(s for name, s in own.items() if name in names)


def columns_of(args: argparse.Namespace, question: Question) -> list[str]:
    """Return the columns of measurements, in the order of the targets."""
    if args.value_column is None:
        return question.names
    if len(question.measured) > 1:
        msg = (
            f"--value-column {show(args.value_column)} is of one target, and "
            f"{', '.join(question.names)} are measured; call the columns so"
        )
        raise AnbError(msg)
    return [args.value_column]


def known_of(args: argparse.Namespace, question: Question) -> Verified | None:
    """Read what was measured, file after file."""
    names, columns = question.names, columns_of(args, question)
    problem = question.problem
    targets = [s.target.name for s in problem.surrogates]
    files = [
        read_measured(
            path,
            problem.space,
            value=columns[0],
            more=columns[1:],
            answers=frozenset({"worth", *(f"{t}_{form}" for t in targets for form in _FORMS)}),
            index_column=args.index_column,
            ignore_extra=args.ignore_extra,
        )
        for path in args.known
    ]
    _refuse_twice(args.known, files, problem)
    if not sum(len(file.codes) for file in files):
        if not files:
            return None
        msg = f"--known {show(args.known[0])}: no row has a value in column {columns[0]!r}"
        raise AnbError(msg)
    from anb_onnx.search.verification import verified

    values = [np.concatenate([file.values for file in files])]
    values += [np.concatenate([file.more[name] for file in files]) for name in columns[1:]]
    codes = np.concatenate([file.codes for file in files])
    return verified(problem, codes, dict(zip(names, values, strict=True)))


def _refuse_twice(paths: Sequence[str], files: Sequence[MeasuredFile], problem: Problem) -> None:
    """Refuse an architecture that was measured twice: the luckier would count as the best."""
    seen: dict[int, str] = {}
    for path, file in zip(paths, files, strict=True):
        indices = codes_to_indices(file.codes, problem.space).tolist()
        for row, index in enumerate(indices):
            where = f"{'standard input' if path == '-' else path}, {file.place(row)}"
            if index in seen:
                msg = (
                    f"{where}: the architecture with index {index} was measured before "
                    f"({seen[index]}); keep one row, with the mean"
                )
                raise AnbError(msg)
            seen[index] = where
