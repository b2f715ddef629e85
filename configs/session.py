"""ONNX Runtime sessions, opened from verified bytes."""

from typing import TYPE_CHECKING

from lucency.configs.bundle import Bundle
from lucency.configs.errors import BundleError

if TYPE_CHECKING:
    import onnxruntime


def open_session(bundle: Bundle, *, threads: int = 0) -> "onnxruntime.InferenceSession":
    """Open a CPU session of a bundle's model; ``threads`` 0 means one for each core.

    The model comes as bytes, so ONNX external data cannot reach other files.

    Raises
    ------
    BundleError
        ONNX Runtime refuses the model.

    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Else idle threads keep a core busy for 30 ms after each call, when the next image is prepared.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        return onnxruntime.InferenceSession(
            bundle.model, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime's own exceptions share no public base class
        reason = str(error).splitlines()[0]
        raise BundleError(f"{bundle.path}: ONNX Runtime refuses the model: {reason}") from None
