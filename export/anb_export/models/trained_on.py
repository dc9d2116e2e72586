"""What numbers a model was trained on: the genes' codes, their values, or something else.

Artifacts take codes: positions among a gene's choices. A model that was trained on the values (6
for e, False for se), or on scaled columns, has as many features of the same names, and answers
codes with wrong numbers. Its file shows it:

* A learner of trees only makes splits that divide its rows, half way between two numbers of a
  column or at one of them (extra trees draw theirs at random). A split that divides no two codes of
  its gene (``block0_e < 5``: the codes are 0, 1, 2), or lies elsewhere between them (``< 0.75``),
  was not learned on codes. Nor was a model whose splits never set the last of three or more codes
  apart: a column scaled to 0 to 1 looks so.
* Support vectors are rows of the training.
* xgboost sums the weights of the rows on either side: a split above all numbers of its column that
  has rows on both sides had rows without a number, such as those of ``missing=0``.
* LightGBM writes each column's least and largest number down, and the categories of a pandas table;
  xgboost writes down which columns held booleans.

The rule: a model is taken as it is if all its splits can come from codes and not all of them from
values. If all come from values as well, it is ambiguous, and refused until somebody says which, or
its predictions are checked. Otherwise it is refused with what was found. Where the file itself
states which number means which value (categories), or somebody says that the values were used, the
model is rewritten for codes, exactly.

What no file tells: whether ``se`` was True or False where a training turned it into 1. Only a
comparison of predictions can (``import --check``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_export.models.columns import SILENT, Category, Columns
from anb_export.models.forest import Forest
from anb_export.models.formats import Model
from anb_export.models.svm_form import Kernel, on_inputs
from anb_onnx._io.show import show
from anb_onnx.errors import AnbError
from anb_onnx.spaces.space import Gene, SearchSpace

#: What ``--trained-on`` may say.
SCALES = ("codes", "values")

#: The number that stands for each code of each gene, in a training.
Inputs: TypeAlias = tuple[NDArray[np.float64], ...]

# The larger relative spacing of float32, in which xgboost holds thresholds, is 1.2e-7.
_CLOSE = 1e-6
# Bounds of LightGBM's bin for zero are 1e-35 away from it, whatever the next number is.
_ZERO = 1e-30
# xgboost's last bin of a column ends here above its largest number: learning on codes may leave
# such splits behind if empty leaves are allowed (min_child_weight=0).
_LAST_BIN = 1e-5
# Splits of genes with three codes or more, of which one learned on codes sets a last code apart.
_ENOUGH = 3
# Largest share of splits that divide nothing, if somebody says what the training was on: rows
# outside the space leave some behind.
_STRAY = 0.01


class TrainedOnError(AnbError):
    """A model was not trained on codes, and nothing tells how to rewrite it."""


@dataclass(frozen=True)
class _Evidence:
    """Why a training cannot have been on certain numbers.

    Attributes
    ----------
    n : int
        Splits, or support vectors.
    reasons : tuple of str
        Empty if everything fits.
    certain : bool
        Whether nobody can say otherwise.
    missing : str
        Why rows of the training missed numbers, of which the model's predictions alone can tell
        whether some number stood for them; empty if nothing says so.
    """

    n: int
    reasons: tuple[str, ...]
    certain: bool
    missing: str = ""


def settle(
    model: Model,
    trained_on: str | None = None,
    *,
    checked: bool = False,
    space: SearchSpace,
) -> tuple[Model, str]:
    """Make sure that a model takes codes.

    Parameters
    ----------
    model : Model
    trained_on : str, optional
        One of `SCALES`, if somebody says so.
    checked : bool
        Whether predictions will be compared, so that an ambiguous model may be taken as of codes.
    space : SearchSpace

    Returns
    -------
    model : Model
        The given one, or one rewritten to take codes, with the same prediction for each
        architecture.
    trained_on : str
        "codes", "values" or "categories" (numbers that the file itself explains).

    Raises
    ------
    TrainedOnError
        If the model was not trained on codes, or not on what is said, or both are possible.
    """
    if trained_on is not None and trained_on not in SCALES:
        _refuse(f"trained on {show(trained_on)} is not known; known are {', '.join(SCALES)}")
    stated = _stated_inputs(model.columns.categories, trained_on, space)
    if stated is not None:
        return rewritten(model, stated, space), "categories"
    found = {scale: _evidence(model, scale, space) for scale in SCALES}
    codes, values = found["codes"], found["values"]
    if trained_on is not None:
        other = values if trained_on == "codes" else codes
        here = found[trained_on]
        if here.certain or (here.reasons and not other.reasons):
            _refuse(f"not trained on the genes' {trained_on}: {_list(here)}; {_advice(found)}")
    elif codes.reasons:
        _refuse(f"not trained on the genes' codes: {_list(codes)}; {_advice(found)}")
    elif codes.n and not values.reasons and not checked:
        _refuse(
            f"it may have been trained on the genes' codes or on their values: {codes.n} "
            f"{_what(model)} fit both; say which with --trained-on codes or --trained-on values, "
            "or give predictions of the model with --check FILE"
        )
    missing = found[trained_on or "codes"].missing
    if missing and not checked:
        _refuse(
            f"numbers were missing in the training: {missing}; if one stood for them, as with "
            "missing=0, retrain without; else show it with predictions of the model, --check FILE"
        )
    if trained_on == "values":
        return rewritten(model, value_inputs(space), space), "values"
    return model, "codes"


def is_ambiguous(model: Model, space: SearchSpace) -> bool:
    """Say whether a model may have been trained on codes as well as on values."""
    if any(model.columns.categories):
        return False
    found = [_evidence(model, scale, space) for scale in SCALES]
    return found[0].n > 0 and not any(evidence.reasons for evidence in found)


def value_inputs(space: SearchSpace) -> Inputs:
    """Return each gene's values as numbers, by code: True is 1.

    Raises
    ------
    TrainedOnError
        If a gene's choices are words, or floats.
    """
    for gene in space.genes:
        if gene.kind == "str":
            _refuse(f"the values of {gene.name!r} are no numbers")
        if gene.kind == "float":
            # Thresholds are read as what divides integers, and float32 moves such values past them.
            _refuse(
                f"the values of {gene.name!r} are floats, which splits of models of values are not "
                "read for; retrain on the codes (anb_onnx.encode)"
            )
    return tuple(np.array(gene.choices, dtype=np.float64) for gene in space.genes)


def rewritten(model: Model, inputs: Inputs, space: SearchSpace) -> Model:
    """Return a model that predicts for codes what the given one predicts for `inputs` of them.

    Raises
    ------
    TrainedOnError
        If a split divides a gene's codes into sets that no threshold on them divides.
    """
    member: Forest | Kernel
    if isinstance(model.member, Kernel):
        member = on_inputs(model.member, inputs)
    else:
        member = _on_codes(model.member, inputs, space)
    best = None if model.best is None else _on_codes(model.best, inputs, space)
    return replace(model, member=member, best=best, content=None, columns=SILENT)


def _on_codes(forest: Forest, inputs: Inputs, space: SearchSpace) -> Forest:
    threshold, left, right = forest.threshold.copy(), forest.left.copy(), forest.right.copy()
    for position, numbers in enumerate(inputs):
        nodes = np.flatnonzero((forest.left >= 0) & (forest.feature == position))
        if not len(nodes):
            continue
        goes_left = numbers < forest.threshold[nodes, None]  # [nodes, codes], in float64
        count = goes_left.sum(axis=1)
        # Where numbers rise with the codes, the first ones go left; where they fall, the last ones.
        first = np.arange(len(numbers)) < count[:, None]
        last = first[:, ::-1]
        swap = (goes_left != first).any(axis=1)
        if (swap & (goes_left != last).any(axis=1)).any():
            _refuse(
                f"the numbers of {space.gene_names[position]!r} in the training, "
                f"{', '.join(f'{number:g}' for number in numbers)} by code, neither rise nor fall "
                "with the codes, which no threshold follows; retrain on the codes "
                "(anb_onnx.encode)"
            )
        threshold[nodes] = np.where(swap, len(numbers) - count, count) - 0.5
        left[nodes], right[nodes] = (
            np.where(swap, forest.right[nodes], forest.left[nodes]),
            np.where(swap, forest.left[nodes], forest.right[nodes]),
        )
    return replace(forest, threshold=threshold, left=left, right=right, stated=None)


def _stated_inputs(
    categories: Sequence[Sequence[Category]], trained_on: str | None, space: SearchSpace
) -> Inputs | None:
    """Return the numbers that pandas gave to the genes' values, or None if it gave none."""
    # Of 0, 1, 2, ... the numbers are the categories themselves: columns like any others.
    if all([*map(_integer, items)] == [*range(len(items))] for items in categories):
        return None
    if len(categories) != space.n_genes:
        _refuse(
            f"trained on a table of pandas in which {len(categories)} of {space.n_genes} columns "
            f"are categories, such as {show([*categories[0]])}, and the file does not say which "
            "columns; retrain on the codes (anb_onnx.encode)"
        )
    pairs = [*zip(space.genes, categories, strict=True)]
    found = {
        "values": [_places(gene, [_code(gene, item) for item in items]) for gene, items in pairs],
        "codes": [_places(gene, [*map(_integer, items)]) for gene, items in pairs],
    }
    fitting = [scale for scale, places in found.items() if all(-1 not in p for p in places)]
    if trained_on is not None and fitting and trained_on not in fitting:
        _refuse(
            f"not trained on the genes' {trained_on}: the file states the categories of its "
            f"columns, which are the {fitting[0]}; leave out --trained-on"
        )
    if not fitting:
        position = next(k for k, places in enumerate(found["values"]) if -1 in places)
        _refuse(
            f"trained on categories that are not the values of the genes: those of "
            f"{space.gene_names[position]!r} are {show([*categories[position]])}, its values "
            f"{space.genes[position].allowed}; retrain on the codes (anb_onnx.encode)"
        )
    if len(fitting) > 1 and trained_on is None:
        _refuse(
            "trained on categories that may be the genes' codes or their values; say which with "
            "--trained-on codes or --trained-on values"
        )
    chosen = found[trained_on or fitting[0]]
    return tuple(np.array(places, dtype=np.float64) for places in chosen)


