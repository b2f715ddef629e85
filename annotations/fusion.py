"""Several readers' boxes of one image, brought down to one set of findings.

Boxes of one class are fused as in Solovyev et al., Weighted boxes fusion, Image and Vision
Computing 107, 2021, with equal weights: each box joins the cluster whose mean box it overlaps
most, from an intersection over union of 0.5 on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lucency.annotations.choices import Readers
from lucency.annotations.findings import Finding, ImageAnnotation, Status
from lucency.annotations.geometry import Box, overlap
from lucency.annotations.ledger import Ledger, Outcome, Reason

OVERLAP = 0.5
_FARTHEST_PX = 1e9


@dataclass
class _Cluster:
    """Boxes of one class by different readers that are taken for one finding."""

    label: str
    members: list[tuple[ImageAnnotation, Finding]] = field(default_factory=list)

    def mean(self) -> Box:
        count = len(self.members)
        boxes = [finding.box for _, finding in self.members]
        return Box(
            sum(box.x1 for box in boxes) / count,
            sum(box.y1 for box in boxes) / count,
            sum(box.x2 for box in boxes) / count,
            sum(box.y2 for box in boxes) / count,
        )

    def hull(self) -> Box:
        boxes = [finding.box for _, finding in self.members]
        return Box(
            min(box.x1 for box in boxes),
            min(box.y1 for box in boxes),
            max(box.x2 for box in boxes),
            max(box.y2 for box in boxes),
        )

    def readers(self) -> int:
        return len({annotation.reader for annotation, _ in self.members})


def fused(
    annotations: Sequence[ImageAnnotation], policy: Readers, ledger: Ledger
) -> list[ImageAnnotation]:
    """The annotations of one image, in the same pixels, after ``policy``.

    Unchanged where one reader is alone.

    ``union`` keeps one box around each cluster, ``wbf`` its mean box, ``majority`` the mean box
    of what more than half of the image's readers marked. The other members of a cluster count
    as merged, what only a minority marked as dropped. The first reader's annotation carries the
    result; where nothing is left, most readers saw nothing, and it is a negative.
    """
    readers = {annotation.reader for annotation in annotations}
    if policy is Readers.ALL or len(readers) < 2:
        return list(annotations)
    kept: dict[int, list[Finding]] = {}
    for cluster in _clusters(annotations):
        first, finding = cluster.members[0]
        if policy is Readers.MAJORITY and 2 * cluster.readers() <= len(readers):
            detail = f"marked by {cluster.readers()} of {len(readers)} readers"
            for annotation, lost in cluster.members:
                _told(annotation, lost, Outcome.DROPPED, Reason.MINORITY, detail, ledger)
            continue
        box = cluster.hull() if policy is Readers.UNION else cluster.mean()
        marked = {**finding.attributes, "readers": f"{cluster.readers()} of {len(readers)}"}
        alone = len(cluster.members) == 1
        polygon = finding.polygon if alone else None
        result = Finding(finding.label, box, polygon, marked, finding.index)
        kept.setdefault(id(first), []).append(result)
        for annotation, merged in cluster.members[1:]:
            detail = f"fused with {finding.index}"
            _told(annotation, merged, Outcome.MERGED, Reason.READERS_AGREE, detail, ledger)
    return [_with_findings(a, tuple(kept.get(id(a), ()))) for a in annotations]


def _clusters(annotations: Sequence[ImageAnnotation]) -> list[_Cluster]:
    clusters: list[_Cluster] = []
    for annotation in annotations:
        for finding in annotation.findings:
            best, most = None, OVERLAP
            # Sums of numbers near the largest there are would be none; such boxes lie outside.
            for cluster in clusters if max(map(abs, finding.box)) < _FARTHEST_PX else ():
                if cluster.label != finding.label:
                    continue
                shared = overlap(cluster.mean(), finding.box)
                if shared >= most:
                    best, most = cluster, shared
            if best is None:
                best = _Cluster(finding.label)
                clusters.append(best)
            best.members.append((annotation, finding))
    return clusters


def _with_findings(annotation: ImageAnnotation, findings: tuple[Finding, ...]) -> ImageAnnotation:
    if findings:
        return replace(annotation, findings=findings, status=Status.ANNOTATED)
    # A reader whose boxes all went elsewhere says nothing about the image any more.
    unmarked = Status.NEGATIVE if annotation.status is Status.ANNOTATED else annotation.status
    return replace(annotation, findings=(), status=unmarked)


def _told(
    annotation: ImageAnnotation,
    finding: Finding,
    outcome: Outcome,
    reason: Reason,
    detail: str,
    ledger: Ledger,
) -> None:
    ledger.changed(
        annotation.source,
        outcome,
        image=annotation.image,
        index=finding.index,
        label=finding.label,
        reason=reason,
        detail=detail,
    )
