"""All that can be written of the answers for files, together: each output complete or absent."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from lucency.api.prediction_coco import coco_file, companion, read_coco_ids
from lucency.api.prediction_csv import csv_files, images_table
from lucency.api.prediction_labels import labelme_folder, yolo_folder
from lucency.api.prediction_names import ImageFile
from lucency.api.prediction_outcomes import Outcome, Write
from lucency.api.prediction_pictures import pictures_folder
from lucency.configs import atomic
from lucency.configs.bundle import Bundle
from lucency.configs.errors import ConfigError

# How our own files begin: such a file of an earlier run is replaced, and no other.
_BEGINNINGS = {
    "json": b'{"file":',
    "coco": b"[\n",
    "coco companion": b'{"info": {}, "images": ',
    "csv": b"\xef\xbb\xbffile,",
}


@dataclass(frozen=True)
class Outputs:
    """What is to be written, and where: files, and new folders. None is left out.

    ``coco_images`` is no output: the COCO file whose ids `coco` shall use.
    """

    json: Path | None = None
    coco: Path | None = None
    coco_images: Path | None = None
    labelme: Path | None = None
    yolo: Path | None = None
    csv: Path | None = None
    pictures: Path | None = None


@dataclass(frozen=True)
class Labels:
    """What the loaded bundles can tell: ``classes`` of boxes, in order, and ``verdicts``.

    A verdict is a pair of a classifier and a label.
    """

    classes: tuple[str, ...]
    verdicts: tuple[tuple[str, str], ...]


def labels_of(bundles: Sequence[Bundle]) -> Labels:
    """The classes of all detectors, each once, and the labels of each classifier."""
    manifests = [bundle.manifest for bundle in bundles]
    classes = (name for one in manifests if one.task == "detection" for name in one.class_names)
    return Labels(
        tuple(dict.fromkeys(classes)),
        tuple(
            (one.name, label)
            for one in manifests
            if one.task == "classification" and one.role != "router"
            for label in one.class_names
        ),
    )


@contextmanager
def open_outputs(
    outputs: Outputs, *, images: Sequence[ImageFile], labels: Labels, notes: list[str]
) -> Iterator[Write]:
    """Yield what all outputs are told by; they are there once the block ends without an error.

    What must be known of them is added to ``notes``, as sentences.

    Raises
    ------
    ConfigError
        A file or folder cannot be written or would replace what is not ours, two outputs have one
        name, or the annotation file has other images or classes.
    AnnotationError
        The annotation file cannot be read.

    """
    _refuse(outputs)
    ids = None
    if outputs.coco_images is not None:
        ids = read_coco_ids(outputs.coco_images, images=images, class_names=labels.classes)
    with ExitStack() as stack:
        writes: list[Write] = []
        if outputs.json is not None:
            writes.append(stack.enter_context(json_lines(outputs.json)))
        if outputs.coco is not None:
            coco = coco_file(outputs.coco, class_names=labels.classes, ids=ids, notes=notes)
            writes.append(stack.enter_context(coco))
        if outputs.labelme is not None:
            writes.append(stack.enter_context(labelme_folder(outputs.labelme, notes=notes)))
        if outputs.yolo is not None:
            yolo = yolo_folder(outputs.yolo, class_names=labels.classes)
            writes.append(stack.enter_context(yolo))
        if outputs.csv is not None:
            tables = csv_files(outputs.csv, class_names=labels.classes, verdicts=labels.verdicts)
            writes.append(stack.enter_context(tables))
        if outputs.pictures is not None:
            writes.append(stack.enter_context(pictures_folder(outputs.pictures)))
        yield _to_all(writes)


@contextmanager
def json_lines(path: Path) -> Iterator[Write]:
    """Write the service's answers, one line a file.

    While they are written the file is called `partial`, and what was written before an
    interruption stays there: hours of answers, each line of them whole.
    """
    unfinished = partial(path)
    try:
        with unfinished.open("w", encoding="utf-8") as handle:

            def write(outcome: Outcome) -> None:
                handle.write(outcome.json_line())
                handle.flush()

            yield write
            os.fsync(handle.fileno())
    except BaseException:
        if unfinished.exists() and not unfinished.stat().st_size:
            unfinished.unlink()
        raise
    unfinished.replace(path)


def partial(path: Path) -> Path:
    """The name of a file of JSON lines until it is complete."""
    return path.with_name(f"{path.name}.partial")


def _to_all(writes: Sequence[Write]) -> Callable[[Outcome], None]:
    def write(outcome: Outcome) -> None:
        for each in writes:
            each(outcome)

    return write


def _refuse(outputs: Outputs) -> None:
    """Better now than after the last image."""
    if outputs.coco_images is not None and outputs.coco is None:
        raise ConfigError("--coco-images: says which ids --coco shall use; add --coco FILE")
    taken: list[tuple[str, Path]] = []
    for option, path, beginning in _places(outputs):
        place = path.resolve()
        for first, other in taken:
            if place.is_relative_to(other) or other.is_relative_to(place):
                raise ConfigError(f"--{option} {path}: --{first} writes there; name another")
        taken.append((option, place))
        if beginning is None:
            atomic.refuse_existing(path)
        else:
            _refuse_unwritable(path, beginning, option=option)


def _places(outputs: Outputs) -> Iterator[tuple[str, Path, bytes | None]]:
    """Option, place, and how a file of ours begins that may be there; None for a folder."""
    for field in fields(outputs):
        path: Path | None = getattr(outputs, field.name)
        if path is not None and field.name != "coco_images":
            yield field.name, path, _BEGINNINGS.get(field.name)
    if outputs.coco is not None and outputs.coco_images is None:
        yield "coco", companion(outputs.coco), _BEGINNINGS["coco companion"]
    if outputs.csv is not None:
        yield "csv", images_table(outputs.csv), _BEGINNINGS["csv"]
    if outputs.json is not None:
        yield "json", partial(outputs.json), _BEGINNINGS["json"]


def _refuse_unwritable(path: Path, beginning: bytes, *, option: str) -> None:
    if path.is_dir():
        raise ConfigError(f"--{option} {path}: is a folder; name a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            with path.open("rb") as handle:
                head = handle.read(len(beginning))
            if head and head != beginning:
                raise ConfigError(
                    f"--{option} {path}: exists and was not written by an earlier run; name "
                    "another file"
                )
    except OSError as error:
        raise ConfigError(f"--{option} {path}: cannot be written: {error.strerror}") from None
    if not os.access(path.parent, os.W_OK):
        raise ConfigError(f"--{option} {path}: cannot be written: its folder may not be changed")
