"""The embedding map as one HTML page on which each point shows its image, and as a table."""

import base64
import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from lucency.annotations.records import ImageRecord
from lucency.classification.embed import Embedding
from lucency.classification.feature_probe import Probe, column_of
from lucency.configs.bundle import RESEARCH_USE, BundleManifest
from lucency.datasets.display import reduce_to
from lucency.evaluation.pictures import encode_jpeg
from lucency.evaluation.report import format_cell, format_interval

TEMPLATE = "embedding.html"
METHOD_NAMES = {"tsne": "t-SNE", "umap": "UMAP"}
# JPEG bytes of all thumbnails; as text in the page they are a third more.
THUMBNAIL_BYTES = 17_000_000
_QUALITY = 72
# Values of a column that have a colour of their own; of more, numbers are put in bands.
MOST_VALUES = 20
_BANDS = 5
UNKNOWN, NOT_STATED, OTHER = "unknown", "not stated", "other"


@dataclass(frozen=True)
class Verdict:
    """What is known of one question, and what the classifier says.

    ``truth`` (N,) numbers of ``values``, the last of which is "unknown"; ``probability`` (N,) of
    the label, or, of classes that exclude each other, of the one named; ``named`` (N,) the value
    that is named; ``wrong`` (N,) where the truth is known and another.
    """

    name: str
    values: tuple[str, ...]
    truth: NDArray[np.int64]
    probability: NDArray[np.float32]
    named: NDArray[np.int64]

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """(N,) where the truth is known and another value is named."""
        known = self.truth < len(self.values) - 1
        return np.asarray(known & (self.truth != self.named))


@dataclass(frozen=True)
class Grouped:
    """The colours of a column: its values or bands, and the number of each image's (N,).

    Values from number ``plain`` on stand for several or none, and are grey.
    """

    name: str
    values: tuple[str, ...]
    numbers: tuple[int, ...]
    plain: int


def verdicts(found: Embedding, manifest: BundleManifest) -> tuple[Verdict, ...]:
    """One question a label, at the default operating point; exclusive classes are one question."""
    names = manifest.class_names
    truth = np.array(
        [[_as_number(record.label(name)) for name in names] for record in found.records]
    ).reshape(-1, len(names))
    if manifest.exclusive:
        one = (truth == 1).sum(axis=1) == 1
        classes = np.where(one, (truth == 1).argmax(axis=1), len(names))
        named, probability = found.probabilities.argmax(axis=1), found.probabilities.max(axis=1)
        return (Verdict("class", (*names, UNKNOWN), classes, probability, named),)
    thresholds = manifest.operating_points[manifest.default_operating_point]
    questions = []
    for column, name in enumerate(names):
        probability = found.probabilities[:, column]
        named = (probability >= thresholds[name]).astype(np.int64)
        values = (f"no {name}", name, UNKNOWN)
        questions.append(Verdict(name, values, truth[:, column], probability, named))
    return tuple(questions)


def grouped(records: Sequence[ImageRecord], column: str) -> Grouped:
    """The values of a column, the most frequent first; bands of numbers where there are many."""
    texts = column_of(records, column)
    counts = Counter(text for text in texts if text)
    names = {value: value for value in counts}
    order = sorted(counts, key=lambda value: (-counts[value], value))
    several: list[str] = []
    if len(counts) > MOST_VALUES:
        bands = _bands(counts)
        if bands is not None:
            names, order = bands, list(dict.fromkeys(bands.values()))
        else:
            several = [f"{OTHER} ({len(order) - MOST_VALUES + 1} values)"]
            names |= dict.fromkeys(order[MOST_VALUES - 1 :], several[0])
            order = order[: MOST_VALUES - 1]
    values = (*order, *several, *([NOT_STATED] if "" in texts else []))
    number = {value: row for row, value in enumerate(values)}
    numbers = tuple(number[names[text] if text else NOT_STATED] for text in texts)
    return Grouped(column, values, numbers, len(order))


def embedding_csv(found: Embedding, manifest: BundleManifest, columns: Sequence[str]) -> str:
    """The text of ``embedding.csv``: one row an image, empty where the truth is not known."""
    names = manifest.class_names
    header = ["image"]
    for method in found.places:
        header += [f"x_{method}", f"y_{method}"]
    for name in names:
        header += [f"truth_{name}", f"probability_{name}"]
    further = [column_of(found.records, column) for column in columns]
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*header, *columns])
    for row, record in enumerate(found.records):
        values = [str(record.image)]
        for placed in found.places.values():
            values += [f"{coordinate:.5g}" for coordinate in placed[row]]
        for number, name in enumerate(names):
            known = record.label(name)
            values += ["" if known is None else str(int(known))]
            values += [f"{found.probabilities[row, number]:.6f}"]
        writer.writerow([*values, *(column[row] for column in further)])
    return _writable(out.getvalue())


