"""The verdict on a conversion: what was lost, and whether the user agreed to it."""

from collections.abc import Collection

from lucency.annotations.ledger import HARMLESS, Ledger, Outcome, Reason
from lucency.configs.errors import AnnotationError, ConfigError

# Reasons for which a box may be dropped, or an image left out, against the user's will.
LOSSES = tuple(reason for reason in Reason if reason not in HARMLESS)


def refuse_losses(
    ledger: Ledger,
    allow: Collection[Reason],
    *,
    find_images: str = "name the folder of the images with --images",
) -> None:
    """Raise unless every loss in the books has a reason in ``allow``.

    ``find_images`` says what to do about images that are missing.

    Raises
    ------
    AnnotationError
        One line with the counts by reason, an example of each, and how to go on.

    """
    boxes, images = ledger.dropped_by_reason(), ledger.left_out_by_reason()
    reasons = [r for r in LOSSES if r not in allow and (boxes[r] or images[r])]
    if not reasons:
        return
    told = [
        f"{reason}: {_count(reason, images[reason], boxes[reason])} ({_example(ledger, reason)})"
        for reason in reasons
    ]
    flags = " ".join(f"--allow {reason}" for reason in reasons)
    mend = find_images if reasons == [Reason.MISSING_IMAGE] else "mend the source"
    raise AnnotationError(f"{'; '.join(told)}; {mend}, or leave them out with {flags}")


def reasons_from(names: Collection[str]) -> frozenset[Reason]:
    """The reasons that ``--allow`` names.

    Raises
    ------
    ConfigError
        A name is no reason for a loss.

    """
    known = {str(reason): reason for reason in LOSSES}
    for name in names:
        if name not in known:
            raise ConfigError(f"--allow {name}: no such reason; there are {', '.join(known)}")
    return frozenset(known[name] for name in names)


def _example(ledger: Ledger, reason: Reason) -> str:
    for entry in ledger.image_entries:
        if entry.reason is reason and entry.left_out:
            return _joined(entry.image or entry.source, entry.detail)
    for box in ledger.box_entries:
        if box.reason is reason and box.outcome is Outcome.DROPPED:
            return f"{box.source}: {_joined(box.index, box.detail)}"
    return ""


def _joined(where: str, detail: str) -> str:
    # Readers' details start with the file's name or the position already.
    return detail if detail.startswith(where) else f"{where}: {detail}"


def _count(reason: Reason, images: int, boxes: int) -> str:
    noun = "file" if reason is Reason.UNREADABLE_ANNOTATION else "image"
    parts = [f"{images} {noun}{'s' * (images != 1)}"] if images else []
    parts += [f"{boxes} box{'es' * (boxes != 1)}"] if boxes else []
    return " and ".join(parts)
