"""Answers about the whole space as tables, JSON and CSV, and their proofs in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isnan, prod
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
import numpy.typing as npt

from anb_onnx._io.show import printable
from anb_onnx.catalog.catalog import Target
from anb_onnx.cli.columns import Column, Floats, Texts, architecture_columns
from anb_onnx.cli.read import named
from anb_onnx.cli.tables import Blocks, write_csv, write_json, write_json_lines, write_parquet
from anb_onnx.cli.write import open_binary, open_text, write_aligned, write_array
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.mnasnet import LISTS, MNASNET, to_lists
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.surrogate import Surrogate

if TYPE_CHECKING:
    from anb_onnx.exact.results import Certificate, Enumeration, Front, Optimum, Rank

Codes = npt.NDArray[np.uint8]

_BLOCK_ROWS, _COLUMN_ROWS = 2**12, 2**16


@dataclass(frozen=True, eq=False)
class Conditions:
    """What was said about the architectures that are meant.

    Attributes
    ----------
    space : SearchSpace
    bounds : tuple of (Target, str, float)
        Targets with "<=" or ">=" and a value.
    genes : mapping of str to list
        The values that some genes may have.
    """

    space: SearchSpace
    bounds: tuple[tuple[Target, str, float], ...]
    genes: Mapping[str, list[Any]]

    @property
    def of_targets(self) -> str:
        """The bounds in words, with a space before: "" or " with latency <= 5 ms"."""
        return _joined(f"{t.name} {sign} {plain(value)} {t.unit}" for t, sign, value in self.bounds)

    @property
    def of_genes(self) -> str:
        """What genes may be in words, with a space before: "" or " with block0_k = 3 or 5"."""
        return _joined(f"{g} = {' or '.join(map(str, vs))}" for g, vs in self.genes.items())

    @property
    def n_architectures(self) -> int:
        """How many architectures of the space have allowed values of all genes."""
        sizes = {gene.name: len(gene.choices) for gene in self.space.genes}
        sizes |= {name: len({*map(str, values)}) for name, values in self.genes.items()}
        return prod(sizes.values())

    def to_dict(self) -> dict[str, Any]:
        """Return them as plain data."""
        bounds = [
            {"target": target.name, "operator": operator, "value": value, "unit": target.unit}
            for target, operator, value in self.bounds
        ]
        return {"constraints": bounds, "genes": dict(self.genes)}


def _joined(parts: Iterable[str]) -> str:
    text = " and ".join(parts)
    return f" with {text}" if text else ""


def plain(value: float) -> str:
    """Return a number as a person writes it: 5 rather than 5.0, and no digit less than it has."""
    return repr(value).removesuffix(".0")


@dataclass(frozen=True, eq=False)
class Listing:
    """Architectures and the means of some targets, which are queried block by block."""

    space: SearchSpace
    codes: Codes
    surrogates: tuple[Surrogate, ...]

    @property
    def targets(self) -> list[Target]:
        """Of the means, in their order."""
        return [surrogate.target for surrogate in self.surrogates]

    def blocks(self) -> Iterator[tuple[list[int], list[Architecture], list[list[str]]]]:
        """Yield indices, architectures and, a row each, means as decimals of float32."""
        for start in range(0, len(self.codes), _BLOCK_ROWS):
            codes = self.codes[start : start + _BLOCK_ROWS]
            means = [s.query_codes(codes).mean.astype(str).tolist() for s in self.surrogates]
            architectures = [Architecture.from_codes(row, space=self.space) for row in codes]
            rows = [list(row) for row in zip(*means, strict=True)]
            yield codes_to_indices(codes, self.space).tolist(), architectures, rows


def write_listing(
    out: str | None, form: str, listing: Listing, facts: Mapping[str, Any], key: str
) -> None:
    """Write architectures as a table or rows; as JSON with facts, of which they are the last."""
    if form == "parquet":
        units = json.dumps({target.name: target.unit for target in listing.targets})
        with open_binary(out) as file:
            write_parquet(file, _columns(listing), {"anb_onnx.units": units})
        return
    with open_text(out) as stream:
        if form == "json":
            stream.write(json.dumps({**facts, key: None}).removesuffix("null}"))
            write_json(stream, _columns(listing), partial(_item, listing))
            stream.write("}\n")
        elif form == "jsonl":
            write_json_lines(stream, _columns(listing), partial(_item, listing))
        elif form == "csv":
            write_csv(stream, _columns(listing))
        else:
            _write_table(stream, listing)


def _columns(listing: Listing) -> Blocks:
    """Yield index, genes and means: `anb-onnx query --file` reads them again."""
    for start in range(0, max(len(listing.codes), 1), _COLUMN_ROWS):
        codes = listing.codes[start : start + _COLUMN_ROWS].reshape(-1, listing.space.n_genes)
        means = [
            Floats(f"{printable(s.target.name)}_mean", s.query_codes(codes).mean, s.target.unit)
            for s in listing.surrogates
        ]
        yield [*architecture_columns(codes, listing.space), *means]


def _item(listing: Listing, columns: Sequence[Column]) -> dict[str, Any]:
    n_genes = listing.space.n_genes
    genes, means = columns[1 : 1 + n_genes], columns[1 + n_genes :]
    names = [target.name for target in listing.targets]
    return {
        "index": columns[0],
        "architecture": {gene.name: gene for gene in genes},
        "values": dict(zip(names, means, strict=True)),
    }


def _write_table(stream: TextIO, listing: Listing) -> None:
    space = listing.space
    names = {a.index: name for name, a in named(space).items()}
    means = [f"{target.name} [{target.unit}]" for target in listing.targets]
    header = ["architecture", *means, *(LISTS if space == MNASNET else ["values of the genes"])]

    def lines() -> Iterator[Sequence[str]]:
        for indices, architectures, rows in listing.blocks():
            for index, architecture, row in zip(indices, architectures, rows, strict=True):
                yield [names.get(index, str(index)), *row, *shown(architecture, space)]

    write_aligned(stream, header, lines, means)


def shown(architecture: Architecture, space: SearchSpace) -> list[str]:
    """Return MnasNet's four lists, or the values of all genes as `query` takes them."""
    if space == MNASNET:
        lists = to_lists(architecture).values()
        return [" ".join(str(int(value)) for value in values) for values in lists]
    return [json.dumps([*architecture.to_values().values()])]


