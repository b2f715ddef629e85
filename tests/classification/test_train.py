import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import safetensors.numpy
import torch

from lucency.annotations.records import Dataset, write_tables
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.train import Progress, train
from lucency.configs.errors import ConfigError, DatasetError
from lucency.configs.schema import dump_yaml

pytestmark = pytest.mark.slow


MakeConfig = Callable[..., ClassificationConfig]


@pytest.fixture(scope="module")
def make_config(make_config: MakeConfig) -> MakeConfig:
    """As elsewhere, with the smallest network: the loop is the same for all."""
    return lambda **changes: make_config(**{"network": "small_cnn", **changes})


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory,
    make_set: Callable[..., Dataset],
    make_config: MakeConfig,
) -> tuple[Path, Path]:
    """A set, and the folder of an uninterrupted run of three epochs on it."""
    folder = tmp_path_factory.mktemp("trained")
    make_set(folder / "set")
    train(make_config(epochs=3), folder / "set", folder / "run")
    return folder / "set", folder / "run"


class KilledError(Exception):
    """Stands for a run that ends in the middle of an epoch."""


def kill_in(epoch: int) -> Callable[[Progress], None]:
    def on_progress(state: Progress) -> None:
        if state.epoch == epoch and state.result is None:
            raise KilledError

    return on_progress


def weights(run: Path) -> dict[str, np.ndarray]:
    return safetensors.numpy.load_file(run / "best.safetensors")


