"""Ensembles as ONNX graphs, and their comparison with what they were made from."""
