"""The service's analysis for files: answers as JSON lines, pictures, and a closing table."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from lucency.annotations.choices import KindAsked
from lucency.annotations.geometry import Box
from lucency.api.pipeline import Analysis, Pipeline
from lucency.api.schemas import Disagreement, Report, error_answer, image_error_code
from lucency.configs import atomic
from lucency.configs.bundle import RESEARCH_USE
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ConfigError, ImageError, ImageFault
from lucency.datasets.display import display
from lucency.datasets.radiographs import image_kind, read_bytes
from lucency.evaluation.pictures import BoxKind, DrawnBox, draw_boxes, encode_jpeg

# Longer side of a picture: small images are enlarged so that labels can be read.
LEAST_PICTURE_PX, MOST_PICTURE_PX = 640, 1600


@dataclass(frozen=True)
class Outcome:
    """One file: its report, or the error that was met."""

    path: Path
    report: Report | None = None
    error: str = ""
    fault: ImageFault | None = None

    def json_line(self) -> str:
        """The service's answer, the file's path before it."""
        if self.report is None:
            code = image_error_code(self.fault or ImageFault.UNREADABLE)
            answer = error_answer(code, self.error, fault=self.fault)
        else:
            answer = self.report.model_dump(mode="json")
        return json.dumps({"file": str(self.path), **answer}, ensure_ascii=False) + "\n"


def images_of(paths: Sequence[Path]) -> list[Path]:
    """The files, and in place of each folder the images in it and in its folders, by name.

    Raises
    ------
    ImageError
        A folder holds no image.

    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        from lucency.datasets.originals import list_files  # brings pydicom, which takes a while

        images, _ = list_files([path])
        if not images:
            raise ImageError(
                f"{path}: holds no PNG, JPEG, TIFF or DICOM image; name another folder or files",
                ImageFault.UNREADABLE,
            )
        found += images
    return found


def predict_files(
    pipeline: Pipeline,
    paths: Sequence[Path],
    *,
    conf: float | None,
    operating_point: str | None,
    frame: int | None,
    kind: KindAsked = KindAsked.AUTO,
    json_path: Path | None,
    pictures: Path | None,
) -> tuple[Outcome, ...]:
    """Analyse files one after the other; one that is refused does not stop the rest.

    Raises
    ------
    ConfigError
        A model has no such operating point, ``pictures`` exists and is not empty, or nothing can
        be written to ``json_path``.

    """
    if json_path is not None:
        _refuse_unwritable(json_path)
    analyze = partial(
        pipeline.analyze, conf=conf, operating_point=operating_point, frame=frame, kind=kind
    )
    if pictures is None:
        outcomes = _analyze_all(analyze, paths, folder=None)
    else:
        with atomic.new_folder(pictures) as folder:
            outcomes = _analyze_all(analyze, paths, folder=folder)
    if json_path is not None:
        atomic.write_text(json_path, "".join(outcome.json_line() for outcome in outcomes))
    return outcomes


def print_table(outcomes: Sequence[Outcome]) -> None:
    """Print one row a file and what each model is for; errors as lines of their own on stderr."""
    reports = [outcome.report for outcome in outcomes if outcome.report]
    marked = any(report.classifications for report in reports)
    legend = "* at or above the threshold. " if marked else ""
    if any(report.disagreements for report in reports):
        legend += "! detector and classifier disagree. "
    if any(report.route and report.route.contradicted for report in reports):
        legend += "? the pixels look like another kind. "
    table = Table(box=None, caption=legend + RESEARCH_USE, caption_justify="left")
    routed = any(report.route for report in reports)
    for column in ("file", *(["kind"] * routed), "findings", "best", "whole image", "ms"):
        table.add_column(column, justify="right" if column in ("findings", "ms") else "left")
    for outcome in outcomes:
        name, *cells = _row(outcome)
        table.add_row(name, *([_kind(outcome.report)] * routed), *cells)
    console = Console(markup=False, emoji=False)  # a file's name may hold brackets
    console.print(table)
    for line in dict.fromkeys(line for report in reports for line in _intended(report)):
        console.print(line, highlight=False)
    for outcome in outcomes:
        if outcome.error:
            typer.echo(f"error: {outcome.error}", err=True)


