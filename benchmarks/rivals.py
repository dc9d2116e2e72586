"""Other ways to evaluate the same members, each as fast as its library's documentation says.

Every function opens one and returns what goes from codes to mean and std. Libraries are imported
when asked for, because each of them may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from anb_export.artifacts.convert import _tree_attributes
from anb_export.graphs.graph import GraphBuilder, make_model, serialise
from anb_export.training.recipe import Standardised
from numpy.typing import NDArray

from anb_onnx.onnx_files.steps import INPUT, add_ensemble_outputs, invert_link, rows_inside
from anb_onnx.spaces.mnasnet import MNASNET
from benchmarks.subject import Answer, Codes, Subject

Predict = Callable[[Any], Answer]


def boosters(subject: Subject, threads: int) -> list[Any]:
    """Load the members into xgboost."""
    import xgboost as xgb

    found = []
    for content in subject.contents:
        booster = xgb.Booster({"nthread": threads})
        booster.load_model(bytearray(content))
        booster.set_param("nthread", threads)  # loading may have replaced it
        found.append(booster)
    return found


def _answers(subject: Subject, codes: Codes, columns: Sequence[NDArray[Any]]) -> Answer:
    return subject.answer(np.stack(columns, axis=1), codes)


def xgboost_inplace(subject: Subject, threads: int) -> Predict:
    """Return xgboost without a DMatrix: what its documentation names as the fast way."""
    members = boosters(subject, threads)

    def predict(codes: Codes) -> Answer:
        x = codes.astype(np.float32)
        return _answers(subject, codes, [booster.inplace_predict(x) for booster in members])

    return predict


def xgboost_dmatrix(subject: Subject, threads: int) -> Predict:
    """Return xgboost with one DMatrix per batch, which all members share."""
    import xgboost as xgb

    members = boosters(subject, threads)

    def predict(codes: Codes) -> Answer:
        matrix = xgb.DMatrix(codes.astype(np.float32), nthread=threads)
        return _answers(subject, codes, [booster.predict(matrix) for booster in members])

    return predict


def onnxruntime_trees(subject: Subject, threads: int) -> Predict:
    """Return onnxruntime on the trees: one TreeEnsembleRegressor per member, then the same tail.

    Built of the exporter's pieces, as its `convert` builds the tree form of the upstream recipe.
    """
    import onnxruntime as ort
    from onnx import TensorProto

    transform = subject.training.transform
    if not isinstance(transform, Standardised):
        msg = f"labels of kind {type(transform).__name__} are not those of the compact recipe"
        raise TypeError(msg)
    builder = GraphBuilder()
    x = builder.cast(INPUT, TensorProto.DOUBLE)
    columns = []
    for content in subject.contents:
        attributes = _tree_attributes(content, MNASNET)
        trees = builder.add("TreeEnsembleRegressor", x, domain="ai.onnx.ml", **attributes)
        columns.append(builder.cast(trees, TensorProto.DOUBLE))
    labels = builder.add("Concat", *columns, axis=1)
    u = builder.add(
        "Add",
        builder.add("Mul", labels, builder.constant(transform.std, np.float64)),
        builder.constant(transform.mean, np.float64),
    )
    inside = rows_inside(builder, transform.link.regime, MNASNET)
    y = invert_link(builder, transform.link, u, inside)
    add_ensemble_outputs(builder, y, len(columns))
    model = make_model(
        builder, space=MNASNET, n_members=len(columns), card={}, domains={"ai.onnx.ml": 1}
    )
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(serialise(model), options, providers=["CPUExecutionProvider"])

    def predict(codes: Codes) -> Answer:
        mean, std = session.run(["mean", "std"], {INPUT: codes})
        return mean, std

    return predict


def daal(subject: Subject, threads: int) -> Predict:
    """Return oneDAL's tree ensembles through daal4py (scikit-learn-intelex)."""
    import daal4py  # type: ignore[import-untyped, unused-ignore]

    daal4py.daalinit(threads)
    members = [daal4py.mb.convert_model(booster) for booster in boosters(subject, threads)]

    def predict(codes: Codes) -> Answer:
        x = codes.astype(np.float32)
        return _answers(subject, codes, [np.ravel(model.predict(x)) for model in members])

    return predict


def tl2cgen_compiled(subject: Subject, threads: int, n_members: int, work: Path) -> Predict:
    """Return trees compiled to machine code: treelite, tl2cgen and gcc.

    Integer thresholds (`quantize`) were 1.5 times as fast as float ones, and gcc -O1 is done in
    half of the time of -O3 while its code is no slower.
    """
    import tl2cgen
    import treelite

    members = []
    for number, booster in enumerate(boosters(subject, threads)[:n_members]):
        library = work / f"member_{number}.so"
        tl2cgen.export_lib(
            treelite.frontend.from_xgboost(booster),
            toolchain="gcc",
            libpath=library,
            params={"parallel_comp": 32, "quantize": 1},
            options=["-O1"],
        )
        members.append(tl2cgen.Predictor(library, nthread=threads))

    def predict(codes: Codes) -> Answer:
        matrix = tl2cgen.DMatrix(codes.astype(np.float32))
        return _answers(subject, codes, [np.ravel(member.predict(matrix)) for member in members])

    return predict


def gtil(subject: Subject, threads: int) -> Predict:
    """Return treelite's interpreter."""
    import treelite

    members = [treelite.frontend.from_xgboost(b) for b in boosters(subject, threads)]

    def predict(codes: Codes) -> Answer:
        x = codes.astype(np.float32)
        columns = [treelite.gtil.predict(model, x, nthread=threads) for model in members]
        return _answers(subject, codes, [np.ravel(column) for column in columns])

    return predict


class ReferencePath:
    """A stand-in for how the reference answers: ConfigSpace objects, one DMatrix per member.

    Every member turns the configurations into an array by itself, makes a DMatrix of it and
    predicts. Making the configurations is not counted: whoever asks has them.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject, self._members = subject, boosters(subject, 1)
        space, self._configuration = config_space()
        names = list(space)
        self._order = [names.index(gene.name) for gene in MNASNET.genes]

    def prepare(self, codes: Codes) -> list[Any]:
        """Return the configurations it is asked with."""
        return [self._configuration(row) for row in codes.tolist()]

    def __call__(self, configurations: list[Any]) -> Answer:
        """Predict."""
        import xgboost as xgb

        columns = []
        for booster in self._members:
            x = np.stack([c.get_array() for c in configurations])[:, self._order]
            columns.append(booster.predict(xgb.DMatrix(x, nthread=1)))
        return _answers(self._subject, x.astype(np.uint8), columns)


def config_space() -> tuple[Any, Callable[[Sequence[int]], Any]]:
    """Return the search space in ConfigSpace, and what makes a configuration of codes."""
    from ConfigSpace import CategoricalHyperparameter, Configuration, ConfigurationSpace

    space = ConfigurationSpace()
    space.add([CategoricalHyperparameter(g.name, [str(c) for c in g.choices])
               for g in MNASNET.genes])  # fmt: skip

    def configuration(codes: Sequence[int]) -> Any:
        pairs = zip(MNASNET.genes, codes, strict=True)
        return Configuration(space, values={g.name: str(g.choices[c]) for g, c in pairs})

    return space, configuration
