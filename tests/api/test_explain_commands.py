"""`lucency explain` tells detectors and classifiers apart before it draws anything."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from lucency.api.cli import build_app
from lucency.configs.bundle import Bundle
from lucency.configs.errors import LucencyError

OF_DETECTORS = [["--detection", "1"], ["--masks", "60"], ["--seed", "0"]]
OF_CLASSIFIERS = [["--label", "tb"], ["--method", "gradcam"]]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    pixels = np.tile(np.linspace(0, 255, 90).astype(np.uint8), (70, 1))
    cv2.imwrite(str(tmp_path / "chest.png"), pixels)
    return tmp_path / "chest.png"


def error_of(*arguments: str | Path) -> str:
    result = CliRunner().invoke(build_app(), ["explain", *map(str, arguments)])
    assert isinstance(result.exception, LucencyError), result.output
    return str(result.exception)


@pytest.mark.parametrize("options", OF_DETECTORS, ids=lambda options: options[0])
def test_what_only_detectors_have_is_refused_for_a_classifier(
    make_classifier: Callable[..., Bundle], image: Path, tmp_path: Path, options: list[str]
) -> None:
    bundle = make_classifier(tmp_path / "tb")
    message = error_of(bundle.path, image, tmp_path / "out.png", *options)
    assert "is a classifier" in message


@pytest.mark.parametrize("options", OF_CLASSIFIERS, ids=lambda options: options[0])
def test_what_only_classifiers_have_is_refused_for_a_detector(
    make_detector: Callable[..., Bundle], image: Path, tmp_path: Path, options: list[str]
) -> None:
    bundle = make_detector(tmp_path / "fracture")
    message = error_of(bundle.path, image, tmp_path / "out.png", *options)
    assert "is a detector" in message


@pytest.mark.parametrize("kind", ["detector", "classifier"])
def test_either_kind_gives_a_picture(
    kind: str,
    make_classifier: Callable[..., Bundle],
    make_detector: Callable[..., Bundle],
    image: Path,
    tmp_path: Path,
) -> None:
    make = {"detector": make_detector, "classifier": make_classifier}[kind]
    out = tmp_path / "out.png"
    options = ["--masks", "50"] if kind == "detector" else ["--method", "gradcam++"]
    model = str(make(tmp_path / "model").path)
    result = CliRunner().invoke(build_app(), ["explain", model, str(image), str(out), *options])
    assert result.exit_code == 0, result.output
    assert cv2.imread(str(out)).shape[2] == 3
    assert "of the heat lies" in " ".join(result.output.split())


def test_the_picture_is_a_new_png(
    make_classifier: Callable[..., Bundle], image: Path, tmp_path: Path
) -> None:
    bundle = make_classifier(tmp_path / "tb")
    assert "ends in .png" in error_of(bundle.path, image, tmp_path / "out.jpg")
    assert "exists already" in error_of(bundle.path, image, image)


@pytest.mark.parametrize(
    ("name", "problem"),
    [("elsewhere", "no such bundle"), ("a.pt", "cannot be loaded"), ("empty", "cannot be read")],
)
def test_what_is_no_model(name: str, problem: str, image: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert problem in error_of(tmp_path / name, image, tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


def test_a_runs_configuration_says_what_it_is(image: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text("task: classification\n")
    message = error_of(run, image, tmp_path / "out.png", "--detection", "2")
    assert "is a classifier" in message
    (run / "config.yaml").write_text("task: detection\n")
    message = error_of(run, image, tmp_path / "out.png", "--label", "tb")
    assert "is a detector" in message
