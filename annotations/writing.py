"""Writing what was assembled: a YOLO data set with its tables, labels alone, or another format."""

import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from lucency.annotations.assembly import AssembledImage
from lucency.annotations.choices import Geometry
from lucency.annotations.findings import ImageAnnotation, LabelMap, Status
from lucency.annotations.formats import NORMALISED, Format
from lucency.annotations.naming import UNKNOWN_FOLDER, file_names
from lucency.annotations.records import (
    COLUMNS,
    DATA_YAML,
    UNSPLIT,
    Dataset,
    ImageRecord,
    data_yaml,
    write_tables,
)
from lucency.annotations.sources import LEDGER_JSON
from lucency.annotations.yolo_lines import label_lines
from lucency.configs import atomic
from lucency.configs.errors import AnnotationError


def plan_dataset(images: Sequence[AssembledImage], root: Path, *, label_map: LabelMap) -> Dataset:
    """The table of the set as it will stand in ``root``, in the order of ``images``."""
    names, columns = file_names(images), _columns(images)
    records = tuple(
        _record(entry, name, *columns) for entry, name in zip(images, names, strict=True)
    )
    return Dataset(root, label_map, records)


def write_dataset(
    dataset: Dataset,
    images: Sequence[AssembledImage],
    *,
    geometry: Geometry,
    ledger: Mapping[str, Any],
) -> None:
    """Write a YOLO data set into a new folder, complete or not at all.

    Raises
    ------
    ConfigError
        The folder exists already.

    """
    with atomic.new_folder(dataset.root) as partial:
        for folder in sorted({record.image.parent for record in dataset.records}):
            (partial / folder).mkdir(parents=True)
        for record, entry in zip(dataset.records, images, strict=True):
            _place(entry, f"{partial}/{record.image}")
        splits = [record.split for record in dataset.records]
        names = [record.image.name for record in dataset.records]
        _write_labels(partial, images, splits, names, dataset.label_map, geometry)
        write_tables(Dataset(partial, dataset.label_map, dataset.records))
        write_ledger(partial, ledger)


def write_labels(
    images: Sequence[AssembledImage],
    out: Path,
    *,
    label_map: LabelMap,
    geometry: Geometry,
    ledger: Mapping[str, Any],
) -> None:
    """Write YOLO label files, ``data.yaml`` and the ledger alone, into a new folder.

    Raises
    ------
    ConfigError
        The folder exists already.

    """
    splits = [entry.split or UNSPLIT for entry in images]
    with atomic.new_folder(out) as partial:
        _write_labels(partial, images, splits, file_names(images), label_map, geometry)
        (partial / DATA_YAML).write_text(data_yaml(label_map, splits), encoding="utf-8")
        write_ledger(partial, ledger)


def plan_format(known: Format, images: Sequence[AssembledImage]) -> tuple[AssembledImage, ...]:
    """The images that another format can hold: all but those of unknown status.

    Raises
    ------
    AnnotationError
        The format needs the images' sizes, and they are unknown; or an image is named ``ledger``
        and its document would be, too.

    """
    kept = tuple(entry for entry in images if entry.status is not Status.UNKNOWN)
    for entry in kept:
        if entry.image is None and entry.size_wh == NORMALISED:
            raise AnnotationError(
                f"{entry.name}: its size is not given; "
                "convert without --labels-only, and with --images"
            )
    alone = known.embeds_images and all(entry.image is None for entry in kept)
    if alone and LEDGER_JSON in [f"{_without_suffix(name)}.json" for name in file_names(kept)]:
        raise AnnotationError(
            f"ledger: the document of this image would have the name of our {LEDGER_JSON}; "
            "rename the image"
        )
    return kept


def write_format(
    known: Format,
    images: Sequence[AssembledImage],
    out: Path,
    *,
    label_map: LabelMap,
    ledger: Mapping[str, Any],
) -> None:
    """Write what `plan_format` kept in another format, with images where they were looked for.

    The images stand in ``images/``, and labelme's documents, which belong beside them, there too.

    Raises
    ------
    ConfigError
        The folder exists already.

    """
    names = file_names(images)
    with atomic.new_folder(out) as partial:
        images_folder = partial / "images"
        for entry, name in zip(images, names, strict=True):
            if entry.image is not None:
                images_folder.mkdir(exist_ok=True)
                _place(entry, f"{images_folder}/{name}")
        beside = known.embeds_images and images_folder.is_dir()
        annotations = (_annotation(e, name) for e, name in zip(images, names, strict=True))
        folder = images_folder if beside else partial
        known.writer().write(annotations, folder, label_map=label_map)
        write_ledger(partial, ledger)