def _places(gene: Gene, codes: Sequence[int | None]) -> list[int]:
    """Return where each of a gene's codes stands in a list, -1 if it is not there just once."""
    return [codes.index(code) if codes.count(code) == 1 else -1 for code in range(len(gene))]


def _code(gene: Gene, category: Category) -> int:
    if gene.kind == "int" and isinstance(category, str) and category.strip().isdecimal():
        return gene.find(int(category[:20]))  # a column of text
    return gene.find(category)


def _integer(category: Category) -> int | None:
    if isinstance(category, bool) or not isinstance(category, int | float):
        return None
    return int(category) if category == int(category) else None


def _evidence(model: Model, scale: str, space: SearchSpace) -> _Evidence:
    if scale == "codes":
        inputs: Inputs = tuple(np.arange(len(gene), dtype=np.float64) for gene in space.genes)
    elif any(gene.kind == "str" for gene in space.genes):
        return _Evidence(0, ("values of genes are words",), certain=True)
    elif any(gene.kind == "float" for gene in space.genes):
        return _Evidence(0, ("values of genes are floats",), certain=True)
    else:
        inputs = value_inputs(space)
    if isinstance(model.member, Kernel):
        return _of_vectors(model.member, inputs, scale, space)
    return _of_splits(model.member, model.columns, inputs, scale, space)


