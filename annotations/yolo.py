"""YOLO text files: one a image, a line a box, coordinates as fractions of the image.

Ultralytics' layout (``data.yaml``, ``images/<split>``, ``labels/<split>``), the Darknet layouts
with ``obj.names``, and plain folders with a ``classes.txt``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from lucency.annotations import documents
from lucency.annotations.choices import Geometry
from lucency.annotations.findings import ImageAnnotation, LabelMap, Status
from lucency.annotations.formats import NORMALISED, Head
from lucency.annotations.ledger import Ledger, Reason, UnusableBox
from lucency.annotations.packing import packed
from lucency.annotations.records import (
    DATA_YAML,
    DATASET_CSV,
    SPLITS,
    UNSPLIT,
    ImageRecord,
    data_yaml,
    read_dataset,
)
from lucency.annotations.sources import Source, SourceFile
from lucency.annotations.yolo_layout import (
    DataYaml,
    find_data_yaml,
    image_of,
    is_label_file,
    lists_images,
    looks_like_data_yaml,
    read_data_yaml,
)
from lucency.annotations.yolo_lines import label_lines, label_of, read_line
from lucency.configs import atomic
from lucency.configs.errors import AnnotationError, LucencyError

NAME_FILES = ("obj.names", "classes.txt", "labels/classes.txt", "classes.names")
# LabelImg and Roboflow's Darknet export write one into every folder of label files.
_FOLDER_NAME_FILES = ("classes.txt", "_darknet.labels", "obj.names")
_LONGEST_LINE = 1_000_000


def detect(head: Head) -> bool:
    """Whether the file is a ``data.yaml`` or a label file."""
    name = head.name.rpartition("/")[2].lower()
    if name.endswith((".yaml", ".yml")):
        return looks_like_data_yaml(head.text)
    if not name.endswith(".txt") or not is_label_file(name):
        return False
    lines = [line.split() for line in head.text[:100_000].splitlines()[:-1] or [head.text]]
    fields = [line for line in lines if line]
    if not fields:  # a negative, if it is anything
        folder = Path(head.path).parent
        named = "labels" in (folder.name, *head.name.split("/")[:-1])
        return named or any((folder / names).is_file() for names in NAME_FILES)
    return all(_looks_like_label(line) for line in fields)


def class_names(source: Source) -> tuple[str, ...] | None:
    """The names in the order of their ids, or None if no file gives them.

    Raises
    ------
    AnnotationError
        A names file is unreadable, gives an empty name or the same name twice, or two disagree.

    """
    names = (_read_data_yaml(source) or DataYaml()).names
    for name in NAME_FILES:
        if names is None and (source.root / name).is_file():
            names = read_class_file(source.root / name)
    return names or _names_beside_labels(source)


def _names_beside_labels(source: Source) -> tuple[str, ...] | None:
    """The names that the folders of label files give, each for itself."""
    found: dict[tuple[str, ...], str] = {}
    for folder in sorted({file.name.rpartition("/")[0] for file in _label_files(source)}):
        paths = [source.root / folder / name for name in _FOLDER_NAME_FILES]
        path = next((path for path in paths if path.is_file()), None)
        if path is not None:
            found.setdefault(read_class_file(path), path.relative_to(source.root).as_posix())
    if len(found) > 1:
        files = " and ".join(found.values())
        raise AnnotationError(
            f"{files}: name different classes, or in different order; convert these folders one "
            "by one, or say with --classes which file holds"
        )
    return next(iter(found), None)


def read_class_file(path: Path) -> tuple[str, ...]:
    """Read one class name a line; the line's place is the id.

    Raises
    ------
    AnnotationError
        The file is unreadable or empty, or a name is empty or stands twice.

    """
    text = documents.read_text(SourceFile(str(path), path.name))
    lines = [line.strip() for line in text.rstrip().splitlines()]
    if not lines:
        raise AnnotationError(f"{path.name}: has no class names")
    try:
        return LabelMap(tuple(lines)).names
    except ValueError as error:
        raise AnnotationError(f"{path.name}: {error}") from None


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield an image for each label file; coordinates stay fractions (`NORMALISED`).

    ``source.classes`` are the names by id; without them, those of the folder.

    Raises
    ------
    AnnotationError
        There are no label files, or no class names.

    """
    data = _read_data_yaml(source) or DataYaml()
    names = source.classes or class_names(source)
    files = _label_files(source)
    if not files:
        if data.names is not None and (source.root / DATASET_CSV).is_file():
            return  # a set of ours with image-level labels alone
        raise AnnotationError(f"{source.path}: has no YOLO label files (*.txt)")
    if names is None:
        raise AnnotationError(
            f"{source.path}: class names are missing: add a classes.txt, one name a line, "
            "or name such a file with --classes"
        )
    table = _table(source.root)
    for file in files:
        image = image_of(file.name)
        try:
            annotation = _annotation(file, image, names, data, ledger)
            if annotation is not None:
                yield _with_table(annotation, table.get(image))
        except AnnotationError as error:
            reason = Reason.UNREADABLE_ANNOTATION
            ledger.leave_out(file.name, image=image, reason=reason, detail=str(error))


