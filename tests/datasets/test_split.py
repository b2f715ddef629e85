import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import SPLITS, UNSPLIT, Dataset, ImageRecord
from lucency.configs.errors import ConfigError, DatasetError, LeakageError
from lucency.datasets.assignments import Overruled
from lucency.datasets.split import keep_splits, split_dataset

CLASSES = LabelMap(("fracture", "lesion", "rare"))


def record(
    root: Path,
    name: str,
    *,
    patient: str = "",
    classes: Sequence[str] = (),
    status: Status | None = None,
    **extra: str,
) -> ImageRecord:
    if status is None:
        status = Status.ANNOTATED if classes else Status.NEGATIVE
    made = ImageRecord(
        image=PurePosixPath("images/unsplit", name),
        split=UNSPLIT,
        patient_id=patient,
        status=status,
        width=100,
        height=100,
        sha256=hashlib.sha256(name.encode()).hexdigest(),
        source="made.json",
        extra=extra,
    )
    label = Dataset(root, CLASSES, ()).label_path(made)
    label.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{CLASSES.id_of(name)} 0.5 0.5 0.1 0.1\n" for name in classes]
    label.write_text("".join(lines))
    return made


def dataset(root: Path, records: Sequence[ImageRecord]) -> Dataset:
    return Dataset(root, CLASSES, tuple(records))


def split_of(made: Dataset, **options: Any) -> Dataset:
    return split_dataset(made, **options).dataset


def splits(split: Dataset) -> dict[str, str]:
    return {record.image.name: record.split for record in split.records}


def mixed(root: Path, patients: int) -> Dataset:
    """Patients of one to four images: fractures, lesions, both, a few rare ones, negatives."""
    rng = np.random.default_rng(7)
    records = []
    for patient in range(patients):
        chosen = [
            name for name, share in (("fracture", 0.4), ("lesion", 0.2)) if rng.random() < share
        ]
        chosen += ["rare"] if patient % 20 == 0 else []
        for number in range(int(rng.integers(1, 5))):
            classes = chosen if number != 3 else []
            name = f"p{patient}-{number}.png"
            records.append(record(root, name, patient=f"p{patient}", classes=classes))
    return dataset(root, records)


def check_no_group_is_torn(split: Dataset) -> None:
    for key in ("patient_id", "sha256"):
        found: dict[str, set[str]] = {}
        for record in split.records:
            found.setdefault(getattr(record, key), set()).add(record.split)
        assert all(len(splits) == 1 for value, splits in found.items() if value)


def test_no_patient_stands_in_two_splits(tmp_path: Path) -> None:
    split = split_of(mixed(tmp_path, 60))
    check_no_group_is_torn(split)
    assert {record.split for record in split.records} == set(SPLITS)


def test_every_class_and_negatives_have_their_share(tmp_path: Path) -> None:
    split = split_of(mixed(tmp_path, 150))
    for stratum in ("fracture", "lesion", "rare", "negative", "images"):
        counts = Counter(
            record.split
            for record in split.records
            if stratum == "images"
            or stratum in ({f.label for f in split.findings(record)} or {"negative"})
        )
        total = sum(counts.values())
        for name, share in zip(SPLITS, (0.70, 0.15, 0.15), strict=True):
            assert abs(counts[name] - share * total) <= 2, (stratum, counts)


def test_single_images_are_split_as_evenly_as_arithmetic_allows(tmp_path: Path) -> None:
    records = [record(tmp_path, f"f{n}.png", classes=["fracture"]) for n in range(40)]
    records += [record(tmp_path, f"n{n}.png") for n in range(33)]
    split = split_of(dataset(tmp_path, records))
    for status, total in ((Status.ANNOTATED, 40), (Status.NEGATIVE, 33)):
        counts = Counter(record.split for record in split.records if record.status is status)
        for name, share in zip(SPLITS, (0.70, 0.15, 0.15), strict=True):
            assert abs(counts[name] - share * total) < 1, (status, counts)


def test_image_level_labels_are_balanced_too(tmp_path: Path) -> None:
    records = [
        record(tmp_path, f"{n}.png", tb=str(int(n % 5 == 0)), age=str(n)) for n in range(100)
    ]
    split = split_of(dataset(tmp_path, records))
    counts = Counter(record.split for record in split.records if record.label("tb"))
    assert counts == {"train": 14, "val": 3, "test": 3}


def test_the_order_of_the_files_does_not_matter(tmp_path: Path) -> None:
    made = mixed(tmp_path, 40)
    shuffled = sorted(made.records, key=lambda record: record.sha256)
    assert splits(split_of(made)) == splits(split_of(dataset(tmp_path, shuffled)))


