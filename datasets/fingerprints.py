"""``fingerprints.csv``: the thumbnails of a set's images, so that none is decoded twice.

A row is the SHA-256 of an image file and its `perceptual_hash` in base 64. A thumbnail is no more
personal than the image, and no less. What cannot be read of the file is worked out again.
"""

import base64
import csv
import io
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.records import Dataset, ImageRecord
from lucency.configs import atomic
from lucency.configs.errors import ImageError
from lucency.datasets.parallel import in_order
from lucency.datasets.perceptual_hash import SIDE, VERSION, perceptual_hash

FINGERPRINTS_CSV = "fingerprints.csv"
_HEADER = ["sha256", f"thumbnail_{VERSION}"]

Thumbnail = NDArray[np.uint8]


def fingerprints(
    dataset: Dataset,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Mapping[str, Thumbnail], Mapping[str, str]]:
    """The thumbnails (48, 48) of a set's images by SHA-256, and why others have none, by path.

    The digests are those of ``dataset.csv``; that they hold, `split_lock` checks.
    """
    wanted = {record.sha256 for record in dataset.records}
    read = _read(dataset)
    known = {digest: read[digest] for digest in sorted(wanted & read.keys())}
    unreadable: dict[str, str] = {}
    total = len(dataset.records)
    new = [record for record in dataset.records if record.sha256 not in known]
    if progress is not None:
        progress(total - len(new), total)
    for done, (record, made) in enumerate(
        zip(new, in_order(partial(_look_at, dataset), new, workers=workers), strict=True),
        start=total - len(new) + 1,
    ):
        if isinstance(made, ImageError):
            unreadable[str(record.image)] = str(made)
        else:
            known[record.sha256] = made
        if progress is not None:
            progress(done, total)
    if known.keys() != read.keys():
        with suppress(OSError):  # a folder that may only be read
            _write(dataset, known)
    return known, unreadable


def _look_at(dataset: Dataset, record: ImageRecord) -> Thumbnail | ImageError:
    try:
        return perceptual_hash(dataset.image_path(record))
    except ImageError as error:
        return error


def _read(dataset: Dataset) -> dict[str, Thumbnail]:
    """All that can be read of the set's file; nothing where it is another version's."""
    try:
        text = (dataset.root / FINGERPRINTS_CSV).read_text(encoding="ascii")
        header, *rows = csv.reader(io.StringIO(text, newline=""))
    except (OSError, ValueError, csv.Error):
        return {}
    found = {}
    for row in rows if header == _HEADER else ():
        try:
            digest, encoded = row
            thumbnail = np.frombuffer(base64.b64decode(encoded, validate=True), dtype=np.uint8)
            found[digest] = thumbnail.reshape(SIDE, SIDE)
        except ValueError:
            continue
    return found


def _write(dataset: Dataset, known: Mapping[str, Thumbnail]) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_HEADER)
    for digest in sorted(known):
        writer.writerow([digest, base64.b64encode(known[digest].tobytes()).decode()])
    atomic.write_text(dataset.root / FINGERPRINTS_CSV, out.getvalue())