def _of_vectors(kernel: Kernel, inputs: Inputs, scale: str, space: SearchSpace) -> _Evidence:
    known = [np.isin(kernel.vectors[:, k], numbers) for k, numbers in enumerate(inputs)]
    bad = ~np.stack(known, axis=1)
    rows = int(bad.any(axis=1).sum())
    if not rows:
        return _Evidence(len(bad), (), certain=False)
    row, column = np.argwhere(bad)[0]
    reason = (
        f"{rows} of {len(bad)} support vectors are no architectures' {scale} (the first: "
        f"{space.gene_names[column]} is {kernel.vectors[row, column]:.6g}, not one of "
        f"{', '.join(f'{number:g}' for number in inputs[column])})"
    )
    return _Evidence(len(bad), (reason,), certain=True)


def _of_splits(
    forest: Forest, columns: Columns, inputs: Inputs, scale: str, space: SearchSpace
) -> _Evidence:
    nodes = np.flatnonzero((forest.left >= 0) & forest.reached())
    feature = forest.feature[nodes]
    strict = forest.threshold[nodes].astype(np.float64)
    stated = strict if forest.stated is None else forest.stated[nodes]
    numbers = [np.sort(column) for column in inputs]
    least = np.array([column[0] for column in numbers])[feature]
    largest = np.array([column[-1] for column in numbers])[feature]
    end_of_bins = np.abs(strict - (largest + np.abs(largest) + _LAST_BIN)) <= 3 * _CLOSE
    void = ~((least < strict) & (strict <= largest))
    if forest.stated is None:
        void &= ~end_of_bins
    divides = (least < strict) & (strict <= largest)

    def first(bad: NDArray[np.bool_]) -> str:
        at = int(np.flatnonzero(bad)[0])
        tree = int(np.searchsorted(forest.roots, nodes[at], side="right")) - 1
        sign = "<" if forest.stated is None else "<="
        gene = int(feature[at])
        return (
            f"the first: tree {tree}, {space.gene_names[gene]} {sign} {stated[at]:.6g}, of "
            f"{', '.join(f'{number:g}' for number in numbers[gene])}"
        )

    reasons = []
    n, kind = len(nodes), scale.removesuffix("s")
    if void.any():
        reasons.append(
            f"{void.sum()} of {n} splits send every {kind} of their gene the same way "
            f"({first(void)})"
        )
    odd = _odd(feature, stated, numbers, closed=forest.stated is not None) & divides
    if odd.any() and not columns.drawn:
        reasons.append(
            f"{odd.sum()} of {n} splits are not where a training on {scale} makes them, half way "
            f"between two {scale} or at one ({first(odd)})"
        )
    if scale == "codes":
        reasons += _last_codes(feature, strict, divides, columns, space)
    ranges = _bad_ranges(columns, numbers, space)
    reasons += ranges
    reasons += _bad_booleans(columns, scale, space)
    missing = ""
    if forest.divided is not None:
        gaps = forest.divided[nodes] & _beyond_a_last_bin(feature, strict, numbers)
        if gaps.any():
            missing = (
                f"{gaps.sum()} of {n} splits set rows apart from all numbers of their gene "
                f"({first(gaps)})"
            )
    certain = bool(ranges) or void.sum() > _STRAY * n
    return _Evidence(n, tuple(reasons), certain, missing)


