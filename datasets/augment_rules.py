"""Which of albumentations' transforms suit a radiograph, and why the others do not.

A variation must be one that happens between two X-ray rooms. What bends or shears a bone imitates
deformity, what veils or spots a lung imitates disease, and what mirrors or turns the body puts
organs where they are not.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

# These change grey levels only, so boxes stay where they are.
INTENSITY = (
    "RandomBrightnessContrast",
    "RandomGamma",
    "RandomToneCurve",
    "CLAHE",
    "Sharpen",
    "UnsharpMask",
    "GaussNoise",
    "MultiplicativeNoise",
    "Blur",
    "GaussianBlur",
    "MedianBlur",
    "MotionBlur",
    "Downscale",
    "ImageCompression",
)
# These move the picture, cut it or hide a part of it.
SPATIAL = (
    "Affine",
    "Rotate",
    "HorizontalFlip",
    "Resize",
    "PadIfNeeded",
    "RandomResizedCrop",
    "RandomCrop",
    "CenterCrop",
    "Erasing",
    "CoarseDropout",
)

_REFUSED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "bends the picture, which imitates the deformity of a bone": (
            "Perspective",
            "ElasticTransform",
            "GridDistortion",
            "GridElasticDeform",
            "OpticalDistortion",
            "PiecewiseAffine",
            "ThinPlateSpline",
            "RandomGridShuffle",
            "GlassBlur",
        ),
        "turns or mirrors the body into a place where no radiograph has it": (
            "VerticalFlip",
            "Transpose",
            "D4",
            "SquareSymmetry",
            "RandomRotate90",
        ),
        "changes colours, of which a radiograph has none": (
            "HueSaturationValue",
            "ColorJitter",
            "RGBShift",
            "ChannelShuffle",
            "ChannelDropout",
            "ChromaticAberration",
            "FancyPCA",
            "HEStain",
            "ISONoise",
            "PlanckianJitter",
            "ShotNoise",
            "AdditiveNoise",
            "ToGray",
            "ToRGB",
            "ToSepia",
        ),
        "draws veils, shadows or spots that look like disease": (
            "Illumination",
            "PlasmaBrightnessContrast",
            "PlasmaShadow",
            "RandomFog",
            "RandomGravel",
            "RandomRain",
            "RandomShadow",
            "RandomSnow",
            "RandomSunFlare",
            "Spatter",
            "Superpixels",
        ),
        "makes bone dark or takes grey levels away": ("InvertImg", "Solarize", "Posterize"),
        "is what the display does already, and changes the image that it is given": (
            "AutoContrast",
        ),
        "needs masks, boxes or further images, which a list of transforms cannot give": (
            "AtLeastOneBBoxRandomCrop",
            "BBoxSafeRandomCrop",
            "ConstrainedCoarseDropout",
            "CropNonEmptyMaskIfExists",
            "FDA",
            "HistogramMatching",
            "MaskDropout",
            "Mosaic",
            "OverlayElements",
            "PixelDistributionAdaptation",
            "RandomCropNearBBox",
            "RandomSizedBBoxSafeCrop",
            "TextImage",
        ),
        "is done anyhow when the network's input is made": (
            "Normalize",
            "ToFloat",
            "ToTensorV2",
            "ToTensor3D",
        ),
    }
)
_REASONS = {name: reason for reason, names in _REFUSED.items() for name in names}

# A smaller part may lack the finding that the image's label speaks of.
LEAST_KEPT_AREA = 0.5
_NARROWEST, _WIDEST = 3 / 4, 4 / 3
# As in a detector's recipe; left out, albumentations' own default counts.
MOST_DEGREES = 45.0
_TURNS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {"Affine": ("rotate", 0.0), "Rotate": ("limit", 90.0)}
)


def unsuited(name: str, *, intensity_only: bool) -> str | None:
    """Why the transform is refused; None if it is not."""
    if name in INTENSITY or (name in SPATIAL and not intensity_only):
        return None
    if name in SPATIAL:
        return (
            "moves, cuts or hides parts of the picture, and only changes of grey levels may stand "
            "here; geometry has keys of its own"
        )
    if name in _REASONS:
        return _REASONS[name]
    allowed = INTENSITY if intensity_only else (*INTENSITY, *SPATIAL)
    return f"is no transform of albumentations for radiographs; choose from {', '.join(allowed)}"


def unsuited_parameters(name: str, parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The parameters that a radiograph forbids, each with the reason."""
    if any(_numbers(parameters.get("shear"))):
        yield "shear", "must be 0: shear imitates the deformity of a bone"
    if parameters.get("per_channel", name == "GaussNoise") is not False:
        yield "per_channel", "must be false: other values for each channel give colours"
    if name in _TURNS:
        parameter, default = _TURNS[name]
        if any(abs(angle) > MOST_DEGREES for angle in _numbers(parameters.get(parameter, default))):
            limits = f"[-{MOST_DEGREES:.0f}, {MOST_DEGREES:.0f}]"
            yield parameter, f"must lie within {limits} degrees: no patient is placed farther round"
    if name == "Affine" and any(factor <= 0 for factor in _numbers(parameters.get("scale"))):
        yield "scale", "must be above 0: below, it mirrors the body"
    if name == "RandomResizedCrop":
        yield from _unsuited_crop(parameters)


def unsuited_crop_size(
    size_hw: tuple[int, int], *, kept_hw: tuple[int, int], padded: bool
) -> str | None:
    """Why ``kept_hw`` must not be cut from an image of ``size_hw``; None if it may be."""
    (height, width), (kept_height, kept_width) = size_hw, kept_hw
    if (kept_height > height or kept_width > width) and not padded:
        return f"cuts {kept_width} × {kept_height} pixels from only {width} × {height}"
    area = min(height, kept_height) * min(width, kept_width)
    if area < LEAST_KEPT_AREA * height * width:
        return (
            f"keeps {area / (height * width):.0%} of the {width} × {height} pixels, perhaps "
            f"without the finding; keep at least {LEAST_KEPT_AREA:.0%}"
        )
    return None


def _unsuited_crop(parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    # Left out, albumentations' own default counts, which keeps as little as 8%.
    kept = _numbers(parameters.get("scale", 0.08))
    if min(kept, default=0.0) < LEAST_KEPT_AREA:
        yield (
            "scale",
            f"must keep at least {LEAST_KEPT_AREA} of the area, or the finding may be cut off "
            "while its label stays: set scale: [0.8, 1.0]",
        )
    sides = _numbers(parameters.get("ratio", 1.0))
    if any(not _NARROWEST - 0.001 <= side <= _WIDEST + 0.001 for side in sides):
        yield "ratio", "must lie between 0.75 and 1.3334, or the body is stretched"


def _numbers(value: Any) -> list[float]:
    """All numbers in a parameter's value, however deep."""
    if isinstance(value, Mapping):
        return [number for part in value.values() for number in _numbers(part)]
    if isinstance(value, list | tuple):
        return [number for part in value for number in _numbers(part)]
    return [float(value)] if isinstance(value, int | float) else []
