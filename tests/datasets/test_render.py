import io
import json
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord, read_dataset, write_tables
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import DatasetError, ImageError
from lucency.datasets.display import display
from lucency.datasets.phantom_files import write_dicom
from lucency.datasets.phantoms import make_limbs
from lucency.datasets.radiographs import read_radiograph
from lucency.datasets.render import MANIFEST, CropLosses, crop_losses, render, rendered_folder

SPEC = DisplaySpec(method="percentile", longest_side=48)


def record(image: str, status: Status, size_wh: tuple[int, int]) -> ImageRecord:
    path = PurePosixPath("images", image)
    extra = {"tb": "1"}
    split = path.parts[1]
    return ImageRecord(path, split, "p", status, *size_wh, f"sha of {image}", "a.json", extra)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """A DICOM, a 16-bit PNG, a JPEG and an image of unknown status."""
    records = (
        record("train/a.dcm", Status.ANNOTATED, (64, 64)),
        record("train/b.png", Status.ANNOTATED, (60, 30)),
        record("val/c.jpg", Status.NEGATIVE, (40, 20)),
        record("unknown/d.png", Status.UNKNOWN, (8, 8)),
    )
    made = Dataset(tmp_path / "set", LabelMap(("fracture",)), records)
    for entry in records:
        made.image_path(entry).parent.mkdir(parents=True, exist_ok=True)
        if entry.status is not Status.UNKNOWN:
            made.label_path(entry).parent.mkdir(parents=True, exist_ok=True)
            boxes = "0 0.25 0.5 0.125 0.5\n" if entry.status is Status.ANNOTATED else ""
            made.label_path(entry).write_text(boxes)
    write_dicom(next(make_limbs(1, seed=0, size=64)), made.image_path(records[0]), monochrome=1)
    deep = np.arange(1800, dtype=np.uint16).reshape(30, 60) * 9
    Image.fromarray(deep).save(made.image_path(records[1]))
    Image.fromarray((deep[:20, :40] // 70).astype(np.uint8)).save(made.image_path(records[2]))
    Image.new("L", (8, 8)).save(made.image_path(records[3]))
    write_tables(made)
    size_wh = read_radiograph(made.image_path(records[0])).size_wh
    sized = replace(records[0], width=size_wh[0], height=size_wh[1])
    made = replace(made, records=(sized, *records[1:]))
    write_tables(made)
    return made


def test_every_known_image_is_rendered(dataset: Dataset) -> None:
    rendered = render(dataset, SPEC, workers=2)
    assert rendered.root == dataset.root / "display" / SPEC.digest()[:12]
    assert [str(entry.image) for entry in rendered.records] == [
        "images/train/a.png",
        "images/train/b.png",
        "images/val/c.png",
    ]
    for before, after in zip(dataset.records, rendered.records, strict=False):
        with Image.open(rendered.image_path(after)) as image:
            assert image.mode == "L"
            assert image.size == (after.width, after.height)
            expected = display(read_radiograph(dataset.image_path(before)), SPEC).image
            assert np.array_equal(np.asarray(image), expected)
        assert (after.sha256, after.source, after.extra) == (
            before.sha256,
            before.source,
            before.extra,
        )


def test_boxes_keep_their_place_in_the_reduced_image(dataset: Dataset) -> None:
    rendered = render(dataset, SPEC)
    reduced = rendered.records[1]
    assert (reduced.width, reduced.height) == (48, 24)
    box = rendered.findings(reduced)[0].box
    original = dataset.findings(dataset.records[1])[0].box
    assert (box.x1, box.y2) == pytest.approx((original.x1 * 0.8, original.y2 * 0.8))


def test_the_rendered_set_reads_like_any_other(dataset: Dataset) -> None:
    rendered = render(dataset, SPEC)
    found = read_dataset(rendered.root)
    assert found.records == rendered.records
    assert "train: images/train" in (rendered.root / "data.yaml").read_text()
    assert rendered.label_path(rendered.records[2]).read_text() == ""
    manifest = json.loads((rendered.root / MANIFEST).read_text())
    assert manifest["left_out_unknown"] == 1
    assert manifest["display_digest"] == SPEC.digest()


def stamp(rendered: Dataset) -> list[int]:
    return [rendered.image_path(entry).stat().st_mtime_ns for entry in rendered.records]


def test_it_is_rendered_once(dataset: Dataset) -> None:
    first = render(dataset, SPEC)
    before = stamp(first)
    second = render(dataset, SPEC)
    assert second == first
    assert stamp(second) == before


def test_another_spec_lies_beside_it(dataset: Dataset) -> None:
    first, second = render(dataset, SPEC), render(dataset, DisplaySpec())
    assert first.root != second.root
    assert read_dataset(first.root).records


@pytest.mark.parametrize(
    "what", ["label", "table", "unknown-becomes-known", "half-removed", "lost"]
)
def test_it_is_rendered_anew_when_the_set_has_changed(dataset: Dataset, what: str) -> None:
    first = render(dataset, SPEC)
    before = stamp(first)
    if what == "label":
        dataset.label_path(dataset.records[0]).write_text("0 0.5 0.5 0.5 0.5\n")
    elif what == "table":
        records = (replace(dataset.records[0], patient_id="q"), *dataset.records[1:])
        dataset = replace(dataset, records=records)
    elif what == "unknown-becomes-known":
        known = replace(dataset.records[3], status=Status.NEGATIVE)
        dataset = replace(dataset, records=(*dataset.records[:3], known))
        dataset.label_path(known).parent.mkdir(parents=True)
        dataset.label_path(known).touch()
    elif what == "half-removed":
        (first.root / MANIFEST).unlink()
    else:
        first.image_path(first.records[0]).unlink()
    second = render(dataset, SPEC)
    assert second.records == read_dataset(second.root).records
    assert stamp(second)[:3] != before
    if what == "label":
        assert second.findings(second.records[0])[0].box.width == second.records[0].width / 2
    if what == "table":
        assert second.records[0].patient_id == "q"
    if what == "unknown-becomes-known":
        assert len(second.records) == 4
    assert [path.name for path in second.root.parent.iterdir()] == [second.root.name]


def test_progress_counts_to_the_end(dataset: Dataset) -> None:
    calls: list[tuple[int, int]] = []
    render(dataset, SPEC, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_unreadable_images_are_counted_and_nothing_is_left(dataset: Dataset) -> None:
    for number in (1, 2):
        path = dataset.image_path(dataset.records[number])
        path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ImageError) as caught:
        render(dataset, SPEC)
    text = str(caught.value)
    assert text.startswith("2 of 3 images cannot be rendered: ")
    assert "b.png: is " in text
    assert "c.jpg: is " in text
    assert "\n" not in text
    assert not list((dataset.root / "display").iterdir())


def test_an_image_of_another_size_than_the_table_says_is_refused(dataset: Dataset) -> None:
    turned = replace(dataset.records[1], width=30, height=60)
    with pytest.raises(ImageError, match=r"has 60 × 30 pixels, the table says 30 × 60"):
        render(replace(dataset, records=(turned,)), SPEC)


def test_a_missing_label_file_is_named(dataset: Dataset) -> None:
    dataset.label_path(dataset.records[2]).unlink()
    with pytest.raises(DatasetError, match=r"c\.txt: cannot be read: .*'negative' must have"):
        render(dataset, SPEC)


def test_a_rendered_set_is_not_rendered_again(dataset: Dataset) -> None:
    rendered = render(dataset, SPEC)
    with pytest.raises(DatasetError, match="is itself a rendered set"):
        render(rendered, SPEC)


def test_two_images_with_one_label_file_are_refused(dataset: Dataset) -> None:
    twin = replace(dataset.records[1], image=PurePosixPath("images/train/b.jpg"))
    with pytest.raises(DatasetError, match="share one label file"):
        render(replace(dataset, records=(*dataset.records, twin)), SPEC)
    assert not rendered_folder(dataset, SPEC).exists()


def test_an_empty_set_gives_an_empty_set(dataset: Dataset) -> None:
    assert render(replace(dataset, records=()), SPEC).records == ()


def test_the_pngs_do_not_depend_on_the_number_of_threads(dataset: Dataset) -> None:
    one = render(dataset, SPEC, workers=1)
    first = [one.image_path(entry).read_bytes() for entry in one.records]
    (one.root / MANIFEST).unlink()
    four = render(dataset, SPEC, workers=4)
    assert [four.image_path(entry).read_bytes() for entry in four.records] == first
    assert all(Image.open(io.BytesIO(data)).size for data in first)


CROPPED = DisplaySpec(crop="field")


@pytest.fixture
def framed(tmp_path: Path) -> Dataset:
    """Four images, 200 by 160 pixels, of which a white margin of 40 pixels on the left is cut."""
    pixels = np.random.default_rng(2).integers(20, 60, (160, 200), dtype=np.uint8)
    pixels[40:120, 80:160] += 120
    pixels[:, :40] = 255
    labels = {
        "inside": "0 0.5 0.5 0.1 0.1\n",  # x 90 to 110
        "some": "0 0.2 0.5 0.1 0.1\n0 0.1 0.5 0.1 0.1\n0 0.5 0.5 0.1 0.1\n",  # 30, 10, 90
        "all": "0 0.1 0.5 0.1 0.1\n",  # x 10 to 30
        "none": "",
    }
    records = tuple(
        record(f"train/{name}.png", Status.ANNOTATED if text else Status.NEGATIVE, (200, 160))
        for name, text in labels.items()
    )
    made = Dataset(tmp_path / "framed", LabelMap(("fracture",)), records)
    for entry, text in zip(records, labels.values(), strict=True):
        for path in (made.image_path(entry), made.label_path(entry)):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(made.image_path(entry))
        made.label_path(entry).write_text(text)
    write_tables(made)
    return made


def test_boxes_are_mapped_into_the_crop(framed: Dataset) -> None:
    rendered = render(framed, CROPPED)
    kept = {entry.image.stem: entry for entry in rendered.records}
    assert (kept["inside"].width, kept["inside"].height) == (160, 160)
    with Image.open(rendered.image_path(kept["inside"])) as image:
        assert image.size == (160, 160)
    box = rendered.findings(kept["inside"])[0].box
    assert tuple(box) == pytest.approx((50, 72, 70, 88))
    boxes = [tuple(finding.box) for finding in rendered.findings(kept["some"])]
    assert boxes == [pytest.approx((0, 72, 10, 88)), pytest.approx((50, 72, 70, 88))]


def test_what_the_crop_takes_is_told(framed: Dataset) -> None:
    rendered = render(framed, CROPPED)
    # An image that lost all its boxes must not become a negative.
    assert [entry.image.stem for entry in rendered.records] == ["inside", "some", "none"]
    losses = crop_losses(rendered)
    assert [(cut["image"], cut["seen"]) for cut in losses.cut] == [("images/train/some.png", 0.5)]
    assert [(lost["image"], lost["label"], lost["box"]) for lost in losses.lost] == [
        (f"images/train/{name}.png", "fracture", pytest.approx([10, 72, 30, 88]))
        for name in ("some", "all")
    ]
    assert losses.left_out == ("images/train/all.png",)
    assert crop_losses(render(framed, CROPPED)) == losses
    manifest = json.loads((rendered.root / MANIFEST).read_text())
    assert (manifest["images"], manifest["left_out_unknown"]) == (3, 0)


def test_without_a_crop_labels_are_copies(framed: Dataset) -> None:
    rendered = render(framed, DisplaySpec(longest_side=100))
    assert crop_losses(rendered) == CropLosses((), (), ())
    for before, after in zip(framed.records, rendered.records, strict=True):
        assert rendered.label_path(after).read_bytes() == framed.label_path(before).read_bytes()


def test_outlines_stay_outlines(framed: Dataset) -> None:
    outline = "0 0.15 0.4 0.4 0.4 0.4 0.6 0.3 0.65 0.15 0.6\n"
    framed.label_path(framed.records[0]).write_text(outline)
    rendered = render(framed, CROPPED)
    found = rendered.findings(rendered.records[0])[0]
    assert found.polygon is not None
    assert tuple(found.box) == pytest.approx((0, 64, 40, 104))
    assert len(rendered.label_path(rendered.records[0]).read_text().split()) > 9
