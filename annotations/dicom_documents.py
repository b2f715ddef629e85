"""DICOM files that hold marks in other DICOM images: structured reports and segmentations.

The images are meant by their SOPInstanceUIDs. Files follow PS3.10; a folder may hold the images
as well, and these are passed over.
"""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from lucency.annotations import documents
from lucency.annotations.findings import Finding, ImageAnnotation, Status
from lucency.annotations.ledger import Ledger, UnusableBox
from lucency.annotations.sources import Source, SourceFile, read_each
from lucency.configs.errors import AnnotationError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
else:
    Dataset = Any

_HEAD_BYTES = 4096
_STORAGE_CLASS = "\x02\x00\x02\x00UI"  # Media Storage SOP Class UID, always little endian
_DEFLATED = "1.2.840.10008.1.2.1.99"


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark in one image: a finding, or why it is none. ``image`` may be empty."""

    image: str
    index: str
    label: str
    found: Finding | UnusableBox


@dataclass(frozen=True, slots=True)
class Marks:
    """What a DICOM file says: its marks, and ``images`` that it names at all."""

    marks: list[Mark]
    images: list[str]
    size_wh: tuple[int, int] | None = None
    reader: str = ""


Parse: TypeAlias = Callable[[Dataset], Marks]


def storage_class(head: str) -> str:
    """The SOP class that the first bytes of a DICOM file tell, or an empty text."""
    if head[128:132] != "DICM":
        return ""
    start = head.find(_STORAGE_CLASS, 132) + len(_STORAGE_CLASS)
    if start < len(_STORAGE_CLASS):
        return ""
    length = sum(ord(char) << 8 * place for place, char in enumerate(head[start : start + 2]))
    return head[start + 2 : start + 2 + length].rstrip("\0 ")


def read_objects(
    source: Source, ledger: Ledger, *, kind: str, classes: tuple[str, ...], parse: Parse
) -> Iterator[ImageAnnotation]:
    """Yield the images of every file whose SOP class starts with one of ``classes``.

    ``parse`` may raise anything: a damaged file makes pydicom raise many kinds of exceptions.

    Raises
    ------
    AnnotationError
        The one file is unreadable or not of this ``kind``; among several it is left out and told
        to the ledger, or passed over.

    """
    document = partial(
        _read, kind=kind, classes=classes, parse=parse, alone=not source.path.is_dir()
    )
    yield from read_each(source, ledger, ".dcm", "", document=document)


def _read(
    file: SourceFile,
    ledger: Ledger,
    *,
    kind: str,
    classes: tuple[str, ...],
    parse: Parse,
    alone: bool,
) -> Iterator[ImageAnnotation]:
    try:
        with open(file.path, "rb") as stream:  # noqa: PTH123 - a folder has thousands of them
            head = stream.read(_HEAD_BYTES).decode("latin-1")
    except OSError as error:
        raise AnnotationError(f"{file.name}: cannot be read: {error.strerror}") from None
    if not storage_class(head).startswith(classes):
        if alone:
            raise AnnotationError(f"{file.name}: is no {kind}")
        return
    patient_id, said = _parsed(file, kind=kind, parse=parse)
    ledger.expect(file.name, len(said.marks))
    findings: dict[str, list[Finding]] = {image: [] for image in said.images}
    for mark in said.marks:
        if isinstance(mark.found, Finding):
            findings.setdefault(mark.image, []).append(mark.found)
            continue
        if mark.image:
            findings.setdefault(mark.image, [])
        ledger.unusable(file.name, mark.found, image=mark.image, index=mark.index, label=mark.label)
    for image, found in findings.items():
        yield ImageAnnotation(
            image=image,
            source=file.name,
            size_wh=said.size_wh,
            findings=tuple(found),
            # Neither kind of file can say that somebody looked and found nothing.
            status=Status.ANNOTATED if found else Status.UNKNOWN,
            reader=said.reader,
            split=file.split,
            patient_id=patient_id,
        )


def _parsed(file: SourceFile, *, kind: str, parse: Parse) -> tuple[str, Marks]:
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of values that do not matter here
            meta = pydicom.filereader.read_file_meta_info(file.path)
            if meta.get("TransferSyntaxUID") == _DEFLATED:  # a small file may unpack to gigabytes
                raise AnnotationError("is a deflated DICOM file, which is not supported")
            dataset = pydicom.dcmread(file.path)
            if _cut_off(dataset):
                raise AnnotationError(f"is a truncated {kind}")
            patient_id = documents.text(str(dataset.get("PatientID") or "").strip()) or ""
            return patient_id, parse(dataset)
    except AnnotationError as error:
        raise AnnotationError(f"{file.name}: {error}") from None
    except Exception as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise AnnotationError(f"{file.name}: is a damaged {kind}: {why:.120}") from None


def _cut_off(dataset: Dataset) -> bool:
    """Whether a value is shorter than it says; pydicom takes what there is."""
    from pydicom.datadict import dictionary_has_tag, dictionary_VR
    from pydicom.dataelem import RawDataElement

    for tag in dataset.keys():  # noqa: SIM118 - a data set iterates over values
        element = dataset.get_item(tag)
        kind = element.VR
        if isinstance(element, RawDataElement):
            if element.length != 0xFFFFFFFF and len(element.value or b"") < element.length:
                return True
            if kind is None and dictionary_has_tag(tag):  # implicit
                kind = dictionary_VR(tag)
        # Other values stay as they are: a damaged one that nobody asks for does no harm.
        if kind == "SQ" and any(_cut_off(item) for item in dataset[tag].value):
            return True
    return False


def instances(sequence: Any) -> Iterator[tuple[str, list[str]]]:
    """The SOPInstanceUIDs that a sequence refers to, and the numbers of their frames."""
    for item in sequence or ():
        image = documents.text(str(item.get("ReferencedSOPInstanceUID") or "").strip())
        if image:
            frames = item.get("ReferencedFrameNumber")
            if frames is None:
                yield image, []
            else:
                several = frames if not isinstance(frames, int | str) else [frames]
                yield image, [str(int(frame)) for frame in several]


def meaning(sequence: Any) -> str:
    """The meaning of the first code of a sequence, or an empty text."""
    for item in sequence or ():
        return documents.text(str(item.get("CodeMeaning") or "").strip()) or ""
    return ""
