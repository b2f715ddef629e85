"""What is typical, from an untrained network and its set into a bundle."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from lucency.annotations.records import Dataset, read_dataset
from lucency.classification.checkpoint import state_bytes
from lucency.classification.classifier import Classifier, open_classifier
from lucency.classification.export import export
from lucency.classification.networks import build_network
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.run_folder import BEST, start_run
from lucency.classification.typical_bundle import (
    drawn,
    pooled_features,
    typical_part,
    with_typical,
    with_typical_section,
)
from lucency.classification.typical_images import distance_of, distances, is_typical, read_typical
from lucency.configs.bundle import Bundle, load_bundle, write_bundle
from lucency.configs.errors import BundleError, ConfigError, ImageError
from lucency.datasets.radiographs import read_radiograph

CARD = """# name

## Probabilities

Good.

## Limits

May be beyond it, and it does not say so. More.

## Use
"""


def quiet(step: str) -> Callable[[int, int], None]:
    assert "typical" in step
    return lambda done, total: None


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, make_set: Callable[..., Dataset]) -> Path:
    return make_set(tmp_path_factory.mktemp("typical") / "set", counts=(24, 24, 4)).root


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory,
    dataset: Path,
    make_config: Callable[..., ClassificationConfig],
) -> Path:
    run = tmp_path_factory.mktemp("run")
    config = make_config(network="small_cnn")
    start_run(config, dataset_dir=dataset, run_dir=run, images={}, machine="1 core")
    torch.manual_seed(0)
    (run / BEST).write_bytes(state_bytes(build_network("small_cnn", classes=1, channels=1)))
    return run


@pytest.fixture(scope="module")
def exported(run: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("exported") / "bundle"
    return export(run, dataset, out, samples=5, with_weights=False)


def test_export_tells_what_is_typical(exported: Bundle, dataset: Path) -> None:
    read = load_bundle(exported.path)
    typical, spec = read_typical(read), read.manifest.typical
    assert typical is not None and spec is not None
    assert (spec.training_images, spec.validation_images, spec.false_share) == (24, 24, 0.05)
    # Rank ceil(25 * 0.95) of 24: none of them is above the farthest.
    assert spec.validation_share == 0.0
    classifier, images = Classifier(read), read_dataset(dataset)
    features = pooled_features(classifier, images, images.in_split("val"))
    assert float(distances(typical, features).max()) == pytest.approx(spec.limit, rel=1e-5)


def test_an_image_of_another_kind_is_told(exported: Bundle, dataset: Path, tmp_path: Path) -> None:
    classifier, typical = Classifier(exported), read_typical(exported)
    assert typical is not None
    stripes = np.zeros((40, 44), np.uint8)
    stripes[::4] = 255
    cv2.imwrite(str(tmp_path / "stripes.png"), stripes)

    def told(path: Path) -> bool:
        maps = classifier.look(read_radiograph(path)).maps
        return is_typical(typical, distance_of(typical, maps))

    assert told(dataset / "images" / "val" / "val1.png")
    assert not told(tmp_path / "stripes.png")


def test_the_card_tells_it(exported: Bundle) -> None:
    card = (exported.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "those of 24 training\nimages" in card
    assert "does not say so" not in card
    assert card.index("## Images unlike") < card.index("## Limits") < card.index("## Export")


def test_a_bundle_of_before_is_given_it(exported: Bundle, dataset: Path, tmp_path: Path) -> None:
    files = {
        name: (exported.path / name).read_bytes()
        for name in exported.manifest.files
        if name != "typical.npy"
    }
    bare = exported.manifest.model_copy(update={"typical": None})
    before = write_bundle(tmp_path / "before", bare, files)
    after = with_typical(before, read_dataset(dataset), tmp_path / "after", on_step=quiet)
    again = with_typical(after, read_dataset(dataset), tmp_path / "again", on_step=quiet)
    for found in (after, again):
        assert load_bundle(found.path) == found
        assert (found.model, found.digest) == (before.model, exported.digest)
        assert (found.typical, found.manifest.typical) == (
            exported.typical,
            exported.manifest.typical,
        )
        assert found.manifest.files == exported.manifest.files


def test_what_can_not_be_given_it(
    exported: Bundle, dataset: Path, make_set: Callable[..., Dataset], tmp_path: Path
) -> None:
    images = read_dataset(dataset)
    with pytest.raises(ConfigError, match="exists already"):
        with_typical(exported, images, exported.path, on_step=quiet)
    other = make_set(tmp_path / "other", counts=(4, 4, 4))
    with pytest.raises(ConfigError, match="is not the set that"):
        with_typical(exported, other, tmp_path / "out", on_step=quiet)
    router = exported.manifest.model_copy(update={"role": "router"})
    with pytest.raises(ConfigError, match="is a router"):
        with_typical(
            Bundle(exported.path, router, exported.model), images, tmp_path / "out", on_step=quiet
        )
    detector = exported.manifest.model_copy(update={"task": "detection"})
    with pytest.raises(BundleError, match="a classifier is needed"):
        with_typical(
            Bundle(exported.path, detector, exported.model), images, tmp_path / "out", on_step=quiet
        )
    assert not (tmp_path / "out").exists()


def test_a_small_set_tells_nothing(
    exported: Bundle, make_set: Callable[..., Dataset], tmp_path: Path
) -> None:
    small = make_set(tmp_path / "small", counts=(24, 18, 4))
    part = typical_part(Classifier(exported), small, on_step=quiet)
    assert (part.spec, part.files) == (None, None)


def test_a_missing_image_is_named(
    exported: Bundle, make_set: Callable[..., Dataset], tmp_path: Path
) -> None:
    broken = make_set(tmp_path / "broken", counts=(24, 24, 4))
    (broken.root / "images" / "train" / "train3.png").write_bytes(b"")
    with pytest.raises(ImageError, match=r"train3\.png"):
        typical_part(Classifier(exported), broken, on_step=quiet)


def test_images_are_drawn_once_and_for_all(dataset: Path) -> None:
    records = read_dataset(dataset).records
    some = drawn(records, most=10)
    assert some == drawn(records, most=10)
    names, all_names = [r.image for r in some], [r.image for r in records]
    assert len(set(names)) == 10 and names == sorted(names, key=all_names.index)
    assert names != all_names[:10]
    assert drawn(records, most=1000) == records


def test_a_card_has_one_such_section(exported: Bundle) -> None:
    spec = exported.manifest.typical
    assert spec is not None
    once = with_typical_section(CARD, spec)
    assert with_typical_section(once, spec) == once
    assert once.count("## Images unlike") == 1
    assert once.endswith("## Limits\n\nMay be beyond it. More.\n\n## Use\n")
    assert "Good.\n\n## Images unlike" in once


@pytest.mark.real_data
def test_bones_are_unlike_chests(lucency_data: Path) -> None:
    classifier = open_classifier("pneumonia", threads=1)
    typical = read_typical(classifier.bundle)
    assert typical is not None
    folders = {
        "child": "pneumonia/train/NORMAL",
        "bone": "fracatlas/images/Fractured",
        "adult": "tb_sites/images",
    }
    far = {}
    for name, folder in folders.items():
        paths = sorted((lucency_data / folder).iterdir())[:12]
        looks = [classifier.look(read_radiograph(path)) for path in paths]
        far[name] = [not is_typical(typical, distance_of(typical, look.maps)) for look in looks]
    assert np.mean(far["child"]) < 0.2
    assert np.mean(far["adult"]) > 0.5
    assert all(far["bone"])
