import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import (
    Dataset,
    ImageRecord,
    data_yaml,
    read_dataset,
    write_tables,
)
from lucency.configs.errors import DatasetError, LeakageError
from lucency.datasets.placement import apply_split
from lucency.datasets.split import keep_splits, split_dataset
from lucency.datasets.split_lock import LOCK, Origin, check_files, check_lock


def made_set(root: Path, images: int = 12) -> Dataset:
    """Six patients of two images, one of unknown status with a label and one without."""
    records = []
    for number in range(images):
        unknown = number >= images - 2
        status = Status.UNKNOWN if unknown else Status.NEGATIVE
        image = PurePosixPath("images", "unknown" if unknown else "unsplit", f"{number}.png")
        path = root / image
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"pixels {number}")
        if not unknown:
            label = root / "labels" / "unsplit" / f"{number}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.touch()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        extra = {"tb": "" if number == images - 1 else str(number % 2)}
        patient = f"Doe^{number // 2}"
        records.append(ImageRecord(image, "unsplit", patient, status, 8, 8, digest, "s", extra))
    dataset = Dataset(root, LabelMap(("spot",)), tuple(records))
    write_tables(dataset)
    return dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """A set that was split."""
    origin = Origin({"dicom": 11, "none": 1}, near_duplicates=0)
    return apply_split(split_dataset(made_set(tmp_path), ratios=(2, 1, 1), seed=3), origin=origin)


def lock(root: Path) -> dict[str, Any]:
    return json.loads((root / LOCK).read_text())  # type: ignore[no-any-return]


