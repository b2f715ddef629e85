import json
from pathlib import Path

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from lucency.api import labelling_commands
from lucency.configs.bundle import Bundle
from lucency.configs.errors import ConfigError, DatasetError, ImageError, LucencyError
from lucency.datasets.phantom_files import write_labelme
from lucency.datasets.phantoms import make_limbs


def run(*arguments: object) -> str:
    """What a command prints, both streams; its error is raised."""
    app = typer.Typer()
    for name in ("prepare", "collect", "agree"):
        app.command()(getattr(labelling_commands, name))
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None:
        raise result.exception
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms") / "in"
    write_labelme(make_limbs(2, seed=1, size=64), folder)
    return folder


def edit(path: Path, *, clear: bool = False) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    document["flags"]["reviewed"] = True
    if clear:
        document["shapes"] = []
    path.write_text(json.dumps(document), encoding="utf-8")


def test_the_loop(phantoms: Path, tmp_path: Path, detector_bundle: Bundle) -> None:
    out = tmp_path / "out"
    told = run("prepare", phantoms, out, "--bundle", detector_bundle.path, "--label", "lesion")
    count = len(list(phantoms.glob("*.dcm")))
    assert f"Keep {tmp_path / 'out-private' / 'map.csv'} and pass it to nobody" in told
    assert f"labelme {out} --labels {out / 'labels.txt'}" in told
    assert (out / "labels.txt").read_text() == "lesion\nfracture\n"
    with pytest.raises(DatasetError, match="tick the flag"):
        run("collect", out, tmp_path / "set")
    edit(out / "img-0001.json")
    edit(out / "img-0002.json", clear=True)
    told = run("collect", out, tmp_path / "set")
    assert f"Documents: 2 reviewed, {count - 2} not." in told
    assert f"Images in the set: 1 annotated, 1 negative, {count - 2} unknown." in told
    assert "fracture 2 1 0 0 1 0 0 1" in told
    assert "warning" not in told
    report = tmp_path / "agreement.json"
    second = tmp_path / "second"
    second.mkdir()
    for number in (1, 2):
        (second / f"img-000{number}.json").write_bytes((out / f"img-000{number}.json").read_bytes())
    edit(second / "img-0001.json", clear=True)
    told = run("agree", out, second, "--from", "labelme", "--json", report)
    assert "out and second, 2 images: boxes" in told
    assert "In dispute, the worst first: 1 of 2 images" in told
    assert f"note: not compared, as out has not looked: {count - 2} images" in told
    assert json.loads(report.read_text())["pairs"][0]["all"]["boxes_first"] == 2


def test_prepare_tells_of_everything_it_met(phantoms: Path, tmp_path: Path) -> None:
    import pydicom

    source = pydicom.dcmread(next(phantoms.glob("*.dcm")))
    source.BurnedInAnnotation = "YES"
    folder = tmp_path / "in"
    folder.mkdir()
    source.save_as(folder / "a.dcm")
    source.save_as(folder / "b.dcm")
    source.PixelData = bytes(len(source.PixelData))
    source.save_as(folder / "c.dcm")
    (folder / "d.png").write_bytes(b"broken")
    with pytest.raises(ImageError, match="--allow unreadable-image"):
        run("prepare", folder, tmp_path / "out")
    told = run("prepare", folder, tmp_path / "out", "--allow", "unreadable-image")
    assert f"left out: {folder / 'd.png'}: is not a PNG" in told
    assert f"note: {folder / 'b.dcm'} shows what {folder / 'a.dcm'} shows" in told
    assert f"carry one SOPInstanceUID, {source.SOPInstanceUID}" in told
    assert "text about the patient is in the pixels, as the files say, of img-0001.png, im" in told
    assert "--labels" not in told


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            ("--display", "percentile", "--low", "60", "--high", "40"),
            ConfigError,
            r"low \(60.0\) must be below high",
        ),
        (("--low", "1"), ConfigError, "go with a display between percentiles"),
        (("--label", "a", "--label", "a"), ConfigError, "--label a: is there twice"),
        (("--label", " "), ConfigError, "must not be empty"),
        (("--allow", "zero-area"), ConfigError, "there is unreadable-image"),
        (("--labels", "absent.txt"), LucencyError, "absent.txt"),
        (("--bundle", "absent"), LucencyError, "no such bundle"),
    ],
    ids=["percentiles", "unused", "twice", "empty", "reason", "labels", "bundle"],
)
def test_wrong_options_make_nothing(
    phantoms: Path,
    tmp_path: Path,
    options: tuple[str, ...],
    error: type[LucencyError],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        run("prepare", phantoms, tmp_path / "out", *options)
    assert not list(tmp_path.iterdir())


def test_what_was_allowed_to_be_lost_is_told(phantoms: Path, tmp_path: Path) -> None:
    out = tmp_path / "to label"
    assert f"Then: lucency collect '{out}' SET" in run("prepare", phantoms, out)
    edit(out / "img-0001.json")
    (out / "img-0002.json").write_text("{", encoding="utf-8")
    (tmp_path / "to label-private").rename(tmp_path / "safe")
    told = run("collect", out, tmp_path / "set", "--allow", "unreadable-annotation")
    assert "left out: 1 file (unreadable-annotation)" in told
    assert "name it with --private-map FILE" in told


def test_agreement_that_cannot_be_written_is_one_line(phantoms: Path, tmp_path: Path) -> None:
    run("prepare", phantoms, tmp_path / "out")
    edit(tmp_path / "out" / "img-0001.json")
    second = tmp_path / "second.json"
    second.write_bytes((tmp_path / "out" / "img-0001.json").read_bytes())
    with pytest.raises(ConfigError, match=r"second\.json/x: cannot be written"):
        run("agree", tmp_path / "out", second, "--json", second / "x")


def test_labels_come_from_one_place(phantoms: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("one\ntwo\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="give one of the two"):
        run("prepare", phantoms, tmp_path / "out", "--labels", tmp_path / "names.txt",
            "--label", "x")  # fmt: skip
    run("prepare", phantoms, tmp_path / "out", "--labels", tmp_path / "names.txt")
    assert (tmp_path / "out" / "labels.txt").read_text() == "one\ntwo\n"


def test_several_sources_and_kept_names(tmp_path: Path) -> None:
    for name, value in (("a.png", 10), ("b.png", 20)):
        Image.new("L", (8, 8), value).save(tmp_path / name)
    run("prepare", tmp_path / "a.png", tmp_path / "b.png", tmp_path / "out", "--keep-names")
    stems = {path.stem.partition("-")[2] for path in (tmp_path / "out").glob("*.png")}
    assert stems == {"a", "b"}