def render_embedding_page(
    found: Embedding,
    manifest: BundleManifest,
    *,
    dataset: str,
    columns: Sequence[str],
    probes: Sequence[Probe],
) -> str:
    """The page as HTML; it needs nothing beside it, and all that comes from data is escaped."""
    environment = Environment(
        loader=PackageLoader("lucency.classification", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(cell=format_cell, interval=format_interval)
    page = environment.get_template(TEMPLATE).render(
        manifest=manifest,
        dataset=dataset,
        found=found,
        data=_data(found, manifest, columns),
        probes=probes,
        research_use=RESEARCH_USE,
    )
    return _writable(page)


def thumbnail_jpegs(
    thumbnails: Sequence[NDArray[np.uint8]], *, most_bytes: int = THUMBNAIL_BYTES
) -> list[bytes]:
    """Thumbnails as JPEG, made smaller until all together have at most ``most_bytes``."""
    jpegs = [encode_jpeg(image, quality=_QUALITY) for image in thumbnails]
    side = max((max(image.shape) for image in thumbnails), default=0)
    while sum(map(len, jpegs)) > most_bytes and side > 1:
        side = int(side * min(0.9, (most_bytes / sum(map(len, jpegs))) ** 0.5))
        side = max(1, side)
        jpegs = [
            encode_jpeg(reduce_to(image, longest_side=side), quality=_QUALITY)
            for image in thumbnails
        ]
    return jpegs


def _data(found: Embedding, manifest: BundleManifest, columns: Sequence[str]) -> dict[str, Any]:
    """What the page's script is given."""
    return {
        "images": [str(record.image) for record in found.records],
        "pictures": [
            base64.b64encode(jpeg).decode("ascii") for jpeg in thumbnail_jpegs(found.thumbnails)
        ],
        "maps": [
            {"name": METHOD_NAMES[method], "xy": _in_unit_square(placed).ravel().tolist()}
            for method, placed in found.places.items()
        ],
        "questions": [_question(verdict) for verdict in verdicts(found, manifest)],
        "columns": [_column(found.records, column) for column in columns],
    }


def _question(verdict: Verdict) -> Mapping[str, Any]:
    return {
        "name": verdict.name,
        "values": verdict.values,
        "truth": verdict.truth.tolist(),
        "probability": [round(float(p), 4) for p in verdict.probability],
        "named": verdict.named.tolist(),
        "wrong": np.flatnonzero(verdict.wrong).tolist(),
    }


def _column(records: Sequence[ImageRecord], column: str) -> Mapping[str, Any]:
    groups = grouped(records, column)
    return {
        "name": groups.name,
        "values": groups.values,
        "of": groups.numbers,
        "plain": groups.plain,
        "texts": column_of(records, column),
    }


def _in_unit_square(placed: NDArray[np.float32]) -> NDArray[np.float64]:
    """Places (N, 2) between 0 and 1, in the middle, with one scale for both directions."""
    low, high = placed.min(axis=0), placed.max(axis=0)
    span = float((high - low).max()) or 1.0
    centred = (placed.astype(np.float64) - (low + high) / 2) / span + 0.5
    return np.asarray(np.round(centred, 4))


def _bands(values: Mapping[str, int]) -> dict[str, str] | None:
    """The band of each value, by rising number; None if one is not a number."""
    try:
        numbers = {value: float(value) for value in values}
    except ValueError:
        return None
    if not np.isfinite(list(numbers.values())).all():
        return None
    order = sorted(numbers, key=lambda value: numbers[value])
    counts = np.array([values[value] for value in order])
    band = np.minimum((np.cumsum(counts) - counts) * _BANDS // counts.sum(), _BANDS - 1)
    ends = {
        number: [value for value, of in zip(order, band, strict=True) if of == number]
        for number in sorted(set(band.tolist()))
    }
    return {value: f"{those[0]} to {those[-1]}" for those in ends.values() for value in those}


def _as_number(known: bool | None) -> int:
    return 2 if known is None else int(known)


def _writable(text: str) -> str:
    """A file's name may hold bytes of another encoding, which no text can."""
    return text.encode(errors="replace").decode()
