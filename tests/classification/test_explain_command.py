"""What `lucency explain` draws and says of a classifier."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from lucency.classification.explain_command import explain_classifier
from lucency.configs.errors import ConfigError


@pytest.fixture
def image(trained: tuple[Path, Path]) -> Path:
    return sorted((trained[0] / "images" / "test").iterdir())[1]


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_a_bundle_is_drawn_with_its_threshold(
    bundle: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "heat.png"
    explain_classifier(str(bundle), image, out, label=None, method="gradcam")
    stored = cv2.imread(str(image), cv2.IMREAD_GRAYSCALE)
    picture = cv2.imread(str(out))
    assert picture.shape[1] == stored.shape[1]
    assert picture.shape[0] > stored.shape[0]
    said = told(capsys)
    assert "heat.png: bright 0." in said
    assert "the threshold of '" in said
    assert said.endswith(("of the image.", "the whole image.", "there is no heat."))
    assert "lungs" not in said  # the recipe is for no kind of radiograph in particular


def test_a_run_is_drawn_without(
    trained: tuple[Path, Path], image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "heat.png"
    explain_classifier(str(trained[1]), image, out, label="bright", method="gradcam++")
    said = told(capsys)
    assert "not calibrated" in said
    assert "threshold" not in said
    assert out.is_file()


def test_nothing_is_written_for_an_unknown_label(bundle: Path, image: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="label 'flu'"):
        explain_classifier(str(bundle), image, tmp_path / "a.png", label="flu", method="gradcam")
    assert not (tmp_path / "a.png").exists()
    assert np.array_equal(list(tmp_path.iterdir()), [])
