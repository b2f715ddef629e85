import numpy as np
import pytest

from lucency.annotations.geometry import Box
from lucency.datasets.phantom_physics import (
    LIMB_TECHNIQUE,
    Setup,
    Technique,
    box_of,
    draw_setup,
    expose,
)

SIZE = 96
# No scatter, blur or detail, and so many quanta that noise cannot be seen.
IDEAL = Technique(0.26, 1.0, 1e9, 0.0, 0.2, 0.0)


def setup(**changes: object) -> Setup:
    values = {
        "field": np.ones((SIZE, SIZE), np.float32),
        "lead": np.zeros((SIZE, SIZE), np.float32),
        "shutter": False,
        "exposure": 1.0,
        "floor": 0.0,
        "ceiling": 0.9,
        "gamma": 1.0,
    }
    return Setup(**{**values, **changes})


def wedge() -> np.ndarray:
    return np.tile(np.linspace(0, 10, SIZE, dtype=np.float32), (SIZE, 1))


def image(soft, bone=None, *, technique=IDEAL, seed=0, **changes):
    bone = np.zeros_like(soft) if bone is None else bone
    rng = np.random.default_rng(seed)
    return expose(soft, bone_cm=bone, technique=technique, setup=setup(**changes), rng=rng)


def test_log_detector_is_linear_in_thickness():
    # Beer-Lambert: the logarithm of what passes a wedge falls in a straight line.
    profile = image(wedge()).astype(float).mean(axis=0)[8:-8]
    line = np.polyval(np.polyfit(np.arange(profile.size), profile, 1), np.arange(profile.size))
    assert np.abs(profile - line).max() < 0.03 * np.ptp(profile)


def test_bone_is_brighter_than_the_flesh_it_displaces():
    soft = np.full((SIZE, SIZE), 5, np.float32)
    bone = np.zeros_like(soft)
    bone[:, 40:56] = 1.0
    shown = image(soft, bone).astype(float)
    assert shown[:, 44:52].mean() > shown[:, 8:32].mean() + 1000


def test_thicker_parts_are_noisier():
    soft = np.zeros((SIZE, SIZE), np.float32)
    soft[:, SIZE // 2 :] = 12
    noise = [
        np.std(np.diff(half.astype(float), axis=1))
        for half in np.split(image(soft, technique=LIMB_TECHNIQUE), 2, axis=1)
    ]
    assert noise[1] > 2 * noise[0]


@pytest.mark.parametrize(("shutter", "value"), [(False, 4095), (True, 0)], ids=["white", "black"])
def test_closed_part_of_the_field(shutter, value):
    field = np.ones((SIZE, SIZE), np.float32)
    field[:10] = 0
    shown = image(wedge(), field=field, shutter=shutter)
    assert np.median(shown[:6]) == value


def test_lead_letter_stands_in_its_corner():
    rng = np.random.default_rng(3)
    drawn = draw_setup(rng, size=200, letter="L", corner="tr", shutter=True, border=0.0)
    rows, columns = np.nonzero(drawn.lead > 0.5)
    assert rows.size > 20
    assert rows.max() < 70
    assert columns.min() > 130
    shown = image(wedge(), lead=drawn.lead[:SIZE, 200 - SIZE :])
    assert shown[drawn.lead[:SIZE, 200 - SIZE :] > 0.9].min() > 3000


def test_box_of_mask():
    mask = np.zeros((8, 9), bool)
    assert box_of(mask, margin=1) is None
    mask[2:5, 3] = True
    assert box_of(mask, margin=0) == Box(3, 2, 4, 5)
    assert box_of(mask, margin=1.5, origin=(10, 20)) == Box(21.5, 10.5, 25.5, 16.5)
