import io
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lucency.annotations.assembly import AssembledImage, Assembly, AssemblyRules
from lucency.annotations.choices import Geometry, Readers
from lucency.annotations.findings import Finding, ImageAnnotation, Status
from lucency.annotations.fitting import FittingRules
from lucency.annotations.formats import NORMALISED
from lucency.annotations.geometry import Box
from lucency.annotations.images import ImageFinder
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.locating import Locator
from lucency.annotations.losses import refuse_losses

SIZE = (100, 80)


def png(seed: int, size: tuple[int, int] = SIZE) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", size, seed).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed, name in enumerate(("1", "2", "3")):
        (tmp_path / f"{name}.png").write_bytes(png(seed))
    return tmp_path


def annotation(
    image: str, *boxes: tuple[float, ...], source: str = "a.json", status: Status | None = None,
    size: tuple[int, int] | None = SIZE, **said: Any,
) -> ImageAnnotation:  # fmt: skip
    findings = tuple(
        Finding("x", Box(*box), index=f"{source}[{number}]") for number, box in enumerate(boxes)
    )
    found = status or (Status.ANNOTATED if findings else Status.NEGATIVE)
    return ImageAnnotation(image, source, size, findings, found, **said)


def assembled(
    root: Path,
    annotations: Iterable[ImageAnnotation],
    *,
    rules: AssemblyRules | None = None,
    images: bool = True,
    **further: Any,
) -> tuple[list[AssembledImage], Ledger]:
    """What is assembled, done again as long as it is incomplete; the books must balance."""
    annotations, refused = list(annotations), {}
    finder = ImageFinder([root]) if images else None
    while True:
        ledger = Ledger()
        for each in annotations:
            ledger.expect(each.source, len(each.findings))
        chosen = rules or AssemblyRules()
        assembly = Assembly(Locator(root, finder, None), chosen, ledger, refused=refused)
        found = assembly.take_in(annotations, **further)
        if not assembly.incomplete:
            ledger.check()
            return found, ledger
        assert len(assembly.refused) > len(refused)
        refused = assembly.refused


def corners(entry: AssembledImage) -> list[tuple[float, ...]]:
    return [(f.box.x1, f.box.y1, f.box.x2, f.box.y2) for f in entry.findings]


A, B, C = (1.0, 2.0, 9.0, 9.0), (20.0, 20.0, 40.0, 40.0), (50.0, 20.0, 60.0, 40.0)


def test_an_image_with_its_findings(root: Path) -> None:
    (entry,), ledger = assembled(root, [annotation("1.png", A, B, split="val", patient_id="p")])
    assert (entry.name, entry.size_wh, entry.source) == (f"{root}/1.png", SIZE, "a.json")
    assert (entry.status, entry.split, entry.patient_id) == (Status.ANNOTATED, "val", "p")
    assert entry.image is not None
    assert entry.image.path == f"{root}/1.png"
    assert corners(entry) == [A, B]
    assert not ledger.box_entries + ledger.image_entries


def test_images_come_in_the_order_of_the_annotations(root: Path) -> None:
    names = ["3.png", "1.png", "2.png"]
    found, _ = assembled(root, [annotation(name, A) for name in names])
    assert [entry.name.rpartition("/")[2] for entry in found] == names


def test_an_image_taken_in_twice_has_the_findings_of_both(root: Path) -> None:
    found, ledger = assembled(
        root,
        [
            annotation("1.png", A, B, labels={"tb": True}, extra={"view": "ap"}),
            annotation("2.png"),
            annotation("1.png", B, C, source="b.json", patient_id="p1", extra={"age": "40"}),
        ],
    )
    entry = found[0]
    assert corners(entry) == [A, B, C]
    assert (entry.source, entry.patient_id, entry.labels) == ("a.json", "p1", {"tb": True})
    assert entry.extra == {"view": "ap", "age": "40"}
    (merged,) = ledger.box_entries
    assert (merged.source, merged.index, merged.reason) == ("b.json", "b.json[0]", Reason.DUPLICATE)
    assert ledger.totals() == {"in": 4, "written": 3, "clipped": 0, "merged": 1, "dropped": 0}


