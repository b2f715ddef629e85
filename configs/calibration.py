"""How a bundle holds the calibration of its scores; `lucency.evaluation.calibration` applies it."""

import itertools
from typing import Literal

from pydantic import Field, model_validator

from lucency.configs.schema import StrictModel


class ClassCalibration(StrictModel):
    """A rising map from a class's raw score to a probability, both in [0, 1].

    ``platt``: ``sigmoid(slope * logit(score) + intercept)`` with ``slope`` above 0 (Platt 1999).
    ``isotonic``: linear between the knots ``scores`` → ``probabilities``, both rising, from
    score 0 to score 1 (Zadrozny and Elkan 2002).
    """

    method: Literal["platt", "isotonic"]
    slope: float = Field(default=1.0, gt=0)
    intercept: float = 0.0
    scores: tuple[float, ...] = ()
    probabilities: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _rising(self) -> "ClassCalibration":
        if self.method == "platt":
            return self
        if len(self.scores) != len(self.probabilities) or len(self.scores) < 2:
            raise ValueError("scores and probabilities must be two or more knots each")
        for name, values in (("scores", self.scores), ("probabilities", self.probabilities)):
            steps = itertools.pairwise(values)
            if any(after <= before for before, after in steps):
                raise ValueError(f"{name} must rise from knot to knot")
            if values[0] < 0 or values[-1] > 1:
                raise ValueError(f"{name} must be between 0 and 1")
        if self.scores[0] != 0 or self.scores[-1] != 1:
            raise ValueError("scores must go from 0 to 1")
        return self
