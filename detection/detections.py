"""`Detections`: what a detector found in one image, with every class's probability."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.boxes import ImagePredictions


@dataclass(frozen=True)
class Detections:
    """The boxes found in one image, best first.

    ``boxes_xyxy`` (N, 4) float32 pixels of the stored image; ``probabilities`` (N, C) float32,
    the whole class vector of each box (independent sigmoids, so rows need not add up to 1);
    ``class_names`` (C,). ``found_as`` (N,) int64 is the class that each box was found as, where
    that need not be its most probable one: calibration raises and lowers classes by themselves,
    and a box must not change its class by it. ``raw`` (N, C) float32 are the network's own
    probabilities, where ``probabilities`` are calibrated or fused ones. N may be 0.
    """

    boxes_xyxy: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    class_names: tuple[str, ...]
    found_as: NDArray[np.int64] | None = None
    raw: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        count = len(self.boxes_xyxy)
        if self.boxes_xyxy.shape != (count, 4):
            raise ValueError(f"boxes must be (N, 4), got {self.boxes_xyxy.shape}")
        if self.probabilities.shape != (count, len(self.class_names)):
            raise ValueError(
                f"probabilities must be ({count}, {len(self.class_names)}), "
                f"got {self.probabilities.shape}"
            )
        if self.found_as is not None and self.found_as.shape != (count,):
            raise ValueError(f"found_as must be ({count},), got {self.found_as.shape}")
        if self.raw is not None and self.raw.shape != self.probabilities.shape:
            raise ValueError(f"raw must be {self.probabilities.shape}, got {self.raw.shape}")

    def __len__(self) -> int:
        return len(self.boxes_xyxy)

    @property
    def class_ids(self) -> NDArray[np.int64]:
        """(N,) the class of each box."""
        if self.found_as is not None:
            return self.found_as
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def scores(self) -> NDArray[np.float32]:
        """(N,) the probability of that class."""
        return self.probabilities[np.arange(len(self)), self.class_ids]

    def rows(self, kept: NDArray[Any] | slice) -> "Detections":
        """The boxes of these rows, in their order."""
        found_as = None if self.found_as is None else self.found_as[kept]
        raw = None if self.raw is None else self.raw[kept]
        return Detections(
            self.boxes_xyxy[kept], self.probabilities[kept], self.class_names, found_as, raw
        )

    def moved(self, boxes_xyxy: NDArray[Any]) -> "Detections":
        """The same with boxes (N, 4) that lie elsewhere."""
        return replace(self, boxes_xyxy=boxes_xyxy.astype(np.float32))

    def to_predictions(self, image: str) -> ImagePredictions:
        """The same boxes as evaluation takes them: one class and score each."""
        return ImagePredictions(
            image=image,
            boxes_xyxy=self.boxes_xyxy.astype(np.float64),
            scores=self.scores.astype(np.float64),
            class_ids=self.class_ids,
        )


def above(found: Detections, *, conf: float, most: int) -> Detections:
    """The boxes that score above ``conf``, at most so many, best first; equal ones as they came."""
    best_first = np.argsort(-found.scores, kind="stable")
    kept = best_first[found.scores[best_first] > conf]
    return found.rows(kept[:most])
