"""What an answer is known by: a digest of all that decides it."""

import hashlib
from collections.abc import Iterable, Sequence

from lucency.api.asking import Asked
from lucency.api.schemas import AppliedThresholds, RouteTaken
from lucency.configs.bundle import TYPICAL, Bundle
from lucency.configs.inference import InferenceOptions

# What of a manifest decides the answer, apart from thresholds and options.
_BEHAVIOUR = {
    *("class_names", "input_size", "display_digest", "calibration", "fusion"),
    *("exclusive", "role", "kinds", "typical"),
}


def models_identity(bundles: Sequence[Bundle], options: InferenceOptions | None) -> bytes:
    """A digest of loaded bundles and of how detectors look; ``options`` None: as bundles say."""
    parts = []
    for bundle in bundles:
        manifest = bundle.manifest
        looks = manifest.inference
        if manifest.task == "detection":  # naming a bundle's own changes nothing
            looks = options or looks
        parts += [
            bundle.digest,
            manifest.files.get(TYPICAL, ""),
            looks.model_dump_json(),
            manifest.model_dump_json(include=_BEHAVIOUR),
        ]
    return hashlib.sha256("\n".join(parts).encode()).digest()


def report_identity(
    image_sha256: str,
    models: bytes,
    asked: Asked,
    *,
    route: RouteTaken | None,
    applied: Iterable[AppliedThresholds],
) -> str:
    """The id of an answer; ``models`` is their `models_identity`."""
    parts = [image_sha256, models.hex(), *(each.model_dump_json() for each in applied)]
    if route is not None:
        parts += [route.kind, route.basis]
    if asked.frame is not None and asked.frame > 1:  # naming the first frame changes nothing
        parts.append(f"frame {asked.frame}")
    if asked.heatmap:
        parts.append("heatmap")
    parts.append(str(asked.max_detections))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
