"""A classifier that runs from its bundle with ONNX Runtime; nothing here needs PyTorch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lucency.configs.bundle import Bundle, BundleManifest, find_bundle, load_bundle
from lucency.configs.errors import BundleError
from lucency.configs.session import Session, open_session
from lucency.datasets.display import Displayed, display
from lucency.datasets.model_input import model_input
from lucency.datasets.radiographs import Radiograph
from lucency.evaluation.classifier_calibration import calibrate

INPUT = "image"
PROBABILITIES, MAPS, GRADIENTS = OUTPUTS = ("probabilities", "maps", "gradients")


@dataclass(frozen=True)
class Look:
    """What a network made of one radiograph, and what an explanation is drawn from.

    ``raw`` (C,) its own probabilities, not calibrated; ``maps`` (K, h, w) its last feature maps,
    after the attention; ``gradients`` (C, K) of each class's logit by the mean of each map, so
    that Grad-CAM of class c is ``relu(sum_k gradients[c, k] * maps[k])`` (Selvaraju et al. 2017);
    ``displayed`` the image that it saw, before this was made square.
    """

    raw: NDArray[np.float32]
    maps: NDArray[np.float32]
    gradients: NDArray[np.float32]
    displayed: Displayed


class Classifier:
    """Gives the probability of each label for a whole radiograph.

    ``threads`` 0 means one for each core; a ``session`` of the bundle's model is used in place of
    one of its own. A classifier may be shared between threads.

    Raises
    ------
    BundleError
        The bundle is for another task, or its model does not fit its manifest.

    """

    def __init__(self, bundle: Bundle, *, threads: int = 0, session: Session | None = None) -> None:
        if bundle.manifest.task != "classification":
            raise BundleError(
                f"{bundle.path}: is a bundle for {bundle.manifest.task}; a classifier is needed"
            )
        self._bundle = bundle
        self._session = session or open_session(bundle, threads=threads)
        _check_shapes(bundle, self._session)

    @property
    def manifest(self) -> BundleManifest:
        """What the bundle says of the model: labels, thresholds, figures."""
        return self._bundle.manifest

    @property
    def bundle(self) -> Bundle:
        """The bundle that the classifier runs from."""
        return self._bundle

    @property
    def maps(self) -> int | None:
        """How many last feature maps the network gives; None where its graph does not say."""
        shapes = {value.name: value.shape for value in self._session.get_outputs()}
        count = shapes[MAPS][1] if len(shapes[MAPS]) == 4 else None
        return count if isinstance(count, int) else None

    def classify(self, radiograph: Radiograph) -> NDArray[np.float32]:
        """(C,) the calibrated probability of each label, in the order of ``manifest.class_names``.

        Operating points are thresholds on these.

        Raises
        ------
        ImageError
            The radiograph cannot be displayed.

        """
        return self.calibrated(self.classify_raw(radiograph))

    def classify_raw(self, radiograph: Radiograph) -> NDArray[np.float32]:
        """(C,) the network's own probabilities, without calibration; raises as `classify`."""
        return self._raw(display(radiograph, self.manifest.display).image)

    def classify_image(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `classify`, for a grey 8-bit image (h, w) made with the manifest's display."""
        return self.calibrated(self._raw(image))

    def look(self, radiograph: Radiograph) -> Look:
        """Classify and keep what shows where the network looked; raises as `classify`."""
        displayed = display(radiograph, self.manifest.display)
        return self.seen(self._session.run(OUTPUTS, self.feed(displayed.image)), displayed)

    def feed(self, image: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """The network's input for a grey 8-bit image (h, w) made with the manifest's display."""
        size, channels = self.manifest.input_size, self.manifest.input_channels
        return {INPUT: model_input(image, size=size, channels=channels)[None]}

    def seen(self, outputs: Sequence[NDArray[np.float32]], displayed: Displayed) -> Look:
        """What the network's `OUTPUTS` (1, …) for a ``displayed`` image say."""
        raw, maps, gradients = (np.asarray(value[0], dtype=np.float32) for value in outputs)
        return Look(raw, maps, gradients, displayed)

    def calibrated(self, raw: ArrayLike) -> NDArray[np.float32]:
        """Bring raw probabilities (…, C) to calibrated ones by the bundle's calibration.

        Without one they stay as they are. Those of classes that exclude each other sum to 1 again.
        """
        manifest = self.manifest
        values = calibrate(
            raw,
            manifest.calibration,
            class_names=manifest.class_names,
            exclusive=manifest.exclusive,
        )
        return values.astype(np.float32)

    def _raw(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        (raw,) = self._session.run((PROBABILITIES,), self.feed(image))
        return np.asarray(raw[0], dtype=np.float32)


def open_classifier(name: str | Path, *, threads: int = 0) -> Classifier:
    """Open a classifier by its bundle's folder or by the name of a shipped bundle.

    Raises
    ------
    BundleError
        There is no such bundle, it has been altered, or it is not a classifier.

    """
    path = find_bundle(str(name), package="lucency.classification")
    return Classifier(load_bundle(path), threads=threads)


def _check_shapes(bundle: Bundle, session: Session) -> None:
    """The manifest is no part of what digests protect: an edited list or size would mislead."""
    manifest = bundle.manifest
    side, classes = manifest.input_size, len(manifest.class_names)
    inputs = {value.name: list(value.shape[1:]) for value in session.get_inputs()}
    outputs: dict[str, list[Any]] = {
        value.name: list(value.shape[1:]) for value in session.get_outputs()
    }
    missing = [name for name in OUTPUTS if name not in outputs]
    if missing:
        raise BundleError(
            f"{bundle.path}: the model has no output '{missing[0]}', only "
            f"{', '.join(outputs)}; it is of an earlier version: export the bundle again"
        )
    maps = outputs[MAPS] if len(outputs[MAPS]) == 3 else ["maps", "height", "width"]
    expected_inputs = {INPUT: [manifest.input_channels, side, side]}
    expected = {PROBABILITIES: [classes], MAPS: maps, GRADIENTS: [classes, maps[0]]}
    if inputs != expected_inputs or outputs != expected:
        raise BundleError(
            f"{bundle.path}: the model takes {inputs} and gives {outputs}, but the manifest says "
            f"{expected_inputs} and {expected}; export the bundle again"
        )
