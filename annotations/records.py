"""A YOLO data set on disk, with its table ``dataset.csv``: one row an image.

The layout is Ultralytics' own::

    data.yaml  dataset.csv  ledger.json  images/<split>/…  labels/<split>/…

An empty label file is a confirmed negative, a missing one means unknown.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import yaml

from lucency.annotations.findings import Finding, LabelMap, Status
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import UnusableBox
from lucency.annotations.yolo_lines import read_line
from lucency.configs import atomic
from lucency.configs.errors import DatasetError
from lucency.configs.yaml_files import read_yaml

DATASET_CSV = "dataset.csv"
DATA_YAML = "data.yaml"
COLUMNS = ("image", "split", "patient_id", "status", "width", "height", "sha256", "source")
SPLITS = ("train", "val", "test")
UNSPLIT = "unsplit"


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One row of ``dataset.csv``.

    ``image`` is the path below the set's root. ``extra`` holds all further columns as they stand,
    image-level labels (``0``, ``1`` or empty) among them.
    """

    image: PurePosixPath
    split: str
    patient_id: str
    status: Status
    width: int
    height: int
    sha256: str
    source: str
    extra: Mapping[str, str] = field(default_factory=dict)

    def label(self, name: str) -> bool | None:
        """The image-level label ``name``, or None where it is not known."""
        return {"0": False, "1": True}.get(self.extra.get(name, "").strip())


@dataclass(frozen=True)
class Dataset:
    """A data set as it lies on disk: its root, class names, and records in the table's order."""

    root: Path
    label_map: LabelMap
    records: tuple[ImageRecord, ...]

    def in_split(self, split: str) -> tuple[ImageRecord, ...]:
        """The records of one split."""
        return tuple(record for record in self.records if record.split == split)

    def image_path(self, record: ImageRecord) -> Path:
        """Where the image lies."""
        return self.root / record.image

    def label_path(self, record: ImageRecord) -> Path:
        """Where the image's YOLO label file lies, or would lie."""
        parts = record.image.parts
        return self.root.joinpath("labels", *parts[1:]).with_suffix(".txt")

    def findings(self, record: ImageRecord) -> tuple[Finding, ...]:
        """The boxes of one image, in pixels of the stored image; none for unknown images.

        Raises
        ------
        DatasetError
            A line of the label file is no box, oriented box or outline, or its class is unknown.

        """
        path = self.label_path(record)
        if record.status is not Status.ANNOTATED:
            return ()
        lines = _text(path).splitlines()
        return tuple(
            self._finding(record, line, where=f"{path}: line {number}")
            for number, line in enumerate(lines, start=1)
            if line.strip()
        )

    def _finding(self, record: ImageRecord, line: str, *, where: str) -> Finding:
        fields = line.split()
        try:
            if len(fields) > 5:
                return self._outlined(record, line, where=where)
            class_id, *numbers = fields
            x, y, width, height = (float(number) for number in numbers)
            label = self.label_map.names[int(class_id)] if int(class_id) >= 0 else ""
            box = Box(
                (x - width / 2) * record.width,
                (y - height / 2) * record.height,
                (x + width / 2) * record.width,
                (y + height / 2) * record.height,
            )
            return Finding(label, box, index=where)
        except (ValueError, IndexError, UnusableBox):
            raise DatasetError(
                f"{where}: must be 'class x y width height', or a class and an outline, with a "
                f"class below {len(self.label_map)}, got {line!r:.60}"
            ) from None

    def _outlined(self, record: ImageRecord, line: str, *, where: str) -> Finding:
        """The finding of an oriented box or an outline."""
        found = read_line(line, self.label_map.names, where=where)
        polygon = tuple((x * record.width, y * record.height) for x, y in found.polygon or ())
        box = found.box.scaled(record.width, record.height)
        return Finding(found.label, box, polygon, index=where)


