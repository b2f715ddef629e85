"""The demonstration: phantoms, conversion, split, training, export, evaluation, one analysis."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from lucency.annotations.convert import convert
from lucency.annotations.findings import Status
from lucency.annotations.records import read_dataset
from lucency.api.loading import load_bundles
from lucency.api.pipeline import Pipeline
from lucency.configs import atomic
from lucency.configs.errors import ConfigError
from lucency.configs.schema import find_config, read_config
from lucency.datasets.display import display
from lucency.datasets.phantom_files import write_labelme
from lucency.datasets.phantoms import make_chests, make_limbs
from lucency.datasets.placement import apply_split
from lucency.datasets.split import split_dataset
from lucency.detection.detector import open_detector
from lucency.detection.inference import detect
from lucency.detection.recipe import DetectionConfig

LIMB_PATIENTS = 100
CHEST_PATIENTS = 180
IMAGE_SIZE = 320
FALLBACK_WEIGHTS = "fracture"


@dataclass(frozen=True)
class DemoResult:
    """What the demonstration left, and its figures as text."""

    figures: dict[str, str]
    report: Path
    picture: Path
    answer: Path
    next_commands: tuple[str, ...]


def run_demo(
    out: Path,
    *,
    seed: int,
    console: Console,
    limb_patients: int = LIMB_PATIENTS,
    chest_patients: int = CHEST_PATIENTS,
    detector_overrides: tuple[str, ...] = (),
    classifier_overrides: tuple[str, ...] = (),
) -> DemoResult:
    """Go the whole path and leave everything in ``out``; takes a few minutes on two cores.

    Raises
    ------
    ConfigError
        ``out`` exists already and is not empty.

    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out}: exists already; name a new folder or remove this one")
    started = time.perf_counter()
    limbs, chests = out / "data" / "limbs", out / "data" / "chests"
    with _step(console, "Drawing phantoms as DICOM with labelme annotations"):
        write_labelme(
            make_limbs(limb_patients, seed=seed, size=IMAGE_SIZE), out / "annotated" / "limbs"
        )
        write_labelme(
            make_chests(chest_patients, seed=seed, size=IMAGE_SIZE), out / "annotated" / "chests"
        )
    with _step(console, "Converting to YOLO data sets, splitting by patient"):
        for region, folder in (("limbs", limbs), ("chests", chests)):
            convert(out / "annotated" / region, folder)
            apply_split(split_dataset(read_dataset(folder), seed=seed))
    detector = _detector(out, limbs, console, overrides=detector_overrides)
    classifier = _classifier(out, chests, console, overrides=classifier_overrides)
    with _step(console, "Analysing one test image with both bundles"):
        picture, answer = _analyse(out, limbs)
    figures = {
        **detector,
        **classifier,
        "minutes": f"{(time.perf_counter() - started) / 60:.1f}",
    }
    image = next(iter(sorted((out / "annotated" / "limbs").glob("*.dcm"))))
    bundles = f"--bundle {out}/bundles/detector --bundle {out}/bundles/classifier"
    return DemoResult(
        figures=figures,
        report=out / "reports" / "detector" / "report.html",
        picture=picture,
        answer=answer,
        next_commands=(
            f"lucency serve {bundles}",
            f"curl -F file=@{image} http://127.0.0.1:8000/v1/analyze",
            "lucency convert YOUR_ANNOTATIONS YOUR_SET --images YOUR_IMAGES",
        ),
    )


def _detector(
    out: Path, dataset: Path, console: Console, *, overrides: tuple[str, ...]
) -> dict[str, str]:
    from lucency.detection.evaluate_command import measure_detector
    from lucency.detection.export import export
    from lucency.detection.progress import training_progress
    from lucency.detection.train import train
    from lucency.detection.weights import starting_weights

    config = read_config(DetectionConfig, find_config("demo_detector"), overrides=overrides)
    try:
        weights = starting_weights(config.weights, folder=out / "weights")
    except ConfigError as error:
        console.print(f"{error}", style="yellow", highlight=False)
        console.print(
            f"Starting from the shipped bundle '{FALLBACK_WEIGHTS}' instead.", highlight=False
        )
        weights = starting_weights(FALLBACK_WEIGHTS, folder=out / "weights")
    config = config.model_copy(update={"weights": str(weights)})
    run, bundle = out / "runs" / "detector", out / "bundles" / "detector"
    console.print("Fine-tuning a YOLO detector on limbs", style="bold")
    with training_progress(config.name) as (_, on_progress):
        train(config, dataset, run, on_progress=on_progress)
    with _step(console, "Exporting the detector, comparing ONNX with torch"):
        export(run, dataset, bundle)
    console.print("Measuring the detector on the test split", style="bold")
    return measure_detector(bundle, dataset, out / "reports" / "detector", split="test")


def _classifier(
    out: Path, dataset: Path, console: Console, *, overrides: tuple[str, ...]
) -> dict[str, str]:
    from lucency.classification.evaluate_command import measure_classifier
    from lucency.classification.export import export
    from lucency.classification.recipe import ClassificationConfig
    from lucency.classification.train import train
    from lucency.classification.train_command import training_progress

    config = read_config(ClassificationConfig, find_config("demo_classifier"), overrides=overrides)
    run, bundle = out / "runs" / "classifier", out / "bundles" / "classifier"
    console.print("Training a classifier on chests", style="bold")
    with training_progress(config.name) as (_, on_progress):
        train(config, dataset, run, progress=on_progress)
    with _step(console, "Exporting the classifier, comparing ONNX with torch"):
        export(run, dataset, bundle)
    console.print("Measuring the classifier on the test split", style="bold")
    return measure_classifier(bundle, dataset, out / "reports" / "classifier", split="test")


def _analyse(out: Path, dataset: Path) -> tuple[Path, Path]:
    """Analyse the first test image with a finding; leave the picture and the answer."""
    from lucency.evaluation.boxes import truth_from_findings
    from lucency.evaluation.pictures import compared_boxes, draw_boxes, encode_jpeg

    data = read_dataset(dataset)
    record = next(
        (r for r in data.in_split("test") if r.status is Status.ANNOTATED), data.records[0]
    )
    bundles = load_bundles([str(out / "bundles" / name) for name in ("detector", "classifier")])
    path = data.image_path(record)
    analysis = Pipeline(bundles).analyze(path.read_bytes(), name=path.name)
    answer, picture = out / "answer.json", out / "answer.jpg"
    atomic.write_text(answer, analysis.report.model_dump_json(indent=2) + "\n")
    detector = open_detector(out / "bundles" / "detector")
    manifest = detector.manifest
    truth = truth_from_findings(
        data.findings(record),
        image=path.name,
        size_wh=analysis.radiograph.size_wh,
        label_map=data.label_map,
    )
    boxes = compared_boxes(
        truth,
        detect([detector], analysis.radiograph, conf=0.01).to_predictions(path.name),
        manifest.operating_points[manifest.default_operating_point],
        class_names=manifest.class_names,
    )
    shown = display(analysis.radiograph, manifest.display.whole()).image
    atomic.write_bytes(picture, encode_jpeg(draw_boxes(shown, boxes, longest_side=800)))
    return picture, answer


@contextmanager
def _step(console: Console, title: str) -> Iterator[None]:
    started = time.perf_counter()
    with console.status(f"{title} …"):
        yield
    console.print(f"{title}: {time.perf_counter() - started:.0f} s", highlight=False)
