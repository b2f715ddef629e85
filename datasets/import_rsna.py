"""RSNA Pneumonia Detection Challenge 2018: chest radiographs with lung opacities as boxes.

Source: Shih et al., Augmenting the National Institutes of Health chest radiograph dataset with
expert annotations of possible pneumonia, Radiology: Artificial Intelligence 1(1):e180041, 2019.
Radiologists looked at every training image, so those without an opacity are negatives; the column
``class`` tells the normal from the abnormal among them. The labels of the test images were never
handed out: these are of unknown status and have no label.

``patientId`` is one an image. The images are of NIH ChestX-ray14, where one patient has several:
where RSNA's list of them, ``pneumonia-challenge-dataset-mappings_2018.json``, lies in the folder,
its patients are taken, by the numbers that ChestX-ray14 has for them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from lucency.annotations import documents, rsna
from lucency.annotations.findings import ImageAnnotation
from lucency.annotations.ledger import Ledger
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError
from lucency.datasets.listed_images import ListedImages, image_stem
from lucency.datasets.public_sets import PublicSet

PUBLIC_SET = PublicSet(
    name="rsna",
    title="RSNA Pneumonia Detection",
    where="https://www.rsna.org/education/ai-resources-and-training/ai-image-challenge/"
    "rsna-pneumonia-detection-challenge-2018",
    licence="RSNA's terms of use: research, education and other commercial or non-commercial "
    "purposes, with attribution",
    citation="Shih G, Wu CC, Halabi SS, et al. Augmenting the National Institutes of Health Chest "
    "Radiograph Dataset with Expert Annotations of Possible Pneumonia. Radiology: Artificial "
    "Intelligence 2019;1(1):e180041. doi:10.1148/ryai.2019180041",
    contents="26,684 chest radiographs with lung opacities as boxes, and 3,000 test images "
    "without labels",
    classes=("pneumonia",),
)
_MAPPING = "pneumonia-challenge-dataset-mappings*.json"


def read(folder: Path, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield every image; see `public_sets.PublicReader`."""
    files = ListedImages(PUBLIC_SET, folder, ledger)
    table = files.needed_table("stage_2_train_labels.csv", "stage_*_train_labels.csv")
    patients = _patients(files)
    if not patients:
        ledger.hints.append(
            "patientId is one an image: patients with several images are not told apart; put "
            f"{_MAPPING.replace('*', '_2018')} of {PUBLIC_SET.where} into the folder"
        )
    marked = map(_labelled, rsna.read(Source(Path(table.path)), ledger))
    for annotation in files.placed(marked):
        image = image_stem(annotation.image)
        patient = patients.get(image, image)
        extra = {"body_part": "chest", **annotation.extra}
        yield replace(annotation, patient_id=patient, extra=extra)


def _labelled(marks: ImageAnnotation) -> ImageAnnotation:
    found = {"annotated": True, "negative": False}.get(marks.status)
    return marks if found is None else replace(marks, labels={"pneumonia": found})


def _patients(files: ListedImages) -> Mapping[str, str]:
    """The patient of NIH ChestX-ray14 by image; empty if RSNA's list is not there."""
    file = files.table(_MAPPING)
    if file is None:
        return {}
    patients = {}
    entries = documents.listing(documents.read_json(file), where=file.name)
    for number, entry in enumerate(entries):
        where = f"{file.name}: [{number}]"
        found = documents.mapping(entry, where=where)
        image = documents.text(found.get("subset_img_id"))
        original = documents.text(found.get("img_id"))
        if image is None or original is None:
            message = f"must have subset_img_id and img_id, got {documents.shown(found)}"
            raise AnnotationError(f"{where}: {message}")
        patients[image] = original.partition("_")[0]
    return patients
