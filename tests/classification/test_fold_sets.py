"""Folds: nobody on both sides, everybody held out once, and each fold a set of its own."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from lucency.annotations.records import Dataset, ImageRecord, read_dataset
from lucency.classification.fold_sets import Division, in_folds, leave_out, write_fold_set
from lucency.configs.errors import ConfigError, DatasetError
from lucency.datasets.leakage import check_leakage
from lucency.datasets.near_duplicates import NearDuplicates

NONE_ALIKE = NearDuplicates((), {})
LABELS = ("bright",)


@pytest.fixture(scope="module")
def sited(make_set: Callable[..., Dataset], tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """48 images of 24 patients at three sites."""
    dataset = make_set(tmp_path_factory.mktemp("sited") / "set", counts=(24, 12, 12))
    records = tuple(
        replace(
            record,
            patient_id=f"p{number // 2}",
            extra={**record.extra, "site": ("delhi", "new york", "new-york")[number // 2 % 3]},
        )
        for number, record in enumerate(dataset.records)
    )
    return replace(dataset, records=records)


def held(division: Division) -> list[PurePosixPath]:
    return [r.image for fold in division.folds for r in fold.plan.dataset.in_split("test")]


def changed(dataset: Dataset, at: int, **extra: str) -> Dataset:
    records = list(dataset.records)
    records[at] = replace(records[at], extra={**records[at].extra, **extra})
    return replace(dataset, records=tuple(records))


def patients(records: tuple[ImageRecord, ...]) -> set[str]:
    return {record.patient_id for record in records}


def test_each_value_is_held_out_once(sited: Dataset) -> None:
    division = leave_out(sited, "site", labels=LABELS, alike=NONE_ALIKE, seed=0)
    assert [fold.value for fold in division.folds] == ["delhi", "new york", "new-york"]
    assert [fold.name for fold in division.folds] == ["delhi", "new-york", "new-york-2"]
    assert sorted(held(division)) == sorted(record.image for record in sited.records)
    for fold in division.folds:
        test = fold.plan.dataset.in_split("test")
        assert {record.extra["site"] for record in test} == {fold.value}
        for split in ("train", "val"):
            others = fold.plan.dataset.in_split(split)
            assert fold.value not in {record.extra["site"] for record in others}
            assert {record.label("bright") for record in others} == {True, False}
    assert division.notes == ()


@pytest.mark.parametrize("count", [2, 4])
def test_folds_hold_each_image_out_once(sited: Dataset, count: int) -> None:
    division = in_folds(sited, count, labels=LABELS, alike=NONE_ALIKE, seed=0)
    assert len(division.folds) == count
    assert division.column == "site"
    assert Counter(held(division)) == Counter(record.image for record in sited.records)
    for fold in division.folds:
        parts = [patients(fold.plan.dataset.in_split(s)) for s in ("train", "val", "test")]
        assert all(parts)
        assert sum(len(part) for part in parts) == len(set().union(*parts))


def test_another_seed_divides_otherwise(sited: Dataset) -> None:
    first, again, other = (
        held(in_folds(sited, 4, labels=LABELS, alike=NONE_ALIKE, seed=seed)) for seed in (0, 0, 1)
    )
    assert first == again != other


@pytest.mark.parametrize("tie", ["patient", "exposure"])
def test_who_belongs_to_the_held_out_site_is_left_aside(sited: Dataset, tie: str) -> None:
    here, there = sited.records[0], sited.records[2]
    alike = NONE_ALIKE
    if tie == "patient":
        records = (replace(here, patient_id=there.patient_id), *sited.records[1:])
        sited = replace(sited, records=records)
        moved = {here.image}
    else:
        alike = NearDuplicates(((here, there),), {})
        moved = {here.image, sited.records[1].image}
    division = leave_out(sited, "site", labels=LABELS, alike=alike, seed=0)
    assert sorted(held(division)) == sorted(record.image for record in sited.records)
    there_fold = next(f for f in division.folds if f.value == there.extra["site"])
    used = {record.image for record in there_fold.plan.dataset.records}
    assert not used & moved
    assert any("left aside where" in note for note in division.notes)


def test_images_without_label_or_value_are_told_of(sited: Dataset) -> None:
    dataset = changed(changed(sited, 0, bright=""), 5, site=" ")
    division = leave_out(dataset, "site", labels=LABELS, alike=NONE_ALIKE, seed=0)
    assert len(held(division)) == len(sited.records) - 2
    assert division.notes == (
        "left out, since no bright is known of them: 1",
        "left out, since they may be of any site: 1 without one",
    )


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        ("hospital", DatasetError, "has no column 'hospital'"),
        ("bright", DatasetError, "but none with bright, or none without"),
    ],
)
def test_a_column_that_cannot_be_left_out(
    sited: Dataset, column: str, error: type[Exception], message: str
) -> None:
    anonymous = replace(sited, records=tuple(replace(r, patient_id="") for r in sited.records))
    with pytest.raises(error, match=message):
        leave_out(anonymous, column, labels=LABELS, alike=NONE_ALIKE, seed=0)


def test_a_column_of_one_value(sited: Dataset) -> None:
    records = tuple(replace(r, extra={**r.extra, "site": "delhi"}) for r in sited.records)
    with pytest.raises(ConfigError, match="has 1 values, it must have 2 to"):
        leave_out(replace(sited, records=records), "site", labels=LABELS, alike=NONE_ALIKE, seed=0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ({"number": 1, "labels": LABELS}, ConfigError, "at least 2, got 1"),
        ({"number": 30, "labels": LABELS}, DatasetError, "cannot fill 30 folds"),
        ({"number": 2, "labels": ("dark",)}, DatasetError, "has no column 'dark'"),
    ],
    ids=["one fold", "too many folds", "no such label"],
)
def test_folds_that_cannot_be(
    sited: Dataset, call: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        in_folds(sited, alike=NONE_ALIKE, seed=0, **call)  # type: ignore[arg-type]


def test_a_fold_on_disk_is_a_set_that_may_be_trained_on(sited: Dataset, tmp_path: Path) -> None:
    division = leave_out(sited, "site", labels=LABELS, alike=NONE_ALIKE, seed=0)
    for fold in division.folds[:2]:
        write_fold_set(fold, tmp_path / fold.name / "set", alike=NONE_ALIKE)
    root = tmp_path / "delhi" / "set"
    found = read_dataset(root)
    check_leakage(found)
    given = sited.records[0]
    mine = next(record for record in found.records if record.sha256 == given.sha256)
    assert found.image_path(mine).stat().st_ino == sited.image_path(given).stat().st_ino
    assert mine.split == "test"
    assert "fold" not in mine.extra
    assert (root / "cache").resolve() == (sited.root / "cache").resolve()
    # The given set is as it was.
    assert all(sited.image_path(record).is_file() for record in sited.records)


def test_a_missing_image_is_named(sited: Dataset, tmp_path: Path) -> None:
    division = in_folds(sited, 2, labels=LABELS, alike=NONE_ALIKE, seed=0)
    fold = division.folds[0]
    gone = replace(fold.plan.dataset.records[0], image=PurePosixPath("images/train/gone.png"))
    records = (gone, *fold.plan.dataset.records[1:])
    plan = replace(fold.plan, dataset=replace(fold.plan.dataset, records=records))
    with pytest.raises(DatasetError, match=r"gone\.png: stands in the table but not on disk"):
        write_fold_set(replace(fold, plan=plan), tmp_path / "set", alike=NONE_ALIKE)
    assert not (tmp_path / "set").exists()
