"""One's own images with a table (CSV) of what is known of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lucency.annotations import documents
from lucency.annotations.documents import shown
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.ledger import Ledger
from lucency.annotations.sources import SourceFile
from lucency.annotations.tables import read_table
from lucency.configs.errors import AnnotationError, ConfigError
from lucency.datasets.public_sets import PublicSet
from lucency.datasets.set_files import column_name, files_below, images_below, last_part, stem_of

TABLE = PublicSet(
    name="csv",
    title="images with a table",
    where="",
    licence="",
    citation="",
    contents="a CSV file with a column of images and columns of labels, your own",
)

_FLAGS = {
    **dict.fromkeys(("1", "1.0", "true", "yes", "positive"), True),
    **dict.fromkeys(("0", "0.0", "false", "no", "negative"), False),
}
_BLANK = frozenset({"", "nan", "none", "null", "na", "n/a"})
_PATIENT = ("patient_id", "patientid", "patient id", "patient", "subject_id", "subject")
_SPLIT = ("official_split", "split", "set", "subset", "partition")
# What 0 and 1 may stand for without being a label.
_NO_LABELS = frozenset({"sex", "gender", "age", "view", "laterality", "site"})


@dataclass(frozen=True)
class TableColumns:
    """What a user says of the columns, by title; what is not said is told from the content.

    The ``label`` column holds the name of each image's label.
    """

    image: str | None = None
    label: str | None = None
    patient: str | None = None


@dataclass(frozen=True)
class _Layout:
    """The numbers of the columns by what they hold; ``flags`` and ``further`` with names."""

    image: int
    label: int | None
    patient: int | None
    split: int | None
    flags: Mapping[int, str]
    further: Mapping[int, str]


@dataclass
class _Row:
    """What the rows of one image say."""

    where: str
    patient: str = ""
    split: str = ""
    values: set[str] = field(default_factory=set)
    labels: dict[str, bool] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Rows:
    """A table in memory: its file, titles, and the rows with their positions."""

    file: SourceFile
    titles: tuple[str, ...]
    rows: tuple[tuple[str, list[str]], ...]

    def column(self, number: int) -> list[str]:
        """The cells of a column that are not blank, trimmed."""
        cells = (row[number].strip() for _, row in self.rows)
        return [cell for cell in cells if cell.lower() not in _BLANK]


def read(
    folder: Path, ledger: Ledger, *, columns: TableColumns | None = None
) -> Iterator[ImageAnnotation]:
    """Yield the images of the one table below ``folder`` that names images.

    Columns of 0 and 1 (true and false, yes and no, positive and negative) are image-level
    labels; of the label column each value is one. Nothing is known of boxes.

    Raises
    ------
    AnnotationError
        No table names images, or several do; there are no labels; a row contradicts another.
    ConfigError
        The table has no column of a name in ``columns``.

    """
    chosen = columns or TableColumns()
    images = images_below(folder)
    table, image = _table(folder, images, chosen.image, ledger)
    layout = _layout(table, image, chosen)
    rows = _gathered(table, layout)
    values = sorted({value for row in rows.values() for value in row.values})
    names = {value: column_name(value) for value in values}
    labels = [*layout.flags.values(), *{*names.values()}]
    twice = next((name for name in labels if labels.count(name) > 1), None)
    if twice is not None:
        raise AnnotationError(
            f"{table.file.name}: two columns give the label '{twice}'; rename one"
        )
    known = _names(images)
    unlisted = len(images) - sum(last_part(name) in known for name in rows)
    if unlisted > 0:
        ledger.hints.append(f"images in no row of {table.file.name}, not taken: {unlisted:,}")
    for name, row in rows.items():
        told = {names[value] for value in row.values}
        said = {name: name in told for name in names.values()} if told else {}
        yield ImageAnnotation(
            image=name,
            source=table.file.name,
            size_wh=None,
            findings=(),
            status=Status.UNKNOWN,
            patient_id=row.patient,
            labels={**row.labels, **said},
            extra=row.extra | ({"official_split": row.split} if row.split else {}),
        )


def _table(
    folder: Path, images: Sequence[str], title: str | None, ledger: Ledger
) -> tuple[_Rows, int]:
    """The table that names most images, and the column in which it does: ``title``, if given."""
    known = _names(images)
    tables = files_below(folder, ".csv", ".tsv")
    found = []
    for file in tables:
        table = _rows(file)
        for number, header in enumerate(table.titles):
            if title is None or header.lower() == title.lower():
                named = {last_part(cell.replace("\\", "/")) for cell in table.column(number)}
                # There may well be images called 0 and 1.
                flags = title is None and named <= _FLAGS.keys()
                found.append((0 if flags else len(named & known), table, number))
    if title is not None and tables and not found:
        raise ConfigError(f"--image-column {title}: no table in {folder} has this column")
    found = sorted((entry for entry in found if entry[0]), key=lambda entry: -entry[0])
    if not found:
        raise AnnotationError(
            f"{folder}: must have a table (CSV) with a column that names the images in the folder, "
            f"found {len(tables)} tables and {len(images):,} images"
        )
    most, table, number = found[0]
    for count, other, _ in found[1:]:
        names = f"{table.file.name} and {other.file.name}"
        if other is not table and count == most:
            raise AnnotationError(f"{folder}: {names} name as many images; keep one of the tables")
    others = dict.fromkeys(other.file.name for _, other, _ in found if other is not table)
    ledger.hints.extend(f"{name} names fewer images and was passed over" for name in others)
    return table, number


def _names(images: Sequence[str]) -> set[str]:
    """What a table may call the images: their file names, with or without suffix."""
    return {last_part(image) for image in images} | {stem_of(image) for image in images}


def _rows(file: SourceFile) -> _Rows:
    try:
        table = read_table(file)
        return _Rows(file, table.titles[: table.width], tuple(table.full_rows()))
    except AnnotationError as error:
        raise AnnotationError(
            f"{error}; mend it, or remove it if it is not the table of the images"
        ) from None


def _layout(table: _Rows, image: int, chosen: TableColumns) -> _Layout:
    """What each column holds."""
    label = _chosen(table, chosen.label, "label")
    patient = _chosen(table, chosen.patient, "patient")
    titles = [title.lower() for title in table.titles]
    twice = next((title for title in table.titles if title and table.titles.count(title) > 1), None)
    if twice is not None:
        raise AnnotationError(f"{table.file.name}: two columns are called '{twice}'; rename one")
    if label is not None and label in (image, patient):
        raise ConfigError(
            f"--label-column {table.titles[label]}: names the images, or their patients; name the "
            "column of the labels"
        )
    if patient is None:
        patient = next((titles.index(name) for name in _PATIENT if name in titles), None)
    split = next((titles.index(name) for name in _SPLIT if name in titles), None)
    if split is not None and not all(map(_split_named, table.column(split))):
        split = None
    flags, further = {}, {}
    for number, title in enumerate(table.titles):
        if number in (image, patient, split) or not title:
            continue
        cells = {cell.lower() for cell in table.column(number)}
        if cells and cells <= _FLAGS.keys() and titles[number] not in _NO_LABELS:
            flags[number] = column_name(title)
        elif number != label:
            further[number] = title
    label = None if label in flags else label
    if label is None and not flags:
        raise AnnotationError(
            f"{table.file.name}: line 1: must have a column of 0 and 1 for each label, got "
            f"{shown(table.titles)}; if one holds names of labels, name it with --label-column"
        )
    return _Layout(image, label, patient, split, flags, further)


def _chosen(table: _Rows, title: str | None, what: str) -> int | None:
    if title is None:
        return None
    titles = [known.lower() for known in table.titles]
    if titles.count(title.lower()) != 1:
        there = ", ".join(table.titles)
        raise ConfigError(
            f"--{what}-column {title}: {table.file.name} must have this column once, has {there}"
        )
    return titles.index(title.lower())


def _gathered(table: _Rows, layout: _Layout) -> dict[str, _Row]:
    """What is said of each image, in the order of the table."""
    rows: dict[str, _Row] = {}
    for where, cells in table.rows:
        image = documents.text(cells[layout.image].strip().replace("\\", "/"))
        if image is None:
            detail = f"must name an image, got {shown(cells[layout.image])}"
            raise AnnotationError(f"{table.file.name}: {where}: {detail}")
        row = rows.setdefault(image, _Row(where))
        other = _take(row, cells, layout)
        if other:
            raise AnnotationError(
                f"{table.file.name}: {where}: {image} has another {other} here than in "
                f"{row.where}; correct one of the two"
            )
    return rows


def _take(row: _Row, cells: Sequence[str], layout: _Layout) -> str:
    """Take over one row; what in it contradicts an earlier row of the image, or nothing."""
    patient = _cell(cells, layout.patient)
    split = _split_named(_cell(cells, layout.split))
    row.patient, row.split = row.patient or patient, row.split or split
    value = _cell(cells, layout.label)
    row.values |= {value} if value else set()
    for number, title in layout.further.items():
        if _cell(cells, number):
            row.extra.setdefault(title, _cell(cells, number))
    if patient not in ("", row.patient):
        return "patient"
    if split not in ("", row.split):
        return "split"
    for number, name in layout.flags.items():
        flag = _FLAGS.get(cells[number].strip().lower())
        if flag is not None and row.labels.setdefault(name, flag) != flag:
            return name
    return ""


def _cell(cells: Sequence[str], number: int | None) -> str:
    """A cell's text on one line, empty where it says that it is blank."""
    text = "" if number is None else " ".join(cells[number].split())
    return "" if text.lower() in _BLANK else text


def _split_named(cell: str) -> str:
    return documents.split_named([cell.strip()])
