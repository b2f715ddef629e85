"""Montgomery and Shenzhen, the two sets of the US National Library of Medicine: what they share.

Jaeger et al., Quantitative Imaging in Medicine and Surgery 4:475-477, 2014. The sets are laid out
alike::

    CXR_png/MCUCXR_0001_0.png  ClinicalReadings/MCUCXR_0001_0.txt  ManualMask/…

The last digit is 1 where tuberculosis was found, the number that of the patient. Nobody boxed
anything, so the status of every image is unknown. Masks of the lungs have the names of the images,
and are told from them by their folder.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from lucency.annotations import documents
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.ledger import Ledger
from lucency.annotations.sources import SourceFile
from lucency.datasets.public_sets import PublicSet
from lucency.datasets.set_files import (
    files_below,
    folder_of,
    images_below,
    not_the_set,
    once,
    stem_of,
)

NLM_PAGE = "https://data.lhncbc.nlm.nih.gov/public/Tuberculosis-Chest-X-ray-Datasets/"
NLM_LICENCE = "free to use, with citation (US National Library of Medicine)"
NLM_CITATION = (
    "Jaeger S, Candemir S, Antani S, Wáng Y-XJ, Lu P-X, Thoma G. Two public chest X-ray datasets "
    "for computer-aided screening of pulmonary diseases. Quantitative Imaging in Medicine and "
    "Surgery 4(6):475-477, 2014. https://doi.org/10.3978/j.issn.2223-4292.2014.11.20"
)

# Montgomery: `Patient's Sex: F` and `Patient's Age: 027Y`, a line each.
_SEX = re.compile(r"patient.?s\s+sex\s*:\s*([mf])\b", re.IGNORECASE)
_AGE = re.compile(r"patient.?s\s+age\s*:\s*0*(\d+)\s*(y|m|d)\b", re.IGNORECASE)
# Shenzhen: `male 45yrs`, `Female, 24yrs`, `femal 32yrs`, `female24yrs`; of infants `16month` and
# `64days`.
_SEX_AND_AGE = re.compile(
    r"\s*(fe)?male?(?![a-z])[\s,]*(?:0*(\d+)\s*(y|m|d)[a-z]*)?", re.IGNORECASE
)
_YEARS = {"y": 1.0, "m": 1 / 12, "d": 1 / 365.25}
# Two Montgomery patients came back: `stable CXR since 6M (same pt as MCUCXR_0113_1)`.
_SAME = re.compile(r"same\s+(?:pt|patient)\.?\s+as\s+[A-Z]+_(\d+)", re.IGNORECASE)


def read_nlm(
    public_set: PublicSet, folder: Path, ledger: Ledger, *, prefix: str
) -> Iterator[ImageAnnotation]:
    """Yield the images called ``<prefix>_<patient>_<0|1>``, each with its reading.

    Raises
    ------
    AnnotationError
        There is none, or a reading cannot be read.

    """
    named = re.compile(rf"{prefix}_(\d+)_([01])", re.IGNORECASE)
    images = [
        image
        for image in sorted(images_below(folder), key=lambda path: "cxr_png" not in path.lower())
        if named.fullmatch(stem_of(image)) and "mask" not in folder_of(image).lower()
    ]
    if not images:
        raise not_the_set(folder, public_set.title, f"CXR_png/{prefix}_0001_0.png and further ones")
    readings = {stem_of(file.name).lower(): file for file in files_below(folder, ".txt")}
    stems = [stem_of(image).lower() for image in images]
    for image in once(images, stems, ledger):
        found = named.fullmatch(stem_of(image))
        if found is None:
            continue
        text = _text(readings.get(stem_of(image).lower()))
        same = _SAME.search(text)
        yield ImageAnnotation(
            image=image,
            source=folder_of(image),
            size_wh=None,
            findings=(),
            status=Status.UNKNOWN,
            patient_id=same[1] if same else found[1],
            labels={"tb": found[2] == "1"},
            extra={"site": public_set.name, "body_part": "chest", **parse_reading(text)},
        )


def parse_reading(text: str) -> dict[str, str]:
    """Sex (``M`` or ``F``), age in years, and the rest of a reading, as far as they are told.

    What is not understood, such as an age without a unit, stays in the text.
    """
    found: dict[str, str] = {}
    if line := _SEX_AND_AGE.match(text):
        found["sex"] = "F" if line[1] else "M"
        if line[2]:
            found["age"] = _in_years(line[2], line[3])
        text = text[line.end() :]
    if sex := _SEX.search(text):
        found["sex"] = sex[1].upper()
    if age := _AGE.search(text):
        found["age"] = _in_years(age[1], age[2])
    text = _SEX.sub(" ", _AGE.sub(" ", text))
    reading = " ".join(text.split()).strip(" ,;")
    return {**found, "reading": reading} if reading else found


def _in_years(number: str, unit: str) -> str:
    return f"{int(number) * _YEARS[unit.lower()]:.2f}".rstrip("0").rstrip(".")


def _text(file: SourceFile | None) -> str:
    if file is None:
        return ""
    data = documents.read_bytes(file)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
