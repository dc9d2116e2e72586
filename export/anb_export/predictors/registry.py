"""All kinds of predictors by name, and `fit`, which fits one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from anb_export.data.targets import TargetSpec
from anb_export.predictors.contract import Fitted, Kind, Predictor, PredictorError, Sample
from anb_onnx._io.show import show
from anb_onnx.encoding.encoding import check_codes
from anb_onnx.spaces.space import SearchSpace, is_integer
from anb_onnx.surrogate import Surrogate

#: In the order of tables.
KINDS: tuple[Kind, ...] = (
    Kind("lookup", "lookup table", "linear:fit_lookup"),
    Kind("linear", "linear regression", "linear:fit_linear"),
    Kind("ridge", "ridge regression", "linear:fit_ridge"),
    Kind("bayesian-ridge", "Bayesian ridge", "linear:fit_bayesian_ridge"),
    Kind("gp", "Gaussian process, blocks and pairs", "gaussian:fit_gp"),
    Kind("gp-live", "Gaussian process, live structure", "gaussian:fit_live_gp", live=True),
    Kind("sparse-gp", "sparse Gaussian process", "gaussian:fit_sparse_gp"),
    Kind(
        "gp-lattice",
        "Gaussian process, all architectures",
        "lattice:fit_lattice",
        least=10,
        enumerates=True,
    ),
    Kind("svr", "support vector regression", "kernel_machines:fit_svr", least=10),
    Kind("random-forest", "random forest", "forests:fit_random_forest", least=5),
    Kind("xgb-pairs", "xgboost, compact pairs", "boosting:fit_pairs", least=10),
    Kind("xgb-free", "xgboost, free trees", "boosting:fit_free", least=10),
    Kind("xgb-live", "xgboost, live structure", "boosting:fit_live", least=10, live=True),
    Kind(
        "gp-trees",
        "Gaussian process, then trees, live structure",
        "boosting:fit_after_process",
        least=10,
        live=True,
    ),
    Kind("lightgbm", "LightGBM", "forests:fit_lightgbm", least=10, needs="lightgbm"),
    Kind("ngboost", "NGBoost", "forests:fit_ngboost", least=10, needs="ngboost"),
    Kind("mlp-small", "MLP, small", "networks:fit_small", least=10),
    Kind("mlp-large", "MLP, large", "networks:fit_large", least=10),
    Kind(
        "few-shot",
        "few-shot, with sources",
        "few:fit",
        least=3,
        most=500,
        from_sources=True,
        version=2,
    ),
    Kind("recipe", "our recipe", "own:fit", least=10),
)

#: What the paper compares and is not here, and why.
UNAVAILABLE: dict[str, str] = {
    "gcn": "it is part of NASLib, which is no package of PyPI",
    "bananas": "it is part of NASLib, which is no package of PyPI",
    "nao": "it is part of NASLib, which is no package of PyPI",
    "bohamiann": "its library, pybnn, wants PyTorch, which is larger than all else together",
}


def kind_of(name: object) -> Kind:
    """Return the kind called `name`.

    Raises
    ------
    PredictorError
        If there is none, or what it needs is not installed; lists what there is.
    """
    found = {kind.name: kind for kind in KINDS}.get(name) if isinstance(name, str) else None
    if found is None:
        why = UNAVAILABLE.get(name) if isinstance(name, str) else None
        reason = f": {why}" if why else ""
        known = ", ".join(kind.name for kind in KINDS)
        msg = f"unknown predictor {show(name)}{reason}; known are {known}"
        raise PredictorError(msg)
    if found.needs is not None and find_spec(found.needs) is None:
        msg = f"the predictor {name!r} needs {found.needs}: pip install 'anb-onnx-export[study]'"
        raise PredictorError(msg)
    return found


def fit(
    name: str,
    codes: NDArray[np.uint8],
    values: NDArray[np.float64],
    *,
    space: SearchSpace,
    target: TargetSpec,
    sources: Sequence[Surrogate] = (),
    seed: int = 0,
) -> Predictor:
    """Fit a predictor to measurements.

    Parameters
    ----------
    name : str
        Of one of `KINDS`.
    codes : ndarray of uint8, shape (n, n_genes)
    values : ndarray of float64, shape (n,)
        What was measured of each, in the target's unit.
    space : SearchSpace
    target : TargetSpec
    sources : sequence of Surrogate
        Of other devices; used by the kinds that say so (``from_sources``).
    seed : int
        Of everything that is drawn: the same arguments give the same predictor.

    Raises
    ------
    PredictorError
        If there is no such predictor, or it cannot be fitted to these measurements.
    ArchitectureError
        If a code is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from anb_export.data.targets import TargetSpec
    >>> from anb_onnx import NASBENCH201, indices_to_codes
    >>> codes = indices_to_codes(np.arange(0, 15625, 100), NASBENCH201)
    >>> latency = TargetSpec("latency_phone", "latency", "phone", "ms", "min")
    >>> times = 5.0 + codes.sum(axis=1)
    >>> predictor = fit("ridge", codes, times, space=NASBENCH201, target=latency)
    >>> mean, _ = predictor.predict(codes[:1])
    >>> bool(abs(mean[0] - times[0]) < 0.1)
    True
    """
    kind = kind_of(name)
    codes = np.ascontiguousarray(codes)
    check_codes(codes, space)
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (len(codes),):
        msg = f"{len(codes)} architectures need as many values, found {list(values.shape)}"
        raise PredictorError(msg)
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        msg = f"row {row}: the value {values[row]} is not finite; leave the row out, or measure it"
        raise PredictorError(msg)
    if why := kind.why_not(space):
        msg = f"the predictor {name!r} is not for this space: {why}"
        raise PredictorError(msg)
    if not kind.least <= len(values) <= kind.most:
        msg = (
            f"the predictor {name!r} takes {kind.least} to {kind.most} measurements, "
            f"found {len(values)}"
        )
        raise PredictorError(msg)
    if not is_integer(seed) or seed < 0:
        msg = f"seed must be an integer >= 0, not {show(seed)}"
        raise PredictorError(msg)
    sample = Sample(space, codes, values, target, tuple(sources))
    predictor = kind.load()(sample, int(seed))
    digest = hashlib.sha256(codes.tobytes() + values.astype("<f8").tobytes()).hexdigest()
    # Past the guard of those that are frozen: they are as fitted, only now with a label.
    object.__setattr__(predictor, "fitted", Fitted(name, len(values), int(seed), digest))
    return predictor
