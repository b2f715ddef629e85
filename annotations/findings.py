"""What readers marked: findings, annotated images, and the one mapping of names to class ids."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from lucency.annotations.geometry import Box, Point

# Shared by all that have none: a set has 100,000 findings.
NO_ATTRIBUTES: Mapping[str, Any] = MappingProxyType({})


class Status(StrEnum):
    """What is known about an image. Only a confirmed negative may become an empty label file."""

    ANNOTATED = "annotated"
    NEGATIVE = "negative"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One marked finding. It has no score: truth and prediction are different types.

    ``polygon`` is the outline where the format had one, in the same pixels as the box: at least
    three corners, the four of a rotated rectangle among them. ``attributes`` are further things
    said of it, as text. ``index`` is the position in the source file (``shapes[3]``).
    """

    label: str
    box: Box
    polygon: tuple[Point, ...] | None = None
    attributes: Mapping[str, str] = field(default_factory=lambda: NO_ATTRIBUTES)
    index: str = ""

    def __post_init__(self) -> None:
        if not self.label or self.label.isspace():
            raise ValueError("a finding must have a label, got an empty one")


@dataclass(frozen=True, slots=True)
class ImageAnnotation:
    """What one reader marked in one image.

    ``image`` is the path as the annotation names it, with forward slashes, or the image's DICOM
    SOPInstanceUID; ``source`` the annotation file's name below the folder that is read,
    ``size_wh`` the size in pixels that the coordinates refer to (None where the format has none),
    ``reader`` who marked it, ``split`` and ``patient_id`` what the source says of them, or empty.
    ``labels`` are image-level labels, such as ``{"tb": True}``; ``extra`` further columns of
    ``dataset.csv``, such as the view.

    Where several readers marked an image, each gives one such annotation.

    Raises
    ------
    ValueError
        Findings without the status ``annotated``, or the status without findings; a size below 1.

    """

    image: str
    source: str
    size_wh: tuple[int, int] | None
    findings: tuple[Finding, ...]
    status: Status
    reader: str = ""
    split: str = ""
    patient_id: str = ""
    labels: Mapping[str, bool] = field(default_factory=lambda: NO_ATTRIBUTES)
    extra: Mapping[str, str] = field(default_factory=lambda: NO_ATTRIBUTES)

    def __post_init__(self) -> None:
        if bool(self.findings) != (self.status is Status.ANNOTATED):
            raise ValueError(
                f"{len(self.findings)} findings do not go with the status '{self.status}'"
            )
        if self.size_wh is not None and min(self.size_wh) < 1:
            raise ValueError(f"the image size must be at least 1 x 1, got {self.size_wh}")


@dataclass(frozen=True, slots=True)
class LabelMap:
    """Class names in order: the only mapping between names and ids (0, 1, 2, …).

    Raises
    ------
    ValueError
        A name is empty or stands twice.

    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if any(not name.strip() for name in self.names):
            raise ValueError(f"class names must not be empty, got {list(self.names)}")
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"class names must be different, got {list(self.names)}")

    @classmethod
    def sorted_from(cls, labels: Iterable[str]) -> "LabelMap":
        """The map of all ``labels``, sorted by name, so that file order never matters."""
        return cls(tuple(sorted(set(labels))))

    def id_of(self, name: str) -> int:
        """The id of ``name``; raises `ValueError` if it is not in the map."""
        return self.names.index(name)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names