def test_a_run_leaves_what_it_promises(trained: tuple[Path, Path]) -> None:
    run = trained[1]
    names = {path.name for path in run.iterdir()}
    assert names == {
        "config.yaml",
        "environment.json",
        "history.csv",
        "best.safetensors",
        "last.pt",
        "first_batch.jpg",
        "training.html",
    }
    with (run / "history.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert all(0 <= float(row["val_auc"]) <= 1 for row in rows)
    shown = cv2.imread(str(run / "first_batch.jpg"))
    assert shown is not None and shown.shape[1] > 900
    page = (run / "training.html").read_text(encoding="utf-8")
    assert "run: finished" in page
    assert "8: bright 4 yes, 4 no" in page


@pytest.mark.parametrize("killed_in", [1, 2, 3])
def test_a_killed_run_ends_as_an_uninterrupted_one(
    trained: tuple[Path, Path],
    make_config: Callable[..., ClassificationConfig],
    tmp_path: Path,
    killed_in: int,
) -> None:
    dataset, uninterrupted = trained
    config = make_config(epochs=3)
    with pytest.raises(KilledError):
        train(config, dataset, tmp_path / "run", progress=kill_in(killed_in))
    summary = train(config, dataset, tmp_path / "run", resume=True)
    assert len(summary.history) == 3
    expected, found = weights(uninterrupted), weights(tmp_path / "run")
    assert all(np.array_equal(found[name], value) for name, value in expected.items())


def test_a_run_killed_without_warning_ends_as_an_uninterrupted_one(
    trained: tuple[Path, Path], make_config: MakeConfig, tmp_path: Path
) -> None:
    (tmp_path / "three.yaml").write_text(dump_yaml(make_config(epochs=3)), encoding="utf-8")
    run = tmp_path / "run"
    command = [sys.executable, "-c", "from lucency.api.cli import main; main()", "train"]
    process = subprocess.Popen(
        [*command, "three.yaml", str(trained[0]), str(run)],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        stdout=subprocess.DEVNULL,
    )
    while not (run / "last.pt").is_file():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    summary = train(make_config(epochs=3), trained[0], run, resume=True)
    assert len(summary.history) == 3
    found = weights(run)
    assert all(np.array_equal(found[k], value) for k, value in weights(trained[1]).items())


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_run_killed_while_workers_augment_resumes_alike(
    trained: tuple[Path, Path], make_config: Callable[..., ClassificationConfig], tmp_path: Path
) -> None:
    config = make_config(workers=2)
    whole = train(config, trained[0], tmp_path / "whole")
    with pytest.raises(KilledError):
        train(config, trained[0], tmp_path / "killed", progress=kill_in(2))
    resumed = train(config, trained[0], tmp_path / "killed", resume=True)
    assert [row.val_loss for row in resumed.history] == [row.val_loss for row in whole.history]


def test_a_run_killed_between_its_phases_resumes_alike(
    trained: tuple[Path, Path], make_config: Callable[..., ClassificationConfig], tmp_path: Path
) -> None:
    dataset, earlier = trained
    start = str(earlier / "best.safetensors")
    config = make_config(weights=start, head_epochs=1, epochs=1, frozen_stages=3, stage_decay=0.5)
    whole = train(config, dataset, tmp_path / "whole")
    assert [row.phase for row in whole.history] == ["head", "fine-tune"]
    with pytest.raises(KilledError):
        train(config, dataset, tmp_path / "killed", progress=kill_in(2))
    resumed = train(config, dataset, tmp_path / "killed", resume=True)
    assert [row.val_loss for row in resumed.history] == [row.val_loss for row in whole.history]
    frozen = "features.block1.0.weight"
    assert np.array_equal(weights(tmp_path / "whole")[frozen], weights(earlier)[frozen])


def test_the_loss_falls_on_a_set_that_is_easy(
    make_set: Callable[..., Dataset],
    make_config: Callable[..., ClassificationConfig],
    tmp_path: Path,
) -> None:
    make_set(tmp_path / "set", counts=(32, 6, 2))
    config = make_config(epochs=5, batch=8, schedule="one_cycle", augment=[], label_smoothing=0.0)
    history = train(config, tmp_path / "set", tmp_path / "run").history
    assert history[-1].train_loss < 0.6 * history[0].train_loss


def test_a_batch_of_one_image_over_and_over_does_no_harm(
    make_set: Callable[..., Dataset],
    make_config: Callable[..., ClassificationConfig],
    tmp_path: Path,
) -> None:
    make_set(tmp_path / "set", counts=(2, 4, 2))
    history = train(make_config(epochs=4, augment=[]), tmp_path / "set", tmp_path / "run").history
    assert all(np.isfinite(row.val_loss) for row in history)


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_labels_that_exclude_each_other_are_learnt(
    make_set: Callable[..., Dataset], make_config: MakeConfig, tmp_path: Path, optimiser: str
) -> None:
    dataset = make_set(tmp_path / "set", counts=(24, 6, 2))
    write_opposite(dataset)
    config = make_config(
        labels=["dark", "bright"],
        exclusive=True,
        loss="cross_entropy",
        optimiser=optimiser,
        learning_rate=1e-3 if optimiser == "adam" else 3e-2,
        epochs=6,
        augment=[],
        label_smoothing=0.1,
    )
    summary = train(config, tmp_path / "set", tmp_path / "run")
    assert summary.best_auc > 0.9


def write_opposite(dataset: Dataset) -> None:
    """Add a column ``dark`` that is 1 where ``bright`` is 0, and the other way round."""
    records = [
        replace(r, extra={**r.extra, "dark": "01"[r.extra["bright"] == "0"]})
        for r in dataset.records
    ]
    write_tables(replace(dataset, records=tuple(records)))


def test_patience_ends_a_run(
    trained: tuple[Path, Path], make_config: Callable[..., ClassificationConfig], tmp_path: Path
) -> None:
    # So small a rate changes nothing, so that no epoch after the first can be better for long.
    config = make_config(epochs=30, patience=1, learning_rate=1e-12, schedule="one_cycle")
    summary = train(config, trained[0], tmp_path / "run")
    assert summary.stopped_early
    assert len(summary.history) == summary.best_epoch + 1


class TestRefusals:
    @pytest.mark.parametrize(
        "changes",
        [{"weights": "absent.pt"}, {"weights": "absent.pt", "frozen_stages": 9}],
        ids=["weights", "stages"],
    )
    def test_what_fails_before_the_first_epoch_leaves_no_folder(
        self,
        trained: tuple[Path, Path],
        make_config: Callable[..., ClassificationConfig],
        tmp_path: Path,
        changes: dict[str, object],
    ) -> None:
        if "frozen_stages" in changes:
            changes = {**changes, "weights": str(trained[1] / "best.safetensors")}
        with pytest.raises(ConfigError, match=r"no such file|has 4 stages"):
            train(make_config(**changes), trained[0], tmp_path / "run")
        assert not (tmp_path / "run").exists()

    def test_a_folder_in_use(
        self, trained: tuple[Path, Path], make_config: Callable[..., ClassificationConfig]
    ) -> None:
        with pytest.raises(ConfigError, match="exists already; resume it"):
            train(make_config(), trained[0], trained[1])

    def test_another_configuration(
        self, trained: tuple[Path, Path], make_config: Callable[..., ClassificationConfig]
    ) -> None:
        with pytest.raises(ConfigError, match="differs from the configuration given"):
            train(make_config(epochs=9), trained[0], trained[1], resume=True)

    def test_other_data(
        self,
        trained: tuple[Path, Path],
        make_set: Callable[..., Dataset],
        make_config: Callable[..., ClassificationConfig],
        tmp_path: Path,
    ) -> None:
        make_set(tmp_path, counts=(6, 6, 6))
        with pytest.raises(ConfigError, match="not the table that"):
            train(make_config(epochs=3), tmp_path, trained[1], resume=True)

    def test_nothing_to_resume(
        self,
        trained: tuple[Path, Path],
        make_config: Callable[..., ClassificationConfig],
        tmp_path: Path,
    ) -> None:
        with pytest.raises(ConfigError, match="is not the folder of a training run"):
            train(make_config(), trained[0], tmp_path / "none", resume=True)

    def test_validation_data_of_one_class(
        self,
        make_set: Callable[..., Dataset],
        make_config: Callable[..., ClassificationConfig],
        tmp_path: Path,
    ) -> None:
        make_set(tmp_path / "set", counts=(6, 1, 2))
        with pytest.raises(DatasetError, match="split 'val' has 0 images with bright"):
            train(make_config(), tmp_path / "set", tmp_path / "run")
        assert not (tmp_path / "run").exists()
