import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian
from typer.testing import CliRunner

from lucency.annotations.choices import KindAsked
from lucency.api.asking import Asked
from lucency.api.cli import build_app
from lucency.api.pipeline import Pipeline
from lucency.configs.bundle import Bundle
from lucency.configs.errors import BundleError, ImageError, ImageFault
from lucency.configs.fusion import FusionSpec

Png = Callable[..., bytes]
MakeBundle = Callable[..., Bundle]


@pytest.fixture(scope="module")
def models(
    tmp_path_factory: pytest.TempPathFactory,
    make_detector: MakeBundle,
    make_classifier: MakeBundle,
) -> dict[str, Bundle]:
    """A detector for bones, a classifier for chests, and one for any radiograph."""
    folder = tmp_path_factory.mktemp("routed")
    return {
        "bones": make_detector(folder / "bones", kinds=("bone",)),
        "chests": make_classifier(folder / "chests", kinds=("chest",)),
        "all": make_classifier(folder / "all", label="hardware", probability=0.4),
    }


@pytest.fixture(scope="module")
def routers(tmp_path_factory: pytest.TempPathFactory, make_router: MakeBundle) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp("routers")
    return {
        "chest": make_router(folder / "sees-chests", chest=0.97, bone=0.02, other=0.01),
        "bone": make_router(folder / "sees-bones", chest=0.3, bone=0.6, other=0.1),
        "other": make_router(folder / "sees-none", chest=0.01, bone=0.01, other=0.98),
    }


@pytest.mark.parametrize(
    ("seen", "used", "left_out"),
    [
        ("chest", ["chests", "all", "sees-chests"], [("bones", ("bone",))]),
        ("bone", ["bones", "all", "sees-bones"], [("chests", ("chest",))]),
    ],
    ids=["chest", "bone"],
)
def test_models_see_the_kind_that_they_are_for(
    models: dict[str, Bundle],
    routers: dict[str, Bundle],
    png: Png,
    seen: str,
    used: list[str],
    left_out: list[tuple[str, tuple[str, ...]]],
) -> None:
    report = Pipeline([*models.values(), routers[seen]]).analyze(png(), name="a").report
    assert [model.name for model in report.models] == used
    assert [(model.model, model.kinds) for model in report.left_out] == left_out
    assert report.route is not None
    assert (report.route.kind, report.route.basis) == (seen, "pixels")
    answering = {answer.model for answer in report.classifications}
    answering |= {found.model for found in report.findings}
    assert answering == {*used} - {routers[seen].manifest.name}
    assert {each.model for each in report.thresholds} == answering
    assert set(report.timings_ms.models) == {*used}


def test_without_a_router_every_model_sees_every_image(models: dict[str, Bundle], png: Png) -> None:
    report = Pipeline([*models.values()]).analyze(png(), name="a").report
    assert report.route is None
    assert report.left_out == ()
    assert [model.name for model in report.models] == [*models]


def test_what_is_no_radiograph_is_refused(
    models: dict[str, Bundle], routers: dict[str, Bundle], png: Png
) -> None:
    pipeline = Pipeline([*models.values(), routers["other"]])
    with pytest.raises(ImageError, match=r"^a: .* pixels \(probability 0\.98\).* any$") as refused:
        pipeline.analyze(png(), name="a")
    assert refused.value.fault is ImageFault.NO_RADIOGRAPH


@pytest.mark.parametrize(
    ("kind", "used"),
    [("chest", ["chests", "all"]), ("bone", ["bones", "all"]), ("any", ["bones", "chests", "all"])],
    ids=["chest", "bone", "any"],
)
@pytest.mark.parametrize("router", ["other", None], ids=["refused-else", "no-router"])
def test_a_caller_who_names_the_kind_goes_before_the_router(
    models: dict[str, Bundle],
    routers: dict[str, Bundle],
    png: Png,
    kind: str,
    used: list[str],
    router: str | None,
) -> None:
    bundles = [*models.values(), *([routers[router]] if router else [])]
    report = Pipeline(bundles).analyze(png(), name="a", asked=Asked(kind=KindAsked(kind))).report
    assert [model.name for model in report.models] == used
    if kind == "any":
        assert report.route is None
    else:
        assert report.route is not None
        assert (report.route.kind, report.route.basis) == (kind, "asked")
        assert report.route.probability is None


