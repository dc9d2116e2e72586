"""The Python interface of the Accel-NASBench repository, over this package's surrogates.

A script written for that repository runs after changing its two import lines::

    import anb_onnx.compat as anb
    from anb_onnx.compat import EfficientNetSS as ss

Neither xgboost nor ConfigSpace is needed. Where the original is plainly mistaken this module
differs, and the docstrings say so; new code is better written against `anb_onnx.load`.
"""

from anb_onnx.compat.configurations import Configuration, EfficientNetSS
from anb_onnx.compat.ensembles import ANBEnsemble, Ensemble, Member

__all__ = ["ANBEnsemble", "Configuration", "EfficientNetSS", "Ensemble", "Member"]
