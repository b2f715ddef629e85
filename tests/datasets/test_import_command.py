"""`lucency import` as it is called."""

import json
from pathlib import Path

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from lucency.configs.errors import LucencyError
from lucency.datasets.import_command import import_
from lucency.datasets.public_sets import PUBLIC_SETS


def run(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(import_)
    environment = {"COLUMNS": "200", "TERM": "dumb"}
    return CliRunner().invoke(app, [str(word) for word in arguments], env=environment)


def refused(*arguments: str | Path) -> str:
    error = run(*arguments).exception
    assert isinstance(error, LucencyError)
    return str(error)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "mine"
    for shade, name in enumerate(("TB/1.png", "normal/2.png", "normal/[3].png")):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 7), 60 * shade).save(made / name)
    return made


def test_the_list_needs_nothing_else() -> None:
    result = run("--list")
    assert result.exit_code == 0
    for name in (*PUBLIC_SETS, "folders", "csv"):
        assert f"\n{name} " in f"\n{result.output}"


def test_what_is_told(folder: Path) -> None:
    out = folder.parent / "a set"
    broken = folder / "normal/[3].png"
    broken.write_bytes(broken.read_bytes()[:40])
    result = run("folders", folder, out)
    assert result.exit_code == 0
    rows = {
        "images, unknown": "2",
        "left out, unreadable-image": "1",
        "label tb, positive": "1",
        "label tb, negative": "1",
        "images whose patient is not known": "2",
    }
    lines = [[cell.strip() for cell in line.split("│")] for line in result.output.splitlines()]
    found = {cells[1]: cells[2] for cells in lines if len(cells) == 4}
    assert found == rows
    assert "Left out (unreadable-image): [3].png; all are in ledger.json." in result.output
    assert f"Next: lucency split '{out}'" in result.output
    assert "Licence" not in result.output  # these are one's own
    assert json.loads((out / "source.json").read_text())["name"] == "folders"


def test_a_table_with_columns_named(folder: Path) -> None:
    (folder / "t.csv").write_text("who,file,dx\na,1.png,TB\nb,2.png,none found\n")
    out = folder.parent / "out"
    columns = ("--label-column", "dx", "--patient-column", "who", "--image-column", "file")
    result = run("csv", folder, out, *columns)
    assert result.exit_code == 0
    assert "hint: images in no row of t.csv, not taken: 1" in result.output
    counts = json.loads((out / "source.json").read_text())["counts"]
    assert sorted(counts["labels"]) == ["none_found", "tb"]
    assert counts["patients"] == 2


def test_losses_are_allowed_by_reason(folder: Path) -> None:
    (folder / "t.csv").write_text("file,tb\n1.png,1\n9.png,0\n")
    out = folder.parent / "out"
    assert "--allow missing-image" in refused("csv", folder, out)
    assert run("csv", folder, out, "--allow", "missing-image").exit_code == 0
    assert "no such reason" in refused("csv", folder, folder.parent / "x", "--allow", "boredom")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "import needs NAME DIR OUT"),
        (("fracatlas", "."), "import needs NAME DIR OUT"),
        (("padchest", ".", "out"), "import padchest: no such set; there are fracatlas"),
        (("fracatlas", ".", "out", "--label-column", "x"), "only `lucency import csv` has options"),
    ],
    ids=["nothing", "no OUT", "another set", "columns of a public set"],
)
def test_mistakes(arguments: tuple[str, ...], message: str) -> None:
    assert message in refused(*arguments)


def test_another_folder_and_an_existing_out(folder: Path) -> None:
    assert "does not look like FracAtlas" in refused("fracatlas", folder, folder.parent / "out")
    assert "exists already" in refused("folders", folder, folder)


def test_dropped_boxes_and_contradictions_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "FracAtlas"
    (folder / "images").mkdir(parents=True)
    Image.new("L", (64, 48), 90).save(folder / "images/IMG0000001.jpg")
    (folder / "dataset.csv").write_text(
        "image_id,hand,leg,hip,shoulder,mixed,hardware,multiscan,fractured,fracture_count,"
        "frontal,lateral,oblique\nIMG0000001.jpg,1,0,0,0,0,0,0,1,3,1,0,0\n"
    )
    boxes = [[1, 2, 10, 10], [5, 5, 0, 9]]
    coco = {
        "images": [{"id": 0, "file_name": "IMG0000001.jpg", "width": 64, "height": 48}],
        "categories": [{"id": 0, "name": "fractured"}],
        "annotations": [
            {"id": n, "image_id": 0, "category_id": 0, "bbox": box} for n, box in enumerate(boxes)
        ],
    }
    (folder / "coco.json").write_text(json.dumps(coco))
    out = tmp_path / "out"
    assert "--allow zero-area" in refused("fracatlas", folder, out)
    lines = run("fracatlas", folder, out, "--allow", "zero-area").output.splitlines()
    told = [line.split("│") for line in lines if "│" in line]
    found = {cells[1].strip(): cells[2].strip() for cells in told}
    assert found["boxes of fractured"] == "1"
    assert found["boxes dropped, zero-area"] == "1"
    assert found["of these contradictory, see ledger.json"] == "1"
