"""Truth and predictions of one image, as arrays: what every box measure takes."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.findings import Finding, LabelMap


@dataclass(frozen=True)
class ImageTruth:
    """The marked boxes of one image.

    ``boxes_xyxy`` (M, 4) float64 pixels of the stored image; ``class_ids`` (M,) int64;
    ``size_wh`` the image's size in pixels; ``patient_id`` groups images for intervals.
    M may be 0: a confirmed negative.
    """

    image: str
    size_wh: tuple[int, int]
    boxes_xyxy: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    patient_id: str = ""

    def __post_init__(self) -> None:
        if self.boxes_xyxy.shape != (len(self.class_ids), 4):
            raise ValueError(
                f"{self.image}: boxes must be ({len(self.class_ids)}, 4), "
                f"got {self.boxes_xyxy.shape}"
            )

    def only(self, rows: NDArray[np.bool_]) -> "ImageTruth":
        """The same image with those boxes (M,) alone."""
        return replace(self, boxes_xyxy=self.boxes_xyxy[rows], class_ids=self.class_ids[rows])


@dataclass(frozen=True)
class ImagePredictions:
    """The predicted boxes of one image.

    ``boxes_xyxy`` (N, 4) float64 pixels of the stored image; ``scores`` (N,) in [0, 1];
    ``class_ids`` (N,) int64. N may be 0.
    """

    image: str
    boxes_xyxy: NDArray[np.float64]
    scores: NDArray[np.float64]
    class_ids: NDArray[np.int64]

    def __post_init__(self) -> None:
        count = len(self.scores)
        if self.boxes_xyxy.shape != (count, 4) or self.class_ids.shape != (count,):
            raise ValueError(
                f"{self.image}: {count} scores need boxes ({count}, 4) and class_ids ({count},), "
                f"got {self.boxes_xyxy.shape} and {self.class_ids.shape}"
            )

    def only(self, rows: NDArray[np.bool_]) -> "ImagePredictions":
        """The same image with those boxes (N,) alone."""
        return replace(
            self,
            boxes_xyxy=self.boxes_xyxy[rows],
            scores=self.scores[rows],
            class_ids=self.class_ids[rows],
        )


def truth_from_findings(
    findings: tuple[Finding, ...],
    *,
    image: str,
    size_wh: tuple[int, int],
    label_map: LabelMap,
    patient_id: str = "",
) -> ImageTruth:
    """Bring the findings of one image into arrays."""
    boxes = [(f.box.x1, f.box.y1, f.box.x2, f.box.y2) for f in findings]
    return ImageTruth(
        image=image,
        size_wh=size_wh,
        boxes_xyxy=np.array(boxes, dtype=np.float64).reshape(-1, 4),
        class_ids=np.array([label_map.id_of(f.label) for f in findings], dtype=np.int64),
        patient_id=patient_id,
    )
