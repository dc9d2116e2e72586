"""Errors a user can cause. All derive from one base class, itself a `ValueError`."""


class AnbError(ValueError):
    """Base of every error that the input of a user of `anb_onnx` or `anb_export` can cause."""


class ArchitectureError(AnbError):
    """An architecture, or a batch of them, is not a member of the search space.

    Examples
    --------
    >>> import anb_onnx
    >>> anb_onnx.Architecture.from_index(15_625, space=anb_onnx.NASBENCH201)
    Traceback (most recent call last):
    anb_onnx.errors.ArchitectureError: index 15625 is out of range; allowed are 0 to 15624
    """


class TargetError(AnbError):
    """A target, metric or device is not one of those on offer.

    Examples
    --------
    >>> import anb_onnx
    >>> anb_onnx.load("acuracy")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    anb_onnx.errors.TargetError: unknown target 'acuracy' (did you mean 'accuracy'?); valid ...
    """


class ArtifactError(AnbError):
    """An artifact or its manifest is missing, damaged or of another schema."""


class EngineError(AnbError):
    """An engine was asked for that is unknown or cannot run here."""


class TruthError(AnbError):
    """What is asked for is not among what is proven of a target, or contradicts it.

    Examples
    --------
    >>> import anb_onnx
    >>> anb_onnx.load("accuracy").regret(101.0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    anb_onnx.errors.TruthError: 101.0 is better than the best architecture has, ...
    """


class ExactError(AnbError):
    """What was asked cannot be proven, or would take too long; says why."""


class TooManyError(ExactError):
    """More architectures answer a question than were to be listed."""


class InfeasibleError(ExactError):
    """No architecture fulfils the constraints; says what comes nearest."""


class MeasurementError(AnbError):
    """Measurements of a device are not such that a surrogate can be made of them."""


class SourceError(AnbError):
    """A source device cannot be used to adapt to another."""


class FidelityError(AnbError):
    """A fidelity was asked for that an artifact does not have, or a value outside of it.

    Examples
    --------
    >>> import anb_onnx
    >>> anb_onnx.load("accuracy").query(anb_onnx.efficientnet_b0(), fidelity=10)
    Traceback (most recent call last):
    anb_onnx.errors.FidelityError: the artifact of 'accuracy' has no fidelity, found 10
    """


class ExtraError(AnbError, ImportError):
    """A package is missing that only this part needs; says how to install it."""


class EnergyError(AnbError):
    """What was stated of power, or given as a time, is no such thing; says what is."""


class SearchError(AnbError):
    """A search, or a problem to be solved, was asked for what it cannot do; says what it can."""
