"""A report as one HTML page that needs nothing beside it, and its figures as JSON."""

import base64
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lucency.configs import atomic
from lucency.configs.bundle import RESEARCH_USE
from lucency.evaluation.estimates import Estimate

Cell = str | int | float | Estimate | None
TEMPLATE = "report.html"
ABSENT = "–"
# A p-value that three digits would show as nought.
TINY = "< 0.001"
MEDIA_TYPES = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG": "image/png",
    b"<?xml": "image/svg+xml",
    b"<svg": "image/svg+xml",
}


@dataclass(frozen=True)
class Table:
    """A table of figures. The first column is a name; fractions are shown with three digits.

    Raises
    ------
    ValueError
        A row does not have a cell for each column.

    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"table '{self.title}': {len(row)} cells for {len(self.columns)} columns"
                )

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Of each column, whether it holds figures (or nothing): those align to the right."""
        cells = zip(*self.rows, strict=True) if self.rows else ((),) * len(self.columns)
        return tuple(
            all(not isinstance(cell, str) or cell == TINY for cell in column) for column in cells
        )


@dataclass(frozen=True)
class Picture:
    """A curve or another figure: JPEG, PNG or SVG bytes; a ``wide`` one has a row of its own."""

    title: str
    image: bytes
    caption: str = ""
    wide: bool = False


@dataclass(frozen=True)
class GalleryItem:
    """One picture of a gallery: JPEG, PNG or SVG bytes.

    ``name`` is that of the image file and ``link`` its address, ``overview`` a small picture of
    the whole image that ``image`` is a part of; each may be missing.
    """

    image: bytes
    caption: str
    name: str = ""
    overview: bytes = b""
    link: str = ""


@dataclass(frozen=True)
class LegendEntry:
    """What a line in the pictures means; ``colour`` as ``#rrggbb``."""

    colour: str
    text: str
    dashed: bool = False


@dataclass(frozen=True)
class GallerySection:
    """Pictures that belong together. Without items the page says that there are none."""

    title: str
    caption: str
    items: Sequence[GalleryItem]
    legend: Sequence[LegendEntry] = ()


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading: text, figures, tables and galleries, in this order.

    ``on_basis`` tells whether its figures stand on the report's ``basis``.
    """

    title: str
    text: str = ""
    figures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    galleries: Sequence[GallerySection] = ()
    on_basis: bool = True


@dataclass(frozen=True)
class EvaluationReport:
    """All that the page shows.

    ``headline`` are the few figures to see first, ``facts`` what was measured and how, ``notes``
    what a reader must know before trusting them. ``basis`` is one line that goes with every
    figure: images, positives, match rule, intervals; it stands below the headings of the sections.
    """

    title: str
    subtitle: str
    facts: Mapping[str, str]
    headline: Mapping[str, Cell]
    sections: Sequence[Section] = ()
    notes: Sequence[str] = ()
    basis: str = ""


def write_report(report: EvaluationReport, path: Path) -> None:
    """Write the page to ``path``, complete or not at all.

    Raises
    ------
    ValueError
        An image is neither JPEG nor PNG nor SVG.

    """
    atomic.write_text(path, render_report(report))


def render_report(report: EvaluationReport) -> str:
    """The page as HTML; everything that comes from data is escaped. Raises as `write_report`."""
    environment = Environment(
        loader=PackageLoader("lucency.evaluation", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(cell=format_cell, interval=format_interval, data_uri=_data_uri)
    template = environment.get_template(TEMPLATE)
    return template.render(report=report, research_use=RESEARCH_USE)


def write_json(metrics: Mapping[str, Any], path: Path) -> None:
    """Write figures as JSON, complete or not at all; NaN and infinity become null."""
    text = json.dumps(_plain(metrics), indent=2, ensure_ascii=False, allow_nan=False)
    atomic.write_text(path, text + "\n")


def format_cell(value: Cell) -> str:
    """A figure as people read it: a dash for unknown, three digits of a fraction.

    Of an `Estimate` the value alone; `format_interval` gives the rest.
    """
    if isinstance(value, Estimate):
        return format_cell(value.value)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ABSENT
    if isinstance(value, float | np.floating):
        return f"{value:.3f}"
    return str(value)


def format_interval(value: Cell) -> str:
    """The 95% interval of an `Estimate`, ``0.312 – 0.520``; nothing for all that has none."""
    if not isinstance(value, Estimate) or value.low is None or value.high is None:
        return ""
    return f"{value.low:.3f} – {value.high:.3f}"


def p_value_cell(value: float | None) -> Cell:
    """A p-value as a cell: three digits, and no nought where it is smaller."""
    return TINY if value is not None and value < 0.001 else value


def link_to(file: Path, lies_in: Path) -> str:
    """A file as a link on a page in the folder ``lies_in``: absolute where there is no way."""
    try:
        relative = os.path.relpath(file.resolve(), lies_in.resolve())
    except ValueError:  # another drive
        return file.resolve().as_uri()
    return quote(Path(relative).as_posix())


def _data_uri(image: bytes) -> Markup:
    for start, media_type in MEDIA_TYPES.items():
        if image.startswith(start):
            data = base64.b64encode(image).decode("ascii")
            return Markup(f"data:{media_type};base64,{data}")  # noqa: S704 (letters and digits)
    raise ValueError(f"an image must be JPEG, PNG or SVG, its bytes start with {image[:8]!r}")


def _plain(value: Any) -> Any:
    """Mappings, sequences and numbers of Python only, in which every number is finite."""
    if isinstance(value, Estimate):
        return _plain(value.to_json())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
