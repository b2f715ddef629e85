from itertools import groupby

import cv2
import numpy as np
import pytest

from lucency.configs.errors import ConfigError
from lucency.datasets.phantoms import (
    Phantom,
    PhantomSpec,
    Region,
    make_chests,
    make_limbs,
    make_phantoms,
)

MAKERS = pytest.mark.parametrize("make", [make_limbs, make_chests], ids=["limb", "chest"])
REGIONS = pytest.mark.parametrize("region", ["limb", "chest"])


@pytest.fixture(scope="module", params=["limb", "chest"])
def pairs(request: pytest.FixtureRequest) -> list[tuple[Phantom, Phantom]]:
    """Each phantom of 16 patients, and the same one as if healthy."""
    spec = PhantomSpec(request.param, patients=16, seed=11, size=160)
    return list(zip(make_phantoms(spec), make_phantoms(spec, lesions=False), strict=True))


@MAKERS
def test_same_seed_gives_same_pixels(make):
    first, second = list(make(2, seed=5, size=96)), list(make(2, seed=5, size=96))
    other = list(make(2, seed=6, size=96))
    assert [p.image_id for p in first] == [p.image_id for p in second]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first, second, strict=True))
    assert [p.findings for p in first] == [p.findings for p in second]
    assert not np.array_equal(first[0].pixels, other[0].pixels)


@MAKERS
def test_patient_does_not_depend_on_how_many_there_are(make):
    few, many = list(make(3, seed=2, size=96)), list(make(10, seed=2, size=96))
    for a, b in zip(few, many[: len(few)], strict=True):
        assert a.image_id == b.image_id
        assert a.findings == b.findings
        assert np.array_equal(a.pixels, b.pixels)


@MAKERS
@pytest.mark.parametrize("size", [64, 200, 321])
def test_pixels_are_12_bit_with_contrast(make, size):
    for phantom in make(2, seed=1, size=size):
        assert phantom.pixels.shape == (size, size)
        assert phantom.pixels.dtype == np.uint16
        assert phantom.pixels.max() <= 4095
        assert np.ptp(np.percentile(phantom.pixels, (5, 95))) > 800
        assert phantom.spacing_mm == pytest.approx(300 / size, rel=0.5)


@REGIONS
def test_bone_is_bright(region: Region):
    # Air lies at the edge of a limb's field and over the shoulders, the body in the middle.
    phantom = next(make_phantoms(PhantomSpec(region, 1, seed=4, size=128)))
    lowest = np.percentile(phantom.pixels, 2)
    assert np.median(phantom.pixels[56:72, 56:72]) > lowest + 400


@MAKERS
def test_every_patient_has_several_different_images(make):
    phantoms = list(make(8, seed=3, size=96))
    counts = [len(list(group)) for _, group in groupby(phantoms, key=lambda p: p.patient_id)]
    assert len(counts) == 8
    assert set(counts) <= {2, 3}
    assert len({p.pixels.tobytes() for p in phantoms}) == len(phantoms)
    assert len({p.image_id for p in phantoms}) == len(phantoms)


@MAKERS
def test_findings_belong_to_the_patient(make):
    for _, group in groupby(make(16, seed=8, size=96), key=lambda p: p.patient_id):
        images = list(group)
        assert len({p.body_part for p in images}) == 1
        assert len({p.laterality for p in images}) == 1
        labels = [sorted(f.label for f in p.findings) for p in images]
        assert all(found == labels[0] for found in labels)


def test_images_of_a_patient_look_more_alike_than_those_of_two():
    # What leaks from image to image is the pattern of ribs and vessels: compare that, at the same
    # scale and in the best position.
    chests = [p for p in make_chests(8, seed=21, size=128) if p.image_id[-1] in "12"]
    details = [_detail(p) for p in chests]
    same, other = [], []
    for one, pattern in zip(chests, details, strict=True):
        for two, picture in zip(chests, details, strict=True):
            match = cv2.matchTemplate(picture, pattern[25:85, 20:-20], cv2.TM_CCOEFF_NORMED).max()
            if one is not two:
                (same if one.patient_id == two.patient_id else other).append(match)
    assert np.mean(same) > np.mean(other) + 0.08


