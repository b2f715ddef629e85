"""A `.pt` at evaluation: pixels as its run prepared them, boxes in pixels of the stored image."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ConfigError
from lucency.configs.schema import dump_yaml
from lucency.datasets.display import display
from lucency.datasets.radiographs import read_radiograph
from lucency.detection.checkpoint_detector import open_checkpoint, run_of
from lucency.detection.offline_ultralytics import import_ultralytics
from lucency.detection.recipe import DetectionConfig

pytestmark = [
    pytest.mark.xdist_group("detector-training"),
    # Ultralytics and torch warn of their own affairs.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with an untrained network that reduces and stretches its images."""
    folder = tmp_path_factory.mktemp("run")
    spec = DisplaySpec(method="percentile", longest_side=64)
    values = {"task": "detection", "name": "tiny", "image_size": 96, "display": spec}
    (folder / "config.yaml").write_text(dump_yaml(DetectionConfig.model_validate(values)))
    (folder / "weights").mkdir()
    import_ultralytics().YOLO("yolo11n.yaml").save(str(folder / "weights/best.pt"))
    return folder


def test_in_a_run_folder_its_configuration_holds(run: Path) -> None:
    opened = open_checkpoint(run / "weights/best.pt")
    assert (opened.run, opened.image_size, opened.display.longest_side) == (run.resolve(), 96, 64)
    assert len(opened.class_names) == 80


def test_elsewhere_pixels_are_as_displayed(run: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs.pt").write_bytes((run / "weights/best.pt").read_bytes())
    opened = open_checkpoint(tmp_path / "theirs.pt")
    assert (opened.run, opened.image_size, opened.display) == (None, 640, DisplaySpec())
    assert run_of(tmp_path / "theirs.pt") is None


def test_boxes_are_those_of_ultralytics_in_stored_pixels(run: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (128, 96), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    radiograph = read_radiograph(tmp_path / "a.png")
    opened = open_checkpoint(run / "weights/best.pt")
    found = opened.predict(radiograph, image="a", conf=1e-9, max_detections=5)
    shown = display(radiograph, opened.display).image
    assert shown.shape == (64, 48)
    model = import_ultralytics().YOLO(str(run / "weights/best.pt"))
    expected = model.predict(
        np.dstack([shown] * 3), imgsz=96, conf=1e-9, iou=0.5, max_det=5, verbose=False
    )[0].boxes
    assert len(found.scores) == 5
    np.testing.assert_allclose(found.boxes_xyxy, 2 * expected.xyxy.numpy(), rtol=1e-5)
    np.testing.assert_allclose(found.scores, expected.conf.numpy())


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"no checkpoint")
    with pytest.raises(ConfigError, match="cannot be loaded") as caught:
        open_checkpoint(tmp_path / "a.pt")
    assert "\n" not in str(caught.value)
