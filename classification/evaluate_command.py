"""What `lucency evaluate` does for a classifier: a report's folder, and tables in the terminal."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lucency.classification.evaluate import Evaluation

PREDICTIONS, COMPARED = "predictions.csv", "predictions_compared.csv"
PAGE = "report.html"


@dataclass(frozen=True)
class EvaluateOptions:
    """What `lucency evaluate` was asked for, besides the model, the set and the folder."""

    split: str = "test"
    compare: str | None = None
    by: tuple[str, ...] = ()
    samples: int = 1000


def evaluate_classifier(model: str, dataset: Path, out: Path, options: EvaluateOptions) -> None:
    """Measure a model on a split: tables here, JSON, probabilities and an HTML page in ``out``."""
    from rich.console import Console

    from lucency.classification.terminal_tables import print_evaluation

    found = _evaluate(model, dataset, out, options)
    console = Console()
    print_evaluation(found, console)
    console.print(f"{out / PAGE} shows the curves and the worst cases.", highlight=False)


def measure_classifier(bundle: Path, dataset: Path, out: Path, *, split: str) -> dict[str, str]:
    """Measure a bundle on a split; leave a report in ``out``; the chief figures as text."""
    found = _evaluate(str(bundle), dataset, out, EvaluateOptions(split=split))
    measured = found.measured
    point = measured.chief_point
    chief: dict[str, str] = {}
    for name, label in measured.measures.labels.items():
        rates = label.points[point]
        chief[f"classifier AUC, {name}"] = str(label.auc)
        chief[f"classifier sensitivity, {name} ({point})"] = str(rates.sensitivity)
        chief[f"classifier specificity, {name} ({point})"] = str(rates.specificity)
    return chief


def _evaluate(name: str, root: Path, out: Path, options: EvaluateOptions) -> "Evaluation":
    from rich.progress import Progress as ProgressBars

    from lucency.annotations.records import read_dataset
    from lucency.classification.evaluate import evaluate
    from lucency.classification.open_model import open_model
    from lucency.classification.report import write_page
    from lucency.configs import atomic
    from lucency.datasets.leakage import check_leakage
    from lucency.evaluation.step_bars import step_bars

    atomic.refuse_existing(out)
    dataset = read_dataset(root)
    check_leakage(dataset)
    model = open_model(name, dataset)
    second = None if options.compare is None else open_model(options.compare, dataset)
    with atomic.new_folder(out) as folder, ProgressBars(transient=True) as bars:
        found = evaluate(
            model,
            dataset,
            options.split,
            second=second,
            by=options.by,
            samples=options.samples,
            on_step=step_bars(bars),
        )
        _write_files(found, folder)
        write_page(found, folder / PAGE, dataset=dataset, lies_in=out)
    return found


def _write_files(found: "Evaluation", folder: Path) -> None:
    """Figures and probabilities; what the latter's thresholds are stands with the figures."""
    import hashlib

    from lucency.classification.metrics_json import metrics_json
    from lucency.classification.predictions_csv import write_probabilities
    from lucency.evaluation.recorded_predictions import METRICS
    from lucency.evaluation.report import write_json

    files: dict[str, dict[str, Any]] = {}
    for part, name in ((found.measured, PREDICTIONS), (found.compared, COMPARED)):
        if part is None:
            continue
        chosen_on = part.thresholds.chosen_on
        parts = [(part.split, part.probabilities), *([chosen_on] if chosen_on else [])]
        write_probabilities(folder / name, parts)
        files[name] = {
            "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
            "model": part.model.name,
            "exclusive": part.model.exclusive,
            "kinds": part.model.kinds,
            "trained_on": part.model.trained_on,
            "data_sha256": part.model.data_sha256,
            "thresholds": None if part.thresholds.flattering else part.thresholds.values,
        }
    write_json(metrics_json(found, prediction_files=files), folder / METRICS)
