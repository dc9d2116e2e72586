"""The command `anb-onnx`."""
