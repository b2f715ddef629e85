import pytest

from lucency.annotations.choices import Readers
from lucency.annotations.findings import Finding, ImageAnnotation, Status
from lucency.annotations.fusion import fused
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger, Outcome, Reason


def reader(
    name: str, *boxes: tuple[float, float, float, float], label: str = "nodule",
    status: Status | None = None, size: tuple[int, int] = (100, 100),
) -> ImageAnnotation:  # fmt: skip
    findings = tuple(
        Finding(label, Box(*box), index=f"{name}[{number}]") for number, box in enumerate(boxes)
    )
    found = status or (Status.ANNOTATED if findings else Status.NEGATIVE)
    return ImageAnnotation("1.png", "train.csv", size, findings, found, reader=name)


def boxes(annotations: list[ImageAnnotation]) -> list[tuple[float, float, float, float]]:
    found = [finding.box for annotation in annotations for finding in annotation.findings]
    return [(box.x1, box.y1, box.x2, box.y2) for box in found]


AGREEING = [
    reader("R1", (10, 10, 30, 30), (60, 60, 80, 80)),
    reader("R2", (12, 10, 32, 30)),
    reader("R3", (8, 13, 28, 33)),
]


@pytest.mark.parametrize(
    ("policy", "expected", "outcomes"),
    [
        (
            Readers.ALL,
            [(10, 10, 30, 30), (60, 60, 80, 80), (12, 10, 32, 30), (8, 13, 28, 33)],
            [],
        ),
        (Readers.UNION, [(8, 10, 32, 33), (60, 60, 80, 80)], [Reason.READERS_AGREE] * 2),
        (Readers.WBF, [(10, 11, 30, 31), (60, 60, 80, 80)], [Reason.READERS_AGREE] * 2),
        (Readers.MAJORITY, [(10, 11, 30, 31)], [Reason.READERS_AGREE] * 2 + [Reason.MINORITY]),
    ],
    ids=lambda value: str(value) if isinstance(value, Readers) else "",
)
def test_policies(
    policy: Readers, expected: list[tuple[float, float, float, float]], outcomes: list[Reason]
) -> None:
    ledger = Ledger()
    result = fused(AGREEING, policy, ledger)
    assert boxes(result) == expected
    assert sorted(entry.reason for entry in ledger.box_entries) == sorted(outcomes)
    for entry in ledger.box_entries:
        merged = entry.reason is Reason.READERS_AGREE
        assert entry.outcome is (Outcome.MERGED if merged else Outcome.DROPPED)
        assert entry.detail == ("fused with R1[0]" if merged else "marked by 1 of 3 readers")
    assert len(result) == len(AGREEING)
    total = len(boxes(result)) + len(ledger.box_entries)
    assert total == len(boxes(AGREEING))


def test_who_agreed_is_told_in_an_attribute() -> None:
    result = fused(AGREEING, Readers.WBF, Ledger())
    assert [f.attributes["readers"] for f in result[0].findings] == ["3 of 3", "1 of 3"]


def test_a_majority_that_saw_nothing_makes_a_negative() -> None:
    ledger = Ledger()
    result = fused(
        [reader("R1"), reader("R2", (1, 1, 9, 9)), reader("R3")], Readers.MAJORITY, ledger
    )
    assert {annotation.status for annotation in result} == {Status.NEGATIVE}
    assert [entry.reason for entry in ledger.box_entries] == [Reason.MINORITY]
    assert not ledger.lost_boxes("train.csv", "1.png")


def test_half_of_the_readers_are_no_majority() -> None:
    ledger = Ledger()
    pair = [reader("R1", (1, 1, 9, 9)), reader("R2")]
    assert boxes(fused(pair, Readers.MAJORITY, ledger)) == []
    assert ledger.box_entries[0].detail == "marked by 1 of 2 readers"


def test_two_boxes_of_one_reader_are_no_majority() -> None:
    three = [reader("R1", (10, 10, 30, 30), (11, 10, 31, 30)), reader("R2"), reader("R3")]
    ledger = Ledger()
    assert boxes(fused(three, Readers.MAJORITY, ledger)) == []
    assert len(ledger.box_entries) == 2


def test_other_labels_and_far_boxes_are_not_fused() -> None:
    pair = [
        reader("R1", (10, 10, 30, 30), (50, 50, 70, 70)),
        reader("R2", (10, 10, 30, 30), label="mass"),
        reader("R3", (61, 50, 81, 70)),
    ]
    ledger = Ledger()
    assert len(boxes(fused(pair, Readers.WBF, ledger))) == 4
    assert not ledger.box_entries


@pytest.mark.parametrize("policy", [Readers.UNION, Readers.MAJORITY, Readers.WBF])
@pytest.mark.parametrize(
    "annotations",
    [
        [reader("R1", (1, 1, 9, 9))],
        [reader("R1", (1, 1, 9, 9)), reader("R1", (1, 1, 9, 9))],
        [reader("", (1, 1, 9, 9)), reader("", (2, 1, 9, 9))],
    ],
    ids=["alone", "one reader twice", "no names"],
)
def test_what_cannot_be_compared_stays_as_it_is(
    policy: Readers, annotations: list[ImageAnnotation]
) -> None:
    ledger = Ledger()
    assert fused(annotations, policy, ledger) == annotations
    assert not ledger.box_entries


def test_an_unknown_reader_stays_unknown() -> None:
    pair = [reader("R1", (1, 1, 9, 9)), reader("R2", status=Status.UNKNOWN)]
    result = fused(pair, Readers.WBF, Ledger())
    assert [annotation.status for annotation in result] == [Status.ANNOTATED, Status.UNKNOWN]


def test_the_order_of_the_readers_does_not_change_what_a_majority_sees() -> None:
    forwards = boxes(fused(AGREEING, Readers.MAJORITY, Ledger()))
    backwards = boxes(fused(AGREEING[::-1], Readers.MAJORITY, Ledger()))
    assert forwards == backwards


def test_a_lone_outline_is_kept_and_fused_ones_are_not() -> None:
    triangle = Finding("nodule", Box(0, 0, 9, 9), ((0, 0), (9, 0), (9, 9)), index="a")
    square = Finding("nodule", Box(0, 0, 9, 9), index="b")
    images = [
        ImageAnnotation("1", "s", (50, 50), (finding,), Status.ANNOTATED, reader=name)
        for name, finding in (("R1", triangle), ("R2", square))
    ]
    assert fused(images, Readers.UNION, Ledger())[0].findings[0].polygon is None
    alone = fused([images[0], reader("R3")], Readers.UNION, Ledger())
    assert alone[0].findings[0].polygon == triangle.polygon
