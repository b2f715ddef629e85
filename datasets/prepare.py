"""Radiographs made ready for labelling: 8-bit PNGs without names, and a private map back.

labelme opens neither DICOM nor 16-bit PNG. Every image, and every frame of a file with several,
goes through the display function at full resolution, so a box marked in the PNG is a box in the
original. ``OUT`` holds what annotators get; ``OUT-private`` says which image is whose and stays
with the owner of the data::

    OUT/img-0001.png  OUT/img-0001.json  …  OUT/labels.txt  OUT/order.csv
    OUT-private/map.csv
"""

import csv
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lucency.annotations.prelabels import Prelabels, new_document
from lucency.configs import atomic
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ConfigError, ImageError, ImageFault
from lucency.datasets.dicom import Identity, read_identity
from lucency.datasets.display import display
from lucency.datasets.originals import MAP_CSV, Original, list_files, private_folder, write_map
from lucency.datasets.parallel import in_order
from lucency.datasets.radiographs import (
    Radiograph,
    decode_radiograph,
    frame_count,
    image_kind,
    read_bytes,
)

LABELS_TXT = "labels.txt"
ORDER_CSV = "order.csv"
_NAMED = 3

Prelabeller = Callable[[Radiograph], Prelabels]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class PreparedImage:
    """One PNG and the frames it stands for, several if they show the same picture."""

    name: str
    size_wh: tuple[int, int]
    originals: tuple[Original, ...]
    prelabels: Prelabels | None


@dataclass(frozen=True)
class Prepared:
    """What was made, the best image to begin with first, and what was not.

    ``unreadable`` are sentences, one a file or frame; ``passed_over`` counts files of the folders
    that are no images.
    """

    out: Path
    private_map: Path
    images: tuple[PreparedImage, ...]
    unreadable: tuple[str, ...]
    passed_over: int


def prepare(
    sources: Sequence[Path],
    out: Path,
    *,
    spec: DisplaySpec,
    labels: Sequence[str] = (),
    prelabel: Prelabeller | None = None,
    keep_names: bool = False,
    allow_unreadable: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Render files, and the images in folders, for labelling; both folders are whole or absent.

    Images are numbered in the order of a digest of their pixels, which tells nothing of the
    patient and is the same every time, or from the most to the least uncertain where ``prelabel``
    gives the boxes of a model. ``labels`` are the names that annotators may choose from. With
    ``keep_names`` the name of the file follows the number.

    Raises
    ------
    ImageError
        There are no images, or some cannot be decoded and ``allow_unreadable`` is not set.
    ConfigError
        One of the two folders exists already, or ``spec`` would reduce the images.

    """
    if spec.longest_side is not None:
        raise ConfigError("prepare: images are labelled at full resolution; drop longest_side")
    _refuse_existing(out)
    files, passed_over = list_files(sources)
    if not files:
        raise ImageError(
            f"{', '.join(map(str, sources))}: there are no images in it", ImageFault.NO_PIXELS
        )
    with atomic.new_folder(out) as folder, atomic.new_folder(private_folder(out)) as private:
        make = partial(_render_file, folder=folder, spec=spec, prelabel=prelabel)
        rendered, unreadable = _render_all(files, make, workers=workers, progress=progress)
        if not rendered or (unreadable and not allow_unreadable):
            raise _refusal(unreadable, total=len(rendered) + len(unreadable))
        images = _named(rendered, folder, keep_names=keep_names)
        for image in images:
            document = new_document(image.name, image.size_wh, image.prelabels)
            text = json.dumps(document, ensure_ascii=False, indent=2)
            (folder / image.name).with_suffix(".json").write_text(text + "\n", encoding="utf-8")
        if labels:
            text = "".join(f"{label}\n" for label in labels)
            (folder / LABELS_TXT).write_text(text, encoding="utf-8")
        if prelabel is not None:
            (folder / ORDER_CSV).write_text(_order_csv(images), encoding="utf-8")
        write_map(private / MAP_CSV, ((i.name, each) for i in images for each in i.originals))
    private_folder(out).chmod(0o700)
    private_map = private_folder(out) / MAP_CSV
    return Prepared(out, private_map, images, tuple(map(str, unreadable)), passed_over)


def _refuse_existing(out: Path) -> None:
    """Neither images given by mistake nor a map that is still needed may be thought of no use."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out}: exists already; what is named last must be a new folder")
    private = private_folder(out)
    if private.exists():
        raise ConfigError(
            f"{private}: exists already, and may tell whose the images of an earlier folder are; "
            "keep it, and name another new folder"
        )


@dataclass(frozen=True)
class _Rendered:
    """One frame, rendered; ``digest`` is that of the picture, and names the PNG for the time."""

    digest: str
    size_wh: tuple[int, int]
    original: Original
    prelabels: Prelabels | None