def write(annotations: Iterable[ImageAnnotation], out: Path, *, label_map: LabelMap) -> None:
    """Write ``labels/<split>/*.txt`` with boxes, and ``data.yaml``, into the folder ``out``.

    Images of unknown status get no file.

    Raises
    ------
    AnnotationError
        An image has no size, a label is not in ``label_map``, or two images share a label file.

    """
    written: set[Path] = set()
    splits: set[str] = set()
    ids = {name: number for number, name in enumerate(label_map)}
    for annotation in annotations:
        split = annotation.split or UNSPLIT
        splits.add(split)
        file = out / "labels" / split / f"{PurePosixPath(annotation.image).stem}.txt"
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
        findings = packed(annotation.findings)
        atomic.write_text(file, label_lines(findings, annotation.size_wh, ids, Geometry.BOX))
    atomic.write_text(out / DATA_YAML, data_yaml(label_map, splits))


def _label_files(source: Source) -> list[SourceFile]:
    """All label files; a ``data.yaml`` stands for its whole folder."""
    whole = replace(source, path=source.root) if source.path.suffix != ".txt" else source
    return [f for f in whole.files(".txt") if is_label_file(f.name) or _holds_labels(f)]


def _holds_labels(file: SourceFile) -> bool:
    """Whether a file holds boxes despite its name: an image may be called ``train.png``."""
    try:
        lines = documents.read_text(file).splitlines()
    except AnnotationError:
        return False
    fields = [line.split() for line in lines if line.strip()]
    return bool(fields) and all(map(_looks_like_label, fields))


def _table(root: Path) -> dict[str, ImageRecord]:
    """What a set of our own says of its images in ``dataset.csv``; empty for other sets."""
    try:
        records = read_dataset(root).records
    except LucencyError:
        return {}
    return {str(record.image.with_suffix("")): record for record in records}


def _with_table(annotation: ImageAnnotation, record: ImageRecord | None) -> ImageAnnotation:
    if record is None:
        return annotation
    labels = {name: record.label(name) for name in record.extra}
    known = {name: label for name, label in labels.items() if label is not None}
    extra = {name: text for name, text in record.extra.items() if name not in known and text}
    split = record.split if record.split in SPLITS else annotation.split
    return replace(annotation, split=split, patient_id=record.patient_id, labels=known, extra=extra)


def _read_data_yaml(source: Source) -> DataYaml | None:
    named = source.path.suffix in (".yaml", ".yml") and source.path.is_file()
    file = source.path if named else find_data_yaml(source.root)
    return read_data_yaml(file) if file is not None else None


def _looks_like_label(fields: Sequence[str]) -> bool:
    """Whether the fields of a line are a class number and fractions."""
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        return False
    return len(numbers) >= 5 and (numbers[0] != numbers[0] or float(numbers[0]).is_integer())


def _annotation(
    file: SourceFile, image: str, names: Sequence[str], data: DataYaml, ledger: Ledger
) -> ImageAnnotation | None:
    """What a label file says, or None if it is a list of images (``train2017.txt``)."""
    lines = documents.read_text(file).splitlines()
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    longest = max(map(len, lines), default=0)
    if longest > _LONGEST_LINE:
        raise AnnotationError(f"{file.name}: has a line of {longest} characters: no label file")
    if lists_images(lines):
        ledger.hints.append(f"{file.name} was passed over: it lists images")
        return None
    ledger.expect(file.name, len(numbered))
    findings = []
    for number, line in numbered:
        index = f"line {number}"
        try:
            findings.append(read_line(line, names, where=index, boxes_first=data.keypoints))
        except UnusableBox as problem:
            label = label_of(line.split()[0], names)
            ledger.unusable(file.name, problem, image=image, index=index, label=label)
    unmarked = Status.UNKNOWN if numbered else Status.NEGATIVE
    return ImageAnnotation(
        image=image,
        source=file.name,
        size_wh=NORMALISED,
        findings=tuple(findings),
        status=Status.ANNOTATED if findings else unmarked,
        split=data.split_of(image),
    )
