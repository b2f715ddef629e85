"""The figures of a survey, on small sets of which everything is known, and on real ones."""

import csv
import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

from lucency.annotations.convert import Options, convert
from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.problems import Severity
from lucency.annotations.records import Dataset, ImageRecord, read_dataset, write_tables
from lucency.configs.display import DisplaySpec
from lucency.datasets.phantom_files import write_labelme
from lucency.datasets.phantoms import make_limbs
from lucency.datasets.render import render
from lucency.datasets.survey import Survey, survey

WIDTH, HEIGHT = 200, 100
BOX = "0 0.5 0.5 0.2 0.2\n"  # 40 × 20 px


def noise(generator: np.random.Generator) -> np.ndarray:
    """Large squares of grey, which no other image resembles."""
    coarse = generator.integers(0, 256, (10, 20), dtype=np.uint8)
    return np.kron(coarse, np.ones((10, 10), dtype=np.uint8))


class MadeSet:
    """A set on disk, one image at a time; every image is another noise."""

    def __init__(self, root: Path, *classes: str) -> None:
        self.root, self.classes = root, classes
        self.records: list[ImageRecord] = []
        self.generator = np.random.default_rng(len(classes))

    def add(
        self,
        name: str,
        *,
        split: str = "train",
        labels: str | None = "",
        patient: str = "",
        pixels: np.ndarray | None = None,
        **extra: str,
    ) -> ImageRecord:
        """``labels`` is the text of the label file, None for an unknown image."""
        path = PurePosixPath("images", split, name)
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if pixels is None:
            pixels = noise(self.generator)
        Image.fromarray(pixels).save(file)
        status = Status.UNKNOWN if labels is None else Status.NEGATIVE
        if labels is not None:
            text = self.root / "labels" / split / f"{Path(name).stem}.txt"
            text.parent.mkdir(parents=True, exist_ok=True)
            text.write_text(labels)
            status = Status.ANNOTATED if labels else Status.NEGATIVE
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        height, width = pixels.shape
        self.records.append(
            ImageRecord(path, split, patient, status, width, height, digest, "made", extra)
        )
        return self.records[-1]

    def write(self) -> Dataset:
        self.root.mkdir(parents=True, exist_ok=True)
        columns = {name for record in self.records for name in record.extra}
        filled = dict.fromkeys(columns, "")
        records = tuple(replace(r, extra={**filled, **r.extra}) for r in self.records)
        write_tables(Dataset(self.root, LabelMap(self.classes), records))
        return read_dataset(self.root)

    def survey(self) -> Survey:
        return survey(self.write())


@pytest.fixture
def made(tmp_path: Path) -> MadeSet:
    return MadeSet(tmp_path / "set", "fracture", "lesion")


def titles(found: Survey, severity: Severity | None = None) -> list[str]:
    return [c.title for c in found.concerns if severity in (None, c.severity)]


def test_counts(made: MadeSet) -> None:
    made.add("a.png", labels=BOX + "1 0.1 0.1 0.2 0.2\n", patient="p1")
    made.add("b.png", labels=BOX + BOX.replace("0.5", "0.8", 1), patient="p1")
    made.add("c.png", labels="", patient="p2")
    made.add("d.png", split="val", labels=BOX, patient="p3")
    made.add("e.png", split="val", labels=None)
    found = made.survey()
    assert (found.name, found.images, found.boxes, found.imbalance) == ("set", 5, 5, 4.0)
    train, val = found.splits
    assert (train.name, train.images, train.share, train.patients) == ("train", 3, 0.6, 2)
    assert (train.annotated, train.negative, train.unknown, train.boxes) == (2, 1, 0, 4)
    assert (val.annotated, val.negative, val.unknown, val.boxes, val.patients) == (1, 0, 1, 1, 2)
    fracture, lesion = found.classes
    assert (fracture.boxes, fracture.images) == (4, 3)
    assert fracture.boxes_by_split == {"train": 3, "val": 1}
    assert lesion.images_by_split == {"train": 1, "val": 0}
    assert found.boxes_per_image == {"0": 1, "1": 1, "2": 2}
    assert found.patients.images_each == {"1": 2, "2": 1}
    assert (found.patients.patients, found.patients.unnamed) == (3, 1)
    assert found.patients.largest == (("p1", 2), ("p2", 1), ("p3", 1))
    every, fractures, lesions = found.box_sizes
    assert every.boxes == sum(every.relative.counts) == 5
    assert fractures.median_wh_px == (40, 20)
    assert fractures.median_relative == 0.2
    assert fractures.median_aspect == 2
    assert (fractures.touching_edge, lesions.touching_edge) == (0, 1)
    assert "Nothing of lesion in val" in titles(found, Severity.WARNING)
    assert "1 of 5 images name no patient" in titles(found, Severity.WARNING)