def optimum_facts(found: Optimum | Enumeration, conditions: Conditions) -> dict[str, Any]:
    """Return what an answer is about, and its certificate, as plain data."""
    asked = {"target": found.target, "unit": found.unit, "direction": found.direction}
    return asked | conditions.to_dict() | {"certificate": _certificate(found.certificate)}


def front_facts(found: Front, conditions: Conditions) -> dict[str, Any]:
    """Return what a front is about, its ideal, nadir and certificate, as plain data."""
    about = zip(found.targets, found.units, found.directions, strict=True)
    ends = (
        {"ideal": _floats(found.ideal), "nadir": _floats(found.nadir)} if len(found.codes) else {}
    )
    return {
        "targets": [{"target": t, "unit": u, "direction": d} for t, u, d in about],
        **conditions.to_dict(),
        **ends,
        "certificate": _certificate(found.certificate),
    }


def _floats(values: npt.NDArray[np.float32]) -> list[float]:
    return [decimal32(value) for value in values]


def decimal32(value: float | np.float32) -> float:
    """Return the shortest decimal that reads back as the same float32."""
    return float(str(np.float32(value)))


def _certificate(certificate: Certificate) -> dict[str, Any]:
    root = certificate.root_bound
    return {
        "nodes": certificate.nodes,
        "leaves": certificate.leaves,
        "parts": certificate.parts,
        "root_bound": None if isnan(root) else decimal32(root),
        "margin": certificate.margin,
        "margin_source": certificate.margin_source,
    }


