"""Label Studio's tasks: what each annotator handed in, and the names of the images."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from lucency.annotations import documents
from lucency.annotations.documents import finite, listing, mapping, whole
from lucency.annotations.image_size import IMAGE_SUFFIXES
from lucency.configs.errors import AnnotationError

_SUFFIXES = IMAGE_SUFFIXES | {".bmp", ".gif", ".webp"}
LOCAL_FILES = "/data/local-files/"
_HONOURED = ("image", "patient_id", "split")
_PAGE = re.compile(r"\d{1,6}\Z")
# Keys of a JSON-min entry that are neither the task's data nor results.
_MIN_KEYS = {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time",
             "agreement", "predictions"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class HandedIn:
    """What one annotator handed in for a task; ``skipped`` if it was cancelled instead."""

    where: str
    results: list[Any]
    reader: str
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """One task: the data it is about, the names of its images, and what was handed in.

    There are several ``images`` where the data hold a list of them: the pages of a document.
    """

    where: str
    data: Mapping[str, Any]
    images: tuple[str, ...]
    annotations: tuple[HandedIn, ...]


def tasks_in(document: object, *, where: str) -> list[Task]:
    """The tasks of a full export, of JSON-min, or of one file of a target storage.

    Raises
    ------
    AnnotationError
        It is none of these; ``where`` is the file's name.

    """
    if isinstance(document, dict) and isinstance(document.get("task"), dict):
        # A target storage holds annotations, with their tasks inside.
        document = {**document["task"], "annotations": [document]}
    entries = [document] if isinstance(document, dict) else listing(document, where=where)
    tasks = []
    for number, value in enumerate(entries):
        entry = mapping(value, where=f"{where}: [{number}]")
        if "data" in entry:
            tasks.append(_task(entry, f"[{number}]", where))
        elif "annotation_id" in entry or "annotator" in entry:
            tasks.append(_min_task(entry, f"[{number}]"))
        else:
            raise AnnotationError(f"{where}: [{number}]: is no task of Label Studio: has no 'data'")
    return tasks


def _task(entry: Mapping[str, Any], position: str, file_name: str) -> Task:
    data = mapping(entry["data"], where=f"{file_name}: {position}.data")
    key = "annotations" if "annotations" in entry else "completions"  # before version 1.0
    handed_in = []
    values = listing(entry.get(key) or [], where=f"{file_name}: {position}.{key}")
    for number, value in enumerate(values):
        where = f"{position}.{key}[{number}]"
        annotation = mapping(value, where=f"{file_name}: {where}")
        results = listing(annotation.get("result") or [], where=f"{file_name}: {where}.result")
        completed_by = annotation.get("completed_by")
        reader = _reader(annotation.get("reader") if completed_by is None else completed_by)
        skipped = annotation.get("was_cancelled") is True
        handed_in.append(HandedIn(f"{where}.result", results, reader, skipped))
    return Task(position, data, _task_images(data), tuple(handed_in))


def _min_task(entry: Mapping[str, Any], position: str) -> Task:
    data = {key: value for key, value in entry.items() if key not in _MIN_KEYS}
    results = []
    for key, value in entry.items():
        found = value if isinstance(value, list) else [value]
        if key not in _MIN_KEYS and any(_is_result(item) for item in found):
            del data[key]
            results += [{"value": item, "from_name": key} for item in found]
    handed_in = HandedIn(f"{position}.results", results, _reader(entry.get("annotator")))
    return Task(position, data, _task_images(data), (handed_in,))


def _is_result(value: object) -> bool:
    # Data may be objects as well, such as the pages of a document: {"url": …}.
    return isinstance(value, dict) and any(
        key in value for key in ("x", "points", "rle", "choices", "original_width")
    )


def _reader(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("email") or value.get("id")
    number = whole(value)
    return str(number) if number is not None else documents.text(value) or ""


def image_in(task: Task, target: tuple[str, int | None], *, alone: bool) -> str | None:
    """The name of the image that a result is about, or None if nothing tells.

    ``target`` is the name of its control and the page. Only the configuration of a project says
    which of the data a control shows. Without it: the data of the control's name; the page, by
    the number at the name's end; where all results are about one image (``alone``), ``image``,
    or the first image among the data.
    """
    to_name, page = target
    named = _name(task.data.get(to_name))
    if named is not None:
        return named
    if len(task.images) == 1:
        return task.images[0] if alone else None
    number = _PAGE.search(to_name)
    at = page if page is not None else int(number[0]) if number else -1
    return task.images[at] if 0 <= at < len(task.images) else None


def _task_images(data: Mapping[str, Any]) -> tuple[str, ...]:
    main = _name(data.get("image")) or next(_images(data), None)
    if main is not None:
        return (main,)
    for values in data.values():
        if isinstance(values, list):
            found = [next(_images(v), None) if isinstance(v, dict) else _name(v) for v in values]
            names = tuple(name for name in found if name is not None and _is_image(name))
            if names and len(names) == len(values):
                return names
    return ()


def texts(data: Mapping[str, Any]) -> dict[str, str]:
    """The short texts and numbers in a task's data that are no images."""
    found = {}
    for key, value in data.items():
        number = finite(value)
        told = documents.text(value if number is None else f"{number:g}")
        if told is None or documents.text(key) is None or key in _HONOURED:
            continue
        if not _is_path(told) and not _is_image(told):
            found[key] = told
    return found


def _images(data: Mapping[str, Any]) -> Iterator[str]:
    """All images among the data: first what has an image's suffix, then any path or address."""
    names = [(value, _name(value)) for value in data.values()]
    yield from (name for _, name in names if name is not None and _is_image(name))
    yield from (name for value, name in names if name is not None and _is_path(value))


def _is_image(name: str) -> bool:
    return os.path.splitext(name.partition("?")[0])[1].lower() in _SUFFIXES  # noqa: PTH122


def _is_path(value: str) -> bool:
    return ("/" in value or "\\" in value) and not any(char.isspace() for char in value)


def _name(value: object) -> str | None:
    """The path in an address, or None.

    Uploaded files keep the eight digits before their names, as they do in Label Studio's own
    exports with images.
    """
    name = documents.text(value)
    if name is None or name.startswith("data:"):
        return None
    if name.startswith(LOCAL_FILES):
        name = unquote(name.partition("?d=")[2].partition("&")[0])
    elif "://" in name:
        path = name.partition("://")[2].partition("?")[0].partition("#")[0]
        name = unquote(path.partition("/")[2])
    elif name.startswith("/data/"):
        name = unquote(name.partition("?")[0])
    return documents.text(name.replace("\\", "/").lstrip("/"))
