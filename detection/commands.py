"""What the command line does for a detector: training, export and evaluation with progress."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lucency.detection.evaluate import DetectionFigures


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


def export_detector(run: Path, dataset: Path, out: Path) -> None:
    """Export a run as a bundle and say what the parity gate measured."""
    from rich.console import Console

    from lucency.detection.export import export

    console = Console()
    with console.status("Exporting, comparing with torch, choosing thresholds …"):
        bundle = export(run, dataset, out)
    parity = bundle.manifest.parity
    console.print(
        f"{out}: ONNX agrees with torch on {parity['images']:.0f} images: at most "
        f"{parity['probability']:.1e} in probability, {parity['box_px']:.1e} px in boxes.",
        highlight=False,
    )
    console.print(f"Next: lucency evaluate {out} {dataset} REPORT", highlight=False)


def evaluate_detector(bundle: Path, dataset: Path, out: Path, *, split: str) -> None:
    """Measure a bundle on a split: a table here, JSON and an HTML page in ``out``."""
    from rich.console import Console

    from lucency.detection.report import figures_table

    found = measure_detector(bundle, dataset, out, split=split)
    console = Console()
    console.print(figures_table(found))
    console.print(f"{out / 'report.html'} shows the curves, hits and misses.", highlight=False)


def measure_detector(bundle: Path, dataset: Path, out: Path, *, split: str) -> "DetectionFigures":
    """Measure a bundle on a split with a progress bar; leave JSON and a page in ``out``."""
    from rich.progress import Progress

    from lucency.annotations.records import read_dataset
    from lucency.configs import atomic
    from lucency.detection.detector import open_detector
    from lucency.detection.evaluate import figures, predict_split, write_figures
    from lucency.detection.report import write_page

    detector = open_detector(bundle)
    manifest = detector.manifest
    data = read_dataset(dataset)
    facts = {
        "bundle": manifest.name,
        "model_sha256": detector.bundle.digest,
        "dataset": data.root.name,
        "split": split,
    }
    with atomic.new_folder(out) as folder, Progress(transient=True) as progress:
        bar = progress.add_task(f"Detecting in '{split}'")
        truths, predictions = predict_split(
            detector,
            data,
            split,
            on_image=lambda done, total: progress.update(bar, completed=done, total=total),
        )
        found = figures(
            truths, predictions, manifest.operating_points, class_names=manifest.class_names
        )
        write_figures(found, folder / "metrics.json", facts=facts)
        page = folder / "report.html"
        write_page(found, truths, predictions, page, detector=detector, dataset=data, facts=facts)
    return found
