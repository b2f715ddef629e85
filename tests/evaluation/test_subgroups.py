"""Groups from the table, and figures of groups made by hand."""

from pathlib import PurePosixPath

import numpy as np
import pytest

from lucency.annotations.findings import Status
from lucency.annotations.records import ImageRecord
from lucency.configs.errors import DatasetError
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.measuring import measure_detections
from lucency.evaluation.subgroups import (
    NOT_STATED,
    OTHER,
    SIZES,
    SMALLEST,
    Subgroup,
    measure_sizes,
    measure_subgroups,
    subgroups,
)

ONE = ("a",)
HALF = {"a": 0.5}


def records(**columns):
    """Records with these columns; every other one has findings."""
    count = len(next(iter(columns.values()), range(60)))
    return [
        ImageRecord(
            image=PurePosixPath(f"images/val/{number}.png"),
            split="val",
            patient_id="",
            status=Status.ANNOTATED if number % 2 else Status.NEGATIVE,
            width=100,
            height=100,
            sha256="",
            source="coco.json",
            extra={name: str(values[number]) for name, values in columns.items()},
        )
        for number in range(count)
    ]


def told(groups):
    return [(group.column, group.value, len(group.images)) for group in groups]


def test_columns_worth_comparing_are_found():
    found = subgroups(
        records(
            view=["frontal"] * 30 + ["lateral"] * 50,
            constant=["x"] * 80,
            unique=range(80),
            fractured=[number % 2 for number in range(80)],
            rare=["usual"] * 70 + ["rare"] * 10,
            empty=[""] * 80,
        )
    )
    assert told(found) == [("view", "lateral", 50), ("view", "frontal", 30)]
    assert "images/val/0.png" in found[1].images


def test_a_column_that_is_named_is_always_told():
    table = records(rare=["usual"] * 50 + ["rare"] * 10, fractured=[1, 0] * 30)
    assert told(subgroups(table, ["rare", "source", "fractured"])) == [
        ("rare", "usual", 50),
        ("rare", "rare", 10),
        ("source", "coco.json", 60),
        ("fractured", "0", 30),
        ("fractured", "1", 30),
    ]


def test_small_values_are_pooled_and_missing_ones_told():
    values = ["a"] * 30 + ["b"] * 25 + ["c"] * 12 + ["d"] * 3 + [""] * 4
    assert told(subgroups(records(site=values), ["site"])) == [
        ("site", "a", 30),
        ("site", "b", 25),
        ("site", OTHER, 15),
        ("site", NOT_STATED, 4),
    ]


def test_ages_are_in_bands():
    ages = ["17", "017Y", "006M", "18", "39.5", "40", "64", "065Y", "90", "", "old", "999"]
    assert told(subgroups(records(age=ages), ["age"])) == [
        ("age", "under 18", 3),
        ("age", "18 to 39", 2),
        ("age", "40 to 64", 2),
        ("age", "65 and over", 2),
        ("age", NOT_STATED, 3),
    ]


def test_an_unknown_column_is_refused():
    with pytest.raises(DatasetError, match="no column 'scanner'; subgroups can be by one of"):
        subgroups(records(view=["x"] * 4), ["scanner"])


@pytest.mark.parametrize("columns", [None, []], ids=["all", "none"])
def test_no_records_have_no_groups(columns):
    assert subgroups([], columns) == ()


def scored(number, *, score, side=10.0, found=True, marked=True, name=None):
    """An image with a finding of ``side`` px at the corner and a box on it, or on nothing."""
    here = np.array([[0.0, 0, side, side]])
    box = here if found else here + 50
    zero = np.zeros(1, np.int64)
    name = name or f"images/val/{number}.png"
    truth = ImageTruth(name, (100, 100), here[: int(marked)], zero[: int(marked)])
    return truth, ImagePredictions(name, box, np.array([score]), zero)


