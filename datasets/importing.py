"""From the folder of a set as it was downloaded to a data set of ours, its origin recorded."""

import json
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lucency.annotations.assembly import AssembledImage, AssemblyRules, Progress
from lucency.annotations.choices import Geometry, Readers
from lucency.annotations.findings import ImageAnnotation, LabelMap, Status
from lucency.annotations.gathering import assembled
from lucency.annotations.images import ImageFinder
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.locating import Locator
from lucency.annotations.losses import refuse_losses
from lucency.annotations.records import Dataset
from lucency.annotations.writing import plan_dataset, write_dataset
from lucency.configs import atomic
from lucency.configs.errors import AnnotationError, ConfigError, DatasetError
from lucency.datasets.public_sets import PublicSet, public_reader

SOURCE_JSON = "source.json"

# An image that no program can open is of no use, however much it is wanted.
_ALWAYS_ALLOWED = frozenset({Reason.UNREADABLE_IMAGE})

_NAMED = 3

Read = Callable[[Path, Ledger], Iterable[ImageAnnotation]]


@dataclass(frozen=True)
class Counts:
    """What is in an imported set.

    ``labels`` are image-level labels with how many images have them, have them not, and do not
    say (``positive``, ``negative``, ``unknown``).
    """

    images: int
    status: dict[str, int]
    labels: dict[str, dict[str, int]]
    boxes: dict[str, int]
    patients: int
    images_without_patient: int
    official_splits: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ImportedSet:
    """An imported data set, what it is, what is in it, and the books."""

    dataset: Dataset
    public_set: PublicSet
    counts: Counts
    ledger: Ledger


def import_set(
    public_set: PublicSet,
    folder: Path,
    out: Path,
    *,
    readers: Readers = Readers.ALL,
    allow: Collection[Reason] = (),
    progress: Progress | None = None,
) -> ImportedSet:
    """Import a public set from ``folder`` into the new folder ``out``.

    Raises
    ------
    AnnotationError
        The folder is not the set, or boxes or images would be lost for a reason not in ``allow``;
        nothing is written then. Unreadable images are left out without being asked.
    ConfigError
        ``folder`` is missing, or ``out`` exists already.

    """
    read = public_reader(public_set.name).read
    return import_images(
        public_set, read, folder, out, readers=readers, allow=allow, progress=progress
    )


def import_images(
    public_set: PublicSet,
    read: Read,
    folder: Path,
    out: Path,
    *,
    readers: Readers = Readers.ALL,
    allow: Collection[Reason] = (),
    progress: Progress | None = None,
) -> ImportedSet:
    """Import what ``read`` yields of ``folder``; ``public_set`` describes it. As `import_set`."""
    atomic.refuse_existing(out)
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder")
    finder = ImageFinder([folder])
    linked = _linked_folders(folder)
    try:
        images, ledger = assembled(
            lambda books: read(folder, books),
            lambda: Locator(folder, finder, None),
            AssemblyRules(readers=readers, stretched=public_set.stretched),
            progress=progress,
        )
    except AnnotationError as error:
        raise AnnotationError("; ".join([str(error), *linked])) from None
    ledger.hints.extend(linked)
    ledger.check()
    allowed = _ALWAYS_ALLOWED.union(allow)
    refuse_losses(ledger, allowed, find_images="download the rest of the set")
    if not images:
        raise AnnotationError(f"{folder}: there is no image of {public_set.title} in it")
    dataset = plan_dataset(images, out, label_map=_label_map(public_set, images))
    counts = _counted(dataset, images, ledger)
    books = {"format": f"import {public_set.name}", "allowed": sorted(allowed), **ledger.to_json()}
    # The inner folder is complete before it gets its last file, and the outer one appears last.
    with atomic.new_folder(out) as partial:
        write_dataset(replace(dataset, root=partial), images, geometry=Geometry.BOX, ledger=books)
        text = json.dumps(_source(public_set, counts), indent=1, ensure_ascii=False)
        (partial / SOURCE_JSON).write_text(f"{text}\n", encoding="utf-8")
    return ImportedSet(dataset, public_set, counts, ledger)


def origin_of(root: Path) -> str:
    """What is to be said wherever a model learnt from the set: title, citation, licence.

    Empty for a set that was not imported.

    Raises
    ------
    DatasetError
        ``source.json`` is there but damaged.

    """
    path = root / SOURCE_JSON
    if not path.exists():
        return ""
    try:
        said = json.loads(path.read_bytes())
        title, licence, citation = (str(said[key]) for key in ("title", "licence", "citation"))
    except (OSError, ValueError, TypeError, KeyError):
        raise DatasetError(f"{path}: cannot be read; import the set again") from None
    return f"{title}. {citation} Licence: {licence}." if licence else ""


def _linked_folders(folder: Path) -> list[str]:
    """What is to be said of folders that are links: a loop of them would never end."""
    found = sorted(
        str(path.relative_to(folder))
        for parent, folders, _ in os.walk(folder)
        for name in folders
        if (path := Path(parent, name)).is_symlink()
    )
    more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
    named = ", ".join(map(repr, found[:_NAMED]))
    return [f"not searched, since they are links to folders: {named}{more}"] if found else []


def _label_map(public_set: PublicSet, images: Iterable[AssembledImage]) -> LabelMap:
    """The classes in the set's own order, then any that it does not know of."""
    found = {label for entry in images for label in entry.findings.labels}
    return LabelMap((*public_set.classes, *sorted(found - {*public_set.classes})))


def _source(public_set: PublicSet, counts: Counts) -> dict[str, Any]:
    """What ``source.json`` says of a set's origin."""
    return {
        "name": public_set.name,
        "title": public_set.title,
        "where": public_set.where,
        "licence": public_set.licence,
        "citation": public_set.citation,
        "contents": public_set.contents,
        "counts": asdict(counts),
        "lucency": version("lucency"),
    }


def _counted(dataset: Dataset, images: Collection[AssembledImage], ledger: Ledger) -> Counts:
    boxes = Counter(finding.label for entry in images for finding in entry.findings)
    patients = [record.patient_id for record in dataset.records]
    splits = Counter(record.extra.get("official_split", "") for record in dataset.records)
    left_out = sorted(ledger.left_out_by_reason().items())
    return Counts(
        images=len(images),
        status={status.value: ledger.images[status] for status in Status},
        labels=_labels(images),
        boxes={label: boxes[label] for label in dataset.label_map},
        patients=len({*patients} - {""}),
        images_without_patient=patients.count(""),
        official_splits={split: n for split, n in sorted(splits.items()) if split},
        left_out={reason.value: count for reason, count in left_out},
    )


def _labels(images: Collection[AssembledImage]) -> dict[str, dict[str, int]]:
    told = Counter(item for entry in images for item in entry.labels.items())
    return {
        name: {
            "positive": told[name, True],
            "negative": told[name, False],
            "unknown": len(images) - told[name, True] - told[name, False],
        }
        for name in sorted({name for name, _ in told})
    }
