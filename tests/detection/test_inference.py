"""Tiles, flip and several models, on a network that sees bright spots and trusts the left more."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lucency.configs.bundle import Bundle, BundleManifest, write_bundle
from lucency.configs.display import DisplaySpec
from lucency.configs.inference import InferenceOptions, TileSpec
from lucency.datasets.radiographs import Radiograph, decode_radiograph
from lucency.detection.detector import MAX_BATCH, Detector
from lucency.detection.inference import detect, names_of

SIDE, CELL = 64, 8


def spot_network(classes: int, *, right: float) -> bytes:
    """One candidate a cell of 8 pixels: its own square, scored by the cell's mean brightness.

    In the right half scores are ``right`` times that; all classes but the first have 0.
    """
    cells = SIDE // CELL
    y, x = np.meshgrid(*[np.arange(cells, dtype=np.float32) * CELL + CELL / 2] * 2, indexing="ij")
    sides = np.full((2, cells * cells), CELL, np.float32)
    boxes = np.concatenate([np.stack([x.ravel(), y.ravel()]), sides])[None]
    weight = np.zeros((1, classes, cells * cells), np.float32)
    weight[0, 0] = np.where(x.ravel() < SIDE / 2, 1.0, right)
    nodes = [
        helper.make_node("ReduceMean", ["images", "channel"], ["grey"], keepdims=1),
        helper.make_node("AveragePool", ["grey"], ["mean"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Reshape", ["mean", "flat"], ["brightness"]),
        helper.make_node("Mul", ["brightness", "weight"], ["scores"]),
        helper.make_node("Mul", ["brightness", "zero"], ["none"]),
        helper.make_node("Add", ["none", "boxes"], ["placed"]),
        helper.make_node("Concat", ["placed", "scores"], ["output0"], axis=1),
    ]
    shape = ["b", 4 + classes, cells * cells]
    graph = helper.make_graph(
        nodes,
        "spots",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["b", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, shape)],
        [
            numpy_helper.from_array(np.array([1], np.int64), "channel"),
            numpy_helper.from_array(np.array([0, 1, -1], np.int64), "flat"),
            numpy_helper.from_array(boxes, "boxes"),
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(np.float32(0.0), "zero"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def detector(
    folder: Path,
    *,
    name: str = "spots",
    names: tuple[str, ...] = ("spot",),
    right: float = 1.0,
    **changes: Any,
) -> Detector:
    spec = changes.pop("display", DisplaySpec())
    values: dict[str, Any] = {
        "name": name, "task": "detection", "architecture": "spots", "class_names": names,
        "input_size": SIDE, "input_channels": 3, "display": spec, "display_digest": spec.digest(),
        "operating_points": {"balanced": dict.fromkeys(names, 0.5)},
        "default_operating_point": "balanced", "metrics": {}, "metrics_split": "val",
        "parity": {}, "training_data": {}, "libraries": {}, "licence": "AGPL-3.0-or-later",
        "created": "2026-01-01", "files": {},
    }  # fmt: skip
    manifest = BundleManifest.model_validate({**values, **changes})
    files = {"model.onnx": spot_network(len(names), right=right), "MODEL_CARD.md": b"card"}
    bundle: Bundle = write_bundle(folder / name, manifest, files)
    return Detector(bundle, threads=1)


def radiograph(*spots: tuple[int, int, int], side: int = 256) -> Radiograph:
    """White squares (x, y, side) on black."""
    import io

    from PIL import Image

    pixels: NDArray[np.uint8] = np.zeros((side, side), np.uint8)
    for x, y, size in spots:
        pixels[y : y + size, x : x + size] = 255
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "png")
    return decode_radiograph(data.getvalue(), name="spots.png")


FLIP = InferenceOptions(flip=True)
TILES = InferenceOptions(tiles=TileSpec(size=64, overlap=0.5))


def test_without_options_it_is_the_detector_itself(tmp_path: Path) -> None:
    one, image = detector(tmp_path), radiograph((32, 64, 32), (192, 32, 32))
    alone, found = one.detect(image), detect([one], image)
    assert len(found) == 2
    assert found.boxes_xyxy.tobytes() == alone.boxes_xyxy.tobytes()
    assert found.probabilities.tobytes() == alone.probabilities.tobytes()


def test_flip_averages_what_both_sides_say(tmp_path: Path) -> None:
    one, image = detector(tmp_path, right=0.6), radiograph((32, 64, 32), (192, 32, 32))
    np.testing.assert_allclose(detect([one], image).scores, [1.0, 0.6], atol=1e-5)
    found = detect([one], image, options=FLIP)
    np.testing.assert_allclose(found.scores, [0.8, 0.8], atol=1e-5)
    expected = [[32, 64, 64, 96], [192, 32, 224, 64]]
    np.testing.assert_allclose(sorted(found.boxes_xyxy.tolist()), expected, atol=1e-3)


def test_tiles_see_what_the_reduced_image_loses(tmp_path: Path) -> None:
    one, image = detector(tmp_path), radiograph((72, 80, 8))
    assert len(detect([one], image)) == 0
    found = detect([one], image, options=TILES)
    np.testing.assert_allclose(found.boxes_xyxy, [[72, 80, 80, 88]], atol=1e-3)
    np.testing.assert_allclose(found.scores, [1.0], atol=1e-5)


@pytest.mark.parametrize("longest_side", [None, 128])
def test_tiles_are_of_the_unreduced_image(tmp_path: Path, longest_side: int | None) -> None:
    spec = DisplaySpec(longest_side=longest_side)
    found = detect([detector(tmp_path, display=spec)], radiograph((72, 80, 8)), options=TILES)
    np.testing.assert_allclose(found.boxes_xyxy, [[72, 80, 80, 88]], atol=1e-3)


def test_tiles_have_the_grey_levels_of_the_whole(tmp_path: Path) -> None:
    """Stretched by itself, the tile with the darker spot would show it as white as the other."""
    spec = DisplaySpec(method="percentile", low=0.0, high=100.0)
    image = radiograph((72, 80, 8), (200, 200, 16))
    pixels = image.pixels.copy()
    pixels[80:88, 72:80] = 102
    dimmed = type(image)(**{**vars(image), "pixels": pixels})
    found = detect([detector(tmp_path, display=spec)], dimmed, options=TILES)
    scores = {
        tuple(np.round(box)): s for box, s in zip(found.boxes_xyxy, found.scores, strict=True)
    }
    assert scores[72, 80, 80, 88] == pytest.approx(0.4, abs=1e-5)


def test_batches_stay_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """49 tiles, each with its mirror image, and the whole with its own."""
    one, sizes = detector(tmp_path), []
    run = one.raw

    def counted(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        sizes.append(len(batch))
        return run(batch)

    monkeypatch.setattr(one, "raw", counted)
    detect([one], radiograph((72, 80, 8)), options=TILES.model_copy(update={"flip": True}))
    assert sum(sizes) == 2 * 49 + 2
    assert max(sizes) == MAX_BATCH


def test_tiles_and_flip_together(tmp_path: Path) -> None:
    options = InferenceOptions(tiles=TileSpec(size=64, overlap=0.5), flip=True)
    one = detector(tmp_path, right=0.6)
    found = detect([one], radiograph((72, 80, 8)), options=options)
    np.testing.assert_allclose(found.boxes_xyxy, [[72, 80, 80, 88]], atol=1e-3)
    np.testing.assert_allclose(found.scores, [0.8], atol=1e-5)


def test_a_bundle_says_how_it_is_used(tmp_path: Path) -> None:
    one = detector(tmp_path, right=0.6, inference={"flip": True})
    image = radiograph((32, 64, 32))
    np.testing.assert_allclose(detect([one], image).scores, [0.8], atol=1e-5)
    np.testing.assert_allclose(
        detect([one], image, options=InferenceOptions()).scores, [1.0], atol=1e-5
    )


def test_calibration_comes_after_flip(tmp_path: Path) -> None:
    """(1 + 0.6) / 2 = 0.8, which the map brings to 0.2; averaged after it, it would be 0.55."""
    curve = {"method": "isotonic", "scores": [0, 0.8, 1], "probabilities": [0, 0.2, 1]}
    one = detector(tmp_path, right=0.6, calibration={"spot": curve})
    found = detect([one], radiograph((32, 64, 32)), options=FLIP, conf=0.1)
    np.testing.assert_allclose(found.scores, [0.2], atol=1e-5)
    assert len(detect([one], radiograph((32, 64, 32)), options=FLIP)) == 0


def test_several_bundles_are_fused(tmp_path: Path) -> None:
    """The right half is worth 1 to the one and 0.2, below ``conf``, to the other: both count."""
    both = [detector(tmp_path, name="a"), detector(tmp_path, name="b", right=0.2)]
    image = radiograph((192, 32, 32))
    np.testing.assert_allclose(detect(both, image).scores, [0.6], atol=1e-5)
    assert len(detect(both, image, conf=0.65)) == 0


def test_bundles_with_other_classes(tmp_path: Path) -> None:
    both = [
        detector(tmp_path, name="a"),
        detector(tmp_path, name="b", names=("lump", "spot")),
    ]
    assert names_of(both) == ("spot", "lump")
    found = detect(both, radiograph((32, 64, 32), (192, 32, 32)))
    assert found.class_names == ("spot", "lump")
    assert found.class_ids.tolist() == [1, 1, 0, 0]
    assert found.class_names != both[1].manifest.class_names


@pytest.mark.parametrize("options", [None, FLIP, TILES], ids=["plain", "flip", "tiles"])
def test_nothing_found(tmp_path: Path, options: InferenceOptions | None) -> None:
    both = [detector(tmp_path, name="a"), detector(tmp_path, name="b")]
    for detectors in (both[:1], both):
        found = detect(detectors, radiograph(), options=options)
        assert found.boxes_xyxy.shape == (0, 4)
        assert found.probabilities.shape == (0, 1)


def test_no_more_than_asked_for(tmp_path: Path) -> None:
    one = detector(tmp_path)
    image = radiograph(*[(32 * column, 0, 32) for column in range(8)])
    for options in (InferenceOptions(), FLIP, TILES):
        assert len(detect([one], image, options=options, max_detections=3)) == 3


def test_no_detector() -> None:
    with pytest.raises(ValueError, match="at least one"):
        detect([], radiograph())
