"""What an ML engineer asks of a data set before training, in figures (`lucency explore`).

Everything in a `Survey` is a plain value and stands in its JSON; the page shows the same figures
with pictures.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.checked_images import printable
from lucency.annotations.records import Dataset
from lucency.datasets.shortcuts import Association
from lucency.datasets.survey_boxes import BoxSizes, BoxTable, box_sizes, boxes_per_image, read_boxes
from lucency.datasets.survey_concerns import Concern, Found, concerns
from lucency.datasets.survey_counts import (
    ClassCount,
    LabelCount,
    PatientCount,
    SplitCount,
    count_classes,
    count_labels,
    count_patients,
    count_splits,
    imbalance,
    label_columns,
)
from lucency.datasets.survey_duplicates import DuplicateGroup, find_duplicates
from lucency.datasets.survey_images import ImageFacts, ImageLook, look_at_images
from lucency.datasets.survey_metadata import (
    Column,
    associations,
    count_columns,
    described,
    pixel_properties,
)
from lucency.datasets.survey_pixels import FileProblem, PixelSurvey, file_problems, survey_pixels
from lucency.datasets.training_resolution import Recommendation, recommend_resolution

# Called with the name of a step, how many of its images are done, and of how many.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Survey:
    """All figures on a set.

    ``concerns`` come first, the worst at the head. ``box_sizes`` are those of all boxes, then of
    each class in its order; empty without boxes. ``imbalance`` says how many times the most
    frequent class has as many boxes as the least frequent. ``mean_image`` and ``boxes_table`` are
    for the pictures and not part of the JSON.
    """

    name: str
    images: int
    boxes: int
    concerns: tuple[Concern, ...]
    splits: tuple[SplitCount, ...]
    classes: tuple[ClassCount, ...]
    imbalance: float | None
    labels: tuple[LabelCount, ...]
    pixels: PixelSurvey
    file_problems: tuple[FileProblem, ...]
    unreadable_label_files: tuple[str, ...]
    duplicates: tuple[DuplicateGroup, ...]
    box_sizes: tuple[BoxSizes, ...]
    boxes_per_image: dict[str, int]
    patients: PatientCount
    columns: tuple[Column, ...]
    associations: tuple[Association, ...]
    resolution: Recommendation
    mean_image: NDArray[np.uint8] | None = field(repr=False, compare=False)
    boxes_table: BoxTable = field(repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """All figures, ready for JSON, the same each time."""
        pictures = ("mean_image", "boxes_table")
        values = {name: v for name, v in vars(self).items() if name not in pictures}
        return {name: _plain(value) for name, value in values.items()}


def survey(
    dataset: Dataset, *, workers: int | None = None, progress: Progress | None = None
) -> Survey:
    """Look at every image and every box of a set. Nothing that is wrong in it stops the survey.

    ``workers`` are threads, one for each core by default.
    """
    table = read_boxes(dataset)
    labels = label_columns(dataset.records)
    look = look_at_images(dataset, workers=workers, progress=_step("decoding", progress))
    duplicates = find_duplicates(
        dataset, table, labels=labels, workers=workers, progress=_step("comparing", progress)
    )
    patients = _patients(dataset, look.facts)
    found = _found(dataset, table, look, duplicates, labels=labels, patients=patients)
    return Survey(
        name=printable(dataset.root.resolve().name),
        images=len(dataset.records),
        boxes=len(table),
        concerns=concerns(dataset, found, patients=patients),
        imbalance=imbalance(count.boxes for count in found.classes),
        box_sizes=_box_sizes(dataset, table),
        boxes_per_image=boxes_per_image(dataset, table),
        mean_image=look.mean,
        boxes_table=table,
        **vars(found),
    )


def _found(
    dataset: Dataset,
    table: BoxTable,
    look: ImageLook,
    duplicates: tuple[DuplicateGroup, ...],
    *,
    labels: Sequence[str],
    patients: Sequence[str],
) -> Found:
    counted = count_patients(dataset, patients)
    columns = described(dataset, look.facts, labels=labels)
    properties = (*columns, *pixel_properties(dataset, look.facts))
    each = sum(map(bool, patients)) / counted.patients if counted.patients else 1.0
    return Found(
        splits=count_splits(dataset, table, labels=labels, patients=patients),
        classes=count_classes(dataset, table),
        labels=count_labels(dataset, labels),
        pixels=survey_pixels(look.facts),
        file_problems=file_problems(look),
        unreadable_label_files=table.unreadable,
        duplicates=duplicates,
        patients=counted,
        columns=count_columns(columns),
        associations=associations(
            dataset, table, properties, labels=labels, images_per_patient=each
        ),
        resolution=recommend_resolution(
            [fact.size_wh for fact in look.facts], table.sides_wh, table.sizes_wh
        ),
    )


def _box_sizes(dataset: Dataset, table: BoxTable) -> tuple[BoxSizes, ...]:
    if not len(table):
        return ()
    every = box_sizes(table, name="all classes")
    names = dataset.label_map.names
    return every, *(box_sizes(table.of_class(n), name=name) for n, name in enumerate(names))


def _patients(dataset: Dataset, facts: Sequence[ImageFacts]) -> list[str]:
    """The patient of each image: what the table says, else the DICOM file; empty if neither."""
    in_file = {fact.record.image: fact.patient_id for fact in facts}
    return [record.patient_id or in_file.get(record.image, "") for record in dataset.records]


def _step(name: str, progress: Progress | None) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, total: progress(name, done, total)


def _plain(value: Any) -> Any:
    """Dataclasses and tuples as dictionaries and lists."""
    if hasattr(value, "__dataclass_fields__"):
        return asdict(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