def test_a_radiograph_that_no_model_is_for_is_refused(
    models: dict[str, Bundle], routers: dict[str, Bundle], png: Png
) -> None:
    pipeline = Pipeline([models["bones"], routers["chest"]])
    with pytest.raises(ImageError, match=r"those: bones \(bone\); ask or load") as refused:
        pipeline.analyze(png(), name="a")
    assert refused.value.fault is ImageFault.NO_MODEL


def test_tags_go_before_pixels_and_the_contradiction_is_told(
    models: dict[str, Bundle],
    routers: dict[str, Bundle],
    make_image_dicom: Callable[..., bytes],
) -> None:
    pipeline = Pipeline([*models.values(), routers["chest"]])
    hand = make_image_dicom(BodyPartExamined="HAND")
    route = pipeline.analyze(hand, name="a").report.route
    assert route is not None
    assert (route.kind, route.basis, route.contradicted) == ("bone", "tags", True)
    assert route.probability == pytest.approx(0.02)
    with pytest.raises(ImageError, match="by its DICOM attributes"):
        pipeline.analyze(make_image_dicom(Modality="CT"), name="a")


def test_a_colour_photograph_is_refused_whatever_the_network_says(
    models: dict[str, Bundle], routers: dict[str, Bundle], flag: bytes
) -> None:
    with pytest.raises(ImageError, match="by its colours"):
        Pipeline([*models.values(), routers["bone"]]).analyze(flag, name="a")


def test_a_fused_detector_goes_with_its_classifier(
    tmp_path: Path,
    models: dict[str, Bundle],
    routers: dict[str, Bundle],
    make_detector: MakeBundle,
    png: Png,
) -> None:
    chests = models["chests"]
    spec = FusionSpec(
        classifier="chests",
        classifier_sha256=chests.digest,
        label="tb",
        box_weight=1,
        image_weight=1,
        intercept=0,
        image_high=0.7,
        image_low=0.2,
    )
    fused = make_detector(tmp_path / "fused", fusion=spec)
    pipeline = Pipeline([fused, chests, models["all"], routers["bone"]])
    answer = pipeline.analyze(png(), name="a").report
    # What its classifier is for, it is for.
    assert {each.model: each.kinds for each in answer.left_out} == {
        "fused": ("chest",),
        "chests": ("chest",),
    }


def test_the_id_tells_routes_apart(
    models: dict[str, Bundle], routers: dict[str, Bundle], png: Png
) -> None:
    alone = Pipeline([*models.values()])
    routed = Pipeline([*models.values(), routers["bone"]])
    ids = [
        alone.analyze(png(), name="a").report.id,
        routed.analyze(png(), name="a").report.id,
        routed.analyze(png(), name="a", asked=Asked(kind=KindAsked.BONE)).report.id,
        routed.analyze(png(), name="a", asked=Asked(kind=KindAsked.CHEST)).report.id,
        routed.analyze(png(), name="a", asked=Asked(kind=KindAsked.ANY)).report.id,
    ]
    assert len(set(ids)) == len(ids)
    assert routed.analyze(png(), name="b").report.id == ids[1]
    assert alone.analyze(png(), name="b", asked=Asked(kind=KindAsked.ANY)).report.id == ids[0]


