"""`lucency export`: what does not go together is said before anything is loaded."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lucency.api.cli import build_app
from lucency.configs.errors import ConfigError


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("classification", ["--tiles", "640"], "--tiles and --flip are for detectors"),
        ("classification", ["--flip"], "--tiles and --flip are for detectors"),
        ("detection", ["--torchscript"], "--torchscript is for classifiers"),
        ("", [], "is not a run folder: it has no config.yaml"),
    ],
)
def test_what_does_not_go_together(
    tmp_path: Path, task: str, options: list[str], message: str
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    if task:
        (run / "config.yaml").write_text(f"task: {task}\n", encoding="utf-8")
    names = [str(run), str(tmp_path / "set"), str(tmp_path / "out")]
    found = CliRunner().invoke(build_app(), ["export", *names, *options])
    assert isinstance(found.exception, ConfigError)
    assert message in str(found.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_classifier_gets_its_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    told: dict[str, object] = {}
    monkeypatch.setattr(
        "lucency.classification.export_command.export_classifier",
        lambda *args, **options: told.update(options, args=args),
    )
    (tmp_path / "config.yaml").write_text("task: classification\n", encoding="utf-8")
    names = [str(tmp_path), "SET", "OUT"]
    options = ["--precision", precision, "--torchscript", "--without-weights"]
    found = CliRunner().invoke(build_app(), ["export", *names, *options])
    assert found.exception is None
    assert told == {
        "args": (tmp_path, Path("SET"), Path("OUT")),
        "precision": precision, "torchscript": True, "with_weights": False,
    }  # fmt: skip
