"""What `lucency evaluate` does for a detector: a report's folder, and tables in the terminal."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lucency.annotations.records import Dataset
    from lucency.detection.evaluate import Evaluation

PREDICTIONS, COMPARED = "predictions.json", "predictions_compared.json"
TRUTH, PAGE = "truth.json", "report.html"


@dataclass(frozen=True)
class EvaluateOptions:
    """What `lucency evaluate` was asked for, besides the model, the set and the folder."""

    split: str = "test"
    compare: str | None = None
    by: tuple[str, ...] = ()
    rule: str = "iou50"
    samples: int = 1000
    coco_truth: Path | None = None


def evaluate_detector(model: str, dataset: Path, out: Path, options: EvaluateOptions) -> None:
    """Measure a model on a split: tables here, JSON, predictions and an HTML page in ``out``."""
    from rich.console import Console

    from lucency.detection.terminal_tables import print_evaluation

    found = _evaluate(model, dataset, out, options)
    console = Console()
    print_evaluation(found, console)
    console.print(f"{out / PAGE} shows the curves and the worst cases.", highlight=False)


def measure_detector(bundle: Path, dataset: Path, out: Path, *, split: str) -> dict[str, str]:
    """Measure a bundle on a split; leave a report in ``out``; the chief figures as text."""
    from lucency.evaluation.detection_measures import ALL_CLASSES

    found = _evaluate(str(bundle), dataset, out, EvaluateOptions(split=split))
    measures = found.measured.measures
    rates = measures.points["balanced"][ALL_CLASSES]
    return {
        "detector mAP50": str(measures.map50),
        "detector mAP50-95": str(measures.map50_95),
        "detector precision (balanced)": str(rates.precision),
        "detector recall (balanced)": str(rates.recall),
    }


def _evaluate(name: str, root: Path, out: Path, options: EvaluateOptions) -> "Evaluation":
    from rich.progress import Progress as ProgressBars

    from lucency.annotations.records import read_dataset
    from lucency.configs import atomic
    from lucency.datasets.leakage import check_leakage
    from lucency.detection.evaluate import evaluate
    from lucency.detection.open_model import open_model
    from lucency.detection.report import write_page
    from lucency.evaluation.match_rules import MATCH_RULES
    from lucency.evaluation.step_bars import step_bars

    atomic.refuse_existing(out)
    dataset = read_dataset(root)
    check_leakage(dataset)
    model = open_model(name, dataset, coco_truth=options.coco_truth)
    second = None
    if options.compare is not None:
        second = open_model(options.compare, dataset, coco_truth=options.coco_truth)
    with atomic.new_folder(out) as folder, ProgressBars(transient=True) as bars:
        found = evaluate(
            model,
            dataset,
            options.split,
            second=second,
            by=options.by,
            rule=MATCH_RULES[options.rule],
            samples=options.samples,
            on_step=step_bars(bars),
        )
        _write_files(found, folder, dataset)
        write_page(found, folder / PAGE, dataset=dataset, lies_in=out)
    return found


def _write_files(found: "Evaluation", folder: Path, dataset: "Dataset") -> None:
    """Figures and predictions; what the predictions' thresholds are stands with the figures."""
    import hashlib

    from lucency.detection.metrics_json import metrics_json
    from lucency.evaluation.coco_results import write_results, write_truth
    from lucency.evaluation.recorded_predictions import METRICS
    from lucency.evaluation.report import write_json

    measured, compared = found.measured, found.compared
    files: dict[str, dict[str, Any]] = {}
    for part, name in ((measured, PREDICTIONS), (compared, COMPARED)):
        if part is None:
            continue
        path = folder / name
        boxes = [*part.predictions, *part.thresholds.predictions]
        write_results(boxes, path, dataset=dataset)
        files[name] = {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "model": part.model.name,
            "trained_on": part.model.trained_on,
            "data_sha256": part.model.data_sha256,
            "thresholds": None if part.thresholds.flattering else part.thresholds.values,
        }
    write_truth(measured.truths, folder / TRUTH, dataset=dataset)
    write_json(metrics_json(found, prediction_files=files), folder / METRICS)
