"""The images of tables that have one row a box, in the order in which they first appear."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from lucency.annotations import documents
from lucency.annotations.documents import shown
from lucency.annotations.findings import NO_ATTRIBUTES, Finding, ImageAnnotation, Status
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger, Reason, UnusableBox
from lucency.annotations.sources import Source, SourceFile, read_each
from lucency.annotations.tables import Four, Table, is_blank, read_table
from lucency.configs.errors import AnnotationError


@dataclass(slots=True)
class Entry:
    """What the rows of one image say, or those of one reader of it.

    ``negative`` is set by a row which says that nothing was found.
    """

    image: str
    reader: str
    findings: list[Finding] = field(default_factory=list)
    negative: bool = False
    size_wh: tuple[int, int] | None = None
    split: str = ""
    patient_id: str = ""
    labels: dict[str, bool] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    stated_size: tuple[str, str] | None = None


# Takes the cells of a row, its position and its image; gives its box, or None if it has none,
# and raises UnusableBox for a box that is no finding.
TakeRow: TypeAlias = Callable[[list[str], str, Entry], Finding | None]


@dataclass(frozen=True, slots=True)
class _Problem:
    problem: UnusableBox
    image: str
    where: str
    label: str


class TableImages:
    """What was read of a table, before the ledger is told."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._readers: dict[str, dict[str, Entry]] = {}
        self._problems: list[_Problem] = []

    def __iter__(self) -> Iterator[Entry]:
        for readers in self._readers.values():
            yield from readers.values()

    def entry(self, image: str, reader: str = "") -> Entry:
        """The entry of an image, or of one reader of it; a new one the first time."""
        readers = self._readers.get(image)
        if readers is None:
            readers = self._readers[image] = {}
        found = readers.get(reader)
        if found is None:
            found = readers[reader] = Entry(image, reader)
        return found

    def add_problem(self, problem: UnusableBox, *, image: str, where: str, label: str) -> None:
        """Keep a box that is no finding."""
        self._problems.append(_Problem(problem, image, where, label))

    def annotations(self, ledger: Ledger) -> Iterator[ImageAnnotation]:
        """Tell the ledger of all boxes, and yield the images, those of one image together.

        An image without findings is a negative if a row says so and none of its boxes was lost.
        """
        source = self._table.name
        ledger.expect(source, len(self._problems) + sum(len(e.findings) for e in self))
        for lost in self._problems:
            ledger.unusable(
                source, lost.problem, image=lost.image, index=lost.where, label=lost.label
            )
        damaged = {lost.image for lost in self._problems}
        readers = self._readers
        self._readers = {}
        for image in list(readers):
            for entry in readers.pop(image).values():  # so that what is taken in is free again
                if entry.negative and entry.findings:
                    detail = "one row has a box, another says that there is none: the box is kept"
                    reason = Reason.CONTRADICTION
                    ledger.note(source, image=image, reason=reason, detail=detail)
                yield _annotation(entry, source, negative=entry.negative and image not in damaged)


def read_tables(
    source: Source,
    ledger: Ledger,
    *,
    holds: Callable[[Table], bool],
    document: Callable[[Table, Ledger], Iterator[ImageAnnotation]],
    header: bool = True,
    beside: str = "",
) -> Iterator[ImageAnnotation]:
    """Yield the images of every table of ``source`` that ``holds`` boxes or labels.

    Further tables of a set (lists of images, of classes) are passed over with a hint; without
    one if their names have the word ``beside``, since they are read together with a table.

    Raises
    ------
    AnnotationError
        The one table is unreadable; among several it is left out and told to the ledger.

    """

    def read(file: SourceFile, ledger: Ledger) -> Iterator[ImageAnnotation]:
        table = read_table(file, header=header)
        if not holds(table):
            found = f"no boxes or labels of this format, got {shown(table.titles)}"
            if not source.path.is_dir():
                raise AnnotationError(f"{file.name}: line 1: has {found}")
            if beside and beside in file.name.rpartition("/")[2].lower():
                return
            ledger.hints.append(f"{file.name} was passed over: it has {found}")
            return
        if table.legacy:
            ledger.hints.append(f"{file.name} is not UTF-8 and was read as Windows-1252")
        yield from document(table, ledger)

    return read_each(source, ledger, ".csv", document=read)


def split_by_name(file: SourceFile) -> str:
    """The split that the name of a table tells (``train_labels.csv``), or else its folder."""
    stem = file.name.rpartition("/")[2].rpartition(".")[0]
    parts = "".join(char if char.isalnum() else " " for char in stem).split()
    return documents.split_named(parts) or file.split


