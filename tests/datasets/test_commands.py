import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lucency.annotations.convert import convert
from lucency.annotations.records import SPLITS, read_dataset, write_tables
from lucency.configs.errors import ConfigError, DatasetError, LucencyError
from lucency.datasets import commands
from lucency.datasets.leakage import check_leakage


def run(*arguments: str | Path) -> str:
    """What a command prints; its error is raised."""
    app = typer.Typer()
    for command in (commands.split, commands.render, commands.phantoms):
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


def test_split_moves_the_set_and_shows_what_it_did(folder: Path) -> None:
    told = run("split", folder, "--ratios", "60/20/20", "--seed", "4")
    dataset = read_dataset(folder)
    check_leakage(dataset)
    assert all(dataset.in_split(split) for split in SPLITS)
    assert "negative images" in " ".join(told.split())
    assert "warning" not in told


def test_split_takes_official_lists(folder: Path, tmp_path: Path) -> None:
    chosen = read_dataset(folder).records[0]
    (tmp_path / "valid.csv").write_text(f"image_id\n{chosen.image.name}\nabsent.png\n")
    assignment = f"val={tmp_path / 'valid.csv'}"
    told = run("split", folder, "--assign", assignment, "--ratios", "100/0/0")
    assert "1 of 2 assigned names are not in the set: absent.png" in told
    in_val = {record.patient_id for record in read_dataset(folder).in_split("val")}
    assert in_val == {chosen.patient_id}


def test_split_by_pattern_and_by_table(folder: Path, tmp_path: Path) -> None:
    run("split", folder, "--patient-pattern", r"limb-1-000([0-4])")
    patients = {record.patient_id for record in read_dataset(folder).records}
    assert {"0", "4", "limb-1-0005"} <= patients
    rows = "".join(f"{record.image.name},one\n" for record in read_dataset(folder).records)
    (tmp_path / "who.csv").write_text("image,patient_id\n" + rows)
    run("split", folder, "--patients", tmp_path / "who.csv")
    assert {record.patient_id for record in read_dataset(folder).records} == {"one"}
    assert {record.split for record in read_dataset(folder).records} == {"train"}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (("--ratios", "70/30"), ConfigError, "three numbers such as 70/15/15"),
        (("--ratios", "a/b/c"), ConfigError, "three numbers such as 70/15/15"),
        (("--ratios", "0/0/0"), ConfigError, "must be three numbers of at least 0"),
        (("--assign", "valid.csv"), ConfigError, "must be SPLIT=FILE"),
        (("--assign", "val=absent.csv"), DatasetError, "cannot be read"),
        (("--patient-pattern", "(open"), ConfigError, "is no pattern"),
        (("--patients", "absent.csv"), DatasetError, "cannot be read"),
    ],
    ids=["two", "letters", "zero", "no-split", "no-list", "pattern", "no-table"],
)
def test_wrong_options_change_nothing(
    folder: Path, options: tuple[str, ...], error: type[LucencyError], message: str
) -> None:
    before = sorted(folder.rglob("*"))
    with pytest.raises(error, match=message):
        run("split", folder, *options)
    assert sorted(folder.rglob("*")) == before


def test_split_warns_of_images_without_a_patient(folder: Path) -> None:
    dataset = read_dataset(folder)
    nameless = [replace(record, patient_id="") for record in dataset.records]
    write_tables(replace(dataset, records=tuple(nameless)))
    for record in dataset.records:  # PNGs cannot tell; the DICOM files would
        dataset.image_path(record).write_bytes(b"\x89PNG\r\n\x1a\n")
    told = " ".join(run("split", folder).split())
    assert f"warning: {len(nameless)} of {len(nameless)} images name no patient" in told


def test_render_tells_where_the_set_lies(folder: Path) -> None:
    told = run("render", folder, "--display", "percentile", "--longest-side", "48")
    root = next((folder / "display").iterdir())
    assert f"{len(read_dataset(folder).records)} images rendered" in told
    assert root.name in told
    assert max(record.width for record in read_dataset(root).records) <= 48


def test_render_refuses_percentiles_in_the_wrong_order(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"render: .*low \(60.0\) must be below high \(40.0\)"):
        run("render", folder, "--low", "60", "--high", "40")
