import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lucency.api.loading as loading_module
from lucency.api.loading import check_together, load_bundles, shipped_bundles, terms
from lucency.configs.bundle import Bundle
from lucency.configs.errors import BundleError
from lucency.configs.fusion import FusionSpec


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of shipped bundles, empty."""
    monkeypatch.setattr(loading_module, "_shipped_folder", lambda _: tmp_path / "shipped")
    monkeypatch.setattr(loading_module, "MODEL_PACKAGES", ("lucency.detection",))
    return tmp_path / "shipped"


def fused_with(bundle: Bundle, *, label: str = "tb") -> FusionSpec:
    return FusionSpec(
        classifier=bundle.manifest.name,
        classifier_sha256=bundle.digest,
        label=label,
        box_weight=1,
        image_weight=1,
        intercept=0,
        image_high=0.7,
        image_low=0.2,
    )


def test_two_bundles_of_one_name(detector_bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="is named 'stand-in-detector'"):
        check_together([detector_bundle, detector_bundle])


def test_no_bundle() -> None:
    with pytest.raises(BundleError, match="at least one"):
        check_together([])


def test_bundles_are_found_by_folder(detector_bundle: Bundle) -> None:
    (bundle,) = load_bundles([str(detector_bundle.path)])
    assert bundle == detector_bundle


def test_bundles_are_found_by_shipped_name(detector_bundle: Bundle, shipped: Path) -> None:
    shutil.copytree(detector_bundle.path, shipped / "mine")
    (bundle,) = load_bundles([])
    assert bundle.path == shipped / "mine"
    with pytest.raises(BundleError, match=r"absent: no such bundle.*one of: mine"):
        load_bundles(["absent"])


def test_a_folder_that_is_no_bundle_hides_no_shipped_name(
    detector_bundle: Bundle, shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(detector_bundle.path, shipped / "fracture")
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "fracture"
    run.mkdir()
    assert load_bundles(["fracture"])[0].path == shipped / "fracture"
    shutil.copytree(detector_bundle.path, run, dirs_exist_ok=True)
    assert load_bundles(["fracture"])[0].path == Path("fracture")


def test_none_shipped_and_none_given(shipped: Path) -> None:
    with pytest.raises(BundleError, match="--bundle"):
        load_bundles([])


def test_flipped_byte_is_refused(detector_bundle: Bundle, tmp_path: Path) -> None:
    shutil.copytree(detector_bundle.path, tmp_path / "altered")
    model = tmp_path / "altered" / "model.onnx"
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    with pytest.raises(BundleError, match="has been altered") as caught:
        load_bundles([str(tmp_path / "altered")])
    assert "\n" not in str(caught.value)


def test_what_is_not_for_commercial_use_is_loaded_only_by_name(
    shipped: Path, make_detector: Callable[..., Bundle]
) -> None:
    make_detector(shipped / "free")
    make_detector(shipped / "chest", commercial_use=False, licence="CC BY-NC-SA 4.0")
    assert [path.name for path in shipped_bundles()] == ["chest", "free"]
    unasked = load_bundles([])
    assert [bundle.manifest.name for bundle in unasked] == ["free"]
    assert terms(unasked) == []
    (asked,) = load_bundles([str(shipped / "chest")])
    assert terms([asked]) == ["note: 'chest' is not for commercial use (CC BY-NC-SA 4.0)"]


def test_all_that_is_shipped_is_not_for_commercial_use(
    shipped: Path, make_detector: Callable[..., Bundle]
) -> None:
    make_detector(shipped / "chest", commercial_use=False)
    with pytest.raises(BundleError, match="no bundle"):
        load_bundles([])


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"commercial_use": "no"})])
def test_a_broken_manifest_is_told_of_when_it_is_loaded(shipped: Path, text: str) -> None:
    (shipped / "broken").mkdir(parents=True)
    (shipped / "broken" / "manifest.json").write_text(text)
    with pytest.raises(BundleError, match=r"broken.manifest\.json"):
        load_bundles([])


def test_a_fused_detector_needs_its_classifier(
    tmp_path: Path,
    classifier_bundle: Bundle,
    make_detector: Callable[..., Bundle],
    make_classifier: Callable[..., Any],
) -> None:
    fused = make_detector(tmp_path / "fused", fusion=fused_with(classifier_bundle))
    check_together([fused, classifier_bundle])
    with pytest.raises(BundleError, match=r"classifier 'stand-in-classifier'.*is not loaded"):
        load_bundles([str(fused.path)])
    other = make_classifier(tmp_path / "stand-in-classifier", probability=0.5)
    with pytest.raises(BundleError, match="is not loaded"):
        check_together([fused, other])


def test_a_fused_detector_needs_its_label(
    tmp_path: Path, classifier_bundle: Bundle, make_detector: Callable[..., Bundle]
) -> None:
    spec = fused_with(classifier_bundle, label="fracture")
    fused = make_detector(tmp_path / "fused", fusion=spec)
    with pytest.raises(BundleError, match=r"label 'fracture'.*knows only tb"):
        check_together([fused, classifier_bundle])