def proof_of_optimum(found: Optimum, conditions: Conditions) -> str:
    """Return a line that says what is proven of the best architectures."""
    n, better = len(found.solutions), {"max": "higher", "min": "lower"}[found.direction]
    which = conditions.of_targets
    if n == 1:
        claim = f"none{which} has a {better} {found.target}"
    else:
        claim = f"none but these{which} has a {better} {found.target} than the last of them"
    if found.ties:
        last = "its" if n == 1 else "the last one's"
        least = "" if found.all_ties else "at least "
        claim += f"; {least}{found.ties:,} more have exactly {last}"
    return _proof(claim, conditions, found.certificate, found.unit)


def proof_of_list(found: Enumeration, value: float, conditions: Conditions) -> str:
    """Return a line that says what is proven of all that are at least so good."""
    sign = {"max": ">=", "min": "<="}[found.direction]
    claim = (
        f"these {len(found.values):,}{conditions.of_targets} and no others have {found.target} "
        f"{sign} {plain(value)} {found.unit}"
    )
    return _proof(claim, conditions, found.certificate, found.unit)


def proof_of_front(found: Front, conditions: Conditions) -> str:
    """Return a line that says what is proven of a front."""
    which = conditions.of_targets
    claim = f"these {len(found.codes):,} and no others are dominated by none{which}"
    return _proof(claim, conditions, found.certificate, None)


def _proof(claim: str, conditions: Conditions, certificate: Certificate, unit: str | None) -> str:
    nodes, leaves = certificate.nodes, certificate.leaves
    # Of several targets, a margin has no unit.
    margin = "margins" if unit is None else f"margin {certificate.margin:.2g} {unit}"
    return printable(
        f"proven of the surrogate: of {conditions.n_architectures:,} architectures"
        f"{conditions.of_genes}, {claim} ({nodes:,} nodes, {leaves:,} evaluated; "
        f"{margin}: {certificate.margin_source})"
    )


def write_ranks(
    out: str | None, form: str, indices: Sequence[int], ranks: Sequence[Rank], space: SearchSpace
) -> None:
    """Write the places of architectures among all."""
    rows = [_rank_facts(i, rank) for i, rank in zip(indices, ranks, strict=True)]
    columns = [Texts(name, [row[name] for row in rows]) for name in rows[0]]
    if form == "parquet":
        with open_binary(out) as file:
            write_parquet(file, [columns], {"anb_onnx.space": space.name})
        return
    with open_text(out) as stream:
        if form == "json":
            write_array(stream, iter(rows))
        elif form == "jsonl":
            stream.writelines(f"{json.dumps(row)}\n" for row in rows)
        elif form == "csv":
            write_csv(stream, [columns])
        else:
            _write_ranks_table(stream, indices, ranks, space)


def _write_ranks_table(
    stream: TextIO, indices: Sequence[int], ranks: Sequence[Rank], space: SearchSpace
) -> None:
    names = {a.index: name for name, a in named(space).items()}
    cells = [
        [
            names.get(index, str(index)),
            rank.target,
            str(np.float32(rank.value)),
            rank.unit,
            f"{rank.rank:,}",
            f"{rank.equal:,}",
            f"{better_than(rank)} of all {rank.total:,}",
        ]
        for index, rank in zip(indices, ranks, strict=True)
    ]
    header = ["architecture", "target", "mean", "unit", "rank", "with this mean", "better than"]
    write_aligned(stream, header, lambda: cells, ["mean", "rank", "with this mean"])


def _rank_facts(index: int, rank: Rank) -> dict[str, Any]:
    return {
        "index": index,
        "target": rank.target,
        "mean": decimal32(rank.value),
        "unit": rank.unit,
        "rank": rank.rank,
        "better": rank.better,
        "equal": rank.equal,
        "total": rank.total,
    }


def better_than(rank: Rank) -> str:
    """Return the share of all architectures that are worse, in percent, never rounded up.

    With two decimals, or with as many as tell it from 0 and 100 %.
    """
    worse = rank.total - rank.better - rank.equal
    if worse == 0:
        return "0 %"
    for decimals in range(2, 40):
        unit = 10**decimals
        found, rest = divmod(worse * 100 * unit, rank.total)
        if rest == 0 or 0 < found < 100 * unit - 1:
            break
    return f"{found // unit}.{found % unit:0{decimals}d} %"
