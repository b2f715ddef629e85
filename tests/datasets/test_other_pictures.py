import numpy as np
import pytest

from lucency.configs.errors import ConfigError
from lucency.datasets.other_pictures import SCENES, make_other


@pytest.mark.parametrize("scene", SCENES)
def test_scenes_are_drawn(scene: str) -> None:
    made = [make_other(seed, size=64, scene=scene).image for seed in range(6)]
    for image in made:
        assert image.dtype == np.uint8
        assert max(image.shape) == 64
        assert min(image.shape) >= 16
    assert len({image.tobytes() for image in made}) >= 5
    assert max(int(image.max()) - int(image.min()) for image in made) > 50


def test_a_seed_is_always_the_same_picture() -> None:
    first, second = (make_other(7, size=64) for _ in range(2))
    assert first.scene == second.scene
    assert np.array_equal(first.image, second.image)
    assert not np.array_equal(first.image, make_other(8, size=64).image)


def test_scenes_are_mixed() -> None:
    assert len({make_other(seed, size=64).scene for seed in range(60)}) > 10


@pytest.mark.parametrize("size", [63, 1025])
def test_sizes_out_of_range(size: int) -> None:
    with pytest.raises(ConfigError, match="64 to 1024"):
        make_other(0, size=size)


def test_unknown_scene() -> None:
    with pytest.raises(ConfigError, match="no 'moon'; choose one of: texture"):
        make_other(0, scene="moon")
