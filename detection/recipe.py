"""The detection recipe: what a training configuration may say, checked strictly."""

from typing import Any, Literal

from pydantic import Field

from lucency.configs.display import DisplaySpec
from lucency.configs.point_targets import PointTargets
from lucency.configs.schema import StrictModel
from lucency.datasets.augment import DetectionAugment


class DetectionConfig(StrictModel):
    """Everything that decides a detector's training; saved resolved with every run.

    ``weights`` is a name that Ultralytics knows (``yolo11n.pt``), the path of a ``.pt`` file, or
    the path or name of one of our bundles. ``ultralytics`` reaches every further option of
    Ultralytics by its own name.
    """

    task: Literal["detection"]
    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9._-]+$")
    weights: str = "yolo11n.pt"
    image_size: int = Field(default=640, ge=64, multiple_of=32)
    display: DisplaySpec = DisplaySpec()
    epochs: int = Field(default=100, ge=1)
    batch: int = Field(default=16, ge=1)
    patience: int = Field(default=30, ge=0, description="epochs without gain before stopping")
    freeze: int = Field(default=0, ge=0, description="first layers that stay as they are")
    negatives: float | None = Field(
        default=None, ge=0, description="confirmed negatives for each image with findings"
    )
    rare_below: float = Field(
        default=0.0, ge=0, le=1, description="classes in a smaller share of images are repeated"
    )
    seed: int = 0
    device: str | int | tuple[int, ...] | None = None
    workers: int = Field(default=8, ge=0)
    augment: DetectionAugment = DetectionAugment()
    ultralytics: dict[str, Any] = Field(default_factory=dict)
    operating_points: PointTargets = PointTargets()
    calibration: Literal["platt", "isotonic", "none"] = "platt"
    commercial_use: bool = Field(default=True, description="whether the data allow it")
    licence: str = Field(default="AGPL-3.0-or-later", description="of the trained weights")
    data_source: str = Field(default="", description="citation and licence of the training data")
    intended_use: str = "Research on anomaly detection in radiographs."
