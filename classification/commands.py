"""What the command line does for a classifier: training, export and evaluation with progress."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from lucency.classification.evaluate import ClassificationFigures
    from lucency.classification.train import Progress


def train_classifier(
    config_path: Path, dataset: Path, run: Path, *, overrides: Sequence[str], resume: bool
) -> None:
    """Train from a configuration, with a live progress bar and a line for each epoch."""
    from lucency.classification.recipe import ClassificationConfig
    from lucency.classification.train import train
    from lucency.configs.schema import read_config

    config = read_config(ClassificationConfig, config_path, overrides=overrides)
    with training_progress(config.name) as (console, on_progress):
        summary = train(config, dataset, run, resume=resume, progress=on_progress)
        early = ", stopped early" if summary.stopped_early else ""
        console.print(
            f"Best epoch {summary.best_epoch} of {len(summary.history)}{early}: "
            f"AUC {summary.best_auc:.3f} on validation data.",
            highlight=False,
        )
        console.print(f"Next: lucency export {run} {dataset} BUNDLE", highlight=False)


def export_classifier(run: Path, dataset: Path, out: Path) -> None:
    """Export a run as a bundle and say what the parity gate measured."""
    from rich.console import Console

    from lucency.classification.export import export

    console = Console()
    with console.status("Exporting, comparing with torch, choosing thresholds …"):
        parity = export(run, dataset, out).manifest.parity
    console.print(
        f"{out}: ONNX agrees with torch on {parity['images']:.0f} images: at most "
        f"{parity['probability']:.1e} in probability.",
        highlight=False,
    )
    console.print(f"Next: lucency evaluate {out} {dataset} REPORT", highlight=False)


def evaluate_classifier(bundle: Path, dataset: Path, out: Path, *, split: str) -> None:
    """Measure a bundle on a split: a table here, JSON and an HTML page in ``out``."""
    from rich.console import Console

    from lucency.classification.report import figures_table

    found = _measure(bundle, dataset, out, split=split)
    console = Console()
    console.print(figures_table(found))
    console.print(f"{out / 'report.html'} shows the curves and the worst cases.", highlight=False)


def measure_classifier(bundle: Path, dataset: Path, out: Path, *, split: str) -> dict[str, str]:
    """Measure a bundle on a split; leave JSON and a page in ``out``; the chief figures as text."""
    from lucency.classification.evaluate import DEFAULT_POINT
    from lucency.evaluation.report import format_cell

    chief: dict[str, str] = {}
    for name, label in _measure(bundle, dataset, out, split=split).labels.items():
        chosen = label.points[DEFAULT_POINT]
        chief[f"classifier AUC, {name}"] = format_cell(label.auc)
        chief[f"classifier sensitivity, {name} (balanced)"] = format_cell(chosen.sensitivity)
        chief[f"classifier specificity, {name} (balanced)"] = format_cell(chosen.specificity)
    return chief


@contextmanager
def training_progress(name: str) -> Iterator[tuple["Console", Callable[["Progress"], None]]]:
    """Yield a console and the callback that `train` tells of its progress."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        transient=True,
    )
    reading = bar.add_task("reading images", total=None, visible=False)
    training = bar.add_task(name, total=None)

    def on_progress(state: "Progress") -> None:
        if state.epoch == 0:
            bar.update(reading, completed=state.batch, total=state.batches, visible=True)
            return
        bar.update(reading, visible=False)
        done = (state.epoch - 1) * state.batches + state.batch
        description = f"{name} epoch {state.epoch}/{state.epochs}"
        total = state.epochs * state.batches
        bar.update(training, completed=done, total=total, description=description)
        if state.result is not None:
            row = state.result
            bar.console.print(
                f"epoch {row.epoch:>3}/{state.epochs}  {row.phase:<9}  loss {row.train_loss:.4f}  "
                f"validation loss {row.val_loss:.4f}  AUC {row.val_auc:.3f}",
                highlight=False,
            )

    with bar:
        yield bar.console, on_progress


def _measure(bundle: Path, dataset: Path, out: Path, *, split: str) -> "ClassificationFigures":
    from rich.progress import Progress

    from lucency.annotations.records import read_dataset
    from lucency.classification.classifier import open_classifier
    from lucency.classification.evaluate import figures, predict_split, write_figures
    from lucency.classification.report import write_page
    from lucency.configs import atomic
    from lucency.datasets.labelled import labelled_split
    from lucency.datasets.leakage import check_leakage

    classifier = open_classifier(bundle)
    manifest = classifier.manifest
    data = read_dataset(dataset)
    check_leakage(data)
    labelled = labelled_split(data, split=split, labels=manifest.class_names, both_values=False)
    facts = {
        "bundle": manifest.name,
        "model_sha256": classifier.bundle.digest,
        "dataset": data.root.name,
        "split": split,
    }
    with atomic.new_folder(out) as folder, Progress(transient=True) as progress:
        bar = progress.add_task(f"Classifying '{split}'")
        probabilities = predict_split(
            classifier,
            data,
            labelled,
            on_image=lambda done, total: progress.update(bar, completed=done, total=total),
        )
        found = figures(labelled, probabilities, manifest.operating_points)
        write_figures(found, folder / "metrics.json", facts=facts)
        page = folder / "report.html"
        write_page(
            found,
            probabilities,
            page,
            classifier=classifier,
            dataset=data,
            split=labelled,
            facts=facts,
        )
    return found
