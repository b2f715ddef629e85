from typing import Any

import numpy as np
import pytest

from lucency.configs.errors import ConfigError
from lucency.configs.schema import parse_config
from lucency.datasets.augment import (
    CLASSIFICATION,
    INTENSITY,
    DetectionAugment,
    ImageAugment,
    build_transforms,
    check_crop_sizes,
    pipeline,
)
from lucency.datasets.augment_rules import INTENSITY as INTENSITY_NAMES
from lucency.datasets.augment_rules import SPATIAL

NEEDED: dict[str, dict[str, Any]] = {
    "Affine": {"rotate": [10, 12]},
    "GaussNoise": {"per_channel": False},
    "Rotate": {"limit": 15},
    "Resize": {"height": 40, "width": 40},
    "RandomResizedCrop": {"size": [40, 40], "scale": [0.6, 1.0]},
    "RandomCrop": {"height": 40, "width": 40},
    "CenterCrop": {"height": 40, "width": 40},
}


def parsed(*transforms: object) -> tuple[dict[str, dict[str, Any]], ...]:
    return parse_config(ImageAugment, {"augment": list(transforms)}, where="r.yaml").augment


@pytest.fixture(scope="module")
def scan() -> np.ndarray:
    rng = np.random.default_rng(0)
    scan = np.tile(np.linspace(80, 160, 48), (48, 1)) + rng.normal(0, 5, (48, 48))
    scan[10:30, 14:30] += 40
    return scan.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", [*INTENSITY_NAMES, *SPATIAL])
def test_what_is_allowed_works_on_grey_images(name: str, scan: np.ndarray) -> None:
    vary = pipeline([{name: {**NEEDED.get(name, {}), "p": 1.0}}])
    given = scan.copy()
    varied = vary(image=given)["image"]
    assert np.array_equal(given, scan)
    assert varied.dtype == np.uint8 and varied.ndim == 2
    assert name == "PadIfNeeded" or varied.shape != scan.shape or (varied != scan).any()