def test_outlines_taken_in_twice_are_duplicates_too(root: Path) -> None:
    outline = ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0))
    one = annotation("1.png", A)
    finding = Finding("x", Box(0, 0, 9, 9), outline, index="0")
    one = replace(one, findings=(finding,))
    rules = AssemblyRules(FittingRules(geometry=Geometry.OUTLINE))
    found, ledger = assembled(
        root, [one, annotation("2.png"), replace(one, source="b.json")], rules=rules
    )
    assert len(found[0].findings) == 1
    assert ledger.totals()["merged"] == 1


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ([], [], Status.NEGATIVE),
        ([A], [], Status.ANNOTATED),
        ([], [A], Status.ANNOTATED),
        (None, [], Status.UNKNOWN),
        ([], None, Status.UNKNOWN),
        (None, None, Status.UNKNOWN),
        (None, [A], Status.ANNOTATED),
    ],
    ids=["two negatives", "box first", "box second", "unknown first", "unknown second", "unknown",
         "unknown and box"],
)  # fmt: skip
def test_what_two_annotations_say_of_an_image(
    root: Path, first: list[Any] | None, second: list[Any] | None, status: Status
) -> None:
    given = [
        annotation("1.png", *(boxes or ()), source=source, status=None if boxes is not None else
                   Status.UNKNOWN)
        for source, boxes in (("a.json", first), ("b.json", second))
    ]  # fmt: skip
    (entry,), _ = assembled(root, given)
    assert entry.status is status


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"split": "train"}, {"split": "val"}),
        ({"patient_id": "p1"}, {"patient_id": "p2"}),
        ({"labels": {"tb": True}}, {"labels": {"tb": False}}),
    ],
    ids=["split", "patient", "label"],
)
@pytest.mark.parametrize("apart", [False, True], ids=["at once", "late"])
def test_a_contradiction_leaves_the_whole_image_out(
    root: Path, one: dict[str, Any], other: dict[str, Any], apart: bool
) -> None:
    given = [annotation("1.png", A, B, **one), annotation("1.png", C, source="b.json", **other)]
    if apart:
        given.insert(1, annotation("2.png", A, source="b.json"))
        given.append(annotation("1.png", (5, 5, 6, 6), source="c.json"))
    found, ledger = assembled(root, given)
    assert [entry.name for entry in found] == ([f"{root}/2.png"] if apart else [])
    assert ledger.dropped_by_reason() == {Reason.CONTRADICTION: 4 if apart else 3}
    assert ledger.totals()["written"] == int(apart)
    assert {entry.image for entry in ledger.box_entries} == {"1.png"}
    assert all(entry.left_out for entry in ledger.image_entries)


def test_a_late_size_mismatch_leaves_the_whole_image_out(root: Path) -> None:
    given = [
        annotation("1.png", A),
        annotation("2.png", A),
        annotation("1.png", B, source="b.json", size=(80, 100)),
    ]
    found, ledger = assembled(root, given)
    assert [entry.name for entry in found] == [f"{root}/2.png"]
    assert ledger.dropped_by_reason() == {Reason.SIZE_MISMATCH: 2}
    assert ledger.left_out_by_reason() == {Reason.SIZE_MISMATCH: 2}


def test_what_was_refused_does_not_come_back_as_a_negative_or_unknown(root: Path) -> None:
    given = [annotation("1.png", A, split="train"), annotation("2.png"),
             annotation("1.png", B, split="val")]  # fmt: skip
    path = f"{root}/1.png"
    found, _ = assembled(root, given, negatives=[path], unlisted=[path, f"{root}/3.png"])
    assert [entry.name.rpartition("/")[2] for entry in found] == ["2.png", "3.png"]
    assert found[1].status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (annotation("9.png", A, B), Reason.MISSING_IMAGE),
        (annotation("1.png", A, B, size=(80, 100)), Reason.SIZE_MISMATCH),
        (annotation("broken.png", A, B), Reason.UNREADABLE_IMAGE),
    ],
    ids=["missing", "another size", "broken"],
)
def test_an_image_is_left_out_with_all_its_boxes(
    root: Path, given: ImageAnnotation, reason: Reason
) -> None:
    (root / "broken.png").write_bytes(png(9)[:60])
    found, ledger = assembled(root, [given, annotation("2.png", A)])
    assert len(found) == 1
    assert ledger.dropped_by_reason() == {reason: 2}
    assert [entry.reason for entry in ledger.image_entries] == [reason]
    assert {entry.detail for entry in ledger.box_entries} == {"its image is left out"}


def test_one_image_of_two_sizes_is_one_with_all_boxes(root: Path) -> None:
    double = tuple(2 * value for value in B)
    given = [annotation("1.png", A), annotation("1.png", double, source="b.json", size=(200, 160))]
    (entry,), ledger = assembled(root, given)
    assert corners(entry) == [A, B]
    assert [note.reason for note in ledger.image_entries] == [Reason.SCALED]


