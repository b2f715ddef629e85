"""The core of the importers: what is written, counted, refused and left out."""

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from PIL import Image

from lucency.annotations.checks import check
from lucency.annotations.findings import Finding, ImageAnnotation, Status
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger, Reason, UnusableBox
from lucency.annotations.records import read_dataset
from lucency.configs.errors import AnnotationError, ConfigError, DatasetError
from lucency.datasets.importing import SOURCE_JSON, ImportedSet, import_images, origin_of
from lucency.datasets.public_sets import PublicSet

A_SET = PublicSet(
    name="made-up",
    title="A made-up set",
    where="https://example.org/set",
    licence="CC0",
    citation="Nobody, 2020",
    contents="4 images",
    classes=("mass", "cyst"),
)
BOXED = [
    ("a.png", Status.ANNOTATED, "p1", True, "train"),
    ("b.png", Status.NEGATIVE, "p1", False, "train"),
    ("c.png", Status.UNKNOWN, "", None, "test"),
]
UNBOXED = [("a.png", Status.UNKNOWN, "p1", True, "train"), ("b.png", Status.UNKNOWN, "", False, "")]
Row = tuple[str, Status, str, bool | None, str]


class Reader:
    """Yields the images of some rows; one of status annotated has a box of a cyst."""

    def __init__(self, rows: list[Row], *, lost: bool = False) -> None:
        self.rows, self.lost = rows, lost

    def __call__(self, folder: Path, ledger: Ledger) -> Iterator[ImageAnnotation]:
        for image, status, patient, label, split in self.rows:
            source = f"{image}.txt"
            ledger.expect(source, int(status is Status.ANNOTATED) + self.lost)
            if self.lost:
                problem = UnusableBox(Reason.ZERO_AREA, "has no area")
                ledger.unusable(source, problem, image=image, index="1", label="cyst")
            boxes = (Finding("cyst", Box(1, 1, 4, 5)),) if status is Status.ANNOTATED else ()
            labels = {} if label is None else {"ill": label}
            extra = {"official_split": split} if split else {}
            yield ImageAnnotation(
                image, source, (8, 6), boxes, status, patient_id=patient, labels=labels, extra=extra
            )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "download"
    made.mkdir()
    for number, name in enumerate("abc"):
        Image.new("L", (8, 6), 40 * number).save(made / f"{name}.png")
    return made


def imported(folder: Path, rows: list[Row], **options: object) -> ImportedSet:
    out = folder.parent / "set"
    return import_images(A_SET, Reader(rows), folder, out, **options)  # type: ignore[arg-type]


def test_a_set_with_boxes(folder: Path) -> None:
    made = imported(folder, BOXED)
    dataset = read_dataset(folder.parent / "set")
    assert dataset.label_map.names == ("mass", "cyst")
    assert {str(record.image): record.status for record in dataset.records} == {
        "images/unsplit/a.png": Status.ANNOTATED,
        "images/unsplit/b.png": Status.NEGATIVE,
        "images/unknown/c.png": Status.UNKNOWN,
    }
    (finding,) = dataset.findings(dataset.records[0])
    corners = (finding.box.x1, finding.box.y1, finding.box.x2, finding.box.y2)
    assert finding.label == "cyst"
    assert corners == pytest.approx((1, 1, 4, 5))
    assert [record.label("ill") for record in dataset.records] == [True, False, None]
    assert made.counts.boxes == {"mass": 0, "cyst": 1}
    assert made.counts.labels == {"ill": {"positive": 1, "negative": 1, "unknown": 1}}
    assert (made.counts.patients, made.counts.images_without_patient) == (1, 1)
    assert made.counts.official_splits == {"test": 1, "train": 2}


def test_the_origin_is_recorded(folder: Path) -> None:
    imported(folder, BOXED)
    source = json.loads((folder.parent / "set/source.json").read_text())
    assert (source["name"], source["title"], source["licence"]) == ("made-up", A_SET.title, "CC0")
    assert (source["where"], source["citation"]) == (A_SET.where, A_SET.citation)
    assert source["lucency"] == version("lucency")
    assert source["counts"]["images"] == 3
    assert source["counts"]["status"] == {"annotated": 1, "negative": 1, "unknown": 1}


def test_a_set_without_boxes_can_be_read_and_checked(folder: Path) -> None:
    imported(folder, UNBOXED)
    root = folder.parent / "set"
    dataset = read_dataset(root)
    assert len(dataset.label_map) == 2  # the set's own classes, though there is no box
    assert not (root / "labels").exists()
    checkup = check(root)
    assert checkup.census.to_json()["images"]["unknown"] == 2