def read_dataset(root: Path) -> Dataset:
    """Read ``data.yaml`` and ``dataset.csv``.

    Raises
    ------
    DatasetError
        One of them is missing, a column or value is wrong, or an image stands twice.

    """
    for name in (DATA_YAML, DATASET_CSV):
        if not (root / name).is_file():
            raise DatasetError(f"{root}: has no {name}; make a set with `lucency convert`")
    label_map = _label_map(root / DATA_YAML)
    rows = csv.DictReader(io.StringIO(_text(root / DATASET_CSV), newline=""))
    try:
        missing = set(COLUMNS) - set(rows.fieldnames or ())
        if missing:
            names = ", ".join(sorted(missing))
            raise DatasetError(f"{root / DATASET_CSV}: missing columns {names}")
        records = tuple(
            _record(row, where=f"{root / DATASET_CSV}: line {number}")
            for number, row in enumerate(rows, start=2)
        )
    except csv.Error as error:
        raise DatasetError(f"{root / DATASET_CSV}: is no table: {error}") from None
    seen: set[PurePosixPath] = set()
    for record in records:
        if record.image in seen:
            raise DatasetError(f"{root / DATASET_CSV}: {record.image} stands twice")
        seen.add(record.image)
    return Dataset(root, label_map, records)


def dataset_csv(records: Iterable[ImageRecord]) -> str:
    """The text of ``dataset.csv``, the further columns last and sorted by name."""
    rows = list(records)
    further = sorted({name for record in rows for name in record.extra})
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*COLUMNS, *further])
    for record in rows:
        values = [str(getattr(record, column)) for column in COLUMNS]
        values += [record.extra.get(name, "") for name in further]
        writer.writerow(values)
    # A file's name may hold bytes of another encoding, which no text can.
    return out.getvalue().encode(errors="replace").decode()


def data_yaml(label_map: LabelMap, splits: Iterable[str]) -> str:
    """The text of ``data.yaml`` as Ultralytics reads it; paths are relative to the file.

    ``splits`` are those of the images with boxes and of the confirmed negatives. A set without
    train or val names one folder for both, since Ultralytics insists on them, and says so; our
    own training refuses such a set.
    """
    found = set(splits)
    present = [split for split in SPLITS if split in found]
    lines = {split: f"images/{split}" for split in present}
    missing = [split for split in ("train", "val") if split not in found]
    note = ""
    if missing:
        note = _what_lacks(missing, found)
        folder = f"images/{present[0] if present else UNSPLIT}"
        lines = {"train": folder, "val": folder, **lines}
    names = dict(enumerate(label_map.names))
    text = yaml.safe_dump({**lines, "names": names}, sort_keys=False, allow_unicode=True)
    return note + str(text)


def _what_lacks(missing: Sequence[str], splits: Set[str]) -> str:
    """The comment at the head of a ``data.yaml`` on which no detector can be trained."""
    if not splits:
        return "# No image has boxes or is a confirmed negative: not for training a detector.\n"
    what = f"Has no {' and no '.join(missing)}" if splits & {*SPLITS} else "Not split yet"
    return f"# {what}: run `lucency split` on this folder before training.\n"


def write_tables(dataset: Dataset) -> None:
    """Write ``data.yaml`` and ``dataset.csv`` of a set, each complete or unchanged."""
    splits = {record.split for record in dataset.records}
    atomic.write_text(dataset.root / DATA_YAML, data_yaml(dataset.label_map, splits))
    atomic.write_text(dataset.root / DATASET_CSV, dataset_csv(dataset.records))


def _label_map(path: Path) -> LabelMap:
    names = read_yaml(path).get("names")
    try:
        if isinstance(names, dict):
            names = [names[key] for key in sorted(names)]
        if not isinstance(names, list):
            raise ValueError("must list the class names")
        return LabelMap(tuple(str(name) for name in names))
    except (ValueError, TypeError) as error:  # keys of several types cannot be sorted
        raise DatasetError(f"{path}: names: {error}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"{path}: cannot be read: {reason}") from None


def _record(row: Mapping[str, str], *, where: str) -> ImageRecord:
    try:
        if None in row:
            raise ValueError("has more fields than there are columns")
        image = PurePosixPath(row["image"])
        if image.is_absolute() or ".." in image.parts or len(image.parts) < 2:
            raise ValueError(f"image must be a path such as images/train/1.png, got '{image}'")
        return ImageRecord(
            image=image,
            split=row["split"],
            patient_id=row["patient_id"].strip(),
            status=Status(row["status"]),
            width=int(row["width"]),
            height=int(row["height"]),
            sha256=row["sha256"],
            source=row["source"],
            extra={name: value or "" for name, value in row.items() if name not in COLUMNS},
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise DatasetError(f"{where}: {error}") from None