def test_groups_are_measured_on_their_own_images():
    good = [scored(number, score=0.9, marked=number % 2 > 0) for number in range(30)]
    bad = [scored(number, score=0.9, found=False) for number in range(30, 60)]
    truths, predictions = zip(*good, *bad, strict=True)
    table = records(view=["good"] * 30 + ["bad"] * 30)
    found = measure_subgroups(
        truths, predictions, subgroups(table), class_names=ONE, thresholds=HALF, samples=50
    )
    assert [(row.column, row.value) for row in found] == [("view", "bad"), ("view", "good")]
    assert (found[0].recall.value, found[1].recall.value) == (0.0, 1.0)
    assert [row.false_positives_per_image.value for row in found] == [1.0, 0.5]
    assert (found[1].images, found[1].negatives, found[1].findings) == (30, 15, 15)
    # An image without negatives has no AUC; positives and negatives score alike.
    assert found[0].image_auc.value is None
    assert found[1].image_auc.value == 0.5
    assert found[1].false_positives_per_image.low < 0.5
    whole = measure_detections(
        truths[:30],
        predictions[:30],
        class_names=ONE,
        thresholds={"balanced": HALF},
        samples=50,
    )
    assert found[1].ap50 == whole.map50


def test_small_groups_are_counted_and_not_measured():
    images = [scored(number, score=0.9) for number in range(SMALLEST - 1)]
    truths, predictions = zip(*images, strict=True)
    group = Subgroup("site", "a", frozenset(truth.image for truth in truths))
    absent = Subgroup("site", "b", frozenset({"elsewhere.png"}))
    (row,) = measure_subgroups(
        truths, predictions, [group, absent], class_names=ONE, thresholds=HALF
    )
    assert row.too_small
    assert (row.images, row.findings, row.recall.value) == (SMALLEST - 1, SMALLEST - 1, None)


def test_sizes_are_measured_apart():
    """Findings of 4, 10 and 30 px in 100: the small are missed, a medium box is false."""
    small = [scored(n, score=0.9, side=4, found=False, name=f"s{n}") for n in range(6)]
    medium = [scored(n, score=0.9, side=10, name=f"m{n}") for n in range(4)]
    large = [scored(n, score=0.9, side=30, name=f"l{n}") for n in range(2)]
    stray = [scored(0, score=0.9, side=10, marked=False, name="stray")]
    truths, predictions = zip(*small, *medium, *large, *stray, strict=True)
    found = measure_sizes(truths, predictions, class_names=ONE, thresholds=HALF, samples=0)
    assert [row.value for row in found] == [name for name, _ in SIZES]
    assert [row.findings for row in found] == [6, 4, 2]
    assert [row.recall.value for row in found] == [0.0, 1.0, 1.0]
    assert [row.false_positives_per_image.value for row in found] == [6 / 13, 1 / 13, 0]
    assert [row.ap50.value for row in found] == [0.0, 1.0, 1.0]
    # An image with findings of another size is no negative.
    assert {(row.images, row.negatives) for row in found} == {
        (13, sum(not len(t.class_ids) for t in truths))
    }


def test_a_poor_box_on_a_finding_counts_with_the_size_of_the_finding():
    """A box of 14 px, medium, on a finding of 16 px, large, with IoU below 0.5."""
    truth = ImageTruth("0", (100, 100), np.array([[0.0, 0, 16, 16]]), np.zeros(1, np.int64))
    box = np.array([[6.0, 6, 20, 20]])
    predictions = ImagePredictions("0", box, np.array([0.9]), np.zeros(1, np.int64))
    found = measure_sizes([truth], [predictions], class_names=ONE, thresholds=HALF, samples=0)
    assert [row.false_positives_per_image.value for row in found] == [0, 0, 1]


def test_sizes_without_images_have_no_figures():
    found = measure_sizes([], [], class_names=ONE, thresholds=HALF, samples=10)
    assert [row.recall.value for row in found] == [None, None, None]