def test_no_classes_at_all(folder: Path) -> None:
    plain = PublicSet(name="x", title="X", where="", licence="", citation="", contents="")
    import_images(plain, Reader(UNBOXED), folder, folder.parent / "set")
    root = folder.parent / "set"
    assert read_dataset(root).label_map.names == ()
    assert "names: {}" in (root / "data.yaml").read_text()
    assert {problem.rule for problem in check(root).problems} == {"set-aside"}


def test_truncated_images_are_left_out_without_being_asked(folder: Path) -> None:
    whole = (folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(whole[: len(whole) // 2])
    made = imported(folder, BOXED)
    assert made.counts.left_out == {"unreadable-image": 1}
    assert made.counts.images == 2
    ledger = json.loads((folder.parent / "set/ledger.json").read_text())
    assert [entry["image"] for entry in ledger["image_entries"] if entry["left_out"]] == ["a.png"]
    assert ledger["boxes"]["dropped_by_reason"] == {"unreadable-image": 1}
    assert ledger["format"] == "import made-up"


def test_other_losses_must_be_allowed(folder: Path) -> None:
    (folder / "b.png").unlink()
    with pytest.raises(AnnotationError, match=r"missing-image: 1 image .*--allow missing-image"):
        imported(folder, BOXED)
    assert not (folder.parent / "set").exists()
    made = imported(folder, BOXED, allow={Reason.MISSING_IMAGE})
    assert made.counts.left_out == {"missing-image": 1}


def test_lost_boxes_must_be_allowed(folder: Path) -> None:
    out = folder.parent / "set"
    with pytest.raises(AnnotationError, match="zero-area: 3 boxes"):
        import_images(A_SET, Reader(BOXED, lost=True), folder, out)
    made = import_images(A_SET, Reader(BOXED, lost=True), folder, out, allow={Reason.ZERO_AREA})
    # The one that lost its boxes is no negative any more.
    assert made.counts.status == {"annotated": 1, "negative": 0, "unknown": 2}


def test_existing_out_is_refused_before_any_work(folder: Path) -> None:
    out = folder.parent / "set"
    out.mkdir()
    (out / "mine.txt").touch()
    with pytest.raises(ConfigError, match="exists already"):
        imported(folder.parent / "gone", BOXED)


def test_missing_folder(folder: Path) -> None:
    with pytest.raises(ConfigError, match="gone: no such folder"):
        import_images(A_SET, Reader(BOXED), folder.parent / "gone", folder.parent / "set")


def test_no_images(folder: Path) -> None:
    with pytest.raises(AnnotationError, match="no image of A made-up set"):
        imported(folder, [])


def test_classes_that_the_set_does_not_know_come_last(folder: Path) -> None:
    other = PublicSet(
        name="x", title="X", where="", licence="", citation="", contents="", classes=("mass",)
    )
    made = import_images(other, Reader(BOXED), folder, folder.parent / "set")
    assert made.dataset.label_map.names == ("mass", "cyst")


def test_the_origin_is_told_to_those_who_learn_from_the_set(folder: Path) -> None:
    imported(folder, BOXED)
    said = origin_of(folder.parent / "set")
    assert said == "A made-up set. Nobody, 2020 Licence: CC0."
    assert origin_of(folder) == ""


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"title": 1}'])
def test_a_damaged_origin_is_told(folder: Path, text: str) -> None:
    (folder / SOURCE_JSON).write_text(text)
    with pytest.raises(DatasetError, match=r"source\.json: cannot be read; import the set again"):
        origin_of(folder)


def test_linked_folders_are_named(folder: Path) -> None:
    (folder / "more").symlink_to(folder.parent, target_is_directory=True)
    made = imported(folder, UNBOXED)
    hint = "not searched, since they are links to folders: 'more'"
    assert hint in made.ledger.hints
    assert hint in json.loads((made.dataset.root / "ledger.json").read_bytes())["hints"]


def test_linked_folders_are_named_where_nothing_is_found(folder: Path) -> None:
    (folder / "more").symlink_to(folder.parent, target_is_directory=True)

    def read(folder: Path, ledger: Ledger) -> Iterator[ImageAnnotation]:
        raise AnnotationError(f"{folder}: there is nothing in it")
        yield

    with pytest.raises(AnnotationError, match=r"nothing in it; not searched, .* 'more'"):
        import_images(A_SET, read, folder, folder.parent / "out")
