"""A classifier that runs from its bundle with ONNX Runtime; nothing here needs PyTorch."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lucency.configs.bundle import Bundle, BundleManifest, load_bundle
from lucency.configs.errors import BundleError
from lucency.configs.session import open_session
from lucency.datasets.display import display
from lucency.datasets.model_input import model_input
from lucency.datasets.radiographs import Radiograph

if TYPE_CHECKING:
    import onnxruntime

INPUT = "image"
OUTPUT = "probabilities"


class Classifier:
    """Gives the probability of each label for a whole radiograph.

    ``threads`` 0 means one for each core. A classifier may be shared between threads.

    Raises
    ------
    BundleError
        The bundle is for another task, or its model does not fit its manifest.

    """

    def __init__(self, bundle: Bundle, *, threads: int = 0) -> None:
        if bundle.manifest.task != "classification":
            raise BundleError(
                f"{bundle.path}: is a bundle for {bundle.manifest.task}; a classifier is needed"
            )
        self._bundle = bundle
        self._session = open_session(bundle, threads=threads)
        _check_shapes(bundle, self._session)

    @property
    def manifest(self) -> BundleManifest:
        """What the bundle says of the model: labels, thresholds, figures."""
        return self._bundle.manifest

    @property
    def bundle(self) -> Bundle:
        """The bundle that the classifier runs from."""
        return self._bundle

    def classify(self, radiograph: Radiograph) -> NDArray[np.float32]:
        """(C,) the probability of each label, in the order of ``manifest.class_names``.

        Raises
        ------
        ImageError
            The radiograph cannot be displayed.

        """
        return self.classify_image(display(radiograph, self.manifest.display).image)

    def classify_image(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `classify`, for a grey 8-bit image (h, w) made with the manifest's display."""
        size, channels = self.manifest.input_size, self.manifest.input_channels
        inputs = model_input(image, size=size, channels=channels)[None]
        probabilities: NDArray[np.float32] = run_session(self._session, inputs)[0]
        return probabilities


def open_classifier(path: Path) -> Classifier:
    """Verify the bundle at ``path`` and open it; raises `BundleError` as `Classifier` does."""
    return Classifier(load_bundle(path))


def run_session(
    session: "onnxruntime.InferenceSession", inputs: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Probabilities (N, C) of normalised inputs (N, channels, size, size)."""
    return np.asarray(session.run([OUTPUT], {INPUT: inputs})[0], dtype=np.float32)


def _check_shapes(bundle: Bundle, session: "onnxruntime.InferenceSession") -> None:
    manifest = bundle.manifest
    inputs = {value.name: list(value.shape[1:]) for value in session.get_inputs()}
    outputs = {value.name: list(value.shape[1:]) for value in session.get_outputs()}
    side = manifest.input_size
    expected_input = {INPUT: [manifest.input_channels, side, side]}
    expected_output = {OUTPUT: [len(manifest.class_names)]}
    if inputs != expected_input or outputs != expected_output:
        raise BundleError(
            f"{bundle.path}: the model takes {inputs} and gives {outputs}, but the manifest says "
            f"{expected_input} and {expected_output}; export the bundle again"
        )
