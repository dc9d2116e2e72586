from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from anb_export.artifacts.importing import Source, import_models
from anb_export.data.accel_nasbench import ACCEL_NASBENCH
from anb_export.models.formats import model_from_object
from anb_export.models.svm_form import KERNELS, Kernel, KernelError, kernel_from_state
from sklearn.svm import SVR, NuSVR

from anb_onnx.errors import AnbError
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET

from .checkpoint_writer import labels, rows

X = rows(60, 1)
Y = labels(X, "accuracy")


def kernel_of(estimator: Any) -> Kernel:
    member = model_from_object(estimator).member
    assert isinstance(member, Kernel)
    return member


def source(estimator: Any) -> Source:
    return Source("model", "0" * 64, None, model_from_object(estimator))


ESTIMATORS = {
    **{kernel: SVR(kernel=kernel, C=3, gamma=0.02, coef0=0.5, degree=2) for kernel in KERNELS},
    "scale": SVR(gamma="scale", C=20),
    "auto": NuSVR(gamma="auto", nu=0.3),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_scikit_learn_is_the_oracle(name: str) -> None:
    estimator = ESTIMATORS[name].fit(X, Y)
    codes = sample(1500, seed=2, space=MNASNET)
    wanted = estimator.predict(codes.astype(np.float64))
    np.testing.assert_allclose(kernel_of(estimator).predict_exact(codes), wanted, rtol=1e-11)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_graph_is_close(name: str) -> None:
    """SVMRegressor is float32: in onnxruntime 1.31 within 1e-5 of the spread of predictions."""
    estimator = ESTIMATORS[name].fit(X, Y)
    model, card = import_models("accuracy", [source(estimator)] * 2, origin=ACCEL_NASBENCH)
    assert (card["form"], card["members"]) == ("kernel", 2)
    assert card["family"] == ("nusvr" if name == "auto" else "svr")
    codes = sample(500, seed=3, space=MNASNET)
    wanted = estimator.predict(codes.astype(np.float64))
    session = ort.InferenceSession(model)
    mean, std, members = session.run(["mean", "std", "members"], {"architectures": codes})
    spread = card["prediction_std"]
    assert card["verification"]["largest"] < 1e-4
    for found in (mean, members[:, 0], members[:, 1]):
        assert np.abs(found - wanted).max() < 1e-4 * spread
    np.testing.assert_array_equal(std, 0)
    assert session.run(["mean"], {"architectures": codes[:0]})[0].shape == (0,)


def test_no_tree_forms() -> None:
    estimator = SVR().fit(X, Y)
    for form in ("tree64", "tables"):
        with pytest.raises(AnbError, match=f"have no trees: leave out --form {form}"):
            import_models("accuracy", [source(estimator)], form=form, origin=ACCEL_NASBENCH)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("kind", [SVR, NuSVR])
def test_no_support_vectors_at_all(kind: Any, kernel: str) -> None:
    """All targets in the tube: scikit-learn's prediction is a constant, and so is ours."""
    y = Y if kind is SVR else np.full(len(Y), 61.25)
    estimator = SVR(kernel=kernel, epsilon=1e6) if kind is SVR else NuSVR(kernel=kernel, C=1e-300)
    estimator.fit(X, y)
    codes = sample(50, seed=4, space=MNASNET)
    wanted = estimator.predict(codes.astype(np.float64))
    found = kernel_of(estimator)
    np.testing.assert_allclose(found.predict_exact(codes), wanted, rtol=1e-14)
    if kind is SVR:
        assert found.vectors.shape == (0, 28)
        assert np.ptp(wanted) == 0
    # Alone, and beside a member that has some.
    others = [kind(kernel="linear", C=3).fit(X, Y)]
    for members in ([estimator], [estimator, *others], [*others, estimator]):
        model, card = import_models(
            "accuracy", [source(member) for member in members], origin=ACCEL_NASBENCH
        )
        wanted = np.stack([m.predict(codes.astype(np.float64)) for m in members], axis=1)
        (out,) = ort.InferenceSession(model).run(["members"], {"architectures": codes})
        np.testing.assert_allclose(out, wanted, rtol=1e-5)
        assert [s["support_vectors"] for s in card["sources"]] == [
            len(m.support_vectors_) for m in members
        ]


DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]
VECTORS = SVR().fit(X, Y).support_vectors_
HUGE = np.full((1, len(VECTORS)), 1e38)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("gamma", [0.0, 1e-30, 3e38])
def test_vectors_that_are_no_integers_overflow_nothing(gamma: float) -> None:
    """Rounding could make a distance negative, and its exponential infinite."""
    found = kernel_from_state(state(_gamma=gamma, support_vectors_=VECTORS + 0.1))
    assert np.isfinite(found.predict_exact(sample(50, seed=1, space=MNASNET))).all()


