"""The service's analysis for files: answers as JSON lines, pictures, and a closing table."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from lucency.annotations.geometry import Box
from lucency.api.pipeline import Analysis, Pipeline
from lucency.api.schemas import Disagreement, Report, error_answer
from lucency.configs import atomic
from lucency.configs.bundle import RESEARCH_USE, Bundle
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ImageError, ImageFault
from lucency.configs.inference import InferenceOptions
from lucency.datasets.display import display
from lucency.datasets.radiographs import read_bytes
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
            answer = error_answer("unreadable_image", self.error, fault=self.fault)
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


def other_options(bundles: Sequence[Bundle], options: InferenceOptions | None) -> list[str]:
    """One line for each detector that is to look otherwise than its thresholds were chosen."""
    return [
        f"note: the thresholds of '{bundle.manifest.name}' were chosen with "
        f"{_named(bundle.manifest.inference)}, it runs with {_named(options)}"
        for bundle in bundles
        if options is not None
        and bundle.manifest.task == "detection"
        and bundle.manifest.inference != options
    ]


def _named(options: InferenceOptions) -> str:
    tiles = f"tiles of {options.tiles.size} pixels" if options.tiles else ""
    flip = "flip" if options.flip else ""
    return " and ".join(filter(None, (tiles, flip))) or "one look at the whole image"


def predict_files(
    pipeline: Pipeline,
    paths: Sequence[Path],
    *,
    conf: float | None,
    operating_point: str | None,
    json_path: Path | None,
    pictures: Path | None,
) -> tuple[Outcome, ...]:
    """Analyse files one after the other; one that cannot be read does not stop the rest.

    Raises
    ------
    ConfigError
        A model has no such operating point, or ``pictures`` exists and is not empty.

    """
    if pictures is None:
        outcomes = _analyze_all(pipeline, paths, conf, operating_point, folder=None)
    else:
        with atomic.new_folder(pictures) as folder:
            outcomes = _analyze_all(pipeline, paths, conf, operating_point, folder=folder)
    if json_path is not None:
        atomic.write_text(json_path, "".join(outcome.json_line() for outcome in outcomes))
    return outcomes


def print_table(outcomes: Sequence[Outcome]) -> None:
    """Print one row a file, and each error as a line of its own on stderr."""
    reports = [outcome.report for outcome in outcomes if outcome.report]
    marked = any(report.classifications for report in reports)
    legend = "* at or above the threshold. " if marked else ""
    if any(report.disagreements for report in reports):
        legend += "! detector and classifier disagree. "
    table = Table(box=None, caption=legend + RESEARCH_USE, caption_justify="left")
    for column in ("file", "findings", "best", "whole image", "ms"):
        table.add_column(column, justify="right" if column in ("findings", "ms") else "left")
    for outcome in outcomes:
        table.add_row(*_row(outcome))
    Console().print(table)
    for outcome in outcomes:
        if outcome.error:
            typer.echo(f"error: {outcome.error}", err=True)


def _analyze_all(
    pipeline: Pipeline,
    paths: Sequence[Path],
    conf: float | None,
    operating_point: str | None,
    *,
    folder: Path | None,
) -> tuple[Outcome, ...]:
    outcomes: list[Outcome] = []
    console = Console(stderr=True)
    for path in track(paths, description="Analysing", console=console, transient=True):
        try:
            data = read_bytes(path)
            analysis = pipeline.analyze(
                data, name=str(path), conf=conf, operating_point=operating_point
            )
        except ImageError as error:
            outcomes.append(Outcome(path, error=str(error), fault=error.fault))
            continue
        outcomes.append(Outcome(path, report=analysis.report))
        if folder is not None:
            _free_name(folder, path.stem).write_bytes(encode_jpeg_of(analysis))
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


def _free_name(folder: Path, stem: str) -> Path:
    """A name for the picture; images of one name from two folders must not hide each other."""
    candidate, number = folder / f"{stem}.jpg", 2
    while candidate.exists():
        candidate, number = folder / f"{stem}-{number}.jpg", number + 1
    return candidate


def _disagreement(found: Disagreement) -> str:
    said = f"! {found.label} {found.image_probability:.2f}"
    return f"{said} and no box" if found.kind == "no-box" else f"{said} and yet a box"


def _row(outcome: Outcome) -> tuple[str, str, str, str, str]:
    report = outcome.report
    if report is None:
        return outcome.path.name, "–", "failed, see below", "", ""
    best = report.findings[0] if report.findings else None
    verdicts = (
        f"{label} {probability:.2f}{' *' if each.verdicts[label] else ''}"
        for each in report.classifications
        for label, probability in each.probabilities.items()
    )
    return (
        outcome.path.name,
        str(len(report.findings)),
        f"{best.label} {best.score:.2f}" if best else "none",
        ", ".join((*verdicts, *map(_disagreement, report.disagreements))),
        f"{report.timings_ms.total:.0f}",
    )
