"""Subgroups: the same figures by site, view, body part, age, and by the size of findings.

A detector that is good on average may fail in one hospital or on one sort of image. Few images
tell little: intervals are wide, and of many subgroups one will look bad by chance.
"""

import itertools
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.findings import Status
from lucency.annotations.records import COLUMNS, ImageRecord
from lucency.configs.errors import DatasetError
from lucency.datasets.listed_images import age as age_in_years
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.detection_measures import ALL_CLASSES, DetectionMeasures
from lucency.evaluation.estimates import Estimate
from lucency.evaluation.match_rules import IOU_50, MatchRule
from lucency.evaluation.matching import iou_matrix, pair_images
from lucency.evaluation.measuring import measure_detections

# Values of a column with fewer images are pooled, and groups of fewer are not measured.
SMALLEST = 20
OTHER, NOT_STATED = "other", "not stated"
FINDING_SIZE = "finding size"
# Beginning of each band of age but the first, in years.
_AGE_BANDS = (18, 40, 65)
# COCO's 32 and 96 px for an image of 640 px, as the square root of the share of the image:
# radiographs are of all sizes, and it is the size in the model's input that counts.
SIZES = (("small", 0.0), ("medium", 0.05), ("large", 0.15))
# A false alarm that overlaps a finding of its class by less has its own size.
_TOUCHING_IOU = 0.1
_POINT = "balanced"


@dataclass(frozen=True)
class Subgroup:
    """The images of a data set that have one value (or band of values) in one column."""

    column: str
    value: str
    images: frozenset[str]


@dataclass(frozen=True)
class SubgroupMeasures:
    """What was measured in one subgroup, at the thresholds given.

    ``ap50`` is the mean over the classes with findings in the group. By size of findings
    ``images`` and ``negatives`` are those of the whole set and ``image_auc`` has no value.
    ``too_small`` groups, of fewer than `SMALLEST` images, are counted and not measured.
    """

    column: str
    value: str
    images: int
    negatives: int
    findings: int
    ap50: Estimate
    recall: Estimate
    false_positives_per_image: Estimate
    image_auc: Estimate
    too_small: bool = False


def subgroups(
    records: Sequence[ImageRecord],
    columns: Sequence[str] | None = None,
    *,
    outcomes: Sequence[Hashable | None] | None = None,
    left_out: Sequence[str] = (),
) -> tuple[Subgroup, ...]:
    """Group images by the values of ``columns`` of ``dataset.csv``, the largest group first.

    ``age`` is in bands: under 18, 18 to 39, 40 to 64, 65 and over. Values with fewer than
    `SMALLEST` images are pooled as "other". Without ``columns`` every column of the table is
    taken, but for those ``left_out``, that leaves two groups to compare and does not itself tell
    the outcome. ``outcomes`` are what is true of each record, None where unknown; without, whether
    it has findings.

    Raises
    ------
    DatasetError
        The table has no such column.

    """
    known = sorted({name for record in records for name in record.extra})
    found: list[Subgroup] = []
    if outcomes is None:
        outcomes = [None if r.status is Status.UNKNOWN else r.status for r in records]
    outcome_of = {str(r.image): what for r, what in zip(records, outcomes, strict=True)}
    usual = ["source", *(name for name in known if name not in left_out)]
    for column in columns if columns is not None else usual:
        if column not in known and column not in COLUMNS:
            raise DatasetError(
                f"dataset.csv: has no column '{column}'; subgroups can be by one of "
                f"{', '.join(['source', *known])}"
            )
        values = [_value(record, column) for record in records]
        groups = _groups(column, values, records)
        if columns is not None or _worth_comparing(groups, outcome_of):
            found.extend(groups)
    return tuple(found)


def measure_subgroups(
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    groups: Sequence[Subgroup],
    *,
    class_names: Sequence[str],
    thresholds: Mapping[str, float],
    rule: MatchRule = IOU_50,
    samples: int = 1000,
    seed: int = 0,
) -> tuple[SubgroupMeasures, ...]:
    """Measure each group on its own images; ``thresholds`` by class, usually the balanced ones.

    Images of a group that have no truth here (of another split, say) do not count; groups of which
    no image has are left out.

    Raises
    ------
    ValueError
        As `measure_detections`.

    """
    pairs = list(pair_images(truths, predictions))
    measured = []
    for group in groups:
        inside = [(truth, found) for truth, found in pairs if truth.image in group.images]
        if not inside:
            continue
        if len(inside) < SMALLEST:
            measured.append(_counted(group, [truth for truth, _ in inside]))
            continue
        figures = measure_detections(
            [truth for truth, _ in inside],
            [found for _, found in inside],
            class_names=class_names,
            thresholds={_POINT: thresholds},
            rule=rule,
            samples=samples,
            seed=seed,
        )
        measured.append(_row(group.column, group.value, figures, figures.image_auc))
    return tuple(measured)


