"""Conversion of any annotation format into a YOLO data set, every box accounted for."""

import gc
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lucency.annotations.assembly import AssembledImage, AssemblyRules, Progress
from lucency.annotations.choices import Edge, Geometry, Readers
from lucency.annotations.findings import LabelMap
from lucency.annotations.fitting import FittingRules
from lucency.annotations.formats import Format, format_by_name
from lucency.annotations.gathering import assembled
from lucency.annotations.images import ImageFinder, list_images
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.locating import Locator
from lucency.annotations.losses import refuse_losses
from lucency.annotations.recognition import recognise
from lucency.annotations.records import Dataset
from lucency.annotations.sources import Source
from lucency.annotations.writing import (
    plan_dataset,
    plan_format,
    write_dataset,
    write_format,
    write_labels,
)
from lucency.configs import atomic
from lucency.configs.errors import AnnotationError, ConfigError


@dataclass(frozen=True)
class ConversionResult:
    """What a conversion made: images and classes, the books, and the format that was read.

    ``dataset`` is the data set on disk, or None where labels alone or another format were
    written.
    """

    images: tuple[AssembledImage, ...]
    label_map: LabelMap
    ledger: Ledger
    format: Format
    dataset: Dataset | None = None


@dataclass(frozen=True)
class Options:
    """What a user may say about a conversion, beyond source and target.

    Images are looked for beside the annotations, then in ``images``; with ``labels_only`` they
    are not looked for. Every image of ``negatives`` that has no annotation becomes a confirmed
    negative; further images of the set get the status unknown. ``classes`` fixes the order of
    the classes, and names them where files hold numbers that nothing else explains; ``rename``
    maps labels to other names, ``drop`` names labels to leave out. ``geometry`` is what is kept
    of shapes, by default boxes in YOLO files and every outline elsewhere. ``stretched`` images
    were resized without keeping their proportions.
    """

    images: Path | None = None
    negatives: Path | None = None
    from_format: str | None = None
    to_format: str = "yolo"
    classes: tuple[str, ...] | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    drop: Collection[str] = ()
    geometry: Geometry | None = None
    edge: Edge = Edge.CLIP
    readers: Readers = Readers.ALL
    voc_origin: int = 0
    stretched: bool = False
    labels_only: bool = False


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looking for garbage: a document of a million objects has no cycles to be found.

    The search through them takes a third of the time of reading.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


@_uncollected()
def convert(
    source: Path,
    out: Path,
    options: Options | None = None,
    *,
    allow: Collection[Reason] = (),
    dry_run: bool = False,
    progress: Progress | None = None,
) -> ConversionResult:
    """Convert annotations into the new folder ``out``.

    With ``dry_run`` nothing is written. ``progress`` is called with the number of images done.

    Raises
    ------
    AnnotationError
        The source is unreadable, or boxes or images would be lost for a reason not in ``allow``;
        nothing is written then.
    ConfigError
        A folder is missing, ``out`` exists already, or ``rename`` or ``drop`` name no label.

    """
    chosen = options or Options()
    atomic.refuse_existing(out)
    target = format_by_name(chosen.to_format)
    target.writer()  # refuses a format that cannot be written, before any work
    result = gather(source, chosen, progress=progress)
    refuse_losses(result.ledger, allow)
    if not result.images:
        raise AnnotationError(f"{source}: there are no images in it")
    books = {"format": result.format.name, "allowed": sorted(allow), **result.ledger.to_json()}
    return _write(result, out, target, chosen, books, dry_run=dry_run)


