import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import SPLITS, UNSPLIT, Dataset, ImageRecord
from lucency.configs.errors import ConfigError, DatasetError, LeakageError
from lucency.datasets.leakage import check_leakage
from lucency.datasets.split import read_assignments, split_dataset, unmatched
from lucency.datasets.stratify import IMAGES, stratify

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


def test_no_patient_stands_in_two_splits(tmp_path: Path) -> None:
    split = split_dataset(mixed(tmp_path, 60))
    check_leakage(split)
    assert {record.split for record in split.records} == set(SPLITS)


def test_every_class_and_negatives_have_their_share(tmp_path: Path) -> None:
    split = split_dataset(mixed(tmp_path, 150))
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
    split = split_dataset(dataset(tmp_path, records))
    for status, total in ((Status.ANNOTATED, 40), (Status.NEGATIVE, 33)):
        counts = Counter(record.split for record in split.records if record.status is status)
        for name, share in zip(SPLITS, (0.70, 0.15, 0.15), strict=True):
            assert abs(counts[name] - share * total) < 1, (status, counts)


def test_image_level_labels_are_balanced_too(tmp_path: Path) -> None:
    records = [
        record(tmp_path, f"{n}.png", tb=str(int(n % 5 == 0)), age=str(n)) for n in range(100)
    ]
    split = split_dataset(dataset(tmp_path, records))
    counts = Counter(record.split for record in split.records if record.label("tb"))
    assert counts == {"train": 14, "val": 3, "test": 3}


def test_the_order_of_the_files_does_not_matter(tmp_path: Path) -> None:
    made = mixed(tmp_path, 40)
    shuffled = sorted(made.records, key=lambda record: record.sha256)
    assert splits(split_dataset(made)) == splits(split_dataset(dataset(tmp_path, shuffled)))


def test_the_seed_decides(tmp_path: Path) -> None:
    made = mixed(tmp_path, 40)
    assert splits(split_dataset(made, seed=1)) == splits(split_dataset(made, seed=1))
    assert splits(split_dataset(made, seed=1)) != splits(split_dataset(made, seed=2))


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
    split = split_dataset(dataset(tmp_path, records))
    assert {record.split for record in split.records} == expected


def test_identical_images_stay_together(tmp_path: Path) -> None:
    records = [record(tmp_path, f"{n}.png", patient=f"p{n}") for n in range(30)]
    twins = [replace(records[n], sha256="same") for n in (0, 9, 18, 27)]
    split = split_dataset(dataset(tmp_path, [*records[1:9], *twins, *records[10:18]]))
    assert len({record.split for record in split.records if record.sha256 == "same"}) == 1
    check_leakage(split)


def test_unknown_images_stay_outside(tmp_path: Path) -> None:
    records = [record(tmp_path, f"{n}.png") for n in range(10)]
    records.append(record(tmp_path, "u.png", status=Status.UNKNOWN))
    split = split_dataset(dataset(tmp_path, records))
    assert splits(split)["u.png"] == UNSPLIT
    assert Counter(splits(split).values())[UNSPLIT] == 1


def test_assigned_images_bring_their_patient_along(tmp_path: Path) -> None:
    made = mixed(tmp_path, 30)
    names = [record.image.name for record in made.records if record.patient_id in ("p3", "p4")]
    split = split_dataset(made, assigned={names[0]: "test", "p9-0": "val"})
    of_patient = {record.patient_id: record.split for record in split.records}
    assert (of_patient["p3"], of_patient["p9"]) == ("test", "val")
    check_leakage(split)


def test_official_lists_of_positives_leave_the_negatives_to_the_ratios(tmp_path: Path) -> None:
    # FracAtlas: train.csv and valid.csv name images with fractures only.
    positives = [record(tmp_path, f"f{n}.jpg", classes=["fracture"]) for n in range(60)]
    negatives = [record(tmp_path, f"n{n}.jpg") for n in range(100)]
    assigned = {f"f{n}.jpg": "val" if n < 7 else "train" for n in range(60)}
    split = split_dataset(
        dataset(tmp_path, [*positives, *negatives]), ratios=(85, 15, 0), assigned=assigned
    )
    found = splits(split)
    assert {name: found[name] for name in assigned} == assigned
    counts = Counter(found[f"n{n}.jpg"] for n in range(100))
    assert counts == {"train": 85, "val": 15}


def test_one_patient_assigned_to_two_splits_is_refused(tmp_path: Path) -> None:
    made = dataset(tmp_path, [record(tmp_path, f"{n}.png", patient="P7") for n in range(2)])
    with pytest.raises(LeakageError, match=r"patient 'P7' is assigned to train \(0.png\) and to"):
        split_dataset(made, assigned={"0.png": "train", "1.png": "val"})


@pytest.mark.parametrize(
    ("assigned", "error", "message"),
    [
        ({"absent.png": "val"}, DatasetError, "none of the 1 assigned names"),
        ({"same": "val"}, DatasetError, "'same' fits"),
        ({"0.png": "valid"}, ConfigError, "must be one of train, val, test, got 'valid'"),
    ],
    ids=["no-match", "ambiguous", "no-split"],
)
def test_wrong_assignments_are_refused(
    tmp_path: Path, assigned: dict[str, str], error: type[Exception], message: str
) -> None:
    names = ("0.png", "same.png", "same.jpg")
    made = dataset(tmp_path, [record(tmp_path, name) for name in names])
    with pytest.raises(error, match=message):
        split_dataset(made, assigned=assigned)


@pytest.mark.parametrize(
    "ratios",
    [(0, 0, 0), (1, -1, 1), (float("nan"), 1, 1), (1, 1), (float("inf"), 1, 1)],
    ids=["zero", "negative", "nan", "two", "infinite"],
)
def test_wrong_ratios_are_refused(tmp_path: Path, ratios: tuple[float, float, float]) -> None:
    with pytest.raises(ConfigError, match="ratios: must be three numbers"):
        split_dataset(dataset(tmp_path, [record(tmp_path, "0.png")]), ratios=ratios)


def test_lists_are_read_with_and_without_heading(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("image_id,age\nimages/a.png,3\nb.png,4\n")
    (tmp_path / "valid.txt").write_text("\ufeffc.png\r\n\r\n", encoding="utf-8")
    lists = [("train", tmp_path / "train.csv"), ("val", tmp_path / "valid.txt")]
    assigned = read_assignments(lists)
    assert assigned == {"a.png": "train", "b.png": "train", "c.png": "val"}
    made = dataset(tmp_path, [record(tmp_path, "a.png"), record(tmp_path, "c.jpg")])
    assert unmatched(made, assigned) == ("b.png", "c.png")


def test_an_image_in_two_lists_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("image\na.png\n")
    with pytest.raises(LeakageError, match=r"a\.png stands in the list of train as well as of val"):
        read_assignments([("train", tmp_path / "a.csv"), ("val", tmp_path / "a.csv")])
    with pytest.raises(ConfigError, match="got 'valid'"):
        read_assignments([("valid", tmp_path / "a.csv")])


def test_swaps_mend_what_the_greedy_step_leaves() -> None:
    groups = [{IMAGES: n, "class a": n} for n in (7, 5, 4, 4, 3, 3, 2, 2)]
    placed = stratify(groups, {"train": 0.5, "val": 0.5})
    sums = Counter[str]()
    for group, split in zip(groups, placed, strict=True):
        sums[split] += group[IMAGES]
    assert set(sums.values()) == {15}


def test_no_groups_are_no_mistake() -> None:
    assert stratify([], {"train": 1.0}) == []
