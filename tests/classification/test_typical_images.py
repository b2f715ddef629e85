"""The distance against PCA by scikit-learn, the limit against its definition, and broken files."""

import io
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from lucency.classification.typical_images import (
    TypicalImages,
    distance_of,
    distances,
    fit_typical,
    is_typical,
    pooled,
    read_typical,
    typical_bytes,
)
from lucency.configs.bundle import Bundle, BundleManifest, load_bundle, write_bundle
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import BundleError
from lucency.configs.typical import TypicalSpec

Features = NDArray[np.float32]
WIDTH, FACTORS = 48, 5


@pytest.fixture(scope="module")
def drawn() -> dict[str, Features]:
    """Features that vary in five directions, with a little noise in all."""
    random = np.random.default_rng(3)
    mixing = random.normal(size=(FACTORS, WIDTH))

    def draw(count: int, noise: float) -> Features:
        made = 2 + random.normal(size=(count, FACTORS)) @ mixing
        return (made + random.normal(0, noise, (count, WIDTH))).astype(np.float32)

    return {"train": draw(200, 0.1), "val": draw(99, 0.1), "odd": draw(50, 0.5)}


@pytest.fixture(scope="module")
def typical(drawn: dict[str, Features]) -> TypicalImages:
    found = fit_typical(drawn["train"], drawn["val"], most_directions=FACTORS)
    assert found is not None
    return found


def test_the_distance_is_what_pca_leaves_unexplained(
    typical: TypicalImages, drawn: dict[str, Features]
) -> None:
    pca = PCA(FACTORS, svd_solver="full").fit(drawn["train"])
    explained = pca.inverse_transform(pca.transform(drawn["odd"]))
    expected = np.linalg.norm(drawn["odd"] - explained, axis=1)
    np.testing.assert_allclose(distances(typical, drawn["odd"]), expected, rtol=1e-4)
    np.testing.assert_allclose(typical.mean, drawn["train"].mean(axis=0), atol=1e-5)


def test_maps_are_pooled_over_their_places(
    typical: TypicalImages, drawn: dict[str, Features]
) -> None:
    maps = np.random.default_rng(0).normal(size=(WIDTH, 3, 4)).astype(np.float32)
    np.testing.assert_allclose(pooled(maps), maps.reshape(WIDTH, 12).mean(axis=1), atol=1e-6)
    flat = np.broadcast_to(drawn["odd"][0][:, None, None], (WIDTH, 5, 5)).astype(np.float32)
    assert distance_of(typical, flat) == pytest.approx(
        float(distances(typical, drawn["odd"][:1])[0]), rel=1e-4
    )


def test_the_limit_flags_a_twentieth_of_validation_and_more_of_the_odd(
    typical: TypicalImages, drawn: dict[str, Features]
) -> None:
    of_validation = distances(typical, drawn["val"])
    # Rank ceil(100 * 0.95) of 99: the four above it are flagged.
    assert typical.limit == np.sort(of_validation)[94]
    assert (of_validation > typical.limit).sum() == 4
    assert (distances(typical, drawn["odd"]) > typical.limit).all()


@pytest.mark.parametrize(("share", "rank"), [(0.01, 99), (0.1, 90), (0.5, 50)])
def test_the_limit_follows_the_share(drawn: dict[str, Features], share: float, rank: int) -> None:
    found = fit_typical(drawn["train"], drawn["val"], false_share=share)
    assert found is not None
    assert found.limit == np.sort(distances(found, drawn["val"]))[rank - 1]


@pytest.mark.parametrize(
    ("distance", "expected"),
    [(0.0, True), (1.0, True), (1.0001, False), (math.inf, False), (math.nan, False)],
)
def test_what_is_no_number_is_not_typical(distance: float, expected: bool) -> None:
    one = TypicalImages(np.zeros(4, np.float32), np.eye(2, 4, dtype=np.float32), limit=1.0)
    assert is_typical(one, distance) is expected


@pytest.mark.parametrize(
    ("training", "validation"),
    [(19, 99), (200, 18), (0, 99), (200, 0)],
    ids=["few to learn from", "few for a limit", "none to learn from", "none for a limit"],
)
def test_too_few_images(drawn: dict[str, Features], training: int, validation: int) -> None:
    assert fit_typical(drawn["train"][:training], drawn["val"][:validation]) is None


def test_images_that_do_not_vary() -> None:
    same = np.ones((40, WIDTH), np.float32)
    assert fit_typical(same, same) is None


