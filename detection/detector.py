"""The detector at run time: ONNX Runtime on a verified bundle, without torch."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lucency.configs.bundle import Bundle, BundleManifest, find_bundle, load_bundle
from lucency.configs.errors import BundleError
from lucency.configs.session import open_session
from lucency.datasets.display import display
from lucency.datasets.radiographs import Radiograph
from lucency.detection.decode import decode, letterbox
from lucency.detection.detections import Detections

DEFAULT_CONF = 0.25
DEFAULT_IOU = 0.7
MAX_DETECTIONS = 300


class Detector:
    """Finds boxes in radiographs; holds the ONNX Runtime session of one bundle.

    Raises
    ------
    BundleError
        The bundle is not a detector, or ONNX Runtime refuses its model.

    """

    def __init__(self, bundle: Bundle, *, threads: int = 0) -> None:
        if bundle.manifest.task != "detection":
            raise BundleError(
                f"{bundle.path}: is a bundle for {bundle.manifest.task}, a detector was expected"
            )
        self.bundle = bundle
        self._session = open_session(bundle, threads=threads)
        self._input_name = self._session.get_inputs()[0].name

    @property
    def manifest(self) -> BundleManifest:
        """What the bundle says of itself."""
        return self.bundle.manifest

    def detect(
        self,
        radiograph: Radiograph,
        *,
        conf: float = DEFAULT_CONF,
        iou: float = DEFAULT_IOU,
        max_detections: int = MAX_DETECTIONS,
    ) -> Detections:
        """Find boxes in one radiograph, in pixels of the stored image.

        The pixels go through the display function with the bundle's own `DisplaySpec`. ``conf``
        is the floor for a box's best class; ``iou`` the overlap above which the weaker box of one
        class is left out.

        """
        shown = display(radiograph, self.manifest.display)
        found = self.detect_image(shown.image, conf=conf, iou=iou, max_detections=max_detections)
        boxes = shown.to_stored(found.boxes_xyxy).astype(np.float32)
        return Detections(boxes, found.probabilities, found.class_names)

    def detect_image(
        self,
        image: NDArray[np.uint8],
        *,
        conf: float = DEFAULT_CONF,
        iou: float = DEFAULT_IOU,
        max_detections: int = MAX_DETECTIONS,
    ) -> Detections:
        """Find boxes in an image (H, W) uint8 that was displayed already, in its own pixels."""
        batch, placed = letterbox(image, input_size=self.manifest.input_size)
        raw = self.raw(batch)[0]
        boxes, probabilities = decode(
            raw, placed, conf=conf, iou=iou, max_detections=max_detections
        )
        return Detections(boxes, probabilities, self.manifest.class_names)

    def raw(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """The raw head (B, 4 + C, N) for an input batch (B, 3, h, w)."""
        outputs = self._session.run(None, {self._input_name: batch})
        return np.asarray(outputs[0], dtype=np.float32)


def open_detector(name: str | Path, *, threads: int = 0) -> Detector:
    """Open a detector by its bundle's folder or by the name of a shipped bundle.

    Raises
    ------
    BundleError
        There is no such bundle, it has been altered, or it is not a detector.

    """
    path = find_bundle(str(name), package="lucency.detection")
    return Detector(load_bundle(path), threads=threads)
