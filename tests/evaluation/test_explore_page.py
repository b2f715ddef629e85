"""The page of a data set: everything on it, nothing outside it, nothing unescaped."""

import base64
import hashlib
import html
import io
import json
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord, read_dataset, write_tables
from lucency.configs.bundle import RESEARCH_USE
from lucency.datasets.shortcuts import Association
from lucency.datasets.survey import survey
from lucency.evaluation.contact_sheet import PICTURE_PX, PICTURES, contact_sheet, pictures_of
from lucency.evaluation.explore_page import (
    bytes_text,
    render_explore_page,
    share_text,
    shortcut_tables,
)
from lucency.evaluation.pictures import COLOURS, BoxKind

HOSTILE = "<b>&\"'{{x}}"


def made_set(
    root: Path, count: int, *, names: tuple[str, ...] = ("fracture",), boxes: bool = True
) -> Dataset:
    """Images of noise, every other one with a box of each class, in two splits."""
    generator = np.random.default_rng(3)
    records = []
    for n in range(count):
        split = "val" if n % 4 == 3 else "train"
        path = PurePosixPath("images", split, f"{n}{HOSTILE.replace('/', '')}.png")
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        coarse = generator.integers(0, 256, (12, 16), dtype=np.uint8)
        Image.fromarray(np.kron(coarse, np.ones((20, 20), np.uint8))).save(file)
        found = boxes and n % 2 == 0
        lines = [f"{c} 0.5 0.5 0.{2 + c} 0.3\n" for c in range(len(names))] if found else []
        text = root / "labels" / split / f"{file.stem}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text("".join(lines))
        status = Status.ANNOTATED if found else Status.NEGATIVE
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        extra = {"site": f"<i>{n % 2}", "tb": str(n % 2), "age": str(n % 90)}
        patient = f"<p>{n // 4}"
        records.append(ImageRecord(path, split, patient, status, 320, 240, digest, "made", extra))
    root.mkdir(exist_ok=True)
    write_tables(Dataset(root, LabelMap(names), tuple(records)))
    return read_dataset(root)


def page_of(dataset: Dataset) -> str:
    return render_explore_page(dataset, survey(dataset))


def pictures(page: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))) for text in found]


def text_of(page: str) -> str:
    """What a reader sees, with single spaces."""
    body = page[page.index("<body>") :]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))


def test_nothing_is_fetched_and_nothing_is_markup(tmp_path: Path) -> None:
    page = page_of(made_set(tmp_path / "<u>set", 12, names=("<b>fracture", "lesion")))
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page)
    assert "url(" not in page
    assert "<script" not in page
    for name in ("<b>", "<i>0", "<p>0", "<u>"):
        assert name not in page
    assert "&lt;b&gt;fracture" in page
    assert HOSTILE in html.unescape(page)
    assert RESEARCH_USE in page


