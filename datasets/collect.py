"""Corrected labelme documents of a prepared folder, back into a data set.

Only images that a reader has looked at count: the flag ``reviewed`` is ticked, or shapes differ
from what was proposed. All others are of unknown status, whatever a model had marked in them.
"""

import hashlib
import json
import posixpath
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from lucency.annotations.convert import ConversionResult, Options, convert
from lucency.annotations.corrections import Correction, Tally, correction, tally
from lucency.annotations.ledger import Reason
from lucency.annotations.prelabels import Review, read_reviews, reviewed_document
from lucency.annotations.sources import Source, SourceFile
from lucency.configs import atomic
from lucency.configs.errors import ConfigError, DatasetError
from lucency.datasets.digest_links import link_by_digest
from lucency.datasets.originals import MAP_CSV, Original, private_folder, read_map
from lucency.datasets.prepare import LABELS_TXT
from lucency.datasets.radiographs import image_kind

COLLECT_JSON = "collect.json"
_SUFFIXES = {"png": ".png", "jpeg": ".jpg", "tiff": ".tif", "dicom": ".dcm"}

Map = Mapping[str, tuple[Original, ...]]


@dataclass(frozen=True)
class Collected:
    """The data set, and how it came about.

    ``unticked`` are reviewed documents that were changed without being ticked. ``corrections``
    are those of the images in the set that a model had marked; ``new_labels`` stand in no
    labels.txt. ``mapped`` tells whether there was a private map; ``patients`` counts images with
    a known patient; ``shared`` are images of several patients, for which none is written.
    """

    conversion: ConversionResult
    reviewed: int
    unticked: tuple[str, ...]
    unreviewed: int
    corrections: tuple[Correction, ...]
    new_labels: tuple[str, ...]
    mapped: bool
    patients: int
    shared: tuple[str, ...]

    @property
    def tally(self) -> Tally:
        """The corrections counted by label."""
        return tally(self.corrections)


def collect(
    folder: Path,
    out: Path,
    *,
    images: Path | None = None,
    private_map: Path | None = None,
    originals: bool = False,
    allow: Collection[Reason] = (),
) -> Collected:
    """Make the data set ``out`` of the reviewed documents below ``folder``.

    Images are looked for in ``images``, by default in ``folder``; those of feedback by their
    digests. The private map, by default that of ``folder`` where there is one, tells the
    patients; with ``originals`` the set holds the files the PNGs were made from, under the names
    of the PNGs. Classes are those of labels.txt in their order, then further ones sorted by name.

    Raises
    ------
    ConfigError
        A folder is missing, ``out`` exists, or ``originals`` is asked for without a map.
    AnnotationError
        Documents are unreadable, or boxes would be lost for a reason not in ``allow``.
    DatasetError
        Nothing was reviewed, the map is not one, or an original is missing or has changed.

    """
    _check_folders(folder, out)
    known = _map(folder, private_map)
    if originals and known is None:
        raise ConfigError("--originals: needs the private map; name it with --private-map FILE")
    reviews, unreadable = _read(folder)
    done = [review for review in reviews if review.done]
    classes, new = _classes(folder, done)
    with _beside(out) as temporary:
        # Messages name the folders that are searched by the last part of their paths.
        gathered = Path(temporary, "documents", folder.resolve().name)
        place = images or folder
        names: Mapping[str, str] = {}
        if originals:
            names = _link_originals(place, known or {}, Path(temporary, "images"))
            place = Path(temporary, "images")
        elif images is not None:
            link_by_digest(done, folder, images, gathered)
        shared = _gather(done, unreadable, gathered, known=known or {}, names=names)
        options = Options(images=place, from_format="labelme", classes=classes or None)
        result = convert(gathered, out, options, allow=allow)
    left_out = {entry.source for entry in result.ledger.image_entries if entry.left_out}
    collected = Collected(
        conversion=result,
        reviewed=len(done),
        unticked=tuple(review.file.name for review in done if review.ticked is False),
        unreviewed=len(reviews) - len(done),
        corrections=tuple(
            correction(_image(review), review.proposed, review.annotation.findings)
            for review in done
            if review.proposed is not None and review.file.name not in left_out
        ),
        new_labels=new,
        mapped=known is not None,
        patients=sum(bool(entry.patient_id) for entry in result.images),
        shared=shared,
    )
    models = sorted({review.model for review in done if review.model})
    atomic.write_text(out / COLLECT_JSON, _report(collected, models))
    return collected


