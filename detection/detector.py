"""The detector at run time: ONNX Runtime on a verified bundle, without torch."""

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lucency.configs.bundle import Bundle, BundleManifest, find_bundle, load_bundle
from lucency.configs.errors import BundleError
from lucency.configs.session import Session, open_session
from lucency.datasets.display import display
from lucency.datasets.radiographs import Radiograph
from lucency.detection.decode import Letterbox, decode, letterbox
from lucency.detection.detections import Detections, above
from lucency.evaluation.calibration import calibrated, least_raw

DEFAULT_CONF = 0.25
# Of boxes of a class that overlap by more than half only the best stays: by the usual match rule
# they would be one finding, and the second a false alarm. Ultralytics' 0.7 is made for crowds.
DEFAULT_IOU = 0.5
MAX_DETECTIONS = 300
# Raw scores below this are noise: no evaluation saw them, so no calibration tells of them, and a
# map that lifts 0 above ``conf`` would let every one of thousands of candidates through.
LEAST_SCORE = 0.001
# Images in one call of the network: more cost memory and save nothing on a processor.
MAX_BATCH = 4


class Detector:
    """Finds boxes in radiographs; holds the ONNX Runtime session of one bundle.

    Scores are those of the bundle's calibration; of a bundle without one, as it is while its
    calibration is being fitted, they are the network's own. A ``session`` of the bundle's model is
    used in place of one of its own. Several threads may share a detector.

    Raises
    ------
    BundleError
        The bundle is not a detector, ONNX Runtime refuses its model, or the model knows more or
        fewer classes than the manifest names.

    """

    def __init__(self, bundle: Bundle, *, threads: int = 0, session: Session | None = None) -> None:
        if bundle.manifest.task != "detection":
            raise BundleError(
                f"{bundle.path}: is a bundle for {bundle.manifest.task}, a detector was expected"
            )
        self.bundle = bundle
        self._session = session or open_session(bundle, threads=threads)
        self._input_name = self._session.get_inputs()[0].name
        self._check_classes()

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
        """Find boxes in one radiograph, in pixels of the stored image, in one look at the whole.

        The pixels go through the display function with the bundle's own `DisplaySpec`. ``conf``
        is the floor for a box's class, calibrated where the bundle is; ``iou`` the overlap above
        which the weaker box of one class is left out. `lucency.detection.inference.detect` is
        the same with the bundle's tiles and flip.

        """
        shown = display(radiograph, self.manifest.display)
        found = self.detect_image(shown.image, conf=conf, iou=iou, max_detections=max_detections)
        return found.moved(shown.to_stored(found.boxes_xyxy))

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
        return self.found(
            self.raw(batch)[0], placed, conf=conf, iou=iou, max_detections=max_detections
        )

    def feed(self, image: NDArray[np.uint8]) -> tuple[dict[str, NDArray[np.float32]], Letterbox]:
        """The network's input for a displayed image (H, W), and how the image lies in it."""
        batch, placed = letterbox(image, input_size=self.manifest.input_size)
        return {self._input_name: batch}, placed

    def found(
        self,
        raw: NDArray[np.float32],
        placed: Letterbox,
        *,
        conf: float = DEFAULT_CONF,
        iou: float = DEFAULT_IOU,
        max_detections: int = MAX_DETECTIONS,
    ) -> Detections:
        """The boxes in the raw head (4 + C, N) of one image, in pixels of the displayed image."""
        floors = self._raw_floors(conf)
        boxes, probabilities = decode(
            raw, placed, conf=floors, iou=iou, max_detections=max_detections
        )
        found = Detections(boxes, probabilities, self.manifest.class_names)
        return self.calibrated(found, conf=conf, max_detections=max_detections)

    def candidates(
        self, images: Sequence[NDArray[np.uint8]], *, iou: float = DEFAULT_IOU
    ) -> list[Detections]:
        """What the network itself says of images (H, W) of one size, in pixels of each.

        Raw scores from `LEAST_SCORE` on: what views of one radiograph are put together from,
        before `calibrated`. At most `MAX_BATCH` images are in the network at once.
        """
        found: list[Detections] = []
        for first in range(0, len(images), MAX_BATCH):
            inputs = [
                letterbox(image, input_size=self.manifest.input_size)
                for image in images[first : first + MAX_BATCH]
            ]
            raws = self.raw(np.concatenate([batch for batch, _ in inputs]))
            for raw, (_, placed) in zip(raws, inputs, strict=True):
                boxes, probabilities = decode(
                    raw, placed, conf=LEAST_SCORE, iou=iou, max_detections=MAX_DETECTIONS
                )
                found.append(Detections(boxes, probabilities, self.manifest.class_names))
        return found

    def calibrated(
        self, found: Detections, *, conf: float, max_detections: int = MAX_DETECTIONS
    ) -> Detections:
        """Bring raw scores to probabilities by the bundle's calibration, if it has one.

        Boxes keep their class and, within it, their order. Those not above ``conf`` are left out.
        """
        by_class = self.manifest.calibration
        if by_class:
            columns = [
                calibrated(found.probabilities[:, column], by_class[name])
                for column, name in enumerate(found.class_names)
            ]
            probabilities = np.stack(columns, axis=1).astype(np.float32)
            found = Detections(
                found.boxes_xyxy,
                probabilities,
                found.class_names,
                found_as=found.class_ids,
                raw=found.probabilities,
            )
        return above(found, conf=conf, most=max_detections)

    def raw(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """The raw head (B, 4 + C, N) for an input batch (B, 3, h, w)."""
        outputs = self._session.run(None, {self._input_name: batch})
        return np.asarray(outputs[0], dtype=np.float32)

    def through(self, session: Session) -> "Detector":
        """The same detector with another ``session`` of its model."""
        other = copy.copy(self)
        other._session = session
        return other

    def _check_classes(self) -> None:
        """The manifest is no part of what digests protect: an edited list would mislead."""
        shape = self._session.get_outputs()[0].shape
        named = len(self.manifest.class_names)
        rows = shape[1] if len(shape) == 3 else None
        if isinstance(rows, int) and rows != 4 + named:
            raise BundleError(
                f"{self.bundle.path}: class_names: the manifest names {named}, the model knows "
                f"{rows - 4}; copy or export the bundle again"
            )

    def _raw_floors(self, conf: float) -> float | NDArray[np.float32]:
        """The raw score of each class (C,) at and below which none can come to above ``conf``."""
        by_class = self.manifest.calibration
        if not by_class:
            return conf
        least = min(max(conf, 0.0), 1.0)
        floors = [least_raw(least, by_class[name]) for name in self.manifest.class_names]
        return np.maximum(np.array(floors, dtype=np.float32), np.float32(LEAST_SCORE))


def open_detector(name: str | Path, *, threads: int = 0) -> Detector:
    """Open a detector by its bundle's folder or by the name of a shipped bundle.

    Raises
    ------
    BundleError
        There is no such bundle, it has been altered, or it is not a detector.

    """
    path = find_bundle(str(name), package="lucency.detection")
    return Detector(load_bundle(path), threads=threads)
