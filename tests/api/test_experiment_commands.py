"""What the commands hand on, and what they refuse before anything heavy is loaded."""

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from lucency.api import experiment_commands
from lucency.classification import compare_command, cross_validate_command
from lucency.configs.schema import find_config

APP = typer.Typer()
APP.command("cross-validate")(experiment_commands.cross_validate)
APP.command("compare")(experiment_commands.compare)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def stand_in(*paths: Path, **options: Any) -> None:
        seen.update(options, paths=paths)

    monkeypatch.setattr(cross_validate_command, "cross_validate_classifier", stand_in)
    monkeypatch.setattr(compare_command, "compare_classifiers", stand_in)
    return seen


def run(line: str) -> Result:
    return CliRunner().invoke(APP, line.split())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--folds 5", {"folds": 5, "left_out": "", "beside": None, "resume": False}),
        ("--leave-out site", {"folds": 0, "left_out": "site", "overrides": ()}),
        ("--leave-out site --beside IN", {"beside": Path("IN")}),
        ("--folds 2 --set epochs=3 --resume", {"overrides": ["epochs=3"], "resume": True}),
    ],
)
def test_cross_validate_hands_on(
    asked: dict[str, Any], options: str, expected: dict[str, Any]
) -> None:
    assert run(f"cross-validate tb SET OUT {options}").exit_code == 0
    assert asked["paths"] == (find_config("tb"), Path("SET"), Path("OUT"))
    assert {key: asked[key] for key in expected} == expected


def test_compare_hands_on(asked: dict[str, Any]) -> None:
    assert run("compare compare_backbones SET OUT --set budget.epochs=3").exit_code == 0
    assert asked["paths"] == (find_config("compare_backbones"), Path("SET"), Path("OUT"))
    assert asked["overrides"] == ["budget.epochs=3"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cross-validate tb SET OUT", "give --leave-out COLUMN or --folds NUMBER"),
        ("cross-validate tb SET OUT --folds 3 --leave-out site", "one of them"),
        ("cross-validate tb SET OUT --folds 3 --beside IN", "--beside: goes with --leave-out"),
        (
            "cross-validate fracture SET OUT --folds 3",
            "task: cross-validate needs classification, got 'detection'",
        ),
        ("compare tb SET OUT", "task: compare needs comparison, got 'classification'"),
        ("compare nothing SET OUT", "no such configuration"),
    ],
)
def test_what_is_refused(asked: dict[str, Any], line: str, message: str) -> None:
    result = run(line)
    assert message in str(result.exception)
    assert not asked
