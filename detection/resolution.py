"""`image_size: auto`: the resolution that `lucency explore` recommends for the data."""

import numpy as np

from lucency.annotations.records import Dataset
from lucency.configs.errors import ConfigError
from lucency.datasets.training_resolution import recommend_resolution
from lucency.detection.recipe import AUTO_SIZE, DetectionConfig

_SMALLEST_PX = 64


def with_resolution(config: DetectionConfig, rendered: Dataset) -> DetectionConfig:
    """The configuration with a number for ``image_size``.

    The images are those that the model gets, cropped and reduced by the display function, so that
    no pixels are asked for that are not there; only training and validation data are looked at.

    Raises
    ------
    ConfigError
        There is no finding by which a resolution could be chosen.

    """
    if config.image_size != AUTO_SIZE:
        return config
    records = [*rendered.in_split("train"), *rendered.in_split("val")]
    sides, sizes = [], []
    for record in records:
        for finding in rendered.findings(record):
            sides.append((finding.box.width, finding.box.height))
            sizes.append((record.width, record.height))
    if not sides:
        raise ConfigError("image_size: auto needs findings to go by, the set has none; set pixels")
    found = recommend_resolution(
        [(record.width, record.height) for record in records],
        np.array(sides, dtype=np.float64),
        np.array(sizes, dtype=np.float64),
    )
    return config.model_copy(update={"image_size": max(_SMALLEST_PX, found.resolution or 0)})
