"""Training without a GPU, about twice as fast: bfloat16, channels last, every core.

Ultralytics offers these for GPUs. On a processor with bfloat16 instructions they give the same
losses within the noise of the data's order (docs/results.md), since the loss itself is computed
in single precision.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def prepare_trainer(trainer: Any) -> None:
    """Give a trainer on the processor all cores, channels last, and bfloat16 where it is faster.

    Called when training starts; a trainer on another device is left alone. ``OMP_NUM_THREADS``
    sets the number of threads, as elsewhere.
    """
    import torch
    from ultralytics.utils.torch_utils import unwrap_model

    if trainer.device.type != "cpu":
        return
    # Ultralytics leaves one core idle for loading, but on the CPU it loads in this thread.
    torch.set_num_threads(_threads())
    model = unwrap_model(trainer.model)
    model.to(memory_format=torch.channels_last)
    if not _has_bfloat16():
        return
    if getattr(model, "criterion", None) is None:
        model.criterion = model.init_criterion()
    model.criterion = _SinglePrecision(model.criterion)
    # Ultralytics' own switch, amp=bf16, refuses processors.
    model.predict = torch.autocast("cpu", dtype=torch.bfloat16)(model.predict)


@contextmanager
def without_preparation(model: Any) -> Iterator[None]:
    """Take bfloat16 off a model that is to be copied: the copy would call the original."""
    from ultralytics.utils.torch_utils import unwrap_model

    values = vars(unwrap_model(model))
    predict, criterion = values.pop("predict", None), values.get("criterion")
    if isinstance(criterion, _SinglePrecision):
        values["criterion"] = criterion.criterion
    try:
        yield
    finally:
        if predict is not None:
            values.update(predict=predict, criterion=criterion)


def _threads() -> int:
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(wanted) if wanted.isdigit() and int(wanted) else len(os.sched_getaffinity(0))


def _has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16; elsewhere it would be slower than float32."""
    import torch

    # Added to PyTorch after the oldest version that is supported.
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


class _SinglePrecision:
    """A loss that is computed in float32 whatever the network's outputs are.

    A bfloat16 has 8 bits of precision: a box's corner at 50 cells would move by a quarter cell.
    """

    def __init__(self, criterion: Any) -> None:
        self.criterion = criterion

    def __call__(self, predictions: Any, batch: Any) -> Any:
        return self.criterion(_as_float(predictions), batch)

    def __getattr__(self, name: str) -> Any:
        if name == "criterion":  # not set yet, in a copy that is being made
            raise AttributeError(name)
        return getattr(self.criterion, name)


def _as_float(value: Any) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        return value.float()
    if isinstance(value, dict):
        return {key: _as_float(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_as_float(inner) for inner in value)
    return value
