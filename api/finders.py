"""What finds boxes: each loaded detector by itself, or all of them as one ensemble."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.api.views import Views
from lucency.configs.bundle import BundleManifest
from lucency.configs.errors import BundleError
from lucency.configs.fusion import FusionSpec
from lucency.configs.inference import InferenceOptions
from lucency.configs.session import Session
from lucency.datasets.display import Displayed
from lucency.detection.decode import Letterbox
from lucency.detection.detections import Detections
from lucency.detection.detector import MAX_DETECTIONS, Detector
from lucency.detection.fusion import fusion_floor, refuse_fused, rescaled
from lucency.detection.inference import detect

# What classifiers say of an image, by label, by the digest of the classifier.
ImageProbabilities = Mapping[str, Mapping[str, float]]
# The session in which a model of this name is to be run.
Sessions = Callable[[str], Session]


@dataclass(frozen=True)
class FirstLook:
    """The input of a network that looks once, and where in it the image lies."""

    feed: Mapping[str, NDArray[np.float32]]
    placed: Letterbox
    shown: Displayed


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
    def ensemble(self) -> bool:
        """Whether several answer as one."""
        return len(self.detectors) > 1

    @property
    def fusion(self) -> FusionSpec | None:
        """The fusion with a classifier; an ensemble has none."""
        return self.detectors[0].manifest.fusion

    def first_look(self, views: Views) -> FirstLook | None:
        """What the network is given, where it looks but once; else None: see `search`."""
        options = self.options or self.detectors[0].manifest.inference
        if self.ensemble or options.flip or options.tiles is not None:
            return None
        shown = views.of(self.detectors[0].manifest.display)
        feed, placed = self.detectors[0].feed(shown.image)
        return FirstLook(feed, placed, shown)

    def read(self, look: FirstLook, raw: NDArray[np.float32], *, least: float) -> Detections:
        """The boxes in the raw head (4 + C, N) of the one look, in pixels of the stored image.

        Of a score of ``least`` or more, best first; those of a fused detector are all that it has,
        not yet `fused`.
        """
        found = self.detectors[0].found(raw, look.placed, conf=self._floor(least))
        return found.moved(look.shown.to_stored(found.boxes_xyxy))

    def search(self, views: Views, sessions: Sessions, *, least: float) -> Detections:
        """As `read`, after all looks of all detectors."""
        return detect(
            [one.through(sessions(one.manifest.name)) for one in self.detectors],
            views.radiograph,
            options=self.options,
            conf=self._floor(least),
            max_detections=MAX_DETECTIONS,
            show=views.show,
        )

    def fused(self, found: Detections, images: ImageProbabilities) -> Detections:
        """The same boxes, rescaled by what the classifier says of the image, if it is fused."""
        fusion = self.fusion
        if fusion is None:
            return found
        probability = images[fusion.classifier_sha256][fusion.label]
        return rescaled(found, image_probability=probability, weights=fusion)

    def _floor(self, least: float) -> float:
        if self.fusion is not None:
            return fusion_floor(self.detectors[0].manifest)
        # The detector leaves out its floor itself, so it is the next smaller float.
        return float(np.nextafter(np.float32(least), np.float32(-1.0)))


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
