"""The image classifiers: networks, training, export, ONNX inference and evaluation."""
