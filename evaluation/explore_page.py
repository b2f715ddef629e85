"""The survey of a data set as one HTML page: `lucency explore`."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lucency.annotations.records import Dataset
from lucency.configs import atomic
from lucency.configs.bundle import RESEARCH_USE
from lucency.datasets.shortcuts import Association
from lucency.datasets.survey import Survey
from lucency.datasets.survey_boxes import BoxSizes, places
from lucency.datasets.survey_duplicates import DuplicateGroup
from lucency.datasets.survey_pixels import CHANGED_FILES
from lucency.evaluation.contact_sheet import SheetPicture, contact_sheet, pictures_of
from lucency.evaluation.pictures import encode_jpeg
from lucency.evaluation.survey_plots import count_plot, heat_map, histogram_plot, size_plot

TEMPLATE = "explore.html"
ABSENT = "–"
# So many rows of a list stand on the page; the JSON file has all of them.
MOST_LISTED = 100
MOST_CLASSES_DRAWN = 8
MOST_GROUPS_SHOWN = 18
MOST_OF_A_GROUP = 4
MOST_OUTLIERS_SHOWN = 6
_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_SIDES_PX = (4, 10, 30, 100, 300, 1000, 3000)
_ASPECTS = (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8)


@dataclass(frozen=True)
class Plot:
    """An inline SVG, or a JPEG, with a title."""

    title: str
    svg: Markup | None = None
    jpeg: bytes | None = None
    caption: str = ""


@dataclass(frozen=True)
class ShownGroup:
    """Images of one exposure, with pictures of the first few."""

    group: DuplicateGroup
    pictures: tuple[SheetPicture, ...]


@dataclass(frozen=True)
class ShortcutTable:
    """How the shares of labels differ between the values of one property.

    ``rows`` are value, images, and for each target its share, or None where it is not known.
    """

    property: str
    targets: tuple[Association, ...]
    rows: tuple[tuple[str, int, tuple[float | None, ...]], ...]


def write_explore_page(
    dataset: Dataset, survey: Survey, path: Path, *, augmented: bytes | None = None
) -> None:
    """Write the page, complete or not at all."""
    atomic.write_text(path, render_explore_page(dataset, survey, augmented=augmented))


def render_explore_page(dataset: Dataset, survey: Survey, *, augmented: bytes | None = None) -> str:
    """The page as HTML; it needs nothing beside it, and all that comes from data is escaped.

    ``augmented`` is a contact sheet of augmented images as JPEG.
    """
    environment = Environment(
        loader=PackageLoader("lucency.evaluation", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        jpeg=_data_uri, whole=_whole, share=share_text, size=size_text, file_size=bytes_text
    )
    labels = [count.name for count in survey.labels]
    # Files that are only others than those of the table can be shown.
    unreadable = frozenset(
        problem.image for problem in survey.file_problems if problem.fault not in CHANGED_FILES
    )
    return environment.get_template(TEMPLATE).render(
        survey=survey,
        statuses=_statuses(survey),
        box_plots=_box_plots(survey),
        heat_maps=_heat_maps(dataset, survey),
        pixel_plots=_pixel_plots(survey),
        outliers=_outliers(dataset, survey, labels),
        groups=_shown_groups(dataset, survey, labels),
        patient_plot=_patient_plot(survey),
        age_plots=_number_plots(survey),
        shortcuts=shortcut_tables(survey.associations),
        sheets=contact_sheet(dataset, labels=labels, unreadable=unreadable),
        augmented=augmented,
        most_listed=MOST_LISTED,
        research_use=RESEARCH_USE,
    )


def shortcut_tables(associations: Sequence[Association]) -> tuple[ShortcutTable, ...]:
    """One table a property, those that give a label away first."""
    by_property: dict[str, list[Association]] = {}
    for association in associations:
        by_property.setdefault(association.property, []).append(association)
    tables = []
    for name, targets in by_property.items():
        shares: dict[str, dict[str, float]] = {}
        images: dict[str, int] = {}
        for association in targets:
            for value, count, positives in association.groups:
                shares.setdefault(value, {})[association.target] = positives / count
                images[value] = max(images.get(value, 0), count)
        rows = tuple(
            (value, images[value], tuple(found.get(target.target) for target in targets))
            for value, found in shares.items()
        )
        tables.append(ShortcutTable(name, tuple(targets), rows))
    return tuple(sorted(tables, key=lambda table: -max(t.alarming for t in table.targets)))


def share_text(value: float | None) -> str:
    """A share as a percentage that never rounds something to nothing."""
    if value is None:
        return ABSENT
    if 0 < value < 0.0005:
        return "<0.1 %"
    return "0 %" if value == 0 else "100 %" if value == 1 else f"{100 * value:.1f} %"


def size_text(size: Sequence[float] | None) -> str:
    """Width and height as ``640 × 480 px``."""
    return ABSENT if size is None else f"{size[0]:,.0f} × {size[1]:,.0f} px"


def bytes_text(count: int) -> str:
    """A file's size in the unit that suits it."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:,.{0 if count >= 10 * factor else 1}f} {unit}"
    return f"{count} bytes"


def _whole(value: int | None) -> str:
    return ABSENT if value is None else f"{value:,}"


