"""What `anb-onnx shortlist` says: what to measure next, and what is best of what was measured."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from anb_onnx.cli.answers import Answer, ask
from anb_onnx.cli.columns import Column, Floats, Texts, architecture_columns
from anb_onnx.cli.proven import plain, shown
from anb_onnx.cli.read import named
from anb_onnx.cli.tables import write_csv, write_json, write_json_lines, write_parquet
from anb_onnx.cli.write import open_binary, open_text, write_aligned
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.problems import Problem
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.mnasnet import LISTS, MNASNET
from anb_onnx.spaces.nasbench201 import NASBENCH201, to_arch_string
from anb_onnx.surrogate import Surrogate

if TYPE_CHECKING:
    from anb_onnx.search.verification import Shortlist, Verified

#: Architectures of a front that are listed in words.
_LISTED = 10


class Report:
    """A shortlist, and what was measured before.

    Parameters
    ----------
    problem : Problem
    measured : tuple of Surrogate
        Those that can be measured.
    rule : str
    shortlist : Shortlist
    known : Verified or None
    n_candidates : int
    level : float
        Of the intervals that are shown.
    """

    def __init__(
        self,
        problem: Problem,
        measured: tuple[Surrogate, ...],
        rule: str,
        shortlist: Shortlist,
        known: Verified | None,
        n_candidates: int,
        level: float,
    ) -> None:
        self._problem = problem
        self._measured = [surrogate.target.name for surrogate in measured]
        self._units = {s.target.name: s.target.unit for s in problem.surrogates}
        self._rule = rule
        self._shortlist = shortlist
        self._known = known
        self._n_candidates = n_candidates
        self._answers = [ask(surrogate, shortlist.codes, level) for surrogate in problem.surrogates]

    def write(self, out: str | None, form: str) -> None:
        """Write what to measure, the most worthwhile first."""
        if form == "parquet":
            metadata = {"anb_onnx.units": json.dumps(self._units)}
            with open_binary(out) as file:
                write_parquet(file, [self._columns()], metadata)
            return
        with open_text(out) as stream:
            if form == "csv":
                write_csv(stream, [self._columns()])
            elif form == "json":
                stream.write(json.dumps({**self._facts(), "shortlist": None})[: -len("null}")])
                write_json(stream, [self._parts()], self._item)
                stream.write("}\n")
            elif form == "jsonl":
                write_json_lines(stream, [self._parts()], self._item)
            else:
                self._write_table(stream)

    def lines(self, again: str | None, columns: Sequence[str]) -> Iterator[str]:
        """Yield what there is to say beside the list.

        Parameters
        ----------
        again : str or None
            The CSV file that was written, if any.
        columns : sequence of str
            How the columns are to be called into which measurements are put.
        """
        if self._known is not None:
            yield from self._lines_of_known(self._known)
        what = " and ".join(self._measured)
        certain = ", with its predictions taken for certain" if self._rule == "mean" else ""
        yield (
            f"{len(self._shortlist)} of {self._n_candidates:,} candidates to measure {what} of, "
            f"the most worthwhile first{certain}"
        )
        yield (
            f"worth: what each is expected to add to {self._gain()}, once those before it are known"
        )
        if self._rule == "interval" and not self._shortlist.worth.any():
            yield "none of the candidates is likely to add anything"
        if again is not None:
            file = shlex.quote(again)
            wanted = zip(columns, self._measured, strict=True)
            listed = " and ".join(f"{column!r} [{self._units[name]}]" for column, name in wanted)
            yield (
                f"next: put measurements into a column {listed} of {file}; the same command with "
                f"--known {file} added, and another --out, says what is best and what to measure "
                "then"
            )

    def _gain(self) -> str:
        problem = self._problem
        if problem.n_objectives > 1:
            return f"the hypervolume of {' and '.join(problem.names)}"
        kept = " that keeps all limits" if problem.limits else ""
        unit = f" [{problem.units[0]}]" if problem.units[0] else ""
        return f"the best {problem.names[0]}{unit}{kept}"

    def _lines_of_known(self, known: Verified) -> Iterator[str]:
        rows = self._best(known)
        n = f"{len(known)} measured"
        if not len(rows):
            yield f"of {n}, none keeps all limits"
        elif self._problem.n_objectives == 1:
            yield f"best of {n}: {self._in_words(known, rows[0])}"
        else:
            yield f"front of {n}: {len(rows)}"
            for row in rows[:_LISTED]:
                yield f"  {self._in_words(known, row)}"
            if len(rows) > _LISTED:
                yield f"  and {len(rows) - _LISTED} more, which --json lists"

    def _best(self, known: Verified) -> Sequence[int]:
        """Return the rows of what is best so far."""
        if self._problem.n_objectives > 1:
            return [int(row) for row in known.front]
        return [] if known.best is None else [known.best]

    def _in_words(self, known: Verified, row: int) -> str:
        values = ", ".join(
            f"{name} {plain(value)} {self._units[name]}"
            for name, value in self._values(known, row).items()
        )
        return f"{known.indices[row]} ({values})"

    def _values(self, known: Verified, row: int) -> dict[str, float]:
        """Return the objectives and what was measured by target; means as float32 prints them."""
        values = dict(zip(self._problem.names, known.values[row].tolist(), strict=True))
        found = {name: float(str(np.float32(value))) for name, value in values.items()}
        return found | {name: float(of[row]) for name, of in known.measured.items()}

    def _facts(self) -> dict[str, Any]:
        """Return what was asked, and what is best so far, as plain data."""
        problem = self._problem
        objectives = zip(problem.names, problem.units, problem.directions, strict=True)
        limits = [
            {"target": name, "operator": operator, "value": value, "unit": self._units[name]}
            for name, operator, value in problem.constraints
        ]
        facts: dict[str, Any] = {
            "targets": [{"target": n, "unit": u, "direction": d} for n, u, d in objectives],
            "constraints": limits,
            "measure": self._measured,
            "rule": self._rule,
            "reference": self._shortlist.reference.tolist(),
            "candidates": self._n_candidates,
        }
        if self._known is None:
            return facts
        known = self._known
        best = [
            {
                "index": int(known.indices[row]),
                "architecture": self._architecture(known.codes[row]).to_values(),
                "values": self._values(known, row),
            }
            for row in self._best(known)
        ]
        return facts | {"measured": len(known), "best": best}

    def _architecture(self, codes: Any) -> Architecture:
        return Architecture.from_codes(codes, space=self._problem.space)

    @property
    def _worth(self) -> Floats:
        unit = self._problem.units[0] if self._problem.n_objectives == 1 else None
        return Floats("worth", self._shortlist.worth.astype(np.float32), unit)

    def _numbers(self, answer: Answer) -> dict[str, Floats]:
        """Return what is shown of a target: of those that can be measured, the interval, too."""
        names = ["mean"]
        if answer.target in self._measured:
            names += ["lower", "upper"]
        return {name: answer.numbers()[name] for name in names}

    def _columns(self) -> list[Column]:
        codes, space = self._shortlist.codes, self._problem.space
        index, *genes = architecture_columns(codes, space)
        spelled: list[Column] = []
        if space == NASBENCH201:
            rows = [to_arch_string(self._architecture(row)) for row in codes]
            spelled = [Texts("architecture", rows)]
        numbers = [column for a in self._answers for column in self._numbers(a).values()]
        return [index, *spelled, *genes, *numbers, self._worth]

    def _parts(self) -> list[Column]:
        """Return the columns of JSON, in the order in which `_item` takes them."""
        columns = architecture_columns(self._shortlist.codes, self._problem.space)
        numbers = [column for a in self._answers for column in self._numbers(a).values()]
        return [*columns, *numbers, self._worth]

    def _item(self, columns: Sequence[Column]) -> dict[str, Any]:
        index, *rest = columns
        n_genes = self._problem.space.n_genes
        genes, numbers = rest[:n_genes], iter(rest[n_genes:])
        predictions = {}
        for answer in self._answers:
            found: dict[str, Any] = {name: next(numbers) for name in self._numbers(answer)}
            if len(found) > 1:
                found["level"] = answer.level
            predictions[answer.target] = {**found, "unit": answer.unit}
        return {
            "index": index,
            "architecture": {gene.name: gene for gene in genes},
            "predictions": predictions,
            "worth": next(numbers),
        }

    def _write_table(self, stream: TextIO) -> None:
        codes, space = self._shortlist.codes, self._problem.space
        names = {a.index: name for name, a in named(space).items()}
        labels = [names.get(i, str(i)) for i in codes_to_indices(codes, space).tolist()]
        columns: dict[str, list[str]] = {}
        for answer in self._answers:
            for name, column in self._numbers(answer).items():
                # The interval stands right beside its mean.
                title = answer.target if name == "mean" else f"{answer.target} {name}"
                columns[f"{title} [{answer.unit}]"] = texts(column)
        columns["worth"] = [f"{worth:.4g}" for worth in self._shortlist.worth]
        header = [
            "architecture",
            *columns,
            *(LISTS if space == MNASNET else ["values of the genes"]),
        ]
        rows = [
            [label, *cells, *shown(self._architecture(row), space)]
            for label, cells, row in zip(
                labels, zip(*columns.values(), strict=True), codes, strict=True
            )
        ]
        write_aligned(stream, header, lambda: rows, [*columns])


def texts(column: Floats) -> list[str]:
    """Return numbers as a table for people has them."""
    if isinstance(column.values, int):
        return ["-"] * column.values
    found: list[str] = column.values.astype(str).tolist()
    return found
