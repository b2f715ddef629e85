"""Bringing annotations and images together: every box in pixels of its image, or in the ledger."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from unicodedata import normalize

from lucency.annotations.choices import Readers
from lucency.annotations.findings import NO_ATTRIBUTES, ImageAnnotation, Status
from lucency.annotations.fitting import Fitted, FittingRules, fit, key_of
from lucency.annotations.formats import NORMALISED
from lucency.annotations.fusion import fused
from lucency.annotations.image_size import ImageHeader
from lucency.annotations.images import SourceImage, look_at, look_at_bytes
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.locating import LeftOutError, Location, Locator, Refusal
from lucency.annotations.packing import NO_FINDINGS, PackedFindings, packed
from lucency.annotations.same_image import by_image, check_names, said_of
from lucency.annotations.sizes import PixelMap, SizeMismatchError, pixel_map
from lucency.annotations.sources import writable
from lucency.configs.errors import ImageError

# Called with how many images are done.
Progress = Callable[[int], None]


class AssembledImage(NamedTuple):
    """An image as it will stand in the data set, its findings in pixels and inside it.

    ``name`` is its path, or its name in the annotation where images were not looked for;
    ``image`` is None then. ``lost`` is set if one of its boxes could not be used.
    """

    name: str
    image: SourceImage | None
    size_wh: tuple[int, int]
    source: str
    findings: PackedFindings
    status: Status
    split: str = ""
    patient_id: str = ""
    labels: Mapping[str, bool] = NO_ATTRIBUTES
    extra: Mapping[str, str] = NO_ATTRIBUTES
    lost: bool = False


@dataclass(frozen=True, slots=True)
class AssemblyRules:
    """How findings are fitted, several readers brought together, and sizes compared.

    ``stretched`` images were resized without keeping their proportions.
    """

    fitting: FittingRules = field(default_factory=FittingRules)
    readers: Readers = Readers.ALL
    stretched: bool = False


class Assembly:
    """The images of a conversion, in the order in which the annotations name them.

    Images are taken in one by one and kept packed, so that a set of any size needs little
    memory. Whatever cannot be part of the set goes to ``ledger``; nothing of the kind raises.

    ``refused`` are images to be left out, by key, with the reason. If an image must be left out
    after some of its annotations were already taken in, ``incomplete`` is set: the books are
    then right only if all is done again with the ``refused`` images of this time.
    """

    def __init__(
        self,
        locator: Locator,
        rules: AssemblyRules,
        ledger: Ledger,
        *,
        refused: Mapping[str, Refusal] = NO_ATTRIBUTES,
    ) -> None:
        self._locator = locator
        self._rules = rules
        self._ledger = ledger
        self._entries: dict[str, AssembledImage] = {}
        self._named: dict[str, str] = {}  # what an annotation called the image
        self._to_tell: dict[str, tuple[ImageAnnotation, Reason, str]] = {}
        self.refused = dict(refused)
        self.incomplete = False

    def take_in(
        self,
        annotations: Iterable[ImageAnnotation],
        *,
        negatives: Iterable[str] = (),
        unlisted: Iterable[str] = (),
        progress: Progress | None = None,
    ) -> list[AssembledImage]:
        """All images of the set, those of the annotations first.

        ``negatives`` are images known to show nothing, ``unlisted`` further images of the set
        that no annotation names.
        """
        confirmed = {os.path.realpath(path): path for path in negatives}
        done = 0
        for group in by_image(annotations, self._rules.readers):
            self._annotated(group, confirmed)
            done += 1
            if progress and not done % 100:
                progress(done)
        for first, reason, detail in self._to_tell.values():
            self._ledger.note(first.source, image=first.image, reason=reason, detail=detail)
        further = {os.path.realpath(path): path for path in unlisted} | confirmed
        suspects = self._suspects() if confirmed else ()
        for real, path in further.items():
            if real not in self._entries and real not in self.refused:
                negative = real in confirmed and _stem(_composed(path)) not in suspects
                self._unannotated(real, path, Status.NEGATIVE if negative else Status.UNKNOWN)
            done += 1
            if progress and not done % 100:
                progress(done)
        return self._without_contradictions()

    def _suspects(self) -> set[str]:
        """Names, with and without suffix, of which more may be known than that they are healthy."""
        names = [e.image or e.source for e in self._ledger.image_entries if e.left_out]
        names += [e.name for e in self._entries.values() if e.image is None]
        last = {_composed(name) for name in names}
        return last | {_stem(name) for name in last}

    def _annotated(self, group: list[ImageAnnotation], confirmed: Mapping[str, str]) -> None:
        """Take in what the readers of one image marked."""
        try:
            found = self._locator.locate(group[0])
        except LeftOutError as problem:
            leave_out(group, problem.refusal, self._ledger)
            return
        if found.key in self.refused:
            leave_out(group, self.refused[found.key], self._ledger)
            return
        before = self._entries.get(found.key)
        try:
            if found.on_disk:
                named = self._named.setdefault(found.key, group[0].image)
                if before is not None and before.name == found.name:
                    check_names(named, group[0].image)
            entry = self._fitted(group, found, before, confirmed=found.key in confirmed)
        except LeftOutError as problem:
            leave_out(group, problem.refusal, self._ledger)
            self.refused[found.key] = problem.refusal
            self._to_tell.pop(found.key, None)
            if before is not None:
                del self._entries[found.key]
                self.incomplete = True
        else:
            self._entries[found.key] = entry

    def _fitted(
        self,
        group: list[ImageAnnotation],
        found: Location,
        before: AssembledImage | None,
        *,
        confirmed: bool,
    ) -> AssembledImage:
        ledger, first = self._ledger, group[0]
        image = before.image if before else _look(found)
        size_wh = image.size_wh if image else first.size_wh or NORMALISED
        size_wh = before.size_wh if before else size_wh
        maps = [self._pixel_map(image, annotation, size_wh) for annotation in group]
        said = said_of(group, before)
        findings: Fitted = {key_of(old): old for old in before.findings} if before else {}
        if self._rules.readers is not Readers.ALL and len({one.reader for one in group}) > 1:
            if len({way for one, way in zip(group, maps, strict=True) if one.findings}) > 1:
                detail = "its readers marked it at several sizes, which cannot be brought together"
                raise LeftOutError(Reason.SIZE_MISMATCH, detail)
            group = fused(group, self._rules.readers, ledger)
        for annotation, to_image in zip(group, maps, strict=True):
            fit(annotation, to_image, size_wh, self._rules.fitting, findings, ledger)
        lost, unknown = False, False
        for annotation in group:
            lost |= ledger.lost_boxes(annotation.source, annotation.image)
            unknown |= annotation.status is Status.UNKNOWN
        if before is not None:
            lost |= before.lost
            unknown |= before.status is Status.UNKNOWN and not before.lost
        status = Status.NEGATIVE if not lost and (confirmed or not unknown) else Status.UNKNOWN
        entry = AssembledImage(
            name=found.name,
            image=image,
            size_wh=size_wh,
            source=before.source if before else first.source,
            findings=packed(findings.values()),
            status=Status.ANNOTATED if findings else status,
            lost=lost,
            **said,
        )
        self._tell_status(found.key, entry, first, confirmed=confirmed)
        return entry

    def _pixel_map(
        self, image: SourceImage | None, annotation: ImageAnnotation, size_wh: tuple[int, int]
    ) -> PixelMap | None:
        if annotation.size_wh == size_wh:
            return None
        header = image.header if image else ImageHeader("", *size_wh)
        try:
            return pixel_map(header, annotation, self._ledger, stretched=self._rules.stretched)
        except SizeMismatchError as error:
            raise LeftOutError(Reason.SIZE_MISMATCH, str(error)) from None

    def _tell_status(
        self, key: str, entry: AssembledImage, first: ImageAnnotation, *, confirmed: bool
    ) -> None:
        """What is to be told in the end, unless a further annotation says more."""
        reason, detail = Reason.UNKNOWN_STATUS, ""
        if entry.status is Status.UNKNOWN:
            detail = "nothing says whether it was looked at"
            if entry.lost:
                detail = "its boxes were all dropped"
        elif confirmed and entry.findings:
            reason = Reason.CONTRADICTION
            detail = "stands in the folder of negatives, but has boxes: kept as annotated"
        if self._to_tell:
            self._to_tell.pop(key, None)
        if detail:
            self._to_tell[key] = first, reason, detail

    def _unannotated(self, key: str, path: str, status: Status) -> None:
        place, name = self._locator.place_of(path)
        try:
            image = look_at(path)
        except ImageError as error:
            reason = Reason.UNREADABLE_IMAGE
            self._ledger.leave_out(place, image=name, reason=reason, detail=str(error))
            return
        if status is Status.UNKNOWN:
            reason = Reason.UNKNOWN_STATUS
            self._ledger.note(place, image=name, reason=reason, detail="no annotation names it")
        self._entries[key] = AssembledImage(path, image, image.size_wh, place, NO_FINDINGS, status)

    def _without_contradictions(self) -> list[AssembledImage]:
        """Leave negatives out that are, byte for byte, an image with findings."""
        images = list(self._entries.values())
        marked = {
            i.image.sha256: i
            for i in images
            if i.image is not None and i.status is Status.ANNOTATED
        }
        kept = []
        for entry in images:
            twin = marked.get(entry.image.sha256) if entry.image is not None else None
            if twin is None or entry.status is not Status.NEGATIVE:
                kept.append(entry)
                continue
            twin_name = writable(twin.name.rpartition("/")[2])
            detail = f"is a negative, but the same file as {twin_name}, which has findings"
            name, reason = self._locator.place_of(entry.name)[1], Reason.CONTRADICTION
            self._ledger.leave_out(entry.source, image=name, reason=reason, detail=detail)
        return kept


def leave_out(annotations: Iterable[ImageAnnotation], refusal: Refusal, ledger: Ledger) -> None:
    """Leave an image out, with all its boxes."""
    reason, detail = refusal
    for annotation in annotations:
        image = annotation.image
        ledger.leave_out(annotation.source, image=image, reason=reason, detail=detail)
        for finding in annotation.findings:
            ledger.drop(
                annotation.source,
                image=image,
                index=finding.index,
                label=finding.label,
                reason=reason,
                detail="its image is left out",
            )


def _look(found: Location) -> SourceImage | None:
    try:
        if found.data is not None:
            return look_at_bytes(found.data, found.name)
        return look_at(found.key) if found.on_disk else None
    except ImageError as error:
        raise LeftOutError(Reason.UNREADABLE_IMAGE, str(error)) from None


def _composed(name: str) -> str:
    """The last part of a name, its umlauts of one character as most systems write them."""
    return normalize("NFC", name.rpartition("/")[2])


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]  # noqa: PTH122 - a name, not a path
