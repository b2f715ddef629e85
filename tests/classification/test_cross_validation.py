"""A study end to end: everybody predicted once, by a network that did not know him."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lucency.annotations.records import Dataset, read_dataset, write_tables
from lucency.classification.cross_validation import (
    Study,
    Training,
    cross_validate,
    plainly,
    read_study,
)
from lucency.classification.recipe import ClassificationConfig
from lucency.configs.errors import ConfigError, DatasetError
from lucency.datasets.near_duplicates import NearDuplicates

MakeConfig = Callable[..., ClassificationConfig]
NONE_ALIKE = NearDuplicates((), {})


@pytest.fixture(scope="module")
def config(make_config: MakeConfig) -> ClassificationConfig:
    return make_config(network="small_cnn", head="linear", epochs=1)


@pytest.fixture(scope="module")
def sited(make_set: Callable[..., Dataset], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 images at two sites, one label unknown."""
    root = tmp_path_factory.mktemp("cross") / "set"
    dataset = make_set(root, counts=(12, 6, 6))
    records = [
        replace(record, extra={**record.extra, "site": "ab"[number // 2 % 2]})
        for number, record in enumerate(dataset.records)
    ]
    records[0] = replace(records[0], extra={**records[0].extra, "bright": ""})
    write_tables(replace(dataset, records=tuple(records)))
    return root


@pytest.fixture(scope="module")
def study(
    config: ClassificationConfig, sited: Path, tmp_path_factory: pytest.TempPathFactory
) -> Study:
    out = tmp_path_factory.mktemp("study") / "out"
    return cross_validate(config, sited, out, left_out="site", alike=NONE_ALIKE)


def test_everybody_is_predicted_once_by_who_did_not_know_him(study: Study, sited: Path) -> None:
    held = study.held
    known = [r for r in read_dataset(sited).records if r.label("bright") is not None]
    assert sorted(held.images) == sorted(str(record.image) for record in known)
    assert held.values == held.folds
    assert ((held.probabilities > 0) & (held.probabilities < 1)).all()
    by_image = {str(record.image): record for record in known}
    for row, image in enumerate(held.images):
        record = by_image[image]
        assert bool(held.truth[row, 0] == 1) is record.label("bright")
        assert held.values[row] == record.extra["site"]
        assert held.patients[row] == record.patient_id
    assert study.notes == ("left out, since no bright is known of them: 1",)


def test_each_fold_is_an_ordinary_set_and_run(study: Study) -> None:
    for fold in study.folds:
        folder = study.folder / f"fold-{fold.value}"
        dataset = read_dataset(folder / "set")
        counts = {split: len(dataset.in_split(split)) for split in ("train", "val", "test")}
        assert counts == fold.images
        assert (folder / "run" / "best.safetensors").is_file()
        assert fold.training.epochs == fold.training.best_epoch == 1
        assert set(fold.points) == {"screening", "balanced", "specific"}
        mine = study.held.chosen(np.array([value == fold.value for value in study.held.folds]))
        assert len(mine) == fold.images["test"]


def test_a_study_is_read_as_it_was_made(study: Study) -> None:
    found = read_study(study.folder)
    assert found.held.images == study.held.images
    assert np.array_equal(found.held.probabilities, study.held.probabilities)
    assert (found.left_out, found.column, found.labels) == ("site", "site", ("bright",))


def test_an_interrupted_study_ends_as_an_uninterrupted_one(
    study: Study, config: ClassificationConfig, sited: Path, tmp_path: Path
) -> None:
    trained: list[str] = []

    def killed(
        one: ClassificationConfig, folder: Path, resume: bool, place: tuple[int, int], value: str
    ) -> Training:
        trained.append(value)
        if value == "b":
            (folder / "run").mkdir(parents=True)
            (folder / "run" / "environment.json").write_text("{}")
            raise KeyboardInterrupt
        return plainly(one, folder, resume, place, value)

    out = tmp_path / "out"
    options = {"left_out": "site", "alike": NONE_ALIKE}
    with pytest.raises(KeyboardInterrupt):
        cross_validate(config, sited, out, train_fold=killed, **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="fold b is not finished; go on with --resume"):
        read_study(out)
    with pytest.raises(ConfigError, match="exists already"):
        cross_validate(config, sited, out, **options)  # type: ignore[arg-type]

    def counted(
        one: ClassificationConfig, folder: Path, resume: bool, place: tuple[int, int], value: str
    ) -> Training:
        trained.append(value)
        return plainly(one, folder, resume, place, value)

    again = cross_validate(config, sited, out, resume=True, train_fold=counted, **options)  # type: ignore[arg-type]
    assert trained == ["a", "b", "b"]
    assert np.array_equal(again.held.probabilities, study.held.probabilities)
    assert (out / "predictions.csv").read_bytes() == (study.folder / "predictions.csv").read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "was started with another config"),
        ({"folds": 2}, "was started with another left out"),
        ({"table": True}, "is not the table that"),
    ],
    ids=["recipe", "division", "data"],
)
def test_another_study_is_not_resumed(
    study: Study,
    config: ClassificationConfig,
    sited: Path,
    tmp_path: Path,
    change: dict[str, int],
    message: str,
) -> None:
    dataset = sited
    if "table" in change:
        dataset = tmp_path / sited.name
        dataset.mkdir()
        for name in ("data.yaml", "dataset.csv"):
            (dataset / name).write_text((sited / name).read_text() + "\n" * (name[-1] == "l"))
        text = (dataset / "dataset.csv").read_text().replace(",a\n", ",c\n", 1)
        (dataset / "dataset.csv").write_text(text)
    one = config.model_copy(update={"seed": change.get("seed", 0)})
    with pytest.raises(ConfigError, match=message):
        cross_validate(
            one,
            dataset,
            study.folder,
            left_out="" if "folds" in change else "site",
            folds=change.get("folds", 0),
            resume=True,
            alike=NONE_ALIKE,
        )


def test_it_must_be_told_what_to_hold_out(
    config: ClassificationConfig, sited: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="needs --leave-out COLUMN or --folds NUMBER"):
        cross_validate(config, sited, tmp_path / "out", alike=NONE_ALIKE)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("file", "message"),
    [("study.json", "holds no cross-validation"), ("fold-a/fold.json", "cannot be read")],
)
def test_a_damaged_study_is_refused(study: Study, tmp_path: Path, file: str, message: str) -> None:
    said = json.loads((study.folder / "study.json").read_text())
    (tmp_path / "fold-a").mkdir()
    (tmp_path / "fold-a" / "fold.json").write_text("{")
    if file != "study.json":
        (tmp_path / "study.json").write_text(json.dumps(said))
    with pytest.raises((ConfigError, DatasetError), match=message):
        read_study(tmp_path)
