"""Augmentations as a recipe declares them: albumentations' transforms by name, checked strictly.

::

    augment:
      - Affine: {rotate: [-15, 15], translate_percent: [-0.05, 0.05], p: 1.0}
      - Sharpen: {p: 0.1}

A name or parameter that albumentations does not know, or that a radiograph forbids
(`lucency.datasets.augment_rules`), is an error when the recipe is read. albumentations is imported
only then, and only where there is such a list.
"""

import inspect
import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from lucency.configs.errors import ConfigError
from lucency.configs.schema import StrictModel, parse_config
from lucency.datasets.augment_rules import unsuited, unsuited_crop_size, unsuited_parameters

if TYPE_CHECKING:
    import albumentations

Parameters: TypeAlias = dict[str, Any]
# What `PadIfNeeded` makes of an image if nothing else is said.
_LEAST_PADDED_PX = 1024
# Where below the entry of the list something is wrong, and what.
_Problem: TypeAlias = tuple[tuple[str, ...], str]


def _checked(entry: object, *, intensity_only: bool) -> dict[str, Parameters]:
    """One entry ``{name: parameters}`` of a list, with plain values; raises `ValueError`."""
    if not isinstance(entry, Mapping) or len(entry) != 1:
        raise ValueError("must be one transform with its parameters, as '- Sharpen: {p: 0.1}'")
    ((name, parameters),) = entry.items()
    if not isinstance(parameters, Mapping | None):
        raise ValueError(f"{name}: its parameters must be a mapping, as '{name}: {{p: 0.1}}'")
    plain = {str(key): _plain(value) for key, value in (parameters or {}).items()}
    problems = list(_problems(str(name), plain, intensity_only=intensity_only))
    if problems:
        raise ValidationError.from_exception_data("transform", [_line(p, entry) for p in problems])
    return {str(name): plain}


def _listed(entries: object) -> object:
    if not isinstance(entries, list | tuple):
        raise ValueError("must be a list of transforms, each as '- Sharpen: {p: 0.1}'")
    return entries


Transform = Annotated[
    dict[str, Parameters], BeforeValidator(partial(_checked, intensity_only=False))
]
IntensityTransform = Annotated[
    dict[str, Parameters], BeforeValidator(partial(_checked, intensity_only=True))
]
Transforms = Annotated[tuple[Transform, ...], BeforeValidator(_listed)]
IntensityTransforms = Annotated[tuple[IntensityTransform, ...], BeforeValidator(_listed)]

# No more than exposure and positioning differ from one image to the next.
CLASSIFICATION: Transforms = (
    {
        "Affine": {
            "rotate": [-15, 15],
            "translate_percent": [-0.05, 0.05],
            "scale": [0.9, 1.1],
            "keep_ratio": True,
            "p": 1.0,
        }
    },
    {"RandomBrightnessContrast": {"brightness_limit": 0.1, "contrast_limit": 0.1, "p": 1.0}},
    {"Sharpen": {"alpha": [0.1, 0.3], "lightness": [1.0, 1.0], "p": 0.1}},
    {"Erasing": {"scale": [0.005, 0.02], "p": 0.1}},
)
# The ranges stay within what exposure, tube voltage, dose and detector do between hospitals.
INTENSITY: IntensityTransforms = (
    {"RandomBrightnessContrast": {"brightness_limit": 0.2, "contrast_limit": 0.3, "p": 0.5}},
    {"RandomGamma": {"gamma_limit": [70, 140], "p": 0.3}},
    {"GaussNoise": {"std_range": [0.01, 0.05], "per_channel": False, "p": 0.2}},
    {"GaussianBlur": {"blur_limit": [3, 5], "p": 0.1}},
    {"CLAHE": {"clip_limit": [1.0, 3.0], "tile_grid_size": [8, 8], "p": 0.1}},
)


class DetectionAugment(StrictModel):
    """Augmentation of a detector's training: Ultralytics' geometry, albumentations' intensity.

    There is no vertical flip, and no shear, which imitates the deformity of a broken bone.
    Horizontal flips are off unless asked for, since they swap left and right. ``rotation`` is in
    degrees either way, ``translation`` and ``scale`` are fractions of the side, flips and mosaics
    probabilities.
    """

    rotation: float = Field(default=10.0, ge=0.0, le=45.0)
    translation: float = Field(default=0.1, ge=0.0, le=0.5)
    scale: float = Field(default=0.3, ge=0.0, le=0.9)
    horizontal_flip: float = Field(default=0.0, ge=0.0, le=1.0)
    mosaic: float = Field(default=0.0, ge=0.0, le=1.0)
    intensity: IntensityTransforms = INTENSITY


class ImageAugment(StrictModel):
    """The key ``augment`` of a classifier's recipe by itself."""

    augment: Transforms = CLASSIFICATION


def build_transforms(
    transforms: Sequence[Mapping[str, Mapping[str, Any]]],
) -> "list[albumentations.BasicTransform]":
    """The transforms of a list, in its order.

    Raises
    ------
    ConfigError
        A transform or parameter is unknown, wrong or refused, or albumentations is missing.

    """
    checked = parse_config(ImageAugment, {"augment": list(transforms)}, where="transforms").augment
    library = _albumentations()
    return [
        getattr(library, name)(**parameters)
        for transform in checked
        for name, parameters in transform.items()
    ]


