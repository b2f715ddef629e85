"""Pre-labels: what a detector's bundle proposes for a reader to correct, and how sure it is.

Every candidate box of score s, whose class has the threshold t at the bundle's operating point,
has the uncertainty min(s / t, (1 - s) / (1 - t)): 1 at the threshold, where the model might have
said either, 0 where it is sure. An image has that of its most uncertain candidate (uncertainty
sampling: Lewis and Gale, SIGIR 1994; the maximum over boxes: Brust et al., VISAPP 2019). Boxes
below the threshold count, too, though they are not proposed, so that likely misses come early.
"""

import threading
from collections.abc import Iterator

from lucency.annotations.geometry import Box
from lucency.annotations.prelabels import Prelabel, Prelabels
from lucency.configs.bundle import Bundle, find_bundle, load_bundle
from lucency.datasets.radiographs import Radiograph
from lucency.detection.detections import Detections
from lucency.detection.detector import Detector
from lucency.detection.fusion import refuse_fused
from lucency.detection.inference import detect

# Candidates below this tell nothing: their uncertainty is near 0 at any sensible threshold.
_FLOOR = 0.001
# A box that the edge of the image cuts down to less than this cannot be corrected by hand.
_LEAST_PX = 1.0


class BundlePrelabeller:
    """Pre-labels radiographs with one bundle; may be called from several threads.

    Raises
    ------
    BundleError
        The bundle is not a detector, or fused with a classifier, or ONNX Runtime refuses its model.

    """

    def __init__(self, bundle: Bundle) -> None:
        refuse_fused(bundle)
        self._detector = Detector(bundle)
        self._lock = threading.Lock()  # ONNX Runtime uses all cores for one image
        manifest = bundle.manifest
        self._thresholds = manifest.operating_points[manifest.default_operating_point]
        self.model = f"{manifest.name} {bundle.digest[:12]}"
        self.class_names = manifest.class_names

    def __call__(self, radiograph: Radiograph) -> Prelabels:
        """The boxes at or above the operating point, in pixels of the image, best first."""
        with self._lock:
            found = detect([self._detector], radiograph, conf=_FLOOR)
        uncertainties = [
            uncertainty(float(score), threshold=self._thresholds[self.class_names[row]])
            for score, row in zip(found.scores, found.class_ids, strict=True)
        ]
        return Prelabels(
            model=self.model,
            boxes=tuple(self._proposed(found)),
            uncertainty=max(uncertainties, default=0.0),
            best_score=float(max(found.scores, default=0.0)),
        )

    def _proposed(self, found: Detections) -> Iterator[Prelabel]:
        for corners, score, row in zip(
            found.boxes_xyxy, found.scores, found.class_ids, strict=True
        ):
            label = self.class_names[row]
            x1, y1, x2, y2 = (float(value) for value in corners)
            if score >= self._thresholds[label] and min(x2 - x1, y2 - y1) >= _LEAST_PX:
                yield Prelabel(label, Box(x1, y1, x2, y2), float(score))


def uncertainty(score: float, *, threshold: float) -> float:
    """1 at the threshold, falling to 0 at the scores 0 and 1; see the head of this module."""
    below = score / threshold if threshold > 0 else 1.0
    above = (1 - score) / (1 - threshold) if threshold < 1 else 1.0
    return max(0.0, min(below, above))


def open_prelabeller(name: str) -> BundlePrelabeller:
    """Open a detector's bundle by its folder or by the name of one that is shipped.

    Raises
    ------
    BundleError
        There is no such bundle, it has been altered, or it is not a detector.

    """
    return BundlePrelabeller(load_bundle(find_bundle(name, package="lucency.detection")))