def test_the_seed_decides(tmp_path: Path) -> None:
    made = mixed(tmp_path, 40)
    assert splits(split_of(made, seed=1)) == splits(split_of(made, seed=1))
    assert splits(split_of(made, seed=1)) != splits(split_of(made, seed=2))


@pytest.mark.parametrize(
    ("patients", "expected"),
    [(0, set()), (1, {"train"}), (2, {"train", "val"}), (3, set(SPLITS)), (4, set(SPLITS))],
)
def test_small_sets_fill_as_many_splits_as_they_can(
    tmp_path: Path, patients: int, expected: set[str]
) -> None:
    records = [
        record(tmp_path, f"{p}-{n}.png", patient=f"p{p}", classes=["fracture"])
        for p in range(patients)
        for n in range(3)
    ]
    split = split_of(dataset(tmp_path, records))
    assert {record.split for record in split.records} == expected


def test_identical_images_stay_together(tmp_path: Path) -> None:
    records = [record(tmp_path, f"{n}.png", patient=f"p{n}") for n in range(30)]
    twins = [replace(records[n], sha256="same") for n in (0, 9, 18, 27)]
    split = split_of(dataset(tmp_path, [*records[1:9], *twins, *records[10:18]]))
    assert len({record.split for record in split.records if record.sha256 == "same"}) == 1
    check_no_group_is_torn(split)


def test_unknown_images_stay_outside(tmp_path: Path) -> None:
    records = [record(tmp_path, f"{n}.png") for n in range(10)]
    records.append(record(tmp_path, "u.png", status=Status.UNKNOWN))
    split = split_of(dataset(tmp_path, records))
    assert splits(split)["u.png"] == UNSPLIT
    assert PurePosixPath("images/unsplit/u.png") not in split_dataset(split).groups
    assert Counter(splits(split).values())[UNSPLIT] == 1


def test_unknown_images_with_a_label_take_part(tmp_path: Path) -> None:
    unknown = Status.UNKNOWN
    records = [record(tmp_path, f"{n}.png", status=unknown, tb=str(n % 2)) for n in range(40)]
    records.append(record(tmp_path, "u.png", status=unknown, tb=""))
    split = split_of(dataset(tmp_path, records))
    counts = Counter((record.split, record.label("tb")) for record in split.records)
    assert counts[UNSPLIT, None] == 1
    assert counts["train", True] == counts["train", False] == 14
    assert counts["val", True] == counts["test", False] == 3


def test_near_duplicates_stay_together(tmp_path: Path) -> None:
    records = [record(tmp_path, f"{n}.png", patient=f"p{n // 2}") for n in range(40)]
    alike = [(records[0], records[9]), (records[9], records[30]), (records[5], records[39])]
    for seed in range(5):
        plan = split_dataset(dataset(tmp_path, records), alike=alike, seed=seed)
        of = splits(plan.dataset)
        assert of["0.png"] == of["1.png"] == of["8.png"] == of["30.png"] == of["31.png"]
        assert of["4.png"] == of["39.png"]
        assert plan.groups[records[0].image] == plan.groups[records[31].image]
        assert len(set(plan.groups.values())) == 17


def test_columns_are_balanced(tmp_path: Path) -> None:
    records = [
        record(tmp_path, f"{n}.png", site="abc"[n % 3], tube=f"t{n % 5}", age=str(n))
        for n in range(300)
    ]
    plan = split_dataset(dataset(tmp_path, records), columns=("tube",))
    assert plan.stratified == ("site", "tube")
    for column, values in (("site", "abc"), ("tube", ("t0", "t4"))):
        for value in values:
            counts = Counter(r.split for r in plan.dataset.records if r.extra[column] == value)
            total = sum(counts.values())
            assert all(
                abs(counts[split] / total - share) <= 0.02
                for split, share in zip(SPLITS, (0.70, 0.15, 0.15), strict=True)
            )


def test_assigned_images_bring_their_patient_along(tmp_path: Path) -> None:
    made = mixed(tmp_path, 30)
    names = [record.image.name for record in made.records if record.patient_id in ("p3", "p4")]
    split = split_of(made, assigned={names[0]: "test", "p9-0": "val"})
    of_patient = {record.patient_id: record.split for record in split.records}
    assert (of_patient["p3"], of_patient["p9"]) == ("test", "val")
    check_no_group_is_torn(split)


