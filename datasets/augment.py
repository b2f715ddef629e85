"""Augmentation of whole radiographs for classifiers: small, and never what imitates disease."""

import os
from typing import TYPE_CHECKING

from pydantic import Field

from lucency.configs.schema import StrictModel

if TYPE_CHECKING:
    import albumentations


class AugmentSpec(StrictModel):
    """How much training images are varied; 0 switches a change off.

    There is no shear (it imitates deformity), no vertical flip, and no horizontal flip unless
    asked for: a mirrored chest has its heart on the wrong side.
    """

    rotation: float = Field(default=15.0, ge=0.0, le=180.0, description="degrees to either side")
    translate: float = Field(default=0.05, ge=0.0, le=0.5, description="fraction of the side")
    scale: float = Field(default=0.1, ge=0.0, lt=1.0, description="0.1: from 0.9 to 1.1 times")
    brightness: float = Field(default=0.1, ge=0.0, le=1.0, description="fraction of white")
    contrast: float = Field(default=0.1, ge=0.0, lt=1.0, description="0.1: from 0.9 to 1.1 times")
    horizontal_flip: float = Field(default=0.0, ge=0.0, le=1.0, description="probability")


def augmentation(spec: AugmentSpec) -> "albumentations.Compose":
    """Build the pipeline: ``pipeline(image=…)["image"]`` on uint8 (h, w).

    Its draws come from its own generator; seed it with ``pipeline.set_random_seed``.
    """
    # albumentations asks PyPI for news of itself when it is imported; nothing here goes online.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations

    return albumentations.Compose(
        [
            albumentations.HorizontalFlip(p=spec.horizontal_flip),
            albumentations.Affine(
                rotate=(-spec.rotation, spec.rotation),
                translate_percent=(-spec.translate, spec.translate),
                scale=(1.0 - spec.scale, 1.0 + spec.scale),
                p=1.0,
            ),
            albumentations.RandomBrightnessContrast(
                brightness_limit=spec.brightness,
                contrast_limit=spec.contrast,
                brightness_by_max=True,
                p=1.0,
            ),
        ],
        seed=0,
    )
