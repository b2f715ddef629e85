"""Predictions as COCO results JSON, anyone's or our own: read onto the images of a set, written.

The form (https://cocodataset.org/#format-results) is a list of ``{"image_id", "category_id",
"bbox": [x, y, width, height], "score"}``. Ultralytics and we add ``file_name``.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from lucency.annotations import documents
from lucency.annotations.coco_tables import category_names, images_by_id, key_of
from lucency.annotations.documents import finite, listing, mapping, shown
from lucency.annotations.findings import LabelMap
from lucency.annotations.records import Dataset, ImageRecord
from lucency.annotations.sources import SourceFile
from lucency.configs import atomic
from lucency.configs.errors import DatasetError
from lucency.evaluation.boxes import ImagePredictions, ImageTruth

# A millionth of a pixel: what is read again gives the same figures.
_DIGITS = 6
MOST_PX = 1e9


@dataclass(frozen=True)
class CocoResults:
    """Predictions by image of the set (its path below the root), and what was left out or guessed.

    Images without predictions are missing from ``predictions``.
    """

    predictions: Mapping[str, ImagePredictions]
    notes: tuple[str, ...]


def read_results(path: Path, dataset: Dataset, *, coco_truth: Path | None = None) -> CocoResults:
    """Read a results file and match its images and categories with those of a set.

    Images are found by ``file_name``, or by an ``image_id`` that is a path, a file name, its
    stem or the number that the stem spells; with ``coco_truth``, the COCO document that the ids
    refer to, by the file name there. Categories are matched by name through that document, else
    by their number: the set's classes in order, counted from 1, or from 0 where a 0 occurs.

    Raises
    ------
    AnnotationError
        A file cannot be read, is not JSON, or is no COCO document.
    DatasetError
        It is no list of results, an entry is malformed, or nothing in it fits the set.

    """
    document = documents.read_json(SourceFile(str(path), path.name))
    if not isinstance(document, list):
        raise DatasetError(
            f"{path}: must be a list of COCO results (image_id, category_id, bbox, score), "
            f"got {shown(document)}"
        )
    entries = [_checked(value, where=f"{path}: [{n}]") for n, value in enumerate(document)]
    images = _ImageNames(dataset.records)
    if coco_truth is None:
        classes, notes = _classes_by_number(entries, dataset.label_map, where=str(path))
        names: Mapping[object, str] | None = None
    else:
        truth = documents.read_json(SourceFile(str(coco_truth), coco_truth.name))
        names, categories = _tables(truth, where=str(coco_truth))
        classes, notes = _classes_by_name(categories, dataset.label_map, where=str(coco_truth))
    rows = [images.find(entry, names) for entry in entries]
    labels = [classes.get(entry["category_id"]) for entry in entries]
    notes = [*notes, *images.notes, *_left_out(entries, rows, labels)]
    used = [
        (entry, row, label)
        for entry, row, label in zip(entries, rows, labels, strict=True)
        if row is not None and label is not None
    ]
    if entries and not used:
        raise DatasetError(
            f"{path}: no result fits an image and a class of {dataset.root}; its first has the "
            f"image_id {shown(entries[0]['image_id'])} and the category_id "
            f"{entries[0]['category_id']}; name the COCO file of these ids with --coco-truth"
        )
    return CocoResults(_by_image(used, dataset), tuple(notes))


def write_results(predictions: Sequence[ImagePredictions], path: Path, *, dataset: Dataset) -> None:
    """Write predictions as COCO results with file names; ids as in `write_truth`."""
    numbers = _numbers(dataset)
    entries = (
        result_entry(
            box,
            image_id=numbers[found.image],
            file_name=found.image,
            category_id=int(class_id) + 1,
            score=float(score),
        )
        for found in predictions
        for box, class_id, score in zip(
            found.boxes_xyxy, found.class_ids, found.scores, strict=True
        )
    )
    atomic.write_text(path, results_text(entries))


def result_entry(
    corners: Iterable[float], *, image_id: Any, file_name: str, category_id: Any, score: float
) -> dict[str, Any]:
    """One detection as COCO has it; ``corners`` are x1, y1, x2, y2 in pixels."""
    return {
        "image_id": image_id,
        "file_name": file_name,
        "category_id": category_id,
        "bbox": _coco_box(corners),
        "score": score,
    }


def results_text(entries: Iterable[Mapping[str, Any]]) -> str:
    """The text of a results file, one detection a line."""
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    return f"[\n{lines}\n]\n"


def write_truth(truths: Sequence[ImageTruth], path: Path, *, dataset: Dataset) -> None:
    """Write the truth that results are measured against as a COCO document.

    Images are numbered by their row in the set's table, categories by the order of its classes,
    both from 1, so that ``COCO(truth).loadRes(results)`` of pycocotools takes the two together.
    """
    numbers = _numbers(dataset)
    images = [
        {
            "id": numbers[truth.image],
            "file_name": truth.image,
            "width": truth.size_wh[0],
            "height": truth.size_wh[1],
        }
        for truth in truths
    ]
    boxes: list[dict[str, Any]] = []
    for truth in truths:
        for corners, class_id in zip(truth.boxes_xyxy, truth.class_ids, strict=True):
            x, y, width, height = _coco_box(corners)
            boxes.append(
                {
                    "id": len(boxes) + 1,
                    "image_id": numbers[truth.image],
                    "category_id": int(class_id) + 1,
                    "bbox": [x, y, width, height],
                    "area": width * height,
                    "iscrowd": 0,
                }
            )
    categories = [{"id": n, "name": name} for n, name in enumerate(dataset.label_map, start=1)]
    document = {"images": images, "annotations": boxes, "categories": categories}
    atomic.write_text(path, json.dumps(document, ensure_ascii=False) + "\n")


def _checked(value: object, *, where: str) -> dict[str, Any]:
    """One result with numbers checked: ``bbox`` of four floats, ``score``, an id of each kind."""
    entry = value if isinstance(value, dict) else {}
    missing = [key for key in ("image_id", "category_id", "bbox", "score") if key not in entry]
    if missing:
        raise DatasetError(
            f"{where}: must have image_id, category_id, bbox and score, got {shown(value)}"
        )
    bbox = entry["bbox"]
    numbers = [finite(number) for number in bbox] if isinstance(bbox, list) else []
    sides = [number for number in numbers if number is not None and abs(number) <= MOST_PX]
    if len(numbers) != 4 or len(sides) != 4 or min(sides[2:]) < 0:
        raise DatasetError(
            f"{where}.bbox: must be [x, y, width, height] in pixels, got {shown(bbox)}"
        )
    score = finite(entry["score"])
    if score is None or not 0.0 <= score <= 1.0:
        raise DatasetError(
            f"{where}.score: must be a number from 0 to 1, got {shown(entry['score'])}"
        )
    category = documents.whole(entry["category_id"])
    if category is None:
        raise DatasetError(
            f"{where}.category_id: must be a whole number, got {shown(entry['category_id'])}"
        )
    return {
        "image_id": key_of(entry["image_id"]),
        "file_name": documents.text(entry.get("file_name")),
        "category_id": category,
        "bbox": sides,
        "score": score,
    }


class _ImageNames:
    """The rows of a set's images by all the names that results may call them."""

    def __init__(self, records: Sequence[ImageRecord]) -> None:
        found: dict[str | int, set[int]] = defaultdict(set)
        for row, record in enumerate(records):
            for name in (record.image.as_posix(), record.image.name, record.image.stem):
                found[name].add(row)
            if record.image.stem.isascii() and record.image.stem.isdigit():
                found[int(record.image.stem)].add(row)
        # A name that two images share says nothing.
        self._rows = {name: min(rows) for name, rows in found.items() if len(rows) == 1}
        self.notes: tuple[str, ...] = ()

    def find(self, entry: Mapping[str, Any], names: Mapping[object, str] | None) -> int | None:
        """The row of the image that a result is of; ``names`` are file names by image id."""
        image_id = entry["image_id"]
        name = entry["file_name"] if names is None else names.get(image_id)
        if name is not None:
            return self._named(name)
        if names is not None or image_id is None:
            return None
        if isinstance(image_id, str):
            return self._named(image_id)
        self.notes = ("Images were matched by the numbers that their names spell.",)
        return self._rows.get(int(image_id)) if float(image_id).is_integer() else None

    def _named(self, name: str) -> int | None:
        path = PurePosixPath(name.replace("\\", "/"))
        for candidate in (path.as_posix(), path.name, path.stem):
            if candidate in self._rows:
                return self._rows[candidate]
        return None


