"""``lucency explore``: what it prints and writes."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord, write_tables
from lucency.configs import atomic
from lucency.configs.errors import ConfigError, DatasetError, LucencyError
from lucency.evaluation.explore_command import explore

APP = typer.Typer()
APP.command()(explore)


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(APP, [str(argument) for argument in arguments])
    if isinstance(result.exception, LucencyError):
        raise result.exception
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    records = []
    for n in range(6):
        path = PurePosixPath("images", "train", f"{n}.png")
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(n).integers(0, 256, (64, 64), dtype=np.uint8)
        Image.fromarray(pixels).save(root / path)
        label = root / "labels/train" / f"{n}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text("0 0.5 0.5 0.5 0.5\n")
        digest = hashlib.sha256((root / path).read_bytes()).hexdigest()
        records.append(
            ImageRecord(path, "train", f"p{n}", Status.ANNOTATED, 64, 64, digest, "made", {})
        )
    write_tables(Dataset(root, LabelMap(("[b]fracture",)), tuple(records)))
    return root


def test_a_page_in_the_set(folder: Path) -> None:
    result = run(folder)
    assert result.exit_code == 0
    page = (folder / "explore.html").read_text()
    assert page.startswith("<!doctype html>")
    lines = result.output.splitlines()
    assert lines[0] == "set: 6 images, 6 boxes, 1 class, 0 labels, 6 patients"
    assert lines[1] == "6 8-bit PNG; median size 64 × 64 px"
    assert lines[-1] == f"Page: {folder / 'explore.html'}"
    assert lines[-2].startswith("Train at 64 px. ")
    assert "warning: 1 class with fewer than 50 boxes. [b]fracture 6" in lines
    assert "[b]fracture" in result.output


def test_json(folder: Path, tmp_path: Path) -> None:
    run(folder, "--html", tmp_path / "out/page.html", "--json", tmp_path / "out/figures.json")
    values = json.loads((tmp_path / "out/figures.json").read_text())
    assert (values["images"], values["boxes"]) == (6, 6)
    assert values["resolution"]["resolution"] == 64
    assert (tmp_path / "out/page.html").is_file()
    assert not (folder / "explore.html").exists()


@pytest.mark.parametrize("option", ["--html", "--json"])
def test_a_folder_is_no_page(folder: Path, tmp_path: Path, option: str) -> None:
    with pytest.raises(ConfigError, match=f"{option} .*: must be a file"):
        run(folder, option, tmp_path)
    assert not (folder / "explore.html").exists()


def test_no_set(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no data\.yaml"):
        run(tmp_path)


def test_a_configuration_that_is_missing_is_told_before_the_work(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError):
        run(folder, "--augment", tmp_path / "none.yaml")
    assert not (folder / "explore.html").exists()


def test_augmented_images(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("albumentations")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("task: detection\nimage_size: 64\n")
    run(folder, "--augment", recipe)
    assert 'id="augmented"' in (folder / "explore.html").read_text()


def test_a_set_that_may_only_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's answer is replaced, since whoever runs the tests may be allowed everything."""
    before = {path for path in folder.rglob("*") if path.is_file()}
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK or Path(path) != folder)
    monkeypatch.setattr(atomic, "write_text", only_outside(folder, atomic.write_text))
    monkeypatch.chdir(folder.parent)
    result = run(folder)
    assert result.exit_code == 0
    assert "cannot be written to, so the page is in the current folder" in result.output
    assert result.output.splitlines()[-1] == "Page: set-explore.html"
    assert (folder.parent / "set-explore.html").is_file()
    assert {path for path in folder.rglob("*") if path.is_file()} == before


def only_outside(folder: Path, write: Callable[[Path, str], None]) -> Callable[[Path, str], None]:
    def refusing(path: Path, text: str) -> None:
        if path.resolve().is_relative_to(folder):
            raise PermissionError(13, "Permission denied", str(path))
        write(path, text)

    return refusing


@pytest.mark.parametrize("option", ["--html", "--json"])
def test_where_nothing_can_be_written_is_told_before_the_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder.parent)
    with pytest.raises(ConfigError, match=f"{option} .* cannot be written to; name another file"):
        run(folder, option, folder.parent / "new/file")
    assert not (folder / "explore.html").exists()
