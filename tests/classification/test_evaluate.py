"""Classifiers are measured on what a set knows of their labels."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from lucency.annotations.records import Dataset
from lucency.classification.evaluate import Evaluation, evaluate, manifest_figures
from lucency.classification.measurement import compare, measure, measured_split
from lucency.classification.predictions import Model, Probabilities, bundle_model
from lucency.classification.report_tables import basis_line
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import DatasetError
from lucency.datasets.labelled import labelled_split

Truth = Callable[[int], dict[str, str]]


def silent(title: str) -> Callable[[int, int], None]:
    return lambda done, total: None


@pytest.fixture(scope="module")
def plain(make_set: Callable[..., Dataset], tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_set(tmp_path_factory.mktemp("set"), counts=(4, 12, 24))


@pytest.fixture
def labelled(plain: Dataset) -> Callable[[Truth], Dataset]:
    """The set with other columns, by the number of the row; not written."""

    def make(truth: Truth) -> Dataset:
        records = tuple(replace(r, extra=truth(n)) for n, r in enumerate(plain.records))
        return replace(plain, records=records)

    return make


def model(*names: str, slope: float = 1.0, **values: object) -> Model:
    """Says 0.9 of what is so and 0.2 of what is not, of every fifth image the reverse."""

    def predict(records, on_image) -> Probabilities:
        rows = []
        for record in records:
            number = int("".join(filter(str.isdigit, record.image.stem)))
            right = number % 5 != 0
            said = [record.label(name) in (right, None) for name in names]
            rows.append([0.5 + slope * (0.4 if yes else -0.3) for yes in said])
        return Probabilities(np.array(rows).reshape(-1, len(names)))

    usual = {"name": "m", "kind": "bundle", "sha256": "0", "class_names": names}
    return Model(**{**usual, "predict": predict, **values})  # type: ignore[arg-type]


def run(of: Model, dataset: Dataset, **values: object) -> Evaluation:
    return evaluate(of, dataset, "test", on_step=silent, **{"samples": 20, **values})  # type: ignore


def test_an_evaluation_has_all_its_parts(plain: Dataset) -> None:
    found = run(model("bright"), plain)
    label = found.measured.measures.labels["bright"]
    assert (label.positives, label.negatives) == (12, 12)
    assert label.points["balanced"].sensitivity.value == pytest.approx(10 / 12)
    assert found.measured.chief_point == "balanced"
    assert found.calibration["bright"].after.count == 24 and not found.is_calibrated
    assert found.compared is None and found.facts["labels"] == "bright"


def test_only_labels_that_the_set_knows_are_measured(plain: Dataset) -> None:
    found = run(model("tb", "bright"), plain)
    assert list(found.measured.measures.labels) == ["bright"]
    assert found.measured.measures.labels["bright"].auc.value == pytest.approx(
        run(model("bright"), plain).measured.measures.labels["bright"].auc.value
    )
    with pytest.raises(DatasetError, match="has no column 'tb'"):
        run(model("tb"), plain)


def test_a_misspelt_column_is_refused_before_images_are_read(plain: Dataset) -> None:
    def predict(records, on_image) -> Probabilities:
        raise AssertionError("an image was read")

    with pytest.raises(DatasetError, match="no column 'sight'"):
        run(model("bright", predict=predict), plain, by=["sight"])


def test_an_empty_split_is_not_taken_for_a_missing_column(plain: Dataset) -> None:
    records = tuple(replace(r, split="train") for r in plain.records)
    with pytest.raises(DatasetError, match="split 'test' has no image with a known bright"):
        run(model("bright"), replace(plain, records=records), by=["other"])


def test_the_basis_tells_images_whose_patient_is_unknown(plain: Dataset) -> None:
    split = [number for number, record in enumerate(plain.records) if record.split == "test"]
    told = []
    for nameless in (split[:0], split[:5], split):
        records = tuple(
            replace(record, patient_id="") if number in nameless else record
            for number, record in enumerate(plain.records)
        )
        measured = measure(
            model("bright"), replace(plain, records=records), "test", samples=0, on_step=silent
        )
        told.append(basis_line(measured.measures).split("; ")[1])
    assert told == [
        "24 patients.",
        "24 patients, 5 of them images whose patient is unknown.",
        "patients unknown.",
    ]


def kinds(number: int) -> dict[str, str]:
    return {"chest": str(int(number % 3 == 0)), "bone": str(int(number % 3 == 1)), "other": ""}


class TestExclusive:
    def test_each_image_is_one_of_them(self, labelled: Callable[[Truth], Dataset]) -> None:
        dataset = labelled(kinds)
        of = model("chest", "bone", "other", exclusive=True)
        split = measured_split(of, dataset, "test")
        # Row 16 is the first of the test images; every third is neither chest nor bone.
        assert len(split) == 16
        assert split.targets.sum(axis=1).tolist() == [1.0] * 16
        found = measure(of, dataset, "test", samples=0, on_step=silent).measures
        assert found.confusion is not None and found.confusion.sum() == 16
        assert found.accuracy is not None and found.accuracy.value is not None

    def test_two_at_once_are_refused(self, labelled: Callable[[Truth], Dataset]) -> None:
        dataset = labelled(lambda number: {"chest": "1", "bone": "1"})
        with pytest.raises(DatasetError, match=r"test0\.png: is chest and bone, which exclude"):
            measured_split(model("chest", "bone", exclusive=True), dataset, "test")

    def test_none_at_all_is_refused(self, labelled: Callable[[Truth], Dataset]) -> None:
        dataset = labelled(lambda number: {"chest": "0", "bone": "0"})
        with pytest.raises(DatasetError, match="no image of 'test' is any of chest, bone"):
            measured_split(model("chest", "bone", exclusive=True), dataset, "test")


class TestComparison:
    def test_is_of_the_labels_that_both_tell(self, plain: Dataset) -> None:
        found = run(model("bright"), plain, second=model("other", "bright", name="second"))
        assert found.compared is not None and found.compared.split.labels == ("bright",)
        differences = {one.name: one.difference.value for one in found.compared.differences}
        assert differences["auc_bright"] == pytest.approx(0.0)
        assert differences["auc_delong_bright"] == pytest.approx(0.0)

    def test_needs_a_label_in_common(self, plain: Dataset) -> None:
        measured = measure(model("bright"), plain, "test", samples=0, on_step=silent)
        with pytest.raises(DatasetError, match="second: tells other and m bright"):
            compare(measured, model("other", name="second"), plain, samples=0, on_step=silent)

    def test_notes_of_the_second_stand_under_its_name(self, plain: Dataset) -> None:
        second = model("bright", name="second", notes=("Seven rows were left out.",))
        notes = run(model("bright"), plain, second=second).notes
        assert "second: Seven rows were left out." in notes
        assert len(set(notes)) == len(notes)


def test_a_bundle_is_asked_once_an_image_and_calibrated_afterwards(plain: Dataset) -> None:
    asked: list[tuple[int, int]] = []
    classifier = SimpleNamespace(
        manifest=SimpleNamespace(
            name="stand-in",
            class_names=("bright",),
            exclusive=False,
            operating_points={"balanced": {"bright": 0.5}},
            kinds=("chest",),
            display=DisplaySpec(),
            calibration={"bright": "halves"},
            training_data={"name": "chests", "sha256": "0" * 64},
        ),
        bundle=SimpleNamespace(digest="1" * 64),
        classify_raw=lambda radiograph: np.float32([asked.append(radiograph.size_wh) or 0.8]),
        calibrated=lambda raw: (np.asarray(raw) / 2).astype(np.float32),
    )
    of = bundle_model(classifier, plain)  # type: ignore[arg-type]
    done: list[tuple[int, int]] = []
    records = plain.in_split("val")
    found = of.predict(records, lambda *counts: done.append(counts))
    assert len(asked) == 12 and done[-1] == (12, 12)
    assert found.raw is not None and found.raw[0, 0] == pytest.approx(0.8)
    assert found.values[0, 0] == pytest.approx(0.4)
    assert of.trained_on == "chests" and of.kinds == ("chest",)


def test_manifest_figures_leave_out_what_cannot_be_measured(
    labelled: Callable[[Truth], Dataset],
) -> None:
    dataset = labelled(lambda number: {"a": str(number % 2), "b": "1"})
    measures = measure(model("a", "b"), dataset, "test", samples=20, on_step=silent).measures
    figures, intervals = manifest_figures(measures)
    assert figures["images"] == 24 and figures["patients"] == 24
    assert (figures["positives_a"], figures["negatives_b"]) == (12, 0)
    assert figures["auc"] == figures["auc_a"] and "auc_b" not in figures
    assert "specificity_balanced_b" not in figures
    low, high = intervals["sensitivity_balanced_a"]
    assert low <= figures["sensitivity_balanced_a"] <= high


def test_thresholds_of_val_are_those_of_the_images_that_know_a_label(plain: Dataset) -> None:
    split = labelled_split(plain, split="val", labels=("other",), both_values=False)
    assert len(split) == 3  # every fourth
    found = measure(model("other"), plain, "val", samples=0, on_step=silent)
    assert found.thresholds.flattering and found.measures.labels["other"].auc.value is None
