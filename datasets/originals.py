"""The originals of prepared images: which files there are, and the private map back to them.

The map names patients. It lies beside the folder that annotators get, never inside it, and only
its owner may read it.
"""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lucency.annotations.image_size import IMAGE_SUFFIXES
from lucency.configs.errors import DatasetError, ImageError, ImageFault
from lucency.datasets.dicom import Identity
from lucency.datasets.radiographs import image_kind

MAP_CSV = "map.csv"
_COLUMNS = ("image", "sop_instance_uid", "study_instance_uid", "patient_id", "source", "sha256")
_FRAME = "frame"  # not in the maps of earlier versions
_DICOMDIR = "DICOMDIR"
_HEAD_BYTES = 1024
_SOP_CLASS_ELEMENT = b"\x02\x00\x02\x00UI"
# SOP classes (PS3.4 table B.5-1): waveforms, presentation states, registrations and segmentations,
# structured reports and key objects, encapsulated documents, plans and structures of radiotherapy.
_STORAGE = "1.2.840.10008.5.1.4.1.1."
_WITHOUT_RADIOGRAPH = tuple(
    _STORAGE + branch for branch in ("9.", "11.", "66", "67", "88.", "104.", "481.3", "481.5")
)


@dataclass(frozen=True)
class Original:
    """One file that was read: where it lies, its SHA-256, and what it says of itself.

    ``frame``, from 1, is that of a file with several.
    """

    path: Path
    sha256: str
    identity: Identity
    frame: int | None = None


def private_folder(out: Path) -> Path:
    """Where the private map of the prepared folder ``out`` lies."""
    whole = out.resolve()
    return whole.with_name(f"{whole.name}-private")


def list_files(sources: Iterable[Path]) -> tuple[list[Path], int]:
    """Files that are, or claim to be, images, and how many others the folders hold.

    In a folder an image has an image's suffix or begins like one (DICOM files often have no
    suffix); a file that is named is taken for an image. Hidden files are passed over, and so are
    DICOM objects of a kind that has no radiograph: reports, presentation states, segmentations.

    Raises
    ------
    ImageError
        A source does not exist, or is neither a file nor a folder.

    """
    found: dict[str, Path] = {}
    passed_over = 0
    for source in sources:
        if not source.exists():
            raise ImageError(f"{source}: no such file or folder", ImageFault.UNREADABLE)
        if not (source.is_dir() or source.is_file()):  # a pipe would keep us waiting
            raise ImageError(f"{source}: is neither a file nor a folder", ImageFault.UNREADABLE)
        for path in _walk(source) if source.is_dir() else [source]:
            if path == source or _looks_like_an_image(path):
                found.setdefault(os.path.realpath(path), path)
            else:
                passed_over += 1
    return list(found.values()), passed_over


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file():
                yield path


def _looks_like_an_image(path: Path) -> bool:
    if path.name.upper() == _DICOMDIR:  # the index of an exported disc
        return False
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError:
        return True  # it is told when it is read
    kind = image_kind(head)
    if kind == "dicom":
        return not _sop_class(head).startswith(_WITHOUT_RADIOGRAPH)
    return kind is not None or path.suffix.lower() in IMAGE_SUFFIXES


def _sop_class(head: bytes) -> str:
    """The Media Storage SOP Class UID at the beginning of a DICOM file; empty where it is not."""
    place = head.find(_SOP_CLASS_ELEMENT, 132)
    if place < 0 or place + 8 > len(head):
        return ""
    length = int.from_bytes(head[place + 6 : place + 8], "little")
    return head[place + 8 : place + 8 + length].rstrip(b"\0 ").decode("ascii", "replace")


def write_map(path: Path, originals: Iterable[tuple[str, Original]]) -> None:
    """Write the private map, one row a frame; ``originals`` are pairs with the image's new name."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*_COLUMNS, _FRAME))
    for image, each in originals:
        who = each.identity
        uids = (who.sop_instance_uid, who.study_instance_uid, who.patient_id)
        writer.writerow((image, *uids, str(each.path), each.sha256, each.frame or ""))
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text.getvalue())


def read_map(path: Path) -> Mapping[str, tuple[Original, ...]]:
    """The originals of each prepared image, by its name.

    Raises
    ------
    DatasetError
        The file cannot be read, or is no such map.

    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise DatasetError(f"{path}: cannot be read: {reason}") from None
    rows = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise DatasetError(
            f"{path}: is no private map of `lucency prepare`: columns are missing: "
            f"{', '.join(missing)}"
        )
    originals: dict[str, tuple[Original, ...]] = {}
    for row in rows:
        values = {name: row[name] or "" for name in _COLUMNS}
        identity = Identity(
            values["sop_instance_uid"], values["study_instance_uid"], values["patient_id"]
        )
        frame = row.get(_FRAME) or ""
        each = Original(
            Path(values["source"]),
            values["sha256"],
            identity,
            int(frame) if frame.isdecimal() else None,
        )
        originals[values["image"]] = (*originals.get(values["image"], ()), each)
    return originals
