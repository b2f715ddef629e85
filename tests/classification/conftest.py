"""A tiny set of chests in which one label is easy to see, and a recipe that trains in seconds."""

import hashlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord, write_tables
from lucency.classification.recipe import ClassificationConfig
from lucency.configs.schema import parse_config
from lucency.datasets.placement import apply_split
from lucency.datasets.split import keep_splits

SIDE = 40


@pytest.fixture(scope="session")
def make_set() -> Callable[..., Dataset]:
    """Write a locked set: 8 train, 6 val, 6 test, a bright square where ``bright`` is 1."""

    def make(root: Path, *, counts: tuple[int, int, int] = (8, 6, 6)) -> Dataset:
        rng = np.random.default_rng(0)
        records = []
        for split, count in zip(("train", "val", "test"), counts, strict=True):
            for number in range(count):
                bright = number % 2
                image = rng.integers(0, 90, (SIDE, SIDE + 4)).astype(np.uint8)
                image[10:30, 10:30] += 120 * bright
                name = PurePosixPath("images") / split / f"{split}{number}.png"
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), image)
                label = root / "labels" / split / f"{split}{number}.txt"
                label.parent.mkdir(parents=True, exist_ok=True)
                label.write_text("")
                records.append(
                    ImageRecord(
                        image=name,
                        split=split,
                        patient_id=f"{split}-{number}",
                        status=Status.NEGATIVE,
                        width=SIDE + 4,
                        height=SIDE,
                        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
                        source=f"{split}{number}.png",
                        extra={"bright": str(bright), "other": "" if number % 4 else "1"},
                    )
                )
        dataset = Dataset(root, LabelMap(("spot",)), tuple(records))
        write_tables(dataset)
        return apply_split(keep_splits(dataset))

    return make


@pytest.fixture(scope="session")
def make_config() -> Callable[..., ClassificationConfig]:
    """The smallest recipe that trains from scratch, with single keys replaced."""

    def make(**changes: object) -> ClassificationConfig:
        values: dict[str, object] = {
            "task": "classification",
            "name": "tiny",
            "weights": "none",
            "channels": 1,
            "input_size": 32,
            "labels": ["bright"],
            "display": {"method": "as_displayed"},
            "head_epochs": 0,
            "epochs": 2,
            "frozen_stages": 0,
            "learning_rate": 1e-3,
            "batch": 4,
            "loss": "bce",
        }
        return parse_config(ClassificationConfig, {**values, **changes}, where="test")

    return make


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory,
    make_set: Callable[..., Dataset],
    make_config: Callable[..., ClassificationConfig],
) -> tuple[Path, Path]:
    """A set, and the folder of an uninterrupted run of three epochs on it."""
    from lucency.classification.train import train

    folder = tmp_path_factory.mktemp("trained")
    make_set(folder / "set")
    train(make_config(epochs=3), folder / "set", folder / "run")
    return folder / "set", folder / "run"


@pytest.fixture(scope="session")
def bundle(trained: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle exported from that run."""
    from lucency.classification.export import export

    out = tmp_path_factory.mktemp("bundle") / "tiny"
    export(trained[1], trained[0], out)
    return out
