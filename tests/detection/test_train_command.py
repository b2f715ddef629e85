"""What `lucency train` says of one and of several trainings, with a stand-in for them."""

from pathlib import Path
from typing import Any

import pytest

from lucency.configs.errors import ConfigError
from lucency.configs.schema import find_config
from lucency.detection import train as training
from lucency.detection.recipe import DetectionConfig
from lucency.detection.run_folder import (
    BEST,
    MAP50,
    MAP50_95,
    PRECISION,
    RECALL,
    RESULTS,
    TrainingProgress,
    TrainingSummary,
    begin,
    finish,
)
from lucency.detection.train_command import train_detector

RECIPE = find_config("demo_detector")


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training of two epochs whose figures follow from its seed."""

    def train(
        config: DetectionConfig, dataset: Path, run: Path, *, resume: bool, on_progress: Any
    ) -> TrainingSummary:
        begin(config, run)
        figure = 0.2 + config.seed / 10
        names = (PRECISION, RECALL, MAP50, MAP50_95)
        for epoch in (1, 2):
            metrics = {"val/box_loss": 1.5, **dict.fromkeys(names, figure)}
            on_progress(TrainingProgress(epoch, config.epochs, 4, 4, 2.0, metrics))
        (run / BEST).parent.mkdir()
        (run / BEST).write_bytes(b"weights")
        row = ",".join([str(figure)] * 4)
        (run / RESULTS).write_text(f"epoch,{','.join(names)}\n1,{row}\n2,{row}\n")
        return finish(run)

    monkeypatch.setattr(training, "train", train)


@pytest.mark.usefixtures("stand_in")
def test_one_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_detector(RECIPE, tmp_path, tmp_path / "run", overrides=(), resume=False)
    said = capsys.readouterr().out
    assert "epoch   2/9  loss 2.00  val 1.50  P 0.20" in said
    assert "Best epoch 2 of 2, stopped early: mAP50 0.200" in said
    assert "training.html" in said
    assert "Next: lucency export" in said


@pytest.mark.usefixtures("stand_in")
def test_several_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_detector(RECIPE, tmp_path, tmp_path / "run", overrides=(), resume=False, seeds=3)
    said = capsys.readouterr().out
    rows = [" ".join(line.split()) for line in said.splitlines()]
    assert "mAP50 0.200 0.300 0.400 0.300 0.100 0.200 to 0.400" in rows
    assert "epoch 2 2 2 2.0 0.0 2 to 2" in rows
    assert "Next: lucency export" not in said
    changed = ["epochs=8"]
    with pytest.raises(ConfigError, match=r"seed0/config\.yaml: differs from the configuration"):
        train_detector(RECIPE, tmp_path, tmp_path / "run", overrides=changed, resume=True, seeds=3)


def test_an_interruption_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(config: DetectionConfig, dataset: Path, run: Path, **_: object) -> None:
        begin(config, run)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_detector(RECIPE, tmp_path, tmp_path / "run", overrides=(), resume=False)
    assert "goes on from its last complete epoch" in capsys.readouterr().err
