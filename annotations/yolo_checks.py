"""What only a YOLO set has: ``data.yaml``, and in ours the table ``dataset.csv``."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import yaml

from lucency.annotations.checked_images import CheckedImage
from lucency.annotations.documents import shown
from lucency.annotations.findings import Status
from lucency.annotations.problems import Problem
from lucency.annotations.records import DATA_YAML, DATASET_CSV, ImageRecord, read_dataset
from lucency.annotations.yolo_layout import find_data_yaml, read_data_yaml
from lucency.configs.errors import AnnotationError, LucencyError

# A rendered set keeps the digests of the images that it was made from.
_RENDERED = "prepared.json"


def check_data_yaml(source: Path) -> Iterator[Problem]:
    """A ``data.yaml`` that is missing, or names another number of classes or missing folders."""
    named = source.is_file() and source.suffix in (".yaml", ".yml")
    root = source if source.is_dir() else source.parent
    path = source if named else find_data_yaml(root)
    if path is None:
        yield Problem("data-yaml", "there is none, and Ultralytics needs it", source=DATA_YAML)
        return
    try:
        data = read_data_yaml(path)
        values = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=yaml.BaseLoader)  # noqa: S506
    except (AnnotationError, OSError, ValueError, yaml.YAMLError):
        return  # reading the set has told it already
    names, count = data.names or (), values.get("nc")
    if count is not None and count != str(len(names)):
        text = f"nc: must be {len(names)}, the number of names, got {shown(count)}"
        yield Problem("data-yaml", text, source=path.name)
    base = PurePosixPath(str(values.get("path") or "."))
    places = [path.parent, path.parent / base]
    for folder, split in data.folders.items():
        # Without classes there are no boxes, and nothing for Ultralytics to train on.
        if names and not any((place / folder).exists() for place in places):
            text = f"{split or 'a split'}: there is no folder {folder}"
            yield Problem("data-yaml", text, source=path.name)


def check_table(root: Path, images: Sequence[CheckedImage]) -> Iterator[Problem]:
    """A ``dataset.csv``, if there is one, that does not go with the images and label files."""
    if not (root / DATASET_CSV).is_file():
        return
    try:
        records = read_dataset(root).records
        data = read_data_yaml(root / DATA_YAML)
    except (LucencyError, ValueError, OSError) as error:
        text = str(error).removeprefix(f"{root / DATASET_CSV}: ").removeprefix(f"{root}: ")
        yield Problem("table", text, source=DATASET_CSV)
        return
    by_name = {image.name: image for image in images}
    rendered = (root / _RENDERED).is_file()
    for record in records:
        image = by_name.pop(str(record.image), None)
        split = data.split_of(str(record.image.with_suffix("")))
        if split and split != record.split:
            text = f"is {record.split} in the table, but in a folder of {split}"
            yield Problem("table-split", text, str(record.image), DATASET_CSV)
        if image is not None:
            yield from _differences(record, image, rendered=rendered)
        elif not (root / record.image).is_file():
            yield Problem("table", "has a row, but is no file", str(record.image), DATASET_CSV)
    for name in by_name:
        yield Problem("table", "has no row", name, DATASET_CSV)


def _differences(record: ImageRecord, image: CheckedImage, *, rendered: bool) -> Iterator[Problem]:
    entry = image.entry
    if entry.image is not None and not rendered and entry.image.sha256 != record.sha256:
        text = f"sha256 begins {entry.image.sha256[:12]}, in the table {record.sha256[:12]}"
        yield Problem("changed-image", text, image.name, DATASET_CSV)
    width, height = entry.size_wh
    if (record.width, record.height) != (width, height):
        text = f"has {width} × {height} px, in the table {record.width} × {record.height}"
        yield Problem("table-size", text, image.name, DATASET_CSV)
    if record.status is not entry.status and not entry.lost:
        says = _FILES[entry.status]
        text = f"is {record.status} in the table, but {says}"
        yield Problem("table-status", text, image.name, entry.source)


_FILES: Mapping[Status, str] = {
    Status.ANNOTATED: "its label file has boxes",
    Status.NEGATIVE: "its label file is empty",
    Status.UNKNOWN: "it has no label file",
}
