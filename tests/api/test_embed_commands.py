"""`lucency embed`: what the command line understands."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lucency.api.embed_commands import Method, embed
from lucency.classification import embed_command
from lucency.classification.embed import METHODS
from lucency.classification.embed_command import BOTH, EmbedOptions

APP = typer.Typer()
APP.command()(embed)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path, Path, EmbedOptions]]:
    calls: list[tuple[str, Path, Path, EmbedOptions]] = []
    monkeypatch.setattr(embed_command, "embed_set", lambda *arguments: calls.append(arguments))
    return calls


def test_the_defaults(asked: list[tuple[str, Path, Path, EmbedOptions]]) -> None:
    assert CliRunner().invoke(APP, ["tb", "SET", "OUT"]).exit_code == 0
    assert asked == [("tb", Path("SET"), Path("OUT"), EmbedOptions())]


def test_every_option(asked: list[tuple[str, Path, Path, EmbedOptions]]) -> None:
    line = "tb SET OUT --split test --method umap --colour site --colour tb --seed 7"
    assert CliRunner().invoke(APP, line.split()).exit_code == 0
    assert asked[0][3] == EmbedOptions("test", "umap", ("site", "tb"), 7)


@pytest.mark.parametrize("option", [["--method", "pca"], ["--seed", "-1"], ["--seed", str(2**32)]])
def test_wrong_values_are_refused(
    option: list[str], asked: list[tuple[str, Path, Path, EmbedOptions]]
) -> None:
    assert CliRunner().invoke(APP, ["tb", "SET", "OUT", *option]).exit_code == 2
    assert asked == []


def test_the_methods_are_those_that_there_are() -> None:
    assert {method.value for method in Method} == {BOTH, *METHODS}
