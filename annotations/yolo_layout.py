"""Where a YOLO data set keeps its label files, images, class names and splits."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from lucency.annotations import documents
from lucency.annotations.documents import shown, split_named
from lucency.annotations.findings import LabelMap
from lucency.annotations.image_size import IMAGE_SUFFIXES
from lucency.annotations.records import DATA_YAML
from lucency.annotations.sources import SourceFile
from lucency.configs.errors import AnnotationError

# Text files that stand beside label files without being any.
_OTHER_TEXTS = frozenset(
    {"classes.txt", "labels.txt", "names.txt", "train.txt", "val.txt", "valid.txt", "test.txt"}
    | {"requirements.txt", "license.txt"}
)
_LISTED = (*sorted(IMAGE_SUFFIXES), ".bmp", ".gif", ".webp")
_SPLIT_KEYS = {"train": "train", "val": "val", "valid": "val", "test": "test"}


@dataclass(frozen=True)
class DataYaml:
    """What a ``data.yaml`` says.

    ``folders`` and ``files`` give the split of image folders and of listed images, by path below
    the set's root and without suffix; ``keypoints`` is set for pose sets, whose lines start
    with a box.
    """

    names: tuple[str, ...] | None = None
    folders: dict[PurePosixPath, str] = field(default_factory=dict)
    files: dict[PurePosixPath, str] = field(default_factory=dict)
    keypoints: bool = False

    def split_of(self, name: str) -> str:
        """The split of an image (a path below the root, without suffix), or an empty text."""
        image = PurePosixPath(name)
        if image in self.files:
            return self.files[image]
        for folder in image.parents:
            if folder in self.folders:
                return self.folders[folder]
        names = [part.removeprefix("obj_").removesuffix("_data") for part in image.parts[:-1]]
        return split_named(names)


def is_label_file(name: str) -> bool:
    """Whether a text file is none of those that stand beside label files."""
    last = name.rpartition("/")[2].lower()
    return last not in _OTHER_TEXTS and not last.startswith("readme")


def image_of(label_file: str) -> str:
    """The image's path without suffix: ``labels/`` becomes ``images/``, or the same folder."""
    *folders, name = label_file.split("/")
    if "labels" in folders:
        last = len(folders) - 1 - folders[::-1].index("labels")
        folders[last] = "images"
    return "/".join([*folders, name.rpartition(".")[0]])


def lists_images(lines: Sequence[str]) -> bool:
    """Whether every line of a text file, and at least one, is the path of an image."""
    paths = [line.strip().lower() for line in lines if line.strip()]
    return bool(paths) and all(path.endswith(_LISTED) for path in paths)


def find_data_yaml(root: Path) -> Path | None:
    """The ``data.yaml`` of a folder, or whatever else its one YAML that names classes is called."""
    if (root / DATA_YAML).is_file():
        return root / DATA_YAML
    found = []
    for name in sorted(os.listdir(root)):  # noqa: PTH208 - of thousands, a few are wanted
        path = root / name if name.lower().endswith((".yaml", ".yml")) else None
        if path is not None and path.is_file():
            try:
                text = documents.read_text(SourceFile(str(path), name))
            except AnnotationError:
                continue
            if looks_like_data_yaml(text):
                found.append(path)
    return found[0] if len(found) == 1 else None


def looks_like_data_yaml(text: str) -> bool:
    """Whether a YAML text names classes as Ultralytics does."""
    return "names:" in text and any(f"{key}:" in text for key in (*_SPLIT_KEYS, "nc", "path"))


def read_data_yaml(path: Path) -> DataYaml:
    """Read names and splits; every scalar is kept as text, so a class ``NO`` stays ``NO``.

    Raises
    ------
    AnnotationError
        The file is not YAML, has no names, or names a class twice.

    """
    text = documents.read_text(SourceFile(str(path), path.name))
    try:
        values = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - builds text and lists only
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark is not None else ""
        raise AnnotationError(f"{path.name}: is not valid YAML{line}") from None
    if not isinstance(values, dict) or "names" not in values:
        raise AnnotationError(f"{path.name}: must name the classes under 'names'")
    names = _names(values["names"], where=f"{path.name}: names")
    folders: dict[PurePosixPath, str] = {}
    files: dict[PurePosixPath, str] = {}
    twice: set[PurePosixPath] = set()
    for key, split in _SPLIT_KEYS.items():
        entries = values.get(key) or []
        for entry in entries if isinstance(entries, list) else [entries]:
            place = _below_root(str(entry))
            listing = path.parent / place
            if place.suffix == ".txt":
                lines = []
                if listing.is_file():
                    file = SourceFile(str(listing), str(place))
                    lines = documents.read_text(file).splitlines()
                files |= {_below_root(line).with_suffix(""): split for line in lines if line}
            elif folders.setdefault(place, split) != split:
                twice.add(place)  # one folder for two splits is no split at all
    folders = {folder: "" if folder in twice else split for folder, split in folders.items()}
    return DataYaml(names, folders, files, keypoints="kpt_shape" in values)


def _below_root(entry: str) -> PurePosixPath:
    parts = PurePosixPath(entry.replace("\\", "/")).parts
    return PurePosixPath(*(part for part in parts if part not in ("..", ".", "/")))


def _names(value: Any, *, where: str) -> tuple[str, ...]:
    if isinstance(value, dict):
        ids = [int(key) if key.isascii() and key.isdecimal() else -1 for key in value]
        if sorted(ids) != list(range(len(ids))):
            raise AnnotationError(f"{where}: ids must be 0, 1, 2, …, got {shown(list(value))}")
        value = [name for _, name in sorted(zip(ids, value.values(), strict=True))]
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise AnnotationError(f"{where}: must list the class names, got {shown(value)}")
    try:
        return LabelMap(tuple(value)).names
    except ValueError as error:
        raise AnnotationError(f"{where}: {error}") from None