def test_official_lists_of_positives_leave_the_negatives_to_the_ratios(tmp_path: Path) -> None:
    # FracAtlas: train.csv and valid.csv name images with fractures only.
    positives = [record(tmp_path, f"f{n}.jpg", classes=["fracture"]) for n in range(60)]
    negatives = [record(tmp_path, f"n{n}.jpg") for n in range(100)]
    assigned = {f"f{n}.jpg": "val" if n < 7 else "train" for n in range(60)}
    split = split_of(
        dataset(tmp_path, [*positives, *negatives]), ratios=(85, 15, 0), assigned=assigned
    )
    found = splits(split)
    assert {name: found[name] for name in assigned} == assigned
    counts = Counter(found[f"n{n}.jpg"] for n in range(100))
    assert counts == {"train": 85, "val": 15}


def official(root: Path, counts: dict[str, int]) -> Dataset:
    records = [
        record(root, f"{split}{n}.png", classes=["fracture"] * (n % 2), official_split=split)
        for split, count in counts.items()
        for n in range(count)
    ]
    return dataset(root, records)


@pytest.mark.parametrize(
    ("counts", "ratios", "expected"),
    [
        ({"train": 50, "val": 7, "test": 9}, (70, 15, 15), {"train": 50, "val": 7, "test": 9}),
        ({"train": 80, "test": 30}, (75, 25, 50), {"train": 60, "val": 20, "test": 30}),
        ({"train": 80, "test": 30}, (1, 0, 1), {"train": 80, "test": 30}),
        ({"train": 80}, (60, 20, 20), {"train": 60, "val": 20}),
        ({"train": 40, "test": 20, "": 20}, (50, 50, 0), {"train": 30, "val": 30, "test": 20}),
        ({"train": 10, "": 100}, (70, 15, 15), {"train": 80, "val": 15, "test": 15}),
        ({"test": 10, "": 100}, (80, 20, 0), {"train": 80, "val": 20, "test": 10}),
    ],
    ids=["whole", "no-val", "no-val-wanted", "train-alone", "rest", "some-train", "test-alone"],
)
def test_the_official_column_is_honoured(
    tmp_path: Path,
    counts: dict[str, int],
    ratios: tuple[int, int, int],
    expected: dict[str, int],
) -> None:
    made = official(tmp_path, counts)
    split = split_of(made, ratios=ratios)
    assert Counter(splits(split).values()) == expected
    kept = {split for split in ("val", "test") if split in counts}
    assert all(
        record.split == record.extra["official_split"]
        for record in split.records
        if record.extra["official_split"] in kept
    )
    ignored = split_of(made, ratios=(50, 25, 25), honour_official=False)
    shares = Counter(splits(ignored).values())
    assert abs(shares["train"] - len(made.records) / 2) <= 1


@pytest.mark.parametrize("patients", [2, 3])
def test_a_small_official_train_part_still_gives_val_a_patient(
    tmp_path: Path, patients: int
) -> None:
    made = official(tmp_path, {"train": patients, "test": 2})
    found = Counter(splits(split_of(made, ratios=(95, 5, 10))).values())
    assert found == {"train": patients - 1, "val": 1, "test": 2}


def test_a_torn_patient_goes_to_the_side_that_is_evaluated(tmp_path: Path) -> None:
    chosen = ["train", "train", "test", "", "val", "train", "val", "train", "train"]
    records = [
        record(tmp_path, f"{n}.png", patient=f"p{min(n // 4, 1)}", official_split=split)
        for n, split in enumerate(chosen[:-1])
    ]
    records.append(record(tmp_path, "8.png", patient="p2", official_split="train"))
    plan = split_dataset(dataset(tmp_path, records))
    assert list(splits(plan.dataset).values()) == ["test"] * 4 + ["val"] * 4 + ["train"]
    folder = PurePosixPath("images/unsplit")
    assert plan.overruled == (
        Overruled(folder / "0.png", "train", "test"),
        Overruled(folder / "1.png", "train", "test"),
        Overruled(folder / "5.png", "train", "val"),
        Overruled(folder / "7.png", "train", "val"),
    )


@pytest.mark.parametrize("fold", [0, 3])
def test_folds_are_the_same_whichever_is_val(tmp_path: Path, fold: int) -> None:
    made = mixed(tmp_path, 100)
    split = split_of(made, folds=4, fold=fold)
    check_no_group_is_torn(split)
    folds = [record.extra["fold"] for record in split.records]
    assert folds == [r.extra["fold"] for r in split_of(made, folds=4, fold=1).records]
    assert set(folds) == {"0", "1", "2", "3"}
    for record_ in split.records:
        assert record_.split == ("val" if record_.extra["fold"] == str(fold) else "train")
    for stratum in ("fracture", "lesion", "rare", "images"):
        counts = Counter(
            record.extra["fold"]
            for record in split.records
            if stratum == "images" or stratum in {f.label for f in split.findings(record)}
        )
        assert max(counts.values()) - min(counts.values()) <= 3, (stratum, counts)


