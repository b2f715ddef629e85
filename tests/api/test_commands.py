import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import typer
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian
from typer.testing import CliRunner, Result

from lucency.api.commands import predict, serve
from lucency.configs.bundle import Bundle
from lucency.configs.errors import BundleError, ConfigError, ImageError, LucencyError
from lucency.configs.fusion import FusionSpec

Png = Callable[..., bytes]


def run(command: Callable[..., None], *arguments: object) -> Result:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def bundles(detector_bundle: Bundle, classifier_bundle: Bundle) -> list[str]:
    return ["--bundle", str(detector_bundle.path), "--bundle", str(classifier_bundle.path)]


@pytest.fixture
def images(tmp_path: Path, png: Png) -> tuple[Path, Path, Path]:
    good, broken, small = tmp_path / "good.png", tmp_path / "broken.png", tmp_path / "small.png"
    good.write_bytes(png(200, 100))
    broken.write_bytes(png(200, 100)[:100])
    small.write_bytes(png())
    return good, broken, small


def test_predict_writes_the_answers_of_the_service(
    tmp_path: Path, bundles: list[str], images: tuple[Path, ...], client: Any
) -> None:
    good, _, small = images
    out = tmp_path / "out.jsonl"
    result = run(predict, good, small, *bundles, "--json", out)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line.pop("file") for line in lines] == [str(good), str(small)]
    served = [client.analyze(path.read_bytes()).json() for path in (good, small)]
    for answer in (*lines, *served):
        del answer["timings_ms"]
    assert lines == served
    assert "fracture 0.90" in result.output


def test_predict_goes_on_after_a_broken_file(
    tmp_path: Path, bundles: list[str], images: tuple[Path, ...]
) -> None:
    out = tmp_path / "out.jsonl"
    absent = tmp_path / "absent.png"
    result = run(predict, *images, absent, *bundles, "--json", out)
    assert result.exit_code == 1
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert ["error" in line for line in lines] == [False, True, False, True]
    assert lines[1]["error"]["code"] == "unreadable_image"
    assert "broken.png: is truncated" in lines[1]["error"]["message"]
    assert lines[1]["error"]["fault"] == "truncated"
    assert "Traceback" not in result.output


def test_predict_tells_what_models_are_for_and_where_no_detector_looked(
    tmp_path: Path,
    detector_bundle: Bundle,
    make_classifier: Callable[..., Bundle],
    images: tuple[Path, ...],
) -> None:
    use = "Research on the lungs of children. It has seen no adult."
    classifier = make_classifier(tmp_path / "children", intended_use=use)
    alone = run(predict, images[0], "--bundle", classifier.path)
    assert alone.exit_code == 0, alone.output
    assert "no detector" in alone.stdout
    assert f"children: {use}" in " ".join(alone.stdout.split())
    both = run(predict, images[0], "--bundle", classifier.path, "--bundle", detector_bundle.path)
    assert "no detector" not in both.stdout
    assert "fracture 0.90" in both.stdout


def test_predict_draws_pictures(tmp_path: Path, bundles: list[str], png: Png) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.png").write_bytes(png(200, 100))
    pictures = tmp_path / "pictures"
    paths = [tmp_path / folder / "same.png" for folder in ("a", "b")]
    result = run(predict, *paths, *bundles, "--pictures", pictures)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in pictures.iterdir()) == ["same-2.jpg", "same.jpg"]
    with Image.open(pictures / "same.jpg") as picture:
        assert picture.size == (640, 320)
        red, green, _ = np.asarray(picture).astype(int).transpose(2, 0, 1)
    assert (green - red > 80).sum() > 100, "no box was drawn"