def write_ledger(folder: Path, ledger: Mapping[str, Any]) -> None:
    """Write ``ledger.json``, one entry a line, so that it can be searched and compared."""
    parts = []
    for key, value in ledger.items():
        if isinstance(value, dict) and len(value) > 8:
            # Thousands of files share the few entries that they have in common.
            texts = {
                id(entry): _json(entry) for entry in {id(e): e for e in value.values()}.values()
            }
            lines = [f"  {_json(name)}: {texts[id(entry)]}" for name, entry in value.items()]
            text = "{\n" + ",\n".join(lines) + "\n }"
        elif isinstance(value, list) and value:
            text = "[\n" + ",\n".join(f"  {_json(entry)}" for entry in value) + "\n ]"
        else:
            text = _json(value)
        parts.append(f" {_json(key)}: {text}")
    text = "{\n" + ",\n".join(parts) + "\n}\n"
    # A file's name may hold bytes of another encoding, which no text can.
    (folder / LEDGER_JSON).write_bytes(text.encode(errors="replace"))


_json = json.JSONEncoder(ensure_ascii=False).encode


def _write_labels(
    root: Path,
    images: Sequence[AssembledImage],
    splits: Sequence[str],
    names: Sequence[str],
    label_map: LabelMap,
    geometry: Geometry,
) -> None:
    """A label file for every image but those of unknown status; an empty one is a negative."""
    ids = {name: number for number, name in enumerate(label_map)}
    known = [entry.status is not Status.UNKNOWN for entry in images]
    with _open_folders(
        root / "labels", {split for split, wanted in zip(splits, known, strict=True) if wanted}
    ) as folders:
        for entry, split, name, wanted in zip(images, splits, names, known, strict=True):
            if wanted:
                text = label_lines(entry.findings, entry.size_wh, ids, geometry)
                _write_file(folders[split], f"{_without_suffix(name)}.txt", text.encode())


@contextmanager
def _open_folders(root: Path, names: Iterable[str]) -> Iterator[dict[str, int]]:
    """Handles of new folders below ``root``, by name."""
    handles: dict[str, int] = {}
    try:
        for name in sorted(names):
            (root / name).mkdir(parents=True)
            handles[name] = os.open(root / name, os.O_RDONLY | os.O_DIRECTORY)
        yield handles
    finally:
        for handle in handles.values():
            os.close(handle)


def _write_file(folder: int, name: str, data: bytes) -> None:
    """Write a new file; three times as fast as a Python file object, and there are thousands."""
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=folder)
    try:
        while data:
            data = data[os.write(handle, data) :]
    finally:
        os.close(handle)


def _without_suffix(name: str) -> str:
    return name.rpartition(".")[0] or name


def _columns(images: Sequence[AssembledImage]) -> tuple[dict[str, str], dict[str, str]]:
    """The columns of further texts and of image-level labels, by name.

    They are called as they are, unless one of ours is, or a label and a text of one image.
    """
    texts = sorted({name for entry in images for name in entry.extra})
    labels = sorted({name for entry in images for name in entry.labels})
    both = {name for entry in images for name in entry.labels if name in entry.extra}
    taken = {*COLUMNS, *texts, *labels}

    def column(name: str, clashing: Collection[str]) -> str:
        if name in clashing:
            while name in taken:
                name += "_label"
            taken.add(name)
        return name

    return (
        {name: column(name, COLUMNS) for name in texts},
        {name: column(name, {*COLUMNS, *both}) for name in labels},
    )


def _record(
    entry: AssembledImage, name: str, texts: Mapping[str, str], labels: Mapping[str, str]
) -> ImageRecord:
    unknown = entry.status is Status.UNKNOWN
    split = UNSPLIT if unknown else entry.split or UNSPLIT
    if entry.image is None:
        raise AnnotationError(f"{entry.name}: its image was not looked for")
    width, height = entry.size_wh
    extra = {texts[key]: value for key, value in entry.extra.items()}
    extra |= {labels[key]: str(int(value)) for key, value in entry.labels.items()}
    extra |= {column: "" for column in labels.values() if column not in extra}
    return ImageRecord(
        image=PurePosixPath("images", UNKNOWN_FOLDER if unknown else split, name),
        split=split,
        patient_id=entry.patient_id,
        status=entry.status,
        width=width,
        height=height,
        sha256=entry.image.sha256,
        source=entry.source,
        extra=extra,
    )


def _annotation(entry: AssembledImage, name: str) -> ImageAnnotation:
    return ImageAnnotation(
        image=name,
        source=entry.source,
        size_wh=entry.size_wh,
        findings=tuple(entry.findings),
        status=entry.status,
        split=entry.split,
        patient_id=entry.patient_id,
        labels=entry.labels,
        extra=entry.extra,
    )


def _place(entry: AssembledImage, target: str) -> None:
    """Link the image, so that a set costs no space; copy it where it lies on another disk."""
    image = entry.image
    if image is None:
        return
    if image.data is not None:
        Path(target).write_bytes(image.data)
        return
    source = os.path.realpath(image.path)
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        shutil.copyfile(source, target)
