"""How a bundle holds what tells an image unlike those that its model has learnt from."""

from typing import Literal

from pydantic import Field

from lucency.configs.schema import StrictModel


class TypicalSpec(StrictModel):
    """When an image is called unlike those that a classifier has learnt from.

    ``residual``: its distance is the length of what the main directions of the training images'
    pooled features leave unexplained; directions and mean stand in ``typical.npy``, and
    `lucency.classification.typical_images` does the sums. Above ``limit`` it is unlike them. The
    limit was chosen so that at most ``false_share`` of further images like those of the validation
    split are expected above it; of these themselves, ``validation_share`` are.
    """

    method: Literal["residual"] = "residual"
    limit: float = Field(gt=0, allow_inf_nan=False)
    false_share: float = Field(gt=0, lt=1)
    validation_share: float = Field(ge=0, le=1)
    training_images: int = Field(gt=0)
    validation_images: int = Field(gt=0)
