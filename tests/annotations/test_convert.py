import base64
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lucency.annotations.convert import convert
from lucency.annotations.findings import Status
from lucency.annotations.ledger import Reason
from lucency.annotations.records import Dataset, read_dataset
from lucency.configs.errors import AnnotationError, ConfigError
from lucency.detection.offline_ultralytics import import_ultralytics

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


def statuses(dataset: Dataset) -> dict[str, str]:
    return {record.image.stem: record.status.value for record in dataset.records}


def test_the_set_on_disk(source: Path, out: Path) -> None:
    result = convert(source, out)
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
        convert(source, out, **options)
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
    ledger = convert(source, out, allow={reason}).ledger
    assert ledger.totals() == {"in": 2, "written": 1, "clipped": 0, "merged": 0, "dropped": 1}


def test_an_image_that_lost_its_only_box_is_unknown(source: Path, out: Path) -> None:
    labelme(source / "1.json", shapes((200, 10, 220, 30)))
    dataset = convert(source, out, allow={Reason.OUTSIDE_IMAGE}).dataset
    assert statuses(dataset)["1"] == "unknown"
    assert not dataset.label_path(dataset.records[0]).exists()
    assert dataset.records[0].image.parent.name == "unknown"


def test_clipping_and_merging_are_told(source: Path, out: Path) -> None:
    boxes = (-5, 20, 30, 40), (50, 50, 90, 70), (50, 50, 90, 70), (60, 60, 100.004, 80)
    labelme(source / "1.json", shapes(*boxes))
    result = convert(source, out)
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
    result = convert(source, out, negatives=source, allow={Reason.UNREADABLE_IMAGE})
    assert [record.image.name for record in result.dataset.records] != [name]
    assert len(result.dataset.records) == 1
    assert result.ledger.left_out_by_reason() == {Reason.UNREADABLE_IMAGE: 1}


def test_a_missing_image_is_refused(source: Path, out: Path) -> None:
    (source / "1.png").unlink()
    message = refused(source, out, Reason.MISSING_IMAGE)
    assert "1 image and 2 boxes" in message
    assert "--images" in message
    assert len(convert(source, out, allow={Reason.MISSING_IMAGE}).dataset.records) == 1


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
    dataset = convert(source, out, negatives=source, allow=allowed).dataset
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
    result = convert(source, out)
    box = result.dataset.findings(result.dataset.records[0])[0].box
    assert (box.x1, box.y2) == pytest.approx((10 * size[0] / WIDTH, 40 * size[1] / HEIGHT))
    assert [entry.reason for entry in result.ledger.image_entries] == [Reason.SCALED]


