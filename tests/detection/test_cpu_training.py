"""bfloat16 on a processor: the loss stays exact, and a copy of the model stands on its own."""

import copy
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from lucency.detection import cpu_training
from lucency.detection.cpu_training import prepare_trainer, without_preparation
from lucency.detection.offline_ultralytics import import_ultralytics

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def model() -> Iterator[Any]:
    import torch

    threads = torch.get_num_threads()
    ultralytics = import_ultralytics()
    torch.manual_seed(0)
    made = ultralytics.YOLO("yolo11n.yaml").model
    made.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5, epochs=1)
    yield made
    torch.set_num_threads(threads)


def trainer(model: Any, device: str = "cpu") -> Any:
    import torch

    return SimpleNamespace(model=model, device=torch.device(device))


def batch() -> dict[str, Any]:
    import torch

    return {
        "img": torch.rand(2, 3, 160, 160, generator=torch.Generator().manual_seed(1)),
        "cls": torch.tensor([[0.0], [3.0]]),
        "bboxes": torch.tensor([[0.5, 0.5, 0.4, 0.4], [0.4, 0.6, 0.5, 0.3]]),
        "batch_idx": torch.tensor([0.0, 1.0]),
    }


def test_bfloat16_gives_nearly_the_same_loss(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_training, "_has_bfloat16", lambda: True)
    plain = float(model.train()(batch())[0].sum())
    prepare_trainer(trainer(model))
    loss = model.train()(batch())[0]
    assert str(loss.dtype) == "torch.float32"
    assert float(loss.sum()) == pytest.approx(plain, rel=0.03)
    assert float(loss.sum()) != plain


def test_without_bfloat16_the_network_is_as_it_was(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_training, "_has_bfloat16", lambda: False)
    prepare_trainer(trainer(model))
    assert "predict" not in vars(model)


def test_other_devices_are_left_alone(model: Any) -> None:
    prepare_trainer(trainer(model, "meta"))
    assert "predict" not in vars(model)
    assert not vars(model).get("criterion")


def test_a_copy_made_meanwhile_calls_itself(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ultralytics copies the model to recover from a loss that is no number."""
    monkeypatch.setattr(cpu_training, "_has_bfloat16", lambda: True)
    prepare_trainer(trainer(model))
    with without_preparation(model):
        made = copy.deepcopy(model)
    assert "predict" not in vars(made)
    assert "predict" in vars(model)
    assert type(made.criterion).__name__ == "v8DetectionLoss"
    assert type(model.criterion).__name__ == "_SinglePrecision"
    copy.deepcopy(model.criterion)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("3", 3), ("2,4", 2), ("0", None), ("many", None), ("", None)],
    ids=["number", "nested", "zero", "word", "empty"],
)
def test_threads(value: str, expected: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(7)))
    assert cpu_training._threads() == (expected or 7)
