import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import (
    SPLITS,
    Dataset,
    ImageRecord,
    read_dataset,
    write_tables,
)
from lucency.configs.errors import DatasetError
from lucency.datasets.leakage import check_leakage
from lucency.datasets.placement import JOURNAL, apply_split, finish_interrupted_split
from lucency.datasets.split import SplitPlan, split_dataset
from lucency.datasets.split_lock import LOCK


def made_set(root: Path, images: int = 9) -> Dataset:
    """A set as `convert` leaves it: everything unsplit, one image of unknown status."""
    records = []
    for number in range(images):
        name = f"{number}.png"
        unknown = number == images - 1
        folder = "unknown" if unknown else "unsplit"
        status = Status.UNKNOWN if unknown else Status.ANNOTATED if number % 2 else Status.NEGATIVE
        image = PurePosixPath("images", folder, name)
        digest = hashlib.sha256(f"pixels of {name}".encode()).hexdigest()
        made = ImageRecord(image, "unsplit", f"p{number // 2}", status, 8, 8, digest, "s")
        records.append(made)
    dataset = Dataset(root, LabelMap(("fracture",)), tuple(records))
    for record in records:
        dataset.image_path(record).parent.mkdir(parents=True, exist_ok=True)
        dataset.image_path(record).write_text(f"pixels of {record.image.name}")
        if record.status is not Status.UNKNOWN:
            dataset.label_path(record).parent.mkdir(parents=True, exist_ok=True)
            boxes = "0 0.5 0.5 0.2 0.2\n" if record.status is Status.ANNOTATED else ""
            dataset.label_path(record).write_text(boxes)
    write_tables(dataset)
    return dataset


def check_on_disk(root: Path, *, images: int = 9) -> Dataset:
    """The tables are readable, and every image and label file lies where they say, once."""
    dataset = read_dataset(root)
    assert len(dataset.records) == images
    files = {path for path in root.rglob("*.*") if path.parent.parent.name in ("images", "labels")}
    expected = set()
    for record in dataset.records:
        content = dataset.image_path(record).read_text()
        assert (
            content == f"pixels of {record.image.name.partition('_')[0].removesuffix('.png')}.png"
        )
        expected.add(dataset.image_path(record))
        if record.status is not Status.UNKNOWN:
            expected.add(dataset.label_path(record))
            found = len(dataset.findings(record))
            assert found == (record.status is Status.ANNOTATED)
    assert files == expected
    return dataset


def test_files_move_to_their_splits(tmp_path: Path) -> None:
    placed = apply_split(split_dataset(made_set(tmp_path)))
    dataset = check_on_disk(tmp_path)
    assert dataset == replace(placed, records=dataset.records)
    assert [str(record.image) for record in dataset.records] == [
        str(record.image) for record in placed.records
    ]
    check_leakage(dataset)
    assert {record.image.parts[1] for record in dataset.records} == {*SPLITS, "unknown"}
    assert all((tmp_path / "labels" / split).is_dir() for split in SPLITS)
    assert not (tmp_path / "images" / "unsplit").exists()
    assert not (tmp_path / "labels" / "unsplit").exists()
    yaml = (tmp_path / "data.yaml").read_text()
    assert "test: images/test" in yaml
    assert "Not split yet" not in yaml


def test_the_same_split_again_changes_nothing(tmp_path: Path) -> None:
    apply_split(split_dataset(made_set(tmp_path)))
    before = [(tmp_path / name).read_bytes() for name in ("dataset.csv", LOCK)]
    apply_split(split_dataset(read_dataset(tmp_path)))
    assert [(tmp_path / name).read_bytes() for name in ("dataset.csv", LOCK)] == before
    check_on_disk(tmp_path)


def test_another_seed_moves_files_between_splits(tmp_path: Path) -> None:
    apply_split(split_dataset(made_set(tmp_path, 40)))
    for seed in range(1, 4):
        apply_split(split_dataset(read_dataset(tmp_path), seed=seed))
        check_leakage(check_on_disk(tmp_path, images=40))


def test_equal_names_in_two_splits_do_not_overwrite_each_other(tmp_path: Path) -> None:
    records = []
    for split in ("train", "val"):
        image = PurePosixPath("images", split, "a.png")
        records.append(ImageRecord(image, split, "", Status.NEGATIVE, 8, 8, split * 9, "s"))
    dataset = Dataset(tmp_path, LabelMap(("fracture",)), tuple(records))
    for record in records:
        dataset.image_path(record).parent.mkdir(parents=True)
        dataset.image_path(record).write_text(record.split)
        dataset.label_path(record).parent.mkdir(parents=True)
        dataset.label_path(record).touch()
    write_tables(dataset)
    swapped = [
        replace(record, split="val" if record.split == "train" else "train") for record in records
    ]
    placed = apply_split(SplitPlan(replace(dataset, records=tuple(swapped)), groups={}))
    texts = {record.split: placed.image_path(record).read_text() for record in placed.records}
    assert texts == {"val": "train", "train": "val"}
    assert all(placed.label_path(record).is_file() for record in placed.records)


