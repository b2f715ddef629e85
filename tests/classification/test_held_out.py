"""Predictions of held-out images: what is written is read again, to the last digit."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lucency.annotations.records import read_dataset
from lucency.classification.held_out import (
    HeldOut,
    predict_best,
    read_held_out,
    together,
    write_held_out,
)
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.train import train
from lucency.configs.errors import DatasetError

HELD = HeldOut(
    labels=("tb", "scar, old"),
    images=("images/a.png", 'images/b "2".png', "images/c.png"),
    folds=("1", "1", "2"),
    patients=("p1", "", "p2"),
    values=("delhi", "delhi", "new york"),
    truth=np.array([[1, np.nan], [0, 1], [1, 0]]),
    probabilities=np.array([[0.1 + 0.2, 1e-12], [0.5, 1.0], [1 / 3, 0.0]]),
)


def same(one: HeldOut, other: HeldOut) -> bool:
    arrays = (np.array_equal(one.truth, other.truth, equal_nan=True),)
    return (
        one.labels == other.labels
        and one.columns() == other.columns()
        and all(arrays)
        and np.array_equal(one.probabilities, other.probabilities)
    )


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write_held_out(HELD, tmp_path / "p.csv", column="site")
    assert same(read_held_out(tmp_path / "p.csv", column="site"), HELD)
    header = (tmp_path / "p.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header.startswith("image,fold,patient,site,truth_tb,probability_tb,")


def test_without_a_column_the_values_are_empty(tmp_path: Path) -> None:
    write_held_out(HELD, tmp_path / "p.csv")
    assert read_held_out(tmp_path / "p.csv").values == ("", "", "")


def test_parts_go_together_and_apart() -> None:
    mask = np.array([True, False, True])
    whole = together([HELD.chosen(mask), HELD.chosen(~mask)])
    assert whole.images == ("images/a.png", "images/c.png", 'images/b "2".png')
    assert same(whole.chosen(np.array([0, 2, 1])), HELD)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,fold,patient,truth_tb,probability_tb\na,1,,1,much\n", "is damaged"),
        ("image,fold,truth_tb,probability_tb\na,1,1,0.5\n", "is damaged"),
        ("image,fold,patient,truth_tb\na,1,,1\n", "is damaged"),
        (None, "cannot be read: No such file"),
    ],
    ids=["no number", "no patient", "no probability", "no file"],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "p.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=message):
        read_held_out(tmp_path / "p.csv")


@pytest.mark.parametrize(
    "further",
    [
        {},
        {"labels": ["bright", "dark"], "exclusive": True, "loss": "cross_entropy"},
    ],
    ids=["one label", "exclusive labels"],
)
def test_the_best_epoch_predicts_a_split(
    make_set: Callable[..., object],
    make_config: Callable[..., ClassificationConfig],
    tmp_path: Path,
    further: dict[str, object],
) -> None:
    make_set(tmp_path / "set")
    table = tmp_path / "set" / "dataset.csv"
    head, *rows = table.read_text(encoding="utf-8").splitlines()
    place = head.split(",").index("bright")
    dark = [str(1 - int(row.split(",")[place])) for row in rows]
    lines = [f"{head},dark", *(f"{row},{value}" for row, value in zip(rows, dark, strict=True))]
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = make_config(network="small_cnn", head="linear", epochs=1, **further)
    train(config, tmp_path / "set", tmp_path / "run")
    images, found = predict_best(tmp_path / "run", read_dataset(tmp_path / "set"), split="test")
    assert found.shape == (6, len(config.labels)) == images.targets.shape
    assert ((found > 0) & (found < 1)).all()
    assert bool(np.allclose(found.sum(axis=1), 1)) == config.exclusive