def _render_file(
    path: Path, *, folder: Path, spec: DisplaySpec, prelabel: Prelabeller | None
) -> list[_Rendered | ImageError]:
    """Write the PNG of each frame of one file below ``folder``; unreadable ones are returned."""
    try:
        data = read_bytes(path)
        frames = frame_count(data, name=str(path))
        dicom = image_kind(data) == "dicom"
        identity = read_identity(data, name=str(path)) if dicom else Identity()
    except ImageError as error:
        return [error]
    original = Original(path.resolve(), hashlib.sha256(data).hexdigest(), identity)
    results: list[_Rendered | ImageError] = []
    for number in range(1, frames + 1):
        name = str(path) if frames == 1 else f"{path}, frame {number}"
        try:
            radiograph = decode_radiograph(data, name=name, frame=number)
        except ImageError as error:
            results.append(error)
            continue
        image = display(radiograph, spec).image
        digest = _write_png(image, folder)
        shown = original if frames == 1 else replace(original, frame=number)
        proposed = prelabel(radiograph) if prelabel else None
        results.append(_Rendered(digest, radiograph.size_wh, shown, proposed))
    return results


def _write_png(image: NDArray[np.uint8], folder: Path) -> str:
    """Write a PNG named by the digest of its pixels, which is returned."""
    digest = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()
    written, png = cv2.imencode(".png", image)
    if not written:
        raise RuntimeError("OpenCV cannot encode a PNG")
    (folder / digest).write_bytes(png.tobytes())
    return digest


def _render_all(
    files: Sequence[Path],
    make: Callable[[Path], list[_Rendered | ImageError]],
    *,
    workers: int | None,
    progress: Progress | None,
) -> tuple[list[_Rendered], list[ImageError]]:
    rendered: list[_Rendered] = []
    unreadable: list[ImageError] = []
    for done, results in enumerate(in_order(make, files, workers=workers), start=1):
        rendered += [each for each in results if isinstance(each, _Rendered)]
        unreadable += [each for each in results if isinstance(each, ImageError)]
        if progress is not None:
            progress(done, len(files))
    return rendered, unreadable


def _refusal(unreadable: Sequence[ImageError], *, total: int) -> ImageError:
    named = "; ".join(map(str, unreadable[:_NAMED]))
    more = f"; and {len(unreadable) - _NAMED} more" if len(unreadable) > _NAMED else ""
    return ImageError(
        f"unreadable-image: {len(unreadable)} of {total} images cannot be prepared: "
        f"{named}{more}; mend them, or leave them out with --allow unreadable-image",
        unreadable[0].fault,
    )


def _named(
    rendered: Iterable[_Rendered], folder: Path, *, keep_names: bool
) -> tuple[PreparedImage, ...]:
    """Bring files of one picture together, order the images, and give the PNGs their names."""
    groups: dict[str, list[_Rendered]] = {}
    for entry in rendered:
        groups.setdefault(entry.digest, []).append(entry)
    ordered = sorted(groups.values(), key=_place)
    width = max(4, len(str(len(ordered))))
    images = []
    for number, group in enumerate(ordered, start=1):
        first = group[0]
        stem = f"img-{number:0{width}}"
        if keep_names:
            frame = f"-frame-{first.original.frame}" if first.original.frame else ""
            stem = f"{number:0{width}}-{_plain(first.original.path.stem)}{frame}"
        (folder / first.digest).rename(folder / f"{stem}.png")
        originals = tuple(entry.original for entry in group)
        images.append(PreparedImage(f"{stem}.png", first.size_wh, originals, first.prelabels))
    return tuple(images)


def _place(group: Sequence[_Rendered]) -> tuple[float, str]:
    proposed = group[0].prelabels
    return (-proposed.uncertainty if proposed else 0.0, group[0].digest)


def _plain(stem: str) -> str:
    return re.sub(r"[^\w.-]+", "_", stem)


def shared_uids(images: Iterable[PreparedImage]) -> Collection[str]:
    """SOPInstanceUIDs that different pictures carry, which must not happen but with frames."""
    carried = Counter(
        each
        for image in images
        for each in {(o.identity.sop_instance_uid, o.frame) for o in image.originals}
        if each[0]
    )
    return list(dict.fromkeys(uid for (uid, _), count in carried.items() if count > 1))


def _order_csv(images: Iterable[PreparedImage]) -> str:
    rows = [("rank", "image", "uncertainty", "best_score", "boxes")]
    for rank, image in enumerate(images, start=1):
        told = image.prelabels or Prelabels("", ())
        numbers = (f"{told.uncertainty:.4f}", f"{told.best_score:.4f}", str(len(told.boxes)))
        rows.append((str(rank), image.name, *numbers))
    return _csv(rows)


def _csv(rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
