"""What finds boxes: each loaded detector by itself, or all of them as one ensemble."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lucency.configs.bundle import BundleManifest
from lucency.configs.errors import BundleError
from lucency.configs.fusion import FusionSpec
from lucency.configs.inference import InferenceOptions
from lucency.datasets.radiographs import Radiograph
from lucency.detection.detections import Detections
from lucency.detection.detector import MAX_DETECTIONS, Detector
from lucency.detection.fusion import fusion_floor, refuse_fused, rescaled
from lucency.detection.inference import detect

# What classifiers say of an image, by label, by the digest of the classifier.
ImageProbabilities = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Finder:
    """One detector, or several that answer together as an ensemble.

    ``options`` replace those that stand in the bundles; None leaves each its own.
    """

    name: str
    detectors: tuple[Detector, ...]
    options: InferenceOptions | None = None

    @property
    def manifests(self) -> tuple[BundleManifest, ...]:
        """What the bundles say."""
        return tuple(detector.manifest for detector in self.detectors)

    @property
    def fusion(self) -> FusionSpec | None:
        """The fusion with a classifier; an ensemble has none."""
        return self.detectors[0].manifest.fusion

    def find(
        self, radiograph: Radiograph, *, least: float, images: ImageProbabilities
    ) -> Detections:
        """The boxes of a score of ``least`` or more, best first; of a fused detector all it has."""
        fusion = self.fusion
        if fusion is None:
            # The detector leaves out its floor itself, so it is the next smaller float.
            floor = np.nextafter(np.float32(least), np.float32(-1.0))
            return self._detect(radiograph, conf=float(floor))
        found = self._detect(radiograph, conf=fusion_floor(self.detectors[0].manifest))
        probability = images[fusion.classifier_sha256][fusion.label]
        return rescaled(found, image_probability=probability, weights=fusion)

    def _detect(self, radiograph: Radiograph, *, conf: float) -> Detections:
        return detect(
            self.detectors,
            radiograph,
            options=self.options,
            conf=conf,
            max_detections=MAX_DETECTIONS,
        )


def make_finders(
    detectors: Sequence[Detector], *, options: InferenceOptions | None, ensemble: bool
) -> tuple[Finder, ...]:
    """One finder a detector, or one of all of them.

    Raises
    ------
    BundleError
        An ensemble is asked for, and there are fewer than two detectors, one is fused with a
        classifier, or their classes differ.

    """
    if not ensemble:
        return tuple(Finder(one.manifest.name, (one,), options) for one in detectors)
    if len(detectors) < 2:
        raise BundleError(
            f"an ensemble needs two detectors or more, {len(detectors)} is loaded; "
            "name another with --bundle, or leave out --ensemble"
        )
    first = detectors[0].manifest
    for detector in detectors:
        refuse_fused(detector.bundle)
        if set(detector.manifest.class_names) != set(first.class_names):
            raise BundleError(
                f"{detector.bundle.path}: finds {list(detector.manifest.class_names)}, "
                f"'{first.name}' {list(first.class_names)}; an ensemble needs the same classes"
            )
    name = " + ".join(detector.manifest.name for detector in detectors)
    return (Finder(name, tuple(detectors), options),)
