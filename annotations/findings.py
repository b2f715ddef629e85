"""What readers marked: findings, annotated images, and the one mapping of names to class ids."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePath

from lucency.annotations.geometry import Box, Point


class Status(StrEnum):
    """What is known about an image. Only a confirmed negative may become an empty label file."""

    ANNOTATED = "annotated"
    NEGATIVE = "negative"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One marked finding. It has no score: truth and prediction are different types.

    ``polygon`` is the outline in pixels of the stored image where the format had one.
    ``index`` is the position in the source file (``shapes[3]``), for the ledger.
    """

    label: str
    box: Box
    polygon: tuple[Point, ...] | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    index: str = ""

    def __post_init__(self) -> None:
        if not self.label.strip():
            raise ValueError("a finding must have a label, got an empty one")


@dataclass(frozen=True, slots=True)
class ImageAnnotation:
    """All findings of one image.

    ``image`` is the path as the annotation names it, ``source`` the annotation file,
    ``size_wh`` the size in pixels that the coordinates refer to (None where the format has none),
    ``split`` and ``patient_id`` what the source says of them, or empty.
    ``labels`` are image-level labels, such as ``{"tb": True}``.

    Raises
    ------
    ValueError
        Findings without the status ``annotated``, or the status without findings; a size below 1.

    """

    image: PurePath
    source: PurePath
    size_wh: tuple[int, int] | None
    findings: tuple[Finding, ...]
    status: Status
    split: str = ""
    patient_id: str = ""
    labels: Mapping[str, bool] = field(default_factory=dict)

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
