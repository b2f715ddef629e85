"""Bringing annotations and images together: every box in pixels of its image, or in the ledger."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lucency.annotations.findings import Finding, ImageAnnotation, Status
from lucency.annotations.fitting import LabelRules, SizeMismatchError, fit, scale_to
from lucency.annotations.formats import Codec
from lucency.annotations.images import (
    AmbiguousImageError,
    ImageFinder,
    MissingImageError,
    SourceImage,
    look_at,
    look_at_bytes,
)
from lucency.annotations.ledger import Ledger, Reason
from lucency.configs.errors import AnnotationError, ImageError

# Called with how many images are done, and how many there are.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class AssembledImage:
    """An image as it will stand in the data set, its findings in pixels and inside it."""

    image: SourceImage
    source: str
    findings: tuple[Finding, ...]
    status: Status
    split: str = ""
    patient_id: str = ""
    labels: Mapping[str, bool] = field(default_factory=dict)


def assemble(
    annotations: Iterable[ImageAnnotation],
    *,
    codec: Codec,
    finder: ImageFinder,
    negatives: Iterable[Path],
    unlisted: Iterable[Path],
    rules: LabelRules,
    ledger: Ledger,
    progress: Progress | None = None,
) -> list[AssembledImage]:
    """Find and look at every image, and fit its findings.

    ``negatives`` are images known to show nothing, ``unlisted`` further images of the set that
    no annotation names. Whatever cannot be part of the set goes to ``ledger``; nothing of the
    kind raises.
    """
    groups = _grouped(annotations, codec, finder, ledger)
    suspects = {Path(e.image or e.source).stem for e in ledger.image_entries if e.left_out}
    confirmed = {os.path.realpath(path): path for path in negatives}
    further = {os.path.realpath(path): path for path in unlisted} | confirmed
    further = {real: path for real, path in further.items() if real not in groups}
    total = len(groups) + len(further)
    assembled = []
    for done, (real, group) in enumerate(groups.items(), start=1):
        entry = _annotated(group, rules, ledger, confirmed=real in confirmed)
        if entry is not None:
            assembled.append(entry)
        if progress:
            progress(done, total)
    for done, (real, path) in enumerate(further.items(), start=len(groups) + 1):
        negative = real in confirmed and path.stem not in suspects
        entry = _unannotated(path, Status.NEGATIVE if negative else Status.UNKNOWN, ledger)
        if entry is not None:
            assembled.append(entry)
        if progress:
            progress(done, total)
    return _without_contradictions(assembled, ledger)


@dataclass(frozen=True, slots=True)
class _Group:
    """All annotations of one image; ``data`` is the image if an annotation carries it inside."""

    path: Path
    annotations: list[ImageAnnotation]
    data: bytes | None = None


def _grouped(
    annotations: Iterable[ImageAnnotation], codec: Codec, finder: ImageFinder, ledger: Ledger
) -> dict[str, _Group]:
    """The annotations by the image they are about; those without an image are left out."""
    groups: dict[str, _Group] = {}
    for annotation in annotations:
        source = Path(annotation.source)
        try:
            path, data = _image_of(annotation, codec, finder)
        except MissingImageError as error:
            _leave_out([annotation], Reason.MISSING_IMAGE, str(error), ledger)
        except AmbiguousImageError as error:
            _leave_out([annotation], Reason.AMBIGUOUS_IMAGE, str(error), ledger)
        except AnnotationError as error:
            _leave_out([annotation], Reason.UNREADABLE_IMAGE, str(error), ledger)
        else:
            key = os.path.realpath(source if data is not None else path)
            groups.setdefault(key, _Group(path, [], data)).annotations.append(annotation)
    return groups


def _image_of(
    annotation: ImageAnnotation, codec: Codec, finder: ImageFinder
) -> tuple[Path, bytes | None]:
    source = Path(annotation.source)
    try:
        path = finder.find(annotation.image, beside=source.parent)
    except MissingImageError:
        data = codec.embedded_image(source)
        if data is None:
            raise
        return Path(annotation.image), data
    if path == source:  # labelme 2 could name the annotation itself as its image
        return path, codec.embedded_image(source)
    return path, None


def _annotated(
    group: _Group, rules: LabelRules, ledger: Ledger, *, confirmed: bool
) -> AssembledImage | None:
    annotations = group.annotations
    try:
        image = look_at(group.path) if group.data is None else look_at_bytes(group.data, group.path)
        splits = {a.split for a in annotations if a.split}
        patients = {a.patient_id for a in annotations if a.patient_id}
        labels = {item for a in annotations for item in a.labels.items()}
        if max(len(splits), len(patients), 1 + len(labels) - len(dict(labels))) > 1:
            told = "several splits, patients or image-level labels are given for it"
            _leave_out(annotations, Reason.CONTRADICTION, told, ledger)
            return None
        scales = [scale_to(image.size_wh, annotation, ledger) for annotation in annotations]
    except ImageError as error:
        _leave_out(annotations, Reason.UNREADABLE_IMAGE, str(error), ledger)
        return None
    except SizeMismatchError as error:
        _leave_out(annotations, Reason.SIZE_MISMATCH, str(error), ledger)
        return None
    findings: dict[tuple[object, ...], Finding] = {}
    for annotation, scale in zip(annotations, scales, strict=True):
        fit(annotation, scale, image.size_wh, rules, findings, ledger)
    return AssembledImage(
        image=image,
        source=ledger.name(annotations[0].source),
        findings=tuple(findings.values()),
        status=_status(annotations, bool(findings), ledger, confirmed=confirmed),
        split=next(iter(splits), ""),
        patient_id=next(iter(patients), ""),
        labels=dict(sorted(labels)),
    )


def _status(
    annotations: list[ImageAnnotation], has_findings: bool, ledger: Ledger, *, confirmed: bool
) -> Status:
    """An image that lost a box is never a negative; one whose labels were all dropped is."""
    first = annotations[0]
    if has_findings:
        if confirmed:
            detail = "stands in the folder of negatives, but has boxes: kept as annotated"
            ledger.note(
                first.source, image=str(first.image), reason=Reason.CONTRADICTION, detail=detail
            )
        return Status.ANNOTATED
    lost = any(ledger.lost_boxes(a.source, str(a.image)) for a in annotations)
    unknown = any(a.status is Status.UNKNOWN for a in annotations)
    if not lost and (confirmed or not unknown):
        return Status.NEGATIVE
    detail = "its boxes were all dropped" if lost else "nothing says whether it was looked at"
    ledger.note(first.source, image=str(first.image), reason=Reason.UNKNOWN_STATUS, detail=detail)
    return Status.UNKNOWN


def _unannotated(path: Path, status: Status, ledger: Ledger) -> AssembledImage | None:
    name = f"{path.parent.name}/{path.name}"
    try:
        image = look_at(path)
    except ImageError as error:
        reason = Reason.UNREADABLE_IMAGE
        ledger.leave_out(path.parent, image=name, reason=reason, detail=str(error))
        return None
    if status is Status.UNKNOWN:
        reason = Reason.UNKNOWN_STATUS
        ledger.note(path.parent, image=name, reason=reason, detail="no annotation names it")
    return AssembledImage(image, ledger.name(path.parent), (), status)


def _leave_out(
    annotations: Iterable[ImageAnnotation], reason: Reason, detail: str, ledger: Ledger
) -> None:
    """Leave an image out, with all its boxes."""
    for annotation in annotations:
        image = str(annotation.image)
        ledger.leave_out(annotation.source, image=image, reason=reason, detail=detail)
        for finding in annotation.findings:
            ledger.drop(
                annotation.source,
                image=image,
                index=finding.index,
                label=finding.label,
                reason=reason,
                detail="its image is left out",
            )


def _without_contradictions(images: list[AssembledImage], ledger: Ledger) -> list[AssembledImage]:
    """Leave negatives out that are, byte for byte, an image with findings."""
    marked = {i.image.sha256: i for i in images if i.status is Status.ANNOTATED}
    kept = []
    for entry in images:
        twin = marked.get(entry.image.sha256)
        if twin is None or entry.status is not Status.NEGATIVE:
            kept.append(entry)
            continue
        path = entry.image.path
        detail = f"is a negative, but the same file as {twin.image.path.name}, which has findings"
        name = f"{path.parent.name}/{path.name}"
        ledger.leave_out(path.parent, image=name, reason=Reason.CONTRADICTION, detail=detail)
    return kept