def _check_folders(folder: Path, out: Path) -> None:
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder")
    atomic.refuse_existing(out)
    if out.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(f"{out}: lies in {folder}, where documents are read; name one beside it")


def _read(folder: Path) -> tuple[list[Review], list[tuple[SourceFile, str]]]:
    """The documents and the unreadable ones; raises `DatasetError` if there is nothing to do."""
    reviews, unreadable = read_reviews(Source(folder))
    if not reviews and not unreadable:
        raise DatasetError(
            f"{folder}: there are no labelme documents in it; name the folder that came back from "
            "labelling"
        )
    if not unreadable and not any(review.done for review in reviews):
        raise DatasetError(
            f"{folder}: no document in it was reviewed, of {len(reviews)}; tick the flag "
            "'reviewed' in labelme where an image is done"
        )
    return reviews, unreadable


@contextmanager
def _beside(out: Path) -> Iterator[str]:
    """A temporary folder, so near that images can be linked and nothing private lies elsewhere."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.")
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written: {error.strerror}") from None
    with folder as name:
        yield name


def _map(folder: Path, private_map: Path | None) -> Map | None:
    """The private map that is named, or the one beside the folder, if there is one."""
    if private_map is not None:
        return read_map(private_map)
    beside = private_folder(folder) / MAP_CSV
    return read_map(beside) if beside.is_file() else None


def _image(review: Review) -> str:
    """The image's path below the folder, as far as the document's own place tells it."""
    folder = posixpath.dirname(review.file.name)
    return posixpath.normpath(posixpath.join(folder, review.annotation.image))


def _gather(
    reviews: Sequence[Review],
    unreadable: Sequence[tuple[SourceFile, str]],
    gathered: Path,
    *,
    known: Map,
    names: Mapping[str, str],
) -> tuple[str, ...]:
    """Write the reviewed documents as ordinary ones; returns the images of several patients.

    Unreadable documents come along as they are, so that the conversion accounts for them.
    """
    gathered.mkdir(parents=True, exist_ok=True)
    shared = []
    for review in reviews:
        image = _image(review)
        name = PurePosixPath(image).name
        patients = {original.identity.patient_id for original in known.get(name, ())}
        if len(patients) > 1:
            shared.append(image)
        patient_id = patients.pop() if len(patients) == 1 else ""
        document = reviewed_document(review, image=names.get(name, image), patient_id=patient_id)
        target = gathered / review.file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(document, ensure_ascii=False) + "\n", encoding="utf-8")
    for file, _ in unreadable:
        target = gathered / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(Path(file.path).absolute())
    return tuple(shared)


def _link_originals(images: Path, known: Map, folder: Path) -> Mapping[str, str]:
    """Link the original of each PNG below ``images`` into ``folder``; their names by the PNGs'."""
    folder.mkdir()
    names = {}
    for path in sorted(images.rglob("*.png")):
        if path.name not in known:
            raise DatasetError(f"{path}: is not in the private map, so it has no original")
        original = known[path.name][0]
        if original.frame is not None:
            raise DatasetError(
                f"{path.name}: its original {original.path} has several frames; collect without "
                "--originals"
            )
        try:
            data = original.path.read_bytes()
        except OSError as error:
            raise DatasetError(
                f"{path.name}: its original {original.path} cannot be read: {error.strerror}"
            ) from None
        kind = image_kind(data)
        if hashlib.sha256(data).hexdigest() != original.sha256 or kind is None:
            raise DatasetError(
                f"{path.name}: its original {original.path} has changed since `lucency prepare`"
            )
        names[path.name] = f"{path.stem}{_SUFFIXES[kind]}"
        (folder / names[path.name]).symlink_to(original.path)
    return names


def _classes(folder: Path, reviews: Sequence[Review]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The classes in their order, and those of them that labels.txt does not name."""
    path = folder / LABELS_TXT
    listed: list[str] = []
    if path.is_file():
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f"{path}: cannot be read: {error}") from None
        listed = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    used = {finding.label for review in reviews for finding in review.annotation.findings}
    new = tuple(sorted(used - set(listed)))
    return (*listed, *new), new if listed else ()


def _report(collected: Collected, models: Sequence[str]) -> str:
    report = {
        "reviewed": collected.reviewed,
        "reviewed_without_tick": list(collected.unticked),
        "not_reviewed": collected.unreviewed,
        "prelabelled_by": list(models),
        "corrections": collected.tally.to_json(),
        "images": [asdict(each) for each in collected.corrections],
    }
    return json.dumps(report, ensure_ascii=False, indent=1) + "\n"
