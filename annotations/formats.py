"""The table of annotation formats. A further format is one module and one line here.

A format's module is loaded only when it is needed, and offers the functions of `Reader`, and
those of `Writer` where ``writes`` is set.
"""

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from lucency.annotations.findings import ImageAnnotation, LabelMap
from lucency.annotations.ledger import Ledger
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError

# The size of an image whose coordinates are fractions of its width and height.
NORMALISED = (1, 1)


@dataclass(frozen=True, slots=True)
class Head:
    """What detection sees of a file: its path, its name below the source, and its text.

    ``text`` is the whole document, or the first and last megabyte of one above four; of a DICOM
    file the first 4,096 bytes, each as one character.
    """

    path: str
    name: str
    text: str


class Reader(Protocol):
    """What the module of a format offers for reading."""

    def detect(self, head: Head) -> bool:
        """Whether the file looks like this format; never raises."""

    def read(self, source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
        """Yield the images of the source; boxes that are no findings go to the ledger.

        Before the images of a file come, the ledger is told how many boxes the file holds;
        every one of these is then either a finding of an image or dropped in the ledger.
        """


class Writer(Protocol):
    """What it offers for writing."""

    def write(
        self, annotations: Iterable[ImageAnnotation], out: Path, *, label_map: LabelMap
    ) -> None:
        """Write annotations with pixel coordinates into the existing folder ``out``."""


class ClassOrder(Protocol):
    """What a format with numbers for classes offers."""

    def class_names(self, source: Source) -> tuple[str, ...] | None:
        """The class names in the order of their numbers, or None if no file gives them."""


class EmbeddedImages(Protocol):
    """What a format offers that can carry the image inside the annotation."""

    def embedded_image(self, path: Path) -> bytes | None:
        """The image inside an annotation file, or None."""


@dataclass(frozen=True, slots=True)
class Format:
    """One annotation format.

    ``suffixes`` are those of its files. ``writes`` is set where it can be written;
    ``lists_images`` where the folder holds the images as well, so that an image without a label
    file belongs to the set; ``class_numbers`` where files hold numbers for the classes;
    ``embeds_images`` where a file may carry its image; ``stretches`` where images are handed out
    at another size than they were annotated at, not in proportion. ``outranks`` names formats
    whose files this one's are a special case of.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    writes: bool = False
    lists_images: bool = False
    class_numbers: bool = False
    embeds_images: bool = False
    stretches: bool = False
    outranks: tuple[str, ...] = ()

    @property
    def _module(self) -> object:
        return importlib.import_module(f"lucency.annotations.{self.name.replace('-', '_')}")

    def reader(self) -> Reader:
        """The functions that read this format."""
        return cast(Reader, self._module)

    def writer(self) -> Writer:
        """The functions that write it; raises `AnnotationError` if it cannot be written."""
        if not self.writes:
            able = ", ".join(known.name for known in FORMATS if known.writes)
            raise AnnotationError(f"{self.name}: cannot be written; these can: {able}")
        return cast(Writer, self._module)

    def class_order(self) -> ClassOrder | None:
        """The function that gives its class names, where files hold numbers."""
        return cast(ClassOrder, self._module) if self.class_numbers else None

    def embedded_images(self) -> EmbeddedImages | None:
        """The function that takes images out of its files, where they may hold some."""
        return cast(EmbeddedImages, self._module) if self.embeds_images else None


FORMATS = (
    Format("coco", "COCO JSON", (".json",), writes=True),
    Format("labelme", "labelme JSON, versions 2 to 7", (".json",), writes=True, embeds_images=True),
    Format(
        "yolo",
        "YOLO text files: boxes, oriented boxes, polygons",
        (".txt", ".yaml", ".yml", ".names", ".data"),
        writes=True,
        lists_images=True,
        class_numbers=True,
    ),
    Format("voc", "Pascal VOC XML (LabelImg, Roboflow, FracAtlas)", (".xml",), writes=True),
    Format("tbx11k", "TBX11K XML", (".xml",), stretches=True, outranks=("voc",)),
    Format("cvat", "CVAT for images 1.1 XML", (".xml",), writes=True),
    Format("label-studio", "Label Studio JSON and JSON-min", (".json",), writes=True),
    Format("createml", "CreateML JSON", (".json",), writes=True),
    Format("via", "VGG Image Annotator JSON and CSV", (".json", ".csv")),
    Format("datumaro", "Datumaro JSON", (".json",)),
    Format("openimages", "OpenImages CSV", (".csv",)),
    Format("tensorflow", "TensorFlow object detection CSV", (".csv",)),
    Format("retinanet", "RetinaNet CSV", (".csv",)),
    Format("automl", "AutoML Vision CSV", (".csv",)),
    Format("rsna", "RSNA Pneumonia CSV", (".csv",)),
    Format("vindr-cxr", "VinDr-CXR CSV", (".csv",)),
    Format("vindr-mammo", "VinDr-Mammo CSV", (".csv",)),
    Format("nih", "NIH ChestX-ray14 BBox_List_2017.csv", (".csv",)),
    Format(
        "grazpedwri",
        "GRAZPEDWRI-DX dataset.csv and its labels",
        (".csv",),
        outranks=("voc", "yolo"),
    ),
    Format(
        "fracatlas",
        "FracAtlas dataset.csv and its annotations",
        (".csv",),
        outranks=("coco", "yolo", "voc", "via"),
    ),
    Format("mura", "MURA study CSV", (".csv",)),
    Format("dicom-sr", "DICOM SR, TID 1500", (".dcm", "")),
    Format("dicom-seg", "DICOM segmentation", (".dcm", "")),
)


def format_by_name(name: str) -> Format:
    """Look a format up by name; raises `AnnotationError` if there is no such format."""
    for known in FORMATS:
        if known.name == name.lower():
            return known
    names = ", ".join(known.name for known in FORMATS)
    raise AnnotationError(f"{name}: no such format; there are {names}")