def _refuse_unwritable(path: Path) -> None:
    """Better now than after the last image; an image is never overwritten."""
    if path.is_dir() or (path.is_file() and image_kind(path.read_bytes()) is not None):
        kind = "a folder" if path.is_dir() else "an image"
        raise ConfigError(f"--json {path}: is {kind}; name a file for the answers")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--json {path}: cannot be written: {error.strerror}") from None
    if not os.access(path.parent, os.W_OK):
        raise ConfigError(f"--json {path}: cannot be written: its folder may not be changed")


def _analyze_all(
    analyze: Callable[..., Analysis], paths: Sequence[Path], *, folder: Path | None
) -> tuple[Outcome, ...]:
    outcomes: list[Outcome] = []
    console = Console(stderr=True)
    for path in track(paths, description="Analysing", console=console, transient=True):
        try:
            analysis = analyze(read_bytes(path), name=str(path))
        except ImageError as error:
            outcomes.append(Outcome(path, error=str(error), fault=error.fault))
            continue
        outcomes.append(Outcome(path, report=analysis.report))
        if folder is not None:
            _free_name(folder, path).write_bytes(encode_jpeg_of(analysis))
    return tuple(outcomes)


def encode_jpeg_of(analysis: Analysis) -> bytes:
    """The image as displayed, with its boxes, as a JPEG."""
    image = display(analysis.radiograph, DisplaySpec()).image
    boxes = [
        DrawnBox(
            Box(found.box.x1, found.box.y1, found.box.x2, found.box.y2),
            BoxKind.FOUND,
            f"{found.label} {found.score:.2f}",
        )
        for found in analysis.report.findings
    ]
    longest = min(max(LEAST_PICTURE_PX, *image.shape), MOST_PICTURE_PX)
    return encode_jpeg(draw_boxes(image, boxes, longest_side=longest), quality=90)


def _free_name(folder: Path, path: Path) -> Path:
    """A name for the picture; images of one name from two folders must not hide each other."""
    # DICOM files are often named by numbers with dots, the last of which is no suffix.
    stem = path.name if path.suffix[1:].isdigit() else path.stem
    candidate, number = folder / f"{stem}.jpg", 2
    while candidate.exists():
        candidate, number = folder / f"{stem}-{number}.jpg", number + 1
    return candidate


def _disagreement(found: Disagreement) -> str:
    said = f"! {found.label} {found.image_probability:.2f}"
    return f"{said} and no box" if found.kind == "no-box" else f"{said} and yet a box"


def _kind(report: Report | None) -> str:
    if report is None or report.route is None:
        return ""
    return f"{report.route.kind}{' ?' if report.route.contradicted else ''}"


def _intended(report: Report) -> Iterator[str]:
    """What each model that answered is for, where its bundle says so: one line each."""
    classifiers = {each.model for each in report.classifications}
    for model in report.models:
        answered = model.task == "detection" or model.name in classifiers
        if answered and model.intended_use != RESEARCH_USE:
            yield f"{model.name}: {model.intended_use}"


def _row(outcome: Outcome) -> tuple[str, str, str, str, str]:
    report = outcome.report
    if report is None:
        return outcome.path.name, "–", "failed, see below", "", ""
    # Where no detector looked, "0" and "none" would say that nothing is there.
    looked = any(model.task == "detection" for model in report.models)
    best = report.findings[0] if report.findings else None
    none = "none" if looked else "no detector"
    verdicts = (
        f"{label} {probability:.2f}{' *' if each.verdicts[label] else ''}"
        for each in report.classifications
        for label, probability in each.probabilities.items()
    )
    return (
        outcome.path.name,
        str(len(report.findings)) if looked else "–",
        f"{best.label} {best.score:.2f}" if best else none,
        ", ".join((*verdicts, *map(_disagreement, report.disagreements))),
        f"{report.timings_ms.total:.0f}",
    )
