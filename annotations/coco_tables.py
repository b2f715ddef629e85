"""The tables of a COCO document: its categories and its images, by id."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lucency.annotations import documents
from lucency.annotations.documents import listing, mapping, shown
from lucency.annotations.findings import NO_ATTRIBUTES
from lucency.configs.errors import AnnotationError


@dataclass(frozen=True, slots=True)
class CocoImage:
    """An entry of ``images``."""

    name: str
    size_wh: tuple[int, int] | None
    split: str
    patient_id: str
    labels: Mapping[str, bool]


def category_names(document: Mapping[str, Any], *, where: str) -> dict[object, str]:
    """The names of the categories by id, which may start anywhere and have gaps.

    Raises
    ------
    AnnotationError
        A category has no name or no id, or an id stands for two names.

    """
    names: dict[object, str] = {}
    categories = listing(document.get("categories", []), where=f"{where}: categories")
    for number, value in enumerate(categories):
        position = f"{where}: categories[{number}]"
        category = mapping(value, where=position)
        name = documents.text(category.get("name"))
        if name is None:
            raise AnnotationError(
                f"{position}.name: must be a name, got {shown(category.get('name'))}"
            )
        category_id = _id(category, where=position)
        if names.setdefault(category_id, name) != name:
            raise AnnotationError(
                f"{position}.id: {category_id} stands for both '{names[category_id]}' and '{name}'"
            )
    return names


def images_by_id(
    document: Mapping[str, Any], *, where: str
) -> tuple[dict[object, CocoImage], dict[object, list[str]]]:
    """The images by id and, apart from them, the file names that share an id.

    Raises
    ------
    AnnotationError
        An image has no id, no file name, or an impossible size.

    """
    images: dict[object, CocoImage] = {}
    clashing: dict[object, list[str]] = {}
    for number, value in enumerate(listing(document["images"], where=f"{where}: images")):
        position = f"{where}: images[{number}]"
        entry = mapping(value, where=position)
        image_id, image = _id(entry, where=position), _image(entry, where=position)
        before = images.setdefault(image_id, image)
        if before.name != image.name:
            shared = clashing.setdefault(image_id, [before.name])
            if image.name not in shared:
                shared.append(image.name)
    for image_id in clashing:
        del images[image_id]
    return images, clashing


def key_of(value: object) -> object:
    """An id as a dictionary key (1.0 equals 1), or None if it cannot be one."""
    if type(value) is int:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str) or value != value:
        return None
    return value


def _id(entry: Mapping[str, Any], *, where: str) -> object:
    key = key_of(entry.get("id"))
    if key is None:
        found = shown(entry.get("id"))
        raise AnnotationError(f"{where}.id: must be a number or a text, got {found}")
    return key


def _image(image: Mapping[str, Any], *, where: str) -> CocoImage:
    name = documents.text(image.get("file_name"))
    if name is None:
        found = shown(image.get("file_name"))
        raise AnnotationError(f"{where}.file_name: must be a file name, got {found}")
    flags = image.get("flags")
    return CocoImage(
        name=name.replace("\\", "/"),
        size_wh=documents.size_wh(image.get("width"), image.get("height"), where=where),
        split=documents.split(image.get("split"), where=where),
        patient_id=documents.patient_id(image.get("patient_id"), where=where),
        labels=documents.flags(flags, where=f"{where}.flags") if flags else NO_ATTRIBUTES,
    )
