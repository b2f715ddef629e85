"""The wire: what a reader made of the boxes of one image."""

from typing import Literal

from pydantic import Field, model_validator

from lucency.annotations.documents import text
from lucency.api.schemas import Wire, WireBox

MAX_BOXES = 1000
MAX_COMMENT = 2000
MAX_LABEL = 200
# A box may stick out by so much: what is drawn on a scaled picture is rounded.
TOLERANCE_PX = 1.0
# What is left of a box within the image must have sides of this length at least.
SMALLEST_PX = 0.1


class FeedbackImage(Wire):
    """The image that was analysed, as `image` of the report says."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the bytes that were analysed")
    width: int = Field(ge=1, le=1_000_000)
    height: int = Field(ge=1, le=1_000_000)
    kind: Literal["dicom", "png", "jpeg", "tiff"]


class FeedbackBox(Wire):
    """One box and what the reader made of it.

    ``accept`` and ``reject`` name a finding of the report as it is. ``move`` gives it a new
    ``box`` and tells the old one in ``proposed``. ``add`` draws one that the models did not find.
    Who gives a finding another label rejects it and adds a box in its place.
    """

    action: Literal["accept", "reject", "move", "add"]
    label: str = Field(min_length=1, max_length=MAX_LABEL)
    box: WireBox = Field(description="pixels of the stored image; of `move`: the new place")
    proposed: WireBox | None = Field(
        default=None, description="of `move`: where the model had the box; else left out"
    )
    finding: int | None = Field(
        default=None, ge=0, description="index in `findings` of the report; left out of `add`"
    )
    model: str | None = Field(default=None, max_length=MAX_LABEL, description="of the finding")
    score: float | None = Field(default=None, ge=0, le=1, description="of the finding")

    @model_validator(mode="after")
    def _consistent(self) -> "FeedbackBox":
        if text(self.label) is None:
            raise ValueError("label: must be a name on one line")
        if (self.finding is None) != (self.action == "add"):
            raise ValueError(
                "finding: must be the index of a finding of the report, and left out where the "
                "action is 'add'"
            )
        if (self.proposed is None) != (self.action != "move"):
            raise ValueError(
                "proposed: must be where the model had the box if the action is 'move', and left "
                "out otherwise"
            )
        return self


class Feedback(Wire):
    """A reader's word on one whole image: every box that was shown, and those that were missing.

    No boxes at all mean that there is nothing in the image. A finding of the report that is not
    named here counts as not shown.
    """

    report_id: str = Field(pattern="^[0-9a-f]{1,64}$", description="`id` of the report")
    image: FeedbackImage
    boxes: tuple[FeedbackBox, ...] = Field(max_length=MAX_BOXES)
    comment: str = Field(
        default="", max_length=MAX_COMMENT, description="kept with the boxes; name no patient"
    )

    @model_validator(mode="after")
    def _boxes_fit(self) -> "Feedback":
        findings = [box.finding for box in self.boxes if box.finding is not None]
        if len(set(findings)) < len(findings):
            raise ValueError("boxes: two of them name the same finding; name each once")
        for number, box in enumerate(self.boxes):
            for name in ("box", "proposed"):
                corners = getattr(box, name)
                if corners is not None:
                    _check_inside(corners, self.image, where=f"boxes[{number}].{name}")
        return self


class FeedbackStored(Wire):
    """The answer: the feedback is on disk."""

    id: str = Field(description="stands in the document, too")


def clipped(box: WireBox, image: FeedbackImage) -> tuple[float, float, float, float]:
    """The part of the box that lies in the image: x1, y1, x2, y2 in pixels."""
    x1, x2 = (min(max(value, 0.0), float(image.width)) for value in (box.x1, box.x2))
    y1, y2 = (min(max(value, 0.0), float(image.height)) for value in (box.y1, box.y2))
    return x1, y1, x2, y2


def _check_inside(box: WireBox, image: FeedbackImage, *, where: str) -> None:
    corners = (box.x1, box.y1, box.x2, box.y2)
    limits = (image.width, image.height, image.width, image.height)
    if any(
        not -TOLERANCE_PX <= value <= limit + TOLERANCE_PX
        for value, limit in zip(corners, limits, strict=True)
    ):
        raise ValueError(
            f"{where}: must lie in the image of {image.width} × {image.height} px, got "
            f"{[round(value, 2) for value in corners]}"
        )
    x1, y1, x2, y2 = clipped(box, image)
    if min(x2 - x1, y2 - y1) < SMALLEST_PX:
        raise ValueError(
            f"{where}: must have an area within the image, x1 < x2 and y1 < y2, got "
            f"{[round(value, 2) for value in corners]}"
        )
