"""What an ONNX file holds, read and written without the onnx package."""
