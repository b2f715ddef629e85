"""Several annotations of one image: grouped, and what they say of it compared."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from lucency.annotations.choices import Readers
from lucency.annotations.findings import NO_ATTRIBUTES, ImageAnnotation
from lucency.annotations.ledger import Reason
from lucency.annotations.locating import LeftOutError

if TYPE_CHECKING:
    from lucency.annotations.assembly import AssembledImage


def by_image(
    annotations: Iterable[ImageAnnotation], readers: Readers
) -> Iterator[list[ImageAnnotation]]:
    """The annotations of each image by its readers; all of them are fused only if all are known."""
    if readers is not Readers.ALL:
        groups: dict[tuple[str, str], list[ImageAnnotation]] = {}
        for annotation in annotations:
            groups.setdefault((annotation.source, annotation.image), []).append(annotation)
        yield from groups.values()
        return
    group: list[ImageAnnotation] = []
    for annotation in annotations:
        if group and (annotation.image != group[0].image or annotation.source != group[0].source):
            yield group
            group = []
        group.append(annotation)
    if group:
        yield group


def said_of(group: list[ImageAnnotation], before: "AssembledImage | None") -> dict[str, Any]:
    """Split, patient, labels and further columns, which must not contradict each other.

    Raises
    ------
    LeftOutError
        They do.

    """
    if len(group) == 1 and before is None:
        alone = group[0]
        return {
            "split": alone.split,
            "patient_id": alone.patient_id,
            "labels": alone.labels,
            "extra": alone.extra,
        }
    told: list[ImageAnnotation | AssembledImage] = [*group, *([before] if before else [])]
    splits = {one.split for one in told if one.split}
    patients = {one.patient_id for one in told if one.patient_id}
    labels = {item for one in told for item in one.labels.items()}
    if len(splits) > 1 or len(patients) > 1 or len(dict(labels)) < len(labels):
        detail = "several splits, patients or image-level labels are given for it"
        raise LeftOutError(Reason.CONTRADICTION, detail)
    extra: dict[str, str] = {}
    for one in reversed(told):
        extra |= one.extra
    return {
        "split": next(iter(splits), ""),
        "patient_id": next(iter(patients), ""),
        "labels": dict(sorted(labels)) or NO_ATTRIBUTES,
        "extra": extra or NO_ATTRIBUTES,
    }


def check_names(one: str, other: str) -> None:
    """Make sure that an image was not found for train/1.png and for val/1.png alike.

    Raises
    ------
    LeftOutError
        Two names that an image was found by have different folders.

    """
    folders = _folders(one), _folders(other)
    if any(here != there for here, there in zip(*folders, strict=False)):
        detail = f"the one image of this name was found for {one} and for {other}"
        raise LeftOutError(Reason.AMBIGUOUS_IMAGE, detail)


def _folders(name: str) -> list[str]:
    """The folders in a name, the last one first."""
    return [part for part in name.split("/")[-2::-1] if part not in ("", ".", "..")]
