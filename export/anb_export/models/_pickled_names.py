"""What a pickle may name: classes, which stay inert, and a few calls; part of `safe_pickle`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from anb_export.models._pickled_arrays import UnbuiltArray, from_buffer, make_dtype, read_scalar
from anb_export.models._pickled_budget import INSTANCE, Budget, refuse

#: Classes whose state is kept; they are not imported.
CLASSES = frozenset(
    {
        ("xgboost.core", "Booster"),
        ("xgboost.sklearn", "XGBRegressor"),
        ("lightgbm.basic", "Booster"),
        ("lightgbm.sklearn", "LGBMRegressor"),
        ("sklearn.ensemble._forest", "RandomForestRegressor"),
        ("sklearn.ensemble._forest", "ExtraTreesRegressor"),
        ("sklearn.tree._classes", "DecisionTreeRegressor"),
        ("sklearn.tree._classes", "ExtraTreeRegressor"),
        ("sklearn.tree._tree", "Tree"),
        ("sklearn.svm._classes", "SVR"),
        ("sklearn.svm._classes", "NuSVR"),
        ("joblib.numpy_pickle", "NumpyArrayWrapper"),
    }
)

#: Classes and functions of parameters that a fitted model keeps, but does not predict with: random
#: generators, and metrics and callbacks of a training that is over. Their contents are dropped.
PASSED_OVER = frozenset(
    {
        *(
            ("xgboost.callback", name)
            for name in (
                *("EarlyStopping", "EvaluationMonitor", "LearningRateScheduler"),
                "TrainingCheckPoint",
            )
        ),
        # What EvaluationMonitor prints with.
        ("xgboost.collective", "communicator_print"),
        ("xgboost.rabit", "tracker_print"),
        *(
            ("sklearn.metrics._regression", name)
            for name in (
                *("mean_absolute_error", "mean_squared_error", "root_mean_squared_error"),
                *("mean_absolute_percentage_error", "median_absolute_error", "max_error"),
                *("r2_score", "explained_variance_score"),
            )
        ),
        ("numpy.random._pickle", "__generator_ctor"),
        ("numpy.random._pickle", "__randomstate_ctor"),
        ("numpy.random._pickle", "__bit_generator_ctor"),
        ("numpy.random._pcg64", "PCG64"),
        ("numpy.random._pcg64", "PCG64DXSM"),
        ("numpy.random._mt19937", "MT19937"),
        ("numpy.random._philox", "Philox"),
        ("numpy.random._sfc64", "SFC64"),
        ("numpy.random.bit_generator", "SeedSequence"),
        ("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence"),
        ("numpy.random._bit_generator", "SeedSequence"),  # before NumPy 1.19
        ("numpy.random._bit_generator", "__pyx_unpickle_SeedSequence"),
    }
)

_LAST_STEP = "give its last step, fitted on the codes themselves"
_BEST = "give its best_estimator_"

#: What to do about names that are not allowed, but may well stand in a model.
HINTS = {
    "sklearn.pipeline.Pipeline": _LAST_STEP,
    "sklearn.compose._target.TransformedTargetRegressor": (
        "give its regressor, fitted on the target itself"
    ),
    "sklearn.model_selection._search.GridSearchCV": _BEST,
    "sklearn.model_selection._search.RandomizedSearchCV": _BEST,
    "xgboost.sklearn.XGBRFRegressor": (
        "save its booster: model.get_booster().save_model('model.ubj')"
    ),
}

_OWN = "it stands in a parameter of the model, such as a function of yours; "
_UNSET = _OWN + "set that to None (set_params) and save the model again"
#: What to do about any other name in the pickle of a model of these classes.
HINTS_IN = {
    "xgboost.sklearn.XGBRegressor": (
        _OWN + "save the booster alone: model.get_booster().save_model('model.ubj')"
    ),
    "lightgbm.sklearn.LGBMRegressor": (
        _OWN + "save the booster alone: model.booster_.save_model('model.txt')"
    ),
    "xgboost.core.Booster": "save it by itself: booster.save_model('model.ubj')",
    "lightgbm.basic.Booster": "save it by itself: booster.save_model('model.txt')",
    "sklearn.ensemble._forest.RandomForestRegressor": _UNSET,
    "sklearn.ensemble._forest.ExtraTreesRegressor": _UNSET,
    "sklearn.svm._classes.SVR": _UNSET,
    "sklearn.svm._classes.NuSVR": _UNSET,
}


@dataclass(eq=False, repr=False)
class Object:
    """An instance of an allowed class, as its pickle describes it.

    Attributes
    ----------
    module, name : str
        The class; one of `CLASSES`.
    args : tuple
        What its constructor would get.
    state : dict
        Its attributes.
    """

    module: str
    name: str
    args: tuple[Any, ...]
    state: dict[str, Any]

    @property
    def kind(self) -> str:
        """Full name of the class."""
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class PassedOver:
    """What stands in for whatever `PASSED_OVER` names; it has no contents."""


@dataclass(frozen=True)
class Global:
    """A name in a pickle: of one of `CLASSES`, `PASSED_OVER` or `CALLS`."""

    module: str
    name: str


# Patterns name types first and values then: an argument may be an array, which compares to many.
_LATIN1 = ("latin1", "latin-1")


def _encode(budget: Budget, args: tuple[Any, ...]) -> bytes:
    # The one use pickle makes of it: bytes in protocols 0 to 2.
    match args:
        case (str(text), str(code)) if code in _LATIN1:
            budget.spend(len(text))
            try:
                return text.encode("latin-1")
            except UnicodeEncodeError:
                refuse("the pickle is damaged: bytes above 255")
    _wrong("_codecs.encode")


def _bytearray(budget: Budget, args: tuple[Any, ...]) -> bytes:
    match args:
        case ():
            return b""
        case (bytes(raw),):
            return raw
        case (str(), str(code)) if code in _LATIN1:
            return _encode(budget, args)
    _wrong("builtins.bytearray")


def _bytes(budget: Budget, args: tuple[Any, ...]) -> bytes:
    if args:
        _wrong("builtins.bytes")
    return b""  # as protocols 0 to 2 write it


def _reconstructor(budget: Budget, args: tuple[Any, ...]) -> Object | PassedOver:
    match args:
        case (Global() as cls, Global("builtins", "object"), None):
            if (cls.module, cls.name) in CLASSES:
                budget.spend(INSTANCE)
                return Object(cls.module, cls.name, (), {})
            if (cls.module, cls.name) in PASSED_OVER:
                return PassedOver()
    _wrong("copyreg._reconstructor")


def _reconstruct(budget: Budget, args: tuple[Any, ...]) -> UnbuiltArray:
    match args:
        case (Global("numpy", "ndarray"), (int(size),), bytes()) if size == 0:
            budget.spend(INSTANCE)
            return UnbuiltArray()
    _wrong("numpy._core.multiarray._reconstruct")


def _empty_dict(budget: Budget, args: tuple[Any, ...]) -> dict[Any, Any]:
    if all(isinstance(arg, Global) for arg in args):  # the factory of a defaultdict
        return {}
    _wrong("collections.OrderedDict")


def _no_call(budget: Budget, args: tuple[Any, ...]) -> NoReturn:
    refuse("the pickle calls what may only be named")


def _wrong(name: str) -> NoReturn:
    refuse(f"the pickle calls {name} with arguments that are not allowed")


#: What stands in for each function that may be called.
CALLS: dict[tuple[str, str], Callable[[Budget, tuple[Any, ...]], Any]] = {
    ("_codecs", "encode"): _encode,
    ("builtins", "bytearray"): _bytearray,
    ("builtins", "bytes"): _bytes,
    ("builtins", "object"): _no_call,
    ("copyreg", "_reconstructor"): _reconstructor,
    ("collections", "OrderedDict"): _empty_dict,
    ("collections", "defaultdict"): _empty_dict,
    ("numpy", "ndarray"): _no_call,
    ("numpy", "dtype"): make_dtype,
}
for _core in ("numpy.core", "numpy._core"):  # before and since NumPy 2
    CALLS[(f"{_core}.multiarray", "_reconstruct")] = _reconstruct
    CALLS[(f"{_core}.multiarray", "scalar")] = read_scalar
    CALLS[(f"{_core}.numeric", "_frombuffer")] = from_buffer
