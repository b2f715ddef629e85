"""Hyperparameter search through Ray Tune, on this machine or on a cluster.

Every trial is a training with a run folder of its own; after each epoch it is compared with the
others, and the worse half is given up early (ASHA: Li et al., "A system for massively parallel
hyperparameter tuning", MLSys 2020).
"""

import csv
import io
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lucency.configs import atomic
from lucency.configs.errors import ConfigError, LucencyError
from lucency.configs.schema import dump_yaml, read_config
from lucency.detection.recipe import DetectionConfig
from lucency.detection.run_folder import (
    CONFIG,
    MAP50,
    MAP50_95,
    RESUME,
    TrainingProgress,
    is_finished,
)
from lucency.detection.search_space import Range, override

TRIALS = "trials"
TABLE = "trials.csv"
_RAY = "ray"
_SEARCH = "search"
# Epochs that every trial gets before it can be given up, as a share of all.
_GRACE = 0.2

Report = Callable[[Mapping[str, float]], None]
# Runs one trial: the drawn values, its folder, and what to tell after each epoch.
Objective = Callable[[Mapping[str, Any], Path, Report], None]


@dataclass(frozen=True)
class Trial:
    """One configuration that was tried, with the best figures of its epochs.

    ``state`` is ``complete``, ``given up`` or ``failed``; a failed one tells its ``error``.
    """

    name: str
    values: Mapping[str, Any]
    epochs: int
    map50: float
    map50_95: float
    state: str
    error: str = ""


@dataclass(frozen=True)
class Resources:
    """What a trial gets, and the address of the cluster; without one, this machine."""

    cpus: float = 2
    gpus: float = 0
    address: str | None = None


OnTrial = Callable[[str, int, float], None]
# Those who are told of epochs while a search runs in this process.
_LISTENERS: list[OnTrial] = []


def search(
    objective: Objective,
    space: Mapping[str, Range],
    folder: Path,
    *,
    trials: int,
    epochs: int,
    seed: int = 0,
    resources: Resources = Resources(),
    resume: bool = False,
    on_epoch: OnTrial | None = None,
) -> tuple[Trial, ...]:
    """Try ``trials`` draws from ``space``; return them, the best first, and write ``trials.csv``.

    ``on_epoch`` is told a trial's name, its epoch and its best mAP50-95 so far. With ``resume`` an
    interrupted search goes on: trials that were done stay, others take up their run folders.

    Raises
    ------
    ConfigError
        Ray is not installed, the cluster cannot be reached, ``folder`` is in use or holds no
        search, or every trial failed.

    """
    if not resume and folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder}: exists already; name a new folder, or add --resume to go on")
    tune = need_ray()
    import ray

    folder = folder.resolve()
    (folder / TRIALS).mkdir(parents=True, exist_ok=True)
    _connect(ray, resources.address)
    if on_epoch is not None:
        _LISTENERS.append(on_epoch)
    try:
        trainable = tune.with_resources(
            partial(_run_trial, objective=objective, folder=folder / TRIALS),
            {"cpu": resources.cpus, "gpu": resources.gpus},
        )
        tuner = _tuner(
            tune, trainable, space, folder,
            trials=trials, epochs=epochs, seed=seed, resume=resume,
        )  # fmt: skip
        found = tuple(_trial(result, folder / TRIALS, epochs) for result in tuner.fit())
    finally:
        _LISTENERS.clear()
        ray.shutdown()
    ranked = tuple(sorted(found, key=lambda trial: (-trial.map50_95, trial.name)))
    atomic.write_text(folder / TABLE, _table(ranked, tuple(space)))
    for trial in ranked:
        (folder / TRIALS / trial.name / RESUME).unlink(missing_ok=True)
    if ranked and all(trial.state == "failed" for trial in ranked):
        raise ConfigError(f"{folder}: every trial failed, the first with: {ranked[0].error}")
    return ranked


def detector_objective(
    values: Mapping[str, Any],
    folder: Path,
    report: Report,
    *,
    config_path: Path,
    overrides: tuple[str, ...],
    dataset: Path,
) -> None:
    """One trial: a training of ours, which goes on where the folder was left."""
    from lucency.detection.train import train

    config = trial_config(values, config_path=config_path, overrides=overrides)
    best = {"map50": 0.0, "map50_95": 0.0}

    def on_progress(state: TrainingProgress) -> None:
        if state.metrics:
            best["map50"] = max(best["map50"], state.metrics[MAP50])
            best["map50_95"] = max(best["map50_95"], state.metrics[MAP50_95])
            report({"epoch": state.epoch, **best})

    train(config, dataset, folder, resume=(folder / CONFIG).is_file(), on_progress=on_progress)