def test_predict_takes_folders(tmp_path: Path, bundles: list[str], png: Png) -> None:
    for name in ("b.png", "a.png", "inner/c.png", "notes.txt", ".hidden.png"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a text" if path.suffix == ".txt" else png())
    (tmp_path / "single.png").write_bytes(png())
    out = tmp_path / "out.jsonl"
    result = run(predict, tmp_path / "single.png", tmp_path / "images", *bundles, "--json", out)
    assert result.exit_code == 0, result.output
    files = [json.loads(line)["file"] for line in out.read_text(encoding="utf-8").splitlines()]
    assert [Path(file).name for file in files] == ["single.png", "a.png", "b.png", "c.png"]


def test_predict_names_files_as_they_are(tmp_path: Path, bundles: list[str], png: Png) -> None:
    """Brackets are no markup, and the last number of a name is no suffix."""
    names = ("[red]a[bold].png", "1.2.840.1", "1.2.840.2")
    for name in names:
        (tmp_path / name).write_bytes(png())
    pictures = tmp_path / "pictures"
    paths = [tmp_path / name for name in names]
    result = run(predict, *paths, *bundles, "--pictures", pictures)
    assert result.exit_code == 0, result.output
    assert "[red]a[bold].png" in result.output
    drawn = {path.name for path in pictures.iterdir()}
    assert drawn == {"[red]a[bold].jpg", "1.2.840.1.jpg", "1.2.840.2.jpg"}


def test_predict_takes_one_frame_of_several(tmp_path: Path, bundles: list[str]) -> None:
    pages = [Image.new("L", (64 + 8 * page, 64), 90) for page in range(2)]
    path, out = tmp_path / "pages.tif", tmp_path / "out.jsonl"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    assert run(predict, path, *bundles).exit_code == 1
    result = run(predict, path, *bundles, "--frame", 2, "--json", out)
    assert result.exit_code == 0, result.output
    assert json.loads(out.read_text(encoding="utf-8"))["image"]["width"] == 72


@pytest.mark.parametrize("place", ["folder", "image.png", "image.png/answers"])
def test_predict_tells_at_once_that_it_cannot_write(
    tmp_path: Path, bundles: list[str], png: Png, place: str
) -> None:
    """Before the first image is analysed; a forgotten file name costs no radiograph."""
    (tmp_path / "folder").mkdir()
    image = tmp_path / "image.png"
    image.write_bytes(png())
    pictures = tmp_path / "pictures"
    result = run(predict, image, *bundles, "--json", tmp_path / place, "--pictures", pictures)
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith(f"--json {tmp_path / place}: ")
    assert image.read_bytes() == png()
    assert not pictures.exists()


def test_predict_refuses_a_folder_without_images(tmp_path: Path, bundles: list[str]) -> None:
    (tmp_path / "empty").mkdir()
    result = run(predict, tmp_path / "empty", *bundles)
    assert isinstance(result.exception, ImageError)
    assert "empty: holds no PNG, JPEG, TIFF or DICOM image" in str(result.exception)


def test_predict_looks_as_it_is_told(tmp_path: Path, detector_bundle: Bundle, png: Png) -> None:
    (tmp_path / "image.png").write_bytes(png(256, 256))
    bundle = ["--bundle", detector_bundle.path]
    answers = []
    for number, options in enumerate(([], ["--flip"], ["--tiles", "128"])):
        out = tmp_path / f"{number}.jsonl"
        result = run(predict, tmp_path / "image.png", *bundle, *options, "--json", out)
        assert result.exit_code == 0, result.output
        assert ("were chosen with one look" in result.output) is bool(options)
        answers.append(json.loads(out.read_text(encoding="utf-8")))
    used = [answer["models"][0]["inference"] for answer in answers]
    assert used == [
        {"tiles": None, "flip": False},
        {"tiles": None, "flip": True},
        {"tiles": {"size": 128, "overlap": 0.25}, "flip": False},
    ]
    assert len({answer["id"] for answer in answers}) == 3


def test_predict_refuses_tiny_tiles(bundles: list[str], images: tuple[Path, ...]) -> None:
    assert run(predict, images[0], *bundles, "--tiles", "8").exit_code == 2


def test_predict_with_an_ensemble(
    tmp_path: Path, make_detector: Callable[..., Bundle], images: tuple[Path, ...]
) -> None:
    pair = [make_detector(tmp_path / name) for name in ("one", "two")]
    bundles = [part for bundle in pair for part in ("--bundle", bundle.path)]
    out = tmp_path / "out.jsonl"
    result = run(predict, images[0], *bundles, "--ensemble", "--json", out)
    assert result.exit_code == 0, result.output
    answer = json.loads(out.read_text(encoding="utf-8"))
    assert {found["model"] for found in answer["findings"]} == {"one + two"}


def test_predict_tells_terms_and_disagreements(
    tmp_path: Path,
    make_detector: Callable[..., Bundle],
    classifier_bundle: Bundle,
    images: tuple[Path, ...],
) -> None:
    spec = FusionSpec(
        classifier="stand-in-classifier",
        classifier_sha256=classifier_bundle.digest,
        label="tb",
        box_weight=1,
        image_weight=0,
        intercept=0,
        image_high=0.7,
        image_low=0.2,
    )
    detector = make_detector(
        tmp_path / "chest", fusion=spec, commercial_use=False, licence="CC BY-NC-SA 4.0"
    )
    paths = ["--bundle", detector.path, "--bundle", classifier_bundle.path]
    result = run(predict, images[0], *paths, "--conf", "0.99")
    assert result.exit_code == 0, result.output
    assert "note: 'chest' is not for commercial use (CC BY-NC-SA 4.0)" in result.output
    assert "! tb 0.75 and no box" in " ".join(result.output.split())
    assert "detector and classifier disagree" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("arguments", "error", "part"),
    [
        (["--operating-point", "strict"], ConfigError, "none named 'strict'"),
        (["--bundle", "absent"], BundleError, "absent: no such bundle"),
    ],
    ids=["operating-point", "bundle"],
)
def test_predict_refuses_wrong_values(
    bundles: list[str],
    images: tuple[Path, ...],
    arguments: list[str],
    error: type[LucencyError],
    part: str,
) -> None:
    result = run(predict, images[0], *bundles, *arguments)
    assert isinstance(result.exception, error)
    assert part in str(result.exception)


