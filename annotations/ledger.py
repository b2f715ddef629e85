"""What happened to every box and every image of a conversion, so that nothing is lost in silence.

The books must balance: boxes in = written + merged + dropped. A clipped box is a written one
with a note.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from lucency.annotations.findings import Status


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
    MINORITY = "minority"
    NO_BOX = "no-box"
    NOT_FINITE = "not-finite"
    OUTSIDE_IMAGE = "outside-image"
    READERS_AGREE = "readers-agree"
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
    TURNED = "turned"
    UNKNOWN_STATUS = "unknown-status"
    UNREADABLE_ANNOTATION = "unreadable-annotation"
    UNREADABLE_IMAGE = "unreadable-image"


# These tell of a change that loses nothing, or of one that was asked for.
HARMLESS = frozenset(
    {
        Reason.DUPLICATE,
        Reason.DROPPED_LABEL,
        Reason.MINORITY,
        Reason.READERS_AGREE,
        Reason.SCALED,
        Reason.TURNED,
        Reason.UNKNOWN_STATUS,
    }
)


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
    what became of it, exactly once. Files go by their names below the folder that is read, so
    that a ledger tells nothing of the machine it was made on. ``hints`` are sentences for the
    user that are about no single image.
    """

    def __init__(self) -> None:
        self.box_entries: list[BoxEntry] = []
        self.image_entries: list[ImageEntry] = []
        self.images: Counter[Status] = Counter()
        self.outcomes: Counter[tuple[str, Outcome]] = Counter()  # by label in the source
        self.hints: list[str] = []
        self._expected: dict[str, int] = {}
        self._written: dict[str, int] = {}
        self._changed: defaultdict[str, Counter[Outcome]] = defaultdict(Counter)
        self._lossy: set[tuple[str, str]] = set()

    def expect(self, source: str, count: int) -> None:
        """State that ``source`` holds ``count`` (more) boxes."""
        self._expected[source] = self._expected.get(source, 0) + count

    def written(self, source: str, counts: Mapping[str, int]) -> None:
        """So many boxes of each label were written as they stand."""
        total = 0
        for label, count in counts.items():
            self.outcomes[label, Outcome.WRITTEN] += count
            total += count
        self._written[source] = self._written.get(source, 0) + total

    def changed(
        self,
        source: str,
        outcome: Outcome,
        *,
        image: str,
        index: str,
        label: str,
        reason: Reason,
        detail: str,
    ) -> None:
        """One box was clipped, merged or dropped."""
        entry = BoxEntry(source, image, index, label, outcome, reason, detail)
        self.box_entries.append(entry)
        self.outcomes[label, outcome] += 1
        self._changed[source][outcome] += 1
        if outcome is Outcome.DROPPED and reason not in HARMLESS:
            self._lossy.add((source, image))

    def drop(
        self, source: str, *, image: str, index: str, label: str, reason: Reason, detail: str
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

    def unusable(
        self, source: str, problem: UnusableBox, *, image: str, index: str, label: str
    ) -> None:
        """One box of a source file is no finding, and is not written."""
        self.drop(
            source,
            image=image,
            index=index,
            label=label,
            reason=problem.reason,
            detail=problem.detail,
        )

    def lost_boxes(self, source: str, image: str) -> bool:
        """Whether a box of this image was dropped against the user's will."""
        return (source, image) in self._lossy

    def note(self, source: str, *, image: str, reason: Reason, detail: str) -> None:
        """Something to tell about an image that is written all the same."""
        self.image_entries.append(ImageEntry(source, image, reason, detail, False))

    def leave_out(self, source: str, *, image: str, reason: Reason, detail: str) -> None:
        """An image, or an annotation file, is not part of the result."""
        self.image_entries.append(ImageEntry(source, image, reason, detail, True))

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

    def noted_by_reason(self) -> Counter[Reason]:
        """How many images were written with something to tell, by reason."""
        return Counter(entry.reason for entry in self.image_entries if not entry.left_out)

    def check(self) -> None:
        """Make sure that the books balance, file by file; anything else is a bug of ours.

        Raises
        ------
        RuntimeError
            A box has no outcome, or more than one.

        """
        written = {source: count for source, count in self._written.items() if count}
        if not self._changed and written == {s: n for s, n in self._expected.items() if n}:
            return
        for source in self._expected.keys() | self._written.keys() | self._changed.keys():
            expected = self._expected.get(source, 0)
            outcomes = sum(self._outcomes_of(source).values())
            if outcomes != expected:
                raise RuntimeError(
                    f"{source}: {expected} boxes in, but {outcomes} accounted for; "
                    "please report this"
                )

    def _by_file(self) -> dict[str, dict[str, int]]:
        """Boxes in and their outcomes by file; files of the same counts share one entry."""
        alike: dict[tuple[tuple[str, int], ...], dict[str, int]] = {}
        counts = {}
        for source, count in sorted(self._expected.items()):
            entry = {"in": count, **self._outcomes_of(source)}
            counts[source] = alike.setdefault(tuple(entry.items()), entry)
        return counts

    def _outcomes_of(self, source: str) -> dict[str, int]:
        written = {"written": self._written.get(source, 0)}
        return written | _sorted(self._changed[source]) if source in self._changed else written

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
            "files": self._by_file(),
            "box_entries": [_as_dict(entry) for entry in self.box_entries],
            "image_entries": [_as_dict(entry) for entry in self.image_entries],
            "hints": list(self.hints),
        }


def _as_dict(entry: BoxEntry | ImageEntry) -> dict[str, Any]:
    return {field.name: getattr(entry, field.name) for field in fields(entry)}


def _sorted(counts: Mapping[Any, int]) -> dict[str, int]:
    return {str(key): count for key, count in sorted(counts.items())}