READERS = [annotation("1.png", A, B, reader="R1"), annotation("1.png", A, reader="R2"),
           annotation("1.png", C, reader="R3")]  # fmt: skip


@pytest.mark.parametrize("together", [True, False], ids=["together", "apart"])
@pytest.mark.parametrize(
    ("policy", "expected", "merged", "dropped"),
    [
        (Readers.ALL, [A, B, C], {Reason.DUPLICATE: 1}, {}),
        (Readers.UNION, [A, B, C], {Reason.READERS_AGREE: 1}, {}),
        (Readers.WBF, [A, B, C], {Reason.READERS_AGREE: 1}, {}),
        (Readers.MAJORITY, [A], {Reason.READERS_AGREE: 1}, {Reason.MINORITY: 2}),
    ],
)
def test_readers(
    root: Path, together: bool, policy: Readers, expected: list[tuple[float, ...]],
    merged: dict[Reason, int], dropped: dict[Reason, int],
) -> None:  # fmt: skip
    given = list(READERS)
    if not together:
        given.insert(1, annotation("2.png", A))
    found, ledger = assembled(root, given, rules=AssemblyRules(readers=policy))
    assert corners(found[0]) == expected
    assert len(found) == 2 - together
    reasons = [entry.reason for entry in ledger.box_entries]
    assert {reason: reasons.count(reason) for reason in reasons} == merged | dropped
    refuse_losses(ledger, ())


def test_an_image_whose_majority_saw_nothing_is_a_negative(root: Path) -> None:
    given = [annotation("1.png", A, reader="R1"), annotation("1.png", reader="R2"),
             annotation("1.png", reader="R3")]  # fmt: skip
    (entry,), ledger = assembled(root, given, rules=AssemblyRules(readers=Readers.MAJORITY))
    assert (entry.status, len(entry.findings), entry.lost) == (Status.NEGATIVE, 0, False)
    assert ledger.dropped_by_reason() == {Reason.MINORITY: 1}


def test_a_dropped_box_makes_no_negative(root: Path) -> None:
    (entry,), ledger = assembled(root, [annotation("1.png", (200, 1, 220, 9))])
    assert (entry.status, entry.lost) == (Status.UNKNOWN, True)
    (note,) = ledger.image_entries
    assert (note.reason, note.detail) == (Reason.UNKNOWN_STATUS, "its boxes were all dropped")
    path = f"{root}/1.png"
    (entry,), _ = assembled(root, [annotation("1.png", (200, 1, 220, 9))], negatives=[path])
    assert entry.status is Status.UNKNOWN


def test_without_images_sizes_come_from_the_annotations(root: Path) -> None:
    given = [annotation("a/1.png", A), annotation("2", (0.1, 0.1, 0.5, 0.5), size=NORMALISED),
             annotation("3.png", A, size=None)]  # fmt: skip
    found, ledger = assembled(root, given, images=False)
    assert [(e.name, e.image, e.size_wh) for e in found] == [
        ("a/1.png", None, SIZE), ("2", None, NORMALISED)
    ]  # fmt: skip
    assert ledger.dropped_by_reason() == {Reason.MISSING_IMAGE: 1}


def test_progress_is_told(root: Path) -> None:
    told: list[int] = []
    given = [annotation("1.png", source=f"{number}.json") for number in range(250)]
    assembled(root, given, progress=told.append)
    assert told == [100, 200]


def test_without_images_two_sizes_of_one_image_are_brought_to_the_first(root: Path) -> None:
    double = tuple(2 * value for value in B)
    given = [annotation("1.png", A), annotation("2.png", C),
             annotation("1.png", double, source="b.json", size=(200, 160))]  # fmt: skip
    (entry, _), ledger = assembled(root, given, images=False)
    assert (entry.size_wh, corners(entry)) == (SIZE, [A, B])
    assert [note.reason for note in ledger.image_entries] == [Reason.SCALED]


@pytest.mark.parametrize("sizes", [(SIZE, None), (None, SIZE)], ids=["second", "first"])
def test_a_reader_who_marked_nothing_needs_no_size_to_be_counted(
    root: Path, sizes: tuple[Any, Any]
) -> None:
    """Label Studio states the size with each region, and so with none where there is none."""
    given = [annotation("1.png", A, reader="R1", size=sizes[0]),
             annotation("1.png", reader="R2", size=sizes[1])]  # fmt: skip
    (entry,), ledger = assembled(root, given, rules=AssemblyRules(readers=Readers.MAJORITY))
    assert (entry.status, len(entry.findings)) == (Status.NEGATIVE, 0)
    assert ledger.dropped_by_reason() == {Reason.MINORITY: 1}


