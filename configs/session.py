"""ONNX Runtime sessions, opened from verified bytes."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from lucency.configs.bundle import Bundle
from lucency.configs.errors import BundleError


class Session(Protocol):
    """What runs a model: ONNX Runtime's own session, or one that shares its runs with others."""

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any], /) -> Any:
        """The outputs of these names, as a list of arrays; of all where None is given."""

    def get_inputs(self) -> Any:
        """Names and shapes of the inputs."""

    def get_outputs(self) -> Any:
        """Names and shapes of the outputs."""


def cores_of_this_process() -> int:
    """How many cores the process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def open_session(bundle: Bundle, *, threads: int = 0) -> Session:
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
    # Else memory is planned, and kept, for each new shape of input: a tenth more for nothing.
    options.enable_mem_pattern = False
    # Else idle threads keep a core busy for 30 ms after each call, when the next image is prepared.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        session: Session = onnxruntime.InferenceSession(
            bundle.model, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime's own exceptions share no public base class
        reason = str(error).splitlines()[0]
        raise BundleError(f"{bundle.path}: ONNX Runtime refuses the model: {reason}") from None
    return session
