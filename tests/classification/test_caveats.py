"""What a report must say before a classifier's figures are believed."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lucency.annotations.records import Dataset
from lucency.classification.caveats import notes_on
from lucency.classification.predictions import Model, Probabilities
from lucency.classification.thresholds import ChosenThresholds, thresholds_of
from lucency.datasets.digest import table_digest
from lucency.datasets.labelled import LabelledSplit, labelled_split

POINTS = {"balanced": {"bright": 0.5}}
CHOSEN = ChosenThresholds(POINTS, "chosen elsewhere")


@pytest.fixture(scope="module")
def dataset(make_set: Callable[..., Dataset], tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_set(tmp_path_factory.mktemp("sets") / "chests")


@pytest.fixture
def held_out(dataset: Dataset) -> LabelledSplit:
    return labelled_split(dataset, split="test", labels=("bright",))


def model(**values: object) -> Model:
    usual = {
        "name": "m",
        "kind": "bundle",
        "sha256": "0",
        "class_names": ("bright",),
        "predict": lambda records, on_image: Probabilities(np.full((len(records), 1), 0.5)),
    }
    return Model(**{**usual, **values})  # type: ignore[arg-type]


def silent(title: str) -> Callable[[int, int], None]:
    return lambda done, total: None


def test_nothing_is_said_where_nothing_must_be(dataset: Dataset, held_out: LabelledSplit) -> None:
    trained_here = model(data_sha256=table_digest(dataset), trained_on="chests")
    assert notes_on(trained_here, dataset, held_out, CHOSEN) == ()


@pytest.mark.parametrize("kind", ["bundle", "table of probabilities"])
@pytest.mark.parametrize("trained_here", [False, True], ids=["elsewhere", "here"])
def test_what_flatters_is_named(
    dataset: Dataset, held_out: LabelledSplit, kind: str, trained_here: bool
) -> None:
    digest = table_digest(dataset) if trained_here else ""
    flattering = replace(CHOSEN, flattering=True)
    (note,) = notes_on(model(kind=kind, data_sha256=digest), dataset, held_out, flattering)
    assert "sensitivity, specificity and all other figures at operating points flatter" in note
    assert ("so do ECE and Brier score" in note) is (kind == "bundle")
    assert ("training kept the epoch that was best on them" in note) is trained_here


@pytest.mark.parametrize(
    ("trained_on", "told"),
    [
        ("elsewhere", "was trained on another set ('elsewhere')"),
        ("", "was trained on another set, or"),
        ("chests", "it has probably learnt from some of the images measured here"),
    ],
)
def test_another_training_set_is_told(
    dataset: Dataset, held_out: LabelledSplit, trained_on: str, told: str
) -> None:
    (note,) = notes_on(
        model(data_sha256="f" * 64, trained_on=trained_on), dataset, held_out, CHOSEN
    )
    assert told in note


def test_the_training_split_says_nothing_of_others(dataset: Dataset) -> None:
    split = labelled_split(dataset, split="train", labels=("bright",))
    (note,) = notes_on(model(), dataset, split, CHOSEN)
    assert note.startswith("Models learn from the training split")


@pytest.mark.parametrize(
    ("value", "told"),
    [(1, "6 images of 'test' all have 'bright'"), (0, "none have 'bright'"), (np.nan, "not known")],
    ids=["all", "none", "unknown"],
)
def test_a_label_of_one_value_is_told(
    dataset: Dataset, held_out: LabelledSplit, value: float, told: str
) -> None:
    one = replace(held_out, targets=np.full((6, 1), value, dtype=np.float32))
    (note,) = notes_on(model(), dataset, one, CHOSEN)
    assert told in note


def test_labels_that_the_set_does_not_know_are_told(
    dataset: Dataset, held_out: LabelledSplit
) -> None:
    (note,) = notes_on(model(class_names=("bright", "tb")), dataset, held_out, CHOSEN)
    assert note == "The set says nothing of tb: not measured."


def test_labels_that_are_only_left_out_of_a_comparison_are_known_to_the_set(
    dataset: Dataset, held_out: LabelledSplit
) -> None:
    assert notes_on(model(class_names=("bright", "other")), dataset, held_out, CHOSEN) == ()


@pytest.mark.parametrize(
    ("kinds", "parts", "told"),
    [
        ((), ["HAND"] * 6, None),
        (("chest",), ["chest", "CHEST", "THORAX", "", "chest", "chest"], None),
        (("chest", "bone"), ["chest", "hand"] * 3, None),
        (("chest",), ["hand", "wrist", "hand"] + ["chest"] * 3, "3 of 6 images .* (hand, wrist)"),
        (("bone",), ["chest"] * 2 + ["wrist"] * 4, "2 of 6 images are of another part (chest)"),
    ],
    ids=["any", "chests", "both", "hands", "chests for bones"],
)
def test_images_of_another_part_of_the_body_are_counted(
    dataset: Dataset,
    held_out: LabelledSplit,
    kinds: tuple[str, ...],
    parts: list[str],
    told: str | None,
) -> None:
    records = tuple(
        replace(record, extra={"body_part": part})
        for record, part in zip(held_out.records, parts, strict=True)
    )
    notes = notes_on(model(kinds=kinds), dataset, replace(held_out, records=records), CHOSEN)
    assert len(notes) == (told is not None)
    for note in notes:
        assert all(piece in note for piece in str(told).split(" .* "))


def test_without_anything_to_choose_on_the_only_point_is_a_half(
    dataset: Dataset, held_out: LabelledSplit
) -> None:
    of_test = model(covers=frozenset(str(r.image) for r in held_out.records))
    found = of_test.predict(held_out.records, None)
    chosen = thresholds_of(of_test, dataset, held_out, found, silent)
    assert chosen.values == {"0.5": {"bright": 0.5}} and not chosen.flattering
    notes = notes_on(of_test, dataset, held_out, chosen)
    assert any("No operating point was chosen" in note for note in notes)
    everywhere = thresholds_of(model(), dataset, held_out, found, silent)
    assert set(everywhere.values) == {"screening", "balanced", "specific"}
    assert everywhere.origin == "chosen on the set's 6 images of 'val'"
    assert everywhere.chosen_on is not None and len(everywhere.chosen_on[0]) == 6
