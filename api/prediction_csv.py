"""Answers for a spreadsheet: a table of findings, one a row, and one of images.

UTF-8 with a byte order mark, by which spreadsheets tell it from the encodings of old; numbers with
a point.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lucency.api.prediction_outcomes import Outcome, Write
from lucency.api.schemas import ImageClassification, Report
from lucency.configs import atomic

_FINDINGS = (
    *("file", "finding", "label", "score", "tier", "threshold", "x1", "y1", "x2", "y2"),
    *("image_width", "image_height", "model"),
)
_IMAGES = (
    *("file", "error", "image_width", "image_height", "body_part", "findings", "best_label"),
    *("best_score", "flags"),
)
# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t")


@contextmanager
def csv_files(
    path: Path, *, class_names: Sequence[str], verdicts: Sequence[tuple[str, str]]
) -> Iterator[Write]:
    """Write both tables once the block ends without an error: ``path`` and `images_table`.

    The probabilities of ``class_names``, those of detectors, are columns of the findings, and
    those of ``verdicts``, pairs of classifier and label, columns of the images.
    """
    findings = _Table((*_FINDINGS, *(f"p({name})" for name in class_names)))
    images = _Table((*_IMAGES, *_verdict_columns(verdicts)))

    def write(outcome: Outcome) -> None:
        file = _harmless(outcome.image.name)
        images.add(file, *_image_row(outcome, verdicts))
        if outcome.report is not None:
            for row in _finding_rows(outcome.report, class_names):
                findings.add(file, *row)

    yield write
    atomic.write_text(images_table(path), images.text())
    atomic.write_text(path, findings.text())


def images_table(path: Path) -> Path:
    """Where the table of images lies, beside that of findings."""
    return path.with_name(f"{path.stem}-images{path.suffix}")


class _Table:
    """A table in the making."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._out = io.StringIO(newline="")
        self._writer = csv.writer(self._out, lineterminator="\n")
        self._columns = len(columns)
        self._writer.writerow(columns)

    def add(self, *values: object) -> None:
        missing = [""] * (self._columns - len(values))
        self._writer.writerow((*values, *missing))

    def text(self) -> str:
        return "\ufeff" + self._out.getvalue()


def _verdict_columns(verdicts: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Probability and verdict; the classifier is named where several know the label."""
    times = Counter(label for _, label in verdicts)
    for model, label in verdicts:
        name = label if times[label] == 1 else f"{model}: {label}"
        yield from (f"p({name})", name)


def _finding_rows(report: Report, class_names: Sequence[str]) -> Iterator[Sequence[object]]:
    for number, found in enumerate(report.findings, start=1):
        box, probabilities = found.box, found.probabilities
        yield (
            *(number, found.label, _rounded(found.score), found.tier, _rounded(found.threshold)),
            *(round(corner, 2) for corner in (box.x1, box.y1, box.x2, box.y2)),
            *(report.image.width, report.image.height, found.model),
            *(_rounded(probabilities[n]) if n in probabilities else "" for n in class_names),
        )


def _image_row(outcome: Outcome, verdicts: Sequence[tuple[str, str]]) -> Sequence[object]:
    report = outcome.report
    if report is None:
        return (f"{outcome.error_code}: {outcome.fault}",)
    best = report.findings[0] if report.findings else None
    answers = {each.model: each for each in report.classifications}
    return (
        *("", report.image.width, report.image.height, report.image.body_part or ""),
        len(report.findings) if looked_for_boxes(report) else "",
        *((best.label, _rounded(best.score)) if best else ("", "")),
        "; ".join(flag.kind for flag in report.flags),
        *(cell for pair in verdicts for cell in _told(answers, *pair)),
    )


def _told(
    answers: dict[str, ImageClassification], model: str, label: str
) -> tuple[float | str, str]:
    """A classifier's probability and verdict; empty where it did not see the image."""
    answer = answers.get(model)
    if answer is None or label not in answer.probabilities:
        return "", ""
    return _rounded(answer.probabilities[label]), "yes" if answer.verdicts[label] else "no"


def looked_for_boxes(report: Report) -> bool:
    """Whether a detector saw the image: where none did, no findings say nothing."""
    return any(model.task == "detection" for model in report.models)


def _rounded(probability: float) -> float:
    return round(probability, 6)


def _harmless(name: str) -> str:
    """A file's name that no spreadsheet takes for a formula, and that still names the file."""
    return f"./{name}" if name.startswith(_FORMULA) else name
