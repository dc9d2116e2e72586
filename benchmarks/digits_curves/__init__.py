"""Learning curves and training times of small networks on scikit-learn's digits, measured here.

A joint space of architecture and hyper-parameters, small enough that anybody can measure it again
in about an hour on one core: `python -m benchmarks.digits_curves measure --out FILE.parquet`. What
the committed `digits.parquet` holds and how it was made stands in README.md beside it.
"""
