"""Weighted box fusion: several answers to one image put together, class vectors kept.

Solovyev, Wang and Gabruseva, Weighted boxes fusion: ensembling boxes from different object
detection models, Image and Vision Computing 107, 2021 (arXiv 1910.13302), section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.detection.detections import Detections, above

# The paper's threshold; above it two boxes are of one finding.
FUSION_IOU = 0.5


@dataclass(frozen=True)
class _Members:
    """All boxes of all answers, best first: what clusters are made of.

    ``boxes`` (M, 4); ``rows`` (M, C), NaN for classes that the answer does not know; ``class_ids``
    (M,); ``scores`` (M,), falling.
    """

    boxes: NDArray[np.float64]
    rows: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    scores: NDArray[np.float64]


def union_of_classes(lists: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """All class names, those of the first first."""
    return tuple(dict.fromkeys(name for names in lists for name in names))


def fuse(answers: Sequence[Detections], *, iou: float = FUSION_IOU) -> Detections:
    """Put together what several models, or one in several looks, found in the same image.

    Boxes of one class that overlap the running average of a cluster by more than ``iou`` join it.
    A cluster's box is the average of its members' weighted by their scores; its probabilities are
    the averages of theirs, times min(T, N) / N for T members and N answers that know its class:
    what only one of two saw counts half. Each answer must be free of duplicates (suppressed at
    ``iou`` or lower), or these weaken one another.

    Parameters
    ----------
    answers
        One or more; class names may differ, the result has all of them. A class counts as 0 where
        no member of a cluster knows it.
    iou
        Least overlap within a cluster, between 0 and 1.

    Returns
    -------
    Detections
        Best first.

    """
    names = union_of_classes([found.class_names for found in answers])
    members = _members(answers, names)
    clusters = _clusters(members, iou)
    knowing = np.array([sum(name in found.class_names for found in answers) for name in names])
    boxes = np.zeros((len(clusters), 4))
    probabilities = np.zeros((len(clusters), len(names)))
    found_as = np.zeros(len(clusters), dtype=np.int64)
    for row, cluster in enumerate(clusters):
        boxes[row] = _weighted(members, cluster)
        found_as[row] = members.class_ids[cluster[0]]
        voters = knowing[found_as[row]]
        known = members.rows[cluster]
        counts = np.maximum((~np.isnan(known)).sum(axis=0), 1)
        agreed = min(len(cluster), voters) / voters
        probabilities[row] = np.nansum(known, axis=0) / counts * agreed
    fused = Detections(boxes.astype(np.float32), probabilities.astype(np.float32), names, found_as)
    return above(fused, conf=-1.0, most=len(fused))


def _members(answers: Sequence[Detections], names: tuple[str, ...]) -> _Members:
    boxes, rows, class_ids, scores = [], [], [], []
    for found in answers:
        columns = np.array([names.index(name) for name in found.class_names])
        spread = np.full((len(found), len(names)), np.nan)
        spread[:, columns] = found.probabilities
        boxes.append(found.boxes_xyxy.astype(np.float64))
        rows.append(spread)
        class_ids.append(columns[found.class_ids])
        scores.append(found.scores.astype(np.float64))
    every = np.concatenate(scores)
    order = np.argsort(-every, kind="stable")
    return _Members(
        np.concatenate(boxes)[order],
        np.concatenate(rows)[order],
        np.concatenate(class_ids)[order],
        every[order],
    )


def _clusters(members: _Members, iou: float) -> list[list[int]]:
    """Rows of the members of each cluster, the best of each first."""
    clusters: list[list[int]] = []
    fused = np.zeros_like(members.boxes)
    classes = np.zeros_like(members.class_ids)
    for row, box in enumerate(members.boxes):
        count = len(clusters)
        overlaps = _overlaps(box, fused[:count])
        overlaps[classes[:count] != members.class_ids[row]] = 0.0
        best = int(overlaps.argmax()) if count else 0
        if count and overlaps[best] > iou:
            clusters[best].append(row)
            fused[best] = _weighted(members, clusters[best])
        else:
            clusters.append([row])
            fused[count], classes[count] = box, members.class_ids[row]
    return clusters


def _weighted(members: _Members, cluster: list[int]) -> NDArray[np.float64]:
    """The average (4,) of a cluster's boxes, weighted by their scores."""
    # Scores of exactly 0 still need a box.
    weights = np.maximum(members.scores[cluster], np.finfo(np.float64).tiny)
    return np.asarray(weights @ members.boxes[cluster] / weights.sum())


def _overlaps(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union (M,) of one box with others (M, 4); 0 without area."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.clip(sides, 0.0, None).prod(axis=1)
    area = np.prod(box[2:] - box[:2])
    union = area + (others[:, 2:] - others[:, :2]).prod(axis=1) - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))
