"""Fits single models of the reference's families, and keeps them in files that hold no code.

Boosters of LightGBM are kept as its text. Random forests and support vector machines are kept as
the arrays they consist of (``.npz``, never pickled), labels already back in the target's unit.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_export.models.forest import Forest, Tree
from anb_export.models.formats import model_from_bytes, model_from_object
from anb_export.models.svm_form import KERNELS, Kernel
from anb_onnx.errors import AnbError

Member: TypeAlias = Forest | Kernel

#: Some hundred times what a sensible fit takes; with a kernel that does not suit the data, libsvm
#: would go on for hours.
_MOST_ITERATIONS = 2_000_000

_TREE_ARRAYS = {"feature": "i", "threshold": "f", "left": "i", "right": "i", "value": "f"}
_KERNEL_ARRAYS = {"vectors": "f", "coefficients": "f", "numbers": "f"}
_KERNEL_NUMBERS = 5  # kernel, gamma, coef0, degree and intercept


class FamilyError(AnbError):
    """A model cannot be fitted, or a file of one is damaged."""


def fit_lightgbm(
    fit: tuple[NDArray[np.uint8], NDArray[np.float64]],
    held: tuple[NDArray[np.uint8], NDArray[np.float64]],
    params: Mapping[str, Any],
    num_rounds: int,
    early_stopping_rounds: int,
    seed: int,
    on_round: Callable[[int], None] | None = None,
) -> bytes:
    """Fit a LightGBM booster with one thread; return its text, up to the best round.

    The reference predicts with the best round, too: LightGBM's own default after early stopping.

    Parameters
    ----------
    fit, held : tuple of ndarray
        Codes uint8 [n, n_genes] and labels float64 [n]: what is learned from, and what stops it.
    params : mapping
        Of ``lightgbm.train``, without objective, metric, seed and threads.
    num_rounds, early_stopping_rounds : int
    seed : int
    on_round : callable, optional
        Called with the number of rounds done, after each round.

    Raises
    ------
    FamilyError
        If LightGBM is not installed or refuses.
    """
    try:
        import lightgbm as lgb
    except ImportError as error:
        msg = "the family lgb needs LightGBM: pip install lightgbm"
        raise FamilyError(msg) from error

    def report(env: Any) -> None:
        if on_round:
            on_round(env.iteration + 1)

    settings = {
        **params,
        "objective": "regression",
        "metric": "rmse",
        "seed": seed,
        "num_threads": 1,
        "deterministic": True,
        "force_col_wise": True,  # else a quick benchmark chooses, and with it the last bits
        "verbosity": -1,
    }
    try:
        train, valid = (
            lgb.Dataset(codes.astype(np.float64), labels, free_raw_data=True)
            for codes, labels in (fit, held)
        )
        booster = lgb.train(
            settings,
            train,
            num_boost_round=num_rounds,
            valid_sets=[valid],
            callbacks=[lgb.early_stopping(early_stopping_rounds, verbose=False), report],
        )
    except (lgb.basic.LightGBMError, ValueError, TypeError) as error:
        msg = f"LightGBM refused: {str(error).splitlines()[0] if str(error) else error!r}"
        raise FamilyError(msg) from error
    best = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
    return str(booster.model_to_string(num_iteration=best)).encode()


def fit_sklearn(
    family: str,
    codes: NDArray[np.uint8],
    labels: NDArray[np.float64],
    params: Mapping[str, Any],
    seed: int,
) -> bytes:
    """Fit a random forest, SVR or NuSVR; return its arrays as an npz file.

    Support vector machines learn standardised labels (see `train_families`); scale and shift are
    folded back into their coefficients and intercept.

    Parameters
    ----------
    family : str
        "forest", "svr" or "nusvr".
    codes : ndarray of uint8, shape (n, n_genes)
    labels : ndarray of float64, shape (n,)
    params : mapping
        Of scikit-learn's estimator.
    seed : int
        For the forest; the machines draw nothing.

    Raises
    ------
    FamilyError
        If scikit-learn refuses.
    """
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import SVR, NuSVR

    rows = codes.astype(np.float64)
    shift, scale = float(labels.mean()), float(labels.std()) or 1.0
    try:
        if family == "forest":
            model: Any = RandomForestRegressor(**params, random_state=seed, n_jobs=1)
            model.fit(rows, labels)
        else:
            model = (SVR if family == "svr" else NuSVR)(**params, max_iter=_MOST_ITERATIONS)
            with warnings.catch_warnings():
                # Where this ends a fit, its score tells.
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(rows, (labels - shift) / scale)
    except (ValueError, TypeError, OverflowError) as error:
        msg = f"scikit-learn refused {family}: {str(error).splitlines()[0]}"
        raise FamilyError(msg) from error
    member = model_from_object(model).member
    if isinstance(member, Kernel):
        if not len(member.vectors):  # others may have wanted a constant; no recipe does
            msg = "the support vector machine has 0 vectors: it learned a constant"
            raise FamilyError(msg)
        return _kernel_to_npz(member, shift, scale)
    return _forest_to_npz(member)


def read_member(family: str, content: bytes) -> Member:
    """Read a member's file.

    Parameters
    ----------
    family : str
        One of `formats.FAMILIES`.
    content : bytes

    Raises
    ------
    AnbError
        If it is damaged or of another family.
    """
    if family in ("xgb", "lgb"):
        model = model_from_bytes(content)
        if model.family != family:
            msg = f"the member is of the family {model.family}, expected {family}"
            raise FamilyError(msg)
        return model.member
    return _forest_from_npz(content) if family == "forest" else _kernel_from_npz(content)


def _forest_to_npz(forest: Forest) -> bytes:
    arrays = {key: getattr(forest, key) for key in _TREE_ARRAYS}
    constants = {
        "roots": forest.roots,
        "n_features": np.array([forest.n_features]),
        "base_score": np.array([forest.base_score]),
    }
    return _to_npz({**arrays, **constants})


def _forest_from_npz(content: bytes) -> Forest:
    kinds = {**_TREE_ARRAYS, "roots": "i", "n_features": "i", "base_score": "f"}
    arrays = _from_npz(content, kinds)
    n, roots = len(arrays["left"]), arrays["roots"].astype(np.int64)
    starts = np.append(roots, n)
    if {len(arrays[key]) for key in _TREE_ARRAYS} != {n} or len(roots) < 1 or roots[0] != 0:
        msg = "the forest is damaged: its arrays differ in length"
        raise FamilyError(msg)
    if (np.diff(starts) < 1).any():
        msg = "the forest is damaged: its roots are not in order"
        raise FamilyError(msg)
    trees = []
    for start, stop in pairwise(starts):
        left, right = (arrays[key][start:stop].astype(np.int64) for key in ("left", "right"))
        trees.append(
            Tree(
                feature=arrays["feature"][start:stop].astype(np.int64),
                threshold=arrays["threshold"][start:stop].astype(np.float64),
                left=np.where(left < 0, left, left - start),
                right=np.where(right < 0, right, right - start),
                value=arrays["value"][start:stop].astype(np.float64),
            )
        )
    # Children, features and values are checked there.
    return Forest.from_trees(
        trees,
        base_score=float(arrays["base_score"][0]),
        n_features=int(arrays["n_features"][0]),
        objective="squared_error",
    )


def _kernel_to_npz(kernel: Kernel, shift: float, scale: float) -> bytes:
    numbers = (
        KERNELS.index(kernel.kernel),
        kernel.gamma,
        kernel.coef0,
        kernel.degree,
        kernel.intercept * scale + shift,
    )
    return _to_npz(
        {
            "vectors": kernel.vectors,
            "coefficients": kernel.coefficients * scale,
            "numbers": np.array(numbers, dtype=np.float64),
        }
    )


def _kernel_from_npz(content: bytes) -> Kernel:
    arrays = _from_npz(content, _KERNEL_ARRAYS)
    vectors, coefficients, numbers = (arrays[key] for key in _KERNEL_ARRAYS)
    finite = all(np.isfinite(array).all() for array in arrays.values())
    if vectors.ndim != 2 or coefficients.shape != (len(vectors),) or not finite:
        msg = "the support vector machine is damaged"
        raise FamilyError(msg)
    if numbers.shape != (_KERNEL_NUMBERS,) or numbers[0] not in range(len(KERNELS)):
        msg = "the support vector machine is damaged: unknown kernel"
        raise FamilyError(msg)
    name, gamma, coef0, degree, intercept = numbers.tolist()
    return Kernel(KERNELS[int(name)], gamma, coef0, int(degree), vectors, coefficients, intercept)


def _to_npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type,unused-ignore]
    return stream.getvalue()


def _from_npz(content: bytes, kinds: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {key: np.asarray(file[key]) for key in kinds}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        msg = f"not a file of arrays, or a damaged one: {error}"
        raise FamilyError(msg) from error
    for key, kind in kinds.items():
        if arrays[key].dtype.kind != kind:
            msg = f"the array {key!r} holds {arrays[key].dtype}"
            raise FamilyError(msg)
    return arrays