def _tables(document: object, *, where: str) -> tuple[dict[object, str], dict[object, str]]:
    """File names by image id, and category names by id, of a COCO document."""
    found = mapping(document, where=where)
    listing(found.get("images"), where=f"{where}: images")
    images, _ = images_by_id(found, where=where)
    return {key: image.name for key, image in images.items()}, category_names(found, where=where)


def _classes_by_name(
    categories: Mapping[object, str], label_map: LabelMap, *, where: str
) -> tuple[dict[object, int], list[str]]:
    known = {key: label_map.id_of(name) for key, name in categories.items() if name in label_map}
    if not known:
        raise DatasetError(
            f"{where}: its categories {sorted(set(categories.values()))} are none of the set's "
            f"classes {list(label_map)}"
        )
    return known, []


def _classes_by_number(
    entries: Iterable[Mapping[str, Any]], label_map: LabelMap, *, where: str
) -> tuple[dict[object, int], list[str]]:
    """Category numbers as the set's classes in order, and the note that says so."""
    seen = {entry["category_id"] for entry in entries}
    first = 0 if 0 in seen else 1
    last = first + len(label_map) - 1
    strange = sorted(number for number in seen if not first <= number <= last)
    if strange:
        raise DatasetError(
            f"{where}: category_id {strange[0]} is none of {first} to {last}, the "
            f"set's classes in order; name the COCO file of these ids with --coco-truth"
        )
    numbers: dict[object, int] = {first + index: index for index in range(len(label_map))}
    if len(label_map) == 1:
        return numbers, []
    order = ", ".join(f"{number} {label_map.names[i]}" for number, i in numbers.items())
    return numbers, [f"Categories were matched by their number, in the set's order: {order}."]