def _statuses(survey: Survey) -> list[tuple[str, str, int]]:
    """The statuses that occur: what they mean, their name, and how many images have them."""
    meanings = {"annotated": "with boxes", "negative": "negative", "unknown": "not boxed by anyone"}
    totals = {name: sum(getattr(split, name) for split in survey.splits) for name in meanings}
    return [(meanings[name], name, total) for name, total in totals.items() if total]


def _box_plots(survey: Survey) -> list[Plot]:
    """Plots of all boxes, then the sizes of each class, the most frequent first."""
    if not survey.box_sizes:
        return []
    every, *classes = survey.box_sizes
    sides = histogram_plot(
        every.shorter_side_px, x_label="pixels of the stored image", ticks=_SIDES_PX
    )
    shapes = histogram_plot(every.aspect, x_label="width ÷ height", text=_ratio, ticks=_ASPECTS)
    plots = [
        _relative_sizes("Relative size", every),
        Plot("Shorter side", sides),
        Plot("Shape", shapes),
        Plot("Boxes in an image", count_plot(survey.boxes_per_image, x_label="boxes")),
    ]
    there = sorted((c for c in classes if c.boxes), key=lambda c: -c.boxes)
    if len(there) > 1:
        plots += [
            _relative_sizes(f"Relative size: {c.name}", c) for c in there[:MOST_CLASSES_DRAWN]
        ]
    return plots


def _relative_sizes(title: str, sizes: BoxSizes) -> Plot:
    label = "√ of the share of the image’s area"
    return Plot(title, histogram_plot(sizes.relative, x_label=label, text=_percent, ticks=_SHARES))


def _heat_maps(dataset: Dataset, survey: Survey) -> list[Plot]:
    table = survey.boxes_table
    if not len(table):
        return []
    width, height = survey.pixels.median_wh or (1, 1)
    shape = min(max(width / height, 0.4), 2.5)
    there = [number for number, count in enumerate(survey.classes) if count.boxes]
    drawn = sorted(there, key=lambda n: -survey.classes[n].boxes)[:MOST_CLASSES_DRAWN]
    parts = [("all classes", table)] if len(drawn) > 1 else []
    parts += [(dataset.label_map.names[n], table.of_class(n)) for n in drawn]
    return [
        Plot(
            name,
            jpeg=encode_jpeg(
                heat_map(places(part), survey.mean_image, width_to_height=shape), quality=85
            ),
            caption=f"{len(part):,} boxes",
        )
        for name, part in parts
    ]


def _pixel_plots(survey: Survey) -> list[Plot]:
    if not survey.pixels.readable:
        return []
    rounded = survey.pixels.sizes_rounded_to
    caption = "The larger a circle, the more images; the line is that of squares."
    if rounded > 1:
        caption += f" Sizes are rounded to {rounded} px."
    sizes = Plot("Sizes of images", size_plot(survey.pixels.sizes), caption=caption)
    grey = histogram_plot(survey.pixels.grey, x_label="mean grey level, 0 to 255")
    several = survey.pixels.different_sizes > 1
    return [*([sizes] if several else []), Plot("Exposure", grey)]


def _outliers(
    dataset: Dataset, survey: Survey, labels: Sequence[str]
) -> list[tuple[str, int, tuple[SheetPicture, ...]]]:
    """The darkest and the brightest with pictures: title, how many there are, the first."""
    shown = []
    for title, found in (
        ("The darkest", survey.pixels.darkest),
        ("The brightest", survey.pixels.brightest),
    ):
        if found:
            names = [outlier.image for outlier in found[:MOST_OUTLIERS_SHOWN]]
            shown.append((title, len(found), _pictures(dataset, names, labels)))
    return shown


def _shown_groups(dataset: Dataset, survey: Survey, labels: Sequence[str]) -> list[ShownGroup]:
    return [
        ShownGroup(group, _pictures(dataset, group.images[:MOST_OF_A_GROUP], labels))
        for group in survey.duplicates[:MOST_GROUPS_SHOWN]
    ]


def _pictures(
    dataset: Dataset, names: Iterable[str], labels: Sequence[str]
) -> tuple[SheetPicture, ...]:
    by_name = {str(record.image): record for record in dataset.records}
    return pictures_of(dataset, [by_name[name] for name in names], labels=labels)


def _patient_plot(survey: Survey) -> Plot | None:
    each = survey.patients.images_each
    return Plot("Images of a patient", count_plot(each, x_label="images")) if each else None


def _number_plots(survey: Survey) -> Mapping[str, Plot]:
    return {
        column.name: Plot(column.name, histogram_plot(column.numbers, x_label=column.name))
        for column in survey.columns
        if column.numbers is not None
    }


def _percent(value: float) -> str:
    return f"{value * 100:.2g} %" if value < 0.995 else "100 %"


def _ratio(value: float) -> str:
    return f"1:{1 / value:.2g}" if value < 0.995 else f"{value:.2g}:1"


def _data_uri(picture: bytes) -> Markup:
    data = base64.b64encode(picture).decode("ascii")
    return Markup(f"data:image/jpeg;base64,{data}")  # noqa: S704 (letters and digits)
