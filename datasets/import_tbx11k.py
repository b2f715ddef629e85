"""TBX11K: chest radiographs of healthy, sick and tuberculous persons, tuberculosis as boxes.

Source: Liu et al., CVPR 2020. The set as it is handed out::

    TBX11K/imgs/{health,sick,tb,test,extra}  lists/*.txt  annotations/{xml,json}

Radiologists boxed the tuberculous images (``tb``) and put the others into ``health`` and ``sick``
since there is no tuberculosis in them: these are confirmed negatives of its boxes. Of ``test``
nothing is known. ``extra`` holds images of other sets (DA and DB of Delhi, Montgomery, Shenzhen),
whose names tell whether there is tuberculosis, but which nobody boxed. ``annotations/json`` says
the same as ``annotations/xml`` and is passed over.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lucency.annotations import documents, tbx11k
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.formats import Head
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.sources import Source, SourceFile
from lucency.annotations.xml_documents import decode_xml
from lucency.configs.errors import AnnotationError
from lucency.datasets.public_sets import PublicSet
from lucency.datasets.set_files import (
    files_below,
    folder_of,
    images_below,
    last_part,
    not_the_set,
    official_splits,
    once,
    stem_of,
)

PUBLIC_SET = PublicSet(
    name="tbx11k",
    title="TBX11K",
    where="https://mmcheng.net/tb/",
    licence="CC BY-NC-SA 4.0, as its annotation files say",
    citation="Liu Y, Wu Y-H, Ban Y, Wang H, Cheng M-M. Rethinking computer-aided tuberculosis "
    "diagnosis. CVPR 2020, 2646-2655",
    contents="11,200 chest radiographs, 8,400 of them with labels, 799 of these with tuberculosis "
    "as boxes",
    classes=("ActiveTuberculosis", "ObsoletePulmonaryTuberculosis"),
    stretched=True,
)
_TYPES = {"health": "healthy", "sick": "sick_but_no_tb", "tb": "tb"}
_NAMED = {"h": "healthy", "s": "sick_but_no_tb", "tb": "tb"}
_NLM = re.compile(r"(MCUCXR|CHNCXR)_\d+_([01])", re.IGNORECASE)
_NLM_SITES = {"MCUCXR": "montgomery", "CHNCXR": "shenzhen"}
# `p1` and `n1` are of data set DB, `px1` and `nx1` of DA (Chauhan et al., PLoS ONE 2014).
_DELHI = re.compile(r"([pn])(x?)\d+", re.IGNORECASE)


def read(folder: Path, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield every image; raises `AnnotationError` where there is no annotation of the set."""
    found = _documents(folder)
    if not found:
        expected = "annotations/xml/tb0003.xml and further XML documents of tuberculosis"
        raise not_the_set(folder, PUBLIC_SET.title, expected)
    splits = official_splits(files_below(folder, ".txt"), name=_place)
    images = images_below(folder)
    suffixes = [last_part(image).rpartition(".")[2].lower() for image in images]
    keys = zip(map(_place, images), suffixes, strict=True)
    images = list(once(images, keys, ledger))
    documents_of = {stem_of(file.name): file for file in reversed(found)}
    for image in images:
        stem = stem_of(image)
        entry = _unboxed(image, splits)
        file = documents_of.pop(stem, None) if "extra" not in _folders(image) else None
        if file is None:
            yield entry
        else:
            yield from _boxed(file, entry, ledger)
    for file in documents_of.values():  # images that are missing, or have another name
        yield from _read(file, ledger)


def _boxed(file: SourceFile, entry: ImageAnnotation, ledger: Ledger) -> Iterator[ImageAnnotation]:
    marked = list(_read(file, ledger))
    if not marked:
        yield entry
    for marks in marked:
        # A document all of whose boxes are unusable does not make the image a negative.
        status = Status.ANNOTATED if marks.findings else Status.UNKNOWN
        yield replace(
            marks,
            image=entry.image,
            status=status,
            labels={"tb": True},
            extra={**entry.extra, "image_type": "tb"},
        )


def _read(file: SourceFile, ledger: Ledger) -> Iterator[ImageAnnotation]:
    try:
        yield from tbx11k.read(Source(Path(file.path)), ledger)
    except AnnotationError as error:
        reason = Reason.UNREADABLE_ANNOTATION
        ledger.leave_out(file.name, image="", reason=reason, detail=str(error))


def _unboxed(image: str, splits: dict[str, str]) -> ImageAnnotation:
    """What folder, name and lists say of an image without boxes."""
    folders, stem = _folders(image), stem_of(image)
    extra = {"body_part": "chest"}
    split = splits.get(_place(image)) or documents.split_named(folders)
    if split:
        extra["official_split"] = split
    if "extra" in folders:
        tb, site = _of_another_set(stem)
        extra |= {"site": site} if site else {}
        return _annotation(image, {} if tb is None else {"tb": tb}, extra)
    kind = next((_TYPES[part] for part in reversed(folders) if part in _TYPES), "")
    kind = kind or _NAMED.get(stem.lower().rstrip("0123456789"), "")
    if not kind or "test" in folders:
        return _annotation(image, {}, extra)
    tb = kind == "tb"
    status = Status.UNKNOWN if tb else Status.NEGATIVE
    return _annotation(image, {"tb": tb}, {**extra, "image_type": kind}, status)


def _annotation(
    image: str,
    labels: dict[str, bool],
    extra: dict[str, str],
    status: Status = Status.UNKNOWN,
) -> ImageAnnotation:
    return ImageAnnotation(image, folder_of(image), None, (), status, labels=labels, extra=extra)


def _of_another_set(stem: str) -> tuple[bool | None, str]:
    """Whether an image of ``extra`` shows tuberculosis, and the site it is of."""
    nlm, delhi = _NLM.fullmatch(stem), _DELHI.fullmatch(stem)
    if nlm:
        return nlm[2] == "1", _NLM_SITES[nlm[1].upper()]
    if delhi:
        return delhi[1].lower() == "p", "delhi_da" if delhi[2] else "delhi_db"
    return None, ""


def _folders(image: str) -> list[str]:
    return image.lower().split("/")[:-1]


def _place(image: str) -> str:
    """Its path below the folder of all images, as the set's lists give it, without suffix."""
    folders = _folders(image)
    start = max((n for n, part in enumerate(folders) if part in ("imgs", "images")), default=-1)
    return "/".join([*folders[start + 1 :], stem_of(image).lower()])


def _documents(folder: Path) -> list[SourceFile]:
    """All XML documents of the folders in which one has boxes of the set."""
    files = files_below(folder, ".xml")
    folders = {folder_of(file.name) for file in files if _has_boxes(file)}
    return [file for file in files if folder_of(file.name) in folders]


def _has_boxes(file: SourceFile) -> bool:
    try:
        text = decode_xml(documents.read_bytes(file), name=file.name)
    except AnnotationError:
        return False
    return tbx11k.detect(Head(file.path, file.name, text))
