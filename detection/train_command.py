"""What `lucency train` does for a detector, with its progress."""

from collections.abc import Sequence
from pathlib import Path


def train_detector(
    config_path: Path, dataset: Path, run: Path, *, overrides: Sequence[str], resume: bool
) -> None:
    """Train from a configuration, with a live progress bar and a line for each epoch."""
    from lucency.configs.schema import read_config
    from lucency.detection.progress import training_progress
    from lucency.detection.recipe import DetectionConfig
    from lucency.detection.train import train

    config = read_config(DetectionConfig, config_path, overrides=overrides)
    with training_progress(config.name) as (console, on_progress):
        summary = train(config, dataset, run, resume=resume, on_progress=on_progress)
        console.print(
            f"Best epoch {summary.best_epoch}: mAP50 {summary.map50:.3f}, "
            f"mAP50-95 {summary.map50_95:.3f} on validation data (Ultralytics' own figures)."
        )
        console.print(f"Next: lucency export {run} {dataset} BUNDLE", highlight=False)
