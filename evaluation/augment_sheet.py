"""A contact sheet of what a recipe's augmentation does to images of a data set.

Every row is one image: as the network sees it unchanged, then variations of it, the findings'
boxes with them.
"""

import random
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from lucency.annotations.findings import Status
from lucency.annotations.records import Dataset, ImageRecord
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ConfigError, DatasetError, ImageError
from lucency.configs.schema import StrictModel, parse_config
from lucency.configs.yaml_files import read_yaml
from lucency.datasets.augment import (
    CLASSIFICATION,
    DetectionAugment,
    Transforms,
    check_crop_sizes,
    pipeline,
)
from lucency.datasets.display import display
from lucency.datasets.model_input import square_image
from lucency.datasets.radiographs import read_radiograph
from lucency.evaluation.picture_grid import text_strip
from lucency.evaluation.pictures import BoxKind, DrawnBox, box_of, draw_boxes, encode_jpeg

_CELL_PX = 280
_GAP_PX = 6
# Ultralytics pads with this grey.
_PADDING = 114
_PREVIEWED = (
    "Rotation, translation, scale and flips are previewed by Affine and HorizontalFlip with the "
    "same ranges; training does them with Ultralytics' own. Mosaics are not shown."
)


class _ClassifierKeys(StrictModel):
    """What of a classifier's recipe decides how its training images look."""

    augment: Transforms = CLASSIFICATION
    display: DisplaySpec = DisplaySpec(method="percentile", longest_side=512)
    input_size: int = Field(default=224, ge=32, le=1024)

    @model_validator(mode="after")
    def _crops_keep_the_finding(self) -> "_ClassifierKeys":
        check_crop_sizes(self.augment, side=self.input_size)
        return self


class _DetectorKeys(StrictModel):
    """What of a detector's recipe decides how its training images look."""

    augment: DetectionAugment = DetectionAugment()
    display: DisplaySpec = DisplaySpec()
    image_size: int = Field(default=640, ge=64, multiple_of=32)


@dataclass(frozen=True)
class _Recipe:
    """``side`` is that of the network's input; ``squeezed`` into it, or padded to it."""

    transforms: Transforms
    display: DisplaySpec
    side: int
    squeezed: bool


@dataclass(frozen=True)
class _Sample:
    """One image as a network sees it, (side, side) uint8, with boxes (N, 4) in its pixels."""

    record: ImageRecord
    image: NDArray[np.uint8]
    boxes_xyxy: NDArray[np.float64]
    labels: tuple[str, ...]


def augment_sheet(
    dataset: Dataset, config_path: Path, *, images: int = 6, variants: int = 5, seed: int = 0
) -> bytes:
    """Draw the sheet as a JPEG: ``images`` rows of one image and ``variants`` of it.

    ``config_path`` is any recipe; of its keys ``augment``, ``display`` and the input's size
    count. Images with and without boxes alternate, drawn by ``seed``, which fixes the variations
    as well; those that cannot be read, or their labels, are passed over.

    Raises
    ------
    ConfigError
        The recipe cannot be read, or its augmentation or display is wrong.
    DatasetError
        None of the set's images can be read with its labels.
    ValueError
        Less than one image or variant is asked for.

    """
    if images < 1 or variants < 1:
        raise ValueError(f"a sheet has at least 1 image and variant, got {images} and {variants}")
    recipe = _read_recipe(config_path)
    vary = pipeline(recipe.transforms, boxes=True)
    rows: list[NDArray[np.uint8]] = []
    for sample in _samples(dataset, recipe, seed=seed):
        cells = [_cell(sample.image, sample.boxes_xyxy, sample.labels)]
        for number in range(variants):
            vary.set_random_seed((seed * 1_000_003 + len(rows) * 1_009 + number) % 2**31)
            made = vary(image=sample.image, bboxes=sample.boxes_xyxy, labels=list(sample.labels))
            size_hw = made["image"].shape
            boxes = np.asarray(made["bboxes"], dtype=np.float64).reshape(-1, 4)
            boxes *= np.tile((recipe.side / size_hw[1], recipe.side / size_hw[0]), 2)
            cells.append(
                _cell(square_image(made["image"], size=recipe.side), boxes, made["labels"])
            )
        rows.append(_row(cells, _caption(sample)))
        if len(rows) == images:
            break
    if not rows:
        raise DatasetError(
            f"{dataset.root}: none of its {len(dataset.records)} images can be read, with its "
            "labels; go on without --augment to see why"
        )
    header = _header(recipe, config_path, width=rows[0].shape[1])
    return encode_jpeg(np.concatenate([header, *rows]), quality=88)


def _read_recipe(path: Path) -> _Recipe:
    values = read_yaml(path)
    task = values.get("task")
    if task not in ("classification", "detection"):
        raise ConfigError(f"{path}: task: must be classification or detection, got {task!r:.40}")
    if task == "classification":
        classifier = parse_config(_ClassifierKeys, _only(_ClassifierKeys, values), where=str(path))
        return _Recipe(classifier.augment, classifier.display, classifier.input_size, True)
    detector = parse_config(_DetectorKeys, _only(_DetectorKeys, values), where=str(path))
    transforms = _as_transforms(detector.augment)
    return _Recipe(transforms, detector.display, detector.image_size, False)


