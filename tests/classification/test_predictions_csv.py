"""Tables of probabilities: anyone's are read onto a set, ours are read back as they were."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lucency.annotations.records import Dataset
from lucency.classification.predictions import Probabilities
from lucency.classification.predictions_csv import (
    label_columns,
    read_probabilities,
    write_probabilities,
)
from lucency.configs.errors import AnnotationError, DatasetError
from lucency.datasets.labelled import labelled_split


@pytest.fixture(scope="module")
def dataset(make_set: Callable[..., Dataset], tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_set(tmp_path_factory.mktemp("set"))


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        (tmp_path / "theirs.csv").write_text(text)
        return tmp_path / "theirs.csv"

    return write


@pytest.mark.parametrize(
    "name", ["images/test/test1.png", "elsewhere/test1.png", "test1.png", "test1", "a\\test1.png"]
)
def test_images_are_found_by_any_of_their_names(
    dataset: Dataset, written: Callable[[str], Path], name: str
) -> None:
    found = read_probabilities(written(f"image,bright\n{name},0.25\n"), dataset)
    assert found.labels == ("bright",) and found.notes == () and not found.raw
    assert found.values["images/test/test1.png"].tolist() == [0.25]


def test_columns_and_rows_that_are_not_of_the_set_are_told(
    dataset: Dataset, written: Callable[[str], Path]
) -> None:
    text = "image;bright;brigth\ntest1.png;0,25;0,5\nnowhere.png;0,5;0,5\n"
    found = read_probabilities(written(text), dataset)
    assert found.values["images/test/test1.png"].tolist() == [0.25]
    assert found.notes == (
        "Columns that are no labels of the set were left out: 'brigth'.",
        "1 rows of images that the set does not have, or has twice by this name, were left out "
        '("nowhere.png" first).',
    )


def test_calls_instead_of_probabilities_are_told(
    dataset: Dataset, written: Callable[[str], Path]
) -> None:
    found = read_probabilities(written("image,bright\ntest1.png,1\ntest0.png,0\n"), dataset)
    assert "every value is 0 or 1" in found.notes[0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("file,bright\ntest1.png,0.5\n", "must have one column 'image'"),
        ("image,image,bright\ntest1.png,test1.png,0.5\n", "must have one column 'image'"),
        ("image,tb\ntest1.png,0.5\n", "none of its columns 'image', 'tb' is a label of"),
        ("image,bright,bright\ntest1.png,0.5,0.5\n", "several columns 'bright'"),
        ("image,bright\ntest1.png,1.5\n", "line 2: bright: must be from 0 to 1"),
        ("image,bright\ntest1.png,\n", "line 2: bright: must be from 0 to 1"),
        ("image,bright\ntest1.png,nan\n", "line 2: bright: must be from 0 to 1"),
        ("image,bright\ntest1.png,0.5\ntest1,0.5\n", "line 3: .* stands here again"),
        ("image,bright\nother.png,0.5\n", 'no row is of an image of .* "other.png"'),
        ("image,bright\n", "no row is of an image of .* nothing"),
    ],
    ids=lambda value: value.replace("\n", "/") if "," in value else "",
)
def test_what_cannot_be_measured_is_refused(
    dataset: Dataset, written: Callable[[str], Path], text: str, problem: str
) -> None:
    with pytest.raises(DatasetError, match=problem) as caught:
        read_probabilities(written(text), dataset)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "image,bright\ntest1.png\n"], ids=["empty", "short row"])
def test_what_is_no_table_is_refused(
    dataset: Dataset, written: Callable[[str], Path], text: str
) -> None:
    with pytest.raises(AnnotationError):
        read_probabilities(written(text), dataset)


def test_images_without_a_row_are_refused(dataset: Dataset, written: Callable[[str], Path]) -> None:
    found = read_probabilities(written("image,bright\ntest1.png,0.5\n"), dataset)
    with pytest.raises(DatasetError, match=r"no row for 5 of 6 images .*test0\.png' first"):
        found.of(dataset.in_split("test"), where="theirs.csv")


@pytest.mark.parametrize("calibrated", [True, False], ids=["calibrated", "raw"])
def test_what_is_written_is_read_again(dataset: Dataset, tmp_path: Path, calibrated: bool) -> None:
    rng = np.random.default_rng(0)
    parts = []
    for name in ("test", "val"):
        split = labelled_split(dataset, split=name, labels=("bright", "other"), both_values=False)
        values, raw = rng.random((2, len(split), 2))
        parts.append((split, Probabilities(values, raw if calibrated else None)))
    path = tmp_path / "predictions.csv"
    write_probabilities(path, parts)
    head, first = path.read_text().splitlines()[:2]
    columns = "bright_truth,bright_raw,bright" if calibrated else "bright_truth,bright"
    assert head.startswith(f"image,patient,split,{columns},other_truth")
    assert first.startswith("images/test/test0.png,test-0,test,0,")
    found = read_probabilities(path, dataset)
    assert found.labels == ("bright", "other") and found.notes == ()
    for split, given in parts:
        again = found.of(split.records, where="predictions.csv")
        assert (again.values == given.values).all()
        assert (again.raw is None) if given.raw is None else (again.raw == given.raw).all()


def test_label_columns_are_those_of_ones_and_noughts(dataset: Dataset) -> None:
    assert label_columns(dataset) == ("bright", "other")
