"""How a bundle holds its fusion with a classifier of whole images."""

from pydantic import Field

from lucency.configs.schema import StrictModel


class FusionSpec(StrictModel):
    """How the probability of a whole image rescales a detector's scores.

    A box of raw or calibrated score ``s`` in an image of probability ``q`` gets
    ``sigmoid(box_weight * logit(s) + image_weight * logit(q) + intercept)``, fitted by logistic
    regression on validation data. It holds for one classifier, known by the digest of its
    ``model.onnx``. Above ``image_high`` with no box, or below ``image_low`` with one, the two
    disagree and the answer says so.
    """

    classifier: str = Field(min_length=1, description="the classifier bundle's name")
    classifier_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    label: str = Field(min_length=1, description="which of the classifier's labels")
    box_weight: float = Field(gt=0)
    image_weight: float = Field(ge=0)
    intercept: float
    image_high: float = Field(ge=0, le=1)
    image_low: float = Field(ge=0, le=1)