def test_links_lead_to_sections(tmp_path: Path) -> None:
    dataset = made_set(tmp_path / "set", 12)
    found = survey(dataset)
    page = render_explore_page(dataset, found)
    ids = set(re.findall(r'id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= ids
    assert {concern.section for concern in found.concerns} <= ids


def test_the_page_says_what_the_json_says(tmp_path: Path) -> None:
    dataset = made_set(tmp_path / "set", 40, names=("fracture", "lesion"))
    found = survey(dataset)
    values, text = found.to_json(), text_of(render_explore_page(dataset, found))
    values = json.loads(json.dumps(values))
    train, val = values["splits"]
    assert f"train {train['images']} {share_text(train['share'])}" in text
    for split in (train, val):
        row = [split["name"], split["images"], share_text(split["share"]), split["patients"]]
        row += [split["boxes"], split["annotated"], split["negative"], split["labelled"]]
        assert " ".join(map(str, row)) in text
    for count in values["classes"]:
        by_split = count["boxes_by_split"].values()
        row = [count["name"], count["boxes"], count["images"], *by_split]
        assert " ".join(map(str, row)) in text
    for concern in values["concerns"]:
        assert f"{concern['severity']} {concern['title']} {concern['detail']}" in text
    assert values["resolution"]["reason"] in text
    for row in values["resolution"]["rows"]:
        shown = [f"{row['resolution']} px", *map(share_text, (row["below_8"], row["below_16"]))]
        assert " ".join(shown) in text
    for column in values["columns"]:
        for value, number in column["values"]:
            assert f"{value} {number}" in text


def test_boxes_are_drawn_where_they_are(tmp_path: Path) -> None:
    dataset = made_set(tmp_path / "set", 1)
    *_, picture = pictures(page_of(dataset))
    assert picture.shape[:2] == (192, PICTURE_PX)
    distance = np.abs(picture.astype(int) - np.array(COLOURS[BoxKind.TRUTH])).sum(axis=2)
    rows, columns = np.nonzero(distance < 90)
    assert (columns.min() / 256, columns.max() / 256) == pytest.approx((0.4, 0.6), abs=0.02)
    assert (rows.min() / 192, rows.max() / 192) == pytest.approx((0.35, 0.65), abs=0.02)


def test_the_same_bytes_each_time(tmp_path: Path) -> None:
    dataset = made_set(tmp_path / "set", 12)
    assert page_of(dataset) == page_of(dataset)


@pytest.mark.parametrize("count", [0, 1], ids=["no image", "one image"])
def test_hardly_a_set(tmp_path: Path, count: int) -> None:
    text = text_of(page_of(made_set(tmp_path / "set", count)))
    assert f"images {count} " in text
    assert "Before training" in text


def test_no_boxes(tmp_path: Path) -> None:
    page = page_of(made_set(tmp_path / "set", 8, boxes=False))
    assert 'id="boxes"' not in page
    assert "There are no boxes to measure" in page


def test_all_corrupt(tmp_path: Path) -> None:
    dataset = made_set(tmp_path / "set", 5)
    for record in dataset.records:
        dataset.image_path(record).write_bytes(b"\x89PNG\r\n\x1a\n")
    text = text_of(page_of(dataset))
    assert "No image can be read." in text
    assert "There is no image that can be shown." in text
    assert "5 images that cannot be decoded" in text


def test_duplicates_are_shown_as_pairs(tmp_path: Path) -> None:
    dataset = made_set(tmp_path / "set", 4)
    one, other = dataset.records[0], dataset.records[3]
    data = dataset.image_path(one).read_bytes()
    dataset.image_path(other).write_bytes(data)
    records = [
        *dataset.records[:3],
        ImageRecord(
            other.image, "val", "", other.status, 320, 240, one.sha256, "made", other.extra
        ),
    ]
    write_tables(Dataset(dataset.root, dataset.label_map, tuple(records)))
    page = page_of(read_dataset(dataset.root))
    pair = page[page.index('class="pair"') : page.index('id="splits"')]
    assert "different splits" in pair
    assert "different labels" in pair
    assert "identical files" in pair
    first, second = pictures(pair)
    assert first.shape == second.shape


def test_an_augmented_sheet(tmp_path: Path) -> None:
    dataset = made_set(tmp_path / "set", 2)
    buffer = io.BytesIO()
    Image.new("RGB", (9, 7), "red").save(buffer, "JPEG")
    found = survey(dataset)
    page = render_explore_page(dataset, found, augmented=buffer.getvalue())
    assert pictures(page)[-1].shape == (7, 9, 3)
    assert 'id="augmented"' not in render_explore_page(dataset, found)


def test_the_contact_sheet_is_a_fair_sample(tmp_path: Path) -> None:
    dataset = made_set(tmp_path / "set", 120)
    sheets = contact_sheet(dataset, labels=[], unreadable=frozenset())
    assert list(sheets) == ["train", "val"]
    assert sum(len(shown) for shown in sheets.values()) == PICTURES
    notes = [item.note for item in sheets["train"]]
    assert sum(note.startswith("fracture") for note in notes) == PICTURES // 4
    assert sum(note.startswith("negative") for note in notes) == PICTURES // 4
    reversed_table = Dataset(dataset.root, dataset.label_map, dataset.records[::-1])
    assert contact_sheet(reversed_table, labels=[], unreadable=frozenset()) == sheets
    other = contact_sheet(dataset, labels=[], unreadable=frozenset(), seed=1)
    assert other != sheets


def test_shortcuts_by_property_the_alarming_first() -> None:
    quiet = Association("view", "tb", (("AP", 50, 20), ("PA", 50, 25)), 0.55, 0.1, 0.3, False)
    loud = Association("site", "tb", (("a", 50, 45), ("b", 50, 5)), 0.9, 0.8, 1e-9, True)
    also = Association("site", "edema", (("a", 40, 10),), 0.5, 0.0, 1.0, False)
    site, view = shortcut_tables([quiet, loud, also])
    assert (site.property, view.property) == ("site", "view")
    assert site.rows == (("a", 50, (0.9, 0.25)), ("b", 50, (0.1, None)))


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (1, "100 %"), (0.0001, "<0.1 %"), (0.1234, "12.3 %"), (None, "–")],
    ids=str,
)
def test_shares(share: float | None, text: str) -> None:
    assert share_text(share) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1500, "1.5 kB"), (23_400_000, "23 MB"), (1_250_000_000, "1.2 GB")],
    ids=str,
)
def test_sizes_of_files(count: int, text: str) -> None:
    assert bytes_text(count) == text


@pytest.mark.parametrize(
    ("status", "label", "note"),
    [
        (Status.NEGATIVE, "0", "negative"),
        (Status.NEGATIVE, "1", "negative, tb"),
        (Status.UNKNOWN, "0", "no tb"),
        (Status.UNKNOWN, "1", "tb"),
        (Status.UNKNOWN, "", "nothing is known of it"),
    ],
    ids=str,
)
def test_what_a_caption_says(tmp_path: Path, status: Status, label: str, note: str) -> None:
    dataset = made_set(tmp_path / "set", 1, boxes=False)
    record = replace(dataset.records[0], status=status, extra={"tb": label})
    (shown,) = pictures_of(dataset, [record], labels=["tb"])
    assert shown.note == note


def test_images_that_changed_are_shown_all_the_same(tmp_path: Path) -> None:
    dataset = made_set(tmp_path, 4, boxes=False)
    for record in dataset.records:
        path = dataset.image_path(record)
        path.write_bytes(path.read_bytes() + b"\0")  # behind the end of the picture
    found = survey(dataset)
    assert {problem.fault for problem in found.file_problems} == {"other-digest"}
    assert "There is no image that can be shown" not in text_of(page_of(dataset))


def test_images_without_digest_are_not_one_exposure(tmp_path: Path) -> None:
    dataset = made_set(tmp_path, 4, boxes=False)
    bare = replace(dataset, records=tuple(replace(r, sha256="") for r in dataset.records))
    found = survey(bare)
    assert found.duplicates == ()
    assert {problem.fault for problem in found.file_problems} == {"no-digest"}
    assert "4 images without a digest in the table" in text_of(page_of(bare))