def test_a_turned_jpeg_is_measured_as_it_is_seen(source: Path, out: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("L", (HEIGHT, WIDTH)).save(buffer, "JPEG", exif=exif)
    put(source / "1.png", buffer.getvalue())
    record = convert(source, out).dataset.records[0]
    assert (record.width, record.height) == (WIDTH, HEIGHT)


def test_negatives_and_unknowns(source: Path, out: Path, tmp_path: Path) -> None:
    for seed, name in enumerate(("images/3.png", "negatives/4.png"), start=3):
        put(tmp_path / name, png(seed))
    dataset = convert(
        source, out, images=tmp_path / "images", negatives=tmp_path / "negatives"
    ).dataset
    assert statuses(dataset) == {
        "1": "annotated", "2": "negative", "3": "unknown", "4": "negative"
    }  # fmt: skip
    labels = sorted(path.name for path in (out / "labels").rglob("*.txt"))
    assert labels == ["1.txt", "2.txt", "4.txt"]


def test_an_annotated_image_among_the_negatives_stays_annotated(source: Path, out: Path) -> None:
    result = convert(source, out, negatives=source)
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
    dataset = convert(source, out).dataset
    assert len(dataset.findings(dataset.records[0])) == 3


def test_one_image_in_two_splits_is_refused(source: Path, out: Path) -> None:
    labelme(source / "1.json", shapes((1, 1, 9, 9)), split="train")
    labelme(source / "1b.json", [], imagePath="1.png", split="test")
    refused(source, out, Reason.CONTRADICTION)


def test_an_embedded_image_is_written(source: Path, out: Path) -> None:
    data = base64.b64encode((source / "1.png").read_bytes()).decode()
    (source / "1.png").unlink()
    labelme(source / "1.json", shapes((1, 1, 9, 9)), imagePath="1.json", imageData=data)
    dataset = convert(source, out).dataset
    assert dataset.image_path(dataset.records[0]).read_bytes() == png(1)


def test_equal_names_from_two_folders_do_not_collide(tmp_path: Path, out: Path) -> None:
    root = tmp_path / "source"
    for seed, folder in enumerate(("a", "b", "train/b")):
        labelme(root / folder / "1.json", shapes((1, 1, 9, 9 + seed)))
        put(root / folder / "1.png", png(seed))
    dataset = convert(root, out).dataset
    assert [str(record.image) for record in dataset.records] == [
        "images/unsplit/a_1.png", "images/unsplit/b_1.png", "images/train/b_1-2.png"
    ]  # fmt: skip
    assert len(list((out / "labels").rglob("*.txt"))) == 3


def test_images_without_a_known_suffix_get_one(source: Path, out: Path) -> None:
    (source / "1.png").rename(source / "1.2.840.1")
    labelme(source / "1.json", shapes((1, 1, 9, 9)), imagePath="1.2.840.1")
    dataset = convert(source, out).dataset
    assert dataset.records[0].image.name.endswith(".png")
    assert len(dataset.findings(dataset.records[0])) == 1


@pytest.fixture
def two_labels(source: Path) -> Path:
    found = shapes((10, 20, 30, 40)) + shapes((50, 50, 60, 60), label="cast")
    labelme(source / "1.json", found)
    return source


def test_labels_are_renamed_and_dropped(two_labels: Path, out: Path) -> None:
    result = convert(two_labels, out, rename={"fracture": "break"}, drop=["cast"])
    assert list(result.dataset.label_map) == ["break"]
    assert result.ledger.dropped_by_reason() == {Reason.DROPPED_LABEL: 1}


def test_an_image_with_dropped_labels_alone_is_a_negative(two_labels: Path, out: Path) -> None:
    dataset = convert(two_labels, out, drop=["cast", "fracture"]).dataset
    assert statuses(dataset) == {"1": "negative", "2": "negative"}


def test_classes_are_sorted_or_in_the_order_given(two_labels: Path, out: Path) -> None:
    assert list(convert(two_labels, out).dataset.label_map) == ["cast", "fracture"]
    shutil.rmtree(out)
    dataset = convert(two_labels, out, classes=("x", "fracture", "cast")).dataset
    assert list(dataset.label_map) == ["x", "fracture", "cast"]
    assert dataset.label_path(dataset.records[0]).read_text().startswith("1 ")


def test_a_label_that_is_no_class_is_refused(two_labels: Path, out: Path) -> None:
    refused(two_labels, out, Reason.UNKNOWN_CLASS, classes=("fracture",))


def test_a_set_of_our_own_converts_to_itself(two_labels: Path, out: Path, tmp_path: Path) -> None:
    first = convert(two_labels, out).dataset
    again = convert(out, tmp_path / "again").dataset
    assert list(again.label_map) == list(first.label_map)
    for old, new in zip(first.records, again.records, strict=True):
        assert (old.image, old.sha256, old.patient_id) == (new.image, new.sha256, new.patient_id)
        assert (old.status, old.label("tb")) == (new.status, new.label("tb"))
        assert [f.box for f in first.findings(old)] == [f.box for f in again.findings(new)]


def test_yolo_images_without_a_label_file_are_unknown(tmp_path: Path, out: Path) -> None:
    root = tmp_path / "yolo"
    put(root / "data.yaml", "names: [b, a]\n")
    put(root / "train/labels/1.txt", "1 0.5 0.5 0.1 0.1\n")
    for seed in (1, 2):
        put(root / f"train/images/{seed}.png", png(seed))
    dataset = convert(root, out).dataset
    assert statuses(dataset) == {"1": "annotated", "2": "unknown"}
    assert list(dataset.label_map) == ["b", "a"]
    assert dataset.records[0].split == "train"


def test_a_dry_run_writes_nothing(source: Path, out: Path) -> None:
    result = convert(source, out, dry_run=True)
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
        convert(source, out, **options)
    assert not out.exists()


def test_nothing_is_overwritten(source: Path, out: Path) -> None:
    put(out / "mine.txt", "")
    with pytest.raises(ConfigError, match="exists already"):
        convert(source, out)


def test_a_folder_without_images_is_refused(tmp_path: Path, out: Path) -> None:
    labelme(tmp_path / "source/1.json", [])
    with pytest.raises(AnnotationError, match="there are no images"):
        convert(tmp_path / "source", out, allow={Reason.MISSING_IMAGE})


@pytest.mark.real_data
def test_fracatlas_loses_no_box(lucency_data: Path, out: Path) -> None:
    folder = lucency_data / "fracatlas"
    options: dict[str, Any] = {
        "images": folder / "images/Fractured",
        "negatives": folder / "images/Non_fractured",
    }
    coco = folder / "annotations/coco.json"
    assert "16 images" in refused(coco, out, Reason.UNREADABLE_IMAGE, **options)
    result = convert(coco, out, allow={Reason.UNREADABLE_IMAGE}, **options)
    assert result.ledger.totals() == {
        "in": 855, "written": 855, "clipped": 0, "merged": 0, "dropped": 0
    }  # fmt: skip
    assert result.ledger.images == {Status.ANNOTATED: 656, Status.NEGATIVE: 896}
    written = [path.read_text().count("\n") for path in (out / "labels").rglob("*.txt")]
    assert (len(written), sum(written), written.count(0)) == (1552, 855, 896)
    document = json.loads(coco.read_text())
    names = {image["id"]: image["file_name"] for image in document["images"]}
    expected: dict[str, list[list[float]]] = {}
    for annotation in document["annotations"]:
        expected.setdefault(names[annotation["image_id"]], []).append(annotation["bbox"])
    for record in result.dataset.records:
        boxes = [finding.box for finding in result.dataset.findings(record)]
        found = [[b.x1, b.y1, b.width, b.height] for b in boxes]
        for one, other in zip(found, expected.pop(record.image.name, []), strict=True):
            assert one == pytest.approx(other, abs=1e-4)
    assert not expected


@pytest.mark.real_data
def test_tbx11k_from_its_yolo_files(lucency_data: Path, out: Path) -> None:
    folder = lucency_data / "tbx11k"
    result = convert(folder, out)
    lines = sum(len(p.read_text().splitlines()) for p in (folder / "labels").rglob("*.txt"))
    totals = result.ledger.totals()
    assert totals["in"] == lines == totals["written"] + totals["merged"] + totals["dropped"]
    assert len(result.dataset.records) == 600


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["coco", "labelme", "yolo"])
def test_every_real_file_converts_or_gives_one_clear_line(
    lucency_data: Path, tmp_path: Path, name: str
) -> None:
    root = lucency_data / "formats" / name
    sources = [path for path in root.rglob("*") if path.suffix == ".json" or path.is_dir()]
    converted = 0
    for number, path in enumerate(sources):
        out = tmp_path / str(number)
        try:
            ledger = convert(path, out).ledger
        except (AnnotationError, ConfigError) as error:
            assert "\n" not in str(error)
            assert not out.exists()
        else:
            ledger.check()
            converted += 1
    assert converted >= {"coco": 3, "labelme": 5, "yolo": 3}[name]


