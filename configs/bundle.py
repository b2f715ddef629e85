"""Model bundles: a folder with ``model.onnx``, ``manifest.json`` and ``MODEL_CARD.md``.

A bundle is written atomically and verified when it is loaded: every file's SHA-256 stands in the
manifest, and ``model.onnx`` is read once, as the bytes that were verified, so nothing that lies
on the disk afterwards reaches the runtime; likewise ``typical.npy``, which a classifier may have to
tell images unlike those it has learnt from. ``weights.safetensors`` is optional: what fine-tuning
can start from.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from lucency.configs import atomic
from lucency.configs.calibration import ClassCalibration
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import BundleError, ConfigError
from lucency.configs.fusion import FusionSpec
from lucency.configs.inference import InferenceOptions
from lucency.configs.schema import StrictModel, parse_config
from lucency.configs.typical import TypicalSpec

MANIFEST = "manifest.json"
MODEL = "model.onnx"
MODEL_CARD = "MODEL_CARD.md"
WEIGHTS = "weights.safetensors"
TYPICAL = "typical.npy"
RadiographKind = Literal["chest", "bone"]
RESEARCH_USE = "For research use only. Not a medical device; not for diagnosis."


class BundleManifest(StrictModel):
    """Everything needed to run and to judge a model.

    ``operating_points`` maps a point's name to one threshold per class; each was chosen on
    validation data. ``metrics`` are figures on the split that ``metrics_split`` names.
    ``files`` maps each file of the bundle, but for the manifest, to its SHA-256.
    """

    schema_version: Literal[1] = 1
    name: str = Field(min_length=1)
    task: Literal["detection", "classification"]
    architecture: str
    class_names: tuple[str, ...] = Field(min_length=1)
    input_size: int = Field(ge=32, description="side of the square input in pixels")
    input_channels: Literal[1, 3]
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    display: DisplaySpec
    display_digest: str
    exclusive: bool = Field(
        default=False, description="of a classifier: its classes exclude each other and sum to 1"
    )
    role: Literal["findings", "router"] = Field(
        default="findings", description="router: tells what kind of radiograph an image is"
    )
    kinds: tuple[RadiographKind, ...] = Field(
        default=(), description="the kinds of radiograph it is for; none: any"
    )
    calibration: Mapping[str, ClassCalibration] = Field(
        default={}, description="by class; operating points are thresholds on calibrated scores"
    )
    inference: InferenceOptions = Field(
        default=InferenceOptions(), description="what thresholds and calibration were chosen with"
    )
    fusion: FusionSpec | None = None
    typical: TypicalSpec | None = Field(
        default=None, description="when an image is unlike those learnt from; none: never told"
    )
    operating_points: Mapping[str, Mapping[str, float]]
    default_operating_point: str
    metrics: Mapping[str, float]
    metric_intervals: Mapping[str, tuple[float, float]] = Field(
        default={}, description="95% intervals of those of the metrics that have one"
    )
    metrics_split: str
    parity: Mapping[str, float] = Field(description="largest differences from torch at export")
    training_data: Mapping[str, str] = Field(description="what it was trained on, with digests")
    libraries: Mapping[str, str]
    licence: str
    commercial_use: bool = Field(
        default=True, description="False: the training data forbid it; loaded only if asked for"
    )
    intended_use: str = RESEARCH_USE
    created: str
    files: Mapping[str, str]

    @model_validator(mode="after")
    def _consistent(self) -> "BundleManifest":
        if self.display.digest() != self.display_digest:
            raise ValueError(
                "display_digest is not the digest of display: the model learnt from pixels that "
                "this version prepares otherwise; export it again"
            )
        if self.default_operating_point not in self.operating_points:
            raise ValueError(
                f"default_operating_point '{self.default_operating_point}' is not one of "
                f"{sorted(self.operating_points)}"
            )
        if self.calibration and set(self.calibration) != set(self.class_names):
            raise ValueError("calibration must name each class, or none")
        if self.exclusive and not _one_temperature(self.calibration):
            raise ValueError("calibration of classes that exclude each other must be one slope")
        for point, thresholds in self.operating_points.items():
            if set(thresholds) != set(self.class_names):
                raise ValueError(f"operating point '{point}' must have a threshold for each class")
        return self


@dataclass(frozen=True)
class Bundle:
    """A verified bundle: where it lies, its manifest, and the bytes that it is run from.

    ``model`` is ``model.onnx``; ``typical`` is ``typical.npy``, empty where there is none.
    """

    path: Path
    manifest: BundleManifest
    model: bytes
    typical: bytes = b""

    @property
    def digest(self) -> str:
        """SHA-256 of ``model.onnx``: which weights gave an answer."""
        return self.manifest.files[MODEL]


def write_bundle(path: Path, manifest: BundleManifest, files: Mapping[str, bytes]) -> Bundle:
    """Write a bundle, complete or not at all; the digests of ``files`` are filled in here.

    Raises
    ------
    BundleError
        ``model.onnx`` or the model card is missing from ``files``, or ``typical.npy`` where the
        manifest tells of it.
    ConfigError
        ``path`` exists already.

    """
    missing = {MODEL, MODEL_CARD, *([TYPICAL] if manifest.typical else [])} - files.keys()
    if missing:
        raise BundleError(f"{path}: a bundle needs {', '.join(sorted(missing))}")
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    complete = manifest.model_copy(update={"files": digests})
    with atomic.new_folder(path) as folder:
        for name, data in files.items():
            (folder / name).write_bytes(data)
        text = json.dumps(complete.model_dump(mode="json"), indent=2, ensure_ascii=False)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return Bundle(path, complete, files[MODEL], files.get(TYPICAL, b""))


def load_bundle(path: Path) -> Bundle:
    """Read and verify a bundle.

    Raises
    ------
    BundleError
        The folder or a file is missing, a digest differs, or the manifest is not valid.

    """
    manifest = _read_manifest(path)
    kept = {MODEL: b"", TYPICAL: b""}
    for name, expected in manifest.files.items():
        if Path(name).name != name:
            raise BundleError(f"{path / MANIFEST}: files: '{name}' must be a plain file name")
        try:
            data = (path / name).read_bytes()
        except OSError as error:
            raise BundleError(
                f"{path / name}: cannot be read: {error.strerror}; export the bundle again"
            ) from None
        found = hashlib.sha256(data).hexdigest()
        if found != expected:
            raise BundleError(
                f"{path / name}: has been altered: sha256 is {found[:12]}…, the manifest says "
                f"{expected[:12]}…; copy or export the bundle again"
            )
        if name in kept:
            kept[name] = data
    for name in (MODEL, *([TYPICAL] if manifest.typical else [])):
        if not kept[name]:
            raise BundleError(f"{path / MANIFEST}: files: must name {name}")
    return Bundle(path, manifest, kept[MODEL], kept[TYPICAL])


def find_bundle(name: str, *, package: str) -> Path:
    """Find a bundle by path, or by the name of one shipped in ``package``.

    Raises
    ------
    BundleError
        There is neither such a folder nor such a name.

    """
    path = Path(name)
    shipped = Path(str(resources.files(package))) / "bundles"
    names = sorted(manifest.parent.name for manifest in shipped.glob(f"*/{MANIFEST}"))
    # A run folder or a data set that happens to have a shipped bundle's name does not hide it.
    if name in names and not (path / MANIFEST).is_file():
        return shipped / name
    if path.is_dir():
        return path
    known = f"one of: {', '.join(names)}" if names else "none is shipped with this version"
    raise BundleError(f"{name}: no such bundle; give a bundle's folder or a name ({known})")


def _one_temperature(calibration: Mapping[str, ClassCalibration]) -> bool:
    """Whether probabilities that sum to 1 still do, once normalised again."""
    return len({one.slope for one in calibration.values()}) <= 1 and all(
        one.method == "platt" and one.intercept == 0 for one in calibration.values()
    )


def _read_manifest(path: Path) -> BundleManifest:
    file = path / MANIFEST
    try:
        values = json.loads(file.read_bytes())
    except OSError as error:
        raise BundleError(f"{file}: cannot be read: {error.strerror}; is it a bundle?") from None
    except (ValueError, RecursionError):
        raise BundleError(f"{file}: is not valid JSON; copy or export the bundle again") from None
    try:
        return parse_config(BundleManifest, values, where=str(file))
    except ConfigError as error:
        raise BundleError(str(error)) from None
