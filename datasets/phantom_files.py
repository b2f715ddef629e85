"""Phantoms as files: labelme JSON, COCO, and DICOM of 12 bits."""

import hashlib
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypeAlias

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray

from lucency.annotations.findings import Finding
from lucency.configs import atomic
from lucency.datasets.phantom_dicom import BITS, Monochrome, dicom_dataset
from lucency.datasets.phantoms import Phantom

ImageFormat: TypeAlias = Literal["dcm", "png"]

LABELME_VERSION = "5.5.0"
COCO_JSON = "annotations.json"


def write_labelme(
    phantoms: Iterable[Phantom], folder: Path, *, image_format: ImageFormat = "dcm"
) -> int:
    """Write an image and a labelme JSON for each phantom; returns how many.

    Images are DICOM (``dcm``) or PNG of 16 bits (``png``). Image-level labels stand in the JSON's
    ``flags``, the patient in ``patient_id``. The folder is complete or absent.

    Raises
    ------
    ConfigError
        The folder exists and is not empty.

    """
    count = 0
    with atomic.new_folder(folder) as partial:
        for phantom in phantoms:
            name = f"{phantom.image_id}.{image_format}"
            if image_format == "dcm":
                write_dicom(phantom, partial / name, monochrome=monochrome_of(phantom.patient_id))
            else:
                (partial / name).write_bytes(png_bytes(phantom.pixels, bits=16))
            text = json.dumps(labelme_document(phantom, image_name=name), indent=2)
            (partial / f"{phantom.image_id}.json").write_text(text + "\n", encoding="utf-8")
            count += 1
    return count


def write_coco(phantoms: Iterable[Phantom], folder: Path, *, bits: Literal[8, 16] = 16) -> int:
    """Write PNG images and ``annotations.json`` beside them; returns the number of images.

    Each image entry has a ``patient_id`` and the image-level labels as ``flags``. Categories are
    those that occur, in alphabetical order with ids from 1. The folder is complete or absent.

    Raises
    ------
    ConfigError
        The folder exists and is not empty.

    """
    images: list[dict[str, object]] = []
    found: list[tuple[int, Finding]] = []
    with atomic.new_folder(folder) as partial:
        for image_id, phantom in enumerate(phantoms, start=1):
            name = f"{phantom.image_id}.png"
            (partial / name).write_bytes(png_bytes(phantom.pixels, bits=bits))
            height, width = phantom.pixels.shape
            images.append(
                {
                    "id": image_id,
                    "file_name": name,
                    "width": width,
                    "height": height,
                    "patient_id": phantom.patient_id,
                    "flags": dict(phantom.labels),
                }
            )
            found += [(image_id, finding) for finding in phantom.findings]
        document = _coco_document(images, found)
        (partial / COCO_JSON).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return len(images)


def write_dicom(phantom: Phantom, path: Path, *, monochrome: Monochrome) -> None:
    """Write a Digital X-Ray image for presentation; the same phantom always gives the same bytes.

    With ``monochrome`` 1 the values are stored inverted, so that both kinds display alike.
    """
    buffer = io.BytesIO()
    pydicom.dcmwrite(
        buffer, dicom_dataset(phantom, monochrome=monochrome), enforce_file_format=True
    )
    atomic.write_bytes(path, buffer.getvalue())


def monochrome_of(patient_id: str) -> Monochrome:
    """How a patient's images are stored: one patient in three as MONOCHROME1."""
    return 1 if hashlib.sha256(patient_id.encode()).digest()[0] % 3 == 0 else 2


def png_bytes(pixels: NDArray[np.uint16], *, bits: Literal[8, 16]) -> bytes:
    """A 12-bit image as grey PNG whose whole range of 8 or 16 bits is used."""
    scaled = (pixels >> (BITS - 8)).astype(np.uint8) if bits == 8 else pixels << (16 - BITS)
    _, encoded = cv2.imencode(".png", scaled)
    return bytes(encoded)


def labelme_document(phantom: Phantom, *, image_name: str) -> dict[str, object]:
    """The labelme JSON of one phantom, a rectangle for each finding."""
    height, width = phantom.pixels.shape
    return {
        "version": LABELME_VERSION,
        "flags": dict(phantom.labels),
        "shapes": [_labelme_shape(finding) for finding in phantom.findings],
        "imagePath": image_name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
        "patient_id": phantom.patient_id,
    }


def _labelme_shape(finding: Finding) -> dict[str, object]:
    box = finding.box
    return {
        "label": finding.label,
        "points": [[box.x1, box.y1], [box.x2, box.y2]],
        "group_id": None,
        "description": "",
        "shape_type": "rectangle",
        "flags": {},
        "mask": None,
    }


def _coco_document(
    images: list[dict[str, object]], found: list[tuple[int, Finding]]
) -> dict[str, object]:
    names = sorted({finding.label for _, finding in found})
    annotations = [
        {
            "id": number,
            "image_id": image_id,
            "category_id": names.index(finding.label) + 1,
            "bbox": [finding.box.x1, finding.box.y1, finding.box.width, finding.box.height],
            "area": finding.box.area,
            "iscrowd": 0,
        }
        for number, (image_id, finding) in enumerate(found, start=1)
    ]
    return {
        "info": {"description": "Synthetic radiographs for tests and demonstrations"},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, start=1)],
    }