@pytest.mark.real_data
def test_ultralytics_accepts_a_converted_set(lucency_data: Path, out: Path, tmp_path: Path) -> None:
    """A split set is read by Ultralytics as it is, and no label is refused or merged by it."""
    import_ultralytics()
    from ultralytics.cfg import get_cfg
    from ultralytics.data.build import build_yolo_dataset
    from ultralytics.data.utils import check_det_dataset

    document = json.loads((lucency_data / "fracatlas/annotations/coco.json").read_text())
    document["images"] = document["images"][:30]
    kept = {image["id"] for image in document["images"]}
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] in kept]
    for number, image in enumerate(document["images"]):
        image["split"] = "val" if number < 10 else "train"
    source = put(tmp_path / "coco.json", json.dumps(document))
    dataset = convert(source, out, images=lucency_data / "fracatlas/images/Fractured",
                      allow={Reason.UNREADABLE_IMAGE}).dataset  # fmt: skip
    data = check_det_dataset(str(out / "data.yaml"), autodownload=False)
    assert data["names"] == {0: "fractured"}
    found = 0
    for split, count in (("train", 20), ("val", 10)):
        part = build_yolo_dataset(get_cfg(overrides={"imgsz": 64}), data[split], 1, data)
        assert len(part) == count == len(dataset.in_split(split))
        found += sum(len(label["cls"]) for label in part.labels)
    assert found == len(document["annotations"])