def pipeline(
    transforms: Sequence[Mapping[str, Mapping[str, Any]]],
    *,
    boxes: bool = False,
) -> "albumentations.Compose":
    """Build a pipeline: ``pipeline(image=…)["image"]`` on uint8 (h, w).

    Its draws come from its own generator; seed it with ``pipeline.set_random_seed``. With
    ``boxes`` it also takes and gives ``bboxes`` (N, 4) in pixels and their ``labels``; boxes
    are clipped to the picture, and those that left it are gone.

    Raises
    ------
    ConfigError
        As `build_transforms`.

    """
    built = build_transforms(transforms)
    library = _albumentations()
    format_of_boxes = None
    if boxes:
        format_of_boxes = library.BboxParams(
            format="pascal_voc", label_fields=["labels"], clip=True, min_width=1, min_height=1
        )
        # Without one that can move boxes, albumentations warns that nothing does.
        built.append(library.NoOp())
    return library.Compose(built, bbox_params=format_of_boxes, seed=0)


def check_crop_sizes(transforms: Transforms, *, side: int) -> None:
    """Check that crops in pixels keep enough of a square of ``side``; raises `ValueError`."""
    sizes_hw = {(side, side)}  # several, where a transform that changes them may be left out
    for position, transform in enumerate(transforms):
        ((name, values),) = transform.items()
        if name in ("RandomCrop", "CenterCrop"):
            padded = bool(values.get("pad_if_needed"))
            for size_hw in sorted(sizes_hw):
                kept_hw = _size_after(name, values, size_hw)
                problem = unsuited_crop_size(size_hw, kept_hw=kept_hw, padded=padded)
                if problem:
                    raise ValueError(f"augment[{position}].{name}: {problem}")
        after = {_size_after(name, values, size_hw) for size_hw in sizes_hw}
        sizes_hw = after if values.get("p", 1.0) >= 1.0 else sizes_hw | after


def _size_after(name: str, values: Parameters, size_hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width of an image of ``size_hw`` after the transform."""
    height, width = size_hw
    if name == "RandomResizedCrop":
        height, width = values["size"]
    elif name in ("Resize", "RandomCrop", "CenterCrop"):
        height, width = values["height"], values["width"]
    elif name == "PadIfNeeded":
        # None stands for a multiple of a number, which adds little.
        height = max(height, values.get("min_height", _LEAST_PADDED_PX) or 0)
        width = max(width, values.get("min_width", _LEAST_PADDED_PX) or 0)
    return int(height), int(width)


def _albumentations() -> Any:
    # albumentations asks PyPI for news of itself when it is imported; nothing here goes online.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    try:
        import albumentations
    except ImportError:
        raise ConfigError(
            'augmentation needs albumentations: pip install "lucency[train]"'
        ) from None
    return albumentations


def _plain(value: object) -> Any:
    """A value as YAML has it, tuples as lists; raises `ValueError` for anything else."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError(f"values must be finite numbers, texts, lists or mappings, got {value!r:.40}")


def _problems(name: str, parameters: Parameters, *, intensity_only: bool) -> Iterator[_Problem]:
    reason = unsuited(name, intensity_only=intensity_only)
    if reason is not None:
        yield (name,), reason
        return
    refused = list(unsuited_parameters(name, parameters))
    yield from (((name, parameter), text) for parameter, text in refused)
    if not refused:
        yield from _wrong_parameters(name, parameters)


def _wrong_parameters(name: str, parameters: Parameters) -> Iterator[_Problem]:
    """What albumentations itself finds wrong, one text a parameter."""
    transform = getattr(_albumentations(), name)
    known = [key for key in inspect.signature(transform.__init__).parameters if key != "self"]
    unknown = [key for key in parameters if key not in known]
    if unknown:
        yield (name, unknown[0]), f"is no parameter of it; it has {', '.join(known)}"
        return
    try:
        # Some mistakes are only warned of, and albumentations' defaults taken.
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            transform(**parameters)
    except (ValueError, TypeError, Warning) as error:
        cause = error.__cause__
        if not isinstance(cause, ValidationError):
            yield (name,), str(error).splitlines()[0]
            return
        texts: dict[str, list[str]] = {}
        for line in cause.errors():
            parameter = str(line["loc"][0]) if line["loc"] else ""
            text = line["msg"].removeprefix("Value error, ").removeprefix("Input ")
            texts.setdefault(parameter, []).append(text)
        for parameter, found in texts.items():
            told = f"{' or '.join(found)}"
            if parameter in parameters:
                told += f", got {parameters[parameter]!r:.60}"
            yield ((name, parameter) if parameter else (name,)), told


def _line(problem: _Problem, entry: object) -> InitErrorDetails:
    place, text = problem
    error = PydanticCustomError("transform", "{problem}", {"problem": text})
    # With the entry, a mapping, as the input the message does not repeat the value.
    return InitErrorDetails(type=error, loc=place, input=entry)
