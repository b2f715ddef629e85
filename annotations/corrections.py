"""What readers made of a model's pre-labels: kept, moved, relabelled, deleted, added."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lucency.annotations.findings import Finding
from lucency.annotations.matching import DEFAULT_IOU, match
from lucency.annotations.prelabels import same_box


@dataclass(frozen=True, slots=True)
class Correction:
    """The boxes of one image, before and after.

    ``kept`` have the same label and corners; ``moved`` the same label and overlap by half or
    more; ``relabelled`` overlap so under another label, as pairs of the old label and the new.
    ``deleted`` and ``added`` are the labels of boxes without a partner.
    """

    image: str
    kept: tuple[str, ...]
    moved: tuple[str, ...]
    relabelled: tuple[tuple[str, str], ...]
    deleted: tuple[str, ...]
    added: tuple[str, ...]


@dataclass
class Tally:
    """Corrections counted by label.

    For each label, proposed = kept + moved + relabelled + deleted, and
    now = kept + moved + relabelled_to + added.
    """

    kept: Counter[str] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)
    relabelled: Counter[tuple[str, str]] = field(default_factory=Counter)
    deleted: Counter[str] = field(default_factory=Counter)
    added: Counter[str] = field(default_factory=Counter)

    def labels(self) -> list[str]:
        """All labels, sorted."""
        pairs = {label for pair in self.relabelled for label in pair}
        return sorted({*self.kept, *self.moved, *pairs, *self.deleted, *self.added})

    def row(self, label: str) -> dict[str, int]:
        """The counts of one label, ``proposed`` first and ``now`` last."""
        away = sum(n for (old, _), n in self.relabelled.items() if old == label)
        into = sum(n for (_, new), n in self.relabelled.items() if new == label)
        stayed = self.kept[label] + self.moved[label]
        return {
            "proposed": stayed + away + self.deleted[label],
            "kept": self.kept[label],
            "moved": self.moved[label],
            "relabelled": away,
            "deleted": self.deleted[label],
            "added": self.added[label],
            "relabelled_to": into,
            "now": stayed + into + self.added[label],
        }

    def to_json(self) -> dict[str, Any]:
        """The counts by label, and which labels became which."""
        return {
            "labels": {label: self.row(label) for label in self.labels()},
            "relabelled": [
                {"from": old, "to": new, "boxes": count}
                for (old, new), count in sorted(self.relabelled.items())
            ],
        }


def correction(image: str, proposed: Sequence[Finding], now: Sequence[Finding]) -> Correction:
    """Compare what a model proposed for an image with what a reader left there."""
    matching = match(proposed, now, iou=DEFAULT_IOU)
    kept: list[str] = []
    moved: list[str] = []
    for row, other, _ in matching.same:
        same = same_box(proposed[row].box, now[other].box)
        (kept if same else moved).append(proposed[row].label)
    return Correction(
        image=image,
        kept=tuple(kept),
        moved=tuple(moved),
        relabelled=tuple(
            (proposed[row].label, now[other].label) for row, other, _ in matching.relabelled
        ),
        deleted=tuple(proposed[row].label for row in matching.only_first),
        added=tuple(now[row].label for row in matching.only_second),
    )


def tally(corrections: Iterable[Correction]) -> Tally:
    """Count the corrections of many images."""
    counts = Tally()
    for each in corrections:
        counts.kept.update(each.kept)
        counts.moved.update(each.moved)
        counts.relabelled.update(each.relabelled)
        counts.deleted.update(each.deleted)
        counts.added.update(each.added)
    return counts