def state(**changes: Any) -> dict[str, Any]:
    return {**SVR().fit(X, Y).__getstate__(), **changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernel": "precomputed"}, "kernel 'precomputed' is not supported; supported: linear"),
        ({"kernel": len}, "is not supported"),
        ({"_sparse": True}, "fitted on sparse rows"),
        ({"_gamma": math.nan}, "'_gamma' must be a finite number"),
        ({"degree": "3"}, "'degree' must be a finite number"),
        ({"degree": 2.5}, "'degree' must be an integer from 0 to 100, found 2.5"),
        ({"degree": -1}, "'degree' must be an integer from 0 to 100"),
        ({"degree": 1e300}, "'degree' must be a finite number, at most 3.40e"),
        ({"degree": 2**70}, "'degree' must be an integer from 0 to 100"),
        ({"degree": 10**400}, "'degree' must be a finite number"),
        ({"coef0": 10**5000}, "'coef0' must be a finite number"),
        ({"coef0": 2**70, "kernel": "poly"}, r"predictions may be beyond float32 .* smaller gamma"),
        ({"_gamma": 10**400}, "'_gamma' must be a finite number"),
        ({"_gamma": 1e308}, "'_gamma' must be a finite number, at most 3.40e"),
        ({"_gamma": -1000.0}, "'_gamma' must not be negative, found -1000"),
        ({"_gamma": np.zeros(2)}, "'_gamma' must be a finite number, found an array"),
        ({"kernel": np.array([1, 2])}, "kernel an array of int64 .* is not supported"),
        ({"kernel": 10**5000}, "kernel a value of type int is not supported"),
        ({"kernel": DEEP}, "is not supported"),
        ({"_sparse": np.array([1, 2])}, "fitted on sparse rows"),
        ({"_intercept_": np.array([1e308])}, "'_intercept_' is not finite in"),
        ({"_intercept_": np.array([-3.4e38]), "kernel": "linear", "_dual_coef_": HUGE}, "may be"),
        ({"_dual_coef_": HUGE * 1e160}, "'_dual_coef_' is not finite in"),
        ({"kernel": "poly", "_gamma": 1e30, "degree": 100}, "predictions may be beyond float32"),
        ({"support_vectors_": VECTORS * 1e160}, "'support_vectors_' is not finite in"),
        (
            {"support_vectors_": VECTORS * 200},
            "'support_vectors_' must be codes, from 0 to 255; fit on",
        ),
        ({"support_vectors_": VECTORS - 1.5}, "'support_vectors_' must be codes"),
        ({"coef0": True}, "'coef0' must be a finite number"),
        ({"support_vectors_": np.zeros((0, 28))}, "is damaged: 0 vectors"),
        ({"support_vectors_": np.zeros((5, 28))}, "is damaged: 5 vectors"),
        ({"support_vectors_": np.full((5, 28), math.inf)}, "'support_vectors_' is not finite"),
        ({"support_vectors_": np.array([["a"]])}, "'support_vectors_' is no array of numbers"),
        ({"_dual_coef_": [[1.0]]}, "'_dual_coef_' is no array"),
        ({"_intercept_": np.zeros(2)}, "is damaged"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_damaged_models_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(KernelError, match=message):
        kernel_from_state(state(**changes))
    assert kernel_from_state(state()).n_features == 28


def test_unfitted_and_sparse_models_are_refused() -> None:
    from scipy.sparse import csr_matrix

    with pytest.raises(AnbError, match="not fitted"):
        model_from_object(SVR())
    with pytest.raises(AnbError):
        model_from_object(SVR().fit(csr_matrix(X), Y))
    assert pickle.dumps(SVR())
