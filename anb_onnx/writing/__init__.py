"""Writes what the rest of the package reads: ONNX files, manifests and golden vectors."""