def measure_sizes(
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    *,
    class_names: Sequence[str],
    thresholds: Mapping[str, float],
    rule: MatchRule = IOU_50,
    samples: int = 1000,
    seed: int = 0,
) -> tuple[SubgroupMeasures, ...]:
    """Measure small, medium and large findings apart, on all images; see `SIZES`.

    A box belongs to the size of the finding of its class that it overlaps most, by IoU 0.1 at
    least, and otherwise to its own: so each box counts in one size only.

    Raises
    ------
    ValueError
        As `measure_detections`.

    """
    pairs = list(pair_images(truths, predictions))
    sizes = [_sizes(truth, found) for truth, found in pairs]
    negatives = sum(not len(truth.class_ids) for truth in truths)
    measured = []
    for number, (name, _) in enumerate(SIZES):
        chosen = [
            (truth.only(of_truth == number), found.only(of_box == number))
            for (truth, found), (of_truth, of_box) in zip(pairs, sizes, strict=True)
        ]
        figures = measure_detections(
            [truth for truth, _ in chosen],
            [found for _, found in chosen],
            class_names=class_names,
            thresholds={_POINT: thresholds},
            rule=rule,
            samples=samples,
            seed=seed,
        )
        # An image without findings of this size may have others: it is no negative.
        row = _row(FINDING_SIZE, name, figures, Estimate(None))
        measured.append(replace(row, negatives=negatives))
    return tuple(measured)


def _value(record: ImageRecord, column: str) -> str:
    if column in COLUMNS:
        return str(getattr(record, column)) or NOT_STATED
    text = record.extra.get(column, "").strip()
    return (_age_band(text) if column == "age" else text) or NOT_STATED


def _age_band(text: str) -> str:
    """The band of an age such as 58 or 058Y; empty where it is none."""
    try:
        years = age_in_years(text)
    except ValueError:
        return ""
    return _band_names()[int(np.searchsorted(_AGE_BANDS, float(years), "right"))] if years else ""


def _band_names() -> tuple[str, ...]:
    first, *_, last = _AGE_BANDS
    between = itertools.pairwise(_AGE_BANDS)
    return f"under {first}", *(f"{a} to {b - 1}" for a, b in between), f"{last} and over"


def _groups(column: str, values: Sequence[str], records: Sequence[ImageRecord]) -> list[Subgroup]:
    """Bands of age by age, other values by size and name; then what is pooled and not stated."""
    counts = Counter(value for value in values if value != NOT_STATED)
    bands = column == "age"
    kept = {value for value, count in counts.items() if bands or count >= SMALLEST}
    order = list(_band_names()) if bands else sorted(kept, key=lambda name: (-counts[name], name))
    few = sorted(counts.keys() - kept)
    # A single small value keeps its name.
    pooled = few[0] if len(few) == 1 else OTHER
    names = dict.fromkeys(few, pooled)
    images: dict[str, set[str]] = {name: set() for name in [*order, pooled, NOT_STATED]}
    for record, value in zip(records, values, strict=True):
        images[names.get(value, value)].add(str(record.image))
    return [Subgroup(column, name, frozenset(those)) for name, those in images.items() if those]


def _worth_comparing(groups: Sequence[Subgroup], outcomes: Mapping[str, Hashable | None]) -> bool:
    """Whether two groups are large enough, and the groups do not repeat what the truth is."""
    stated = [g for g in groups if g.value not in {OTHER, NOT_STATED}]
    if sum(len(group.images) >= SMALLEST for group in stated) < 2:
        return False
    mixed = [len({outcomes[image] for image in group.images} - {None}) for group in groups]
    return max(mixed) > 1 or len(set(outcomes.values()) - {None}) < 2


def _counted(group: Subgroup, truths: Sequence[ImageTruth]) -> SubgroupMeasures:
    nothing = Estimate(None)
    return SubgroupMeasures(
        column=group.column,
        value=group.value,
        images=len(truths),
        negatives=sum(not len(truth.class_ids) for truth in truths),
        findings=sum(len(truth.class_ids) for truth in truths),
        ap50=nothing,
        recall=nothing,
        false_positives_per_image=nothing,
        image_auc=nothing,
        too_small=True,
    )


def _row(column: str, value: str, figures: DetectionMeasures, auc: Estimate) -> SubgroupMeasures:
    rates = figures.points[_POINT][ALL_CLASSES]
    return SubgroupMeasures(
        column=column,
        value=value,
        images=figures.images,
        negatives=figures.negatives,
        findings=figures.findings,
        ap50=figures.map50,
        recall=rates.recall,
        false_positives_per_image=rates.false_positives_per_image,
        image_auc=auc,
    )


def _sizes(
    truth: ImageTruth, found: ImagePredictions
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The row of `SIZES` of each finding (M,) and each box (N,) of an image."""
    of_truth = _size_of(truth.boxes_xyxy, truth.size_wh)
    of_box = _size_of(found.boxes_xyxy, truth.size_wh)
    if not len(of_truth) or not len(of_box):
        return of_truth, of_box
    ious = iou_matrix(found.boxes_xyxy, truth.boxes_xyxy)
    ious[found.class_ids[:, None] != truth.class_ids[None, :]] = 0.0
    on = np.argmax(ious, axis=1)
    touching = ious[np.arange(len(on)), on] >= _TOUCHING_IOU
    return of_truth, np.where(touching, of_truth[on], of_box)


def _size_of(boxes_xyxy: NDArray[np.float64], size_wh: tuple[int, int]) -> NDArray[np.int64]:
    sides = np.clip(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0.0, None)
    share = np.sqrt(np.prod(sides, axis=1) / (size_wh[0] * size_wh[1]))
    limits = [limit for _, limit in SIZES[1:]]
    return np.asarray(np.searchsorted(limits, share, side="right"), dtype=np.int64)
