"""The configuration of a classifier's training; the defaults are the project's recipe."""

from typing import Literal, get_args

from pydantic import Field, field_validator, model_validator

from lucency.configs.bundle import RESEARCH_USE, RadiographKind
from lucency.configs.display import DisplaySpec
from lucency.configs.point_targets import ClassificationTargets
from lucency.configs.schema import StrictModel
from lucency.datasets.augment import CLASSIFICATION, Transforms, check_crop_sizes


class ClassificationConfig(StrictModel):
    """Everything that decides what a training run learns, but for the data.

    The network's new head learns first (``head_epochs`` at ``head_learning_rate``, the backbone
    as it came); then all but the first ``frozen_stages`` are fine-tuned for up to ``epochs``.
    ``configs/tb.yaml`` explains every key.
    """

    task: Literal["classification"]
    name: str = Field(min_length=1)
    network: str = "tbnet"
    head: Literal["mlp", "linear"] = "mlp"
    weights: str = "imagenet"
    channels: Literal[1, 3] = 3
    input_size: int = Field(default=224, ge=32, le=1024)
    labels: tuple[str, ...] = Field(min_length=1)
    exclusive: bool = False
    display: DisplaySpec = DisplaySpec(method="percentile", longest_side=512)
    seed: int = Field(default=0, ge=0, lt=2**31)

    head_epochs: int = Field(default=5, ge=0)
    head_learning_rate: float = Field(default=1e-3, gt=0.0)
    epochs: int = Field(default=30, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0.0)
    stage_decay: float = Field(default=1.0, gt=0.0, le=1.0)
    frozen_stages: int = Field(default=3, ge=0)
    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    schedule: Literal["warm_restarts", "one_cycle"] = "warm_restarts"
    weight_decay: float = Field(default=1e-4, ge=0.0)
    batch: int = Field(default=32, ge=2)
    gradient_clip: float = Field(default=1.0, gt=0.0)
    patience: int = Field(default=10, ge=1)

    loss: Literal["bce", "focal", "cross_entropy"] = "focal"
    focal_alpha: float = Field(default=0.25, gt=0.0, lt=1.0)
    focal_gamma: float = Field(default=2.0, ge=0.0)
    label_smoothing: float = Field(default=0.05, ge=0.0, lt=1.0)
    sampler: Literal["weighted", "uniform"] = "weighted"
    balance_by: str = ""
    augment: Transforms = CLASSIFICATION

    calibration: Literal["temperature", "isotonic", "none"] = "temperature"
    operating_points: ClassificationTargets = ClassificationTargets()

    workers: int = Field(default=0, ge=0)
    role: Literal["findings", "router"] = "findings"
    kinds: tuple[RadiographKind, ...] = ()
    licence: str = "AGPL-3.0-or-later"
    commercial_use: bool = True
    data_source: str = Field(default="", description="citation and licence of the training data")
    intended_use: str = RESEARCH_USE

    @field_validator("labels")
    @classmethod
    def _different_labels(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(labels)) != len(labels) or not all(label.strip() for label in labels):
            raise ValueError("labels must be different and not empty")
        return labels

    @model_validator(mode="after")
    def _scratch_learns_everything(self) -> "ClassificationConfig":
        if self.weights == "none" and (self.head_epochs or self.frozen_stages):
            raise ValueError(
                "weights: none starts from random numbers, so nothing may stay frozen: "
                "set head_epochs and frozen_stages to 0"
            )
        return self

    @model_validator(mode="after")
    def _one_answer_or_several(self) -> "ClassificationConfig":
        if self.exclusive != (self.loss == "cross_entropy"):
            raise ValueError("loss: cross_entropy is for exclusive labels, and they need it")
        if self.exclusive and len(self.labels) < 2:
            raise ValueError("exclusive labels must be two or more")
        if self.exclusive and self.calibration == "isotonic":
            raise ValueError("calibration: isotonic would break the sum of exclusive labels")
        return self

    @model_validator(mode="after")
    def _router_tells_kinds(self) -> "ClassificationConfig":
        kinds = {*get_args(RadiographKind), "other"}
        if self.role == "router" and not (self.exclusive and set(self.labels) == kinds):
            raise ValueError(
                f"role: router needs the exclusive labels {', '.join(sorted(kinds))}, "
                f"got {', '.join(self.labels)}"
            )
        return self

    @model_validator(mode="after")
    def _only_weights_balance(self) -> "ClassificationConfig":
        if self.balance_by and self.sampler != "weighted":
            raise ValueError(f"balance_by: {self.balance_by} needs sampler: weighted")
        return self

    @model_validator(mode="after")
    def _crops_keep_the_finding(self) -> "ClassificationConfig":
        check_crop_sizes(self.augment, side=self.input_size)
        return self

    @property
    def total_epochs(self) -> int:
        """Epochs of both phases together."""
        return self.head_epochs + self.epochs
