"""What `lucency check` found, as one HTML page with pictures of the suspects."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from lucency.annotations.assembly import AssembledImage
from lucency.annotations.checked_images import CheckedImage
from lucency.annotations.checks import Checkup
from lucency.annotations.findings import Status
from lucency.annotations.geometry import Box
from lucency.annotations.problems import RULES, Problem, Rule, Severity
from lucency.configs import atomic
from lucency.configs.bundle import RESEARCH_USE
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import LucencyError
from lucency.datasets.display import display
from lucency.datasets.radiographs import decode_radiograph, read_radiograph
from lucency.evaluation.pictures import (
    BoxKind,
    DrawnBox,
    draw_boxes,
    encode_jpeg,
    view_around,
)

TEMPLATE = "check.html"
DEFAULT_MOST = 12
# So many problems of a rule are listed; the JSON file has all of them.
MOST_LISTED = 200
PICTURE_PX = 400
_QUALITY = 80
# A box that is smaller than this part of its image is shown from nearby as well.
_CLOSE_UP_BELOW = 0.2


@dataclass(frozen=True)
class Suspect:
    """One problem with its pictures as JPEG: the whole image, and the box from nearby."""

    problem: Problem
    pictures: tuple[bytes, ...]


@dataclass(frozen=True)
class Section:
    """What one rule found: the first with pictures, and a list of the first and how many more."""

    rule: Rule
    count: int
    suspects: tuple[Suspect, ...]
    listed: tuple[Problem, ...]


def write_check_page(checkup: Checkup, path: Path, *, most: int = DEFAULT_MOST) -> None:
    """Write the page, complete or not at all, with ``most`` pictures of each rule."""
    atomic.write_text(path, render_check_page(checkup, most=most))


def render_check_page(checkup: Checkup, *, most: int = DEFAULT_MOST) -> str:
    """The page as HTML; it needs nothing beside it, and all that comes from data is escaped."""
    environment = Environment(
        loader=PackageLoader("lucency.evaluation", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(jpeg=_data_uri)
    return environment.get_template(TEMPLATE).render(
        checkup=checkup,
        census=checkup.census,
        counts={severity.value: checkup.count(severity) for severity in Severity},
        statuses={status.value: checkup.census.status(status) for status in Status},
        sections=_sections(checkup, most=most),
        research_use=RESEARCH_USE,
    )


def _sections(checkup: Checkup, *, most: int) -> list[Section]:
    images = {image.name: image for image in checkup.images}
    return [
        Section(RULES[rule], len(found), _suspects(found, images, most), tuple(found[:MOST_LISTED]))
        for rule, found in checkup.by_rule().items()
    ]


def _suspects(
    found: Iterable[Problem], images: dict[str, CheckedImage], most: int
) -> tuple[Suspect, ...]:
    """The first problems whose image can be shown; others stand in the list alone."""
    suspects: list[Suspect] = []
    for problem in found:
        if len(suspects) == most:
            break
        image = images.get(problem.image)
        pixels = _pixels(image.entry) if image is not None else None
        if image is not None and pixels is not None:
            suspects.append(Suspect(problem, _pictures(problem, image.entry, pixels)))
    return tuple(suspects)


def _pixels(entry: AssembledImage) -> NDArray[np.uint8] | None:
    """The image as a model would see it; None where it cannot be decoded."""
    image = entry.image
    if image is None:
        return None
    try:
        if image.data is not None:
            radiograph = decode_radiograph(image.data, name=entry.name)
        else:
            radiograph = read_radiograph(Path(image.path))
    except LucencyError:
        return None
    return display(radiograph, DisplaySpec()).image


def _pictures(
    problem: Problem, entry: AssembledImage, pixels: NDArray[np.uint8]
) -> tuple[bytes, ...]:
    boxes, inside = _boxes(problem, entry), _inside(problem, entry)
    pictures = [draw_boxes(pixels, boxes, longest_side=PICTURE_PX)]
    if inside and max(inside.width, inside.height) < _CLOSE_UP_BELOW * max(entry.size_wh):
        view = view_around(inside, size_wh=entry.size_wh)
        pictures.append(draw_boxes(pixels, boxes, view=view, longest_side=PICTURE_PX))
    return tuple(encode_jpeg(picture, quality=_QUALITY) for picture in pictures)


def _boxes(problem: Problem, entry: AssembledImage) -> Sequence[DrawnBox]:
    """The image's other boxes, then the suspect on top of them."""
    suspect = _inside(problem, entry)
    drawn = [DrawnBox(f.box, BoxKind.TRUTH) for f in entry.findings if f.box != suspect]
    if problem.box is not None:
        drawn.append(DrawnBox(problem.box, BoxKind.FALSE_ALARM, problem.label))
    return drawn


def _inside(problem: Problem, entry: AssembledImage) -> Box | None:
    """The part of the suspect that is to be seen; None if there is none."""
    box = problem.box.clipped(*entry.size_wh) if problem.box else None
    return box if box is not None and box.area > 0 else None


def _data_uri(picture: bytes) -> Markup:
    data = base64.b64encode(picture).decode("ascii")
    return Markup(f"data:image/jpeg;base64,{data}")  # noqa: S704 (letters and digits)
