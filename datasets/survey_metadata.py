"""What the table and DICOM files say of the images: site, view, sex, age, how they were made."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lucency.annotations.findings import Status
from lucency.annotations.records import Dataset
from lucency.datasets.histograms import Histogram, even_edges, histogram
from lucency.datasets.listed_images import age as age_in_years
from lucency.datasets.shortcuts import Association, associate
from lucency.datasets.survey_boxes import BoxTable
from lucency.datasets.survey_counts import METADATA
from lucency.datasets.survey_images import ImageFacts

TABLE, DICOM, PIXELS = "dataset.csv", "DICOM", "pixels"
MOST_VALUES = 30
OLDEST_YEARS = 110
# DICOM attributes that fill a column where the table has nothing, by the column's name.
_ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "body_part": ("BodyPartExamined",),
    "view": ("ViewPosition",),
    "laterality": ("ImageLaterality", "Laterality"),
    "sex": ("PatientSex",),
    "age": ("PatientAge",),
    "manufacturer": ("Manufacturer",),
    "modality": ("Modality",),
    "presentation": ("PresentationIntentType",),
}
# What belongs to the making of an image and not to the patient: a label must not follow it.
_ACQUISITION = frozenset(
    {"site", "manufacturer", "view", "modality", "presentation"}
    | {"institution", "hospital", "scanner", "device", "detector", "source_dataset"}
)
_NOT_COMPARED = frozenset({"age", "official_split", "study"})
_FEW_SIZES = 8
_SQUARE = 1.05  # sides that differ by less make a square


@dataclass(frozen=True)
class Property:
    """One thing known of every image: its value by record, empty where it is not known."""

    name: str
    source: str
    values: tuple[str, ...]
    acquisition: bool


@dataclass(frozen=True)
class Column:
    """A property counted: its values with the images that have them, or a histogram of numbers.

    ``implausible`` counts ages above 110 years.
    """

    name: str
    source: str
    known: int
    unknown: int
    values: tuple[tuple[str, int], ...] = ()
    numbers: Histogram | None = None
    implausible: int = 0


def described(
    dataset: Dataset, facts: Sequence[ImageFacts], *, labels: Sequence[str]
) -> tuple[Property, ...]:
    """The columns of the table, filled from DICOM, that are no labels and not empty."""
    tags = {fact.record.image: fact.tags for fact in facts}
    further = {name for record in dataset.records for name in record.extra}
    names = [*METADATA, *(name for name in _ATTRIBUTES if name not in METADATA)]
    names += sorted(further - set(names) - set(labels))
    found = []
    for name in names:
        told = [record.extra.get(name, "").strip() for record in dataset.records]
        values = [
            value or _tag(tags.get(record.image, {}), name)
            for value, record in zip(told, dataset.records, strict=True)
        ]
        if any(values):
            sources = [TABLE] * any(told) + [DICOM] * (values != told)
            source = " and ".join(sources)
            found.append(Property(name, source, tuple(values), name in _ACQUISITION))
    return tuple(found)


def pixel_properties(dataset: Dataset, facts: Sequence[ImageFacts]) -> tuple[Property, ...]:
    """Size, shape and kind of the files, by which a network can tell where an image is from."""
    by_image = {fact.record.image: fact for fact in facts}
    there = [by_image.get(record.image) for record in dataset.records]
    few = len({fact.size_wh for fact in facts}) <= _FEW_SIZES
    bins = _size_bins([max(fact.size_wh) for fact in facts])
    sizes = ["" if f is None else _size(f) if few else _binned(max(f.size_wh), bins) for f in there]
    shapes = ["" if fact is None else _shape(fact) for fact in there]
    kinds = ["" if fact is None else file_kind(fact) for fact in there]
    return (
        Property("image size", PIXELS, tuple(sizes), True),
        Property("image shape", PIXELS, tuple(shapes), True),
        Property("file", PIXELS, tuple(kinds), True),
    )


def file_kind(fact: ImageFacts) -> str:
    """How an image is stored: ``8-bit JPEG``, ``12-bit DICOM, MONOCHROME1``."""
    inverted = ", MONOCHROME1" if fact.inverted else ""
    return f"{fact.bits}-bit {fact.kind.upper()}{inverted}"


def count_columns(properties: Sequence[Property]) -> tuple[Column, ...]:
    """Count the values of each; what is neither numbers nor of few values is left out."""
    columns = []
    for found in properties:
        values = [value for value in found.values if value]
        unknown = len(found.values) - len(values)
        numbers = _numbers(values)
        if numbers is not None and (found.name == "age" or len(set(values)) > MOST_VALUES):
            columns.append(_numeric(found, numbers, unknown))
        elif len(set(values)) <= MOST_VALUES:
            counts = sorted(Counter(values).items(), key=lambda pair: (-pair[1], pair[0]))
            columns.append(Column(found.name, found.source, len(values), unknown, tuple(counts)))
    return tuple(columns)


def associations(
    dataset: Dataset,
    table: BoxTable,
    properties: Sequence[Property],
    *,
    labels: Sequence[str],
    images_per_patient: float,
) -> tuple[Association, ...]:
    """How each label, and each class of boxes, differs between the values of each property."""
    found = []
    targets = list(_targets(dataset, table, labels))
    for known in properties:
        if len(set(known.values) - {""}) > MOST_VALUES or known.name in _NOT_COMPARED:
            continue
        for target, truths in targets:
            pairs = [
                (value, truth)
                for value, truth in zip(known.values, truths, strict=True)
                if value and truth is not None
            ]
            association = associate(
                [value for value, _ in pairs],
                [truth for _, truth in pairs],
                names=(known.name, target),
                images_per_patient=images_per_patient,
                acquisition=known.acquisition,
            )
            found += [association] if association is not None else []
    return tuple(found)


def _targets(
    dataset: Dataset, table: BoxTable, labels: Sequence[str]
) -> Iterator[tuple[str, list[bool | None]]]:
    """Each label and class, and for every image whether it has it; None where nobody knows."""
    for name in labels:
        yield name, [record.label(name) for record in dataset.records]
    known = [record.status is not Status.UNKNOWN for record in dataset.records]
    for class_id, name in enumerate(dataset.label_map):
        there = set(table.records[table.class_ids == class_id].tolist())
        if there and name not in labels:
            yield name, [n in there if known[n] else None for n in range(len(known))]


def _tag(tags: Mapping[str, str], name: str) -> str:
    for attribute in _ATTRIBUTES.get(name, ()):
        if tags.get(attribute):
            text = tags[attribute].strip()
            return _years(text) if attribute == "PatientAge" else text
    return ""


def _years(text: str) -> str:
    try:
        return age_in_years(text)
    except ValueError:  # whatever it is, it is no age
        return ""


def _numbers(values: Sequence[str]) -> list[float] | None:
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return None
    return numbers if numbers and bool(np.isfinite(numbers).all()) else None


def _numeric(found: Property, numbers: list[float], unknown: int) -> Column:
    if found.name == "age":
        edges = even_edges(0, 100, 20)
        implausible = sum(not 0 <= number <= OLDEST_YEARS for number in numbers)
    else:
        low, high = min(numbers), max(numbers)
        edges, implausible = even_edges(low, high if high > low else low + 1, 20), 0
    counted = histogram(numbers, edges)
    return Column(
        found.name, found.source, len(numbers), unknown, numbers=counted, implausible=implausible
    )


def _size(fact: ImageFacts) -> str:
    width, height = fact.size_wh
    return f"{width:,} × {height:,} px"


def _shape(fact: ImageFacts) -> str:
    width, height = fact.size_wh
    if max(width, height) < _SQUARE * min(width, height):
        return "square"
    return "portrait" if height > width else "landscape"


def _size_bins(longest: Sequence[int]) -> list[int]:
    """Where longer sides are divided, so that the bins have like numbers of images."""
    if not longest:
        return []
    return sorted({int(edge) for edge in np.quantile(longest, (0.2, 0.4, 0.6, 0.8))})


def _binned(longest: int, bins: Sequence[int]) -> str:
    place = sum(longest > edge for edge in bins)
    if place == len(bins):
        return f"longer side above {bins[-1]:,} px"
    return f"longer side up to {bins[place]:,} px"
