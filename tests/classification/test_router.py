from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from lucency.classification.classifier import Classifier, open_classifier
from lucency.classification.router import Kind, kind_by_tags, route
from lucency.configs.bundle import Bundle, BundleManifest
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import BundleError
from lucency.datasets.radiographs import Radiograph, read_radiograph

CLASSES = ("other", "chest", "bone")


class StandIn:
    """A classifier that says the same of every image."""

    def __init__(self, bundle: Bundle, values: Mapping[str, float]) -> None:
        self.bundle, self.manifest = bundle, bundle.manifest
        self._values = values

    def classify(self, radiograph: Radiograph) -> np.ndarray:
        return np.array([self._values.get(name, 0.0) for name in self.manifest.class_names])


def make_bundle(**values: Any) -> Bundle:
    display = DisplaySpec()
    manifest = BundleManifest(
        name="router",
        task="classification",
        architecture="stand-in",
        class_names=CLASSES,
        input_size=64,
        display=display,
        display_digest=display.digest(),
        operating_points={"balanced": dict.fromkeys(CLASSES, 0.5)},
        default_operating_point="balanced",
        metrics={},
        metrics_split="val",
        parity={},
        training_data={},
        libraries={},
        licence="AGPL-3.0-or-later",
        created="2025-01-01",
        files={},
        role="router",
        exclusive=True,
        input_channels=1,
    )
    return Bundle(Path("router"), manifest.model_copy(update=values), b"")


@pytest.fixture
def routed() -> Callable[..., Any]:
    """Routes an image with ``tags`` and ``colour`` that the network gives the probabilities."""

    def make(
        tags: Mapping[str, str],
        *,
        colour: float = 0.0,
        changes: Mapping[str, Any] = MappingProxyType({}),
        **seen: float,
    ) -> Any:
        image = Radiograph(np.zeros((8, 8), np.uint8), 8, "png", tags=tags, colour=colour)
        return route(image, StandIn(make_bundle(**changes), seen))  # type: ignore[arg-type]

    return make


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ({}, None),
        ({"Modality": "DX"}, None),
        ({"Modality": "CR", "BodyPartExamined": "CHEST"}, "chest"),
        ({"BodyPartExamined": "thorax"}, "chest"),
        ({"Modality": "DX", "BodyPartExamined": "HAND"}, "bone"),
        ({"BodyPartExamined": "CSPINE"}, "bone"),
        ({"BodyPartExamined": "EXTREMITY"}, "bone"),
        ({"BodyPartExamined": "ABDOMEN"}, "other"),
        ({"BodyPartExamined": "WHOLEBODY"}, None),
        ({"BodyPartExamined": "RIB"}, None),
        ({"BodyPartExamined": "CHEST HAND"}, None),
        ({"BodyPartExamined": "UNKNOWN", "ProtocolName": "HAND"}, "bone"),
        ({"BodyPartExamined": "CHEST", "ProtocolName": "HAND"}, "chest"),
        ({"AnatomicRegionSequence": "CHEST"}, "chest"),
        ({"SeriesDescription": "KNEE"}, "bone"),
        ({"Modality": "CT", "BodyPartExamined": "CHEST"}, "other"),
        ({"Modality": "us"}, "other"),
        ({"Modality": "MG"}, "other"),
        ({"Modality": "OT"}, None),
        ({"Modality": "DX", "ViewPosition": "MLO"}, "other"),
        ({"Modality": "DX", "ViewPosition": "PA"}, None),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else str(value),
)
def test_what_the_attributes_say(tags: dict[str, str], kind: Kind | None) -> None:
    assert kind_by_tags(tags) == kind


def test_pixels_decide_where_nothing_is_said(routed: Callable[..., Any]) -> None:
    found = routed({}, chest=0.2, bone=0.7, other=0.1)
    assert (found.kind, found.basis, found.contradicted) == ("bone", "pixels", False)
    assert found.probability == pytest.approx(0.7)
    assert dict(found.probabilities) == {"chest": 0.2, "bone": 0.7, "other": 0.1}


def test_the_threshold_of_anything_else_decides(routed: Callable[..., Any]) -> None:
    points = {"balanced": {"chest": 0.5, "bone": 0.5, "other": 0.2}}
    seen = {"chest": 0.7, "bone": 0.1, "other": 0.2}
    assert routed({}, **seen).kind == "chest"
    assert routed({}, changes={"operating_points": points}, **seen).kind == "other"


@pytest.mark.parametrize(("sure", "contradicted"), [(0.95, True), (0.6, False)], ids=str)
def test_attributes_win_and_sure_pixels_are_told(
    routed: Callable[..., Any], sure: float, contradicted: bool
) -> None:
    found = routed({"BodyPartExamined": "HAND"}, chest=sure, bone=1 - sure)
    assert (found.kind, found.basis) == ("bone", "tags")
    assert found.contradicted is contradicted
    assert found.probability == pytest.approx(1 - sure)


@pytest.mark.parametrize(
    ("colour", "expected"), [(0.4, ("other", "colour")), (0.02, ("bone", "pixels"))], ids=str
)
def test_colours_are_no_radiograph(
    routed: Callable[..., Any], colour: float, expected: tuple[str, str]
) -> None:
    found = routed({}, colour=colour, bone=0.99)
    assert (found.kind, found.basis) == expected


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"role": "findings"}, "is no router"),
        ({"exclusive": False}, "exclude each other"),
        ({"class_names": ("chest", "bone")}, "chest, bone, other apart"),
    ],
    ids=["role", "independent", "classes"],
)
def test_other_models_are_no_routers(changes: dict[str, Any], problem: str) -> None:
    image = Radiograph(np.zeros((8, 8), np.uint8), 8, "png")
    with pytest.raises(BundleError, match=problem):
        route(image, StandIn(make_bundle(**changes), {}))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def shipped_router(repository: Path) -> Classifier:
    if not (repository / "classification" / "bundles" / "router").is_dir():
        pytest.skip("no router is shipped with this version")
    return open_classifier("router")


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("fracatlas/images/Fractured", "bone"),
        ("tb_sites/images", "chest"),
        ("tbx11k/images/train", "chest"),
        ("pneumonia/train/NORMAL", "chest"),
    ],
    ids=["fracatlas", "tb-sites", "tbx11k", "children"],
)
def test_real_radiographs_are_known_by_their_pixels(
    lucency_data: Path, shipped_router: Classifier, folder: str, kind: str
) -> None:
    files = sorted((lucency_data / folder).iterdir())
    found = [route(read_radiograph(path), shipped_router) for path in files[:: len(files) // 12]]
    assert {each.basis for each in found} == {"pixels"}
    assert sum(each.kind != kind for each in found) <= 1


@pytest.mark.parametrize("name", ["china.jpg", "flower.jpg"])
def test_photographs_are_neither(shipped_router: Classifier, name: str) -> None:
    pytest.importorskip("sklearn")
    import sklearn

    photograph = read_radiograph(Path(sklearn.__file__).parent / "datasets" / "images" / name)
    assert route(photograph, shipped_router).basis == "colour"
    grey = route(replace(photograph, colour=0.0), shipped_router)
    assert (grey.kind, grey.basis) == ("other", "pixels")
