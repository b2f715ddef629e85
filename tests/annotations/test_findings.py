import pytest

from lucency.annotations.findings import Finding, ImageAnnotation, LabelMap, Status
from lucency.annotations.geometry import Box

FINDING = Finding("fracture", Box(0, 0, 1, 1))


def annotation(findings: tuple[Finding, ...], status: Status, size: tuple[int, int]) -> None:
    ImageAnnotation("a.png", "a.json", size, findings, status)


def test_a_finding_needs_a_label() -> None:
    with pytest.raises(ValueError, match="label"):
        Finding("  ", Box(0, 0, 1, 1))


@pytest.mark.parametrize(
    ("findings", "status", "size"),
    [
        ((), Status.ANNOTATED, (5, 5)),
        ((FINDING,), Status.NEGATIVE, (5, 5)),
        ((FINDING,), Status.UNKNOWN, (5, 5)),
        ((), Status.NEGATIVE, (0, 5)),
    ],
    ids=["annotated without findings", "negative with", "unknown with", "no width"],
)
def test_contradicting_annotations_cannot_be_made(
    findings: tuple[Finding, ...], status: Status, size: tuple[int, int]
) -> None:
    with pytest.raises(ValueError, match=r"findings|size"):
        annotation(findings, status, size)


def test_label_map_sorts_and_numbers() -> None:
    labels = LabelMap.sorted_from(["tb", "fracture", "tb"])
    assert list(labels) == ["fracture", "tb"]
    assert (labels.id_of("tb"), len(labels), "x" in labels) == (1, 2, False)


@pytest.mark.parametrize("names", [("a", "a"), ("a", "")], ids=["twice", "empty"])
def test_label_map_refuses(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="class names"):
        LabelMap(names)
