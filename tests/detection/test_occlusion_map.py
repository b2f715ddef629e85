"""Hiding parts of an image finds the part that a detector looks at."""

import numpy as np
import pytest

from lucency.detection.occlusion_map import occlusion_map

# The square that the detector looks at, and the box that it then proposes.
X1, Y1, X2, Y2 = 40, 16, 56, 32
BOX = np.array([X1, Y1, X2, Y2], dtype=np.float64)


def picture() -> np.ndarray:
    image = np.zeros((64, 96), dtype=np.float32)
    image[Y1:Y2, X1:X2] = 1.0
    return np.repeat(image[None, None], 3, axis=1)


def looks_at_the_square(inputs: np.ndarray) -> np.ndarray:
    """One box of class 1 that scores as bright as the square is, and one elsewhere."""
    heads = np.zeros((len(inputs), 6, 2), dtype=np.float32)
    heads[:, :4, 0] = [(X1 + X2) / 2, (Y1 + Y2) / 2, X2 - X1, Y2 - Y1]
    heads[:, 5, 0] = inputs[:, 0, Y1:Y2, X1:X2].mean(axis=(1, 2))
    heads[:, :4, 1] = [10, 50, 10, 10]
    heads[:, 4:, 1] = 0.9
    return heads


def run(raw=looks_at_the_square, *, seed: int = 0, class_id: int = 1, masks: int = 200, **more):
    return occlusion_map(
        raw, picture(), box_xyxy=BOX, class_id=class_id, masks=masks, seed=seed, **more
    )


def test_the_heat_lies_where_the_detector_looks() -> None:
    heat = run()
    assert heat.shape == (64, 96) and heat.dtype == np.float32
    assert float(heat.sum()) == pytest.approx(1.0, abs=1e-4)
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert X1 <= x < X2 and Y1 <= y < Y2
    # The square is 4% of the image; masks are smooth, so some heat lies around it.
    assert heat[Y1:Y2, X1:X2].sum() > 0.4
    assert heat[Y1 - 8 : Y2 + 8, X1 - 8 : X2 + 8].sum() > 0.8


def test_the_seed_decides() -> None:
    assert run(seed=1).tobytes() == run(seed=1).tobytes()
    assert run(seed=1).tobytes() != run(seed=2).tobytes()


@pytest.mark.parametrize(
    ("raw", "class_id"),
    [
        (lambda inputs: looks_at_the_square(np.ones_like(inputs)), 1),
        (looks_at_the_square, 0),
    ],
    ids=["blind to the image", "class that is never there"],
)
def test_a_score_that_never_changes_gives_no_heat(raw, class_id: int) -> None:
    assert not run(raw, class_id=class_id, masks=60).any()


def test_progress_counts_masks() -> None:
    seen: list[tuple[int, int]] = []
    run(masks=20, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(8, 20), (16, 20), (20, 20)]
