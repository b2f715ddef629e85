"""YOLO text files: ``class x_centre y_centre width height``, as fractions of the image.

Folders as Ultralytics, Roboflow, Darknet and LabelImg lay them out: ``images/`` beside
``labels/``, or text files beside images. Lines with corners (oriented boxes) or an outline
(segments) become the box around them. An empty file is a confirmed negative; an image without
a file is unknown.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from lucency.annotations import documents
from lucency.annotations.documents import finite, shown
from lucency.annotations.findings import Finding, ImageAnnotation, LabelMap, Status
from lucency.annotations.formats import NORMALISED
from lucency.annotations.geometry import Box, Point, box_around
from lucency.annotations.ledger import Ledger, Reason, UnusableBox
from lucency.annotations.records import (
    DATA_YAML,
    UNSPLIT,
    ImageRecord,
    data_yaml,
    read_dataset,
)
from lucency.annotations.yolo_layout import DataYaml, image_of, label_files, read_data_yaml
from lucency.configs import atomic
from lucency.configs.errors import AnnotationError, LucencyError

NAME_FILES = ("obj.names", "classes.txt", "labels/classes.txt", "classes.names")
# Ten digits: a corner moves by less than a millionth of a pixel in an image of 5,000 px.
DIGITS = 10


def detect(path: Path) -> bool:
    """Whether ``path`` is a ``data.yaml`` or a folder of YOLO text files."""
    if path.is_file():
        return path.suffix in (".yaml", ".yml") and bool(_data_yaml_or_none(path))
    if any((path / name).is_file() for name in (DATA_YAML, *NAME_FILES)):
        return True
    first = next(iter(label_files(path)), None)
    return first is not None and _looks_like_labels(first)


def class_names(path: Path) -> tuple[str, ...] | None:
    """The names in the order of their ids, or None if no file gives them.

    Raises
    ------
    AnnotationError
        A names file is unreadable, or gives an empty name or the same name twice.

    """
    root = path.parent if path.is_file() else path
    names = (_read_data_yaml(path) or DataYaml()).names
    for name in NAME_FILES:
        if names is None and (root / name).is_file():
            names = read_class_file(root / name)
    return names


def read_class_file(path: Path) -> tuple[str, ...]:
    """Read one class name a line; the line's place is the id.

    Raises
    ------
    AnnotationError
        The file is unreadable or empty, or a name is empty or stands twice.

    """
    lines = [line.strip() for line in documents.read_text(path).rstrip().splitlines()]
    if not lines:
        raise AnnotationError(f"{path.name}: has no class names")
    try:
        return LabelMap(tuple(lines)).names
    except ValueError as error:
        raise AnnotationError(f"{path.name}: {error}") from None


def embedded_image(path: Path) -> bytes | None:
    """None: text files hold no images."""
    return None


def read(
    path: Path, ledger: Ledger, *, classes: tuple[str, ...] | None = None
) -> Iterator[ImageAnnotation]:
    """Yield an image for each label file; coordinates stay fractions (`NORMALISED`).

    ``classes`` are the names by id; without them, those of the folder.

    Raises
    ------
    AnnotationError
        There are no label files, or no class names.

    """
    root = path.parent if path.is_file() else path
    data = _read_data_yaml(path) or DataYaml()
    names = classes or class_names(path)
    files = label_files(root)
    if not files:
        raise AnnotationError(f"{path}: has no YOLO label files (*.txt)")
    if names is None:
        raise AnnotationError(
            f"{path}: class names are missing: add a classes.txt, one name a line, "
            "or name such a file with --classes"
        )
    table = _table(root)
    for file in files:
        image = image_of(PurePosixPath(file.relative_to(root).as_posix()))
        try:
            annotation = _annotation(file, image, names, data, ledger)
            yield _with_table(annotation, table.get(image))
        except AnnotationError as error:
            reason = Reason.UNREADABLE_ANNOTATION
            ledger.leave_out(file, image=str(image), reason=reason, detail=str(error))


def write(annotations: Iterable[ImageAnnotation], out: Path, *, label_map: LabelMap) -> None:
    """Write ``labels/<split>/*.txt`` and ``data.yaml`` into the folder ``out``.

    Images of unknown status get no file.

    Raises
    ------
    AnnotationError
        An image has no size, a label is not in ``label_map``, or two images share a label file.

    """
    written: set[Path] = set()
    splits: set[str] = set()
    for annotation in annotations:
        split = annotation.split or UNSPLIT
        splits.add(split)
        file = out / "labels" / split / f"{annotation.image.stem}.txt"
        if annotation.status is Status.UNKNOWN:
            continue
        if annotation.size_wh is None:
            raise AnnotationError(f"{annotation.image}: its size is unknown")
        if file in written:
            raise AnnotationError(f"{annotation.image}: another image is also named {file.stem}")
        written.add(file)
        for finding in annotation.findings:
            if finding.label not in label_map:
                raise AnnotationError(f"{annotation.image}: {finding.label}: no such class")
        lines = (label_line(f, annotation.size_wh, label_map) for f in annotation.findings)
        atomic.write_text(file, "".join(lines))
    atomic.write_text(out / DATA_YAML, data_yaml(label_map, splits))


def label_line(finding: Finding, size_wh: tuple[int, int], label_map: LabelMap) -> str:
    """One line of a label file, with its line end."""
    box, (width, height) = finding.box, size_wh
    values = (
        (box.x1 + box.x2) / 2 / width,
        (box.y1 + box.y2) / 2 / height,
        box.width / width,
        box.height / height,
    )
    numbers = " ".join(f"{value:.{DIGITS}f}" for value in values)
    return f"{label_map.id_of(finding.label)} {numbers}\n"


def _table(root: Path) -> dict[PurePosixPath, ImageRecord]:
    """What a set of our own says of its images in ``dataset.csv``; empty for other sets."""
    try:
        records = read_dataset(root).records
    except LucencyError:
        return {}
    return {record.image.with_suffix(""): record for record in records}


def _with_table(annotation: ImageAnnotation, record: ImageRecord | None) -> ImageAnnotation:
    if record is None:
        return annotation
    labels = {name: record.label(name) for name in record.extra}
    known = {name: label for name, label in labels.items() if label is not None}
    return replace(annotation, patient_id=record.patient_id, labels=known)


def _read_data_yaml(path: Path) -> DataYaml | None:
    file = path if path.is_file() else path / DATA_YAML
    return read_data_yaml(file) if file.is_file() else None


def _data_yaml_or_none(path: Path) -> DataYaml | None:
    try:
        return read_data_yaml(path)
    except AnnotationError:
        return None


def _looks_like_labels(path: Path) -> bool:
    try:
        lines = documents.read_text(path).splitlines()
    except AnnotationError:
        return False
    return all(_numbers(line) is not None for line in lines)


def _annotation(
    file: Path,
    image: PurePosixPath,
    names: Sequence[str],
    data: DataYaml,
    ledger: Ledger,
) -> ImageAnnotation:
    lines = documents.read_text(file).splitlines()
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    ledger.expect(file, len(numbered))
    findings = []
    for number, line in numbered:
        index = f"line {number}"
        try:
            findings.append(_finding(line, names, where=index, boxes_first=data.keypoints))
        except UnusableBox as problem:
            ledger.drop(
                file,
                image=str(image),
                index=index,
                label=_label(line, names),
                reason=problem.reason,
                detail=problem.detail,
            )
    unmarked = Status.UNKNOWN if numbered else Status.NEGATIVE
    return ImageAnnotation(
        image=image,
        source=file,
        size_wh=NORMALISED,
        findings=tuple(findings),
        status=Status.ANNOTATED if findings else unmarked,
        split=data.split_of(image),
    )


def _numbers(line: str) -> list[float | None] | None:
    """The numbers of a line, None for one that is not finite; None if one is no number."""
    try:
        return [finite(float(field)) for field in line.split()]
    except ValueError:
        return None


def _label(line: str, names: Sequence[str]) -> str:
    numbers = _numbers(line) or [None]
    number = numbers[0]
    known = number is not None and number.is_integer() and 0 <= number < len(names)
    return names[int(number)] if known and number is not None else ""


def _finding(line: str, names: Sequence[str], *, where: str, boxes_first: bool) -> Finding:
    values = _numbers(line)
    if values is None:
        raise UnusableBox(
            Reason.MALFORMED, f"{where}: must be numbers alone, got {shown(line.strip())}"
        )
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(values):
        raise UnusableBox(
            Reason.NOT_FINITE, f"{where}: must be finite numbers, got {shown(line.strip())}"
        )
    label = _label(line, names)
    if not label:
        raise UnusableBox(
            Reason.UNKNOWN_CLASS,
            f"{where}: class must be a whole number from 0 to {len(names) - 1}, "
            f"got {line.split()[0]}",
        )
    coordinates = numbers[1:5] if boxes_first and len(numbers) > 5 else numbers[1:]
    try:
        box, polygon = _box(coordinates)
    except ValueError as error:
        raise UnusableBox(
            Reason.MALFORMED, f"{where}: {error}, got {shown(line.strip())}"
        ) from None
    if box.width <= 0 or box.height <= 0:
        raise UnusableBox(
            Reason.ZERO_AREA,
            f"{where}: width and height must be above 0, got {shown(line.strip())}",
        )
    return Finding(label, box, polygon=polygon, index=where)


def _box(numbers: Sequence[float]) -> tuple[Box, tuple[Point, ...] | None]:
    if len(numbers) == 4:
        x, y, width, height = numbers
        width, height = max(width, 0.0), max(height, 0.0)
        return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2), None
    if len(numbers) < 6 or len(numbers) % 2:
        raise ValueError(
            "must be a class and 4 numbers, or x and y of at least 3 points "
            "(a sixth number as in predictions is not allowed)"
        )
    points = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    return box_around(points), points