def test_labels_and_metadata(made: MadeSet) -> None:
    for n in range(6):
        made.add(
            f"{n}.png",
            labels=None,
            tb="10"[n % 2] if n < 4 else "",
            sex="MF"[n % 2],
            age=str(30 + n) if n else "411",
            study=f"s{n}",
        )
    found = made.survey()
    (label,) = found.labels
    assert (label.name, label.positive, label.negative, label.unknown) == ("tb", 2, 2, 2)
    assert label.share == 0.5
    assert found.splits[0].labelled == 4
    columns = {column.name: column for column in found.columns}
    assert list(columns) == ["sex", "age", "study"]
    assert columns["sex"].values == (("F", 3), ("M", 3))
    assert columns["age"].implausible == 1
    assert columns["age"].numbers is not None
    assert sum(columns["age"].numbers.counts) == 6
    assert "1 image with an implausible age" in titles(found)
    assert found.box_sizes == ()


def test_files_that_are_not_what_they_should_be(made: MadeSet) -> None:
    for name in "abcdef":
        made.add(f"{name}.png", labels=BOX)
    dataset = made.write()
    images = made.root / "images/train"
    (images / "a.png").write_bytes((images / "a.png").read_bytes()[:-40])
    (images / "b.png").write_bytes(b"no image")
    (images / "c.png").unlink()
    Image.new("L", (50, 50), 30).save(images / "d.png")
    (images / "e.png").write_bytes((images / "e.png").read_bytes() + b" ")
    (made.root / "labels/train/f.txt").write_text("0 0.5 0.5 nan 0.2\n")
    found = survey(dataset)
    faults = {Path(p.image).name: p.fault for p in found.file_problems}
    assert list(faults) == ["a.png", "b.png", "c.png", "d.png", "e.png"]
    assert faults["b.png"] == "unknown-format"
    assert faults["c.png"] == "unreadable"
    assert (faults["d.png"], faults["e.png"]) == ("other-size", "other-digest")
    assert not any(str(made.root) in problem.reason for problem in found.file_problems)
    (line,) = found.unreadable_label_files
    assert line.startswith("labels/train/f.txt: line 1")
    errors = titles(found, Severity.ERROR)
    assert "3 images that cannot be decoded" in errors
    assert "1 image of another size than the table says" in errors
    assert "1 image changed since the set was made" in errors
    assert "1 label file that cannot be read" in errors
    assert "1 image of one single value" in titles(found)


def test_duplicates(made: MadeSet) -> None:
    first, second = (noise(np.random.default_rng(seed)) for seed in (8, 9))
    made.add("a.png", labels=BOX, pixels=first, patient="p1")
    made.add("b.png", labels="", pixels=first, patient="p2")
    made.add("c.png", labels=BOX, pixels=second)
    made.add("d.png", split="val", labels=BOX, pixels=second)
    made.add("e.png", labels=BOX)
    found = made.survey()
    groups = {group.images: group for group in found.duplicates}
    leak = groups["images/train/c.png", "images/val/d.png"]
    assert (leak.leaks, leak.labels_differ, leak.identical) == (True, False, True)
    contrary = groups["images/train/a.png", "images/train/b.png"]
    assert (contrary.leaks, contrary.labels_differ) == (False, True)
    assert contrary.patients_differ
    assert found.duplicates[0] is leak
    assert "1 exposure in more than one split" in titles(found, Severity.ERROR)
    assert "1 exposure labelled in two ways" in titles(found, Severity.WARNING)


@pytest.mark.parametrize(
    ("other", "differ"),
    [(BOX, False), ("0 0.5 0.5 0.18 0.22\n", False), ("0 0.2 0.5 0.2 0.2\n", True)],
    ids=["the same", "nearly", "elsewhere"],
)
def test_identical_images_with_different_boxes(made: MadeSet, other: str, differ: bool) -> None:
    pixels = noise(np.random.default_rng(8))
    made.add("a.png", labels=BOX, pixels=pixels)
    made.add("b.png", labels=other, pixels=pixels)
    (group,) = made.survey().duplicates
    assert (group.boxes_differ, group.labels_differ) == (differ, False)


def test_a_patient_in_two_splits(made: MadeSet) -> None:
    made.add("a.png", labels=BOX, patient="p1")
    made.add("b.png", split="test", labels=BOX, patient="p1")
    found = made.survey()
    (concern,) = (c for c in found.concerns if c.section == "splits")
    assert concern.severity is Severity.ERROR
    assert concern.detail == "p1 (1 in train, 1 in test)"


