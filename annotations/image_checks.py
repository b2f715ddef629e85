"""Images without annotation, and identical images."""

from collections.abc import Iterator, Sequence

from lucency.annotations.checked_images import CheckedImage
from lucency.annotations.findings import Finding, Status
from lucency.annotations.matching import DEFAULT_IOU, match
from lucency.annotations.naming import UNKNOWN_FOLDER
from lucency.annotations.picture_digest import identical_pictures
from lucency.annotations.problems import Problem
from lucency.annotations.records import SPLITS


def check_images(images: Sequence[CheckedImage], *, yolo: bool) -> Iterator[Problem]:
    """Images without annotation, and identical ones.

    In a ``yolo`` set, what stands in a split's folder without a label file is a negative for
    Ultralytics, and what stands in ``images/unknown`` was put there on purpose.
    """
    for image in images:
        # Where all boxes were unusable, each of them was told already.
        if image.entry.status is Status.UNKNOWN and not image.entry.lost:
            yield _unlabelled(image, yolo=yolo)
    for group in identical_pictures(images):
        yield _identical(group)


def _unlabelled(image: CheckedImage, *, yolo: bool) -> Problem:
    rule, text = "unlabelled-image", "nothing says whether it shows something"
    if yolo:
        folders = image.name.split("/")[:-1]
        if UNKNOWN_FOLDER in folders:
            rule, text = "set-aside", f"is set aside in images/{UNKNOWN_FOLDER}"
        elif any(split in folders for split in SPLITS):
            rule, text = "unlabelled-in-split", "has no label file"
    return Problem(rule, text, image.name)


def _identical(group: Sequence[CheckedImage]) -> Problem:
    """The worst that is to be said of identical images."""
    known = [image for image in group if image.entry.status is not Status.UNKNOWN]
    if len({image.entry.split for image in known} & set(SPLITS)) > 1:
        text = f"the same picture: {where_they_are(known)}"
        return Problem("image-in-two-splits", text, known[0].name, known[0].entry.source)
    for image in known[1:]:
        found = _difference(known[0], image)
        if found is not None:
            return found
    text = f"the same picture: {where_they_are(group)}"
    return Problem("identical-images", text, group[0].name, group[0].entry.source)


def _difference(first: CheckedImage, second: CheckedImage) -> Problem | None:
    """What is said of one of two identical images, but not of the other.

    Two people never draw a box alike: boxes of one label that overlap by half are one finding.
    """
    rule = "identical-images-differ"
    findings = tuple(first.entry.findings), tuple(second.entry.findings)
    matching = match(*findings, iou=DEFAULT_IOU)
    rows = [*(row for row, _, _ in matching.relabelled), *matching.only_first]
    if rows:
        return _only_here(first, second, findings[0][rows[0]])
    if matching.only_second:
        return _only_here(second, first, findings[1][matching.only_second[0]])
    told, also = first.entry.labels, second.entry.labels
    for name in sorted(told.keys() & also.keys()):
        if told[name] != also[name]:
            text = f"{name}: {told[name]}, but {also[name]} of {second.name}, the same picture"
            return Problem(rule, text, first.name, first.entry.source, label=name)
    return None


def _only_here(image: CheckedImage, other: CheckedImage, finding: Finding) -> Problem:
    text = f"the same picture as {other.name}, which has no '{finding.label}' here"
    return Problem(
        "identical-images-differ",
        text,
        image.name,
        image.entry.source,
        label=finding.label,
        box=finding.box,
    )


def where_they_are(group: Sequence[CheckedImage]) -> str:
    """The names of images with their splits; of many, one from each split."""
    named = [f"{i.name} ({i.entry.split})" if i.entry.split else i.name for i in group]
    splits = {image.entry.split: name for image, name in zip(group, named, strict=True)}
    if len(named) > 4:
        shown = list(splits.values())[:4]
        return f"{', '.join(shown)} and {len(named) - len(shown)} more"
    return ", ".join(named)