def test_folds_leave_the_official_test_part_alone(tmp_path: Path) -> None:
    made = official(tmp_path, {"train": 40, "val": 10, "test": 20, "": 10})
    split = split_of(made, folds=3, fold=2, assigned={"0.png": "test"})
    for record_ in split.records:
        tested = record_.extra["official_split"] == "test" or record_.image.name == "0.png"
        assert (record_.split == "test") == tested
        assert (record_.extra["fold"] == "") == tested
    again = split_of(split)
    assert not any("fold" in record.extra for record in again.records)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"folds": 1}, ConfigError, "folds: must be at least 2, got 1"),
        ({"folds": 3, "fold": 3}, ConfigError, "fold: must be from 0 to 2, got 3"),
        ({"folds": 3, "fold": -1}, ConfigError, "fold: must be from 0 to 2"),
        ({"folds": 3, "assigned": {"0.png": "val"}}, ConfigError, "val is a fold"),
        ({"folds": 9}, DatasetError, "4 groups of images .* cannot fill 9 folds"),
        ({"columns": ("absent",)}, ConfigError, "no column 'absent'"),
    ],
    ids=["one", "too-high", "negative", "val", "too-many", "column"],
)
def test_folds_and_columns_that_cannot_be_are_refused(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    made = dataset(tmp_path, [record(tmp_path, f"{n}.png") for n in range(4)])
    with pytest.raises(error, match=message):
        split_dataset(made, **options)


@pytest.mark.parametrize(
    "ratios",
    [(0, 0, 0), (1, -1, 1), (float("nan"), 1, 1), (1, 1), (float("inf"), 1, 1), (1e308,) * 3],
    ids=["zero", "negative", "nan", "two", "infinite", "endless-sum"],
)
def test_wrong_ratios_are_refused(tmp_path: Path, ratios: tuple[float, float, float]) -> None:
    with pytest.raises(ConfigError, match="ratios: must be three numbers"):
        split_dataset(dataset(tmp_path, [record(tmp_path, "0.png")]), ratios=ratios)


def test_splits_are_kept_as_they_are(tmp_path: Path) -> None:
    made = split_of(mixed(tmp_path, 20))
    plan = keep_splits(made)
    assert plan.dataset == made
    assert plan.groups.keys() == {record.image for record in made.records}


def test_leaking_splits_are_not_kept(tmp_path: Path) -> None:
    made = split_of(mixed(tmp_path, 20))
    first = next(record for record in made.records if record.split == "train")
    other = next(record for record in made.records if record.split == "test")
    with pytest.raises(LeakageError, match=r"in train and .* in test are of one patient"):
        keep_splits(made, alike=[(first, other)])
    moved = [replace(r, split="test") if r is first else r for r in made.records]
    several = sum(record.patient_id == first.patient_id for record in made.records) > 1
    assert several
    with pytest.raises(LeakageError, match=f"are of patient '{first.patient_id}'"):
        keep_splits(replace(made, records=tuple(moved)))
    unsplit = [replace(r, split=UNSPLIT) if r is first else r for r in made.records]
    with pytest.raises(DatasetError, match=r"is in no split.*leave out --as-is"):
        keep_splits(replace(made, records=tuple(unsplit)))


@pytest.mark.real_data
def test_the_pneumonia_set_by_patient(lucency_data: Path, tmp_path: Path) -> None:
    records = []
    for path in sorted((lucency_data / "pneumonia/train").rglob("*.jpeg")):
        name = path.name.split("_")[0] if path.name.startswith("person") else path.name[:-10]
        image = PurePosixPath("images/unknown", path.name)
        label = {"pneumonia": str(int(path.parent.name == "PNEUMONIA"))}
        records.append(
            ImageRecord(image, UNSPLIT, name, Status.UNKNOWN, 224, 224, path.name, "s", label)
        )
    split = split_of(Dataset(tmp_path, LabelMap(()), tuple(records)))
    check_no_group_is_torn(split)
    for value, total in (("0", 1341), ("1", 3875)):
        counts = Counter(r.split for r in split.records if r.extra["pneumonia"] == value)
        assert sum(counts.values()) == total
        for name, share in zip(SPLITS, (0.70, 0.15, 0.15), strict=True):
            assert abs(counts[name] / total - share) <= 0.002, (value, counts)
    # Patients of several images are as frequent in every part.
    sizes = {name: len(split.in_split(name)) for name in SPLITS}
    people = {name: len({r.patient_id for r in split.in_split(name)}) for name in SPLITS}
    means = [sizes[name] / people[name] for name in SPLITS]
    assert max(means) - min(means) < 0.05
