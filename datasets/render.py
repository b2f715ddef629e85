"""Rendering a set through the display function, once, into the 8-bit PNGs that models see.

``<root>/display/<first 12 digits of the DisplaySpec's digest>/`` is a set of its own, in the
same layout, on which Ultralytics can train as it is; label files are copies, since their
coordinates are fractions of the image's sides.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path, PurePosixPath

import cv2

from lucency.annotations.findings import Status
from lucency.annotations.records import COLUMNS, Dataset, ImageRecord, read_dataset, write_tables
from lucency.configs import atomic
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import DatasetError, ImageError
from lucency.datasets.display import display
from lucency.datasets.radiographs import read_radiograph

DISPLAY = "display"
MANIFEST = "prepared.json"
_NAMED = 3

Progress = Callable[[int, int], None]


def render(
    dataset: Dataset,
    spec: DisplaySpec,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Render all images but those of unknown status; reuse what was rendered from the same set.

    In the returned set ``width`` and ``height`` are those of the rendered image; ``sha256``
    stays that of the image it was made from, so that it can be traced. ``progress`` is called
    with the number of images done and the number of all. ``workers`` are threads, one for each
    core by default.

    Raises
    ------
    ImageError
        Images cannot be decoded, or differ in size from the table; all of them are counted.
    DatasetError
        A label file is missing, or the set is itself a rendered one.

    """
    if (dataset.root / MANIFEST).exists():
        raise DatasetError(
            f"{dataset.root}: is itself a rendered set; name the set it was made from, "
            f"{dataset.root.parent.parent}"
        )
    folder = rendered_folder(dataset, spec)
    known = tuple(r for r in dataset.records if r.status is not Status.UNKNOWN)
    source = replace(dataset, records=known)
    made_from = _digest(source)
    if _made_from(folder) == made_from:
        rendered = read_dataset(folder)
        if all(rendered.image_path(record).is_file() for record in rendered.records):
            return rendered
    _check_names(source)
    _remove(folder)
    with atomic.new_folder(folder) as partial_folder:
        records = _render_all(source, spec, partial_folder, workers=workers, progress=progress)
        made = Dataset(partial_folder, dataset.label_map, records)
        write_tables(made)
        manifest = {
            "display": spec.model_dump(mode="json"),
            "display_digest": spec.digest(),
            "made_from": made_from,
            "images": len(records),
            "left_out_unknown": len(dataset.records) - len(records),
        }
        (partial_folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    return replace(made, root=folder)


def rendered_folder(dataset: Dataset, spec: DisplaySpec) -> Path:
    """Where the set lies, or would lie, when rendered with ``spec``."""
    return dataset.root / DISPLAY / spec.digest()[:12]


def _digest(dataset: Dataset) -> str:
    """SHA-256 of all that the rendered set depends on: records, class names, labels, version."""
    digest = hashlib.sha256(version("lucency").encode())
    digest.update(repr(dataset.label_map.names).encode())
    for record in dataset.records:
        label = dataset.label_path(record)
        try:
            text = label.read_bytes()
        except OSError as error:
            raise DatasetError(
                f"{label}: cannot be read: {error.strerror}; an image with the status "
                f"'{record.status}' must have a label file"
            ) from None
        fields = [str(getattr(record, name)) for name in COLUMNS]
        row = [*fields, sorted(record.extra.items()), hashlib.sha256(text).hexdigest()]
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()


def _made_from(folder: Path) -> str:
    """The digest that a rendered set was made from; empty where there is none."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return ""
    return str(manifest.get("made_from", "")) if isinstance(manifest, dict) else ""


def _check_names(dataset: Dataset) -> None:
    """Refuse two images that would become one PNG, as ``a.jpg`` beside ``a.dcm``."""
    seen: dict[PurePosixPath, PurePosixPath] = {}
    for record in dataset.records:
        other = seen.setdefault(record.image.with_suffix(""), record.image)
        if other != record.image:
            raise DatasetError(
                f"{dataset.root}: {other} and {record.image} share one label file; "
                "rename one of them"
            )


def _remove(folder: Path) -> None:
    """Remove an outdated rendered set; it is out of sight at once, whatever happens then."""
    if folder.exists():
        rubbish = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        folder.rename(rubbish / folder.name)
        shutil.rmtree(rubbish)


def _render_all(
    source: Dataset,
    spec: DisplaySpec,
    folder: Path,
    *,
    workers: int | None,
    progress: Progress | None,
) -> tuple[ImageRecord, ...]:
    total = len(source.records)
    rendered: list[ImageRecord] = []
    problems: list[str] = []
    render_one = partial(_render, source, spec=spec, folder=folder)
    # Threads do: Pillow, NumPy's look-up and OpenCV release the interpreter's lock.
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        for done, result in enumerate(_in_order(pool, render_one, source.records), start=1):
            if isinstance(result, ImageRecord):
                rendered.append(result)
            else:
                problems.append(str(result))
            if progress is not None:
                progress(done, total)
    if problems:
        more = f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
        raise ImageError(
            f"{len(problems)} of {total} images cannot be rendered: "
            f"{'; '.join(problems[:_NAMED])}{more}"
        )
    return tuple(rendered)


def _in_order(
    pool: ThreadPoolExecutor,
    render_one: Callable[[ImageRecord], ImageRecord | ImageError],
    records: Sequence[ImageRecord],
) -> Iterator[ImageRecord | ImageError]:
    """The results in the order of the records; what has not begun is called off on the way out."""
    try:
        yield from pool.map(render_one, records)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _render(
    source: Dataset, record: ImageRecord, *, spec: DisplaySpec, folder: Path
) -> ImageRecord | ImageError:
    """Write one image and its label file below ``folder``; an unreadable image is returned."""
    path = source.image_path(record)
    try:
        radiograph = read_radiograph(path)
    except ImageError as error:
        return error
    if radiograph.size_wh != (record.width, record.height):
        found = "{} × {}".format(*radiograph.size_wh)
        listed = f"{record.width} × {record.height}"
        return ImageError(f"{path}: has {found} pixels, the table says {listed}; convert it again")
    image = display(radiograph, spec).image
    target = replace(
        record,
        image=record.image.with_suffix(".png"),
        width=image.shape[1],
        height=image.shape[0],
    )
    written, png = cv2.imencode(".png", image)
    if not written:
        return ImageError(f"{path}: cannot be encoded as PNG")
    rendered = Dataset(folder, source.label_map, ())
    for place, data in (
        (rendered.image_path(target), png.tobytes()),
        (rendered.label_path(target), source.label_path(record).read_bytes()),
    ):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return target
