"""The images that a classifier was most wrong about: looking at them is how models get better."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.records import Dataset, ImageRecord
from lucency.classification.measurement import Measured
from lucency.configs.display import DisplaySpec
from lucency.datasets.display import display
from lucency.datasets.radiographs import read_radiograph
from lucency.evaluation.gallery import PICTURE_PX
from lucency.evaluation.pictures import BoxKind, DrawnBox, draw_boxes, encode_jpeg
from lucency.evaluation.report import GalleryItem, GallerySection

# Pictures in all; each list of them gets its part, between the least and the most.
_PICTURES, _LEAST, _MOST = 72, 4, 12


def wrong_images(
    measured: Measured, dataset: Dataset, *, link: Callable[[ImageRecord], str]
) -> tuple[GallerySection, ...]:
    """Missed images and false alarms of each label, or wrong calls, the surest first.

    ``link`` gives the address of an image file.
    """
    sections = (
        _wrong_calls(measured)
        if measured.model.exclusive
        else [
            part for column in range(len(measured.split.labels)) for part in _of(measured, column)
        ]
    )
    most = int(np.clip(_PICTURES // max(1, len(sections)), _LEAST, _MOST))
    spec = (measured.model.display or DisplaySpec()).whole()
    found = []
    for title, caption, rows, captions in sections:
        shown = rows[:most].tolist()
        items = [
            _item(measured.split.records[row], text, dataset, spec, link)
            for row, text in zip(shown, captions, strict=False)
        ]
        counted = f"{caption} {len(items)} of {len(rows)} shown." if items else ""
        found.append(GallerySection(title, counted, items))
    return tuple(found)


# Title, caption, rows of the split with the most wrong first, and the caption of each.
_Rows = tuple[str, str, NDArray[np.intp], list[str]]


def _of(measured: Measured, column: int) -> tuple[_Rows, _Rows]:
    """What was missed and what was called wrongly of one label at the chief point."""
    label = measured.split.labels[column]
    threshold = measured.thresholds.values[measured.chief_point][label]
    scores, truth = measured.probabilities.values[:, column], measured.truth[:, column]
    missed = np.flatnonzero((truth == 1) & (scores < threshold))
    alarms = np.flatnonzero((truth == 0) & (scores >= threshold))
    missed = missed[np.argsort(scores[missed], kind="stable")]
    alarms = alarms[np.argsort(-scores[alarms], kind="stable")]
    texts = [[f"probability {scores[row]:.3f}" for row in rows] for rows in (missed, alarms)]
    return (
        (f"Missed: {label}", "Images with it, the lowest probability first.", missed, texts[0]),
        (
            f"False alarms: {label}",
            "Images without it, the highest probability first.",
            alarms,
            texts[1],
        ),
    )


def _wrong_calls(measured: Measured) -> list[_Rows]:
    """Of labels that exclude each other, the images called something else, the surest first."""
    values, names = measured.probabilities.values, measured.split.labels
    true, called = measured.truth.argmax(axis=1), values.argmax(axis=1)
    wrong = np.flatnonzero(true != called)
    wrong = wrong[np.argsort(-values[wrong, called[wrong]], kind="stable")]
    texts = [
        f"is {names[true[row]]} ({values[row, true[row]]:.3f}), called {names[called[row]]} "
        f"({values[row, called[row]]:.3f})"
        for row in wrong
    ]
    return [("Called wrongly", "The surest of them first.", wrong, texts)]


def _item(
    record: ImageRecord,
    text: str,
    dataset: Dataset,
    spec: DisplaySpec,
    link: Callable[[ImageRecord], str],
) -> GalleryItem:
    """One image as the model sees it, with what a reader marked in it."""
    image = display(read_radiograph(dataset.image_path(record)), spec).image
    marked = [DrawnBox(f.box, BoxKind.TRUTH, f.label) for f in dataset.findings(record)]
    picture = draw_boxes(image, marked, longest_side=PICTURE_PX)
    return GalleryItem(
        encode_jpeg(picture, quality=80), text, name=record.image.name, link=link(record)
    )
