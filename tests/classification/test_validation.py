"""Calibration, thresholds and figures that a bundle owes to validation data, and its card."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord
from lucency.classification.card_pictures import CURVES, card_pictures
from lucency.classification.evaluate import manifest_figures
from lucency.classification.model_card import model_card, started_from
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.validation import Validation, validate
from lucency.configs.bundle import BundleManifest
from lucency.datasets.labelled import LabelledSplit, labelled_split

COUNT = 120
PARITY = {
    "images": 120.0, "probability": 0.01, "mean_probability": 1e-3, "auc_drop": 0.001,
    "verdicts": 120.0, "changed": 0.01,
}  # fmt: skip


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Two sites, with ``a`` in a third of the images and the colours of traffic lights."""
    records = []
    for split, count in (("train", 4), ("val", COUNT)):
        for number in range(count):
            kind = ("chest", "bone", "other")[number % 3]
            extra = {name: str(int(name == kind)) for name in ("chest", "bone", "other")}
            extra |= {"a": str(int(number % 3 == 0)), "site": ("north", "south")[number % 2]}
            records.append(
                ImageRecord(
                    image=PurePosixPath("images", split, f"{number}.png"),
                    split=split,
                    patient_id=f"{split}{number // 2}",
                    status=Status.UNKNOWN,
                    width=40,
                    height=40,
                    sha256=f"{number:064}",
                    source="",
                    extra=extra,
                )
            )
    return Dataset(Path("lights"), LabelMap(()), tuple(records))


def raw_of(split: LabelledSplit, *, overconfident: float = 3.0) -> np.ndarray:
    """Scores of a fair network that is too sure of itself."""
    noise = np.random.default_rng(0).normal(size=split.targets.shape)
    logits = overconfident * (1.5 * split.targets - 0.75 + noise)
    if len(split.labels) > 1:
        powers = np.exp(logits)
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    return np.asarray(1 / (1 + np.exp(-logits)))


@pytest.fixture(scope="module")
def validated(
    dataset: Dataset, make_config: Callable[..., ClassificationConfig]
) -> Callable[..., tuple[ClassificationConfig, Validation]]:
    def run(**changes: object) -> tuple[ClassificationConfig, Validation]:
        config = make_config(**{"labels": ["a"], **changes})
        split = labelled_split(dataset, split="val", labels=config.labels)
        return config, validate(
            raw_of(split), split, config, samples=20, on_step=lambda _: lambda *_: None
        )

    return run


EXCLUSIVE = {"labels": ["chest", "bone", "other"], "exclusive": True, "loss": "cross_entropy"}
Validated = Callable[..., tuple[ClassificationConfig, Validation]]


def card_of(config: ClassificationConfig, found: Validation, dataset: Dataset) -> str:
    metrics, intervals = manifest_figures(found.measures)
    manifest = BundleManifest(
        name="lights",
        task="classification",
        architecture=config.network,
        class_names=config.labels,
        input_size=config.input_size,
        input_channels=config.channels,
        precision="int8",
        display=config.display,
        display_digest=config.display.digest(),
        exclusive=config.exclusive,
        role=config.role,
        kinds=config.kinds,
        calibration=found.calibration,
        operating_points=found.points.to_manifest(),
        default_operating_point="balanced",
        metrics=metrics,
        metric_intervals=intervals,
        metrics_split="val",
        parity=PARITY,
        training_data={},
        libraries={},
        licence=config.licence,
        commercial_use=config.commercial_use,
        intended_use=config.intended_use,
        created="2026-01-01",
        files={},
    )
    environment = {
        "dataset": "lights", "dataset_csv_sha256": "0" * 64, "source": "Drawn. Licence: CC0.",
    }  # fmt: skip
    pictures = list(card_pictures(found))
    return model_card(manifest, config, environment, found, dataset=dataset, pictures=pictures)


def test_a_temperature_mends_what_is_too_sure(validated: Validated) -> None:
    _, found = validated()
    assert found.calibration["a"].slope < 0.8
    effect = found.effects["a"]
    assert effect.after.ece.value < 0.8 * effect.before.ece.value
    assert effect.after.brier.value < effect.before.brier.value


def test_points_are_chosen_on_calibrated_probabilities_by_the_recipe(validated: Validated) -> None:
    targets = {"screening_sensitivity": 0.8, "specific_specificity": 0.99}
    _, found = validated(operating_points=targets)
    _, raw = validated(operating_points=targets, calibration="none")
    assert raw.calibration == {}
    rates = found.measures.labels["a"].points
    assert 0.8 <= rates["screening"].sensitivity.value < 0.9
    assert rates["specific"].specificity.value >= 0.99
    assert rates["screening"].threshold != raw.measures.labels["a"].points["screening"].threshold
    # The order of the images stays, so that every figure but the thresholds does.
    assert rates["screening"].tp == raw.measures.labels["a"].points["screening"].tp
    assert found.measures.mean_auc == raw.measures.mean_auc


