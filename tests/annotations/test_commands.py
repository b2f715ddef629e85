import json
from pathlib import Path

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from lucency.annotations.commands import convert
from lucency.configs.errors import LucencyError

APP = typer.Typer()
APP.command()(convert)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    Image.new("L", (50, 40)).save(folder / "1.png")
    shapes = [
        {"label": "[b]fracture", "points": [[1, 2], [9, 9]], "shape_type": "rectangle"},
        {"label": "line", "points": [[1, 2], [9, 9]], "shape_type": "line"},
    ]
    (folder / "1.json").write_text(json.dumps({"shapes": shapes, "imagePath": "1.png"}))
    return folder


def run(*arguments: object) -> str:
    result = CliRunner().invoke(APP, [str(argument) for argument in arguments])
    if result.exception is not None:
        raise result.exception
    return result.output


def test_the_closing_table_and_the_next_command(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    text = run(source, out, "--allow", "unsupported-shape", "--map", "[b]fracture=break")
    row = next(line for line in text.splitlines() if "[b]fracture" in line)
    assert [field.strip() for field in row.strip("│").split("│")][1:] == ["1", "1", "0", "0", "0"]
    assert f"Next: lucency split {out}" in text
    assert "classes: break" in text
    assert (out / "dataset.csv").is_file()


def test_a_dry_run_says_so(source: Path, tmp_path: Path) -> None:
    text = run(source, tmp_path / "set", "--dry-run", "--allow", "unsupported-shape")
    assert "Would write 1 image " in text
    assert "Next" not in text
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--allow unsupported-shape"),
        (["--allow", "typo"], "no such reason"),
        (["--map", "a"], "must be old=new"),
        (["--map", "a=b", "--map", "a=c"], "already renamed"),
        (["--from", "voc5"], "no such format"),
        (["--from", "coco"], "no COCO document|no images|left out|would"),
        (["--classes", "absent.txt"], "absent.txt: cannot be read"),
    ],
    ids=["loss", "reason", "map", "map twice", "format", "wrong format", "classes"],
)
def test_mistakes_are_one_clear_line(
    source: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    with pytest.raises(LucencyError, match=message) as caught:
        run(source, tmp_path / "set", *options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "set").exists()
