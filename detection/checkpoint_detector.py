"""A `.pt` checkpoint as a detector, run by Ultralytics on torch: for evaluation only.

What a service runs is a bundle; a checkpoint is measured to see whether it is worth exporting, or
to compare with someone else's model.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lucency.configs.display import DisplaySpec
from lucency.configs.schema import read_config
from lucency.datasets.display import display
from lucency.datasets.radiographs import Radiograph
from lucency.detection.detector import DEFAULT_IOU
from lucency.detection.recipe import DetectionConfig
from lucency.detection.run_folder import CONFIG
from lucency.detection.weights import load_checkpoint
from lucency.evaluation.boxes import ImagePredictions

ULTRALYTICS_IMAGE_SIZE = 640


@dataclass(frozen=True)
class CheckpointDetector:
    """An open checkpoint, and how it wants its pixels; ``run`` is our run folder, if it is one's.

    Boxes are those of Ultralytics' own ``predict`` with its default options.
    """

    path: Path
    class_names: tuple[str, ...]
    display: DisplaySpec
    image_size: int
    run: Path | None
    _model: Any

    def predict(
        self, radiograph: Radiograph, *, image: str, conf: float, max_detections: int
    ) -> ImagePredictions:
        """The boxes of one radiograph, in pixels of the stored image, under its name."""
        shown = display(radiograph, self.display)
        bgr = np.repeat(shown.image[:, :, None], 3, axis=2)
        found = self._model.predict(
            bgr,
            imgsz=self.image_size,
            conf=conf,
            iou=DEFAULT_IOU,
            max_det=max_detections,
            verbose=False,
        )[0].boxes
        boxes = found.xyxy.cpu().numpy().astype(np.float64).reshape(-1, 4)
        return ImagePredictions(
            image,
            shown.to_stored(boxes).astype(np.float64),
            found.conf.cpu().numpy().astype(np.float64),
            found.cls.cpu().numpy().astype(np.int64),
        )


def open_checkpoint(path: Path) -> CheckpointDetector:
    """Open a checkpoint.

    In one of our run folders ``config.yaml`` says how pixels are displayed and at what size;
    elsewhere the default display is used, and the size the checkpoint says it was trained at.

    Raises
    ------
    ConfigError
        It is no detector that Ultralytics can load safely, or the run's configuration is damaged.

    """
    model = load_checkpoint(path)
    class_names = tuple(str(model.names[index]) for index in range(len(model.names)))
    run = run_of(path)
    if run is None:
        size = int(model.overrides.get("imgsz") or ULTRALYTICS_IMAGE_SIZE)
        return CheckpointDetector(path, class_names, DisplaySpec(), size, None, model)
    config = read_config(DetectionConfig, run / CONFIG)
    return CheckpointDetector(path, class_names, config.display, config.image_size, run, model)


def run_of(checkpoint: Path) -> Path | None:
    """The run folder that a checkpoint lies in, as ``weights/best.pt``; None elsewhere."""
    folder = checkpoint.resolve().parent
    return folder.parent if (folder.parent / CONFIG).is_file() else None
