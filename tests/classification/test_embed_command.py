"""`lucency embed` from a bundle and a set to a folder, and what it prints."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lucency.annotations.records import Dataset, read_dataset
from lucency.classification import embed
from lucency.classification.classifier import open_classifier
from lucency.classification.embed_command import EmbedOptions, embed_set
from lucency.configs.bundle import MODEL, MODEL_CARD, BundleManifest, write_bundle
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import BundleError, ConfigError, DatasetError
from lucency.datasets.radiographs import read_radiograph


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One convolution of four random filters, their means, and a logistic answer."""
    rng = np.random.default_rng(0)
    weights = {
        "filters": rng.normal(size=(4, 1, 3, 3)).astype(np.float32),
        "last": rng.normal(size=(1, 4)).astype(np.float32),
        "zero": np.zeros(1, np.float32),
        "shape": np.array([-1, 1, 4]),
    }
    nodes = [
        helper.make_node("Conv", ["image", "filters"], ["edges"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["edges"], ["maps"]),
        helper.make_node("ReduceMean", ["maps"], ["pooled"], axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["pooled", "last"], ["logits"], transB=1),
        helper.make_node("Sigmoid", ["logits"], ["probabilities"]),
        helper.make_node("Mul", ["pooled", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "last"], ["slopes"]),
        helper.make_node("Reshape", ["slopes", "shape"], ["gradients"]),
    ]
    shapes = {
        "image": ["batch", 1, 32, 32],
        "probabilities": ["batch", 1],
        "maps": ["batch", 4, 32, 32],
        "gradients": ["batch", 1, 4],
    }
    inputs, *outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    stored = [numpy_helper.from_array(values, name) for name, values in weights.items()]
    graph = helper.make_graph(nodes, "tiny", [inputs], outputs, stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    display = DisplaySpec(method="as_displayed")
    manifest = BundleManifest(
        name="tiny",
        task="classification",
        architecture="tiny",
        class_names=("bright",),
        input_size=32,
        input_channels=1,
        display=display,
        display_digest=display.digest(),
        operating_points={"balanced": {"bright": 0.5}},
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
    path = tmp_path_factory.mktemp("bundle") / "tiny"
    write_bundle(path, manifest, {MODEL: model.SerializeToString(), MODEL_CARD: b"tiny"})
    return path


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory, make_set: Callable[..., Dataset]) -> Path:
    """A set with enough images in ``val`` for a probe."""
    root = tmp_path_factory.mktemp("larger") / "set"
    make_set(root, counts=(4, 24, 4))
    return root


def test_a_folder_with_page_and_table(
    bundle: Path, larger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = EmbedOptions(method="tsne", columns=("bright", "patient_id", "bright"))
    embed_set(str(bundle), larger, tmp_path / "map", options)
    assert sorted(path.name for path in (tmp_path / "map").iterdir()) == [
        "embedding.csv",
        "embedding.html",
    ]
    with (tmp_path / "map" / "embedding.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    data = read_dataset(larger)
    assert [row["image"] for row in rows] == [str(record.image) for record in data.in_split("val")]
    classifier = open_classifier(bundle)
    for row in rows[:3]:
        expected = classifier.classify(read_radiograph(larger / row["image"]))[0]
        assert float(row["probability_bright"]) == pytest.approx(float(expected), abs=1e-5)
        assert row["truth_bright"] == row["bright"]
    told = capsys.readouterr().out
    assert "24 images of 'val'." in told
    assert told.count("bright") == 1
    assert "patient_id" in told
    assert "0.500" in told  # the share of the most frequent value
    page = (tmp_path / "map" / "embedding.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "What the features tell" in page


def test_both_methods_are_the_default(
    bundle: Path, larger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed, "place", lambda features, **_: features[:, :2])
    embed_set(str(bundle), larger, tmp_path / "map", EmbedOptions(split="test"))
    header = (tmp_path / "map" / "embedding.csv").read_text().splitlines()[0]
    assert header == "image,x_tsne,y_tsne,x_umap,y_umap,truth_bright,probability_bright"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (EmbedOptions(columns=("hospital",)), DatasetError, "has no column 'hospital'"),
        (EmbedOptions(split="holdout"), DatasetError, "split 'holdout' has 0 images"),
    ],
    ids=["no such column", "no such split"],
)
def test_mistakes_leave_nothing(
    bundle: Path,
    larger: Path,
    tmp_path: Path,
    options: EmbedOptions,
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        embed_set(str(bundle), larger, tmp_path / "map", options)
    assert list(tmp_path.iterdir()) == []


def test_a_detector_is_refused(larger: Path, tmp_path: Path, repository: Path) -> None:
    detector = str(repository / "detection" / "bundles" / "fracture")
    with pytest.raises(BundleError, match="is a bundle for detection; a classifier is needed"):
        embed_set(detector, larger, tmp_path / "map", EmbedOptions(method="tsne"))


def test_a_folder_that_exists_is_refused_before_the_work(larger: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        embed_set("no bundle", larger, tmp_path, EmbedOptions())
