"""Catalogs of other search spaces for anb_onnx: data only, which `anb_onnx.load` finds."""