def test_a_label_that_follows_the_size_of_the_images(made: MadeSet) -> None:
    for n in range(60):
        ill, side = n % 2, 40 if n % 2 else 48
        pixels = made.generator.integers(0, 256, (side, side), dtype=np.uint8)
        made.add(f"{n}.png", labels=None, tb=str(ill), site="ab"[n % 3 == 0], pixels=pixels)
    found = made.survey()
    by_property = {a.property: a for a in found.associations}
    assert by_property["image size"].auc == 1.0
    assert by_property["image size"].groups == (("40 × 40 px", 30, 30), ("48 × 48 px", 30, 0))
    assert not by_property["site"].alarming
    assert "tb follows the image size" in titles(found, Severity.WARNING)
    assert not any(title.startswith("tb follows the site") for title in titles(found))


def test_a_set_that_is_not_split(made: MadeSet) -> None:
    made.add("a.png", split="unsplit", labels=BOX)
    assert "The set is not split" in titles(made.survey(), Severity.WARNING)


def test_no_images(made: MadeSet) -> None:
    found = made.survey()
    assert (found.images, found.splits, found.resolution.resolution) == (0, (), None)
    assert "The set is empty" in titles(found, Severity.ERROR)
    json.dumps(found.to_json())


def test_nothing_to_learn_from(made: MadeSet) -> None:
    made.add("a.png", labels=None)
    assert "Nothing to learn from" in titles(made.survey(), Severity.ERROR)


def test_all_corrupt(made: MadeSet) -> None:
    for name in "abc":
        made.add(f"{name}.png", labels=BOX)
    dataset = made.write()
    for record in dataset.records:
        dataset.image_path(record).write_bytes(b"")
    found = survey(dataset)
    assert len(found.file_problems) == 3
    assert (found.pixels.readable, found.pixels.median_wh) == (0, None)
    assert found.boxes == 3
    json.dumps(found.to_json())


def test_depths_and_kinds(made: MadeSet) -> None:
    made.add("a.png", labels=BOX)
    deep = made.generator.integers(0, 4096, (HEIGHT, WIDTH)).astype(np.uint16)
    deep[0, 0] = 4095
    made.add("b.png", labels=BOX, pixels=deep)
    kinds = {kind.name: kind for kind in made.survey().pixels.kinds}
    assert kinds["16-bit PNG"].used_bits == (12, 12)
    assert kinds["8-bit PNG"].images == 1
    size = (made.root / "images/train/a.png").stat().st_size
    assert kinds["8-bit PNG"].median_bytes == size


def test_dicom_says_what_the_table_does_not(tmp_path: Path) -> None:
    write_labelme(make_limbs(3, seed=1, size=96), tmp_path / "annotated")
    convert(tmp_path / "annotated", tmp_path / "set", Options())
    dataset = read_dataset(tmp_path / "set")
    nameless = tuple(replace(record, patient_id="") for record in dataset.records)
    found = survey(replace(dataset, records=nameless))
    columns = {column.name: column for column in found.columns}
    assert columns["modality"].source == "DICOM"
    assert columns["modality"].known == found.images
    assert found.patients.from_dicom == found.images
    assert found.patients.patients == 3


def test_the_same_each_time(made: MadeSet) -> None:
    for n in range(20):
        made.add(f"{n}.png", labels=BOX if n % 2 else "", site="ab"[n % 2])
    one = json.dumps(made.survey().to_json())
    assert one == json.dumps(survey(read_dataset(made.root), workers=1).to_json())


def test_a_rendered_set_has_the_digests_of_the_originals(made: MadeSet) -> None:
    for n in range(3):
        pixels = made.generator.integers(0, 4096, (HEIGHT, WIDTH)).astype(np.uint16)
        made.add(f"{n}.png", labels=BOX, pixels=pixels)
    rendered = render(made.write(), DisplaySpec())
    assert survey(read_dataset(rendered.root)).file_problems == ()


@pytest.mark.real_data
def test_tb_sites(tmp_path: Path, lucency_data: Path) -> None:
    folder = lucency_data / "tb_sites"
    made = MadeSet(tmp_path / "tb")
    with (folder / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[::8]
    for row in rows:
        with Image.open(folder / "images" / row["image"]) as image:
            pixels = np.asarray(image.convert("L"))
        made.add(row["image"], split=row["split"], labels=None, tb=row["tb"], pixels=pixels)
    found = made.survey()
    positives = Counter(row["split"] for row in rows if row["tb"] == "1")
    assert found.labels[0].positive_by_split == dict(positives)
    assert found.pixels.sizes == ((512, 512, len(rows)),)
    assert found.resolution.resolution == 448
