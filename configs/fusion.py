"""How a bundle holds its fusion with a classifier of whole images."""

from pydantic import Field, model_validator

from lucency.configs.schema import StrictModel


class FusionWeights(StrictModel):
    """What a box of score ``s`` becomes in an image of probability ``q``.

    ``sigmoid(box_weight * logit(s) + image_weight * logit(q) + intercept)``: within an image the
    order of the boxes stays, between images it changes.
    """

    box_weight: float = Field(gt=0)
    image_weight: float = Field(ge=0)
    intercept: float


class FusionSpec(FusionWeights):
    """How the probability of a whole image rescales a detector's scores.

    The scores are those that the detector gives: calibrated where the bundle has a calibration.
    The weights were fitted by logistic regression on validation data. They hold for one
    classifier, known by the digest of its ``model.onnx``. Where the probability reaches
    ``image_high`` and no box is found, or stays below ``image_low`` and one is, the two disagree
    and the answer says so.
    """

    classifier: str = Field(min_length=1, description="the classifier bundle's name")
    classifier_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    label: str = Field(min_length=1, description="which of the classifier's labels")
    image_high: float = Field(ge=0, le=1)
    image_low: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _in_order(self) -> "FusionSpec":
        if self.image_low > self.image_high:
            raise ValueError(
                f"image_low must not be above image_high, got {self.image_low} and "
                f"{self.image_high}"
            )
        return self