@_uncollected()
def gather(source: Path, options: Options, *, progress: Progress | None = None) -> ConversionResult:
    """Read annotations and bring them together with their images; nothing is written.

    Raises
    ------
    AnnotationError
        The source is unreadable.
    ConfigError
        A folder is missing, or ``rename`` or ``drop`` name no label.

    """
    named = Source(source, voc_origin=options.voc_origin)
    for option, folder in (("--images", options.images), ("--negatives", options.negatives)):
        if folder is not None and not folder.is_dir():
            raise ConfigError(f"{option} {folder}: no such folder")
    known = format_by_name(options.from_format) if options.from_format else recognise(named)
    if not source.exists():
        raise AnnotationError(f"{source}: no such file or folder")
    own_names = _own_names(named, known, options)
    if known.class_numbers and own_names is None:
        # The classes given are those that the numbers in the files stand for.
        named = replace(named, classes=options.classes)
        own_names, options = options.classes, replace(options, classes=None)
    images, ledger = assembled(
        lambda books: known.reader().read(named, books),
        lambda: _locator(named, known, options),
        _rules(known, options),
        negatives=list_images(options.negatives) if options.negatives else (),
        unlisted=_unlisted(named, known, options),
        progress=progress,
    )
    for name in sorted(named.linked):
        ledger.hints.append(f"{name} is a linked folder: it was not searched for annotations")
    ledger.check()
    _check_labels(ledger, {*options.rename, *options.drop}, known=own_names or ())
    label_map = _label_map(images, own_names, options)
    return ConversionResult(tuple(images), label_map, ledger, known)


def _write(
    result: ConversionResult,
    out: Path,
    target: Format,
    options: Options,
    books: Mapping[str, Any],
    *,
    dry_run: bool,
) -> ConversionResult:
    images, label_map = result.images, result.label_map
    if target.name != "yolo":
        result = replace(result, images=plan_format(target, images))
        if not dry_run:
            write_format(target, result.images, out, label_map=label_map, ledger=books)
        return result
    geometry = options.geometry or Geometry.BOX
    if options.labels_only:
        if not dry_run:
            write_labels(images, out, label_map=label_map, geometry=geometry, ledger=books)
        return result
    dataset = plan_dataset(images, out, label_map=label_map)
    if not dry_run:
        write_dataset(dataset, images, geometry=geometry, ledger=books)
    return replace(result, dataset=dataset)


def _locator(source: Source, known: Format, options: Options) -> Locator:
    finder = None
    if not options.labels_only:
        roots = [*([options.images] if options.images else [])]
        finder = ImageFinder([*roots, *([source.path] if source.path.is_dir() else [])])
    return Locator(source.root, finder, known.embedded_images())


def _rules(known: Format, options: Options) -> AssemblyRules:
    boxes = options.geometry or (
        Geometry.BOX if options.to_format.lower() == "yolo" else Geometry.OUTLINE
    )
    drop = frozenset(options.drop)
    fitting = FittingRules(options.rename, drop, options.classes, boxes, options.edge)
    stretched = options.stretched or known.stretches
    return AssemblyRules(fitting, options.readers, stretched)


def _unlisted(source: Source, known: Format, options: Options) -> list[str]:
    """Images that belong to the set whether or not an annotation names them."""
    if options.labels_only:
        return []
    if options.images:
        return list_images(options.images)
    return list_images(source.root) if known.lists_images else []


def _own_names(source: Source, known: Format, options: Options) -> tuple[str, ...] | None:
    """The names that a format gives the numbers in its files; None if it does not say."""
    order = known.class_order()
    try:
        return order.class_names(source) if order else None
    except AnnotationError:
        if options.classes is None:
            raise
        return None


def _check_labels(ledger: Ledger, named: set[str], *, known: Collection[str]) -> None:
    labels = {label for label, _ in ledger.outcomes}
    missing = sorted(named - labels - set(known))
    if missing:
        there = ", ".join(sorted(labels)) or "none"
        raise ConfigError(f"'{missing[0]}': no box has this label; there are: {there}")


def _label_map(
    images: Collection[AssembledImage], own_names: tuple[str, ...] | None, options: Options
) -> LabelMap:
    """The classes as given, in the format's own order, or sorted by name."""
    if options.classes is not None:
        return LabelMap(options.classes)
    if own_names is not None:
        kept = (options.rename.get(name, name) for name in own_names if name not in options.drop)
        return LabelMap(tuple(dict.fromkeys(kept)))
    return LabelMap.sorted_from(label for entry in images for label in entry.findings.labels)