def _annotation(entry: Entry, source: str, *, negative: bool) -> ImageAnnotation:
    unmarked = Status.NEGATIVE if negative else Status.UNKNOWN
    return ImageAnnotation(
        image=entry.image,
        source=source,
        size_wh=entry.size_wh,
        findings=tuple(entry.findings),
        status=Status.ANNOTATED if entry.findings else unmarked,
        reader=entry.reader,
        split=entry.split,
        patient_id=entry.patient_id,
        labels=entry.labels or NO_ATTRIBUTES,
        extra=entry.extra or NO_ATTRIBUTES,
    )


def image_path(cell: str) -> str | None:
    """The image that a cell names, with forward slashes, or None."""
    return documents.text(cell.strip().replace("\\", "/"))


def collect(
    table: Table,
    take: TakeRow,
    *,
    image: int,
    label: int,
    reader: int | None = None,
    image_name: Callable[[str], str | None] = image_path,
    label_name: Callable[[str], str] = str.strip,
) -> TableImages:
    """Read all rows of a table; ``image``, ``label`` and ``reader`` are numbers of columns.

    ``image_name`` and ``label_name`` give what the cells stand for, the latter for the ledger.

    Raises
    ------
    AnnotationError
        The table breaks off or is no text.

    """
    images = TableImages(table)
    names: dict[str, str | None] = {}
    width = table.width
    for line, row in table.rows:
        where = f"line {line}"
        name: str | None = None
        try:
            cell = row[image] if image < len(row) else ""
            name = names[cell] if cell in names else names.setdefault(cell, image_name(cell))
            cells = row if len(row) == width else table.fitted(row, where)
            if name is None:
                detail = f"{where}: must name an image, got {shown(cell)}"
                raise UnusableBox(Reason.UNKNOWN_IMAGE, detail)
            entry = images.entry(name, "" if reader is None else cells[reader].strip())
            finding = take(cells, where, entry)
        except UnusableBox as problem:
            told = documents.text(label_name(row[label])) if label < len(row) else None
            images.add_problem(problem, image=name or "", where=where, label=told or "")
            continue
        if finding is not None:
            entry.findings.append(finding)
    return images


def corner_box(corners: Four, where: str) -> Box:
    """The box with the corners ``x1, y1, x2, y2``.

    Raises
    ------
    UnusableBox
        It has no area, or a number is not finite.

    """
    x1, y1, x2, y2 = corners
    if x1 < x2 and y1 < y2:
        try:
            return Box(x1, y1, x2, y2)
        except ValueError:
            pass
    raise _refused(corners, (x2 - x1, y2 - y1), where)


def sized_box(values: Four, where: str) -> Box:
    """The box ``x, y, width, height``.

    Raises
    ------
    UnusableBox
        It has no area, or a number is not finite.

    """
    x, y, width, height = values
    if width > 0 and height > 0 and x < x + width and y < y + height:
        try:
            return Box(x, y, x + width, y + height)
        except ValueError:  # the sum of two finite numbers may overflow
            pass
    raise _refused(values, (x + width, y + height), where)


def state_size(
    table: Table, cells: list[str], columns: tuple[int, int], entry: Entry, where: str
) -> None:
    """Take over the width and height of the image that a row states.

    Raises
    ------
    UnusableBox
        They are no size, or not the size that an earlier row states.

    """
    stated = cells[columns[0]], cells[columns[1]]
    if stated == entry.stated_size or is_blank(cells, columns):
        return
    width, height = (table.number(cell, where) for cell in stated)
    try:
        size = documents.size_wh(width, height, where=where)
    except AnnotationError as error:
        raise UnusableBox(Reason.MALFORMED, str(error)) from None
    if entry.stated_size is not None and size != entry.size_wh:
        earlier = " and ".join(entry.stated_size)
        detail = f"{where}: width and height must be {earlier} as before, got {shown(stated)}"
        raise UnusableBox(Reason.MALFORMED, detail)
    entry.size_wh, entry.stated_size = size, stated


def _refused(values: Four, sums: tuple[float, float], where: str) -> UnusableBox:
    found = shown(list(values))
    if any(value - value != 0 for value in (*values, *sums)):
        return UnusableBox(Reason.NOT_FINITE, f"{where}: must be finite numbers, got {found}")
    detail = f"{where}: width and height must be above 0, got {found}"
    return UnusableBox(Reason.ZERO_AREA, detail)
