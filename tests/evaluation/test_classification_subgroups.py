"""A classifier's figures by the columns of the table."""

from pathlib import PurePosixPath

import numpy as np
import pytest

from lucency.annotations.findings import Status
from lucency.annotations.records import ImageRecord
from lucency.configs.errors import DatasetError
from lucency.evaluation.classification_subgroups import measure_classification_subgroups
from lucency.evaluation.classifying import measure_classification
from lucency.evaluation.subgroups import SMALLEST

NAMES = ("tb",)
POINTS = {"balanced": {"tb": 0.5}}
# In one site the model is right, in the other it says the opposite.
SITES = ["good"] * 40 + ["bad"] * 30
TRUTH = np.array([[number % 2] for number in range(70)], dtype=np.float64)
PROBABILITIES = np.where(np.arange(70)[:, None] < 40, TRUTH * 0.8 + 0.1, 0.9 - TRUTH * 0.8)


def records(**columns):
    return [
        ImageRecord(
            image=PurePosixPath(f"images/unknown/{number}.png"),
            split="test",
            patient_id=f"p{number // 4}",
            status=Status.UNKNOWN,
            width=100,
            height=100,
            sha256="",
            source="labels.csv",
            extra={name: str(values[number]) for name, values in columns.items()},
        )
        for number in range(len(next(iter(columns.values()))))
    ]


def measured(table, truth=TRUTH, probabilities=PROBABILITIES, **options):
    options = {"class_names": NAMES, "points": POINTS, "samples": 20, **options}
    return measure_classification_subgroups(table, truth, probabilities, **options)


def test_groups_are_measured_on_their_own_images():
    found = measured(records(site=SITES))
    assert [(one.column, one.value, one.images) for one in found] == [
        ("site", "good", 40),
        ("site", "bad", 30),
    ]
    assert [one.measures.mean_auc.value for one in found] == [1.0, 0.0]
    assert (found[1].positives, found[1].negatives) == ({"tb": 15}, {"tb": 15})
    table = records(site=SITES)
    alone = measure_classification(
        TRUTH[40:],
        PROBABILITIES[40:],
        [record.patient_id for record in table[40:]],
        class_names=NAMES,
        points=POINTS,
        samples=20,
    )
    assert found[1].measures.labels["tb"].points == alone.labels["tb"].points
    assert found[1].measures.patients == alone.patients < 30


def test_columns_are_told_that_have_several_values_and_do_not_tell_the_label():
    table = records(
        view=["frontal"] * 35 + ["lateral"] * 35,
        tb=[number % 2 for number in range(70)],
        pathogen=["virus" if number % 4 == 1 else "" for number in range(70)],
        constant=["x"] * 70,
        unique=range(70),
        rare=["usual"] * 60 + ["rare"] * 10,
    )
    assert {one.column for one in measured(table)} == {"view"}


def test_other_labels_of_the_model_are_no_subgroups():
    truth = np.stack([TRUTH[:, 0], np.arange(70) % 4 < 2], axis=1)
    table = records(tb=TRUTH[:, 0], effusion=truth[:, 1], site=SITES)
    names = ("tb", "effusion")
    found = measured(
        table,
        truth,
        np.repeat(PROBABILITIES, 2, axis=1),
        class_names=names,
        points={"balanced": dict.fromkeys(names, 0.5)},
    )
    assert {one.column for one in found} == {"site"}


def test_small_groups_are_counted_and_not_measured():
    sites = ["large"] * (70 - SMALLEST + 1) + ["small"] * (SMALLEST - 1)
    truth = TRUTH.copy()
    truth[-4:] = np.nan
    found = measured(records(site=sites), truth, columns=["site"])
    assert [(one.value, one.too_small) for one in found] == [("large", False), ("small", True)]
    assert found[1].measures is None
    assert (found[1].images, found[1].positives, found[1].negatives) == (19, {"tb": 8}, {"tb": 7})


def test_labels_that_exclude_each_other_have_an_accuracy_by_group():
    truth = np.concatenate([TRUTH, 1 - TRUTH], axis=1)
    probabilities = np.concatenate([PROBABILITIES, 1 - PROBABILITIES], axis=1)
    names = ("fractured", "healthy")
    found = measured(
        records(site=SITES), truth, probabilities, class_names=names, points={}, exclusive=True
    )
    assert [one.measures.accuracy.value for one in found] == [1.0, 0.0]


def test_no_records_have_no_groups():
    assert measured([], np.zeros((0, 1)), np.zeros((0, 1))) == ()


def test_wrong_input_is_refused():
    with pytest.raises(DatasetError, match="no column 'scanner'"):
        measured(records(site=SITES), columns=["scanner"])
    with pytest.raises(ValueError, match="there must be 70 records, got 5"):
        measured(records(site=SITES)[:5])
