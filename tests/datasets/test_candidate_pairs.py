import cv2
import numpy as np
import pytest

from lucency.datasets.candidate_pairs import ORIENTATIONS, find_candidates, turned


def pictures(count: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    soft = [cv2.GaussianBlur(rng.random((48, 48)), (0, 0), 2.5) for _ in range(count)]
    return np.stack([((s - s.min()) / (s.max() - s.min()) * 255) for s in soft]).astype(np.uint8)


def found(images: np.ndarray) -> list[tuple[int, int, int]]:
    pairs = find_candidates(images)
    columns = (pairs.first, pairs.second, pairs.orientation)
    return [(int(a), int(b), int(g)) for a, b, g in zip(*columns, strict=True)]


def test_different_pictures_are_no_candidates() -> None:
    assert found(pictures(200)) == []
    assert found(pictures(1)) == []
    assert found(pictures(1)[:0]) == []


@pytest.mark.parametrize("orientation", range(ORIENTATIONS))
def test_every_orientation_is_found_and_told(orientation: int) -> None:
    images = pictures(6)
    # The second of a pair is told as it must be turned; transposing and mirroring do not commute.
    images[4] = turned(images[1], orientation)
    ((first, second, told),) = found(images)
    assert (first, second) == (1, 4)
    assert np.array_equal(turned(images[4], told), images[1])


def test_negatives_and_shifted_pictures_are_found() -> None:
    images = pictures(5)
    images[3] = 255 - images[0]
    images[4] = cv2.resize(images[2, 1:47, 2:48], (48, 48), interpolation=cv2.INTER_LINEAR)
    assert {(a, b) for a, b, _ in found(images)} == {(0, 3), (2, 4)}
    pairs = find_candidates(images)
    warp = pairs.warp[(pairs.first == 2) & (pairs.orientation == 0)][0]
    # Half a pixel of the grid to the right, and everything enlarged by a few percent.
    assert warp[0] == pytest.approx(0.5, abs=0.2)
    assert warp[1] == pytest.approx(0.0, abs=0.2)
    assert warp[2:] == pytest.approx([-0.04, -0.04], abs=0.02)


def test_the_order_of_the_images_changes_nothing_but_the_numbers() -> None:
    images = pictures(300)
    images[200] = images[7]
    images[250] = turned(images[9], 3)
    order = np.random.default_rng(1).permutation(300)
    shuffled = {frozenset((int(order[a]), int(order[b]))) for a, b, _ in found(images[order])}
    assert shuffled == {frozenset((7, 200)), frozenset((9, 250))}


def test_blank_pictures_are_alike_to_nothing() -> None:
    images = pictures(3)
    images[:2] = 128
    assert found(images) == []
