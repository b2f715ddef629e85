import base64
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from lucency.api.asking import Asked
from lucency.api.heat_maps import LONGEST_SIDE, heat_maps, over_stored
from lucency.api.pipeline import Pipeline
from lucency.classification.classifier import Classifier, Look
from lucency.configs.bundle import Bundle
from lucency.datasets.display import Displayed

Png = Callable[..., bytes]


def levels_of(png: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(png), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_UNCHANGED))


def look(maps: np.ndarray, gradients: np.ndarray, shown: tuple[int, int, int, int]) -> Look:
    displayed = Displayed(np.zeros((8, 8), np.uint8), shown)
    return Look(np.zeros(1, np.float32), maps, gradients, displayed)


def test_a_crop_leaves_its_margins_without_heat(classifier_bundle: Bundle) -> None:
    """Of 1000 × 500 pixels the right half is shown, and of that the upper left quarter is hot."""
    maps = np.zeros((1, 4, 4), np.float32)
    maps[0, :2, :2] = 3.0
    seen = look(maps, np.ones((1, 1), np.float32), (500, 0, 1000, 500))
    (found,) = heat_maps(classifier_bundle.manifest, seen, size_wh=(1000, 500))
    levels = levels_of(found.png)
    assert (found.model, found.label, found.any_heat) == ("stand-in-classifier", "tb", True)
    assert levels.shape == (LONGEST_SIDE // 2, LONGEST_SIDE)
    assert levels.dtype == np.uint8
    assert not levels[:, : LONGEST_SIDE // 2].any()
    assert (levels[:40, 128:168] == 255).all()
    assert not levels[100:].any()


def test_without_heat_the_picture_is_black_and_says_so(classifier_bundle: Bundle) -> None:
    seen = look(np.ones((1, 4, 4), np.float32), -np.ones((1, 1), np.float32), (0, 0, 64, 64))
    (found,) = heat_maps(classifier_bundle.manifest, seen, size_wh=(64, 64))
    assert found.any_heat is False
    assert not levels_of(found.png).any()


@pytest.mark.parametrize(
    ("size_wh", "shown", "shape"),
    [
        ((4000, 2), (0, 0, 4000, 2), (1, 256)),
        ((1, 3000), (0, 2990, 1, 3000), (256, 1)),
        ((3, 3), (1, 1, 2, 2), (256, 256)),
    ],
    ids=["flat", "a sliver", "tiny"],
)
def test_every_size_has_a_picture(
    size_wh: tuple[int, int], shown: tuple[int, int, int, int], shape: tuple[int, int]
) -> None:
    whole = over_stored(np.ones((5, 5), np.float32), shown, size_wh=size_wh)
    assert whole.shape == shape
    assert whole.max() == 1.0


def test_heat_maps_come_only_where_they_are_asked_for(
    detector_bundle: Bundle, classifier_bundle: Bundle, png: Png
) -> None:
    pipeline = Pipeline([detector_bundle, classifier_bundle])
    plain, hot = (
        pipeline.analyze(png(200, 100), name="a", asked=Asked(heatmap=heatmap)).report
        for heatmap in (False, True)
    )
    assert plain.heatmaps is None
    assert plain.id != hot.id
    assert hot.heatmaps is not None
    assert [(each.model, each.label) for each in hot.heatmaps] == [("stand-in-classifier", "tb")]
    assert levels_of(hot.heatmaps[0].png).shape == (128, 256)
    alone = pipeline.analyze(
        png(), name="a", asked=Asked(heatmap=True, models=("stand-in-detector",))
    )
    assert alone.report.heatmaps == ()


@pytest.mark.real_data
def test_the_heat_is_that_of_the_classifier(lucency_data: Path) -> None:
    """As `explain` draws it over the stored image, but for its size."""
    from lucency.api.loading import load_bundles
    from lucency.classification.heat_map import look_heat
    from lucency.datasets.radiographs import read_radiograph

    path = sorted((lucency_data / "tb_sites" / "images").glob("*.jpg"))[0]
    bundle = next(one for one in load_bundles(("tb",)))
    report = (
        Pipeline([bundle]).analyze(path.read_bytes(), name="a", asked=Asked(heatmap=True)).report
    )
    radiograph = read_radiograph(path)
    expected = look_heat(Classifier(bundle, threads=1).look(radiograph), 0, radiograph)
    small = cv2.resize(expected, (256, 256), interpolation=cv2.INTER_AREA)
    assert report.heatmaps is not None
    assert np.abs(levels_of(report.heatmaps[0].png) / 255.0 - small).mean() < 0.02
