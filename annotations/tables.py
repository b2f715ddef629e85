"""Tables (CSV) as annotation tools and spreadsheets save them, row by row with line numbers.

Text is UTF-8 or UTF-16, with or without a byte order mark; text that is not valid UTF-8 is
Windows-1252, as Excel saves it in the West. Cells are separated by ``,``, ``;`` or tab, whichever
the first line has most; with the latter two, numbers may have decimal commas. Quoting is that of
RFC 4180.
"""

import csv
import io
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from lucency.annotations import documents
from lucency.annotations.documents import shown
from lucency.annotations.ledger import Reason, UnusableBox
from lucency.annotations.sources import SourceFile
from lucency.configs.errors import AnnotationError

Four: TypeAlias = tuple[float, float, float, float]
FourColumns: TypeAlias = tuple[int, int, int, int]

_LONGEST_LINE = 1_000_000  # characters
_BLANK = frozenset({"", "nan", "none", "null", "na", "n/a"})


@dataclass(frozen=True)
class Table:
    """One table, read row by row.

    ``titles`` are the cells of the first row, trimmed, and ``header`` the same in lower case;
    ``rows`` are line numbers and cells of all further rows, or of all rows where the table has
    no header. ``width`` is the number of cells that a row must have, 0 if that varies;
    ``untitled`` more may follow, below empty titles at the end of the header.
    """

    file: SourceFile
    titles: tuple[str, ...]
    rows: Iterator[tuple[int, list[str]]]
    width: int
    untitled: int = 0
    decimal_comma: bool = False
    legacy: bool = False
    _labels: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.file.name

    @property
    def header(self) -> list[str]:
        """The titles in lower case."""
        return [title.lower() for title in self.titles]

    def find(self, *names: str) -> int | None:
        """The number of the first column that has one of these names, or None.

        Raises
        ------
        AnnotationError
            Two columns have the name.

        """
        header = self.header
        for name in names:
            if header.count(name) > 1:
                raise AnnotationError(f"{self.name}: line 1: several columns are called '{name}'")
            if name in header:
                return header.index(name)
        return None

    def column(self, *names: str) -> int:
        """The same for a column that must be there; raises `AnnotationError` if it is not."""
        found = self.find(*names)
        if found is None:
            raise AnnotationError(
                f"{self.name}: line 1: must have a column '{names[0]}', got {shown(self.titles)}"
            )
        return found

    def columns(self, a: str, b: str, c: str, d: str) -> FourColumns:
        """The four columns of a box."""
        return self.column(a), self.column(b), self.column(c), self.column(d)

    def widened(self, width: int) -> "Table":
        """The same table with rows of at least ``width`` cells."""
        return replace(self, width=max(self.width, width))

    def fitted(self, cells: list[str], where: str) -> list[str]:
        """A row with as many cells as the header has titles: those behind are cut off.

        Raises
        ------
        UnusableBox
            The row has fewer cells, or more.

        """
        most = self.width + self.untitled
        if self.width and (len(cells) < self.width or any(cells[most:])):
            detail = f"{where}: must have {self.width} cells, got {len(cells)}"
            raise UnusableBox(Reason.MALFORMED, detail)
        return cells[: self.width] if self.width else cells

    def full_rows(self) -> Iterator[tuple[str, list[str]]]:
        """Position and cells of every row of a table that holds no boxes.

        Raises
        ------
        AnnotationError
            A row has not as many cells as the header.

        """
        for line, cells in self.rows:
            try:
                yield f"line {line}", self.fitted(cells, f"line {line}")
            except UnusableBox as problem:
                raise AnnotationError(f"{self.name}: {problem.detail}") from None

    def number(self, cell: str, where: str) -> float:
        """The number in a cell, possibly not finite.

        Raises
        ------
        UnusableBox
            It holds none.

        """
        text = cell.replace(",", ".") if self.decimal_comma else cell
        try:
            if "_" not in text:  # Python's own digit groups
                return float(text)
        except ValueError:
            pass
        raise UnusableBox(Reason.MALFORMED, f"{where}: must be a number, got {shown(cell)}")

    def four(self, cells: list[str], columns: FourColumns, where: str) -> Four:
        """The four numbers of a box, possibly not finite.

        Raises
        ------
        UnusableBox
            A cell holds no number, or all are empty.

        """
        a, b, c, d = columns
        texts = cells[a], cells[b], cells[c], cells[d]
        try:
            four = float(texts[0]), float(texts[1]), float(texts[2]), float(texts[3])
        except ValueError:
            if not any(text.strip() for text in texts):
                raise UnusableBox(Reason.NO_BOX, f"{where}: must have a box, got none") from None
        else:
            if "_" not in texts[0] + texts[1] + texts[2] + texts[3]:
                return four
        first, second, third, fourth = (self.number(text, where) for text in texts)
        return first, second, third, fourth

    def label(self, cell: str, where: str) -> str:
        """The class that a cell names.

        Raises
        ------
        UnusableBox
            It names none.

        """
        known = self._labels.get(cell)
        if known is None:
            known = documents.text(cell.strip())
            if known is None:
                detail = f"{where}: must name a class, got {shown(cell)}"
                raise UnusableBox(Reason.UNKNOWN_CLASS, detail)
            self._labels[cell] = known
        return known

    def flag(self, cell: str, where: str, *, blank: bool | None = None) -> bool:
        """1 or 0 (true or false) in a cell of a table without boxes; ``blank`` if it is empty.

        Raises
        ------
        AnnotationError
            It is none of these.

        """
        text = cell.strip().lower()
        if text in _BLANK and blank is not None:
            return blank
        flags = {"1": True, "0": False, "1.0": True, "0.0": False, "true": True, "false": False}
        if self.decimal_comma:
            text = text.replace(",", ".")
        if text not in flags:
            raise AnnotationError(f"{self.name}: {where}: must be 0 or 1, got {shown(cell)}")
        return flags[text]


