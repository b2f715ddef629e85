"""What features tell of a column, asked of patients that the probe has not seen."""

from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord
from lucency.classification.feature_probe import check_columns, column_of, patients_of, probe
from lucency.configs.errors import DatasetError


def features_of(values: list[str], *, told: bool, seed: int = 0) -> np.ndarray:
    """Features (N, 40) of noise, where ``told`` with one for each value that is high there."""
    features = np.random.default_rng(seed).normal(size=(len(values), 40)).astype(np.float32)
    if told:
        features[np.arange(len(values)), np.unique(values, return_inverse=True)[1]] += 20
    return features


def own_patients(count: int) -> list[str]:
    return [str(n) for n in range(count)]


def record(number: int, patient: str = "", **extra: str) -> ImageRecord:
    image = PurePosixPath("images", "val", f"{number}.png")
    return ImageRecord(image, "val", patient, Status.NEGATIVE, 9, 9, "", "table.csv", extra)


def test_a_site_in_the_features_is_found() -> None:
    values = ["a"] * 60 + ["b"] * 30 + ["c"] * 10
    found = probe(features_of(values, told=True), values, own_patients(100), column="site")
    assert (found.values, found.images, found.reason) == (3, 100, "")
    assert found.chance == pytest.approx(0.6)
    assert found.accuracy.value == pytest.approx(1.0, abs=0.02)


def test_noise_tells_nothing() -> None:
    values = ["a", "b"] * 100
    found = probe(features_of(values, told=False), values, own_patients(200), column="site")
    assert found.accuracy.value is not None
    assert found.accuracy.low is not None
    assert found.accuracy.high is not None
    assert found.accuracy.low < 0.5 < found.accuracy.high
    assert found.accuracy.high - found.accuracy.low < 0.2


def test_a_patient_is_never_on_both_sides() -> None:
    """Features tell the patient alone, so only a leak could tell the value."""
    patients = [str(n // 10) for n in range(200)]
    values = [str(int(patient) % 2) for patient in patients]
    centres = np.random.default_rng(1).normal(size=(20, 40)) * 10
    features = centres[[int(patient) for patient in patients]].astype(np.float32)
    grouped = probe(features, values, patients, column="tb")
    leaking = probe(features, values, own_patients(200), column="tb")
    assert leaking.accuracy.value == 1.0
    assert grouped.accuracy.value is not None
    assert grouped.accuracy.value < 0.9
    # The interval is one of 20 patients.
    assert grouped.accuracy.high is not None
    assert grouped.accuracy.low is not None
    assert grouped.accuracy.high - grouped.accuracy.low > 0.25


def test_the_same_seed_gives_the_same_figures() -> None:
    values = ["a", "b"] * 30
    features = features_of(values, told=False)
    first, again = (
        probe(features, values, own_patients(60), column="site", seed=4) for _ in range(2)
    )
    assert first == again


def test_empty_and_rare_values_take_no_part() -> None:
    values = ["a"] * 20 + ["b"] * 20 + [""] * 10 + ["rare"] * 4
    found = probe(features_of(values, told=True), values, own_patients(54), column="site")
    assert (found.values, found.images) == (2, 40)
    assert found.chance == 0.5


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "fewer than two values"),
        ([""] * 9, "fewer than two values"),
        (["a"] * 40, "fewer than two values"),
        (["a"] * 40 + ["b"] * 4, "fewer than two values with 5 patients"),
        ([str(n) for n in range(21)] * 9, "more than 20 values"),
    ],
    ids=["no image", "not stated", "one value", "too few of the second", "too many values"],
)
def test_what_cannot_be_measured_says_why(values: list[str], reason: str) -> None:
    features = np.ones((len(values), 3), np.float32)
    found = probe(features, values, own_patients(len(values)), column="x")
    assert found.reason.startswith(reason)
    assert found.chance is None
    assert found.accuracy.value is None


def test_a_value_of_one_patient_takes_no_part_however_many_images_it_has() -> None:
    values = ["a"] * 40 + ["b"] * 40
    patients = [*own_patients(40), *["same"] * 40]
    assert probe(features_of(values, told=True), values, patients, column="x").chance is None


def test_columns_are_those_of_the_table_and_its_further_ones() -> None:
    records = [record(0, "p", site=" x "), record(1)]
    assert column_of(records, "site") == ("x", "")
    assert column_of(records, "patient_id") == ("p", "")
    assert column_of(records, "status") == ("negative", "negative")


def test_an_image_without_a_patient_is_its_own() -> None:
    first, same, second, third = patients_of([record(0, "p"), record(1, "p"), record(2), record(3)])
    assert first == same
    assert len({first, second, third}) == 3


def test_an_unknown_column_is_refused_with_those_there_are() -> None:
    dataset = Dataset(Path("set"), LabelMap(("a",)), (record(0, site="x"),))
    check_columns(dataset, ["site", "patient_id", "width"])
    with pytest.raises(DatasetError, match=r"no column 'sites'; its columns are: patient_id, site"):
        check_columns(dataset, ["site", "sites"])
