"""The detector: fine-tuning, export, ONNX inference and evaluation of boxes."""
