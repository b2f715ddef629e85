"""What `lucency check` finds, and the table of its rules.

Errors are wrong: something is lost, contradicts itself, or makes test figures too good. Warnings
are probably wrong. Notes are worth a look, and never make a check fail. A rule about boxes or
images that a conversion would lose has the name that ``--allow`` takes.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from lucency.annotations.geometry import Box
from lucency.configs.errors import ConfigError


class Severity(StrEnum):
    """How bad a problem is."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it finds in the words of a heading, and what to do about it."""

    name: str
    severity: Severity
    title: str
    advice: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that a rule found; what does not apply is empty.

    ``image`` is its name in the set, ``source`` the annotation file, ``index`` the position in
    that file (``shapes[3]``). ``box`` is in pixels of the image, as is ``other``, the box that it
    is compared with.
    """

    rule: str
    detail: str
    image: str = ""
    source: str = ""
    index: str = ""
    label: str = ""
    box: Box | None = None
    other: Box | None = None

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return RULES[self.rule].severity

    @property
    def place(self) -> str:
        """Where it is: the image, the annotation file, and the position unless the detail says."""
        told = self.image == self.source or self.image.startswith(f"{self.source}/")
        told = told or self.detail.startswith(f"{self.source}: ")
        index = "" if self.index and self.detail.startswith(self.index) else self.index
        parts = [self.image, "" if told else self.source, index]
        return ", ".join(part for part in parts if part)


def rules_from(names: Collection[str]) -> frozenset[str]:
    """The rules that ``--ignore`` names; raises `ConfigError` if there is no such rule."""
    for name in names:
        if name not in RULES:
            raise ConfigError(f"--ignore {name}: no such rule; there are {', '.join(RULES)}")
    return frozenset(names)


def _rules(severity: Severity, *rows: tuple[str, str, str]) -> dict[str, Rule]:
    return {name: Rule(name, severity, title, advice) for name, title, advice in rows}


_ERRORS = _rules(
    Severity.ERROR,
    (
        "unreadable-annotation",
        "Annotation files that cannot be read",
        "Export them again, or mend the place that is named.",
    ),
    (
        "missing-image",
        "Annotations without their image",
        "Name the folder of the images with --images, or remove the annotation.",
    ),
    (
        "ambiguous-image",
        "Annotations whose image could be one of several",
        "Give the images different names, or put the annotation beside its own.",
    ),
    (
        "unreadable-image",
        "Images that are truncated, damaged or no radiograph",
        "Copy them again from where they came.",
    ),
    (
        "size-mismatch",
        "Annotations made for an image of another shape",
        "The boxes belong to another image, or one of the two was turned or cropped.",
    ),
    (
        "contradiction",
        "Images of which two contrary things are said",
        "Decide which holds: negative or not, which split, which patient.",
    ),
    ("malformed", "Boxes that cannot be understood", "Mend the place that is named."),
    ("not-finite", "Boxes with NaN or infinite coordinates", "Draw them again."),
    ("zero-area", "Boxes without an area", "Slips of the mouse: delete or draw again."),
    ("outside-image", "Boxes that lie outside their image", "Delete or draw again."),
    (
        "unsupported-shape",
        "Points, lines and other marks without an area",
        "A detector learns from areas: draw a rectangle or a polygon.",
    ),
    ("no-box", "Marks that have no box", "Draw a rectangle or a polygon."),
    ("crowd", "Regions that stand for many objects at once", "Draw each object by itself."),
    (
        "unknown-class",
        "Boxes of a class that is not defined",
        "Correct the label or number, or add the class to the list of names.",
    ),
    (
        "unknown-image",
        "Boxes of an image that the document does not list",
        "Add the image to the document, or delete them.",
    ),
    (
        "identical-images-differ",
        "Identical images that are annotated differently",
        "Keep one of them, with the right annotation. Files may differ in metadata.",
    ),
    (
        "image-in-two-splits",
        "Identical images in two splits",
        "Test figures would be too good: remove one of them. Files may differ in metadata.",
    ),
    (
        "patient-in-two-splits",
        "Patients in two splits",
        "Test figures would be too good: divide again with `lucency split`.",
    ),
    (
        "changed-image",
        "Image files that changed since the set was made",
        "The boxes may no longer fit; make the set again from its sources.",
    ),
    (
        "table-size",
        "Sizes in dataset.csv that are not those of the images",
        "Make the set again from its sources.",
    ),
    (
        "table-status",
        "Status in dataset.csv that the label files contradict",
        "Correct the row, or make the set again from its sources.",
    ),
    (
        "table-split",
        "Splits in dataset.csv that are not those of the folders",
        "Ultralytics goes by the folder: divide again with `lucency split`.",
    ),
    (
        "table",
        "dataset.csv that does not go with the files",
        "Make the set again from its sources.",
    ),
)
_WARNINGS = _rules(
    Severity.WARNING,
    ("beyond-edge", "Boxes that reach beyond their image", "They are clipped at the edge."),
    ("duplicate", "Boxes that are there twice", "They are merged into one."),
    (
        "near-duplicate",
        "Two boxes of one class around one finding (IoU above 0.9)",
        "Delete one of the two.",
    ),
    (
        "two-labels",
        "Two classes for one finding (IoU above 0.95)",
        "Decide on one class, unless both are meant.",
    ),
    (
        "tiny-box",
        "Very small boxes (a side below 3 px, or below 1/20,000 of the image)",
        "Mostly slips of the mouse; at 640 px such a box has a side of less than 5.",
    ),
    (
        "huge-box",
        "Boxes around nearly the whole image (above 90 % of its area)",
        "They tell a detector nothing; is an image-level label meant?",
    ),
    (
        "extreme-shape",
        "Boxes more than 10 times as long as wide",
        "Check that a corner was not dragged away.",
    ),
    (
        "identical-images",
        "Identical images under several names",
        "They count several times; keep one of them.",
    ),
    (
        "unlabelled-image",
        "Images without annotation",
        "Nothing says whether they show something: they are left out of training. Save an empty "
        "annotation for a negative, or name the folder of the negatives with --negatives when "
        "converting.",
    ),
    (
        "unlabelled-in-split",
        "Images without label file among those of a split",
        "Ultralytics takes them for negatives. Add an empty label file to those that are, and "
        "move the others out of the split.",
    ),
    (
        "similar-names",
        "Class names that differ by case, space or plural alone",
        "Mostly one class by two names; join them with `lucency convert --map old=new`.",
    ),
    (
        "rare-class",
        "Classes with fewer than 10 boxes, or with less than 1 % of all",
        "Too few to learn from or to measure: annotate more, join or drop them.",
    ),
    ("unused-class", "Classes without a box", "Remove them from the list of names."),
    (
        "one-annotator-class",
        "Classes that only one annotator uses",
        "Agree on what it means, or whether to keep it.",
    ),
    (
        "class-missing-from-split",
        "Classes that a split has no box of",
        "They cannot be learnt or measured there: divide again with `lucency split`.",
    ),
    ("empty-split", "Splits without images", "Divide again with `lucency split`."),
    ("in-no-split", "Images in no split", "Divide again with `lucency split`."),
    ("data-yaml", "data.yaml that does not go with the files", "Correct it."),
)
_NOTES = _rules(
    Severity.NOTE,
    (
        "size-outlier",
        "Boxes far larger or smaller than others of their class",
        "Look whether they are right; farther than 5 robust standard deviations from the median "
        "of the logarithm of the area.",
    ),
    (
        "scaled",
        "Annotations made for the image at another size",
        "The boxes are scaled to the image; look whether they fit.",
    ),
    (
        "turned",
        "Images turned by their EXIF orientation after annotation",
        "The boxes are turned with the image; look whether they fit.",
    ),
    (
        "no-negatives",
        "No image is known to be negative",
        "A detector that never saw a normal image raises false alarms; add some.",
    ),
    ("set-aside", "Images set aside, as nothing is known of them", "Nothing needs to be done."),
    ("hint", "What the reader of the format says", ""),
)
RULES = _ERRORS | _WARNINGS | _NOTES
