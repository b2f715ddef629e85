"""The detector on a hand-made network whose boxes are known."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lucency.annotations.records import Dataset, read_dataset
from lucency.configs.bundle import Bundle, BundleManifest, write_bundle
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import BundleError, DatasetError
from lucency.datasets.radiographs import read_radiograph
from lucency.detection.detector import Detector, open_detector
from lucency.detection.evaluate import predict_split
from lucency.evaluation.measuring import measure_detections

SIDE = 64


def network(rows: list[tuple[float, ...]]) -> bytes:
    """A network that always answers with ``rows`` of (cx, cy, w, h, p0, p1)."""
    head = np.array([rows], dtype=np.float32).transpose(0, 2, 1)
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMin", ["images"], ["least"], keepdims=0),
            helper.make_node("Mul", ["least", "zero"], ["nothing"]),
            helper.make_node("Add", ["head", "nothing"], ["output0"]),
        ],
        "fixed",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["b", 3, "h", "w"])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, list(head.shape))],
        [
            numpy_helper.from_array(head, "head"),
            numpy_helper.from_array(np.float32(0.0), "zero"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def manifest(**changes: object) -> BundleManifest:
    spec = changes.pop("display", DisplaySpec())
    assert isinstance(spec, DisplaySpec)
    values: dict[str, object] = {
        "name": "fixed", "task": "detection", "architecture": "fixed",
        "class_names": ("fracture", "lesion"), "input_size": SIDE, "input_channels": 3,
        "display": spec, "display_digest": spec.digest(),
        "operating_points": {"balanced": {"fracture": 0.5, "lesion": 0.4}},
        "default_operating_point": "balanced", "metrics": {}, "metrics_split": "val",
        "parity": {}, "training_data": {}, "libraries": {}, "licence": "AGPL-3.0-or-later",
        "created": "2026-01-01", "files": {},
    }  # fmt: skip
    return BundleManifest.model_validate({**values, **changes})


ROWS = [(32.0, 32.0, 16.0, 8.0, 0.9, 0.2), (10.0, 12.0, 8.0, 8.0, 0.1, 0.6)]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    files = {"model.onnx": network(ROWS), "MODEL_CARD.md": b"card"}
    return write_bundle(tmp_path / "bundle", manifest(), files)


def grey_png(path: Path, *, size_wh: tuple[int, int]) -> Path:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 255, size_wh[::-1], dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_idle_threads_leave_the_cores_to_the_next_image(bundle: Bundle) -> None:
    options = Detector(bundle)._session.get_session_options()
    assert options.get_session_config_entry("session.force_spinning_stop") == "1"


def test_boxes_are_in_pixels_of_the_stored_image(bundle: Bundle, tmp_path: Path) -> None:
    radiograph = read_radiograph(grey_png(tmp_path / "a.png", size_wh=(128, 128)))
    found = Detector(bundle).detect(radiograph)
    np.testing.assert_allclose(found.boxes_xyxy, [[48, 56, 80, 72], [12, 16, 28, 32]], atol=1e-3)
    np.testing.assert_allclose(found.probabilities, [[0.9, 0.2], [0.1, 0.6]], atol=1e-6)


def test_a_reduced_display_gives_the_same_boxes(tmp_path: Path) -> None:
    reduced = manifest(display=DisplaySpec(longest_side=64))
    files = {"model.onnx": network(ROWS), "MODEL_CARD.md": b"card"}
    bundle = write_bundle(tmp_path / "reduced", reduced, files)
    radiograph = read_radiograph(grey_png(tmp_path / "a.png", size_wh=(128, 128)))
    found = Detector(bundle).detect(radiograph)
    np.testing.assert_allclose(found.boxes_xyxy[0], [48, 56, 80, 72], atol=1e-3)


def test_the_same_image_gives_the_same_answer(bundle: Bundle, tmp_path: Path) -> None:
    radiograph = read_radiograph(grey_png(tmp_path / "a.png", size_wh=(100, 60)))
    first, second = (Detector(bundle).detect(radiograph) for _ in range(2))
    assert first.boxes_xyxy.tobytes() == second.boxes_xyxy.tobytes()


def test_conf_is_a_floor_for_the_best_class(bundle: Bundle) -> None:
    found = Detector(bundle).detect_image(np.zeros((64, 64), np.uint8), conf=0.7)
    assert found.class_ids.tolist() == [0]


PLATT = {
    "fracture": {"method": "platt", "slope": 0.5, "intercept": -2.0},
    "lesion": {"method": "platt", "slope": 2.0, "intercept": 1.0},
}
NO_PIXELS = np.zeros((64, 64), np.uint8)


def with_calibration(folder: Path, calibration: object) -> Detector:
    files = {"model.onnx": network(ROWS), "MODEL_CARD.md": b"card"}
    return Detector(write_bundle(folder / "calibrated", manifest(calibration=calibration), files))


def test_scores_are_calibrated_class_by_class(bundle: Bundle, tmp_path: Path) -> None:
    """Of the first box, found as a fracture, lesion is the greater number now; it stays one."""
    raw = Detector(bundle).detect_image(NO_PIXELS, conf=0.01)
    found = with_calibration(tmp_path, PLATT).detect_image(NO_PIXELS, conf=0.01)
    odds = raw.probabilities / (1 - raw.probabilities)
    expected = np.stack([odds[:, 0] ** 0.5 * np.exp(-2), odds[:, 1] ** 2 * np.exp(1)], axis=1)
    expected = expected / (1 + expected)
    assert raw.class_ids.tolist() == [0, 1]
    assert found.class_ids.tolist() == [1, 0], "best first"
    np.testing.assert_allclose(found.probabilities, expected[::-1], atol=1e-6)
    np.testing.assert_array_equal(found.boxes_xyxy, raw.boxes_xyxy[::-1])


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_conf_is_in_calibrated_units(tmp_path: Path, method: str) -> None:
    curve = {"method": "isotonic", "scores": [0, 0.5, 1], "probabilities": [0.05, 0.1, 0.3]}
    calibration = PLATT if method == "platt" else dict.fromkeys(PLATT, curve)
    detector = with_calibration(tmp_path, calibration)
    every = detector.detect_image(NO_PIXELS, conf=0.0)
    assert len(every) == 2
    for row, score in enumerate(every.scores):
        just_below = float(np.nextafter(score, np.float32(0)))
        assert len(detector.detect_image(NO_PIXELS, conf=just_below)) == row + 1
        assert len(detector.detect_image(NO_PIXELS, conf=float(score))) == row


@pytest.mark.parametrize("conf", [-0.1, 0.0, 1.0, 1.5])
def test_any_conf_is_taken(tmp_path: Path, conf: float) -> None:
    found = with_calibration(tmp_path, PLATT).detect_image(NO_PIXELS, conf=conf)
    assert len(found) == (2 if conf <= 0 else 0)


def test_candidates_are_raw(tmp_path: Path) -> None:
    detector = with_calibration(tmp_path, PLATT)
    found = detector.candidates([NO_PIXELS])
    np.testing.assert_allclose(found[0].probabilities, [[0.9, 0.2], [0.1, 0.6]], atol=1e-6)
    assert detector.candidates([]) == []


def test_a_bundle_is_opened_by_its_folder(bundle: Bundle) -> None:
    assert open_detector(bundle.path).manifest.name == "fixed"


def test_a_classifiers_bundle_is_refused(tmp_path: Path) -> None:
    files = {"model.onnx": network(ROWS), "MODEL_CARD.md": b"card"}
    wrong = write_bundle(tmp_path / "wrong", manifest(task="classification"), files)
    with pytest.raises(BundleError, match="a detector was expected"):
        Detector(wrong)


@pytest.mark.parametrize("names", [("one",), ("one", "two", "three")], ids=len)
def test_a_list_of_classes_that_is_not_the_models_is_refused(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    points = {"balanced": dict.fromkeys(names, 0.5)}
    changed = manifest().model_copy(update={"class_names": names, "operating_points": points})
    files = {"model.onnx": network(ROWS), "MODEL_CARD.md": b"card"}
    bundle = write_bundle(tmp_path / "edited", changed, files)
    with pytest.raises(BundleError, match=rf"names {len(names)}, the model knows 2"):
        Detector(bundle)


def test_what_is_not_a_network_is_refused(tmp_path: Path) -> None:
    files = {"model.onnx": b"no network", "MODEL_CARD.md": b"card"}
    broken = write_bundle(tmp_path / "broken", manifest(), files)
    with pytest.raises(BundleError, match="ONNX Runtime refuses") as caught:
        Detector(broken)
    assert "\n" not in str(caught.value)


def dataset(root: Path, *, names: tuple[str, ...] = ("fracture", "lesion")) -> Dataset:
    rows = ["image,split,patient_id,status,width,height,sha256,source"]
    for name, status, label in (
        ("hit", "annotated", "0 0.5 0.5 0.25 0.125\n"),
        ("negative", "negative", ""),
        ("unknown", "unknown", None),
    ):
        grey_png(root / f"images/test/{name}.png", size_wh=(128, 128))
        if label is not None:
            (root / "labels/test").mkdir(parents=True, exist_ok=True)
            (root / f"labels/test/{name}.txt").write_text(label, encoding="utf-8")
        rows.append(f"images/test/{name}.png,test,{name},{status},128,128,{name},x")
    (root / "dataset.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (root / "data.yaml").write_text(f"names: [{', '.join(names)}]\n", encoding="utf-8")
    return read_dataset(root)


def test_a_split_is_measured(bundle: Bundle, tmp_path: Path) -> None:
    """One finding in one of two images; the network answers with two boxes in each."""
    detector = Detector(bundle)
    truths, predictions = predict_split(detector, dataset(tmp_path / "set"), "test")
    assert [truth.image for truth in truths] == ["images/test/hit.png", "images/test/negative.png"]
    found = measure_detections(
        truths,
        predictions,
        class_names=detector.manifest.class_names,
        thresholds=detector.manifest.operating_points,
        samples=0,
    )
    assert (found.images, found.negatives) == (2, 1)
    rates = found.points["balanced"]["fracture"]
    assert (rates.tp, rates.fp, rates.fn) == (1, 1, 0)
    assert found.classes["fracture"].ap50.value == pytest.approx(1.0)
    assert found.classes["lesion"].ap50.value is None


def test_other_classes_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    data = dataset(tmp_path / "set", names=("fracture", "cyst"))
    with pytest.raises(DatasetError, match=r"\['fracture', 'cyst'\]"):
        predict_split(Detector(bundle), data, "test")


def test_an_empty_split_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no images with known truth in 'val'"):
        predict_split(Detector(bundle), dataset(tmp_path / "set"), "val")
