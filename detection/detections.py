"""`Detections`: what a detector found in one image, with every class's probability."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.boxes import ImagePredictions


@dataclass(frozen=True)
class Detections:
    """The boxes found in one image, best first.

    ``boxes_xyxy`` (N, 4) float32 pixels of the stored image; ``probabilities`` (N, C) float32,
    the whole class vector of each box (independent sigmoids, so rows need not add up to 1);
    ``class_names`` (C,). N may be 0.
    """

    boxes_xyxy: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        count = len(self.boxes_xyxy)
        if self.boxes_xyxy.shape != (count, 4):
            raise ValueError(f"boxes must be (N, 4), got {self.boxes_xyxy.shape}")
        if self.probabilities.shape != (count, len(self.class_names)):
            raise ValueError(
                f"probabilities must be ({count}, {len(self.class_names)}), "
                f"got {self.probabilities.shape}"
            )

    def __len__(self) -> int:
        return len(self.boxes_xyxy)

    @property
    def class_ids(self) -> NDArray[np.int64]:
        """(N,) the most probable class of each box."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def scores(self) -> NDArray[np.float32]:
        """(N,) the probability of that class."""
        return np.asarray(self.probabilities.max(axis=1, initial=0.0), dtype=np.float32)

    def to_predictions(self, image: str) -> ImagePredictions:
        """The same boxes as evaluation takes them: one class and score each."""
        return ImagePredictions(
            image=image,
            boxes_xyxy=self.boxes_xyxy.astype(np.float64),
            scores=self.scores.astype(np.float64),
            class_ids=self.class_ids,
        )
