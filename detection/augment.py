"""X-ray augmentation: intensity by albumentations, geometry by Ultralytics' own transforms."""

from typing import TYPE_CHECKING, Any

from lucency.detection.recipe import AugmentConfig

if TYPE_CHECKING:
    import albumentations


def intensity_transforms(config: AugmentConfig) -> "list[albumentations.BasicTransform]":
    """The albumentations transforms that go into Ultralytics' ``augmentations`` argument.

    All of them change grey levels only, so boxes stay where they are. The ranges stay within
    what exposure, tube voltage, dose and detector do between hospitals.
    """
    import albumentations as A  # noqa: N812 - the library's own convention

    return [
        A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.3, p=config.exposure),
        A.RandomGamma(gamma_limit=(70, 140), p=config.gamma),
        A.GaussNoise(std_range=(0.01, 0.05), per_channel=False, p=config.noise),
        A.GaussianBlur(blur_limit=(3, 5), p=config.blur),
        A.CLAHE(clip_limit=(1.0, 3.0), tile_grid_size=(8, 8), p=config.local_contrast),
    ]


def geometry_options(config: AugmentConfig) -> dict[str, Any]:
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
        "degrees": config.rotation,
        "translate": config.translation,
        "scale": config.scale,
        "fliplr": config.horizontal_flip,
        "mosaic": config.mosaic,
    }
