"""Fusing on a made-up set whose models read their answers from the pixels."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import typer
import yaml
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from typer.testing import CliRunner

from lucency.annotations.records import read_dataset
from lucency.api.asking import Asked
from lucency.api.fusing import Fusion, fuse
from lucency.api.fusion_commands import fuse as fuse_command
from lucency.api.fusion_report import verdict, write_fusion_report
from lucency.api.pipeline import Pipeline
from lucency.configs.bundle import Bundle, load_bundle
from lucency.configs.errors import BundleError, ConfigError, DatasetError
from lucency.datasets.placement import apply_split
from lucency.datasets.split import split_dataset
from lucency.evaluation.coco_results import read_results
from lucency.evaluation.comparison import Difference
from lucency.evaluation.estimates import Estimate

ONE = ("fracture",)
SIDE = 64
# Where the detector always finds a box, and where a finding lies if there is one.
HERE, AWAY, STRIP = (slice(8, 24), slice(8, 24)), (slice(40, 56), slice(40, 56)), slice(60, 64)

Make = Callable[..., Bundle]


def graph(nodes: list[Any], constants: dict[str, Any], source: Any, output: Any) -> bytes:
    made = helper.make_graph(
        nodes,
        "reads-pixels",
        [helper.make_tensor_value_info(source[0], TensorProto.FLOAT, source[1])],
        [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, output[1])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def brightness(name: str, area: tuple[slice, slice]) -> tuple[list[Any], dict[str, Any]]:
    """Nodes that give the mean of an area of "images" as (B, 1, 1), under ``name``."""
    rows, columns = area
    constants = {
        f"{name}-from": np.array([rows.start, columns.start]),
        f"{name}-to": np.array([rows.stop, columns.stop]),
        f"{name}-axes": np.array([2, 3]),
    }
    return [
        helper.make_node("Slice", ["images", *constants], [f"{name}-part"]),
        helper.make_node("ReduceMean", [f"{name}-part"], [f"{name}-rows"], axes=[3], keepdims=0),
        helper.make_node("ReduceMean", [f"{name}-rows"], [name], axes=[1, 2], keepdims=1),
    ], constants


def detecting() -> bytes:
    """Two boxes in every image, whose scores are how bright the image is there."""
    here, here_values = brightness("here", HERE)
    away, away_values = brightness("away", AWAY)
    boxes = np.array([[(16, 16, 16, 16), (48, 48, 16, 16)]], dtype=np.float32).transpose(0, 2, 1)
    nodes = [
        *here,
        *away,
        helper.make_node("Concat", ["here", "away"], ["scores"], axis=2),
        helper.make_node("Concat", ["boxes", "scores"], ["output0"], axis=1),
    ]
    constants = {**here_values, **away_values, "boxes": boxes}
    shape = ["batch", 3, "height", "width"]
    return graph(nodes, constants, ("images", shape), ("output0", ["batch", 5, 2]))


def classifying() -> bytes:
    """A probability that rises with the brightness of the strip below."""
    nodes, constants = brightness("strip", (STRIP, slice(0, SIDE)))
    nodes += [
        helper.make_node("Flatten", ["strip"], ["flat"], axis=1),
        helper.make_node("Sigmoid", ["flat"], ["probabilities"]),
    ]
    renamed = [helper.make_node("Identity", ["image"], ["images"]), *nodes]
    shape = ["batch", 3, SIDE, SIDE]
    return graph(renamed, constants, ("image", shape), ("probabilities", ["batch", 1]))


def write_set(root: Path, images: list[tuple[str, bool, float, float, float]]) -> Path:
    """Images of (split, finding, score here, score away, strip), as a data set."""
    rows = ["image,split,patient_id,status,width,height,sha256,source"]
    for number, (split, finding, here, away, strip) in enumerate(images):
        pixels = np.zeros((SIDE, SIDE), np.uint8)
        pixels[HERE], pixels[AWAY], pixels[STRIP] = 255 * here, 255 * away, 255 * strip
        pixels[0, :2] = divmod(number, 256)  # no two images are the same
        image = Path("images", split, f"{number:03}.png")
        (root / image).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / image)
        label = root / "labels" / split / f"{number:03}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text("0 0.25 0.25 0.25 0.25\n" if finding else "")
        status = "annotated" if finding else "negative"
        sha256 = hashlib.sha256((root / image).read_bytes()).hexdigest()
        rows.append(f"{image.as_posix()},{split},p{number},{status},{SIDE},{SIDE},{sha256},x")
    (root / "dataset.csv").write_text("\n".join(rows) + "\n")
    (root / "data.yaml").write_text(
        yaml.safe_dump({"train": "images/train", "val": "images/val", "names": {0: "fracture"}})
    )
    return root


def drawn(
    split: str, count: int, *, telling: bool, seed: int
) -> Iterator[tuple[str, bool, float, float, float]]:
    """Half of the images have a finding; the strip tells which, or nothing."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        finding = number % 2 == 0
        said = (0.8 if finding else 0.1) if telling else 0.45
        yield (
            split,
            finding,
            float(np.clip(rng.normal(0.5 if finding else 0.4, 0.15), 0.05, 0.95)),
            float(rng.uniform(0.05, 0.3)),
            float(np.clip(rng.normal(said, 0.15), 0.0, 1.0)),
        )