def _left_out(
    entries: Sequence[Mapping[str, Any]], rows: Sequence[int | None], labels: Sequence[int | None]
) -> list[str]:
    """What could not be matched, in sentences."""
    notes = []
    named = [entry["file_name"] or entry["image_id"] for entry in entries]
    lost = [name for name, row in zip(named, rows, strict=True) if row is None]
    if lost:
        notes.append(
            f"{len(lost)} boxes of {len(set(lost))} images that the set does not have, or has "
            f"twice by this name, were left out ({shown(lost[0])} first)."
        )
    foreign = Counter(
        entry["category_id"]
        for entry, row, label in zip(entries, rows, labels, strict=True)
        if row is not None and label is None
    )
    if foreign:
        ids = ", ".join(str(number) for number in sorted(foreign)[:5])
        notes.append(
            f"{foreign.total()} boxes of categories that the set does not have were left out "
            f"(category_id {ids}{', …' if len(foreign) > 5 else ''})."
        )
    return notes


def _by_image(
    used: Sequence[tuple[Mapping[str, Any], int, int]], dataset: Dataset
) -> dict[str, ImagePredictions]:
    rows: dict[int, list[tuple[Mapping[str, Any], int]]] = defaultdict(list)
    for entry, row, label in used:
        rows[row].append((entry, label))
    predictions = {}
    for row, found in sorted(rows.items()):
        boxes = np.array([entry["bbox"] for entry, _ in found], dtype=np.float64)
        boxes[:, 2:] += boxes[:, :2]
        scores = np.array([entry["score"] for entry, _ in found], dtype=np.float64)
        labels = np.array([label for _, label in found], dtype=np.int64)
        image = dataset.records[row].image.as_posix()
        predictions[image] = ImagePredictions(image, boxes, scores, labels)
    return predictions


def _numbers(dataset: Dataset) -> dict[str, int]:
    return {r.image.as_posix(): number for number, r in enumerate(dataset.records, start=1)}


def _coco_box(corners: Iterable[float]) -> list[float]:
    x1, y1, x2, y2 = (float(value) for value in corners)
    return [round(value, _DIGITS) for value in (x1, y1, x2 - x1, y2 - y1)]