def _beyond_a_last_bin(
    feature: NDArray[np.int32],
    strict: NDArray[np.float64],
    numbers: Sequence[NDArray[np.float64]],
) -> NDArray[np.bool_]:
    """Say which splits are where xgboost ends the last bin of a column, whatever its last number.

    All numbers are below. Rows that went the other way had none: they held what was given as
    `missing`, or nothing.
    """
    found = np.zeros(len(strict), dtype=np.bool_)
    for gene, column in enumerate(numbers):
        rows = np.flatnonzero(feature == gene)
        ends = column + np.abs(column) + _LAST_BIN
        found[rows] = (np.abs(strict[rows, None] - ends) <= 3 * _CLOSE).any(axis=1)
    return found


def _odd(
    feature: NDArray[np.int32],
    stated: NDArray[np.float64],
    numbers: Sequence[NDArray[np.float64]],
    *,
    closed: bool,
) -> NDArray[np.bool_]:
    """Say which splits are neither half way between numbers nor, if the others are, at one."""
    middle, at = np.ones(len(stated), dtype=np.bool_), np.ones(len(stated), dtype=np.bool_)
    for gene, column in enumerate(numbers):
        rows = np.flatnonzero(feature == gene)
        if len(rows):
            halves = (column[:, None] + column)[np.triu_indices(len(column), 1)] / 2
            middle[rows] = _near(stated[rows], halves)
            at[rows] = _near(stated[rows], column[1:])
            if closed and column[0] == 0:
                middle[rows] |= (stated[rows] > 0) & (stated[rows] < _ZERO)
    # One way of making splits holds for a whole model, and `x <= t` is only learned half way.
    return ~middle if closed or (~middle).sum() <= (~at).sum() else ~at


