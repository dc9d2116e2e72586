"""Exporter: trains surrogate ensembles and compiles them into ONNX artifacts."""