def forge(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Alter the lock as somebody would who works the digest out again."""
    content = lock(root)
    del content["digest"]
    change(content)
    text = json.dumps(content, sort_keys=True)
    content["digest"] = hashlib.sha256(text.encode()).hexdigest()
    (root / LOCK).write_text(json.dumps(content))


def test_the_lock_tells_all_of_the_split(dataset: Dataset) -> None:
    told = lock(dataset.root)
    images = told.pop("images")
    assert len(told.pop("digest")) == 64
    assert told.pop("lucency")
    assert told == {
        "schema": 1,
        "seed": 3,
        "ratios": [0.5, 0.25, 0.25],
        "folds": None,
        "stratified": [],
        "patient_ids": {"dicom": 11, "none": 1},
        "near_duplicate_groups": 0,
        "not_compared": 0,
        "overruled": [],
    }
    assert [entry["image"] for entry in images] == sorted(entry["image"] for entry in images)
    of_image = {str(record.image): record for record in dataset.records}
    assert len(images) == 11
    for entry in images:
        record = of_image[entry["image"]]
        assert (entry["sha256"], entry["split"], entry["fold"]) == (record.sha256, record.split, "")
    groups = {entry["group"] for entry in images}
    assert len(groups) == 6
    text = (dataset.root / LOCK).read_text()
    assert "Doe" not in text
    assert text.count("\n") == len(images) + 15  # one line an image


def test_the_same_split_gives_the_same_lock(dataset: Dataset) -> None:
    before = (dataset.root / LOCK).read_bytes()
    again = replace(read_dataset(dataset.root), records=dataset.records[::-1])
    origin = Origin({"dicom": 11, "none": 1}, near_duplicates=0)
    apply_split(split_dataset(again, ratios=(2, 1, 1), seed=3), origin=origin)
    assert (dataset.root / LOCK).read_bytes() == before


def test_a_split_set_holds(dataset: Dataset) -> None:
    check_lock(dataset)
    check_lock(read_dataset(dataset.root))


def test_images_that_take_no_part_may_come_and_go(dataset: Dataset) -> None:
    outside = next(r for r in dataset.records if r.split == "unsplit")
    dataset.image_path(outside).unlink()
    check_lock(replace(dataset, records=tuple(r for r in dataset.records if r is not outside)))


def test_other_columns_may_change(dataset: Dataset) -> None:
    records = [replace(r, extra={**r.extra, "age": "7"}, source="x") for r in dataset.records]
    check_lock(replace(dataset, records=tuple(records)))


def test_a_missing_lock_is_refused(dataset: Dataset) -> None:
    (dataset.root / LOCK).unlink()
    with pytest.raises(DatasetError, match=r"has no split\.lock\.json; run `lucency split .*as-is"):
        check_lock(dataset)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "{}", '{"schema": 1}', "[" * 100_000, "\0", '{"digest": []}']
)
def test_what_is_no_lock_is_refused(dataset: Dataset, text: str) -> None:
    (dataset.root / LOCK).write_text(text)
    with pytest.raises(DatasetError, match="damaged"):
        check_lock(dataset)


def every_value(content: object) -> list[str]:
    """Each key and value of a lock as it stands in the file."""
    if isinstance(content, dict):
        return [v for key, value in content.items() for v in [f'"{key}"', *every_value(value)]]
    if isinstance(content, list):
        return [v for value in content for v in every_value(value)]
    return [json.dumps(content)]


def test_every_key_and_value_is_under_the_digest(dataset: Dataset) -> None:
    path = dataset.root / LOCK
    good = path.read_text()
    for value in dict.fromkeys(every_value(lock(dataset.root))):
        path.write_text(good.replace(value, '"x"' if value != '"x"' else "1", 1))
        with pytest.raises(DatasetError, match="damaged"):
            check_lock(dataset)
    path.write_text(good.replace(": ", ":"))  # the same content written otherwise
    check_lock(dataset)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(schema=2), "in another schema"),
        (lambda c: c.update(images=None), "is damaged"),
        (lambda c: c["images"][0].pop("group"), "is damaged"),
        (lambda c: c["images"][0].update(split=7), "is damaged"),
        (lambda c: c["images"].pop(0), "is not in split.lock.json; run"),
        (lambda c: c["images"][0].update(image="images/x.png"), r"images/x\.png is in split\.lock"),
        (lambda c: c["images"][0].update(sha256="0" * 64), "another SHA-256"),
        (lambda c: c["images"][0].update(split="none"), "but in 'none' in"),
        (lambda c: c["images"][0].update(fold="1"), "is in fold '' in dataset.csv, but in '1'"),
    ],
    ids=["schema", "images", "no-group", "split-7", "less", "path", "sha256", "split", "fold"],
)
def test_a_forged_lock_does_not_hold(
    dataset: Dataset, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    forge(dataset.root, change)
    with pytest.raises(DatasetError, match=message):
        check_lock(dataset)


def test_a_group_in_two_splits_is_a_leak(dataset: Dataset) -> None:
    splits = {entry["split"]: entry for entry in lock(dataset.root)["images"]}
    forge(
        dataset.root,
        lambda content: [entry.update(group="same") for entry in content["images"]],
    )
    assert len(splits) == 3
    with pytest.raises(LeakageError, match=r"belong together; run `lucency split"):
        check_lock(dataset)


def test_an_image_in_another_split_is_found(dataset: Dataset) -> None:
    moved = next(r for r in dataset.records if r.split == "train")
    records = [replace(r, split="test") if r is moved else r for r in dataset.records]
    with pytest.raises(DatasetError, match=r"in split 'test' in dataset\.csv, but in 'train' in"):
        check_lock(replace(dataset, records=tuple(records)))


def test_images_added_and_removed_are_found(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match=r"\.png is in split\.lock\.json but no longer among"):
        check_lock(replace(dataset, records=dataset.records[1:]))
    more = [
        replace(dataset.records[0], image=PurePosixPath("images/train", f"new{n}.png"))
        for n in range(5)
    ]
    with pytest.raises(
        DatasetError, match=r"new2\.png and 2 more are not in split\.lock\.json; run"
    ):
        check_lock(replace(dataset, records=(*dataset.records, *more)))


def test_a_label_that_came_later_makes_an_image_take_part(dataset: Dataset) -> None:
    records = [replace(r, extra={"tb": "1"}) for r in dataset.records]
    with pytest.raises(DatasetError, match=r"unknown/11\.png is not in split\.lock\.json"):
        check_lock(replace(dataset, records=tuple(records)))


@pytest.mark.parametrize("data", [b"other pixels", b"", None], ids=["other", "empty", "missing"])
def test_altered_files_are_found(dataset: Dataset, data: bytes | None) -> None:
    path = dataset.image_path(dataset.records[4])
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(DatasetError, match=r"4\.png is no longer the file that dataset\.csv was"):
        check_lock(dataset)
    check_files(dataset, dataset.records[:4])


def test_splits_that_were_kept_are_locked_and_files_follow_the_table(tmp_path: Path) -> None:
    dataset = made_set(tmp_path)
    records = [
        replace(r, split="train" if int(r.image.stem) < 8 else "test") for r in dataset.records[:-1]
    ]
    dataset = replace(dataset, records=(*records, dataset.records[-1]))
    write_tables(dataset)
    (tmp_path / "data.yaml").write_text(data_yaml(dataset.label_map, {"unsplit"}))
    placed = apply_split(keep_splits(dataset))
    assert [r.split for r in placed.records] == [r.split for r in dataset.records]
    check_lock(read_dataset(tmp_path))
    assert {r.image.parts[1] for r in placed.records} == {"train", "test", "unknown"}
    assert all(placed.image_path(record).is_file() for record in placed.records)
    assert "images/unsplit" not in (tmp_path / "data.yaml").read_text()
    # Once they lie where the table says, nothing moves any more.
    assert apply_split(keep_splits(placed)) == placed
    told = lock(tmp_path)
    assert (told["seed"], told["ratios"], told["patient_ids"]) == (None, None, None)


def test_folds_are_locked(tmp_path: Path) -> None:
    apply_split(split_dataset(made_set(tmp_path), folds=3, fold=1))
    dataset = read_dataset(tmp_path)
    check_lock(dataset)
    told = lock(tmp_path)
    assert (told["folds"], told["ratios"]) == (3, None)
    assert {entry["fold"] for entry in told["images"]} == {"0", "1", "2"}
    records = [replace(r, extra={**r.extra, "fold": "2"}) for r in dataset.records]
    with pytest.raises(DatasetError, match=r"is in fold '2' in dataset\.csv, but in"):
        check_lock(replace(dataset, records=tuple(records)))


def test_overruled_images_are_listed_where_they_are_now(tmp_path: Path) -> None:
    dataset = made_set(tmp_path)
    records = [replace(r, extra={"official_split": "train"}) for r in dataset.records]
    records[0] = replace(records[0], extra={"official_split": "test"})
    apply_split(split_dataset(replace(dataset, records=tuple(records))))
    assert lock(tmp_path)["overruled"] == [
        {"image": "images/test/1.png", "listed": "train", "split": "test"}
    ]


def test_an_empty_set_has_an_empty_lock(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path, LabelMap(("spot",)), ())
    apply_split(split_dataset(dataset))
    check_lock(dataset)
    assert lock(tmp_path)["images"] == []
