"""X-ray augmentation: intensity by albumentations, geometry by Ultralytics' own transforms."""

from typing import TYPE_CHECKING, Any

from lucency.datasets.augment import DetectionAugment, build_transforms

if TYPE_CHECKING:
    import albumentations


def intensity_transforms(augment: DetectionAugment) -> "list[albumentations.BasicTransform]":
    """The albumentations transforms that go into Ultralytics' ``augmentations`` argument.

    All of them change grey levels only, so boxes stay where they are.
    """
    return build_transforms(augment.intensity)


def geometry_options(augment: DetectionAugment) -> dict[str, Any]:
    """Ultralytics' own options for colour and geometry, with what radiographs forbid at zero."""
    return {
        "hsv_h": 0.0,
        "hsv_s": 0.0,
        "hsv_v": 0.0,
        "flipud": 0.0,
        "shear": 0.0,
        "perspective": 0.0,
        "mixup": 0.0,
        "cutmix": 0.0,
        "copy_paste": 0.0,
        "degrees": augment.rotation,
        "translate": augment.translation,
        "scale": augment.scale,
        "fliplr": augment.horizontal_flip,
        "mosaic": augment.mosaic,
    }
