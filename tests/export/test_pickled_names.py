"""What a model's pickle may name besides the model: passed over without a look, or refused."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from anb_export.models._pickled_names import CALLS, CLASSES, PASSED_OVER
from anb_export.models.formats import model_from_bytes, model_from_object
from anb_export.models.safe_pickle import loads
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.metrics import mean_absolute_error

from anb_onnx.errors import AnbError
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET

from .checkpoint_writer import labels, rows
from .test_safe_pickle import Bomb

X = rows(120, 1)
Y = labels(X, "accuracy")
CODES = sample(100, seed=5, space=MNASNET)
XF = CODES.astype(np.float32)

GENERATORS = {
    "default_rng": np.random.default_rng(0),
    "RandomState": np.random.RandomState(0),
    **{
        kind.__name__: np.random.Generator(kind(1))
        for kind in (
            *(np.random.MT19937, np.random.PCG64, np.random.PCG64DXSM, np.random.Philox),
            np.random.SFC64,
        )
    },
    "SeedSequence": np.random.SeedSequence(4),
}


def squared_error(wanted: Any, found: Any) -> Any:
    return found - wanted, np.ones_like(found)


def metric(wanted: Any, found: Any) -> float:
    return float(np.abs(wanted - found).mean())


class Stop(xgb.callback.TrainingCallback):  # type: ignore[misc]
    pass


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", GENERATORS)
def test_random_generators_are_passed_over(name: str, protocol: int) -> None:
    generator = GENERATORS[name]
    wrapper = xgb.XGBRegressor(n_estimators=4, n_jobs=1).fit(X, Y)
    wanted = wrapper.predict(XF)
    wrapper.random_state = generator
    found = model_from_bytes(pickle.dumps(wrapper, protocol)).member.predict_exact(CODES)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    for kind in (RandomForestRegressor, ExtraTreesRegressor):
        forest = kind(3, random_state=0).fit(X, Y)
        forest.random_state = generator
        found = model_from_bytes(pickle.dumps(forest, protocol)).member.predict_exact(CODES)
        np.testing.assert_allclose(found, forest.predict(XF), rtol=1e-13)


@pytest.mark.parametrize("protocol", range(6))
def test_callbacks_of_xgboost_are_passed_over(protocol: int, tmp_path: Path) -> None:
    callbacks = [
        xgb.callback.EarlyStopping(rounds=2, save_best=True),
        xgb.callback.EvaluationMonitor(period=100),
        xgb.callback.TrainingCheckPoint(tmp_path.as_posix(), interval=100),
    ]
    # scikit-learn's metrics, too.
    params = {"callbacks": callbacks, "eval_metric": mean_absolute_error}
    wrapper = xgb.XGBRegressor(n_estimators=5, n_jobs=1, **params)
    wrapper.fit(X, Y, eval_set=[(X[:40], Y[:40])], verbose=False)
    found = model_from_bytes(pickle.dumps(wrapper, protocol)).member.predict_exact(CODES)
    np.testing.assert_allclose(found, wrapper.predict(XF), rtol=1e-6)


@pytest.mark.parametrize(
    "params",
    [
        {"objective": squared_error},
        {"eval_metric": metric},
        {"callbacks": [Stop()]},
    ],
    ids=lambda p: next(iter(p)),
)
def test_functions_of_the_user_are_refused_with_advice_that_works(
    params: dict[str, Any], tmp_path: Path
) -> None:
    wrapper = xgb.XGBRegressor(n_estimators=5, n_jobs=1, **params)
    wrapper.fit(X, Y, eval_set=[(X[:40], Y[:40])], verbose=False)
    advice = r"nothing was executed; .*: model\.get_booster\(\)\.save_model\('model\.ubj'\)"
    with pytest.raises(AnbError, match=advice) as caught:
        model_from_object(wrapper)
    assert "\n" not in str(caught.value)
    wrapper.get_booster().save_model(tmp_path / "model.ubj")
    model = model_from_bytes((tmp_path / "model.ubj").read_bytes())
    np.testing.assert_allclose(model.member.predict_exact(CODES), wrapper.predict(XF), rtol=1e-6)


def test_functions_in_other_models() -> None:
    lgb = pytest.importorskip("lightgbm")
    wrapper = lgb.LGBMRegressor(n_estimators=3, n_jobs=1, verbose=-1).fit(X, Y)
    wrapper.set_params(objective=squared_error)
    with pytest.raises(AnbError, match=r"model\.booster_\.save_model\('model\.txt'\)"):
        model_from_object(wrapper)
    forest = RandomForestRegressor(2).fit(X, Y)
    forest.max_features = metric
    with pytest.raises(AnbError, match=r"set that to None \(set_params\) and save the model again"):
        model_from_object(forest)


def test_what_is_passed_over_is_never_called(tmp_path: Path) -> None:
    """Nor imported: the names alone are looked at."""
    mark = tmp_path / "executed"
    for module, name in PASSED_OVER:
        for protocol in (0, 2, 4):
            names = f"c{module}\n{name}\n".encode()
            argument = pickle.dumps(str(mark), protocol)
            inner = argument[2:-1] if protocol >= 2 else argument[:-1]
            inner = inner[9:] if inner[:1] == b"\x95" else inner
            loads(names + b"(" + inner + b"tR" + inner + b"b.")
            with pytest.raises(AnbError, match="nothing was executed"):
                loads(names + b"(" + pickle.dumps(Bomb(print, "x"), 2)[2:-1] + b"tR.")
    assert not mark.exists()
    code = (
        "import sys\n"
        "from anb_export.models.safe_pickle import loads\n"
        "loads(b'cxgboost.callback\\nEarlyStopping\\n)\\x81}b.')\n"
        "assert 'xgboost' not in sys.modules\n"
    )
    import subprocess

    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_passed_over_is_no_model() -> None:
    for module, name in sorted(PASSED_OVER):
        with pytest.raises(AnbError, match="the pickle holds a PassedOver, no model"):
            model_from_bytes(b"\x80\x02" + f"c{module}\n{name}\n".encode() + b")R.")


def test_the_lists_of_names_do_not_overlap() -> None:
    assert not CLASSES & PASSED_OVER
    assert not CLASSES & CALLS.keys()
    assert not PASSED_OVER & CALLS.keys()
    assert not any(name in ("system", "eval", "exec", "getattr") for _, name in PASSED_OVER)
