"""Errors a user can cause. All derive from one base class, itself a `ValueError`."""


class AnbError(ValueError):
    """Base of every error that the input of a user of `anb_onnx` or `anb_export` can cause."""


class ArchitectureError(AnbError):
    """An architecture, or a batch of them, is not a member of the search space."""


class TargetError(AnbError):
    """A target, metric or device is not one of those on offer."""


class ArtifactError(AnbError):
    """An artifact or its manifest is missing, damaged or of another schema."""


class EngineError(AnbError):
    """An engine was asked for that is unknown or cannot run here."""
