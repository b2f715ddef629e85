"""`lucency evaluate` tells detectors and classifiers apart before it measures anything."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from lucency.annotations.records import read_dataset
from lucency.api.cli import build_app
from lucency.configs.bundle import Bundle
from lucency.configs.errors import LucencyError
from lucency.datasets.placement import apply_split
from lucency.datasets.split import keep_splits

OPTIONS = [["--rule", "centre"], ["--coco-truth", "truth.json"]]


def error_of(*arguments: str | Path) -> str:
    result = CliRunner().invoke(build_app(), ["evaluate", *map(str, arguments)])
    assert isinstance(result.exception, LucencyError), result.output
    return str(result.exception)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: options[0])
def test_what_only_detectors_have_is_refused_for_a_classifier(
    make_classifier: Callable[..., Bundle], tmp_path: Path, options: list[str]
) -> None:
    bundle = make_classifier(tmp_path / "tb")
    message = error_of(bundle.path, tmp_path / "set", tmp_path / "out", *options)
    assert "is a classifier" in message


@pytest.mark.parametrize("kind", ["detector", "classifier"])
def test_either_kind_needs_a_set(
    kind: str,
    make_classifier: Callable[..., Bundle],
    make_detector: Callable[..., Bundle],
    tmp_path: Path,
) -> None:
    make = {"detector": make_detector, "classifier": make_classifier}[kind]
    message = error_of(make(tmp_path / "model").path, tmp_path / "set", tmp_path / "out")
    assert "has no data.yaml" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (("elsewhere",), "no such bundle"),
        (("a.json",), "no such file"),
        (("a.pt",), "no such file"),
        (("a.csv",), "no such file"),
    ],
    ids=str,
)
def test_what_is_no_model_is_refused(
    tmp_path: Path, names: tuple[str], problem: str, write_set: Callable[..., Path]
) -> None:
    message = error_of(*names, write_set(tmp_path / "set"), tmp_path / "out")
    assert problem in message


def test_a_table_of_probabilities_is_a_classifiers(
    tmp_path: Path, write_set: Callable[..., Path]
) -> None:
    (tmp_path / "theirs.csv").write_text("image,tb\n0.png,0.5\n")
    message = error_of(tmp_path / "theirs.csv", write_set(tmp_path / "set"), tmp_path / "out")
    assert "none of its columns 'image', 'tb' is a label of" in message


def test_a_run_folder_means_its_best_epoch(tmp_path: Path, write_set: Callable[..., Path]) -> None:
    (tmp_path / "run/weights").mkdir(parents=True)
    (tmp_path / "run/weights/best.pt").write_bytes(b"no checkpoint")
    message = error_of(tmp_path / "run", write_set(tmp_path / "set"), tmp_path / "out")
    assert "run/weights/best.pt" in message


def test_an_unknown_rule_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(build_app(), ["evaluate", "a", "b", "c", "--rule", "iou70"])
    assert result.exit_code == 2


@pytest.fixture
def write_set() -> Callable[..., Path]:
    """A split set of two images without findings."""

    def write(root: Path) -> Path:
        rows = ["image,split,patient_id,status,width,height,sha256,source"]
        for number, split in enumerate(("val", "test")):
            for folder in ("images", "labels"):
                (root / folder / split).mkdir(parents=True)
            file = root / f"images/{split}/{number}.png"
            Image.fromarray(np.full((40, 40), 60 * number, np.uint8)).save(file)
            (root / f"labels/{split}/{number}.txt").write_text("")
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            rows.append(f"images/{split}/{number}.png,{split},{number},negative,40,40,{digest},x")
        (root / "dataset.csv").write_text("\n".join(rows) + "\n")
        (root / "data.yaml").write_text("names: [fracture, lesion]\n")
        apply_split(keep_splits(read_dataset(root)))
        return root

    return write


def test_a_detector_on_negatives_alone(
    make_detector: Callable[..., Bundle], tmp_path: Path, write_set: Callable[..., Path]
) -> None:
    """No findings, no truth to find: specificity is all that can be said."""
    bundle = make_detector(tmp_path / "model", operating_points={
        point: {"fracture": 0.5, "lesion": 0.5} for point in ("screening", "balanced", "specific")
    })  # fmt: skip
    arguments = [bundle.path, write_set(tmp_path / "set"), tmp_path / "out", "--samples", "5"]
    result = CliRunner().invoke(build_app(), ["evaluate", *map(str, arguments)])
    assert result.exception is None, result.output
    assert "1 images, 0 of them (0%) with 0 findings" in result.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "metrics.json",
        "predictions.json",
        "report.html",
        "truth.json",
    }
