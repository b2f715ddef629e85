"""What the books of a conversion tell of a set: each box and image lost, clipped or merged."""

from collections import defaultdict
from collections.abc import Iterator

from lucency.annotations.checked_images import ImageNames
from lucency.annotations.ledger import BoxEntry, Ledger, Reason
from lucency.annotations.problems import RULES, Problem

# Reasons for which a whole image is left out; its boxes are told with it.
_OF_IMAGES = frozenset(
    {
        Reason.AMBIGUOUS_IMAGE,
        Reason.CONTRADICTION,
        Reason.MISSING_IMAGE,
        Reason.SIZE_MISMATCH,
        Reason.UNREADABLE_IMAGE,
    }
)


def check_ledger(ledger: Ledger, names: ImageNames) -> Iterator[Problem]:
    """A problem for each entry of the ledger that has a rule, in the order of the ledger.

    ``image`` is the name of the image in the set where there is one, else that in the annotation.
    """
    with_image: defaultdict[tuple[str, str], list[BoxEntry]] = defaultdict(list)
    for box in ledger.box_entries:
        if box.reason in _OF_IMAGES:
            with_image[box.source, box.image].append(box)
        elif box.reason in RULES:
            yield _of_box(box, names)
    # An image that several readers marked has an entry for each of them.
    for entry in dict.fromkeys(ledger.image_entries):
        if entry.reason not in RULES:
            continue
        lost = with_image.pop((entry.source, entry.image), []) if entry.left_out else []
        detail = entry.detail
        if lost:
            detail += f"; {len(lost)} box{'es' * (len(lost) != 1)} lost with it"
        name = _name(entry.image, entry.source, names)
        yield Problem(str(entry.reason), detail, name, entry.source)
    for boxes in with_image.values():
        yield from (_of_box(box, names) for box in boxes)
    for hint in ledger.hints:
        yield Problem("hint", hint)


def _of_box(box: BoxEntry, names: ImageNames) -> Problem:
    name = _name(box.image, box.source, names)
    return Problem(str(box.reason), box.detail, name, box.source, box.index, box.label)


def _name(image: str, source: str, names: ImageNames) -> str:
    found = names.find(image, source=source) if image else None
    return found.name if found else image