@pytest.mark.parametrize("name", INTENSITY_NAMES)
def test_grey_stays_grey_in_three_channels(name: str, scan: np.ndarray) -> None:
    vary = pipeline([{name: {**NEEDED.get(name, {}), "p": 1.0}}])
    varied = vary(image=np.repeat(scan[:, :, None], 3, axis=2))["image"].astype(int)
    assert varied.shape == (48, 48, 3)
    assert np.abs(varied - varied[:, :, :1]).max() <= 1


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"Sharpn": {}}, r"augment\[1\]\.Sharpn: is no transform of albumentations for radiog"),
        (
            {"Sharpen": {"alfa": 1}},
            r"augment\[1\]\.Sharpen\.alfa: is no parameter of it; it has al",
        ),
        ({"Sharpen": {"p": 2}}, r"augment\[1\]\.Sharpen\.p: should be less than .* 1, got 2"),
        ({"Sharpen": {"method": "x"}}, r"\.method: should be 'kernel' or 'gaussian', got 'x'"),
        ({"Affine": {"rotate": "far"}}, r"\.Affine\.rotate: .* or .*, got 'far'"),
        ({"RandomCrop": {"height": 9}}, r"augment\[1\]\.RandomCrop\.width: Field required"),
        ({"Sharpen": {"p": float("nan")}}, r"augment\[1\]: values must be finite .* got nan"),
        ({"Sharpen": 0.5}, r"augment\[1\]: Sharpen: its parameters must be a mapping"),
        ("Sharpen", r"augment\[1\]: must be one transform with its parameters"),
        ({"Blur": {}, "Sharpen": {}}, r"augment\[1\]: must be one transform"),
        ({}, r"augment\[1\]: must be one transform"),
    ],
)
def test_mistakes_are_named_with_their_place(entry: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parsed({"CLAHE": {}}, entry)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"Affine": {"shear": 5}}, r"Affine\.shear: must be 0: .* deformity"),
        ({"Affine": {"shear": {"x": [0, 0], "y": [-1, 1]}}}, r"Affine\.shear: must be 0"),
        ({"Perspective": {}}, "deformity"),
        ({"ElasticTransform": {}}, "deformity"),
        ({"GridDistortion": {}}, "deformity"),
        ({"OpticalDistortion": {}}, "deformity"),
        ({"ThinPlateSpline": {}}, "deformity"),
        ({"VerticalFlip": {}}, "mirrors the body"),
        ({"Transpose": {}}, "mirrors the body"),
        ({"D4": {}}, "mirrors the body"),
        ({"RandomRotate90": {}}, "mirrors the body"),
        ({"Rotate": {}}, r"Rotate\.limit: must lie within \[-45, 45\] degrees"),
        ({"Affine": {"rotate": [-180, 0]}}, r"Affine\.rotate: must lie within"),
        ({"Affine": {"scale": {"x": [-1, 1]}}}, r"Affine\.scale: must be above 0"),
        ({"HueSaturationValue": {}}, "colours"),
        ({"ColorJitter": {}}, "colours"),
        ({"GaussNoise": {}}, r"GaussNoise\.per_channel: must be false"),
        ({"RandomToneCurve": {"per_channel": True}}, "per_channel: must be false"),
        ({"RandomFog": {}}, "look like disease"),
        ({"InvertImg": {}}, "makes bone dark"),
        ({"MaskDropout": {}}, "needs masks"),
        ({"RandomResizedCrop": {"size": [32, 32]}}, r"\.scale: must keep at least 0\.5"),
        (
            {"RandomResizedCrop": {"size": [32, 32], "scale": [0.8, 1], "ratio": [0.5, 1]}},
            r"\.ratio: must lie between",
        ),
    ],
)
def test_what_a_radiograph_forbids_is_refused_with_the_reason(
    entry: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        parsed(entry)


def test_all_mistakes_of_a_list_stand_in_one_line() -> None:
    with pytest.raises(
        ConfigError, match=r"r\.yaml: augment\[0\]\.D4: .*; augment\[1\]\.Blur\.p: "
    ):
        parsed({"D4": {}}, {"Blur": {"p": -1}})


def test_the_list_must_be_one() -> None:
    with pytest.raises(ConfigError, match=r"r\.yaml: augment: must be a list of transforms"):
        parse_config(ImageAugment, {"augment": {"rotation": 15}}, where="r.yaml")


def test_values_are_kept_as_yaml_has_them() -> None:
    assert parsed({"Affine": {"rotate": (-5, 5)}}, {"Sharpen": None}) == (
        {"Affine": {"rotate": [-5, 5]}},
        {"Sharpen": {}},
    )
    assert parsed() == ()


@pytest.mark.parametrize("name", [*SPATIAL, "HueSaturationValue"])
def test_a_detectors_list_changes_grey_levels_only(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"x: intensity\[0\]\.{name}: (moves|changes colours)"):
        parse_config(DetectionAugment, {"intensity": [{name: {}}]}, where="x")


@pytest.mark.parametrize("transforms", [CLASSIFICATION, INTENSITY], ids=["classifier", "detector"])
def test_the_defaults_pass_their_own_checks(transforms: Any) -> None:
    assert parsed(*transforms) == transforms
    assert len(build_transforms(transforms)) == len(transforms)


def test_a_seed_fixes_the_draws(scan: np.ndarray) -> None:
    vary, again = pipeline(CLASSIFICATION), pipeline(CLASSIFICATION)
    vary.set_random_seed(5)
    first, second = vary(image=scan)["image"], vary(image=scan)["image"]
    again.set_random_seed(5)
    assert np.array_equal(again(image=scan)["image"], first)
    assert not np.array_equal(first, second)


def test_nothing_is_mirrored_unless_named() -> None:
    image = np.zeros((48, 48), np.uint8)
    image[:, :16] = 200
    plain, mirrored = pipeline(CLASSIFICATION), pipeline([{"HorizontalFlip": {"p": 1.0}}])
    for seed in range(10):
        plain.set_random_seed(seed)
        varied = plain(image=image)["image"]
        assert varied[20:28, 4:12].mean() > varied[20:28, 36:44].mean()
    assert mirrored(image=image)["image"][24, 40] == 200


def test_boxes_move_with_the_picture() -> None:
    image = np.zeros((60, 40), np.uint8)
    image[10:20, 5:15] = 255
    vary = pipeline([{"HorizontalFlip": {"p": 1.0}}], boxes=True)
    found = vary(image=image, bboxes=np.array([[5.0, 10, 15, 20]]), labels=["fracture"])
    assert np.asarray(found["bboxes"]) == pytest.approx(np.array([[25, 10, 35, 20]]), abs=1e-3)
    assert list(found["labels"]) == ["fracture"]
    empty = vary(image=image, bboxes=np.zeros((0, 4)), labels=[])
    assert len(empty["bboxes"]) == 0


@pytest.mark.parametrize(
    ("transforms", "message"),
    [
        ([{"RandomCrop": {"height": 200, "width": 200}}], None),
        ([{"Resize": {"height": 256, "width": 256}}, {"RandomCrop": {"height": 224, "width": 224}}],
         None),
        ([{"RandomCrop": {"height": 100, "width": 224}}], r"augment\[0\]\.RandomCrop: keeps 45%"),
        ([{"CenterCrop": {"height": 300, "width": 300}}], "from only 224 × 224"),
        ([{"CenterCrop": {"height": 300, "width": 300, "pad_if_needed": True}}], None),
        ([{"RandomResizedCrop": {"size": [64, 64], "scale": [0.8, 1.0]}},
          {"RandomCrop": {"height": 40, "width": 40}}], r"augment\[1\]\.RandomCrop: keeps 39%"),
        ([{"Resize": {"height": 256, "width": 256, "p": 0.5}},
          {"RandomCrop": {"height": 240, "width": 240}}], "from only 224 × 224"),
        ([{"PadIfNeeded": {"min_height": 448, "min_width": 448}},
          {"RandomCrop": {"height": 224, "width": 224}}], r"augment\[1\]\.RandomCrop: keeps 25%"),
        ([{"PadIfNeeded": {}}, {"CenterCrop": {"height": 800, "width": 800}}], None),
    ],
    ids=["most", "after resize", "less than half", "larger", "padded", "twice", "maybe not resized",
         "of the padding", "padded before"],
)  # fmt: skip
def test_crops_in_pixels_keep_the_finding(
    transforms: list[dict[str, dict[str, Any]]], message: str | None
) -> None:
    if message is None:
        check_crop_sizes(parsed(*transforms), side=224)
        return
    with pytest.raises(ValueError, match=message):
        check_crop_sizes(parsed(*transforms), side=224)