def trial_config(
    values: Mapping[str, Any], *, config_path: Path, overrides: tuple[str, ...]
) -> DetectionConfig:
    """The configuration with a trial's values in it."""
    drawn = (override(key, value) for key, value in values.items())
    return read_config(DetectionConfig, config_path, overrides=(*overrides, *drawn))


def write_best(config: DetectionConfig, folder: Path) -> Path:
    """Write the best trial's configuration, with which `lucency train` can go on."""
    path = folder / CONFIG
    atomic.write_text(path, dump_yaml(config))
    return path


def need_ray() -> Any:
    """Ray's `tune` module, with its usage statistics off.

    Raises
    ------
    ConfigError
        Ray is not installed.

    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    try:
        from ray import tune
    except ImportError:
        raise ConfigError('tune needs Ray: pip install "lucency[tune]"') from None
    # It prints every failed trial's traceback; the table tells of them.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    return tune


def _connect(ray: Any, address: str | None) -> None:
    local = {"include_dashboard": False} if address is None else {}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="error", **local)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"{address or 'this machine'}: Ray cannot be reached: {reason}") from None


def _tuner(
    tune: Any,
    trainable: Any,
    space: Mapping[str, Range],
    folder: Path,
    *,
    trials: int,
    epochs: int,
    seed: int,
    resume: bool,
) -> Any:
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.basic_variant import BasicVariantGenerator

    kept = str(folder / _RAY / _SEARCH)
    if resume and tune.Tuner.can_restore(kept):
        return tune.Tuner.restore(
            kept, trainable, param_space=_drawn(tune, space), restart_errored=True
        )
    return tune.Tuner(
        trainable,
        param_space=_drawn(tune, space),
        tune_config=tune.TuneConfig(
            metric="map50_95",
            mode="max",
            num_samples=trials,
            scheduler=ASHAScheduler(
                time_attr="epoch",
                # One more than there are, or Ray would end a training before its last words.
                max_t=epochs + 1,
                grace_period=max(1, round(_GRACE * epochs)),
                reduction_factor=2,
            ),
            search_alg=BasicVariantGenerator(random_state=seed),
            trial_name_creator=_name,
            trial_dirname_creator=_name,
        ),
        run_config=tune.RunConfig(
            name=_SEARCH,
            storage_path=str(folder / _RAY),
            verbose=0,
            callbacks=[_observer(tune)],
        ),
    )


def _drawn(tune: Any, space: Mapping[str, Range]) -> dict[str, Any]:
    """The space in Ray's words."""

    def one(found: Range) -> Any:
        if found.kind == "choice":
            return tune.choice(list(found.values))
        low, high = found.values
        if found.kind == "int":
            return tune.randint(low, high + 1)
        return tune.uniform(low, high) if found.kind == "uniform" else tune.loguniform(low, high)

    return {key: one(found) for key, found in space.items()}


def _observer(tune: Any) -> Any:
    class Observer(tune.Callback):  # type: ignore[misc]  # Ray's class is known at run time only
        """Kept by Ray in a file with the search, so it holds nothing, not even who listens."""

        def on_trial_result(
            self, iteration: int, trials: Any, trial: Any, result: Mapping[str, Any], **_: Any
        ) -> None:
            from lucency.detection.tune import _LISTENERS

            if "epoch" in result:
                for listener in _LISTENERS:
                    listener(trial.trial_id, int(result["epoch"]), float(result["map50_95"]))

    return Observer()


def _run_trial(values: dict[str, Any], *, objective: Objective, folder: Path) -> None:
    """In a process of Ray's: run one trial, its errors in one line."""
    from ray import tune

    name = tune.get_context().get_trial_id()
    try:
        objective(values, folder / name, lambda figures: tune.report(dict(figures)))
    except LucencyError as error:
        raise RuntimeError(str(error)) from None


def _name(trial: Any) -> str:
    return str(trial.trial_id)


def _trial(result: Any, folder: Path, epochs: int) -> Trial:
    metrics = result.metrics or {}
    name = Path(result.path).name
    done = int(metrics.get("epoch", 0))
    error = ""
    if result.error is not None:
        state, error = "failed", str(result.error).strip().splitlines()[-1]
    else:  # a training may stop early by itself, by its patience
        state = "complete" if done >= epochs or is_finished(folder / name) else "given up"
    return Trial(
        name=name,
        values=dict(result.config or {}),
        epochs=done,
        map50=float(metrics.get("map50", 0.0)),
        map50_95=float(metrics.get("map50_95", 0.0)),
        state=state,
        error=error,
    )


def _table(trials: tuple[Trial, ...], keys: tuple[str, ...]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", "epochs", "map50", "map50_95", *keys, "error"])
    for trial in trials:
        figures = (trial.name, trial.state, trial.epochs, trial.map50, trial.map50_95)
        writer.writerow([*figures, *(trial.values.get(key) for key in keys), trial.error])
    return text.getvalue()
