"""Conversion of any annotation format into a YOLO data set, every box accounted for."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from lucency.annotations.assembly import AssembledImage, Progress, assemble
from lucency.annotations.findings import ImageAnnotation, LabelMap
from lucency.annotations.fitting import LabelRules
from lucency.annotations.formats import Format, detect_format, format_by_name
from lucency.annotations.images import ImageFinder, list_images
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.records import Dataset
from lucency.annotations.writing import plan_dataset, write_dataset
from lucency.configs.errors import AnnotationError, ConfigError


@dataclass(frozen=True)
class ConversionResult:
    """The data set, the books of its making, and the format that was read."""

    dataset: Dataset
    ledger: Ledger
    format: Format


def convert(
    source: Path,
    out: Path,
    *,
    images: Path | None = None,
    negatives: Path | None = None,
    from_format: str | None = None,
    classes: tuple[str, ...] | None = None,
    rename: Mapping[str, str] | None = None,
    drop: Collection[str] = (),
    allow: Collection[Reason] = (),
    dry_run: bool = False,
    progress: Progress | None = None,
) -> ConversionResult:
    """Convert annotations into a YOLO data set in the new folder ``out``.

    Images are looked for beside the annotations, then in ``images``. Every image of
    ``negatives`` that has no annotation becomes a confirmed negative. Further images of the set
    without annotation get the status unknown. ``classes`` fixes the order of the classes;
    ``rename`` maps labels to other names, ``drop`` names labels to leave out. Boxes are clipped
    to their image, equal ones merged. With ``dry_run`` nothing is written.

    Raises
    ------
    AnnotationError
        The source is unreadable, or boxes or images would be lost for a reason not in ``allow``;
        nothing is written then.
    ConfigError
        A folder is missing, ``out`` exists already, or ``rename`` or ``drop`` name no label.

    """
    rename = rename or {}
    _check_folders(out, images, negatives)
    known = format_by_name(from_format) if from_format else detect_format(source)
    if not source.exists():
        raise AnnotationError(f"{source}: no such file or folder")
    codec = known.codec()
    root = source if source.is_dir() else source.parent
    ledger = Ledger(root)
    annotations = list(codec.read(source, ledger, classes=classes))
    own_names = (classes or codec.class_names(source)) if known.has_class_ids else None
    accepted = None if known.has_class_ids else classes
    _check_labels(annotations, {*rename, *drop}, known=own_names or ())
    further = list_images(images) if images else list_images(root) if known.lists_images else []
    assembled = assemble(
        annotations,
        codec=codec,
        finder=ImageFinder(_roots(source, images)),
        negatives=list_images(negatives) if negatives else (),
        unlisted=further,
        rules=LabelRules(rename, frozenset(drop), accepted),
        ledger=ledger,
        progress=progress,
    )
    for entry in assembled:
        ledger.images[entry.status] += 1
    ledger.check()
    ledger.refuse_losses(allow)
    if not assembled:
        raise AnnotationError(f"{source}: there are no images in it")
    label_map = _label_map(assembled, accepted, own_names, rename, drop)
    dataset = plan_dataset(assembled, out, label_map=label_map)
    if not dry_run:
        books = {"format": known.name, "allowed": sorted(allow), **ledger.to_json()}
        write_dataset(dataset, assembled, ledger=books)
    return ConversionResult(dataset, ledger, known)


def _check_folders(out: Path, images: Path | None, negatives: Path | None) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out}: exists already; name a new folder or remove this one")
    for option, folder in (("--images", images), ("--negatives", negatives)):
        if folder is not None and not folder.is_dir():
            raise ConfigError(f"{option} {folder}: no such folder")


def _check_labels(
    annotations: list[ImageAnnotation], named: set[str], *, known: Collection[str]
) -> None:
    labels = {finding.label for annotation in annotations for finding in annotation.findings}
    missing = sorted(named - labels - set(known))
    if missing:
        there = ", ".join(sorted(labels)) or "none"
        raise ConfigError(f"'{missing[0]}': no box has this label; there are: {there}")


def _roots(source: Path, images: Path | None) -> list[Path]:
    """Where images are looked for by name."""
    return [*([images] if images else []), *([source] if source.is_dir() else [])]


def _label_map(
    assembled: list[AssembledImage],
    accepted: tuple[str, ...] | None,
    own_names: tuple[str, ...] | None,
    rename: Mapping[str, str],
    drop: Collection[str],
) -> LabelMap:
    """The classes as given, in the format's own order, or sorted by name."""
    if accepted is not None:
        return LabelMap(accepted)
    if own_names is not None:
        kept = (rename.get(name, name) for name in own_names if name not in drop)
        return LabelMap(tuple(dict.fromkeys(kept)))
    return LabelMap.sorted_from(f.label for entry in assembled for f in entry.findings)
