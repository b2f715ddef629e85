"""What happened to every box and every image of a conversion, so that nothing is lost in silence.

The books must balance: boxes in = written + merged + dropped. A clipped box is a written one
with a note.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import PurePath
from typing import Any

from lucency.annotations.findings import Status
from lucency.configs.errors import AnnotationError, ConfigError


class Outcome(StrEnum):
    """What became of a box."""

    WRITTEN = "written"
    CLIPPED = "clipped"
    MERGED = "merged"
    DROPPED = "dropped"


class Reason(StrEnum):
    """Why a box or an image was changed or left out."""

    # boxes
    BEYOND_EDGE = "beyond-edge"
    CROWD = "crowd"
    DUPLICATE = "duplicate"
    DROPPED_LABEL = "dropped-label"
    MALFORMED = "malformed"
    NO_BOX = "no-box"
    NOT_FINITE = "not-finite"
    OUTSIDE_IMAGE = "outside-image"
    UNKNOWN_CLASS = "unknown-class"
    UNKNOWN_IMAGE = "unknown-image"
    UNSUPPORTED_SHAPE = "unsupported-shape"
    ZERO_AREA = "zero-area"
    # images and annotation files
    AMBIGUOUS_IMAGE = "ambiguous-image"
    CONTRADICTION = "contradiction"
    MISSING_IMAGE = "missing-image"
    SCALED = "scaled"
    SIZE_MISMATCH = "size-mismatch"
    UNKNOWN_STATUS = "unknown-status"
    UNREADABLE_ANNOTATION = "unreadable-annotation"
    UNREADABLE_IMAGE = "unreadable-image"


# These tell of a change that loses nothing, or of one that was asked for.
HARMLESS = frozenset(
    {
        Reason.BEYOND_EDGE,
        Reason.DUPLICATE,
        Reason.DROPPED_LABEL,
        Reason.SCALED,
        Reason.UNKNOWN_STATUS,
    }
)
LOSSES = tuple(reason for reason in Reason if reason not in HARMLESS)


class UnusableBox(Exception):  # noqa: N818 - no error of the program: it ends in the ledger
    """A box in a source file that is no finding; readers turn it into a ledger entry."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class BoxEntry:
    """One box of a source file that was not plainly written."""

    source: str
    image: str
    index: str
    label: str
    outcome: Outcome
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """One image or annotation file with something to tell; ``left_out`` if it was not written."""

    source: str
    image: str
    reason: Reason
    detail: str
    left_out: bool


