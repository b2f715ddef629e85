from collections.abc import Callable

import numpy as np
import pytest

from lucency.api.flags import contradicted_kind, unlike_learnt
from lucency.api.pipeline import Pipeline
from lucency.api.schemas import RouteTaken
from lucency.classification.router import Route
from lucency.classification.typical_images import TypicalImages, typical_bytes
from lucency.configs.bundle import MODEL_CARD, TYPICAL, Bundle, BundleManifest, write_bundle
from lucency.configs.typical import TypicalSpec

FOUND = Route("bone", 0.02, "tags", {"chest": 0.97, "bone": 0.02, "other": 0.01}, True)


def taken(*, contradicted: bool) -> RouteTaken:
    return RouteTaken(kind="bone", basis="tags", probability=0.02, contradicted=contradicted)


def test_a_contradicted_kind_is_flagged_with_what_the_pixels_say() -> None:
    flag = contradicted_kind(taken(contradicted=True), FOUND, models=("one", "two"))
    assert flag is not None
    assert (flag.kind, flag.label, flag.models) == ("kind-contradicted", "chest", ("one", "two"))
    assert flag.figures == {"chest": 0.97, "bone": 0.02, "other": 0.01}
    assert flag.message.count(".") == 2  # one sentence, with 0.97 in it


@pytest.mark.parametrize(
    ("route", "found"),
    [(None, None), (taken(contradicted=False), FOUND), (taken(contradicted=True), None)],
    ids=["no router", "agreed", "kind was asked"],
)
def test_no_contradiction_no_flag(route: RouteTaken | None, found: Route | None) -> None:
    assert contradicted_kind(route, found, models=("one",)) is None


def typical(*, limit: float) -> TypicalImages:
    """Typical features lie on the first of two axes."""
    return TypicalImages(np.zeros(2, np.float32), np.float32([[1, 0]]), limit)


@pytest.mark.parametrize(
    ("features", "distance"), [((9.0, 0.5), None), ((0.0, 3.0), 3.0)], ids=["like", "unlike"]
)
def test_images_unlike_those_learnt_from_are_flagged(
    features: tuple[float, float], distance: float | None
) -> None:
    maps = np.tile(np.float32(features)[:, None, None], (1, 4, 4))
    flag = unlike_learnt("tbnet", typical(limit=1.0), maps)
    if distance is None:
        assert flag is None
    else:
        assert flag is not None
        assert (flag.kind, flag.models) == ("out-of-distribution", ("tbnet",))
        assert flag.figures == {"distance": pytest.approx(distance), "limit": 1.0}


def test_what_is_no_number_is_unlike_and_still_an_answer() -> None:
    flag = unlike_learnt("tbnet", typical(limit=1.0), np.full((2, 4, 4), np.nan, np.float32))
    assert flag is not None
    assert flag.figures == {}


@pytest.mark.parametrize(("limit", "flags"), [(0.01, ["out-of-distribution"]), (9.0, [])])
def test_a_classifier_that_knows_its_typical_images_tells_of_others(
    tmp_path_factory: pytest.TempPathFactory,
    make_classifier: Callable[..., Bundle],
    png: Callable[..., bytes],
    limit: float,
    flags: list[str],
) -> None:
    folder = tmp_path_factory.mktemp("typical")
    plain = make_classifier(folder / "plain")
    spec = TypicalSpec(
        limit=limit, false_share=0.05, validation_share=0.05, training_images=9, validation_images=9
    )
    values = plain.manifest.model_dump() | {"typical": spec, "name": "knowing"}
    # The one feature of the stand-in is the mean of its normalised input.
    known = TypicalImages(np.float32([0.5]), np.zeros((1, 1), np.float32), limit)
    bundle = write_bundle(
        folder / "knowing",
        BundleManifest(**values),
        {"model.onnx": plain.model, MODEL_CARD: b"#", TYPICAL: typical_bytes(known)},
    )
    report = Pipeline([bundle]).analyze(png(), name="a").report
    assert [flag.kind for flag in report.flags] == flags
    assert [flag.models for flag in report.flags] == [("knowing",)] * len(flags)