def is_blank(cells: list[str], columns: tuple[int, ...]) -> bool:
    """Whether all these cells are empty, or say so (``NaN``)."""
    return all(cells[column].strip().lower() in _BLANK for column in columns)


def first_cells(text: str) -> list[str]:
    """The cells of the first row, trimmed and in lower case, for detection; never raises."""
    line = text[:4096].lstrip("\ufeff\r\n").replace("\r", "\n").partition("\n")[0]
    try:
        rows = list(csv.reader([line], delimiter=_delimiter(line), skipinitialspace=True))
    except csv.Error:
        return []
    return [cell.strip().lower() for cell in rows[0]] if rows else []


def read_table(file: SourceFile, *, header: bool = True) -> Table:
    """Open a table.

    Raises
    ------
    AnnotationError
        The file cannot be read, is empty or no text; while the rows are read, also for a line
        above 1,000,000 characters or quotes that do not match.

    """
    stream, legacy = _text_stream(file)
    lines = _lines(stream, file.name)
    blank, first = 0, ""
    for first in lines:
        if first.strip():
            break
        blank += 1
    if not first.strip():
        raise AnnotationError(f"{file.name}: must be a table, but is empty")
    delimiter = _delimiter(first)
    rows = _rows(itertools.chain((first,), lines), file.name, blank, delimiter)
    line, cells = next(rows, (1, [""]))
    titles = tuple(cell.strip() for cell in cells)
    untitled = len(list(itertools.takewhile(lambda title: not title, reversed(titles))))
    return Table(
        file=file,
        titles=titles,
        rows=rows if header else itertools.chain(((line, cells),), rows),
        width=len(titles) - untitled if header else 0,
        untitled=untitled if header else 0,
        decimal_comma=delimiter != ",",
        legacy=legacy,
    )


def _text_stream(file: SourceFile) -> tuple[io.TextIOWrapper, bool]:
    """The text of a file, and whether it is Windows-1252."""
    data = documents.read_bytes(file)
    encoding = json.detect_encoding(data)
    for candidate in (encoding, "cp1252") if encoding == "utf-8" else (encoding,):
        try:
            data.decode(candidate)
        except UnicodeDecodeError as error:
            told = f"byte {error.start} is not {error.encoding}"
        else:
            stream = io.TextIOWrapper(io.BytesIO(data), candidate, newline="")
            return stream, candidate == "cp1252"
    raise AnnotationError(f"{file.name}: is not text: {told}")


def _lines(stream: io.TextIOWrapper, name: str) -> Iterator[str]:
    for number, line in enumerate(stream, 1):
        if len(line) > _LONGEST_LINE:
            told = f"must have at most {_LONGEST_LINE:,} characters, got {len(line):,}"
            raise AnnotationError(f"{name}: line {number}: {told}")
        if "\0" in line:
            raise AnnotationError(f"{name}: line {number}: is not text: it has a null byte")
        yield line


def _rows(
    lines: Iterator[str], name: str, before: int, delimiter: str
) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not empty, with the line it begins in."""
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    line = before + 1
    try:
        for cells in reader:
            if any(cells):
                yield line, cells
            line = before + reader.line_num + 1
    except csv.Error as error:
        raise AnnotationError(f"{name}: line {line}: is no row of a table: {error}") from None


def _delimiter(line: str) -> str:
    outside = "".join(line.split('"')[::2])
    return max(",;\t", key=outside.count)