def test_the_id_tells_apart_what_models_are_for(
    tmp_path: Path, make_classifier: MakeBundle, png: Png
) -> None:
    bundles = [
        make_classifier(tmp_path / folder / "one", kinds=kinds)
        for folder, kinds in (("a", ()), ("b", ("chest",)))
    ]
    ids = {Pipeline([bundle]).analyze(png(), name="a").report.id for bundle in bundles}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("chosen", "problem"),
    [
        (["chest", "bone"], "both are routers"),
        (["chest"], "only tells what other models"),
    ],
    ids=["two", "alone"],
)
def test_bundles_that_cannot_answer_together(
    routers: dict[str, Bundle], chosen: list[str], problem: str
) -> None:
    with pytest.raises(BundleError, match=problem):
        Pipeline([routers[name] for name in chosen])


def test_a_router_of_other_classes_is_refused(
    tmp_path: Path, models: dict[str, Bundle], make_classifier: MakeBundle
) -> None:
    odd = make_classifier(tmp_path / "odd", role="router")
    with pytest.raises(BundleError, match="tells chest, bone, other apart"):
        Pipeline([models["all"], odd])


def test_the_service_refuses_and_is_overruled(
    models: dict[str, Bundle],
    routers: dict[str, Bundle],
    run_service: Callable[..., Any],
    png: Png,
) -> None:
    with run_service(*models.values(), routers["other"]) as client:
        client.wait_until_ready()
        refused = client.analyze(png())
        assert refused.status_code == 422
        error = refused.json()["error"]
        assert (error["code"], error["fault"]) == ("unsuitable_image", "no-radiograph")
        answer = client.analyze(png(), kind="bone").json()
        assert answer["route"] == {
            "kind": "bone", "basis": "asked", "probability": None, "contradicted": False,
        }  # fmt: skip
        assert answer["left_out"] == [{"model": "chests", "kinds": ["chest"]}]
        wrong = client.analyze(png(), kind="skull")
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "invalid_request")
        facts = {one["name"]: one for one in client.get("/v1/models").json()["models"]}
        assert facts["sees-none"]["role"] == "router"
        assert facts["bones"]["kinds"] == ["bone"]


def test_a_folder_goes_on_past_refused_images(
    tmp_path: Path, models: dict[str, Bundle], routers: dict[str, Bundle], png: Png, flag: bytes
) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "1.png").write_bytes(flag)
    (tmp_path / "scans" / "2.png").write_bytes(png())
    bundles = [part for one in (*models.values(), routers["bone"])
               for part in ("--bundle", str(one.path))]  # fmt: skip
    arguments = ["predict", str(tmp_path / "scans"), *bundles, "--json", str(tmp_path / "a.jsonl")]
    result = CliRunner().invoke(build_app(), arguments)
    assert result.exit_code == 1
    first, second = map(json.loads, (tmp_path / "a.jsonl").read_text().splitlines())
    assert first["error"]["code"] == "unsuitable_image"
    assert second["route"]["kind"] == "bone"
    assert "bone" in result.stdout
    overruled = CliRunner().invoke(build_app(), [*arguments, "--kind", "any"])
    assert overruled.exit_code == 0


@pytest.fixture(scope="module")
def flag(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A picture of four colours."""
    path = tmp_path_factory.mktemp("flag") / "flag.png"
    picture = Image.new("RGB", (64, 64), (200, 30, 30))
    picture.paste((20, 160, 40), (0, 0, 32, 32))
    picture.paste((30, 40, 200), (32, 0, 64, 32))
    picture.save(path)
    return path.read_bytes()


@pytest.fixture
def make_image_dicom() -> Callable[..., bytes]:
    """Makes a small DX object with attributes as given."""

    def make(**attributes: str) -> bytes:
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
        dataset.SOPInstanceUID = "1.2.3"
        dataset.Modality = "DX"
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.SamplesPerPixel = 1
        dataset.Rows = dataset.Columns = 64
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
        dataset.PixelRepresentation = 0
        dataset.PixelData = np.arange(64 * 64, dtype="<u2").tobytes()
        for name, value in attributes.items():
            setattr(dataset, name, value)
        file = io.BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()

    return make
