import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from lucency.api.batching import DeadlineError
from lucency.api.model_runs import ModelRuns
from lucency.api.model_sessions import ModelSessions
from lucency.configs.bundle import Bundle
from lucency.configs.errors import BundleError

SIDE = 64


@pytest.fixture(scope="module")
def sessions(detector_bundle: Bundle, classifier_bundle: Bundle) -> Iterator[ModelSessions]:
    opened = ModelSessions([detector_bundle, classifier_bundle], cores=2, batch_size=4)
    yield opened
    opened.close()


def image(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((1, 3, SIDE, SIDE), dtype=np.float32)


def test_each_model_answers_with_all_its_outputs(sessions: ModelSessions) -> None:
    runs = ModelRuns(sessions)
    found, said = runs.run(
        [("stand-in-detector", {"images": image()}), ("stand-in-classifier", {"image": image()})]
    )
    assert [array.shape for array in found] == [(1, 6, 3)]
    assert [array.shape for array in said] == [(1, 1), (1, 1, SIDE, SIDE), (1, 1, 1)]
    assert said[0] == pytest.approx(0.75)
    assert runs.took_ms().keys() == {"stand-in-detector", "stand-in-classifier"}
    assert runs.network_s > 0
    assert runs.wait_s >= 0


def test_a_session_of_a_request_takes_whole_batches(
    sessions: ModelSessions,
) -> None:
    batch = np.concatenate([image(seed) for seed in range(5)])
    session = ModelRuns(sessions).session("stand-in-classifier")
    (maps,) = session.run(["maps"], {"image": batch})
    np.testing.assert_allclose(maps, batch.mean(axis=1, keepdims=True), rtol=1e-6)
    assert [each.name for each in session.get_inputs()] == ["image"]
    assert len(session.get_outputs()) == 3


def test_ways_are_tried_while_nobody_asks(sessions: ModelSessions) -> None:
    feed = {"image": image()}
    deadline = time.monotonic() + 20
    sessions.submit([("stand-in-classifier", feed)], deadline=None)
    while sessions.trying:
        assert time.monotonic() < deadline, "not all was tried"
        time.sleep(0.01)
    ways = sessions.ways("stand-in-classifier", feed)
    assert ways.sizes[0] == 1
    assert ways.sizes[-1] <= 4
    assert not ways.wide  # it takes no time


def test_a_deadline_in_the_past_costs_no_run(sessions: ModelSessions) -> None:
    runs = ModelRuns(sessions, deadline=time.monotonic() - 1, name="a.png")
    with pytest.raises(DeadlineError, match=r"^a\.png: was not analysed in time"):
        runs.run([("stand-in-detector", {"images": image()})])
    assert runs.took_ms() == {}


def test_an_input_that_does_not_fit_hurts_nobody_else(sessions: ModelSessions) -> None:
    runs = ModelRuns(sessions)
    with pytest.raises(Exception, match="invalid dimensions"):
        runs.run([("stand-in-classifier", {"image": image()[:, :, :9]})])
    (said,) = runs.run([("stand-in-classifier", {"image": image()})])
    assert said[0] == pytest.approx(0.75)


def test_after_the_end_nothing_is_run(detector_bundle: Bundle) -> None:
    opened = ModelSessions([detector_bundle], cores=1)
    opened.close()
    opened.close()
    with pytest.raises(RuntimeError, match="closed"):
        opened.submit([("stand-in-detector", {"images": image()})], deadline=None)


def test_threads_end_with_an_owner_that_nobody_closed(detector_bundle: Bundle) -> None:
    opened = ModelSessions([detector_bundle], cores=2)
    threads = opened._threads
    del opened
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)


def test_a_model_that_cannot_be_opened_is_refused(
    tmp_path: Path, make_detector: Callable[..., Bundle], detector_bundle: Bundle
) -> None:
    broken: Any = Bundle(tmp_path / "broken", detector_bundle.manifest, b"no model")
    with pytest.raises(BundleError, match="ONNX Runtime refuses"):
        ModelSessions([broken])


def test_a_model_that_answers_for_another_number_of_inputs_hurts_nobody_else(
    tmp_path: Path, make_detector: Callable[..., Bundle], classifier_bundle: Bundle
) -> None:
    graph = helper.make_graph(
        [helper.make_node("Concat", ["images", "images"], ["output0"], axis=0)],
        "twice",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["twice", 3, SIDE, SIDE])],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    twice = make_detector(tmp_path / "twice", model=model)
    opened = ModelSessions([twice, classifier_bundle], cores=1)
    try:
        runs = ModelRuns(opened, deadline=time.monotonic() + 10)
        with pytest.raises(ValueError, match="longer"):
            runs.run([("twice", {"images": image()})])
        (said,) = runs.run([("stand-in-classifier", {"image": image()})])
        assert said[0] == pytest.approx(0.75)
    finally:
        opened.close()