def _near(stated: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.bool_]:
    if not len(points):
        return np.zeros(len(stated), dtype=np.bool_)
    points = np.sort(points)
    above = np.clip(np.searchsorted(points, stated), 0, len(points) - 1)
    below = np.maximum(above - 1, 0)
    distance = np.minimum(np.abs(points[above] - stated), np.abs(points[below] - stated))
    close: NDArray[np.bool_] = distance <= _CLOSE * np.maximum(1, np.abs(stated))
    return close


def _last_codes(
    feature: NDArray[np.int32],
    strict: NDArray[np.float64],
    divides: NDArray[np.bool_],
    columns: Columns,
    space: SearchSpace,
) -> list[str]:
    """Say whether no split sets a last code of three or more apart; columns of 0 to 1 have none."""
    sizes = np.array(space.gene_sizes)
    ends = zip(columns.ranges, sizes, strict=False)
    if any(found is not None and size > 2 and found[1] == size - 1 for found, size in ends):
        return []  # the file states that the last code was there
    long = divides & (sizes[feature] > 2)
    if long.sum() < _ENOUGH or (long & (strict > sizes[feature] - 2)).any():
        return []
    return [
        f"none of {long.sum()} splits of genes with three codes or more sets a last code apart, as "
        "if the columns were scaled to 0 to 1"
    ]


def _bad_ranges(
    columns: Columns, numbers: Sequence[NDArray[np.float64]], space: SearchSpace
) -> list[str]:
    pairs = zip(columns.ranges, numbers, strict=False)
    bad = [k for k, (ends, known) in enumerate(pairs) if ends and not np.isin(ends, known).all()]
    if not bad:
        return []
    least, largest = columns.ranges[bad[0]] or (0, 0)
    return [
        f"the file states that {space.gene_names[bad[0]]} was {least:.6g} to {largest:.6g} in "
        f"training (and {len(bad) - 1} more columns of the kind)"
    ]


def _bad_booleans(columns: Columns, scale: str, space: SearchSpace) -> list[str]:
    kinds = enumerate(gene.kind for gene in space.genes)
    bad = [k for k, kind in kinds if k in columns.booleans and (scale, kind) != ("values", "bool")]
    return [f"the file states that {space.gene_names[k]} was a column of booleans" for k in bad[:1]]


def _list(evidence: _Evidence) -> str:
    return "; ".join(evidence.reasons)


def _what(model: Model) -> str:
    return "support vectors" if isinstance(model.member, Kernel) else "splits"


def _advice(found: dict[str, _Evidence]) -> str:
    retrain = "retrain on the codes (anb_onnx.encode)"
    if not found["values"].reasons:
        return (
            "everything fits the genes' values: if the model was trained on these, with True as "
            f"1, say --trained-on values; else {retrain}"
        )
    if not found["codes"].reasons:
        return "everything fits the genes' codes; leave out --trained-on"
    if not found["codes"].certain:
        return f"{retrain}, neither scaled nor shifted; if it was, say --trained-on codes"
    return (
        "nor does it fit the genes' values: columns were scaled, shifted, reversed or of both "
        f"kinds; {retrain}"
    )


def _refuse(message: str) -> NoReturn:
    raise TrainedOnError(message)