def _only(model: type[StrictModel], values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key in model.model_fields}


def _as_transforms(augment: DetectionAugment) -> Transforms:
    """A detector's augmentation, its geometry by albumentations, in Ultralytics' order."""
    affine = {
        "rotate": [-augment.rotation, augment.rotation],
        "translate_percent": [-augment.translation, augment.translation],
        "scale": [1 - augment.scale, 1 + augment.scale],
        "keep_ratio": True,
        "fill": _PADDING,
        "p": 1.0,
    }
    flip = {"p": augment.horizontal_flip}
    return ({"Affine": affine}, *augment.intensity, {"HorizontalFlip": flip})


def _samples(dataset: Dataset, recipe: _Recipe, *, seed: int) -> Iterator[_Sample]:
    """Images that can be read, by turns with boxes and without while there are both."""
    records = sorted(dataset.records, key=lambda record: str(record.image))
    random.Random(seed).shuffle(records)  # noqa: S311 - no secret
    boxed = [record for record in records if record.status is Status.ANNOTATED]
    others = [record for record in records if record.status is not Status.ANNOTATED]
    both = min(len(boxed), len(others))
    turns = [record for pair in zip(boxed, others, strict=False) for record in pair]
    for record in [*turns, *boxed[both:], *others[both:]]:
        try:
            radiograph = read_radiograph(dataset.image_path(record))
            findings = dataset.findings(record)
        except (ImageError, DatasetError):  # the survey tells of both
            continue
        shown = display(radiograph, recipe.display)
        stored = [[f.box.x1, f.box.y1, f.box.x2, f.box.y2] for f in findings]
        boxes = shown.to_displayed(np.array(stored, dtype=np.float64).reshape(-1, 4))
        height, width = shown.image.shape
        if recipe.squeezed:
            image = square_image(shown.image, size=recipe.side)
            boxes = boxes * np.tile((recipe.side / width, recipe.side / height), 2)
        else:
            image, factor, offset = _padded(shown.image, recipe.side)
            boxes = boxes * factor + np.tile(offset, 2)
        inside = np.clip(boxes, 0, recipe.side)
        kept = ((inside[:, 2:] - inside[:, :2]) >= 1).all(axis=1)
        labels = tuple(f.label for f, keep in zip(findings, kept, strict=True) if keep)
        yield _Sample(record, image, inside[kept], labels)


def _padded(
    image: NDArray[np.uint8], side: int
) -> tuple[NDArray[np.uint8], float, tuple[int, int]]:
    """The image at its aspect ratio in the middle of a grey square, the factor and the offset."""
    height, width = image.shape
    factor = side / max(height, width)
    size_wh = (max(1, round(width * factor)), max(1, round(height * factor)))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    canvas = np.full((side, side), _PADDING, dtype=np.uint8)
    left, top = (side - size_wh[0]) // 2, (side - size_wh[1]) // 2
    canvas[top : top + size_wh[1], left : left + size_wh[0]] = cv2.resize(
        image, size_wh, interpolation=method
    )
    return canvas, factor, (left, top)


def _cell(
    image: NDArray[np.uint8], boxes_xyxy: NDArray[np.float64], labels: Sequence[str]
) -> NDArray[np.uint8]:
    drawn = [
        DrawnBox(box_of(corners), BoxKind.TRUTH, label)
        for corners, label in zip(boxes_xyxy, labels, strict=True)
    ]
    return draw_boxes(image, drawn, longest_side=_CELL_PX)


def _caption(sample: _Sample) -> str:
    count = len(sample.boxes_xyxy)
    return f"{sample.record.image} ({count} {'box' if count == 1 else 'boxes'})"


def _row(cells: Sequence[NDArray[np.uint8]], caption: str) -> NDArray[np.uint8]:
    """The cells side by side, RGB, below a line of text."""
    framed = [
        cv2.copyMakeBorder(cell, 0, _GAP_PX, 0, _GAP_PX, cv2.BORDER_CONSTANT) for cell in cells
    ]
    row = np.concatenate(framed, axis=1)[:, :-_GAP_PX]
    return np.concatenate([text_strip([caption], width=row.shape[1]), row])


def _header(recipe: _Recipe, path: Path, *, width: int) -> NDArray[np.uint8]:
    names = []
    for transform in recipe.transforms:
        ((name, parameters),) = transform.items()
        names.append(f"{name} (p {parameters['p']})" if "p" in parameters else name)
    lines = [
        f"{path.name}: left as the network sees it unchanged, {recipe.side} px; then varied by"
    ]
    lines.append(", ".join(names) or "nothing")
    if not recipe.squeezed:
        lines.append(_PREVIEWED)
    wrapped = [part for line in lines for part in textwrap.wrap(line, max(20, width // 9))]
    return text_strip(wrapped, width=width)
