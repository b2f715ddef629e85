"""`lucency predict`: options in, files out; the same answers as the service's."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from lucency.api.predict_command import predict
from lucency.configs.bundle import Bundle
from lucency.configs.errors import BundleError, ConfigError, ImageError, LucencyError
from lucency.configs.fusion import FusionSpec

Png = Callable[..., bytes]
ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)


def run(*arguments: object) -> Result:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(predict)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def answers(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


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


def test_writes_the_answers_of_the_service(
    tmp_path: Path, bundles: list[str], images: tuple[Path, ...], client: Any
) -> None:
    good, _, small = images
    out = tmp_path / "out.jsonl"
    result = run(good, small, *bundles, "--json", out)
    assert result.exit_code == 0, result.output
    lines = answers(out)
    assert [line.pop("file") for line in lines] == ["good.png", "small.png"]
    served = [client.analyze(path.read_bytes()).json() for path in (good, small)]
    for answer in (*lines, *served):
        del answer["timings_ms"]
    assert lines == served
    assert "fracture 0.90" in result.output


def test_goes_on_after_a_broken_file(
    tmp_path: Path, bundles: list[str], images: tuple[Path, ...]
) -> None:
    out = tmp_path / "out.jsonl"
    absent = tmp_path / "absent.png"
    result = run(*images, absent, *bundles, "--json", out)
    assert result.exit_code == 1
    lines = answers(out)
    assert ["error" in line for line in lines] == [False, True, False, True]
    assert lines[1]["error"]["code"] == "unreadable_image"
    assert "broken.png: is truncated" in lines[1]["error"]["message"]
    assert lines[1]["error"]["fault"] == "truncated"
    assert "Traceback" not in result.output


def test_tells_what_models_are_for_and_where_no_detector_looked(
    tmp_path: Path,
    detector_bundle: Bundle,
    make_classifier: Callable[..., Bundle],
    images: tuple[Path, ...],
) -> None:
    use = "Research on the lungs of children. It has seen no adult."
    classifier = make_classifier(tmp_path / "children", intended_use=use)
    alone = run(images[0], "--bundle", classifier.path)
    assert alone.exit_code == 0, alone.output
    assert "no detector" in alone.stdout
    assert f"children: {use}" in " ".join(alone.stdout.split())
    both = run(images[0], "--bundle", classifier.path, "--bundle", detector_bundle.path)
    assert "no detector" not in both.stdout
    assert "fracture 0.90" in both.stdout


def test_draws_pictures(tmp_path: Path, bundles: list[str], png: Png) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.png").write_bytes(png(200, 100))
    pictures = tmp_path / "pictures"
    paths = [tmp_path / folder / "same.png" for folder in ("a", "b")]
    result = run(*paths, *bundles, "--pictures", pictures)
    assert result.exit_code == 0, result.output
    drawn = sorted(str(path.relative_to(pictures)) for path in pictures.rglob("*.jpg"))
    assert drawn == ["a/same.jpg", "b/same.jpg"]
    with Image.open(pictures / "a" / "same.jpg") as picture:
        width, height = picture.size
        assert width == 640
        assert height > 320  # what the classifier says stands above
        red, green, _ = np.asarray(picture).astype(int).transpose(2, 0, 1)
    assert (green - red > 80).sum() > 100, "no box was drawn"


def test_takes_folders(tmp_path: Path, bundles: list[str], png: Png) -> None:
    for name in ("b.png", "a.png", "inner/c.png", "notes.txt", ".hidden.png"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a text" if path.suffix == ".txt" else png())
    (tmp_path / "single.png").write_bytes(png())
    out = tmp_path / "out.jsonl"
    result = run(tmp_path / "single.png", tmp_path / "images", *bundles, "--json", out)
    assert result.exit_code == 0, result.output
    files = [answer["file"] for answer in answers(out)]
    assert files == ["single.png", "a.png", "b.png", "inner/c.png"]


def test_names_files_as_they_are(tmp_path: Path, bundles: list[str], png: Png) -> None:
    """Brackets are no markup, and the last number of a name is no suffix."""
    names = ("[red]a[bold].png", "1.2.840.1", "1.2.840.2")
    for name in names:
        (tmp_path / name).write_bytes(png())
    pictures = tmp_path / "pictures"
    paths = [tmp_path / name for name in names]
    result = run(*paths, *bundles, "--pictures", pictures)
    assert result.exit_code == 0, result.output
    assert "[red]a[bold].png" in result.output
    drawn = {path.name for path in pictures.iterdir()}
    assert drawn == {"[red]a[bold].jpg", "1.2.840.1.jpg", "1.2.840.2.jpg"}


def test_takes_one_frame_of_several(tmp_path: Path, bundles: list[str]) -> None:
    pages = [Image.new("L", (64 + 8 * page, 64), 90) for page in range(2)]
    path, out = tmp_path / "pages.tif", tmp_path / "out.jsonl"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    assert run(path, *bundles).exit_code == 1
    result = run(path, *bundles, "--frame", 2, "--json", out)
    assert result.exit_code == 0, result.output
    assert json.loads(out.read_text(encoding="utf-8"))["image"]["width"] == 72


@pytest.mark.parametrize("place", ["folder", "image.png", "image.png/answers"])
def test_tells_at_once_that_it_cannot_write(
    tmp_path: Path, bundles: list[str], png: Png, place: str
) -> None:
    """Before the first image is analysed; a forgotten file name costs no radiograph."""
    (tmp_path / "folder").mkdir()
    image = tmp_path / "image.png"
    image.write_bytes(png())
    pictures = tmp_path / "pictures"
    result = run(image, *bundles, "--json", tmp_path / place, "--pictures", pictures)
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith(f"--json {tmp_path / place}: ")
    assert image.read_bytes() == png()
    assert not pictures.exists()


def test_refuses_a_folder_without_images(tmp_path: Path, bundles: list[str]) -> None:
    (tmp_path / "empty").mkdir()
    result = run(tmp_path / "empty", *bundles)
    assert isinstance(result.exception, ImageError)
    assert "empty: holds no PNG, JPEG, TIFF or DICOM image" in str(result.exception)


def test_looks_as_it_is_told(tmp_path: Path, detector_bundle: Bundle, png: Png) -> None:
    (tmp_path / "image.png").write_bytes(png(256, 256))
    bundle = ["--bundle", detector_bundle.path]
    found = []
    for number, options in enumerate(([], ["--flip"], ["--tiles", "128"])):
        out = tmp_path / f"{number}.jsonl"
        result = run(tmp_path / "image.png", *bundle, *options, "--json", out)
        assert result.exit_code == 0, result.output
        assert ("were chosen with one look" in result.output) is bool(options)
        found += answers(out)
    used = [answer["models"][0]["inference"] for answer in found]
    assert used == [
        {"tiles": None, "flip": False},
        {"tiles": None, "flip": True},
        {"tiles": {"size": 128, "overlap": 0.25}, "flip": False},
    ]
    assert len({answer["id"] for answer in found}) == 3


def test_refuses_tiny_tiles(bundles: list[str], images: tuple[Path, ...]) -> None:
    assert run(images[0], *bundles, "--tiles", "8").exit_code == 2


def test_with_an_ensemble(
    tmp_path: Path, make_detector: Callable[..., Bundle], images: tuple[Path, ...]
) -> None:
    pair = [make_detector(tmp_path / name) for name in ("one", "two")]
    bundles = [part for bundle in pair for part in ("--bundle", bundle.path)]
    out = tmp_path / "out.jsonl"
    result = run(images[0], *bundles, "--ensemble", "--json", out)
    assert result.exit_code == 0, result.output
    answer = json.loads(out.read_text(encoding="utf-8"))
    assert {found["model"] for found in answer["findings"]} == {"one + two"}


def test_tells_terms_and_flags(
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
    result = run(images[0], *paths, "--conf", "0.99")
    assert result.exit_code == 0, result.output
    assert "note: 'chest' is not for commercial use (CC BY-NC-SA 4.0)" in result.output
    assert "no box" in " ".join(result.output.split())
    assert "Reasons to look twice" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("arguments", "error", "part"),
    [
        (["--operating-point", "strict"], ConfigError, "none named 'strict'"),
        (["--bundle", "absent"], BundleError, "absent: no such bundle"),
    ],
    ids=["operating-point", "bundle"],
)
def test_refuses_wrong_values(
    bundles: list[str],
    images: tuple[Path, ...],
    arguments: list[str],
    error: type[LucencyError],
    part: str,
) -> None:
    result = run(images[0], *bundles, *arguments)
    assert isinstance(result.exception, error)
    assert part in str(result.exception)


@pytest.mark.parametrize("conf", ["2", "much", "fracture=", "fracture=0.2,0.3"])
def test_refuses_a_conf_that_is_no_probability(
    tmp_path: Path, bundles: list[str], images: tuple[Path, ...], conf: str
) -> None:
    out = tmp_path / "out.jsonl"
    result = run(images[0], *bundles, "--conf", conf, "--json", out)
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith("conf: ")
    assert not out.exists()


def test_never_overwrites_pictures(
    tmp_path: Path, bundles: list[str], images: tuple[Path, ...]
) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "mine.txt").write_text("mine")
    result = run(images[0], *bundles, "--pictures", tmp_path / "pictures")
    assert isinstance(result.exception, ConfigError)
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("options", "asked", "labels"),
    [
        ([], {}, ["fracture", "lesion"]),
        (["--operating-point", "screening"], {"operating_point": "screening"}, 3),
        (["--conf", "0.95"], {"conf": "0.95"}, []),
        (["--conf", "lesion=0.7"], {"conf": "lesion=0.7"}, ["fracture"]),
        (
            ["--conf", "lesion=0.7", "--conf", "fracture=0.95"],
            {"conf": "lesion=0.7,fracture=0.95"},
            [],
        ),
        (["--max-detections", "1"], {"max_detections": 1}, ["fracture"]),
        (["--model", "stand-in-classifier"], {"models": "stand-in-classifier"}, []),
        (["--kind", "any"], {"kind": "any"}, 2),
        (["--heatmap"], {"heatmap": True}, 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_asks_what_the_service_is_asked(
    tmp_path: Path,
    bundles: list[str],
    images: tuple[Path, ...],
    client: Any,
    options: list[str],
    asked: dict[str, Any],
    labels: list[str] | int,
) -> None:
    out = tmp_path / "out.jsonl"
    result = run(images[0], *bundles, *options, "--json", out)
    assert result.exit_code == 0, result.output
    (found,) = answers(out)
    served = client.analyze(images[0].read_bytes(), **asked).json()
    del found["file"]
    for answer in (found, served):
        del answer["timings_ms"]
    assert found == served
    label = [each["label"] for each in found["findings"]]
    assert (len(label) if isinstance(labels, int) else label) == labels


def test_all_outputs_of_one_run(
    tmp_path: Path, bundles: list[str], images: tuple[Path, ...]
) -> None:
    out = tmp_path / "out"
    result = run(
        *images, *bundles, "--heatmap",
        *("--json", out / "a.jsonl", "--csv", out / "a.csv", "--coco", out / "a.json"),
        *("--labelme", out / "labelme", "--yolo", out / "yolo", "--pictures", out / "pictures"),
    )  # fmt: skip
    assert result.exit_code == 1  # one of the images is broken
    written = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    heat = {f"pictures/{n}-heat-stand-in-classifier-tb.jpg" for n in ("good", "small")}
    assert written == heat | {
        *("a.jsonl", "a.csv", "a-images.csv", "a.json", "a-images.json", "yolo/classes.txt"),
        *(f"labelme/{name}.json" for name in ("good", "small")),
        *(f"yolo/labels/{name}.txt" for name in ("good", "small")),
        *(f"pictures/{name}.jpg" for name in ("good", "small")),
    }


@pytest.mark.slow
@pytest.mark.parametrize("number", list(ENDS), ids=lambda one: one.name)
def test_an_end_in_the_middle_leaves_no_half_file(
    tmp_path: Path, bundles: list[str], png: Png, number: signal.Signals
) -> None:
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    for name in range(400):
        (images / f"{name:03}.png").write_bytes(png(400, 400))
    outputs = [
        *("--json", out / "a.jsonl", "--csv", out / "a.csv", "--coco", out / "a.json"),
        *("--pictures", out / "pictures", "--labelme", out / "labelme"),
    ]
    start = "from lucency.api.cli import main; main()"
    command = [sys.executable, "-c", start, "predict", images, *bundles, *outputs]
    with subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "LUCENCY_CORES": "1"},
    ) as process:
        partial = out / "a.jsonl.partial"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if partial.exists() and partial.stat().st_size > 20_000:
                break
            time.sleep(0.005)
        process.send_signal(number)
        output, _ = process.communicate(timeout=30)
    assert process.returncode != 0, output
    assert "Traceback" not in output
    left = sorted(path.name for path in out.iterdir())
    if number is signal.SIGKILL:  # nobody cleans up, but nothing has the name that was asked for
        assert "a.jsonl.partial" in left
        assert all(name.startswith(".") for name in left if name != "a.jsonl.partial")
    else:
        assert left == ["a.jsonl.partial"]
    assert len(answers(partial)) > 5


@pytest.mark.real_data
@pytest.mark.slow
def test_coco_results_measure_as_our_own_evaluation(lucency_data: Path, tmp_path: Path) -> None:
    """pycocotools, on FracAtlas' own annotations and ids, against the same detector asked here."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    from lucency.datasets.radiographs import read_radiograph
    from lucency.detection.detector import open_detector
    from lucency.detection.inference import detect
    from lucency.evaluation.average_precision import average_precision
    from lucency.evaluation.boxes import ImageTruth

    annotations = lucency_data / "fracatlas" / "annotations" / "coco.json"
    document = json.loads(annotations.read_text())
    entries = [e for e in document["images"] if e["width"] * e["height"] < 400_000][:8]
    folder = lucency_data / "fracatlas" / "images" / "Fractured"
    images = [folder / entry["file_name"] for entry in entries]
    out = tmp_path / "found.json"
    result = run(
        *images, "--bundle", "fracture", "--conf", "0",
        *("--coco", out, "--coco-images", annotations),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    coco = COCO(str(annotations))
    evaluation = COCOeval(coco, coco.loadRes(str(out)), "bbox")
    evaluation.params.imgIds = [entry["id"] for entry in entries]
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()

    truths, predictions = [], []
    detector = open_detector("fracture")
    for entry, path in zip(entries, images, strict=True):
        boxes = [a["bbox"] for a in document["annotations"] if a["image_id"] == entry["id"]]
        corners = np.array([(x, y, x + w, y + h) for x, y, w, h in boxes], dtype=np.float64)
        size_wh = (entry["width"], entry["height"])
        classes = np.zeros(len(boxes), dtype=np.int64)
        truths.append(ImageTruth(entry["file_name"], size_wh, corners, classes))
        found = detect([detector], read_radiograph(path), conf=0.0, max_detections=100)
        predictions.append(found.to_predictions(entry["file_name"]))
    own = average_precision(truths, predictions, class_names=("fractured",))
    assert evaluation.stats[0] > 0.05
    assert evaluation.stats[1] == pytest.approx(own.map50, abs=1e-6)
