import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lucency.annotations.convert import convert
from lucency.annotations.records import read_dataset
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ConfigError
from lucency.datasets import commands
from lucency.datasets.render import CropLosses


def run(*arguments: str | Path) -> str:
    """What a command prints; its error is raised."""
    app = typer.Typer()
    for command in (commands.render, commands.phantoms):
        app.command()(command)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None:
        raise result.exception
    return result.output


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of ten phantom patients, not split yet."""
    root = tmp_path_factory.mktemp("made")
    run("phantoms", root / "phantoms", "--patients", "10", "--seed", "1", "--size", "64")
    convert(root / "phantoms", root / "set")
    return root / "set"


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of that set."""
    return Path(shutil.copytree(made, tmp_path / "set"))


@pytest.mark.parametrize("region", ["limb", "chest"])
@pytest.mark.parametrize("form", ["labelme", "coco"])
def test_phantoms(tmp_path: Path, region: str, form: str) -> None:
    options = ("--region", region, "--as", form, "--patients", "2", "--size", "64")
    told = run("phantoms", tmp_path / "out", *options)
    images = [path for path in (tmp_path / "out").iterdir() if path.suffix in (".dcm", ".png")]
    assert told.startswith(f"{len(images)} images of 2 patients")
    assert len(images) >= 4


def test_render_tells_where_the_set_lies(folder: Path) -> None:
    told = run("render", folder, "--display", "percentile", "--longest-side", "48")
    root = next((folder / "display").iterdir())
    assert f"{len(read_dataset(folder).records)} images rendered" in told
    assert root.name in told
    assert max(record.width for record in read_dataset(root).records) <= 48


def test_render_refuses_percentiles_in_the_wrong_order(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"render: .*low \(60.0\) must be below high \(40.0\)"):
        run("render", folder, "--display", "percentile", "--low", "60", "--high", "40")


@pytest.mark.parametrize("option", ["--low", "--high"])
def test_render_refuses_percentiles_where_there_are_none(folder: Path, option: str) -> None:
    with pytest.raises(ConfigError, match=rf"render: {option} goes with .*--display percentile"):
        run("render", folder, option, "50")


@pytest.mark.parametrize("name", ["chest", "bone", "as-displayed", "percentile", "clahe"])
def test_render_knows_every_preset(folder: Path, name: str) -> None:
    told = run("render", folder, "--display", name, "--crop", "none")
    spec = DisplaySpec.model_validate({"preset": name, "crop": "none"})
    assert spec.digest()[:12] in told
    assert "crop" not in told


def test_render_tells_what_a_crop_takes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = CropLosses(({},) * 3, ({},) * 2, ("images/a.png",))
    monkeypatch.setattr("lucency.datasets.render.crop_losses", lambda rendered: losses)
    lines = run("render", folder, "--crop", "field").splitlines()
    assert lines[1:] == [
        "warning: the crop cut 3 boxes and lost 2; 1 images that lost all their boxes were left "
        "out; prepared.json lists them"
    ]