class Ledger:
    """The books of one conversion.

    Readers state how many boxes each file holds (`expect`); whoever decides on a box then says
    what became of it, exactly once. Paths are kept relative to ``root``, so that a ledger tells
    nothing of the machine it was made on.
    """

    def __init__(self, root: PurePath) -> None:
        self.root = root
        self.box_entries: list[BoxEntry] = []
        self.image_entries: list[ImageEntry] = []
        self.images: Counter[Status] = Counter()
        self.outcomes: Counter[tuple[str, Outcome]] = Counter()  # by label in the source
        self._expected: Counter[str] = Counter()
        self._files: defaultdict[str, Counter[Outcome]] = defaultdict(Counter)
        self._lossy: set[tuple[str, str]] = set()

    def name(self, path: PurePath) -> str:
        """The name of a source file in the ledger: its path below the root."""
        try:
            return path.relative_to(self.root).as_posix()
        except ValueError:
            return path.name

    def expect(self, source: PurePath, count: int) -> None:
        """State that ``source`` holds ``count`` (more) boxes."""
        self._expected[self.name(source)] += count

    def written(self, source: PurePath, label: str, count: int = 1) -> None:
        """``count`` boxes were written as they stand."""
        self.outcomes[label, Outcome.WRITTEN] += count
        self._files[self.name(source)][Outcome.WRITTEN] += count

    def changed(
        self,
        source: PurePath,
        outcome: Outcome,
        *,
        image: str,
        index: str,
        label: str,
        reason: Reason,
        detail: str,
    ) -> None:
        """One box was clipped, merged or dropped."""
        name = self.name(source)
        entry = BoxEntry(name, image, index, label, outcome, reason, detail)
        self.box_entries.append(entry)
        self.outcomes[label, outcome] += 1
        self._files[name][outcome] += 1
        if outcome is Outcome.DROPPED and reason is not Reason.DROPPED_LABEL:
            self._lossy.add((name, image))

    def drop(
        self, source: PurePath, *, image: str, index: str, label: str, reason: Reason, detail: str
    ) -> None:
        """One box was not written."""
        self.changed(
            source,
            Outcome.DROPPED,
            image=image,
            index=index,
            label=label,
            reason=reason,
            detail=detail,
        )

    def lost_boxes(self, source: PurePath, image: str) -> bool:
        """Whether a box of this image was dropped against the user's will."""
        return (self.name(source), image) in self._lossy

    def note(self, source: PurePath, *, image: str, reason: Reason, detail: str) -> None:
        """Something to tell about an image that is written all the same."""
        self.image_entries.append(ImageEntry(self.name(source), image, reason, detail, False))

    def leave_out(self, source: PurePath, *, image: str, reason: Reason, detail: str) -> None:
        """An image, or an annotation file, is not part of the result."""
        self.image_entries.append(ImageEntry(self.name(source), image, reason, detail, True))

    def totals(self) -> dict[str, int]:
        """Boxes in, written (clipped ones among them), clipped, merged and dropped."""
        counts: Counter[Outcome] = Counter()
        for (_, outcome), count in self.outcomes.items():
            counts[outcome] += count
        return {
            "in": sum(self._expected.values()),
            "written": counts[Outcome.WRITTEN] + counts[Outcome.CLIPPED],
            "clipped": counts[Outcome.CLIPPED],
            "merged": counts[Outcome.MERGED],
            "dropped": counts[Outcome.DROPPED],
        }

    def dropped_by_reason(self) -> Counter[Reason]:
        """How many boxes were dropped, by reason."""
        return Counter(e.reason for e in self.box_entries if e.outcome is Outcome.DROPPED)

    def dropped_by_label(self) -> Counter[tuple[str, Reason]]:
        """How many boxes were dropped, by label in the source and reason."""
        entries = self.box_entries
        return Counter((e.label, e.reason) for e in entries if e.outcome is Outcome.DROPPED)

    def left_out_by_reason(self) -> Counter[Reason]:
        """How many images and annotation files were left out, by reason."""
        return Counter(entry.reason for entry in self.image_entries if entry.left_out)

    def check(self) -> None:
        """Make sure that the books balance, file by file; anything else is a bug of ours.

        Raises
        ------
        RuntimeError
            A box has no outcome, or more than one.

        """
        for source in self._expected.keys() | self._files.keys():
            outcomes = sum(self._files[source].values())
            if outcomes != self._expected[source]:
                raise RuntimeError(
                    f"{source}: {self._expected[source]} boxes in, but {outcomes} accounted for; "
                    "please report this"
                )

    def refuse_losses(self, allow: Collection[Reason]) -> None:
        """Raise unless every loss has a reason in ``allow``.

        Raises
        ------
        AnnotationError
            One line with the counts by reason, an example of each, and how to go on.

        """
        boxes, images = self.dropped_by_reason(), self.left_out_by_reason()
        reasons = [r for r in LOSSES if r not in allow and (boxes[r] or images[r])]
        if not reasons:
            return
        told = [
            f"{reason}: {_count(reason, images[reason], boxes[reason])} ({self._example(reason)})"
            for reason in reasons
        ]
        flags = " ".join(f"--allow {reason}" for reason in reasons)
        mend = "mend the source"
        if reasons == [Reason.MISSING_IMAGE]:
            mend = "name the folder of the images with --images"
        raise AnnotationError(f"{'; '.join(told)}; {mend}, or leave them out with {flags}")

    def _example(self, reason: Reason) -> str:
        for entry in self.image_entries:
            if entry.reason is reason and entry.left_out:
                return _joined(entry.image or entry.source, entry.detail)
        for box in self.box_entries:
            if box.reason is reason and box.outcome is Outcome.DROPPED:
                return f"{box.source}: {_joined(box.index, box.detail)}"
        return ""

    def to_json(self) -> dict[str, Any]:
        """Totals, counts by reason, label and file, and every entry, ready for JSON."""
        labels: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for (label, outcome), count in sorted(self.outcomes.items()):
            labels[label][outcome.value] = count
        return {
            "boxes": {**self.totals(), "dropped_by_reason": _sorted(self.dropped_by_reason())},
            "images": {
                **{status.value: self.images[status] for status in Status},
                "left_out_by_reason": _sorted(self.left_out_by_reason()),
            },
            "labels": dict(labels),
            "files": {
                source: {"in": count, **_sorted(self._files[source])}
                for source, count in sorted(self._expected.items())
            },
            "box_entries": [asdict(entry) for entry in self.box_entries],
            "image_entries": [asdict(entry) for entry in self.image_entries],
        }


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


def _joined(where: str, detail: str) -> str:
    # Readers' details start with the file's name or the position already.
    return detail if detail.startswith(where) else f"{where}: {detail}"


def _count(reason: Reason, images: int, boxes: int) -> str:
    noun = "file" if reason is Reason.UNREADABLE_ANNOTATION else "image"
    parts = [f"{images} {noun}{'s' * (images != 1)}"] if images else []
    parts += [f"{boxes} box{'es' * (boxes != 1)}"] if boxes else []
    return " and ".join(parts)


def _sorted(counts: Mapping[Any, int]) -> dict[str, int]:
    return {str(key): count for key, count in sorted(counts.items())}
