"""Networks as files that other programs read: an ONNX graph, or the weights alone."""