def test_few_images_and_narrow_features_leave_a_residual(drawn: dict[str, Features]) -> None:
    found = fit_typical(drawn["train"][:21, :6], drawn["val"][:, :6])
    assert found is not None
    assert found.directions.shape == (3, 6)
    of_width = fit_typical(drawn["train"][:21], drawn["val"])
    assert of_width is not None and len(of_width.directions) == 10


def manifest(limit: float = 0.5, *, told: bool = True) -> BundleManifest:
    spec = TypicalSpec(
        limit=limit,
        false_share=0.05,
        validation_share=0.04,
        training_images=200,
        validation_images=99,
    )
    return BundleManifest(
        name="test",
        task="classification",
        architecture="small_cnn",
        class_names=("tb",),
        input_size=32,
        input_channels=1,
        display=DisplaySpec(),
        display_digest=DisplaySpec().digest(),
        typical=spec if told else None,
        operating_points={"balanced": {"tb": 0.5}},
        default_operating_point="balanced",
        metrics={},
        metrics_split="val",
        parity={},
        training_data={},
        libraries={},
        licence="AGPL-3.0-or-later",
        created="2026-01-01",
        files={},
    )


def test_a_bundle_gives_it_back(tmp_path: Path, typical: TypicalImages) -> None:
    files = {"model.onnx": b"network", "MODEL_CARD.md": b"", "typical.npy": typical_bytes(typical)}
    write_bundle(tmp_path / "b", manifest(typical.limit), files)
    read = read_typical(load_bundle(tmp_path / "b"))
    assert read is not None and read.limit == typical.limit
    np.testing.assert_array_equal(read.mean, typical.mean)
    np.testing.assert_array_equal(read.directions, typical.directions)
    assert typical_bytes(read) == files["typical.npy"]


def test_a_bundle_without_it() -> None:
    assert read_typical(Bundle(Path("b"), manifest(told=False), b"network", b"anything")) is None


def saved(values: Any, *, pickled: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=pickled)
    return buffer.getvalue()


def archive() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, mean=np.zeros(4, np.float32))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not an array",
        saved(np.zeros((3, 4), np.float32))[:-1],
        saved(np.array([{"a": 1}], dtype=object), pickled=True),
        archive(),
        saved(np.zeros((3, 4))),
        saved(np.zeros(4, np.float32)),
        saved(np.zeros((1, 4), np.float32)),
        saved(np.full((3, 4), np.nan, np.float32)),
    ],
    ids=[
        "empty", "text", "cut off", "pickle", "archive", "float64", "one dimension",
        "no direction", "not finite",
    ],
)  # fmt: skip
def test_a_broken_file(data: bytes) -> None:
    with pytest.raises(BundleError, match=r"typical\.npy: .*export the bundle again"):
        read_typical(Bundle(Path("b"), manifest(), b"network", data))


@pytest.mark.parametrize("name", ["pneumonia", "tb"])
def test_shipped_bundles_tell_the_typical(name: str, repository: Path) -> None:
    bundle = load_bundle(repository / "classification" / "bundles" / name)
    typical, spec = read_typical(bundle), bundle.manifest.typical
    assert typical is not None and spec is not None
    assert 0.01 <= spec.validation_share <= 0.05
    np.testing.assert_allclose(
        typical.directions @ typical.directions.T, np.eye(len(typical.directions)), atol=1e-5
    )
    assert len(bundle.typical) < 300_000
    card = (bundle.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"{spec.validation_share:.1%} of {spec.validation_images} validation" in card
    maps = np.random.default_rng(0).random((len(typical.mean), 6, 6), np.float32)
    assert not is_typical(typical, distance_of(typical, maps))
    began = time.process_time()
    for _ in range(50):
        distance_of(typical, maps)
    # A tenth of it is usual; the room is for a machine that others use.
    assert (time.process_time() - began) / 50 < 2e-3


def test_serving_needs_numpy_alone() -> None:
    code = (
        "import sys, lucency.classification.typical_images; "
        "print([n for n in ('scipy', 'sklearn', 'torch', 'onnxruntime') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_file_of_another_network() -> None:
    bundle = Bundle(Path("b"), manifest(), b"network", saved(np.zeros((3, 4), np.float32)))
    assert read_typical(bundle, maps=4) is not None
    with pytest.raises(BundleError, match="tells of 4 feature maps, and the network has 8"):
        read_typical(bundle, maps=8)
