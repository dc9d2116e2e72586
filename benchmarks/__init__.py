"""Benchmarks of anb_onnx against the usual ways to evaluate the same ensemble.

`python -m benchmarks --members DIR --dataset PATH --out benchmarks/results` runs everything, from
the root of a checkout; `--quick` shows in a minute or two that it works. Sections by themselves:
`python -m benchmarks.cold_start`, `.graph_forms`, `.limit`, `.bits`; and `python -m
benchmarks.report DIR` writes the tables and plots again from a results.json.
"""
