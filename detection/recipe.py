"""The detection recipe: what a training configuration may say, checked strictly."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, field_serializer, model_validator
from pydantic_core import PydanticCustomError

from lucency.configs.bundle import RadiographKind
from lucency.configs.display import DisplaySpec
from lucency.configs.point_targets import PointTargets
from lucency.configs.schema import StrictModel
from lucency.datasets.augment import DetectionAugment
from lucency.detection.engine_options import check_names

# Stands for `image_size: auto` until the data are known.
AUTO_SIZE = 0
_SMALLEST_PX = 64
# Keys that a model takes from YAML and resolves into others.
_ALIASES = frozenset({"display.preset"})


def _size(value: object) -> object:
    if value == "auto":
        return AUTO_SIZE
    if isinstance(value, str) or (isinstance(value, int) and value < _SMALLEST_PX):
        raise ValueError(f"must be auto, or a number of pixels of at least {_SMALLEST_PX}")
    return value


def _layers(value: object) -> object:
    listed = value if isinstance(value, (list, tuple)) else [value]
    if not all(type(one) is int and one >= 0 for one in listed):
        raise ValueError("must be how many first layers, or a list of layers, counted from 0")
    return value


def _device(value: object) -> object:
    if isinstance(value, (list, tuple)):
        known = all(type(one) is int and one >= 0 for one in value) and len(set(value)) == len(
            value
        )
    else:
        known = value is None or type(value) in (int, str)
    if not known:
        raise ValueError(
            "must be a name such as cpu, the number of a GPU, or a list of them, each once"
        )
    return value


class DetectionConfig(StrictModel):
    """Everything that decides a detector's training; saved resolved with every run.

    ``weights`` is a name that Ultralytics knows (``yolo11n.pt``), the path of a ``.pt`` file, or
    the path or name of one of our bundles. ``image_size`` is a multiple of 32, or ``auto``: what
    `lucency explore` recommends for the data. ``freeze`` is a number of first layers, or a list of
    the layers' numbers. ``ultralytics`` reaches every further option of Ultralytics by its own
    name.
    """

    task: Literal["detection"]
    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9._-]+$")
    weights: str = "yolo11n.pt"
    image_size: Annotated[int, BeforeValidator(_size)] = Field(default=640, multiple_of=32)
    display: DisplaySpec = DisplaySpec()
    epochs: int = Field(default=100, ge=1)
    batch: int = Field(default=16, ge=1)
    patience: int = Field(default=30, ge=0, description="epochs without gain before stopping")
    freeze: Annotated[int | tuple[int, ...], BeforeValidator(_layers)] = Field(
        default=0, description="first layers, or the numbers of layers, that stay as they are"
    )
    negatives: float | None = Field(
        default=None, ge=0, description="confirmed negatives for each image with findings"
    )
    rare_below: float = Field(
        default=0.0, ge=0, le=1, description="classes in a smaller share of images are repeated"
    )
    seed: int = Field(default=0, ge=0)
    device: Annotated[str | int | tuple[int, ...] | None, BeforeValidator(_device)] = None
    workers: int = Field(default=8, ge=0)
    augment: DetectionAugment = DetectionAugment()
    ultralytics: dict[str, Any] = Field(default_factory=dict)
    operating_points: PointTargets = PointTargets()
    calibration: Literal["platt", "isotonic", "none"] = "platt"
    kinds: tuple[RadiographKind, ...] = Field(
        default=(), description="the radiographs it is for: chest, bone; none: any"
    )
    commercial_use: bool = Field(default=True, description="whether the data allow it")
    licence: str = Field(default="AGPL-3.0-or-later", description="of the trained weights")
    data_source: str = Field(default="", description="citation and licence of the training data")
    intended_use: str = "Research on anomaly detection in radiographs."

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: object) -> object:
        """Refuse unknown keys before anything is imported to check the values of the others."""
        if isinstance(values, Mapping):
            problem = _unknown_key(cls, values, at="")
            options = values.get("ultralytics")
            if problem is None and isinstance(options, Mapping):
                problem = check_names(options)
            if problem is not None:
                raise PydanticCustomError("key", "{problem}", {"problem": problem})
        return values

    @field_serializer("image_size")
    def _written(self, size: int) -> int | str:
        return "auto" if size == AUTO_SIZE else size

    @property
    def devices(self) -> tuple[int, ...]:
        """The GPUs of a training on several; empty where it is on one device."""
        device = self.device
        if isinstance(device, str) and "," in device:
            parts = device.removeprefix("cuda:").split(",")
            device = tuple(int(part) for part in parts if part.strip().isdigit())
        return device if isinstance(device, tuple) and len(device) > 1 else ()


def _unknown_key(model: type[BaseModel], values: Mapping[Any, Any], *, at: str) -> str | None:
    for key, value in values.items():
        field = model.model_fields.get(key)
        if field is None:
            if f"{at}{key}" in _ALIASES:
                continue
            return f"unknown key '{at}{key}'"
        inner = field.annotation
        if not isinstance(inner, type) or not issubclass(inner, StrictModel):
            continue
        if isinstance(value, Mapping):
            problem = _unknown_key(inner, value, at=f"{at}{key}.")
            if problem is not None:
                return problem
    return None
