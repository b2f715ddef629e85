"""The pneumonia set of Kermany et al.: chest radiographs of children aged one to five.

Source: Cell 172:1122-1131, 2018. The class is the folder, the official split the one above::

    chest_xray/{train,val,test}/{NORMAL,PNEUMONIA}/*.jpeg

Kaggle hands it out as version 2, with ``val`` and with all of it a second time in
``chest_xray/chest_xray``; version 3 has no ``val`` and other names. There are no boxes, so the
status of every image is unknown.

Who is who in version 2, as far as the set tells: ``person63_bacteria_306.jpeg`` is image 306 of
person 63, ``IM-0115-0001.jpeg`` and ``NORMAL2-IM-0383-0001.jpeg`` are of the patients IM-0115 and
NORMAL2-IM-0383. Bacterial and viral pneumonia are numbered apart, both from 1: of the numbers
between 300 and 1600 in ``train``, as many have images of both as chance would give (772 of 1,300,
766 expected), and images of one number and two pathogens are no more alike than those of any two
numbers. So the pathogen belongs to the patient's identity: ``person1_virus`` in ``test`` is not
``person1_bacteria`` in ``train``. Within a pathogen ``test`` has numbers that ``train`` leaves out
(viral 1 to 79, bacterial 78 to 252), and ``val`` continues behind its last (1945).

In version 3, ``BACTERIA-1008087-0001.jpeg`` is the first image of patient 1008087, a number drawn
at random for the whole set.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from lucency.annotations import documents
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.ledger import Ledger
from lucency.datasets.public_sets import PublicSet
from lucency.datasets.set_files import (
    folder_of,
    images_below,
    last_part,
    not_the_set,
    once,
    stem_of,
)

PUBLIC_SET = PublicSet(
    name="kermany",
    title="Kermany chest X-ray pneumonia",
    where="https://doi.org/10.17632/rscbjbr9sj.2",
    licence="CC BY 4.0",
    citation="Kermany DS, Goldbaum M, Cai W, et al. Identifying medical diagnoses and treatable "
    "diseases by image-based deep learning. Cell 172(5):1122-1131, 2018. "
    "https://doi.org/10.1016/j.cell.2018.02.010",
    contents="5,856 chest radiographs of children, 4,273 with pneumonia, bacterial or viral",
)
_CLASSES = {"normal": False, "pneumonia": True}
_PERSON = re.compile(r"(person\d+_(bacteria|virus))_\d+", re.IGNORECASE)
_NORMAL = re.compile(r"((?:NORMAL2-)?IM-\d+)-\d+", re.IGNORECASE)
_VERSION_3 = re.compile(r"(NORMAL|BACTERIA|VIRUS)-(\d+)-\d+", re.IGNORECASE)


def read(folder: Path, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the images; raises `AnnotationError` where there is no folder of the classes."""
    images = [image for image in images_below(folder) if _class(image, folder) is not None]
    if not images:
        expected = "images in train/NORMAL and train/PNEUMONIA"
        raise not_the_set(folder, PUBLIC_SET.title, expected)
    keys = [(_split(image, folder), _class(image, folder), last_part(image)) for image in images]
    for image in once(images, keys, ledger):
        pneumonia, split = _class(image, folder), _split(image, folder)
        patient, pathogen = _told_by_name(stem_of(image))
        extra = {"body_part": "chest", "official_split": split, "pathogen": pathogen}
        yield ImageAnnotation(
            image=image,
            source=folder_of(image),
            size_wh=None,
            findings=(),
            status=Status.UNKNOWN,
            patient_id=patient,
            labels={"pneumonia": bool(pneumonia)},
            extra={name: value for name, value in extra.items() if value},
        )


def _folders(image: str, folder: Path) -> list[str]:
    # The folder itself may be one of the set's: `lucency import kermany chest_xray/train OUT`.
    return [folder.resolve().name.lower(), *image.lower().split("/")[:-1]]


def _class(image: str, folder: Path) -> bool | None:
    return _CLASSES.get(_folders(image, folder)[-1])


def _split(image: str, folder: Path) -> str:
    return documents.split_named(_folders(image, folder)[-2:-1])


def _told_by_name(stem: str) -> tuple[str, str]:
    """The patient and the pathogen, each empty where the name does not tell it."""
    if person := _PERSON.match(stem):
        return person[1], person[2].lower()
    if normal := _NORMAL.match(stem):
        return normal[1], ""
    if numbered := _VERSION_3.match(stem):
        pathogen = numbered[1].lower()
        return numbered[2], "" if pathogen == "normal" else pathogen
    return "", ""
