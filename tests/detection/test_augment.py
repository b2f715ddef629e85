import numpy as np
import pytest

from lucency.detection.augment import geometry_options, intensity_transforms
from lucency.detection.offline_ultralytics import import_ultralytics, option_names
from lucency.detection.recipe import AugmentConfig

FORBIDDEN = ("hsv_h", "hsv_s", "flipud", "shear", "perspective", "mixup", "cutmix", "copy_paste")


def test_what_radiographs_forbid_is_off() -> None:
    options = geometry_options(AugmentConfig())
    assert all(options[name] == 0.0 for name in FORBIDDEN)
    assert options["fliplr"] == 0.0
    assert options.keys() <= option_names()


def test_ultralytics_takes_the_transforms() -> None:
    # Ultralytics only logs when it cannot build them, and then trains without.
    import_ultralytics()
    from ultralytics.data.augment import Albumentations

    always = AugmentConfig(exposure=1.0, gamma=1.0, noise=1.0, blur=1.0, local_contrast=1.0)
    built = Albumentations(p=1.0, transforms=intensity_transforms(always))
    assert built.transform is not None
    assert not built.contains_spatial
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 1), dtype=np.uint8).repeat(3, 2)
    changed = built({"img": image})["img"]
    assert changed.shape == image.shape
    assert np.abs(changed.astype(int) - image).mean() > 1


@pytest.mark.parametrize("name", ["exposure", "gamma", "noise", "blur", "local_contrast"])
def test_a_probability_of_zero_switches_off(name: str) -> None:
    off = dict.fromkeys(("exposure", "gamma", "noise", "blur", "local_contrast"), 0.0)
    probabilities = [t.p for t in intensity_transforms(AugmentConfig(**{**off, name: 0.7}))]
    assert sorted(probabilities) == [0.0, 0.0, 0.0, 0.0, 0.7]
