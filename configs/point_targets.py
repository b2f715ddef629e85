"""What each operating point is chosen for, as a recipe says it."""

from pydantic import Field, model_validator

from lucency.configs.schema import StrictModel


class PointTarget(StrictModel):
    """One condition for a threshold; exactly one of the three.

    ``sensitivity``: the highest threshold that finds this share of the findings, or with at most
    four false alarms an image as large a share as can be.
    ``false_positives_per_image``: the lowest that raises no more false alarms than this.
    ``best_f1``: the middle of the thresholds whose F1 is as good as the highest.
    """

    sensitivity: float | None = Field(default=None, gt=0, le=1)
    false_positives_per_image: float | None = Field(default=None, gt=0)
    best_f1: bool = False

    @model_validator(mode="after")
    def _exactly_one(self) -> "PointTarget":
        asked = (self.sensitivity, self.false_positives_per_image, self.best_f1 or None)
        if sum(value is not None for value in asked) != 1:
            raise ValueError(
                "must name one of sensitivity, false_positives_per_image and best_f1: true"
            )
        return self


class PointTargets(StrictModel):
    """The conditions of a detector's three operating points, the same for each class."""

    screening: PointTarget = PointTarget(sensitivity=0.90)
    balanced: PointTarget = PointTarget(best_f1=True)
    specific: PointTarget = PointTarget(false_positives_per_image=0.1)


DEFAULT_TARGETS = PointTargets()


class ClassificationTargets(StrictModel):
    """What the outer operating points of a classifier are chosen for, the same for each label.

    ``screening`` is the highest threshold with this sensitivity, ``specific`` the lowest with this
    specificity; ``balanced``, between them, has the highest sum of both.
    """

    screening_sensitivity: float = Field(default=0.95, gt=0, le=1)
    specific_specificity: float = Field(default=0.95, gt=0, le=1)


DEFAULT_CLASSIFICATION_TARGETS = ClassificationTargets()
