import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from lucency.configs.inference import TileSpec
from lucency.detection.detections import Detections
from lucency.detection.tiles import TileFindings, look_in_tiles, merge_tiles, tile_grid


def found(*rows: tuple[float, ...]) -> Detections:
    """Rows of (x1, y1, x2, y2, p0, p1)."""
    values = np.array(rows, dtype=np.float32).reshape(-1, 6)
    return Detections(values[:, :4], values[:, 4:], ("a", "b"))


@pytest.mark.parametrize(
    ("size_wh", "count"),
    [((2304, 2880), 5 * 6), ((640, 640), 0), ((641, 640), 2), ((300, 2000), 4), ((1, 641), 2)],
    ids=["radiograph", "one would do", "a pixel more", "narrow", "a line"],
)
def test_tiles_cover_the_image(size_wh: tuple[int, int], count: int) -> None:
    spec = TileSpec(size=640)
    tiles = tile_grid(size_wh, spec)
    assert len(tiles) == count
    if not count:
        return
    seen = np.zeros(size_wh[::-1], np.bool_)
    for x1, y1, x2, y2 in tiles:
        assert (x2 - x1, y2 - y1) == (min(640, size_wh[0]), min(640, size_wh[1]))
        assert min(x1, y1) >= 0 and x2 <= size_wh[0] and y2 <= size_wh[1]
        seen[y1:y2, x1:x2] = True
    assert seen.all()
    starts = sorted({x1 for x1, *_ in tiles})
    assert all(after - before <= 480 for before, after in itertools.pairwise(starts))


def look(images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
    """The box around what is bright in each image."""
    answers = []
    for image in images:
        rows, columns = np.nonzero(image)
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else ()
        answers.append(found((*map(float, box), 0.9, 0.1)) if box else found())
    return answers


@pytest.mark.parametrize("place", [(10, 10), (96, 96), (120, 60), (200, 240)], ids=str)
def test_a_finding_that_edges_cut_comes_back_whole(place: tuple[int, int]) -> None:
    """Tiles of 128 pixels every 64: wherever a finding of 12 pixels lies, one shows it whole."""
    image = np.zeros((256, 256), np.uint8)
    x, y = place
    image[y : y + 12, x : x + 12] = 255
    findings = look_in_tiles(image, TileSpec(size=128, overlap=0.5), look)
    assert len(findings) == 9
    merged = merge_tiles(found(), findings, size_wh=(256, 256))
    np.testing.assert_allclose(merged.boxes_xyxy, [[x, y, x + 12, y + 12]])
    np.testing.assert_allclose(merged.probabilities, [[0.9, 0.1]], atol=1e-6)


LEFT, RIGHT = (0, 0, 100, 100), (75, 0, 175, 100)


def merged(whole: Detections, left: Detections, right: Detections) -> Detections:
    findings = [TileFindings(LEFT, left), TileFindings(RIGHT, right)]
    return merge_tiles(whole, findings, size_wh=(175, 100))


def test_a_part_gives_way_to_the_whole_of_lower_score() -> None:
    whole = found((20, 20, 160, 60, 0.3, 0.0))
    parts = found((20, 20, 100, 60, 0.9, 0.0)), found((75, 20, 160, 60, 0.8, 0.0))
    answer = merged(whole, *parts)
    np.testing.assert_allclose(answer.boxes_xyxy, whole.boxes_xyxy)


def test_a_part_of_another_class_stays() -> None:
    whole = found((20, 20, 160, 60, 0.3, 0.0))
    answer = merged(whole, found((20, 20, 100, 60, 0.1, 0.9)), found())
    assert answer.class_ids.tolist() == [1, 0]


def test_a_part_of_what_nobody_sees_whole_stays() -> None:
    answer = merged(found(), found((20, 20, 100, 60, 0.9, 0.0)), found())
    assert len(answer) == 1


def test_a_part_goes_where_the_next_tile_sees_that_place_and_nothing_in_it() -> None:
    answer = merged(found(), found((80, 20, 100, 60, 0.9, 0.0)), found())
    assert len(answer) == 0


def test_the_edge_of_the_image_cuts_nothing_off() -> None:
    answer = merged(found(), found((0, 0, 30, 30, 0.9, 0.0)), found((150, 0, 175, 100, 0.8, 0.0)))
    assert len(answer) == 2


def test_one_finding_in_all_views_is_one_box_the_best() -> None:
    boxes = [(80, 40, 95, 60, p, 0.1) for p in (0.3, 0.7, 0.5)]
    answer = merged(*(found(box) for box in boxes))
    np.testing.assert_allclose(answer.probabilities, [[0.7, 0.1]], atol=1e-6)


def test_best_first_and_nothing_at_all() -> None:
    answer = merged(found((5, 5, 9, 9, 0.2, 0)), found((40, 40, 50, 50, 0.6, 0)), found())
    np.testing.assert_allclose(answer.scores, [0.6, 0.2], atol=1e-6)
    assert len(merged(found(), found(), found())) == 0
