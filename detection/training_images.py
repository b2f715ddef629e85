"""Which images an epoch shows, and how often: negatives by ratio, rare classes more than once."""

import hashlib
import math
from collections import Counter
from collections.abc import Collection

from lucency.annotations.findings import Status
from lucency.annotations.records import Dataset, ImageRecord


def training_images(
    dataset: Dataset, *, negatives: float | None = None, rare_below: float = 0.0, seed: int = 0
) -> tuple[ImageRecord, ...]:
    """The images of the training split as one epoch shows them, some of them more than once.

    Parameters
    ----------
    dataset
        A split set.
    negatives
        Confirmed negatives for each image with findings; None takes all there are. Which ones is
        decided by ``seed`` and the images' digests, so that more negatives include the fewer.
    rare_below
        Images with a class that stands in less than this share ``t`` of the images with findings
        are repeated ``ceil(sqrt(t / share))`` times, of several classes by the rarest: the
        repeat factor sampling of Gupta et al. (LVIS, CVPR 2019), rounded up. 0 repeats none.
    seed
        Another seed chooses other negatives.

    """
    train = sorted(dataset.in_split("train"), key=lambda record: record.image)
    positives = [record for record in train if record.status is Status.ANNOTATED]
    pool = [record for record in train if record.status is Status.NEGATIVE]
    if negatives is not None:
        pool = sorted(pool, key=lambda record: _drawn(record, seed))
        pool = pool[: round(negatives * len(positives))]
    classes = {r.image: {f.label for f in dataset.findings(r)} for r in positives}
    repeats = _repeats(classes.values(), below=rare_below)
    shown = [
        record
        for record in positives
        for _ in range(max((repeats[label] for label in classes[record.image]), default=1))
    ]
    return (*shown, *pool)


def _repeats(classes: Collection[set[str]], *, below: float) -> dict[str, int]:
    counts = Counter(label for labels in classes for label in labels)
    return {
        # Less a rounding error, which would double a class that stands exactly at the share.
        label: max(1, math.ceil(math.sqrt(below * len(classes) / count) - 1e-9))
        for label, count in counts.items()
    }


def _drawn(record: ImageRecord, seed: int) -> str:
    return hashlib.sha256(f"{seed} {record.sha256} {record.image}".encode()).hexdigest()
