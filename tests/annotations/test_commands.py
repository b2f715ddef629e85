import json
from pathlib import Path

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from lucency.annotations.commands import convert, formats
from lucency.annotations.formats import FORMATS
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


def test_labels_alone_or_another_format(source: Path, tmp_path: Path) -> None:
    allow = ["--allow", "unsupported-shape"]
    text = run(source, tmp_path / "coco", "--to", "coco", *allow)
    document = json.loads((tmp_path / "coco/annotations.json").read_text())
    assert [a["bbox"] for a in document["annotations"]] == [[1, 2, 8, 7]]
    assert (tmp_path / "coco/images/1.png").samefile(source / "1.png")
    assert "Next" not in text
    run(tmp_path / "coco", tmp_path / "labels", "--labels-only")
    assert (tmp_path / "labels/labels/unsplit/1.txt").read_text().startswith("0 0.1")
    assert not (tmp_path / "labels/images").exists()


def test_what_was_decided_about_sizes_is_told(source: Path, tmp_path: Path) -> None:
    Image.new("L", (100, 80)).save(source / "1.png")
    document = json.loads((source / "1.json").read_text())
    sizes = {"imageWidth": 50, "imageHeight": 40}
    (source / "1.json").write_text(json.dumps(document | sizes))
    text = run(source, tmp_path / "set", "--allow", "unsupported-shape")
    assert "of these scaled" in text


def test_hints_are_told(tmp_path: Path) -> None:
    box = "<xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax>"
    (tmp_path / "a.xml").write_text(
        "<annotation><filename>a.png</filename><size><width>20</width><height>20</height></size>"
        f"<object><name>a</name><bndbox>{box}</bndbox></object></annotation>"
    )
    text = run(tmp_path / "a.xml", tmp_path / "set", "--labels-only", "--dry-run")
    assert "--voc-origin 1" in text
    text = run(tmp_path / "a.xml", tmp_path / "set", "--labels-only", "--voc-origin", 1)
    assert "hint:" not in text
    assert (tmp_path / "set/labels/unsplit/a.txt").read_text().startswith("0 0.2250000000")


def test_all_formats_are_listed() -> None:
    app = typer.Typer()
    app.command()(formats)
    text = CliRunner().invoke(app, []).output
    assert all(known.name in text for known in FORMATS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--allow unsupported-shape"),
        (["--allow", "typo"], "no such reason"),
        (["--map", "a"], "must be old=new"),
        (["--map", "a=b", "--map", "a=c"], "already renamed"),
        (["--map", "a= "], "must be old=new"),
        (["--map", "a=b\nc"], "must be old=new"),
        (["--from", "voc5"], "no such format"),
        (["--from", "coco"], "1.json: is no COCO document"),
        (["--to", "nih"], "nih: cannot be written; these can: coco"),
        (["--classes", "absent.txt"], "absent.txt: cannot be read"),
    ],
    ids=[
        "loss",
        "reason",
        "map",
        "map twice",
        "blank",
        "line",
        "format",
        "wrong format",
        "target",
        "classes",
    ],
)
def test_mistakes_are_one_clear_line(
    source: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    with pytest.raises(LucencyError, match=message) as caught:
        run(source, tmp_path / "set", *options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "set").exists()
