"""Everything a training needs to go on as if it had never stopped, in one file.

Ultralytics' own checkpoint keeps the averaged weights and the optimizer in half precision, and
neither the weights themselves nor gradients that wait for a step: a run resumed from it goes
another way. Here all of it stands unrounded, together with the best checkpoint and the rows of
``results.csv`` that belong to it, and is written as a whole or not at all.
"""

import io
import time
from pathlib import Path
from typing import Any

from lucency.configs import atomic
from lucency.configs.errors import ConfigError

FORMAT = 1


def save_state(trainer: Any, path: Path, *, last_step: int) -> None:
    """Write the state of Ultralytics' ``trainer`` at the end of an epoch.

    ``last_step`` is the batch, counted over the whole run, after which the weights moved last.
    """
    import torch

    model = _plain_model(trainer)
    gradients = {
        name: parameter.grad
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    best = trainer.best.read_bytes() if trainer.best.is_file() else b""
    state = {
        "format": FORMAT,
        "epoch": trainer.epoch,
        "stop": bool(trainer.stop),
        "model": model.state_dict(),
        "ema": trainer.ema.ema.state_dict(),
        "ema_updates": trainer.ema.updates,
        "optimizer": trainer.optimizer.state_dict(),
        "scaler": trainer.scaler.state_dict(),
        "gradients": gradients,
        "last_step": last_step,
        "best_fitness": _number(trainer.best_fitness),
        "stopper_fitness": _number(trainer.stopper.best_fitness),
        "stopper_epoch": int(trainer.stopper.best_epoch),
        "possible_stop": bool(trainer.stopper.possible_stop),
        "seconds": time.time() - trainer.train_time_start,
        "results": trainer.csv.read_text(encoding="utf-8") if trainer.csv.is_file() else "",
        "best": torch.frombuffer(bytearray(best or b"\0"), dtype=torch.uint8)[: len(best)].clone(),
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    atomic.write_bytes(path, buffer.getvalue())


def read_state(path: Path) -> dict[str, Any]:
    """Read a state without running code in it.

    Raises
    ------
    ConfigError
        The file is damaged, or was written by another version.

    """
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, _unpickling_error()) as error:
        reason = str(error).splitlines()[0][:120]
        raise ConfigError(f"{path}: cannot be resumed from: {reason}; train anew") from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ConfigError(
            f"{path}: was written by another version of lucency, which must go on with it; or train"
            f" anew in another folder"
        )
    return state


def restore_files(state: dict[str, Any], *, best: Path, results: Path) -> None:
    """Bring the best checkpoint and the table of epochs back to where the state was saved.

    Both may be an epoch ahead, or half written, where training was killed between the epoch's end
    and the state's.
    """
    atomic.write_text(results, state["results"])
    if len(state["best"]):
        atomic.write_bytes(best, state["best"].numpy().tobytes())


def restore_trainer(state: dict[str, Any], trainer: Any) -> None:
    """Put the state into a ``trainer`` that is set up but has not begun."""
    model = _plain_model(trainer)
    model.load_state_dict(state["model"])
    trainer.ema.ema.load_state_dict(state["ema"])
    trainer.ema.updates = state["ema_updates"]
    optimizer = state["optimizer"]
    for saved, group in zip(optimizer["param_groups"], trainer.optimizer.param_groups, strict=True):
        # The device at hand, not the one of the interrupted run, says which kernel is used.
        saved["fused"] = group.get("fused")
    trainer.optimizer.load_state_dict(optimizer)
    if state["scaler"]:
        trainer.scaler.load_state_dict(state["scaler"])
    trainer.best_fitness = state["best_fitness"]
    trainer.stopper.best_fitness = state["stopper_fitness"]
    trainer.stopper.best_epoch = state["stopper_epoch"]
    trainer.stopper.possible_stop = state["possible_stop"]
    trainer.start_epoch = state["epoch"] + 1
    # YOLO26 and others shift their loss from one head to the other, a step every epoch.
    model.criterion = model.init_criterion()
    if hasattr(model.criterion, "update"):
        for _ in range(trainer.start_epoch):
            model.criterion.update()


def restore_gradients(state: dict[str, Any], trainer: Any) -> None:
    """Put gradients back that were waiting for a step when the epoch ended."""
    gradients = state["gradients"]
    for name, parameter in _plain_model(trainer).named_parameters():
        if name in gradients:
            parameter.grad = gradients[name].to(parameter.device)


def _plain_model(trainer: Any) -> Any:
    from ultralytics.utils.torch_utils import unwrap_model

    return unwrap_model(trainer.model)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _unpickling_error() -> type[Exception]:
    from pickle import UnpicklingError

    return UnpicklingError