def test_readers_at_two_sizes_are_not_left_unfused_in_silence(root: Path) -> None:
    double = tuple(2 * value for value in A)
    given = [annotation("1.png", A, reader="R1"),
             annotation("1.png", double, reader="R2", size=(200, 160))]  # fmt: skip
    found, ledger = assembled(root, given, rules=AssemblyRules(readers=Readers.WBF))
    assert (found, ledger.dropped_by_reason()) == ([], {Reason.SIZE_MISMATCH: 2})
    (entry,), _ = assembled(root, given)
    assert corners(entry) == [A]


@pytest.mark.parametrize(
    ("named", "path"),
    [("1.2.840", "1.2.840.png"), ("x/1.v2", "1.v2.png"), ("Mu\u0308ller.png", "Müller.png")],
    ids=["a uid", "dots and no suffix", "another unicode form"],
)
def test_no_negative_is_made_of_what_was_left_out(root: Path, named: str, path: str) -> None:
    (root / "healthy").mkdir()
    (root / "healthy" / path).write_bytes(png(9))
    ledger, finder = Ledger(), ImageFinder([root / "elsewhere"])
    ledger.expect("a.json", 1)
    assembly = Assembly(Locator(root, finder, None), AssemblyRules(), ledger)
    negatives = [f"{root}/healthy/{path}"]
    (entry,) = assembly.take_in([annotation(named, A)], negatives=negatives)
    assert entry.status is Status.UNKNOWN
    assert ledger.left_out_by_reason() == {Reason.MISSING_IMAGE: 1}


def test_without_images_no_negative_is_made_of_an_annotated_name(root: Path) -> None:
    found, _ = assembled(root, [annotation("1.png", A)], images=False, negatives=[f"{root}/1.png",
                         f"{root}/2.png"])  # fmt: skip
    assert [e.status for e in found] == [Status.ANNOTATED, Status.UNKNOWN, Status.NEGATIVE]


def test_two_images_of_an_annotation_are_not_taken_for_one(root: Path) -> None:
    """Of train/1.png and val/1.png the one is missing: its boxes belong to no other image."""
    given = [annotation("train/1.png", A), annotation("2.png", A), annotation("val/1.png", B)]
    (root / "val").mkdir()
    (root / "1.png").rename(root / "val/1.png")
    for order in (given, given[::-1]):
        found, ledger = assembled(root, order)
        assert [entry.name for entry in found] == [f"{root}/2.png"]
        assert ledger.dropped_by_reason() == {Reason.AMBIGUOUS_IMAGE: 2}
        detail = ledger.image_entries[0].detail
        assert "val/1.png" in detail
        assert "train/1.png" in detail


@pytest.mark.parametrize("other", ["x/1.png", "./1.png", "1", "C:/y/x/1.png", "../x/1.png"])
def test_longer_names_of_the_same_image_are_no_other_image(root: Path, other: str) -> None:
    (root / "x").mkdir()
    (root / "1.png").rename(root / "x/1.png")
    given = [annotation("1.png", A), annotation(other, B, source="b.json")]
    (entry,), _ = assembled(root, given)
    assert corners(entry) == [A, B]


def test_a_status_is_told_once_and_as_it_is_in_the_end(root: Path) -> None:
    unknown = annotation("1.png", status=Status.UNKNOWN)
    (entry,), ledger = assembled(root, [unknown, annotation("1.png", A, source="b.json")])
    assert (entry.status, ledger.image_entries) == (Status.ANNOTATED, [])
    _, ledger = assembled(root, [unknown, replace(unknown, source="b.json")])
    assert [note.reason for note in ledger.image_entries] == [Reason.UNKNOWN_STATUS]


def test_boxes_near_the_end_of_all_numbers_are_not_fused(root: Path) -> None:
    far = (1e308, 0.0, 1.1e308, 1.0)
    given = [annotation("1.png", far, A, reader=name) for name in ("R1", "R2", "R3")]
    (entry,), ledger = assembled(root, given, rules=AssemblyRules(readers=Readers.WBF))
    assert corners(entry) == [A]
    assert ledger.dropped_by_reason() == {Reason.OUTSIDE_IMAGE: 3}
