import io
import json
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lucency.annotations.convert import ConversionResult, Options, convert
from lucency.annotations.ledger import Reason
from lucency.annotations.records import Dataset, read_dataset
from lucency.configs.errors import AnnotationError, ConfigError

WIDTH, HEIGHT = 100, 80


def png(seed: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", size, seed).save(buffer, "PNG")
    return buffer.getvalue()


def put(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def shapes(*boxes: tuple[float, float, float, float], label: str = "fracture") -> list[Any]:
    return [
        {"label": label, "shape_type": "rectangle", "points": [[x1, y1], [x2, y2]]}
        for x1, y1, x2, y2 in boxes
    ]


def labelme(path: Path, found: list[Any], **changes: object) -> Path:
    document = {"shapes": found, "imagePath": f"{path.stem}.png", "imageData": None}
    return put(path, json.dumps(document | {"imageWidth": WIDTH, "imageHeight": HEIGHT} | changes))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two boxes in one image, and a negative."""
    root = tmp_path / "source"
    labelme(root / "1.json", shapes((10, 20, 30, 40), (50, 50, 90, 70)), patient_id="p1")
    labelme(root / "2.json", [], flags={"tb": True})
    put(root / "1.png", png(1))
    put(root / "2.png", png(2))
    return root


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "set"


def run(
    source: Path, out: Path, *, allow: Collection[Reason] = (), dry_run: bool = False, **said: Any
) -> ConversionResult:
    return convert(source, out, Options(**said), allow=allow, dry_run=dry_run)


def converted(source: Path, out: Path, **options: Any) -> Dataset:
    dataset = run(source, out, **options).dataset
    assert dataset is not None
    return dataset


def statuses(dataset: Dataset) -> dict[str, str]:
    return {record.image.stem: record.status.value for record in dataset.records}


def test_the_set_on_disk(source: Path, out: Path) -> None:
    result = run(source, out)
    dataset = read_dataset(out)
    assert dataset == result.dataset
    assert statuses(dataset) == {"1": "annotated", "2": "negative"}
    first, second = dataset.records
    assert (first.patient_id, first.source, first.split) == ("p1", "1.json", "unsplit")
    assert (second.label("tb"), first.label("tb")) == (True, None)
    assert dataset.findings(first)[1].box.x2 == pytest.approx(90, abs=1e-6)
    assert (out / "labels/unsplit/2.txt").read_text() == ""
    assert (out / "images/unsplit/1.png").samefile(source / "1.png")
    books = json.loads((out / "ledger.json").read_text())
    assert books["boxes"]["in"] == books["boxes"]["written"] == 2
    assert "/" not in books["files"].popitem()[0]


def refused(source: Path, out: Path, reason: Reason, **options: Any) -> str:
    """Convert must refuse with one line that names ``reason``, and write nothing."""
    before = sorted(out.parent.iterdir())
    with pytest.raises(AnnotationError) as caught:
        run(source, out, **options)
    message = str(caught.value)
    assert f"--allow {reason}" in message
    assert "\n" not in message
    assert sorted(out.parent.iterdir()) == before
    return message


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((200, 10, 220, 30), Reason.OUTSIDE_IMAGE),
        ((-30, 10, -5, 30), Reason.OUTSIDE_IMAGE),
        ((10, 20, 10.001, 40), Reason.ZERO_AREA),
        ((10, float("nan"), 20, 40), Reason.NOT_FINITE),
    ],
    ids=["outside", "left of it", "no area", "nan"],
)
def test_a_lost_box_is_refused_or_allowed_by_name(
    source: Path, out: Path, box: tuple[float, float, float, float], reason: Reason
) -> None:
    labelme(source / "1.json", shapes((10, 20, 30, 40), box))
    message = refused(source, out, reason)
    assert message.startswith(f"{reason}: 1 box (1.json: shapes[1]")
    ledger = run(source, out, allow={reason}).ledger
    assert ledger.totals() == {"in": 2, "written": 1, "clipped": 0, "merged": 0, "dropped": 1}


def test_an_image_that_lost_its_only_box_is_unknown(source: Path, out: Path) -> None:
    labelme(source / "1.json", shapes((200, 10, 220, 30)))
    dataset = converted(source, out, allow={Reason.OUTSIDE_IMAGE})
    assert statuses(dataset)["1"] == "unknown"
    assert not dataset.label_path(dataset.records[0]).exists()
    assert dataset.records[0].image.parent.name == "unknown"


def test_clipping_and_merging_are_told(source: Path, out: Path) -> None:
    boxes = (-5, 20, 30, 40), (50, 50, 90, 70), (50, 50, 90, 70), (60, 60, 100.004, 80)
    labelme(source / "1.json", shapes(*boxes))
    result = run(source, out)
    assert result.ledger.totals() == {
        "in": 4, "written": 3, "clipped": 1, "merged": 1, "dropped": 0
    }  # fmt: skip
    clipped, merged = result.ledger.box_entries
    assert (clipped.reason, merged.reason) == (Reason.BEYOND_EDGE, Reason.DUPLICATE)
    assert "5.00 px" in clipped.detail
    assert merged.detail == "equal to shapes[1]"
    found = result.dataset.findings(result.dataset.records[0])
    assert [round(f.box.x1, 6) for f in found] == [0, 50, 60]


def truncated(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((WIDTH, HEIGHT), seed).save(buffer, "JPEG")
    return buffer.getvalue()[:-100]


@pytest.mark.parametrize(
    ("data", "words"),
    [(truncated(9), "truncated JPEG"), (b"text", "is no PNG"), (b"", "is empty")],
    ids=["truncated", "text", "empty"],
)
@pytest.mark.parametrize("name", ["1.png", "2.png"], ids=["annotated", "negative"])
def test_an_unreadable_image_is_refused_and_never_a_negative(
    source: Path, out: Path, name: str, data: bytes, words: str
) -> None:
    put(source / name, data)
    assert words in refused(source, out, Reason.UNREADABLE_IMAGE)
    result = run(source, out, negatives=source, allow={Reason.UNREADABLE_IMAGE})
    assert [record.image.name for record in result.dataset.records] != [name]
    assert len(result.dataset.records) == 1
    assert result.ledger.left_out_by_reason() == {Reason.UNREADABLE_IMAGE: 1}


def test_a_missing_image_is_refused(source: Path, out: Path) -> None:
    (source / "1.png").unlink()
    message = refused(source, out, Reason.MISSING_IMAGE)
    assert "1 image and 2 boxes" in message
    assert "--images" in message
    assert len(converted(source, out, allow={Reason.MISSING_IMAGE}).records) == 1


def test_a_label_file_without_an_image(tmp_path: Path, out: Path) -> None:
    root = tmp_path / "yolo"
    put(root / "classes.txt", "a\n")
    put(root / "labels/1.txt", "0 0.5 0.5 0.1 0.1\n")
    put(root / "labels/2.txt", "0 0.5 0.5 0.1 0.1\n")
    put(root / "images/1.png", png(1))
    assert "images/2: no such image" in refused(root, out, Reason.MISSING_IMAGE)


def test_an_unreadable_annotation_does_not_make_a_negative(source: Path, out: Path) -> None:
    put(source / "1.json", '{"shapes": [')
    assert "1 file (1.json: is not valid JSON" in refused(source, out, Reason.UNREADABLE_ANNOTATION)
    allowed = {Reason.UNREADABLE_ANNOTATION}
    dataset = converted(source, out, negatives=source, allow=allowed)
    assert statuses(dataset) == {"1": "unknown", "2": "negative"}


def test_an_ambiguous_name_is_refused(source: Path, out: Path, tmp_path: Path) -> None:
    for folder in "ab":
        put(tmp_path / "images" / folder / "1.png", png(1))
    (source / "1.png").unlink()
    refused(source, out, Reason.AMBIGUOUS_IMAGE, images=tmp_path / "images")


@pytest.mark.parametrize(
    ("size", "reason"),
    [((50, 40), None), ((500, 401), None), ((80, 100), Reason.SIZE_MISMATCH),
     ((100, 90), Reason.SIZE_MISMATCH)],
    ids=["half", "five times", "turned", "other shape"],
)  # fmt: skip
def test_sizes_must_agree_in_shape(
    source: Path, out: Path, size: tuple[int, int], reason: Reason | None
) -> None:
    put(source / "1.png", png(1, size))
    if reason:
        assert f"100 x 80 px, the image has {size[0]} x {size[1]} px" in refused(
            source, out, reason
        )
        return
    result = run(source, out)
    box = result.dataset.findings(result.dataset.records[0])[0].box
    assert (box.x1, box.y2) == pytest.approx((10 * size[0] / WIDTH, 40 * size[1] / HEIGHT))
    assert [entry.reason for entry in result.ledger.image_entries] == [Reason.SCALED]


def test_a_turned_jpeg_is_measured_as_it_is_seen(source: Path, out: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("L", (HEIGHT, WIDTH)).save(buffer, "JPEG", exif=exif)
    put(source / "1.png", buffer.getvalue())
    record = converted(source, out).records[0]
    assert (record.width, record.height) == (WIDTH, HEIGHT)


def test_negatives_and_unknowns(source: Path, out: Path, tmp_path: Path) -> None:
    for seed, name in enumerate(("images/3.png", "negatives/4.png"), start=3):
        put(tmp_path / name, png(seed))
    dataset = converted(source, out, images=tmp_path / "images", negatives=tmp_path / "negatives")
    assert statuses(dataset) == {
        "1": "annotated", "2": "negative", "3": "unknown", "4": "negative"
    }  # fmt: skip
    labels = sorted(path.name for path in (out / "labels").rglob("*.txt"))
    assert labels == ["1.txt", "2.txt", "4.txt"]


def test_an_annotated_image_among_the_negatives_stays_annotated(source: Path, out: Path) -> None:
    result = run(source, out, negatives=source)
    assert statuses(result.dataset) == {"1": "annotated", "2": "negative"}
    assert [entry.reason for entry in result.ledger.image_entries] == [Reason.CONTRADICTION]


def test_a_negative_that_is_a_copy_of_an_annotated_image_is_refused(
    source: Path, out: Path, tmp_path: Path
) -> None:
    put(tmp_path / "negatives/copy.png", (source / "1.png").read_bytes())
    negatives = tmp_path / "negatives"
    assert "same file as 1.png" in refused(source, out, Reason.CONTRADICTION, negatives=negatives)


def test_two_annotations_of_one_image_are_joined(source: Path, out: Path) -> None:
    labelme(source / "1b.json", shapes((1, 1, 9, 9)), imagePath="1.png")
    dataset = converted(source, out)
    assert len(dataset.findings(dataset.records[0])) == 3


def test_one_image_in_two_splits_is_refused(source: Path, out: Path) -> None:
    labelme(source / "1.json", shapes((1, 1, 9, 9)), split="train")
    labelme(source / "1b.json", [], imagePath="1.png", split="test")
    refused(source, out, Reason.CONTRADICTION)


@pytest.fixture
def two_labels(source: Path) -> Path:
    found = shapes((10, 20, 30, 40)) + shapes((50, 50, 60, 60), label="cast")
    labelme(source / "1.json", found)
    return source


def test_labels_are_renamed_and_dropped(two_labels: Path, out: Path) -> None:
    result = run(two_labels, out, rename={"fracture": "break"}, drop=["cast"])
    assert list(result.dataset.label_map) == ["break"]
    assert result.ledger.dropped_by_reason() == {Reason.DROPPED_LABEL: 1}


def test_an_image_with_dropped_labels_alone_is_a_negative(two_labels: Path, out: Path) -> None:
    dataset = converted(two_labels, out, drop=["cast", "fracture"])
    assert statuses(dataset) == {"1": "negative", "2": "negative"}


def test_classes_are_sorted_or_in_the_order_given(two_labels: Path, out: Path) -> None:
    assert list(converted(two_labels, out).label_map) == ["cast", "fracture"]
    shutil.rmtree(out)
    dataset = converted(two_labels, out, classes=("x", "fracture", "cast"))
    assert list(dataset.label_map) == ["x", "fracture", "cast"]
    assert dataset.label_path(dataset.records[0]).read_text().startswith("1 ")


def test_a_label_that_is_no_class_is_refused(two_labels: Path, out: Path) -> None:
    refused(two_labels, out, Reason.UNKNOWN_CLASS, classes=("fracture",))


def test_yolo_images_without_a_label_file_are_unknown(tmp_path: Path, out: Path) -> None:
    root = tmp_path / "yolo"
    put(root / "data.yaml", "names: [b, a]\n")
    put(root / "train/labels/1.txt", "1 0.5 0.5 0.1 0.1\n")
    for seed in (1, 2):
        put(root / f"train/images/{seed}.png", png(seed))
    dataset = converted(root, out)
    assert statuses(dataset) == {"1": "annotated", "2": "unknown"}
    assert list(dataset.label_map) == ["b", "a"]
    assert dataset.records[0].split == "train"


def test_a_dry_run_writes_nothing(source: Path, out: Path) -> None:
    result = run(source, out, dry_run=True)
    assert result.ledger.totals()["written"] == 2
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rename": {"typo": "x"}}, "'typo': no box has this label; there are: fracture"),
        ({"drop": ["typo"]}, "'typo'"),
        ({"images": Path("absent")}, "--images absent: no such folder"),
        ({"negatives": Path("absent")}, "--negatives absent"),
    ],
    ids=["rename", "drop", "images", "negatives"],
)
def test_wrong_options(source: Path, out: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run(source, out, **options)
    assert not out.exists()


def test_a_folder_without_images_is_refused(tmp_path: Path, out: Path) -> None:
    labelme(tmp_path / "source/1.json", [])
    with pytest.raises(AnnotationError, match="there are no images"):
        run(tmp_path / "source", out, allow={Reason.MISSING_IMAGE})


def test_a_late_contradiction_leaves_the_image_out_with_exact_books(
    source: Path, out: Path
) -> None:
    labelme(source / "1.json", shapes((1, 1, 9, 9), (20, 20, 30, 30)), split="train")
    labelme(source / "3.json", shapes((5, 5, 6, 6)), imagePath="1.png", split="test")
    message = refused(source, out, Reason.CONTRADICTION)
    assert "2 images and 3 boxes" in message
    result = run(source, out, allow={Reason.CONTRADICTION})
    assert result.ledger.totals() == {
        "in": 3, "written": 0, "clipped": 0, "merged": 0, "dropped": 3
    }  # fmt: skip
    assert result.dataset is not None
    assert statuses(result.dataset) == {"2": "negative"}
    books = json.loads((out / "ledger.json").read_text())
    assert books["files"]["1.json"] == {"in": 2, "written": 0, "dropped": 2}
    assert books["allowed"] == ["contradiction"]


def test_hints_reach_the_books(tmp_path: Path, out: Path) -> None:
    """VOC that seems to count from 1 gives a sentence for the user and loses nothing."""
    root = tmp_path / "voc"
    for number in range(1, 40):
        put(root / f"{number}.png", png(number))
        put(
            root / f"{number}.xml",
            f"<annotation><filename>{number}.png</filename><size><width>100</width><height>80"
            "</height></size><object><name>a</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>100"
            "</xmax><ymax>80</ymax></bndbox></object></annotation>",
        )
    result = run(root, out)
    (hint,) = json.loads((out / "ledger.json").read_text())["hints"]
    assert "origin" in hint
    assert result.ledger.totals()["written"] == 39


@pytest.mark.parametrize("name", ["voc5", "rsna"], ids=["unknown", "only read"])
def test_an_impossible_target_is_refused_before_any_work(
    source: Path, out: Path, name: str
) -> None:
    with pytest.raises(AnnotationError, match=f"{name}: "):
        run(source, out, to_format=name)
    assert not out.exists()


def test_a_format_may_be_named(source: Path, out: Path) -> None:
    put(source / "classes.txt", "a\n")
    put(source / "labels/9.txt", "0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(AnnotationError, match="labelme and yolo; say which with --from"):
        run(source, out)
    assert run(source, out, from_format="LabelMe").format.name == "labelme"
    with pytest.raises(AnnotationError, match="no such format"):
        run(source, out.parent / "b", from_format="x")


@pytest.fixture
def yolo(tmp_path: Path) -> Path:
    root = tmp_path / "yolo"
    put(root / "data.yaml", "train: images\nval: images\nnames: [cast, NO, '1']\n")
    put(root / "labels/1.txt", "0 0.5 0.5 0.1 0.1\n1 0.2 0.2 0.1 0.1\n2 0.7 0.7 0.1 0.1\n")
    put(root / "images/1.png", png(1))
    return root


def labels_in(dataset: Dataset) -> list[str]:
    return [f.label for record in dataset.records for f in dataset.findings(record)]


def test_an_order_of_classes_does_not_rename_those_of_a_yolo_set(yolo: Path, out: Path) -> None:
    dataset = converted(yolo, out, classes=("1", "x", "cast", "NO"))
    assert list(dataset.label_map) == ["1", "x", "cast", "NO"]
    assert labels_in(dataset) == ["cast", "NO", "1"]
    shutil.rmtree(out)
    refused(yolo, out, Reason.UNKNOWN_CLASS, classes=("cast", "NO"))
    dataset = converted(yolo, out, classes=("b", "a"), rename={"cast": "a", "1": "a", "NO": "b"})
    assert labels_in(dataset) == ["a", "b", "a"]
    assert dataset.label_path(dataset.records[0]).read_text()[:2] == "1 "


def test_classes_name_the_numbers_where_nothing_else_does(yolo: Path, out: Path) -> None:
    (yolo / "data.yaml").unlink()
    dataset = converted(yolo, out, classes=("a", "b", "c"), rename={"c": "a"})
    assert (list(dataset.label_map), labels_in(dataset)) == (["a", "b"], ["a", "b", "a"])


def test_a_yaml_full_of_traps(yolo: Path, out: Path) -> None:
    names = ["NO", "1", "1.0", "null", " a", "Fraktur – \u00e4", "'", '"', "a: b", "#", "~", "0x1"]
    listed = "".join(f"- {json.dumps(name, ensure_ascii=False)}\n" for name in names)
    put(yolo / "data.yaml", f"train: images\nval: images\nnames:\n{listed}")
    put(yolo / "labels/1.txt", "".join(f"{n} 0.5 0.5 0.{n + 1} 0.1\n" for n in range(len(names))))
    first = converted(yolo, out)
    again = converted(out, out.parent / "again")
    assert list(first.label_map) == list(again.label_map) == names
    assert labels_in(first) == labels_in(again) == labels_in(read_dataset(out)) == names


def test_a_linked_folder_is_not_passed_over_in_silence(yolo: Path, out: Path) -> None:
    put(yolo.parent / "other/2.txt", "0 0.5 0.5 0.1 0.1\n")
    (yolo / "labels/more").symlink_to(yolo.parent / "other")
    result = run(yolo, out)
    assert result.ledger.totals()["in"] == 3
    hint = "labels/more is a linked folder: it was not searched for annotations"
    assert result.ledger.hints == [hint]
