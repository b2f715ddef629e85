import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord, read_dataset, write_tables
from lucency.configs.errors import DatasetError, LeakageError
from lucency.datasets.leakage import check_leakage
from lucency.datasets.participants import participants
from lucency.datasets.placement import JOURNAL, apply_split
from lucency.datasets.split import SplitPlan, keep_splits, split_dataset
from lucency.datasets.split_lock import LOCK


def record(
    name: str, split: str, *, patient: str = "", status: Status = Status.NEGATIVE, **extra: str
) -> ImageRecord:
    image = PurePosixPath("images", split, name)
    digest = hashlib.sha256(name.encode()).hexdigest()
    return ImageRecord(image, split, patient, status, 8, 8, digest, "source", extra)


GOOD = (
    record("a.png", "train", patient="p1"),
    record("b.png", "train", patient="p1"),
    record("c.png", "val", patient="p2"),
    record("d.png", "test"),
    record("e.png", "val"),
)


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[..., Dataset]:
    """Makes a locked set of GOOD and more images, whether they leak or not."""

    def make(*more: ImageRecord, records: Sequence[ImageRecord] = GOOD) -> Dataset:
        made = Dataset(tmp_path, LabelMap(("fracture",)), (*records, *more))
        for one in made.records:
            made.image_path(one).parent.mkdir(parents=True, exist_ok=True)
            made.image_path(one).write_text(one.image.name)
        write_tables(made)
        groups = {one.image: one.image.name for one in participants(made)}
        return apply_split(SplitPlan(made, groups))

    return make


def test_a_clean_set_passes(dataset: Callable[..., Dataset]) -> None:
    check_leakage(dataset())
    check_leakage(dataset(records=()))


def test_two_images_without_a_patient_are_not_one_patient(dataset: Callable[..., Dataset]) -> None:
    check_leakage(dataset(record("f.png", "train"), record("g.png", "test")))


def test_a_patient_in_two_splits_is_named(dataset: Callable[..., Dataset]) -> None:
    made = dataset(record("f.png", "test", patient="p1"))
    with pytest.raises(LeakageError, match=r"patient 'p1' in train and test; run `lucency split"):
        check_leakage(made)


def test_identical_images_in_two_splits_are_named(dataset: Callable[..., Dataset]) -> None:
    made = dataset(replace(record("f.png", "test"), sha256=GOOD[0].sha256))
    with pytest.raises(LeakageError, match=r"identical images of a\.png in train and test"):
        check_leakage(made)


def test_identical_images_in_one_split_pass(dataset: Callable[..., Dataset]) -> None:
    twin = replace(record("f.png", "train"), sha256=GOOD[0].sha256)
    made = dataset(twin)
    made.image_path(twin).write_text("a.png")
    check_leakage(made)


def test_many_leaks_are_counted_in_one_line(dataset: Callable[..., Dataset]) -> None:
    leaks = [
        record(f"{patient}-{split}.png", split, patient=patient)
        for patient in ("q1", "q2", "q3", "q4", "q5")
        for split in ("train", "val")
    ]
    with pytest.raises(LeakageError) as caught:
        check_leakage(dataset(*leaks))
    text = str(caught.value)
    assert "'q3'" in text
    assert "'q4'" not in text
    assert "and 2 more" in text
    assert "\n" not in text


def test_near_duplicates_in_two_splits_are_named(tmp_path: Path) -> None:
    made = Dataset(tmp_path, LabelMap(("fracture",)), GOOD)
    for one in GOOD:
        made.image_path(one).parent.mkdir(parents=True, exist_ok=True)
        made.image_path(one).write_text(one.image.name)
    groups = {one.image: "7" for one in GOOD}
    apply_split(SplitPlan(made, groups))
    with pytest.raises(LeakageError, match=r"images/test/d\.png in test and .* belong together"):
        check_leakage(made)


def test_an_unsplit_set_is_refused(dataset: Callable[..., Dataset]) -> None:
    made = dataset(record("f.png", "unsplit"))
    with pytest.raises(DatasetError, match=r"1 of 6 images are in no split; run `lucency split"):
        check_leakage(made)


def test_unknown_images_need_a_split_only_if_a_label_is_known(
    dataset: Callable[..., Dataset],
) -> None:
    unknown = record("f.png", "unsplit", status=Status.UNKNOWN, tb="")
    check_leakage(dataset(unknown))
    with pytest.raises(DatasetError, match="1 of 6 images are in no split"):
        check_leakage(dataset(replace(unknown, extra={"tb": "0"})))
    labelled = record("g.png", "test", patient="p1", status=Status.UNKNOWN, tb="1")
    with pytest.raises(LeakageError, match="patient 'p1' in train and test"):
        check_leakage(dataset(labelled))


def test_an_image_of_which_nothing_is_known_may_not_be_in_a_split(
    dataset: Callable[..., Dataset],
) -> None:
    # A classifier would train on the first, whose label stands in a column that is none.
    odd = record("f.png", "train", status=Status.UNKNOWN, tb="1")
    other = record("g.png", "train", status=Status.UNKNOWN, tb="unsure")
    made = dataset(odd, other)
    with pytest.raises(DatasetError, match=r"f\.png is in train although neither boxes nor"):
        check_leakage(made)
    apply_split(keep_splits(made))
    check_leakage(read_dataset(made.root))


def test_an_interrupted_split_is_refused(dataset: Callable[..., Dataset]) -> None:
    made = dataset()
    (made.root / JOURNAL).write_text("{}")
    with pytest.raises(DatasetError, match="splitting was interrupted"):
        check_leakage(made)


def test_a_set_without_a_lock_that_holds_is_refused(dataset: Callable[..., Dataset]) -> None:
    made = dataset()
    made.image_path(GOOD[3]).write_text("other pixels")
    with pytest.raises(DatasetError, match=r"d\.png is no longer the file"):
        check_leakage(made)
    (made.root / LOCK).unlink()
    with pytest.raises(DatasetError, match=r"has no split\.lock\.json"):
        check_leakage(made)


def test_what_the_splitter_makes_passes(dataset: Callable[..., Dataset]) -> None:
    made = dataset()
    apply_split(split_dataset(made))
    again = read_dataset(made.root)
    check_leakage(again)
    apply_split(keep_splits(again))
    check_leakage(again)
