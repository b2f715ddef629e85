"""MURA: radiographs of the upper limb, each study read as normal or abnormal, without boxes.

Source: Rajpurkar et al., MURA, MIDL 2018. The label of a study, ``abnormal``, is that of all its
images. The set has no boxes, so every image is of unknown status. ``valid`` is the official
validation set; the test set was never handed out.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lucency.annotations import mura
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.ledger import Ledger
from lucency.annotations.sources import Source
from lucency.datasets.listed_images import ListedImages
from lucency.datasets.public_sets import PublicSet

PUBLIC_SET = PublicSet(
    name="mura",
    title="MURA",
    where="https://stanfordmlgroup.github.io/competitions/mura/",
    licence="Stanford's terms, to be agreed to on its page: non-commercial research, no "
    "redistribution",
    citation="Rajpurkar P, Irvin J, Bagul A, et al. MURA: Large Dataset for Abnormality Detection "
    "in Musculoskeletal Radiographs. 1st Conference on Medical Imaging with Deep Learning (MIDL) "
    "2018. arXiv:1712.06957",
    contents="40,561 radiographs of the upper limb in 14,863 studies, normal or abnormal, of which "
    "207 studies are withheld for testing",
)
_TABLES = ("train_labeled_studies.csv", "valid_labeled_studies.csv")
_IN_SET = re.compile(r".*?((?:train|valid)/XR_[^/]+/patient[^/]+/study[^/]+/[^/]+)", re.IGNORECASE)


def read(folder: Path, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield every image; see `public_sets.PublicReader`."""
    files = ListedImages(PUBLIC_SET, folder, ledger, named=_in_set)
    tables = [table for name in _TABLES if (table := files.table(name))]
    if not tables:
        files.needed_table(*_TABLES)
    yield from files.placed(
        _image(annotation)
        for table in tables
        for annotation in mura.read(Source(Path(table.path)), ledger)
        if not annotation.image.rpartition("/")[2].startswith("._")  # macOS's, no images
    )


def _in_set(path: str) -> str:
    """``train/XR_WRIST/patient00001/study1_positive/image1.png``, whatever stands before it."""
    match = _IN_SET.fullmatch(path)
    return match[1] if match else path


def _image(annotation: ImageAnnotation) -> ImageAnnotation:
    extra = dict(annotation.extra)
    # Patients have a study1 of each part of the body.
    parts = annotation.image.split("/")[-4:-1]
    extra["study"] = "/".join(parts)
    extra["official_split"] = annotation.split
    return replace(annotation, status=Status.UNKNOWN, split="", extra=extra)