def test_identical_files_of_one_name_keep_two_paths(tmp_path: Path) -> None:
    records = [
        ImageRecord(
            PurePosixPath("images", split, "a.png"), split, "", Status.NEGATIVE, 8, 8, d, "s"
        )
        for split, d in (("train", "1" * 64), ("val", "1" * 64), ("test", "2" * 64))
    ]
    dataset = Dataset(tmp_path, LabelMap(("fracture",)), tuple(records))
    for one in records:
        for path in (dataset.image_path(one), dataset.label_path(one)):
            path.parent.mkdir(parents=True)
            path.write_text(one.sha256)
    together = tuple(replace(one, split="test") for one in records)
    apply_split(SplitPlan(replace(dataset, records=together), groups={}))
    again = read_dataset(tmp_path)
    assert len({one.image for one in again.records}) == 3
    assert [again.image_path(one).read_text() for one in again.records] == [
        one.sha256 for one in records
    ]
    assert all(again.label_path(one).is_file() for one in again.records)


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def kill_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process die before its ``step``-th change of the file system."""
    left = [step]

    def counted(name: str, target: object) -> None:
        original = getattr(target, name)

        def change(*args: object, **options: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return original(*args, **options)

        monkeypatch.setattr(target, name, change)

    counted("link", os)
    counted("unlink", Path)
    counted("replace", Path)
    counted("rmdir", Path)


@pytest.mark.parametrize("step", [0, 1, 3, 8, 15, 16, 17, 18, 19, 20, 21, 25, 32, 37])
def test_a_killed_split_is_finished_by_the_next(
    tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = split_dataset(made_set(tmp_path))
    with monkeypatch.context() as patch:
        kill_at(step, patch)
        with pytest.raises(Killed):
            apply_split(split)
    # Whatever the moment, the table on disk names files that are there.
    torn = read_dataset(tmp_path)
    assert all(torn.image_path(record).is_file() for record in torn.records)
    if (tmp_path / JOURNAL).exists():
        with pytest.raises(DatasetError, match="splitting was interrupted"):
            check_leakage(torn)
        with pytest.raises(DatasetError, match="interrupted"):
            apply_split(split)
    assert finish_interrupted_split(tmp_path) == (step > 0)
    assert not finish_interrupted_split(tmp_path)
    apply_split(split_dataset(read_dataset(tmp_path)))
    check_leakage(check_on_disk(tmp_path))


def test_files_are_copied_where_there_are_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    apply_split(split_dataset(made_set(tmp_path)))
    check_on_disk(tmp_path)


def test_a_missing_image_stops_everything(tmp_path: Path) -> None:
    dataset = made_set(tmp_path)
    dataset.image_path(dataset.records[4]).unlink()
    with pytest.raises(DatasetError, match=r"4\.png: stands in dataset\.csv but not on disk"):
        apply_split(split_dataset(dataset))
    assert not (tmp_path / JOURNAL).exists()
    assert dataset.image_path(dataset.records[0]).is_file()


@pytest.mark.parametrize(
    "moves",
    [[["../a", "images/b"]], [["images/a", "/b"]], [["images/a"]], 7],
    ids=["above", "absolute", "one-path", "no-list"],
)
def test_a_journal_that_is_none_is_refused(tmp_path: Path, moves: object) -> None:
    made_set(tmp_path)
    journal = {"moves": moves, "texts": {}}
    (tmp_path / JOURNAL).write_text(json.dumps(journal))
    with pytest.raises(DatasetError, match="cannot be finished"):
        finish_interrupted_split(tmp_path)
    assert read_dataset(tmp_path).records


@pytest.mark.parametrize(
    "texts",
    [{"../escaped": ""}, {"labels/train/0.txt": ""}, ["dataset.csv"], 7],
    ids=["above", "label", "list", "number"],
)
def test_a_journal_writes_nothing_but_the_tables(tmp_path: Path, texts: object) -> None:
    made_set(tmp_path)
    (tmp_path / JOURNAL).write_text(json.dumps({"moves": [], "texts": texts}))
    with pytest.raises(DatasetError, match="cannot be finished"):
        finish_interrupted_split(tmp_path)
    assert not (tmp_path.parent / "escaped").exists()


def test_unknown_images_with_a_label_stay_in_their_folder(tmp_path: Path) -> None:
    dataset = made_set(tmp_path)
    records = [
        replace(record, status=Status.UNKNOWN, extra={"tb": str(number % 2)})
        for number, record in enumerate(dataset.records)
    ]
    placed = apply_split(split_dataset(replace(dataset, records=tuple(records))))
    assert {record.image.parts[1] for record in placed.records} == {"unknown"}
    assert {record.split for record in placed.records} == set(SPLITS)
    assert all(placed.image_path(record).is_file() for record in placed.records)
    yaml = (tmp_path / "data.yaml").read_text()
    assert "images/val" not in yaml
    assert yaml.startswith("# No image has boxes")
    check_leakage(read_dataset(tmp_path))
