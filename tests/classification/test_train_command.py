"""What `lucency train` says of a classifier."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lucency.annotations.records import Dataset
from lucency.classification import train as training
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.run_folder import EpochResult
from lucency.classification.seeds import train_seeds
from lucency.classification.train import Progress, RunSummary
from lucency.classification.train_command import train_classifier
from lucency.configs.errors import ConfigError
from lucency.configs.schema import dump_yaml

Calls = list[tuple[int, Path, bool]]


@pytest.fixture
def recipe(tmp_path: Path, make_config: Callable[..., ClassificationConfig]) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(dump_yaml(make_config(seed=4)), encoding="utf-8")
    return path


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """A training that ends at once, with figures that tell its seed."""
    begun: Calls = []

    def train(
        config: ClassificationConfig,
        dataset: Path,
        run: Path,
        *,
        resume: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> RunSummary:
        begun.append((config.seed, run, resume))
        result = EpochResult(1, "fine-tune", 1e-3, 0.5, 0.4, config.seed / 10, 1.0)
        if progress is not None:
            progress(Progress(0, 2, 3, 8))
            progress(Progress(1, 2, 1, 1, result))
        run.mkdir(parents=True)
        (run / "config.yaml").write_text("")
        return RunSummary(run, (result,), 1, result.val_auc, True)

    monkeypatch.setattr(training, "train", train)
    monkeypatch.setattr("lucency.classification.seeds.train", train)
    return begun


def test_one_run(
    recipe: Path, calls: Calls, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    train_classifier(recipe, tmp_path, run, overrides=["epochs=3"], resume=False)
    said = capsys.readouterr().out
    assert calls == [(4, run, False)]
    assert "epoch   1/2  fine-tune  loss 0.5000  validation loss 0.4000  AUC 0.400" in said
    assert "Best epoch 1 of 1, stopped early: AUC 0.400 on validation data." in said
    assert "training.html" in said and "lucency export" in said


def test_several_seeds_are_told_with_their_spread(
    recipe: Path, calls: Calls, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    train_classifier(recipe, tmp_path, run, overrides=(), resume=False, seeds=2)
    assert calls == [(4, run / "seed4", False), (5, run / "seed5", False)]
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["AUC", "0.400", "0.500", "0.450", "0.071", "0.400", "to", "0.500"] in said
    assert (run / "seeds.json").is_file()


def test_further_processes_are_silent(
    recipe: Path,
    calls: Calls,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RANK", "1")
    train_classifier(recipe, tmp_path, tmp_path / "run", overrides=(), resume=False)
    assert len(calls) == 1

    def refuse(*_: object, **__: object) -> None:
        raise ConfigError("weights: no such file")

    monkeypatch.setattr(training, "train", refuse)
    with pytest.raises(SystemExit) as ended:
        train_classifier(recipe, tmp_path, tmp_path / "run", overrides=(), resume=False)
    assert ended.value.code == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_several_seeds_and_several_processes_are_refused(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="--seeds: cannot be used with torchrun"):
        train_classifier(recipe, tmp_path, tmp_path / "run", overrides=(), resume=False, seeds=2)


@pytest.mark.slow
def test_a_finished_seed_is_not_trained_again(
    make_set: Callable[..., Dataset],
    make_config: Callable[..., ClassificationConfig],
    tmp_path: Path,
) -> None:
    make_set(tmp_path / "set")
    config = make_config(network="small_cnn", epochs=1)
    runs = tmp_path / "runs"
    first = train_seeds(config, tmp_path / "set", runs, seeds=1)
    written = (runs / "seed0/last.pt").stat().st_mtime_ns
    both = train_seeds(config, tmp_path / "set", runs, seeds=2, resume=True)
    assert (runs / "seed0/last.pt").stat().st_mtime_ns == written
    assert both.runs[0].best_auc == first.runs[0].best_auc
    assert (runs / "seed1/best.safetensors").is_file()