@dataclass(frozen=True)
class Pair:
    detector: Bundle
    classifier: Bundle


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory, make_detector: Make, make_classifier: Make
) -> Pair:
    folder = tmp_path_factory.mktemp("pair")
    return Pair(
        make_detector(folder / "boxes", model=detecting(), classes=ONE),
        make_classifier(folder / "whole", model=classifying()),
    )


def fused(pair: Pair, root: Path, out: Path, *, label: str = "tb", samples: int = 200) -> Fusion:
    return fuse(
        pair.detector,
        pair.classifier,
        read_dataset(root),
        out,
        label=label,
        samples=samples,
        on_step=lambda _: lambda done, total: None,
    )


@pytest.fixture(scope="module")
def telling_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = [
        *drawn("val", 60, telling=True, seed=0),
        *drawn("test", 40, telling=True, seed=1),
    ]
    return write_set(tmp_path_factory.mktemp("telling") / "set", images)


@pytest.fixture(scope="module")
def telling(pair: Pair, telling_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Fusion:
    return fused(pair, telling_set, tmp_path_factory.mktemp("fused") / "bundle")


def test_a_classifier_that_knows_more_helps(telling: Fusion) -> None:
    assert [effect.split for effect in telling.effects] == ["val", "test"]
    for effect in telling.effects:
        (map50,) = (one for one in effect.differences if one.name == "map50")
        assert map50.second.value > map50.first.value
        assert map50.difference.low > 0
        assert "raises mAP50" in verdict(effect)
    names = [{one.name for one in effect.differences} for effect in telling.effects]
    assert "recall_balanced" not in names[0], "thresholds were chosen on these images"
    assert {"map50", "froc_mean", "image_auc"} <= names[0] < names[1]
    assert "recall_balanced" in names[1]


def test_the_bundle_holds_what_was_fitted(telling: Fusion, pair: Pair) -> None:
    bundle = load_bundle(telling.bundle.path)
    manifest, alone = bundle.manifest, pair.detector.manifest
    assert bundle.model == pair.detector.model
    assert manifest.name == "boxes-fused"
    spec = manifest.fusion
    assert spec is not None
    assert (spec.classifier, spec.label) == ("whole", "tb")
    assert spec.classifier_sha256 == pair.classifier.digest
    assert spec.image_weight > 0.5
    assert spec.image_low <= spec.image_high
    assert manifest.operating_points != alone.operating_points
    low, high = manifest.metric_intervals["map50"]
    assert low < manifest.metrics["map50"] < high
    assert manifest.metrics["images"] == 60
    assert manifest.metrics["negatives"] == 30
    assert manifest.metrics_split == "val"
    card = (telling.bundle.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "## Fused with a classifier" in card
    assert "Fusion raises mAP50 by +0." in card
    assert spec.classifier_sha256 in card


def test_the_service_rescales_as_the_fit_did(
    telling: Fusion, telling_set: Path, pair: Pair
) -> None:
    """On test images the pipeline gives the very scores that were measured."""
    pipeline = Pipeline([telling.bundle, pair.classifier])
    effect = telling.effects[1]
    for measured in effect.fused[:6]:
        data = (telling_set / measured.image).read_bytes()
        report = pipeline.analyze(data, name="a", asked=Asked(conf=0.0)).report
        assert [found.score for found in report.findings] == pytest.approx(
            sorted(measured.scores, reverse=True), abs=1e-6
        )


def test_disagreements_reach_the_answer(telling: Fusion, pair: Pair, tmp_path: Path) -> None:
    images = [("val", True, 0.06, 0.06, 1.0), ("val", False, 0.95, 0.05, 0.0)]
    root = write_set(tmp_path / "set", images)
    pipeline = Pipeline([telling.bundle, pair.classifier])
    kinds = []
    for path in sorted(root.glob("images/val/*.png")):
        for conf in (0.999, 0.001):
            report = pipeline.analyze(path.read_bytes(), name="a", asked=Asked(conf=conf)).report
            kinds.append([each.kind for each in report.flags])
    assert kinds == [["no-box"], [], [], ["box-without-image-finding"]]


def test_a_classifier_that_knows_nothing_does_not_help(pair: Pair, tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", list(drawn("val", 120, telling=False, seed=3)))
    result = fused(pair, root, tmp_path / "out")
    (effect,) = result.effects
    assert effect.cross_fitted
    (map50,) = (one for one in effect.differences if one.name == "map50")
    assert abs(map50.difference.value) < 0.03
    assert map50.difference.low < 0
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert verdict(effect) in card
    assert "raises" not in card


@pytest.mark.parametrize(
    ("estimate", "part"),
    [
        (Estimate(0.03, 0.01, 0.05), "raises mAP50 by +0.030 (+0.010 to +0.050)"),
        (Estimate(0.03, -0.01, 0.05), "the interval includes no change at all"),
        (Estimate(-0.03, -0.05, -0.01), "LOWERS mAP50"),
        (Estimate(0.03), "cannot be told"),
        (Estimate(None), "cannot be told"),
    ],
    ids=str,
)
def test_the_verdict_goes_by_the_interval(telling: Fusion, estimate: Estimate, part: str) -> None:
    effect = telling.effects[0]
    changed = Difference("map50", estimate, estimate, estimate, None)
    assert part in verdict(replace(effect, differences=(changed,)))


def test_a_label_that_speaks_against_findings_is_left_out(pair: Pair, tmp_path: Path) -> None:
    images = [
        (split, finding, here, away, 1 - strip)
        for split, finding, here, away, strip in drawn("val", 40, telling=True, seed=4)
    ]
    result = fused(pair, write_set(tmp_path / "set", images), tmp_path / "out", samples=20)
    spec = result.bundle.manifest.fusion
    assert spec is not None
    assert spec.image_weight == 0


def test_the_report_can_be_evaluated(telling: Fusion, telling_set: Path, tmp_path: Path) -> None:
    dataset = read_dataset(telling_set)
    write_fusion_report(telling.bundle, telling.effects, tmp_path, dataset=dataset)
    values = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    figure = values["effects"]["test"]["figures"]["map50"]
    assert figure["difference"]["low"] > 0
    assert figure["fused"]["value"] - figure["alone"]["value"] == pytest.approx(
        figure["difference"]["value"]
    )
    assert values["predictions"]["predictions_val.json"]["thresholds"] is None
    assert (
        values["predictions"]["predictions_test.json"]["thresholds"] == values["operating_points"]
    )
    read = read_results(tmp_path / "predictions_test.json", dataset).predictions
    for effect in telling.effects[1].fused:
        assert read[effect.image].scores == pytest.approx(effect.scores)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Effect on &#39;test&#39;" in page
    assert page.count("<svg") + page.count("image/svg") >= 2


def test_only_negatives_or_nothing_found(pair: Pair, tmp_path: Path) -> None:
    negatives = [image for image in drawn("val", 20, telling=True, seed=5) if not image[1]]
    with pytest.raises(DatasetError, match=r"no image of 'val' has a finding"):
        fused(pair, write_set(tmp_path / "negatives", negatives), tmp_path / "out")
    unseen = [("val", True, 0.0, 0.2, 0.5), ("val", False, 0.0, 0.3, 0.5)]
    with pytest.raises(DatasetError, match=r"not one box .* is right"):
        fused(pair, write_set(tmp_path / "unseen", unseen), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_wrong_pairs_are_refused(
    pair: Pair, telling: Fusion, telling_set: Path, tmp_path: Path, detector_bundle: Bundle
) -> None:
    out = tmp_path / "out"
    with pytest.raises(BundleError, match="name the detector first"):
        fused(Pair(pair.classifier, pair.detector), telling_set, out)
    with pytest.raises(BundleError, match="give the bundle that it was made from"):
        fused(Pair(telling.bundle, pair.classifier), telling_set, out)
    with pytest.raises(ConfigError, match=r"--label cancer: .* knows only: tb"):
        fused(pair, telling_set, out, label="cancer")
    with pytest.raises(DatasetError, match=r"the detector \['fracture', 'lesion'\]"):
        fused(Pair(detector_bundle, pair.classifier), telling_set, out)
    assert not out.exists()


def test_the_command(pair: Pair, telling_set: Path, tmp_path: Path) -> None:
    dataset = read_dataset(telling_set)
    listed = {record.image.name: record.split for record in dataset.records}
    apply_split(split_dataset(dataset, assigned=listed))
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(fuse_command)
    paths = [pair.detector.path, pair.classifier.path, telling_set, tmp_path / "out"]
    options = ["--label", "tb", "--report", tmp_path / "report"]
    result = CliRunner().invoke(app, [str(value) for value in (*paths, *options)])
    assert result.exit_code == 0, result.output
    assert "Fusion raises mAP50" in result.output
    assert load_bundle(tmp_path / "out").manifest.fusion is not None
    assert (tmp_path / "report" / "report.html").is_file()
    again = CliRunner().invoke(app, [str(value) for value in (*paths, *options)])
    assert isinstance(again.exception, ConfigError)
    assert "exists already" in str(again.exception)
