from pathlib import Path

import numpy as np
import pytest

from lucency.configs.schema import find_config, read_config
from lucency.datasets.augment import DetectionAugment
from lucency.detection.augment import geometry_options, intensity_transforms
from lucency.detection.engine_options import option_names
from lucency.detection.offline_ultralytics import import_ultralytics
from lucency.detection.recipe import DetectionConfig

FORBIDDEN = ("hsv_h", "hsv_s", "flipud", "shear", "perspective", "mixup", "cutmix", "copy_paste")


def test_what_radiographs_forbid_is_off() -> None:
    options = geometry_options(DetectionAugment())
    assert all(options[name] == 0.0 for name in FORBIDDEN)
    assert options["fliplr"] == 0.0
    assert options.keys() <= option_names()


def test_ultralytics_takes_the_transforms() -> None:
    # Ultralytics only logs when it cannot build them, and then trains without.
    import_ultralytics()
    from ultralytics.data.augment import Albumentations

    entries = [dict(entry) for entry in DetectionAugment().intensity]
    always = [{name: {**values, "p": 1.0}} for e in entries for name, values in e.items()]
    augment = DetectionAugment.model_validate({"intensity": always})
    built = Albumentations(p=1.0, transforms=intensity_transforms(augment))
    assert built.transform is not None
    assert not built.contains_spatial
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 1), dtype=np.uint8).repeat(3, 2)
    changed = built({"img": image})["img"]
    assert changed.shape == image.shape
    assert np.abs(changed.astype(int) - image).mean() > 1


def test_the_defaults_are_what_hospitals_differ_in() -> None:
    import albumentations as A  # noqa: N812 - the library's own convention

    expected = [
        A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.3, p=0.5),
        A.RandomGamma(gamma_limit=(70, 140), p=0.3),
        A.GaussNoise(std_range=(0.01, 0.05), per_channel=False, p=0.2),
        A.GaussianBlur(blur_limit=(3, 5), p=0.1),
        A.CLAHE(clip_limit=(1.0, 3.0), tile_grid_size=(8, 8), p=0.1),
    ]
    assert repr(intensity_transforms(DetectionAugment())) == repr(expected)


@pytest.mark.parametrize("name", ["fracture", "chest_lesion", "demo_detector"])
def test_the_shipped_recipes_change_what_hospitals_differ_in(name: str) -> None:
    shipped = read_config(DetectionConfig, find_config(name)).augment
    found = {type(transform).__name__ for transform in intensity_transforms(shipped)}
    assert {"RandomBrightnessContrast", "RandomGamma"} <= found


def test_the_demonstration_varies_exposure_and_gamma_only() -> None:
    augment = read_config(DetectionConfig, Path(find_config("demo_detector"))).augment
    found = [(type(t).__name__, t.p) for t in intensity_transforms(augment)]
    assert found == [("RandomBrightnessContrast", 0.3), ("RandomGamma", 0.2)]


def test_an_empty_list_changes_no_grey_level() -> None:
    assert intensity_transforms(DetectionAugment(intensity=())) == []
    assert geometry_options(DetectionAugment(rotation=3.0))["degrees"] == pytest.approx(3.0)
