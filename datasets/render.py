"""Rendering a set through the display function, once, into the 8-bit PNGs that models see.

``<root>/display/<first 12 digits of the DisplaySpec's digest>/`` is a set of its own, in the
same layout, on which Ultralytics can train as it is. Where the whole of an image is shown its
label file is a copy, since coordinates are fractions of the image's sides; where it is cropped
the boxes are mapped, and every box that the crop cuts is told of in ``prepared.json``.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

import cv2

from lucency.annotations.choices import Geometry
from lucency.annotations.findings import Status
from lucency.annotations.packing import packed
from lucency.annotations.records import COLUMNS, Dataset, ImageRecord, read_dataset, write_tables
from lucency.annotations.yolo_lines import label_lines
from lucency.configs import atomic
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import DatasetError, ImageError
from lucency.datasets.display import Displayed, display
from lucency.datasets.parallel import in_order
from lucency.datasets.radiographs import read_radiograph
from lucency.datasets.shown_findings import Cut, shown_findings

DISPLAY = "display"
MANIFEST = "prepared.json"
_NAMED = 3

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class CropLosses:
    """What the crop of a rendered set took of its boxes.

    ``cut`` are boxes of which at least half is still there, ``lost`` those left out; an image
    that lost every box is no negative, so it stands in ``left_out`` and not in the set. The
    entries are those of ``prepared.json``.
    """

    cut: tuple[dict[str, Any], ...]
    lost: tuple[dict[str, Any], ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class _Rendered:
    """One rendered image, or why there is none."""

    record: ImageRecord
    cuts: tuple[Cut, ...] = ()
    left_out: bool = False
    problem: str = ""


def render(
    dataset: Dataset,
    spec: DisplaySpec,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Render all images but those of unknown status; reuse what was rendered from the same set.

    In the returned set ``width`` and ``height`` are those of the rendered image; ``sha256``
    stays that of the image it was made from, so that it can be traced. An image that loses all
    its boxes to the crop is left out; `crop_losses` tells of it. ``progress`` is called with the
    number of images done and the number of all. ``workers`` are threads, one for each core by
    default.

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
    if _manifest(folder).get("made_from") == made_from:
        rendered = read_dataset(folder)
        if all(rendered.image_path(record).is_file() for record in rendered.records):
            return rendered
    _check_names(source)
    _remove(folder)
    with atomic.new_folder(folder) as partial_folder:
        results = _render_all(source, spec, partial_folder, workers=workers, progress=progress)
        records = tuple(result.record for result in results if not result.left_out)
        made = Dataset(partial_folder, dataset.label_map, records)
        write_tables(made)
        manifest = {
            "display": spec.model_dump(mode="json"),
            "display_digest": spec.digest(),
            "made_from": made_from,
            "images": len(records),
            "left_out_unknown": len(dataset.records) - len(known),
            **_account(results),
        }
        (partial_folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    return replace(made, root=folder)


def crop_losses(rendered: Dataset) -> CropLosses:
    """Read what the crop took of a rendered set's boxes; nothing where it is no rendered set."""
    manifest = _manifest(rendered.root)
    cut, lost, left_out = (manifest.get(key, ()) for key in ("cut", "lost", "left_out_lost"))
    return CropLosses(tuple(cut), tuple(lost), tuple(left_out))


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


def _manifest(folder: Path) -> dict[str, Any]:
    """What stands in a rendered set's manifest; empty where there is none."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _account(results: list[_Rendered]) -> dict[str, Any]:
    """The manifest's entries on what the crop took; boxes in pixels of the stored image."""
    told: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    for result in results:
        for cut in result.cuts:
            entry = {"image": str(result.record.image), **asdict(cut), "box": list(cut.box)}
            told[cut.is_lost].append(entry)
    return {
        "cut": told[False],
        "lost": told[True],
        "left_out_lost": [str(result.record.image) for result in results if result.left_out],
    }


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
) -> list[_Rendered]:
    total = len(source.records)
    results: list[_Rendered] = []
    render_one = partial(_render, source, spec=spec, folder=folder)
    for result in in_order(render_one, source.records, workers=workers):
        results.append(result)
        if progress is not None:
            progress(len(results), total)
    problems = [result.problem for result in results if result.problem]
    if problems:
        more = f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
        raise ImageError(
            f"{len(problems)} of {total} images cannot be rendered: "
            f"{'; '.join(problems[:_NAMED])}{more}"
        )
    return results


def _render(source: Dataset, record: ImageRecord, *, spec: DisplaySpec, folder: Path) -> _Rendered:
    """Write one image and its label file below ``folder``."""
    path = source.image_path(record)
    try:
        radiograph = read_radiograph(path)
    except ImageError as error:
        return _Rendered(record, problem=str(error))
    if radiograph.size_wh != (record.width, record.height):
        found = "{} × {}".format(*radiograph.size_wh)
        listed = f"{record.width} × {record.height}"
        problem = f"{path}: has {found} pixels, the table says {listed}; convert it again"
        return _Rendered(record, problem=problem)
    displayed = display(radiograph, spec)
    labels, cuts = _labels(source, record, displayed)
    if labels is None:
        return _Rendered(record, cuts, left_out=True)
    height, width = displayed.image.shape
    image = record.image.with_suffix(".png")
    target = replace(record, image=image, width=width, height=height)
    written, png = cv2.imencode(".png", displayed.image)
    if not written:
        return _Rendered(record, problem=f"{path}: cannot be encoded as PNG")
    rendered = Dataset(folder, source.label_map, ())
    for place, data in (
        (rendered.image_path(target), png.tobytes()),
        (rendered.label_path(target), labels),
    ):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return _Rendered(target, cuts)


def _labels(
    source: Dataset, record: ImageRecord, displayed: Displayed
) -> tuple[bytes | None, tuple[Cut, ...]]:
    """The label file of a displayed image; None where the crop took every box of it."""
    if displayed.shown == (0, 0, record.width, record.height):
        return source.label_path(record).read_bytes(), ()
    findings = source.findings(record)
    shown = shown_findings(findings, displayed, size_wh=(record.width, record.height))
    if findings and not shown.findings:
        return None, shown.cuts
    outlined = any(finding.polygon for finding in shown.findings)
    height, width = displayed.image.shape
    text = label_lines(
        packed(shown.findings),
        (width, height),
        {name: number for number, name in enumerate(source.label_map)},
        Geometry.OUTLINE if outlined else Geometry.BOX,
    )
    return text.encode(), shown.cuts