def test_exclusive_labels_share_a_temperature(validated: Validated) -> None:
    _, found = validated(**EXCLUSIVE)
    assert len({one.slope for one in found.calibration.values()}) == 1
    assert found.measures.confusion is not None and found.measures.confusion.sum() == COUNT
    figures, intervals = manifest_figures(found.measures)
    assert intervals["accuracy"][0] <= figures["accuracy"] <= intervals["accuracy"][1]


def test_figures_have_intervals_over_patients(validated: Validated) -> None:
    figures, intervals = manifest_figures(validated()[1].measures)
    assert figures["patients"] == COUNT / 2 and figures["positives_a"] == COUNT / 3
    low, high = intervals["auc_a"]
    assert low < figures["auc_a"] < high


def test_the_card_tells_a_reader_what_to_know(validated: Validated, dataset: Dataset) -> None:
    config, found = validated(
        commercial_use=False, kinds=["chest"], weights="/secret/place/runs/first/best.safetensors",
        intended_use="Research on lights of children aged one to five.", role="findings",
    )  # fmt: skip
    card = " ".join(card_of(config, found, dataset).split())
    for words in (
        "For research use only", "Not for commercial use",
        "Research on lights of children aged one to five.", "chest radiographs",
        "Drawn. Licence: CC0.", "| images | 4 | 120 |", "| a | 2 yes, 2 no | 40 yes, 80 no |",
        "`first/best.safetensors`", "so the figures flatter", "120 images of 60 patients",
        "Calibrated on the validation split (a temperature)", "| label | figure | before | after |",
        "with a sensitivity of 95%", "| site | north | a | 20 | 40 |", "still misses",
        "stored in 8 bits", "AUC falls by 0.0010", f"({CURVES})",
    ):  # fmt: skip
        assert words in card, words
    assert "secret" not in card
    assert card.count("```") == 2


def test_the_card_of_a_router(validated: Validated, dataset: Dataset) -> None:
    config, found = validated(**EXCLUSIVE, role="router", calibration="none")
    card = " ".join(card_of(config, found, dataset).split())
    for words in (
        "one of chest, bone, other", "The most probable label is right in", "| truth, by row |",
        "not calibrated", "| label | figure | value |", "random numbers", "where an image belongs",
    ):  # fmt: skip
        assert words in card, words
    assert "healthy patient" not in card and "Not for commercial use" not in card


def test_pictures_are_small(validated: Validated) -> None:
    for changes in ({}, EXCLUSIVE):
        (data,) = card_pictures(validated(**changes)[1]).values()
        assert len(data) <= 60_000
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (460, 1000, 3) and image.std() > 5


def test_without_a_curve_there_is_no_picture(
    dataset: Dataset, make_config: Callable[..., ClassificationConfig]
) -> None:
    split = LabelledSplit("val", ("a",), dataset.in_split("val")[:4], np.ones((4, 1), np.float32))
    config = make_config(labels=["a"])
    found = validate(
        np.full((4, 1), 0.6), split, config, samples=5, on_step=lambda _: lambda *_: None
    )
    assert card_pictures(found) == {}
    card = card_of(config, found, dataset)
    assert "Too rare to be calibrated: a" in card and "card_curves" not in card
    assert "not calibrated" in card and "Calibrated on the validation split" not in card


def test_the_card_names_no_method_of_labels_that_were_not_calibrated(
    dataset: Dataset, make_config: Callable[..., ClassificationConfig]
) -> None:
    config = make_config(labels=["a", "rare"], calibration="isotonic")
    both = labelled_split(dataset, split="val", labels=["a", "other"])
    targets = both.targets.copy()
    targets[:, 1] = np.arange(COUNT) < 2
    split = LabelledSplit("val", config.labels, both.records, targets)
    raw = 1 / (1 + np.exp(-(targets + np.random.default_rng(0).normal(size=targets.shape))))
    found = validate(
        raw.astype(np.float64), split, config, samples=5, on_step=lambda _: lambda *_: None
    )
    assert found.uncalibrated == ("rare",)
    card = " ".join(card_of(config, found, dataset).split())
    assert "(isotonic regression). Too rare to be calibrated: rare." in card


@pytest.mark.parametrize(
    ("weights", "told"),
    [("imagenet", "ImageNet"), ("none", "random"), ("a\\b\\c.pt", "`b/c.pt`"), ("tb", "`tb`")],
)
def test_where_a_training_began(
    make_config: Callable[..., ClassificationConfig], weights: str, told: str
) -> None:
    assert told in started_from(make_config(weights=weights))