def _detail(phantom: Phantom) -> np.ndarray:
    scale = phantom.spacing_mm / 3.0
    picture = cv2.resize(phantom.pixels.astype(np.float32), None, fx=scale, fy=scale)
    return picture - cv2.GaussianBlur(picture, (0, 0), 6)


@MAKERS
def test_three_patients_in_eight_are_healthy(make):
    phantoms = list(make(16, seed=4, size=64))
    healthy = {p.patient_id for p in phantoms if not p.findings}
    assert len(healthy) == 6
    assert 0.25 < sum(not p.findings for p in phantoms) / len(phantoms) < 0.5


def test_labels_follow_from_findings(pairs):
    seen = set()
    for phantom, healthy in pairs:
        found = {f.label for f in phantom.findings}
        seen |= found
        if phantom.region == "chest":
            tb, pneumonia = bool({"cavity", "nodule"} & found), "consolidation" in found
            assert phantom.labels == {"tb": tb, "pneumonia": pneumonia}
        else:
            assert phantom.labels == {name: name in found for name in ("fracture", "lytic_lesion")}
        assert not any(healthy.labels.values())
        assert healthy.findings == ()
    assert len(seen) == (3 if pairs[0][0].region == "chest" else 2)


def test_boxes_lie_inside_the_image_and_are_not_slivers(pairs):
    boxes = [f.box for phantom, _ in pairs for f in phantom.findings]
    assert boxes
    for box in boxes:
        assert 0 <= box.x1 < box.x2 <= 160
        assert 0 <= box.y1 < box.y2 <= 160
        assert min(box.width, box.height) >= 4
        assert max(box.width, box.height) <= 80


def test_pixels_change_inside_the_boxes(pairs):
    changes = []
    for phantom, healthy in pairs:
        change = np.abs(phantom.pixels.astype(float) - healthy.pixels)
        for finding in phantom.findings:
            box = finding.box
            rows = slice(int(box.y1), int(np.ceil(box.y2)))
            columns = slice(int(box.x1), int(np.ceil(box.x2)))
            changes.append(np.percentile(change[rows, columns], 90))
    # Most findings are plain to see; a hairline may be faint.
    assert np.median(changes) > 150
    assert np.mean(np.array(changes) > 60) > 0.9


def test_nothing_changes_far_from_the_boxes_of_chests_and_lytic_lesions(pairs):
    # A displaced fracture moves its fragments, so there the bone changes beyond the box.
    for phantom, healthy in pairs:
        if phantom.labels.get("fracture"):
            continue
        away = (phantom.pixels < 4095) & (healthy.pixels < 4095)
        for finding in phantom.findings:
            box = finding.box
            # Widened bone and the detail filter reach a little beyond what a reader would box.
            away[
                max(int(box.y1) - 12, 0) : int(box.y2) + 12,
                max(int(box.x1) - 12, 0) : int(box.x2) + 12,
            ] = False
        # The automatic range follows the densest parts, so compare up to brightness and contrast.
        one, two = phantom.pixels[away].astype(float), healthy.pixels[away].astype(float)
        line = np.polyval(np.polyfit(two, one, 1), two)
        assert np.percentile(np.abs(one - line), 99) < 20


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"region": "skull"}, "region: must be 'limb' or 'chest', got 'skull'"),
        ({"patients": 0}, "patients: must be at least 1, got 0"),
        ({"seed": -1}, "seed: must be 0 or more, got -1"),
        ({"size": 16}, "size: must be 64 to 2048 px, got 16"),
    ],
    ids=["region", "patients", "seed", "size"],
)
def test_wrong_values_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        PhantomSpec(**{"region": "limb", "patients": 1, **values})
