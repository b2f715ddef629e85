"""Reasons to look twice at an answer."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lucency.api.schemas import Flag, ImageClassification, RouteTaken
from lucency.classification.router import Route
from lucency.classification.typical_images import TypicalImages, distance_of, is_typical
from lucency.configs.fusion import FusionSpec
from lucency.detection.detections import Detections


def disagreement(
    name: str,
    fusion: FusionSpec,
    detections: Detections,
    answer: ImageClassification,
    *,
    any_box: bool,
) -> Flag | None:
    """Whether a fused detector and its classifier, who gave ``answer``, contradict each other.

    ``name`` is the detector's, ``detections`` are all that it has, and ``any_box`` says whether
    one of them reaches its threshold.
    """
    probability = answer.probabilities[fusion.label]
    figures = {"image_probability": probability}
    if len(detections):
        figures["best_box_score"] = float(detections.scores.max())
    said = f"'{answer.model}' gives '{fusion.label}' a probability of {probability:.2f}"
    models = (name, answer.model)
    if probability >= fusion.image_high and not any_box:
        return Flag(
            kind="no-box",
            message=f"{said}, and no box of '{name}' reaches its threshold.",
            models=models,
            label=fusion.label,
            figures=figures,
        )
    if probability < fusion.image_low and any_box:
        return Flag(
            kind="box-without-image-finding",
            message=f"{said}, and yet a box of '{name}' reaches its threshold.",
            models=models,
            label=fusion.label,
            figures=figures,
        )
    return None


def contradicted_kind(
    route: RouteTaken | None, found: Route | None, *, models: Sequence[str]
) -> Flag | None:
    """Whether the router ``found`` another kind than the attributes say; ``models`` ran by them."""
    if route is None or found is None or not route.contradicted:
        return None
    seen = max(found.probabilities, key=lambda kind: found.probabilities[kind])
    return Flag(
        kind="kind-contradicted",
        message=f"The file says that it is a radiograph of kind '{route.kind}', and its pixels "
        f"look like '{seen}' with a probability of {found.probabilities[seen]:.2f}.",
        models=tuple(models),
        label=seen,
        figures={str(kind): value for kind, value in found.probabilities.items()},
    )


def unlike_learnt(model: str, typical: TypicalImages, maps: NDArray[np.float32]) -> Flag | None:
    """Whether an image is unlike those that a classifier has learnt from, by its ``maps``."""
    distance = distance_of(typical, maps)
    if is_typical(typical, distance):
        return None
    return Flag(
        kind="out-of-distribution",
        message=f"The image is unlike those that '{model}' has learnt from, so that its figures "
        "do not tell how good it is here.",
        models=(model,),
        figures={"distance": distance, "limit": typical.limit} if math.isfinite(distance) else {},
    )
