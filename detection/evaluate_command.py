"""What `lucency evaluate` does for a detector."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lucency.detection.evaluate import DetectionFigures


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