def test_predict_refuses_a_conf_that_is_no_probability(
    tmp_path: Path, bundles: list[str], images: tuple[Path, ...]
) -> None:
    out = tmp_path / "out.jsonl"
    result = run(predict, images[0], *bundles, "--conf", "2", "--json", out)
    assert result.exit_code == 2
    assert not out.exists()


def test_predict_never_overwrites_pictures(
    tmp_path: Path, bundles: list[str], images: tuple[Path, ...]
) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "mine.txt").write_text("mine")
    result = run(predict, images[0], *bundles, "--pictures", tmp_path / "pictures")
    assert isinstance(result.exception, ConfigError)
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104 (refused)
def test_serve_refuses_addresses_others_can_reach(bundles: list[str], host: str) -> None:
    result = run(serve, *bundles, "--host", host)
    assert isinstance(result.exception, ConfigError)
    assert "--allow-public" in str(result.exception)


@contextmanager
def served(log: Path, *arguments: str) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """A real service in a process of its own, on a free port; yields it and its address."""
    start = "from lucency.api.cli import main; main()"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("LUCENCY_")
    }
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", start, "serve", "--port", "0", *arguments],
            stderr=stderr,
            stdout=stderr,
            env=environment,
        )
        try:
            yield process, wait_for_address(process, log)
        finally:
            process.terminate()
            process.wait(20)


def wait_for_address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"listens on (http://\S+)", log.read_text())
        if found:
            return found[1]
        select.select([], [], [], 0.02)
    raise AssertionError(f"the service did not start: {log.read_text()}")


def dicom_with_names(path: Path) -> Path:
    """A small DICOM image full of names, one of them where pydicom will warn about it."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset.PatientName = dataset.PatientID = "CANARY"
    dataset.Rows = dataset.Columns = 64
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation, dataset.SamplesPerPixel = 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = np.arange(64 * 64, dtype=np.uint16).tobytes()
    dataset.save_as(path, enforce_file_format=True)
    # A date that is none: the reader quotes it.
    data = path.read_bytes().replace(b"\x10\x00\x20\x00LO\x06\x00", b"\x10\x00\x30\x00DA\x06\x00")
    path.write_bytes(data)
    return path


@pytest.mark.slow
def test_real_service_answers_and_keeps_names_out_of_its_log(
    tmp_path: Path, bundles: list[str]
) -> None:
    image = dicom_with_names(tmp_path / "image.dcm")
    log = tmp_path / "log"
    with served(log, *bundles) as (process, address):
        with httpx.Client(base_url=address, timeout=20) as client:
            deadline = time.monotonic() + 30
            while client.get("/readyz").status_code != 200 and time.monotonic() < deadline:
                time.sleep(0.02)
            for data in (image.read_bytes(), image.read_bytes()[:-500], b"CANARY"):
                files = {"file": ("CANARY.dcm", data)}
                answer = client.post("/v1/analyze?conf=0.4", files=files)
                assert answer.status_code in (200, 415, 422)
                assert "CANARY" not in answer.text
            client.post("/v1/analyze?patient=CANARY")
            report = client.post("/v1/analyze", files={"file": image.read_bytes()}).json()
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    assert report["image"]["kind"] == "dicom"
    assert [found["label"] for found in report["findings"]] == ["fracture", "lesion"]
    text = log.read_text()
    assert '"POST /v1/analyze HTTP/1.1" 200' in text
    assert "Application shutdown complete" in text
    assert "CANARY" not in text
    assert "patient=" not in text


@pytest.mark.slow
def test_address_in_use_and_altered_bundle_stop_the_start(
    tmp_path: Path, bundles: list[str], detector_bundle: Bundle
) -> None:
    with served(tmp_path / "log", *bundles) as (_, address):
        result = run(serve, *bundles, "--port", address.rpartition(":")[2])
        assert isinstance(result.exception, ConfigError)
        assert "cannot listen" in str(result.exception)
    shutil.copytree(detector_bundle.path, tmp_path / "altered")
    (tmp_path / "altered" / "model.onnx").write_bytes(b"x" + detector_bundle.model[1:])
    start = "from lucency.api.cli import main; main()"
    command = [sys.executable, "-c", start, "serve", "--port", "0", "--bundle"]
    ended = subprocess.run(
        [*command, str(tmp_path / "altered")], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "model.onnx: has been altered" in ended.stderr
