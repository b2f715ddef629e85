"""Which convolutions become 8-bit, on a network made by hand."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lucency.annotations.records import read_dataset
from lucency.configs.display import DisplaySpec
from lucency.detection.quantise import FLOAT_PARTS, calibration_batches, quantised

# In the order of the graph; Ultralytics' names.
CONVOLUTIONS = (
    "/model.0/conv/Conv",
    "/model.4/conv/Conv",
    "/model.5/conv/Conv",
    "/model.9/cv2.0/cv2.0.0/conv/Conv",
    "/model.9/cv2.0/cv2.0.2/Conv",
    "/model.9/dfl/conv/Conv",
)


def network() -> bytes:
    rng = np.random.default_rng(0)
    nodes, tensors = [], []
    for number, name in enumerate(CONVOLUTIONS):
        weights = rng.normal(0, 0.4, (3, 3, 3, 3)).astype(np.float32)
        tensors.append(numpy_helper.from_array(weights, f"w{number}"))
        source = f"x{number}" if number else "images"
        target = "output0" if number == len(CONVOLUTIONS) - 1 else f"x{number + 1}"
        nodes.append(
            helper.make_node("Conv", [source, f"w{number}"], [target], name, pads=[1, 1, 1, 1])
        )
    shape = ["b", 3, "h", "w"]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, shape)],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())


def batches() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(1)
    return tuple(rng.random((1, 3, 32, width), dtype=np.float32) for width in (32, 64))


@pytest.mark.parametrize(
    ("float_parts", "eight_bit"),
    [(FLOAT_PARTS[0], CONVOLUTIONS[2:4]), (FLOAT_PARTS[1], CONVOLUTIONS[2:3])],
    ids=["first layers", "head as well"],
)
def test_first_layers_and_the_heads_end_stay_in_float(
    float_parts: tuple[str, ...], eight_bit: tuple[str, ...]
) -> None:
    graph = onnx.load_model_from_string(
        quantised(network(), batches(), float_parts=float_parts)
    ).graph
    made_by = {output: node for node in graph.node for output in node.output}
    found = [
        node.name
        for node in graph.node
        if node.op_type == "Conv"
        and node.input[1] in made_by
        and made_by[node.input[1]].op_type == "DequantizeLinear"
    ]
    assert found == list(eight_bit)


def test_the_answer_stays_near() -> None:
    import onnxruntime

    def answer(data: bytes) -> np.ndarray:
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        return np.asarray(session.run(None, {"images": batches()[1]})[0])

    expected = answer(network())
    found = answer(quantised(network(), batches(), float_parts=FLOAT_PARTS[0]))
    assert not np.array_equal(found, expected)
    assert np.abs(found - expected).mean() < 0.03 * np.abs(expected).mean() + 0.02 * expected.std()


def test_ranges_need_an_image() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        quantised(network(), (), float_parts=FLOAT_PARTS[0])


def test_calibration_takes_training_images_evenly(tmp_path: Path) -> None:
    import cv2

    rows = ["image,split,patient_id,status,width,height,sha256,source"]
    for number in range(7):
        split = "val" if number == 0 else "train"
        name = f"images/{split}/{number}.png"
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.full((64, 32), 20 * number, np.uint8))
        rows.append(f"{name},{split},p{number},negative,32,64,{number},x")
        label = tmp_path / f"labels/{split}/{number}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text("", encoding="utf-8")
    (tmp_path / "dataset.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "data.yaml").write_text("names: [a]\n", encoding="utf-8")
    found = calibration_batches(read_dataset(tmp_path), DisplaySpec(), input_size=64, most=3)
    assert [batch.shape for batch in found] == [(1, 3, 64, 32)] * 3
    assert [round(float(batch.max()) * 255) for batch in found] == [20, 60, 100]
